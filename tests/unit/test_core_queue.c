/* The queue: who may start now, and in what order. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define TRIGGER(name, more) "[trigger " name "]\nsource = fake\nagent = a\n" more

static struct err ignored;

static void
turn_switch(const char *scope, const char *name, const char *kind, bool on)
{
	switch_turn(&rig.core, scope, name, kind, on, "ann", &ignored);
	rig_run();
}

static bool
envelope_has(int i, const char *text)
{
	return rig_agent(i) && strstr(rig_agent(i)->envelope, text);
}

static void
concurrency(void)
{
	rig_init("[limits]\nmax_running = 3\n[agent a]\nkind = fake\nconcurrency = 2\n[agent "
		 "b]\nkind = fake\nconcurrency = 10\n"
		 "[agent c]\nkind = fake\nconcurrency = 10\n");
	for (int i = 0; i < 4; i++)
		rig_invoke("a", "1", NULL, 0);
	IT ("an agent has no more runs at once than its concurrency") {
		CHECK_INT(rig_agents(), 2);
		CHECK_INT(queue_in_flight(rig.core.queue, "a"), 2);
		CHECK_INT(queue_depth(rig.core.queue, "a"), 2);
	}
	for (int i = 0; i < 4; i++)
		rig_invoke("b", "1", NULL, 0);
	for (int i = 0; i < 4; i++)
		rig_invoke("c", "1", NULL, 0);
	IT ("all together no more than max_running") {
		CHECK_INT(rig_agents(), 3);
		CHECK_INT(queue_in_flight(rig.core.queue, NULL), 3);
	}
	for (int i = 0; i < 9; i++)
		rig_exits(rig_agent(i), 0);
	IT ("one that ends makes room for one, the oldest of all agents") {
		static const char *const order[] = {"a", "a", "b", "b", "b", "c", "c", "c", "c"};

		CHECK_INT(rig_agents(), 12);
		for (int i = 0; i < 9; i++) {
			AUTO(buf_fini) struct buf agent = BUF_INIT;

			buf_cat(&agent, "\"agent\":\"", order[i], "\"");
			CHECK(envelope_has(i + 3, buf_cstr(&agent)));
		}
	}
	for (int i = 9; i < 12; i++)
		rig_exits(rig_agent(i), 0);
	IT ("and in the end nothing waits and nothing runs") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'succeeded'"), 12);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
		CHECK_INT(queue_in_flight(rig.core.queue, NULL), 0);
	}
	rig_fini();
}

static void
orders(void)
{
	rig_init("[agent a]\nkind = fake\nconcurrency = 1\nretry.base = 5s\nretry.jitter = "
		 "none\n" TRIGGER("low", "priority = low\n") TRIGGER("mid", "")
			 TRIGGER("high", "priority = high\n"));
	rig_event("mid", "0", NULL);
	rig_event("low", "1", NULL);
	rig_event("mid", "2", NULL);
	rig_event("mid", "3", NULL);
	rig_event("high", "4", NULL);
	for (int i = 0; i < 5; i++)
		rig_exits(rig_agent(i), 0);
	IT ("what waits goes by priority, then by age") {
		CHECK(envelope_has(1, "\"payload\":4}"));
		CHECK(envelope_has(2, "\"payload\":2}"));
		CHECK(envelope_has(3, "\"payload\":3}"));
		CHECK(envelope_has(4, "\"payload\":1}"));
	}
	rig_fini();

	rig_init("[agent a]\nkind = fake\nconcurrency = 10\nretry.base = 5s\nretry.jitter = "
		 "none\n" TRIGGER("t", "entity = .data.e\n"));
	rig_event("t", "{\"e\":\"x\",\"n\":1}", NULL);
	rig_event("t", "{\"e\":\"x\",\"n\":2}", NULL);
	rig_event("t", "{\"e\":\"y\",\"n\":3}", NULL);
	IT ("runs of one entity go one at a time, others beside them") {
		CHECK_INT(rig_agents(), 2);
		CHECK(envelope_has(1, "\"n\":3"));
	}
	rig_exits(rig_agent(0), 1);
	rig_pass(1000);
	IT ("in the order in which they came, also while the first waits to be tried again") {
		CHECK_INT(rig_agents(), 2);
	}
	rig_pass(4100);
	rig_exits(rig_agent(2), 0);
	IT ("the second comes when the first is done") {
		CHECK(envelope_has(2, "\"n\":1"));
		CHECK_INT(rig_agents(), 4);
		CHECK(envelope_has(3, "\"n\":2"));
	}
	rig_fini();
}

static void
switches(void)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	rig_init("[agent a]\nkind = fake\n" TRIGGER("t", "tenant = .data.t\n") TRIGGER("u", ""));
	turn_switch("agent", "a", "paused", true);
	rig_event("u", "1", NULL);
	IT ("a paused agent starts nothing, and keeps what comes") {
		CHECK_INT(rig_agents(), 0);
		CHECK_INT(queue_depth(rig.core.queue, "a"), 1);
	}
	rig_restart(NULL);
	IT ("also after a restart") {
		CHECK_INT(rig_agents(), 0);
	}
	turn_switch("agent", "a", "paused", false);
	IT ("and starts it when it is resumed") {
		CHECK_INT(rig_agents(), 1);
	}
	turn_switch("tenant", "acme", "paused", true);
	rig_event("t", "{\"t\":\"acme\"}", NULL);
	rig_event("t", "{\"t\":\"other\"}", NULL);
	IT ("runs of a paused tenant wait, others pass them") {
		CHECK_INT(rig_agents(), 2);
		CHECK(envelope_has(1, "\"tenant\":\"other\""));
	}
	turn_switch("tenant", "acme", "paused", false);
	IT ("until it is resumed") {
		CHECK(envelope_has(2, "\"tenant\":\"acme\""));
	}
	turn_switch("all", "", "paused", true);
	rig_event("u", "1", NULL);
	IT ("a daemon that is paused starts nothing, and what runs goes on") {
		CHECK_INT(rig_agents(), 3);
		CHECK_STR(rig_agent(2)->cancelled, "");
	}
	turn_switch("all", "", "paused", false);
	IT ("resumed, it goes on") {
		CHECK_INT(rig_agents(), 4);
	}
	turn_switch("all", "", "halted", true);
	rig_event("u", "1", NULL);
	IT ("one that is halted stops what runs, too") {
		CHECK_INT(rig_agents(), 4);
		for (int i = 0; i < 4; i++)
			CHECK_STR(rig_agent(i)->cancelled, "cancelled");
	}
	turn_switch("all", "", "halted", false);
	IT ("and goes on with what came meanwhile") {
		CHECK_INT(queue_depth(rig.core.queue, "a") + rig_agents(), 5);
	}
	rig.fail_commits = 1;
	turn_switch("agent", "a", "paused", true);
	IT ("a switch that the disk did not take is not thrown") {
		CHECK(!switch_is_on(rig.core.switches, "agent", "a", "paused"));
	}
	turn_switch("agent", "a", "paused", true);
	rig.fail_commits = 1;
	turn_switch("agent", "a", "paused", false);
	IT ("nor thrown back") {
		CHECK(switch_is_on(rig.core.switches, "agent", "a", "paused"));
	}
	IT ("who threw which is kept") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM decisions WHERE decision = 'halted'"), 2);
	}
	rig_fini();
}

static void
failures(void)
{
	rig_init("[agent a]\nkind = fake\nretry.base = 5s\nretry.jitter = none\n" TRIGGER("t", ""));
	turn_switch("agent", "a", "paused", true);
	rig_event("t", "1", NULL);
	turn_switch("agent", "a", "paused", false);
	rig_exits(rig_agent(0), 1);
	rig.fail_commits = 1;
	rig_pass(5100);
	IT ("what became due while the disk was full is not forgotten") {
		CHECK_INT(rig_agents(), 1);
		rig_pass(1100);
		CHECK_INT(rig_agents(), 2);
		CHECK_INT(queue_depth(rig.core.queue, "a"), 0);
	}
	rig_exits(rig_agent(1), 0);
	turn_switch("agent", "a", "paused", true);
	rig_event("t", "2", NULL);
	turn_switch("agent", "a", "paused", false);
	rig_exits(rig_agent(2), 1);
	rig_pass(4990);
	rig_pass(20);
	rig_exits(rig_agent(3), 0);
	rig_event("t", "3", NULL);
	IT ("nothing starts on a claim that is not on disk") {
		rig_exits(rig_agent(4), 1);
		rig.fail_commits = 2;
		rig_pass(5010);
		CHECK_INT(rig_agents(), 5);
		CHECK_STR(rig_text("SELECT status FROM runs ORDER BY seq DESC LIMIT 1"), "queued");
		CHECK_INT(queue_depth(rig.core.queue, "a"), 1);
		CHECK_INT(queue_in_flight(rig.core.queue, "a"), 0);
		rig_pass(3000);
		CHECK_INT(rig_agents(), 6);
		CHECK_INT(rig_int("SELECT attempts FROM runs ORDER BY seq DESC LIMIT 1"), 2);
	}
	rig_fini();
}

static void
reloads(void)
{
	rig_init("[agent a]\nkind = fake\nconcurrency = 1\n[agent b]\nkind = fake\n");
	rig_invoke("a", "1", NULL, 0);
	rig_invoke("a", "2", NULL, 0);
	rig_reload("[agent b]\nkind = fake\n");
	rig_exits(rig_agent(0), 0);
	IT ("a run goes on in the configuration that it started with") {
		CHECK_STR(rig_text("SELECT status FROM runs ORDER BY seq LIMIT 1"), "succeeded");
	}
	IT ("what waits for an agent that is gone waits") {
		CHECK_INT(rig_agents(), 1);
		CHECK_INT(queue_depth(rig.core.queue, "a"), 1);
	}
	rig_restart(NULL);
	IT ("through a restart") {
		CHECK_INT(queue_depth(rig.core.queue, "a"), 1);
	}
	rig_reload("[agent a]\nkind = fake\n");
	IT ("and starts when the agent is back") {
		CHECK_INT(rig_agents(), 2);
	}
	rig_fini();
}

/* The tenants of the runs from the i-th on, a letter each. */
static const char *
tenants_from(int i)
{
	static char text[64];
	size_t n = 0;

	for (; i < rig_agents() && n < sizeof(text) - 1; i++) {
		const char *at = strstr(rig_agent(i)->envelope, "\"tenant\":\"");

		text[n++] = at ? at[10] : '-';
	}
	text[n] = '\0';
	return text;
}

