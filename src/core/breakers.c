/* Breakers: who fails too often is left alone for a while; of agents, targets, models. SPEC 8, 10.
 */
/* SPDX-License-Identifier: MIT */
#include "core/breakers.h"

#include <assert.h>

#include "base/log.h"
#include "base/map.h"
#include "core/apply.h"
#include "core/notify.h"
#include "core/queue.h"
#include "core/stream.h"
#include "store/breakers.h"

#define ERROR_BYTES_MAX 500

static const char *const scope_names[] = {"agent", "target", "model"};
static_assert(ARRAY_LEN(scope_names) == BREAKER_SCOPES, "a name for every scope");

/* One of an agent, a target or a model that has ended something. */
struct guard {
	struct core *core;
	enum breaker_scope scope;
	char *name;
	struct breaker breaker;
	struct wall opened, until;
	char *error;
	struct core_timer *timer;
	/* Counts every change of what the row says; which one a turn has, and the disk. */
	unsigned version, written, kept;
	UT_hash_handle hh;
};

struct breakers {
	struct core *core;
	struct guard *guards[BREAKER_SCOPES];
};

struct breakers *
breakers_new(struct core *core)
{
	struct breakers *breakers = mem_alloc(sizeof(*breakers));

	breakers->core = core;
	return breakers;
}

static void
guard_free(struct guard *guard)
{
	HASH_DEL(guard->core->breakers->guards[guard->scope], guard);
	core_timer_free(guard->timer);
	free(guard->name);
	free(guard->error);
	free(guard);
}

void
breakers_free(struct breakers *breakers)
{
	struct guard *guard, *next;

	if (!breakers)
		return;
	for (int i = 0; i < BREAKER_SCOPES; i++)
		HASH_ITER (hh, breakers->guards[i], guard, next)
			guard_free(guard);
	free(breakers);
}

static struct guard *
guard_find(struct core *core, enum breaker_scope scope, const char *name)
{
	struct guard *guard;

	HASH_FIND_STR(core->breakers->guards[scope], name, guard);
	return guard;
}

static struct guard *
guard_of(struct core *core, enum breaker_scope scope, const char *name)
{
	struct guard *guard = guard_find(core, scope, name);

	if (guard)
		return guard;
	guard = mem_alloc(sizeof(*guard));
	guard->core = core;
	guard->scope = scope;
	guard->name = mem_strdup(name);
	guard->opened = guard->until = WALL_NONE;
	breaker_init(&guard->breaker);
	HASH_ADD_KEYPTR(hh, core->breakers->guards[scope], guard->name, strlen(guard->name), guard);
	return guard;
}

/* False: it is not configured (any more). */
static bool
policy_of(struct core *core, enum breaker_scope scope, const char *name, struct breaker_policy *ret)
{
	const struct agent *agent =
		scope == BREAKER_AGENT ? registry_agent(core->registry, name) : NULL;
	const struct target *target =
		scope == BREAKER_TARGET ? registry_target(core->registry, name) : NULL;
	const struct conf_section *model =
		scope == BREAKER_MODEL ? conf_section(registry_conf(core->registry), "model", name)
				       : NULL;

	if (agent)
		*ret = agent->breaker;
	else if (target)
		*ret = target->breaker;
	else if (model)
		*ret = registry_breaker(model);
	return agent || target || model;
}

/* --- telling ------------------------------------------------------------------------------- */

static void
guard_tell(const struct guard *guard)
{
	const char *state = breaker_state_name(guard->breaker.state);
	AUTO(json_auto_decref) json_t *object = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!stream_count(guard->core->stream))
		return;
	object = json_object();
	json_put_str(object, scope_names[guard->scope], guard->name);
	json_put_str(object, "state", state);
	if (guard->breaker.state == BREAKER_OPEN) {
		json_put_wall(object, "until", guard->until.ms);
		json_object_set_new(object, "failed", json_integer(guard->breaker.failed));
		json_object_set_new(object, "total", json_integer(guard->breaker.total));
		json_put_str(object, "error", guard->error);
	}
	json_write(&text, object);
	stream_publish(guard->core->stream, &(struct stream_event){.kind = "breaker",
								   .id = guard->name,
								   .type = state,
								   .data = buf_str(&text)});
}

