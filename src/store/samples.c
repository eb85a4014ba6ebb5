/* Samples: changes drawn at random, and what became of them. Rows only. */
/* SPDX-License-Identifier: MIT */
#include "store/samples.h"

#include "store/internal.h"

static const struct field sample_fields[] = {
	FIELD(sample_row, seq, "seq", FIELD_INT),
	FIELD(sample_row, id, "id", FIELD_TEXT),
	FIELD(sample_row, scope, "scope", FIELD_TEXT),
	FIELD(sample_row, seed, "seed", FIELD_INT),
	FIELD(sample_row, population, "population", FIELD_INT),
	FIELD(sample_row, last_seq, "last_seq", FIELD_INT),
	FIELD(sample_row, digest, "digest", FIELD_TEXT),
	FIELD(sample_row, confidence, "confidence", FIELD_SHARE),
	FIELD(sample_row, max_defect, "max_defect", FIELD_SHARE),
	FIELD(sample_row, drawn_by, "drawn_by", FIELD_TEXT),
	FIELD(sample_row, at, "at", FIELD_WALL),
};
static const struct shape sample_shape = {sample_fields, ARRAY_LEN(sample_fields),
					  sizeof(struct sample_row)};

#define EDITED                                                                                     \
	"EXISTS (SELECT 1 FROM decisions d WHERE d.object = 'change' AND d.object_id = c.id AND "  \
	"d.decision = 'edit' AND d.at >= s.at)"

enum { INSERT, ADD, BY_ID, LATEST, ITEMS, COUNT, STATEMENTS };

static const struct statement list[] = {
	[INSERT] = {"INSERT INTO samples (id, scope, seed, population, last_seq, digest, "
		    "confidence, max_defect, drawn_by, at) VALUES (:id, :scope, :seed, "
		    ":population, :last_seq, :digest, :confidence, :max_defect, :drawn_by, :at) "
		    "RETURNING seq",
		    &sample_shape},
	[ADD] = {"INSERT INTO sample_items (sample, n, change, digest) SELECT :sample, :n, seq, "
		 "digest "
		 "FROM changes WHERE seq = :change",
		 NULL},
	[BY_ID] = {"SELECT * FROM samples WHERE id = :id", &sample_shape},
	[LATEST] = {"SELECT * FROM samples WHERE scope = :scope ORDER BY seq DESC LIMIT 1",
		    &sample_shape},
	[ITEMS] = {"SELECT c.id, c.seq FROM sample_items i JOIN changes c ON c.seq = i.change "
		   "WHERE i.sample = :sample ORDER BY i.n",
		   NULL},
	[COUNT] = {"SELECT COUNT(*), SUM(c.status = 'proposed' AND NOT " EDITED "), "
		   "SUM(c.status NOT IN ('proposed', 'rejected', 'superseded') AND NOT " EDITED
		   ") FROM sample_items i JOIN samples s ON s.seq = i.sample JOIN changes c ON "
		   "c.seq = i.change WHERE i.sample = :sample",
		   NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements samples_statements = {"samples", list, STATEMENTS};

void
sample_row_fini(struct sample_row *row)
{
	row_fini(&sample_shape, row);
}

bool
samples_insert(struct store *store, const struct sample_row *row, int64_t *ret_seq, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_SAMPLES, INSERT, err);
	if (!q)
		return false;
	query_row(q, row);
	return query_number(q, 0, ret_seq, err) && query_run(q, NULL, err);
}

bool
samples_add(struct store *store, int64_t sample, int64_t n, int64_t change, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_SAMPLES, ADD, err);
	if (!q)
		return false;
	query_int(q, "sample", sample);
	query_int(q, "n", n);
	query_int(q, "change", change);
	return query_run(q, NULL, err);
}

bool
samples_get(struct store *store, const char *id, struct sample_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_SAMPLES, BY_ID, err);
	if (!q)
		return false;
	query_text(q, "id", id);
	return query_one(q, ret, "this sample", err);
}

bool
samples_latest(struct store *store, const char *scope, struct sample_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_SAMPLES, LATEST, err);
	if (!q)
		return false;
	query_text(q, "scope", scope);
	return query_one(q, ret, "a sample of it", err);
}

bool
samples_items(struct store *store, int64_t sample,
	      bool (*fn)(void *arg, const char *id, int64_t seq), void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_SAMPLES, ITEMS, err);
	if (!q)
		return false;
	query_int(q, "sample", sample);
	while ((step = query_step(q, err)) == STEP_ROW)
		if (!fn(arg, query_get_text(q, 0).p, query_get_int(q, 1)))
			return true;
	return step == STEP_DONE;
}

bool
samples_count(struct store *store, int64_t sample, struct sample_counts *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_SAMPLES, COUNT, err);
	*ret = (struct sample_counts){0};
	if (!q)
		return false;
	query_int(q, "sample", sample);
	if (query_step(q, err) != STEP_ROW)
		return false;
	ret->size = query_get_int(q, 0);
	ret->open = query_get_int(q, 1);
	ret->good = query_get_int(q, 2);
	ret->wrong = ret->size - ret->open - ret->good;
	return true;
}
