/* Gathering: debounce and collect make one run of many events, and lose none. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#include "core/gather.h"
#include "store/retention.h"

#define AGENT                                                                                      \
	"[agent a]\nkind = fake\nconcurrency = 1000\ntargets = crm\nretry.jitter = none\n"         \
	"[target crm]\nkind = fake\n"
#define HOOK "[trigger hook]\nsource = fake\nagent = a\nentity = .data.who\n"
#define QUIET AGENT HOOK "debounce = 5s\ndebounce_max = 20s\n"

static int64_t
outcomes(const char *outcome)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT COUNT(*) FROM events WHERE outcome = '%s'", outcome);
	return rig_int(buf_cstr(&sql));
}

static int64_t
runs(void)
{
	return rig_int("SELECT COUNT(*) FROM runs");
}

static const char *
newest_payload(void)
{
	return rig_text("SELECT payload FROM run_inputs ORDER BY run DESC LIMIT 1");
}

static bool
is_whole(void)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	bool ok = store_check(rig.core.store, &out, &err);

	if (!ok)
		printf("# %s", buf_cstr(&out));
	return ok;
}

static void
quiet(void)
{
	struct rig_answer first, second;

	rig_init(QUIET);
	first = rig_event("hook", "{\"who\":\"x\",\"n\":1}", "k1");
	second = rig_event("hook", "{\"who\":\"x\",\"n\":2}", "k2");
	IT ("the first event is held, a later one coalesced, and neither runs yet") {
		CHECK_INT(first.code, E_OK);
		CHECK_STR(first.outcome, "held");
		CHECK(*first.event_id && !*first.run_id);
		CHECK_STR(second.outcome, "coalesced");
		CHECK(strstr(second.rule, first.event_id) != NULL);
		CHECK_INT(runs(), 0);
		CHECK(is_whole());
	}
	rig_pass(4000);
	rig_event("hook", "{\"who\":\"x\",\"n\":3}", "k3");
	rig_pass(4999);
	IT ("an event within the quiet begins it anew") {
		CHECK_INT(runs(), 0);
	}
	rig_pass(1);
	IT ("when the quiet came, one run gets all payloads, in order") {
		CHECK_INT(runs(), 1);
		CHECK_INT(rig_agents(), 1);
		CHECK_STR(newest_payload(),
			  "{\"events\":[{\"who\":\"x\",\"n\":1},{\"who\":\"x\",\"n\":2},"
			  "{\"who\":\"x\",\"n\":3}]}");
		CHECK(strstr(rig_agent(0)->envelope, "\"payload\":{\"events\":[{") != NULL);
		CHECK(strstr(rig_agent(0)->envelope, "\"entity\":\"x\"") != NULL);
		CHECK(strstr(rig_agent(0)->envelope, first.event_id) != NULL);
	}
	IT ("the events say which run they are in, and why") {
		CHECK_INT(outcomes("held"), 0);
		CHECK_INT(outcomes("ran"), 1);
		CHECK_INT(outcomes("coalesced"), 2);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM events WHERE run = (SELECT seq FROM runs)"),
			  3);
		CHECK_STR(rig_text("SELECT rule FROM events WHERE outcome = 'ran'"),
			  "debounce: one run of 3 events");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gatherings"), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gathered"), 0);
		CHECK(is_whole());
	}
	rig_event("hook", "{\"who\":\"y\",\"n\":1}", NULL);
	for (int i = 0; i < 19; i++) {
		rig_pass(1000);
		rig_event("hook", "{\"who\":\"y\",\"n\":2}", NULL);
	}
	IT ("without any quiet they wait") {
		CHECK_INT(runs(), 1);
	}
	rig_pass(1000);
	IT ("but no longer than debounce_max") {
		CHECK_INT(runs(), 2);
		CHECK_STR(rig_text("SELECT rule FROM events WHERE outcome = 'ran' ORDER BY seq "
				   "DESC LIMIT 1"),
			  "debounce: one run of 20 events");
	}
	rig_fini();
}

static void
groups(void)
{
	rig_init(AGENT HOOK "debounce = 5s\ntenant = .data.t\nuser = .data.u\n");
	rig_event("hook", "{\"who\":\"x\"}", NULL);
	rig_event("hook", "{\"who\":\"y\"}", NULL);
	rig_event("hook", "{}", NULL);
	rig_event("hook", "{}", NULL);
	IT ("each entity has its own gathering, and what has none shares one") {
		CHECK_INT(outcomes("held"), 3);
		CHECK_INT(outcomes("coalesced"), 1);
	}
	rig_event("hook", "{\"who\":\"x\",\"t\":\"one\"}", NULL);
	rig_event("hook", "{\"who\":\"x\",\"t\":\"two\"}", NULL);
	rig_event("hook", "{\"who\":\"x\",\"t\":\"two\",\"u\":\"me\"}", NULL);
	IT ("what belongs to different callers is never one run") {
		CHECK_INT(outcomes("held"), 6);
	}
	rig_pass(5000);
	IT ("and each becomes its run") {
		CHECK_INT(runs(), 6);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE tenant = 'two'"), 2);
		CHECK(is_whole());
	}
	rig_fini();
}

static void
keys(void)
{
	struct rig_answer first, again;

	rig_init(QUIET);
	first = rig_event("hook", "{\"who\":\"x\",\"n\":1}", "k1");
	rig_event("hook", "{\"who\":\"x\",\"n\":2}", "k2");
	again = rig_event("hook", "{\"who\":\"x\",\"n\":2}", "k2");
	IT ("a redelivery of what is held does not come in twice") {
		CHECK_STR(again.outcome, "replayed");
		CHECK(again.replayed && !*again.run_id);
		CHECK_INT(rig_int("SELECT n FROM gatherings"), 2);
	}
	rig_restart(NULL);
	again = rig_event("hook", "{\"who\":\"x\",\"n\":1}", "k1");
	IT ("nor after the daemon died, and it names the event that it repeats") {
		CHECK_STR(again.outcome, "replayed");
		CHECK(strstr(again.rule, first.event_id) != NULL);
	}
	rig_pass(20000);
	again = rig_event("hook", "{\"who\":\"x\",\"n\":2}", "k2");
	IT ("once there is a run, it is attached to that") {
		CHECK_STR(again.outcome, "replayed");
		CHECK(again.replayed && *again.run_id);
		CHECK_STR(again.run_status, "running");
		CHECK_INT(runs(), 1);
	}
	rig_reload(AGENT HOOK);
	again = rig_event("hook", "{\"who\":\"x\",\"n\":1}", "k1");
	IT ("a key that was gathered is known when its trigger gathers no longer") {
		CHECK_STR(again.outcome, "replayed");
		CHECK(*again.run_id != 0);
	}
	again = rig_admit((struct happening){.trigger = rig_trigger("hook"),
					     .data = STR("{\"who\":\"x\"}"),
					     .natural_key = STR("k9")});
	rig_reload(QUIET);
	first = rig_event("hook", "{\"who\":\"x\"}", "k9");
	IT ("and the other way round") {
		CHECK_STR(again.outcome, "ran");
		CHECK_STR(first.outcome, "replayed");
		CHECK_STR(first.run_id, again.run_id);
	}
	rig_fini();
}

static void
collects(void)
{
	rig_init(AGENT HOOK "collect = 3/10s\n");
	rig_event("hook", "{\"who\":\"x\",\"n\":1}", NULL);
	rig_event("hook", "{\"who\":\"x\",\"n\":2}", NULL);
	IT ("events are collected") {
		CHECK_INT(runs(), 0);
	}
	rig_event("hook", "{\"who\":\"x\",\"n\":3}", NULL);
	IT ("until there are as many as collect says, at once") {
		CHECK_INT(runs(), 1);
		CHECK_INT(rig_agents(), 1);
		CHECK_STR(newest_payload(),
			  "{\"events\":[{\"who\":\"x\",\"n\":1},{\"who\":\"x\",\"n\":2},"
			  "{\"who\":\"x\",\"n\":3}]}");
		CHECK_STR(rig_text("SELECT rule FROM events WHERE outcome = 'ran'"),
			  "collect: one run of 3 events, closed early: it is full");
	}
	rig_event("hook", "{\"who\":\"x\",\"n\":4}", NULL);
	rig_pass(9000);
	rig_event("hook", "{\"who\":\"x\",\"n\":5}", NULL);
	rig_pass(999);
	IT ("the next ones open the next") {
		CHECK_INT(runs(), 1);
	}
	rig_pass(1);
	IT ("or until the time is up, which no event puts off") {
		CHECK_INT(runs(), 2);
		CHECK_STR(newest_payload(), "{\"events\":[{\"who\":\"x\",\"n\":4},{\"who\":\"x\","
					    "\"n\":5}]}");
		CHECK(is_whole());
	}
	rig_reload(AGENT HOOK "collect = 1/10s\n");
	rig_event("hook", "{\"who\":\"x\",\"n\":6}", NULL);
	IT ("a collection of one is a run at once") {
		CHECK_INT(runs(), 3);
		CHECK_STR(newest_payload(), "{\"events\":[{\"who\":\"x\",\"n\":6}]}");
	}
	rig_fini();
}

/* A payload of so many bytes. */
static void
large_event(size_t bytes)
{
	AUTO(buf_fini) struct buf data = BUF_INIT;

	buf_puts(&data, "{\"who\":\"x\",\"s\":\"");
	while (data.len < bytes)
		buf_puts(&data, "0123456789abcdef");
	buf_puts(&data, "\"}");
	rig_event("hook", buf_cstr(&data), NULL);
}

