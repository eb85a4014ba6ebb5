/* Gathering: what is held back on disk becomes a run when its time has come. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#include "core/gather.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/uuid.h"
#include "core/envelope.h"
#include "core/overlap.h"
#include "core/queue.h"
#include "core/run.h"
#include "core/session.h"
#include "store/runs.h"

/* How many are closed before the loop goes on. */
#define CLOSED_A_TURN 64
#define RETRY_MS 500
/* Without debounce_max it is this many times debounce. */
#define DEBOUNCE_TIMES 10

struct gather {
	struct core *core;
	struct core_timer *timer;
	struct wall armed; /* WALL_NONE: the timer is not */
	/* Where the steady clock begins. */
	struct wall wall;
	struct mono mono;
	int64_t open;
};

/* --- settings ------------------------------------------------------------------------------ */

void
gather_settings(struct trigger *trigger, struct conf_report *report)
{
	const struct conf_section *section = trigger->section;
	int64_t window = 0, most = 0;

	if (conf_is_set(section, "debounce"))
		trigger->quiet_ms = conf_ms(section, "debounce");
	if (trigger->quiet_ms)
		trigger->gather_ms = conf_is_set(section, "debounce_max")
					     ? conf_ms(section, "debounce_max")
					     : trigger->quiet_ms * DEBOUNCE_TIMES;
	if (conf_is_set(section, "debounce_max") && !trigger->quiet_ms)
		conf_complain(report, section, "debounce_max",
			      "there is no debounce that it could bound; add debounce = 5s, or "
			      "remove it");
	else if (trigger->gather_ms < trigger->quiet_ms)
		conf_complain(report, section, "debounce_max",
			      "less than debounce = %s; expected at least as much",
			      conf_str(section, "debounce"));
	trigger->gather_count = GATHER_EVENTS_MAX;
	if (!conf_rate(section, "collect", &most, &window))
		return;
	if (most > GATHER_EVENTS_MAX)
		conf_complain(report, section, "collect",
			      "a run takes at most %d events; expected a count up to that in a "
			      "time, as 100/10s",
			      GATHER_EVENTS_MAX);
	trigger->gather_count = most;
	if (!trigger->gather_ms || window < trigger->gather_ms)
		trigger->gather_ms = window;
}

/* --- time ---------------------------------------------------------------------------------- */

struct wall
gather_now(const struct core *core)
{
	const struct gather *gather = core->gather;

	return (struct wall){gather->wall.ms + clock_mono(core->clock).ms - gather->mono.ms};
}

struct wall
gather_wall(const struct core *core, struct wall due)
{
	if (!wall_is_set(due))
		return WALL_NONE;
	return (struct wall){due.ms - gather_now(core).ms + core_wall(core).ms};
}

static void gather_step(void *arg);

static void
gather_arm(struct gather *gather, struct wall due, int64_t ms)
{
	gather->armed = due;
	/* Never at once: the loop would come back here before it looks at anything else. */
	core_timer_arm(gather->core, &gather->timer, ms > 0 ? ms : 1, gather_step, gather);
}

void
gather_wake(struct core *core, struct wall due)
{
	struct gather *gather = core->gather;

	if (!wall_is_set(gather->armed) || due.ms < gather->armed.ms)
		gather_arm(gather, due, due.ms - gather_now(core).ms);
}

static void
gather_later(struct gather *gather)
{
	gather_arm(gather, (struct wall){gather_now(gather->core).ms + RETRY_MS}, RETRY_MS);
}

/* --- closing ------------------------------------------------------------------------------- */

/* A run that was made; what it means to the queue, once it is on disk. */
struct closing {
	struct core *core;
	char *agent, *tenant;
};

static void
on_closed(void *arg, const struct err *err)
{
	struct closing *closing = arg;
	struct core *core = closing->core;

	if (err->code == E_OK) {
		core->gather->open--;
		queue_note_ready(core->queue, closing->agent, closing->tenant);
	} else {
		queue_note_queued(core->queue, closing->agent, -1);
		gather_later(core->gather);
	}
	free(closing->agent);
	free(closing->tenant);
	free(closing);
}

static bool
payload_add(void *arg, struct str payload, struct str document)
{
	struct buf *out = arg;

	if (out->data[out->len - 1] != '[')
		buf_putc(out, ',');
	if (payload.p)
		buf_add_str(out, payload);
	else
		buf_add_str(out, document.p ? envelope_event_data(document) : STR("null"));
	return true;
}

static bool
close_rows(struct core *core, const struct gathering *gathering, struct run_row *run,
	   const char *why, struct err *err)
{
	const struct trigger *trigger = registry_trigger(core->registry, run->trigger);
	AUTO(buf_fini) struct buf rule = BUF_INIT;
	AUTO(buf_fini) struct buf payload = BUF_INIT;
	AUTO(buf_fini) struct buf session = BUF_INIT;
	bool ready;

	buf_reserve(&payload, (size_t)gathering->bytes + 64);
	buf_puts(&payload, "{\"events\":[");
	if (!gatherings_each(core->store, gathering->seq, payload_add, &payload, err))
		return false;
	buf_puts(&payload, "]}");
	run->payload = (char *)buf_cstr(&payload);
	if (!trigger || !gather_wants(trigger))
		why = trigger ? "its trigger gathers no longer" : "its trigger is gone";
	buf_printf(&rule, "%s: one run of %" PRId64 " event%s%s%s",
		   trigger && !trigger->quiet_ms ? "collect" : "debounce", gathering->n,
		   gathering->n == 1 ? "" : "s", why ? ", closed early: " : "", why ? why : "");
	run->seq = runs_next_seq(core->store);
	return session_join(core, run, run->created, &session, err) &&
	       runs_insert(core->store, run, &run->seq, &ready, err) &&
	       (!trigger ||
		overlap_settle(core, trigger->overlap, run->trigger, run->entity, run->seq, err)) &&
	       gatherings_close(core->store, gathering, run->seq, buf_cstr(&rule), err);
}

