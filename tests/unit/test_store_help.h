/* What the tests of the store share: a fresh folder, short ways to make rows. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TESTS_STORE_HELP_H
#define ROUSE_TESTS_STORE_HELP_H

#include <stdlib.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/os.h"
#include "base/uuid.h"
#include "store/budgets.h"
#include "store/changes.h"
#include "store/events.h"
#include "store/internal.h"
#include "store/keys.h"
#include "store/runs.h"
#include "store/state.h"
#include "tests/unit/tap.h"

static char help_folder[64];

static inline void
help_clean(void)
{
	os_remove_tree(help_folder, NULL);
}

/* PATH in a folder that is removed at exit; static memory. */
static inline const char *
help_path(const char *name)
{
	static struct buf path;
	if (!*help_folder) {
		snprintf(help_folder, sizeof(help_folder), "%s", "/tmp/rouse-store-XXXXXX");
		if (!mkdtemp(help_folder))
			abort();
		atexit(help_clean);
	}
	buf_clear(&path);
	buf_printf(&path, "%s/%s", help_folder, name);
	return path.data;
}

static inline struct store *
help_open(const char *name)
{
	struct err err = ERR_INIT;
	struct store *store = NULL;
	if (!store_open(help_path(name), &store, &err)) {
		printf("Bail out! %s\n", err_text(&err));
		exit(99);
	}
	return store;
}

static inline struct wall
at_ms(int64_t ms)
{
	return (struct wall){1700000000000 + ms};
}

/* A queued run; what matters is set in `with`. Its seq. */
static inline int64_t
help_run(struct store *store, struct run_row with, bool *ret_ready)
{
	struct uuid id = uuid_v7(at_ms(0));
	struct err err = ERR_INIT;
	int64_t seq = 0;
	bool ready;
	with.id = id.text;
	if (!with.agent)
		with.agent = (char *)"triage";
	if (!with.trigger)
		with.trigger = (char *)"hook";
	with.mode = (char *)"apply";
	with.trust = (char *)"authenticated";
	if (!with.created.ms)
		with.created = at_ms(0);
	if (!with.due.ms)
		with.due = WALL_NONE;
	with.started = with.ended = WALL_NONE;
	if (!with.max_attempts)
		with.max_attempts = 3;
	if (!runs_insert(store, &with, &seq, &ready, &err))
		printf("# runs_insert: %s\n", err_text(&err));
	err_fini(&err);
	if (ret_ready)
		*ret_ready = ready;
	return seq;
}

static inline int64_t
help_event(struct store *store, const char *trigger, const char *outcome, int64_t run)
{
	struct uuid id = uuid_v7(at_ms(0));
	struct err err = ERR_INIT;
	int64_t seq = 0;
	const struct event_row row = {.id = id.text,
				      .trigger = (char *)(uintptr_t)trigger,
				      .source = (char *)"webhook",
				      .outcome = (char *)(uintptr_t)outcome,
				      .time = at_ms(0),
				      .run = run,
				      .document = (char *)"{\"data\":{\"n\":1}}"};
	if (!events_insert(store, &row, &seq, &err))
		printf("# events_insert: %s\n", err_text(&err));
	err_fini(&err);
	return seq;
}

static inline int64_t
help_change(struct store *store, struct change_row with, struct err *err)
{
	struct uuid id = uuid_v7(at_ms(0));
	int64_t seq = 0;
	with.id = id.text;
	if (!with.target)
		with.target = (char *)"crm";
	if (!with.op)
		with.op = (char *)"update";
	if (!with.status)
		with.status = (char *)"proposed";
	with.created = at_ms(0);
	with.decided_at = with.applied_at = with.reverted_at = WALL_NONE;
	if (!with.due.ms)
		with.due = WALL_NONE;
	changes_insert(store, &with, &seq, err);
	return seq;
}

/* One number that SQL knows; opens its own read-only connection. */
static inline int64_t
help_number(const char *path, const char *sql)
{
	struct driver_conn *conn;
	struct driver_stmt *stmt;
	struct err err = ERR_INIT;
	int64_t n = -999;
	if (!driver_sqlite.open(path, DRIVER_READ, &conn, &err)) {
		printf("# %s\n", err_text(&err));
		err_fini(&err);
		return n;
	}
	if (driver_sqlite.prepare(conn, sql, &stmt, &err)) {
		if (driver_sqlite.step(conn, stmt, &err) == STEP_ROW)
			n = driver_sqlite.column_int(stmt, 0);
		driver_sqlite.finalize(stmt);
	}
	if (err.code != E_OK)
		printf("# %s\n", err_text(&err));
	err_fini(&err);
	driver_sqlite.close(conn, true);
	return n;
}

/* A runs_on_ready: counts into an int. */
static void __attribute__((unused)) help_ready(void *arg, const char *agent, const char *tenant)
{
	(void)tenant;
	*(int *)arg += agent != NULL;
}

#endif
