/* Batches: concurrency, order, when they stop, what people may do when, re-runs, deaths, retention.
 * SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "core/keep.h"
#include "tests/unit/core_rig.h"

#define HEAD                                                                                       \
	"[target crm]\nkind = fake\n[agent a]\nkind = fake\ntargets = crm\nconcurrency = 50\n"     \
	"retry.attempts = 1\nbreaker.min = 1000\n[retention]\nbatches = 5d\nchanges = 10d\nruns "  \
	"= 3d\n"
#define BATCH(entities, more) HEAD "[batch b]\nagent = a\nentities = list:" entities "\n" more
#define DAY (86400000LL)

#define OK 0
#define SAID_NO 65 /* failed */
#define CRASHED 1  /* skipped */

static struct err why;

static void
fresh(void)
{
	err_fini(&why);
	why = (struct err)ERR_INIT;
}

static char *
start_with(struct batch_options options)
{
	char *id = NULL;

	options.by = "ann";
	options.nominal = WALL_NONE;
	if (!batch_start(&rig.core, "b", &options, &id, &why))
		printf("# %s\n", err_text(&why));
	rig_run();
	return id;
}

static char *
start(const char *conf)
{
	fresh();
	rig_init(conf);
	return start_with((struct batch_options){.limit = 0});
}

static void
done(char *id)
{
	free(id);
	rig_fini();
}

static const char *
state(void)
{
	return rig_text("SELECT state FROM batches ORDER BY seq DESC LIMIT 1");
}

static const char *
reason(void)
{
	return rig_text("SELECT reason FROM batches ORDER BY seq DESC LIMIT 1");
}

/* Of the newest batch. */
static int64_t
items(const char *item_state)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;

	buf_printf(&sql,
		   "SELECT COUNT(*) FROM batch_items WHERE state = '%s' AND batch = (SELECT "
		   "MAX(seq) FROM batches)",
		   item_state);
	return rig_int(buf_cstr(&sql));
}

static int
alive(void)
{
	int n = 0;

	for (int i = 0; i < rig_agents(); i++)
		n += rig_agent(i)->attempt && !rig_agent(i)->exited;
	return n;
}

/* The oldest that lives says (NULL: nothing) and ends. */
static bool
one_ends(const char *says, int code)
{
	for (int i = 0; i < rig_agents(); i++) {
		if (!rig_agent(i)->attempt || rig_agent(i)->exited)
			continue;
		if (says)
			rig_says(rig_agent(i), says);
		rig_exits(rig_agent(i), code);
		return true;
	}
	return false;
}

static void
some_end(int n, int code)
{
	for (int i = 0; i < n; i++)
		CHECK(one_ends(NULL, code));
}

/* Until nothing is alive; how many there were. */
static int
all_end(void)
{
	int n = 0;

	while (one_ends(NULL, OK))
		n++;
	return n;
}

static bool
started_for(int i, const char *entity)
{
	AUTO(buf_fini) struct buf member = BUF_INIT;

	buf_printf(&member, "\"entity\":\"%s\"", entity);
	return rig_agent(i) && strstr(rig_agent(i)->envelope, buf_cstr(&member));
}

