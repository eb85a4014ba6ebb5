/* The log: what comes again and again is counted, and the count is told at the end. */
/* SPDX-License-Identifier: MIT */
#include "base/log_inside.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

enum {
	SLOTS = 128,
	WINDOW_MS = 10000,
	SAME_MAX = 10,	 /* lines within a window that are the same in all */
	ALIKE_MAX = 100, /* warnings and errors of the same message */
};

/* One line, or one message, and how often it came since `began`. */
struct slot {
	uint64_t hash; /* 0: free */
	enum log_level level;
	char *message;
	struct mono began;
	unsigned came;
	uint64_t counted; /* instead of written */
};
/* By whole lines, and by messages: neither displaces the other. */
static struct slot slots[2][SLOTS];
static atomic_uint waiting; /* slots with a count */

/* FNV-1a, the NUL between texts included. */
static uint64_t
hash_text(uint64_t hash, const char *text)
{
	do {
		hash ^= (unsigned char)*text;
		hash *= UINT64_C(1099511628211);
	} while (*text++);
	return hash;
}

static uint64_t
hash_of(const struct log_record *record, bool whole)
{
	uint64_t hash =
		UINT64_C(14695981039346656037) ^ (uint64_t)record->level ^ ((uint64_t)whole << 8);

	hash = hash_text(hash, record->message);
	for (size_t i = 0; whole && i < record->count; i++)
		hash = hash_text(hash_text(hash, record->pairs[i].key), record->pairs[i].value);
	return hash ? hash : 1;
}

static void
slot_settle(struct slot *slot, void (*fn)(const struct log_record *))
{
	char text[24];
	struct log_pair pair = {"repeated", text};
	struct log_record record = {.level = slot->level,
				    .at = clock_wall(clock_system()),
				    .message = slot->message,
				    .pairs = &pair,
				    .count = 1};

	if (slot->counted) {
		snprintf(text, sizeof(text), "%" PRIu64, slot->counted);
		fn(&record);
		atomic_fetch_sub(&waiting, 1);
	}
	free(slot->message);
	*slot = (struct slot){.hash = 0};
}

static bool
slot_counts(const struct log_record *record, bool whole, unsigned most,
	    void (*fn)(const struct log_record *))
{
	uint64_t hash = hash_of(record, whole);
	struct slot *slot = &slots[whole][hash % SLOTS];
	struct mono now = clock_mono(clock_system());

	if (slot->hash && (slot->hash != hash || now.ms - slot->began.ms >= WINDOW_MS))
		slot_settle(slot, fn);
	if (!slot->hash)
		*slot = (struct slot){.hash = hash, .level = record->level, .began = now};
	if (++slot->came <= most)
		return false;
	if (!slot->counted++) {
		slot->message = mem_strdup(record->message);
		atomic_fetch_add(&waiting, 1);
	}
	return true;
}

bool
repeat_is_counted(const struct log_record *record, void (*fn)(const struct log_record *))
{
	if (slot_counts(record, true, SAME_MAX, fn))
		return true;
	return record->level <= LOG_WARNING && slot_counts(record, false, ALIKE_MAX, fn);
}

bool
repeat_waits(void)
{
	return atomic_load(&waiting);
}

int64_t
repeat_settle(bool all, void (*fn)(const struct log_record *))
{
	struct mono now = clock_mono(clock_system());
	int64_t next = -1;

	for (size_t i = 0; i < (size_t)2 * SLOTS; i++) {
		struct slot *slot = &slots[i / SLOTS][i % SLOTS];
		int64_t left = WINDOW_MS - (now.ms - slot->began.ms);

		if (!slot->counted)
			continue;
		if (all || left <= 0)
			slot_settle(slot, fn);
		else if (next < 0 || left < next)
			next = left;
	}
	return next;
}
