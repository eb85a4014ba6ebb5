/* Applying: each approved change once, in order, whatever dies. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define CONF                                                                                       \
	"[target crm]\nkind = fake\nretry.attempts = 3\nretry.base = 10s\nretry.jitter = none\n"   \
	"[agent a]\nkind = fake\ntargets = crm\n[trigger hook]\nsource = fake\nagent = a\n"
#define CHANGE(entity, n)                                                                          \
	"{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"" entity                             \
	"\",\"before\":{\"n\":0},\"after\":{\"n\":" n "}}\n"

static struct err why;

static const char *
column(int i, const char *name)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT %s FROM changes ORDER BY seq LIMIT 1 OFFSET %d", name, i);
	return rig_text(buf_cstr(&sql));
}

/* A run that proposed lines; targets answer when the test says so. */
static void
begin(const char *lines)
{
	rig_init(CONF);
	rig_target_auto = -1;
	rig_event("hook", "1", NULL);
	rig_says(rig_agent(0), lines);
}

static void
order(void)
{
	begin(CHANGE("x", "1") CHANGE("x", "2") CHANGE("y", "3"));
	IT ("of one entity one is applied at a time, others beside it") {
		CHECK_INT(rig_calls(), 2);
		CHECK_STR(rig_call(0)->after, "{\"n\":1}");
		CHECK_STR(rig_call(1)->after, "{\"n\":3}");
		CHECK_STR(column(0, "status"), "applying");
		CHECK_STR(column(1, "status"), "approved");
		CHECK_INT(apply_in_flight(rig.core.apply), 2);
	}
	rig_target_says(rig_call(0), TARGET_DONE, NULL, E_OK);
	IT ("the next one when it is done") {
		CHECK_STR(column(0, "status"), "applied");
		CHECK_STR(column(0, "receipt"), "{\"etag\":\"7\"}");
		CHECK(column(0, "applied_at") != NULL);
		CHECK_INT(rig_calls(), 3);
		CHECK_STR(rig_call(2)->after, "{\"n\":2}");
	}
	IT ("a revert of the first waits for the second, which is on its way") {
		CHECK(change_revert(&rig.core, column(0, "id"), "ann", "oops", &why));
		rig_run();
		CHECK_INT(rig_calls(), 3);
		rig_target_says(rig_call(2), TARGET_DONE, NULL, E_OK);
		CHECK_INT(rig_calls(), 4);
		CHECK(rig_call(3)->revert);
		rig_target_says(rig_call(3), TARGET_DONE, NULL, E_OK);
		CHECK_STR(column(0, "status"), "reverted");
		CHECK(column(0, "reverted_at") != NULL);
	}
	IT ("under the same key") {
		CHECK_STR(rig_call(3)->key, rig_call(0)->key);
	}
	rig_target_says(rig_call(1), TARGET_ALREADY, NULL, E_OK);
	IT ("what had been done already is applied") {
		CHECK_STR(column(2, "status"), "applied");
	}
	rig_fini();
}

