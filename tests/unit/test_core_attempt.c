/* Attempts: what agents say, what it costs them, and how it ends. SPEC 6, 8, 9. */
/* SPDX-License-Identifier: MIT */
#include "core/metrics.h"
#include "tests/unit/core_rig.h"

#define STATUS "SELECT status FROM runs ORDER BY seq DESC LIMIT 1"
#define REASON "SELECT reason FROM runs ORDER BY seq DESC LIMIT 1"
#define ERROR "SELECT error FROM runs ORDER BY seq DESC LIMIT 1"
#define RESULT "SELECT result FROM run_outputs ORDER BY run DESC LIMIT 1"

/* A fresh daemon and a run of agent a, whose section has these further lines. */
static struct rig_agent *
begin(const char *more)
{
	AUTO(buf_fini) struct buf conf = BUF_INIT;

	buf_printf(&conf,
		   "[target crm]\nkind = fake\n[agent a]\nkind = fake\ntargets = crm\nretry.jitter "
		   "= none\n%s"
		   "[trigger hook]\nsource = fake\nagent = a\n",
		   more);
	rig_init(buf_cstr(&conf));
	rig_event("hook", "{\"n\":1}", NULL);
	return rig_agent(0);
}

static void
lines(void)
{
	static const char *const types[] = {"status",	"token", "step",       "tool_start",
					    "tool_end", "usage", "checkpoint", "change",
					    "approval", "ask",	 "emit",       "log",
					    "suspend",	"error", "result"};
	struct rig_agent *agent = begin("");

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		AUTO(buf_fini) struct buf line = BUF_INIT;

		buf_printf(&line,
			   "{\"type\":\"%s\",\"name\":\"n\",\"target\":\"crm\",\"step\":\"s\","
			   "\"question\":\"q\",\"topic\":\"t\"}\n",
			   types[i]);
		rig_says(agent, buf_cstr(&line));
	}
	IT ("a line of every type of the protocol is kept as it is") {
		for (size_t i = 0; i < ARRAY_LEN(types); i++) {
			AUTO(buf_fini) struct buf sql = BUF_INIT;

			buf_printf(&sql,
				   "SELECT COUNT(*) FROM runlog WHERE type = '%s' AND data LIKE "
				   "'{\"type\":\"%s\"%%'",
				   types[i], types[i]);
			CHECK_INT(rig_int(buf_cstr(&sql)), 1);
		}
	}
	rig_says(agent, "hello\n\n{\"type\":\"dance\"}\n[1]\n{\"type\":5}\n{\"type\":"
			"\"step\"\n\"x\"\n\xff\xfe\n");
	IT ("what is no line of the protocol is text of the agent") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE type = 'log' AND data LIKE "
				  "'%\"level\":\"info\"%'"),
			  7);
	}
	rig_fini();
}

static void
ends_as(const char *what, const char *says, int code, const char *status, const char *reason)
{
	struct rig_agent *agent = begin("retry.attempts = 2\nretry.base = 5s\n");

	rig_says(agent, says);
	rig_exits(agent, code);
	IT (what) {
		CHECK_STR(rig_text(STATUS), status);
		CHECK_STR(rig_text(REASON), reason);
		CHECK_INT(agent->released, 1);
		CHECK_INT(queue_in_flight(rig.core.queue, NULL), 0);
		CHECK_INT(queue_depth(rig.core.queue, "a"), !strcmp(status, "queued"));
	}
	rig_fini();
}

