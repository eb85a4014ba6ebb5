/* The turn: the first write opens a transaction; what the world would notice waits for its COMMIT.
 */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/os.h"
#include "store/internal.h"

/* A checkpoint holds up who waits meanwhile: 1 MiB for about 2 ms, 4 MiB for 5, at 3 % more events
 * a second. */
#define BUSY_PAGES 256
/* Nothing waits: worth a sync from here on, or when it has lain for a while. */
#define IDLE_PAGES 64
#define IDLE_MS 2000
#define AFTERS_KEPT 4096 /* of the array, once a burst is over */

static const unsigned bucket_us[] = {100,   250,   500,	  1000,	  2500,	  5000,
				     10000, 25000, 50000, 100000, 1000000};
_Static_assert(ARRAY_LEN(bucket_us) + 1 ==
		       sizeof((struct store_stats){0}.commit_us_buckets) / sizeof(uint64_t),
	       "one bucket more than bounds");

static uint64_t
now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* --- failing --- */

void
turn_fail(struct store *store, const struct err *why)
{
	store->order_epoch++;
	if (store->failed.code == E_OK)
		err_set(&store->failed, why->code, "%s", err_text(why));
	if (store->open)
		store->driver->rollback(store->conn);
}

void
store_break(struct store *store, const struct err *why)
{
	if (store->broken.code == E_OK)
		err_set(&store->broken, E_IO,
			"%s (errno %d); nothing is written any more: check the disk, then restart "
			"roused",
			err_text(why), store->driver->disk_error(store->conn));
}

bool
store_has_failed(const struct store *store)
{
	return store->broken.code != E_OK;
}

static bool
refuse(const struct err *why, struct err *err)
{
	return err_set(err, why->code, "%s", err_text(why));
}

/* --- the turn --- */

bool
turn_begin(struct store *store, struct err *err)
{
	if (store->reader)
		return err_set(err, E_STATE,
			       "this connection only reads; write through the daemon's own");
	if (store->failed.code != E_OK)
		return refuse(&store->failed, err);
	if (store->open)
		return true;
	if (store->broken.code != E_OK)
		return refuse(&store->broken, err);
	struct err why = ERR_INIT;
	if (!store->driver->begin(store->conn, &why)) {
		store->stats.full = why.code == E_FULL;
		return err_move(err, &why);
	}
	store->open = true;
	store->rows_before = store->driver->rows_written(store->conn);
	return true;
}

bool
turn_is_open(const struct store *store)
{
	return store->open;
}

bool
turn_is_due(const struct store *store)
{
	return store->open || store->afters.count || store->failed.code != E_OK;
}

void
turn_after(struct store *store, turn_fn *fn, void *arg)
{
	struct afters *a = &store->afters;
	if (a->count == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 64;
		a->list = mem_realloc(a->list, a->cap * sizeof(*a->list));
	}
	a->list[a->count++] = (struct after){fn, arg, false};
}

static void
stats_commit(struct store *store, uint64_t us)
{
	struct store_stats *s = &store->stats;
	size_t i = 0;
	while (i < ARRAY_LEN(bucket_us) && us > bucket_us[i])
		i++;
	s->commit_us_buckets[i]++;
	s->commits++;
	s->commit_us_total += us;
	if (us > s->commit_us_max)
		s->commit_us_max = us;
	s->rows += (uint64_t)(store->driver->rows_written(store->conn) - store->rows_before);
	s->full = false;
}

/* Statements that changed nothing are no turn: nothing is there to be kept. */
static bool
turn_is_empty(const struct store *store)
{
	return store->failed.code == E_OK &&
	       store->driver->rows_written(store->conn) == store->rows_before;
}

/* True: it is on disk. Otherwise nothing of it is in the database that anyone can see. */
static bool
turn_commit(struct store *store, struct err *err)
{
	keys_work(store);
	if (turn_is_empty(store)) {
		store->driver->rollback(store->conn);
		return true;
	}
	uint64_t start = now_us();
	crash_point("store-commit");
	if (store->failed.code != E_OK) {
		refuse(&store->failed, err);
	} else if (store->driver->commit(store->conn, err)) {
		stats_commit(store, now_us() - start);
		store->last_commit = clock_mono(clock_system());
		crash_point("store-committed");
		return true;
	} else if (err->code == E_IO) {
		store_break(store, err);
	}
	store->driver->rollback(store->conn);
	store->order_epoch++;
	store->stats.failed_commits++;
	store->stats.full = err->code == E_FULL;
	return false;
}

