/* Runs that wait for money, and when they are tried again. */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"
#include "core/batch.h"
#include "core/ledger_inside.h"
#include "core/queue.h"

#define UNHOLD_MOST 64
#define UNHOLD_ALL 1000
#define RETRY_MS 1000

static void
held_free(struct ledger *ledger, struct held *held)
{
	HASH_DEL(ledger->held, held);
	free(held->key);
	free(held);
}

void
held_free_all(struct ledger *ledger)
{
	struct held *held, *next;

	HASH_ITER (hh, ledger->held, held, next)
		held_free(ledger, held);
}

static struct held *
held_of(struct ledger *ledger, const char *key)
{
	struct held *held;

	HASH_FIND_STR(ledger->held, key, held);
	if (held)
		return held;
	held = mem_alloc(sizeof(*held));
	held->key = mem_strdup(key);
	HASH_ADD_KEYPTR(hh, ledger->held, held->key, strlen(held->key), held);
	return held;
}

bool
ledger_hold(struct core *core, const struct run_row *run, const struct hold *hold, const char *why,
	    struct err *err)
{
	if (!runs_hold(core->store, run->seq, buf_cstr(&hold->scope), hold->until, why, err))
		return false;
	held_of(core->ledger, buf_cstr(&hold->scope));
	if (run->batch && str_starts(buf_str(&hold->scope), STR("batch/")))
		batches_wake_id(core, run->batch);
	log_debug("run waits for its budget", "run", run->id, "scope", buf_cstr(&hold->scope));
	queue_wake_at(core->queue, hold->until);
	return true;
}

/* True: all that waited for it has been told. */
static bool
held_wake(struct ledger *ledger, const char *key, unsigned most, struct err *err)
{
	struct core *core = ledger->core;
	int64_t count = 0;

	if (!runs_unhold(core->store, key, most, core_wall(core), &count, err))
		return false;
	if (count)
		queue_wake_at(core->queue, core_wall(core));
	return count < (int64_t)most;
}

static void
ledger_on_timer(void *arg)
{
	struct ledger *ledger = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct held *held, *next;
	bool again = false;

	if (ledger->unhold_all) {
		ledger->unhold_all = !held_wake(ledger, NULL, UNHOLD_ALL, &err);
		again = ledger->unhold_all;
	}
	HASH_ITER (hh, ledger->held, held, next) {
		unsigned most = (unsigned)held->room;

		if (!most || err.code != E_OK)
			continue;
		held->room = 0;
		if (held_wake(ledger, held->key, most, &err))
			held_free(ledger, held);
	}
	if (err.code != E_OK)
		log_error("runs that wait for a budget are not tried again yet", "error",
			  err_text(&err));
	if (again || err.code != E_OK)
		core_timer_arm(ledger->core, &ledger->timer, err.code != E_OK ? RETRY_MS : 0,
			       ledger_on_timer, ledger);
}

/* For about so many like it. */
void
held_give_room(struct ledger *ledger, const struct reservation *reservation)
{
	for (int i = 0; i < LIMITED; i++) {
		struct purse *purse;
		struct held *held = NULL;
		int64_t room;

		if (!reservation->keys[i])
			continue;
		HASH_FIND_STR(ledger->held, reservation->keys[i], held);
		if (!held)
			continue;
		purse = purse_find(ledger, reservation->keys[i], reservation->days[i]);
		room = purse && purse->limit_uusd != INT64_MAX && reservation->uusd > 0
			       ? (purse->limit_uusd - purse->spent_uusd - purse->reserved_uusd) /
					 reservation->uusd
			       : 1;
		held->room = room < 1 ? 1 : room > UNHOLD_MOST ? UNHOLD_MOST : room;
		core_timer_arm(ledger->core, &ledger->timer, 0, ledger_on_timer, ledger);
	}
}

static bool
on_held(void *arg, const char *scope, int64_t count)
{
	(void)count;
	held_of(arg, scope);
	return true;
}

bool
ledger_load(struct core *core, struct err *err)
{
	return runs_held(core->store, on_held, core->ledger, err);
}

void
ledger_reload(struct core *core)
{
	struct ledger *ledger = core->ledger;

	purses_free(ledger);
	if (!ledger->held)
		return;
	ledger->unhold_all = true;
	core_timer_arm(core, &ledger->timer, 0, ledger_on_timer, ledger);
}
