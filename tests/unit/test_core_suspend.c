/* Runs that wait for a person without a process. SPEC 6. */
/* SPDX-License-Identifier: MIT */
#include "core/suspend.h"
#include "tests/unit/core_rig.h"

#define CONF                                                                                       \
	"[agent a]\nkind = fake\nretry.attempts = 2\nretry.base = 5s\nretry.jitter = none\n"       \
	"[trigger hook]\nsource = fake\nagent = a\nentity = .data.e\n"
#define ASK "{\"type\":\"approval\",\"step\":\"refund\",\"payload\":{\"v\":1}}\n"
#define SUSPEND "{\"type\":\"suspend\"}\n"
#define STATUS "SELECT status FROM runs ORDER BY seq LIMIT 1"
#define LAST "SELECT status FROM attempts ORDER BY run, n DESC LIMIT 1"

static struct err why;

static bool
decide(const char *decision)
{
	AUTO(auto_free)
	char *id = mem_strdup(
		rig_text("SELECT id FROM gates WHERE status = 'waiting' ORDER BY seq LIMIT 1"));
	bool ok = id && gate_decide(&rig.core, id, decision, NULL, "ann", "fine", &why);

	rig_run();
	return ok;
}

static bool
is_whole(void)
{
	AUTO(buf_fini) struct buf found = BUF_INIT;
	bool ok = store_check(rig.core.store, &found, NULL);

	if (!ok)
		printf("# %s\n", buf_cstr(&found));
	return ok;
}

/* A run whose agent asked and left. */
static struct rig_agent *
suspended(const char *conf)
{
	rig_init(conf);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	rig_says(rig_agent(0), "{\"type\":\"step\",\"name\":\"one\",\"status\":\"done\",\"output\":"
			       "7}\n{\"type\":\"checkpoint\",\"state\":[1]}\n" ASK SUSPEND);
	rig_exits(rig_agent(0), 0);
	return rig_agent(0);
}

static void
wakes(void)
{
	suspended(CONF);
	IT ("a run that says suspend waits, and no process of it is kept") {
		CHECK_STR(rig_text(STATUS), "waiting");
		CHECK_STR(rig_text(LAST), "suspended");
		CHECK_INT(queue_in_flight(rig.core.queue, NULL), 0);
		CHECK(!attempt_of_run(&rig.core, rig_text("SELECT id FROM runs")));
		CHECK(is_whole());
	}
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	IT ("it keeps its place before others of its entity") {
		CHECK_INT(rig_agents(), 1);
	}
	rig_restart(NULL);
	rig_pass(86400000);
	IT ("through restarts and for any time") {
		CHECK_STR(rig_text(STATUS), "waiting");
		CHECK_INT(rig_agents(), 1);
	}
	IT ("whoever sends it something hears that nobody listens") {
		CHECK(!run_send(&rig.core, rig_text("SELECT id FROM runs"), "hello", &why));
		CHECK_INT(why.code, E_STATE);
		CHECK(strstr(err_text(&why), "suspended") != NULL);
	}
	rig.fail_commits = 1;
	decide("approved");
	IT ("a decision that is not on disk wakes nobody") {
		CHECK_STR(rig_text(STATUS), "waiting");
		CHECK_INT(rig_agents(), 1);
	}
	CHECK(decide("approved"));
	IT ("its decision starts it again: the same run, its next attempt, told of everything") {
		CHECK_INT(rig_agents(), 2);
		CHECK(strstr(rig_agent(1)->envelope, "\"attempt\":2") != NULL);
		CHECK(strstr(rig_agent(1)->envelope,
			     "\"decisions\":{\"refund\":{\"decision\":\"approved\",\"by\":"
			     "\"ann\",\"reason\":\"fine\"}}") != NULL);
		CHECK(strstr(rig_agent(1)->envelope, "\"completed_steps\":{\"one\":7}") != NULL);
		CHECK(strstr(rig_agent(1)->envelope, "\"state\":[1]") != NULL);
		CHECK_INT(rig_int("SELECT active_ms < 60000 FROM runs"), 1);
		CHECK(is_whole());
	}
	rig_exits(rig_agent(1), 3);
	IT ("what was suspended is not held against retry.attempts") {
		CHECK_STR(rig_text(STATUS), "queued");
		rig_pass(5100);
		CHECK_INT(rig_agents(), 3);
	}
	rig_exits(rig_agent(2), 3);
	IT ("what failed is") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text("SELECT reason FROM runs ORDER BY seq LIMIT 1"), "exhausted");
	}
	IT ("then the next of its entity goes") {
		CHECK_INT(rig_agents(), 4);
	}
	rig_fini();
}

