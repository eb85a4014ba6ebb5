/* Switches: pause, halt, disable; durable, looked up in memory. */
/* SPDX-License-Identifier: MIT */
#include "core/halt.h"

#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "core/agent.h"
#include "core/apply.h"
#include "core/attempt.h"
#include "core/queue.h"
#include "core/session.h"
#include "core/source.h"
#include "store/changes.h"
#include "store/state.h"

/* A halt is over in 10 s, whatever grace agents have. */
#define GRACE_MS 4000

struct entry {
	char *scope, *name, *kind, *by;
	struct wall since;
	char *key; /* scope/kind/name */
	UT_hash_handle hh;
};

struct switches {
	struct core *core;
	struct entry *entries;
	const char **paused[2]; /* the lists last asked for: of triggers, of the rest */
};

static void
key_of(struct buf *out, const char *scope, const char *name, const char *kind)
{
	buf_cat(out, scope, "/", kind, "/", name);
}

static struct entry *
entry_find(const struct switches *switches, const char *scope, const char *name, const char *kind)
{
	AUTO(buf_fini) struct buf key = BUF_INIT;
	struct entry *entry;

	if (!switches->entries)
		return NULL;
	key_of(&key, scope, name, kind);
	HASH_FIND(hh, switches->entries, buf_cstr(&key), key.len, entry);
	return entry;
}

static bool
entry_add(void *arg, const char *scope, const char *name, const char *kind, const char *by,
	  struct wall at)
{
	struct switches *switches = arg;
	struct entry *entry;
	struct buf key = BUF_INIT;

	if (entry_find(switches, scope, name, kind))
		return true;
	entry = mem_alloc(sizeof(*entry));
	entry->scope = mem_strdup(scope);
	entry->name = mem_strdup(name);
	entry->kind = mem_strdup(kind);
	entry->by = mem_strdup(by);
	entry->since = at;
	key_of(&key, scope, name, kind);
	entry->key = buf_take(&key);
	HASH_ADD_KEYPTR(hh, switches->entries, entry->key, strlen(entry->key), entry);
	return true;
}

static void
entry_free(struct switches *switches, struct entry *entry)
{
	HASH_DEL(switches->entries, entry);
	free(entry->scope);
	free(entry->name);
	free(entry->kind);
	free(entry->by);
	free(entry->key);
	free(entry);
}

struct switches *
switches_new(struct core *core, struct err *err)
{
	struct switches *switches = mem_alloc(sizeof(*switches));

	switches->core = core;
	if (switches_list(core->store, entry_add, switches, err))
		return switches;
	switches_free(switches);
	return NULL;
}

void
switches_free(struct switches *switches)
{
	struct entry *entry, *next;

	if (!switches)
		return;
	HASH_ITER (hh, switches->entries, entry, next)
		entry_free(switches, entry);
	free(switches->paused[0]);
	free(switches->paused[1]);
	free(switches);
}

bool
switch_is_on(const struct switches *switches, const char *scope, const char *name, const char *kind)
{
	return entry_find(switches, scope, name, kind) != NULL;
}

struct wall
switch_since(const struct switches *switches, const char *scope, const char *name, const char *kind)
{
	const struct entry *entry = entry_find(switches, scope, name, kind);

	return entry ? entry->since : WALL_NONE;
}

bool
core_is_halted(const struct core *core)
{
	return switch_is_on(core->switches, "all", "", "halted");
}

static void
halt_running(struct core *core, const char *reason)
{
	struct attempt *attempt, *next;

	LIST_FOREACH_SAFE (attempt, attempts_live(core), entry, next) {
		if (attempt->agent && attempt->agent->kind->hurry)
			attempt->agent->kind->hurry(attempt, GRACE_MS);
		attempt_stop(attempt, "cancelled", reason);
	}
}

void
halt_enforce(struct core *core)
{
	if (core_is_halted(core)) {
		halt_running(core, "the daemon was halted");
		sessions_dismiss(core, NULL, "the daemon was halted");
	}
}

