/* rouse-shim: the parts of one carried run. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_SHIM_H
#define ROUSE_SHIM_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "io/spool.h"

#define SHIM_NEVER INT64_MAX
enum { DRAIN_BYTES = 65536 };

/* --- shim_pipes.c --- */

/* One output of the agent, on its way to a file. What has been read and not yet written is kept
 * while the disk is full; the agent's pipe then stays unread, and holds the agent up. */
struct drain {
	int pipe; /* -1: ended */
	int file;
	int64_t bytes, max;
	bool over;	  /* the agent wrote more than max; the rest is thrown away */
	bool failed;	  /* the file cannot be written, and not for want of space */
	int64_t retry_at; /* SHIM_NEVER unless the disk was full */
	char held[DRAIN_BYTES];
	size_t held_at, held_len;
};
/* Moves what is there, at most some MiB at once. True when the file has grown. */
bool drain_run(struct drain *drain, int64_t now);

/* The agent's standard input. */
struct feed {
	int pipe; /* -1: closed */
	struct buf queue;
	size_t done;  /* bytes of queue that are written */
	bool closing; /* after what is queued */
};
void feed_run(struct feed *feed);
/* False when so much waits already that line was dropped. */
bool feed_line(struct feed *feed, struct str line);
void feed_close(struct feed *feed); /* after what is queued */
bool feed_waits(const struct feed *feed);

/* The daemon's pipe, if there is a daemon. */
struct waker {
	int fd; /* -1: not open */
	struct str line;
	bool pending;
	int64_t not_before;
};
void waker_run(struct waker *waker, int64_t now);

/* --- shim_agent.c --- */

/* Starts what job says with these three as 0, 1, 2. */
bool agent_start(const struct spool_job *job, const int fds[3], pid_t *ret_pid, int *ret_errno,
		 struct err *err);
/* SIGTERM to every descendant; stopped ones are woken for it. */
void agent_terminate(void);
/* One round of SIGKILL to every descendant. */
void agent_kill(void);
/* How many the kernel has killed for want of the memory that the run may have. */
int agent_oom_kills(void);
/* Writes "PID START\n" into a file; E_EXISTS when one stands there. */
bool who_write(const char *file, pid_t pid, struct err *err);

#endif