static void
endings(void)
{
	static const int permanent[] = {64, 65, 66, 69, 77, 78};
	struct rig_agent *agent;

	ends_as("exit 0 succeeds", "", 0, "succeeded", NULL);
	ends_as("exit 75 is tried again", "", 75, "queued", NULL);
	ends_as("so is any other failing exit", "", 3, "queued", NULL);
	for (size_t i = 0; i < ARRAY_LEN(permanent); i++)
		ends_as("an exit that says so is not tried again", "", permanent[i], "failed",
			"permanent");
	ends_as("a result stands, whatever the exit",
		"{\"type\":\"result\",\"output\":{\"ok\":1}}\n", 3, "succeeded", NULL);
	ends_as("a result that says failed is no success",
		"{\"type\":\"result\",\"status\":\"failed\"}\n", 0, "queued", NULL);
	ends_as("an error is no success, with exit 0 neither",
		"{\"type\":\"error\",\"message\":\"no\"}\n", 0, "queued", NULL);
	ends_as("an error that is not to be tried again is not",
		"{\"type\":\"error\",\"message\":\"no\",\"retry\":false}\n", 75, "failed",
		"permanent");
	ends_as("one that is goes before the exit", "{\"type\":\"error\",\"retry\":true}\n", 64,
		"queued", NULL);
	ends_as("a word for retry that is none is not believed",
		"{\"type\":\"error\",\"retry\":\"no\"}\n", 1, "queued", NULL);

	agent = begin("retry.attempts = 2\nretry.base = 5s\n");
	rig_ends(agent, (struct attempt_end){.exit_code = -1, .signal = 11});
	IT ("a signal is tried again after its wait, not before") {
		CHECK_STR(rig_text(STATUS), "queued");
		CHECK_STR(rig_text("SELECT error FROM attempts"), "ended by signal 11");
		rig_pass(4900);
		CHECK_INT(rig_agents(), 1);
		rig_pass(200);
		CHECK_INT(rig_agents(), 2);
		CHECK(strstr(rig_agent(1)->envelope, "\"attempt\":2") != NULL);
	}
	rig_ends(rig_agent(1), (struct attempt_end){.exit_code = 1});
	IT ("until no attempt is left: then it is a dead letter") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text(REASON), "exhausted");
		CHECK_STR(rig_text(ERROR), "exit status 1");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM attempts WHERE status = 'failed'"), 2);
	}
	rig_fini();

	agent = begin("retry.base = 5s\n");
	rig_says(agent, "{\"type\":\"error\",\"message\":\"busy\",\"retry_after\":60}\n");
	rig_exits(agent, 1);
	IT ("the agent's own word on when to come again is kept") {
		rig_pass(59000);
		CHECK_INT(rig_agents(), 1);
		rig_pass(1100);
		CHECK_INT(rig_agents(), 2);
		CHECK_STR(rig_text("SELECT error FROM attempts WHERE n = 1"), "busy");
	}
	rig_fini();

	agent = begin("budget.deadline = 10s\n");
	rig_says(agent, "{\"type\":\"error\",\"retry_after\":60}\n");
	rig_exits(agent, 1);
	IT ("but not beyond the deadline") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text(REASON), "deadline");
	}
	rig_fini();

	agent = begin("budget.deadline = 10s\nretry.base = 1s\n");
	rig_pass(6000);
	rig_exits(agent, 1);
	rig_pass(1100);
	IT ("a later attempt has what is left of the deadline") {
		CHECK_INT(rig_agents(), 2);
		CHECK_INT(attempt_time_left_ms(rig_agent(1)->attempt), 3900);
	}
	rig_ends(rig_agent(1),
		 (struct attempt_end){.exit_code = -1, .signal = 15, .reason = "deadline"});
	IT ("a run that is stopped at its deadline failed by it, and is not tried again") {
		CHECK_STR(rig_text(REASON), "deadline");
		CHECK(strstr(rig_text(ERROR), "budget.deadline") != NULL);
	}
	rig_fini();

	agent = begin("");
	rig_ends(agent, (struct attempt_end){.exit_code = -1, .signal = 9, .reason = "output"});
	IT ("one that printed too much failed by that") {
		CHECK_STR(rig_text(REASON), "budget_output");
	}
	rig_fini();

	agent = begin("retry.attempts = 2\nretry.base = 1s\n");
	rig_ends(agent, (struct attempt_end){.exit_code = -1, .lost = true});
	rig_pass(1100);
	rig_ends(rig_agent(1), (struct attempt_end){.exit_code = -1, .lost = true});
	IT ("a lost attempt is tried again, and at last the run is lost") {
		CHECK_STR(rig_text("SELECT status FROM attempts WHERE n = 1"), "lost");
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text(REASON), "lost");
	}
	rig_fini();

	rig_init(NULL);
	rig_start_fails = E_NOT_FOUND;
	rig_event("hook", "1", NULL);
	IT ("a program that does not exist is not tried again") {
		CHECK_STR(rig_text(REASON), "permanent");
		CHECK(strstr(rig_text(ERROR), "does not start") != NULL);
	}
	rig_start_fails = E_UNAVAILABLE;
	rig_event("hook", "1", NULL);
	IT ("one that cannot be started now is") {
		CHECK_STR(rig_text(STATUS), "queued");
	}
	rig_fini();
}

