/* Changes: what runs propose, and what people decide of it. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/core_rig.h"

#define CONF(mode)                                                                                 \
	"[target crm]\nkind = fake\n[target other]\nkind = fake\n"                                 \
	"[agent a]\nkind = fake\ntargets = crm\nretry.base = 1s\nretry.jitter = none\n"            \
	"[trigger hook]\nsource = fake\nagent = a\nmode = " mode "\n"
#define CHANGE(rest) "{\"type\":\"change\",\"target\":\"crm\"," rest "}\n"

static struct err why;

/* The id of the i-th change. */
static const char *
change_id(int i)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT id FROM changes ORDER BY seq LIMIT 1 OFFSET %d", i);
	return rig_text(buf_cstr(&sql));
}

static const char *
change_status(int i)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql, "SELECT status FROM changes ORDER BY seq LIMIT 1 OFFSET %d", i);
	return rig_text(buf_cstr(&sql));
}

static bool
decide(int i, enum change_event ev, const char *digest)
{
	bool ok = change_decide(&rig.core, change_id(i), ev, "ann", "because", digest, &why);

	rig_run();
	return ok;
}

static struct rig_agent *
begin(const char *conf)
{
	rig_init(conf);
	rig_event("hook", "1", NULL);
	return rig_agent(0);
}

static void
proposals(void)
{
	struct rig_agent *agent = begin(CONF("stage"));

	rig_follow();
	rig_says(agent, CHANGE("\"entity\":7,\"before\":{\"tag\":null},\"after\":{\"tag\":\"x\"},"
			       "\"confidence\":0.9,\"reason\":\"why\""));
	IT ("in mode stage a change waits as proposed, with its before, its after and its reason") {
		CHECK_STR(change_status(0), "proposed");
		CHECK_STR(rig_text("SELECT entity FROM changes"), "7");
		CHECK_STR(rig_text("SELECT before FROM changes"), "{\"tag\":null}");
		CHECK_STR(rig_text("SELECT reason FROM changes"), "why");
		CHECK(rig_text("SELECT decided_by FROM changes") == NULL);
		CHECK_INT(rig_calls(), 0);
		CHECK(strstr(buf_cstr(&rig_told), "change/proposed") != NULL);
	}
	rig_says(agent,
		 "{\"type\":\"change\",\"target\":\"other\",\"after\":{}}\n{\"type\":\"change\","
		 "\"target\":\"nowhere\"}\n"
		 "{\"type\":\"change\",\"after\":{}}\n{\"type\":\"change\",\"target\":[]}\n" CHANGE(
			 "\"op\":\"drop\"") CHANGE("\"after\":\"senseless\""));
	IT ("what may not be is refused and recorded, and the run goes on") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes"), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE data LIKE "
				  "'%\"refused\":\"change\"%'"),
			  6);
		CHECK_STR(agent->cancelled, "");
		CHECK_STR(rig_text("SELECT status FROM runs"), "running");
	}
	rig_says(agent, CHANGE("\"entity\":\"8\",\"after\":{},\"confidence\":7")
				CHANGE("\"entity\":\"9\",\"after\":{},\"confidence\":\"1\""));
	IT ("a confidence that is none is not kept") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE confidence IS NULL"), 2);
	}
	rig_says(agent, CHANGE("\"key\":\"k\",\"entity\":\"k\",\"after\":1")
				CHANGE("\"key\":\"k\",\"entity\":\"k\",\"after\":1")
					CHANGE("\"key\":\"k\",\"entity\":\"k\",\"after\":2"));
	IT ("another proposal under the same key is refused; the same one is the same") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE key = 'k'"), 1);
		CHECK_STR(rig_text("SELECT after FROM changes WHERE key = 'k'"), "1");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runlog WHERE data LIKE "
				  "'%\"refused\":\"change\"%'"),
			  7);
	}
	rig_exits(agent, 0);
	IT ("what a run that ended well proposed is whole") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE partial"), 0);
	}
	rig_fini();

	agent = begin(CONF("apply"));
	rig_says(agent, CHANGE("\"entity\":\"7\",\"after\":{\"tag\":\"x\"}"));
	IT ("in mode apply it is approved by policy as it arrives, and applied under its key") {
		CHECK_STR(rig_text("SELECT decided_by FROM changes"), "policy");
		CHECK_STR(change_status(0), "applied");
		CHECK_INT(rig_calls(), 1);
		CHECK_STR(rig_call(0)->key, rig_text("SELECT key FROM changes"));
	}
	rig_exits(agent, 1);
	rig_pass(1100);
	rig_says(rig_agent(1), CHANGE("\"entity\":\"7\",\"after\":{\"tag\":\"x\"}"));
	IT ("an attempt that is repeated proposes again: it is kept and applied once") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes"), 1);
		CHECK_INT(rig_calls(), 1);
	}
	rig_fini();
}

