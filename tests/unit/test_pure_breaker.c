/* Breakers: when they open, how long, and what closes them. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#include "pure/breaker.h"

#include "tests/unit/tap.h"

static const struct breaker_policy policy = {
	.threshold = 0.5, .window_ms = 60000, .cooldown_ms = 300000, .min = 10};
static struct breaker b;
static int64_t now_ms;

static struct mono
now(void)
{
	return (struct mono){now_ms};
}

static bool
ends(int64_t who, enum breaker_outcome outcome)
{
	return breaker_end(&b, &policy, who, outcome, now());
}

static void
many(int count, enum breaker_outcome outcome)
{
	for (int i = 0; i < count; i++)
		ends(1, outcome);
}

static void
fresh(int64_t ms)
{
	breaker_init(&b);
	now_ms = ms;
}

static void
opening(void)
{
	IT ("stays closed while nothing failed, however much was done") {
		fresh(0);
		many(100000, BREAKER_GOOD);
		CHECK_INT(b.state, BREAKER_CLOSED);
		CHECK(breaker_admits(&b, now()));
	}
	IT ("stays closed below the least number of outcomes, though all failed") {
		fresh(0);
		many(9, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_CLOSED);
		CHECK(ends(1, BREAKER_BAD));
		CHECK_INT(b.state, BREAKER_OPEN);
		CHECK_INT(b.failed, 10);
		CHECK_INT(b.total, 10);
	}
	IT ("half of them is not over half") {
		fresh(0);
		many(5, BREAKER_GOOD);
		many(5, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_CLOSED);
		many(1, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_OPEN);
		CHECK_INT(b.total, 11);
	}
	IT ("a success never opens it") {
		fresh(0);
		many(9, BREAKER_BAD);
		CHECK(!ends(1, BREAKER_GOOD));
		CHECK_INT(b.state, BREAKER_CLOSED);
	}
	IT ("what says nothing counts neither way") {
		fresh(0);
		many(9, BREAKER_BAD);
		many(1000, BREAKER_SILENT);
		CHECK_INT(b.state, BREAKER_CLOSED);
		many(1, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_OPEN);
	}
	IT ("what is older than the window is forgotten") {
		fresh(7);
		many(9, BREAKER_BAD);
		now_ms += 60001;
		many(9, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_CLOSED);
		many(1, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_OPEN);
	}
	IT ("what came within the window counts, one at a time as well") {
		fresh(500);
		for (int i = 0; i < 10; i++, now_ms += 5900)
			ends(1, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_OPEN);
		CHECK_INT(b.total, 10);
	}
	IT ("slow failures never add up") {
		fresh(0);
		for (int i = 0; i < 1000; i++, now_ms += 7000)
			ends(1, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_CLOSED);
	}
	IT ("counts from any moment, before the start of time as well") {
		fresh(-100000);
		many(10, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_OPEN);
	}
}

static void
resting(void)
{
	fresh(1000);
	many(10, BREAKER_BAD);
	IT ("admits nothing while it is open") {
		CHECK(!breaker_admits(&b, now()));
		now_ms += 299999;
		CHECK(!breaker_admits(&b, now()));
	}
	IT ("what began before says nothing any more") {
		CHECK(!ends(7, BREAKER_GOOD));
		CHECK(!ends(7, BREAKER_BAD));
		CHECK_INT(b.until.ms, 301000);
	}
	IT ("rested, it admits one") {
		now_ms += 1;
		CHECK(breaker_admits(&b, now()));
		CHECK_INT(b.state, BREAKER_HALF_OPEN);
		breaker_begin(&b, 42);
		CHECK(!breaker_admits(&b, now()));
	}
	IT ("others that end meanwhile do not speak for it") {
		CHECK(!ends(41, BREAKER_GOOD));
		CHECK_INT(b.state, BREAKER_HALF_OPEN);
		CHECK(!breaker_admits(&b, now()));
	}
	IT ("a probe that fails opens it again, for as long") {
		now_ms += 5000;
		CHECK(ends(42, BREAKER_BAD));
		CHECK_INT(b.state, BREAKER_OPEN);
		CHECK_INT(b.until.ms, now_ms + 300000);
	}
	IT ("a probe that says nothing is followed by another") {
		now_ms += 300000;
		CHECK(breaker_admits(&b, now()));
		breaker_begin(&b, 43);
		CHECK(!ends(43, BREAKER_SILENT));
		CHECK_INT(b.state, BREAKER_HALF_OPEN);
		CHECK(breaker_admits(&b, now()));
	}
	IT ("a probe that succeeds closes it, and what failed before is forgotten") {
		unsigned failed, total;

		breaker_begin(&b, 44);
		CHECK(ends(44, BREAKER_GOOD));
		CHECK_INT(b.state, BREAKER_CLOSED);
		breaker_count(&b, &policy, now(), &failed, &total);
		CHECK_INT(total, 0);
		many(9, BREAKER_BAD);
		CHECK_INT(b.state, BREAKER_CLOSED);
	}
	IT ("what an earlier process knew holds") {
		breaker_restore(&b, (struct mono){now_ms + 10}, 6, 10);
		CHECK(!breaker_admits(&b, now()));
		now_ms += 10;
		CHECK(breaker_admits(&b, now()));
		CHECK_INT(b.failed, 6);
	}
	IT ("a window of another width begins anew") {
		struct breaker_policy wide = policy;

		fresh(0);
		many(9, BREAKER_BAD);
		wide.window_ms = 120000;
		CHECK(!breaker_end(&b, &wide, 1, BREAKER_BAD, now()));
		CHECK_INT(b.state, BREAKER_CLOSED);
	}
	IT ("windows shorter than its slots are still windows") {
		const struct breaker_policy tiny = {
			.threshold = 0, .window_ms = 1, .cooldown_ms = 1, .min = 1};

		fresh(5);
		CHECK(breaker_end(&b, &tiny, 1, BREAKER_BAD, now()));
		CHECK(!breaker_admits(&b, now()));
		now_ms++;
		CHECK(breaker_admits(&b, now()));
	}
}

int
main(void)
{
	opening();
	resting();
	return tap_done();
}
