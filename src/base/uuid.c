/* UUIDs, version 7 (RFC 9562): ordered by time, and within a millisecond by a counter. */
/* SPDX-License-Identifier: MIT */
#include "base/uuid.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/mem.h"

enum { COUNTER_MAX = 0xfff, COUNTER_START_MAX = 0x7ff };
static const int64_t uuid_ms_max = (INT64_C(1) << 48) - 1;

static pthread_mutex_t uuid_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t uuid_last_ms = -1;
static unsigned uuid_counter;

/* A system call for many small wishes. Each thread has its own, a child process a new one: none
 * hands out what another has handed out, and what was handed out is not kept. */
enum { POOL_SIZE = 1024, POOL_WISH_MAX = 64 };
static _Thread_local struct {
	pid_t pid;
	size_t left;
	unsigned char bytes[POOL_SIZE];
} entropy_pool;

static void
entropy_ask(void *p, size_t len)
{
	unsigned char *at = p;
	while (len) {
		ssize_t n = getrandom(at, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort();
		at += n;
		len -= (size_t)n;
	}
}

void
entropy_fill(void *p, size_t len)
{
	pid_t pid = getpid();
	if (!len || len > POOL_WISH_MAX) {
		entropy_ask(p, len);
		return;
	}
	if (entropy_pool.left < len || entropy_pool.pid != pid) {
		entropy_ask(entropy_pool.bytes, POOL_SIZE);
		entropy_pool.left = POOL_SIZE;
		entropy_pool.pid = pid;
	}
	entropy_pool.left -= len;
	memcpy(p, entropy_pool.bytes + entropy_pool.left, len);
	explicit_bzero(entropy_pool.bytes + entropy_pool.left, len);
}

uint64_t
entropy_below(uint64_t n)
{
	assert(n > 0);
	/* 2^64 mod n: values below it would make the small results likelier. */
	uint64_t unfair = (0 - n) % n, value;
	do
		entropy_fill(&value, sizeof(value));
	while (value < unfair);
	return value % n;
}

/* A clock that stands still or goes back counts on from the last one; a full counter carries into
 * the millisecond (RFC 9562, section 6.2, method 1). A new count starts in the lower half. */
static void
uuid_advance(int64_t now_ms, unsigned start, int64_t *ret_ms, unsigned *ret_counter)
{
	pthread_mutex_lock(&uuid_lock);
	if (now_ms > uuid_last_ms) {
		uuid_last_ms = now_ms;
		uuid_counter = start;
	} else if (uuid_counter < COUNTER_MAX) {
		uuid_counter++;
	} else {
		uuid_last_ms++;
		uuid_counter = start;
	}
	*ret_ms = uuid_last_ms;
	*ret_counter = uuid_counter;
	pthread_mutex_unlock(&uuid_lock);
}

struct uuid
uuid_v7(struct wall now)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[16];
	struct uuid id;
	int64_t ms = now.ms < 0 ? 0 : now.ms > uuid_ms_max ? uuid_ms_max : now.ms;
	unsigned counter;
	entropy_fill(bytes + 6, sizeof(bytes) - 6);
	unsigned start = ((unsigned)bytes[6] << 8 | bytes[7]) & COUNTER_START_MAX;
	uuid_advance(ms, start, &ms, &counter);
	for (int i = 0; i < 6; i++)
		bytes[i] = (unsigned char)((uint64_t)ms >> (40 - 8 * i));
	bytes[6] = (unsigned char)(0x70 | counter >> 8);
	bytes[7] = (unsigned char)counter;
	bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f));
	char *out = id.text;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
	return id;
}

bool
uuid_is_valid(struct str s)
{
	if (s.len != UUID_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}
