/* IMAP responses: cut out of a stream of bytes, literals and all, then read item by item. RFC 9051,
 * 7 and 9. */
/* SPDX-License-Identifier: MIT */
#include "pure/imap_parse.h"

#include <assert.h>

/* A reader's memory goes back when a large response was handed out. */
#define KEPT_BYTES (256 << 10)

static const char *const status_names[] = {"", "OK", "NO", "BAD", "BYE", "PREAUTH"};
static_assert(ARRAY_LEN(status_names) == IMAP_STATUSES, "a name for every status");

static enum imap_status
status_of(struct str word)
{
	for (int i = 1; i < IMAP_STATUSES; i++)
		if (str_eq_nocase(word, str_of(status_names[i])))
			return (enum imap_status)i;
	return IMAP_NONE;
}

void
imap_reader_init(struct imap_reader *reader, size_t text_max, size_t literal_max)
{
	*reader = (struct imap_reader){.text_max = text_max, .literal_max = literal_max};
}

void
imap_reader_fini(struct imap_reader *reader)
{
	buf_fini(&reader->buf);
}

bool
imap_reader_feed(struct imap_reader *reader, struct str bytes, struct err *err)
{
	if (reader->start) {
		size_t cap = reader->buf.cap;

		buf_consume(&reader->buf, reader->start);
		reader->at -= reader->start;
		reader->line -= reader->start;
		reader->start = 0;
		if (!reader->buf.len && cap > KEPT_BYTES)
			buf_fini(&reader->buf);
	}
	if (!buf_try_reserve(&reader->buf, bytes.len + 1))
		return err_set(err, E_FULL, "no memory for an answer of the mail server");
	buf_add_str(&reader->buf, bytes);
	return true;
}

/* The first word, and what follows its blank. */
static struct str
word_split(struct str s, struct str *ret_word)
{
	struct str rest = str_split(s, ' ', ret_word);

	return rest.p ? rest : str_make(s.p + s.len, 0);
}

/* Literals stand in data; what people read may end in braces and mean nothing by it. */
static bool
may_have_literal(struct str line)
{
	struct str star, word;

	line = word_split(line, &star);
	word_split(line, &word);
	return str_eq(star, STR("*")) && status_of(word) == IMAP_NONE;
}

/* Where the quoted strings of a line have ended, is byte `at` of it outside? */
static bool
is_outside(struct str line, size_t at)
{
	bool quoted = false;

	for (size_t i = 0; i < at; i++) {
		if (line.p[i] == '"')
			quoted = !quoted;
		else if (line.p[i] == '\\' && quoted)
			i++;
	}
	return !quoted;
}

/* "{123}" or "~{123}" at the end of a line; digits: what stands between the braces. */
static bool
literal_at_end(struct str line, struct str *ret_digits)
{
	size_t i;

	if (line.len < 3 || line.p[line.len - 1] != '}')
		return false;
	for (i = line.len - 1; i && line.p[i - 1] >= '0' && line.p[i - 1] <= '9'; i--)
		;
	if (!i || i == line.len - 1 || line.p[i - 1] != '{' || !is_outside(line, i - 1))
		return false;
	*ret_digits = str_make(line.p + i, line.len - 1 - i);
	return true;
}

static bool
literal_begin(struct imap_reader *reader, struct str digits, struct err *err)
{
	uint64_t count;
	size_t left = reader->literal_max - reader->literals;

	if (!str_to_u64(digits, &count) || reader->literals > reader->literal_max || count > left)
		return err_set(
			err, E_TOO_LARGE,
			"the mail server announces %.*s bytes where at most %zu were expected",
			digits.len < 30 ? (int)digits.len : 30, digits.p, left);
	reader->literal = (size_t)count;
	reader->literals += (size_t)count;
	return true;
}

/* "[CODE args] text" */
static void
text_split(struct str text, struct imap_response *ret)
{
	struct str inside;
	bool quoted = false;
	size_t end = 0;

	ret->text = text;
	if (!text.len || text.p[0] != '[')
		return;
	for (; end < text.len && (quoted || text.p[end] != ']'); end++) {
		quoted ^= text.p[end] == '"';
		end += quoted && text.p[end] == '\\';
	}
	if (end >= text.len)
		return;
	inside = str_make(text.p + 1, end - 1);
	ret->code_args = word_split(inside, &ret->code);
	ret->text = str_trim(str_make(text.p + end + 1, text.len - end - 1));
}

