/* Sources after and topic: what a run says or that it ended becomes an event, once for each that
 * hears it. SPEC 5, 6, 7. */
/* SPDX-License-Identifier: MIT */
#include "core/signal.h"
#include "store/facts.h"
#include "tests/fakes/kinds.h"
#include "triggers/after/after.h"
#include "triggers/topic/topic.h"

#define AGENT "[agent a]\nkind = fake\nconcurrency = 50\nretry.jitter = none\n"
#define HOOK "[trigger hook]\nsource = fake\nagent = a\n"
#define TOPIC(name, more)                                                                          \
	"[trigger " name "]\nsource = topic\ntopic = news\nagent = a\noverlap = allow\n" more

static int64_t
runs_of(const char *trigger)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT COUNT(*) FROM runs WHERE trigger = '%s'", trigger);
	return rig_int(buf_cstr(&sql));
}

static int64_t
events(const char *trigger, const char *outcome)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT COUNT(*) FROM events WHERE trigger = '%s' AND outcome = '%s'",
		   trigger, outcome);
	return rig_int(buf_cstr(&sql));
}

static int64_t
facts(void)
{
	return rig_int("SELECT COUNT(*) FROM facts");
}

static int64_t
backlog(const char *trigger)
{
	return sources_find(rig.core.sources, trigger)->backlog;
}

