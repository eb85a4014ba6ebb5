/* Pending: paths that something happened to, until they have come to rest and were looked at. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/pending.h"

#include <assert.h>

/* --- the heap ------------------------------------------------------------------------------ */

static void
heap_put(struct pendings *set, size_t place, struct pending *pending)
{
	set->heap[place - 1] = pending;
	pending->place = place;
}

static void
heap_up(struct pendings *set, struct pending *pending)
{
	while (pending->place > 1) {
		struct pending *parent = set->heap[pending->place / 2 - 1];
		size_t place = pending->place;

		if (parent->due <= pending->due)
			break;
		heap_put(set, parent->place, pending);
		heap_put(set, place, parent);
	}
}

static void
heap_down(struct pendings *set, struct pending *pending)
{
	for (;;) {
		size_t child = pending->place * 2, place = pending->place;
		struct pending *least;

		if (child > set->queued)
			break;
		least = set->heap[child - 1];
		if (child < set->queued && set->heap[child]->due < least->due)
			least = set->heap[child];
		if (pending->due <= least->due)
			break;
		child = least->place;
		heap_put(set, place, least);
		heap_put(set, child, pending);
	}
}

static void
heap_remove(struct pendings *set, struct pending *pending)
{
	size_t place = pending->place;
	struct pending *last;

	if (!place)
		return;
	last = set->heap[--set->queued];
	pending->place = 0;
	if (last == pending)
		return;
	heap_put(set, place, last);
	heap_up(set, last);
	heap_down(set, last);
}

static void
heap_add(struct pendings *set, struct pending *pending, int64_t due)
{
	heap_remove(set, pending);
	if (set->queued == set->room) {
		set->room = set->room ? set->room * 2 : 64;
		set->heap = mem_realloc(set->heap, set->room * sizeof(struct pending *));
	}
	pending->due = due;
	set->queued++;
	heap_put(set, set->queued, pending);
	heap_up(set, pending);
}

/* --- marks --------------------------------------------------------------------------------- */

static void
pending_free(struct pendings *set, struct pending *pending)
{
	heap_remove(set, pending);
	HASH_DEL(set->by_path, pending);
	set->count--;
	free(pending->path);
	free(pending->from);
	free(pending->heir);
	free(pending);
	if (set->count)
		return;
	/* A storm has passed: its memory is not kept. */
	free(set->heap);
	set->heap = NULL;
	set->room = 0;
}

void
pendings_fini(struct pendings *set)
{
	struct pending *pending, *next;

	HASH_ITER (hh, set->by_path, pending, next)
		pending_free(set, pending);
}

struct pending *
pendings_find(struct pendings *set, struct str path)
{
	struct pending *pending;

	HASH_FIND(hh, set->by_path, path.p, path.len, pending);
	return pending;
}

/* How long a mark makes wait. */
static int64_t
mark_delay(const struct pendings *set, enum mark mark)
{
	bool holds = mark == MARK_GONE || mark == MARK_CREATED;

	/* When it was listed says nothing about when it came to rest: that is looked at. */
	if (mark == MARK_SEEN || mark == MARK_MET)
		return 0;
	return holds && set->settle_ms < HOLD_MS ? HOLD_MS : set->settle_ms;
}

static void
pending_delay(struct pendings *set, struct pending *pending, int64_t delay, int64_t now)
{
	int64_t due = now + delay, last = pending->first + set->longest_ms;

	if (due > last)
		due = last > now ? last : now;
	/* A name that has gone may come back however long this goes on. */
	if (pending->gone && due < now + HOLD_MS)
		due = now + HOLD_MS;
	heap_add(set, pending, due);
}