static void
meanwhile(void)
{
	struct rig_agent *agent;

	rig_init(CONF);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	agent = rig_agent(0);
	rig_says(agent, ASK SUSPEND "{\"type\":\"result\",\"output\":1}\n{\"type\":\"ask\","
				    "\"question\":\"more?\"}\n");
	rig_pass(10);
	decide("denied");
	rig_restart(NULL);
	rig_exits(agent, 1);
	IT ("decided before its agent has left, it goes on at once; what it still said is "
	    "nothing") {
		CHECK_STR(rig_text("SELECT status FROM attempts WHERE n = 1"), "suspended");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates"), 1);
		CHECK_INT(rig_agents(), 2);
		CHECK(strstr(rig_agent(1)->envelope, "\"decision\":\"denied\"") != NULL);
	}
	rig_says(rig_agent(1), ASK);
	IT ("asked again, the same question is answered already") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates"), 1);
		CHECK(strstr(buf_cstr(&rig_agent(1)->got), "\"denied\"") != NULL);
	}
	rig_says(rig_agent(1), SUSPEND);
	IT ("and is none to suspend for") {
		CHECK_STR(rig_agent(1)->cancelled, "invalid");
	}
	rig_ends(rig_agent(1), (struct attempt_end){.exit_code = -1, .signal = 15});
	IT ("who suspends and asks nothing fails, with a sentence") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text("SELECT reason FROM runs"), "invalid");
		CHECK(strstr(rig_text("SELECT error FROM runs"), "no gate of it is open") != NULL);
	}
	rig_fini();

	rig_init(CONF);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	agent = rig_agent(0);
	rig_says(agent, ASK SUSPEND);
	rig_pass(9000);
	IT ("an agent has a moment to leave in") {
		CHECK_STR(agent->cancelled, "");
	}
	rig_restart(NULL);
	rig_pass(11000);
	IT ("and is stopped when it stays, by the daemon after too") {
		CHECK_STR(agent->cancelled, "suspended");
	}
	rig_ends(agent, (struct attempt_end){.exit_code = -1, .lost = true});
	IT ("that its executor is gone then changes nothing") {
		CHECK_STR(rig_text(STATUS), "waiting");
		CHECK_STR(rig_text(LAST), "suspended");
	}
	rig_fini();

	rig_init(CONF);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	agent = rig_agent(0);
	rig.fail_commits = 2;
	rig_says(agent, ASK SUSPEND);
	rig_pass(2000);
	rig.fail_commits = 1;
	rig_exits(agent, 0);
	rig_pass(2000);
	IT ("a disk that is full for a while loses none of it") {
		CHECK_STR(rig_text(STATUS), "waiting");
		CHECK_STR(rig_text(LAST), "suspended");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates"), 1);
		CHECK(is_whole());
	}
	rig_fini();
}

/* The process has ended, and its end is not on disk. */
static struct rig_agent *
leaving(const char *says, int code)
{
	rig_init(CONF);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	rig_says(rig_agent(0), says);
	attempt_exit(rig_agent(0)->attempt, &(struct attempt_end){.exit_code = code});
	return rig_agent(0);
}

static bool
cancel(void)
{
	return run_cancel(&rig.core, rig_text("SELECT id FROM runs ORDER BY seq LIMIT 1"), "ann",
			  "no more", &why);
}

