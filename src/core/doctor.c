/* Doctor: what the daemon knows of itself: sources, breakers, queue, dead letters, shims, store. */
/* SPDX-License-Identifier: MIT */
#include "core/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "core/breakers.h"
#include "core/halt.h"
#include "core/notify.h"
#include "core/source.h"
#include "core/vigil.h"
#include "io/machine.h"
#include "io/spool.h"
#include "pure/duration.h"
#include "store/runs.h"
#include "store/schema.h"

void
doctor_say(json_t *rows, const char *check, enum doctor_state state, const char *advice,
	   const char *fmt, ...)
{
	static const char *const names[] = {"ok", "warn", "fail"};
	AUTO(buf_fini) struct buf found = BUF_INIT;
	json_t *row = json_object();
	va_list args;

	va_start(args, fmt);
	buf_vprintf(&found, fmt, args);
	va_end(args);
	json_put_str(row, "check", check);
	json_put_str(row, "state", names[state]);
	json_put_str(row, "found", buf_cstr(&found));
	if (advice)
		json_put_str(row, "advice", advice);
	json_array_append_new(rows, row);
}

/* --- sources ------------------------------------------------------------------------------- */

static void
say_trigger(struct core *core, const struct trigger *trigger, json_t *rows)
{
	AUTO(buf_fini) struct buf advice = BUF_INIT;
	struct trigger_state state;
	bool stale;

	trigger_state_get(core, trigger, &state);
	stale = state.health == HEALTH_STALE;
	buf_printf(&advice, "rouse why %s tells when it last heard something, and of whom",
		   trigger->name);
	doctor_say(rows, "sources", stale ? DOCTOR_WARN : DOCTOR_FAIL, buf_cstr(&advice),
		   "trigger %s is %s%s%s", trigger->name, source_health_name(state.health),
		   state.last_error && !stale ? ": " : "",
		   state.last_error && !stale ? state.last_error : "");
}

static void
look_sources(struct core *core, json_t *rows)
{
	size_t count = registry_trigger_count(core->registry), ill = 0, on = 0;

	for (size_t i = 0; i < count; i++) {
		const struct trigger *trigger = registry_trigger_at(core->registry, i);
		enum source_health health = trigger_health(core, trigger);

		on += health != HEALTH_STOPPED;
		if (health != HEALTH_FAILING && health != HEALTH_STALE)
			continue;
		if (++ill <= DOCTOR_ROWS)
			say_trigger(core, trigger, rows);
	}
	if (ill > DOCTOR_ROWS)
		doctor_say(rows, "sources", DOCTOR_WARN, "rouse trigger list",
			   "%zu more are failing or stale", ill - DOCTOR_ROWS);
	if (!ill)
		doctor_say(rows, "sources", DOCTOR_OK, NULL,
			   "of %zu triggers %zu are on, and none is failing or stale", count, on);
}

/* --- breakers, those who are told ---------------------------------------------------------- */

static size_t
look_breaker(struct core *core, enum breaker_scope scope, const char *what, const char *name,
	     json_t *rows)
{
	struct breaker_view view;

	breakers_look(core, scope, name, &view);
	if (view.state == BREAKER_CLOSED)
		return 0;
	doctor_say(rows, "breakers", DOCTOR_WARN,
		   "it is tried again by itself; rouse why and rouse dlq list say what failed",
		   "%s %s is left alone, %u of %u failed%s%s", what, name, view.failed, view.total,
		   view.error ? ", the last: " : "", view.error ? view.error : "");
	return 1;
}

static void
look_breakers(struct core *core, json_t *rows)
{
	size_t open = 0;

	for (size_t i = 0; i < registry_agent_count(core->registry) && open < DOCTOR_ROWS; i++)
		open += look_breaker(core, BREAKER_AGENT, "agent",
				     registry_agent_at(core->registry, i)->name, rows);
	for (size_t i = 0; i < registry_target_count(core->registry) && open < DOCTOR_ROWS; i++)
		open += look_breaker(core, BREAKER_TARGET, "target",
				     registry_target_at(core->registry, i)->name, rows);
	if (!open)
		doctor_say(rows, "breakers", DOCTOR_OK, NULL, "none is open");
}

static void
look_notify(struct core *core, json_t *rows)
{
	AUTO(json_auto_decref) json_t *all = notify_objects(core);
	size_t i, ill = 0;
	json_t *one;

	json_array_foreach (all, i, one) {
		const char *error = json_str(one, "last_error");

		if (!error || !*error || !json_int(one, "waiting", 0))
			continue;
		if (++ill <= DOCTOR_ROWS)
			doctor_say(
				rows, "notifications", DOCTOR_FAIL,
				"rouse notify test NAME sends one now, and says what became of it",
				"%s does not reach anybody: %s", json_str(one, "name"), error);
	}
	if (!ill)
		doctor_say(rows, "notifications", DOCTOR_OK, NULL, "%s",
			   json_array_size(all) ? "the last ones were sent"
						: "nobody is to be told of anything");
}

