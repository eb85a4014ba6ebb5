/* Firing: a nominal time becomes an event, and what is known of the schedule goes along. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/inside.h"

#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/uuid.h"
#include "core/admit.h"
#include "core/metrics.h"

/* A stretch of missed times that is worth remembering. */
#define PASSED_MS 3600000

static const struct backoff again = {
	.base_ms = 1000, .cap_ms = 60000, .factor = 2, .jitter = BACKOFF_FULL};

/* One a trigger: the next begins when it is over, so that ticks keep their order. */
struct firing {
	struct core *core;
	char *trigger;
	/* What the schedule's cursor becomes: where a run came of it, and where none did. */
	struct cron_cursor ran, idle;
	UT_hash_handle hh;
};
static struct firing *firings;

bool
fire_is_pending(const char *trigger)
{
	struct firing *firing;

	HASH_FIND_STR(firings, trigger, firing);
	return firing != NULL;
}

static void
firing_free(struct firing *firing)
{
	HASH_DEL(firings, firing);
	free(firing->trigger);
	free(firing);
}

/* A reload may have begun another schedule meanwhile: of that one, nothing goes backwards. */
static void
cursor_merge(struct tick *tick, const struct cron_cursor *kept)
{
	struct cron_cursor *own = &tick->cursor;

	if (!strcmp(own->print, kept->print)) {
		*own = *kept;
		return;
	}
	if (kept->last.ms > own->last.ms)
		own->last = kept->last;
	own->runs = kept->runs;
	own->backfill = kept->backfill;
	memcpy(own->overlap, kept->overlap, sizeof(own->overlap));
	tick->dirty = true;
}

static void
tick_refused(struct tick *tick, const struct err *err)
{
	source_set_health(&tick->source, HEALTH_FAILING, err_text(err));
	source_set_backlog(&tick->source, 1, WALL_NONE);
	tick->refusals++;
	tick_wait(tick, again.base_ms / 2 +
				backoff_delay(&again, tick->refusals, entropy_below(UINT64_MAX)));
}

static void
on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct firing *firing = arg;
	struct tick *tick = tick_find(firing->core, firing->trigger);

	if (!tick) {
		firing_free(firing);
		return;
	}
	tick->in_flight = false;
	if (result)
		cursor_merge(tick, result->makes_run ? &firing->ran : &firing->idle);
	firing_free(firing);
	if (tick->dirty)
		tick_save(tick);
	if (!result) {
		tick_refused(tick, err);
		return;
	}
	tick->refusals = 0;
	source_set_backlog(&tick->source, 0, WALL_NONE);
	source_set_health(&tick->source, HEALTH_OK, NULL);
	tick_look(tick);
}

/* The cursors of both ends ride along; whichever comes true is in the event's transaction. */
static void
firing_start(struct tick *tick, struct happening *happening, const struct cron_cursor *ran,
	     const struct cron_cursor *idle)
{
	struct core *core = tick->source.core;
	AUTO(buf_fini) struct buf ran_text = BUF_INIT, idle_text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct firing *firing = mem_alloc(sizeof(*firing));

	*firing = (struct firing){core, mem_strdup(tick->source.name), *ran, *idle, .hh = {0}};
	cursor_print(ran, &ran_text);
	cursor_print(idle, &idle_text);
	happening->trigger = source_trigger(&tick->source);
	happening->cursor = buf_str(&ran_text);
	happening->cursor_idle = buf_str(&idle_text);
	HASH_ADD_KEYPTR(hh, firings, firing->trigger, strlen(firing->trigger), firing);
	tick->in_flight = true;
	if (admit_event(core, happening, on_admitted, firing, &err))
		return;
	tick->in_flight = false;
	firing_free(firing);
	tick_refused(tick, &err);
}

static void
count_put(struct buf *out, const char *name, uint64_t count)
{
	buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)count);
}

