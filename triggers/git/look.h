/* One look at a repository, by rouse-git in a process of its own: what is asked, what it answers.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_GIT_LOOK_H
#define ROUSE_TRIGGERS_GIT_LOOK_H

#include "core/core.h"

struct look;
/* Once, unless look_cancel() came first. answer: all that was said, may be cut off; died: why it
 * did not come to its end ("" when it ended by itself). */
typedef void look_on_done(void *arg, struct str answer, const char *died);
/* Asks: a line of JSON, then lines "OID REF" (git_parts.h). It is killed after timeout_ms. */
struct look *look_start(struct core *core, struct str request, int64_t timeout_ms,
			look_on_done *on_done, void *arg, struct err *err);
/* Kills it; nothing comes any more. */
void look_cancel(struct look *look);
/* Waits no longer for those that were cancelled: for the end of the daemon. */
void looks_forget(void);

/* A line of the answer. */
struct look_line {
	enum {
		LOOK_LEARN,   /* id, ref */
		LOOK_CHANGE,  /* id, ref, cause, data */
		LOOK_DEEP,    /* from here on it reads what is in the repository */
		LOOK_END,     /* data: {"refs","more","unreadable"} */
		LOOK_TROUBLE, /* data: a JSON string */
		LOOK_NONE     /* nothing whole is left */
	} kind;
	struct str id; /* 40 hexadecimal digits; all 0: the ref is gone */
	struct str ref, cause, data;
};
/* Takes the next line off the front of *rest. What is not as it should be ends the answer
 * (LOOK_NONE): the helper works over what strangers wrote, and is not believed blindly. */
struct look_line look_next(struct str *rest);

#endif
