/* The outbox of notifications: what people are told of, and the messages that tell it. Rows only.
 */
/* SPDX-License-Identifier: MIT */
#include "store/notices.h"

#include "store/internal.h"

enum {
	FIND,
	INSERT,
	AGAIN,
	ADD_RUN,
	COUNT_WAITING,
	OLDEST_WAITING,
	MAKE,
	TAKE_ALL,
	WAITING,
	OF_MESSAGE,
	MOVE,
	NAMES,
	COUNT,
	LAST,
	OF_RUN,
	BY_SEQ,
	FORGET,
	STATEMENTS
};

static const struct statement list[] = {
	[FIND] = {"SELECT * FROM notices WHERE notify = :notify AND topic = :topic AND message IS "
		  "NULL",
		  &notice_shape},
	[INSERT] = {"INSERT INTO notices (notify, topic, event, n, first, last, data) VALUES "
		    "(:notify, :topic, :event, :n, :first, :last, :data) RETURNING seq",
		    &notice_shape},
	[AGAIN] = {"UPDATE notices SET n = n + 1, last = :at, data = COALESCE(:data, data) WHERE "
		   "seq = :seq",
		   NULL},
	[ADD_RUN] = {"INSERT INTO notice_runs (run, notice) VALUES (:run, :seq) ON CONFLICT DO "
		     "NOTHING",
		     NULL},
	[COUNT_WAITING] =
		{"SELECT COUNT(*) FROM notices WHERE notify = :notify AND message IS NULL", NULL},
	[OLDEST_WAITING] =
		{"SELECT MIN(first) FROM notices WHERE notify = :notify AND message IS NULL", NULL},
	[MAKE] = {"INSERT INTO notifications (id, notify, state, attempts, created, due) VALUES "
		  "(:id, :notify, 'waiting', 0, :created, :due) RETURNING seq",
		  &notification_shape},
	[TAKE_ALL] = {"UPDATE notices SET message = :message WHERE notify = :notify AND message IS "
		      "NULL",
		      NULL},
	[WAITING] = {"SELECT * FROM notifications WHERE notify = :notify AND state = 'waiting'",
		     &notification_shape},
	[OF_MESSAGE] = {"SELECT * FROM notices WHERE message = :message ORDER BY message, seq",
			&notice_shape},
	[MOVE] = {"UPDATE notifications SET state = :state, attempts = :attempts, due = :due, "
		  "done_at = :done_at, error = :error WHERE seq = :seq AND state = 'waiting'",
		  &notification_shape},
	[NAMES] = {"SELECT notify FROM notices INDEXED BY notices_waiting WHERE message IS NULL "
		   "UNION ALL SELECT notify FROM notifications INDEXED BY notifications_waiting "
		   "WHERE state = 'waiting'",
		   NULL},
	[COUNT] = {"SELECT COUNT(*) FROM notifications WHERE notify = :notify AND state = :state",
		   NULL},
	[LAST] = {"SELECT * FROM notifications WHERE notify = :notify AND state = :state ORDER BY "
		  "seq DESC LIMIT 1",
		  &notification_shape},
	[OF_RUN] = {"SELECT n.* FROM notice_runs r CROSS JOIN notices n ON n.seq = r.notice WHERE "
		    "r.run = :run ORDER BY r.notice",
		    &notice_shape},
	[BY_SEQ] = {"SELECT * FROM notifications WHERE seq = :seq", &notification_shape},
	[FORGET] = {"DELETE FROM notifications WHERE seq IN (SELECT seq FROM notifications WHERE "
		    "done_at IS NOT NULL AND done_at < :before ORDER BY done_at LIMIT :most)",
		    NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements notices_statements = {"notices", list, STATEMENTS};

bool
notices_find(struct store *store, const char *notify, const char *topic, struct notice_row *ret,
	     struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_NOTICES, FIND, err);

	if (!q)
		return false;
	query_text(q, "notify", notify);
	query_text(q, "topic", topic);
	return query_one(q, ret, "this notice", err);
}

bool
notices_insert(struct store *store, const struct notice_row *row, int64_t *ret_seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_NOTICES, INSERT, err);

	if (!q)
		return false;
	query_row(q, row);
	return query_number(q, 0, ret_seq, err) && query_run(q, NULL, err);
}

bool
notices_again(struct store *store, int64_t seq, struct wall at, const char *data, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_NOTICES, AGAIN, err);

	if (!q)
		return false;
	query_int(q, "seq", seq);
	query_wall(q, "at", at);
	query_text(q, "data", data);
	return query_run(q, NULL, err);
}

bool
notices_add_run(struct store *store, int64_t seq, int64_t run, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_NOTICES, ADD_RUN, err);

	if (!q)
		return false;
	query_int(q, "seq", seq);
	query_int(q, "run", run);
	return query_run(q, NULL, err);
}

static bool
number_of(struct store *store, int statement, const char *notify, int64_t none, int64_t *ret,
	  struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_NOTICES, statement, err);

	if (!q)
		return false;
	query_text(q, "notify", notify);
	return query_number(q, none, ret, err);
}

