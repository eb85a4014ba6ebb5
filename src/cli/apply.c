/* rouse apply, revert: approved changes done, applied ones undone, and waited for. */
/* SPDX-License-Identifier: MIT */
#include "cli/change.h"

#include <string.h>
#include <time.h>

#include "cli/diff.h"
#include "cli/rollout.h"

#define WAIT_MS 60000

/* The two directions, as one grid of words. */
struct act {
	const char *verb;  /* of the route, and for people */
	const char *from;  /* statuses that it takes */
	const char *doing; /* statuses on the way */
	const char *done;  /* where it ends well */
	const char *question;
	bool reverse;
};

static const struct act applying = {"apply",   "approved failed", "approved applying",
				    "applied", "Apply them?",	  false};
static const struct act reverting = {"revert",	 "applied",    "reverting",
				     "reverted", "Undo them?", true};

struct work {
	struct cli *cli;
	const struct act *act;
	json_t *todo;  /* changes to act on */
	json_t *ended; /* the changes as they ended */
	struct mono until;
	size_t refused; /* the daemon or their state says no */
	size_t proposed;
};

static bool
word_in(const char *words, const char *word)
{
	struct str rest = str_of(words), one;

	while (rest.p) {
		rest = str_split(rest, ' ', &one);
		if (str_eq_cstr(one, word))
			return true;
	}
	return false;
}

static void
say_change(struct work *work, const json_t *change, const char *note)
{
	struct print *out = &work->cli->out;
	const char *status = change_status(change);

	if (out->json) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		json_write(&line, change);
		print_json(out, buf_str(&line));
		return;
	}
	print_text(out, json_str(change, "id"));
	print_f(out, "  ");
	print_styled(out, print_status_style(status), note ? note : status);
	print_f(out, "  ");
	print_text(out, json_str(change, "target"));
	print_f(out, " ");
	print_text(out, json_str(change, "entity"));
	if (!note && json_str(change, "error")) {
		print_f(out, ": ");
		print_text(out, json_str(change, "error"));
	}
	print_f(out, "\n");
}

/* Puts each change where it belongs: to do, done already, or in the way. */
static void
sort_set(struct work *work, const struct change_set *set)
{
	const json_t *change;
	size_t i;

	json_array_foreach (set->items, i, change) {
		const char *status = change_status(change);

		bool again = !set->run && !work->act->reverse && !strcmp(status, "conflict");

		if (again || word_in(work->act->from, status) ||
		    word_in(work->act->doing, status)) {
			json_array_append(work->todo, (json_t *)change);
		} else if (!strcmp(status, work->act->done)) {
			AUTO(buf_fini) struct buf note = BUF_INIT;

			buf_printf(&note, "already %s", work->act->done);
			say_change(work, change, buf_cstr(&note));
		} else if (!work->act->reverse && !strcmp(status, "proposed")) {
			work->proposed++;
		} else if (!strcmp(status, "conflict") && !work->act->reverse) {
			json_array_append(work->ended, (json_t *)change);
			say_change(work, change, NULL);
		} else if (!set->run) {
			cli_note("rouse: change %s is %s: there is nothing to %s",
				 json_str(change, "id") ? json_str(change, "id") : "?", status,
				 work->act->verb);
			work->refused++;
		}
	}
}

static bool
collect(struct work *work, struct err *err)
{
	for (size_t i = 0; cli_arg(work->cli, i); i++) {
		AUTO(change_set_fini) struct change_set set = CHANGE_SET_INIT;

		if (!change_set_get(work->cli, cli_arg(work->cli, i), &set, err))
			return false;
		sort_set(work, &set);
	}
	return true;
}

/* --all without names: approved and failed ones, wherever they are. */
static bool
collect_all(struct work *work, struct err *err)
{
	AUTO(json_auto_decref) json_t *approved = NULL, *failed = NULL;

	if (!cli_fetch_all(work->cli, "/v1/changes?status=approved", CHANGE_MOST, &approved, err) ||
	    !cli_fetch_all(work->cli, "/v1/changes?status=failed", CHANGE_MOST, &failed, err))
		return false;
	json_array_extend(work->todo, approved);
	json_array_extend(work->todo, failed);
	return true;
}