static bool
response_split(struct str line, struct imap_response *ret, struct err *err)
{
	struct str first, word, rest = word_split(line, &first);

	*ret = (struct imap_response){
		.kind = IMAP_UNTAGGED, .text = STR(""), .name = STR(""), .args = STR("")};
	if (str_eq(first, STR("+"))) {
		ret->kind = IMAP_CONTINUE;
		ret->text = rest;
		return true;
	}
	rest = word_split(rest, &word);
	ret->status = status_of(word);
	if (!str_eq(first, STR("*"))) {
		ret->kind = IMAP_TAGGED;
		ret->tag = first;
		if (ret->status == IMAP_NONE || ret->status > IMAP_BAD || !first.len)
			return err_set(err, E_INVALID,
				       "the mail server says what is no IMAP; is there another "
				       "service behind this port?");
	}
	if (ret->status != IMAP_NONE) {
		text_split(rest, ret);
		return true;
	}
	if (str_to_u64(word, &ret->number)) {
		ret->has_number = true;
		rest = word_split(rest, &word);
	}
	ret->name = word;
	ret->args = rest;
	return true;
}

/* The line that ends at byte `end`: is it the response's last? */
static enum imap_read
line_take(struct imap_reader *reader, size_t end, struct imap_response *ret, struct err *err)
{
	const char *data = reader->buf.data;
	size_t stop = end > reader->line && data[end - 1] == '\r' ? end - 1 : end;
	struct str line = str_make(data + reader->line, stop - reader->line), digits;
	struct str whole = str_make(data + reader->start, stop - reader->start);

	reader->at = end + 1;
	if (literal_at_end(line, &digits) && may_have_literal(whole)) {
		if (!literal_begin(reader, digits, err))
			return IMAP_READ_BROKEN;
		return IMAP_READ_MORE;
	}
	reader->start = reader->line = reader->at;
	reader->literals = 0;
	/* Between two responses some servers leave an empty line. */
	if (!whole.len)
		return IMAP_READ_MORE;
	return response_split(whole, ret, err) ? IMAP_READ_RESPONSE : IMAP_READ_BROKEN;
}

enum imap_read
imap_reader_next(struct imap_reader *reader, struct imap_response *ret, struct err *err)
{
	for (;;) {
		size_t have = reader->buf.len - reader->at;
		const char *end;
		enum imap_read read;

		if (reader->literal) {
			size_t skip = have < reader->literal ? have : reader->literal;

			reader->at += skip;
			reader->literal -= skip;
			reader->line = reader->at;
			if (reader->literal)
				return IMAP_READ_MORE;
			have -= skip;
		}
		end = have ? memchr(reader->buf.data + reader->at, '\n', have) : NULL;
		if ((end ? (size_t)(end - reader->buf.data) : reader->buf.len) - reader->start -
			    reader->literals >
		    reader->text_max) {
			err_set(err, E_TOO_LARGE,
				"the mail server gives a line of more than %zu bytes",
				reader->text_max);
			return IMAP_READ_BROKEN;
		}
		if (!end) {
			reader->at = reader->buf.len;
			return IMAP_READ_MORE;
		}
		read = line_take(reader, (size_t)(end - reader->buf.data), ret, err);
		if (read != IMAP_READ_MORE)
			return read;
		if (!reader->literal)
			reader->line = reader->at;
	}
}

/* --- values ---------------------------------------------------------------------------------- */

/* The end of the quoted string that begins at i; s.len when it has none. */
static size_t
quoted_end(struct str s, size_t i)
{
	for (i++; i < s.len && s.p[i] != '"'; i++)
		i += s.p[i] == '\\';
	return i < s.len ? i : s.len;
}

/* "{n}" LF at i: where its bytes begin, and how many there are. */
static bool
literal_at(struct str s, size_t i, size_t *ret_begin, size_t *ret_len)
{
	const char *close = memchr(s.p + i, '}', s.len - i);
	uint64_t count;
	size_t at;

	if (!close || !str_to_u64(str_make(s.p + i + 1, (size_t)(close - s.p) - i - 1), &count))
		return false;
	at = (size_t)(close - s.p) + 1;
	at += at < s.len && s.p[at] == '\r';
	if (at == s.len || s.p[at] != '\n' || count > s.len - at - 1)
		return false;
	*ret_begin = at + 1;
	*ret_len = (size_t)count;
	return true;
}

/* A string, a literal or any other byte at i: the place behind it; false when it does not end. */
static bool
token_skip(struct str s, size_t *i)
{
	size_t begin, len;

	if (s.p[*i] == '"') {
		*i = quoted_end(s, *i);
		return (*i)++ < s.len;
	}
	if (s.p[*i] == '{' && literal_at(s, *i, &begin, &len))
		*i = begin + len;
	else
		++*i;
	return true;
}