#define TENANTS "[trigger t]\nsource = fake\nagent = a\ntenant = .data\n"

static void
shares(void)
{
	rig_init("[agent a]\nkind = fake\nconcurrency = 1\n" TENANTS);
	for (int i = 0; i < 8; i++)
		rig_event("t", "\"a\"", NULL);
	rig_event("t", "\"b\"", NULL);
	for (int i = 0; i < 4; i++)
		rig_exits(rig_agent(i), 0);
	IT ("a tenant with a single run waits for one of another's, not for all that it has") {
		CHECK_STR(tenants_from(0), "abaaa");
	}
	rig_fini();

	rig_init("[tenant a]\nweight = 3\n[agent a]\nkind = fake\nconcurrency = 1\n" TENANTS);
	turn_switch("agent", "a", "paused", true);
	for (int i = 0; i < 8; i++) {
		rig_event("t", "\"a\"", NULL);
		rig_event("t", "\"b\"", NULL);
	}
	turn_switch("agent", "a", "paused", false);
	for (int i = 0; i < 7; i++)
		rig_exits(rig_agent(i), 0);
	IT ("tenants share by weight") {
		CHECK_STR(tenants_from(0), "abaabaaa");
	}
	rig_restart(NULL);
	for (int i = 7; i < 15; i++)
		rig_exits(rig_agent(i), 0);
	IT ("and none is forgotten, also over a restart") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'succeeded'"), 15);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
	}
	rig_fini();

	rig_init("[tenant a]\nmax_running = 2\n[agent a]\nkind = fake\nconcurrency = 9\n" TENANTS);
	for (int i = 0; i < 4; i++)
		rig_event("t", "\"a\"", NULL);
	rig_event("t", "\"b\"", NULL);
	IT ("a tenant has no more at once than its max_running, and others pass") {
		CHECK_STR(tenants_from(0), "aab");
		CHECK_INT(queue_of_tenant(rig.core.queue, "a"), 2);
		CHECK_INT(queue_of_tenant(rig.core.queue, NULL), 0);
	}
	rig_restart(NULL);
	IT ("also with those that an earlier daemon started") {
		CHECK_STR(tenants_from(0), "aab");
		CHECK_INT(queue_of_tenant(rig.core.queue, "a"), 2);
	}
	rig_exits(rig_agent(0), 0);
	IT ("one that ends makes room for one") {
		CHECK_STR(tenants_from(0), "aaba");
	}
	rig_reload("[agent a]\nkind = fake\nconcurrency = 9\n" TENANTS);
	IT ("a cap that a new configuration lifts is lifted at once") {
		CHECK_STR(tenants_from(0), "aabaa");
	}
	rig_fini();

	rig_init(
		"[agent a]\nkind = fake\nconcurrency = 1\n[agent b]\nkind = fake\nconcurrency = 1\n"
		"[trigger t]\nsource = fake\nagent = a\ntenant = .data\n"
		"[trigger u]\nsource = fake\nagent = b\ntenant = .data\n");
	rig_event("t", "\"x\"", NULL);
	for (int i = 0; i < 3; i++)
		rig_event("t", "\"a\"", NULL);
	rig_event("u", "\"a\"", NULL);
	IT ("a tenant that waits for one agent starts with another") {
		CHECK_STR(tenants_from(0), "xa");
		CHECK(envelope_has(1, "\"agent\":\"b\""));
	}
	rig_fini();
}