/* --- what waits ---------------------------------------------------------------------------- */

static void
look_queue(struct core *core, json_t *rows)
{
	AUTO(buf_fini) struct buf age = BUF_INIT;
	struct wall oldest = WALL_NONE, now = core_wall(core);
	int64_t dead = 0;

	runs_oldest_queued(core->store, &oldest, NULL);
	runs_count_dead(core->store, &dead, NULL);
	if (wall_is_set(oldest) && now.ms > oldest.ms)
		duration_print((now.ms - oldest.ms) / 1000 * 1000, &age);
	if (core_is_halted(core))
		doctor_say(rows, "queue", DOCTOR_FAIL, "rouse resume goes on",
			   "everything is halted");
	else if (switch_is_on(core->switches, "all", "", "paused"))
		doctor_say(rows, "queue", DOCTOR_WARN, "rouse resume goes on",
			   "everything is paused");
	else if (vigil_is_late(core))
		doctor_say(rows, "queue", DOCTOR_WARN,
			   "rouse why RUN says what the oldest waits for: rouse run list --status "
			   "queued",
			   "what waits longest has waited for %s", buf_cstr(&age));
	else
		doctor_say(rows, "queue", DOCTOR_OK, NULL, "nothing waits longer than it should");
	if (dead)
		doctor_say(rows, "dead letters", DOCTOR_WARN,
			   "rouse dlq list; rouse dlq replay or drop",
			   "%lld failed runs wait for somebody", (long long)dead);
	else
		doctor_say(rows, "dead letters", DOCTOR_OK, NULL, "there are none");
}

/* --- shims --------------------------------------------------------------------------------- */

struct shims {
	const struct core *core;
	json_t *rows;
	size_t ours, lost;
};

/* One whose folder is gone, or names one that is dead: nobody will ever hear what it says. */
static void
look_shim(void *arg, pid_t pid, const char *folder)
{
	struct shims *shims = arg;
	size_t len = strlen(shims->core->spool_root);
	pid_t named;
	uint64_t start;

	if (strncmp(folder, shims->core->spool_root, len) != 0 || folder[len] != '/')
		return;
	shims->ours++;
	/* What it has just forked looks like it, under another pid. */
	if (!access(folder, F_OK) &&
	    (!spool_shim_began(folder) || spool_shim_alive(folder, &named, &start)))
		return;
	if (!os_process_start(pid)) /* it has ended meanwhile */
		return;
	if (++shims->lost <= DOCTOR_ROWS)
		doctor_say(shims->rows, "shims", DOCTOR_WARN,
			   "kill it, when ps shows nothing of worth below it",
			   "process %d is a rouse-shim whose folder %s belongs to it no more",
			   (int)pid, folder);
}

static void
look_shims(struct core *core, json_t *rows)
{
	struct shims shims = {.core = core, .rows = rows};

	if (!core->spool_root)
		return;
	machine_processes("rouse-shim", look_shim, &shims);
	if (!shims.lost)
		doctor_say(rows, "shims", DOCTOR_OK, NULL,
			   "%zu live, each with a run or a session of its own", shims.ours);
}

/* --- who starts runs ----------------------------------------------------------------------- */

static void
look_means(struct core *core, json_t *rows)
{
	json_t *means = registry_means(core);
	const char *refused = means ? json_str(means, "refused") : NULL;

	if (refused)
		doctor_say(
			rows, "runs", DOCTOR_WARN,
			"install polkitd, see that its rule 50-rouse.rules and "
			"rouse-run@.service are there, then restart the daemon; or set daemon.runs "
			"= own",
			"systemd does not start them: %s", refused);
	else if (means)
		doctor_say(rows, "runs", DOCTOR_OK, NULL, "started %s",
			   json_str(means, "executor"));
	json_decref(means);
}

/* --- the store ----------------------------------------------------------------------------- */

static void
look_store(struct core *core, json_t *rows)
{
	struct store_stats stats = store_stats(core->store);
	AUTO(buf_fini) struct buf size = BUF_INIT;

	size_print(stats.file_bytes >> 20 << 20, &size);
	if (!store_is_writable(core->store))
		doctor_say(rows, "database", DOCTOR_FAIL,
			   stats.full ? "make room on the disk; it goes on by itself"
				      : "look at the disk (dmesg), then restart the daemon",
			   "%s",
			   stats.full ? "the disk is full: nothing new is accepted"
				      : "it cannot be written");
	else
		doctor_say(rows, "database", DOCTOR_OK, NULL,
			   "it is written, schema %d, %s (rouse db check reads all of it)",
			   schema_version, stats.file_bytes >> 20 ? buf_cstr(&size) : "below 1M");
}

void
doctor_core(struct core *core, json_t *rows)
{
	look_store(core, rows);
	look_sources(core, rows);
	look_queue(core, rows);
	look_breakers(core, rows);
	look_notify(core, rows);
	look_shims(core, rows);
	look_means(core, rows);
}
