/* Check: is the file whole, and does what it holds make sense? */
/* SPDX-License-Identifier: MIT */
#include "store/internal.h"

/* What must never give a row: one word of what is wrong, and where. */
static const struct {
	const char *what, *sql;
} invariants[] = {
	{"the database file",
	 "SELECT integrity_check FROM pragma_integrity_check(20) WHERE integrity_check <> 'ok'"},
	{"a row refers to one that is not there",
	 "SELECT \"table\" || ' row ' || COALESCE(rowid, '?') || ' to ' || parent FROM "
	 "pragma_foreign_key_check LIMIT 20"},
	{"a run has more than one attempt running",
	 "SELECT r.id FROM runs r WHERE (SELECT COUNT(*) FROM attempts a WHERE a.run = r.seq AND "
	 "a.status = 'running') > 1 LIMIT 20"},
	{"a run is running without an attempt that is",
	 "SELECT id FROM runs WHERE status = 'running' AND status NOT IN ('queued', 'succeeded') "
	 "AND NOT EXISTS "
	 "(SELECT 1 FROM attempts a WHERE a.run = runs.seq AND a.status = 'running') LIMIT 20"},
	{"a run waits for nobody: it has no attempt and no open gate",
	 "SELECT id FROM runs WHERE status = 'waiting' AND status NOT IN ('queued', 'succeeded') "
	 "AND NOT EXISTS "
	 "(SELECT 1 FROM attempts a WHERE a.run = runs.seq AND a.status = 'running') AND NOT "
	 "EXISTS "
	 "(SELECT 1 FROM gates g WHERE g.run = runs.seq AND g.status = 'waiting') LIMIT 20"},
	{"a run has ended with an attempt still running",
	 "SELECT r.id FROM attempts a JOIN runs r ON r.seq = a.run WHERE a.status = 'running' AND "
	 "r.status NOT IN "
	 "('running', 'waiting') LIMIT 20"},
	{"an attempt that has ended holds a lease",
	 "SELECT run || ', attempt ' || n FROM attempts WHERE status <> 'running' AND lease IS NOT "
	 "NULL LIMIT 20"},
	{"a breaker ends its rest before it opened",
	 "SELECT scope || ' ' || name FROM breakers WHERE until < opened OR failed > total LIMIT "
	 "20"},
	{"a run has ended and has not",
	 "SELECT id FROM runs WHERE (ended IS NULL) <> (status IN ('queued', 'running', "
	 "'waiting')) LIMIT 20"},
	{"a run is ready but not queued",
	 "SELECT id FROM runs WHERE ready = 1 AND status <> 'queued' LIMIT 20"},
	{"a queued run waits for nothing",
	 "SELECT r.id FROM runs r WHERE r.status = 'queued' AND r.ready = 0 AND r.due IS NULL AND "
	 "NOT EXISTS (SELECT 1 FROM runs f "
	 "WHERE f.entity = r.entity AND f.entity IS NOT NULL AND f." RUN_IS_OPEN
	 " AND f.seq < r.seq) AND NOT EXISTS (SELECT 1 FROM runs t WHERE t.session = r.session AND "
	 "t.session IS NOT NULL AND t." RUN_IS_OPEN " AND t.seq < r.seq) LIMIT 20"},
	{"two runs of one entity may start at once",
	 "SELECT entity FROM runs WHERE entity IS NOT NULL AND (ready = 1 OR status = 'running') "
	 "GROUP BY entity "
	 "HAVING COUNT(*) > 1 LIMIT 20"},
	{"two turns of one session may start at once",
	 "SELECT session FROM runs WHERE session IS NOT NULL AND (ready = 1 OR status = 'running') "
	 "GROUP BY session HAVING COUNT(*) > 1 LIMIT 20"},
	{"a session gave out one turn twice", "SELECT session || ', turn ' || turn FROM runs WHERE "
					      "session IS NOT NULL GROUP BY session, "
					      "turn HAVING COUNT(*) > 1 LIMIT 20"},
	{"an event belongs to a run that is not there",
	 "SELECT e.id FROM events e LEFT JOIN runs r ON r.seq = e.run WHERE e.run IS NOT NULL AND "
	 "r.seq IS NULL "
	 "AND e.run > COALESCE((SELECT MIN(seq) FROM runs), 0) LIMIT 20"},
	{"a key points nowhere", "SELECT hex(k.hash) || ' to run number ' || k.run FROM keys_all k "
				 "LEFT JOIN runs r ON r.seq = k.run WHERE r.seq IS NULL "
				 "AND k.run > COALESCE((SELECT MIN(seq) FROM runs), 0) LIMIT 20"},
	{"a gathering does not have the events that it counts",
	 "SELECT g.seq FROM gatherings g WHERE g.n <> (SELECT COUNT(*) FROM gathered x WHERE "
	 "x.gathering = g.seq) LIMIT 20"},
	{"an event is held back that has a run, or is not there",
	 "SELECT x.event FROM gathered x LEFT JOIN events e ON e.seq = x.event WHERE e.seq IS NULL "
	 "OR e.run IS NOT NULL OR e.outcome NOT IN ('held', 'coalesced') LIMIT 20"},
	{"a change belongs to a run that is not there",
	 "SELECT c.id FROM changes c LEFT JOIN runs r ON r.seq = c.run WHERE r.seq IS NULL LIMIT "
	 "20"},
	{"a notification tells of nothing",
	 "SELECT id FROM notifications m WHERE NOT EXISTS (SELECT 1 FROM notices n WHERE n.message "
	 "= m.seq) LIMIT 20"},
	{"a change is on a way that its status does not go",
	 "SELECT id FROM changes WHERE way IS NOT CASE status WHEN 'approved' THEN 1 - held WHEN "
	 "'applying' THEN 1 - held WHEN 'reverting' THEN 2 * (1 - held) END LIMIT 20"},
	{"the counts of changes are wrong",
	 "SELECT c.status || ' ' || c.target FROM (SELECT status, target, COUNT(*) AS n FROM "
	 "changes GROUP BY status, target) c "
	 "LEFT JOIN change_counts k ON k.status = c.status AND k.target = c.target WHERE c.n <> "
	 "COALESCE(k.n, 0) "
	 "UNION ALL SELECT k.status || ' ' || k.target FROM change_counts k WHERE k.n <> 0 AND NOT "
	 "EXISTS "
	 "(SELECT 1 FROM changes c WHERE c.status = k.status AND c.target = k.target) LIMIT 20"},
	{"the counts of a batch's changes are wrong",
	 "SELECT c.status || ' ' || c.batch FROM (SELECT status, batch, COUNT(*) AS n FROM "
	 "changes WHERE batch IS NOT NULL GROUP BY status, batch) c "
	 "LEFT JOIN batch_changes k ON k.status = c.status AND k.batch = c.batch WHERE c.n <> "
	 "COALESCE(k.n, 0) "
	 "UNION ALL SELECT k.status || ' ' || k.batch FROM batch_changes k WHERE k.n <> 0 AND NOT "
	 "EXISTS "
	 "(SELECT 1 FROM changes c WHERE c.status = k.status AND c.batch = k.batch) LIMIT 20"},
};

