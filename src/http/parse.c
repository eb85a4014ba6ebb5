/* The request parser: bytes in, head and body out. Strict RFC 9112, no sockets, no quadratic work.
 */
/* SPDX-License-Identifier: MIT */
#include "http/parse.h"

#include <assert.h>

#include "http/syntax.h"

#define METHOD_MAX 32
#define CHUNK_LINE_MAX 256
#define CHUNK_EXT_MAX 16384 /* in one body */
#define TRAILERS_MAX 8192
#define ARENA_START 1000 /* an ordinary head grows nothing */

static const struct {
	int status;
	const char *code, *text;
} refusals[] = {
#define X(name, status, code, text) {status, code, text},
	PARSE_REFUSALS(X)
#undef X
};

enum state {
	S_START,
	S_START_LF,
	S_METHOD,
	S_REQUEST_LINE,
	S_FIELD,
	S_BODY,
	S_SIZED,
	S_CHUNK_SIZE,
	S_CHUNK_DATA,
	S_CHUNK_CR,
	S_CHUNK_LF,
	S_TRAILER,
	S_DONE,
	S_REFUSED,
	STATES
};

static enum parse_event
refuse(struct parse *p, enum parse_refusal refusal)
{
	p->refusal = refusal;
	p->state = S_REFUSED;
	return PARSE_REFUSED;
}

static enum parse_event
go(struct parse *p, enum state state)
{
	p->state = (unsigned char)state;
	return PARSE_GO_ON;
}

static void
skip(struct str *in, size_t len)
{
	in->p += len;
	in->len -= len;
}

/* Moves bytes from in to line, up to and with the next LF; the CR LF is then cut off. */
static enum parse_event
read_line(struct parse *p, struct buf *line, size_t start, struct str *in,
	  enum parse_refusal too_long)
{
	const char *lf = in->len ? memchr(in->p, '\n', in->len) : NULL;
	size_t len = lf ? (size_t)(lf - in->p) + 1 : in->len;
	if (len > p->left)
		return refuse(p, too_long);
	p->left -= len;
	buf_add(line, in->p, len);
	skip(in, len);
	if (!lf)
		return PARSE_MORE;
	if (line->len - start < 2 || line->data[line->len - 2] != '\r')
		return refuse(p, PARSE_BARE_LF);
	buf_truncate(line, line->len - 2);
	return PARSE_GO_ON;
}

/* RFC 9112 2.2: one empty line before a request is passed over. */
static enum parse_event
on_start(struct parse *p, struct str *in, UNUSED struct str *ret_body)
{
	if (in->p[0] != '\r')
		return go(p, S_METHOD);
	skip(in, 1);
	return go(p, S_START_LF);
}

static enum parse_event
on_start_lf(struct parse *p, struct str *in, UNUSED struct str *ret_body)
{
	if (in->p[0] != '\n')
		return refuse(p, PARSE_METHOD);
	skip(in, 1);
	return go(p, S_METHOD);
}

/* RFC 9110 9.1: what is not known is 501, and 9.1's names are case-sensitive. */
static bool
is_served(struct str method)
{
	static const struct str served[] = {
		{"GET", 3},   {"POST", 4},   {"HEAD", 4},    {"PUT", 3},
		{"PATCH", 5}, {"DELETE", 6}, {"OPTIONS", 7},
	};
	for (size_t i = 0; i < ARRAY_LEN(served); i++)
		if (str_eq(method, served[i]))
			return true;
	return false;
}

