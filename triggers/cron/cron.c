/* Source cron: appointments and rhythms, one timer for all of them. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/inside.h"

#include "base/json.h"
#include "base/log.h"
#include "core/halt.h"
#include "store/state.h"
#include "triggers/cron/alarm.h"

/* The clock is behind a tick that has run: less is a clock that is being slewed. */
#define BEHIND_MS 60000

/* How often zones are looked at, where any schedule has one: a stat a zone. */
#define REFRESH_MS 3600000

/* Of all schedules of this process. */
static struct alarm *alarm_of_all;
static struct core *core_of_all;
static struct heap_item refresh_item;

struct tick *
tick_find(struct core *core, const char *trigger)
{
	struct source *source = sources_find(core->sources, trigger);

	return source && source->kind == &cron_kind ? CONTAINER_OF(source, struct tick, source)
						    : NULL;
}

void
tick_wait(struct tick *tick, int64_t ms)
{
	alarm_set(alarm_of_all, &tick->due, core_wall(tick->source.core).ms + ms);
}

void
tick_save(struct tick *tick)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	/* What is under way carries a cursor of its own, which would take its place. */
	tick->dirty = tick->in_flight;
	if (tick->dirty)
		return;
	cursor_print(&tick->cursor, &text);
	if (!cursors_set(tick->source.core->store, tick->source.name, buf_str(&text), &err))
		log_error("cursor not kept", "trigger", tick->source.name, "error", err_text(&err));
}

/* --- what is to be done -------------------------------------------------------------------- */

static bool
tick_is_through(const struct tick *tick)
{
	return tick->max_runs > 0 && tick->cursor.runs >= tick->max_runs;
}

/* Puts it where its next nominal time belongs. */
static void
tick_schedule(struct tick *tick)
{
	int64_t due = HEAP_NEVER;

	tick->next = WALL_NONE;
	if (!cron_expr(tick->cron)->reboot && !tick_is_through(tick) &&
	    ticks_next(tick->cron, &tick->policy, tick->cursor.last, &tick->next))
		due = tick->next.ms + ticks_jitter(tick->cron, &tick->policy, tick->next);
	else
		tick->next = WALL_NONE;
	alarm_set(alarm_of_all, &tick->due, due);
}

/* The clock was set back. What has run does not run again; what was passed over unused is still to
 * come. */
static void
tick_go_back(struct tick *tick, struct wall now)
{
	struct cron_cursor *c = &tick->cursor;
	AUTO(buf_fini) struct buf text = BUF_INIT, time = BUF_INIT;

	if (wall_is_set(c->passed.from) && !wall_is_set(c->done.from) &&
	    now.ms > c->passed.from.ms && now.ms < c->passed.to.ms) {
		c->done = (struct ticks_range){{c->passed.to.ms + 1}, c->last};
		c->last = now;
		c->passed = TICKS_RANGE_NONE;
		tick->policy.done = c->done;
		tick_save(tick);
		return;
	}
	if (now.ms + BEHIND_MS > c->last.ms || tick->source.health == HEALTH_STALE)
		return;
	wall_format(c->last, &time);
	buf_printf(&text,
		   "the clock was set back: times up to %s have had their turn, and do not fire "
		   "again",
		   buf_cstr(&time));
	log_warning("schedule waits for the clock", "trigger", tick->source.name, "why",
		    buf_cstr(&text));
	source_note_error(&tick->source, buf_cstr(&text));
	source_set_health(&tick->source, HEALTH_STALE, NULL);
}

/* While it is disabled its times pass; the first of them is told of. True: nothing more is to be
 * done. */
static bool
tick_is_off(struct tick *tick, const struct trigger *trigger, const struct ticks_step *step)
{
	struct cron_cursor *c = &tick->cursor;

	if (trigger_is_enabled(tick->source.core, trigger))
		return false;
	if (c->off == CURSOR_ON) {
		c->off = CURSOR_OFF;
		tick_save(tick);
	}
	tick->resting = true;
	if (c->off == CURSOR_HELD || !step)
		return true;
	if (step->what == TICKS_WAIT)
		tick_schedule(tick);
	else
		tick_hold(tick, step->nominal);
	return true;
}

/* It was disabled, and is not any more: it begins now. */
static void
tick_switch_on(struct tick *tick, const struct trigger *trigger)
{
	struct wall now = core_wall(tick->source.core);

	if (tick->cursor.off == CURSOR_ON || !trigger_is_enabled(tick->source.core, trigger))
		return;
	tick->cursor.off = CURSOR_ON;
	if (cron_expr(tick->cron)->reboot)
		tick->cursor.last = tick->source.core->started;
	else if (now.ms > tick->cursor.last.ms)
		tick->cursor.last = now;
	tick_save(tick);
}

static void
tick_judge(struct tick *tick, struct ticks_step *ret)
{
	struct core *core = tick->source.core;

	*ret = (struct ticks_step){.what = TICKS_WAIT, .nominal = WALL_NONE};
	if (tick_is_through(tick))
		return;
	if (!cron_expr(tick->cron)->reboot)
		ticks_due(tick->cron, &tick->policy, tick->cursor.last, core_wall(core), ret);
	else if (tick->cursor.last.ms != core->started.ms)
		/* The start of the daemon is the time: a reload finds that it has had its turn. */
		*ret = (struct ticks_step){.what = TICKS_RUN, .nominal = core->started};
}

