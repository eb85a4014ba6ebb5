/* What an executor of runs is: the vtable of plugins/agents/. SPEC 6. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_AGENT_H
#define ROUSE_CORE_AGENT_H

#include "core/attempt.h"

struct agent_kind {
	const char *name;
	const struct conf_table *table;
	bool is_program; /* it is started here, with an environment of ours */
	/* Begins the attempt: its claim is on disk. Sets attempt->executor (JSON text that adopt()
	 * understands; it is stored by the caller). Output goes to attempt_bytes() or
	 * attempt_line(), the end to attempt_exit(), later, never from within. A failure here ends
	 * the attempt as `permanent` or, where err_again, is retried. */
	bool (*start)(struct attempt *attempt, struct str envelope, struct err *err);
	/* Finds the executor of an attempt that an earlier daemon started; output goes on at
	 * attempt->offset. E_NOT_FOUND: it had not begun, nobody has read the envelope (the attempt
	 * counts for nothing); else it is gone without a word (the attempt is lost). */
	bool (*adopt)(struct attempt *attempt, struct err *err);
	/* A line for the agent (decision, input, budget, cancel); without line end. */
	bool (*send)(struct attempt *attempt, struct str line, struct err *err);
	/* Stops it: cancel message, SIGTERM, grace, SIGKILL to the tree. attempt_exit() follows. */
	void (*cancel)(struct attempt *attempt, const char *reason);
	/* Frees attempt->state. over: the attempt has ended and its rows are on disk, so that what
	 * it left behind may be removed; not over: this daemon ends, and the next one takes it up.
	 */
	void (*release)(struct attempt *attempt, bool over);
	/* Its deadline stands from now on while a person decides, or goes on. Told again when an
	 * attempt is taken up. NULL: there is no clock of its own. */
	void (*stand)(struct attempt *attempt, bool stands);
	/* Is this a process of the attempt? NULL: it has none here. */
	bool (*has)(const struct attempt *attempt, pid_t pid);
	/* The turn that took output failed: go back to attempt->offset and read again later. */
	void (*rewind)(struct attempt *attempt);
	/* From now on it is stopped in ms, if its own grace is longer. NULL: it always is. */
	void (*hurry)(struct attempt *attempt, int64_t ms);
	/* Bytes that it has printed, on whatever stream and read or not: more of them are a sign of
	 * life. -1: its executor gives none at all, and its lease is not renewed. NULL: what
	 * attempt_line() hears is all there is. */
	int64_t (*pulse)(const struct attempt *attempt);
	/* Processes that wait for a next turn go; session NULL: all of them. NULL: it keeps none.
	 */
	void (*dismiss)(struct core *core, const char *session, const char *why);
	/* Where its programs work, and leave files; NULL: nobody knows. May be NULL. */
	const char *(*folder)(const struct agent *agent);
	/* What is kept for a session, as an object: {"pid","turns","since",...}; NULL: nothing. */
	json_t *(*keeps)(struct core *core, const char *session);
	/* Is this one of its processes, between turns or in one? */
	bool (*kept_has)(struct core *core, const char *session, pid_t pid);
	/* Looks at all agents of the kind once the configuration is whole. May be NULL. */
	void (*check_all)(const struct registry *registry, struct conf_report *report);
	/* Who starts its runs here: {"runs": WORD, "executor": sentence}, and "refused": sentence,
	 * where it was to be another one; NULL: nothing is to be said. */
	json_t *(*means)(struct core *core);
};

#endif