static void
troubles(void)
{
	begin(CHANGE("x", "1") CHANGE("x", "2"));
	rig_target_says(rig_call(0), TARGET_FAILED, NULL, E_UNAVAILABLE);
	IT ("a transient failure is tried again after its wait, and what comes after it waits, "
	    "too") {
		CHECK_STR(column(0, "status"), "approved");
		CHECK_STR(column(0, "error"), "the target says no");
		CHECK_INT(rig_calls(), 1);
		rig_pass(9000);
		CHECK_INT(rig_calls(), 1);
		rig_pass(1100);
		CHECK_INT(rig_calls(), 2);
		CHECK_STR(rig_call(1)->key, rig_call(0)->key);
	}
	rig_target_says(rig_call(1), TARGET_FAILED, NULL, E_TIMEOUT);
	IT ("a person need not wait for that") {
		CHECK(change_apply_again(&rig.core, column(0, "id"), "ann", &why));
		rig_run();
		CHECK_INT(rig_calls(), 3);
	}
	rig_target_says(rig_call(2), TARGET_FAILED, NULL, E_TIMEOUT);
	IT ("in the end it failed, and the next one has its turn") {
		CHECK_STR(column(0, "status"), "failed");
		CHECK_INT(rig_calls(), 4);
		CHECK_STR(rig_call(3)->after, "{\"n\":2}");
	}
	rig_target_says(rig_call(3), TARGET_FAILED, NULL, E_INVALID);
	IT ("what is not worth trying is not tried again") {
		CHECK_STR(column(1, "status"), "failed");
		CHECK_INT(rig_int("SELECT attempts FROM changes ORDER BY seq DESC LIMIT 1"), 1);
	}
	IT ("a failed one is applied when a person says so") {
		CHECK(change_apply_again(&rig.core, column(1, "id"), "ann", &why));
		rig_run();
		rig_target_says(rig_call(4), TARGET_DONE, NULL, E_OK);
		CHECK_STR(column(1, "status"), "applied");
		CHECK_STR(column(1, "error"), "");
		CHECK(change_apply_again(&rig.core, column(1, "id"), "ann", &why));
		rig_run();
		CHECK_INT(rig_calls(), 5);
	}
	rig_fini();

	begin(CHANGE("x", "1"));
	rig_target_says(rig_call(0), TARGET_FAILED, NULL, E_TIMEOUT);
	rig.wall_ms -= 86400000;
	IT ("a clock that is set back puts nothing off") {
		rig_pass(9000);
		CHECK_INT(rig_calls(), 1);
		rig_pass(1100);
		CHECK_INT(rig_calls(), 2);
	}
	rig_fini();

	begin(CHANGE("x", "1"));
	AUTO(auto_free) char *proposed = mem_strdup(column(0, "digest"));
	rig_target_says(rig_call(0), TARGET_DRIFTED, "{\"n\":5}", E_OK);
	IT ("a change whose ground has moved is a conflict, with what was found") {
		CHECK_STR(column(0, "status"), "conflict");
		CHECK_STR(column(0, "current"), "{\"n\":5}");
		CHECK(strstr(column(0, "error"), "nothing was applied") != NULL);
	}
	AUTO(auto_free) char *shown = mem_strdup(column(0, "digest"));
	IT ("who approves it approves what is there now, and says so") {
		CHECK(!change_decide(&rig.core, column(0, "id"), CHANGE_APPROVE, "ann", "I saw it",
				     proposed, &why));
		CHECK_INT(why.code, E_STATE);
		CHECK(change_decide(&rig.core, column(0, "id"), CHANGE_APPROVE, "ann", "I saw it",
				    shown, &why));
		rig_run();
		CHECK_INT(rig_calls(), 2);
		CHECK_STR(rig_call(1)->before, "{\"n\":5}");
		CHECK_STR(rig_call(1)->key, rig_call(0)->key);
		CHECK(strcmp(column(0, "digest"), shown) != 0);
		CHECK_STR(rig_text("SELECT reason FROM decisions WHERE decision = 'approve'"),
			  "I saw it; approved on what is there now");
	}
	rig_target_says(rig_call(1), TARGET_DRIFTED, "{\"n\":6,\"other\":1}", E_OK);
	IT ("when that has moved again it is a conflict again, which the first look does not "
	    "cover") {
		CHECK_STR(column(0, "status"), "conflict");
		CHECK(!change_decide(&rig.core, column(0, "id"), CHANGE_APPROVE, "ann", NULL, shown,
				     &why));
	}
	IT ("to apply it again by its name is the same; only what before names is looked at") {
		CHECK(change_apply_again(&rig.core, column(0, "id"), "ann", &why));
		rig_run();
		CHECK_STR(rig_call(2)->before, "{\"n\":6}");
	}
	rig_target_says(rig_call(2), TARGET_DRIFTED, NULL, E_OK);
	IT ("where nobody says what is there, before stays") {
		CHECK_STR(column(0, "current"), "null");
		CHECK(change_apply_again(&rig.core, column(0, "id"), "ann", &why));
		rig_run();
		CHECK_STR(rig_call(3)->before, "{\"n\":6}");
	}
	rig_says(rig_agent(0), CHANGE("x", "1"));
	IT ("the agent's saying it again changes nothing, though its before is another now") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes"), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE data LIKE '%refused%'"), 0);
	}
	rig_target_says(rig_call(3), TARGET_DONE, NULL, E_OK);
	IT ("and it is applied in the end") {
		CHECK_STR(column(0, "status"), "applied");
	}
	rig_fini();

	begin(CHANGE("x", "1"));
	rig_target_says(rig_call(0), TARGET_DRIFTED, "{\"n\":5}", E_OK);
	IT ("it may be rejected") {
		CHECK(change_decide(&rig.core, column(0, "id"), CHANGE_REJECT, "ann", "stale", NULL,
				    &why));
		rig_run();
		CHECK_STR(column(0, "status"), "rejected");
	}
	rig_fini();

	begin(CHANGE("x", "1"));
	rig_target_says(rig_call(0), TARGET_DONE, NULL, E_OK);
	change_revert(&rig.core, column(0, "id"), "ann", "oops", &why);
	rig_run();
	rig_target_says(rig_call(1), TARGET_FAILED, NULL, E_UNAVAILABLE);
	IT ("a revert that fails for a moment is tried again") {
		CHECK_STR(column(0, "status"), "reverting");
		rig_pass(10100);
		CHECK_INT(rig_calls(), 3);
	}
	rig_target_says(rig_call(2), TARGET_DRIFTED, "{\"n\":9}", E_OK);
	IT ("one whose ground has moved leaves it applied, and says so") {
		CHECK_STR(column(0, "status"), "applied");
		CHECK(strstr(column(0, "error"), "nothing was reverted") != NULL);
	}
	rig_fini();
}

