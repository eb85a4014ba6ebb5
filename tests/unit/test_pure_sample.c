/* Tests of samples. */
/* SPDX-License-Identifier: MIT */
#include "pure/sample.h"

#include "base/mem.h"
#include "tests/unit/tap.h"

static bool
near(double got, double want)
{
	bool ok = got > want - 0.0001 && got < want + 0.0001;

	if (!ok)
		printf("# got %f, want %f\n", got, want);
	return ok;
}

int
main(void)
{
	IT ("proves what tables of Clopper and Pearson say") {
		CHECK(near(sample_upper_bound(59, 0, 0.95), 0.0495));
		CHECK(near(sample_upper_bound(10, 0, 0.95), 0.2589));
		CHECK(near(sample_upper_bound(10, 1, 0.95), 0.3942));
		CHECK(near(sample_upper_bound(100, 5, 0.95), 0.1023));
		CHECK(near(sample_upper_bound(20, 19, 0.95), 0.9974));
		CHECK(near(sample_upper_bound(1, 0, 0.95), 0.95));
	}
	IT ("proves nothing by nothing, and by nothing but wrong ones") {
		CHECK(sample_upper_bound(0, 0, 0.95) == 1);
		CHECK(sample_upper_bound(5, 5, 0.95) == 1);
		CHECK(sample_upper_bound(5, 9, 0.95) == 1);
	}
	IT ("stays exact where powers would underflow") {
		CHECK(near(sample_upper_bound(100000, 0, 0.95), 0.00003));
		CHECK(near(sample_upper_bound(100000, 50000, 0.95), 0.5026));
		CHECK(near(sample_upper_bound(20000, 15000, 0.99), 0.7571));
	}
	IT ("shares a sample by size, with one for each stratum that has any") {
		size_t sizes[4] = {900, 90, 0, 1}, counts[4];

		CHECK_INT(sample_share(sizes, 4, 20, counts), 20);
		CHECK_INT(counts[2], 0);
		CHECK_INT(counts[3], 1);
		CHECK_INT(counts[0] + counts[1], 19);
		CHECK(counts[0] >= 16 && counts[1] >= 1);
		CHECK_INT(sample_share(sizes, 4, 2, counts), 2);
		CHECK(counts[0] == 1 && counts[1] == 1);
		CHECK_INT(sample_share(sizes, 4, 5000, counts), 991);
		CHECK(counts[0] == 900 && counts[1] == 90 && counts[3] == 1);
		CHECK_INT(sample_share(sizes, 0, 5, counts), 0);
	}
	IT ("draws each index once, in order, the same for the same seed") {
		size_t a[50], b[50], differ = 0;

		sample_draw(7, 1000, 50, a);
		sample_draw(7, 1000, 50, b);
		for (size_t i = 0; i < 50; i++)
			CHECK(a[i] == b[i] && a[i] < 1000 && (!i || a[i] > a[i - 1]));
		sample_draw(8, 1000, 50, b);
		for (size_t i = 0; i < 50; i++)
			differ += a[i] != b[i];
		CHECK(differ > 40);
		sample_draw(9, 50, 50, a);
		CHECK(a[0] == 0 && a[49] == 49);
		sample_draw(9, 0, 0, a);
	}
	IT ("draws every index about equally often") {
		int hits[20] = {0};
		size_t drawn[5];

		for (uint64_t seed = 0; seed < 20000; seed++) {
			sample_draw(seed, 20, 5, drawn);
			for (size_t i = 0; i < 5; i++)
				hits[drawn[i]]++;
		}
		for (size_t i = 0; i < 20; i++)
			CHECK(hits[i] > 4700 && hits[i] < 5300);
	}
	IT ("says how many to look at, and one fewer would not do") {
		CHECK_INT(sample_needed(0, 0.95, 0.05), 59);
		CHECK_INT(sample_needed(1, 0.95, 0.05), 93);
		CHECK_INT(sample_needed(0, 0.99, 0.01), 459);
		for (uint64_t wrong = 0; wrong < 6; wrong++) {
			uint64_t n = sample_needed(wrong, 0.9, 0.03);

			CHECK(sample_upper_bound(n, wrong, 0.9) <= 0.03);
			CHECK(sample_upper_bound(n - 1, wrong, 0.9) > 0.03);
		}
	}
	return tap_done();
}
