/* Differences of two lines, word by word. */
/* SPDX-License-Identifier: MIT */
#include "pure/worddiff.h"

#include <stdint.h>
#include <stdlib.h>

#define ELLIPSIS "\xe2\x80\xa6"
/* Less than this share in common, in hundredths of the longer one: not two versions of one line. */
#define ALIKE_PERCENT 35

struct words {
	struct str list[WORDDIFF_WORDS];
	bool changed[WORDDIFF_WORDS];
	size_t count;
};

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (unsigned char)c >= 0x80;
}

static void
word_add(struct words *words, struct str word)
{
	if (!word.len)
		return;
	words->changed[words->count] = true;
	words->list[words->count++] = word;
}

/* head and tail: bytes that both lines have, each a word by itself. The last word between them
 * takes what would be too many. */
static void
words_read(struct words *words, struct str text, size_t head, size_t tail)
{
	struct str rest = str_make(text.p + head, text.len - head - tail);

	words->count = 0;
	word_add(words, str_make(text.p, head));
	while (rest.len) {
		size_t len = 1;

		if (words->count == WORDDIFF_WORDS - 2)
			len = rest.len;
		else if (is_letter(*rest.p))
			while (len < rest.len && is_letter(rest.p[len]))
				len++;
		word_add(words, str_make(rest.p, len));
		rest = str_make(rest.p + len, rest.len - len);
	}
	word_add(words, str_make(text.p + text.len - tail, tail));
}

/* What both begin with, up to the end of a word. */
static size_t
same_head(struct str a, struct str b)
{
	size_t most = a.len < b.len ? a.len : b.len, len = 0;

	while (len < most && a.p[len] == b.p[len])
		len++;
	if (len == a.len && len == b.len)
		return len;
	while (len && is_letter(a.p[len - 1]))
		len--;
	return len;
}

/* What both end with, behind the head. */
static size_t
same_tail(struct str a, struct str b, size_t head)
{
	size_t most = (a.len < b.len ? a.len : b.len) - head, len = 0;

	while (len < most && a.p[a.len - 1 - len] == b.p[b.len - 1 - len])
		len++;
	while (len && is_letter(a.p[a.len - len]))
		len--;
	return len;
}

/* The longest common sequence between equal beginnings and ends. lengths[i][j]: of what is left
 * from i and j on. */
static void
compare(struct words *a, struct words *b)
{
	size_t start = 0, end = 0, n, m;
	uint16_t *lengths;

	while (start < a->count && start < b->count && str_eq(a->list[start], b->list[start]))
		a->changed[start] = b->changed[start] = false, start++;
	while (end < a->count - start && end < b->count - start &&
	       str_eq(a->list[a->count - 1 - end], b->list[b->count - 1 - end])) {
		a->changed[a->count - 1 - end] = b->changed[b->count - 1 - end] = false;
		end++;
	}
	n = a->count - start - end;
	m = b->count - start - end;
	if (!n || !m)
		return;
	lengths = mem_alloc_array((n + 1) * (m + 1), sizeof(*lengths));
#define LENGTH(i, j) lengths[(i) * (m + 1) + (j)]
	for (size_t i = n; i-- > 0;)
		for (size_t j = m; j-- > 0;)
			LENGTH(i, j) = str_eq(a->list[start + i], b->list[start + j])
					       ? (uint16_t)(LENGTH(i + 1, j + 1) + 1)
				       : LENGTH(i + 1, j) > LENGTH(i, j + 1) ? LENGTH(i + 1, j)
									     : LENGTH(i, j + 1);
	for (size_t i = 0, j = 0; i < n && j < m;) {
		if (str_eq(a->list[start + i], b->list[start + j])) {
			a->changed[start + i++] = b->changed[start + j++] = false;
		} else if (LENGTH(i + 1, j) >= LENGTH(i, j + 1)) {
			i++;
		} else {
			j++;
		}
	}
#undef LENGTH
	free(lengths);
}

static bool
is_blank(struct str word)
{
	return word.len == 1 && (*word.p == ' ' || *word.p == '\t');
}

/* Bytes, blanks aside: of all, or of what the other has as well. */
static size_t
solid(const struct words *words, bool common)
{
	size_t sum = 0;

	for (size_t i = 0; i < words->count; i++)
		for (size_t k = 0; k < words->list[i].len; k++)
			sum += !(common && words->changed[i]) && words->list[i].p[k] != ' ' &&
			       words->list[i].p[k] != '\t';
	return sum;
}

/* Blanks between two changed words change with them. */
static void
join(struct words *words)
{
	for (size_t i = 1; i + 1 < words->count; i++)
		if (words->changed[i - 1] && is_blank(words->list[i]) && words->changed[i + 1])
			words->changed[i] = true;
}

/* Where a stretch may be cut: not within a character. */
static size_t
whole(struct str text, size_t at)
{
	while (at && at < text.len && ((unsigned char)text.p[at] & 0xc0) == 0x80)
		at--;
	return at;
}

static void
put_equal(struct buf *out, struct str text, size_t elide)
{
	size_t keep = elide / 3, tail;

	if (!elide || text.len <= elide) {
		buf_add_str(out, text);
		return;
	}
	tail = whole(text, text.len - keep);
	buf_add_str(out, str_make(text.p, whole(text, keep)));
	buf_puts(out, ELLIPSIS);
	buf_add_str(out, str_make(text.p + tail, text.len - tail));
}

static void
put(const struct words *words, const char *open, const char *close, size_t elide, struct buf *out)
{
	for (size_t i = 0; i < words->count;) {
		struct str stretch = words->list[i];
		bool changed = words->changed[i];

		for (i++; i < words->count && words->changed[i] == changed; i++)
			stretch.len += words->list[i].len;
		if (!changed) {
			put_equal(out, stretch, elide);
			continue;
		}
		buf_puts(out, open);
		buf_add_str(out, stretch);
		buf_puts(out, close);
	}
}

bool
worddiff_mark(struct str before, struct str after, const char *open, const char *close,
	      size_t elide, struct buf *ret_before, struct buf *ret_after)
{
	AUTO(auto_free) struct words *a = mem_alloc(sizeof(*a));
	AUTO(auto_free) struct words *b = mem_alloc(sizeof(*b));
	size_t head = same_head(before, after), tail = same_tail(before, after, head), longest;

	words_read(a, before, head, tail);
	words_read(b, after, head, tail);
	compare(a, b);
	longest = solid(a, false) > solid(b, false) ? solid(a, false) : solid(b, false);
	if (!longest || solid(a, true) * 100 < longest * ALIKE_PERCENT)
		return false;
	join(a);
	join(b);
	put(a, open, close, elide, ret_before);
	put(b, open, close, elide, ret_after);
	return true;
}
