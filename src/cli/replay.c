/* rouse replay: old runs again in another agent, with nothing applied; then what differs. */
/* SPDX-License-Identifier: MIT */
#include "cli/replay.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "cli/batch.h"

/* Runs that are counted before they are replayed. */
#define COUNT_MAX 1000000
#define PAGE "1000"

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* --- what it would be ---------------------------------------------------------------------- */

/* The runs that are meant, as far as the lists tell. */
struct meant {
	uint64_t count, limit;
	double cost;
	json_t *agents; /* object: a count each */
};

static bool
is_meant(const struct cli *cli, const json_t *run)
{
	const char *status = json_str(run, "status"), *batch = json_str(run, "batch");

	if (!status || (batch && !strncmp(batch, "replay:", 7)))
		return false;
	return cli_opt(cli, "status") ? !strcmp(status, cli_opt(cli, "status"))
				      : !strcmp(status, "succeeded") || !strcmp(status, "failed");
}

static void
page_count(struct cli *cli, const json_t *items, struct meant *meant)
{
	const json_t *run;
	size_t i;

	json_array_foreach (items, i, run) {
		const char *agent = json_str(run, "agent");

		if (meant->count == meant->limit)
			return;
		if (!is_meant(cli, run) || !agent)
			continue;
		meant->count++;
		meant->cost += json_num(run, "cost_usd", 0);
		json_object_set_new(meant->agents, agent,
				    json_integer(json_int(meant->agents, agent, 0) + 1));
	}
}

static bool
runs_path(struct cli *cli, struct buf *path, struct err *err)
{
	static const char *const filters[] = {"trigger", "batch", "entity", "tenant", "status"};

	buf_puts(path, "/v1/runs?limit=" PAGE);
	cli_query(path, "agent", cli_opt(cli, "of"));
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		cli_query(path, filters[i], cli_opt(cli, filters[i]));
	return cli_query_since(cli, "since", "since", path, err);
}

static bool
runs_count(struct cli *cli, struct meant *meant, struct err *err)
{
	AUTO(buf_fini) struct buf base = BUF_INIT;
	AUTO(auto_free) char *after = NULL;
	struct client *client;
	uint64_t seen = 0;

	if (!runs_path(cli, &base, err) || !cli_client(cli, &client, err))
		return false;
	do {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		AUTO(buf_fini) struct buf path = BUF_INIT;

		buf_add_str(&path, buf_str(&base));
		cli_query(&path, "after", after);
		if (!client_get(client, buf_cstr(&path), &reply, err))
			return false;
		page_count(cli, json_object_get(reply.json, "items"), meant);
		seen += json_array_size(json_object_get(reply.json, "items"));
		free(after);
		after = mem_strdup(json_str(reply.json, "next"));
	} while (after && meant->count < meant->limit && seen < COUNT_MAX);
	if (after && meant->count < meant->limit)
		return err_set(err, E_TOO_LARGE,
			       "more than %d runs have to be looked at; say a later --since, or a "
			       "--limit",
			       COUNT_MAX);
	return true;
}

/* Dollars; -1: no limit is known. */
static double
cost_at_most(const struct meant *meant, double each, double budget)
{
	double all = each < 0 ? -1 : each * (double)meant->count;

	return all < 0 ? budget : budget >= 0 && budget < all ? budget : all;
}

static void
plan_print(struct cli *cli, const struct meant *meant, const char *agent, double each,
	   double budget)
{
	double most = cost_at_most(meant, each, budget);
	const char *name;
	json_t *n;
	bool first = true;

	print_f(&cli->out, "%" PRIu64 " run%s to replay in agent ", meant->count,
		meant->count == 1 ? "" : "s");
	print_text(&cli->out, agent);
	print_f(&cli->out, ":");
	json_object_foreach (meant->agents, name, n) {
		print_f(&cli->out, "%s%lld of ", first ? " " : ", ",
			(long long)json_integer_value(n));
		print_text(&cli->out, name);
		first = false;
	}
	print_f(&cli->out, ".\nThey cost %.2f dollars then. ", meant->cost);
	if (most < 0)
		print_f(&cli->out,
			"What they cost now has no limit: the agent has no budget.cost; say "
			"--budget.cost.\n");
	else if (each >= 0)
		print_f(&cli->out, "Now they cost at most %.2f dollars (%.2f a run%s).\n", most,
			each, budget >= 0 ? ", --budget.cost for all" : "");
	else
		print_f(&cli->out, "Now they cost at most %.2f dollars (--budget.cost).\n", most);
	print_f(&cli->out, "Nothing is applied, and nothing follows from it.\n");
}

