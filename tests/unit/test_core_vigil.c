/* The vigil: leases, silence, and what waits too long. SPEC 8. */
/* SPDX-License-Identifier: MIT */
#include "core/metrics.h"
#include "tests/unit/core_rig.h"

#define AGENT                                                                                      \
	"[agent a]\nkind = fake\nretry.jitter = none\nretry.base = 1s\nbudget.deadline = 10h\n"
#define LEASE "SELECT lease FROM attempts ORDER BY run DESC, n DESC LIMIT 1"
#define STATUS "SELECT status FROM runs ORDER BY seq DESC LIMIT 1"
#define LAST(column) "SELECT " column " FROM attempts ORDER BY run DESC, n LIMIT 1"

static struct err ignored;

static void
leases(void)
{
	uint64_t before;

	rig_init("[daemon]\nlease = 30s\n" AGENT "concurrency = 300\n");
	rig_invoke("a", "1", NULL, 0);
	IT ("a run that starts holds a lease") {
		CHECK_INT(rig_int(LEASE), rig.wall_ms + 30000);
	}
	rig_pass(60000);
	IT ("which is renewed while its executor lives") {
		CHECK(rig_int(LEASE) > rig.wall_ms + 15000);
	}
	for (int i = 0; i < 199; i++)
		rig_invoke("a", "1", NULL, 0);
	before = store_stats(rig.core.store).commits;
	rig_pass(60000);
	IT ("those of two hundred in one commit a look, not in one a run") {
		CHECK(rig_int("SELECT MIN(lease) FROM attempts") > rig.wall_ms + 15000);
		CHECK(store_stats(rig.core.store).commits - before <= 7);
	}
	for (int i = 0; i < 200; i++)
		rig_exits(rig_agent(i), 0);
	rig_pass(30000);
	before = store_stats(rig.core.store).commits;
	rig_pass(3600000);
	IT ("nothing is written when nothing runs") {
		CHECK_INT(store_stats(rig.core.store).commits, before);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM attempts WHERE lease IS NOT NULL"), 0);
	}
	rig_invoke("a", "1", NULL, 0);
	rig_restart(NULL);
	rig_pass(40000);
	IT ("a run that is taken up again holds one as before") {
		CHECK(rig_int(LEASE) > rig.wall_ms + 15000);
	}
	rig_agent(200)->gone = true;
	rig_says(rig_agent(200), "{\"type\":\"checkpoint\",\"name\":\"c\",\"state\":{\"i\":7}}\n");
	rig_restart(NULL);
	rig_pass(1100);
	IT ("one whose executor is gone is lost, and tried again from its checkpoint") {
		CHECK_STR(rig_text(LAST("status")), "lost");
		CHECK_STR(rig_text(LAST("lease")), NULL);
		CHECK_INT(rig_agents(), 202);
		CHECK(strstr(rig_agent(201)->envelope, "\"state\":{\"i\":7}") != NULL);
	}
	rig_fini();
}

static void
silence(void)
{
	rig_init("[limits]\nstall_timeout = 2m\n" AGENT);
	rig_invoke("a", "1", NULL, 0);
	rig_pass(100000);
	rig_says(rig_agent(0), "{\"type\":\"status\",\"message\":\"still here\"}\n");
	rig_pass(100000);
	IT ("a run that says something now and then goes on") {
		CHECK_STR(rig_agent(0)->cancelled, "");
	}
	rig_pass(21000);
	IT ("one that is silent too long is stopped, and the metric counts it") {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		CHECK_STR(rig_agent(0)->cancelled, "stalled");
		metrics_print(&rig.core, &text);
		CHECK(strstr(buf_cstr(&text), "rouse_stalled_total{agent=\"a\"} 1") != NULL);
	}
	rig_ends(rig_agent(0), (struct attempt_end){.signal = 15, .exit_code = -1});
	rig_pass(1100);
	IT ("and tried again, with the reason") {
		CHECK_STR(rig_text(LAST("reason")), "stalled");
		CHECK_STR(rig_text(LAST("error")),
			  "no sign of life for 2m (limits.stall_timeout); stopped");
		CHECK_INT(rig_agents(), 2);
		CHECK_STR(rig_text(STATUS), "running");
	}
	rig_pass(119000);
	CHECK(rig_reload("[limits]\nstall_timeout = 30m\n" AGENT));
	rig_pass(60000);
	IT ("a reload that allows for more silence does so at once") {
		CHECK_STR(rig_agent(1)->cancelled, "");
	}
	CHECK(rig_reload("[limits]\nstall_timeout = 1m\n" AGENT));
	IT ("and one that allows for less") {
		CHECK_STR(rig_agent(1)->cancelled, "stalled");
	}
	rig_exits(rig_agent(1), 0);
	IT ("one that ends with 0 only because it was stopped has not succeeded") {
		CHECK_STR(rig_text(STATUS), "queued");
	}
	rig_pass(10000);
	rig_says(rig_agent(2), "{\"type\":\"ask\",\"question\":\"may I?\",\"timeout\":\"9h\"}\n");
	rig_pass(7200000);
	IT ("nobody expects a word while a person is asked") {
		CHECK_STR(rig_text(STATUS), "waiting");
		CHECK_STR(rig_agent(2)->cancelled, "");
	}
	CHECK(gate_decide(&rig.core, rig_text("SELECT id FROM gates"), "responded", "\"yes\"",
			  "ann", NULL, &ignored));
	rig_run();
	rig_pass(121000);
	IT ("but again when it was answered") {
		CHECK_STR(rig_agent(2)->cancelled, "stalled");
	}
	rig_fini();
}

static void
waits(void)
{
	rig_init("[limits]\nqueued_alarm = 5m\n" AGENT "concurrency = 1\n");
	rig_follow();
	rig_invoke("a", "1", NULL, 0);
	rig_invoke("a", "2", NULL, 0);
	rig_pass(299000);
	IT ("what waits for a while is nothing to tell of") {
		CHECK(!vigil_is_late(&rig.core));
		CHECK(!strstr(buf_cstr(&rig_told), "queue/late"));
	}
	rig_pass(2000);
	IT ("what waits too long is told of") {
		CHECK(vigil_is_late(&rig.core));
		CHECK(strstr(buf_cstr(&rig_told), "queue/late") != NULL);
	}
	buf_clear(&rig_told);
	rig_pass(3600000);
	IT ("once") {
		CHECK(!strstr(buf_cstr(&rig_told), "queue/late"));
	}
	rig_exits(rig_agent(0), 0);
	rig_exits(rig_agent(1), 0);
	rig_pass(300000);
	IT ("until it has gone") {
		CHECK(!vigil_is_late(&rig.core));
	}
	rig_fini();
}

int
main(void)
{
	leases();
	silence();
	waits();
	err_fini(&ignored);
	return tap_done();
}
