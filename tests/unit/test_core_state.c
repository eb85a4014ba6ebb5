/* Gates, streams, sources, and the words that the schema and the rules must share. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define CONF                                                                                       \
	"[agent a]\nkind = fake\nretry.base = 1s\nretry.jitter = none\n[trigger hook]\nsource = "  \
	"fake\nagent = a\n"
#define ASK                                                                                        \
	"{\"type\":\"approval\",\"step\":\"deploy\",\"payload\":{\"v\":1},\"timeout\":\"60s\","    \
	"\"allow\":[\"accept\",\"edit\"]}\n"

static struct err why;

static const char *
gate_id(int i)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT id FROM gates ORDER BY seq LIMIT 1 OFFSET %d", i);
	return rig_text(buf_cstr(&sql));
}

static bool
decide(int i, const char *decision, const char *payload)
{
	bool ok = gate_decide(&rig.core, gate_id(i), decision, payload, "ann", "fine", &why);

	rig_run();
	return ok;
}

static void
gates(void)
{
	struct rig_agent *agent;

	rig_init(CONF);
	rig_follow();
	rig_event("hook", "1", NULL);
	agent = rig_agent(0);
	rig_says(agent, ASK);
	IT ("a question waits for a person") {
		CHECK_STR(rig_text("SELECT status FROM gates"), "waiting");
		CHECK(strstr(buf_cstr(&rig_told), "gate/waiting") != NULL);
		CHECK_INT(agent->got.len, 0);
	}
	IT ("and so does its run") {
		CHECK_STR(rig_text("SELECT status FROM runs"), "waiting");
		CHECK(strstr(buf_cstr(&rig_told), "run/waiting") != NULL);
	}
	IT ("what it does not allow is no decision, nor is another word") {
		CHECK(!decide(0, "responded", NULL));
		CHECK(!decide(0, "maybe", NULL));
		CHECK_INT(agent->got.len, 0);
	}
	rig.fail_commits = 1;
	decide(0, "approved", NULL);
	IT ("the agent hears of no decision that is not on disk") {
		CHECK_INT(agent->got.len, 0);
		CHECK_STR(rig_text("SELECT status FROM gates"), "waiting");
		CHECK_STR(rig_text("SELECT status FROM runs"), "waiting");
	}
	decide(0, "edited", "{\"v\":2}");
	IT ("it hears the decision, who, why, and what") {
		CHECK(strstr(buf_cstr(&agent->got),
			     "{\"type\":\"decision\",\"step\":\"deploy\",\"decision\":\"edited\","
			     "\"by\":\"ann\",\"reason\":\"fine\","
			     "\"payload\":{\"v\":2},\"gate\":\"") == buf_cstr(&agent->got));
		CHECK_STR(rig_text("SELECT status FROM gates"), "decided");
	}
	IT ("its run goes on") {
		CHECK_STR(rig_text("SELECT status FROM runs"), "running");
		CHECK(strstr(buf_cstr(&rig_told), "run/running") != NULL);
	}
	IT ("nothing is decided twice") {
		CHECK(!decide(0, "denied", NULL));
		CHECK_INT(why.code, E_STATE);
	}
	rig_says(agent, "{\"type\":\"ask\",\"question\":\"which?\"}\n");
	rig_exits(agent, 1);
	IT ("an agent that dies while it waits is tried again") {
		CHECK_STR(rig_text("SELECT status FROM runs"), "queued");
	}
	rig_pass(1100);
	agent = rig_agent(1);
	IT ("and waits only when it has asked again") {
		CHECK_STR(rig_text("SELECT status FROM runs"), "running");
	}
	IT ("the next attempt has what was decided in its envelope") {
		CHECK(strstr(agent->envelope,
			     "\"decisions\":{\"deploy\":{\"decision\":\"edited\"") != NULL);
	}
	rig_says(agent, ASK);
	IT ("when it asks the same again, it is told again, and nobody is asked") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates"), 2);
		CHECK(strstr(buf_cstr(&agent->got), "\"decision\":\"edited\"") != NULL);
	}
	rig_says(agent, "{\"type\":\"ask\",\"question\":\"which?\"}\n");
	IT ("what waits still waits on") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates"), 2);
		CHECK_STR(rig_text("SELECT status FROM runs"), "waiting");
		decide(1, "responded", "\"this\"");
		CHECK(strstr(buf_cstr(&agent->got), "\"payload\":\"this\"") != NULL);
	}
	rig_says(agent, "{\"type\":\"approval\",\"step\":\"deploy\",\"payload\":{\"v\":9},"
			"\"timeout\":\"60s\"}\n");
	IT ("the same step with something else is another question") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM gates"), 3);
	}
	rig_says(agent, "{\"type\":\"ask\",\"question\":\"beside it?\"}\n");
	decide(3, "responded", "1");
	IT ("a run waits until its last question is answered") {
		CHECK_STR(rig_text("SELECT status FROM runs"), "waiting");
	}
	rig_pass(30000);
	rig_restart(NULL);
	rig_pass(29000);
	IT ("a time-out counts through a restart") {
		CHECK_STR(rig_text("SELECT status FROM gates WHERE seq = 3"), "waiting");
		CHECK_STR(rig_text("SELECT status FROM runs"), "waiting");
	}
	rig.fail_commits = 1;
	rig_pass(3000);
	IT ("and is a decision of its own") {
		CHECK_STR(rig_text("SELECT status FROM gates WHERE seq = 3"), "expired");
		CHECK_STR(rig_text("SELECT status FROM runs"), "running");
		CHECK(strstr(buf_cstr(&agent->got), "\"decision\":\"timeout\",\"by\":\"rouse\"") !=
		      NULL);
	}
	rig_says(agent, "{\"type\":\"ask\",\"question\":\"and now?\"}\n");
	rig_exits(agent, 0);
	IT ("what a run still asked when it ended is asked no more") {
		CHECK_STR(rig_text("SELECT status FROM gates ORDER BY seq DESC LIMIT 1"),
			  "cancelled");
		CHECK(!decide(4, "responded", NULL));
		CHECK_STR(rig_text("SELECT status FROM runs"), "succeeded");
	}
	rig_fini();

	rig_init(CONF);
	rig_event("hook", "1", NULL);
	rig_says(rig_agent(0), ASK);
	rig_restart(NULL);
	IT ("a run that waits is cancelled like any other, also by the daemon after") {
		CHECK_STR(rig_text("SELECT status FROM runs"), "waiting");
		CHECK(run_cancel(&rig.core, rig_text("SELECT id FROM runs"), "ann", "no", &why));
		rig_run();
		CHECK_STR(rig_agent(0)->cancelled, "cancelled");
		rig_exits(rig_agent(0), 1);
		CHECK_STR(rig_text("SELECT status FROM runs"), "cancelled");
		CHECK_STR(rig_text("SELECT status FROM gates"), "cancelled");
	}
	rig_fini();
}

static struct subscriber *first, *second;
static int heard_first, heard_second;

static void
on_first(void *arg, const struct stream_event *event)
{
	(void)arg;
	(void)event;
	heard_first++;
	stream_unsubscribe(first);
	stream_unsubscribe(second);
	second = NULL;
}

static void
on_second(void *arg, const struct stream_event *event)
{
	(void)arg;
	(void)event;
	heard_second++;
}

static void
streams(void)
{
	struct stream_event event = {
		.kind = "run", .id = "r1", .type = "queued", .data = STR("{}")};

	rig_init(CONF);
	rig_follow();
	first = stream_subscribe(rig.core.stream, NULL, on_first, NULL);
	second = stream_subscribe(rig.core.stream, "r1", on_second, NULL);
	stream_publish(rig.core.stream, &event);
	IT ("nothing is told before it is on disk") {
		CHECK_INT(rig_told.len + (size_t)heard_first, 0);
	}
	rig_run();
	IT ("who leaves while it is told hears nothing more, and takes others along") {
		CHECK_INT(heard_first, 1);
		CHECK_INT(heard_second, 0);
		CHECK_INT(stream_count(rig.core.stream), 1);
		CHECK_STR(buf_cstr(&rig_told), "run/queued ");
	}
	second = stream_subscribe(rig.core.stream, "r2", on_second, NULL);
	stream_publish(rig.core.stream, &event);
	event.id = "r2";
	stream_publish(rig.core.stream, &event);
	event.id = NULL;
	stream_publish(rig.core.stream, &event);
	rig_run();
	IT ("who follows one thing hears of that alone") {
		CHECK_INT(heard_second, 1);
	}
	stream_unsubscribe(second);
	rig_fini();
}

static void
sources(void)
{
	struct source *kept;
	int started, stopped;

	rig_init(CONF "[trigger one]\nsource = fake\nagent = a\npath = /1\n[trigger two]\nsource = "
		      "fake\nagent = a\n"
		      "[trigger no-start]\nsource = fake\nagent = a\n");
	kept = sources_find(rig.core.sources, "one");
	started = rig_sources_started;
	stopped = rig_sources_stopped;
	IT ("every trigger starts, and one that does not keeps no other from it") {
		CHECK_INT(started, 3);
		CHECK(!sources_find(rig.core.sources, "no-start"));
	}
	rig_reload(CONF "[trigger one]\nsource = fake\nagent = a\npath = /1\n[trigger two]\nsource "
			"= fake\nagent = a\npath = /2\n");
	IT ("a reload leaves what did not change alone") {
		CHECK(sources_find(rig.core.sources, "one") == kept);
		CHECK_INT(rig_sources_started - started, 1);
		CHECK_INT(rig_sources_stopped - stopped, 1);
		CHECK(source_trigger(kept) == rig_trigger("one"));
	}
	IT ("a bad file changes nothing") {
		CHECK(!rig_reload("[trigger one]\nsource = fake\nagent = nobody\n"));
		CHECK(!rig_reload("[agent a]\nkind = unheard-of\n"));
		CHECK(!rig_reload(
			"[agent a]\nkind = fake\n[trigger x]\nsource = unheard-of\nagent = a\n"));
		CHECK(!rig_reload("[agent a]\nkind = fake\nmin_trust = trusted\n[trigger "
				  "x]\nsource = fake\nagent = a\n"));
		CHECK(sources_find(rig.core.sources, "one") == kept);
	}
	switch_turn(&rig.core, "trigger", "one", "disabled", true, "ann", &why);
	rig_run();
	rig_restart(CONF "[trigger one]\nsource = fake\nagent = a\n[trigger two]\nsource = "
			 "fake\nagent = a\n");
	IT ("what a person disabled stays so through a restart") {
		CHECK(!trigger_is_enabled(&rig.core, rig_trigger("one")));
		CHECK(trigger_is_enabled(&rig.core, rig_trigger("two")));
	}
	switch_turn(&rig.core, "trigger", "two", "paused", true, "ann", &why);
	rig_run();
	IT ("what is disabled, paused, or no longer there is not on") {
		CHECK(!trigger_is_on(&rig.core, rig_trigger("one")));
		CHECK(trigger_is_enabled(&rig.core, rig_trigger("two")));
		CHECK(!trigger_is_on(&rig.core, rig_trigger("two")));
		CHECK(!trigger_is_on(&rig.core, NULL));
	}
	switch_turn(&rig.core, "trigger", "two", "paused", false, "ann", &why);
	rig_run();
	IT ("once resumed it is on again") {
		CHECK(trigger_is_on(&rig.core, rig_trigger("two")));
	}
	rig_fini();
}

/* Does the column's CHECK in the schema's text list exactly these words? */
static bool
check_lists(const char *table, const char *column, const char *const *words, size_t count)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;
	AUTO(buf_fini) struct buf quoted = BUF_INIT;
	const char *text, *at, *end;
	size_t found = 0, quotes = 0;

	buf_printf(&sql, "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = '%s'",
		   table);
	text = rig_text(buf_cstr(&sql));
	/* "status IN ('a', 'b')" or "(status = 'a' OR status = 'b')" */
	buf_printf(&quoted, "%s IN", column);
	at = text ? strstr(text, buf_cstr(&quoted)) : NULL;
	if (at) {
		at = strchr(at, '(');
	} else {
		buf_clear(&quoted);
		buf_printf(&quoted, "CHECK (%s = ", column);
		at = text ? strstr(text, buf_cstr(&quoted)) : NULL;
	}
	end = at ? strchr(at, ')') : NULL;
	if (!end)
		return false;
	for (const char *p = at; p < end; p++)
		quotes += *p == '\'';
	for (size_t i = 0; i < count; i++) {
		buf_clear(&quoted);
		buf_printf(&quoted, "'%s'", words[i]);
		at = strstr(text, buf_cstr(&quoted));
		found += at && at < end;
	}
	return found == count && quotes == 2 * count;
}

