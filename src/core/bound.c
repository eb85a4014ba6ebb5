/* The bound of the database: told of before it is reached, and kept. SPEC 3, retention.max_db_size.
 */
/* SPDX-License-Identifier: MIT */
#include "core/bound.h"

#include <stdio.h>

#include "base/log.h"
#include "core/keep.h"
#include "core/notify.h"
#include "core/registry.h"

/* Of a hundred. */
#define SLACK 3

static const struct {
	const char *name;
	int percent;
} levels[] = {
	[BOUND_NONE] = {"ok", 0},
	[BOUND_LARGE] = {"large", 80},
	[BOUND_TIGHT] = {"tight", 95},
	[BOUND_FULL] = {"full", 100},
};

const char *
bound_name(enum bound_level level)
{
	return levels[level].name;
}

int64_t
bound_max(const struct core *core)
{
	const struct conf_section *section =
		conf_section(registry_conf(core->registry), "retention", "");

	return conf_is_set(section, "max_db_size") ? conf_int(section, "max_db_size") : 0;
}

static enum bound_level
level_of(int64_t used, int64_t max, enum bound_level was)
{
	enum bound_level level = BOUND_FULL;

	while (level > BOUND_NONE) {
		int percent = levels[level].percent - (level <= was ? SLACK : 0);

		if ((double)used >= (double)max * percent / 100)
			break;
		level--;
	}
	return level;
}

static void
level_notify(struct core *core, enum bound_level level, int percent)
{
	AUTO(buf_fini) struct buf subject = BUF_INIT, text = BUF_INIT;

	if (!notify_wants(core, NOTIFY_STORE))
		return;
	buf_printf(&subject, "the database is at %d %% of its bound", percent);
	buf_printf(
		&text,
		"%lld of the %lld bytes of retention.max_db_size are in use. %s Raise the bound, "
		"or keep less ([retention]).",
		(long long)core->bound.used, (long long)bound_max(core),
		level == BOUND_FULL
			? "New events are refused (503) and tried again by their senders; what "
			  "was begun goes on."
			: "At 100 % new events are refused.");
	notify_say(core, &(struct notify_fact){.event = NOTIFY_STORE,
					       .topic = bound_name(level),
					       .subject = buf_cstr(&subject),
					       .text = buf_cstr(&text),
					       .todo = "rouse status"});
}

static void
level_tell(struct core *core, enum bound_level level, enum bound_level was)
{
	int64_t max = bound_max(core);
	int percent = max ? (int)((double)core->bound.used * 100 / (double)max) : 0;
	char shown[24];

	snprintf(shown, sizeof(shown), "%d%%", percent);
	if (level < was) {
		log_info("the database is further from its bound (retention.max_db_size)", "used",
			 max ? shown : NULL, "level", bound_name(level));
		return;
	}
	if (level == BOUND_FULL)
		log_error("the database has reached retention.max_db_size: nothing new is taken, "
			  "what was begun goes on; raise it, or keep less",
			  "used", shown);
	else
		log_warning("the database comes near retention.max_db_size", "used", shown, "level",
			    bound_name(level));
	level_notify(core, level, percent);
}

enum bound_level
bound_look(struct core *core)
{
	struct bound *bound = &core->bound;
	int64_t max = bound_max(core);
	enum bound_level was = bound->level;

	if (!max && was == BOUND_NONE)
		return was;
	bound->used = max ? store_used_bytes(core->store) : 0;
	bound->level = max ? level_of(bound->used, max, was) : BOUND_NONE;
	if (bound->level >= BOUND_TIGHT && core->keep)
		keep_hurry(core->keep);
	if ((enum bound_level)bound->level != was)
		level_tell(core, bound->level, was);
	return bound->level;
}

bool
bound_check(struct core *core, struct err *err)
{
	if (bound_look(core) != BOUND_FULL)
		return true;
	err_set(err, E_FULL,
		"the database has reached its bound (retention.max_db_size); it goes on when there "
		"is room");
	if (err)
		err->again_ms = 60000;
	return false;
}