static void
stops_at(const char *what, const char *limit, const char *says, const char *more,
	 const char *reason)
{
	struct rig_agent *agent = begin(limit);

	rig_says(agent, says);
	IT (what) {
		CHECK_STR(agent->cancelled, "");
		rig_says(agent, more);
		CHECK_STR(agent->cancelled, reason);
		rig_ends(agent, (struct attempt_end){.exit_code = 0});
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK_STR(rig_text(REASON), reason);
		CHECK(strstr(rig_text(ERROR), "budget") != NULL);
	}
	rig_fini();
}

#define STEP "{\"type\":\"step\",\"name\":\"x\",\"status\":\"start\"}\n"
#define DONE "{\"type\":\"step\",\"name\":\"x\",\"status\":\"done\"}\n"
#define TOOL "{\"type\":\"tool_start\",\"name\":\"x\"}\n"
#define TOOL_END "{\"type\":\"tool_end\",\"name\":\"x\",\"ok\":true}\n"

static void
budgets(void)
{
	struct rig_agent *agent;

	stops_at("the step beyond its budget stops a run", "budget.steps = 2\n",
		 STEP DONE STEP DONE, STEP, "budget_steps");
	stops_at("a step that is only ever done counts, too", "budget.steps = 2\n", DONE DONE, DONE,
		 "budget_steps");
	stops_at("so does one without a name", "budget.steps = 1\n", "{\"type\":\"step\"}\n",
		 "{\"type\":\"step\"}\n", "budget_steps");
	stops_at("steps within one another are counted once each", "budget.steps = 2\n",
		 STEP STEP DONE DONE, DONE, "budget_steps");
	stops_at("tool calls", "budget.tools = 1\n", TOOL TOOL_END, TOOL, "budget_tools");
	stops_at("tool calls that only ever end", "budget.tools = 1\n", TOOL_END, TOOL_END,
		 "budget_tools");
	stops_at("tokens, in and out", "budget.tokens = 100\n",
		 "{\"type\":\"usage\",\"input_tokens\":60,\"output_tokens\":40}\n",
		 "{\"type\":\"usage\",\"output_tokens\":1}\n", "budget_tokens");
	stops_at("context at once", "budget.context = 50\n",
		 "{\"type\":\"usage\",\"context_tokens\":50}\n",
		 "{\"type\":\"usage\",\"context_tokens\":51}\n", "budget_context");
	stops_at("money", "budget.cost = 0.10\n", "{\"type\":\"usage\",\"cost_usd\":0.1}\n",
		 "{\"type\":\"usage\",\"cost_usd\":0.000001}\n", "budget_cost");
	stops_at("a huge number is no way around", "budget.tokens = 100\n", "",
		 "{\"type\":\"usage\",\"input_tokens\":1e300}\n", "budget_tokens");
	stops_at("nor is a huge cost", "", "", "{\"type\":\"usage\",\"cost_usd\":1e300}\n",
		 "budget_cost");
	stops_at("what was used stays used, whatever is said of it later", "budget.tokens = 100\n",
		 "{\"type\":\"usage\",\"input_tokens\":100}\n{\"type\":\"usage\",\"input_tokens\":-"
		 "100}\n"
		 "{\"type\":\"usage\",\"input_tokens\":\"-100\"}\n{\"type\":\"usage\",\"input_"
		 "tokens\":null,\"cost_usd\":-5}\n"
		 "{\"type\":\"usage\",\"input_tokens\":NaN}\n{\"type\":\"usage\",\"input_tokens\":"
		 "1e999}\n",
		 "{\"type\":\"usage\",\"input_tokens\":1}\n", "budget_tokens");

	agent = begin("budget.steps = 1\n");
	rig_says(agent, STEP
		 "{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"1\",\"after\":{}}\n" STEP
		 "{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"2\",\"after\":{}}\n"
		 "{\"type\":\"approval\",\"step\":\"s\"}\n");
	IT ("what a run proposes after its last step is refused, what came before stays") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes"), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates"), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE data LIKE '%\"refused\"%'"),
			  2);
	}
	rig_exits(agent, 0);
	IT ("marked partial") {
		CHECK_INT(rig_int("SELECT partial FROM changes"), 1);
	}
	rig_fini();

	agent = begin("budget.tokens = 100\nretry.base = 1s\n");
	rig_says(agent, "{\"type\":\"usage\",\"input_tokens\":70}\n");
	rig_exits(agent, 1);
	rig_pass(1100);
	rig_says(rig_agent(1), "{\"type\":\"usage\",\"input_tokens\":31}\n");
	IT ("what a failed attempt used counts") {
		CHECK_STR(rig_agent(1)->cancelled, "budget_tokens");
		CHECK_INT(rig_int("SELECT input_tokens FROM runs"), 101);
		CHECK_INT(rig_int("SELECT input_tokens FROM attempts WHERE n = 2"), 31);
	}
	rig_fini();
}