static void
pools(void)
{
#define POOLED(name, n) "[agent " name "]\nkind = fake\nconcurrency = " n "\npool = gpu\n"
	rig_init("[limits]\npool.gpu = 3\n" POOLED("a", "2") POOLED("b", "2"));
	for (int i = 0; i < 3; i++) {
		rig_invoke("a", "1", NULL, 0);
		rig_invoke("b", "1", NULL, 0);
	}
	IT ("agents of one pool share its size") {
		CHECK_INT(rig_agents(), 3);
		CHECK_INT(queue_in_flight(rig.core.queue, "a"), 2);
	}
	rig_reload(POOLED("a", "2") POOLED("b", "2"));
	rig_exits(rig_agent(0), 0);
	IT ("which is the largest concurrency among them where limits does not say") {
		CHECK_INT(queue_in_flight(rig.core.queue, NULL), 2);
		CHECK_INT(rig_agents(), 3);
	}
	rig_reload(POOLED("a", "2") "[agent b]\nkind = fake\nconcurrency = 2\n");
	IT ("an agent that left it has room of its own") {
		CHECK_INT(queue_in_flight(rig.core.queue, NULL), 4);
	}
	rig_fini();
}

static void
paused_trigger(void)
{
	rig_init("[agent a]\nkind = fake\nconcurrency = 9\nretry.base = 5s\nretry.jitter = "
		 "none\n" TRIGGER("p", "") TRIGGER("t", "") TRIGGER("u", "priority = high\n"));
	rig_event("t", "0", NULL);
	turn_switch("agent", "a", "paused", true);
	for (int i = 0; i < 3; i++)
		rig_event("p", "1", NULL);
	turn_switch("trigger", "p", "paused", true);
	turn_switch("agent", "a", "paused", false);
	rig_event("t", "2", NULL);
	rig_event("u", "3", NULL);
	IT ("runs of a paused trigger wait, and new ones of others pass them") {
		CHECK_INT(rig_agents(), 3);
		CHECK_INT(queue_depth(rig.core.queue, "a"), 3);
	}
	rig_exits(rig_agent(0), 1);
	rig_pass(5100);
	IT ("also an older one that is tried again") {
		CHECK_INT(rig_agents(), 4);
	}
	turn_switch("trigger", "p", "paused", false);
	IT ("until it is resumed") {
		CHECK_INT(rig_agents(), 7);
		CHECK_INT(queue_depth(rig.core.queue, "a"), 0);
	}
	rig_fini();
}