static void
emissions(void)
{
	struct rig_answer hook;
	struct rig_agent *woken;

	rig_init(AGENT HOOK TOPIC("one", "") TOPIC(
		"two",
		"mode = stage\n") "[trigger other]\nsource = topic\ntopic = else\nagent = a\n");
	hook = rig_event("hook", "1", NULL);
	rig_says(rig_agent(0), "{\"type\":\"emit\",\"topic\":\"news\",\"data\":{\"n\":7},"
			       "\"event_type\":\"order.made\",\"key\":\"k1\"}\n");
	IT ("what an agent emits wakes every trigger of its topic once, and no other") {
		CHECK_INT(runs_of("one"), 1);
		CHECK_INT(runs_of("two"), 1);
		CHECK_INT(runs_of("other"), 0);
		CHECK_INT(facts(), 0);
	}
	woken = rig_agent(1);
	IT ("its event has the type, the data, the key and who said it") {
		CHECK(strstr(woken->envelope, "\"payload\":{\"n\":7}") != NULL);
		CHECK(strstr(woken->envelope, "\"idempotency_key\":\"k1\"") != NULL);
		CHECK(strstr(rig_text("SELECT document FROM events WHERE trigger = 'one'"),
			     "\"type\":\"order.made\"") != NULL);
		CHECK(strstr(rig_text("SELECT document FROM events WHERE trigger = 'one'"),
			     "\"topic\":\"news\"") != NULL);
	}
	IT ("its cause is the root event, the run, and one hop; the correlation is the run") {
		CHECK_STR(rig_text("SELECT root FROM runs WHERE trigger = 'one'"), hook.event_id);
		CHECK_STR(rig_text("SELECT parent FROM runs WHERE trigger = 'one'"), hook.run_id);
		CHECK_INT(rig_int("SELECT hops FROM runs WHERE trigger = 'one'"), 1);
		CHECK_STR(rig_text("SELECT correlation FROM runs WHERE trigger = 'one'"),
			  hook.run_id);
	}
	IT ("it is as far to be trusted as the run that said it") {
		CHECK_STR(rig_text("SELECT trust FROM runs WHERE trigger = 'one'"),
			  "authenticated");
	}
	rig_says(rig_agent(0), "{\"type\":\"emit\",\"topic\":\"news\",\"key\":\"k1\"}\n");
	IT ("the same key again is the same emission") {
		CHECK_INT(runs_of("one"), 1);
		CHECK_INT(events("one", "replayed"), 1);
	}
	rig_says(rig_agent(0), "{\"type\":\"emit\",\"topic\":\"news\",\"data\":1}\n"
			       "{\"type\":\"emit\",\"topic\":\"news\",\"data\":1}\n");
	IT ("without a key, the same said twice is two emissions") {
		CHECK_INT(runs_of("one"), 3);
	}
	rig_says(rig_agent(0), "{\"type\":\"emit\",\"topic\":\"silence\",\"data\":1}\n");
	IT ("a topic that nobody hears is fine") {
		CHECK_INT(facts(), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE data LIKE '%refused%'"), 0);
	}
	rig_fini();
}

static void
attempts_again(void)
{
	rig_init(AGENT HOOK TOPIC("one", ""));
	rig_event("hook", "1", NULL);
	rig_says(rig_agent(0), "{\"type\":\"emit\",\"topic\":\"news\",\"data\":1}\n"
			       "{\"type\":\"emit\",\"topic\":\"news\",\"data\":2}\n");
	rig_exits(rig_agent(0), 75);
	CHECK_INT(runs_of("one"), 2);
	rig_pass(1500);
	IT ("an attempt that is repeated and says the same again wakes nobody twice") {
		struct rig_agent *again = rig_agent(3);

		CHECK(again && strstr(again->envelope, "\"attempt\":2"));
		rig_says(again, "{\"type\":\"emit\",\"topic\":\"news\",\"data\":1}\n"
				"{\"type\":\"emit\",\"topic\":\"news\",\"data\":2}\n");
		CHECK_INT(runs_of("one"), 2);
		CHECK_INT(events("one", "replayed"), 2);
	}
	IT ("what it says beyond that, or otherwise, is new; also after a restart") {
		rig_restart(NULL);
		rig_says(rig_agent(3), "{\"type\":\"emit\",\"topic\":\"news\",\"data\":2}\n");
		CHECK_INT(runs_of("one"), 3);
	}
	rig_fini();
}

static void
bad_emissions(void)
{
	static const char *const bad[] = {
		"{\"type\":\"emit\"}",
		"{\"type\":\"emit\",\"topic\":7}",
		"{\"type\":\"emit\",\"topic\":\"\"}",
		"{\"type\":\"emit\",\"topic\":\"News\"}",
		"{\"type\":\"emit\",\"topic\":\"../news\"}",
		"{\"type\":\"emit\",\"topic\":\"a2345678901234567890123456789012345678901\"}",
		"{\"type\":\"emit\",\"topic\":\"news\",\"key\":{}}",
		"{\"type\":\"emit\",\"topic\":\"news\",\"key\":\"\"}",
		"{\"type\":\"emit\",\"topic\":\"news\",\"event_type\":1}",
		"{\"type\":\"emit\",\"topic\":\"news\",\"event_type\":\"\"}",
	};
	AUTO(buf_fini) struct buf line = BUF_INIT;

	rig_init("[http]\nmax_body = 2K\n" AGENT HOOK TOPIC("one", ""));
	rig_event("hook", "1", NULL);
	IT ("what is no emission is refused, the refusal kept, and the run goes on") {
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			buf_clear(&line);
			buf_cat(&line, bad[i], "\n");
			rig_says(rig_agent(0), buf_cstr(&line));
			CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE data LIKE "
					  "'%\"refused\":\"emit\"%'"),
				  (int64_t)i + 1);
		}
		CHECK_INT(runs_of("one"), 0);
	}
	IT ("data larger than a request may be is refused") {
		buf_clear(&line);
		buf_puts(&line, "{\"type\":\"emit\",\"topic\":\"news\",\"data\":\"");
		for (int i = 0; i < 3000; i++)
			buf_putc(&line, 'x');
		buf_puts(&line, "\"}\n");
		rig_says(rig_agent(0), buf_cstr(&line));
		CHECK_INT(runs_of("one"), 0);
	}
	rig_says(rig_agent(0), "{\"type\":\"emit\",\"topic\":\"news\",\"key\":12}\n");
	IT ("a number is a key too") {
		CHECK_STR(rig_text("SELECT key FROM runs WHERE trigger = 'one'"), "12");
	}
	rig_fini();
}

