/* A wall clock that is set: what waits for it, and what it must not be charged to. SPEC 8, 9. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define HOUR 3600000
#define CONF                                                                                       \
	"[agent a]\nkind = fake\nbudget.deadline = 10m\nretry.base = 60s\nretry.jitter = none\n"   \
	"[trigger hook]\nsource = fake\nagent = a\n"
#define ACTIVE "SELECT active_ms FROM runs"
#define REASON "SELECT COALESCE(reason, status) FROM runs"

static void
set_back(void)
{
	rig_init(CONF);
	rig_event("hook", "1", NULL);
	rig_exits(rig_agent(0), 1);
	rig_pass(10000);
	rig.wall_ms -= HOUR;
	rig_pass(49000);
	IT ("a retry whose clock was set back is put off by its own length at most") {
		CHECK_INT(rig_agents(), 1);
		rig_pass(62000);
		CHECK_INT(rig_agents(), 2);
	}
	rig_exits(rig_agent(1), 1);
	rig.wall_ms -= 24LL * HOUR;
	rig_restart(NULL);
	IT ("also when no daemon saw it") {
		rig_pass(1000);
		CHECK_INT(rig_agents(), 2);
		rig_pass(121000);
		CHECK_INT(rig_agents(), 3);
	}
	rig_exits(rig_agent(2), 0);
	rig_fini();
}

static void
set_back_again(void)
{
	rig_init(CONF);
	rig_event("hook", "1", NULL);
	rig_exits(rig_agent(0), 1);
	rig.wall_ms -= HOUR;
	IT ("what was put off once is not put off by each daemon after") {
		rig_restart(NULL);
		rig_pass(30000);
		rig_restart(NULL);
		rig_pass(25000);
		CHECK_INT(rig_agents(), 1);
		rig_restart(NULL);
		rig_pass(6000);
		CHECK_INT(rig_agents(), 2);
	}
	rig_exits(rig_agent(1), 0);
	rig_fini();
}

static void
many(void)
{
	rig_init(CONF);
	rig_event("hook", "1", NULL);
	rig_exits(rig_agent(0), 64);
	rig_sql("WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c WHERE n < 2501) "
		"INSERT INTO runs (seq, id, agent, trigger, status, due, attempts, max_attempts, "
		"created, hops) SELECT n, 'r' || n, 'gone', 'hook', 'queued', 1700090000000 + n, "
		"1, 3, 1, 0 FROM c");
	rig_sql("INSERT INTO attempts (run, n, status, started, ended) SELECT seq, 1, 'failed', 1, "
		"due - 60000 FROM runs WHERE seq > 1");
	rig_restart(NULL);
	IT ("thousands that wait begin anew, a slice at a time") {
		CHECK_INT(rig_int("SELECT count(*) FROM runs WHERE due > 1700000070000"), 0);
		CHECK_INT(rig_int("SELECT count(*) FROM runs WHERE due IS NOT NULL"), 2500);
	}
	rig_fini();
}

static void
set_ahead(void)
{
	rig_init(CONF);
	rig_event("hook", "1", NULL);
	rig_pass(60000);
	rig.wall_ms += 2 * HOUR;
	rig_restart(NULL);
	IT ("a run that lives on has worked as long as it has, wherever the clock went") {
		CHECK_INT(attempt_time_left_ms(rig_agent(0)->attempt) / 1000, 540);
		rig.wall_ms -= 9 * HOUR;
		rig_restart(NULL);
		rig_pass(5000);
		CHECK_INT(attempt_time_left_ms(rig_agent(0)->attempt) / 1000, 535);
	}
	rig_agent(0)->lost = true;
	rig.wall_ms += 11 * HOUR;
	rig_restart(NULL);
	IT ("one that is lost is charged what was counted, and tried again") {
		CHECK_STR(rig_text(REASON), "queued");
		CHECK(rig_int(ACTIVE) <= 65000 && rig_int(ACTIVE) >= 40000);
		rig_pass(61000);
		CHECK_INT(rig_agents(), 2);
	}
	rig_exits(rig_agent(1), 0);
	rig_fini();
}

static void
another_boot(void)
{
	rig_init(CONF);
	rig_event("hook", "1", NULL);
	rig_pass(100000);
	rig_agent(0)->lost = true;
	rig.boot = 2;
	rig.mono_ms = 500;
	rig.wall_ms += HOUR;
	IT ("what a machine lost that was off is charged what was counted before") {
		rig_restart(NULL);
		CHECK_STR(rig_text(REASON), "queued");
		CHECK(rig_int(ACTIVE) <= 100000 && rig_int(ACTIVE) >= 80000);
	}
	rig_fini();
}

static void
ended_meanwhile(void)
{
	struct rig_agent *agent;

	rig_init(CONF);
	rig_event("hook", "1", NULL);
	agent = rig_agent(0);
	rig_pass(2000);
	rig.wall_ms += HOUR;
	rig.mono_ms += HOUR;
	rig_restart(NULL);
	IT ("what ended while no daemon lived is charged what its executor counted") {
		rig_ends(agent, (struct attempt_end){.exit_code = 1, .worked_ms = 3000});
		CHECK_STR(rig_text(REASON), "queued");
		CHECK_INT(rig_int(ACTIVE), 3000);
	}
	rig_fini();
}

int
main(void)
{
	set_back();
	set_back_again();
	many();
	set_ahead();
	another_boot();
	ended_meanwhile();
	return tap_done();
}
