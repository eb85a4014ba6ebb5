/* Differences of texts: Myers' O(ND) algorithm, given up on where N and D are both large. */
/* SPDX-License-Identifier: MIT */
#include "pure/textdiff.h"

#include <stdlib.h>

#define CHANGES_MAX 400 /* D: memory grows with its square */

struct lines {
	struct str *list; /* each with its LF, if it has one */
	bool *changed;
	size_t count;
};

static void
lines_fini(struct lines *l)
{
	free(l->list);
	free(l->changed);
}

static void
lines_init(struct lines *l, struct str text)
{
	size_t count = 0;
	const char *end;

	for (struct str rest = text; rest.len; count++) {
		end = memchr(rest.p, '\n', rest.len);
		if (!end)
			end = rest.p + rest.len - 1;
		rest = str_make(end + 1, rest.len - (size_t)(end + 1 - rest.p));
	}
	l->list = mem_alloc_array(count + 1, sizeof(*l->list));
	l->changed = mem_alloc_array(count + 1, sizeof(*l->changed));
	for (l->count = 0; l->count < count; l->count++) {
		end = memchr(text.p, '\n', text.len);
		if (!end)
			end = text.p + text.len - 1;
		l->list[l->count] = str_make(text.p, (size_t)(end + 1 - text.p));
		text = str_make(end + 1, text.len - l->list[l->count].len);
	}
}

/* What is left between equal beginnings and ends. */
struct middle {
	const struct str *a, *b;
	bool *removed, *added;
	int n, m;
};

/* Walks the kept rows back from the end and marks each step that is no diagonal. */
static void
mark_path(const struct middle *mid, const int *rows, int d)
{
	int x = mid->n, y = mid->m;

	for (; d > 0; d--) {
		const int *v = rows + (size_t)(d - 1) * (2 * CHANGES_MAX + 3) + CHANGES_MAX + 1;
		int k = x - y;
		bool down = k == -d || (k != d && v[k - 1] < v[k + 1]);
		int from = down ? v[k + 1] : v[k - 1], from_y = from - (down ? k + 1 : k - 1);

		if (down)
			mid->added[from_y] = true;
		else
			mid->removed[from] = true;
		x = from;
		y = from_y;
	}
}

/* False when more than CHANGES_MAX lines differ. */
static bool
shortest(const struct middle *mid)
{
	size_t width = 2 * CHANGES_MAX + 3;
	AUTO(auto_free) int *rows = mem_alloc_array((CHANGES_MAX + 2) * width, sizeof(int));

	for (int d = 0; d <= CHANGES_MAX; d++) {
		int *v = rows + (size_t)d * width + CHANGES_MAX + 1;

		if (d)
			memcpy(v - CHANGES_MAX - 1, v - CHANGES_MAX - 1 - width,
			       width * sizeof(int));
		for (int k = -d; k <= d; k += 2) {
			int x, y;

			if (!d)
				x = 0;
			else
				x = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1]
									       : v[k - 1] + 1;
			for (y = x - k;
			     x < mid->n && y < mid->m && y >= 0 && str_eq(mid->a[x], mid->b[y]);)
				x++, y++;
			v[k] = x;
			if (x >= mid->n && y >= mid->m) {
				mark_path(mid, rows, d);
				return true;
			}
		}
	}
	return false;
}

static void
compare(struct lines *a, struct lines *b)
{
	size_t start = 0, end = 0, n, m;
	struct middle mid;

	while (start < a->count && start < b->count && str_eq(a->list[start], b->list[start]))
		start++;
	while (end < a->count - start && end < b->count - start &&
	       str_eq(a->list[a->count - 1 - end], b->list[b->count - 1 - end]))
		end++;
	n = a->count - start - end;
	m = b->count - start - end;
	mid = (struct middle){a->list + start,	  b->list + start, a->changed + start,
			      b->changed + start, (int)n,	   (int)m};
	if (n < INT32_MAX / 2 && m < INT32_MAX / 2 && (n > m ? n - m : m - n) <= CHANGES_MAX &&
	    shortest(&mid))
		return;
	for (size_t i = 0; i < n; i++)
		mid.removed[i] = true;
	for (size_t i = 0; i < m; i++)
		mid.added[i] = true;
}

/* ---- printing ---- */

