/* Expectations: success is what was asked for, not exit 0. SPEC 8, expect. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define AGENT                                                                                      \
	"[agent a]\nkind = fake\ntargets = crm\nretry.jitter = none\nretry.attempts = 3\n"         \
	"[target crm]\nkind = fake\n[trigger hook]\nsource = fake\nagent = a\nmode = stage\n"
#define CHANGE                                                                                     \
	"{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"1\",\"op\":\"update\","              \
	"\"after\":{\"stage\":\"won\"}}\n"
#define DONE "{\"type\":\"result\",\"output\":{\"count\":2}}\n"

static const char *
of_run(const char *column)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT %s FROM runs r LEFT JOIN run_outputs o ON o.run = r.seq", column);
	return rig_text(buf_cstr(&sql));
}

static struct rig_agent *
begin(const char *expect)
{
	AUTO(buf_fini) struct buf conf = BUF_INIT;

	buf_cat(&conf, AGENT, "expect = ", expect, "\n");
	rig_init(buf_cstr(&conf));
	rig_event("hook", "{}", NULL);
	return rig_agent(0);
}

/* What a run ended with whose agent said all this: "STATUS REASON". */
static const char *
ended(const char *expect, const char *lines, int code)
{
	struct rig_agent *agent = begin(expect);

	rig_says(agent, lines);
	rig_exits(agent, code);
	return rig_text("SELECT status || ' ' || COALESCE(reason, '-') FROM runs");
}

static void
plain(void)
{
	static const struct {
		const char *expect, *lines, *want;
		int code;
	} cases[] = {
		{".result.count == 2", DONE, "succeeded -", 0},
		{".result.count == 3", DONE, "failed no_effect", 0},
		{".result.nothing", DONE, "failed no_effect", 0},
		{".result", DONE, "succeeded -", 0},
		{".result", "", "failed no_effect", 0},
		{".result.a.b", "{\"type\":\"result\",\"output\":\"text\"}\n", "failed no_effect",
		 0},
		{".changes[0].target == \"crm\"", CHANGE DONE, "succeeded -", 0},
		{".changes[0].target == \"crm\"", DONE, "failed no_effect", 0},
		{".exit == 0", DONE, "succeeded -", 0},
		{".exit == 3", DONE, "succeeded -", 3},
		{".exit == 0", DONE, "failed no_effect", 3},
		{".files[0]", DONE, "failed no_effect", 0},
		{".result", "", "failed permanent", 64},
		{"give true", DONE, "succeeded -", 0},
		{"give 0", DONE, "succeeded -", 0},
		{"give false", DONE, "failed no_effect", 0},
		{"give null", DONE, "failed no_effect", 0},
		{"nothing", DONE, "failed no_effect", 0},
		{"fail", DONE, "failed no_effect", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		IT ("a run that ends well is what expect says, and no other is asked about") {
			if (!CHECK_STR(ended(cases[i].expect, cases[i].lines, cases[i].code),
				       cases[i].want))
				printf("# %s\n", cases[i].expect);
			CHECK_INT(rig_int("SELECT COUNT(*) FROM attempts"), 1);
			CHECK_INT(queue_in_flight(rig.core.queue, NULL), 0);
		}
		rig_fini();
	}
}

static void
told(void)
{
	ended("give false", CHANGE DONE, 0);
	IT ("what was not met is told in a sentence, kept, and final at once") {
		CHECK_STR(of_run("error"), "expect gave false: give false");
		CHECK_STR(of_run("expect"),
			  "{\"program\":\"give false\",\"met\":false,\"gave\":false}");
		CHECK_STR(of_run("result"), "{\"count\":2}");
		CHECK_STR(rig_text("SELECT status || ' ' || reason FROM attempts"),
			  "failed no_effect");
		CHECK_INT(rig_int("SELECT partial FROM changes"), 1);
		rig_pass(600000);
		CHECK_INT(rig_agents(), 1);
	}
	rig_fini();
	ended("fail", DONE, 0);
	IT ("a program that fails on what the run ended with says why") {
		CHECK(strstr(of_run("error"), "cannot index number") != NULL);
		CHECK(strstr(of_run("expect"), "\"error\":") != NULL);
	}
	rig_fini();
	ended(".result.count == 2", DONE, 0);
	IT ("what was met is kept, too") {
		CHECK_STR(of_run("expect"), "{\"program\":\".result.count == 2\",\"met\":true,"
					    "\"gave\":true}");
		CHECK(of_run("error") == NULL);
	}
	rig_fini();
	ended("broken", DONE, 0);
	IT ("while nobody can be asked, the run has not ended") {
		CHECK_STR(of_run("status"), "running");
	}
	rig_pass(120000);
	IT ("but not for ever") {
		CHECK_STR(of_run("reason"), "no_effect");
		CHECK(strstr(of_run("error"), "too much waits") != NULL);
	}
	rig_fini();
}

static void
deaths(void)
{
	struct rig_agent *agent = begin("wait true");

	rig_says(agent, CHANGE DONE);
	rig_exits(agent, 0);
	IT ("until the answer is there, the end is not written") {
		CHECK_STR(of_run("status"), "running");
	}
	rig_restart(NULL);
	rig_exits(rig_agent(0), 0); /* as its shim says to the next daemon, too */
	IT ("a daemon that died meanwhile judges it again") {
		CHECK_STR(of_run("status"), "running");
		rig_jail_go();
		CHECK_STR(of_run("status"), "succeeded");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM attempts"), 1);
		CHECK_INT(rig_agents(), 1);
	}
	rig_fini();
	agent = begin("wait true");
	rig_says(agent, DONE);
	rig_exits(agent, 0);
	rig.fail_commits = 1;
	rig_jail_go();
	rig_pass(2000);
	IT ("an end that could not be kept is written later") {
		CHECK_STR(of_run("status"), "succeeded");
		CHECK(of_run("expect") != NULL);
	}
	rig_fini();
}

int
main(void)
{
	plain();
	told();
	deaths();
	return tap_done();
}
