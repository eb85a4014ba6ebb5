/* Spools: the folder that roused and one rouse-shim share for one attempt. The contract of both. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_SPOOL_H
#define ROUSE_IO_SPOOL_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct event_base;

/* STATE_DIR/spool/wake          FIFO; a shim writes "RUN_ID.ATTEMPT\n" when there is something new
 * STATE_DIR/spool/RUN_ID.N/
 *   job     written by roused before the start: what to run (spool_job)
 *   shim    written by the shim at its start: "PID START\n"
 *   agent   "PID START\n" of the agent
 *   out     what the agent wrote on standard output, appended
 *   err     its standard error, appended, at most err_max
 *   ctl     FIFO: roused to shim, one line each: ">LINE" goes to the agent's standard input;
 *           "C REASON" cancels; "D MS" moves the deadline by MS (may be negative); "E" closes stdin
 *   status  written by the shim at the end, whole or not at all (spool_status)
 * Files are created 0600, folders 0700. */

struct spool_job {
	const char *id;           /* RUN_ID.ATTEMPT */
	const char *const *argv;
	const char *const *envp;
	const char *workdir;
	const char *user;         /* NULL: as the daemon; only root may change it */
	struct str input;         /* first bytes of standard input: the envelope and its line end */
	bool keep_stdin;          /* messages may follow: standard input stays open */
	int64_t deadline_ms;      /* from the start; 0: none */
	int64_t grace_ms;         /* SIGTERM to SIGKILL */
	int64_t linger_ms;        /* how long what the agent leaves behind may live after its exit */
	int64_t out_max, err_max; /* bytes; more output ends the run with reason "output"; err is cut */
	int64_t memory_max, cpu_time_s, files, processes, umask, nice; /* rlimits; -1: as inherited */
};

/* How it ended. */
struct spool_status {
	bool exec_failed;    /* the program could not be started: error says why */
	char *error;         /* owned; NULL */
	int exec_errno;
	int exit_code;       /* -1 when a signal ended it */
	int signal;          /* 0 when it exited */
	char *reason;        /* owned; NULL (by itself), "cancel", "deadline", "output" */
	int64_t out_bytes, err_bytes;
	bool err_truncated;
	int64_t started_ms, ended_ms; /* wall clock */
	int64_t max_rss_bytes, cpu_ms;
	int killed;          /* descendants that had to be killed */
};
void spool_status_fini(struct spool_status *status);

/* Makes the folder with job, out, err, ctl. */
bool spool_create(const char *dir, const struct spool_job *job, struct err *err);
/* For the shim. Everything of *ret belongs to one block that spool_job_free() frees. */
bool spool_job_read(const char *dir, struct spool_job **ret, struct err *err);
void spool_job_free(struct spool_job *job);
bool spool_status_write(const char *dir, const struct spool_status *status, struct err *err);
/* E_NOT_FOUND while there is none. */
bool spool_status_read(const char *dir, struct spool_status *ret, struct err *err);
/* Is the shim of this folder alive? */
bool spool_shim_alive(const char *dir, pid_t *ret_pid, uint64_t *ret_start);
/* Reads of `out` from offset at most max bytes, appended to out. */
bool spool_read_out(const char *dir, int64_t offset, size_t max, struct buf *out, struct err *err);
bool spool_read_err(const char *dir, int64_t offset, size_t max, struct buf *out, struct err *err);
/* Sends a control line; E_NOT_FOUND when no shim listens, E_FULL when its pipe is full. */
bool spool_control(const char *dir, struct str line, struct err *err);

/* The daemon's end of `wake`. on_wake gets each RUN_ID.ATTEMPT (as often as it was written). */
struct spool_wake;
struct spool_wake *spool_wake_new(struct event_base *base, const char *root,
				  void (*on_wake)(void *arg, struct str id), void *arg, struct err *err);
void spool_wake_free(struct spool_wake *wake);
/* Calls fn for each RUN_ID.ATTEMPT folder of root. */
bool spool_each(const char *root, void (*fn)(void *arg, const char *id), void *arg, struct err *err);

#endif