/* What follows a switch once it is on disk; or memory says again what the disk says. */
static void
on_switched(void *arg, const struct err *err)
{
	struct core *core = arg;
	struct switches *switches = core->switches;
	AUTO(err_fini) struct err failure = ERR_INIT;
	struct entry *entry, *next;

	if (err->code != E_OK) {
		HASH_ITER (hh, switches->entries, entry, next)
			entry_free(switches, entry);
		if (!switches_list(core->store, entry_add, switches, &failure))
			log_error("switches cannot be read", "error", err_text(&failure));
	}
	/* Runs that were claimed in the turn of the halt have become attempts since. */
	halt_enforce(core);
	queue_wake(core->queue, NULL);
	apply_wake(core->apply, NULL);
	sources_wake(core->sources);
}

struct trigger_turn {
	struct core *core;
	char name[];
};

/* Also where the COMMIT failed: then it is as it was. */
static void
on_trigger_turned(void *arg, const struct err *err UNUSED)
{
	struct trigger_turn *turn = arg;

	sources_switched(turn->core, turn->name);
	free(turn);
}

static void
trigger_turned(struct core *core, const char *name)
{
	size_t size = strlen(name) + 1;
	struct trigger_turn *turn = mem_alloc(sizeof(*turn) + size);

	turn->core = core;
	memcpy(turn->name, name, size);
	turn_after(core->store, on_trigger_turned, turn);
}

static bool
switch_rows(struct core *core, const char *scope, const char *name, const char *kind, bool on,
	    const char *by, struct err *err)
{
	struct wall now = core_wall(core);

	return (on ? switches_set(core->store, scope, name, kind, by, now, err)
		   : switches_clear(core->store, scope, name, kind, err)) &&
	       decisions_add(core->store, *name ? scope : "daemon", *name ? name : "rouse", kind,
			     by, on ? "on" : "off", NULL, now, err);
}

bool
switch_turn(struct core *core, const char *scope, const char *name, const char *kind, bool on,
	    const char *by, struct err *err)
{
	struct entry *entry;

	if (!turn_savepoint(core->store, err))
		return false;
	if (!switch_rows(core, scope, name, kind, on, by, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	if (on)
		entry_add(core->switches, scope, name, kind, by, core_wall(core));
	else if ((entry = entry_find(core->switches, scope, name, kind)))
		entry_free(core->switches, entry);
	turn_after(core->store, on_switched, core);
	if (!strcmp(scope, "trigger"))
		trigger_turned(core, name);
	log_info(on ? "switched on" : "switched off", "what", kind, "scope", scope, "name", name,
		 "by", by);
	return true;
}

const char *const *
switches_paused(const struct switches *switches_const, const char *scope)
{
	struct switches *switches = (struct switches *)switches_const;
	struct entry *entry, *next;
	const char ***list = &switches->paused[!strcmp(scope, "trigger") ? 0 : 1];
	size_t count = 0;

	if (!switches->entries)
		return NULL;
	free(*list);
	*list = mem_alloc_array(HASH_COUNT(switches->entries) + 1, sizeof(**list));
	HASH_ITER (hh, switches->entries, entry, next)
		if (!strcmp(entry->scope, scope) && !strcmp(entry->kind, "paused"))
			(*list)[count++] = entry->name;
	return count ? *list : NULL;
}

json_t *
switches_json(const struct switches *switches)
{
	json_t *list = json_array();
	struct entry *entry, *next;

	HASH_ITER (hh, switches->entries, entry, next) {
		json_t *item = json_object();

		json_put_str(item, "scope", entry->scope);
		json_put_str(item, "name", entry->name);
		json_put_str(item, "kind", entry->kind);
		json_put_wall(item, "since", entry->since.ms);
		json_put_str(item, "by", entry->by);
		json_array_append_new(list, item);
	}
	return list;
}
