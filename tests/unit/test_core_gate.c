/* Questions that nobody answers in time. SPEC 6, 8, 12. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define TRIGGER "[trigger hook]\nsource = fake\nagent = a\nentity = .data.e\n"
#define AGENT                                                                                      \
	"[target crm]\nkind = fake\n"                                                              \
	"[agent a]\nkind = fake\ntargets = crm\nretry.attempts = 3\nretry.base = 1s\n"             \
	"retry.jitter = none\n"
#define CONF AGENT TRIGGER
#define ASK(more) "{\"type\":\"approval\",\"step\":\"pay\",\"payload\":{\"v\":1}" more "}\n"
#define STATUS "SELECT status FROM runs ORDER BY seq LIMIT 1"
#define REASON "SELECT reason FROM runs ORDER BY seq LIMIT 1"
#define GATE "SELECT status || ' ' || COALESCE(decision, '-') FROM gates ORDER BY seq LIMIT 1"

static struct err why;

static struct rig_agent *
asks(const char *conf, const char *lines)
{
	rig_init(conf);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	rig_says(rig_agent(0), lines);
	return rig_agent(0);
}

static bool
hears(const struct rig_agent *agent, const char *word)
{
	return strstr(buf_cstr(&agent->got), word) != NULL;
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

static void
denied(void)
{
	struct rig_agent *agent = asks(CONF, ASK(",\"timeout\":\"60s\""));

	rig_pass(59000);
	IT ("a question waits as long as it says") {
		CHECK_STR(rig_text(GATE), "waiting -");
	}
	rig_pass(1100);
	IT ("then its agent hears timeout, which is no approval") {
		CHECK_STR(rig_text(GATE), "expired timeout");
		CHECK(hears(agent, "\"decision\":\"timeout\""));
		CHECK_STR(rig_text(STATUS), "running");
		CHECK_STR(rig_text("SELECT decided_by FROM gates"), "rouse");
	}
	IT ("a person comes too late") {
		CHECK(!gate_decide(&rig.core, rig_text("SELECT id FROM gates"), "approved", NULL,
				   "ann", NULL, &why));
		CHECK_INT(why.code, E_STATE);
	}
	rig_exits(agent, 1);
	IT ("an agent that can only fail then has failed for that, and is not run again") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text(REASON), "gate_timeout");
		CHECK(is_whole());
	}
	rig_fini();

	agent = asks(CONF, ASK(",\"timeout\":60"));
	rig_pass(61000);
	rig_says(agent, "{\"type\":\"step\",\"name\":\"else\"}\n");
	rig_exits(agent, 1);
	IT ("one that went on, and failed at something else, is") {
		CHECK_STR(rig_text(STATUS), "queued");
	}
	rig_fini();

	agent = asks(CONF, ASK(",\"timeout\":60"));
	rig_pass(61000);
	rig_restart(NULL);
	rig_exits(agent, 75);
	IT ("so is one that asks for it") {
		CHECK_STR(rig_text(STATUS), "queued");
	}
	rig_fini();

	agent = asks(CONF, ASK(""));
	gate_decide(&rig.core, rig_text("SELECT id FROM gates"), "denied", NULL, "ann", NULL, &why);
	rig_run();
	rig_restart(NULL);
	rig_exits(agent, 1);
	IT ("a person's no ends a run likewise, through a restart") {
		CHECK_STR(rig_text(REASON), "denied");
	}
	rig_fini();

	asks(CONF, ASK(",\"timeout\":\"60s\"") "{\"type\":\"suspend\"}\n");
	rig_exits(rig_agent(0), 0);
	rig_restart(NULL);
	rig_pass(61000);
	IT ("a suspended run is woken by its time-out") {
		CHECK_INT(rig_agents(), 2);
		CHECK(strstr(rig_agent(1)->envelope, "\"decision\":\"timeout\"") != NULL);
	}
	rig_exits(rig_agent(1), 2);
	IT ("and when that makes it fail, that is why") {
		CHECK_STR(rig_text(REASON), "gate_timeout");
	}
	rig_fini();
}

static void
policies(void)
{
	struct rig_agent *agent;

	agent = asks(AGENT "on_timeout = approve\ngate_timeout = 1h\n" TRIGGER,
		     ASK(",\"timeout\":\"1ms\""));
	rig_pass(3590000);
	IT ("an operator may let time approve, and no agent shortens that time") {
		CHECK_STR(rig_text(GATE), "waiting -");
		rig_pass(11000);
		CHECK_STR(rig_text(GATE), "decided approved");
		CHECK(hears(agent, "\"decision\":\"approved\",\"by\":\"rouse\""));
	}
	rig_says(agent, "{\"type\":\"ask\",\"question\":\"which?\"}\n");
	rig_pass(3700000);
	IT ("what was to be said in words is not approved") {
		CHECK_STR(rig_text("SELECT decision FROM gates WHERE seq = 2"), "timeout");
	}
	rig_fini();

	agent = asks(CONF, ASK(",\"timeout\":0,\"on_timeout\":\"approve\""));
	rig_pass(10);
	IT ("an agent does not approve itself by it") {
		CHECK_STR(rig_text(GATE), "expired timeout");
		CHECK(rig_int("SELECT COUNT(*) FROM runlog WHERE data LIKE '%not an agent''s%'") ==
		      1);
	}
	rig_fini();

	agent = asks(CONF, ASK(",\"timeout\":5,\"on_timeout\":\"ignore\""));
	rig_pass(5100);
	IT ("ignore lets it go on without") {
		CHECK_STR(rig_text(GATE), "decided ignored");
		CHECK(hears(agent, "\"decision\":\"ignored\""));
	}
	rig_fini();

	agent = asks(CONF, ASK(",\"timeout\":5,\"on_timeout\":\"ignore\",\"allow\":[\"accept\"]"));
	rig_pass(5100);
	IT ("where the question allows that; else it is a no") {
		CHECK_STR(rig_text(GATE), "expired timeout");
	}
	rig_fini();

	asks(CONF, ASK(",\"timeout\":\"soon\",\"on_timeout\":7"));
	IT ("a time that is none is remarked on, and people are not hurried") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE type = 'log'"), 2);
		CHECK_STR(rig_text("SELECT on_timeout FROM gates"), "deny");
		CHECK_INT(rig_int("SELECT expires IS NULL FROM gates"), 1);
	}
	rig_fini();

	asks(AGENT "gate_timeout = 2h\n" TRIGGER, ASK(",\"timeout\":-1"));
	rig_pass(7190000);
	IT ("the agent's own time holds where none is said") {
		CHECK_STR(rig_text(GATE), "waiting -");
		rig_pass(20000);
		CHECK_STR(rig_text(GATE), "expired timeout");
	}
	rig_fini();
	rig_init(CONF);
	IT ("approving by time needs a time of the operator's") {
		CHECK(!rig_reload(AGENT "on_timeout = approve\n" TRIGGER));
	}
	rig_fini();
}

#define CHANGE                                                                                     \
	"{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"x\",\"op\":\"update\",\"before\":"   \
	"{\"a\":1},\"after\":{\"a\":2}}\n"

static void
fails(void)
{
	struct rig_agent *agent =
		asks(CONF, CHANGE ASK(",\"timeout\":\"60s\",\"on_timeout\":\"fail\""));

	rig.fail_commits = 0;
	rig_pass(61000);
	IT ("fail stops the agent") {
		CHECK_STR(agent->cancelled, "gate_timeout");
		CHECK(!hears(agent, "decision"));
	}
	rig_ends(agent, (struct attempt_end){.exit_code = -1, .signal = 15});
	IT ("and its run has failed, for good; what it proposed is marked") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text(REASON), "gate_timeout");
		CHECK_INT(rig_int("SELECT partial FROM changes"), 1);
		CHECK(is_whole());
	}
	rig_fini();

	asks(CONF,
	     CHANGE ASK(",\"timeout\":\"60s\",\"on_timeout\":\"fail\"") "{\"type\":\"suspend\"}"
									"\n");
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	rig_exits(rig_agent(0), 0);
	rig_restart(NULL);
	rig.fail_commits = 1;
	rig_pass(62000);
	IT ("so has a suspended one, in its row, and the next of its entity goes") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text(REASON), "gate_timeout");
		CHECK_INT(rig_int("SELECT partial FROM changes"), 1);
		CHECK_INT(rig_agents(), 2);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
		CHECK(is_whole());
	}
	rig_fini();

	agent = asks(CONF, ASK(",\"timeout\":\"60s\",\"on_timeout\":\"fail\""));
	rig_sql("UPDATE gates SET status = 'expired', decision = 'timeout', decided_by = 'rouse', "
		"decided_at = created + 1");
	rig_restart(NULL);
	IT ("a daemon that died before it could stop the agent stops it after") {
		CHECK_STR(agent->cancelled, "gate_timeout");
	}
	rig_fini();
}

static void
clocks(void)
{
	asks(CONF, ASK(",\"timeout\":\"1h\""));
	rig.wall_ms += 86400000;
	rig_pass(3500000);
	IT ("a clock that is set forward takes nobody's time away") {
		CHECK_STR(rig_text(GATE), "waiting -");
		rig_pass(110000);
		CHECK_STR(rig_text(GATE), "expired timeout");
	}
	rig_fini();
	asks(CONF, ASK(",\"timeout\":\"1h\""));
	rig.wall_ms -= 86400000;
	rig_pass(3610000);
	IT ("one that is set back keeps no run waiting") {
		CHECK_STR(rig_text(GATE), "expired timeout");
	}
	rig_fini();
}

static void
many(void)
{
	rig_init(CONF);
	rig_event("hook", "{\"e\":\"x\"}", NULL);
	for (int i = 0; i < 2500; i++) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		buf_printf(&line, "{\"type\":\"approval\",\"step\":\"s%d\",\"timeout\":\"%s\"}\n",
			   i, i < 5 ? "1h" : "2h");
		rig_says(rig_agent(0), buf_cstr(&line));
	}
	rig_pass(3610000);
	IT ("of thousands of questions those whose time is over are found") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates WHERE status = 'expired'"), 5);
		CHECK_STR(rig_text(STATUS), "waiting");
	}
	rig_pass(3600000);
	IT ("and thousands at once") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates WHERE status = 'expired'"), 2500);
		CHECK_STR(rig_text(STATUS), "running");
	}
	rig_fini();
}

int
main(void)
{
	denied();
	policies();
	fails();
	clocks();
	many();
	err_fini(&why);
	return tap_done();
}
