/* Sessions: turns of one conversation, what they hand on, and what people do to them. SPEC 2, 5. */
/* SPDX-License-Identifier: MIT */
#include "core/session.h"
#include "tests/unit/core_rig.h"

#define CONF                                                                                       \
	"[agent a]\nkind = fake\nconcurrency = 9\nretry.attempts = 2\nretry.base = 5s\n"           \
	"retry.jitter = none\n[trigger hook]\nsource = fake\nagent = a\nsession = .data.s\n"
#define CHECKPOINT(n) "{\"type\":\"checkpoint\",\"name\":\"c\",\"state\":" #n "}\n"
#define KNOWS(n) "\"checkpoint\":{\"name\":\"c\",\"state\":" #n "}"
#define NTH(n) "SELECT id FROM runs ORDER BY seq LIMIT 1 OFFSET " #n

static struct err why;

static bool
is_whole(void)
{
	AUTO(buf_fini) struct buf found = BUF_INIT;
	bool ok = store_check(rig.core.store, &found, NULL);

	if (!ok)
		printf("# %s\n", buf_cstr(&found));
	return ok;
}

static bool
knows(int agent, const char *what)
{
	return rig_agent(agent) && strstr(rig_agent(agent)->envelope, what);
}

static void
say(const char *session)
{
	AUTO(buf_fini) struct buf data = BUF_INIT;

	buf_printf(&data, "{\"s\":\"%s\"}", session);
	rig_event("hook", buf_cstr(&data), NULL);
}

static void
order(void)
{
	rig_init(CONF);
	say("s");
	say("s");
	say("other");
	IT ("turns of one session go one at a time, and hold up no other") {
		CHECK_INT(rig_agents(), 2);
		CHECK(is_whole());
	}
	rig_says(rig_agent(0), CHECKPOINT(1));
	rig_restart(NULL);
	rig_exits(rig_agent(0), 0);
	IT ("the next one begins with the checkpoint of the last, through a restart") {
		CHECK_INT(rig_agents(), 3);
		CHECK(knows(2, KNOWS(1)));
		CHECK(knows(2, "\"turn\":2"));
	}
	rig_exits(rig_agent(2), 75);
	say("s");
	IT ("a turn that waits to be tried again keeps its place") {
		CHECK_INT(rig_agents(), 3);
	}
	rig_pass(6000);
	IT ("and its next attempt knows what it knew") {
		CHECK_INT(rig_agents(), 4);
		CHECK(knows(3, "\"turn\":2") && knows(3, KNOWS(1)));
	}
	rig_says(rig_agent(3), CHECKPOINT(2));
	rig_exits(rig_agent(3), 65);
	IT ("what a turn said that failed is known to the next one") {
		CHECK_INT(rig_agents(), 5);
		CHECK(knows(4, "\"turn\":3") && knows(4, KNOWS(2)));
		CHECK(is_whole());
	}
	rig_fini();
}

static void
again(void)
{
	AUTO(auto_free) char *id = NULL, *other = NULL;

	rig_init(CONF);
	say("s");
	rig_says(rig_agent(0), CHECKPOINT(1));
	rig_exits(rig_agent(0), 65);
	IT ("a dead letter that goes on is the next turn, from where it was") {
		CHECK(run_retry(&rig.core, rig_text(NTH(0)), &RUN_LIMITS_AS_THEY_WERE, "ann", &id,
				&why));
		rig_run();
		CHECK(knows(1, "\"turn\":2") && knows(1, KNOWS(1)));
	}
	rig_says(rig_agent(1), CHECKPOINT(2));
	rig_exits(rig_agent(1), 65);
	say("s");
	rig_says(rig_agent(2), CHECKPOINT(3));
	rig_exits(rig_agent(2), 0);
	IT ("where others had a turn since, it begins with what these left") {
		CHECK(run_retry(&rig.core, rig_text(NTH(1)), &RUN_LIMITS_AS_THEY_WERE, "ann",
				&other, &why));
		rig_run();
		CHECK(knows(3, "\"turn\":4") && knows(3, KNOWS(3)));
		CHECK(is_whole());
	}
	rig_fini();
}

static void
cancels(void)
{
	rig_init(CONF);
	say("s");
	say("s");
	say("s");
	IT ("a turn that is cancelled before it began lets the next one go, and leaves nothing") {
		CHECK(run_cancel(&rig.core, rig_text(NTH(1)), "ann", "no", &why));
		rig_run();
		rig_says(rig_agent(0), CHECKPOINT(1));
		rig_exits(rig_agent(0), 0);
		CHECK_INT(rig_agents(), 2);
		CHECK(knows(1, "\"turn\":3") && knows(1, KNOWS(1)));
	}
	rig_says(rig_agent(1), CHECKPOINT(2) "{\"type\":\"approval\",\"step\":\"x\"}\n"
					     "{\"type\":\"suspend\"}\n");
	rig_exits(rig_agent(1), 0);
	say("s");
	IT ("one that is suspended keeps its place; cancelled, it leaves its checkpoint") {
		CHECK_INT(rig_agents(), 2);
		CHECK(run_cancel(&rig.core, rig_text(NTH(2)), "ann", "no", &why));
		rig_run();
		CHECK_INT(rig_agents(), 3);
		CHECK(knows(2, "\"turn\":4") && knows(2, KNOWS(2)));
		CHECK(is_whole());
	}
	IT ("a session with a turn to do is not ended, and says why") {
		CHECK(!session_end(&rig.core, rig_text("SELECT id FROM sessions"), "ann", &why));
		CHECK_INT(why.code, E_STATE);
		err_fini(&why);
	}
	rig_exits(rig_agent(2), 0);
	IT ("ended once, its name begins another; a commit that fails ends nothing") {
		rig.fail_commits = 1;
		CHECK(session_end(&rig.core, rig_text("SELECT id FROM sessions"), "ann", &why));
		rig_run();
		CHECK_INT(rig_int("SELECT COUNT(*) FROM sessions WHERE ended IS NULL"), 1);
		CHECK(session_end(&rig.core, rig_text("SELECT id FROM sessions"), "ann", &why));
		rig_run();
		CHECK(!session_end(&rig.core, rig_text("SELECT id FROM sessions"), "ann", &why));
		err_fini(&why);
		say("s");
		CHECK(knows(3, "\"turn\":1") && knows(3, "\"checkpoint\":null"));
		CHECK_INT(rig_int("SELECT COUNT(*) FROM sessions"), 2);
		CHECK(is_whole());
	}
	rig_fini();
}

int
main(void)
{
	order();
	again();
	cancels();
	err_fini(&why);
	return tap_done();
}
