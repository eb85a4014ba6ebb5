/* The audit log: every decision and every administrative act, with its answer. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_AUDIT_H
#define ROUSE_CORE_AUDIT_H

#include "core/core.h"

/* Borrowed; NULL where there is none. */
struct audit_act {
	const char *who;    /* "maria", "token:ci", "link:ops", "signal" */
	const char *via;    /* where from, in words: an address, "socket, process 4242" */
	const char *act;    /* "POST /v1/changes/{id}/approve", "SIGHUP" */
	const char *object; /* what it is about */
	const char *scope;  /* that it needs */
	struct str request; /* what was said with it; kept cut, and only where it is text */
};

/* In the turn of the act, before it: both are kept, or neither. The row's number for audit_end(); 0
 * when it could not be written, which is logged: the act itself goes on. */
int64_t audit_begin(struct core *core, const struct audit_act *act);
/* What it was answered: status of HTTP, error in words or NULL. Also logged. */
void audit_end(struct core *core, int64_t seq, const struct audit_act *act, int status,
	       const char *error);
/* An act that is done and answered at once. */
void audit_note(struct core *core, const struct audit_act *act, int status, const char *error);
/* Somebody was refused. Of many at once only the first are kept; how many others there were says
 * the next. */
void audit_refused(struct core *core, const struct audit_act *act, int status, const char *error);

#endif
