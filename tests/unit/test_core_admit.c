/* Admission: what happened becomes an event, an event becomes at most one run. SPEC 4, 5. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define AGENT "[agent a]\nkind = fake\nconcurrency = 1\nretry.jitter = none\n"

static int64_t
events(const char *outcome)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT COUNT(*) FROM events WHERE outcome = '%s'", outcome);
	return rig_int(buf_cstr(&sql));
}

static void
keys(void)
{
	struct rig_answer first, again;

	rig_init(NULL);
	first = rig_event("hook", "{\"n\":1}", "k1");
	IT ("an event with a new key runs, once, and its source is answered after the commit") {
		CHECK_INT(first.calls, 1);
		CHECK_INT(first.code, E_OK);
		CHECK_STR(first.outcome, "ran");
		CHECK_STR(first.run_status, "queued");
		CHECK(!first.replayed);
		CHECK_INT(rig_agents(), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 1);
	}
	again = rig_event("hook", "{\"n\":2}", "k1");
	IT ("the same key again is the first run, and nothing runs") {
		CHECK_INT(again.code, E_OK);
		CHECK_STR(again.outcome, "replayed");
		CHECK(again.replayed);
		CHECK_STR(again.run_id, first.run_id);
		CHECK_STR(again.run_status, "running");
		CHECK_INT(rig_agents(), 1);
		CHECK_INT(events("replayed"), 1);
	}
	rig_exits(rig_agent(0), 0);
	again = rig_event("hook", "{\"n\":1}", "k1");
	IT ("a run that has ended is known still") {
		CHECK_STR(again.run_status, "succeeded");
	}
	rig_restart(NULL);
	again = rig_event("hook", "{\"n\":1}", "k1");
	IT ("a key survives the daemon") {
		CHECK_STR(again.outcome, "replayed");
		CHECK_STR(again.run_id, first.run_id);
	}
	again = rig_event("hook", "{\"n\":1}", "k2");
	IT ("another key is another run") {
		CHECK(strcmp(again.run_id, first.run_id) != 0 && *again.run_id);
	}
	rig_event("hook", "1", NULL);
	rig_event("hook", "1", NULL);
	IT ("without a key every event is new") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 4);
	}
	again = rig_admit((struct happening){
		.trigger = rig_trigger("hook"), .natural_key = STR("k1"), .again = true});
	IT ("a person who wants it once more gets it") {
		CHECK_STR(again.outcome, "ran");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 5);
	}
	rig_fini();
}

static void
invocations(void)
{
	struct rig_answer first, other;

	rig_init(NULL);
	first = rig_invoke("a", "{\"x\":1}", "order-1", 11);
	other = rig_invoke("a", "{\"x\":2}", "order-1", 22);
	IT ("a known key with another payload is refused, kept and told") {
		CHECK_STR(first.outcome, "ran");
		CHECK_INT(other.code, E_CONFLICT);
		CHECK_STR(other.outcome, "rejected");
		CHECK_STR(other.run_id, "");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 1);
		CHECK_INT(events("rejected"), 1);
	}
	other = rig_invoke("a", "{\"x\":1}", "order-1", 11);
	IT ("the same request again is the same run") {
		CHECK_STR(other.run_id, first.run_id);
	}
	other = rig_event("hook", "1", "order-1");
	IT ("a trigger's keys are its own") {
		CHECK_STR(other.outcome, "ran");
	}
	IT ("an invocation belongs to no trigger, is trusted, and its payload is its data") {
		CHECK_STR(rig_text("SELECT trigger FROM runs ORDER BY seq LIMIT 1"), "");
		CHECK_STR(rig_text("SELECT trust FROM runs ORDER BY seq LIMIT 1"), "trusted");
		CHECK(strstr(rig_agent(0)->envelope, "\"payload\":{\"x\":1}") != NULL);
	}
	rig_fini();
}

static void
programs(void)
{
	struct rig_answer got;

	rig_init(AGENT "[trigger plain]\nsource = fake\nagent = a\nfilter = .data.go\nkey = "
		       ".data.id\nentity = .data.who\n"
		       "[trigger empty]\nsource = fake\nagent = a\nfilter = nothing\n"
		       "[trigger bad]\nsource = fake\nagent = a\nfilter = fail\n"
		       "[trigger full]\nsource = fake\nagent = a\npayload = broken\n"
		       "[trigger both]\nsource = fake\nagent = a\nfilter = give false\nkey = fail\n"
		       "[trigger nokey]\nsource = fake\nagent = a\nkey = nothing\n"
		       "[trigger nopayload]\nsource = fake\nagent = a\npayload = nothing\n"
		       "[trigger slow]\nsource = fake\nagent = a\nfilter = wait true\nkey = wait "
		       "\"k\"\npayload = give {\"p\":1}\n");
	got = rig_event("plain", "{\"go\":false,\"id\":1}", NULL);
	IT ("an event that the filter does not want is kept as filtered") {
		CHECK_INT(got.code, E_OK);
		CHECK_STR(got.outcome, "filtered");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 0);
		CHECK_INT(events("filtered"), 1);
	}
	got = rig_event("plain", "{\"id\":1}", NULL);
	IT ("null is falsy") {
		CHECK_STR(got.outcome, "filtered");
	}
	got = rig_event("plain", "{\"go\":0,\"id\":7,\"who\":\"ann\"}", "natural");
	IT ("zero is truthy, as in jq; the trigger's key goes before the natural one") {
		CHECK_STR(got.outcome, "ran");
		CHECK_STR(rig_text("SELECT key FROM runs"), "7");
		CHECK_STR(rig_text("SELECT entity FROM runs"), "ann");
	}
	got = rig_event("empty", "1", NULL);
	IT ("a filter that gives nothing says no") {
		CHECK_STR(got.outcome, "filtered");
	}
	got = rig_event("bad", "1", NULL);
	IT ("a filter that fails makes the event rejected, with its reason, and the sender hears "
	    "it") {
		CHECK_INT(got.code, E_MAPPING);
		CHECK(got.has_result);
		CHECK_STR(got.outcome, "rejected");
		CHECK(strstr(got.rule, "cannot index") != NULL);
	}
	got = rig_event("full", "1", NULL);
	IT ("so does a program that cannot be run") {
		CHECK_STR(got.outcome, "rejected");
	}
	got = rig_event("both", "1", NULL);
	IT ("what the filter does not want is not rejected for its key") {
		CHECK_STR(got.outcome, "filtered");
	}
	got = rig_event("nokey", "1", "natural");
	IT ("a key program that gives nothing rejects: silence is no key") {
		CHECK_STR(got.outcome, "rejected");
	}
	rig_event("nopayload", "{\"secret\":1}", NULL);
	IT ("a payload program that gives nothing gives null, not the event's data") {
		CHECK_STR(rig_text("SELECT payload FROM run_inputs ORDER BY run DESC LIMIT 1"),
			  "null");
	}
	got = rig_event("slow", "{\"d\":1}", NULL);
	IT ("while a program thinks, nothing is said") {
		CHECK_INT(got.calls, 0);
		CHECK_INT(got.code, E_OK);
	}
	rig_reload(AGENT);
	rig_jail_go();
	IT ("and when it has answered, the event runs, also if its trigger is gone by then") {
		CHECK_INT(rig_last.calls, 1);
		CHECK_STR(rig_last.outcome, "ran");
		CHECK_STR(rig_text("SELECT key FROM runs ORDER BY seq DESC LIMIT 1"), "k");
		CHECK_STR(rig_text("SELECT payload FROM run_inputs ORDER BY run DESC LIMIT 1"),
			  "{\"p\":1}");
	}
	rig_fini();
}

static void
doors(void)
{
	struct rig_answer got;

	rig_init("[limits]\nmax_queued = 2\n" AGENT "[trigger hook]\nsource = fake\nagent = a\n"
		 "[trigger rare]\nsource = fake\nagent = a\nrate = 2/m\n"
		 "[trigger near]\nsource = fake\nagent = a\nmax_hops = 2\n");
	got = rig_admit((struct happening){
		.trigger = rig_trigger("hook"), .refused = STR("a ping"), .natural_key = STR("p")});
	IT ("a ping is recorded, and runs nothing") {
		CHECK_STR(got.outcome, "filtered");
		CHECK_STR(got.rule, "a ping");
		CHECK_INT(rig_agents(), 0);
	}
	switch_turn(&rig.core, "trigger", "hook", "paused", true, "ann", NULL);
	got = rig_event("hook", "1", "x");
	IT ("an event of a paused trigger is kept, and the sender told to come again") {
		CHECK_INT(got.code, E_PAUSED);
		CHECK_STR(got.outcome, "paused");
	}
	switch_turn(&rig.core, "trigger", "hook", "paused", false, "ann", NULL);
	got = rig_event("hook", "1", "x");
	IT ("and when it comes again, its key is still free") {
		CHECK_STR(got.outcome, "ran");
	}
	rig_exits(rig_agent(0), 0);
	got = rig_admit((struct happening){.trigger = rig_trigger("near"),
					   .cause = STR("root=a;parent=b;hops=3")});
	IT ("a chain that is too long is cut") {
		CHECK_STR(got.outcome, "looped");
		CHECK_INT(rig_agents(), 1);
	}
	rig_event("rare", "1", NULL);
	rig_exits(rig_agent(1), 0);
	rig_event("rare", "2", NULL);
	rig_exits(rig_agent(2), 0);
	got = rig_event("rare", "3", NULL);
	IT ("beyond its rate a trigger sheds") {
		CHECK_INT(got.code, E_RATE);
		CHECK_STR(got.outcome, "shed");
		CHECK_INT(rig_agents(), 3);
	}
	got = rig_admit((struct happening){.trigger = rig_trigger("rare"), .by_hand = true});
	IT ("but not what a person fires") {
		CHECK_STR(got.outcome, "ran");
	}
	rig_pass(30000);
	rig_exits(rig_agent(3), 0);
	got = rig_event("rare", "4", NULL);
	IT ("and takes more when time has passed") {
		CHECK_STR(got.outcome, "ran");
	}
	rig_event("hook", "1", NULL);
	rig_event("hook", "2", NULL);
	got = rig_event("hook", "3", NULL);
	IT ("a full queue refuses at once, and nothing is kept") {
		CHECK_INT(got.calls, 0);
		CHECK_INT(got.code, E_RATE);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 2);
	}
	rig.core.draining = rig.core.rehearsal = true;
	got = rig_event("hook", "3", NULL);
	IT ("so does a rehearsal") {
		CHECK_INT(got.code, E_UNAVAILABLE);
	}
	rig_fini();
	rig_init(AGENT "[trigger hook]\nsource = fake\nagent = a\n");
	rig.core.draining = true;
	got = rig_event("hook", "1", NULL);
	IT ("a daemon that is stopping keeps what comes, and starts nothing") {
		CHECK_INT(got.code, E_OK);
		CHECK_STR(got.outcome, "ran");
		CHECK_INT(rig_agents(), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'queued'"), 1);
	}
	rig_fini();
}

static void
overlaps(void)
{
	struct rig_answer got, first;

	rig_init(AGENT "[trigger tick]\nsource = cron\nagent = a\nentity = .data.e\n");
	first = rig_event("tick", "{\"e\":1}", "t1");
	got = rig_event("tick", "{\"e\":1}", "t2");
	IT ("a tick that comes while the last one's run goes on is skipped") {
		CHECK_STR(got.outcome, "skipped");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 1);
	}
	got = rig_event("tick", "{\"e\":1}", "t1");
	IT ("but a known key is its run, not a skip") {
		CHECK_STR(got.outcome, "replayed");
		CHECK_STR(got.run_id, first.run_id);
	}
	got = rig_event("tick", "{\"e\":2}", "t3");
	IT ("of another entity it runs") {
		CHECK_STR(got.outcome, "ran");
	}
	rig_exits(rig_agent(0), 0);
	got = rig_event("tick", "{\"e\":1}", "t2");
	IT ("and a skipped key is free afterwards") {
		CHECK_STR(got.outcome, "ran");
	}
	got = rig_admit((struct happening){
		.trigger = rig_trigger("tick"), .data = STR("{\"e\":1}"), .by_hand = true});
	IT ("what a person fires is not skipped") {
		CHECK_STR(got.outcome, "ran");
	}
	rig_fini();
}

#define WITH(status) "SELECT COUNT(*) FROM runs WHERE status = '" status "'"

static void
replacements(void)
{
	rig_init("[agent a]\nkind = fake\nretry.base = 1s\nretry.jitter = none\n"
		 "[trigger one]\nsource = fake\nagent = a\noverlap = queue_one\n"
		 "[trigger new]\nsource = fake\nagent = a\noverlap = cancel_other\nentity = "
		 ".data.e\n");
	for (int i = 0; i < 4; i++)
		rig_event("one", i == 3 ? "{\"last\":1}" : "1", NULL);
	IT ("with queue_one the newest waits alone, and the others say so") {
		CHECK_INT(rig_agents(), 1);
		CHECK_INT(rig_int(WITH("skipped")), 2);
		CHECK_INT(rig_int(WITH("queued")), 1);
		CHECK_INT(queue_depth(rig.core.queue, "a"), 1);
		CHECK(strstr(rig_text("SELECT error FROM runs WHERE status = 'skipped'"),
			     "queue_one") != NULL);
	}
	rig_exits(rig_agent(0), 1);
	rig_event("one", "{\"later\":1}", NULL);
	IT ("one that was begun and is to be tried again is not replaced") {
		CHECK_INT(rig_int(WITH("skipped")), 3);
		rig_pass(1100);
		CHECK(strstr(rig_agent(1)->envelope, "\"attempt\":2") != NULL);
	}
	rig_exits(rig_agent(1), 0);
	IT ("and the newest runs when it is done") {
		CHECK_INT(rig_agents(), 3);
		CHECK(strstr(rig_agent(2)->envelope, "\"later\"") != NULL);
		CHECK_INT(queue_depth(rig.core.queue, "a"), 0);
	}
	rig_exits(rig_agent(2), 0);
	rig_event("new", "{\"e\":\"x\",\"n\":1}", NULL);
	rig_event("new", "{\"e\":\"y\",\"n\":2}", NULL);
	rig_event("new", "{\"e\":\"x\",\"n\":3}", NULL);
	IT ("with cancel_other a newer event stops the earlier run of its entity, and no other") {
		CHECK_STR(rig_agent(3)->cancelled, "cancelled");
		CHECK_STR(rig_agent(4)->cancelled, "");
		CHECK_INT(rig_agents(), 5);
	}
	rig.fail_commits = 1;
	rig_event("new", "{\"e\":\"y\",\"n\":4}", NULL);
	IT ("but none that the disk did not take") {
		CHECK_STR(rig_agent(4)->cancelled, "");
	}
	rig_ends(rig_agent(3), (struct attempt_end){.exit_code = -1, .signal = 15});
	IT ("and runs when that has ended") {
		CHECK_INT(rig_agents(), 6);
		CHECK(strstr(rig_agent(5)->envelope, "\"n\":3") != NULL);
		CHECK_INT(rig_int(WITH("cancelled")), 1);
	}
	rig_fini();
}

static void
failures(void)
{
	struct rig_answer got;
	int64_t depth;

	rig_init(AGENT "[trigger hook]\nsource = fake\nagent = a\n");
	rig_follow();
	rig.fail_commits = 1;
	got = rig_event("hook", "1", "k");
	depth = queue_depth(rig.core.queue, NULL);
	IT ("when the disk is full the source hears it, nothing is kept, nothing runs, nothing is "
	    "told") {
		CHECK_INT(got.calls, 1);
		CHECK_INT(got.code, E_FULL);
		CHECK(!got.has_result);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM events"), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 0);
		CHECK_INT(rig_agents(), 0);
		CHECK_INT(depth, 0);
		CHECK_INT(rig_told.len, 0);
	}
	got = rig_event("hook", "1", "k");
	IT ("and its key is free when there is space again") {
		CHECK_STR(got.outcome, "ran");
		CHECK_INT(rig_agents(), 1);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
		CHECK_INT(queue_in_flight(rig.core.queue, "a"), 1);
	}
	got = rig_admit((struct happening){
		.trigger = rig_trigger("hook"), .cursor = STR("17"), .natural_key = STR("c")});
	IT ("a cursor is kept with its event") {
		CHECK_STR(rig_text("SELECT value FROM cursors WHERE trigger = 'hook'"), "17");
	}
	rig.fail_commits = 1;
	rig_admit((struct happening){
		.trigger = rig_trigger("hook"), .cursor = STR("18"), .natural_key = STR("d")});
	IT ("and not without it") {
		CHECK_STR(rig_text("SELECT value FROM cursors WHERE trigger = 'hook'"), "17");
	}
	rig_fini();
}

static bool
begin_fails(struct driver_conn *conn, struct err *err)
{
	(void)conn;
	return err_set(err, E_FULL, "no space left on the disk");
}

static void
no_turn(void)
{
	struct rig_answer got;

	rig_init(NULL);
	rig.driver.begin = begin_fails;
	got = rig_event("hook", "1", "k");
	IT ("a turn that cannot even begin is an answer, too") {
		CHECK_INT(got.calls, 1);
		CHECK_INT(got.code, E_FULL);
	}
	rig.driver.begin = driver_sqlite.begin;
	got = rig_event("hook", "1", "k");
	IT ("and does no harm later") {
		CHECK_STR(got.outcome, "ran");
	}
	rig_fini();
}

static json_t *tested;

static void
on_tested(void *arg, json_t *take_answer)
{
	(void)arg;
	tested = take_answer;
}

static void
tries(void)
{
	struct happening happening;

	rig_init(AGENT
		 "[trigger hook]\nsource = fake\nagent = a\nfilter = .data.go\nentity = .data.e\n");
	happening = (struct happening){.trigger = rig_trigger("hook"),
				       .data = STR("{\"go\":true,\"e\":\"x\"}")};
	admit_test(&rig.core, &happening, on_tested, NULL, NULL);
	rig_run();
	IT ("a try shows the envelope and keeps nothing") {
		CHECK_STR(json_str(tested, "verdict"), "run");
		CHECK_STR(json_str(tested, "entity"), "x");
		CHECK_STR(json_str(json_object_get(tested, "envelope"), "agent"), "a");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM events"), 0);
		CHECK_INT(queue_depth(rig.core.queue, NULL), 0);
	}
	json_decref(tested);
	happening.data = STR("{\"go\":null}");
	admit_test(&rig.core, &happening, on_tested, NULL, NULL);
	rig_run();
	IT ("or why nothing would run") {
		CHECK_STR(json_str(tested, "verdict"), "filtered");
		CHECK(!json_object_get(tested, "envelope"));
	}
	json_decref(tested);
	rig_fini();
}

static struct rig_answer
trusted_as(const char *trigger, enum trust trust)
{
	return rig_admit((struct happening){
		.trigger = rig_trigger(trigger), .trust_is_set = true, .trust = trust});
}

static void
trusts(void)
{
	struct rig_answer got;

	rig_init(AGENT
		 "[agent careful]\nkind = fake\nmin_trust = authenticated\n"
		 "[trigger strict]\nsource = fake\nagent = careful\noverlap = allow\n"
		 "[trigger open]\nsource = fake\nagent = a\noverlap = allow\n"
		 "[trigger applies]\nsource = fake\nagent = a\noverlap = allow\nmode = apply\n"
		 "[trigger says]\nsource = fake\nagent = a\noverlap = allow\ntrust = "
		 "authenticated\n");
	got = trusted_as("strict", TRUST_UNTRUSTED);
	IT ("an event below the least trust of its agent is rejected, and says so") {
		CHECK_STR(got.outcome, "rejected");
		CHECK(!strncmp(got.rule, "min_trust", 9));
		CHECK_STR(got.run_id, "");
		CHECK_INT(events("rejected"), 1);
	}
	got = trusted_as("strict", TRUST_AUTHENTICATED);
	IT ("one that is trusted enough runs") {
		CHECK_STR(got.outcome, "ran");
	}
	trusted_as("open", TRUST_UNTRUSTED);
	IT ("an untrusted event is staged where mode is not set") {
		CHECK_STR(rig_text("SELECT trust FROM runs ORDER BY seq DESC LIMIT 1"),
			  "untrusted");
		CHECK_STR(rig_text("SELECT mode FROM runs ORDER BY seq DESC LIMIT 1"), "stage");
	}
	trusted_as("open", TRUST_AUTHENTICATED);
	IT ("another event of that trigger is applied, and mode = apply applies both") {
		CHECK_STR(rig_text("SELECT mode FROM runs ORDER BY seq DESC LIMIT 1"), "apply");
		trusted_as("applies", TRUST_UNTRUSTED);
		CHECK_STR(rig_text("SELECT mode FROM runs ORDER BY seq DESC LIMIT 1"), "apply");
		CHECK_STR(rig_text("SELECT trust FROM runs ORDER BY seq DESC LIMIT 1"),
			  "untrusted");
	}
	IT ("one event has no more trust than its trigger, and what the file says counts") {
		trusted_as("open", TRUST_TRUSTED);
		CHECK_STR(rig_text("SELECT trust FROM runs ORDER BY seq DESC LIMIT 1"),
			  trust_name(rig_trigger("open")->trust));
		trusted_as("says", TRUST_UNTRUSTED);
		CHECK_STR(rig_text("SELECT trust FROM runs ORDER BY seq DESC LIMIT 1"),
			  "authenticated");
	}
	got = rig_admit((struct happening){.trigger = rig_trigger("open"),
					   .event_id = "01a1fdff-3d50-71db-9c56-a078a0d7e183",
					   .refused = STR("it is too large"),
					   .refused_as = "rejected"});
	IT ("what a source rejects is an event under the id that it gave, with its reason") {
		CHECK_STR(got.outcome, "rejected");
		CHECK_STR(got.rule, "it is too large");
		CHECK_STR(got.event_id, "01a1fdff-3d50-71db-9c56-a078a0d7e183");
	}
	rig_fini();
}

int
main(void)
{
	trusts();
	keys();
	invocations();
	programs();
	doors();
	overlaps();
	replacements();
	failures();
	no_turn();
	tries();
	return tap_done();
}
