/* Batches and their items: rows only; what may follow what is core/batch.h's grid. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_BATCHES_H
#define ROUSE_STORE_BATCHES_H

#include "store/rows.h"

struct batch_row {
	int64_t seq;
	char *id; /* NAME/START */
	char *name, *agent, *mode, *state, *reason, *error;
	char *options;	  /* JSON: what it was started with */
	char *started_by; /* NULL: its schedule */
	int64_t event;	  /* of its start */
	char *event_id;	  /* joined; NULL when it is no longer kept */
	struct wall started, ended;
	struct wall resumed; /* when it last began to go; WALL_NONE: it does not */
	int64_t worked_ms;   /* that it went before then */
	char *source_state;  /* reading ended broken */
	char *source_cursor; /* NULL: at its start */
	bool source_again;   /* it is read once more from its start: what is known is passed over */
	int64_t repeated;    /* entities that the source gave more than once */
	/* Items by state; left: what is in none of the others. */
	int64_t items, running, done, skipped, failed;
	int64_t excused; /* of skipped and failed: those that stop_after no longer counts */
	int64_t cost_uusd;
};
void batch_row_fini(struct batch_row *row);
static inline int64_t
batch_left(const struct batch_row *row)
{
	return row->items - row->running - row->done - row->skipped - row->failed;
}

struct item_row {
	int64_t batch; /* batches.seq */
	int64_t n;     /* order in which they are taken */
	char *entity, *data, *state, *reason, *error;
	int64_t run; /* runs.seq; 0 */
	/* joined */
	char *run_id;
	int64_t cost_uusd;
	struct wall started, ended;
};
void item_row_fini(struct item_row *row);

/* A new one, `running`; E_EXISTS: there is one of this id. */
bool batches_insert(struct store *store, const struct batch_row *row, int64_t *ret_seq,
		    struct err *err);
bool batches_get(struct store *store, const char *id, struct batch_row *ret, struct err *err);
bool batches_get_seq(struct store *store, int64_t seq, struct batch_row *ret, struct err *err);
/* columns: name state. */
bool batches_list(struct store *store, const struct list_query *query,
		  bool (*fn)(void *arg, const struct batch_row *row), void *arg, struct err *err);
/* Seqs of those in a state, oldest first, behind `after`; at most max. */
bool batches_in_state(struct store *store, const char *state, int64_t after, int64_t *ret_seqs,
		      size_t max, size_t *ret_count, struct err *err);
/* Of a name, newest first; fn must not write. */
bool batches_named(struct store *store, const char *name,
		   bool (*fn)(void *arg, const struct batch_row *row), void *arg, struct err *err);

struct batch_row_move {
	const char *from, *to;
	const char *reason, *error; /* NULL: cleared */
	struct wall at;
	bool ends; /* `ended` is set, otherwise cleared */
	bool goes; /* `to` is a state in which its time counts */
};
/* Compare-and-set: E_STATE when it is not in `from`. */
bool batches_move_row(struct store *store, int64_t seq, const struct batch_row_move *move,
		      struct err *err);
/* Where its source stands. error NULL: as it is. */
bool batches_source(struct store *store, int64_t seq, const char *state, struct str cursor,
		    bool again, struct err *err);
/* What went wrong, while it goes on. error NULL: nothing any more. */
bool batches_set_error(struct store *store, int64_t seq, const char *error, struct err *err);
/* Adds to the counts. */
struct batch_counts {
	int64_t items, running, done, skipped, failed, repeated;
	int64_t run; /* whose cost is added; 0 */
};
bool batches_count(struct store *store, int64_t seq, const struct batch_counts *by,
		   struct err *err);
bool batches_set_options(struct store *store, int64_t seq, const char *options, struct err *err);
/* stop_after counts from here on. */
bool batches_excuse(struct store *store, int64_t seq, struct err *err);

/* Remarks, in words: no more than BATCH_NOTES_MAX are kept. */
#define BATCH_NOTES_MAX 200
bool batch_notes_add(struct store *store, int64_t seq, struct wall at, const char *text,
		     struct err *err);
bool batch_notes_list(struct store *store, int64_t seq,
		      bool (*fn)(void *arg, struct wall at, struct str text), void *arg,
		      struct err *err);
/* How many changes of a batch stand where. */
bool batch_changes_count(struct store *store, const char *id,
			 bool (*fn)(void *arg, const char *status, int64_t n), void *arg,
			 struct err *err);

/* --- items --- */

/* *ret_new: false when the batch has this entity already; nothing changed then. */
bool items_insert(struct store *store, const struct item_row *row, bool *ret_new, struct err *err);
/* The next that are left, in order, lent to fn until it returns false; it must not write. */
bool items_next(struct store *store, int64_t batch, unsigned most,
		bool (*fn)(void *arg, const struct item_row *row), void *arg, struct err *err);
/* By the batch's id; *ret_batch 0: there is none. */
bool items_find(struct store *store, const char *batch_id, const char *entity, struct item_row *ret,
		struct err *err);
struct item_move {
	const char *from, *to, *reason, *error;
	int64_t run;	  /* 0: none */
	bool drops_data;  /* its run has it now */
	const char *data; /* it is the item's again; NULL */
};
bool items_move(struct store *store, int64_t batch, int64_t n, const struct item_move *move,
		struct err *err);
/* In order, behind n `after`; state NULL: all. Joined fields filled, data left out unless
 * with_data, then with that of its run where that has it. */
bool items_list(struct store *store, int64_t batch, const char *state, int64_t after,
		unsigned limit, bool with_data, bool (*fn)(void *arg, const struct item_row *row),
		void *arg, struct err *err);

/* What the entities of a batch that have ended cost and took: at most the first `most`. */
struct items_sample {
	int64_t n;
	double cost_sum, cost_squares; /* dollars */
	double ms_sum, ms_squares;     /* from start to end */
};
bool items_sample(struct store *store, int64_t batch, unsigned most, struct items_sample *ret,
		  struct err *err);

/* Lets go of at most `most` items of a batch; of the batch itself when none are left. *ret_gone:
 * how many; `most`, when there may be more to do. */
bool batch_drop(struct store *store, int64_t seq, const char *id, unsigned most, unsigned *ret_gone,
		struct err *err);
/* Lets go of at most `most` items of batches that ended before, and of those batches that have
 * none left and no changes. */
bool batches_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
		    struct err *err);

#endif