static void
disks(void)
{
	begin("");
	buf_puts(&rig_agent(0)->out, CHANGE("x", "1"));
	rig_restart(NULL);
	IT ("a proposal that was spooled while nobody listened is applied") {
		CHECK_INT(rig_calls(), 1);
	}
	rig.fail_commits = 3;
	rig_target_says(rig_call(0), TARGET_DONE, NULL, E_OK);
	IT ("what the target did while the disk was full is written later") {
		CHECK_STR(column(0, "status"), "applying");
		CHECK_INT(apply_in_flight(rig.core.apply), 1);
		rig_pass(2000);
		CHECK_STR(column(0, "status"), "applied");
		CHECK_INT(rig_calls(), 1);
		CHECK_INT(apply_in_flight(rig.core.apply), 0);
	}
	change_revert(&rig.core, column(0, "id"), "ann", "oops", &why);
	turn_end(rig.core.store);
	rig.fail_commits = 2;
	rig_run();
	IT ("a target is not asked on a claim that is not on disk") {
		CHECK_INT(rig_calls(), 1);
		rig_pass(3000);
		CHECK_INT(rig_calls(), 2);
	}
	rig_fini();
}

static void
deaths(void)
{
	begin(CHANGE("x", "1") CHANGE("y", "2"));
	IT ("two are on their way") {
		CHECK_INT(rig_calls(), 2);
	}
	rig_restart(NULL);
	IT ("what was being applied when the daemon died is asked again, under the same key") {
		CHECK_INT(rig_calls(), 4);
		CHECK_STR(rig_call(2)->key, rig_call(0)->key);
		CHECK_STR(rig_call(3)->key, rig_call(1)->key);
		rig_target_says(rig_call(2), TARGET_ALREADY, NULL, E_OK);
		rig_target_says(rig_call(3), TARGET_DONE, NULL, E_OK);
		CHECK_STR(column(0, "status"), "applied");
		CHECK_STR(column(1, "status"), "applied");
	}
	change_revert(&rig.core, column(0, "id"), "ann", "oops", &why);
	rig_run();
	rig_restart(NULL);
	rig_run();
	IT ("a revert that was on its way is asked again, too") {
		CHECK_INT(rig_calls(), 6);
		CHECK(rig_call(5)->revert);
		CHECK_STR(rig_call(5)->key, rig_call(0)->key);
	}
	rig_fini();
}

