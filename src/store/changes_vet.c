/* Changes that wait for what their target says of them. */
/* SPDX-License-Identifier: MIT */
#include "store/changes.h"
#include "store/internal.h"

enum { WAIT, WAITING, MODE, TARGETS, OF_RUN, UNCHECKED, STATEMENTS };

static const struct statement list[] = {
	[WAIT] = {"UPDATE changes SET vetting = :mode WHERE seq = :seq", NULL},
	[WAITING] = {"SELECT seq FROM changes WHERE vetting IS NOT NULL AND target = :target AND "
		     "seq > :after ORDER BY seq LIMIT :limit",
		     NULL},
	[MODE] = {"SELECT vetting FROM changes WHERE seq = :seq", NULL},
	[TARGETS] = {"SELECT DISTINCT target FROM changes WHERE vetting IS NOT NULL", NULL},
	[OF_RUN] = {"SELECT 1 FROM changes WHERE run = :run AND vetting IS NOT NULL LIMIT 1", NULL},
	[UNCHECKED] = {"UPDATE changes SET unchecked = :why WHERE seq = :seq", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements changes_vet_statements = {"changes_vet", list, STATEMENTS};

static bool
text_set(struct store *store, int statement, int64_t seq, const char *name, const char *text,
	 struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_CHANGES_VET, statement, err);
	if (!q)
		return false;
	query_text(q, name, text);
	query_int(q, "seq", seq);
	return query_run(q, NULL, err);
}

bool
changes_vet_wait(struct store *store, int64_t seq, const char *mode, struct err *err)
{
	return text_set(store, WAIT, seq, "mode", mode, err);
}

bool
changes_unchecked(struct store *store, int64_t seq, const char *why, struct err *err)
{
	return text_set(store, UNCHECKED, seq, "why", why, err);
}

bool
changes_vet_waiting(struct store *store, const char *target, int64_t after, size_t most,
		    int64_t *ret, size_t *ret_count, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_VET, WAITING, err);
	enum driver_step step = STEP_DONE;

	*ret_count = 0;
	if (!q)
		return false;
	query_text(q, "target", target);
	query_int(q, "after", after);
	query_int(q, "limit", (int64_t)most);
	while (*ret_count < most && (step = query_step(q, err)) == STEP_ROW)
		ret[(*ret_count)++] = query_get_int(q, 0);
	return step == STEP_ROW || step == STEP_DONE;
}

bool
changes_vet_mode(struct store *store, int64_t seq, bool *ret_waits, bool *ret_apply,
		 struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_VET, MODE, err);
	enum driver_step step;

	*ret_waits = *ret_apply = false;
	if (!q)
		return false;
	query_int(q, "seq", seq);
	step = query_step(q, err);
	if (step == STEP_ROW) {
		*ret_waits = query_get_text(q, 0).p != NULL;
		*ret_apply = *ret_waits && str_eq_cstr(query_get_text(q, 0), "apply");
	}
	return step == STEP_ROW || step == STEP_DONE;
}

bool
changes_vet_targets(struct store *store, void (*fn)(void *arg, const char *target), void *arg,
		    struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_VET, TARGETS, err);
	enum driver_step step;

	if (!q)
		return false;
	while ((step = query_step(q, err)) == STEP_ROW) {
		AUTO(auto_free) char *target = str_dup(query_get_text(q, 0));

		fn(arg, target);
	}
	return step == STEP_DONE;
}

bool
changes_vet_of_run(struct store *store, int64_t run, bool *ret_waits, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_CHANGES_VET, OF_RUN, err);
	enum driver_step step;

	*ret_waits = false;
	if (!q)
		return false;
	query_int(q, "run", run);
	step = query_step(q, err);
	*ret_waits = step == STEP_ROW;
	return step == STEP_ROW || step == STEP_DONE;
}