static void
bounds(void)
{
	rig_init(QUIET);
	for (int i = 0; i < 3; i++)
		large_event(3 << 20);
	IT ("one that would be too large is closed, and the next opens with what came") {
		CHECK_INT(runs(), 1);
		CHECK_INT(rig_int("SELECT n FROM gatherings"), 1);
		CHECK_INT(outcomes("held"), 1);
	}
	rig_pass(5000);
	IT ("so that nothing is lost") {
		CHECK_INT(runs(), 2);
		CHECK_INT(rig_int("SELECT SUM(json_array_length(payload, '$.events')) FROM "
				  "run_inputs"),
			  3);
	}
	large_event(9 << 20);
	rig_pass(5000);
	IT ("an event that is too large by itself runs by itself") {
		CHECK_INT(runs(), 3);
		CHECK(is_whole());
	}
	rig_fini();
	rig_init("[limits]\nmax_queued = 2\n" QUIET);
	rig_event("hook", "{\"who\":\"x\"}", NULL);
	rig_event("hook", "{\"who\":\"y\"}", NULL);
	IT ("no more gatherings open than runs may wait, and the caller is told") {
		CHECK_INT(rig_event("hook", "{\"who\":\"z\"}", "kz").code, E_RATE);
		CHECK_STR(rig_last.outcome, "shed");
		CHECK_STR(rig_event("hook", "{\"who\":\"y\"}", NULL).outcome, "coalesced");
	}
	rig_pass(5000);
	IT ("what was shed may come again under its key") {
		CHECK_INT(runs(), 2);
		CHECK_STR(rig_event("hook", "{\"who\":\"z\"}", "kz").outcome, "held");
	}
	rig_fini();
}

