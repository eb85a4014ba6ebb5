/* Breakers of agents and targets: who is left alone, who steps in, what survives. SPEC 8, 10. */
/* SPDX-License-Identifier: MIT */
#include "core/metrics.h"
#include "tests/unit/core_rig.h"

#define BREAKER                                                                                    \
	"retry.attempts = 1\nretry.jitter = none\nbreaker.min = 4\nbreaker.window = 60s\n"         \
	"breaker.cooldown = 5m\nconcurrency = 10\n"
#define ROWS "SELECT COUNT(*) FROM breakers"
#define QUEUED "SELECT COUNT(*) FROM runs WHERE status = 'queued'"
#define REST_MS 300000

static struct err ignored;

static enum breaker_state
state_of(enum breaker_scope scope, const char *name)
{
	struct breaker_view view;

	breakers_look(&rig.core, scope, name, &view);
	return view.state;
}

/* The next run of agent a, carried by whoever; ends so at once. */
static void
runs(int code)
{
	rig_invoke("a", "1", NULL, 0);
	rig_exits(rig_agent(rig_agents() - 1), code);
}

static void
fail(int count)
{
	while (count-- > 0)
		runs(1);
}

static bool
metrics_say(const char *line)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	metrics_print(&rig.core, &text);
	return strstr(buf_cstr(&text), line) != NULL;
}

static void
agents_rest(void)
{
	rig_init("[agent a]\nkind = fake\n" BREAKER);
	rig_follow();
	fail(3);
	IT ("a few failures are no reason") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_CLOSED);
		CHECK_INT(rig_int(ROWS), 0);
		CHECK(metrics_say("rouse_breaker_open{agent=\"a\"} 0"));
	}
	fail(1);
	IT ("the one that is too many opens its breaker, on disk in the same turn") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_OPEN);
		CHECK_INT(rig_int("SELECT failed FROM breakers WHERE scope = 'agent' AND name = "
				  "'a'"),
			  4);
		CHECK_INT(rig_int("SELECT until FROM breakers"), rig.wall_ms + REST_MS);
		CHECK_STR(rig_text("SELECT error FROM breakers"), "exit status 1");
		CHECK(metrics_say("rouse_breaker_open{agent=\"a\"} 1"));
	}
	IT ("who follows is told") {
		CHECK(strstr(buf_cstr(&rig_told), "breaker/open") != NULL);
	}
	rig_invoke("a", "1", NULL, 0);
	rig_invoke("a", "2", NULL, 0);
	IT ("what comes meanwhile is kept and waits") {
		CHECK_INT(rig_agents(), 4);
		CHECK_INT(rig_int(QUEUED), 2);
	}
	rig_restart(NULL);
	IT ("also after a restart") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_OPEN);
		CHECK_INT(rig_agents(), 4);
	}
	rig_pass(REST_MS - 1000);
	IT ("until it has rested") {
		CHECK_INT(rig_agents(), 4);
	}
	rig_pass(1100);
	IT ("then one is tried, and the others wait for it") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_HALF_OPEN);
		CHECK_INT(rig_agents(), 5);
		CHECK_INT(rig_int(QUEUED), 1);
	}
	rig_exits(rig_agent(4), 1);
	IT ("one that fails sends it to rest again") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_OPEN);
		CHECK_INT(rig_int("SELECT until FROM breakers"), rig.wall_ms + REST_MS);
		CHECK_INT(rig_agents(), 5);
	}
	rig_pass(REST_MS + 100);
	rig_restart(NULL);
	IT ("a probe that outlives the daemon is still the probe") {
		CHECK_INT(rig_agents(), 6);
		rig_invoke("a", "3", NULL, 0);
		CHECK_INT(rig_agents(), 6);
	}
	rig_exits(rig_agent(5), 0);
	IT ("and one that succeeds lets all go on") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_CLOSED);
		CHECK_INT(rig_int(ROWS), 0);
		CHECK_INT(rig_agents(), 7);
		CHECK_INT(rig_int(QUEUED), 0);
	}
	rig_fini();
}