static void
plan_json(struct cli *cli, const struct meant *meant, const char *agent, double each, double budget)
{
	AUTO(json_auto_decref) json_t *plan = json_object();
	AUTO(buf_fini) struct buf line = BUF_INIT;
	double most = cost_at_most(meant, each, budget);

	json_put_str(plan, "agent", agent);
	json_object_set_new(plan, "runs", json_integer((json_int_t)meant->count));
	json_object_set(plan, "agents", meant->agents);
	json_object_set_new(plan, "old_cost_usd", json_real(meant->cost));
	json_object_set_new(plan, "max_cost_usd", most < 0 ? json_null() : json_real(most));
	json_write(&line, plan);
	print_json(&cli->out, buf_str(&line));
}

/* --- on its way ---------------------------------------------------------------------------- */

static bool
dollars_read(struct cli *cli, double *ret, struct err *err)
{
	const char *text = cli_opt(cli, "budget.cost");
	char *end;

	*ret = -1;
	if (!text)
		return true;
	*ret = strtod(text, &end);
	return (*text && !*end && *ret >= 0 && *ret <= 1e9 &&
		strspn(text, "0123456789.") == strlen(text)) ||
	       err_set(err, E_USAGE, "--budget.cost %s; expected dollars, as 5 or 0.25", text);
}

static bool
pause_it(struct cli *cli, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	json_put_str(body, "reason", "interrupted");
	if (!cli_post(cli, body, &reply, err, "/v1/batches/%s/pause", id))
		return false;
	return err_set(err, E_STATE,
		       "interrupted: what runs ends, no more is begun; rouse replay "
		       "%s goes on",
		       id);
}

/* Waits for its end; when interrupted it is paused, and that is the error. */
static bool
follow(struct cli *cli, const char *id, struct err *err)
{
	struct sigaction act = {.sa_handler = on_interrupt}, old;
	struct err why = ERR_INIT;
	bool ok;

	interrupted = 0;
	sigaction(SIGINT, &act, &old);
	ok = batch_follow_until(cli, id, &interrupted, &why);
	sigaction(SIGINT, &old, NULL);
	if (interrupted) {
		err_fini(&why);
		return pause_it(cli, id, err);
	}
	if (ok)
		return true;
	cli_note("rouse replay %s goes on with it", id);
	return err_move(err, &why);
}

/* Stopped before its last run: what there is was compared, and that is not all. */
static void
stopped_note(const json_t *batch)
{
	const char *state = json_str(batch, "state"), *error = json_str(batch, "error");
	const char *id = json_str(batch, "id");

	if (!state || !strcmp(state, "done"))
		return;
	cli_note("The replay is %s%s%s: this is not all of it; rouse replay %s goes on.", state,
		 error ? ": " : "", error ? error : "", id ? id : "");
}

static bool
compare(struct cli *cli, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply batch = CLIENT_REPLY_INIT;

	if (!cli_get(cli, &batch, err, "/v1/batches/%s", id) ||
	    !replay_print(cli, batch.json, cli_has(cli, "all"), err))
		return false;
	stopped_note(batch.json);
	return true;
}

static bool
start_body(struct cli *cli, const struct meant *meant, double budget, json_t *body, struct err *err)
{
	static const char *const texts[] = {"agent",  "of",	"trigger", "batch",
					    "entity", "tenant", "status"};
	AUTO(buf_fini) struct buf since = BUF_INIT;
	uint64_t at_once;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (cli_opt(cli, texts[i]))
			json_put_str(body, texts[i], cli_opt(cli, texts[i]));
	if (!cli_instant(cli, "since", &since, err))
		return false;
	json_put_str(body, "since", since.len ? buf_cstr(&since) : NULL);
	/* As many as were shown, and no more. */
	json_object_set_new(body, "limit", json_integer((json_int_t)meant->count));
	if (!cli_number(cli, "concurrency", 0, 1, 1024, &at_once, err))
		return false;
	if (at_once)
		json_object_set_new(body, "concurrency", json_integer((json_int_t)at_once));
	if (budget >= 0)
		json_object_set_new(body, "budget_cost_usd", json_real(budget));
	return true;
}

