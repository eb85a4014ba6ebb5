/* Notifications: the facts that more than one room tells of, in words. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "core/notify.h"
#include "store/batches.h"

bool
notify_run_failed(struct core *core, const struct run_row *run, const char *reason,
		  const char *error, struct err *err)
{
	enum notify_event event = reason && !strcmp(reason, "lost") ? NOTIFY_LOST : NOTIFY_FAILED;
	AUTO(buf_fini)
	struct buf subject = BUF_INIT, text = BUF_INIT, todo = BUF_INIT, topic = BUF_INIT;

	/* That of a batch is told with its batch. */
	if (run->batch || !notify_wants(core, event))
		return true;
	buf_cat(&subject, "a run of ", run->agent, " failed: ", reason ? reason : "failed");
	buf_cat(&text, "Run ", run->id, " of agent ", run->agent);
	if (*run->trigger)
		buf_cat(&text, " (trigger ", run->trigger, ")");
	buf_cat(&text, " failed for good, with reason ", reason ? reason : "failed", ".");
	if (error)
		buf_cat(&text, " It says: ", error);
	buf_cat(&todo, "rouse why ", run->id);
	buf_cat(&topic, run->agent, "/", reason ? reason : "");
	return notify_raise(core,
			    &(struct notify_fact){.event = event,
						  .topic = buf_cstr(&topic),
						  .subject = buf_cstr(&subject),
						  .text = buf_cstr(&text),
						  .todo = buf_cstr(&todo),
						  .agent = run->agent,
						  .trigger = run->trigger,
						  .tenant = run->tenant,
						  .run = run->seq,
						  .run_id = run->id},
			    err);
}

bool
notify_gate(struct core *core, const struct gate_row *gate, const struct run_row *run,
	    struct err *err)
{
	bool late = strcmp(gate->status, "waiting") != 0, ask = !strcmp(gate->kind, "ask");
	enum notify_event event = late ? NOTIFY_GATE_TIMEOUT : NOTIFY_GATE;
	const char *step = gate->step ? gate->step : "something";
	AUTO(buf_fini) struct buf subject = BUF_INIT, text = BUF_INIT, todo = BUF_INIT;

	if (!notify_wants(core, event))
		return true;
	buf_cat(&subject, run->agent,
		late  ? " got no answer: "
		: ask ? " asks: "
		      : " asks to ",
		step);
	buf_cat(&text, "Run ", run->id, " of agent ", run->agent, ask ? " asks: " : " wants to ",
		step);
	if (gate->payload && !ask)
		buf_cat(&text, " ", gate->payload);
	buf_puts(&text, ".");
	if (late)
		buf_cat(&text, " Nobody answered in time (on_timeout = ",
			gate->on_timeout ? gate->on_timeout : "deny", "), so the decision is ",
			gate->decision ? gate->decision : "timeout", ".");
	buf_cat(&todo,
		late  ? "rouse why "
		: ask ? "rouse gate respond "
		      : "rouse gate show ",
		late ? run->id : gate->id, ask && !late ? " --text '...'" : "");
	return notify_raise(core,
			    &(struct notify_fact){.event = event,
						  .topic = gate->id,
						  .subject = buf_cstr(&subject),
						  .text = buf_cstr(&text),
						  .todo = buf_cstr(&todo),
						  .agent = run->agent,
						  .trigger = run->trigger,
						  .tenant = run->tenant,
						  .run = run->seq,
						  .run_id = run->id,
						  .gate = gate->id},
			    err);
}

/* state: where it has come to, review or failed. */
bool
notify_batch(struct core *core, const struct batch_row *batch, const char *state, const char *error,
	     struct err *err)
{
	bool failed = !strcmp(state, "failed");
	enum notify_event event = failed ? NOTIFY_FAILED : NOTIFY_BATCH_READY;
	AUTO(buf_fini) struct buf subject = BUF_INIT, text = BUF_INIT, todo = BUF_INIT;

	if (!notify_wants(core, event))
		return true;
	buf_cat(&subject, "batch ", batch->name, failed ? " has stopped" : " is ready for review");
	buf_printf(&text,
		   "Batch %s of agent %s: %" PRId64 " of %" PRId64 " entities are done, %" PRId64
		   " skipped, %" PRId64 " failed; it cost %.2f dollars.",
		   batch->id, batch->agent, batch->done, batch->items, batch->skipped,
		   batch->failed, (double)batch->cost_uusd / 1e6);
	if (error)
		buf_cat(&text, " It says: ", error);
	buf_cat(&todo, failed ? "rouse batch show " : "rouse diff ", batch->id);
	return notify_raise(core,
			    &(struct notify_fact){.event = event,
						  .topic = batch->id,
						  .subject = buf_cstr(&subject),
						  .text = buf_cstr(&text),
						  .todo = buf_cstr(&todo),
						  .agent = batch->agent,
						  .batch = batch->id},
			    err);
}
