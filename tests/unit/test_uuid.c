/* UUIDs: order under every behaviour of the clock, and the form. */
/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/uuid.h"

#include "tests/unit/tap.h"

enum { THREADS = 4, PER_THREAD = 5000 };

static struct uuid made[THREADS][PER_THREAD];

static void *
make_many(void *arg)
{
	struct uuid *own = arg;
	for (int i = 0; i < PER_THREAD; i++)
		own[i] = uuid_v7((struct wall){1700000000000});
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int
compare_words(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static void
test_order(void)
{
	IT ("ids grow within a millisecond, beyond a full counter too") {
		struct uuid last = uuid_v7((struct wall){1600000000000});
		int wrong = 0;
		for (int i = 0; i < 20000; i++) {
			struct uuid next = uuid_v7((struct wall){1600000000000});
			wrong += strcmp(next.text, last.text) <= 0;
			last = next;
		}
		CHECK_INT(wrong, 0);
	}
	IT ("ids grow while the clock goes back, jumps and has no sense") {
		static const int64_t clocks[] = {1600000005000, 1600000004000, 0, -5, INT64_MIN,
						 1600000005001, 1600000005001, 1};
		struct uuid last = uuid_v7((struct wall){1600000004999});
		for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
			struct uuid next = uuid_v7((struct wall){clocks[i]});
			CHECK(strcmp(next.text, last.text) > 0);
			last = next;
		}
	}
	IT ("the first 48 bits are the clock") {
		struct uuid id = uuid_v7((struct wall){0x0190a1b2c3d4});
		CHECK(!strncmp(id.text, "0190a1b2-c3d4-7", 15));
	}
	IT ("threads never make the same id") {
		pthread_t threads[THREADS];
		for (int i = 0; i < THREADS; i++)
			CHECK(!pthread_create(&threads[i], NULL, make_many, made[i]));
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		int unordered = 0, twice = 0;
		for (int i = 0; i < THREADS; i++)
			for (int j = 1; j < PER_THREAD; j++)
				unordered += strcmp(made[i][j].text, made[i][j - 1].text) <= 0;
		struct uuid *all = &made[0][0];
		qsort(all, (size_t)THREADS * PER_THREAD, sizeof(*all), compare);
		for (int i = 1; i < THREADS * PER_THREAD; i++)
			twice += !memcmp(all[i].text, all[i - 1].text, 18);
		CHECK_INT(unordered, 0);
		CHECK_INT(twice, 0);
	}
}

static void
test_form(void)
{
	IT ("an id is valid, of version 7, of the variant of RFC 9562") {
		struct uuid id = uuid_v7(clock_wall(clock_system()));
		CHECK(uuid_is_valid(str_of(id.text)));
		CHECK(id.text[14] == '7' && strchr("89ab", id.text[19]));
	}
	IT ("what differs in length, dashes, digits or case is no id of ours") {
		CHECK(uuid_is_valid(STR("0190a1b2-c3d4-7000-8000-000000000000")));
		CHECK(!uuid_is_valid(STR("0190A1B2-c3d4-7000-8000-000000000000")));
		CHECK(!uuid_is_valid(STR("0190a1b2-c3d4-7000-8000-00000000000")));
		CHECK(!uuid_is_valid(STR("0190a1b2-c3d4-7000-8000-0000000000000")));
		CHECK(!uuid_is_valid(STR("0190a1b2xc3d4-7000-8000-000000000000")));
		CHECK(!uuid_is_valid(STR("0190a1b2-c3d4-7000-8000-00000000000g")));
		CHECK(!uuid_is_valid(STR("0190a1b2-c3d4-7000-8000-0000000000-0")));
		CHECK(!uuid_is_valid(STR_NONE));
	}
}

static void
test_entropy(void)
{
	IT ("entropy fills all of a large block") {
		static unsigned char block[100000];
		entropy_fill(block, sizeof(block));
		size_t zeros = 0;
		for (size_t i = 0; i < sizeof(block); i++)
			zeros += !block[i];
		CHECK(zeros < 1000);
		entropy_fill(NULL, 0);
	}
	IT ("small wishes are never granted twice, across refills too") {
		static uint64_t words[10000];
		int twice = 0;
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			entropy_fill(&words[i], sizeof(words[i]));
		qsort(words, ARRAY_LEN(words), sizeof(words[0]), compare_words);
		for (size_t i = 1; i < ARRAY_LEN(words); i++)
			twice += words[i] == words[i - 1];
		CHECK_INT(twice, 0);
	}
	IT ("a child process gets other bytes than its parent") {
		char mine[24], its[24] = {0};
		int ends[2], status = -1;
		entropy_fill(mine, sizeof(mine));
		CHECK(!pipe(ends));
		pid_t child = fork();
		if (!child) {
			entropy_fill(its, sizeof(its));
			_exit(write(ends[1], its, sizeof(its)) != sizeof(its));
		}
		entropy_fill(mine, sizeof(mine));
		CHECK(read(ends[0], its, sizeof(its)) == sizeof(its));
		CHECK(waitpid(child, &status, 0) == child && !status);
		CHECK(memcmp(mine, its, sizeof(mine)) != 0);
		close(ends[0]);
		close(ends[1]);
	}
	IT ("a random number stays below its bound and reaches every value") {
		unsigned seen = 0;
		for (int i = 0; i < 1000; i++)
			seen |= 1U << entropy_below(6);
		CHECK_INT(seen, 0x3f);
		CHECK_INT(entropy_below(1), 0);
		CHECK(entropy_below(UINT64_MAX) < UINT64_MAX);
	}
}

int
main(void)
{
	test_order();
	test_form();
	test_entropy();
	return tap_done();
}