static void
what_counts(void)
{
	rig_init("[agent a]\nkind = fake\n" BREAKER);
	for (int i = 0; i < 10; i++)
		runs(65);
	IT ("what an agent refuses as wrong does not speak against it") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_CLOSED);
	}
	for (int i = 0; i < 10; i++) {
		rig_invoke("a", "1", NULL, 0);
		rig_says(rig_agent(rig_agents() - 1),
			 "{\"type\":\"error\",\"reason\":\"r\",\"retry\":false}\n");
		rig_exits(rig_agent(rig_agents() - 1), 1);
	}
	IT ("nor what it says can never succeed") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_CLOSED);
	}
	for (int i = 0; i < 10; i++) {
		struct rig_answer answer = rig_invoke("a", "1", NULL, 0);

		run_cancel(&rig.core, answer.run_id, "ann", "no", &ignored);
		rig_run();
		rig_ends(rig_agent(rig_agents() - 1),
			 (struct attempt_end){.signal = 15, .exit_code = -1});
	}
	IT ("nor what a person cancels") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'cancelled'"), 10);
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_CLOSED);
	}
	for (int i = 0; i < 10; i++) {
		rig_invoke("a", "1", NULL, 0);
		rig_ends(rig_agent(rig_agents() - 1),
			 (struct attempt_end){.lost = true, .exit_code = -1});
	}
	IT ("nor what died with its executor") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_CLOSED);
	}
	for (int i = 0; i < 4; i++)
		runs(78);
	IT ("one that cannot work at all does") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_OPEN);
	}
	rig_fini();
}

static void
lost_commits(void)
{
	rig_init("[agent a]\nkind = fake\n" BREAKER);
	fail(3);
	rig_invoke("a", "1", NULL, 0);
	rig.fail_commits = 1;
	rig_exits(rig_agent(3), 1);
	rig_pass(2000);
	IT ("a failure whose commit failed at first counts once, and is on disk in the end") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_OPEN);
		CHECK_INT(rig_int("SELECT failed FROM breakers"), 4);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'failed'"), 4);
	}
	rig_invoke("a", "1", NULL, 0);
	rig.fail_commits = 1;
	rig_pass(REST_MS + 100);
	rig_pass(3000);
	IT ("a probe whose claim was not kept is followed by another") {
		CHECK_INT(rig_agents(), 5);
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_HALF_OPEN);
	}
	rig_fini();
}

static void
falls_back(void)
{
	static const char conf[] = "[agent a]\nkind = fake\nfallback = b\nbudget.cost = 5\n" BREAKER
				   "[agent b]\nkind = fake\nfallback = c\nbudget.cost = 0.5\n"
				   "retry.attempts = 1\nbreaker.min = 2\nconcurrency = 2\n"
				   "[agent c]\nkind = fake\n";

	rig_init(conf);
	fail(4);
	IT ("while it rests its fallback carries its runs, and the run says so") {
		rig_invoke("a", "1", NULL, 0);
		CHECK_INT(rig_agents(), 5);
		CHECK_STR(rig_text("SELECT agent FROM attempts ORDER BY run DESC LIMIT 1"), "b");
		CHECK_STR(rig_text("SELECT agent FROM runs ORDER BY seq DESC LIMIT 1"), "a");
	}
	IT ("in the fallback's own room") {
		CHECK_INT(queue_in_flight(rig.core.queue, "b"), 1);
		CHECK_INT(queue_in_flight(rig.core.queue, "a"), 0);
		rig_invoke("a", "2", NULL, 0);
		rig_invoke("a", "3", NULL, 0);
		CHECK_INT(rig_agents(), 6);
		CHECK_INT(rig_int(QUEUED), 1);
	}
	rig_says(rig_agent(4), "{\"type\":\"usage\",\"input_tokens\":1,\"cost_usd\":0.6}\n");
	IT ("and with its own budget") {
		CHECK_STR(rig_agent(4)->cancelled, "budget_cost");
	}
	rig_restart(NULL);
	IT ("a run that it carries is taken up as its own by the next daemon") {
		CHECK_INT(queue_in_flight(rig.core.queue, "b"), 2);
		CHECK_STR(attempt_find(&rig.core, rig_agent(5)->id)->agent->name, "b");
	}
	rig_exits(rig_agent(5), 1);
	rig_exits(rig_agent(6), 1);
	IT ("what fails there speaks against it alone, and the next in the chain steps in") {
		CHECK_INT(state_of(BREAKER_AGENT, "b"), BREAKER_OPEN);
		rig_invoke("a", "4", NULL, 0);
		CHECK_STR(rig_text("SELECT agent FROM attempts ORDER BY run DESC LIMIT 1"), "c");
	}
	rig_pass(REST_MS + 100);
	rig_invoke("a", "5", NULL, 0);
	IT ("rested, it is tried itself") {
		CHECK_INT(state_of(BREAKER_AGENT, "a"), BREAKER_HALF_OPEN);
		CHECK(rig_text("SELECT agent FROM attempts ORDER BY run DESC LIMIT 1") == NULL);
	}
	IT ("and meanwhile the others go on being carried") {
		rig_invoke("a", "6", NULL, 0);
		CHECK_STR(rig_text("SELECT agent FROM attempts ORDER BY run DESC LIMIT 1"), "b");
	}
	IT ("a chain that is a circle is refused") {
		CHECK(!rig_reload("[agent a]\nkind = fake\nfallback = b\n[agent b]\nkind = "
				  "fake\nfallback = a\n"));
		CHECK(!rig_reload("[agent a]\nkind = fake\nfallback = a\n"));
		CHECK(!rig_reload("[agent a]\nkind = fake\nfallback = nobody\n"));
	}
	IT ("and one that leads to who would not take the same") {
		CHECK(!rig_reload("[agent a]\nkind = fake\nfallback = b\n[agent b]\nkind = "
				  "fake\nmin_trust = trusted\n"));
	}
	IT ("an agent that is gone leaves no breaker behind") {
		CHECK(rig_reload("[agent c]\nkind = fake\n"));
		CHECK_INT(rig_int(ROWS), 0);
	}
	rig_fini();
}