static void
words(void)
{
	static const char *const outcomes[] = {"ran",	  "replayed", "filtered", "coalesced",
					       "skipped", "shed",     "held",	  "rejected",
					       "looped",  "paused"};
	const char *run_words[RUN_STATE_COUNT], *change_words[CHANGE_STATE_COUNT];
	const char *const *reasons;
	size_t count;

	rig_init(CONF);
	for (int i = 0; i < RUN_STATE_COUNT; i++)
		run_words[i] = run_state_name((enum run_state)i);
	for (int i = 0; i < CHANGE_STATE_COUNT; i++)
		change_words[i] = change_state_name((enum change_state)i);
	reasons = run_reasons(&count);
	IT ("the schema knows the states of runs that the grid knows, and no other") {
		CHECK(check_lists("runs", "status", run_words, RUN_STATE_COUNT));
		CHECK(!check_lists("runs", "status", run_words, RUN_STATE_COUNT - 1));
	}
	IT ("the same reasons of failure") {
		CHECK(check_lists("runs", "reason", reasons, count));
	}
	IT ("the same states of changes") {
		CHECK(check_lists("changes", "status", change_words, CHANGE_STATE_COUNT));
	}
	IT ("and the same words for what became of an event") {
		CHECK(check_lists("events", "outcome", outcomes, ARRAY_LEN(outcomes)));
	}
	rig_fini();
}

int
main(void)
{
	gates();
	streams();
	sources();
	words();
	err_fini(&why);
	return tap_done();
}