/* The daemon says no. A change that moved on since it was listed is no failure: the wait shows
 * where to. One that stands as it stood is refused, and no more waited for. */
static bool
ask_refused(struct work *work, const json_t *change, struct err *why, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply now = CLIENT_REPLY_INIT;
	AUTO(err_fini) struct err said = *why;

	if (!cli_get(work->cli, &now, err, "/v1/changes/%s", json_str(change, "id")))
		return false;
	if (!change_is(now.json, change_status(change)))
		return true;
	cli_complain(&said);
	work->refused++;
	for (size_t i = json_array_size(work->todo); i-- > 0;)
		if (json_array_get(work->todo, i) == change)
			json_array_remove(work->todo, i);
	return true;
}

static bool
ask_change(struct work *work, json_t *change, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	const char *id = json_str(change, "id");
	struct err why = ERR_INIT;

	if (!id)
		return err_set(err, E_CORRUPT, "the daemon showed a change without an id");
	if (work->act->reverse)
		json_put_str(body, "reason", cli_opt(work->cli, "reason"));
	/* What is under way already needs no asking. */
	if (!strcmp(change_status(change), "applying") ||
	    !strcmp(change_status(change), "reverting"))
		return true;
	if (cli_post(work->cli, body, &reply, &why, "/v1/changes/%s/%s", id, work->act->verb)) {
		if (!change_is(reply.json, change_status(change)))
			json_object_set_new(change, "moved", json_true());
		return true;
	}
	if (why.code == E_UNAVAILABLE)
		return err_move(err, &why);
	if (why.code != E_STATE) {
		err_prefix(&why, "change %s", id);
		return err_move(err, &why);
	}
	return ask_refused(work, change, &why, err);
}

/* Each by itself, also of a run: what is asked for is what was shown, and no more. */
static bool
ask(struct work *work, struct err *err)
{
	AUTO(json_auto_decref) json_t *asked = json_copy(work->todo);
	json_t *change;
	size_t i;

	json_array_foreach (asked, i, change)
		if (!ask_change(work, change, err))
			return false;
	return true;
}

static bool
error_is_new(const json_t *before, const json_t *now)
{
	const char *was = json_str(before, "error"), *is = json_str(now, "error");

	return is && (!was || strcmp(was, is));
}

/* Whether a change, as it was asked for and is now, will move no more by itself. */
static bool
has_ended(const struct work *work, json_t *before, const json_t *now)
{
	const char *status = change_status(now);

	if (word_in(work->act->doing, status)) {
		json_object_set_new(before, "moved", json_true());
		return false;
	}
	/* What waits to be taken stands as it stood, until it was once under way or failed anew. */
	if (!json_bool(before, "moved", false) && change_is(before, status))
		return json_int(now, "attempts", 0) > json_int(before, "attempts", 0) ||
		       error_is_new(before, now);
	return true;
}

/* One look at all that is under way; what ended moves to work->ended. */
static bool
look(struct work *work, struct err *err)
{
	for (size_t i = json_array_size(work->todo); i-- > 0;) {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		json_t *before = json_array_get(work->todo, i);
		const char *id = json_str(before, "id");

		if (!id)
			return err_set(err, E_CORRUPT, "the daemon showed a change without an id");
		if (!cli_get(work->cli, &reply, err, "/v1/changes/%s", id))
			return false;
		if (!has_ended(work, before, reply.json)) {
			json_object_set(before, "status", json_object_get(reply.json, "status"));
			continue;
		}
		json_array_append(work->ended, reply.json);
		json_array_remove(work->todo, i);
		say_change(work, reply.json, NULL);
		if (!print_flush(&work->cli->out, err))
			return false;
		if (clock_mono(work->cli->clock).ms >= work->until.ms)
			return true;
	}
	return true;
}