static void
concurrency(void)
{
	char *id = start(BATCH("10", "concurrency = 3\n"));
	int most = 0, n = 0;

	IT ("so many run at once as concurrency says, and no more") {
		CHECK_INT(alive(), 3);
		for (; one_ends(NULL, OK); n++)
			most = alive() > most ? alive() : most;
		CHECK_INT(most, 3);
		CHECK_INT(n, 10);
	}
	IT ("in the order of the source, each with its own key") {
		CHECK(started_for(0, "e1") && started_for(1, "e2") && started_for(9, "e10"));
		CHECK_INT(rig_int("SELECT COUNT(DISTINCT key) FROM runs"), 10);
	}
	IT ("and then it is in review") {
		CHECK_STR(state(), "review");
		CHECK_INT(items("done"), 10);
	}
	done(id);
	id = start(BATCH("10", "concurrency = 2\n"));
	IT ("a reload that raises concurrency counts at once; one that lowers it stops nothing") {
		CHECK(rig_reload(BATCH("10", "concurrency = 5\n")));
		CHECK_INT(alive(), 5);
		CHECK(rig_reload(BATCH("10", "concurrency = 1\n")));
		CHECK_INT(alive(), 5);
		some_end(4, OK);
		CHECK_INT(alive(), 1);
		some_end(1, OK);
		CHECK_INT(alive(), 1);
	}
	done(id);
	id = start(BATCH("50", "concurrency = 50\norder = random\n"));
	IT ("drawn at random it takes all, each once, and in another order") {
		bool same = true;

		for (int i = 0; i < 50; i++) {
			AUTO(buf_fini) struct buf entity = BUF_INIT;

			buf_printf(&entity, "e%d", i + 1);
			same &= started_for(i, buf_cstr(&entity));
		}
		CHECK(!same);
		CHECK_INT(all_end(), 50);
		CHECK_INT(rig_int("SELECT COUNT(DISTINCT entity) FROM runs"), 50);
	}
	done(id);
}

static void
stops(void)
{
	char *id = start(BATCH("20", "concurrency = 1\non_failure = stop\nstop_after = 2\n"));

	some_end(1, OK);
	some_end(1, CRASHED);
	IT ("stop_after = 2: one that did not end well does not stop it") {
		CHECK_STR(state(), "running");
	}
	some_end(1, SAID_NO);
	IT ("the second does, skipped or failed, and the reason is told") {
		CHECK_STR(state(), "failed");
		CHECK_STR(reason(), "failures");
		CHECK_INT(alive(), 0);
		CHECK(strstr(rig_text("SELECT error FROM batches"), "rouse batch resume"));
	}
	IT ("resumed it counts anew, and pays for no entity twice") {
		CHECK(batch_resume(&rig.core, "b", "ann", NULL, &why));
		rig_run();
		some_end(1, SAID_NO);
		CHECK_STR(state(), "running");
		CHECK_INT(all_end(), 16);
		CHECK_STR(state(), "review");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 20);
	}
	done(id);
	id = start(BATCH("60", "concurrency = 1\non_failure = stop\nstop_after = 10%\n"));
	some_end(3, CRASHED);
	some_end(16, OK);
	IT ("stop_after = 10%: a share needs enough that have ended") {
		CHECK_STR(state(), "running");
	}
	some_end(1, OK);
	IT ("3 of 20 are more") {
		CHECK_STR(state(), "failed");
		CHECK(strstr(rig_text("SELECT error FROM batches"), "3 of 20"));
	}
	done(id);
	id = start(BATCH("60", "concurrency = 1\non_failure = stop\nstop_after = 10%\n"));
	some_end(2, CRASHED);
	some_end(18, OK);
	IT ("2 of 20 are not") {
		CHECK_STR(state(), "running");
		some_end(1, CRASHED);
		CHECK_STR(state(), "failed");
	}
	done(id);
	id = start(BATCH("30", "concurrency = 4\non_failure = stop\nstop_after = 1\n"));
	some_end(1, CRASHED);
	IT ("what runs when it stops goes on, and counts") {
		CHECK_STR(state(), "failed");
		CHECK_INT(all_end(), 3);
		CHECK_INT(items("done"), 3);
		CHECK_STR(state(), "failed");
	}
	done(id);
	id = start(BATCH("30", "concurrency = 1\n"));
	some_end(25, CRASHED);
	IT ("without on_failure nothing stops it") {
		CHECK_STR(state(), "running");
		all_end();
		CHECK_STR(state(), "review");
	}
	done(id);
}

#define USED(dollars) "{\"type\":\"usage\",\"cost_usd\":" dollars "}\n"
#define BUDGET(all)                                                                                \
	BATCH("10", "concurrency = 10\nbudget.cost = 0.30\nbatch_budget.cost = " all "\n")