static void
memory(void)
{
	struct rig_agent *agent = begin("retry.base = 1s\n");

	rig_says(agent,
		 "{\"type\":\"checkpoint\",\"name\":\"page\",\"state\":{\"at\":1}}\n"
		 "{\"type\":\"checkpoint\",\"name\":\"page\",\"state\":{\"at\":2}}\n"
		 "{\"type\":\"step\",\"name\":\"fetch\",\"status\":\"done\",\"output\":[1,2]}\n"
		 "{\"type\":\"step\",\"name\":\"parse\",\"status\":\"done\"}\n"
		 "{\"type\":\"step\",\"name\":\"half\",\"status\":\"start\"}\n");
	rig_exits(agent, 1);
	rig_pass(1100);
	IT ("the next attempt gets the last checkpoint and every step that was done") {
		CHECK(strstr(rig_agent(0)->envelope, "\"checkpoint\":null") != NULL);
		CHECK(strstr(rig_agent(1)->envelope,
			     "\"checkpoint\":{\"name\":\"page\",\"state\":{\"at\":2}}") != NULL);
		CHECK(strstr(rig_agent(1)->envelope,
			     "\"completed_steps\":{\"fetch\":[1,2],\"parse\":null}") != NULL);
	}
	rig_restart(NULL);
	rig_exits(rig_agent(1), 1);
	rig_pass(2100);
	IT ("also across a restart of the daemon") {
		CHECK_INT(rig_agents(), 3);
		CHECK(strstr(rig_agent(2)->envelope, "\"fetch\":[1,2]") != NULL);
	}
	rig_fini();
}

static bool
metric_is(const char *line)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	metrics_print(&rig.core, &text);
	return strstr(buf_cstr(&text), line) != NULL;
}