static bool
start(struct cli *cli, const struct meant *meant, double budget, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	const char *id;

	if (!start_body(cli, meant, budget, body, err) || !print_flush(&cli->out, err) ||
	    !cli_post(cli, body, &reply, err, "/v1/replays"))
		return false;
	id = json_str(reply.json, "id");
	if (!id)
		return err_set(err, E_CORRUPT, "the daemon began a replay without an id");
	if (!cli->out.json)
		cli_note("%s", id);
	return follow(cli, id, err) && compare(cli, id, err);
}

static bool
replay_new(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply agent = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *agents = json_object();
	struct meant meant = {.agents = agents};
	double budget, each;
	bool yes;

	if (!cli_opt(cli, "agent") || !cli_has(cli, "stage"))
		return err_set(err, E_USAGE,
			       "--agent NEW and --stage are needed: a replay only stages what it "
			       "proposes, and applies nothing");
	if (!cli_opt(cli, "since") && !cli_opt(cli, "batch"))
		return err_set(err, E_USAGE, "say which runs: --since 7d, or --batch BATCH");
	if (!dollars_read(cli, &budget, err) ||
	    !cli_number(cli, "limit", COUNT_MAX, 1, COUNT_MAX, &meant.limit, err) ||
	    !cli_get(cli, &agent, err, "/v1/agents/%s", cli_opt(cli, "agent")) ||
	    !runs_count(cli, &meant, err))
		return false;
	if (!meant.count)
		return err_set(err, E_NOT_FOUND,
			       "no run that is meant has ended; rouse run list shows which there "
			       "are");
	each = json_num(agent.json, "max_cost_usd", -1);
	if (cli->out.json && cli_has(cli, "plan"))
		plan_json(cli, &meant, cli_opt(cli, "agent"), each, budget);
	else if (!cli->out.json)
		plan_print(cli, &meant, cli_opt(cli, "agent"), each, budget);
	if (cli_has(cli, "plan")) {
		cli->status = 2;
		return true;
	}
	if (!cli_confirm(cli, "replay", "Replay them?", &yes, err))
		return false;
	return !yes || start(cli, &meant, budget, err);
}

/* --- one that is there --------------------------------------------------------------------- */

static bool
forget(struct cli *cli, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	if (!cli_post(cli, body, &reply, err, "/v1/replays/%s/forget", id))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, json_str(reply.json, "id"));
	print_f(&cli->out,
		" is forgotten: its runs and what they proposed go in the background.\n");
	return true;
}

static bool
go_on(struct cli *cli, const json_t *batch, double budget, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	const char *id = json_str(batch, "id"), *state = json_str(batch, "state");

	if (budget >= 0)
		json_object_set_new(body, "budget_cost_usd", json_real(budget));
	if (!state || !strcmp(state, "done") || !strcmp(state, "cancelled"))
		return budget < 0 ||
		       err_set(err, E_STATE, "replay %s is %s: nothing of it is left to pay for",
			       id, state ? state : "over");
	if (strcmp(state, "running") != 0 || budget >= 0)
		return cli_post(cli, body, &reply, err, "/v1/replays/%s/resume", id);
	return true;
}

static bool
replay_known(struct cli *cli, const char *word, struct err *err)
{
	static const char *const others[] = {"agent",  "of",	 "since",  "trigger", "batch",
					     "entity", "tenant", "status", "limit",   "plan"};
	AUTO(client_reply_fini) struct client_reply batch = CLIENT_REPLY_INIT;
	const char *id;
	double budget;

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (cli_has(cli, others[i]))
			return err_set(err, E_USAGE, "--%s is for a new replay, and %s is there",
				       others[i], word);
	if (!dollars_read(cli, &budget, err) || !cli_get(cli, &batch, err, "/v1/batches/%s", word))
		return false;
	id = json_str(batch.json, "id");
	if (!id || strncmp(id, "replay:", 7) != 0)
		return err_set(err, E_STATE,
			       "%s is a batch and no replay; rouse diff %s shows what "
			       "it proposed",
			       word, word);
	if (cli_has(cli, "forget"))
		return forget(cli, id, err);
	if (cli_has(cli, "diff"))
		return compare(cli, id, err);
	return go_on(cli, batch.json, budget, err) && follow(cli, id, err) && compare(cli, id, err);
}

bool
verb_replay(struct cli *cli, struct err *err)
{
	if (cli_arg(cli, 0))
		return replay_known(cli, cli_arg(cli, 0), err);
	if (cli_has(cli, "forget") || cli_has(cli, "diff"))
		return err_set(err, E_USAGE,
			       "--forget and --diff are for a replay that is there: name "
			       "it; rouse batch list shows which there are");
	return replay_new(cli, err);
}
