/* The clock of a deadline: it stands while a person decides. SPEC 6, 9. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define CONF                                                                                       \
	"[agent a]\nkind = fake\nbudget.deadline = 60s\nretry.base = 1s\nretry.jitter = none\n"    \
	"[trigger hook]\nsource = fake\nagent = a\n"
#define ASK "{\"type\":\"approval\",\"step\":\"s\",\"payload\":{\"v\":1}}\n"
#define ASK_MORE "{\"type\":\"ask\",\"question\":\"q\"}\n"
#define ACTIVE "SELECT active_ms FROM attempts WHERE n = 1"

static struct err why;

static void
decide(const char *decision)
{
	AUTO(auto_free)
	char *id = mem_strdup(
		rig_text("SELECT id FROM gates WHERE status = 'waiting' ORDER BY seq LIMIT 1"));

	CHECK(id && gate_decide(&rig.core, id, decision, NULL, "ann", NULL, &why));
	rig_run();
}

static int
decisions_heard(const struct rig_agent *agent)
{
	int count = 0;

	for (const char *at = buf_cstr(&agent->got); (at = strstr(at, "\"type\":\"decision\""));
	     at++)
		count++;
	return count;
}

static void
one_daemon(void)
{
	struct rig_agent *agent;

	rig_init(CONF);
	rig_event("hook", "1", NULL);
	agent = rig_agent(0);
	rig_pass(10000);
	rig.fail_commits = 1;
	rig_says(agent, ASK);
	IT ("the clock of a question that is not on disk does not stand") {
		CHECK_INT(agent->stood, 0);
		CHECK(!agent->attempt->now.waits);
	}
	rig_pass(1000);
	IT ("it stands from the question on") {
		CHECK_INT(agent->stood, 1);
		CHECK_INT(rig_int(ACTIVE) / 1000, 10);
		rig_pass(3600000);
		CHECK_INT(attempt_time_left_ms(agent->attempt) / 1000, 49);
	}
	rig_says(agent, ASK_MORE);
	decide("approved");
	IT ("as long as one question is open") {
		CHECK_INT(agent->stood, 1);
		CHECK_INT(agent->went_on, 0);
		CHECK_INT(decisions_heard(agent), 1);
	}
	rig.fail_commits = 1;
	CHECK(gate_decide(&rig.core, rig_text("SELECT id FROM gates WHERE status = 'waiting'"),
			  "responded", "1", "ann", NULL, &why));
	rig_run();
	IT ("and while the last decision is not on disk") {
		CHECK_INT(agent->went_on, 0);
	}
	decide("responded");
	rig_pass(5000);
	IT ("then it goes on") {
		CHECK_INT(agent->went_on, 1);
		CHECK_INT(attempt_time_left_ms(agent->attempt) / 1000, 44);
	}
	rig_exits(agent, 0);
	IT ("what a run has worked excludes its waits") {
		CHECK_INT(rig_int(ACTIVE) / 1000, 15);
		CHECK_INT(rig_int("SELECT active_ms FROM runs") / 1000, 15);
	}
	rig_fini();
}

static void
two_daemons(void)
{
	struct rig_agent *agent;

	rig_init(CONF);
	rig_event("hook", "1", NULL);
	agent = rig_agent(0);
	rig_pass(10000);
	rig_says(agent, ASK);
	rig_pass(100000);
	rig_restart(NULL);
	IT ("a daemon that takes it up while it waits lets it stand on") {
		CHECK_INT(agent->stood, 2);
		CHECK_INT(agent->went_on, 0);
		CHECK_INT(attempt_time_left_ms(agent->attempt) / 1000, 50);
	}
	rig_pass(100000);
	decide("approved");
	rig_pass(7000);
	rig_restart(NULL);
	IT ("one that takes it up later counts its work before and after, and tells it to go on") {
		CHECK_INT(agent->went_on, 2);
		CHECK_INT(attempt_time_left_ms(agent->attempt) / 1000, 43);
		CHECK_INT(decisions_heard(agent), 1);
	}
	rig_exits(agent, 1);
	rig_pass(1000);
	IT ("the next attempt has what is left") {
		CHECK_INT(attempt_time_left_ms(rig_agent(1)->attempt) / 1000, 43);
	}
	rig_says(rig_agent(1), ASK_MORE);
	rig_exits(rig_agent(1), 1);
	rig_pass(2000);
	rig_pass(20000);
	rig_says(rig_agent(2), ASK_MORE);
	IT ("asked again by a later attempt, its clock stands from then on") {
		CHECK_INT(rig_agent(2)->stood, 1);
		CHECK_INT(rig_int("SELECT active_ms FROM attempts WHERE n = 3") / 1000, 20);
	}
	rig_fini();
}

/* The daemon dies when the decision is on disk and nobody was told. */
static void
untold(void)
{
	struct rig_agent *agent;

	rig_init(CONF);
	rig_event("hook", "1", NULL);
	agent = rig_agent(0);
	rig_pass(10);
	rig_says(agent, ASK);
	rig_pass(1000);
	rig_sql("UPDATE gates SET status = 'decided', decision = 'edited', decided_by = 'ann', "
		"answer = '{\"v\":2}', decided_at = 1700000001010; UPDATE runs SET status = "
		"'running'");
	rig_restart(NULL);
	IT ("what was decided and not told is told by the daemon after") {
		CHECK_INT(decisions_heard(agent), 1);
		CHECK(strstr(buf_cstr(&agent->got),
			     "\"decision\":\"edited\",\"by\":\"ann\",\"reason\":null,\"payload\":"
			     "{\"v\":2}") != NULL);
		CHECK_INT(agent->went_on, 1);
	}
	rig_restart(NULL);
	IT ("and once") {
		CHECK_INT(decisions_heard(agent), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE type = 'decision'"), 1);
	}
	rig_fini();
}

int
main(void)
{
	one_daemon();
	two_daemons();
	untold();
	err_fini(&why);
	return tap_done();
}