static void
deaths(void)
{
	rig_init(QUIET);
	rig_event("hook", "{\"who\":\"x\",\"n\":1}", NULL);
	rig_event("hook", "{\"who\":\"x\",\"n\":2}", NULL);
	rig_pass(3000);
	rig_restart(NULL);
	rig_pass(1999);
	IT ("a gathering survives the daemon, and so does its time") {
		CHECK_INT(runs(), 0);
	}
	rig_pass(1);
	IT ("and it ends as if nothing had been") {
		CHECK_INT(runs(), 1);
		CHECK_INT(rig_int("SELECT json_array_length(payload, '$.events') FROM run_inputs"),
			  2);
	}
	rig_event("hook", "{\"who\":\"y\"}", NULL);
	rig.wall_ms += 3600000;
	rig_restart(NULL);
	rig_pass(1);
	IT ("what was due while nobody looked runs at once") {
		CHECK_INT(runs(), 2);
	}
	rig_event("hook", "{\"who\":\"z\"}", NULL);
	rig.wall_ms -= 3600000;
	rig_restart(NULL);
	rig_pass(19999);
	IT ("where the clock went back, nothing waits longer than debounce_max from then") {
		CHECK_INT(runs(), 2);
	}
	rig_pass(1);
	IT ("but so long") {
		CHECK_INT(runs(), 3);
	}
	rig_event("hook", "{\"who\":\"j\"}", NULL);
	rig.wall_ms += 86400000;
	rig_pass(4999);
	IT ("a clock that jumps ends no quiet") {
		CHECK_INT(runs(), 3);
	}
	rig.wall_ms -= 2 * 86400000LL;
	rig_pass(1);
	IT ("nor does it put it off") {
		CHECK_INT(runs(), 4);
	}
	rig_event("hook", "{\"who\":\"f\"}", NULL);
	rig.mono_ms += 5000;
	rig.fail_commits = 1;
	rig_run();
	IT ("a run that could not be kept was not made") {
		CHECK_INT(runs(), 4);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gatherings"), 1);
		CHECK_INT(rig_agents(), 4);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
	}
	rig_pass(1000);
	IT ("and is made once, a little later") {
		CHECK_INT(runs(), 5);
		CHECK_INT(rig_agents(), 5);
		CHECK(is_whole());
	}
	rig.fail_commits = 1;
	CHECK_INT(rig_event("hook", "{\"who\":\"g\"}", "kg").code, E_FULL);
	IT ("an event that could not be kept is not in, and may come again") {
		CHECK_STR(rig_event("hook", "{\"who\":\"g\"}", "kg").outcome, "held");
		rig_pass(5000);
		CHECK_INT(runs(), 6);
	}
	rig_fini();
}