static bool
guard_notify(const struct guard *guard, struct err *err)
{
	const char *scope = scope_names[guard->scope];
	bool agent = guard->scope == BREAKER_AGENT;
	AUTO(buf_fini)
	struct buf subject = BUF_INIT, text = BUF_INIT, todo = BUF_INIT, topic = BUF_INIT;

	if (!notify_wants(guard->core, NOTIFY_BREAKER_OPEN))
		return true;
	buf_cat(&topic, scope, "/", guard->name);
	buf_cat(&subject, "the breaker of ", scope, " ", guard->name, " is open");
	buf_printf(&text, "%u of the last %u %s failed; nothing is tried until ",
		   guard->breaker.failed, guard->breaker.total,
		   agent ? "attempts" : "applications");
	wall_format(guard->until, &text);
	buf_cat(&text, ", then one is.", guard->error ? " Last failure: " : "",
		guard->error ? guard->error : "");
	if (agent)
		buf_cat(&todo, "rouse run list --agent ", guard->name, " --status failed");
	else
		buf_cat(&todo, "rouse change list --target ", guard->name, " --status failed");
	return notify_raise(guard->core,
			    &(struct notify_fact){.event = NOTIFY_BREAKER_OPEN,
						  .topic = buf_cstr(&topic),
						  .subject = buf_cstr(&subject),
						  .text = buf_cstr(&text),
						  .todo = buf_cstr(&todo),
						  .agent = agent ? guard->name : NULL},
			    err);
}

static void
guard_log(const struct guard *guard)
{
	AUTO(buf_fini) struct buf until = BUF_INIT, share = BUF_INIT;

	if (guard->breaker.state == BREAKER_CLOSED) {
		log_info("breaker closes", scope_names[guard->scope], guard->name);
		return;
	}
	wall_format(guard->until, &until);
	buf_printf(&share, "%u of %u", guard->breaker.failed, guard->breaker.total);
	log_warning("breaker opens", scope_names[guard->scope], guard->name, "failed",
		    buf_cstr(&share), "until", buf_cstr(&until), "error", guard->error);
}

/* --- time ---------------------------------------------------------------------------------- */

static void
guard_wake(const struct guard *guard)
{
	if (guard->scope == BREAKER_AGENT)
		queue_wake(guard->core->queue, NULL); /* of any agent that falls back on it */
	else if (guard->scope == BREAKER_TARGET)
		apply_wake(guard->core->apply, guard->name);
}

/* True: one more may begin. */
static bool
guard_admits(struct guard *guard)
{
	enum breaker_state before = guard->breaker.state;
	bool admits = breaker_admits(&guard->breaker, clock_mono(guard->core->clock));

	if (guard->breaker.state != before) {
		log_info("breaker tries one", scope_names[guard->scope], guard->name);
		guard_tell(guard);
	}
	return admits;
}

static void guard_on_rested(void *arg);

static void
guard_arm(struct guard *guard)
{
	int64_t left = guard->breaker.until.ms - clock_mono(guard->core->clock).ms;

	if (guard->breaker.state == BREAKER_OPEN)
		core_timer_arm(guard->core, &guard->timer, left > 0 ? left : 1, guard_on_rested,
			       guard);
	else if (guard->timer)
		core_timer_stop(guard->timer);
}

/* The loop's clock may be a little ahead of ours. */
static void
guard_on_rested(void *arg)
{
	struct guard *guard = arg;

	guard_admits(guard);
	if (guard->breaker.state == BREAKER_OPEN)
		guard_arm(guard);
	else
		guard_wake(guard);
}

/* --- load, reload -------------------------------------------------------------------------- */

static enum breaker_scope
scope_of(const char *name)
{
	int scope = 0;

	while (scope < BREAKER_SCOPES - 1 && strcmp(name, scope_names[scope]))
		scope++;
	return (enum breaker_scope)scope;
}

/* The clock may have been set meanwhile: no rest is longer than what is configured. */
static void
on_row(void *arg, const struct breaker_row *row)
{
	struct core *core = arg;
	enum breaker_scope scope = scope_of(row->scope);
	struct guard *guard = guard_of(core, scope, row->name);
	int64_t left = row->until.ms - core_wall(core).ms;
	struct breaker_policy policy;

	if (left < 0)
		left = 0;
	if (policy_of(core, scope, row->name, &policy) && left > policy.cooldown_ms)
		left = policy.cooldown_ms;
	breaker_restore(&guard->breaker, (struct mono){clock_mono(core->clock).ms + left},
			(unsigned)row->failed, (unsigned)row->total);
	guard->opened = row->opened;
	guard->until = (struct wall){left ? core_wall(core).ms + left : row->until.ms};
	guard->error = mem_strdup(row->error);
	guard_arm(guard);
}

bool
breakers_load(struct core *core, struct err *err)
{
	if (!breakers_each(core->store, on_row, core, err))
		return false;
	breakers_reload(core);
	return true;
}

