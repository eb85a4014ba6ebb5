/* rouse rebase: what is in conflict is asked of its agents again, as things are now. */
/* SPDX-License-Identifier: MIT */
#include "cli/change.h"

#include <string.h>

#include "cli/diff.h"
#include "cli/rollout.h"

/* As many entities as one start takes. */
#define ONLY_MOST 1000

struct rebase {
	struct cli *cli;
	json_t *conflicts; /* change objects */
	json_t *runs;	   /* id: what it was asked anew as, null where it cannot be */
	json_t *batches;   /* name: keys */
};

static bool
collect(struct rebase *r, const char *word, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply batch = CLIENT_REPLY_INIT;
	AUTO(change_set_fini) struct change_set set = CHANGE_SET_INIT;
	AUTO(json_auto_decref) json_t *found = NULL;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	bool is_batch;

	if (!rollout_is_batch(r->cli, word, &is_batch, &batch, err))
		return false;
	if (is_batch) {
		buf_puts(&path, "/v1/changes?status=conflict");
		cli_query(&path, "batch", json_str(batch.json, "id"));
		if (!cli_fetch_all(r->cli, buf_cstr(&path), CHANGE_MOST, &found, err))
			return false;
	} else {
		if (!change_set_get(r->cli, word, &set, err))
			return false;
		found = change_pick(set.items, "conflict");
	}
	json_array_extend(r->conflicts, found);
	return true;
}

static bool
replay(struct rebase *r, const char *id, const char *event, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_pack("{s:b}", "force", 1);
	const char *run;

	if (!cli_post(r->cli, body, &reply, err, "/v1/events/%s/replay", event))
		return false;
	run = json_str(reply.json, "run_id");
	json_object_set_new(r->runs, id, run ? json_string(run) : json_null());
	if (!r->cli->out.json && run) {
		print_f(&r->cli->out, "asked again: ");
		print_text(&r->cli->out, run);
		print_f(&r->cli->out, "\n");
	}
	return true;
}

/* An entity of a batch goes with the others of that batch. */
static bool
note_entity(struct rebase *r, const char *id, const char *batch, const char *entity)
{
	AUTO(auto_free) char *name = str_dup(str_make(batch, strcspn(batch, "/")));
	json_t *keys = json_object_get(r->batches, name);

	if (!keys) {
		keys = json_array();
		json_object_set_new(r->batches, name, keys);
	}
	json_array_append_new(keys, json_string(entity));
	json_object_set_new(r->runs, id, json_string(name));
	return true;
}

/* Once for each run, however many of its changes are in conflict. */
static bool
ask_run(struct rebase *r, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply run = CLIENT_REPLY_INIT;
	const char *batch, *entity, *event;

	if (json_object_get(r->runs, id))
		return true;
	if (!cli_get(r->cli, &run, err, "/v1/runs/%s", id))
		return false;
	batch = json_str(run.json, "batch");
	entity = json_str(run.json, "entity");
	event = json_str(run.json, "event_id");
	if (batch && entity)
		return note_entity(r, id, batch, entity);
	if (event)
		return replay(r, id, event, err);
	cli_note("rouse: run %s was woken by nothing that can happen again; its changes stay in "
		 "conflict",
		 id);
	json_object_set_new(r->runs, id, json_null());
	return true;
}

static bool
start_batches(struct rebase *r, struct err *err)
{
	const char *name;
	json_t *keys;

	json_object_foreach (r->batches, name, keys) {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		AUTO(json_auto_decref) json_t *body = json_object();

		if (json_array_size(keys) > ONLY_MOST)
			return err_set(
				err, E_TOO_LARGE,
				"%zu entities of batch %s are in conflict; %d are asked again "
				"at once: name some of its changes",
				json_array_size(keys), name, ONLY_MOST);
		json_object_set(body, "only", keys);
		if (!cli_post(r->cli, body, &reply, err, "/v1/batches/%s/start", name))
			return false;
		if (r->cli->out.json || !json_str(reply.json, "id"))
			continue;
		print_f(&r->cli->out, "asked again: batch ");
		print_text(&r->cli->out, json_str(reply.json, "id"));
		print_f(&r->cli->out, "\n");
	}
	return true;
}

/* What is asked again comes as a proposal of its own; the old one is over. */
static bool
drop_old(struct rebase *r, struct err *err)
{
	const json_t *change;
	size_t i;

	json_array_foreach (r->conflicts, i, change) {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		AUTO(json_auto_decref) json_t *body = json_object();
		const char *anew = json_str(r->runs, json_str(change, "run"));
		AUTO(buf_fini) struct buf reason = BUF_INIT;

		if (!anew)
			continue;
		buf_cat(&reason, "rebased: asked again as ", anew);
		json_put_str(body, "reason", buf_cstr(&reason));
		if (!cli_post(r->cli, body, &reply, err, "/v1/changes/%s/reject",
			      json_str(change, "id")))
			return false;
	}
	return true;
}

static bool
rebase_run(struct rebase *r, struct err *err)
{
	struct cli *cli = r->cli;
	const json_t *change;
	bool yes = true;
	size_t i;

	for (i = 0; cli_arg(cli, i); i++)
		if (!collect(r, cli_arg(cli, i), err))
			return false;
	if (!json_array_size(r->conflicts)) {
		cli_note("Nothing is in conflict.");
		return true;
	}
	if (!cli->out.json)
		diff_print(&cli->out, r->conflicts, &(struct diff_options){.each = 10});
	if (cli_has(cli, "plan")) {
		cli->status = 2;
		return true;
	}
	if (!cli_confirm(cli, "rebase", "Ask their agents again?", &yes, err))
		return false;
	if (!yes)
		return true;
	json_array_foreach (r->conflicts, i, change)
		if (!json_str(change, "run") || !json_str(change, "id") ||
		    !ask_run(r, json_str(change, "run"), err))
			return err->code == E_OK
				       ? err_set(err, E_CORRUPT,
						 "the daemon showed a change without a run")
				       : false;
	return start_batches(r, err) && drop_old(r, err);
}

bool
verb_rebase(struct cli *cli, struct err *err)
{
	AUTO(json_auto_decref)
	json_t *conflicts = json_array(), *runs = json_object(), *batches = json_object();
	struct rebase rebase = {
		.cli = cli, .conflicts = conflicts, .runs = runs, .batches = batches};

	return rebase_run(&rebase, err);
}