static void
floods(void)
{
	AUTO(buf_fini) struct buf lines = BUF_INIT;

	rig_init("[limits]\nmax_running = 1\n" AGENT HOOK TOPIC("one", ""));
	rig_event("hook", "1", NULL);
	for (int i = 0; i < 10000; i++)
		buf_printf(&lines, "{\"type\":\"emit\",\"topic\":\"news\",\"data\":%d}\n", i);
	rig_says(rig_agent(0), buf_cstr(&lines));
	IT ("ten thousand emissions of one run are ten thousand events, in order") {
		CHECK_INT(runs_of("one"), 10000);
		CHECK_INT(facts(), 0);
		CHECK_INT(backlog("one"), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM (SELECT document ->> '$.data' AS n, LAG("
				  "document ->> '$.data') OVER (ORDER BY seq) AS b FROM events "
				  "WHERE trigger = 'one') WHERE n <= b"),
			  0);
	}
	rig_fini();
}

static void
backlogs(void)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	rig_init(AGENT HOOK TOPIC("one", "") TOPIC("two", "enabled = no\n"));
	rig_event("hook", "1", NULL);
	CHECK(switch_turn(&rig.core, "trigger", "one", "paused", true, "test", &err));
	rig_run();
	for (int i = 0; i < 3; i++)
		rig_says(rig_agent(0), "{\"type\":\"emit\",\"topic\":\"news\",\"data\":1}\n");
	IT ("what a paused or disabled trigger hears waits on disk, and is counted") {
		CHECK_INT(facts(), 6);
		CHECK_INT(backlog("one"), 3);
		CHECK_INT(backlog("two"), 3);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM events"), 1);
	}
	rig_restart(NULL);
	IT ("it waits there across a restart") {
		CHECK_INT(backlog("one"), 3);
		CHECK_INT(runs_of("one"), 0);
	}
	CHECK(switch_turn(&rig.core, "trigger", "one", "paused", false, "test", &err));
	rig_run();
	IT ("resumed, it takes up what waited, each with a place of its own") {
		CHECK_INT(runs_of("one"), 3);
		CHECK_INT(backlog("one"), 0);
		CHECK_INT(backlog("two"), 3);
	}
	CHECK(rig_reload(AGENT HOOK TOPIC("one", "") TOPIC("two", "")));
	rig_run();
	IT ("enabled in the file, so does the other") {
		CHECK_INT(runs_of("two"), 3);
		CHECK_INT(facts(), 0);
	}
	rig_fini();

	rig_init("[limits]\nmax_queued = 2\n"
		 "[agent idle]\nkind = fake\nconcurrency = 1\n" AGENT HOOK
		 "[trigger one]\nsource = topic\ntopic = news\nagent = idle\n");
	rig_event("hook", "1", NULL);
	for (int i = 0; i < 9; i++)
		rig_says(rig_agent(0), "{\"type\":\"emit\",\"topic\":\"news\",\"data\":1}\n");
	IT ("while the queue is full it waits too, up to as many as may be queued; health says "
	    "so") {
		CHECK_INT(runs_of("one"), 3);
		CHECK_INT(backlog("one"), 2);
		CHECK(sources_find(rig.core.sources, "one")->health == HEALTH_FAILING);
	}
	for (int i = 1; i < 6 && rig_agent(i); i++) {
		rig_exits(rig_agent(i), 0);
		rig_pass(60000);
	}
	IT ("when there is room it goes on by itself") {
		CHECK_INT(runs_of("one"), 5);
		CHECK_INT(facts(), 0);
		CHECK(sources_find(rig.core.sources, "one")->health == HEALTH_OK);
	}
	rig_fini();
}

static void
full_disks(void)
{
	rig_init(AGENT HOOK TOPIC("one", ""));
	rig_event("hook", "1", NULL);
	rig.fail_commits = 3;
	rig_says(rig_agent(0), "{\"type\":\"emit\",\"topic\":\"news\",\"data\":1}\n");
	rig_pass(60000);
	IT ("a commit that fails loses no emission and doubles none") {
		CHECK_INT(runs_of("one"), 1);
		CHECK_INT(facts(), 0);
		CHECK_INT(backlog("one"), 0);
	}
	rig_fini();
}

