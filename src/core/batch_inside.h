/* One batch that goes on: shared by the files of batch. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_BATCH_INSIDE_H
#define ROUSE_CORE_BATCH_INSIDE_H

#include "base/map.h"
#include "core/batch.h"

/* Ends of the last minute, for the rate. */
#define RATE_BUCKETS 12
#define RATE_BUCKET_MS 5000

/* What a batch was started with, as it is kept in its row. */
struct batch_plan {
	int64_t limit, trial; /* 0: none */
	bool shuffled;
	uint64_t seed;
	char *failed, *skipped; /* ids of batches; NULL */
	json_t *only;		/* object: a member a key; NULL: all */
	json_t *replay;		/* which runs; NULL: it is no replay */
};
void plan_read(const char *options, struct batch_plan *ret);
void plan_fini(struct batch_plan *plan);
/* With `trial` taken out: it goes on whole. */
void plan_whole(const char *options, struct buf *out);
/* Place of the i-th entity that was read (from 1) in the order in which they are taken. */
int64_t plan_place(const struct batch_plan *plan, int64_t i);

struct live {
	struct core *core;
	int64_t seq;
	char *id, *name;
	struct batch_plan plan;
	struct core_timer *step, *clock;
	bool armed;
	bool sweeping; /* it was cancelled: what runs is stopped */
	int64_t swept; /* of its items, up to this one */

	/* Its source, while that is read. */
	struct registry *registry; /* the generation that place is of; NULL: it is not open */
	const struct entity_kind *kind;
	struct entity_reader *reader;
	bool reading;	   /* a page is under way */
	int64_t passed;	   /* entities of this reading that the batch had had */
	bool looked;	   /* at the end of a source that grows, since the last entity ended */
	struct mono retry; /* of a turn that failed: not before */

	int64_t ends[RATE_BUCKETS], bucket; /* the bucket counted last, on the steady clock */
	UT_hash_handle hh;
};

struct batches {
	struct core *core;
	struct live *by_seq;
	/* Schedules. */
	struct appointment *appointments;
	int timer_fd; /* -1: there is none */
	struct event *timer_event;
	struct core_timer *retry;
	bool retrying;
};

/* --- batch_go.c --- */

struct live *live_new(struct core *core, const struct batch_row *row);
void live_free(struct live *live);
void live_wake(struct live *live, int64_t ms);

/* --- batch_admit.c --- */

/* Makes runs of entities that are left: as many as may run at once, and as the money that is left
 * allows (affordable). */
bool live_admit(struct live *live, const struct batch_row *row,
		const struct batch_settings *settings, int64_t affordable, struct err *err);

/* --- batch_read.c --- */

/* Asks its source for the next page. */
void live_read(struct live *live, const struct batch_row *row);
/* What is open is closed; what was not kept is read again. */
void live_close(struct live *live);

/* --- batch_again.c --- */

/* Entities of earlier batches that did not end well. */
extern const struct entity_kind again_entities;
bool again_open(struct core *core, const struct batch_plan *plan, struct str cursor,
		struct entity_reader **ret, struct err *err);

/* --- replay_read.c --- */

/* Runs that have ended, as entities. */
extern const struct entity_kind replay_entities;
bool replay_open(struct core *core, const struct batch_plan *plan, struct str cursor,
		 struct entity_reader **ret, struct err *err);

/* --- batch_schedule.c --- */

void schedules_set(struct batches *batches);
void schedules_free(struct batches *batches);

#endif