/* What the envelope says of the tick: SPEC 5. */
static void
schedule_say(const struct ticks_step *step, const char *time, int64_t late_ms, bool backfill,
	     struct buf *out)
{
	buf_printf(out, "{\"nominal\":\"%s\",\"late_ms\":%lld", time, (long long)late_ms);
	count_put(out, "missed", step->missed);
	if (step->dropped)
		count_put(out, "dropped", step->dropped);
	if (step->more)
		buf_puts(out, ",\"more\":true");
	if (backfill)
		buf_puts(out, ",\"backfill\":true");
	buf_putc(out, '}');
}

/* The knowledge after this step. Times that passed without a run may come again: a clock that runs
 * years ahead and is put right is no reason to be silent for years. */
static struct cron_cursor
cursor_after(const struct tick *tick, const struct ticks_step *step)
{
	struct cron_cursor after = tick->cursor;

	if (wall_is_set(after.done.from) && step->nominal.ms > after.done.to.ms)
		after.done = TICKS_RANGE_NONE;
	if (!wall_is_set(after.done.from) && step->missed + step->dropped &&
	    step->nominal.ms - after.last.ms > PASSED_MS)
		after.passed = (struct ticks_range){
			after.last, {step->nominal.ms - (step->what == TICKS_RUN ? 1 : 0)}};
	after.last = step->nominal;
	return after;
}

static void
lateness_note(struct tick *tick, const struct ticks_step *step, struct wall now)
{
	int64_t due = step->nominal.ms + ticks_jitter(tick->cron, &tick->policy, step->nominal);

	metrics_observe(tick->source.core->metrics, "rouse_cron_lateness_seconds", NULL, NULL,
			now.ms > due ? (double)(now.ms - due) / 1000 : 0);
}

void
tick_fire(struct tick *tick, const struct ticks_step *step, bool backfill)
{
	struct wall now = core_wall(tick->source.core);
	AUTO(buf_fini) struct buf time = BUF_INIT, data = BUF_INIT, schedule = BUF_INIT;
	AUTO(buf_fini) struct buf rule = BUF_INIT;
	struct happening happening = {.by_hand = false};
	struct cron_cursor ran = backfill ? tick->cursor : cursor_after(tick, step), idle;
	int64_t late = now.ms > step->nominal.ms ? now.ms - step->nominal.ms : 0;

	wall_format(step->nominal, &time);
	buf_printf(&data, "{\"nominal\":\"%s\"%s}", buf_cstr(&time),
		   backfill ? ",\"backfill\":true" : "");
	schedule_say(step, buf_cstr(&time), late, backfill, &schedule);
	happening.data = buf_str(&data);
	happening.natural_key = buf_str(&time);
	happening.schedule = buf_str(&schedule);
	if (backfill) {
		ran.backfill.from = step->nominal;
		if (step->nominal.ms >= ran.backfill.to.ms)
			ran.backfill = TICKS_RANGE_NONE;
		happening.overlap_is_set = overlap_parse(tick->cursor.overlap, &happening.overlap);
	} else {
		lateness_note(tick, step, now);
	}
	idle = ran;
	if (!backfill)
		ran.runs++;
	if (step->what == TICKS_SKIP) {
		buf_printf(&rule, "%llu%s times were missed%s, the last at %s",
			   (unsigned long long)(step->missed + step->dropped),
			   step->more ? " and more" : "",
			   step->missed ? " (catchup = none)" : " longer ago than catchup_window",
			   buf_cstr(&time));
		happening.refused = buf_str(&rule);
		happening.refused_as = "skipped";
		log_info("missed times are not caught up", "trigger", tick->source.name, "why",
			 buf_cstr(&rule));
	}
	firing_start(tick, &happening, &ran, &idle);
}

void
tick_hold(struct tick *tick, struct wall nominal)
{
	AUTO(buf_fini) struct buf time = BUF_INIT, data = BUF_INIT;
	struct happening happening = {
		.refused = STR("the trigger is disabled; its times pass until it is enabled"),
		.refused_as = "held"};
	struct cron_cursor after = tick->cursor;

	wall_format(nominal, &time);
	buf_printf(&data, "{\"nominal\":\"%s\"}", buf_cstr(&time));
	happening.data = buf_str(&data);
	happening.natural_key = buf_str(&time);
	after.off = CURSOR_HELD;
	firing_start(tick, &happening, &after, &after);
}
