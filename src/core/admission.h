/* One admission on its way: shared by the files of admit. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_ADMISSION_H
#define ROUSE_CORE_ADMISSION_H

#include "base/uuid.h"
#include "core/admit.h"
#include "core/event.h"

/* What a program gave: JSON text, nothing at all, or an error. */
struct mapped {
	enum { MAPPED_NONE, MAPPED_PENDING, MAPPED_VALUE, MAPPED_EMPTY, MAPPED_FAILED } state;
	struct buf json;
	struct err err;
};

struct admission {
	struct core *core;
	struct registry *registry;
	const struct trigger *trigger; /* NULL: an invocation */
	const struct agent *agent;
	struct uuid event_id;
	struct wall at;
	struct buf document;
	struct mapped mapped[PROGRAMS];
	int pending;

	struct buf cursor, cursor_idle, natural_key, correlation, traceparent, came_with, schedule,
		tenant, user, session, session_id;
	struct cause cause;
	enum overlap overlap;
	const char *refused_as;
	char *refused, *unreadable, *replay_of;
	uint64_t fingerprint;
	bool caller_waits, by_hand, again, stage, by_change, has_key;
	enum trust trust;
	struct buf fact_bytes; /* all items and values, in turn */
	struct fact *facts;    /* into fact_bytes */
	size_t fact_count;

	/* What came of it. */
	struct admission_result result;
	struct buf key, rule, entity;
	struct err err;
	admit_on_done *on_done;
	admit_on_tested *on_tested;
	void *arg;
};

/* The text of a mapped value: a string without its quotes, anything else as JSON. false: nothing or
 * null. */
bool mapped_text(const struct mapped *mapped, struct buf *out);
/* The word for what becomes of the event, and the rule that said so. Returns true: nothing runs. */
bool outcome_set(struct admission *a, const char *outcome, const char *fmt, ...) PRINTF(3, 4);
/* What the programs and the trigger's own settings say. True: nothing runs. */
bool mapping_decides(struct admission *a);
/* Switches and rates. True: nothing runs. */
bool door_is_shut(struct admission *a);
/* Writes the event with its outcome. run: seq of its run, 0: none. */
bool event_keep(struct admission *a, int64_t run);

/* --- admit_key.c --- */

/* A known key is its run's, whatever else goes on: only a new one can be refused, and stays free
 * then. */
bool key_is_known(struct admission *a, bool *ret_known);
/* Claims the admission's key, if it has one. owner: seq of its run; below 0: of its event, whose
 * run is still to be made. *ret_known: whose it is already, in the same way; 0: it was new. */
bool key_claim(struct admission *a, int64_t owner, int64_t *ret_known, bool *ret_same_print);
/* The key is another's: the event is kept as its replay. */
bool replay_keep(struct admission *a, int64_t known, bool same_print);

#endif
