/* Vetting: what targets say of proposals, before anybody looks at them. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define CONF(mode, more)                                                                           \
	"[target crm]\nkind = asked\nretry.jitter = none\n[target shop]\nkind = asked\n"           \
	"[agent a]\nkind = fake\ntargets = crm, shop\nretry.base = 1s\nretry.jitter = none\n"      \
	"[trigger hook]\nsource = fake\nagent = a\nmode = " mode "\n" more
#define CHANGE(target, entity)                                                                     \
	"{\"type\":\"change\",\"target\":\"" target "\",\"entity\":\"" entity                      \
	"\",\"after\":{\"tag\":\"x\"}}\n"

static struct rig_agent *
begin(const char *conf)
{
	rig_init(conf);
	rig_event("hook", "1", NULL);
	return rig_agent(0);
}

static const char *
status_of(const char *entity)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT status FROM changes WHERE entity = '%s' ORDER BY seq DESC LIMIT 1",
		   entity);
	return rig_text(buf_cstr(&sql));
}

static int64_t
waiting(void)
{
	return rig_int("SELECT COUNT(*) FROM changes WHERE vetting IS NOT NULL");
}

static void
fits_and_not(void)
{
	struct rig_agent *agent = begin(CONF("stage", ""));

	rig_says(agent, CHANGE("crm", "1") CHANGE("crm", "2"));
	IT ("a proposal waits for its target's word, asked once it is on disk") {
		CHECK_INT(rig_vets(), 2);
		CHECK_INT(waiting(), 2);
		CHECK_STR(status_of("1"), "proposed");
	}
	IT ("its run does not end before that") {
		rig_exits(agent, 0);
		CHECK_STR(rig_text("SELECT status FROM runs"), "running");
	}
	rig_vet_says(rig_vet(0), VET_FITS, NULL);
	rig_vet_says(rig_vet(1), VET_REFUSED, "there is no row 2");
	IT ("what fits is for people, what is refused is rejected with the target's sentence") {
		CHECK_STR(status_of("1"), "proposed");
		CHECK_STR(status_of("2"), "rejected");
		CHECK_STR(rig_text("SELECT decided_by FROM changes WHERE entity = '2'"), "target");
		CHECK_STR(rig_text("SELECT decision_reason FROM changes WHERE entity = '2'"),
			  "there is no row 2");
		CHECK_STR(rig_text("SELECT reason FROM decisions WHERE decision = 'reject'"),
			  "there is no row 2");
		CHECK_INT(waiting(), 0);
	}
	IT ("the refusal stands in the log of the run, as every other does") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE data LIKE "
				  "'%\"refused\":\"change\"%' AND data LIKE '%no row 2%'"),
			  1);
	}
	IT ("then the run ends") {
		CHECK_STR(rig_text("SELECT status FROM runs"), "succeeded");
	}
	rig_fini();
}

static void
modes(void)
{
	struct rig_agent *agent = begin(CONF("apply", ""));

	rig_says(agent, CHANGE("crm", "1") CHANGE("crm", "2")
				CHANGE("crm", "3") "{\"type\":\"change\",\"target\":\"crm\",\"op\":"
						   "\"call\",\"after\":{}}\n");
	IT ("in mode apply nothing is approved before its target was asked") {
		CHECK_INT(rig_vets(), 3);
		CHECK_STR(status_of("1"), "proposed");
	}
	IT ("what the kind has nothing to say of is not asked about") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE op = 'call' AND status = "
				  "'applied'"),
			  1);
	}
	rig_vet_says(rig_vet(0), VET_FITS, NULL);
	rig_vet_says(rig_vet(1), VET_REFUSED, "no");
	IT ("then it is approved as it always is, or never") {
		CHECK_STR(status_of("1"), "applied");
		CHECK_STR(rig_text("SELECT decided_by FROM changes WHERE entity = '1'"), "policy");
		CHECK_STR(status_of("2"), "rejected");
	}
	IT ("who decided before the answer came is not overruled by it") {
		struct err err = ERR_INIT;

		CHECK(change_decide(&rig.core,
				    rig_text("SELECT id FROM changes WHERE entity = '3'"),
				    CHANGE_REJECT, "ann", "no", NULL, &err));
		rig_run();
		rig_vet_says(rig_vet(2), VET_FITS, NULL);
		CHECK_STR(status_of("3"), "rejected");
		CHECK_STR(rig_text("SELECT decided_by FROM changes WHERE entity = '3'"), "ann");
		CHECK_INT(waiting(), 0);
		err_fini(&err);
	}
	rig_fini();
}

static void
order(void)
{
	struct rig_agent *agent = begin(CONF("stage", ""));

	rig_says(agent, CHANGE("crm", "1"));
	rig_vet_says(rig_vet(0), VET_FITS, NULL);
	rig_says(agent, "{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"1\",\"after\":{"
			"\"tag\":\"y\"}}\n");
	rig_vet_says(rig_vet(1), VET_REFUSED, "no such tag");
	IT ("a refused proposal replaces nothing") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE status = 'proposed' AND "
				  "after LIKE '%\"x\"%'"),
			  1);
	}
	rig_says(agent, "{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"1\",\"after\":{"
			"\"tag\":\"z\"}}\n"
			"{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"1\",\"after\":{"
			"\"tag\":\"last\"}}\n");
	rig_vet_says(rig_vet(3), VET_FITS, NULL);
	rig_vet_says(rig_vet(2), VET_FITS, NULL);
	IT ("of what a run says again the last stands, whichever answer came first") {
		CHECK_STR(rig_text("SELECT group_concat(after) FROM changes WHERE status = "
				   "'proposed'"),
			  "{\"tag\":\"last\"}");
	}
	IT ("the same under the same key is no other proposal") {
		rig_says(agent, "{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"1\","
				"\"after\":{\"tag\":\"last\"}}\n");
		CHECK_INT(rig_vets(), 4);
	}
	rig_fini();
}

static void
down(void)
{
	struct rig_agent *agent = begin(CONF("stage", ""));

	rig_says(agent, CHANGE("crm", "1") CHANGE("shop", "9"));
	rig_vet_says(rig_vet(0), VET_UNKNOWN, "connection refused");
	IT ("what a target could not be asked about stays proposed, and says so") {
		CHECK_STR(status_of("1"), "proposed");
		CHECK_STR(rig_text("SELECT unchecked FROM changes WHERE entity = '1'"),
			  "target crm could not be asked: connection refused");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM decisions WHERE decision = 'not checked'"),
			  1);
	}
	rig_says(agent, CHANGE("crm", "2"));
	IT ("a target that did not answer is left alone for a while") {
		CHECK_INT(rig_vets(), 2);
		CHECK_STR(rig_text("SELECT unchecked FROM changes WHERE entity = '2'"),
			  "target crm could not be asked: connection refused");
	}
	rig_pass(6000);
	rig_says(agent, CHANGE("crm", "3"));
	IT ("then it is asked again") {
		CHECK_INT(rig_vets(), 3);
	}
	rig_pass(60000);
	IT ("one that never answers is waited for so long, and no longer") {
		CHECK_INT(waiting(), 0);
		CHECK_STR(status_of("9"), "proposed");
		CHECK(strstr(rig_text("SELECT unchecked FROM changes WHERE entity = '9'"),
			     "did not answer") != NULL);
	}
	rig_vet_says(rig_vet(1), VET_REFUSED, "too late");
	IT ("its late answer changes nothing") {
		CHECK_STR(status_of("9"), "proposed");
	}
	rig_vet_says(rig_vet(2), VET_FITS, NULL);
	rig_exits(agent, 0);
	IT ("and the run has ended") {
		CHECK_STR(rig_text("SELECT status FROM runs"), "succeeded");
	}
	rig_fini();
}

static void
deaths(void)
{
	struct rig_agent *agent = begin(CONF("apply", ""));

	rig_says(agent, CHANGE("crm", "1") CHANGE("crm", "2"));
	rig_restart(NULL);
	IT ("a daemon that died before the answer leaves the question to the next one") {
		CHECK_INT(rig_vets(), 4);
		CHECK_INT(waiting(), 2);
	}
	rig_vet_says(rig_vet(2), VET_REFUSED, "no");
	CHECK_STR(status_of("1"), "rejected");
	rig.fail_commits = 1;
	rig_vet_says(rig_vet(3), VET_FITS, NULL);
	rig_pass(2000);
	IT ("an answer that the disk does not take is asked for again") {
		CHECK_INT(rig_vets(), 5);
		rig_vet_says(rig_vet(4), VET_FITS, NULL);
		CHECK_STR(status_of("2"), "applied");
	}
	IT ("what waits for a target that is gone by then goes on unchecked") {
		rig_says(rig_agent(0), CHANGE("shop", "7"));
		rig_restart("[target crm]\nkind = asked\n[agent a]\nkind = fake\ntargets = crm\n"
			    "[trigger hook]\nsource = fake\nagent = a\nmode = stage\n");
		CHECK_INT(waiting(), 0);
		CHECK(strstr(rig_text("SELECT unchecked FROM changes WHERE entity = '7'"),
			     "no such target") != NULL);
	}
	rig_fini();
}

static void
many(void)
{
	struct rig_agent *agent = begin(CONF("stage", ""));
	AUTO(buf_fini) struct buf lines = BUF_INIT;

	for (int i = 0; i < 100; i++)
		buf_printf(&lines,
			   "{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"e%d\","
			   "\"after\":{}}\n",
			   i);
	rig_says(agent, buf_cstr(&lines));
	IT ("of one target so many are asked about at once, and all in the end") {
		CHECK(rig_vets() < 50);
		for (int i = 0; i < rig_vets(); i++)
			rig_vet_says(rig_vet(i), i % 2 ? VET_REFUSED : VET_FITS,
				     i % 2 ? "odd" : NULL);
		CHECK_INT(rig_vets(), 100);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE status = 'rejected'"), 50);
		CHECK_INT(waiting(), 0);
	}
	rig_fini();
}

int
main(void)
{
	fits_and_not();
	modes();
	order();
	down();
	deaths();
	many();
	return tap_done();
}
