/* Notifications: what the room that keeps them shares with the one that sends them. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_NOTIFY_INSIDE_H
#define ROUSE_CORE_NOTIFY_INSIDE_H

#include "base/list.h"
#include "core/notify_kind.h"

/* One [notify NAME]. */
struct notifier {
	LIST_ENTRY(notifier) entry;
	struct core *core;
	char *name;
	/* As configured now; section NULL: it is gone, and what is on its way is the last. */
	const struct conf_section *section;
	const struct notify_kind *kind;
	unsigned wants; /* bits of enum notify_event */
	int64_t gather_ms, gap_ms, timeout_ms;
	struct retry_policy retry;
	bool links;
	/* What goes on. */
	struct notify_job *job; /* NULL: nothing is under way */
	bool raised;		/* in this turn */
	struct mono due;	/* next look; ms -1: none is needed */
	struct mono next;	/* a new message not before */
};

struct notify {
	struct core *core;
	LIST_HEAD(, notifier) notifiers;
	LIST_HEAD(, notify_job) jobs;
	unsigned wants; /* of all */
	bool stirred;	/* the end of the turn is waited for */
	struct core_timer *timer;
};

/* --- notify_send.c --- */

/* In ms, unless it looks earlier. */
void notifier_wake(struct notifier *notifier, int64_t ms);
/* Gives up what waits. */
bool notifier_give_up(struct notifier *notifier, const char *why, struct err *err);
void notify_jobs_free(struct notify *notify);

#endif