/* The parenthesis that closes the one at i, however deep it is nested; s.len: none. */
static size_t
list_end(struct str s, size_t i)
{
	size_t depth = 0;

	while (i < s.len) {
		if (s.p[i] == ')' && !--depth)
			return i;
		depth += s.p[i] == '(';
		if (!token_skip(s, &i))
			return s.len;
	}
	return s.len;
}

/* Where an atom ends. */
static bool
ends_atom(char c)
{
	return c == ' ' || c == '(' || c == ')' || c == '"' || c == '{';
}

static struct str
slice(struct str s, size_t from, size_t to)
{
	return str_make(s.p + from, to - from);
}

bool
imap_value_next(struct str *rest, struct imap_value *ret)
{
	struct str s = *rest;
	size_t i = 0, begin, len, end;

	while (i < s.len && s.p[i] == ' ')
		i++;
	*rest = slice(s, i, s.len);
	s = *rest;
	if (!s.len)
		return false;
	end = s.p[0] == '"' ? quoted_end(s, 0) : s.p[0] == '(' ? list_end(s, 0) : 0;
	if (end) {
		if (end == s.len)
			return false;
		ret->kind = s.p[0] == '(' ? IMAP_LIST : IMAP_QUOTED;
		ret->raw = slice(s, 1, end);
		*rest = slice(s, end + 1, s.len);
		return true;
	}
	i = s.p[0] == '~' && s.len > 1 && s.p[1] == '{';
	if (s.p[i] == '{') {
		if (!literal_at(s, i, &begin, &len))
			return false;
		ret->kind = IMAP_LITERAL;
		ret->raw = slice(s, begin, begin + len);
		*rest = slice(s, begin + len, s.len);
		return true;
	}
	for (i = 0; i < s.len && !ends_atom(s.p[i]); i++)
		;
	if (!i)
		return false;
	ret->raw = slice(s, 0, i);
	ret->kind = str_eq_nocase(ret->raw, STR("NIL")) ? IMAP_NIL : IMAP_ATOM;
	*rest = slice(s, i, s.len);
	return true;
}

bool
imap_value_text(const struct imap_value *value, struct buf *out)
{
	if (value->kind == IMAP_LIST || value->kind == IMAP_NIL)
		return false;
	if (value->kind != IMAP_QUOTED) {
		buf_add_str(out, value->raw);
		return true;
	}
	for (size_t i = 0; i < value->raw.len; i++) {
		i += value->raw.p[i] == '\\' && i + 1 < value->raw.len;
		buf_putc(out, value->raw.p[i]);
	}
	return true;
}

bool
imap_value_number(const struct imap_value *value, uint64_t *ret)
{
	uint64_t number;

	if (value->kind != IMAP_ATOM || !str_to_u64(value->raw, &number) || number > INT64_MAX)
		return false;
	*ret = number;
	return true;
}

bool
imap_item_next(struct str *items, struct str *ret_name, struct imap_value *ret_value)
{
	struct str s = *items;
	size_t i = 0, begin, inside = 0;

	while (i < s.len && s.p[i] == ' ')
		i++;
	begin = i;
	for (; i < s.len && (inside || !ends_atom(s.p[i])); i++) {
		inside += s.p[i] == '[';
		inside -= s.p[i] == ']' && inside;
	}
	*ret_name = slice(s, begin, i);
	*items = slice(s, begin, s.len);
	if (i == begin)
		return false;
	s = slice(s, i, s.len);
	if (!imap_value_next(&s, ret_value))
		return false;
	*items = s;
	return true;
}

static bool
range_number(struct str *set, uint64_t *ret)
{
	size_t i = 0;

	while (i < set->len && set->p[i] >= '0' && set->p[i] <= '9')
		i++;
	/* A number that fits in nothing is no UID: as zero it is skipped. */
	if (i && !str_to_u64(slice(*set, 0, i), ret))
		*ret = 0;
	if (!i && set->len && set->p[0] == '*') {
		*ret = 0;
		i = 1;
	}
	*set = slice(*set, i, set->len);
	return i;
}

bool
imap_range_next(struct str *set, uint64_t *ret_from, uint64_t *ret_to)
{
	for (;;) {
		uint64_t from, to;
		size_t i = 0;

		while (i < set->len && (set->p[i] == ' ' || set->p[i] == ','))
			i++;
		*set = slice(*set, i, set->len);
		if (!range_number(set, &from))
			return false;
		to = from;
		if (set->len && set->p[0] == ':') {
			*set = slice(*set, 1, set->len);
			if (!range_number(set, &to))
				return false;
		}
		if (!from || !to)
			continue;
		*ret_from = from < to ? from : to;
		*ret_to = from < to ? to : from;
		return true;
	}
}