static void
replaced(void)
{
	struct rig_agent *agent = begin(CONF("stage"));

	rig_says(agent, CHANGE("\"entity\":\"7\",\"after\":{\"tag\":\"x\"}")
				CHANGE("\"entity\":\"8\",\"after\":{\"tag\":\"x\"}"));
	rig_exits(agent, 0);
	decide(1, CHANGE_APPROVE, NULL);
	rig_event("hook", "2", NULL);
	rig_says(rig_agent(1), CHANGE("\"entity\":\"7\",\"after\":{\"tag\":\"y\"}")
				       CHANGE("\"entity\":\"8\",\"after\":{\"tag\":\"y\"}"));
	IT ("a later run's proposal for the same entity supersedes what nobody decided") {
		CHECK_STR(change_status(0), "superseded");
		CHECK_STR(change_status(1), "applied");
		CHECK_STR(change_status(2), "proposed");
	}
	IT ("and what is superseded is not approved any more") {
		CHECK(!decide(0, CHANGE_APPROVE, NULL));
		CHECK_INT(why.code, E_STATE);
	}
	rig_fini();

	agent = begin(CONF("stage"));
	rig_says(agent, CHANGE("\"entity\":\"7\",\"after\":{\"label\":\"x\"}")
				CHANGE("\"entity\":\"7\",\"after\":{\"comment\":\"hello\"}"));
	IT ("a label and a comment that one run proposes for one ticket both stand") {
		CHECK_STR(change_status(0), "proposed");
		CHECK_STR(change_status(1), "proposed");
	}
	rig_says(agent, CHANGE("\"entity\":\"7\",\"after\":{\"label\":\"y\"}"));
	IT ("of two labels the last, and nothing else goes with the first") {
		CHECK_STR(change_status(0), "superseded");
		CHECK_STR(change_status(1), "proposed");
		CHECK_STR(change_status(2), "proposed");
	}
	rig_says(agent, CHANGE("\"entity\":\"7\",\"after\":{\"label\":\"z\",\"comment\":\"bye\"}")
				CHANGE("\"entity\":\"8\",\"after\":{\"label\":\"y\"}") CHANGE(
					"\"entity\":\"7\",\"op\":\"create\",\"after\":{"
					"\"label\":\"y\"}") CHANGE("\"after\":{\"label\":\"y\"}"));
	IT ("what names more, another entity, another op or no entity replaces nothing") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE status = 'proposed'"), 6);
	}
	rig_says(agent, CHANGE("\"entity\":\"9\",\"op\":\"call\",\"after\":{\"say\":\"a\"}") CHANGE(
				"\"entity\":\"9\",\"op\":\"call\",\"after\":{\"say\":\"b\"}"));
	IT ("calls add up") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE op = 'call' AND status = "
				  "'proposed'"),
			  2);
	}
	rig_says(agent, CHANGE("\"entity\":\"10\",\"patch\":\"a\"")
				CHANGE("\"entity\":\"10\",\"patch\":\"b\""));
	IT ("two that name no members are one said again") {
		CHECK_STR(rig_text("SELECT patch FROM changes WHERE entity = '10' AND status = "
				   "'proposed'"),
			  "\"b\"");
	}
	decide(1, CHANGE_APPROVE, NULL);
	rig_says(agent, CHANGE("\"entity\":\"7\",\"after\":{\"comment\":\"again\"}"));
	IT ("what a person decided is not replaced") {
		CHECK_STR(change_status(1), "applied");
	}
	IT ("the counts by status agree with the rows") {
		CHECK_INT(rig_int("SELECT n FROM change_counts WHERE status = 'superseded'"),
			  rig_int("SELECT COUNT(*) FROM changes WHERE status = 'superseded'"));
		CHECK_INT(rig_int("SELECT n FROM change_counts WHERE status = 'proposed'"),
			  rig_int("SELECT COUNT(*) FROM changes WHERE status = 'proposed'"));
	}
	rig_exits(agent, 0);
	rig_event("hook", "2", NULL);
	rig_says(rig_agent(1), CHANGE("\"entity\":\"7\",\"after\":{\"other\":1}"));
	IT ("a later run replaces all of it, whatever it names") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes WHERE entity = '7' AND status = "
				  "'proposed'"),
			  1);
	}
	rig_fini();
}

