/* Keys in memory: the latest ones whole, in order of arrival, and filters that say what an older
 * part surely lacks. */
/* SPDX-License-Identifier: MIT */
#include "store/key_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_CAP 256
#define BLOCK_WORDS 8
#define BITS_A_KEY 12
#define BITS_SET 7 /* a key: 7 of the 512 bits of its block, 9 bits of hash each */
#define PREFIXES 65536

static uint64_t
word_of(const unsigned char *hash, int i)
{
	uint64_t w;
	memcpy(&w, hash + i * 8, sizeof(w));
	return w;
}

/* --- the log --- */

void
key_log_fini(struct key_log *log)
{
	free(log->list);
	free(log->slots);
	*log = (struct key_log){0};
}

static size_t
slot_free(const struct key_log *log, const unsigned char *hash)
{
	size_t i = word_of(hash, 0) & log->mask;
	while (log->slots[i])
		i = (i + 1) & log->mask;
	return i;
}

static void
log_grow(struct key_log *log)
{
	log->cap = log->cap ? log->cap * 2 : FIRST_CAP;
	log->list = mem_realloc(log->list, log->cap * sizeof(*log->list));
	free(log->slots);
	log->slots = mem_alloc_array(log->cap * 2, sizeof(*log->slots));
	log->mask = log->cap * 2 - 1;
	for (size_t i = 0; i < log->count; i++)
		log->slots[slot_free(log, log->list[i].hash)] = (uint32_t)i + 1;
}

void
key_log_add(struct key_log *log, const struct key_entry *entry)
{
	if (log->count == log->cap)
		log_grow(log);
	log->list[log->count] = *entry;
	log->slots[slot_free(log, entry->hash)] = (uint32_t)++log->count;
}

/* The last in is the first out, so that no probe ever has to pass a slot that was freed. */
void
key_log_cut(struct key_log *log, size_t count)
{
	while (log->count > count) {
		size_t i = word_of(log->list[log->count - 1].hash, 0) & log->mask;
		while (log->slots[i] != (uint32_t)log->count)
			i = (i + 1) & log->mask;
		log->slots[i] = 0;
		log->count--;
	}
}

const struct key_entry *
key_log_find(const struct key_log *log, const unsigned char *hash, int64_t since_ms)
{
	if (!log->count)
		return NULL;
	for (size_t i = word_of(hash, 0) & log->mask; log->slots[i]; i = (i + 1) & log->mask) {
		const struct key_entry *entry = &log->list[log->slots[i] - 1];
		if (entry->at_ms >= since_ms && !memcmp(entry->hash, hash, KEY_HASH))
			return entry;
	}
	return NULL;
}

static unsigned
prefix_of(const struct key_entry *entry)
{
	return (unsigned)entry->hash[0] << 8 | entry->hash[1];
}

/* Counts by the first two bytes; what is left is one or two apiece, as the hash is even. */
uint32_t *
key_log_order(const struct key_log *log)
{
	uint32_t *order = mem_alloc_array(log->count + 1, sizeof(*order));
	uint32_t *begin = mem_alloc_array(PREFIXES + 1, sizeof(*begin));
	for (size_t i = 0; i < log->count; i++)
		begin[prefix_of(&log->list[i]) + 1]++;
	for (size_t i = 0; i < PREFIXES; i++)
		begin[i + 1] += begin[i];
	for (size_t i = 0; i < log->count; i++)
		order[begin[prefix_of(&log->list[i])]++] = (uint32_t)i;
	free(begin);
	for (size_t i = 1; i < log->count; i++) {
		uint32_t it = order[i];
		size_t j = i;
		for (; j && memcmp(log->list[order[j - 1]].hash, log->list[it].hash, KEY_HASH) > 0;
		     j--)
			order[j] = order[j - 1];
		order[j] = it;
	}
	return order;
}

/* --- the filter --- */

void
key_filter_init(struct key_filter *filter, size_t keys)
{
	filter->blocks = (keys * BITS_A_KEY + BLOCK_WORDS * 64 - 1) / (BLOCK_WORDS * 64) + 1;
	filter->words = mem_alloc_array(filter->blocks * BLOCK_WORDS, sizeof(uint64_t));
}

void
key_filter_fini(struct key_filter *filter)
{
	free(filter->words);
	*filter = (struct key_filter){0};
}

static uint64_t *
block_of(const struct key_filter *filter, const unsigned char *hash)
{
	return filter->words + word_of(hash, 0) % filter->blocks * BLOCK_WORDS;
}

void
key_filter_add(struct key_filter *filter, const unsigned char *hash)
{
	uint64_t *block = block_of(filter, hash), bits = word_of(hash, 1);
	for (int i = 0; i < BITS_SET; i++, bits >>= 9)
		block[bits >> 6 & 7] |= 1ull << (bits & 63);
}

bool
key_filter_may_have(const struct key_filter *filter, const unsigned char *hash)
{
	const uint64_t *block = block_of(filter, hash);
	uint64_t bits = word_of(hash, 1);
	for (int i = 0; i < BITS_SET; i++, bits >>= 9) {
		if (!(block[bits >> 6 & 7] >> (bits & 63) & 1))
			return false;
	}
	return true;
}
