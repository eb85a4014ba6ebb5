/* The SQL: every statement prepares, none scans unless it is listed, the words are SPEC's. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/test_store_help.h"

/* room, part of the plan's line, why it may be. */
static const struct {
	const char *room, *part, *why;
} allowed[] = {
	{"events", "SCAN e", "a list newest first, which stops at its limit"},
	{"runs", "SCAN r", "a list newest first, which stops at its limit"},
	{"changes", "SCAN c", "a list newest first, which stops at its limit"},
	{"gates", "SCAN g", "a list newest first, which stops at its limit"},
	{"audit", "SCAN a", "a list newest first, which stops at its limit"},
	{"audit", "SCAN audit", "the oldest, up to a limit"},
	{"audit", "SCAN decisions", "the oldest, up to a limit"},
	{"audit", "SCAN samples", "the oldest, up to a limit"},
	{"store", "VIRTUAL TABLE INDEX 0", "pragmas of one row"},
	{"changes_walk", "SCAN c", "all changes in order, page by page"},
	{"changes_vet", "SCAN changes USING INDEX changes_vetting", "at start: what waits alone"},
	{"changes", "SCAN change_counts", "a row a status and target"},
	{"counts", "SCAN runs USING INDEX runs_queue", "counts the queue from the index, at start"},
	{"counts", "SCAN runs USING INDEX runs_dead", "counts dead letters from their index"},
	{"sessions", "SCAN s", "a list newest first, which stops at its limit"},
	{"gather", "SCAN gatherings", "at start or reload, and in a look at all that is held"},
	{"health", "SCAN trigger_health", "at start: a row a trigger that was heard of"},
	{"breakers", "SCAN breakers", "at start: a row a breaker that is open"},
	{"keys", "SCAN key_parts", "at start: a row a 65536 keys"},
	{"events", "USE TEMP B-TREE FOR ORDER BY", "the event and the replays of one run"},
	{"changes", "USE TEMP B-TREE FOR ORDER BY", "the changes of one run"},
	{"state", "SCAN switches", "a handful"},
	{"state", "SCAN tokens", "a handful"},
	{"notices", "SCAN notices USING INDEX notices_waiting", "at start: what waits"},
	{"notices", "SCAN notifications USING INDEX notifications_waiting", "at start: what waits"},
	{"outbox", "SCAN j", "the group that is taken, or was done"},
	{"batches", "SCAN (subquery", "one row"},
	{"items", "SCAN (subquery", "some entities of one batch, found by their state"},
	{"inbox", "USING INDEX gates_waiting", "what waits alone"},
	{"inbox", "SCAN changes USING INDEX changes_inbox", "what is proposed alone"},
	{"inbox", "SCAN w", "some runs"},
	{"store", "SCAN probe", "one row"},
};

static bool
is_allowed(const char *room, struct str line)
{
	AUTO(auto_free) char *text = str_dup(line);
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		if (!strcmp(allowed[i].room, room) && strstr(text, allowed[i].part))
			return true;
	}
	return false;
}

static void
plans(struct store *store, const struct statements *table, int i, int *ret_bad)
{
	AUTO(buf_fini) struct buf sql = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct driver_stmt *stmt;
	if (!strncmp(table->list[i].sql, "PRAGMA", 6))
		return;
	buf_printf(&sql, "EXPLAIN QUERY PLAN %s", table->list[i].sql);
	if (!store->driver->prepare(store->conn, buf_cstr(&sql), &stmt, &err)) {
		printf("# %s %d: %s\n", table->name, i, err_text(&err));
		++*ret_bad;
		return;
	}
	while (store->driver->step(store->conn, stmt, &err) == STEP_ROW) {
		struct str line = store->driver->column_text(stmt, 3);
		bool list = strstr(table->list[i].sql, ":before ORDER BY") != NULL;
		bool scan = str_starts(line, STR("SCAN "));
		bool sort = str_starts(line, STR("USE TEMP B-TREE FOR ORDER BY"));
		if (str_starts(line, STR("SCAN CONSTANT ROW")))
			continue;
		/* A page of the outbox is its first rows, and what else is on its way for an
		 * entity is few: however long it is, it is never walked. */
		bool walks = strstr(line.p, "way>") || (!strcmp(table->name, "outbox") && sort);

		/* Of an entity's changes, those of a whole run are not walked. */
		walks |= strstr(table->list[i].sql, "c.entity = k.entity") &&
			 strstr(line.p, "changes_run ");
		if (walks || ((scan || (sort && list)) && !is_allowed(table->name, line))) {
			printf("# %s %d: %.*s\n#   %s\n", table->name, i, STR_ARG(line),
			       table->list[i].sql);
			++*ret_bad;
		}
	}
	store->driver->finalize(stmt);
}