static void
budgets(void)
{
	char *id = start(BUDGET("1.00"));

	IT ("so many begin as the budget of the batch has room for") {
		CHECK_INT(alive(), 3);
	}
	IT ("what they leave others may use") {
		CHECK(one_ends(USED("0.05"), OK));
		CHECK_INT(alive(), 3);
		CHECK(one_ends(USED("0.25"), OK));
		CHECK_INT(alive(), 2);
	}
	while (one_ends(USED("0.25"), OK))
		;
	IT ("when there is no room for another it stops, within its budget") {
		CHECK_STR(state(), "failed");
		CHECK_STR(reason(), "budget");
		CHECK(rig_int("SELECT SUM(cost_uusd) FROM runs") <= 1000000);
		CHECK_INT(rig_int("SELECT cost_uusd FROM batches"),
			  rig_int("SELECT SUM(cost_uusd) FROM runs"));
	}
	IT ("resumed without more it stops again, and starts nothing") {
		int before = rig_agents();

		CHECK(batch_resume(&rig.core, "b", "ann", NULL, &why));
		rig_run();
		CHECK_STR(state(), "failed");
		CHECK_INT(rig_agents(), before);
	}
	IT ("with more it goes on") {
		CHECK(rig_reload(BUDGET("9.00")));
		CHECK(batch_resume(&rig.core, "b", "ann", NULL, &why));
		rig_run();
		all_end();
		CHECK_STR(state(), "review");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 10);
	}
	done(id);
	id = start(BATCH("3", "concurrency = 1\nbatch_budget.deadline = 60s\n"));
	rig_pass(30000);
	CHECK(batch_pause(&rig.core, "b", "ann", NULL, &why));
	rig_run();
	rig_pass(600000);
	CHECK(batch_resume(&rig.core, "b", "ann", NULL, &why));
	rig_run();
	IT ("a pause does not count to its deadline") {
		CHECK_STR(state(), "running");
		rig_pass(29000);
		CHECK_STR(state(), "running");
		rig_pass(2000);
		CHECK_STR(state(), "failed");
		CHECK_STR(reason(), "deadline");
	}
	done(id);
}

static void
people(void)
{
	/* By state: may it be paused, resumed, cancelled? */
	static const struct {
		const char *state, *paused, *resumed, *cancelled;
	} grid[] = {{"running", "paused", NULL, "cancelled"}, {"review", NULL, NULL, "cancelled"},
		    {"applying", NULL, NULL, NULL},	      {"done", NULL, NULL, NULL},
		    {"paused", NULL, "running", "cancelled"}, {"cancelled", NULL, NULL, NULL},
		    {"failed", NULL, "running", "cancelled"}};
	static bool (*const verbs[])(struct core * core, const char *word, const char *by,
				     const char *why,
				     struct err *err) = {batch_pause, batch_resume, batch_cancel};
	bool right = true;
	char *id;

	for (size_t s = 0; s < ARRAY_LEN(grid); s++) {
		const char *const leads[] = {grid[s].paused, grid[s].resumed, grid[s].cancelled};

		for (size_t v = 0; v < ARRAY_LEN(verbs); v++) {
			AUTO(buf_fini) struct buf sql = BUF_INIT;
			const char *want = leads[v] ? leads[v] : grid[s].state;
			bool ok;

			id = start(BATCH("2", "concurrency = 1\n"));
			all_end();
			buf_printf(&sql, "UPDATE batches SET state = '%s', reason = %s",
				   grid[s].state,
				   strcmp(grid[s].state, "failed") ? "NULL" : "'budget'");
			rig_sql(buf_cstr(&sql));
			fresh();
			ok = verbs[v](&rig.core, id, "ann", NULL, &why);
			turn_end(rig.core.store);
			if (ok != (leads[v] != NULL) || (!ok && why.code != E_STATE) ||
			    strcmp(state(), want) != 0) {
				printf("# %s, verb %zu: %d %s %s\n", grid[s].state, v, ok, state(),
				       err_text(&why));
				right = false;
			}
			rig_run();
			done(id);
		}
	}
	IT ("pause, resume and cancel lead where the grid says from every state, or nowhere") {
		CHECK(right);
	}
	id = start(BATCH("9", "concurrency = 3\n"));
	CHECK(batch_pause(&rig.core, "b", "ann", "lunch", &why));
	rig_run();
	IT ("paused it starts no more, and what runs goes on") {
		CHECK_INT(all_end(), 3);
		CHECK_STR(state(), "paused");
		CHECK_INT(items("left"), 6);
	}
	CHECK(batch_resume(&rig.core, "b", "ann", NULL, &why));
	rig_run();
	CHECK(batch_cancel(&rig.core, "b", "ann", NULL, &why));
	rig_run();
	IT ("cancelled it stops what runs, for good") {
		CHECK_STR(state(), "cancelled");
		for (int i = 0; i < rig_agents(); i++)
			CHECK(rig_agent(i)->exited || *rig_agent(i)->cancelled);
		all_end();
		CHECK_STR(state(), "cancelled");
		CHECK_INT(rig_agents(), 6);
		CHECK_INT(items("running"), 0);
	}
	IT ("another of its name may begin then, and not before") {
		char *second = start_with((struct batch_options){.limit = 1}), *third;

		CHECK(second != NULL);
		third = start_with((struct batch_options){.limit = 1});
		CHECK(!third && why.code == E_STATE);
		free(second);
	}
	done(id);
}