static void
ends(void)
{
	rig_init(AGENT HOOK
		 "[trigger good]\nsource = after\ntrigger = hook\nagent = a\nstatus = succeeded\n"
		 "[trigger bad]\nsource = after\ntrigger = hook\nagent = a\nstatus = failed\n"
		 "[trigger gone]\nsource = after\nafter_agent = b\nagent = a\n"
		 "status = cancelled, skipped\n"
		 "[agent b]\nkind = fake\n[trigger bee]\nsource = fake\nagent = b\n");
	rig_event("hook", "1", NULL);
	rig_says(rig_agent(0), "{\"type\":\"result\",\"output\":{\"x\":1}}\n");
	rig_exits(rig_agent(0), 0);
	IT ("a run that ends well wakes who waits for that, with its result") {
		CHECK_INT(runs_of("good"), 1);
		CHECK_INT(runs_of("bad"), 0);
		CHECK(strstr(rig_agent(1)->envelope, "\"result\":{\"x\":1}") != NULL);
		CHECK(strstr(rig_agent(1)->envelope, "\"status\":\"succeeded\"") != NULL);
	}
	rig_event("hook", "1", NULL);
	rig_exits(rig_agent(2), 64);
	IT ("one that fails wakes who waits for failures, with its reason") {
		CHECK_INT(runs_of("bad"), 1);
		CHECK(strstr(rig_agent(3)->envelope, "\"reason\":\"permanent\"") != NULL);
	}
	rig_event("hook", "1", NULL);
	rig_exits(rig_agent(4), 75);
	IT ("an attempt that is tried again is no end") {
		CHECK_INT(runs_of("bad") + runs_of("good"), 2);
	}
	{
		AUTO(err_fini) struct err err = ERR_INIT;
		struct rig_answer first = rig_event("bee", "1", NULL);

		CHECK(run_cancel(&rig.core, first.run_id, "test", "not wanted", &err));
		rig_run();
		rig_exits(rig_agent(rig_agents() - 1), 0);
	}
	IT ("a run that is cancelled ends too") {
		CHECK_INT(runs_of("gone"), 1);
	}
	rig_fini();
}

static void
circles(void)
{
	rig_init(AGENT HOOK
		 "[trigger round]\nsource = after\ntrigger = hook, round\nagent = a\nmax_hops = 3\n"
		 "overlap = allow\n");
	rig_event("hook", "1", NULL);
	for (int i = 0; i < rig_agents() && i < 50; i++)
		rig_exits(rig_agent(i), 0);
	IT ("a circle ends at max_hops, and says so") {
		CHECK_INT(runs_of("round"), 3);
		CHECK_INT(events("round", "looped"), 1);
		CHECK_INT(rig_int("SELECT COUNT(DISTINCT root) FROM runs WHERE trigger = 'round'"),
			  1);
		CHECK_INT(facts(), 0);
	}
	rig_fini();
}

static void
changes(void)
{
	struct rig_answer woken, got;
	AUTO(buf_fini) struct buf cause = BUF_INIT;

	rig_init(AGENT HOOK "[agent b]\nkind = fake\n[trigger other]\nsource = fake\nagent = b\n");
	woken = rig_event("hook", "1", NULL);
	buf_printf(&cause, "root=%s;parent=%s;hops=1", woken.event_id, woken.run_id);
	got = rig_admit((struct happening){
		.trigger = rig_trigger("hook"), .cause = buf_str(&cause), .by_change = true});
	IT ("a trigger is not woken by the change of a run that it woke itself") {
		CHECK_STR(got.outcome, "looped");
		CHECK_INT(runs_of("hook"), 1);
	}
	got = rig_admit((struct happening){
		.trigger = rig_trigger("other"), .cause = buf_str(&cause), .by_change = true});
	IT ("another one is") {
		CHECK_STR(got.outcome, "ran");
	}
	got = rig_admit((struct happening){.trigger = rig_trigger("hook"),
					   .cause = STR("root=x;parent=nobody-knows-it;hops=1"),
					   .by_change = true});
	IT ("a cause that nobody knows here stops nothing") {
		CHECK_STR(got.outcome, "ran");
	}
	rig_fini();
}

int
main(void)
{
	const struct source_kind *const kinds[] = {fake_source_kinds[0], &after_kind, &topic_kind,
						   NULL};

	rig_source_kinds = kinds;
	emissions();
	attempts_again();
	bad_emissions();
	floods();
	backlogs();
	full_disks();
	ends();
	circles();
	changes();
	return tap_done();
}
