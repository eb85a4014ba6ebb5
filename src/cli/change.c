/* rouse change list, show; what a word means that names changes. */
/* SPDX-License-Identifier: MIT */
#include "cli/change.h"

#include <stdlib.h>
#include <string.h>

#include "cli/diff.h"
#include "pure/path.h"

static const struct column list_columns[] = {
	{"CHANGE", "id", CELL_ID},	 {"STATUS", "status", CELL_STATUS},
	{"OP", "op", CELL_TEXT},	 {"TARGET", "target", CELL_TEXT},
	{"ENTITY", "entity", CELL_TEXT}, {"CREATED", "created", CELL_TIME},
	{"RUN", "run", CELL_ID},	 {"REASON", "reason", CELL_TEXT},
};

static const struct column change_columns[] = {
	{"change", "id", CELL_ID},
	{"run", "run", CELL_ID},
	{"batch", "batch", CELL_TEXT},
	{"target", "target", CELL_TEXT},
	{"entity", "entity", CELL_TEXT},
	{"op", "op", CELL_TEXT},
	{"status", "status", CELL_STATUS},
	{"error", "error", CELL_TEXT},
	{"partial", "partial", CELL_TEXT},
	{"unchecked", "unchecked", CELL_TEXT},
	{"confidence", "confidence", CELL_TEXT},
	{"reason", "reason", CELL_TEXT},
	{"key", "key", CELL_TEXT},
	{"created", "created", CELL_TIME},
	{"decided by", "decided_by", CELL_TEXT},
	{"decided", "decided_at", CELL_TIME},
	{"because", "decision_reason", CELL_TEXT},
	{"attempts", "attempts", CELL_TEXT},
	{"applied", "applied_at", CELL_TIME},
	{"digest", "digest", CELL_TEXT},
};

bool
verb_change_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/changes", list_columns, ARRAY_LEN(list_columns),
					   "There is no such change."},
			err);
}

static const struct column decision_columns[] = {
	{"WHEN", "at", CELL_TIME},
	{"DECISION", "decision", CELL_TEXT},
	{"BY", "by", CELL_TEXT},
	{"WHY", "reason", CELL_TEXT},
};

/* Who decided what, in order. */
static void
put_decisions(struct print *print, const json_t *decisions)
{
	unsigned widths[ARRAY_LEN(decision_columns)] = {0};

	if (!json_array_size(decisions))
		return;
	print_f(print, "\n");
	print_table(print, decision_columns, ARRAY_LEN(decision_columns), decisions, widths);
}

bool
verb_change_show(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	const json_t *current;

	if (!cli_get(cli, &reply, err, "/v1/changes/%s", cli_arg(cli, 0)))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_fields(&cli->out, change_columns, ARRAY_LEN(change_columns), reply.json);
	print_f(&cli->out, "\n");
	diff_print_fields(&cli->out, reply.json);
	diff_print_previous(&cli->out, reply.json);
	put_decisions(&cli->out, json_object_get(reply.json, "decisions"));
	current = json_object_get(reply.json, "current");
	if (current && !json_is_null(current)) {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		json_write_pretty(&text, current);
		print_styled(&cli->out, STYLE_RED, "the target has drifted; it is now:");
		print_f(&cli->out, "\n");
		print_lines(&cli->out, "  ", buf_str(&text));
	}
	return true;
}

void
change_set_fini(struct change_set *set)
{
	free(set->run);
	free(set->digest);
	json_decref(set->items);
	*set = (struct change_set)CHANGE_SET_INIT;
}

bool
change_set_get(struct cli *cli, const char *word, struct change_set *ret, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	struct err why = ERR_INIT;
	json_t *items;

	if (cli_get(cli, &reply, &why, "/v1/runs/%s/diff", word)) {
		items = json_object_get(reply.json, "items");
		if (!json_is_array(items))
			return err_set(err, E_CORRUPT, "the daemon answered a diff without items");
		ret->items = json_incref(items);
		ret->run = mem_strdup(word);
		ret->digest = mem_strdup(json_str(reply.json, "digest"));
		return true;
	}
	if (why.code != E_NOT_FOUND)
		return err_move(err, &why);
	client_reply_fini(&reply);
	err_fini(&why);
	if (!cli_get(cli, &reply, &why, "/v1/changes/%s", word)) {
		if (why.code == E_NOT_FOUND)
			err_set(&why, E_NOT_FOUND, "there is neither a run nor a change %s", word);
		return err_move(err, &why);
	}
	ret->items = json_array();
	json_array_append(ret->items, reply.json);
	return true;
}

const char *
change_status(const json_t *change)
{
	const char *status = json_str(change, "status");

	return status ? status : "";
}

bool
change_is(const json_t *change, const char *status)
{
	return !strcmp(change_status(change), status);
}

json_t *
change_pick(const json_t *items, const char *statuses)
{
	json_t *picked = json_array(), *change;
	size_t i;

	json_array_foreach (items, i, change) {
		struct str rest = str_of(statuses), word;

		while (rest.p) {
			rest = str_split(rest, ' ', &word);
			if (str_eq_cstr(word, change_status(change)))
				json_array_append(picked, change);
		}
	}
	return picked;
}

bool
change_keep_where(json_t *items, const char *program, struct err *err)
{
	AUTO(path_auto_free) struct path *path = NULL;

	if (!path_compile(str_of(program), &path))
		return err_set(
			err, E_USAGE,
			"--where %s: rouse answers paths, == and != with a constant, and, or, as "
			".target == \"tickets\"; for more, select with jq from rouse diff --json "
			"and "
			"name the changes",
			program);
	for (size_t i = json_array_size(items); i-- > 0;) {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		bool yes;

		json_write(&text, json_array_get(items, i));
		if (!path_test(path, buf_str(&text), &yes, err))
			return err_prefix(err, "--where %s", program);
		if (!yes)
			json_array_remove(items, i);
	}
	return true;
}

void
change_count_text(const json_t *items, struct buf *out)
{
	static const char *const order[] = {"applied",	"reverted",  "applying", "reverting",
					    "approved", "proposed",  "conflict", "failed",
					    "rejected", "superseded"};
	size_t told = 0;

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		AUTO(json_auto_decref) json_t *some = change_pick(items, order[i]);

		if (!json_array_size(some))
			continue;
		buf_printf(out, "%s%zu %s", told ? ", " : "", json_array_size(some), order[i]);
		told += json_array_size(some);
	}
	if (told < json_array_size(items))
		buf_printf(out, "%s%zu other", told ? ", " : "", json_array_size(items) - told);
}
