/* A batch applied or taken back, as a person follows it. */
/* SPDX-License-Identifier: MIT */
#include "cli/rollout.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/look.h"
#include "pure/duration.h"

#define GROUPS "20"
#define WAIT_MS (7 * 86400000LL)
#define REST_MS 200
/* A UUID's beginning that names a run or a change. */
#define ID_LEAST 8

static bool
may_be_id(const char *word)
{
	return strlen(word) >= ID_LEAST && strspn(word, "0123456789abcdef-") == strlen(word);
}

bool
rollout_is_batch(struct cli *cli, const char *word, bool *ret_is, struct client_reply *ret,
		 struct err *err)
{
	struct err why = ERR_INIT;

	*ret_is = false;
	if (may_be_id(word))
		return true;
	*ret_is = cli_get(cli, ret, &why, "/v1/batches/%s", word);
	if (*ret_is)
		return true;
	if (why.code == E_NOT_FOUND)
		err_prefix(&why, "there is neither a run nor a change %s either", word);
	return err_move(err, &why);
}

/* --- the plan ------------------------------------------------------------------------------ */

static int64_t
count_of(const json_t *batch, const char *status)
{
	return json_int(json_object_get(batch, "changes"), status, 0);
}

static int64_t
todo(const json_t *batch, bool revert)
{
	return revert ? count_of(batch, "applied")
		      : count_of(batch, "approved") + count_of(batch, "failed");
}

static bool
groups_show(struct cli *cli, const char *id, const char *status, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	struct client *client;

	buf_puts(&path, "/v1/diff");
	cli_query(&path, "batch", id);
	cli_query(&path, "status", status);
	cli_query(&path, "groups", GROUPS);
	if (!cli_client(cli, &client, err) ||
	    !client_send(client,
			 &(struct client_request){.method = "GET",
						  .path = buf_cstr(&path),
						  .timeout_ms = LOOK_TIMEOUT_MS},
			 &reply, err))
		return false;
	if (cli->out.json)
		return cli_json(cli, &reply);
	look_print(&cli->out, reply.json);
	return true;
}

static void
words_show(struct cli *cli, const json_t *batch, bool revert)
{
	int64_t failed = count_of(batch, "failed"), open = count_of(batch, "proposed"),
		conflict = count_of(batch, "conflict");

	if (revert) {
		print_f(&cli->out, "%lld changes are to be taken back, the youngest first.\n",
			(long long)todo(batch, true));
		return;
	}
	print_f(&cli->out, "%lld changes are to be applied", (long long)todo(batch, false));
	if (failed)
		print_f(&cli->out, ", %lld of them once more", (long long)failed);
	print_f(&cli->out, ".\n");
	if (open)
		print_f(&cli->out, "%lld are still proposed, and stay so.\n", (long long)open);
	if (conflict)
		print_f(&cli->out, "%lld are in conflict, and stay so: rouse rebase.\n",
			(long long)conflict);
}

static void
nothing_show(struct cli *cli, const json_t *batch, bool revert)
{
	int64_t open = count_of(batch, "proposed"), conflict = count_of(batch, "conflict");

	print_f(&cli->out, "Nothing is to be %s: %lld are applied",
		revert ? "taken back" : "applied", (long long)count_of(batch, "applied"));
	if (open)
		print_f(&cli->out, ", %lld still proposed (rouse review)", (long long)open);
	if (conflict)
		print_f(&cli->out, ", %lld in conflict (rouse rebase)", (long long)conflict);
	print_f(&cli->out, ".\n");
}

/* --- on its way ---------------------------------------------------------------------------- */

static const char *
rollout_state(const json_t *batch)
{
	const char *state = json_str(json_object_get(batch, "rollout"), "state");

	return state ? state : "";
}

static bool
follow(struct cli *cli, const char *id, struct client_reply *ret, struct err *err)
{
	const struct timespec rest = {.tv_nsec = REST_MS * 1000000L};
	struct mono began = clock_mono(cli->clock);
	const json_t *rollout;
	int64_t wait_ms;

	if (!cli_duration(cli, "timeout", WAIT_MS, &wait_ms, err))
		return false;
	for (;;) {
		client_reply_fini(ret);
		if (!cli_get(cli, ret, err, "/v1/batches/%s", id))
			return false;
		rollout = json_object_get(ret->json, "rollout");
		print_progress(
			json_str(rollout, "verb") ? json_str(rollout, "verb") : "",
			(size_t)(json_int(rollout, "done", 0) + json_int(rollout, "failed", 0)),
			(size_t)json_int(rollout, "total", 0));
		if (strcmp(rollout_state(ret->json), "canary") != 0 &&
		    strcmp(rollout_state(ret->json), "going") != 0)
			return true;
		if (clock_mono(cli->clock).ms - began.ms > wait_ms)
			return err_set(err, E_TIMEOUT,
				       "batch %s is still under way; it goes on: rouse batch show "
				       "%s",
				       id, id);
		nanosleep(&rest, NULL);
	}
}

