/* Retention: what is old enough goes, what is not stays. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/uuid.h"
#include "core/audit.h"
#include "core/keep.h"
#include "store/changes.h"
#include "tests/unit/core_rig.h"

#define CONF                                                                                       \
	"[retention]\nruns = 10d\nidempotency = 2d\n[agent a]\nkind = fake\n[trigger hook]\n"      \
	"source = fake\nagent = a\n"
#define DAY (86400000LL)

/* Long enough for every slice of a sweep. */
static void
sweep(void)
{
	struct keep *keep = keep_new(&rig.core);

	keep_wake(keep);
	for (int i = 0; i < 20; i++)
		rig_pass(200);
	keep_free(keep);
}

static void
run_one(const char *key, int i)
{
	rig_event("hook", "1", key);
	rig_exits(rig_agent(i), 0);
}

static const char *
folder_of(const char *event)
{
	static struct buf path;

	buf_clear(&path);
	buf_cat(&path, rig.dir, "/attachments/", event);
	return buf_cstr(&path);
}

/* A folder with a file in it, as old as the clock of the test says. */
static void
folder_make(const char *event)
{
	struct timespec times[2] = {{rig.wall_ms / 1000, 0}, {rig.wall_ms / 1000, 0}};
	AUTO(buf_fini) struct buf file = BUF_INIT;

	CHECK(os_mkdirs(folder_of(event), 0700, NULL));
	buf_cat(&file, folder_of(event), "/1-x");
	CHECK(os_write_file(buf_cstr(&file), STR("x"), 0600, NULL));
	CHECK(!utimensat(AT_FDCWD, folder_of(event), times, 0));
}

static bool
folder_is_there(const char *event)
{
	return !access(folder_of(event), F_OK);
}

static void
attachments(void)
{
	AUTO(auto_free) char *old = NULL, *young = NULL;
	struct uuid orphan, fresh;

	rig_init(CONF);
	orphan = uuid_v7((struct wall){rig.wall_ms});
	run_one("old", 0);
	old = mem_strdup(rig_last.event_id);
	IT ("attachments go with their event, and those of no event once they are old enough") {
		folder_make(old);
		folder_make(orphan.text);
		folder_make("no-event-but-a-name");
		rig_pass(11 * DAY);
		run_one("young", 1);
		young = mem_strdup(rig_last.event_id);
		fresh = uuid_v7((struct wall){rig.wall_ms});
		folder_make(young);
		folder_make(fresh.text);
		sweep();
		CHECK(!folder_is_there(old));
		CHECK(!folder_is_there(orphan.text));
		CHECK(folder_is_there(young));
		CHECK(folder_is_there(fresh.text));
		CHECK(folder_is_there("no-event-but-a-name"));
	}
	rig_fini();
}

#define SESSION "SELECT COUNT(*) FROM sessions WHERE name = "

static void
say(const char *name)
{
	rig_admit((struct happening){.agent = registry_agent(rig.core.registry, "a"),
				     .data = STR("1"),
				     .session = str_of(name)});
}

static void
sessions(void)
{
	rig_init("[retention]\nsessions = 5d\n[agent a]\nkind = fake\nconcurrency = 9\n");
	say("old");
	say("busy");
	say("talks");
	rig_exits(rig_agent(0), 0);
	rig_exits(rig_agent(2), 0);
	rig_pass(4 * DAY);
	say("talks");
	rig_exits(rig_agent(3), 0);
	rig_pass(2 * DAY);
	sweep();
	IT ("a session that nothing was said in is forgotten, unless a turn is not done") {
		CHECK_INT(rig_int(SESSION "'old'"), 0);
		CHECK_INT(rig_int(SESSION "'busy'"), 1);
		CHECK_INT(rig_int(SESSION "'talks'"), 1);
	}
	say("old");
	IT ("its name begins a new one, at turn 1") {
		CHECK_INT(rig_int("SELECT turn FROM runs ORDER BY seq DESC LIMIT 1"), 1);
		CHECK_INT(rig_int("SELECT turns FROM sessions WHERE name = 'talks'"), 2);
	}
	rig_fini();
}

static void
act(const char *who)
{
	audit_note(&rig.core,
		   &(struct audit_act){.who = who, .via = "here", .act = "POST /v1/pause"}, 200,
		   NULL);
	decisions_add(rig.core.store, "daemon", "rouse", "paused", who, NULL, NULL,
		      core_wall(&rig.core), NULL);
	turn_end(rig.core.store);
}

static void
audit(void)
{
	rig_init("[retention]\naudit = 30d\n[agent a]\nkind = fake\n");
	for (int i = 0; i < 450; i++)
		act("old");
	rig_pass(20 * DAY);
	act("young");
	act("young");
	rig_pass(11 * DAY);
	sweep();
	IT ("acts and decisions go in their time, the oldest first, and the young stay") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM audit WHERE who = 'old'"), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM audit WHERE who = 'young'"), 2);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM decisions"), 2);
	}
	rig_pass(90 * DAY);
	sweep();
	IT ("the newest stays, so that no number is given twice") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM audit"), 1);
		CHECK_INT(rig_int("SELECT MAX(seq) FROM audit"), 452);
	}
	rig_fini();
}

int
main(void)
{
	attachments();
	audit();
	sessions();
	rig_init(CONF);
	run_one("old", 0);
	rig_pass(11 * DAY);
	run_one("young", 1);
	rig_event("hook", "1", "waits");
	sweep();
	IT ("a run that ended long ago is gone, a young one and one that goes on stay") {
		CHECK_INT(rig_int("SELECT count(*) FROM runs"), 2);
		CHECK_INT(rig_int("SELECT count(*) FROM runs WHERE key = 'old'"), 0);
	}
	IT ("a key is forgotten in its time, and may be used again") {
		struct rig_answer answer = rig_event("hook", "1", "old");

		CHECK(!answer.replayed);
		CHECK_STR(answer.outcome, "ran");
		CHECK(rig_event("hook", "1", "young").replayed);
	}
	rig_pass(3 * DAY);
	sweep();
	IT ("a key of a young run is forgotten all the same") {
		CHECK(!rig_event("hook", "1", "young").replayed);
	}
	rig_fini();
	return tap_done();
}