struct pending *
pendings_mark(struct pendings *set, struct str path, enum mark mark, int64_t now)
{
	struct pending *pending = pendings_find(set, path);
	bool fresh = !pending;

	if (fresh) {
		if (set->count >= set->max)
			return NULL;
		pending = mem_alloc(sizeof(*pending));
		pending->path = str_dup(path);
		pending->first = now;
		set->count++;
		HASH_ADD_KEYPTR(hh, set->by_path, pending->path, path.len, pending);
	}
	if (mark == MARK_CREATED)
		pending->unclosed = true;
	else if (mark == MARK_WRITTEN || mark == MARK_GONE)
		pending->unclosed = false;
	if (mark == MARK_GONE)
		pending->gone = true;
	else if (mark != MARK_SEEN && mark != MARK_MET)
		pending->gone = false;
	if (mark == MARK_MET)
		pending->met = true;
	if (pending->busy) {
		pending->again = true;
		return pending;
	}
	/* What was only seen says nothing about when it happened. */
	if (fresh || (mark != MARK_SEEN && mark != MARK_MET))
		pending_delay(set, pending, mark_delay(set, mark), now);
	return pending;
}

/* Where it was thought to come from goes on by itself. */
static void
pending_release(struct pendings *set, const struct pending *pending, int64_t now)
{
	struct pending *old = pending->from ? pendings_find(set, str_of(pending->from)) : NULL;

	if (old && old != pending && !old->busy && !old->place)
		heap_add(set, old, now);
}

bool
pendings_move(struct pendings *set, struct str path, struct str to, int64_t now)
{
	struct pending *old = pendings_mark(set, path, MARK_GONE, now);
	struct pending *heir = pendings_mark(set, to, MARK_WRITTEN, now);

	if (!old || !heir)
		return false;
	if (heir->busy)
		return true;
	/* Renamed twice before it came to rest: it comes from where it was first. Who was thought
	 * to be there before waits for it no longer. */
	pending_release(set, heir, now);
	free(heir->from);
	heir->from = old->from ? TAKE(old->from) : mem_strdup(old->path);
	if (!strcmp(heir->from, heir->path)) {
		free(TAKE(heir->from));
		return true;
	}
	old = pendings_find(set, str_of(heir->from));
	if (old) {
		free(old->heir);
		old->heir = mem_strdup(heir->path);
	}
	return true;
}

/* Its heir decides first what became of it. */
static bool
waits_for_heir(struct pendings *set, struct pending *pending)
{
	const struct pending *heir =
		pending->heir ? pendings_find(set, str_of(pending->heir)) : NULL;

	if (heir && heir->from && !strcmp(heir->from, pending->path))
		return true;
	free(pending->heir);
	pending->heir = NULL;
	return false;
}

struct pending *
pendings_take(struct pendings *set, int64_t now)
{
	while (set->queued && set->heap[0]->due <= now) {
		struct pending *pending = set->heap[0];

		heap_remove(set, pending);
		/* Out of the heap, until the heir is done. */
		if (waits_for_heir(set, pending))
			continue;
		pending->busy = true;
		pending->again = false;
		return pending;
	}
	return NULL;
}

bool
pendings_hold(struct pendings *set, struct pending *pending)
{
	if (pending->busy)
		return false;
	heap_remove(set, pending);
	pending->busy = true;
	pending->again = false;
	return true;
}

void
pendings_again(struct pendings *set, struct pending *pending, int64_t due)
{
	assert(pending->busy);
	pending->busy = pending->again = false;
	heap_add(set, pending, due);
}

void
pendings_done(struct pendings *set, struct pending *pending, int64_t now)
{
	assert(pending->busy);
	pending_release(set, pending, now);
	free(pending->from);
	pending->from = NULL;
	if (!pending->again) {
		pending_free(set, pending);
		return;
	}
	pending->busy = pending->again = pending->has_seen = false;
	pending->tries = 0;
	pending->first = now;
	pending_delay(set, pending, set->settle_ms < HOLD_MS ? HOLD_MS : set->settle_ms, now);
}

int64_t
pendings_next(const struct pendings *set)
{
	return set->queued ? set->heap[0]->due : -1;
}

void
pendings_drop(struct pendings *set)
{
	struct pending *pending, *next;

	HASH_ITER (hh, set->by_path, pending, next) {
		pending->again = false;
		if (!pending->busy)
			pending_free(set, pending);
	}
}
