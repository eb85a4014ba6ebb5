/* Types: how the text of a key becomes a value, and what is said when it does not. */
/* SPDX-License-Identifier: MIT */
#include "conf/inside.h"

#include <assert.h>
#include <inttypes.h>

#include "pure/duration.h"
#include "conf/write.h"

struct parsing {
	const struct conf_key *row;
	struct str text;
	const char *dir;
	struct arena *arena;
	struct conf_value *value;
};

typedef bool value_parse_fn(struct parsing *p, struct err *err);
typedef void number_print_fn(int64_t n, struct buf *out);

static bool
parse_string(struct parsing *p UNUSED, struct err *err UNUSED)
{
	return true;
}

static void
int_print(int64_t n, struct buf *out)
{
	buf_printf(out, "%" PRId64, n);
}

/* max 0 with a min above it: no upper bound. */
static bool
in_range(struct parsing *p, number_print_fn *print, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const struct conf_key *row = p->row;
	bool bounded = row->max > row->min && row->max != INT64_MAX;

	if ((!row->min && !row->max) ||
	    (p->value->i >= row->min && (row->max < row->min || p->value->i <= row->max)))
		return true;
	quote_print(p->text.p, &text);
	buf_puts(&text, " is out of range; expected ");
	buf_puts(&text, bounded ? "from " : row->max == row->min ? "exactly " : "at least ");
	print(row->min, &text);
	if (bounded) {
		buf_puts(&text, " to ");
		print(row->max, &text);
	}
	return err_set(err, E_INVALID, "%s", buf_cstr(&text));
}

static bool
refuse(struct parsing *p, struct err *err, const char *what)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	quote_print(p->text.p, &text);
	return err_set(err, E_INVALID, "%s is not %s", buf_cstr(&text), what);
}

static bool
parse_int(struct parsing *p, struct err *err)
{
	if (!str_to_i64(p->text, &p->value->i))
		return refuse(p, err, "a whole number; expected digits, as in 10");
	return in_range(p, int_print, err);
}

static bool
parse_bool(struct parsing *p, struct err *err)
{
	bool b;

	if (!bool_parse(p->text, &b, err))
		return false;
	p->value->i = b;
	return true;
}

static bool
parse_duration(struct parsing *p, struct err *err)
{
	return duration_parse(p->text, &p->value->i, err) && in_range(p, duration_print, err);
}

static bool
parse_size(struct parsing *p, struct err *err)
{
	return size_parse(p->text, &p->value->i, err) && in_range(p, size_print, err);
}

static bool
parse_rate(struct parsing *p, struct err *err)
{
	struct rate rate;

	if (!rate_parse(p->text, &rate, err))
		return false;
	p->value->i = rate.count;
	p->value->i2 = rate.per_ms;
	return true;
}

static bool
parse_ratio(struct parsing *p, struct err *err)
{
	return ratio_parse(p->text, &p->value->ratio, err);
}

static bool
parse_money(struct parsing *p, struct err *err)
{
	return money_parse(p->text, &p->value->i, err) && in_range(p, money_print, err);
}

/* Items end at a comma or a line end. *ret_at_line: one of its ends is a line end, so that it is
 * no item when it is empty. */
static bool
item_next(struct str *rest, struct str *ret_item, bool *ret_at_line)
{
	size_t n = 0;

	if (!rest->p)
		return false;
	*ret_at_line = *ret_at_line && rest->p[-1] == '\n';
	while (n < rest->len && rest->p[n] != ',' && rest->p[n] != '\n')
		n++;
	*ret_item = str_trim(str_make(rest->p, n));
	if (n == rest->len) {
		*rest = STR_NONE;
		return true;
	}
	*ret_at_line |= rest->p[n] == '\n';
	*rest = str_make(rest->p + n + 1, rest->len - n - 1);
	return true;
}

static size_t
item_count_max(struct str s)
{
	size_t n = 1;

	for (size_t i = 0; i < s.len; i++)
		n += s.p[i] == ',' || s.p[i] == '\n';
	return n;
}

static bool
parse_list(struct parsing *p, struct err *err)
{
	struct str rest = p->text, item;
	const char **items;
	bool at_line = false;

	if (!p->text.len)
		return true;
	items = arena_alloc(p->arena, item_count_max(p->text) * sizeof(*items));
	p->value->items = items;
	for (; item_next(&rest, &item, &at_line); at_line = true) {
		if (!item.len && at_line)
			continue;
		if (!item.len)
			return err_set(
				err, E_INVALID,
				"item %zu of the list is empty; remove a comma or fill it in",
				p->value->item_count + 1);
		items[p->value->item_count++] = arena_dup(p->arena, item);
	}
	return true;
}

