/* Lines in front of inih: what it would cut, skip or misread is refused before it sees it. */
/* SPDX-License-Identifier: MIT */
#include "conf/read.h"

#include <ini.h>

enum line_kind { LINE_NOTHING, LINE_SECTION, LINE_KEY, LINE_MORE };

struct reader {
	struct str rest;
	const struct read_sink *sink;
	void *ctx;
	int line;
	size_t blanks;
	bool have_key;	 /* inih would take an indented line for a continuation */
	bool swallow;	 /* the line that indented ones continue was refused */
	bool no_section; /* so was the header */
	bool first_done; /* a header or a refused one was seen */
	/* What inih has to make of the line that it was given last. */
	enum line_kind expect;
	struct buf section, key, value;
	struct buf wrong; /* with the line in hand; empty: nothing */
};

static void refuse(struct reader *r, bool in_key, const char *fmt, ...) PRINTF(3, 4);
static void
refuse(struct reader *r, bool in_key, const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	r->sink->on_error(r->ctx, r->line, in_key, buf_cstr(&text));
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* isspace() without the bytes that only some locales add: the others were refused as control
 * characters. */
static bool
has_inline_comment(struct str s)
{
	for (size_t i = 1; i < s.len; i++)
		if (s.p[i] == ';' && is_blank(s.p[i - 1]))
			return true;
	return false;
}

/* What is wrong with the bytes of a line, whatever it means; NULL: nothing. */
static const char *
bytes_wrong(struct str s)
{
	if (memchr(s.p, '\0', s.len))
		return "there is a NUL byte in this line; this is no text file";
	if (memchr(s.p, '\r', s.len))
		return "there is a carriage return inside this line; end lines with LF or CR LF";
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return "there is a control character in this line; remove it";
	if (!str_is_utf8(s))
		return "this line is not UTF-8; save the file in UTF-8";
	return NULL;
}

/* Notes what is wrong with a line: the first of it is enough. */
static void
line_judge(struct reader *r, struct str line, bool comment, bool header)
{
	const char *wrong = bytes_wrong(line);

	buf_clear(&r->wrong);
	if (wrong)
		buf_puts(&r->wrong, wrong);
	else if (comment)
		return; /* inih never sees it */
	else if (line.len > READ_LINE_MAX)
		buf_printf(&r->wrong,
			   "this line has %zu bytes, at most %d are read; split it: continue on "
			   "indented lines",
			   line.len, READ_LINE_MAX);
	else if (!header && has_inline_comment(line))
		buf_puts(&r->wrong, "the value would be cut at ' ;'; write no blank before the "
				    "';', and comments on lines of their own");
}

/* True when something is wrong, which is told then. */
static bool
told_wrong(struct reader *r, bool in_key)
{
	if (!r->wrong.len)
		return false;
	refuse(r, in_key, "%s", buf_cstr(&r->wrong));
	return true;
}

static bool
key_is_valid(struct str key)
{
	for (size_t i = 0; i < key.len; i++) {
		char c = key.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    !memchr("._-", c, 3))
			return false;
	}
	return key.len > 0;
}

static bool
header_parse(struct reader *r, struct str s, struct str *ret)
{
	const char *end = memchr(s.p, ']', s.len);
	struct str header;

	if (!end) {
		refuse(r, false, "the section header has no ']'; expected [kind] or [kind name]");
		return false;
	}
	header = str_make(s.p + 1, (size_t)(end - s.p) - 1);
	if (end + 1 < s.p + s.len) {
		refuse(r, false,
		       "there is text behind the section header; put it on a line of its own");
		return false;
	}
	if (header.len > READ_HEADER_MAX) {
		refuse(r, false,
		       "the section header has %zu bytes, at most %d are read; shorten the name",
		       header.len, READ_HEADER_MAX);
		return false;
	}
	if (!str_trim(header).len) {
		refuse(r, false, "the section header is empty; expected [kind] or [kind name]");
		return false;
	}
	if (has_inline_comment(header)) {
		refuse(r, false,
		       "the section header would be cut at ' ;'; expected [kind] or [kind name]");
		return false;
	}
	*ret = header;
	return true;
}

static bool
take_header(struct reader *r, struct str s)
{
	struct str header;

	r->first_done = true;
	r->no_section = told_wrong(r, false) || !header_parse(r, s, &header);
	r->swallow = r->no_section;
	if (r->no_section) {
		r->sink->on_no_section(r->ctx, r->line);
		return false;
	}
	r->have_key = false;
	buf_clear(&r->section);
	buf_add_str(&r->section, header);
	r->sink->on_section(r->ctx, str_trim(header), r->line);
	r->expect = LINE_SECTION;
	return true;
}

/* The key of "key = value", and what stands behind; told when there is none. */
static bool
key_parse(struct reader *r, struct str s, struct str *ret_key, struct str *ret_value)
{
	struct str key = s;

	for (key.len = 0; key.len < s.len && s.p[key.len] != '=' && s.p[key.len] != ':';)
		key.len++;
	*ret_key = str_trim(key);
	if (key.len < s.len && ret_key->len <= READ_KEY_MAX && key_is_valid(*ret_key)) {
		*ret_value = str_trim(str_make(s.p + key.len + 1, s.len - key.len - 1));
		return true;
	}
	if (told_wrong(r, false))
		return false;
	if (key.len == s.len)
		refuse(r, false,
		       "this is neither 'key = value' nor a [section]; indent it when it continues "
		       "the line above");
	else
		refuse(r, false,
		       "a key of at most %d letters, digits, '.', '_' or '-' is expected before "
		       "the '='",
		       READ_KEY_MAX);
	return false;
}

