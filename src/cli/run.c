/* rouse run list, show, cancel, retry, send; invoke. */
/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <string.h>
#include <time.h>

#include "cli/run.h"
#include "cli/text.h"

#define WAIT_MS (15 * 60 * 1000)
#define WAIT_ASK_MS (60 * 1000) /* one request of a longer wait */

static const struct column list_columns[] = {
	{"RUN", "id", CELL_ID},
	{"STATUS", "status", CELL_STATUS},
	{"AGENT", "agent", CELL_TEXT},
	{"ENTITY", "entity", CELL_TEXT},
	{"CREATED", "created", CELL_TIME},
	{"REASON", "reason", CELL_TEXT},
	{"TRIGGER", "trigger", CELL_TEXT},
	{"TRIES", "attempts", CELL_COUNT},
	{"COST $", "cost_usd", CELL_MONEY},
};

static const struct column run_columns[] = {
	{"run", "id", CELL_ID},
	{"status", "status", CELL_STATUS},
	{"reason", "reason", CELL_TEXT},
	{"error", "error", CELL_TEXT},
	{"agent", "agent", CELL_TEXT},
	{"trigger", "trigger", CELL_TEXT},
	{"event", "event_id", CELL_ID},
	{"batch", "batch", CELL_TEXT},
	{"entity", "entity", CELL_TEXT},
	{"session", "session", CELL_ID},
	{"turn", "turn", CELL_TEXT},
	{"tenant", "tenant", CELL_TEXT},
	{"key", "key", CELL_TEXT},
	{"intent", "intent", CELL_TEXT},
	{"mode", "mode", CELL_TEXT},
	{"correlation", "correlation_id", CELL_TEXT},
	{"trace", "traceparent", CELL_TEXT},
	{"created", "created", CELL_TIME},
	{"started", "started", CELL_TIME},
	{"ended", "ended", CELL_TIME},
	{"attempts", "attempts", CELL_TEXT},
	{"steps", "steps", CELL_TEXT},
	{"tokens", "tokens", CELL_TEXT},
	{"cost ($)", "cost_usd", CELL_MONEY},
	{"changes", "changes", CELL_JSON},
	{"result", "result", CELL_JSON},
	{"expected", "expect", CELL_JSON},
};

static const struct column attempt_columns[] = {
	{"ATTEMPT", "n", CELL_COUNT},	   {"CARRIED BY", "carried_by", CELL_TEXT},
	{"STATUS", "status", CELL_STATUS}, {"REASON", "reason", CELL_TEXT},
	{"STARTED", "started", CELL_TIME}, {"ENDED", "ended", CELL_TIME},
	{"EXIT", "exit", CELL_COUNT},	   {"SIGNAL", "signal", CELL_TEXT},
	{"ERROR", "error", CELL_TEXT},
};

bool
verb_run_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/runs", list_columns, ARRAY_LEN(list_columns),
					   "There is no such run."},
			err);
}

void
run_print(struct cli *cli, const json_t *run)
{
	const json_t *attempts = json_object_get(run, "attempt_list");
	unsigned widths[ARRAY_LEN(attempt_columns)] = {0};

	print_fields(&cli->out, run_columns, ARRAY_LEN(run_columns), run);
	if (!json_array_size(attempts))
		return;
	print_f(&cli->out, "\n");
	print_table(&cli->out, attempt_columns, ARRAY_LEN(attempt_columns), attempts, widths);
}

bool
run_is_over(const json_t *run)
{
	static const char *const over[] = {"succeeded", "failed", "cancelled", "skipped"};
	const char *status = json_str(run, "status");

	for (size_t i = 0; status && i < ARRAY_LEN(over); i++)
		if (!strcmp(over[i], status))
			return true;
	return false;
}

bool
verb_run_show(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	if (!cli_get(cli, &reply, err, "/v1/runs/%s", cli_arg(cli, 0)))
		return false;
	if (!cli_json(cli, &reply))
		run_print(cli, reply.json);
	return true;
}