bool
gather_close(struct core *core, int64_t seq, const char *why, struct err *err)
{
	AUTO(gathering_fini) struct gathering gathering = {0};
	struct wall now = core_wall(core);
	struct uuid id = uuid_v7(now);
	struct closing *closing;
	struct run_row run;

	if (!gatherings_get(core->store, seq, &gathering, err) || !turn_savepoint(core->store, err))
		return false;
	run = gathering.run; /* its text stays the gathering's */
	run.id = id.text;
	run.status = (char *)"queued";
	run.created = now;
	if (!close_rows(core, &gathering, &run, why, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	run_tell(core, run.id, &run, "queued");
	queue_note_queued(core->queue, run.agent, 1);
	closing = mem_alloc(sizeof(*closing));
	*closing = (struct closing){core, mem_strdup(run.agent), mem_strdup(run.tenant)};
	turn_after(core->store, on_closed, closing);
	return true;
}

/* Those that are due, some at a time. What is not closed while the daemon stops stays on disk. */
static void
gather_step(void *arg)
{
	struct gather *gather = arg;
	struct core *core = gather->core;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall now = gather_now(core), next = WALL_NONE;
	int64_t seq = 1;

	gather->armed = WALL_NONE;
	if (core->draining)
		return;
	for (int i = 0; i < CLOSED_A_TURN && seq; i++) {
		if (!gatherings_due(core->store, now, &seq, &err) ||
		    (seq && !gather_close(core, seq, NULL, &err))) {
			log_error("gathered events do not run yet", "error", err_text(&err));
			gather_later(gather);
			return;
		}
	}
	if (gatherings_next(core->store, &next, &err) && wall_is_set(next))
		gather_wake(core, next);
}

/* --- all of them --------------------------------------------------------------------------- */

struct gather *
gather_new(struct core *core)
{
	struct gather *gather = mem_alloc(sizeof(*gather));

	gather->core = core;
	gather->armed = WALL_NONE;
	gather->wall = core_wall(core);
	gather->mono = clock_mono(core->clock);
	return gather;
}

void
gather_free(struct gather *gather)
{
	if (!gather)
		return;
	core_timer_free(gather->timer);
	free(gather);
}

struct orphans {
	const struct registry *registry;
	struct buf names; /* each with its line end: a list that is being read is not written to */
};

static bool
trigger_look(void *arg, const char *name)
{
	struct orphans *orphans = arg;
	const struct trigger *trigger = registry_trigger(orphans->registry, name);

	if (!trigger || !gather_wants(trigger))
		buf_cat(&orphans->names, name, "\n");
	return true;
}

void
gather_reload(struct core *core)
{
	struct orphans orphans = {.registry = core->registry, .names = BUF_INIT};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall now = gather_now(core);
	struct str rest, line;
	bool ok = !core->gather->open ||
		  gatherings_triggers(core->store, trigger_look, &orphans, &err);

	for (rest = buf_str(&orphans.names); ok && rest.p && rest.len;) {
		rest = str_split(rest, '\n', &line);
		if (line.len) {
			AUTO(auto_free) char *name = str_dup(line);

			log_info("what was gathered runs now; its trigger gathers no longer",
				 "trigger", name);
			ok = gatherings_hurry(core->store, name, now, &err);
		}
	}
	if (!ok)
		log_warning("gathered events wait until their time", "error", err_text(&err));
	if (orphans.names.len)
		gather_wake(core, now);
	buf_fini(&orphans.names);
}

bool
gather_load(struct core *core, struct err *err)
{
	struct gatherings_count count;

	if (!gatherings_count(core->store, NULL, &count, err))
		return false;
	core->gather->open = count.open;
	if (!count.open)
		return true;
	if (!gatherings_clamp(core->store, gather_now(core), err))
		return false;
	gather_reload(core);
	gather_wake(core, gather_now(core));
	return true;
}

bool
gather_is_full(const struct core *core)
{
	const struct conf_section *limits =
		conf_section(registry_conf(core->registry), "limits", "");

	return queue_depth(core->queue, NULL) + core->gather->open >=
	       conf_int(limits, "max_queued");
}

static void
on_opened(void *arg, const struct err *err)
{
	struct core *core = arg;

	if (err->code == E_OK)
		core->gather->open++;
}

void
gather_note_open(struct core *core)
{
	turn_after(core->store, on_opened, core);
}

void
gather_held(const struct core *core, const char *trigger, struct gatherings_count *ret)
{
	*ret = (struct gatherings_count){.oldest = WALL_NONE, .next = WALL_NONE};
	if (core->gather && core->gather->open)
		gatherings_count(core->store, trigger, ret, NULL);
}
