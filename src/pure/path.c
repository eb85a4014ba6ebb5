/* Plain jq programs without jq: a strict parser that gives up early. */
/* SPDX-License-Identifier: MIT */
#include "pure/path.h"

#include <stdlib.h>

#include "pure/path_impl.h"

#define PROGRAM_MAX 4096
#define STEPS_MAX 32

/* What is left of the program. */
struct parser {
	struct str rest;
};

static char
peek(const struct parser *p)
{
	return p->rest.len ? p->rest.p[0] : '\0';
}

static struct str
take(struct parser *p, size_t len)
{
	struct str head = str_make(p->rest.p, len);

	p->rest = str_make(p->rest.p + len, p->rest.len - len);
	return head;
}

static bool
take_char(struct parser *p, char c)
{
	if (!p->rest.len || peek(p) != c)
		return false;
	take(p, 1);
	return true;
}

static void
skip_space(struct parser *p)
{
	while (p->rest.len && memchr(" \t\r\n", peek(p), 4))
		take(p, 1);
}

static bool
is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t
name_len(struct str s)
{
	size_t n = 0;

	while (n < s.len && (is_name_start(s.p[n]) || (n && is_digit(s.p[n]))))
		n++;
	return n;
}

/* A word that is not the beginning of a longer one. */
static bool
take_word(struct parser *p, const char *word)
{
	if (name_len(p->rest) != strlen(word) || memcmp(p->rest.p, word, strlen(word)))
		return false;
	take(p, strlen(word));
	return true;
}

/* The string with its quotes; false when it is not closed or has \( in it. */
static bool
take_string(struct parser *p, struct str *ret)
{
	for (size_t i = 1; i < p->rest.len; i++) {
		if (p->rest.p[i] == '"') {
			*ret = take(p, i + 1);
			return true;
		}
		if (p->rest.p[i] == '\\' && (++i == p->rest.len || p->rest.p[i] == '('))
			return false;
	}
	return false;
}

static void
steps_free(struct term *t)
{
	for (size_t i = 0; i < t->count; i++)
		free((char *)t->steps[i].name.p);
	free(t->steps);
}

static bool
add_name(struct term *t, struct str raw, bool quoted)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;

	if (t->count == STEPS_MAX)
		return false;
	if (!quoted)
		buf_add_str(&name, raw);
	else if (!json_raw_string(raw, &name))
		return false;
	t->steps = mem_realloc(t->steps, (t->count + 1) * sizeof(*t->steps));
	t->steps[t->count].name.len = name.len;
	t->steps[t->count++].name.p = name.data ? buf_take(&name) : mem_strdup("");
	return true;
}

static bool
add_index(struct term *t, struct str digits)
{
	uint64_t index;

	if (t->count == STEPS_MAX || digits.len > 9 || !str_to_u64(digits, &index))
		return false;
	t->steps = mem_realloc(t->steps, (t->count + 1) * sizeof(*t->steps));
	t->steps[t->count++] = (struct json_step){.name = STR_NONE, .index = (size_t)index};
	return true;
}

/* [0] or ["x"], behind the bracket. */
static bool
take_bracket(struct parser *p, struct term *t)
{
	struct str s;
	size_t n = 0;

	skip_space(p);
	if (peek(p) == '"') {
		if (!take_string(p, &s) || !add_name(t, s, true))
			return false;
	} else {
		while (n < p->rest.len && is_digit(p->rest.p[n]))
			n++;
		if (!n || !add_index(t, take(p, n)))
			return false;
	}
	skip_space(p);
	return take_char(p, ']');
}

/* PATH: every step but the first bracket needs its dot, as in jq 1.6. */
static bool
take_path(struct parser *p, struct term *t)
{
	struct str s;
	size_t n;

	if (peek(p) != '.')
		return false;
	for (bool first = true;; first = false) {
		if (take_char(p, '.')) {
			n = name_len(p->rest);
			if (n) {
				if (!add_name(t, take(p, n), false))
					return false;
			} else if (peek(p) == '"') {
				if (!take_string(p, &s) || !add_name(t, s, true))
					return false;
			} else if (!first)
				return false;
			else if (!take_char(p, '['))
				return peek(p) != '.';
			else if (!take_bracket(p, t))
				return false;
		} else if (take_char(p, '[')) {
			if (!take_bracket(p, t))
				return false;
		} else
			return true;
	}
}