static bool
wait_all(struct work *work, struct err *err)
{
	size_t total = json_array_size(work->todo);
	int64_t pause_ms = 20;

	for (;;) {
		struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};

		if (!look(work, err))
			return false;
		if (total > 1)
			print_progress(work->act->verb, total - json_array_size(work->todo), total);
		if (!json_array_size(work->todo))
			return true;
		if (clock_mono(work->cli->clock).ms >= work->until.ms)
			return err_set(err, E_TIMEOUT,
				       "%zu of %zu are still under way; they go on: rouse change "
				       "list --status %s",
				       json_array_size(work->todo), total,
				       change_status(json_array_get(work->todo, 0)));
		nanosleep(&pause, NULL);
		pause_ms = pause_ms < 1000 ? pause_ms * 2 : 1000;
	}
}

static bool
conclude(struct work *work, struct err *err)
{
	AUTO(json_auto_decref) json_t *good = change_pick(work->ended, work->act->done);
	size_t bad = json_array_size(work->ended) - json_array_size(good);
	AUTO(buf_fini) struct buf counts = BUF_INIT;

	change_count_text(work->ended, &counts);
	if (bad)
		return err_set(err, E_DRIFT,
			       "not all is %s: %s; rouse change show CHANGE says more",
			       work->act->done, buf_cstr(&counts));
	if (work->proposed)
		return err_set(err, E_STATE,
			       "%zu %s still proposed: approve them first: rouse approve %s",
			       work->proposed, work->proposed == 1 ? "change is" : "changes are",
			       cli_arg(work->cli, 0) ? cli_arg(work->cli, 0) : "--all");
	if (work->refused)
		return err_set(err, E_STATE, "%zu could not be %s; why is said above",
			       work->refused, work->act->done);
	return true;
}

static void
plan_json(struct work *work)
{
	const json_t *change;
	size_t i;

	json_array_foreach (work->todo, i, change)
		say_change(work, change, NULL);
}

static bool
work_run(struct work *work, struct err *err)
{
	struct cli *cli = work->cli;
	int64_t wait_ms;
	bool yes = true;

	if (!cli_duration(cli, "timeout", WAIT_MS, &wait_ms, err))
		return false;
	if (cli_arg(cli, 0) ? !collect(work, err) : !collect_all(work, err))
		return false;
	if (cli->out.json && cli_has(cli, "plan"))
		plan_json(work);
	else if (json_array_size(work->todo) && !cli->out.json)
		diff_print(&cli->out, work->todo,
			   &(struct diff_options){.each = 10, .reverse = work->act->reverse});
	if (cli_has(cli, "plan")) {
		/* As Terraform tells a script: there is something to do. */
		cli->status = json_array_size(work->todo) ? 2 : 0;
		return true;
	}
	if (!json_array_size(work->todo)) {
		if (!work->proposed && !work->refused)
			cli_note("There is nothing left to %s.", work->act->verb);
		return conclude(work, err);
	}
	if (!cli_confirm(cli, work->act->verb, work->act->question, &yes, err))
		return false;
	if (!yes)
		return true;
	work->until = (struct mono){clock_mono(cli->clock).ms + wait_ms};
	return print_flush(&cli->out, err) && ask(work, err) && wait_all(work, err) &&
	       conclude(work, err);
}

static bool
act_on(struct cli *cli, const struct act *act, struct err *err)
{
	AUTO(json_auto_decref)
	json_t *sets = json_array(), *todo = json_array(), *ended = json_array();
	AUTO(client_reply_fini) struct client_reply batch = CLIENT_REPLY_INIT;
	bool is_batch = false;
	struct work work = {.cli = cli, .act = act, .todo = todo, .ended = ended};

	if (!cli_arg(cli, 0) && !(cli_has(cli, "all") && !act->reverse))
		return err_set(
			err, E_USAGE,
			"name a batch, runs or changes, or say --all for everything approved");
	if (cli_arg(cli, 0) && !rollout_is_batch(cli, cli_arg(cli, 0), &is_batch, &batch, err))
		return false;
	if (is_batch && cli_arg(cli, 1))
		return err_set(err, E_USAGE, "one batch at a time, and nothing beside it");
	return is_batch ? rollout_run(cli, batch.json, act->reverse, err) : work_run(&work, err);
}

bool
verb_apply(struct cli *cli, struct err *err)
{
	return act_on(cli, &applying, err);
}

bool
verb_revert(struct cli *cli, struct err *err)
{
	return act_on(cli, &reverting, err);
}