#define CHANGE(entity)                                                                             \
	"{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"" entity                             \
	"\",\"before\":{\"n\":0},\"after\":{\"n\":1}}\n"

static void
targets_rest(void)
{
	rig_init("[target crm]\nkind = fake\nretry.attempts = 1\nbreaker.min = 2\n[agent a]\nkind "
		 "= fake\ntargets = crm\n[trigger hook]\nsource = fake\nagent = a\n");
	rig_target_auto = -1;
	rig_event("hook", "1", NULL);
	rig_says(rig_agent(0), CHANGE("a") CHANGE("b") CHANGE("c"));
	rig_target_says(rig_call(0), TARGET_FAILED, NULL, E_INVALID);
	rig_target_says(rig_call(1), TARGET_FAILED, NULL, E_INVALID);
	IT ("a target that refuses is well") {
		CHECK_INT(state_of(BREAKER_TARGET, "crm"), BREAKER_CLOSED);
	}
	rig_target_says(rig_call(2), TARGET_FAILED, NULL, E_UNAVAILABLE);
	rig_says(rig_agent(0), CHANGE("d"));
	rig_target_says(rig_call(3), TARGET_FAILED, NULL, E_UNAVAILABLE);
	IT ("one that cannot be reached is left alone") {
		CHECK_INT(state_of(BREAKER_TARGET, "crm"), BREAKER_OPEN);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM breakers WHERE scope = 'target'"), 1);
		CHECK(metrics_say("rouse_target_breaker_open{target=\"crm\"} 1"));
	}
	rig_says(rig_agent(0), CHANGE("e") CHANGE("f"));
	IT ("what is approved meanwhile waits, and uses up no attempt") {
		CHECK_INT(rig_calls(), 4);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE status = 'approved' AND "
				  "attempts = 0"),
			  2);
	}
	rig_restart(NULL);
	rig_pass(REST_MS + 100);
	IT ("rested, through a restart too, it is asked once") {
		CHECK_INT(rig_calls(), 5);
	}
	rig_target_says(rig_call(4), TARGET_DONE, NULL, E_OK);
	IT ("and gets the others when it answers") {
		CHECK_INT(rig_calls(), 6);
		CHECK_INT(rig_int(ROWS), 0);
	}
	rig_fini();
}

int
main(void)
{
	agents_rest();
	what_counts();
	lost_commits();
	falls_back();
	targets_rest();
	err_fini(&ignored);
	return tap_done();
}
