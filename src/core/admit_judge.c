/* Admission: what programs, settings, switches and rates say of what happened. */
/* SPDX-License-Identifier: MIT */
#include "core/admission.h"

#include "base/json.h"
#include "core/halt.h"
#include "core/overlap.h"
#include "core/rate.h"
#include "core/session.h"
#include "core/trust.h"
#include "store/runs.h"

bool
mapped_text(const struct mapped *mapped, struct buf *out)
{
	if (mapped->state != MAPPED_VALUE || str_eq_cstr(buf_str(&mapped->json), "null"))
		return false;
	if (!json_raw_string(buf_str(&mapped->json), out))
		buf_add_str(out, buf_str(&mapped->json));
	return true;
}

bool
outcome_set(struct admission *a, const char *outcome, const char *fmt, ...)
{
	va_list ap;

	a->result.outcome = outcome;
	buf_clear(&a->rule);
	va_start(ap, fmt);
	buf_vprintf(&a->rule, fmt, ap);
	va_end(ap);
	return true;
}

static bool
reject_failed(struct admission *a)
{
	for (int i = 0; i < PROGRAMS; i++) {
		if (a->mapped[i].state != MAPPED_FAILED)
			continue;
		err_set(&a->err, E_MAPPING, "%s of trigger %s failed on this event: %s",
			program_name((enum program_name)i), a->trigger->name,
			err_text(&a->mapped[i].err));
		return outcome_set(a, "rejected", "%s: %s", program_name((enum program_name)i),
				   err_text(&a->mapped[i].err));
	}
	return false;
}

static bool
filter_says_no(struct admission *a)
{
	const struct mapped *filter = &a->mapped[PROGRAM_FILTER];
	struct str value = buf_str(&filter->json);

	if (filter->state == MAPPED_EMPTY)
		return outcome_set(a, "filtered", "filter gave nothing: %s",
				   a->trigger->programs[PROGRAM_FILTER].text);
	if (filter->state == MAPPED_VALUE &&
	    (str_eq_cstr(value, "false") || str_eq_cstr(value, "null")))
		return outcome_set(a, "filtered", "filter gave %.*s: %s", STR_ARG(value),
				   a->trigger->programs[PROGRAM_FILTER].text);
	return false;
}

/* Rouse itself made it happen: the change of a run that this very trigger, or its agent, carried.
 */
static bool
wakes_itself(struct admission *a)
{
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!a->by_change || !a->trigger || !*a->cause.parent ||
	    !runs_get(a->core->store, a->cause.parent, &run, &err))
		return false;
	if (!strcmp(run.trigger, a->trigger->name))
		return outcome_set(a, "looped", "a change of run %s, which this trigger woke",
				   run.id);
	return !strcmp(run.agent, a->trigger->agent) &&
	       outcome_set(a, "looped", "a change of run %s, of the agent that it would wake",
			   run.id);
}

bool
mapping_decides(struct admission *a)
{
	const struct mapped *key = &a->mapped[PROGRAM_KEY];
	AUTO(err_fini) struct err denied = ERR_INIT;

	if (a->refused)
		return outcome_set(a, a->refused_as, "%s", a->refused);
	if (a->unreadable) {
		err_set(&a->err, E_MAPPING, "%s", a->unreadable);
		return outcome_set(a, "rejected", "%s", a->unreadable);
	}
	if (a->mapped[PROGRAM_FILTER].state != MAPPED_FAILED && filter_says_no(a))
		return true;
	if (reject_failed(a))
		return true;
	if (mapped_text(key, &a->key)) {
		a->has_key = true;
	} else if (key->state != MAPPED_NONE) {
		err_set(&a->err, E_MAPPING,
			"key of trigger %s gave nothing on this event; expected a string or a "
			"number",
			a->trigger->name);
		return outcome_set(a, "rejected", "key gave nothing");
	} else {
		buf_add_str(&a->key, buf_str(&a->natural_key));
	}
	mapped_text(&a->mapped[PROGRAM_ENTITY], &a->entity);
	if (a->mapped[PROGRAM_SESSION].state == MAPPED_VALUE)
		buf_clear(&a->session);
	mapped_text(&a->mapped[PROGRAM_SESSION], &a->session);
	if (a->session.len && !session_name_check(buf_str(&a->session), &a->err)) {
		err_prefix(&a->err, "session of trigger %s",
			   a->trigger ? a->trigger->name : a->agent->name);
		a->err.code = E_MAPPING;
		return outcome_set(a, "rejected", "%s", err_text(&a->err));
	}
	if (a->trigger && !a->entity.len && overlap_orders(a->overlap))
		buf_cat(&a->entity, "trigger/", a->trigger->name);
	if (a->mapped[PROGRAM_TENANT].state == MAPPED_VALUE)
		buf_clear(&a->tenant);
	mapped_text(&a->mapped[PROGRAM_TENANT], &a->tenant);
	if (a->mapped[PROGRAM_USER].state == MAPPED_VALUE)
		buf_clear(&a->user);
	mapped_text(&a->mapped[PROGRAM_USER], &a->user);
	if (!trust_admits(a->agent, a->trust, &denied))
		return outcome_set(a, "rejected", "%s", err_text(&denied));
	if (a->trigger && a->cause.hops > a->trigger->max_hops)
		return outcome_set(a, "looped", "hop %d, and max_hops is %d", a->cause.hops,
				   a->trigger->max_hops);
	return wakes_itself(a);
}

bool
door_is_shut(struct admission *a)
{
	const struct switches *switches = a->core->switches;
	int64_t wait_ms = 0;

	if (!a->trigger)
		return false;
	if (switch_is_on(switches, "trigger", a->trigger->name, "paused")) {
		err_set(&a->err, E_PAUSED, "trigger %s is paused; rouse resume --trigger %s",
			a->trigger->name, a->trigger->name);
		return outcome_set(a, "paused", "trigger %s is paused", a->trigger->name);
	}
	if (!a->by_hand && a->trigger->rate_count &&
	    !rate_take(a->core, a->trigger->name, a->trigger->rate_count, a->trigger->rate_per_ms,
		       &wait_ms)) {
		err_set(&a->err, E_RATE,
			"trigger %s takes %lld events per %lld ms; try again in %lld ms",
			a->trigger->name, (long long)a->trigger->rate_count,
			(long long)a->trigger->rate_per_ms, (long long)wait_ms);
		a->err.again_ms = wait_ms;
		return outcome_set(a, "shed", "rate: more than %lld per %lld ms",
				   (long long)a->trigger->rate_count,
				   (long long)a->trigger->rate_per_ms);
	}
	return false;
}