static void
rewinds(void)
{
	struct rig_agent *agent = begin("budget.tokens = 100\n");

	rig_follow();
	rig_says(agent, "{\"type\":\"usage\",\"input_tokens\":10}\n");
	buf_clear(&rig_told);
	rig.fail_commits = 2;
	rig_says(agent,
		 "{\"type\":\"usage\",\"input_tokens\":60}\n"
		 "{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"7\",\"after\":{\"x\":1}}\n"
		 "{\"type\":\"result\",\"output\":{\"n\":5}}\n");
	IT ("what the disk did not take is not charged, not staged, not told") {
		CHECK_INT(rig_int("SELECT input_tokens FROM runs"), 10);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes"), 0);
		CHECK_INT(rig_int("SELECT \"offset\" FROM attempts"), 35);
		CHECK_INT(rig_told.len, 0);
		CHECK_INT(rig_calls(), 0);
	}
	rig_pass(3000);
	IT ("it is read once more, and then counts once") {
		CHECK_INT(agent->rewinds, 2);
		CHECK_INT(rig_int("SELECT input_tokens FROM runs"), 70);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes"), 1);
		CHECK_INT(rig_calls(), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE type = 'usage'"), 2);
		CHECK_STR(agent->cancelled, "");
		CHECK(metric_is("rouse_tokens_total{agent=\"a\",kind=\"input\"} 70\n"));
		CHECK(metric_is("rouse_in_flight{agent=\"a\"} 1\n"));
	}
	rig.fail_commits = 3;
	rig_exits(agent, 0);
	IT ("an end that the disk does not take is not lost") {
		CHECK_STR(rig_text(STATUS), "running");
		rig_pass(3000);
		CHECK_STR(rig_text(STATUS), "succeeded");
		CHECK_STR(rig_text(RESULT), "{\"n\":5}");
		CHECK_INT(queue_in_flight(rig.core.queue, NULL), 0);
		CHECK_INT(agent->released, 1);
	}
	rig_fini();
}

static void
takes_up(void)
{
	struct rig_agent *agent = begin("budget.deadline = 60s\nretry.base = 1s\n");

	rig_pass(20000);
	rig_says(agent, "{\"type\":\"usage\",\"input_tokens\":10}\n{\"type\":\"result\",\"output\":"
			"\"fine\"}\n");
	buf_puts(&agent->out, "{\"type\":\"usage\",\"input_tokens\":5}\n");
	rig_restart(NULL);
	IT ("a daemon takes up what lives, and reads on where the last one stopped") {
		CHECK_INT(rig_agents(), 1);
		CHECK(agent->attempt != NULL);
		CHECK_INT(rig_int("SELECT input_tokens FROM runs"), 15);
		CHECK_INT(queue_in_flight(rig.core.queue, "a"), 1);
		CHECK_INT(agent->released, 0);
	}
	rig_ends(agent, (struct attempt_end){.exit_code = -1, .signal = 15});
	IT ("a result that the last daemon heard is the run's result") {
		CHECK_STR(rig_text(STATUS), "succeeded");
		CHECK_STR(rig_text(RESULT), "\"fine\"");
	}
	IT ("the time before the restart counts") {
		CHECK_INT(rig_int("SELECT active_ms FROM runs"), 20000);
	}
	rig_event("hook", "2", NULL);
	rig_agent(1)->gone = true;
	rig_restart(NULL);
	IT ("one that had not begun is tried again, and counts for nothing") {
		CHECK_STR(
			rig_text("SELECT status || ' ' || reason FROM attempts WHERE run = (SELECT "
				 "MAX(run) FROM attempts) AND n = 1"),
			"lost unread");
		rig_pass(1100);
		CHECK_INT(rig_agents(), 3);
	}
	rig_restart("[agent b]\nkind = fake\n");
	IT ("one whose agent is no longer configured fails, and says so") {
		CHECK_STR(rig_text(STATUS), "failed");
		CHECK(strstr(rig_text(ERROR), "no longer configured") != NULL);
	}
	rig_fini();
}

static char run_id[40];

static bool
cancel(const char *reason)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	bool ok = run_cancel(&rig.core, run_id, "ann", reason, &err);

	rig_run();
	return ok;
}

static void
cancels(void)
{
	struct rig_agent *agent;

	agent = begin("concurrency = 1\n");
	snprintf(run_id, sizeof(run_id), "%s", rig_last.run_id);
	rig.fail_commits = 1;
	cancel("enough");
	IT ("a decision that is not on disk stops nothing") {
		CHECK_STR(agent->cancelled, "");
	}
	cancel("enough");
	rig_says(agent, "{\"type\":\"result\",\"output\":1}\n{\"type\":\"change\",\"target\":"
			"\"crm\",\"after\":{}}\n");
	IT ("a run that is cancelled is stopped, and what it still proposes refused") {
		CHECK_STR(agent->cancelled, "cancelled");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes"), 0);
	}
	rig_ends(agent, (struct attempt_end){.exit_code = -1, .signal = 15});
	IT ("and is cancelled, whatever it said") {
		CHECK_STR(rig_text(STATUS), "cancelled");
		CHECK_STR(rig_text(ERROR), "enough");
		CHECK(!cancel("again"));
	}
	rig_event("hook", "1", NULL);
	rig_event("hook", "2", NULL);
	snprintf(run_id, sizeof(run_id), "%s", rig_last.run_id);
	rig.fail_commits = 1;
	cancel("no");
	IT ("a queued run whose cancelling failed is queued, and counted") {
		CHECK_STR(rig_text(STATUS), "queued");
		CHECK_INT(queue_depth(rig.core.queue, "a"), 1);
	}
	cancel("no");
	IT ("cancelled while queued, it never starts") {
		CHECK_STR(rig_text(STATUS), "cancelled");
		CHECK_INT(queue_depth(rig.core.queue, "a"), 0);
		rig_exits(rig_agent(1), 0);
		CHECK_INT(rig_agents(), 2);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM decisions WHERE decision = 'cancel'"), 2);
	}
	rig_fini();
}