static bool
enum_has(struct parsing *p, const char *word, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct suggest suggest = suggest_for(word);
	struct str rest = str_of(p->row->choices), choice;
	bool first = true;

	assert(p->row->choices);
	if (choice_has(p->row->choices, str_of(word)))
		return true;
	quote_print(word, &text);
	buf_puts(&text, " is not one of ");
	while (choice_next(&rest, &choice)) {
		buf_printf(&text, "%s%.*s", first ? "" : ", ", STR_ARG(choice));
		suggest_offer(&suggest, arena_dup(p->arena, choice));
		first = false;
	}
	suggest_print(&suggest, &text);
	return err_set(err, E_INVALID, "%s", buf_cstr(&text));
}

static bool
parse_enum(struct parsing *p, struct err *err)
{
	return enum_has(p, p->text.p, err);
}

static bool
parse_enum_list(struct parsing *p, struct err *err)
{
	if (!parse_list(p, err))
		return false;
	for (size_t i = 0; i < p->value->item_count; i++)
		if (!enum_has(p, p->value->items[i], err))
			return false;
	return true;
}

static bool
parse_path(struct parsing *p, struct err *err UNUSED)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	if (p->text.p[0] == '/')
		return true;
	buf_printf(&path, "%s%s%s", p->dir, strcmp(p->dir, "/") ? "/" : "", p->text.p);
	p->value->text = arena_dup(p->arena, buf_str(&path));
	return true;
}

static const struct secret_kind {
	const char *prefix;
	bool is_name; /* letters, digits, '.', '_' and '-' only */
} secret_kinds[] = {{"cred:", true}, {"file:", false}, {"env:", true}, {"plain:", false}};

static bool
is_plain_name(const char *s)
{
	if (!*s || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= '0' && *s <= '9') || memchr("._-", *s, 3)))
			return false;
	return true;
}

static bool
secret_is_valid(const char *reference)
{
	for (size_t i = 0; i < ARRAY_LEN(secret_kinds); i++) {
		size_t n = strlen(secret_kinds[i].prefix);

		if (!strncmp(reference, secret_kinds[i].prefix, n))
			return secret_kinds[i].is_name ? is_plain_name(reference + n)
						       : reference[n] != 0;
	}
	return false;
}

/* Never says what stands there: it may be the secret itself. */
static bool
parse_secret(struct parsing *p, struct err *err)
{
	AUTO(buf_fini) struct buf masked = BUF_INIT;
	const char **one;

	p->value->text = "";
	if (p->row->flags & CONF_MANY) {
		if (!parse_list(p, err))
			return false;
	} else {
		one = arena_alloc(p->arena, sizeof(*one));
		one[0] = p->text.p;
		p->value->items = one;
		p->value->item_count = 1;
	}
	for (size_t i = 0; i < p->value->item_count; i++) {
		const char *item = p->value->items[i];

		if (!secret_is_valid(item))
			return err_set(
				err, E_INVALID,
				"%s is no reference to a secret (not shown); expected cred:NAME, "
				"file:PATH or env:NAME, or plain:TEXT to keep it in this file",
				p->value->item_count > 1 ? "an item of the list" : "the value");
		buf_printf(&masked, "%s%s", i ? ", " : "",
			   strncmp(item, "plain:", 6) ? item : "plain:***");
	}
	p->value->text = arena_dup(p->arena, buf_str(&masked));
	return true;
}

/* That the section exists is seen once all are read. */
static bool
name_check(struct parsing *p, const char *name, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (conf_name_is_valid(str_of(name)))
		return true;
	quote_print(name, &text);
	return err_set(
		err, E_INVALID,
		"%s is no name; expected that of one %s: a-z, 0-9, '.', '_' or '-', at most 40",
		buf_cstr(&text), p->row->choices ? p->row->choices : "section");
}

static bool
parse_name(struct parsing *p, struct err *err)
{
	return name_check(p, p->text.p, err);
}

static bool
parse_name_list(struct parsing *p, struct err *err)
{
	if (!parse_list(p, err))
		return false;
	for (size_t i = 0; i < p->value->item_count; i++)
		if (!name_check(p, p->value->items[i], err))
			return false;
	return true;
}

