/* Spools: the folder that roused and one rouse-shim share for one attempt. The contract of both. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_SPOOL_H
#define ROUSE_IO_SPOOL_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct event_base;

/* STATE_DIR/spool/wake   FIFO; a shim writes "RUN_ID.ATTEMPT\n" when there is something new
 * STATE_DIR/spool/RUN_ID.N/
 *   job         written by roused before the start: what to run (spool_job); the shim wipes it when
 *               it has read it, for it holds the agent's secrets
 *   shim        written by the shim at its start: "PID START\n"
 *   agent       "PID START\n" of the agent
 *   out         what the agent wrote on standard output, appended
 *   err         its standard error, appended, at most err_max
 *   ctl         FIFO: roused to shim, one line each: ">LINE" goes to the agent's standard input;
 *               "C REASON" cancels; "G MS" makes its grace MS at most; "D MS" moves the deadline by
 *               MS (may be negative); "E" closes stdin; "S MS": the deadline stands (a person
 *               decides), but for at most MS, so that a daemon that does not come back keeps no
 *               agent; 0: it goes on, later by as long; "@NAME" says that ctl.NAME holds such
 *               lines (long ones, which a FIFO cuts)
 *               of a shim whose agent waits: "N RUN_ID.ATTEMPT": take the job of that folder, there
 *               the rest is as for a start; "T": the turn is over, its result was heard
 *   ctl.early   lines for a shim that was started and does not listen yet
 *   status      written by the shim at the end, whole or not at all (spool_status)
 *   unit        written by roused, where the shim is the main process of a unit of systemd:
 *               "system NAME" or "user NAME", by whose manager it is
 *   session     written by roused, where the agent is to stay for the next turn of its session
 *               (core/session.h): whose, and what it may be used for
 *   why         written by the shim: why an agent that waited for its next turn has gone
 * Files are created 0600, folders 0700; of a run whose unit has another user than the daemon 0666
 * and 0777: nobody comes by the folders above, and its unit has this one folder (BindPaths=). job
 * and status are fields "NAME LENGTH\nBYTES\n" below a first line with a version; who reads skips
 * names that it does not know: versions can meet. A job whose agent is held to something has
 * version 2, one whose agent stays has version 3, so that no shim that is too old to see to it
 * starts it.
 *
 * An agent that stays: its turn ends with the line of its result. Then the shim writes the status
 * (kept), lets go of what it has open in the turn's folder, and waits in its home, the folder that
 * it was started in. Who writes the file shim of a folder has its job, and nobody else: a turn that
 * was announced and not begun can be given to another shim. */

struct spool_job {
	const char *id; /* RUN_ID.ATTEMPT */
	const char *const *argv;
	const char *const *envp;
	const char *workdir;
	const char *user;    /* NULL: as the daemon; only root may change it */
	struct str input;    /* first bytes of standard input: the envelope and its line end */
	bool keep_stdin;     /* messages may follow: standard input stays open */
	int64_t deadline_ms; /* from the start; 0: none */
	int64_t grace_ms;    /* SIGTERM to SIGKILL */
	int64_t linger_ms;   /* how long what the agent leaves behind may live after its exit */
	int64_t out_max,
		err_max; /* bytes; more output ends the run with reason "output"; err is cut */
	int64_t memory_max, cpu_time_s, files, processes, umask,
		nice;	   /* rlimits; -1: as inherited */
	int64_t file_size; /* bytes of one file that the agent writes; 0, -1: as inherited */
	int64_t cpu_milli; /* thousandths of a processor for the run, where it has a group; -1 */

	/* What it is held to: struct confine_rules, with argv. */
	bool no_network, few_files, read_all;
	const char *const *paths; /* NULL at the end; may be NULL */

	const char *cgroup; /* leaf that it runs in; NULL: none. Not of a shim in a unit, whose
			       group is below that of its unit */
	int64_t as_uid;	    /* the user as whom its shim must run already; -1: whoever it is */

	bool session;	 /* it stays after its result, for another turn */
	int64_t idle_ms; /* ... so long at most */

	/* What user stands for, looked up by spool_create(): for the shim, which is linked without
	 * NSS. */
	bool change_user;
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t group_count;

	/* Of the folder, not of the job: the shim is of another user than the daemon. */
	bool shared;
};

/* How it ended. */
struct spool_status {
	bool exec_failed; /* the program could not be started: error says why, exit_code is -1 */
	char *error;	  /* owned; NULL */
	int exec_errno;
	int exit_code; /* -1 when a signal ended it */
	int signal;    /* 0 when it exited */
	char *reason;  /* owned; NULL (by itself), "deadline", "output", or what "C REASON" said
			  ("cancel") */
	int64_t out_bytes, err_bytes;
	bool err_truncated;
	int64_t started_ms, ended_ms; /* wall clock */
	int64_t worked_ms; /* from its start to its exit, without what its deadline stood; 0: an
			      older shim, which does not say */
	int64_t max_rss_bytes, cpu_ms;
	int killed;    /* descendants that had to be killed */
	int oom_kills; /* by the kernel, for want of the memory that its group may have */
	bool kept;     /* it has said its result, and waits for the next turn; exit_code is 0 */
	int turn;      /* of this process: 1 is the one that it was started for */
	bool unread;   /* it ended without having read a byte of a later turn's envelope */
};
void spool_status_fini(struct spool_status *status);