/* The bytes of the code point at the front of s, 0 when it is not UTF-8. */
static size_t
code_point(struct str s, uint32_t *ret)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	uint32_t code = len == 1 ? c : c & (0x7fu >> len);

	if (len > s.len || !str_is_utf8(str_make(s.p, len)))
		return 0;
	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)s.p[i] & 0x3f);
	*ret = code;
	return len;
}

static bool
is_steering(uint32_t c)
{
	return (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e ||
	       c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       c == 0xfeff;
}

void
textdiff_add_safe(struct buf *out, struct str text)
{
	uint32_t code = 0;
	size_t len;

	for (; text.len; text = str_make(text.p + len, text.len - len)) {
		len = code_point(text, &code);
		if (!len) {
			buf_printf(out, "\\x%02x", (unsigned char)text.p[0]);
			len = 1;
		} else if (!is_steering(code)) {
			buf_add(out, text.p, len);
		} else if (code < 0x80) {
			buf_printf(out, "\\x%02x", code);
		} else {
			buf_printf(out, "\\u%04x", code);
		}
	}
}

struct printer {
	const struct lines *a, *b;
	const char *indent;
	struct buf *out;
};

static void
print_line(const struct printer *p, char sign, struct str line)
{
	bool ended = line.len && line.p[line.len - 1] == '\n';

	buf_puts(p->out, p->indent);
	buf_putc(p->out, sign);
	textdiff_add_safe(p->out, str_make(line.p, line.len - ended));
	buf_putc(p->out, '\n');
	if (!ended)
		buf_printf(p->out, "%s\\ No newline at end of file\n", p->indent);
}

/* Line numbers of an empty range are those of the line before it, as diff does. */
static void
print_range(struct buf *out, char sign, size_t from, size_t count)
{
	buf_printf(out, "%c%zu", sign, from + (count != 0));
	if (count != 1)
		buf_printf(out, ",%zu", count);
}

static void
print_hunk(const struct printer *p, size_t i, size_t i_end, size_t j, size_t j_end)
{
	buf_printf(p->out, "%s@@ ", p->indent);
	print_range(p->out, '-', i, i_end - i);
	buf_putc(p->out, ' ');
	print_range(p->out, '+', j, j_end - j);
	buf_puts(p->out, " @@\n");
	while (i < i_end || j < j_end) {
		if (i < i_end && p->a->changed[i])
			print_line(p, '-', p->a->list[i++]);
		else if (j < j_end && p->b->changed[j])
			print_line(p, '+', p->b->list[j++]);
		else {
			print_line(p, ' ', p->a->list[i++]);
			j++;
		}
	}
}

static bool
changed_at(const struct printer *p, size_t i, size_t j)
{
	return (i < p->a->count && p->a->changed[i]) || (j < p->b->count && p->b->changed[j]);
}

/* Moves i and j over one line: a removed, an added or an equal one. */
static void
step(const struct printer *p, size_t *i, size_t *j)
{
	if (*i < p->a->count && p->a->changed[*i])
		++*i;
	else if (*j < p->b->count && p->b->changed[*j])
		++*j;
	else
		++*i, ++*j;
}

static void
print_hunks(const struct printer *p, size_t context)
{
	size_t i = 0, j = 0, start_i, start_j, quiet, back;

	while (i < p->a->count || j < p->b->count) {
		if (!changed_at(p, i, j)) {
			step(p, &i, &j);
			continue;
		}
		back = i < context ? i : context;
		back = j < back ? j : back;
		start_i = i - back;
		start_j = j - back;
		for (quiet = 0; (i < p->a->count || j < p->b->count) && quiet <= 2 * context;) {
			quiet = changed_at(p, i, j) ? 0 : quiet + 1;
			step(p, &i, &j);
		}
		back = quiet > context ? quiet - context : 0;
		print_hunk(p, start_i, i - back, start_j, j - back);
	}
}

bool
textdiff_print(struct str before, struct str after, unsigned context, const char *indent,
	       struct buf *out)
{
	AUTO(lines_fini) struct lines a = {NULL};
	AUTO(lines_fini) struct lines b = {NULL};
	struct printer p = {&a, &b, indent, out};

	if (str_eq(before, after))
		return false;
	lines_init(&a, before);
	lines_init(&b, after);
	compare(&a, &b);
	print_hunks(&p, context);
	return true;
}