bool
cli_each(struct cli *cli, bool (*act)(struct cli *, const char *, struct err *), struct err *err)
{
	AUTO(err_fini) struct err worst = ERR_INIT;

	for (size_t i = 0; cli_arg(cli, i); i++) {
		struct err why = ERR_INIT;

		if (act(cli, cli_arg(cli, i), &why)) {
			if (!print_flush(&cli->out, err))
				return false;
			continue;
		}
		if (cli->opts.arg_count == 1 || why.code == E_UNAVAILABLE)
			return err_move(err, &why);
		err_prefix(&why, "%s", cli_arg(cli, i));
		cli_complain(&why);
		err_move(&worst, &why);
	}
	if (worst.code == E_OK)
		return true;
	return err_set(err, worst.code, "not all was done; what failed is said above");
}

static bool
cancel_one(struct cli *cli, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	json_put_str(body, "reason", cli_opt(cli, "reason"));
	if (!cli_post(cli, body, &reply, err, "/v1/runs/%s/cancel", id))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, json_str(reply.json, "id"));
	print_f(&cli->out, run_is_over(reply.json) ? " is " : " is being cancelled; it is ");
	print_text(&cli->out, json_str(reply.json, "status"));
	print_f(&cli->out, "\n");
	return true;
}

bool
verb_run_cancel(struct cli *cli, struct err *err)
{
	return cli_each(cli, cancel_one, err);
}

static const char *const retry_limits[] = {"budget.deadline", "budget.steps",	"budget.tools",
					   "budget.tokens",   "budget.context", "budget.cost",
					   "budget.output"};

static bool
retry_one(struct cli *cli, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	AUTO(json_auto_decref) json_t *body = json_object();
	json_t *budget = json_object();

	json_object_set_new(body, "budget", budget);
	for (size_t i = 0; i < ARRAY_LEN(retry_limits); i++)
		if (cli_opt(cli, retry_limits[i]))
			json_put_str(budget, retry_limits[i] + strlen("budget."),
				     cli_opt(cli, retry_limits[i]));
	if (!cli_post(cli, body, &reply, err, "/v1/runs/%s/retry", id))
		return false;
	if (cli_json(cli, &reply))
		return true;
	/* The same run from its checkpoint, or a new one in its place: the daemon says which. */
	print_text(&cli->out, json_str(reply.json, "run_id") ? json_str(reply.json, "run_id")
							     : json_str(reply.json, "id"));
	print_f(&cli->out, " is ");
	print_text(&cli->out, json_str(reply.json, "status"));
	print_f(&cli->out, "\n");
	return true;
}

bool
verb_run_retry(struct cli *cli, struct err *err)
{
	return cli_each(cli, retry_one, err);
}

bool
verb_run_send(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	json_t *text = json_string(cli_arg(cli, 1));

	if (!text)
		return err_set(err, E_USAGE, "TEXT is not UTF-8");
	json_object_set_new(body, "text", text);
	if (!cli_post(cli, body, &reply, err, "/v1/runs/%s/input", cli_arg(cli, 0)))
		return false;
	if (!cli_json(cli, &reply))
		print_f(&cli->out, "Sent.\n");
	return true;
}

/* The run, until it is over or the time is. Each request waits at the daemon's side no longer than
 * it may; between two there is a pause that grows. */
static bool
wait_for_run(struct cli *cli, const char *id, struct mono until, struct client_reply *ret,
	     struct err *err)
{
	int64_t pause_ms = 50;

	for (;;) {
		struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};

		client_reply_fini(ret);
		if (!cli_get(cli, ret, err, "/v1/runs/%s", id))
			return false;
		if (run_is_over(ret->json))
			return true;
		if (clock_mono(cli->clock).ms >= until.ms)
			return err_set(err, E_TIMEOUT,
				       "run %s is still %s; it goes on: rouse run logs -f %s", id,
				       json_str(ret->json, "status") ? json_str(ret->json, "status")
								     : "there",
				       id);
		nanosleep(&pause, NULL);
		pause_ms = pause_ms < 1000 ? pause_ms * 2 : 1000;
	}
}

static void
invoke_print(struct cli *cli, const struct client_reply *reply)
{
	const json_t *result = json_object_get(reply->json, "result");
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (cli_json(cli, reply))
		return;
	if (!cli_has(cli, "wait")) {
		print_text(&cli->out, json_str(reply->json, "run_id")
					      ? json_str(reply->json, "run_id")
					      : json_str(reply->json, "id"));
		print_f(&cli->out, "\n");
		if (json_bool(reply->json, "replayed", false))
			cli_note("That key is known: this is the run that it started then.");
		return;
	}
	if (json_is_string(result)) {
		print_lines(&cli->out, "",
			    str_make(json_string_value(result), json_string_length(result)));
	} else if (result && !json_is_null(result)) {
		json_write_pretty(&text, result);
		print_lines(&cli->out, "", buf_str(&text));
	}
}