/* Two arrays take turns: what the afters of one turn register belongs to the next. */
static void
afters_run(struct store *store, const struct err *err)
{
	AUTO(err_fini) struct err undone = ERR_INIT;
	struct afters now = store->afters;
	store->afters = store->running;
	for (size_t i = 0; i < now.count; i++) {
		if (now.list[i].undone && undone.code == E_OK)
			err_set(&undone, E_STATE, "undone; nothing of it was kept");
		now.list[i].fn(now.list[i].arg,
			       now.list[i].undone && err->code == E_OK ? &undone : err);
	}
	now.count = 0;
	if (now.cap > AFTERS_KEPT) {
		now.cap = AFTERS_KEPT;
		now.list = mem_realloc(now.list, now.cap * sizeof(*now.list));
	}
	store->running = now;
}

void
turn_end(struct store *store)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	if (!turn_is_due(store))
		return;
	assert(!store->ending && !store->savepoints);
	store->ending = true;
	bool written = store->open || store->failed.code != E_OK;
	bool kept = !written || turn_commit(store, &err);
	store->open = false;
	err_fini(&store->failed);
	store->failed = (struct err)ERR_INIT;
	redo_forget(store);
	if (kept)
		keys_kept(store);
	else
		keys_lost(store);
	afters_run(store, &err);
	if (kept && written && store->driver->log_pages(store->conn) >= BUSY_PAGES)
		store_checkpoint(store);
	store->ending = false;
}

/* --- savepoints --- */

bool
turn_savepoint(struct store *store, struct err *err)
{
	struct err why = ERR_INIT;
	assert(store->savepoints < SAVEPOINTS_MAX);
	if (!turn_begin(store, err))
		return false;
	if (store->redo_full &&
	    !store->driver->savepoint(store->conn, (int)store->savepoints, &why)) {
		turn_fail(store, &why);
		return err_move(err, &why);
	}
	store->marks[store->savepoints].afters = store->afters.count;
	store->marks[store->savepoints].keys = keys_mark(store);
	store->marks[store->savepoints].redo = store->redo_full ? REDO_NONE : store->redo.len;
	store->savepoints++;
	return true;
}

void
turn_release(struct store *store)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	assert(store->savepoints);
	store->savepoints--;
	if (store->failed.code == E_OK && store->marks[store->savepoints].redo == REDO_NONE &&
	    !store->driver->release(store->conn, (int)store->savepoints, &err))
		turn_fail(store, &err);
}

void
turn_undo(struct store *store)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	assert(store->savepoints);
	store->savepoints--;
	store->order_epoch++;
	for (size_t i = store->marks[store->savepoints].afters; i < store->afters.count; i++)
		store->afters.list[i].undone = true;
	keys_back_to(store, store->marks[store->savepoints].keys);
	size_t mark = store->marks[store->savepoints].redo;
	if (store->failed.code != E_OK)
		return;
	if (mark == REDO_NONE ? !store->driver->undo(store->conn, (int)store->savepoints, &err)
			      : !redo_back_to(store, mark, &err))
		turn_fail(store, &err);
}

/* --- the log --- */

void
store_checkpoint(struct store *store)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	store->stats.checkpoints++;
	if (!store->driver->checkpoint(store->conn, &err) && err.code == E_IO)
		store_break(store, &err);
}

/* A moment in which nobody waits. Statistics are not gathered: plans stay those that the tests saw.
 */
void
store_idle(struct store *store)
{
	if (store->open || store->reader || store->broken.code != E_OK)
		return;
	int64_t pages = store->driver->log_pages(store->conn);
	int64_t rest = clock_mono(clock_system()).ms - store->last_commit.ms;
	if (pages >= IDLE_PAGES || (pages > 0 && rest >= IDLE_MS))
		store_checkpoint(store);
}

/* --- what it does --- */

bool
store_is_writable(struct store *store)
{
	if (store->reader || store->broken.code != E_OK)
		return false;
	if (!store->stats.full || turn_is_due(store))
		return !store->stats.full;
	struct query *q = query_write(store, ROOM_STORE, STORE_PROBE, NULL);
	if (q)
		query_run(q, NULL, NULL);
	query_end(&q);
	turn_end(store);
	return !store->stats.full;
}
