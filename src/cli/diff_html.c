/* The diff as one page for a browser: nothing in it is fetched, run, or believed. */
/* SPDX-License-Identifier: MIT */
#include "cli/look.h"

#include <string.h>

#include "cli/fields.h"
#include "cli/text.h"

#define VALUE_BYTES 20000 /* of one value; more is said to be there */

/* Escaped for text and for attributes; what could reorder or hide it is shown as an escape. */
static void
put_html(struct print *print, struct str text)
{
	static const struct {
		char c;
		const char *as;
	} list[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
	AUTO(buf_fini) struct buf safe = BUF_INIT;
	bool cut = text.len > VALUE_BYTES;

	text_escape_lines(&safe, cut ? str_make(text.p, VALUE_BYTES) : text);
	for (size_t i = 0; i < safe.len; i++) {
		const char *as = NULL;

		for (size_t at = 0; at < ARRAY_LEN(list); at++)
			if (safe.data[i] == list[at].c)
				as = list[at].as;
		if (as)
			buf_puts(&print->buf, as);
		else
			buf_putc(&print->buf, safe.data[i]);
	}
	if (cut)
		buf_printf(&print->buf, "… (%zu bytes)", text.len);
}

static void
put_text(struct print *print, const char *text)
{
	put_html(print, str_of(text ? text : ""));
}

static void
put_value(struct print *print, const char *class, const json_t *value)
{
	AUTO(buf_fini) struct buf json = BUF_INIT;

	buf_printf(&print->buf, "<td class=\"%s\">", class);
	if (json_is_string(value) && strchr(json_string_value(value), '\n')) {
		put_html(print, str_make(json_string_value(value), json_string_length(value)));
	} else if (value) {
		json_write(&json, value);
		put_html(print, buf_str(&json));
	}
	buf_puts(&print->buf, "</td>");
}

static void
put_change(struct print *print, const json_t *change)
{
	static const char *const members[] = {"entity", "op", "target", "status", "id"};
	const json_t *confidence = json_object_get(change, "confidence");
	const json_t *flags = json_object_get(change, "flags");
	AUTO(fields_fini) struct fields fields = FIELDS_INIT;

	fields_of(change, &fields);
	buf_puts(&print->buf,
		 json_array_size(flags) ? "<article class=\"eyes\"><h3>" : "<article><h3>");
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		buf_printf(&print->buf, "<span class=\"%s\">", members[i]);
		put_text(print, json_str(change, members[i]));
		buf_puts(&print->buf, "</span> ");
	}
	if (json_is_number(confidence))
		buf_printf(&print->buf, "<span>confidence %.2f</span> ",
			   json_number_value(confidence));
	for (size_t i = 0; i < json_array_size(flags); i++) {
		buf_puts(&print->buf, "<b>");
		put_text(print, json_string_value(json_array_get(flags, i)));
		buf_puts(&print->buf, "</b> ");
	}
	buf_puts(&print->buf, "</h3>");
	if (json_str(change, "reason")) {
		buf_puts(&print->buf, "<p>");
		put_text(print, json_str(change, "reason"));
		buf_puts(&print->buf, "</p>");
	}
	buf_puts(&print->buf, "<table><tr><th>field</th><th>before</th><th>after</th></tr>\n");
	for (size_t i = 0; i < fields.count; i++) {
		buf_puts(&print->buf, "<tr><td>");
		put_text(print, *fields.items[i].path ? fields.items[i].path : "value");
		buf_puts(&print->buf, "</td>");
		put_value(print, "was", fields.items[i].before);
		put_value(print, "is", fields.items[i].after);
		buf_puts(&print->buf, "</tr>\n");
	}
	if (json_is_string(json_object_get(change, "patch"))) {
		buf_puts(&print->buf, "<tr><td>patch</td><td></td>");
		put_value(print, "is", json_object_get(change, "patch"));
		buf_puts(&print->buf, "</tr>\n");
	}
	buf_puts(&print->buf, "</table></article>\n");
}

static bool
put_page(void *arg, const json_t *items, struct err *err)
{
	struct cli *cli = arg;

	for (size_t i = 0; i < json_array_size(items); i++)
		put_change(&cli->out, json_array_get(items, i));
	return print_flush(&cli->out, err);
}

static void
put_group(struct print *print, const json_t *group)
{
	const json_t *fields = json_object_get(group, "fields");

	buf_puts(&print->buf, "<tr><td>");
	put_text(print, json_str(group, "op"));
	buf_puts(&print->buf, " ");
	put_text(print, json_str(group, "target"));
	buf_printf(&print->buf, "</td><td class=\"n\">%lld</td><td class=\"n\">%lld</td><td>",
		   (long long)json_int(group, "count", 0),
		   (long long)json_int(group, "flagged", 0));
	for (size_t i = 0; i < json_array_size(fields); i++) {
		const json_t *field = json_array_get(fields, i);
		const json_t *values = json_object_get(field, "values");

		buf_puts(&print->buf, "<div>");
		put_text(print, json_str(field, "kind"));
		buf_puts(&print->buf, " ");
		put_text(print, json_str(field, "path"));
		for (size_t v = 0; v < json_array_size(values); v++) {
			buf_puts(&print->buf, v ? ", " : ": ");
			put_text(print, json_str(json_array_get(values, v), "value"));
			buf_printf(&print->buf, " (%lld)",
				   (long long)json_int(json_array_get(values, v), "count", 0));
		}
		buf_puts(&print->buf, "</div>");
	}
	buf_puts(&print->buf, "</td></tr>\n");
}

bool
diff_print_html(struct cli *cli, const json_t *look, struct err *err)
{
	static const char style[] =
		"body{font:15px/1.4 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}"
		"table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .5em;"
		"text-align:left;vertical-align:top;white-space:pre-wrap;word-break:break-word}"
		".n{text-align:right}.was{background:#fee}.is{background:#efe}h3{font-size:1em;"
		"margin:1.2em 0 .2em}.entity{font-weight:bold}.id{color:#777}article.eyes{"
		"border-left:4px solid #c60;padding-left:.6em}p{margin:.2em 0}";
	struct print *print = &cli->out;
	const json_t *groups = json_object_get(look, "groups");
	const char *id = json_str(look, "look");

	print->colour = false;
	buf_cat(&print->buf,
		"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'unsafe-inline'\"><title>Changes</title><style>",
		style, "</style></head><body>\n<h1>Changes of ");
	put_text(print, json_str(look, "batch") ? json_str(look, "batch")
			: json_str(look, "run") ? json_str(look, "run")
						: "one");
	buf_puts(&print->buf, "</h1>\n<p>");
	look_print_plan(print, look);
	buf_puts(&print->buf, "</p>\n<p>digest ");
	put_text(print, json_str(look, "digest"));
	buf_puts(&print->buf, "</p>\n<h2>Groups</h2>\n<table><tr><th>what</th><th>changes</th>"
			      "<th>need eyes</th><th>fields</th></tr>\n");
	for (size_t i = 0; i < json_array_size(groups); i++)
		put_group(print, json_array_get(groups, i));
	buf_puts(&print->buf, "</table>\n<h2>Changes, what needs eyes first</h2>\n");
	if (!look_each(cli, id, put_page, cli, err))
		return false;
	buf_puts(&print->buf, "</body></html>\n");
	return true;
}
