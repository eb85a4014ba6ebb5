/* The vigil: leases of what runs, what runs in silence, what waits too long. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#include "core/vigil.h"

#include "base/log.h"
#include "core/agent.h"
#include "core/metrics.h"
#include "core/notify.h"
#include "core/queue.h"
#include "core/stand.h"
#include "core/stream.h"
#include "pure/duration.h"
#include "store/runs.h"

/* A lease is renewed when a third of it is over: two looks may fail before it runs out. */
#define LOOKS_A_LEASE 3
/* A look that comes so much too late: the machine slept, or we stood still. Nobody could be heard
 * meanwhile, so that nobody was silent. */
#define SLEPT_MS 1000

struct vigil {
	struct core *core;
	struct core_timer *runs, *queue;
	bool runs_armed, queue_armed, late;
	struct mono due; /* the next look at what runs */
};

static void vigil_on_runs(void *arg);
static void vigil_on_queue(void *arg);

struct vigil *
vigil_new(struct core *core)
{
	struct vigil *vigil = mem_alloc(sizeof(*vigil));

	vigil->core = core;
	return vigil;
}

void
vigil_free(struct vigil *vigil)
{
	if (!vigil)
		return;
	core_timer_free(vigil->runs);
	core_timer_free(vigil->queue);
	free(vigil);
}

static int64_t
lease_ms(const struct core *core)
{
	return conf_ms(conf_section(registry_conf(core->registry), "daemon", ""), "lease");
}

static int64_t
limit_ms(const struct core *core, const char *key)
{
	return conf_ms(conf_section(registry_conf(core->registry), "limits", ""), key);
}

/* --- what runs ----------------------------------------------------------------------------- */

static void
runs_arm(struct vigil *vigil, int64_t ms)
{
	vigil->runs_armed = true;
	vigil->due.ms = clock_mono(vigil->core->clock).ms + ms;
	core_timer_arm(vigil->core, &vigil->runs, ms, vigil_on_runs, vigil);
}

void
vigil_run(struct core *core)
{
	struct vigil *vigil = core->vigil;
	int64_t look, silence;

	if (vigil->runs_armed)
		return;
	look = lease_ms(core) / LOOKS_A_LEASE;
	silence = limit_ms(core, "stall_timeout");
	runs_arm(vigil, look < silence ? look : silence);
}

/* How long it may go on without a sign. While a person is asked, nobody expects one. */
static bool
is_asked(const struct attempt *attempt)
{
	AUTO(run_row_fini) struct run_row run = {0};

	return attempt->has_asked &&
	       runs_get_seq(attempt->core->store, attempt->run.seq, &run, NULL) &&
	       !strcmp(run.status, "waiting");
}

static void
stall_notify(const struct attempt *attempt, const char *why)
{
	AUTO(buf_fini) struct buf subject = BUF_INIT, text = BUF_INIT, todo = BUF_INIT;

	if (!notify_wants(attempt->core, NOTIFY_STALLED))
		return;
	buf_cat(&subject, "a run of ", attempt->carrier, " is silent");
	buf_cat(&text, "Run ", attempt->run.id, " of agent ", attempt->carrier, ": ", why,
		"; it is tried again while it has attempts left.");
	buf_cat(&todo, "rouse run logs ", attempt->run.id);
	notify_say(attempt->core, &(struct notify_fact){.event = NOTIFY_STALLED,
							.topic = attempt->carrier,
							.subject = buf_cstr(&subject),
							.text = buf_cstr(&text),
							.todo = buf_cstr(&todo),
							.agent = attempt->run.agent,
							.trigger = attempt->run.trigger,
							.tenant = attempt->run.tenant,
							.run = attempt->run.seq,
							.run_id = attempt->run.id});
}

static void
stall_stop(struct attempt *attempt, int64_t silence)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	buf_puts(&text, "no sign of life for ");
	duration_print(silence, &text);
	buf_puts(&text, " (limits.stall_timeout); stopped");
	log_warning("run is silent; it is stopped and tried again", "run", attempt->run.id, "agent",
		    attempt->carrier);
	stall_notify(attempt, buf_cstr(&text));
	metrics_count(attempt->core->metrics, "rouse_stalled_total", "agent", attempt->carrier,
		      NULL, NULL, 1);
	attempt_stop(attempt, "stalled", buf_cstr(&text));
}

/* Listens for a sign of life; how long until silence would be too long. INT64_MAX: it ends already.
 */
static int64_t
silence_left(struct attempt *attempt, int64_t pulse, int64_t silence)
{
	struct mono now = clock_mono(attempt->core->clock);

	if (pulse != attempt->pulse) {
		attempt->pulse = pulse;
		attempt->heard = now;
	}
	if (attempt->stop_reason)
		return INT64_MAX;
	if (now.ms - attempt->heard.ms >= silence && is_asked(attempt))
		attempt->heard = now;
	if (now.ms - attempt->heard.ms < silence)
		return attempt->heard.ms + silence - now.ms;
	stall_stop(attempt, silence);
	return INT64_MAX;
}