void
breakers_reload(struct core *core)
{
	struct guard *guard, *next;
	struct breaker_policy policy;

	for (int i = 0; i < BREAKER_SCOPES; i++) {
		HASH_ITER (hh, core->breakers->guards[i], guard, next) {
			AUTO(err_fini) struct err err = ERR_INIT;

			if (policy_of(core, guard->scope, guard->name, &policy))
				continue;
			if (guard->breaker.state != BREAKER_CLOSED &&
			    !breakers_drop(core->store, scope_names[i], guard->name, &err))
				log_warning("breaker of what is gone stays", scope_names[i],
					    guard->name, "error", err_text(&err));
			guard_free(guard);
		}
	}
}

/* --- what begins and ends ------------------------------------------------------------------ */

bool
breakers_admit(struct core *core, enum breaker_scope scope, const char *name)
{
	struct guard *guard = guard_find(core, scope, name);

	return !guard || guard_admits(guard);
}

void
breakers_begin(struct core *core, enum breaker_scope scope, const char *name, int64_t who)
{
	struct guard *guard = guard_find(core, scope, name);

	if (guard)
		breaker_begin(&guard->breaker, who);
}

void
breakers_adopt(struct core *core, enum breaker_scope scope, const char *name, int64_t who,
	       struct wall began)
{
	struct guard *guard = guard_find(core, scope, name);

	if (guard && guard->breaker.state != BREAKER_CLOSED && began.ms >= guard->until.ms &&
	    guard_admits(guard))
		breaker_begin(&guard->breaker, who);
}

void
breakers_end(struct core *core, enum breaker_scope scope, const char *name, int64_t who,
	     enum breaker_outcome outcome, const char *why)
{
	struct mono now = clock_mono(core->clock);
	struct breaker_policy policy;
	struct guard *guard;

	if (!policy_of(core, scope, name, &policy))
		return;
	guard = guard_of(core, scope, name);
	if (!breaker_end(&guard->breaker, &policy, who, outcome, now)) {
		/* Its probe said nothing: the next may be one. */
		if (guard->breaker.state == BREAKER_HALF_OPEN)
			guard_wake(guard);
		return;
	}
	guard->version++;
	free(guard->error);
	guard->error = NULL;
	if (guard->breaker.state == BREAKER_OPEN) {
		guard->opened = core_wall(core);
		guard->until = (struct wall){guard->opened.ms + policy.cooldown_ms};
		guard->error = why ? str_dup(str_make(why, strnlen(why, ERROR_BYTES_MAX))) : NULL;
	}
	guard_log(guard);
	guard_arm(guard);
	guard_wake(guard);
}

bool
breakers_store(struct core *core, enum breaker_scope scope, const char *name, struct err *err)
{
	struct guard *guard = guard_find(core, scope, name);

	if (!guard || guard->kept == guard->version)
		return true;
	if (guard->breaker.state == BREAKER_CLOSED) {
		if (!breakers_drop(core->store, scope_names[scope], name, err))
			return false;
	} else if (!breakers_set(core->store,
				 &(struct breaker_row){.scope = scope_names[scope],
						       .name = name,
						       .opened = guard->opened,
						       .until = guard->until,
						       .failed = guard->breaker.failed,
						       .total = guard->breaker.total,
						       .error = guard->error},
				 err)) {
		return false;
	}
	if (guard->breaker.state == BREAKER_OPEN && !guard_notify(guard, err))
		return false;
	guard->written = guard->version;
	guard_tell(guard);
	return true;
}

void
breakers_kept(struct core *core, enum breaker_scope scope, const char *name)
{
	struct guard *guard = guard_find(core, scope, name);

	if (guard)
		guard->kept = guard->written;
}

/* --- looking ------------------------------------------------------------------------------- */

const struct agent *
breakers_carrier(struct core *core, const struct agent *agent)
{
	/* No circle: registry_new() refuses one. */
	while (agent && !breakers_admit(core, BREAKER_AGENT, agent->name))
		agent = agent->fallback ? registry_agent(core->registry, agent->fallback) : NULL;
	return agent;
}

void
breakers_look(struct core *core, enum breaker_scope scope, const char *name,
	      struct breaker_view *ret)
{
	const struct guard *guard = guard_find(core, scope, name);
	struct breaker_policy policy;

	*ret = (struct breaker_view){
		.state = BREAKER_CLOSED, .opened = WALL_NONE, .until = WALL_NONE};
	if (!guard)
		return;
	ret->state = guard->breaker.state;
	if (ret->state == BREAKER_CLOSED) {
		if (policy_of(core, scope, name, &policy))
			breaker_count(&guard->breaker, &policy, clock_mono(core->clock),
				      &ret->failed, &ret->total);
		return;
	}
	ret->opened = guard->opened;
	ret->until = guard->until;
	ret->failed = guard->breaker.failed;
	ret->total = guard->breaker.total;
	ret->error = guard->error;
}
