/* rouse trigger show, enable, disable, fire, test. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include <string.h>

static const struct column trigger_columns[] = {
	{"trigger", "name", CELL_TEXT},
	{"source", "source", CELL_TEXT},
	{"agent", "agent", CELL_TEXT},
	{"enabled", "enabled", CELL_TEXT},
	{"health", "health", CELL_STATUS},
	{"since", "since", CELL_TIME},
	{"last event", "last_event", CELL_TIME},
	{"outcome", "last_outcome", CELL_TEXT},
	{"last error", "last_error", CELL_TEXT},
	{"error at", "last_error_at", CELL_TIME},
	{"next", "next", CELL_TIME},
	{"waiting", "backlog", CELL_TEXT},
	{"lag", "lag_ms", CELL_SPAN},
	{"URL", "url", CELL_TEXT},
	{"file", "file", CELL_TEXT},
	{"line", "line", CELL_TEXT},
};

static bool
is_among(const json_t *names, const char *name)
{
	size_t i;
	json_t *one;

	json_array_foreach (names, i, one)
		if (json_is_string(one) && !strcmp(json_string_value(one), name))
			return true;
	return false;
}

/* As they would be written in the file; those by default as comments. */
static void
print_settings(struct print *out, const json_t *trigger)
{
	const json_t *defaults = json_object_get(trigger, "defaults");
	json_t *settings = json_object_get(trigger, "settings"), *value;
	const char *key;

	if (json_object_size(settings))
		print_f(out, "\n");
	json_object_foreach (settings, key, value) {
		const struct column column = {"", key, CELL_LIST};
		bool is_default = is_among(defaults, key);
		const char *text = json_string_value(value),
			   *more = text ? strchr(text, '\n') : NULL;
		AUTO(buf_fini) struct buf cell = BUF_INIT;

		print_f(out, is_default ? "# " : "");
		print_text(out, key);
		if (more) {
			print_f(out, " =\n");
			print_lines(out, is_default ? "#     " : "    ", str_of(text));
			continue;
		}
		print_cell(out, &column, settings, &cell);
		print_f(out, " = %s%s\n", buf_cstr(&cell), is_default ? "  (default)" : "");
	}
}

bool
verb_trigger_show(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	if (!cli_get(cli, &reply, err, "/v1/triggers/%s", cli_arg(cli, 0)))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_fields(&cli->out, trigger_columns, ARRAY_LEN(trigger_columns), reply.json);
	print_settings(&cli->out, reply.json);
	return true;
}

static bool
switch_one(struct cli *cli, const char *name, const char *verb, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	if (!cli_post(cli, NULL, &reply, err, "/v1/triggers/%s/%s", name, verb))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, name);
	print_f(&cli->out, " is %sd\n", verb);
	return true;
}

static bool
enable_one(struct cli *cli, const char *name, struct err *err)
{
	return switch_one(cli, name, "enable", err);
}

static bool
disable_one(struct cli *cli, const char *name, struct err *err)
{
	return switch_one(cli, name, "disable", err);
}

bool
verb_trigger_enable(struct cli *cli, struct err *err)
{
	return cli_each(cli, enable_one, err);
}

bool
verb_trigger_disable(struct cli *cli, struct err *err)
{
	return cli_each(cli, disable_one, err);
}

bool
verb_trigger_fire(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT, data = BUF_INIT;
	struct client_request request = {.method = "POST"};
	const char *from = cli_opt(cli, "data"), *run;
	struct client *client;

	buf_puts(&path, "/v1/triggers/");
	client_encode(&path, cli_arg(cli, 0));
	buf_puts(&path, "/fire");
	if (from && !cli_data("--data", from, &data, err))
		return false;
	request.path = buf_cstr(&path);
	/* As it was given: no number loses a digit. */
	request.body = from ? buf_str(&data) : STR_NONE;
	if (!cli_client(cli, &client, err) || !client_send(client, &request, &reply, err))
		return false;
	if (cli_json(cli, &reply))
		return true;
	run = json_str(reply.json, "run_id");
	if (run)
		print_text(&cli->out, run);
	else
		print_text(&cli->out, json_str(reply.json, "event_id"));
	print_f(&cli->out, "\n");
	if (!run || json_bool(reply.json, "replayed", false))
		cli_note("The event is %s%s: rouse why %s",
			 json_str(reply.json, "outcome") ? json_str(reply.json, "outcome")
							 : "recorded",
			 run ? ", this is the run that its key started before" : "; nothing runs",
			 json_str(reply.json, "event_id") ? json_str(reply.json, "event_id") : "");
	return true;
}

bool
verb_trigger_backfill(struct cli *cli, struct err *err)
{
	static const char *const texts[] = {"from", "to", "overlap"};
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	long long count;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (cli_opt(cli, texts[i]))
			json_put_str(body, texts[i], cli_opt(cli, texts[i]));
	if (!cli_opt(cli, "from") || !cli_opt(cli, "to"))
		return err_set(err, E_USAGE, "--from TIME and --to TIME are needed");
	if (cli_opt(cli, "plan"))
		json_object_set_new(body, "plan", json_true());
	if (!cli_post(cli, body, &reply, err, "/v1/triggers/%s/backfill", cli_arg(cli, 0)))
		return false;
	if (cli_json(cli, &reply))
		return true;
	count = json_integer_value(json_object_get(reply.json, "count"));
	print_text(&cli->out, cli_arg(cli, 0));
	print_f(&cli->out, ": %lld time%s%s\n", count, count == 1 ? "" : "s",
		cli_opt(cli, "plan") ? " would be filled in" : " to fill in");
	return true;
}

static void
print_block(struct cli *cli, const char *title, const json_t *value)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!value || json_is_null(value))
		return;
	json_write_pretty(&text, value);
	print_styled(&cli->out, STYLE_BOLD, title);
	print_f(&cli->out, "\n");
	print_lines(&cli->out, "  ", buf_str(&text));
}

bool
verb_trigger_test(struct cli *cli, struct err *err)
{
	static const struct column columns[] = {
		{"verdict", "verdict", CELL_STATUS}, {"rule", "rule", CELL_TEXT},
		{"error", "error", CELL_TEXT},	     {"key", "key", CELL_TEXT},
		{"entity", "entity", CELL_TEXT},     {"tenant", "tenant", CELL_TEXT},
		{"user", "user", CELL_TEXT},
	};
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	const char *data = cli_opt(cli, "data"), *document = cli_opt(cli, "document"), *verdict;
	json_t *value = NULL;

	if (data && document)
		return err_set(err, E_USAGE, "--data or --document, not both");
	if (data && !cli_data_json("--data", data, &value, err))
		return false;
	if (document && !cli_data_json("--document", document, &value, err))
		return false;
	if (document && json_object_get(value, "document")) {
		json_t *inner = json_incref(json_object_get(value, "document"));

		json_decref(value);
		value = inner;
	}
	json_object_set_new(body, document ? "document" : "data", value ? value : json_null());
	if (!cli_post(cli, body, &reply, err, "/v1/triggers/%s/test", cli_arg(cli, 0)))
		return false;
	verdict = json_str(reply.json, "verdict");
	if (verdict && !strcmp(verdict, "rejected"))
		cli->status = 1;
	if (cli_json(cli, &reply))
		return true;
	print_fields(&cli->out, columns, ARRAY_LEN(columns), reply.json);
	print_block(cli, "payload", json_object_get(reply.json, "payload"));
	print_block(cli, "envelope", json_object_get(reply.json, "envelope"));
	return true;
}
