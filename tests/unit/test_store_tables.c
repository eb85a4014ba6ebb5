/* Every table of the schema: what bounds it. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/test_store_help.h"

/* A rule of [retention], or why there is none. A table that is not here fails. */
static const struct {
	const char *table, *rule;
} rules[] = {
	{"events", "retention.events; with its run, retention.runs"},
	{"runs", "retention.runs"},
	{"run_inputs", "with its run"},
	{"run_outputs", "with its run"},
	{"attempts", "with its run"},
	{"runlog", "retention.logs"},
	{"gates", "with its run"},
	{"keys_new", "retention.idempotency"},
	{"keys", "retention.idempotency"},
	{"key_parts", "retention.idempotency"},
	{"changes", "retention.changes"},
	{"change_counts", "a row a status and target"},
	{"decisions", "retention.audit"},
	{"audit", "retention.audit"},
	{"samples", "retention.audit"},
	{"sample_items", "with its sample"},
	{"batches", "retention.batches"},
	{"batch_items", "with its batch"},
	{"batch_notes", "with its batch, some hundred"},
	{"batch_changes", "with its batch"},
	{"rollouts", "with its batch"},
	{"budgets", "a day's rows as long as retention.changes"},
	{"sessions", "retention.sessions"},
	{"notifications", "gone some days after they were sent or given up"},
	{"notices", "with its notification"},
	{"notice_runs", "with its notice, or its run"},
	{"gatherings", "gone when the run is made; a bound by trigger"},
	{"gathered", "with its gathering"},
	{"spans_due", "gone when told, and bounded"},
	{"spans_sent", "one row"},
	{"facts", "forgotten by its source, or with its trigger"},
	{"cursors", "a row a trigger"},
	{"trigger_health", "a row a trigger; forgotten with it"},
	{"breakers", "a row a breaker that is open"},
	{"switches", "a row a switch that somebody turned"},
	{"tokens", "as many as an administrator made"},
	{"probe", "one row"},
};

static const char *
rule_of(struct str table)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (str_eq_cstr(table, rules[i].table))
			return rules[i].rule;
	return NULL;
}

int
main(void)
{
	struct store *store = help_open("tables.db");
	AUTO(err_fini) struct err err = ERR_INIT;
	struct driver_stmt *stmt;
	size_t tables = 0;

	IT ("knows of every table what bounds it") {
		CHECK(store->driver->prepare(store->conn,
					     "SELECT name FROM sqlite_schema WHERE type = 'table' "
					     "AND name NOT LIKE 'sqlite_%'",
					     &stmt, &err));
		while (store->driver->step(store->conn, stmt, &err) == STEP_ROW) {
			struct str name = store->driver->column_text(stmt, 0);

			tables++;
			if (!CHECK(rule_of(name) != NULL))
				printf("# %.*s grows, and nothing lets go of it\n", STR_ARG(name));
		}
		store->driver->finalize(stmt);
	}
	IT ("names no table that is gone") {
		CHECK_INT((long long)tables, (long long)ARRAY_LEN(rules));
	}
	store_close(store);
	return tap_done();
}
