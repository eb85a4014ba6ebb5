/* Backfill: times of the past that a person wants to have happened; each still happens once. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/inside.h"

#include "base/json.h"
#include "base/log.h"
#include "store/state.h"

bool
backfill_next(struct tick *tick, struct wall *ret)
{
	const struct ticks_range *range = &tick->cursor.backfill;
	struct ticks_policy policy = tick->policy;

	if (!wall_is_set(range->from))
		return false;
	policy.done = TICKS_RANGE_NONE;
	if (ticks_next(tick->cron, &policy, range->from, ret) && ret->ms <= range->to.ms)
		return true;
	/* The schedule was edited meanwhile, and has none of these times. */
	tick->cursor.backfill = TICKS_RANGE_NONE;
	tick_save(tick);
	return false;
}

static bool
backfill_allowed(const struct tick *tick, const struct source_backfill *wanted, struct err *err)
{
	struct wall now = core_wall(tick->source.core);

	if (cron_expr(tick->cron)->reboot)
		return err_set(err, E_INVALID, "@reboot has no times to fill in");
	if (wanted->to.ms <= wanted->from.ms)
		return err_set(err, E_INVALID,
			       "`to` is not after `from`; from is exclusive, to inclusive");
	if (wanted->to.ms > now.ms)
		return err_set(
			err, E_INVALID,
			"`to` lies in the future; a schedule fires what is to come by itself");
	if (wall_is_set(tick->cursor.backfill.from))
		return err_set(err, E_STATE,
			       "a backfill of trigger %s goes on; try again when it is through",
			       tick->source.name);
	if (tick->in_flight || fire_is_pending(tick->source.name))
		return err_set(err, E_UNAVAILABLE,
			       "trigger %s fires at this moment; try again at once",
			       tick->source.name);
	return true;
}

bool
cron_backfill(struct source *source, const struct source_backfill *wanted, json_t *ret_answer,
	      struct err *err)
{
	struct tick *tick = CONTAINER_OF(source, struct tick, source);
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct ticks_policy policy = tick->policy;
	struct cron_cursor after = tick->cursor;
	uint64_t count;

	if (!backfill_allowed(tick, wanted, err))
		return false;
	policy.done = TICKS_RANGE_NONE;
	count = ticks_count(tick->cron, &policy, wanted->from, wanted->to, BACKFILL_MAX + 1);
	if (count > BACKFILL_MAX)
		return err_set(err, E_INVALID,
			       "more than %d times lie in between; fill in a part at a time",
			       BACKFILL_MAX);
	json_object_set_new(ret_answer, "count", json_integer((json_int_t)count));
	if (!count || wanted->plan)
		return true;
	after.backfill = (struct ticks_range){wanted->from, wanted->to};
	snprintf(after.overlap, sizeof(after.overlap), "%s", wanted->overlap);
	cursor_print(&after, &text);
	if (!cursors_set(source->core->store, source->name, buf_str(&text), err))
		return false;
	tick->cursor = after;
	log_info("times are filled in", "trigger", source->name, "by", wanted->by);
	tick_wait(tick, 0);
	return true;
}