static bool
take_key(struct reader *r, struct str s)
{
	struct str key, value;

	r->swallow = true;
	if (!key_parse(r, s, &key, &value))
		return false;
	if (!r->first_done && !told_wrong(r, false))
		refuse(r, false, "'%.*s' stands before the first section; put a [section] above it",
		       STR_ARG(key));
	if (!r->first_done)
		return false;
	if (r->no_section) {
		told_wrong(r, false);
		return false;
	}
	buf_clear(&r->key);
	buf_add_str(&r->key, key);
	if (r->wrong.len) {
		r->sink->on_key(r->ctx, buf_cstr(&r->key), NULL, r->line);
		told_wrong(r, true);
		return false;
	}
	buf_clear(&r->value);
	buf_add_str(&r->value, value);
	r->swallow = false;
	r->have_key = true;
	r->blanks = 0;
	r->expect = LINE_KEY;
	return true;
}

static bool
take_more(struct reader *r, struct str s, bool comment)
{
	if (told_wrong(r, !r->swallow) || r->swallow)
		return false;
	if (comment) {
		refuse(r, true,
		       "this indented line would be left out of '%s' for its '%c'; comments begin "
		       "in the first column",
		       buf_cstr(&r->key), s.p[0]);
		return false;
	}
	buf_clear(&r->value);
	buf_add_str(&r->value, s);
	r->expect = LINE_MORE;
	return true;
}

/* True when the line is for inih: *line is then what it is to see. Only continuations keep their
 * indentation, because that is all that inih knows them by. */
static bool
take_line(struct reader *r, struct str *ret_line)
{
	struct str line = *ret_line, s = str_trim(line);
	bool indented = line.len && is_blank(line.p[0]);
	bool comment = s.len && (s.p[0] == ';' || s.p[0] == '#');
	bool more = indented && (r->swallow || r->have_key);

	/* A header ends what a refused line began, also when it is indented. */
	if (r->swallow && s.len && s.p[0] == '[')
		more = false;
	line_judge(r, line, comment, s.len && s.p[0] == '[' && !more);
	if (!s.len)
		r->blanks++;
	if (!s.len || (comment && (!more || r->swallow))) {
		told_wrong(r, false);
		return false;
	}
	if (more)
		return take_more(r, s, comment);
	*ret_line = s;
	return s.p[0] == '[' ? take_header(r, s) : take_key(r, s);
}

static bool
next_line(struct reader *r, struct str *ret)
{
	if (!r->rest.p)
		return false;
	r->rest = str_split(r->rest, '\n', ret);
	if (!r->rest.p && !ret->len)
		return false; /* what stands behind the last line end */
	r->line++;
	if (ret->len && ret->p[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

/* inih and this file do not agree on a line: its key is there, but without a value. */
static void
refuse_expected(struct reader *r, const char *why)
{
	if (r->expect == LINE_KEY)
		r->sink->on_key(r->ctx, buf_cstr(&r->key), NULL, r->line);
	refuse(r, r->expect == LINE_KEY || r->expect == LINE_MORE, "%s", why);
	r->expect = LINE_NOTHING;
}

static void
expected_but_not_read(struct reader *r)
{
	if (r->expect == LINE_KEY || r->expect == LINE_MORE)
		refuse_expected(r, "inih did not read this line; write it otherwise");
	r->expect = LINE_NOTHING;
}

/* ini_reader: one line a call, an empty one for what is not for inih. */
static char *
on_read(char *out, int size, void *stream)
{
	struct reader *r = stream;
	struct str line;

	expected_but_not_read(r);
	if (size < 2 || !next_line(r, &line))
		return NULL;
	if (!take_line(r, &line))
		line.len = 0;
	if (line.len >= (size_t)size) {
		refuse_expected(r, "this line is longer than inih was built for; split it");
		line.len = 0;
	}
	if (line.len)
		memcpy(out, line.p, line.len);
	out[line.len] = '\0';
	return out;
}

/* ini_handler: the line must have become what it says, whatever inih this is. */
static int
on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;

	if (!name)
		return 1; /* builds that announce sections */
	if (r->expect != LINE_KEY && r->expect != LINE_MORE) {
		refuse(r, true, "inih took this line for a value; write it otherwise");
	} else if (strcmp(section, buf_cstr(&r->section)) || strcmp(name, buf_cstr(&r->key)) ||
		   !value || strcmp(value, buf_cstr(&r->value))) {
		refuse_expected(r, "inih would cut this line; shorten or split it");
	} else if (r->expect == LINE_KEY) {
		r->sink->on_key(r->ctx, name, value, r->line);
	} else {
		r->sink->on_more(r->ctx, value, r->blanks, r->line);
		r->blanks = 0;
	}
	r->expect = LINE_NOTHING;
	return 1;
}

static void
zero_fini(struct buf *b)
{
	if (b->data)
		mem_zero(b->data, b->cap);
	buf_fini(b);
}

void
read_ini(struct str text, const struct read_sink *sink, void *ctx)
{
	struct reader r = {.rest = text, .sink = sink, .ctx = ctx};
	int rc;

	if (str_starts(r.rest, STR("\xef\xbb\xbf")))
		r.rest = str_make(text.p + 3, text.len - 3);
	/* Values may be secrets: no growing, which would leave copies behind. */
	buf_reserve(&r.value, READ_LINE_MAX + 1);
	rc = ini_parse_stream(on_read, &r, on_pair, &r);
	expected_but_not_read(&r);
	if (rc) {
		r.line = rc > 0 ? rc : 0;
		refuse(&r, false, "inih cannot read this file");
	}
	buf_fini(&r.section);
	buf_fini(&r.key);
	buf_fini(&r.wrong);
	zero_fini(&r.value);
}