/* More than are closed in one turn. */
static void
many(void)
{
	rig_init(QUIET);
	for (int i = 0; i < 200; i++) {
		AUTO(buf_fini) struct buf data = BUF_INIT;

		buf_printf(&data, "{\"who\":\"w%d\"}", i);
		rig_event("hook", buf_cstr(&data), NULL);
	}
	rig_pass(4999);
	rig.mono_ms++;
	rig_run();
	IT ("when many are due at once, the loop goes on between some and some") {
		CHECK(runs() > 0 && runs() < 200);
	}
	rig_pass(1000);
	IT ("until all are runs, each once") {
		CHECK_INT(runs(), 200);
		CHECK_INT(rig_int("SELECT COUNT(DISTINCT entity) FROM runs"), 200);
		CHECK(is_whole());
	}
	rig_fini();
}

static void
changes(void)
{
	struct gatherings_count held;

	rig_init(QUIET);
	rig_event("hook", "{\"who\":\"x\"}", NULL);
	rig_event("hook", "{\"who\":\"x\"}", NULL);
	gather_held(&rig.core, "hook", &held);
	IT ("what is held counts as backlog") {
		struct trigger_state state;

		trigger_state_get(&rig.core, rig_trigger("hook"), &state);
		CHECK_INT(state.backlog, 2);
		CHECK_INT(held.open, 1);
		CHECK_INT(held.events, 2);
	}
	switch_turn(&rig.core, "trigger", "hook", "paused", true, "me", NULL);
	rig_pass(5000);
	IT ("of a paused trigger it becomes a run that waits") {
		CHECK_INT(runs(), 1);
		CHECK_INT(rig_agents(), 0);
	}
	switch_turn(&rig.core, "trigger", "hook", "paused", false, "me", NULL);
	rig_run();
	queue_wake(rig.core.queue, NULL);
	rig_run();
	IT ("and goes on with it") {
		CHECK_INT(rig_agents(), 1);
	}
	rig_exits(rig_agent(0), 0);
	rig_event("hook", "{\"who\":\"x\"}", NULL);
	switch_turn(&rig.core, "trigger", "hook", "disabled", true, "me", NULL);
	rig_pass(5000);
	IT ("of a trigger that is disabled it runs: it was accepted before") {
		CHECK_INT(runs(), 2);
		CHECK_INT(rig_agents(), 2);
	}
	switch_turn(&rig.core, "trigger", "hook", "disabled", false, "me", NULL);
	rig_event("hook", "{\"who\":\"y\"}", NULL);
	rig_reload(AGENT HOOK);
	rig_pass(1);
	IT ("where the trigger gathers no longer, it runs with what it has") {
		CHECK_INT(runs(), 3);
		CHECK(strstr(rig_text("SELECT rule FROM events WHERE outcome = 'ran' ORDER BY seq "
				      "DESC LIMIT 1"),
			     "gathers no longer") != NULL);
	}
	rig_reload(QUIET);
	rig_event("hook", "{\"who\":\"z\"}", NULL);
	rig_reload(AGENT);
	rig_pass(1);
	IT ("where the trigger is gone, too, and says so") {
		CHECK_INT(runs(), 4);
		CHECK(strstr(rig_text("SELECT rule FROM events WHERE outcome = 'ran' ORDER BY seq "
				      "DESC LIMIT 1"),
			     "trigger is gone") != NULL);
	}
	rig_reload(QUIET);
	rig_event("hook", "{\"who\":\"w\"}", NULL);
	rig_restart(AGENT);
	rig_pass(1);
	IT ("and where it went while the daemon was down") {
		CHECK_INT(runs(), 5);
	}
	rig_reload(QUIET);
	rig_event("hook", "{\"who\":\"d\"}", NULL);
	rig.core.draining = true;
	rig_pass(6000);
	IT ("a daemon that stops leaves it on disk") {
		CHECK_INT(runs(), 5);
	}
	rig_restart(NULL);
	rig_pass(1);
	IT ("for the next one") {
		CHECK_INT(runs(), 6);
		CHECK(is_whole());
	}
	rig_fini();
}