/* Byte by byte, so that what cannot be HTTP is refused at its first wrong byte. */
static enum parse_event
on_method(struct parse *p, struct str *in, UNUSED struct str *ret_body)
{
	size_t len = 0;
	while (len < in->len && syntax_is_tchar(in->p[len]) && p->arena.len + len <= METHOD_MAX)
		len++;
	buf_add(&p->arena, in->p, len);
	skip(in, len);
	if (p->arena.len > METHOD_MAX)
		return refuse(p, PARSE_METHOD);
	if (!in->len)
		return PARSE_MORE;
	if (in->p[0] != ' ' || !p->arena.len)
		return refuse(p, PARSE_METHOD);
	skip(in, 1);
	p->method = (struct parse_span){0, (uint32_t)p->arena.len};
	if (!is_served(parse_str(p, p->method)))
		return refuse(p, PARSE_UNKNOWN_METHOD);
	p->line_start = p->arena.len;
	p->left = p->max_head - p->arena.len - 1;
	return go(p, S_REQUEST_LINE);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* false: refused. */
static bool
take_version(struct parse *p, struct str version)
{
	bool shaped = version.len == 8 && str_starts(version, STR("HTTP/")) &&
		      is_digit(version.p[5]) && version.p[6] == '.' && is_digit(version.p[7]);
	if (!shaped)
		return refuse(p, PARSE_REQUEST_LINE), false;
	p->http10 = str_eq(version, STR("HTTP/1.0"));
	if (!p->http10 && !str_eq(version, STR("HTTP/1.1")))
		return refuse(p, PARSE_VERSION), false;
	return true;
}

static struct parse_span
span_of(const struct parse *p, struct str s)
{
	return (struct parse_span){(uint32_t)(s.p - p->arena.data), (uint32_t)s.len};
}

/* RFC 9112 3.2.2: http://host/path; what is left is a path. */
static bool
take_authority(struct parse *p, struct str *target)
{
	size_t scheme = str_starts_nocase(*target, STR("http://"))    ? 7
			: str_starts_nocase(*target, STR("https://")) ? 8
								      : 0;
	if (!scheme)
		return true;
	skip(target, scheme);
	size_t len = 0;
	while (len < target->len && target->p[len] != '/' && target->p[len] != '?')
		len++;
	struct str authority = str_make(target->p, len);
	p->authority = span_of(p, authority);
	skip(target, len);
	return syntax_is_host(authority);
}

static enum parse_event
take_target(struct parse *p, struct str target)
{
	p->target = span_of(p, target);
	if (!take_authority(p, &target))
		return refuse(p, PARSE_TARGET);
	struct str path, query;
	query = str_split(target, '?', &path);
	if (query.p) {
		p->query = span_of(p, query);
		if (!syntax_is_query(query))
			return refuse(p, PARSE_TARGET);
	}
	/* The decoded path goes behind the line; room is made first, since path points into it. */
	struct parse_span raw = span_of(p, path);
	buf_reserve(&p->arena, path.len + 1);
	size_t at = p->arena.len;
	/* RFC 9112 3.2.2: http://host is http://host/ */
	path = !raw.len && p->authority.len ? STR("/") : parse_str(p, raw);
	if (!syntax_decode_path(path, &p->arena))
		return refuse(p, PARSE_TARGET);
	p->path = (struct parse_span){(uint32_t)at, (uint32_t)(p->arena.len - at)};
	p->line_start = p->arena.len;
	return go(p, S_FIELD);
}

static enum parse_event
on_request_line(struct parse *p, struct str *in, UNUSED struct str *ret_body)
{
	enum parse_event ev = read_line(p, &p->arena, p->line_start, in, PARSE_TARGET_LONG);
	if (ev != PARSE_GO_ON)
		return ev;
	struct str target,
		line = str_make(p->arena.data + p->line_start, p->arena.len - p->line_start);
	struct str version = str_split(line, ' ', &target);
	if (!version.p)
		return refuse(p, PARSE_REQUEST_LINE);
	if (!take_version(p, version))
		return PARSE_REFUSED;
	return take_target(p, target);
}

/* Fields that the parser itself must understand. false: refused. */
static bool
on_host(struct parse *p, struct str value)
{
	p->host = span_of(p, value);
	return syntax_is_host(value) || (refuse(p, PARSE_HOST), false);
}

static bool
on_content_length(struct parse *p, struct str value)
{
	return str_to_u64(value, &p->length) || (refuse(p, PARSE_LENGTH), false);
}

static bool
on_transfer_encoding(struct parse *p, struct str value)
{
	p->chunked = str_eq_nocase(value, STR("chunked"));
	if (p->chunked)
		return true;
	struct str first;
	str_split(value, ',', &first);
	first = syntax_trim(first);
	bool other = syntax_is_token(first) && !str_eq_nocase(first, STR("chunked"));
	return refuse(p, other ? PARSE_CODING : PARSE_CHUNKED), false;
}

static bool
on_connection(struct parse *p, struct str value)
{
	struct str rest = value, option;
	while (rest.p) {
		rest = str_split(rest, ',', &option);
		option = syntax_trim(option);
		p->says_close |= str_eq_nocase(option, STR("close"));
		p->says_keep_alive |= str_eq_nocase(option, STR("keep-alive"));
	}
	return true;
}

static bool
on_expect(struct parse *p, struct str value)
{
	if (p->http10) /* RFC 9110 10.1.1: as if it were not there */
		return true;
	p->wants_continue = str_eq_nocase(value, STR("100-continue"));
	return p->wants_continue || (refuse(p, PARSE_EXPECT), false);
}

static const struct known_field {
	struct str name;
	bool once;
	bool (*take)(struct parse *p, struct str value); /* may be NULL */
} known_fields[] = {
	{{"host", 4}, true, on_host},
	{{"content-length", 14}, true, on_content_length},
	{{"transfer-encoding", 17}, true, on_transfer_encoding},
	{{"connection", 10}, false, on_connection},
	{{"expect", 6}, true, on_expect},
	{{"authorization", 13}, true, NULL},
	{{"content-type", 12}, true, NULL},
};
enum { K_HOST = 1, K_LENGTH = 2, K_CODING = 4 };

static bool
take_known(struct parse *p, struct str name, struct str value)
{
	for (unsigned i = 0; i < ARRAY_LEN(known_fields); i++) {
		const struct known_field *known = &known_fields[i];
		if (!str_eq(name, known->name))
			continue;
		if (known->once && p->known & 1u << i)
			return refuse(p, PARSE_TWICE), false;
		p->known |= 1u << i;
		return !known->take || known->take(p, value);
	}
	return true;
}

/* Cuts a line into name and value. false: refused. */
static bool
cut_field(struct parse *p, struct str line, struct str *ret_name, struct str *ret_value)
{
	if (line.p[0] == ' ' || line.p[0] == '\t')
		return refuse(p, PARSE_FOLD), false;
	struct str value = str_split(line, ':', ret_name);
	if (!value.p || !syntax_is_token(*ret_name))
		return refuse(p, PARSE_FIELD), false;
	*ret_value = syntax_trim(value);
	return syntax_is_value(*ret_value) || (refuse(p, PARSE_VALUE), false);
}

static enum parse_event
take_field(struct parse *p)
{
	char *start = p->arena.data + p->line_start;
	struct str name, value, line = str_make(start, p->arena.len - p->line_start);
	if (!cut_field(p, line, &name, &value))
		return PARSE_REFUSED;
	if (p->field_count == PARSE_FIELDS_MAX)
		return refuse(p, PARSE_FIELD_COUNT);
	for (size_t i = 0; i < name.len; i++)
		if (start[i] >= 'A' && start[i] <= 'Z')
			start[i] |= 0x20;
	p->fields[p->field_count++] = (struct parse_field){span_of(p, name), span_of(p, value)};
	if (!take_known(p, name, value))
		return PARSE_REFUSED;
	p->line_start = p->arena.len;
	return PARSE_GO_ON;
}

/* What only the whole head tells. */
static enum parse_event
end_head(struct parse *p)
{
	if (!(p->known & K_HOST) && !p->http10)
		return refuse(p, PARSE_NO_HOST);
	if (p->authority.len && p->known & K_HOST &&
	    !str_eq_nocase(parse_str(p, p->authority), parse_str(p, p->host)))
		return refuse(p, PARSE_AUTHORITY);
	if (p->authority.len)
		p->host = p->authority;
	if (p->known & K_CODING && p->known & K_LENGTH)
		return refuse(p, PARSE_FRAMING);
	if (p->known & K_CODING && p->http10)
		return refuse(p, PARSE_OLD_CHUNKED);
	p->keep_alive = !p->says_close && (!p->http10 || p->says_keep_alive);
	p->state = S_BODY;
	return PARSE_HEAD;
}

static enum parse_event
on_field(struct parse *p, struct str *in, UNUSED struct str *ret_body)
{
	enum parse_event ev = read_line(p, &p->arena, p->line_start, in, PARSE_HEAD_LONG);
	if (ev != PARSE_GO_ON)
		return ev;
	return p->arena.len == p->line_start ? end_head(p) : take_field(p);
}

static enum parse_event
on_body(struct parse *p, UNUSED struct str *in, UNUSED struct str *ret_body)
{
	p->left = CHUNK_LINE_MAX;
	p->ext_left = CHUNK_EXT_MAX;
	if (p->chunked)
		return go(p, S_CHUNK_SIZE);
	if (p->length > p->max_body)
		return refuse(p, PARSE_TOO_LARGE);
	p->body_left = p->length;
	return go(p, p->length ? S_SIZED : S_DONE);
}

static void
take_body(struct parse *p, struct str *in, struct str *ret_body)
{
	size_t len = in->len < p->body_left ? in->len : (size_t)p->body_left;
	*ret_body = str_make(in->p, len);
	skip(in, len);
	p->body_left -= len;
}

static enum parse_event
on_sized(struct parse *p, struct str *in, struct str *ret_body)
{
	take_body(p, in, ret_body);
	if (!p->body_left)
		p->state = S_DONE;
	return PARSE_BODY;
}

static enum parse_event
take_chunk_size(struct parse *p, struct str line)
{
	const char *semicolon = line.len ? memchr(line.p, ';', line.len) : NULL;
	size_t digits = semicolon ? (size_t)(semicolon - line.p) : line.len;
	struct str ext = str_make(line.p + digits, line.len - digits);
	if (!syntax_chunk_size(str_make(line.p, digits), &p->body_left) ||
	    !syntax_is_chunk_ext(ext))
		return refuse(p, PARSE_CHUNK_SIZE);
	if (ext.len > p->ext_left)
		return refuse(p, PARSE_CHUNK_EXT);
	p->ext_left -= ext.len;
	if (p->body_left > p->max_body - p->body_total)
		return refuse(p, PARSE_TOO_LARGE);
	p->body_total += p->body_left;
	p->left = p->body_left ? CHUNK_LINE_MAX : TRAILERS_MAX;
	return go(p, p->body_left ? S_CHUNK_DATA : S_TRAILER);
}

static enum parse_event
on_chunk_size(struct parse *p, struct str *in, UNUSED struct str *ret_body)
{
	enum parse_event ev = read_line(p, &p->line, 0, in, PARSE_CHUNK_EXT);
	if (ev != PARSE_GO_ON)
		return ev;
	ev = take_chunk_size(p, buf_str(&p->line));
	buf_clear(&p->line);
	return ev;
}

static enum parse_event
on_chunk_data(struct parse *p, struct str *in, struct str *ret_body)
{
	take_body(p, in, ret_body);
	if (!p->body_left)
		p->state = S_CHUNK_CR;
	return PARSE_BODY;
}

static enum parse_event
on_chunk_cr(struct parse *p, struct str *in, UNUSED struct str *ret_body)
{
	if (in->p[0] != '\r')
		return refuse(p, PARSE_CHUNK_END);
	skip(in, 1);
	return go(p, S_CHUNK_LF);
}

static enum parse_event
on_chunk_lf(struct parse *p, struct str *in, UNUSED struct str *ret_body)
{
	if (in->p[0] != '\n')
		return refuse(p, PARSE_CHUNK_END);
	skip(in, 1);
	return go(p, S_CHUNK_SIZE);
}

/* Trailers are checked and dropped: nothing that comes behind the body may change what it means. */
static enum parse_event
on_trailer(struct parse *p, struct str *in, UNUSED struct str *ret_body)
{
	enum parse_event ev = read_line(p, &p->line, 0, in, PARSE_TRAILER_LONG);
	if (ev != PARSE_GO_ON)
		return ev;
	if (!p->line.len)
		return go(p, S_DONE);
	struct str name, value;
	if (!cut_field(p, buf_str(&p->line), &name, &value))
		return refuse(p, PARSE_TRAILER);
	if (++p->trailer_count > PARSE_FIELDS_MAX)
		return refuse(p, PARSE_TRAILER_LONG);
	buf_clear(&p->line);
	return PARSE_GO_ON;
}

static enum parse_event
on_done(UNUSED struct parse *p, UNUSED struct str *in, UNUSED struct str *ret_body)
{
	return PARSE_DONE;
}

static enum parse_event
on_refused(UNUSED struct parse *p, UNUSED struct str *in, UNUSED struct str *ret_body)
{
	return PARSE_REFUSED;
}

static const struct {
	enum parse_event (*step)(struct parse *p, struct str *in, struct str *ret_body);
	bool hungry; /* needs at least one byte */
} states[] = {
	[S_START] = {on_start, true},
	[S_START_LF] = {on_start_lf, true},
	[S_METHOD] = {on_method, true},
	[S_REQUEST_LINE] = {on_request_line, true},
	[S_FIELD] = {on_field, true},
	[S_BODY] = {on_body, false},
	[S_SIZED] = {on_sized, true},
	[S_CHUNK_SIZE] = {on_chunk_size, true},
	[S_CHUNK_DATA] = {on_chunk_data, true},
	[S_CHUNK_CR] = {on_chunk_cr, true},
	[S_CHUNK_LF] = {on_chunk_lf, true},
	[S_TRAILER] = {on_trailer, true},
	[S_DONE] = {on_done, false},
	[S_REFUSED] = {on_refused, false},
};
_Static_assert(ARRAY_LEN(states) == STATES, "every state has its step");

enum parse_event
parse_next(struct parse *p, struct str *in, struct str *ret_body)
{
	enum parse_event ev = PARSE_GO_ON;
	while (ev == PARSE_GO_ON) {
		assert(p->state < STATES);
		if (states[p->state].hungry && !in->len)
			return PARSE_MORE;
		ev = states[p->state].step(p, in, ret_body);
	}
	return ev;
}

void
parse_reset(struct parse *p, size_t max_head, uint64_t max_body)
{
	struct buf arena = p->arena, line = p->line;
	memset(p, 0, offsetof(struct parse, fields));
	p->arena = arena;
	p->line = line;
	buf_clear(&p->arena);
	buf_clear(&p->line);
	buf_reserve(&p->arena, ARENA_START);
	p->max_head = max_head < PARSE_HEAD_MIN ? PARSE_HEAD_MIN : max_head;
	p->max_body = max_body;
	p->state = S_START;
}

void
parse_fini(struct parse *p)
{
	buf_fini(&p->arena);
	buf_fini(&p->line);
}

bool
parse_has_body(const struct parse *p)
{
	return p->chunked || p->length;
}

int
parse_refusal_status(enum parse_refusal refusal)
{
	return refusals[refusal].status;
}

const char *
parse_refusal_code(enum parse_refusal refusal)
{
	return refusals[refusal].code;
}

const char *
parse_refusal_text(enum parse_refusal refusal)
{
	return refusals[refusal].text;
}
