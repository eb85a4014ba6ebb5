/* The key table for its readers: help on the terminal, JSON for programs, roff for the manual. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "conf/inside.h"
#include "pure/duration.h"

/* "[trigger NAME] source = cron" */
static void
table_title(const struct conf_table *table, struct buf *out)
{
	buf_printf(out, "[%s%s]", table->section, table->named ? " NAME" : "");
	if (table->selector)
		buf_printf(out, " %s = %s", table->selector, table->value);
}

static void
bound_print(const struct conf_key *row, int64_t n, struct buf *out)
{
	if (row->type == CONF_DURATION)
		duration_print(n, out);
	else if (row->type == CONF_SIZE)
		size_print(n, out);
	else if (row->type == CONF_MONEY)
		money_print(n, out);
	else
		buf_printf(out, "%" PRId64, n);
}

/* "duration, 1s to 1h, default 30s" */
static void
row_facts(const struct conf_key *row, struct buf *out)
{
	bool choice = row->type == CONF_ENUM || row->type == CONF_ENUM_LIST;

	if (choice && row->choices)
		buf_printf(out, "%s%s", row->type == CONF_ENUM_LIST ? "list of " : "",
			   row->choices);
	else
		buf_puts(out, conf_type_name(row->type));
	if ((row->type == CONF_NAME || row->type == CONF_NAME_LIST) && row->choices)
		buf_printf(out, " of [%s]", row->choices);
	if (row->min || row->max) {
		buf_puts(out, row->max < row->min || row->max == INT64_MAX ? ", at least " : ", ");
		bound_print(row, row->min, out);
		if (row->max >= row->min && row->max != INT64_MAX) {
			buf_puts(out, " to ");
			bound_print(row, row->max, out);
		}
	}
	if (row->flags & CONF_MANY)
		buf_puts(out, ", one or several");
	if (row->flags & CONF_REQUIRED)
		buf_puts(out, ", required");
	if (row->def && *row->def)
		buf_printf(out, ", default %s", row->def);
}

static void
row_help(const struct conf_key *row, struct buf *out)
{
	buf_printf(out, "  %s%s (", row->name, row->flags & CONF_PREFIX ? "NAME" : "");
	row_facts(row, out);
	buf_printf(out, ")\n      %s\n", row->help ? row->help : "");
}

/* what: "section.key", "key" or "section"; a key may have dots itself. */
static bool
row_wanted(const struct conf_table *table, const struct conf_key *row, const char *what)
{
	size_t n = strlen(table->section);

	if (!what || !strcmp(what, table->section) || !strcmp(what, row->name) ||
	    row_matches(row, what))
		return true;
	return !strncmp(what, table->section, n) && what[n] == '.' &&
	       (!strcmp(what + n + 1, row->name) || row_matches(row, what + n + 1));
}

static bool
table_help(const struct conf_table *table, const char *what, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < table->count; i++) {
		if (!row_wanted(table, &table->keys[i], what))
			continue;
		if (!any) {
			if (out->len)
				buf_putc(out, '\n');
			table_title(table, out);
			if (table->help)
				buf_printf(out, ": %s", table->help);
			buf_putc(out, '\n');
		}
		row_help(&table->keys[i], out);
		any = true;
	}
	return any;
}

static bool
help_suggest(const struct conf_schema *schema, const char *what, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct suggest suggest = suggest_for(what), inner;
	const char *dot = strchr(what, '.');

	inner = suggest_for(dot ? dot + 1 : what);
	for (size_t t = 0; t < schema->count; t++) {
		const struct conf_table *table = schema->tables[t];

		suggest_offer(&suggest, table->section);
		for (size_t i = 0; i < table->count; i++) {
			suggest_offer(&suggest, table->keys[i].name);
			if (dot && !strncmp(what, table->section, (size_t)(dot - what)))
				suggest_offer(&inner, table->keys[i].name);
		}
	}
	quote_print(what, &text);
	buf_puts(&text, " is no section and no key");
	suggest_print(suggest.best ? &suggest : &inner, &text);
	return err_set(err, E_NOT_FOUND, "%s", buf_cstr(&text));
}

