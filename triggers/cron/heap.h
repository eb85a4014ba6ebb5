/* Heap: whatever is due at some time, the earliest first. Items stand inside their owners. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_HEAP_H
#define ROUSE_TRIGGERS_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_NEVER INT64_MAX

struct heap_item {
	int64_t due;  /* in whatever unit all items share; HEAP_NEVER: it only stands there */
	size_t place; /* from 1; 0: in no heap */
};

struct heap {
	struct heap_item **items;
	size_t count, room;
};
#define HEAP_INIT ((struct heap){NULL, 0, 0})

void heap_fini(struct heap *heap); /* the items are their owners' */
/* Puts it in, or where its new time belongs. */
void heap_set(struct heap *heap, struct heap_item *item, int64_t due);
/* Fine for one that is in no heap. */
void heap_remove(struct heap *heap, struct heap_item *item);
/* The earliest; NULL: there is none. */
struct heap_item *heap_top(const struct heap *heap);

#endif
