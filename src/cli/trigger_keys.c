/* The keys of triggers, asked of roused: its tables are the only list there is. */
/* SPDX-License-Identifier: MIT */
#include "cli/trigger_add.h"

#include <string.h>

#define HELP_COLUMN 26

bool
trigger_keys_get(json_t **ret, struct err *err)
{
	const char *const args[] = {"--keys-json", NULL};
	AUTO(buf_fini) struct buf said = BUF_INIT;
	json_t *keys = json_array();
	struct str rest, line;

	if (!cli_roused_try(args, 0, &said, err)) {
		json_decref(keys);
		return false;
	}
	for (rest = buf_str(&said); rest.p && rest.len;) {
		json_t *row = NULL;

		rest = str_split(rest, '\n', &line);
		if (json_read(line, &row, NULL) && json_str(row, "section") &&
		    json_str(row, "key") && !strcmp(json_str(row, "section"), "trigger"))
			json_array_append(keys, row);
		json_decref(row);
	}
	*ret = keys;
	return true;
}

/* "cron" of "source=cron"; NULL: of every trigger. */
static const char *
source_of(const json_t *row)
{
	const char *selector = json_str(row, "selector");

	return selector && str_starts(str_of(selector), STR("source=")) ? selector + 7 : NULL;
}

/* Rows of a variant of the source (content = ...) count as the source's, as far as names go. */
static bool
row_is_of(const json_t *row, const char *source)
{
	const char *own = source_of(row);

	return source ? own && !strcmp(own, source) : !json_str(row, "selector");
}

const json_t *
trigger_key_find(const json_t *keys, const char *source, const char *key)
{
	const char *const both[] = {source, NULL};
	size_t i;
	json_t *row;

	for (size_t b = 0; b < ARRAY_LEN(both); b++)
		json_array_foreach ((json_t *)keys, i, row)
			if (row_is_of(row, both[b]) && !strcmp(json_str(row, "key"), key))
				return row;
	return NULL;
}

static const char *
pair_of(const struct conf_pair *pairs, size_t count, struct str key)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq_cstr(key, pairs[i].key))
			return pairs[i].value;
	return NULL;
}

bool
trigger_keys_check(const json_t *keys, const char *source, const struct conf_pair *pairs,
		   size_t count, struct err *err)
{
	size_t i;
	json_t *row;

	json_array_foreach ((json_t *)keys, i, row) {
		const char *key = json_str(row, "key"), *help = json_str(row, "help");

		if (!row_is_of(row, source) || !json_bool(row, "required", false) ||
		    pair_of(pairs, count, str_of(key)))
			continue;
		return err_set(err, E_USAGE,
			       "%s is missing: --set %s=... (%s); rouse trigger add --source %s "
			       "--help lists the keys",
			       key, key, help ? help : json_str(row, "type"), source);
	}
	return true;
}

bool
trigger_hint(const json_t *keys, const char *source, const char *name,
	     const struct conf_pair *pairs, size_t count, struct buf *out)
{
	const char *hint = NULL, *value;
	size_t i;
	json_t *row;
	struct str rest, text, key;

	json_array_foreach ((json_t *)keys, i, row)
		if (row_is_of(row, source) && json_str(row, "hint"))
			hint = json_str(row, "hint");
	for (rest = str_of(hint); rest.p;) {
		rest = str_split(rest, '{', &text);
		buf_add_str(out, text);
		if (!rest.p)
			break;
		rest = str_split(rest, '}', &key);
		value = pair_of(pairs, count, key);
		buf_puts(out, str_eq_cstr(key, "name") ? name : value ? value : "...");
	}
	return hint;
}

static void
row_print(const json_t *row, struct buf *out)
{
	size_t start = out->len;
	const char *def = json_str(row, "default"), *choices = json_str(row, "choices");

	buf_printf(out, "  %s%s", json_str(row, "key"),
		   json_bool(row, "prefix", false) ? "NAME" : "");
	if (out->len - start < HELP_COLUMN)
		buf_printf(out, "%*s", (int)(HELP_COLUMN - (out->len - start)), "");
	buf_printf(out, " %s", json_str(row, "help") ? json_str(row, "help") : "");
	buf_printf(out, " (%s", json_str(row, "type"));
	if (choices && strchr(choices, '|'))
		buf_printf(out, ": %s", choices);
	if (json_bool(row, "required", false))
		buf_puts(out, ", needed");
	if (def)
		buf_printf(out, ", else %s", def);
	buf_puts(out, ")\n");
}

static bool
rows_print(const json_t *keys, const char *source, struct buf *out)
{
	size_t i, rows = 0;
	json_t *row;

	json_array_foreach ((json_t *)keys, i, row) {
		if (!row_is_of(row, source))
			continue;
		if (!rows++ && source)
			buf_printf(out, "\nKeys of source %s (%s), each as --set KEY=VALUE:\n",
				   source, json_str(row, "about") ? json_str(row, "about") : "");
		else if (rows == 1)
			buf_puts(out, "\nKeys of every trigger:\n");
		row_print(row, out);
	}
	return rows;
}

static void
sources_print(const json_t *keys, struct buf *out)
{
	const char *last = "";
	size_t i;
	json_t *row;

	buf_puts(out, "\nSources; --source SOURCE --help lists the keys of one:\n");
	json_array_foreach ((json_t *)keys, i, row) {
		const char *source = source_of(row);

		if (!source || !strcmp(source, last))
			continue;
		last = source;
		buf_printf(out, "  %-*s %s\n", HELP_COLUMN - 2, source,
			   json_str(row, "about") ? json_str(row, "about") : "");
	}
}

void
trigger_add_help(const char *source, struct buf *out)
{
	AUTO(json_auto_decref) json_t *keys = NULL;
	AUTO(err_fini) struct err none = ERR_INIT;

	if (!trigger_keys_get(&keys, &none))
		return;
	if (!source) {
		sources_print(keys, out);
		return;
	}
	if (!rows_print(keys, source, out))
		buf_printf(out, "\nSource %s has no keys of its own.\n", source);
	rows_print(keys, NULL, out);
	buf_puts(out, "\nA secret may be file:PATH, cred:NAME or env:NAME; @FILE or - (standard "
		      "input) has it\nread and put into a file that only the daemon can read.\n");
}