static void
lease_renew(struct attempt *attempt, int64_t lease)
{
	struct wall now = core_wall(attempt->core), until = {now.ms + lease};
	AUTO(err_fini) struct err err = ERR_INIT;

	/* As its claim wrote it. */
	if (!wall_is_set(attempt->lease))
		attempt->lease.ms =
			until.ms - (clock_mono(attempt->core->clock).ms - attempt->started.ms);
	/* Also where the clock went back: a lease of far away says nothing. */
	if (attempt->lease.ms <= until.ms &&
	    attempt->lease.ms >= now.ms + lease - lease / (2 * LOOKS_A_LEASE))
		return;
	if (attempts_renew(attempt->core->store, attempt->run.seq, attempt->n, until,
			   &(struct run_worked){stand_worked_ms(attempt),
						clock_mono(attempt->core->clock),
						attempt->core->boot},
			   &err))
		attempt->lease = until;
	else
		log_warning("lease not renewed", "run", attempt->run.id, "error", err_text(&err));
}

static void
vigil_on_runs(void *arg)
{
	struct vigil *vigil = arg;
	struct core *core = vigil->core;
	int64_t lease = lease_ms(core), silence = limit_ms(core, "stall_timeout"),
		next = lease / LOOKS_A_LEASE;
	int64_t now = clock_mono(core->clock).ms, slept = now - vigil->due.ms;
	struct attempt *attempt;

	vigil->runs_armed = false;
	LIST_FOREACH (attempt, attempts_live(core), entry) {
		int64_t pulse = 0, left;

		if (attempt->ending || !attempt->agent || !attempt->state)
			continue;
		if (attempt->agent->kind->pulse)
			pulse = attempt->agent->kind->pulse(attempt);
		if (pulse >= 0)
			lease_renew(attempt, lease);
		if (slept > SLEPT_MS)
			attempt->heard.ms =
				attempt->heard.ms + slept < now ? attempt->heard.ms + slept : now;
		left = silence_left(attempt, pulse, silence);
		if (left < next)
			next = left;
	}
	if (!LIST_EMPTY(attempts_live(core)))
		runs_arm(vigil, next > 0 ? next : 1);
}

/* --- what waits ---------------------------------------------------------------------------- */

void
vigil_queue(struct core *core)
{
	struct vigil *vigil = core->vigil;

	if (vigil->queue_armed)
		return;
	vigil->queue_armed = true;
	core_timer_arm(core, &vigil->queue, limit_ms(core, "queued_alarm"), vigil_on_queue, vigil);
}

static void
late_notify(struct core *core, const char *span)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!notify_wants(core, NOTIFY_QUEUE))
		return;
	buf_printf(&text,
		   "%lld runs wait, the oldest for %s: longer than limits.queued_alarm. Either "
		   "too much comes, or what should run is paused, too slow, or out of budget.",
		   (long long)queue_depth(core->queue, NULL), span);
	notify_say(core, &(struct notify_fact){.event = NOTIFY_QUEUE,
					       .subject = "runs wait too long",
					       .text = buf_cstr(&text),
					       .todo = "rouse status"});
}

static void
late_tell(struct vigil *vigil, int64_t age)
{
	struct core *core = vigil->core;
	AUTO(json_auto_decref) json_t *object = json_object();
	AUTO(buf_fini) struct buf text = BUF_INIT, span = BUF_INIT;

	duration_print(age, &span);
	log_warning("runs wait too long (limits.queued_alarm)", "oldest", buf_cstr(&span));
	json_object_set_new(object, "oldest_queued_ms", json_integer(age));
	json_object_set_new(object, "queued", json_integer(queue_depth(core->queue, NULL)));
	late_notify(core, buf_cstr(&span));
	json_write(&text, object);
	stream_publish(core->stream,
		       &(struct stream_event){
			       .kind = "queue", .id = "", .type = "late", .data = buf_str(&text)});
}

/* Told once, until the oldest is young again. */
static void
vigil_on_queue(void *arg)
{
	struct vigil *vigil = arg;
	struct core *core = vigil->core;
	int64_t alarm = limit_ms(core, "queued_alarm"), age = 0;
	struct wall oldest = WALL_NONE;
	bool was_late = vigil->late;

	vigil->queue_armed = false;
	vigil->late = false;
	if (!queue_depth(core->queue, NULL) || !runs_oldest_queued(core->store, &oldest, NULL) ||
	    !wall_is_set(oldest)) {
		if (queue_depth(core->queue, NULL))
			vigil_queue(core);
		return;
	}
	age = core_wall(core).ms - oldest.ms;
	vigil->late = age >= alarm;
	if (vigil->late && !was_late)
		late_tell(vigil, age);
	vigil->queue_armed = true;
	core_timer_arm(core, &vigil->queue, vigil->late || age < 0 ? alarm : alarm - age,
		       vigil_on_queue, vigil);
}

bool
vigil_is_late(const struct core *core)
{
	return core->vigil->late;
}

void
vigil_reload(struct core *core)
{
	struct vigil *vigil = core->vigil;

	if (vigil->runs_armed)
		runs_arm(vigil, 0);
	if (vigil->queue_armed)
		core_timer_arm(core, &vigil->queue, 0, vigil_on_queue, vigil);
}
