/* Admission: a key that is known is its run's, or its event's while the run is still to be made. */
/* SPDX-License-Identifier: MIT */
#include "core/admission.h"

#include "core/run.h"
#include "store/events.h"
#include "store/keys.h"
#include "store/runs.h"

/* The same key for something else. */
static bool
other_print(struct admission *a, const char *noun, const char *id, int64_t run)
{
	err_set(&a->err, E_CONFLICT,
		"key %s was used before, with another payload, by %s %s; use another key for "
		"another request",
		buf_cstr(&a->key), noun, id);
	outcome_set(a, "rejected", "key %s was used before with another payload",
		    buf_cstr(&a->key));
	return event_keep(a, run);
}

static bool
replay_of_run(struct admission *a, int64_t known, bool same_print)
{
	AUTO(run_row_fini) struct run_row run = {0};

	if (!runs_get_seq(a->core->store, known, &run, &a->err))
		return false;
	if (!same_print)
		return other_print(a, "run", run.id, known);
	a->result.replayed = true;
	a->result.run_seq = known;
	memcpy(a->result.run_id, run.id, strlen(run.id) + 1);
	a->result.run_status = run_state_name(run_state_of(run.status));
	outcome_set(a, "replayed", "key %s is run %s", buf_cstr(&a->key), run.id);
	return event_keep(a, known);
}

/* One that was gathered: with others it is a run, or will be one. */
static bool
replay_of_event(struct admission *a, int64_t known, bool same_print)
{
	AUTO(event_row_fini) struct event_row event = {0};
	AUTO(err_fini) struct err err = ERR_INIT;

	a->result.replayed = true;
	if (!events_get_seq(a->core->store, known, &event, &err)) {
		if (err.code != E_NOT_FOUND)
			return err_move(&a->err, &err);
		outcome_set(a, "replayed", "key %s came before; its event is no longer kept",
			    buf_cstr(&a->key));
		return event_keep(a, 0);
	}
	if (event.run && event.run_id)
		return replay_of_run(a, event.run, same_print);
	if (!same_print) {
		a->result.replayed = false;
		return other_print(a, "event", event.id, 0);
	}
	outcome_set(a, "replayed", "key %s is event %s, which is %s", buf_cstr(&a->key), event.id,
		    event.outcome);
	return event_keep(a, 0);
}

bool
replay_keep(struct admission *a, int64_t known, bool same_print)
{
	return known > 0 ? replay_of_run(a, known, same_print)
			 : replay_of_event(a, -known, same_print);
}

static void
key_scope(const struct admission *a, struct buf *out)
{
	buf_cat(out, a->trigger ? "trigger/" : "agent/",
		a->trigger ? a->trigger->name : a->agent->name);
}

bool
key_is_known(struct admission *a, bool *ret_known)
{
	AUTO(buf_fini) struct buf scope = BUF_INIT;
	int64_t known = 0;

	key_scope(a, &scope);
	if (a->has_key && !a->again &&
	    !keys_find(a->core->store, buf_str(&scope), buf_str(&a->key), &known, &a->err))
		return false;
	*ret_known = known != 0;
	return true;
}

bool
key_claim(struct admission *a, int64_t owner, int64_t *ret_known, bool *ret_same_print)
{
	AUTO(buf_fini) struct buf scope = BUF_INIT;

	*ret_known = 0;
	if (!a->has_key || a->again)
		return true;
	key_scope(a, &scope);
	return keys_claim(a->core->store, buf_str(&scope), buf_str(&a->key), a->fingerprint, owner,
			  a->at, ret_known, ret_same_print, &a->err);
}