static bool
invariant_check(const struct driver *d, struct driver_conn *conn, size_t i, struct buf *out)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct driver_stmt *stmt;
	enum driver_step step;
	size_t before = out->len;
	if (!d->prepare(conn, invariants[i].sql, &stmt, &err)) {
		buf_printf(out, "%s: cannot look: %s\n", invariants[i].what, err_text(&err));
		return false;
	}
	while ((step = d->step(conn, stmt, &err)) == STEP_ROW)
		buf_printf(out, "%s: %.*s\n", invariants[i].what, STR_ARG(d->column_text(stmt, 0)));
	if (step == STEP_FAILED)
		buf_printf(out, "%s: %s\n", invariants[i].what, err_text(&err));
	d->finalize(stmt);
	return out->len == before;
}

/* On a connection of its own, in one snapshot. */
bool
store_check(struct store *store, struct buf *out, struct err *err)
{
	const struct driver *d = store->driver;
	struct driver_conn *conn;
	size_t before = out->len;
	if (!d->open(store->path, DRIVER_READ, &conn, err))
		return false;
	bool ok = d->script(conn, "BEGIN; SELECT COUNT(*) FROM probe", err);
	for (size_t i = 0; ok && i < ARRAY_LEN(invariants); i++)
		invariant_check(d, conn, i, out);
	d->close(conn, true);
	if (!ok || out->len == before)
		return ok;
	return err_set(err, E_CORRUPT,
		       "the database does not hold together; what was found stands above");
}
