/* Look: changes as the daemon groups them, and their pages. */
/* SPDX-License-Identifier: MIT */
#include "cli/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/diff.h"
#include "cli/text.h"

#define PAGE 200
#define NAMED_FIELDS 4
#define SHOWN_FIELDS 12

/* --- asking -------------------------------------------------------------------------------- */

static bool
ask(struct cli *cli, const struct client_request *request, struct client_reply *ret,
    struct err *err)
{
	struct client *client;

	if (!cli_client(cli, &client, err) || !client_send(client, request, ret, err))
		return false;
	if (!json_is_object(ret->json))
		return err_set(err, E_CORRUPT, "the daemon answered no JSON object to %s",
			       request->path);
	return true;
}

bool
look_get(struct cli *cli, const char *word, const char *status, unsigned groups,
	 struct client_reply *ret, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf number = BUF_INIT;

	buf_puts(&path, "/v1/diff");
	buf_printf(&number, "%u", groups);
	cli_query(&path, "of", word);
	cli_query(&path, "status", word ? status : "proposed");
	cli_query(&path, "group", cli_opt(cli, "group"));
	cli_query(&path, "groups", buf_cstr(&number));
	cli_query(&path, "entity", cli_opt(cli, "entity"));
	cli_query(&path, "where", cli_opt(cli, "where"));
	return ask(cli,
		   &(struct client_request){
			   .method = "GET", .path = buf_cstr(&path), .timeout_ms = LOOK_TIMEOUT_MS},
		   ret, err);
}

bool
look_page(struct cli *cli, const char *look, uint64_t at, unsigned limit, struct client_reply *ret,
	  bool *ret_more, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_puts(&path, "/v1/diff/");
	client_encode(&path, look);
	buf_printf(&path, "?after=%llu&limit=%u", (unsigned long long)at, limit);
	if (!ask(cli, &(struct client_request){.method = "GET", .path = buf_cstr(&path)}, ret, err))
		return false;
	if (!json_is_array(json_object_get(ret->json, "items")))
		return err_set(err, E_CORRUPT, "the daemon answered a look without items");
	*ret_more = json_is_string(json_object_get(ret->json, "next"));
	return true;
}

bool
look_each(struct cli *cli, const char *look,
	  bool (*fn)(void *arg, const json_t *items, struct err *err), void *arg, struct err *err)
{
	bool more = true;

	for (uint64_t at = 0; more; at += PAGE) {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

		if (!look_page(cli, look, at, PAGE, &reply, &more, err) ||
		    !fn(arg, json_object_get(reply.json, "items"), err))
			return false;
	}
	return true;
}

bool
look_post(struct cli *cli, const char *path, const json_t *body, struct client_reply *ret,
	  struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	json_write(&text, body);
	return ask(cli,
		   &(struct client_request){.method = "POST",
					    .path = path,
					    .body = buf_str(&text),
					    .timeout_ms = LOOK_TIMEOUT_MS},
		   ret, err);
}

/* --- printing ------------------------------------------------------------------------------ */

static void
put_count(struct print *print, int64_t n)
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n);

	for (int i = 0; i < len; i++)
		print_f(print, "%s%c", i && (len - i) % 3 == 0 ? "," : "", digits[i]);
}

static char
sign_of(const char *op)
{
	return !strcmp(op, "create") ? '+' : !strcmp(op, "delete") ? '-' : '~';
}

static enum print_style
style_of(char sign)
{
	return sign == '+' ? STYLE_GREEN : sign == '-' ? STYLE_RED : STYLE_YELLOW;
}

