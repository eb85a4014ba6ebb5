/* Retention: what is old enough goes, in slices that do not hold up the loop. SPEC 3, [retention].
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_RETENTION_H
#define ROUSE_STORE_RETENTION_H

#include "store/store.h"

enum retention {
	RETAIN_RUNS,	  /* that have ended: with their event, attempts, log and gates; not while a
			     change is theirs */
	RETAIN_EVENTS,	  /* that have no run */
	RETAIN_DOCUMENTS, /* of events, once their run has ended */
	RETAIN_LOGS,	  /* of runs that have ended */
	RETAIN_CHANGES,	  /* that nothing more happens to */
	RETENTIONS
};

/* Looks at the next `most` rows that are older than before, oldest first, and lets go of what may
 * go, within the turn. *ret_gone: how many went. *ret_through: all that old were looked at; the
 * next call begins anew. The newest row of a table always stays, so that no seq is given twice.
 * Keys have keys_expire(). */
bool retention_apply(struct store *store, enum retention what, struct wall before, unsigned most,
		     unsigned *ret_gone, bool *ret_through, struct err *err);

/* The same for replays that began before, or are to be forgotten: at most `most` of what one of
 * them proposed, of its runs, of its entities, and at last the replay. *ret_gone 0: there is none
 * any more. */
bool replays_expire(struct store *store, struct wall before, unsigned most, unsigned *ret_gone,
		    struct err *err);

#endif