bool
conf_schema_help(const struct conf_schema *schema, const char *what, struct buf *out,
		 struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	bool any = false;

	for (size_t t = 0; t < schema->count; t++)
		any |= table_help(schema->tables[t], what, &text);
	if (!any && what)
		return help_suggest(schema, what, err);
	buf_add_str(out, buf_str(&text));
	return true;
}

static void
row_json(const struct conf_table *table, const struct conf_key *row, struct buf *out)
{
	AUTO(buf_fini) struct buf selector = BUF_INIT;

	if (table->selector)
		buf_printf(&selector, "%s=%s", table->selector, table->value);
	buf_puts(out, "{\"section\":");
	buf_json_cstr(out, table->section);
	buf_puts(out, ",\"selector\":");
	buf_json_cstr(out, table->selector ? buf_cstr(&selector) : NULL);
	buf_puts(out, ",\"key\":");
	buf_json_cstr(out, row->name);
	buf_puts(out, ",\"type\":");
	buf_json_cstr(out, conf_type_name(row->type));
	buf_puts(out, ",\"default\":");
	buf_json_cstr(out, row->def);
	buf_puts(out, ",\"choices\":");
	buf_json_cstr(out, row->choices);
	buf_printf(out, ",\"named\":%s,\"required\":%s,\"prefix\":%s,\"many\":%s,\"help\":",
		   table->named ? "true" : "false", row->flags & CONF_REQUIRED ? "true" : "false",
		   row->flags & CONF_PREFIX ? "true" : "false",
		   row->flags & CONF_MANY ? "true" : "false");
	buf_json_cstr(out, row->help);
	buf_puts(out, ",\"about\":");
	buf_json_cstr(out, table->help);
	buf_puts(out, ",\"hint\":");
	buf_json_cstr(out, table->hint);
	buf_puts(out, "}\n");
}

void
conf_schema_json(const struct conf_schema *schema, struct buf *out)
{
	for (size_t t = 0; t < schema->count; t++)
		for (size_t i = 0; i < schema->tables[t]->count; i++)
			row_json(schema->tables[t], &schema->tables[t]->keys[i], out);
}

/* Text for roff: no escape, no dash that becomes a hyphen, no line that is a request. */
static void
roff_puts(struct buf *out, const char *s)
{
	if (*s == '.' || *s == '\'')
		buf_puts(out, "\\&");
	for (; *s; s++) {
		if (*s == '\\')
			buf_puts(out, "\\e");
		else if (*s == '-')
			buf_puts(out, "\\-");
		else
			buf_putc(out, *s == '\n' ? ' ' : *s);
	}
}

static void
row_man(const struct conf_key *row, struct buf *out)
{
	AUTO(buf_fini) struct buf facts = BUF_INIT;

	row_facts(row, &facts);
	buf_puts(out, ".TP\n\\fB");
	roff_puts(out, row->name);
	buf_printf(out, "\\fR%s (", row->flags & CONF_PREFIX ? "\\fINAME\\fR" : "");
	roff_puts(out, buf_cstr(&facts));
	buf_puts(out, ")\n");
	roff_puts(out, row->help && *row->help ? row->help : "See above.");
	buf_putc(out, '\n');
}

void
conf_schema_man(const struct conf_schema *schema, struct buf *out)
{
	for (size_t t = 0; t < schema->count; t++) {
		AUTO(buf_fini) struct buf title = BUF_INIT;

		table_title(schema->tables[t], &title);
		buf_puts(out, ".SS \"");
		roff_puts(out, buf_cstr(&title));
		buf_puts(out, "\"\n");
		if (schema->tables[t]->help) {
			roff_puts(out, schema->tables[t]->help);
			buf_putc(out, '\n');
		}
		for (size_t i = 0; i < schema->tables[t]->count; i++)
			row_man(&schema->tables[t]->keys[i], out);
	}
}