static void
put_head(struct print *print, const json_t *group)
{
	const json_t *fields = json_object_get(group, "fields");
	const char *op = json_str(group, "op"), *target = json_str(group, "target");
	int64_t count = json_int(group, "count", 0);
	char sign = sign_of(op ? op : "");

	print_style(print, style_of(sign));
	print_f(print, "%c ", sign);
	print_style(print, STYLE_PLAIN);
	print_style(print, STYLE_BOLD);
	print_text(print, op && *op ? op : "all else");
	if (target && *target) {
		print_f(print, " ");
		print_text(print, target);
	}
	print_style(print, STYLE_PLAIN);
	print_f(print, ": ");
	put_count(print, count);
	print_f(print, " change%s", count == 1 ? "" : "s");
	for (size_t i = 0; i < json_array_size(fields) && i < NAMED_FIELDS; i++) {
		const char *path = json_str(json_array_get(fields, i), "path");

		print_f(print, i ? ", " : " of ");
		print_text(print, path && *path ? path : "the whole");
	}
	if (json_array_size(fields) > NAMED_FIELDS)
		print_f(print, " and %zu more", json_array_size(fields) - NAMED_FIELDS);
	print_f(print, "\n");
}

/* "  needs eyes: 20 delete, 3 low confidence" */
static void
put_flags(struct print *print, const json_t *group)
{
	const json_t *flags = json_object_get(group, "flags");
	const char *name;
	json_t *n;
	bool first = true;

	if (!json_object_size(flags))
		return;
	print_f(print, "  ");
	print_style(print, STYLE_YELLOW);
	print_f(print, "needs eyes:");
	print_style(print, STYLE_PLAIN);
	json_object_foreach ((json_t *)flags, name, n) {
		print_f(print, first ? " " : ", ");
		put_count(print, json_integer_value(n));
		print_f(print, " ");
		print_text(print, name);
		first = false;
	}
	print_f(print, "\n");
}

/* Parts of a line, broken where the terminal ends. */
struct line {
	struct print *print;
	unsigned used, width;
	const char *indent;
};

static void
line_add(struct line *line, const char *lead, const char *text)
{
	AUTO(buf_fini) struct buf part = BUF_INIT, cut = BUF_INIT;
	unsigned room = line->width - text_width(str_of(line->indent));

	buf_puts(&part, lead);
	text_escape(&part, str_of(text));
	text_cut(&cut, buf_str(&part), room);
	if (line->used && line->used + text_width(buf_str(&cut)) > line->width) {
		print_f(line->print, "\n%s", line->indent);
		line->used = text_width(str_of(line->indent));
		if (cut.len && cut.data[0] == ' ')
			buf_consume(&cut, 1);
	}
	print_f(line->print, "%s", buf_cstr(&cut));
	line->used += text_width(buf_str(&cut));
}

static void
put_values(struct line *line, const json_t *field)
{
	const json_t *values = json_object_get(field, "values");
	int64_t different = json_int(field, "different", -1);
	size_t count = json_array_size(values);

	for (size_t i = 0; i < count; i++) {
		const json_t *value = json_array_get(values, i);
		AUTO(buf_fini) struct buf text = BUF_INIT;

		buf_printf(&text, "%s (%lld)%s", json_str(value, "value"),
			   (long long)json_int(value, "count", 0),
			   i + 1 < count || different > (int64_t)count ? "," : "");
		line_add(line, " ", buf_cstr(&text));
	}
	if (different > (int64_t)count) {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		buf_printf(&text, "%lld more", (long long)different - (long long)count);
		line_add(line, " ", buf_cstr(&text));
	}
	if (different < 0)
		line_add(line, " ", "many values");
}

static void
put_numbers(struct line *line, const json_t *field)
{
	const json_t *numbers = json_object_get(field, "numbers");
	bool moves = json_str(field, "kind") && *json_str(field, "kind") == '~';
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!numbers)
		return;
	buf_printf(&text, "%s %.6g to %.6g", moves ? "moves by" : "from",
		   json_num(numbers, "least", 0), json_num(numbers, "most", 0));
	line_add(line, "; ", buf_cstr(&text));
	if (!json_object_get(numbers, "low"))
		return;
	buf_clear(&text);
	buf_printf(&text, "usually %.6g to %.6g", json_num(numbers, "low", 0),
		   json_num(numbers, "high", 0));
	line_add(line, ", ", buf_cstr(&text));
}

