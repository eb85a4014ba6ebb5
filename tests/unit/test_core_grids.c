/* The grids of runs and changes: what may follow what, and that final means final. */
/* SPDX-License-Identifier: MIT */
#include "core/change.h"
#include "core/run.h"
#include "tests/unit/tap.h"

static void
run_grid(void)
{
	IT ("a queued run that is claimed runs") {
		CHECK(run_next(RUN_QUEUED, RUN_CLAIM) == RUN_RUNNING);
	}
	IT ("a running run is not claimed again") {
		CHECK(run_next(RUN_RUNNING, RUN_CLAIM) == RUN_NOWHERE);
	}
	IT ("a run that waits resumes, and only then") {
		CHECK(run_next(RUN_RUNNING, RUN_WAIT) == RUN_WAITING);
		CHECK(run_next(RUN_WAITING, RUN_RESUME) == RUN_RUNNING);
		CHECK(run_next(RUN_QUEUED, RUN_RESUME) == RUN_NOWHERE);
	}
	IT ("nothing follows a final state") {
		for (int s = 0; s < RUN_STATE_COUNT; s++)
			for (int e = 0; run_is_final((enum run_state)s) && e < RUN_EVENTS; e++)
				CHECK(run_next((enum run_state)s, (enum run_event)e) ==
				      RUN_NOWHERE);
		CHECK(run_is_final(RUN_SUCCEEDED) && run_is_final(RUN_SKIPPED) &&
		      !run_is_final(RUN_WAITING));
	}
	IT ("every state is found by its name, and no other word is") {
		for (int s = 0; s < RUN_STATE_COUNT; s++)
			CHECK((int)run_state_of(run_state_name((enum run_state)s)) == s);
		CHECK(run_state_of("done") == RUN_NOWHERE);
		CHECK(run_state_of(NULL) == RUN_NOWHERE);
	}
}

static void
change_grid(void)
{
	IT ("only a proposal is approved for the first time") {
		CHECK(change_next(CHANGE_PROPOSED, CHANGE_APPROVE) == CHANGE_APPROVED);
		CHECK(change_next(CHANGE_APPROVED, CHANGE_APPROVE) == CHANGE_NOWHERE);
		CHECK(change_next(CHANGE_APPLIED, CHANGE_APPROVE) == CHANGE_NOWHERE);
		CHECK(change_next(CHANGE_REJECTED, CHANGE_APPROVE) == CHANGE_NOWHERE);
	}
	IT ("what failed or drifted may be approved again") {
		CHECK(change_next(CHANGE_CONFLICT, CHANGE_APPROVE) == CHANGE_APPROVED);
		CHECK(change_next(CHANGE_FAILED, CHANGE_APPROVE) == CHANGE_APPROVED);
	}
	IT ("nothing is applied that was not approved") {
		for (int s = 0; s < CHANGE_STATE_COUNT; s++)
			if (s != CHANGE_APPROVED)
				CHECK(change_next((enum change_state)s, CHANGE_APPLY) ==
				      CHANGE_NOWHERE);
		CHECK(change_next(CHANGE_APPROVED, CHANGE_APPLY) == CHANGE_APPLYING);
	}
	IT ("only what is applied is reverted, and a failed revert leaves it applied") {
		for (int s = 0; s < CHANGE_STATE_COUNT; s++)
			if (s != CHANGE_APPLIED)
				CHECK(change_next((enum change_state)s, CHANGE_REVERT) ==
				      CHANGE_NOWHERE);
		CHECK(change_next(CHANGE_REVERTING, CHANGE_FAIL) == CHANGE_APPLIED);
		CHECK(change_next(CHANGE_REVERTING, CHANGE_DONE) == CHANGE_REVERTED);
	}
}

static void
digests(void)
{
	struct change_row a = {.target = (char *)"crm",
			       .entity = (char *)"7",
			       .op = (char *)"update",
			       .after = (char *)"{\"x\":1}"};
	struct change_row b = a;
	AUTO(auto_free) char *one = change_digest(&a);
	AUTO(auto_free) char *same = change_digest(&b);
	AUTO(auto_free) char *other = NULL;

	b.entity = (char *)"7update";
	b.op = (char *)"";
	other = change_digest(&b);
	IT ("a digest covers what a person sees, field by field") {
		CHECK_STR(one, same);
		CHECK(strcmp(one, other) != 0);
		CHECK_INT(strlen(one), 64);
	}
}

int
main(void)
{
	run_grid();
	change_grid();
	digests();
	return tap_done();
}