static bool
conclude(struct cli *cli, const struct client_reply *reply, struct err *err)
{
	const json_t *batch = reply->json, *rollout = json_object_get(batch, "rollout");
	bool revert = json_str(rollout, "verb") && !strcmp(json_str(rollout, "verb"), "revert");
	const char *why = json_str(rollout, "why"), *id = json_str(batch, "id");
	int64_t failed = json_int(rollout, "failed", 0);

	if (cli->out.json && !cli_json(cli, reply))
		return false;
	if (!cli->out.json)
		print_f(&cli->out, "%s %lld of %lld changes of %s\n",
			revert ? "reverted" : "applied", (long long)json_int(rollout, "done", 0),
			(long long)json_int(rollout, "total", 0), id ? id : "?");
	if (!strcmp(rollout_state(batch), "stopped"))
		return err_set(err, E_DRIFT, "stopped: %s", why ? why : "too much failed");
	if (failed)
		return err_set(err, E_DRIFT,
			       "%lld were not %s: rouse change list --batch %s --status %s",
			       (long long)failed, revert ? "reverted" : "applied", id ? id : "?",
			       count_of(batch, "conflict") ? "conflict" : "failed");
	return true;
}

static bool
wish_write(struct cli *cli, json_t *body, struct err *err)
{
	json_put_str(body, "reason", cli_opt(cli, "reason"));
	if (cli_opt(cli, "canary")) {
		uint64_t n;

		if (!str_to_u64(str_of(cli_opt(cli, "canary")), &n))
			return err_set(err, E_USAGE, "--canary: expected a number");
		json_object_set_new(body, "canary", json_integer((json_int_t)n));
	}
	if (cli_opt(cli, "rate")) {
		struct rate rate;

		if (!rate_parse(str_of(cli_opt(cli, "rate")), &rate, err))
			return err_prefix(err, "--rate");
		json_object_set_new(body, "rate",
				    json_real(1000.0 * (double)rate.count / (double)rate.per_ms));
	}
	if (cli_opt(cli, "stop")) {
		struct err why = ERR_INIT;
		double stop;

		if (!ratio_parse(str_of(cli_opt(cli, "stop")), &stop, &why)) {
			why.code = E_USAGE;
			err_prefix(&why, "--stop");
			return err_move(err, &why);
		}
		json_object_set_new(body, "stop", json_real(stop));
	}
	return true;
}

/* What it goes by: as it was asked for, else as the section says. */
static double
way_of(const json_t *batch, const json_t *body, const char *name)
{
	return json_num(body, name, json_num(json_object_get(batch, "apply"), name, 0));
}

static void
way_show(struct cli *cli, const json_t *batch, const json_t *body)
{
	double canary = way_of(batch, body, "canary"), rate = way_of(batch, body, "rate");

	if (canary > 0)
		print_f(&cli->out, "Canary: the first %.0f alone; ", canary);
	else
		print_f(&cli->out, "Canary: none; ");
	if (rate > 0)
		print_f(&cli->out, "rate: %g a second; ", rate);
	else
		print_f(&cli->out, "rate: no limit; ");
	print_f(&cli->out, "stop: when more than %g %% failed or are in conflict.\n",
		100 * way_of(batch, body, "stop"));
}

bool
rollout_run(struct cli *cli, const json_t *batch, bool revert, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	const char *id = json_str(batch, "id"), *verb = revert ? "revert" : "apply";
	bool yes = true;

	if (!id)
		return err_set(err, E_CORRUPT, "the daemon showed a batch without an id");
	if (!wish_write(cli, body, err))
		return false;
	if (!todo(batch, revert) && cli_has(cli, "plan") && !cli->out.json)
		nothing_show(cli, batch, revert);
	if (todo(batch, revert)) {
		if ((!cli->out.json || cli_has(cli, "plan")) &&
		    !groups_show(cli, id, revert ? "applied" : "approved,failed", err))
			return false;
		if (!cli->out.json) {
			words_show(cli, batch, revert);
			way_show(cli, batch, body);
		}
	}
	if (cli_has(cli, "plan")) {
		cli->status = todo(batch, revert) ? 2 : 0;
		return true;
	}
	if (todo(batch, revert) &&
	    !cli_confirm(cli, verb, revert ? "Undo them?" : "Apply them?", &yes, err))
		return false;
	if (!yes)
		return true;
	return print_flush(&cli->out, err) &&
	       cli_post(cli, body, &reply, err, "/v1/batches/%s/%s", id, verb) &&
	       follow(cli, id, &reply, err) && conclude(cli, &reply, err);
}
