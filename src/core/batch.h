/* Batches: one agent over many entities, one run an entity. Rules only; rows are store/batches.h's.
 * SPEC 11. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_BATCH_H
#define ROUSE_CORE_BATCH_H

#include "core/entities.h"
#include "core/registry.h"
#include "store/batches.h"

#define BATCH_STATES(X)                                                                            \
	X(BATCH_RUNNING, "running")                                                                \
	X(BATCH_REVIEW, "review")                                                                  \
	X(BATCH_APPLYING, "applying")                                                              \
	X(BATCH_DONE, "done")                                                                      \
	X(BATCH_PAUSED, "paused")                                                                  \
	X(BATCH_CANCELLED, "cancelled")                                                            \
	X(BATCH_FAILED, "failed")
enum batch_state {
#define X(id, name) id,
	BATCH_STATES(X)
#undef X
		BATCH_STATE_COUNT,
	BATCH_NOWHERE = -1
};
enum batch_event {
	BATCH_PAUSE,
	BATCH_RESUME,
	BATCH_CANCEL,
	BATCH_FAIL,	     /* it stopped by itself */
	BATCH_ENTITIES_DONE, /* the last entity has ended */
	BATCH_APPLY_BEGINS,
	BATCH_APPLY_STOPS, /* what is left of it waits for a person again */
	BATCH_APPLY_DONE,  /* nothing of it is left to decide or to apply */
	BATCH_EVENTS
};
const char *batch_state_name(enum batch_state state);
enum batch_state batch_state_of(const char *name); /* BATCH_NOWHERE when unknown */
enum batch_state batch_next(enum batch_state state, enum batch_event ev);

/* --- what a section says --- */

struct batch_settings {
	const struct conf_section *section; /* NULL: of a replay */
	const struct agent *agent;
	struct run_limits limits; /* of each entity's run */
	int64_t concurrency;
	bool stages, shuffled;
	int priority;
	const char *intent, *tenant;
	/* stop_after: so many entities that did not end well (0: on_failure = continue), or this
	 * share of those that ended (NAN: no share). */
	int64_t stop_count;
	double stop_share;
	int64_t deadline_ms; /* of the whole; 0: none */
};
/* E_NOT_FOUND: there is no [batch NAME], or its agent is gone. Borrows from the registry. */
bool batch_settings_get(const struct registry *registry, const char *name,
			struct batch_settings *ret, struct err *err);
/* Those of a batch that is there: of its section, or of a replay. */
bool batch_settings_of(const struct registry *registry, const struct batch_row *row,
		       struct batch_settings *ret, struct err *err);
/* The conf_check of [batch X]. */
void batch_check(const struct conf_section *section, struct conf_report *report);
/* stop_after: "10", or "5%" or "0.05". */
bool batch_stop_parse(struct str text, int64_t *ret_count, double *ret_share);
/* Fewer ended entities than this are no share. */
#define BATCH_SHARE_LEAST 20

/* --- life --- */

struct batches *batches_new(struct core *core);
void batches_free(struct batches *batches);
/* Goes on with what an earlier daemon had begun. After the first registry and the queue. */
bool batches_load(struct core *core, struct err *err);
/* Another generation is in force. */
void batches_reload(struct core *core);
/* Looks at it in this turn: there may be something to do. */
void batches_wake(struct core *core, int64_t seq);

/* By its id. */
void batches_wake_id(struct core *core, const char *id);

/* What a batch is started with. Strings are copied. */
struct batch_options {
	int64_t limit, trial; /* 0: none */
	const json_t *only;   /* array of keys; NULL: all */
	/* Ids: its entities are those of these batches that are in this state; NULL. */
	const char *failed, *skipped;
	const char *by;	     /* NULL: its schedule */
	struct wall nominal; /* of its schedule; WALL_NONE: now */
};
#define BATCH_ONLY_MAX 1000
#define BATCH_TRIAL_MAX 10000
/* A new batch of [batch NAME]. In the turn. E_STATE: one of this name is running. E_EXISTS: the
 * nominal time had its batch. ret_id: owned. */
bool batch_start(struct core *core, const char *name, const struct batch_options *options,
		 char **ret_id, struct err *err);
/* The same with its settings and plan (JSON text) at hand. */
bool batch_begin(struct core *core, const struct batch_settings *settings, const char *name,
		 const struct batch_options *options, const char *plan, char **ret_id,
		 struct err *err);
/* By an id, or by a name where one alone is meant: the one that is not done, or else the newest.
 * E_NOT_FOUND; E_INVALID: there are several. */
bool batch_find(struct core *core, const char *word, struct batch_row *ret, struct err *err);
/* By a person; why may be NULL. A batch that failed resumes too. E_STATE. In the turn. */
bool batch_pause(struct core *core, const char *word, const char *by, const char *why,
		 struct err *err);
bool batch_resume(struct core *core, const char *word, const char *by, const char *why,
		  struct err *err);
bool batch_cancel(struct core *core, const char *word, const char *by, const char *why,
		  struct err *err);
/* Moves it along ev, in the turn. E_STATE if the grid forbids it; then nothing changed. reason: one
 * word, error: a sentence; NULL. Where it leads is told, and the batch is looked at. */
bool batch_move(struct core *core, int64_t seq, enum batch_event ev, const char *reason,
		const char *error, struct err *err);

/* A run with `batch` has reached its final status; called in the turn that writes it. */
bool batch_run_ended(struct core *core, const struct run_row *run, const char *status,
		     const char *reason, struct err *err);
/* What an end means for the entity: done skipped failed. */
const char *batch_outcome(const char *status, const char *reason);

/* When the schedule of [batch NAME] starts it next; WALL_NONE: it does not. */
struct wall batch_next_start(struct core *core, const char *name);

/* --- seen from outside --- */

/* A batch as SPEC 13's object. full: with settings, notes, estimate. */
json_t *batch_object(struct core *core, const struct batch_row *row, bool full);
/* What all of it would cost and take, from those that have ended; NULL: none has. For trials: it
 * reads what became of each. */
json_t *batch_estimate(struct core *core, const struct batch_row *row);
json_t *batch_item_object(const struct item_row *row);

/* Gauges of those that go on. */
void batches_print(struct core *core, struct buf *out);

/* --- for the files of batch --- */

struct live;
/* NULL: it does not go on. */
struct live *batch_live(struct core *core, int64_t seq);
void batch_tell(struct core *core, const char *id, const char *state);

#endif
