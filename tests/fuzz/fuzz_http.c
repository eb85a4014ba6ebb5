/* The request parser against any bytes: however they are cut, they are read the same. libFuzzer. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "http/parse.h"

#define MAX_HEAD 2048
#define MAX_BODY 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
note_span(struct buf *out, const struct parse *p, struct parse_span span)
{
	assert(span.at <= p->arena.len && span.len <= p->arena.len - span.at);
	buf_add_str(out, parse_str(p, span));
	buf_putc(out, '|');
}

static bool
holds(struct str s, const char *what)
{
	return s.len && memmem(s.p, s.len, what, strlen(what));
}

/* What everybody above relies on. */
static void
check_head(const struct parse *p)
{
	struct str path = parse_str(p, p->path);
	assert(path.len && path.p[0] == '/' && str_is_utf8(path));
	assert(!memchr(path.p, '\0', path.len) && !holds(path, "//") && !holds(path, "\\"));
	assert(!holds(path, "/../") && !str_ends(path, STR("/..")));
	assert(p->http10 || p->host.len);
	assert(!(p->chunked && p->length) && !(p->chunked && p->http10));
	assert(p->field_count <= PARSE_FIELDS_MAX);
	for (unsigned i = 0; i < p->field_count; i++) {
		struct str value = parse_str(p, p->fields[i].value);
		assert(p->fields[i].name.len);
		for (size_t j = 0; j < value.len; j++)
			assert((unsigned char)value.p[j] >= 0x20 || value.p[j] == '\t');
	}
}

static void
note_head(struct buf *out, const struct parse *p)
{
	check_head(p);
	note_span(out, p, p->method);
	note_span(out, p, p->target);
	note_span(out, p, p->path);
	note_span(out, p, p->query);
	note_span(out, p, p->host);
	for (unsigned i = 0; i < p->field_count; i++) {
		note_span(out, p, p->fields[i].name);
		note_span(out, p, p->fields[i].value);
	}
	buf_printf(out, "%d%d%d%d %llu\n", p->http10, p->keep_alive, p->wants_continue, p->chunked,
		   (unsigned long long)p->length);
}

/* Takes every event that the piece yields; false when nothing more can be read. */
static bool
feed(struct parse *p, struct str in, size_t *body, struct buf *out)
{
	for (;;) {
		struct str piece = STR_NONE;
		enum parse_event ev = parse_next(p, &in, &piece);
		switch (ev) {
		case PARSE_MORE:
			assert(!in.len);
			return true;
		case PARSE_HEAD:
			note_head(out, p);
			*body = 0;
			break;
		case PARSE_BODY:
			assert(piece.len);
			*body += piece.len;
			assert(*body <= MAX_BODY);
			buf_add_str(out, piece);
			break;
		case PARSE_DONE:
			buf_puts(out, "\ndone\n");
			if (!p->keep_alive)
				return false;
			parse_reset(p, MAX_HEAD, MAX_BODY);
			break;
		default:
			assert(ev == PARSE_REFUSED && p->refusal < PARSE_REFUSAL_COUNT);
			buf_printf(out, "\n!%s", parse_refusal_text(p->refusal));
			return false;
		}
		assert(p->arena.len <= 2 * MAX_HEAD + 64 && p->line.len <= 8192 + 2);
	}
}

/* The pieces' lengths come from a generator, so that one seed gives the same cuts again. */
static void
run(struct str bytes, uint32_t seed, struct buf *out)
{
	static struct parse p;
	size_t body = 0;
	parse_reset(&p, MAX_HEAD, MAX_BODY);
	while (bytes.len) {
		seed = seed * 1664525 + 1013904223;
		size_t len = 1 + (seed >> 24) % ((seed >> 8 & 7) ? 4 : 200);
		if (len > bytes.len)
			len = bytes.len;
		if (!feed(&p, str_make(bytes.p, len), &body, out))
			return;
		bytes = str_make(bytes.p + len, bytes.len - len);
	}
}

static void
run_whole(struct str bytes, struct buf *out)
{
	static struct parse p;
	size_t body = 0;
	parse_reset(&p, MAX_HEAD, MAX_BODY);
	feed(&p, bytes, &body, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf whole = BUF_INIT;
	AUTO(buf_fini) struct buf pieces = BUF_INIT;
	if (size < 4)
		return 0;
	uint32_t seed;
	memcpy(&seed, data, 4);
	struct str bytes = str_make(data + 4, size - 4);
	run_whole(bytes, &whole);
	run(bytes, seed, &pieces);
	assert(str_eq(buf_str(&whole), buf_str(&pieces)));
	return 0;
}