static void
policies(void)
{
	rig_init(AGENT HOOK "debounce = 5s\noverlap = queue_one\n");
	for (int i = 0; i < 3; i++) {
		rig_event("hook", "{\"who\":\"x\"}", NULL);
		rig_pass(5000);
	}
	IT ("overlap is asked when the run is made: the newest waits, once") {
		CHECK_INT(runs(), 3);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'skipped'"), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'running'"), 1);
	}
	rig_fini();
	rig_init(AGENT HOOK "debounce = 5s\noverlap = skip\n");
	rig_event("hook", "{\"who\":\"x\"}", NULL);
	rig_pass(5000);
	IT ("with overlap = skip an event that comes while a run is not done is skipped") {
		CHECK_STR(rig_event("hook", "{\"who\":\"x\"}", NULL).outcome, "skipped");
		CHECK_STR(rig_event("hook", "{\"who\":\"y\"}", NULL).outcome, "held");
	}
	rig_fini();
	rig_init(AGENT HOOK "debounce = 5s\nrate = 2/m\npriority = high\n");
	rig_event("hook", "{\"who\":\"x\"}", NULL);
	rig_event("hook", "{\"who\":\"x\"}", NULL);
	IT ("what is over the rate is shed, not gathered") {
		CHECK_INT(rig_event("hook", "{\"who\":\"x\"}", NULL).code, E_RATE);
		rig_pass(5000);
		CHECK_INT(rig_int("SELECT json_array_length(payload, '$.events') FROM run_inputs"),
			  2);
		CHECK_INT(rig_int("SELECT priority FROM runs"), 0);
	}
	rig_fini();
	rig_init(AGENT HOOK "debounce = 5s\npayload = give {\"p\":1}\n");
	rig_event("hook", "{\"who\":\"x\"}", NULL);
	rig_admit((struct happening){.trigger = rig_trigger("hook"),
				     .data = STR("{\"who\":\"x\"}"),
				     .trust_is_set = true,
				     .trust = TRUST_UNTRUSTED,
				     .cause = STR("root=r;parent=p;hops=3"),
				     .stage = true});
	rig_pass(5000);
	IT ("mapped payloads are gathered; a run is trusted as its least trusted event") {
		CHECK_STR(newest_payload(), "{\"events\":[{\"p\":1},{\"p\":1}]}");
		CHECK_STR(rig_text("SELECT trust FROM runs"), "untrusted");
		CHECK_STR(rig_text("SELECT mode FROM runs"), "stage");
		CHECK_INT(rig_int("SELECT hops FROM runs"), 3);
	}
	rig_fini();
}

static void
settings(void)
{
	static const char *const bad[] = {
		HOOK "debounce_max = 5s\n", HOOK "debounce = 5s\ndebounce_max = 1s\n",
		HOOK "debounce = soon\n",   HOOK "collect = 20000/s\n",
		HOOK "collect = many\n",    HOOK "debounce = 0\n"};

	rig_init(AGENT HOOK);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(buf_fini) struct buf conf = BUF_INIT;

		buf_cat(&conf, AGENT, bad[i]);
		IT ("a setting that means nothing is refused") {
			CHECK(!rig_reload(buf_cstr(&conf)));
		}
	}
	rig_reload(AGENT HOOK "debounce = 2s\n");
	IT ("debounce_max is ten times debounce where nothing is said") {
		CHECK_INT(rig_trigger("hook")->gather_ms, 20000);
	}
	rig_reload(AGENT HOOK "debounce = 2s\ndebounce_max = 1m\ncollect = 50/10s\n");
	IT ("with both, whichever ends it first") {
		CHECK_INT(rig_trigger("hook")->gather_ms, 10000);
		CHECK_INT(rig_trigger("hook")->gather_count, 50);
	}
	rig_fini();
}

/* Old events whose run is still to be made. */
static void
kept(void)
{
	unsigned gone = 0;
	bool through = false;
	AUTO(err_fini) struct err err = ERR_INIT;

	rig_init(QUIET);
	rig_event("hook", "{\"who\":\"x\",\"n\":1}", NULL);
	rig_event("hook", "{\"who\":\"y\",\"n\":1}", NULL);
	IT ("retention leaves what is held") {
		CHECK(retention_apply(rig.core.store, RETAIN_EVENTS,
				      (struct wall){rig.wall_ms + 1000}, 100, &gone, &through,
				      &err));
		CHECK(retention_apply(rig.core.store, RETAIN_DOCUMENTS,
				      (struct wall){rig.wall_ms + 1000}, 100, &gone, &through,
				      &err));
		rig_run();
		CHECK_INT(rig_int("SELECT COUNT(*) FROM events WHERE outcome = 'held' AND document "
				  "IS NOT NULL"),
			  2);
	}
	rig_fini();
}

int
main(void)
{
	quiet();
	groups();
	keys();
	collects();
	bounds();
	deaths();
	many();
	changes();
	policies();
	settings();
	kept();
	return tap_done();
}