static bool
host_is_valid(struct str host)
{
	bool six = host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']';

	if (six)
		host = str_make(host.p + 1, host.len - 2);
	for (size_t i = 0; i < host.len; i++) {
		char c = host.p[i];
		bool word =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!word && !(six ? memchr(":.%", c, 3) : memchr(".-_", c, 3)))
			return false;
	}
	return host.len > 0;
}

/* choices: words that may stand instead, "none" where there are no choices. */
static bool
parse_host_port(struct parsing *p, struct err *err)
{
	const char *colon = memrchr(p->text.p, ':', p->text.len);
	size_t host = colon ? (size_t)(colon - p->text.p) : 0;
	uint64_t port;

	if (choice_has(p->row->choices ? p->row->choices : "none", p->text))
		return true;
	if (!colon || !host_is_valid(str_make(p->text.p, host)) ||
	    !str_to_u64(str_make(colon + 1, p->text.len - host - 1), &port) || port > 65535)
		return refuse(
			p, err,
			"a host and port; expected HOST:PORT, as in 127.0.0.1:8080 or [::1]:8080");
	p->value->i = (int64_t)port;
	return true;
}

/* lines: may go on over several lines; empty: may be empty. */
static const struct type {
	const char *name;
	value_parse_fn *parse;
	bool lines, empty;
} types[] = {
	[CONF_STRING] = {"text", parse_string, true, true},
	[CONF_INT] = {"number", parse_int, false, false},
	[CONF_BOOL] = {"yes|no", parse_bool, false, false},
	[CONF_DURATION] = {"duration", parse_duration, false, false},
	[CONF_SIZE] = {"size", parse_size, false, false},
	[CONF_RATE] = {"rate", parse_rate, false, false},
	[CONF_RATIO] = {"ratio", parse_ratio, false, false},
	[CONF_MONEY] = {"dollars", parse_money, false, false},
	[CONF_LIST] = {"list", parse_list, true, true},
	[CONF_ENUM] = {"choice", parse_enum, false, false},
	[CONF_ENUM_LIST] = {"choices", parse_enum_list, true, true},
	[CONF_PATH] = {"path", parse_path, false, false},
	[CONF_JQ] = {"jq", parse_string, true, false},
	[CONF_SECRET] = {"secret", parse_secret, false, false},
	[CONF_NAME] = {"name", parse_name, false, false},
	[CONF_NAME_LIST] = {"names", parse_name_list, true, true},
	[CONF_HOST_PORT] = {"host:port", parse_host_port, false, false},
};
static_assert(ARRAY_LEN(types) == CONF_TYPES, "a type has no row");

const char *
conf_type_name(enum conf_type type)
{
	return types[type].name;
}

static bool
lines_allowed(const struct conf_key *row)
{
	return types[row->type].lines || (row->type == CONF_SECRET && row->flags & CONF_MANY);
}

bool
value_parse(const struct conf_key *row, const char *text, const char *dir, struct arena *arena,
	    struct conf_value *ret, struct err *err)
{
	struct parsing p = {row, str_of(text), dir, arena, ret};

	ret->text = text;
	ret->dir = dir;
	if (!p.text.len && !types[row->type].empty)
		return err_set(err, E_INVALID, "the value is missing; expected %s %s",
			       strchr("aeiou", *types[row->type].name) ? "an" : "a",
			       types[row->type].name);
	if (!lines_allowed(row) && memchr(p.text.p, '\n', p.text.len))
		return err_set(err, E_INVALID,
			       "the value goes on in indented lines, one line is expected; do not "
			       "indent keys, and end a line in '\\' to join it with the next");
	return types[row->type].parse(&p, err);
}

void
value_canonical(const struct conf_key *row, const struct conf_value *value, struct buf *out)
{
	if (value->items) {
		for (size_t i = 0; i < value->item_count; i++)
			buf_add(out, value->items[i], strlen(value->items[i]) + 1);
		return;
	}
	switch (row->type) {
	case CONF_INT:
	case CONF_BOOL:
	case CONF_DURATION:
	case CONF_SIZE:
	case CONF_RATE:
	case CONF_MONEY:
		buf_printf(out, "%" PRId64 " %" PRId64, value->i, value->i2);
		break;
	case CONF_RATIO:
		buf_printf(out, "%.17g", value->ratio);
		break;
	default:
		buf_puts(out, value->text);
		break;
	}
}
