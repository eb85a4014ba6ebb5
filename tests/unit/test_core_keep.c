/* Retention: what is old enough goes, what is not stays. */
/* SPDX-License-Identifier: MIT */
#include "core/keep.h"
#include "tests/unit/core_rig.h"

#define CONF                                                                                       \
	"[retention]\nruns = 10d\nidempotency = 2d\n[agent a]\nkind = fake\n[trigger hook]\n"      \
	"source = fake\nagent = a\n"
#define DAY (86400000LL)

/* Long enough for every slice of a sweep. */
static void
sweep(void)
{
	struct keep *keep = keep_new(&rig.core);

	keep_wake(keep);
	for (int i = 0; i < 20; i++)
		rig_pass(200);
	keep_free(keep);
}

static void
run_one(const char *key, int i)
{
	rig_event("hook", "1", key);
	rig_exits(rig_agent(i), 0);
}

int
main(void)
{
	rig_init(CONF);
	run_one("old", 0);
	rig_pass(11 * DAY);
	run_one("young", 1);
	rig_event("hook", "1", "waits");
	sweep();
	IT ("a run that ended long ago is gone, a young one and one that goes on stay") {
		CHECK_INT(rig_int("SELECT count(*) FROM runs"), 2);
		CHECK_INT(rig_int("SELECT count(*) FROM runs WHERE key = 'old'"), 0);
	}
	IT ("a key is forgotten in its time, and may be used again") {
		struct rig_answer answer = rig_event("hook", "1", "old");

		CHECK(!answer.replayed);
		CHECK_STR(answer.outcome, "ran");
		CHECK(rig_event("hook", "1", "young").replayed);
	}
	rig_pass(3 * DAY);
	sweep();
	IT ("a key of a young run is forgotten all the same") {
		CHECK(!rig_event("hook", "1", "young").replayed);
	}
	rig_fini();
	return tap_done();
}