/* Makes the folder with job, out, err, ctl; nothing is left when it fails. E_EXISTS; E_NOT_FOUND
 * for an unknown user, E_DENIED for one that we may not become. job->id, argv and workdir are
 * needed. */
bool spool_create(const char *dir, const struct spool_job *job, struct err *err);
/* The same in a folder of the pool where there is one. pool NULL: always a new one. */
struct spool_pool;
bool spool_create_from(struct spool_pool *pool, const char *dir, const struct spool_job *job,
		       struct err *err);

/* Folders that ended attempts left, to be used again: ROOT/.free, empty at the start. */
struct spool_pool *spool_pool_new(const char *root, struct err *err);
void spool_pool_free(struct spool_pool *pool);
/* Takes the folder of an ended attempt out of the way; owned, its new name. NULL: it could not be.
 */
char *spool_pool_retire(struct spool_pool *pool, const char *dir);
/* Makes the folder of an ended attempt as it is before a start; on any thread. False: it holds what
 * it should not, or cannot be written; remove it. */
bool spool_pool_clean(const char *dir);
/* Keeps a clean folder. False: there are enough; remove it. */
bool spool_pool_give(struct spool_pool *pool, const char *dir);
/* Makes a kept folder `dir`. False: there is none. */
bool spool_pool_take(struct spool_pool *pool, const char *dir);
/* The same without looking at job->user: for tests and the shim's own tools. */
void spool_job_format(const struct spool_job *job, struct buf *out);
bool spool_job_parse(struct str text, struct spool_job **ret, struct err *err);
/* For the shim. Everything of *ret belongs to one block that spool_job_free() frees. */
bool spool_job_read(const char *dir, struct spool_job **ret, struct err *err);
void spool_job_free(struct spool_job *job);
/* Writes over what the job file holds (the environment, the envelope) and leaves one byte. */
void spool_job_forget(const char *dir);
bool spool_status_write(const char *dir, const struct spool_status *status, struct err *err);
void spool_status_format(const struct spool_status *status, struct buf *out);
bool spool_status_parse(struct str text, struct spool_status *ret, struct err *err);
/* E_NOT_FOUND while there is none. E_CORRUPT when it says what cannot be (less output on disk than
 * it counts, as after a power cut). */
bool spool_status_read(const char *dir, struct spool_status *ret, struct err *err);
/* Has the shim of this folder said who it is? */
bool spool_shim_began(const char *dir);
/* Takes a folder whose shim has not begun, so that none does any more; it may have been taken
 * before, by a daemon that died then. False: one has begun. */
bool spool_claim(const char *dir);
/* Whose process a folder is the home of: text of the daemon's. */
bool spool_session_write(const char *dir, struct str text, struct err *err);
bool spool_session_read(const char *dir, struct buf *ret);
/* By which unit its shim is to be started, or was. */
bool spool_unit_write(const char *dir, struct str text, struct err *err);
bool spool_unit_read(const char *dir, struct buf *ret);
/* It is started otherwise. */
void spool_unit_forget(const char *dir);
/* Why it has gone, in words; false: nothing is said. */
bool spool_why_read(const char *dir, struct buf *ret);
/* Is the shim of this folder alive? False also before it has said who it is: whoever started it
 * knows. */
bool spool_shim_alive(const char *dir, pid_t *ret_pid, uint64_t *ret_start);
/* Bytes that `out` holds; 0 when there is none. */
int64_t spool_out_size(const char *dir);
int64_t spool_err_size(const char *dir); /* of `err` */
/* Reads of `out` from offset at most max bytes, appended to out. */
bool spool_read_out(const char *dir, int64_t offset, size_t max, struct buf *out, struct err *err);
bool spool_read_err(const char *dir, int64_t offset, size_t max, struct buf *out, struct err *err);
/* Sends a control line (without its line end; none inside). Kept for a shim that is still starting;
 * E_NOT_FOUND when it has ended, E_FULL when its pipe is full. */
bool spool_control(const char *dir, struct str line, struct err *err);

/* Shims of other users may write to `wake` in root. */
bool spool_wake_share(const char *root, struct err *err);
/* The daemon's end of `wake` in root, which is made if need be. on_wake gets each RUN_ID.ATTEMPT
 * (as often as it was written); anything else that stands there is ignored. Wakes may get lost when
 * others write or read there: look at each run's spool now and then. Not to be freed in on_wake. */
struct spool_wake;
struct spool_wake *spool_wake_new(struct event_base *base, const char *root,
				  void (*on_wake)(void *arg, struct str id), void *arg,
				  struct err *err);
void spool_wake_free(struct spool_wake *wake);
/* RUN_ID.ATTEMPT: letters, digits, '-' and a number. */
bool spool_id_is_valid(struct str id);
/* Calls fn for each RUN_ID.ATTEMPT folder of root; fn may remove it. */
bool spool_each(const char *root, void (*fn)(void *arg, const char *id), void *arg,
		struct err *err);

#endif