void
tick_look(struct tick *tick)
{
	struct core *core = tick->source.core;
	const struct trigger *trigger = source_trigger(&tick->source);
	struct wall now = core_wall(core);
	struct ticks_step step, old = {.what = TICKS_RUN};

	alarm_set(alarm_of_all, &tick->due, HEAP_NEVER);
	if (tick->in_flight || !trigger)
		return;
	tick->resting = false;
	tick_switch_on(tick, trigger);
	if (now.ms < tick->cursor.last.ms && !cron_expr(tick->cron)->reboot)
		tick_go_back(tick, now);
	tick->policy.done = tick->cursor.done;
	tick_judge(tick, &step);
	if (tick_is_off(tick, trigger, &step))
		return;
	if (!trigger_is_on(core, trigger)) {
		tick->next = WALL_NONE;
		tick->resting = true;
		return;
	}
	if (step.what == TICKS_RUN && tick_gives_up(tick)) {
		tick->resting = true;
		return;
	}
	if (step.what != TICKS_WAIT)
		tick_fire(tick, &step, false);
	else if (backfill_next(tick, &old.nominal))
		tick_fire(tick, &old, true);
	else
		tick_schedule(tick);
}

static void
refresh_one(struct heap_item *item)
{
	struct tick *tick;

	if (item == &refresh_item)
		return;
	tick = CONTAINER_OF(item, struct tick, due);
	if (tick_refresh(tick))
		tick_look(tick);
}

static void
refresh_all(void)
{
	refresh_begin();
	alarm_each(alarm_of_all, refresh_one);
	alarm_set(alarm_of_all, &refresh_item, core_wall(core_of_all).ms + REFRESH_MS);
}

static void
on_due(struct heap_item *item)
{
	if (item == &refresh_item)
		refresh_all();
	else
		tick_look(CONTAINER_OF(item, struct tick, due));
}

static bool
alarm_begin(struct core *core, struct err *err)
{
	core_of_all = core;
	return alarm_of_all || alarm_new(core, on_due, on_due, &alarm_of_all, err);
}

/* With the last schedule. */
static void
alarm_end(void)
{
	if (alarm_count(alarm_of_all) > (refresh_item.place ? 1 : 0))
		return;
	alarm_remove(alarm_of_all, &refresh_item);
	alarm_free(alarm_of_all);
	alarm_of_all = NULL;
}

/* --- life ---------------------------------------------------------------------------------- */

/* Where the last daemon stopped; a schedule that is new, or another than it was, begins now. */
static bool
tick_resume(struct tick *tick, const struct conf_section *section, struct err *err)
{
	struct core *core = tick->source.core;
	struct wall now = core_wall(core);
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err none = ERR_INIT;
	char print[sizeof(tick->cursor.print)];
	struct cron_cursor *c = &tick->cursor;

	/* One transaction for all that are read at a start: each by itself would lock the file. */
	if (!turn_begin(core->store, err))
		return false;
	schedule_print(section, print);
	*c = (struct cron_cursor){.last = now,
				  .passed = TICKS_RANGE_NONE,
				  .done = TICKS_RANGE_NONE,
				  .backfill = TICKS_RANGE_NONE};
	if (cursors_get(core->store, tick->source.name, &text, &none)) {
		if (!cursor_parse(buf_str(&text), c, err))
			return false;
		if (!strcmp(c->print, print))
			return true;
		if (*c->print && now.ms > c->last.ms)
			c->last = now;
	} else if (none.code != E_NOT_FOUND) {
		return err_move(err, &none);
	}
	memcpy(c->print, print, sizeof(print));
	tick_save(tick);
	return true;
}

static void
tick_free(struct tick *tick)
{
	cron_free(tick->cron);
	source_fini(&tick->source);
	free(tick);
}

static void
cron_wake(struct source *source)
{
	struct tick *tick = CONTAINER_OF(source, struct tick, source);

	if (tick->resting)
		tick_look(tick);
}

static struct source *
cron_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct tick *tick = mem_alloc(sizeof(*tick));

	source_init(&tick->source, core, &cron_kind, trigger->name);
	tick->next = WALL_NONE;
	tick->in_flight = fire_is_pending(trigger->name);
	if (!tick_configure(tick, trigger->section, err) ||
	    !tick_resume(tick, trigger->section, err) || !alarm_begin(core, err)) {
		tick_free(tick);
		return NULL;
	}
	if (!refresh_item.place && strcmp(zone_name(cron_zone(tick->cron)), "UTC"))
		alarm_set(alarm_of_all, &refresh_item, core_wall(core).ms + REFRESH_MS);
	if (!trigger_is_enabled(core, trigger))
		tick_is_off(tick, trigger, NULL);
	/* Nothing fires from within a start: what is due, is due at once. */
	if (cron_expr(tick->cron)->reboot || tick->cursor.off != CURSOR_ON ||
	    wall_is_set(tick->cursor.backfill.from) || core_wall(core).ms < tick->cursor.last.ms)
		alarm_set(alarm_of_all, &tick->due, 0);
	else
		tick_schedule(tick);
	return &tick->source;
}

static void
cron_stop(struct source *source)
{
	struct tick *tick = CONTAINER_OF(source, struct tick, source);

	alarm_remove(alarm_of_all, &tick->due);
	tick_free(tick);
	alarm_end();
}

static struct wall
cron_next_of(struct source *source)
{
	return CONTAINER_OF(source, struct tick, source)->next;
}

/* What was done or missed before does not matter, where the schedule begins and ends does. */
static bool
cron_follows(struct source *source, struct wall after, struct wall *ret)
{
	struct tick *tick = CONTAINER_OF(source, struct tick, source);
	struct ticks_policy policy = tick->policy;

	policy.done = TICKS_RANGE_NONE;
	return ticks_next(tick->cron, &policy, after, ret);
}

const struct source_kind cron_kind = {.name = "cron",
				      .tables = cron_tables,
				      .trust = TRUST_TRUSTED,
				      .start = cron_start,
				      .stop = cron_stop,
				      .next = cron_next_of,
				      .follows = cron_follows,
				      .wake = cron_wake,
				      .backfill = cron_backfill};