static int
status_count(const char *status)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_cat(&sql, "SELECT COUNT(*) FROM runs WHERE status = '", status, "'");
	return (int)rig_int(buf_cstr(&sql));
}

static void
full(void)
{
#define FULL                                                                                       \
	"[limits]\nmax_queued = 3\nqueue_full = drop_oldest\n[agent a]\nkind = fake\n"             \
	"concurrency = 1\n" TRIGGER("low", "priority = low\n") TRIGGER("mid", "")                  \
		TRIGGER("high", "priority = high\n")
	struct rig_answer answer;

	rig_init(FULL);
	rig_event("low", "0", NULL);
	rig_event("mid", "1", NULL);
	rig_event("low", "2", "k2");
	rig_event("low", "3", NULL);
	rig_follow();
	rig_event("mid", "4", NULL);
	IT ("where the queue is full the oldest of lowest priority gives way, and is told so") {
		CHECK_INT(queue_depth(rig.core.queue, NULL), 3);
		CHECK_INT(rig_int("SELECT seq FROM runs WHERE status = 'skipped'"), 3);
		CHECK(strstr(buf_cstr(&rig_told), "run/skipped"));
		CHECK_STR(rig_text("SELECT outcome FROM events WHERE run = 3"), "shed");
		CHECK(strstr(rig_text("SELECT error FROM runs WHERE seq = 3"), "drop_oldest"));
	}
	answer = rig_event("low", "2", "k2");
	IT ("what was seen before makes nothing give way") {
		CHECK(answer.replayed);
		CHECK_INT(status_count("skipped"), 1);
	}
	rig.fail_commits = 1;
	rig_event("mid", "5", NULL);
	IT ("nor does what the disk did not take") {
		CHECK_INT(queue_depth(rig.core.queue, NULL), 3);
		CHECK_INT(status_count("skipped"), 1);
	}
	for (int i = 0; i < 3; i++)
		rig_event("high", "6", NULL);
	answer = rig_event("mid", "7", NULL);
	IT ("nothing gives way to what is less urgent, and nothing that runs") {
		CHECK_STR(answer.outcome, "shed");
		CHECK_INT(answer.code, E_RATE);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 3);
		CHECK_INT(status_count("running"), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'queued' AND priority "
				  "= 0"),
			  3);
	}
	rig_restart(FULL "[trigger x]\nsource = fake\nagent = a\n");
	rig_exits(rig_agent(0), 0);
	IT ("and the order goes on") {
		CHECK_INT(rig_agents(), 2);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 2);
	}
	rig_fini();

	rig_init("[limits]\nmax_queued = 1\n[agent a]\nkind = fake\nconcurrency = 1\n" TRIGGER("t",
											       ""));
	rig_event("t", "0", NULL);
	rig_event("t", "1", NULL);
	answer = rig_event("t", "2", NULL);
	IT ("by itself a full queue takes nothing") {
		CHECK_INT(answer.calls, 0);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 1);
	}
	rig_fini();
}