static void
again(void)
{
	char *id = start(BATCH("6", "concurrency = 1\n")), *second, *third;

	some_end(1, OK);
	some_end(1, SAID_NO);
	some_end(2, OK);
	some_end(1, CRASHED);
	some_end(1, OK);
	CHECK_STR(state(), "review");
	second = start_with((struct batch_options){.failed = id});
	IT ("those that failed, and only those, are run again with the data that they had") {
		CHECK_INT(alive(), 1);
		CHECK(started_for(6, "e2"));
		CHECK(strstr(rig_agent(6)->envelope, "\"payload\":{\"id\":\"e2\"}"));
		CHECK_INT(all_end(), 1);
		CHECK_STR(state(), "review");
	}
	third = start_with((struct batch_options){.skipped = id});
	IT ("those that were skipped, too") {
		CHECK(started_for(7, "e5"));
		CHECK_INT(all_end(), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 8);
	}
	IT ("of a batch that had none nothing runs, and that is an end") {
		char *none = start_with((struct batch_options){.failed = second});

		CHECK_INT(all_end(), 0);
		CHECK_STR(state(), "review");
		free(none);
	}
	IT ("of a batch that is not there: not found") {
		char *none = start_with((struct batch_options){.failed = "b/2001-01-01T00:00:00Z"});

		CHECK(!none && why.code == E_NOT_FOUND);
	}
	free(second);
	free(third);
	done(id);
	fresh();
	rig_init(BATCH("10", "concurrency = 4\n"));
	id = start_with((struct batch_options){.trial = 3});
	IT ("a trial runs so many and waits; the others are paid for once") {
		CHECK_INT(all_end(), 3);
		CHECK_STR(state(), "paused");
		CHECK_STR(reason(), "trial");
		CHECK(batch_resume(&rig.core, "b", "ann", NULL, &why));
		rig_run();
		CHECK_INT(all_end(), 7);
		CHECK_STR(state(), "review");
		CHECK_INT(rig_int("SELECT COUNT(DISTINCT entity) FROM runs"), 10);
	}
	done(id);
}