bool
notices_waiting(struct store *store, const char *notify, int64_t *ret_count,
		struct wall *ret_oldest, struct err *err)
{
	return number_of(store, COUNT_WAITING, notify, 0, ret_count, err) &&
	       (!ret_oldest ||
		number_of(store, OLDEST_WAITING, notify, WALL_NONE.ms, &ret_oldest->ms, err));
}

static bool
notices_take(struct store *store, const char *notify, int64_t message, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_NOTICES, TAKE_ALL, err);

	if (!q)
		return false;
	query_text(q, "notify", notify);
	query_int(q, "message", message);
	return query_run(q, NULL, err);
}

static bool
notification_insert(struct store *store, const struct notification_row *row, int64_t *ret_seq,
		    struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_NOTICES, MAKE, err);

	if (!q)
		return false;
	query_row(q, row);
	return query_number(q, 0, ret_seq, err) && query_run(q, NULL, err);
}

bool
notifications_make(struct store *store, const struct notification_row *row, int64_t *ret_seq,
		   struct err *err)
{
	return notification_insert(store, row, ret_seq, err) &&
	       notices_take(store, row->notify, *ret_seq, err);
}

bool
notifications_waiting(struct store *store, const char *notify, struct notification_row *ret,
		      struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_NOTICES, WAITING, err);

	if (!q)
		return false;
	query_text(q, "notify", notify);
	return query_one(q, ret, "this notification", err);
}

struct notice_listing {
	bool (*fn)(void *arg, const struct notice_row *row);
	void *arg;
};

static bool
notice_give(void *arg, const void *row)
{
	struct notice_listing *l = arg;

	return l->fn(l->arg, row);
}

bool
notices_of(struct store *store, int64_t message,
	   bool (*fn)(void *arg, const struct notice_row *row), void *arg, struct err *err)
{
	struct notice_listing l = {fn, arg};
	AUTO(query_end) struct query *q = query_read(store, ROOM_NOTICES, OF_MESSAGE, err);

	if (!q)
		return false;
	query_int(q, "message", message);
	return query_each(q, notice_give, &l, err);
}

bool
notifications_move(struct store *store, const struct notification_row *row, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_NOTICES, MOVE, err);
	int64_t changed;

	if (!q)
		return false;
	query_row(q, row);
	if (!query_run(q, &changed, err))
		return false;
	return changed || err_set(err, E_STATE, "notification %s is not waiting any more", row->id);
}

bool
notices_names(struct store *store, bool (*fn)(void *arg, const char *notify), void *arg,
	      struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_NOTICES, NAMES, err);

	if (!q)
		return false;
	while ((step = query_step(q, err)) == STEP_ROW)
		if (!fn(arg, query_get_text(q, 0).p))
			return true;
	return step == STEP_DONE;
}

bool
notifications_count(struct store *store, const char *notify, const char *state, int64_t *ret,
		    struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_NOTICES, COUNT, err);

	if (!q)
		return false;
	query_text(q, "notify", notify);
	query_text(q, "state", state);
	return query_number(q, 0, ret, err);
}

bool
notifications_last(struct store *store, const char *notify, const char *state,
		   struct notification_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_NOTICES, LAST, err);

	if (!q)
		return false;
	query_text(q, "notify", notify);
	query_text(q, "state", state);
	return query_one(q, ret, "such a notification", err);
}

struct told {
	struct store *store;
	bool (*fn)(void *arg, const struct notice_row *notice,
		   const struct notification_row *message);
	void *arg;
	struct err *err;
	bool failed;
};

static bool
told_give(void *arg, const void *row)
{
	struct told *told = arg;
	const struct notice_row *notice = row;
	AUTO(notification_row_fini) struct notification_row message = {0};
	AUTO(query_end) struct query *q = NULL;

	if (!notice->message)
		return told->fn(told->arg, notice, NULL);
	q = query_read(told->store, ROOM_NOTICES, BY_SEQ, told->err);
	if (q)
		query_int(q, "seq", notice->message);
	told->failed = !q || !query_one(q, &message, "this notification", told->err);
	return !told->failed && told->fn(told->arg, notice, &message);
}

bool
notices_of_run(struct store *store, int64_t run,
	       bool (*fn)(void *arg, const struct notice_row *notice,
			  const struct notification_row *message),
	       void *arg, struct err *err)
{
	struct told told = {.store = store, .fn = fn, .arg = arg, .err = err};
	AUTO(query_end) struct query *q = query_read(store, ROOM_NOTICES, OF_RUN, err);

	if (!q)
		return false;
	query_int(q, "run", run);
	return query_each(q, told_give, &told, err) && !told.failed;
}

bool
notifications_forget(struct store *store, struct wall before, unsigned most, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_NOTICES, FORGET, err);

	if (!q)
		return false;
	query_wall(q, "before", before);
	query_int(q, "most", most);
	return query_run(q, NULL, err);
}