static void
doors(void)
{
	begin(CHANGE("x", "1"));
	rig_target_says(rig_call(0), TARGET_FAILED, NULL, E_UNAVAILABLE);
	switch_turn(&rig.core, "all", "", "halted", true, "ann", &why);
	rig_pass(20000);
	IT ("a daemon that is halted applies nothing") {
		CHECK_INT(rig_calls(), 1);
	}
	switch_turn(&rig.core, "all", "", "halted", false, "ann", &why);
	rig_run();
	IT ("and goes on when it goes on") {
		CHECK_INT(rig_calls(), 2);
	}
	rig_target_says(rig_call(1), TARGET_FAILED, NULL, E_UNAVAILABLE);
	rig_reload("[agent a]\nkind = fake\n[trigger hook]\nsource = fake\nagent = a\n");
	rig_pass(20000);
	IT ("a change whose target is no longer configured fails, with what to do") {
		CHECK_INT(rig_calls(), 2);
		CHECK_STR(column(0, "status"), "failed");
		CHECK(strstr(column(0, "error"), "no longer configured") != NULL);
	}
	rig_reload(CONF);
	change_apply_again(&rig.core, column(0, "id"), "ann", &why);
	rig_run();
	IT ("and is applied when it is back") {
		CHECK_INT(rig_calls(), 3);
	}
	rig.core.draining = true;
	rig_target_says(rig_call(2), TARGET_FAILED, NULL, E_UNAVAILABLE);
	rig_pass(20000);
	IT ("a daemon that stops writes down what was on its way, and begins nothing") {
		CHECK_STR(column(0, "status"), "approved");
		CHECK_INT(apply_in_flight(rig.core.apply), 0);
		CHECK_INT(rig_calls(), 3);
	}
	rig_fini();

	begin("");
	for (int i = 0; i < 20; i++) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		buf_printf(&line,
			   "{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"e%d\",\"after\":{"
			   "\"n\":1}}\n",
			   i);
		rig_says(rig_agent(0), buf_cstr(&line));
	}
	IT ("a target is asked no more than eight things at once") {
		CHECK_INT(rig_calls(), 8);
	}
	rig_target_auto = TARGET_DONE;
	rig_run();
	IT ("and all of them in the end") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE status = 'applied'"), 20);
	}
	for (int i = 0; i < 20; i++)
		change_revert(&rig.core, column(i, "id"), "ann", "all", &why);
	rig_target_auto = -1;
	turn_end(rig.core.store);
	rig_restart(NULL);
	IT ("twenty reverts that the daemon died on are not asked all at once") {
		CHECK_INT(apply_in_flight(rig.core.apply), 8);
	}
	rig_fini();
}

/* The target's timeout is 30 s, and 10 s of grace. */
static void
silences(void)
{
	begin(CHANGE("x", "1") CHANGE("x", "2"));
	rig_pass(39000);
	IT ("a target has its time") {
		CHECK_STR(column(0, "status"), "applying");
		CHECK_INT(apply_in_flight(rig.core.apply), 1);
	}
	rig_pass(1100);
	IT ("one that does not answer at all has failed for now, and its place is free") {
		CHECK_STR(column(0, "status"), "approved");
		CHECK(strstr(column(0, "error"), "did not answer within 40000 ms") != NULL);
		CHECK_INT(column(0, "attempts")[0], '1');
		CHECK_INT(apply_in_flight(rig.core.apply), 0);
	}
	rig_pass(10000);
	IT ("it is asked again, under the same key") {
		CHECK_INT(rig_calls(), 2);
		CHECK_STR(rig_call(1)->key, rig_call(0)->key);
	}
	rig_target_says(rig_call(0), TARGET_DONE, NULL, E_OK);
	IT ("the late answer changes nothing") {
		CHECK_STR(column(0, "status"), "applying");
		CHECK_INT(apply_in_flight(rig.core.apply), 1);
		CHECK(column(0, "receipt") == NULL);
	}
	rig_target_says(rig_call(1), TARGET_ALREADY, NULL, E_OK);
	IT ("the answer to the second does, and the next has its turn") {
		CHECK_STR(column(0, "status"), "applied");
		CHECK_INT(rig_calls(), 3);
		rig_pass(100000);
		CHECK_STR(column(0, "status"), "applied");
	}
	rig_pass(60000);
	IT ("a target that is silent to the last fails, with what that means") {
		CHECK_STR(column(1, "status"), "failed");
		CHECK(strstr(column(1, "error"), "may or may not have done it") != NULL);
		CHECK_INT(rig_calls(), 5);
	}
	rig_fini();

	begin(CHANGE("x", "1"));
	rig_pass(39900);
	rig.fail_commits = 3;
	rig_pass(200);
	IT ("an answer that comes while the failure waits for the disk is late, too") {
		CHECK_STR(column(0, "status"), "applying");
		rig_target_says(rig_call(0), TARGET_DONE, NULL, E_OK);
		rig_pass(3000);
		CHECK_STR(column(0, "status"), "approved");
		CHECK_INT(apply_in_flight(rig.core.apply), 0);
	}
	rig_fini();

	begin(CHANGE("x", "1"));
	rig_pass(41000);
	IT ("a daemon ends with an answer outstanding") {
		CHECK_STR(column(0, "status"), "approved");
	}
	rig_restart(NULL);
	rig_pass(10000);
	IT ("and the next one asks again") {
		CHECK_INT(rig_calls(), 2);
	}
	rig_fini();
}

int
main(void)
{
	order();
	troubles();
	disks();
	deaths();
	doors();
	silences();
	err_fini(&why);
	return tap_done();
}