static void
deaths(void)
{
	char *id = start(BATCH("10!7", "concurrency = 2\n"));

	all_end();
	IT ("a source that breaks ends the reading: what came before is done, and it says why") {
		CHECK_STR(state(), "failed");
		CHECK_STR(reason(), "source");
		CHECK_INT(items("done"), 6);
		CHECK(strstr(rig_text("SELECT error FROM batches"), "number 7 is broken"));
	}
	rig_entities_mended = true;
	IT ("mended it goes on there, and nothing runs twice") {
		CHECK(batch_resume(&rig.core, "b", "ann", NULL, &why));
		rig_run();
		CHECK_INT(all_end(), 4);
		CHECK_STR(state(), "review");
		CHECK_INT(rig_int("SELECT COUNT(DISTINCT entity) FROM runs"), 10);
	}
	done(id);
	id = start(BATCH("9", "concurrency = 2\n"));
	IT ("killed between any two ends it goes on at the first that has not ended") {
		for (int i = 0; i < 9; i++) {
			rig_restart(NULL);
			CHECK(alive() <= 2);
			some_end(1, OK);
		}
		CHECK_STR(state(), "review");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 9);
		CHECK_INT(rig_int("SELECT COUNT(DISTINCT entity) FROM runs"), 9);
		CHECK_INT(items("done"), 9);
	}
	done(id);
	fresh();
	rig_init(BATCH("5", "concurrency = 1\n"));
	IT ("a disk that is full now and then loses nothing, and starts nothing twice") {
		id = start_with((struct batch_options){.limit = 0});
		for (int i = 0; i < 40 && strcmp(state(), "review"); i++) {
			rig.fail_commits = i % 3;
			one_ends(NULL, OK);
			rig_pass(3000);
		}
		CHECK_STR(state(), "review");
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs WHERE status = 'succeeded'"), 5);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM runs"), 5);
	}
	done(id);
}

/* Long enough for every slice of a sweep. */
static void
sweep(void)
{
	struct keep *keep = keep_new(&rig.core);

	keep_wake(keep);
	for (int i = 0; i < 30; i++)
		rig_pass(200);
	keep_free(keep);
}

#define CHANGE(entity)                                                                             \
	"{\"type\":\"change\",\"target\":\"crm\",\"entity\":\"" entity "\",\"after\":{}}\n"

static void
retention(void)
{
	char *id = start(BATCH("6", "concurrency = 6\n")), *second;

	one_ends(CHANGE("1"), OK);
	all_end();
	CHECK(batch_cancel(&rig.core, "b", "ann", NULL, &why));
	rig_run();
	second = start_with((struct batch_options){.limit = 1});
	one_ends(CHANGE("2"), OK);
	rig.wall_ms += 20 * DAY;
	sweep();
	IT ("an ended batch stays with its entities while a change of it is kept, as an open one "
	    "always is") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM batches"), 2);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM batch_items"), 7);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes"), 2);
	}
	CHECK(change_decide(&rig.core, rig_text("SELECT id FROM changes ORDER BY seq LIMIT 1"),
			    CHANGE_REJECT, "ann", "old", NULL, &why));
	rig_run();
	rig.wall_ms += 12 * DAY;
	sweep();
	sweep();
	IT ("a decided one goes in its time, and with the last of them batch and entities do") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM changes"), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM batches"), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM batch_items"), 1);
		CHECK_STR(state(), "review");
	}
	free(second);
	done(id);
	id = start(BATCH("600", "concurrency = 50\n"));
	CHECK(all_end() == 600);
	CHECK(batch_cancel(&rig.core, "b", "ann", NULL, &why));
	rig_run();
	rig.wall_ms += 4 * DAY;
	sweep();
	IT ("without a change it stays as long as retention.batches says") {
		CHECK_INT(items("done"), 600);
	}
	rig.wall_ms += 2 * DAY;
	sweep();
	IT ("then it goes, entities first, some at a time") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM batch_items"), 0);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM batches"), 0);
	}
	done(id);
	id = start(BATCH("3", "concurrency = 1\n"));
	some_end(1, OK);
	rig.wall_ms += 30 * DAY;
	sweep();
	IT ("one that goes on keeps all that it has, however old it is") {
		CHECK_INT(rig_int("SELECT COUNT(*) FROM batches"), 1);
		CHECK_INT(rig_int("SELECT COUNT(*) FROM batch_items"), 3);
		all_end();
		CHECK_STR(state(), "review");
	}
	done(id);
}

int
main(void)
{
	concurrency();
	stops();
	budgets();
	people();
	again();
	deaths();
	retention();
	err_fini(&why);
	return tap_done();
}
