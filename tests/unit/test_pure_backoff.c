/* Tests of backoff. */
/* SPDX-License-Identifier: MIT */
#include "pure/backoff.h"

#include "tests/unit/tap.h"

int
main(void)
{
	const struct backoff plain = {1000, 300000, 2, BACKOFF_NONE};
	const struct backoff full = {1000, 300000, 2, BACKOFF_FULL};

	IT ("doubles from the base up to the cap") {
		CHECK_INT(backoff_delay(&plain, 1, 0), 1000);
		CHECK_INT(backoff_delay(&plain, 2, 0), 2000);
		CHECK_INT(backoff_delay(&plain, 9, 0), 256000);
		CHECK_INT(backoff_delay(&plain, 10, 0), 300000);
		CHECK_INT(backoff_delay(&plain, 4000000000u, 0), 300000);
	}
	IT ("stays within the ceiling whatever the random number") {
		for (uint64_t r = 1; r; r *= 3) {
			if (r > UINT64_MAX / 3)
				break;
			CHECK(backoff_delay(&full, 3, r) >= 0 &&
			      backoff_delay(&full, 3, r) <= 4000);
		}
		CHECK_INT(backoff_delay(&full, 3, 4000), 4000);
		CHECK_INT(backoff_delay(&full, 3, 0), 0);
		CHECK_INT(backoff_delay(&full, 3, UINT64_MAX),
			  (long long)(UINT64_MAX % UINT64_C(4001)));
	}
	IT ("does not overflow with the largest numbers") {
		struct backoff b = {INT64_MAX, INT64_MAX, 1e300, BACKOFF_FULL};

		CHECK_INT(backoff_ceiling(&b, 4000000000u), INT64_MAX);
		CHECK(backoff_delay(&b, 7, UINT64_MAX) >= 0);
	}
	IT ("takes a factor of one or less, a base or a cap of nothing") {
		CHECK_INT(
			backoff_ceiling(&(struct backoff){500, 9000, 1, BACKOFF_NONE}, 4000000000u),
			500);
		CHECK_INT(backoff_ceiling(&(struct backoff){500, 9000, 0.5, BACKOFF_NONE}, 50),
			  500);
		CHECK_INT(backoff_ceiling(&(struct backoff){0, 9000, 2, BACKOFF_NONE}, 4000000000u),
			  0);
		CHECK_INT(backoff_delay(&(struct backoff){500, 0, 2, BACKOFF_FULL}, 3, 77), 0);
	}
	IT ("reads full and none, nothing else") {
		enum backoff_jitter j = BACKOFF_NONE;

		CHECK(backoff_jitter_parse(STR("full"), &j, NULL) && j == BACKOFF_FULL);
		CHECK(backoff_jitter_parse(STR("none"), &j, NULL) && j == BACKOFF_NONE);
		CHECK(!backoff_jitter_parse(STR("half"), &j, NULL));
		CHECK(!backoff_jitter_parse(STR_NONE, &j, NULL));
	}
	return tap_done();
}
