/* rouse status, check, reload, pause, resume, halt, version, help, budget, why. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cli/cli.h"

#include <string.h>

#include "cli/text.h"

static const struct column status_columns[] = {
	{"version", "version", CELL_TEXT},
	{"pid", "pid", CELL_TEXT},
	{"started", "started", CELL_TIME},
	{"config", "config", CELL_TEXT},
	{"commit", "commit", CELL_TEXT},
	{"state", "state_dir", CELL_TEXT},
	{"socket", "socket", CELL_TEXT},
	{"listens on", "listen", CELL_LIST},
	{"public URL", "public_url", CELL_TEXT},
	{"user", "user", CELL_TEXT},
	{"starts runs", "executor", CELL_TEXT},
	{"store", "health.store", CELL_STATUS},
	{"runs now", "health.in_flight", CELL_TEXT},
	{"of at most", "health.max_running", CELL_TEXT},
	{"queued", "health.queue_depth", CELL_TEXT},
	{"oldest (ms)", "health.oldest_queued_ms", CELL_TEXT},
	{"dead letters", "health.dlq", CELL_TEXT},
};

static const struct column agent_columns[] = {
	{"AGENT", "name", CELL_TEXT},	   {"KIND", "kind", CELL_TEXT},
	{"STATE", "state", CELL_STATUS},   {"RUNS", "in_flight", CELL_COUNT},
	{"OF", "concurrency", CELL_COUNT}, {"QUEUED", "queued", CELL_COUNT},
	{"PAUSED", "paused", CELL_TEXT},   {"BREAKER", "breaker.state", CELL_STATUS},
	{"TARGETS", "targets", CELL_LIST},
};

static const struct column trigger_columns[] = {
	{"TRIGGER", "name", CELL_TEXT},	   {"SOURCE", "source", CELL_TEXT},
	{"AGENT", "agent", CELL_TEXT},	   {"ON", "enabled", CELL_TEXT},
	{"HEALTH", "health", CELL_STATUS}, {"LAST EVENT", "last_event", CELL_TIME},
	{"NEXT", "next", CELL_TIME},	   {"WAITING", "backlog", CELL_COUNT},
	{"LAG", "lag_ms", CELL_SPAN},	   {"LAST ERROR", "last_error", CELL_TEXT},
};

static const struct column paused_columns[] = {
	{"PAUSED", "scope", CELL_TEXT},
	{"NAME", "name", CELL_TEXT},
	{"SINCE", "since", CELL_TIME},
	{"BY", "by", CELL_TEXT},
};

static void
print_section(struct cli *cli, const struct column *columns, size_t count, const json_t *rows)
{
	unsigned widths[16] = {0};

	if (!json_array_size(rows))
		return;
	print_f(&cli->out, "\n");
	print_table(&cli->out, columns, count, rows, widths);
}

bool
verb_status(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	if (!cli_get(cli, &reply, err, "/v1/status"))
		return false;
	if (!json_bool(reply.json, "ready", true))
		cli->status = 1;
	if (cli_json(cli, &reply))
		return true;
	if (json_bool(reply.json, "halted", false))
		print_styled(&cli->out, STYLE_RED, "HALTED: nothing runs; rouse resume goes on");
	else if (cli->status)
		print_styled(&cli->out, STYLE_RED, "not ready");
	else
		print_styled(&cli->out, STYLE_GREEN, "ready");
	print_f(&cli->out, "\n\n");
	print_fields(&cli->out, status_columns, ARRAY_LEN(status_columns), reply.json);
	print_section(cli, paused_columns, ARRAY_LEN(paused_columns),
		      json_object_get(reply.json, "paused"));
	print_section(cli, agent_columns, ARRAY_LEN(agent_columns),
		      json_object_get(reply.json, "agents"));
	print_section(cli, trigger_columns, ARRAY_LEN(trigger_columns),
		      json_object_get(reply.json, "triggers"));
	if (json_int(reply.json, "trigger_count", 0) >
	    (int64_t)json_array_size(json_object_get(reply.json, "triggers")))
		cli_note("These are some of %lld triggers: rouse trigger list",
			 (long long)json_int(reply.json, "trigger_count", 0));
	return true;
}

bool
verb_check(struct cli *cli, struct err *err)
{
	const char *file = cli_arg(cli, 0) ? cli_arg(cli, 0) : cli_config(cli);
	const char *const args[] = {"-t", "-c", file, NULL};

	return cli_roused(cli, args, err);
}

static void
print_names(struct cli *cli, const char *what, const json_t *names)
{
	const char *before = what;

	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));

		print_f(&cli->out, "%s ", before);
		print_text(&cli->out, name ? name : "?");
		before = ",";
	}
	if (json_array_size(names))
		print_f(&cli->out, "\n");
}

bool
verb_reload(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	const json_t *errors;

	if (!cli_post(cli, NULL, &reply, err, "/v1/reload")) {
		errors = json_object_get(reply.json, "errors");
		for (size_t i = 0; i < json_array_size(errors); i++)
			cli_note("%s", json_string_value(json_array_get(errors, i))
					       ? json_string_value(json_array_get(errors, i))
					       : "?");
		return false;
	}
	if (cli_json(cli, &reply))
		return true;
	print_f(&cli->out, "Configuration %lld is in effect.\n",
		(long long)json_int(reply.json, "generation", 0));
	print_names(cli, "added:", json_object_get(reply.json, "added"));
	print_names(cli, "changed:", json_object_get(reply.json, "changed"));
	print_names(cli, "removed:", json_object_get(reply.json, "removed"));
	return true;
}

static bool
post_switch(struct cli *cli, const char *route, const char *done, struct err *err)
{
	static const char *const scopes[] = {"agent", "trigger", "tenant"};
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		json_put_str(body, scopes[i], cli_opt(cli, scopes[i]));
	if (json_object_size(body) > 1)
		return err_set(err, E_USAGE, "one of --agent, --trigger and --tenant at a time");
	if (!cli_post(cli, body, &reply, err, "/v1/%s", route))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_f(&cli->out, "%s\n", done);
	if (json_bool(reply.json, "halted", false))
		print_f(&cli->out, "Everything is halted.\n");
	print_section(cli, paused_columns, ARRAY_LEN(paused_columns),
		      json_object_get(reply.json, "paused"));
	return true;
}

bool
verb_pause(struct cli *cli, struct err *err)
{
	return post_switch(cli, "pause", "Paused. rouse resume goes on.", err);
}

bool
verb_resume(struct cli *cli, struct err *err)
{
	return post_switch(cli, "resume", "Resumed.", err);
}

bool
verb_halt(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	json_put_str(body, "reason", cli_opt(cli, "reason"));
	if (!cli_post(cli, body, &reply, err, "/v1/halt"))
		return false;
	if (!cli_json(cli, &reply))
		print_f(&cli->out, "Halted: what ran is being stopped, nothing starts. rouse "
				   "resume goes on.\n");
	return true;
}

bool
verb_version(struct cli *cli, struct err *err)
{
	(void)err;
	if (cli->out.json)
		print_f(&cli->out, "{\"version\":\"%s\"}\n", PACKAGE_VERSION);
	else
		print_f(&cli->out, "rouse %s\n", PACKAGE_VERSION);
	return true;
}

static bool
help_key(struct cli *cli, const char *word, struct err *err)
{
	AUTO(auto_free) char *roused = cli_roused_path("", NULL);
	const char *const args[] = {"--keys", word, NULL};
	const char *near = verb_suggest(NULL, word);

	if (roused)
		return cli_roused(cli, args, err);
	return err_set(err, E_USAGE, "there is no verb %s%s%s%s", word,
		       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

bool
verb_help(struct cli *cli, struct err *err)
{
	const char *first = cli_arg(cli, 0), *second = cli_arg(cli, 1);
	const char *shell = cli_opt(cli, "completion");
	const struct verb *verb;

	if (cli_has(cli, "man")) {
		verb_print_man(&cli->out.buf);
		return true;
	}
	if (shell)
		return verb_print_completion(shell, &cli->out.buf) ||
		       err_set(err, E_USAGE, "--completion %s: expected bash, fish or zsh", shell);
	if (!first) {
		verb_print_overview(&cli->out.buf);
		return true;
	}
	verb = second ? verb_find(first, second) : verb_find(NULL, first);
	if (verb)
		verb_print_help(verb, &cli->out.buf);
	else if (!second && verb_is_noun(first))
		verb_print_noun(first, &cli->out.buf);
	else if (second)
		return err_set(err, E_USAGE,
			       "there is no verb %s %s; rouse help lists those there are", first,
			       second);
	else
		return help_key(cli, first, err);
	return true;
}

bool
verb_budget(struct cli *cli, struct err *err)
{
	static const struct column columns[] = {
		{"SCOPE", "scope", CELL_TEXT},
		{"NAME", "name", CELL_TEXT},
		{"DAY", "day", CELL_TEXT},
		{"SPENT $", "spent_usd", CELL_MONEY},
		{"RESERVED $", "reserved_usd", CELL_MONEY},
		{"LIMIT $", "limit_usd", CELL_MONEY},
		{"LEFT $", "left_usd", CELL_MONEY},
		{"TOKENS", "tokens", CELL_TEXT},
		{"WAITING", "held", CELL_TEXT},
	};
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	unsigned widths[ARRAY_LEN(columns)] = {0};
	json_t *items, *item;
	size_t i;

	if (!cli_get(cli, &reply, err, "/v1/budget"))
		return false;
	items = json_object_get(reply.json, "items");
	if (!json_is_array(items))
		return err_set(err, E_CORRUPT,
			       "the daemon answered a list without items to /v1/budget");
	json_array_foreach (items, i, item) {
		if (cli->out.json) {
			AUTO(buf_fini) struct buf line = BUF_INIT;

			json_write(&line, item);
			print_json(&cli->out, buf_str(&line));
		}
	}
	if (cli->out.json)
		return true;
	print_table(&cli->out, columns, ARRAY_LEN(columns), items, widths);
	if (!json_array_size(items))
		cli_note("Nothing was spent, and no limit is set.");
	return true;
}

bool
verb_why(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	const json_t *subject, *story, *step;
	size_t i;

	if (!cli_get(cli, &reply, err, "/v1/why/%s", cli_arg(cli, 0)))
		return false;
	if (cli_json(cli, &reply))
		return true;
	subject = json_object_get(reply.json, "subject");
	story = json_object_get(reply.json, "story");
	print_style(&cli->out, STYLE_BOLD);
	print_text(&cli->out, json_str(subject, "kind"));
	print_f(&cli->out, " ");
	print_text(&cli->out, json_str(subject, "id"));
	print_style(&cli->out, STYLE_PLAIN);
	print_f(&cli->out, "\n");
	json_array_foreach (story, i, step) {
		const char *what = json_str(step, "what"), *at = json_str(step, "at");

		print_f(&cli->out, "  ");
		print_styled(&cli->out, STYLE_DIM, at ? at : "");
		print_f(&cli->out, "%*s", at ? 2 : 26, "");
		print_styled(&cli->out, print_status_style(what), what ? what : "");
		print_f(&cli->out, "%*s", what && strlen(what) < 11 ? (int)(11 - strlen(what)) : 1,
			"");
		print_text(&cli->out, json_str(step, "text"));
		print_f(&cli->out, "\n");
	}
	return true;
}

bool
verb_agent_list(struct cli *cli, struct err *err)
{
	return cli_list(
		cli,
		&(struct cli_list){"/v1/agents", agent_columns, ARRAY_LEN(agent_columns),
				   "There is no agent; rouse.conf's agents.d is where they stand."},
		err);
}

bool
verb_agent_show(struct cli *cli, struct err *err)
{
	static const struct column columns[] = {
		{"agent", "name", CELL_TEXT},
		{"kind", "kind", CELL_TEXT},
		{"state", "state", CELL_STATUS},
		{"paused", "paused", CELL_TEXT},
		{"runs now", "in_flight", CELL_TEXT},
		{"of at most", "concurrency", CELL_TEXT},
		{"queued", "queued", CELL_TEXT},
		{"targets", "targets", CELL_LIST},
		{"breaker", "breaker.state", CELL_STATUS},
		{"failed", "breaker.failed", CELL_TEXT},
		{"of the last", "breaker.total", CELL_TEXT},
		{"rests until", "breaker.until", CELL_TIME},
		{"the last failure", "breaker.error", CELL_TEXT},
		{"fallback", "fallback", CELL_TEXT},
		{"models at rest", "models_resting", CELL_LIST},
	};
	AUTO(json_auto_decref) json_t *agents = NULL;
	const json_t *agent;
	size_t i;

	if (!cli_fetch_all(cli, "/v1/agents", 100000, &agents, err))
		return false;
	json_array_foreach (agents, i, agent) {
		AUTO(buf_fini) struct buf line = BUF_INIT;
		const char *name = json_str(agent, "name");

		if (!name || strcmp(name, cli_arg(cli, 0)))
			continue;
		json_write(&line, agent);
		if (cli->out.json)
			print_json(&cli->out, buf_str(&line));
		else
			print_fields(&cli->out, columns, ARRAY_LEN(columns), agent);
		return true;
	}
	return err_set(err, E_NOT_FOUND,
		       "there is no agent %s; rouse agent list has those there are",
		       cli_arg(cli, 0));
}

bool
verb_trigger_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/triggers", trigger_columns,
					   ARRAY_LEN(trigger_columns),
					   "There is no trigger; rouse trigger add makes one."},
			err);
}