/* "Name: value" for curl; a line end in the value would be a second header. */
static bool
header_put(struct buf *out, const char *name, const char *value, struct err *err)
{
	if (!value)
		return true;
	if (strpbrk(value, "\r\n"))
		return err_set(err, E_USAGE, "a %s has no line ends in it", name);
	buf_printf(out, "%s: %s", name, value);
	return true;
}

static bool
invoke_send(struct cli *cli, int64_t wait_ms, struct client_reply *ret, struct err *err)
{
	AUTO(buf_fini)
	struct buf path = BUF_INIT, body = BUF_INIT, key = BUF_INIT, id = BUF_INIT,
		   prefer = BUF_INIT, session = BUF_INIT;
	struct client_request request = {.method = "POST"};
	const char *data = cli_opt(cli, "data");
	const char *headers[5] = {NULL};
	size_t count = 0;
	struct client *client;

	if (!cli_client(cli, &client, err) || (data && !cli_data("--data", data, &body, err)) ||
	    !header_put(&key, "Idempotency-Key", cli_opt(cli, "key"), err) ||
	    !header_put(&session, "Rouse-Session", cli_opt(cli, "session"), err) ||
	    !header_put(&id, "X-Correlation-ID", cli_opt(cli, "correlation-id"), err))
		return false;
	if (!data)
		buf_puts(&body, "{}");
	if (wait_ms > WAIT_ASK_MS)
		wait_ms = WAIT_ASK_MS;
	if (wait_ms)
		buf_printf(&prefer, "Prefer: wait=%lld", (long long)(wait_ms + 999) / 1000);
	if (key.len)
		headers[count++] = buf_cstr(&key);
	if (session.len)
		headers[count++] = buf_cstr(&session);
	if (id.len)
		headers[count++] = buf_cstr(&id);
	if (prefer.len)
		headers[count++] = buf_cstr(&prefer);
	buf_puts(&path, "/v1/agents/");
	client_encode(&path, cli_arg(cli, 0));
	buf_puts(&path, "/invoke");
	request.path = buf_cstr(&path);
	request.body = buf_str(&body);
	request.headers = headers;
	request.timeout_ms = client_timeout_ms(client) + wait_ms;
	if (!client_send(client, &request, ret, err))
		return false;
	if (!json_is_object(ret->json))
		return err_set(err, E_CORRUPT,
			       "the daemon answered an invocation with no JSON object");
	return true;
}

bool
verb_invoke(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(auto_free) char *id = NULL;
	struct mono until = clock_mono(cli->clock);
	int64_t wait_ms = 0;
	const char *status;

	if (cli_has(cli, "wait") && !cli_duration(cli, "timeout", WAIT_MS, &wait_ms, err))
		return false;
	until.ms += wait_ms;
	if (!invoke_send(cli, wait_ms, &reply, err))
		return false;
	id = mem_strdup(json_str(reply.json, "run_id") ? json_str(reply.json, "run_id")
						       : json_str(reply.json, "id"));
	if (wait_ms && !run_is_over(reply.json)) {
		if (!id)
			return err_set(err, E_CORRUPT,
				       "the daemon started a run without saying its id");
		if (!wait_for_run(cli, id, until, &reply, err))
			return false;
	} else if (wait_ms && id && !json_str(reply.json, "agent")) {
		/* What a known key gives is the run's state; the whole run has its result. */
		if (!wait_for_run(cli, id, until, &reply, err))
			return false;
	}
	invoke_print(cli, &reply);
	status = json_str(reply.json, "status");
	if (!wait_ms || (status && !strcmp(status, "succeeded")))
		return true;
	return err_set(err, E_INVALID, "run %s is %s%s%s%s%s", id ? id : "",
		       status ? status : "lost", json_str(reply.json, "reason") ? ": " : "",
		       json_str(reply.json, "reason") ? json_str(reply.json, "reason") : "",
		       json_str(reply.json, "error") ? ": " : "",
		       json_str(reply.json, "error") ? json_str(reply.json, "error") : "");
}
