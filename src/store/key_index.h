/* Keys in memory: the latest ones whole, in order of arrival, and filters that say what an older
 * part surely lacks. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_KEY_INDEX_H
#define ROUSE_STORE_KEY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first 16 bytes of a SHA-256: any of its bits are as good as random. */
#define KEY_HASH 16

struct key_entry {
	unsigned char hash[KEY_HASH];
	int64_t seq; /* in keys_new */
	int64_t run, at_ms;
	uint64_t print;
};

/* Grows at its end, is cut at its end. All zero: empty. */
struct key_log {
	struct key_entry *list;
	size_t count, cap;
	uint32_t *slots; /* index + 1; 0: free. Twice cap. */
	size_t mask;
};
void key_log_fini(struct key_log *log);
void key_log_add(struct key_log *log, const struct key_entry *entry);
/* Forgets all but the first `count`. */
void key_log_cut(struct key_log *log, size_t count);
/* Not older than since_ms; NULL when there is none. Until the next add. */
const struct key_entry *key_log_find(const struct key_log *log, const unsigned char *hash,
				     int64_t since_ms);
/* Indexes by hash, ascending; owned. */
uint32_t *key_log_order(const struct key_log *log);

/* A Bloom filter in blocks of a cache line: 12 bits a key, about 1 in 200 wrong. */
struct key_filter {
	uint64_t *words; /* owned */
	size_t blocks;	 /* of 8 words */
};
void key_filter_init(struct key_filter *filter, size_t keys);
void key_filter_fini(struct key_filter *filter);
void key_filter_add(struct key_filter *filter, const unsigned char *hash);
bool key_filter_may_have(const struct key_filter *filter, const unsigned char *hash);

#endif