static void
cancelled_between(void)
{
	static const struct {
		const char *says, *status, *attempt;
		int code;
	} cases[] = {{ASK SUSPEND, "cancelled", "suspended", 0},
		     {"", "cancelled", "failed", 75},
		     {"{\"type\":\"result\",\"output\":1}\n", "succeeded", "succeeded", 0},
		     {"", "failed", "failed", 65}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (int fails = 0; fails < 2; fails++) {
			leaving(cases[i].says, cases[i].code);
			IT ("a cancel between the exit and its being written ends what would go "
			    "on") {
				CHECK(cancel());
				rig_step();
				rig.fail_commits = fails;
				rig_run();
				rig_pass(60000);
				CHECK_STR(rig_text(STATUS), cases[i].status);
				CHECK_STR(rig_text("SELECT status FROM attempts LIMIT 1"),
					  cases[i].attempt);
				CHECK_INT(rig_int("SELECT COUNT(*) FROM gates WHERE status = "
						  "'waiting'"),
					  0);
				CHECK_INT(rig_agents(), 1);
				CHECK_INT(queue_in_flight(rig.core.queue, NULL), 0);
				CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
				CHECK(is_whole());
			}
			rig_fini();
		}
	}
	leaving(ASK SUSPEND, 0);
	IT ("one that leaves takes no input, and says so") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(!run_send(&rig.core, rig_text("SELECT id FROM runs"), "hello", &err));
		CHECK_INT(err.code, E_STATE);
		rig_run();
		CHECK_STR(rig_text(STATUS), "waiting");
	}
	rig_fini();
	rig_init(CONF);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	IT ("a cancel whose daemon died before the agent was told is told by the next one") {
		CHECK(cancel());
		turn_end(rig.core.store);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM decisions WHERE decision = 'cancel'"), 1);
		rig_agent(0)->cancelled[0] = '\0';
		rig_restart(NULL);
		rig_run();
		CHECK_STR(rig_agent(0)->cancelled, "cancelled");
		rig_ends(rig_agent(0), (struct attempt_end){.exit_code = -1, .signal = 15});
		CHECK_STR(rig_text(STATUS), "cancelled");
		CHECK_STR(rig_text("SELECT error FROM runs"), "no more");
	}
	rig_fini();
}

static void
ends(void)
{
	suspended(CONF);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	IT ("a suspended run is cancelled in its row, and the next of its entity goes") {
		CHECK(run_cancel(&rig.core, rig_text("SELECT id FROM runs ORDER BY seq LIMIT 1"),
				 "ann", "no more", &why));
		rig_run();
		CHECK_STR(rig_text(STATUS), "cancelled");
		CHECK_STR(rig_text("SELECT status FROM gates"), "cancelled");
		CHECK_INT(rig_agents(), 2);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
		CHECK(is_whole());
	}
	rig_fini();

	rig_init(CONF);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	rig_says(rig_agent(0),
		 "{\"type\":\"ask\",\"question\":\"a?\",\"timeout\":\"60s\"}\n" ASK SUSPEND);
	rig_exits(rig_agent(0), 0);
	decide("responded");
	IT ("of two questions one is not enough") {
		CHECK_STR(rig_text(STATUS), "waiting");
		CHECK_INT(rig_agents(), 1);
	}
	decide("approved");
	IT ("both are") {
		CHECK_INT(rig_agents(), 2);
	}
	rig_says(rig_agent(1),
		 "{\"type\":\"ask\",\"question\":\"b?\",\"timeout\":\"60s\"}\n" SUSPEND);
	rig_exits(rig_agent(1), 0);
	rig_restart(NULL);
	rig_pass(61000);
	IT ("a time-out wakes it as a person does, and says so") {
		CHECK_INT(rig_agents(), 3);
		CHECK(strstr(rig_agent(2)->envelope, "\"b?\":{\"decision\":\"timeout\"") != NULL);
	}
	rig_says(rig_agent(2), "{\"type\":\"ask\",\"question\":\"b?\",\"timeout\":\"60s\"}\n");
	IT ("a person is not asked twice what nobody answered in time") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates"), 3);
		CHECK(strstr(buf_cstr(&rig_agent(2)->got), "\"timeout\"") != NULL);
	}
	rig_exits(rig_agent(2), 0);
	IT ("at last it succeeds, after attempts that were suspended alone") {
		CHECK_STR(rig_text(STATUS), "succeeded");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM attempts WHERE status = 'suspended'"), 2);
		CHECK(is_whole());
	}
	rig_fini();
}

int
main(void)
{
	wakes();
	meanwhile();
	cancelled_between();
	ends();
	err_fini(&why);
	return tap_done();
}