/* Cancels the run that it is told of while the turn is open that claimed it. */
static void
in_the_same_turn(void)
{
	int64_t n = 0;

	begin("concurrency = 1\n");
	rig_event("hook", "2", NULL);
	snprintf(run_id, sizeof(run_id), "%s", rig_last.run_id);
	attempt_exit(rig_agent(0)->attempt, &(struct attempt_end){.exit_code = 0});
	/* Step by step, as the loop does, until the claim is written and not yet committed. */
	while (queue_in_flight(rig.core.queue, "a") != 1 || queue_depth(rig.core.queue, "a"))
		if (!rig_step() || n++ > 100)
			break;
	run_cancel(&rig.core, run_id, "ann", "late", NULL);
	rig_run();
	IT ("a run that is cancelled in the turn that claims it is stopped when it has started") {
		CHECK_INT(rig_agents(), 2);
		CHECK_STR(rig_agent(1)->cancelled, "cancelled");
		CHECK_INT(queue_depth(rig.core.queue, "a"), 0);
		rig_ends(rig_agent(1), (struct attempt_end){.exit_code = -1, .signal = 15});
		CHECK_STR(rig_text(STATUS), "cancelled");
		CHECK_INT(queue_in_flight(rig.core.queue, NULL), 0);
	}
	rig_fini();
}

static void
again(void)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(auto_free) char *fresh = NULL;
	char *other = NULL;

	begin("retry.attempts = 1\n");
	snprintf(run_id, sizeof(run_id), "%s", rig_last.run_id);
	IT ("a run that goes on is not replayed") {
		CHECK(!run_replay(&rig.core, run_id, NULL, "ann", &other, NULL));
	}
	rig_exits(rig_agent(0), 1);
	rig.fail_commits = 1;
	run_replay(&rig.core, run_id, NULL, "ann", &fresh, &err);
	rig_run();
	IT ("a replay that the disk does not take is none") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 1);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
	}
	free(TAKE(fresh));
	run_replay(&rig.core, run_id, NULL, "ann", &fresh, &err);
	rig_run();
	IT ("a replay is a new run with the same payload, and the old one no dead letter any "
	    "more") {
		CHECK_INT(rig_agents(), 2);
		CHECK(strstr(rig_agent(1)->envelope, "\"payload\":{\"n\":1}") != NULL);
		CHECK_STR(rig_text("SELECT replay_of FROM runs ORDER BY seq DESC LIMIT 1"), run_id);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'failed' AND dropped = "
				  "0"),
			  0);
		CHECK_STR(rig_text("SELECT reason FROM decisions WHERE decision = 'replay'"),
			  fresh);
		CHECK(!run_drop(&rig.core, run_id, "ann", "x", &err));
	}
	rig_exits(rig_agent(1), 0);
	rig_sql("UPDATE events SET document = NULL");
	IT ("a run whose event is no longer kept is not replayed on nothing, but on a payload") {
		CHECK(!run_replay(&rig.core, run_id, NULL, "ann", &other, &err));
		CHECK_INT(err.code, E_NOT_FOUND);
		CHECK(run_replay(&rig.core, run_id, "{\"n\":2}", "ann", &other, NULL));
		rig_run();
		CHECK_INT(rig_agents(), 3);
		CHECK(strstr(rig_agent(2)->envelope, "\"payload\":{\"n\":2}") != NULL);
	}
	free(other);
	rig_fini();
}

int
main(void)
{
	lines();
	endings();
	budgets();
	memory();
	rewinds();
	takes_up();
	cancels();
	in_the_same_turn();
	again();
	return tap_done();
}