static void
put_field(struct print *print, const json_t *field)
{
	const char *path = json_str(field, "path"), *kind = json_str(field, "kind");
	struct line line = {print, 0, print->width ? print->width : 80, "      "};
	AUTO(buf_fini) struct buf head = BUF_INIT;

	print_f(print, "  ");
	print_style(print, style_of(kind ? *kind : '~'));
	print_f(print, "%c ", kind && strchr("+-~", *kind) && *kind ? *kind : '~');
	print_style(print, STYLE_PLAIN);
	line.used = 4;
	buf_puts(&head, path && *path ? path : "value");
	buf_putc(&head, ':');
	line_add(&line, "", buf_cstr(&head));
	put_values(&line, field);
	put_numbers(&line, field);
	print_f(print, "\n");
}

static void
put_changes(struct print *print, const char *title, const json_t *items)
{
	if (!json_array_size(items))
		return;
	print_f(print, "  %s\n", title);
	for (size_t i = 0; i < json_array_size(items); i++)
		diff_print_change(print, json_array_get(items, i));
}

/* Those of the examples that are not among the outliers already. */
static json_t *
other_examples(const json_t *group)
{
	const json_t *outliers = json_object_get(group, "outliers");
	const json_t *examples = json_object_get(group, "examples");
	json_t *others = json_array();

	for (size_t i = 0; i < json_array_size(examples); i++) {
		json_t *one = json_array_get(examples, i);
		const char *id = json_str(one, "id");
		bool known = false;

		for (size_t at = 0; id && at < json_array_size(outliers); at++) {
			const char *other = json_str(json_array_get(outliers, at), "id");

			known = known || (other && !strcmp(other, id));
		}
		if (!known)
			json_array_append(others, one);
	}
	return others;
}

void
look_print_plan(struct print *print, const json_t *look)
{
	static const char *const behind[] = {"approved", "applied",  "rejected", "superseded",
					     "reverted", "conflict", "failed"};
	static const char *const signs[] = {"+ create", "~ update", "- delete"};
	const json_t *plan = json_object_get(look, "plan");
	const json_t *status = json_object_get(look, "status");
	bool first = true;

	for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
		print_style(print, style_of(*signs[i]));
		print_f(print, i ? "  %s" : "%s", signs[i]);
		print_style(print, STYLE_PLAIN);
	}
	print_f(print, "\n");
	print_style(print, STYLE_BOLD);
	print_f(print, "Plan: ");
	put_count(print, json_int(plan, "create", 0));
	print_f(print, " to create, ");
	put_count(print, json_int(plan, "update", 0) + json_int(plan, "call", 0));
	print_f(print, " to update, ");
	put_count(print, json_int(plan, "delete", 0));
	print_f(print, " to delete.");
	print_style(print, STYLE_PLAIN);
	for (size_t i = 0; i < ARRAY_LEN(behind); i++) {
		int64_t n = json_int(status, behind[i], 0);

		if (!n)
			continue;
		print_f(print, first ? " " : ", ");
		put_count(print, n);
		print_f(print, " %s", behind[i]);
		first = false;
	}
	print_f(print, first ? "\n" : ".\n");
}

void
look_print(struct print *print, const json_t *look)
{
	const json_t *groups = json_object_get(look, "groups");
	int64_t count = json_int(look, "group_count", 0);

	for (size_t i = 0; i < json_array_size(groups); i++) {
		const json_t *group = json_array_get(groups, i);
		const json_t *fields = json_object_get(group, "fields");
		AUTO(json_auto_decref) json_t *others = other_examples(group);

		put_head(print, group);
		put_flags(print, group);
		for (size_t f = 0; f < json_array_size(fields) && f < SHOWN_FIELDS; f++)
			put_field(print, json_array_get(fields, f));
		if (json_array_size(fields) > SHOWN_FIELDS)
			print_f(print, "  … %zu more fields\n",
				json_array_size(fields) - SHOWN_FIELDS);
		put_changes(print, "standing out:", json_object_get(group, "outliers"));
		put_changes(print, "such as:", others);
		print_f(print, "\n");
	}
	if ((int64_t)json_array_size(groups) < count)
		print_f(print, "… %lld more groups: rouse diff --all, or --where\n\n",
			(long long)count - (long long)json_array_size(groups));
	look_print_plan(print, look);
}