/* The words of a CHECK are taken, and no other. */
static int
words(struct store *store, const char *sql, const char *const *list)
{
	int bad = 0;
	for (const char *const *word = list; *word; word++) {
		struct driver_stmt *stmt;
		AUTO(err_fini) struct err err = ERR_INIT;
		bool last = !word[1];
		if (!store->driver->prepare(store->conn, sql, &stmt, &err)) {
			printf("# %s\n", err_text(&err));
			return 99;
		}
		store->driver->bind_text(stmt, 1, str_of(*word));
		bool took = store->driver->step(store->conn, stmt, &err) == STEP_DONE;
		if (took == last || (last && err.code != E_INVALID)) {
			printf("# %s: %s\n", *word, took ? "taken" : err_text(&err));
			bad++;
		}
		store->driver->finalize(stmt);
	}
	return bad;
}

int
main(void)
{
	struct store *store = help_open("sql.db");
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("prepares every statement of every room") {
		for (int room = 0; room < ROOMS; room++) {
			const struct statements *table = statements_of((enum room)room);
			for (int i = 0; i < table->count; i++) {
				struct query *q = query_read(store, (enum room)room, i, &err);
				if (!CHECK(q != NULL))
					printf("# %s %d: %s\n", table->name, i, err_text(&err));
				query_end(&q);
			}
		}
	}
	IT ("scans no table but where that is listed, and sorts no list") {
		int bad = 0;
		for (int room = 0; room < ROOMS; room++) {
			const struct statements *table = statements_of((enum room)room);
			for (int i = 0; i < table->count; i++)
				plans(store, table, i, &bad);
		}
		CHECK_INT(bad, 0);
	}
	IT ("knows the words of an event's outcome, and no others") {
		static const char *const list[] = {"ran",     "replayed", "filtered", "coalesced",
						   "skipped", "shed",	  "held",     "rejected",
						   "looped",  "paused",	  "done",     NULL};
		CHECK_INT(words(store,
				"INSERT INTO events (id, trigger, source, outcome, time) VALUES "
				"(hex(randomblob(8)), '', '', ?1, 0)",
				list),
			  0);
	}
	IT ("knows the states of a run, and no others") {
		static const char *const list[] = {"queued",	"running", "waiting",
						   "succeeded", "failed",  "cancelled",
						   "skipped",	"applied", NULL};
		CHECK_INT(words(store,
				"INSERT INTO runs (id, agent, trigger, status, created) VALUES "
				"(hex(randomblob(8)), '', '', ?1, 0)",
				list),
			  0);
	}
	IT ("knows the reasons of a failed run, and no others") {
		static const char *const list[] = {
			"exhausted",	 "permanent",	  "deadline",	    "budget_steps",
			"budget_tools",	 "budget_tokens", "budget_context", "budget_cost",
			"budget_output", "no_effect",	  "denied",	    "gate_timeout",
			"lost",		 "invalid",	  "tired",	    NULL};
		CHECK_INT(words(store,
				"INSERT INTO runs (id, agent, trigger, status, reason, created) "
				"VALUES (hex(randomblob(8)), '', '', 'failed', ?1, 0)",
				list),
			  0);
	}
	IT ("knows the states of a change, and no others") {
		static const char *const list[] = {
			"proposed", "approved", "rejected",  "superseded", "applying", "applied",
			"conflict", "failed",	"reverting", "reverted",   "done",     NULL};
		CHECK_INT(words(store,
				"INSERT INTO changes (id, run, target, op, status, created) VALUES "
				"(hex(randomblob(8)), 1, 't', 'update', ?1, 0)",
				list),
			  0);
	}
	IT ("knows the ops of a change, and no others") {
		static const char *const list[] = {"create", "update", "delete",
						   "call",   "upsert", NULL};
		CHECK_INT(words(store,
				"INSERT INTO changes (id, run, target, op, status, created) VALUES "
				"(hex(randomblob(8)), 1, 't', ?1, 'proposed', 0)",
				list),
			  0);
	}
	IT ("knows the states of a batch, and no others") {
		static const char *const list[] = {"running", "review", "applying",
						   "done",    "paused", "cancelled",
						   "failed",  "queued", NULL};
		CHECK_INT(
			words(store,
			      "INSERT INTO batches (id, name, agent, mode, state, started) VALUES "
			      "(hex(randomblob(8)), 'b', 'a', 'stage', ?1, 0)",
			      list),
			0);
	}
	store_close(store);
	return tap_done();
}
