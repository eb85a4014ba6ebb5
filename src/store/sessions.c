/* Sessions: lines of runs that continue one another. Rows only; what they mean is core/session.h's.
 */
/* SPDX-License-Identifier: MIT */
#include "store/sessions.h"

#include "store/internal.h"

#define OPEN_TURNS "FROM runs r WHERE r.session = s.id AND r.session IS NOT NULL AND r." RUN_IS_OPEN
#define WHOLE                                                                                      \
	"SELECT s.seq, s.id, s.agent, s.tenant, s.name, s.turns, s.checkpoint, s.created, "        \
	"s.used, s.ended, l.id AS run_id, l.status AS run_status, (SELECT COUNT(*) " OPEN_TURNS    \
	") AS open FROM sessions s LEFT JOIN runs l ON l.seq = s.run "
#define FILTERED                                                                                   \
	"(:agent IS NULL OR s.agent = :agent) AND (:tenant IS NULL OR s.tenant = :tenant) AND "    \
	"(:name IS NULL OR s.name = :name) AND (:open IS NULL OR (s.ended IS NULL) = (:open = "    \
	"'1')) AND s.seq < :before ORDER BY s.seq DESC"

enum { TURN, BY_ID, LIST, TURNED, END, EXPIRE, STATEMENTS };

static const struct field session_fields[] = {
	FIELD(session_row, seq, "seq", FIELD_INT),
	FIELD(session_row, id, "id", FIELD_TEXT),
	FIELD(session_row, agent, "agent", FIELD_TEXT),
	FIELD(session_row, tenant, "tenant", FIELD_TEXT),
	FIELD(session_row, name, "name", FIELD_TEXT),
	FIELD(session_row, turns, "turns", FIELD_INT),
	FIELD(session_row, run_id, "run_id", FIELD_TEXT),
	FIELD(session_row, run_status, "run_status", FIELD_TEXT),
	FIELD(session_row, checkpoint, "checkpoint", FIELD_TEXT),
	FIELD(session_row, created, "created", FIELD_WALL),
	FIELD(session_row, used, "used", FIELD_WALL),
	FIELD(session_row, ended, "ended", FIELD_WALL),
	FIELD(session_row, open, "open", FIELD_INT),
};
static const struct shape session_shape = {session_fields, ARRAY_LEN(session_fields),
					   sizeof(struct session_row)};

static const struct statement list[] = {
	[TURN] = {"INSERT INTO sessions (id, agent, tenant, name, turns, run, created, used) "
		  "VALUES (:fresh, :agent, :tenant, :name, 1, :run, :now, :now) "
		  "ON CONFLICT (agent, name, COALESCE(tenant, '')) WHERE ended IS NULL DO UPDATE "
		  "SET turns = turns + 1, run = excluded.run, used = excluded.used "
		  "RETURNING turns, id",
		  NULL},
	[BY_ID] = {WHOLE "WHERE s.id >= :lo AND s.id < :hi ORDER BY s.id LIMIT 2", &session_shape},
	[LIST] = {WHOLE "WHERE " FILTERED, &session_shape},
	[TURNED] = {"UPDATE sessions SET used = MAX(used, :now), checkpoint = "
		    "COALESCE(:checkpoint, checkpoint) WHERE id = :id",
		    NULL},
	[END] = {"UPDATE sessions SET ended = :now, checkpoint = NULL WHERE seq = :seq AND ended "
		 "IS NULL",
		 NULL},
	[EXPIRE] = {"DELETE FROM sessions WHERE seq IN (SELECT s.seq FROM sessions s WHERE "
		    "s.used < :before AND NOT EXISTS (SELECT 1 " OPEN_TURNS ") LIMIT :most)",
		    NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements sessions_statements = {"sessions", list, STATEMENTS};

void
session_row_fini(struct session_row *row)
{
	row_fini(&session_shape, row);
}

bool
sessions_turn(struct store *store, const char *agent, const char *tenant, const char *name,
	      const char *fresh, int64_t run, struct wall now, struct buf *ret_id, int *ret_turn,
	      struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_SESSIONS, TURN, err);
	if (!q)
		return false;
	query_text(q, "fresh", fresh);
	query_text(q, "agent", agent);
	query_text(q, "tenant", tenant);
	query_text(q, "name", name);
	query_int(q, "run", run);
	query_wall(q, "now", now);
	if (query_step(q, err) != STEP_ROW)
		return false;
	*ret_turn = (int)query_get_int(q, 0);
	buf_add_str(ret_id, query_get_text(q, 1));
	return query_run(q, NULL, err);
}

bool
sessions_get(struct store *store, const char *id, struct session_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_SESSIONS, BY_ID, err);
	return q && query_by_id(q, "session", id, ret, err);
}

static const char *const columns[] = {"agent", "tenant", "name", "open", NULL};
static const struct list_variant variants[] = {{NULL, NULL, LIST}};
static const struct list_def sessions_def = {
	.room = ROOM_SESSIONS,
	.noun = "session",
	.columns = columns,
	.variants = variants,
	.time_offset = offsetof(struct session_row, created),
};

struct session_listing {
	bool (*fn)(void *arg, const struct session_row *row);
	void *arg;
};

static bool
session_give(void *arg, const void *row)
{
	struct session_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
sessions_list(struct store *store, const struct list_query *query,
	      bool (*fn)(void *arg, const struct session_row *row), void *arg, struct err *err)
{
	struct session_listing l = {fn, arg};
	return list_run(store, &sessions_def, query, session_give, &l, err);
}

bool
sessions_turned(struct store *store, const char *id, const char *checkpoint, struct wall now,
		struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_SESSIONS, TURNED, err);
	if (!q)
		return false;
	query_text(q, "id", id);
	query_text(q, "checkpoint", checkpoint);
	query_wall(q, "now", now);
	return query_run(q, NULL, err);
}

bool
sessions_end(struct store *store, const struct session_row *session, struct wall now,
	     struct err *err)
{
	int64_t changed;
	if (session->open)
		return err_set(err, E_STATE,
			       "session %s has %lld turn%s that %s not done; wait for it, or rouse "
			       "run cancel %s",
			       session->name, (long long)session->open,
			       session->open == 1 ? "" : "s", session->open == 1 ? "is" : "are",
			       session->run_id ? session->run_id : "RUN");
	AUTO(query_end) struct query *q = query_write(store, ROOM_SESSIONS, END, err);
	if (!q)
		return false;
	query_int(q, "seq", session->seq);
	query_wall(q, "now", now);
	if (!query_run(q, &changed, err))
		return false;
	return changed || err_set(err, E_STATE, "session %s has ended already", session->name);
}

bool
sessions_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
		struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_SESSIONS, EXPIRE, err);
	if (!q)
		return false;
	query_wall(q, "before", before);
	query_int(q, "most", most);
	if (!query_run(q, &changed, err))
		return false;
	*ret_gone = (unsigned)changed;
	return true;
}