static void
decisions(void)
{
	AUTO(json_auto_decref) json_t *after = json_pack("{s:s}", "tag", "edited");
	AUTO(json_auto_decref) json_t *bad = json_pack("{s:s}", "tag", "senseless");
	const char *seen;
	struct rig_agent *agent = begin(CONF("stage"));

	rig_says(agent, CHANGE("\"entity\":\"1\",\"after\":{\"tag\":\"x\"}")
				CHANGE("\"entity\":\"2\",\"after\":{\"tag\":\"x\"}")
					CHANGE("\"entity\":\"3\",\"after\":{\"tag\":\"x\"}"));
	IT ("what is rejected is not applied, and not decided again") {
		CHECK(decide(0, CHANGE_REJECT, NULL));
		CHECK_STR(change_status(0), "rejected");
		CHECK(!decide(0, CHANGE_APPROVE, NULL));
		CHECK_INT(rig_calls(), 0);
	}
	seen = rig_text("SELECT digest FROM changes WHERE entity = '2'");
	IT ("an edit replaces after, leaves it proposed, and is checked by the target") {
		CHECK(!change_edit(&rig.core, change_id(1), bad, "ann", "no", &why));
		CHECK(change_edit(&rig.core, change_id(1), after, "ann", "better", &why));
		rig_run();
		CHECK_STR(change_status(1), "proposed");
		CHECK_STR(rig_text("SELECT after FROM changes WHERE entity = '2'"),
			  "{\"tag\":\"edited\"}");
	}
	IT ("an approval covers what was seen, and nothing else") {
		CHECK(!decide(1, CHANGE_APPROVE, seen));
		CHECK_INT(why.code, E_STATE);
		CHECK_STR(change_status(1), "proposed");
		CHECK(decide(1, CHANGE_APPROVE,
			     rig_text("SELECT digest FROM changes WHERE entity = '2'")));
		CHECK_STR(change_status(1), "applied");
		CHECK_STR(rig_call(0)->after, "{\"tag\":\"edited\"}");
	}
	IT ("what is applied is neither edited nor rejected") {
		CHECK(!change_edit(&rig.core, change_id(1), after, "ann", "x", &why));
		CHECK(!decide(1, CHANGE_REJECT, NULL));
	}
	IT ("every decision is kept, with who and why") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM decisions WHERE decided_by = 'ann' AND "
				  "reason IN ('because', 'better')"),
			  3);
	}
	IT ("a decision that the disk does not take is none") {
		rig.fail_commits = 1;
		decide(2, CHANGE_APPROVE, NULL);
		CHECK_STR(change_status(2), "proposed");
		CHECK_INT(rig_calls(), 1);
	}
	IT ("an approval that is undone with others asks no target") {
		CHECK(turn_savepoint(rig.core.store, &why));
		CHECK(change_decide(&rig.core, change_id(2), CHANGE_APPROVE, "ann", "a", NULL,
				    &why));
		turn_undo(rig.core.store);
		rig_run();
		CHECK_STR(change_status(2), "proposed");
		CHECK_INT(rig_calls(), 1);
	}
	IT ("two at once: the second hears of the first") {
		change_decide(&rig.core, change_id(2), CHANGE_REJECT, "ann", "a", NULL, &why);
		CHECK(!change_decide(&rig.core, change_id(2), CHANGE_APPROVE, "ben", "b", NULL,
				     &why));
		rig_run();
		CHECK_STR(change_status(2), "rejected");
	}
	IT ("a change that does not exist is not found") {
		CHECK(!change_decide(&rig.core, "019abcde-0000", CHANGE_APPROVE, "ann", NULL, NULL,
				     &why));
		CHECK_INT(why.code, E_NOT_FOUND);
	}
	rig_fini();
}

int
main(void)
{
	proposals();
	replaced();
	decisions();
	err_fini(&why);
	return tap_done();
}