static void
halted_before(void)
{
	rig_init("[agent a]\nkind = fake\n");
	rig_invoke("a", "1", NULL, 0);
	rig_sql("INSERT INTO switches (scope, name, kind, switched_by, at) VALUES ('all', '', "
		"'halted', "
		"'ann', 1)");
	rig_restart(NULL);
	IT ("what an earlier daemon was halted over, and did not come to stop, is stopped") {
		CHECK_STR(rig_agent(0)->cancelled, "cancelled");
	}
	rig_fini();
}

static void
many_tenants(void)
{
	rig_init("[limits]\nmax_running = 5000\n[agent a]\nkind = fake\nconcurrency = 5000\n");
	turn_switch("agent", "a", "paused", true);
	rig_sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1430) "
		"INSERT INTO runs (id, agent, trigger, ready, created, tenant) SELECT "
		"printf('01890000-0000-7000-8000-%012d', i), 'a', '', 1, 1, printf('t%d', i % "
		"1300) FROM n");
	rig_sql("INSERT INTO run_inputs (run, payload) SELECT seq, '1' FROM runs");
	rig_restart(NULL);
	turn_switch("agent", "a", "paused", false);
	IT ("more tenants than stand in memory come each to their turn") {
		CHECK_INT(rig_agents(), 1430);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
		CHECK_INT((int)queue_tenants(rig.core.queue), 0);
	}
	rig_fini();
}

int
main(void)
{
	concurrency();
	orders();
	switches();
	failures();
	reloads();
	shares();
	pools();
	paused_trigger();
	full();
	halted_before();
	many_tenants();
	err_fini(&ignored);
	return tap_done();
}
