/* Heap: whatever is due at some time, the earliest first. Items stand inside their owners. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/heap.h"

#include <stdlib.h>

#include "base/mem.h"

#define ROOM_FIRST 64

void
heap_fini(struct heap *heap)
{
	free(heap->items);
	*heap = HEAP_INIT;
}

static void
heap_put(struct heap *heap, size_t place, struct heap_item *item)
{
	heap->items[place - 1] = item;
	item->place = place;
}

static void
heap_up(struct heap *heap, struct heap_item *item)
{
	while (item->place > 1) {
		struct heap_item *parent = heap->items[item->place / 2 - 1];
		size_t place = item->place;

		if (parent->due <= item->due)
			break;
		heap_put(heap, parent->place, item);
		heap_put(heap, place, parent);
	}
}

static void
heap_down(struct heap *heap, struct heap_item *item)
{
	for (;;) {
		size_t child = item->place * 2, place = item->place;
		struct heap_item *least;

		if (child > heap->count)
			break;
		least = heap->items[child - 1];
		if (child < heap->count && heap->items[child]->due < least->due)
			least = heap->items[child];
		if (item->due <= least->due)
			break;
		child = least->place;
		heap_put(heap, place, least);
		heap_put(heap, child, item);
	}
}

void
heap_set(struct heap *heap, struct heap_item *item, int64_t due)
{
	item->due = due;
	if (!item->place) {
		if (heap->count == heap->room) {
			heap->room = heap->room ? heap->room * 2 : ROOM_FIRST;
			heap->items =
				mem_realloc(heap->items, heap->room * sizeof(struct heap_item *));
		}
		heap->count++;
		heap_put(heap, heap->count, item);
	}
	heap_up(heap, item);
	heap_down(heap, item);
}

void
heap_remove(struct heap *heap, struct heap_item *item)
{
	size_t place = item->place;
	struct heap_item *last;

	if (!place)
		return;
	last = heap->items[--heap->count];
	item->place = 0;
	if (last == item)
		return;
	heap_put(heap, place, last);
	heap_up(heap, last);
	heap_down(heap, last);
}

struct heap_item *
heap_top(const struct heap *heap)
{
	return heap->count ? heap->items[0] : NULL;
}