static size_t
number_len(struct str s)
{
	size_t i = s.len && s.p[0] == '-', start = i;

	while (i < s.len && is_digit(s.p[i]))
		i++;
	if (i == start || (s.p[start] == '0' && i - start > 1))
		return 0;
	if (i < s.len && s.p[i] == '.') {
		for (start = ++i; i < s.len && is_digit(s.p[i]);)
			i++;
		if (i == start)
			return 0;
	}
	if (i < s.len && (s.p[i] | 0x20) == 'e') {
		i++;
		i += i < s.len && (s.p[i] == '+' || s.p[i] == '-');
		for (start = i; i < s.len && is_digit(s.p[i]);)
			i++;
		if (i == start)
			return 0;
	}
	return i;
}

static bool
take_constant(struct parser *p, struct term *t)
{
	static const char *const words[] = {"null", "true", "false"};
	AUTO(buf_fini) struct buf decoded = BUF_INIT;
	struct str s;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (take_word(p, words[i])) {
			t->constant = mem_strdup(words[i]);
			return true;
		}
	if (peek(p) == '"') {
		if (!take_string(p, &s) || !json_raw_string(s, &decoded))
			return false;
		t->constant = str_dup(s);
		return true;
	}
	n = number_len(p->rest);
	if (!n)
		return false;
	t->constant = str_dup(take(p, n));
	return !is_name_start(peek(p)) && peek(p) != '.';
}

static bool
take_term(struct parser *p, struct term *t)
{
	if (!take_path(p, t))
		return false;
	skip_space(p);
	if (p->rest.len < 2 || p->rest.p[1] != '=' || (peek(p) != '=' && peek(p) != '!'))
		return true;
	t->compare = peek(p) == '=' ? COMPARE_EQ : COMPARE_NE;
	take(p, 2);
	skip_space(p);
	return take_constant(p, t);
}

static struct term *
path_add(struct path *path)
{
	path->terms = mem_realloc(path->terms, (path->count + 1) * sizeof(*path->terms));
	memset(&path->terms[path->count], 0, sizeof(*path->terms));
	return &path->terms[path->count++];
}

static bool
parse_logic(struct parser *p, struct path *path)
{
	bool after_or = false;
	struct term *t;

	while (path->count < TERMS_MAX) {
		t = path_add(path);
		t->after_or = after_or;
		skip_space(p);
		if (!take_term(p, t))
			return false;
		skip_space(p);
		if (!p->rest.len)
			return true;
		after_or = take_word(p, "or");
		if (!after_or && !take_word(p, "and"))
			return false;
	}
	return false;
}

/* Bytes up to the closing quote or the next \( of a text. */
static bool
take_literal(struct parser *p, struct term *t)
{
	AUTO(buf_fini) struct buf raw = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	size_t i = 0;

	while (i < p->rest.len && p->rest.p[i] != '"') {
		if (p->rest.p[i] == '\\') {
			if (i + 1 < p->rest.len && p->rest.p[i + 1] == '(')
				break;
			i++;
		}
		i++;
	}
	if (i >= p->rest.len)
		return false;
	buf_putc(&raw, '"');
	buf_add_str(&raw, take(p, i));
	buf_putc(&raw, '"');
	if (!json_raw_string(buf_str(&raw), &text))
		return false;
	t->literal_len = text.len;
	t->literal = text.data ? buf_take(&text) : mem_strdup("");
	return true;
}

static bool
parse_text(struct parser *p, struct path *path)
{
	struct term *t;

	path->is_text = true;
	take(p, 1);
	while (path->count < TERMS_MAX) {
		t = path_add(path);
		if (!take_literal(p, t))
			return false;
		if (take_char(p, '"')) {
			t->literal_only = true;
			skip_space(p);
			return !p->rest.len;
		}
		take(p, 2);
		skip_space(p);
		if (!take_path(p, t))
			return false;
		skip_space(p);
		if (!take_char(p, ')'))
			return false;
	}
	return false;
}

bool
path_compile(struct str program, struct path **ret)
{
	AUTO(path_auto_free) struct path *path = NULL;
	struct parser p = {program};

	if (!program.p || program.len > PROGRAM_MAX || !str_is_utf8(program))
		return false;
	path = mem_alloc(sizeof(*path));
	skip_space(&p);
	if (!(peek(&p) == '"' ? parse_text(&p, path) : parse_logic(&p, path)))
		return false;
	*ret = TAKE(path);
	return true;
}

void
path_free(struct path *path)
{
	if (!path)
		return;
	for (size_t i = 0; i < path->count; i++) {
		steps_free(&path->terms[i]);
		free(path->terms[i].constant);
		free(path->terms[i].literal);
	}
	free(path->terms);
	free(path);
}

void
path_auto_free(struct path **path)
{
	path_free(*path);
}
