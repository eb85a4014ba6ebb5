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

/* Looks for the line by which the agent ends its turn. */
struct watch {
	struct buf line; /* whose end has not come */
	bool skip;	 /* it is longer than a line may be */
	bool found;	 /* what follows is of no turn */
};
/* How many of these bytes are of the turn: all of them, or those up to the end of its last line. */
size_t watch_cut(struct watch *watch, const char *bytes, size_t len);

/* One output of the agent, on its way to a file; file -1: nowhere. What has been read and not yet
 * written is kept while the disk is full; the agent's pipe then stays unread, and holds the agent
 * up. */
struct drain {
	int pipe; /* -1: ended */
	int file;
	int64_t bytes, max;
	bool over;	  /* the agent wrote more than max; the rest is thrown away */
	bool failed;	  /* the file cannot be written, and not for want of space */
	int64_t retry_at; /* SHIM_NEVER unless the disk was full */
	char held[DRAIN_BYTES];
	size_t held_at, held_len;
	struct watch *watch; /* NULL: nobody looks for the end of a turn */
};
/* Moves what is there, at most some MiB at once. True when the file has grown. */
bool drain_run(struct drain *drain, int64_t now);

/* The agent's standard input. */
struct feed {
	int pipe; /* -1: closed */
	struct buf queue;
	size_t done;  /* bytes of queue that are written */
	size_t fed;   /* bytes that came into it since it was set to 0 */
	bool closing; /* after what is queued */
};
void feed_run(struct feed *feed);
/* False when so much waits already that line was dropped. */
bool feed_line(struct feed *feed, struct str line);
void feed_close(struct feed *feed); /* after what is queued */
bool feed_waits(const struct feed *feed);

/* Bytes of it that the agent has not read. */
size_t feed_unread(const struct feed *feed);

/* The daemon's pipe, if there is a daemon. */
struct waker {
	int fd; /* -1: not open */
	struct str line;
	bool pending;
	int64_t not_before;
};
void waker_run(struct waker *waker, int64_t now);

/* --- shim_agent.c --- */

struct shim;
/* Starts what the job says with these three as 0, 1, 2: sets s->agent, or s->status.exec_errno. */
bool agent_start(struct shim *s, const int fds[3], struct err *err);
/* SIGTERM to every descendant; stopped ones are woken for it. */
void agent_terminate(void);
/* One round of SIGKILL to every descendant. */
void agent_kill(void);
/* How many the kernel has killed for want of the memory that the run may have. */
int agent_oom_kills(void);
/* Writes "PID START\n" into a file; E_EXISTS when one stands there. */
bool who_write(const char *file, pid_t pid, struct err *err);

/* --- shim_unit.c: of a shim that is the main process of a unit of systemd --- */

/* The leaf for the agent, below the group of the unit, which must be ours (Delegate=yes); owned.
 * NULL: it cannot be made, and the limits of each process hold. */
char *unit_group(void);
/* To the manager: what the start of this unit was for has been done. Nothing where it does not
 * wait. */
void unit_ready(void);
/* Do we run as the one that the job is for? E_DENIED, a sentence. */
bool unit_user_check(const struct spool_job *job, struct err *err);

/* --- shim.c, shim_ctl.c, shim_turn.c --- */

/* What an agent that stays for the next turn takes: nothing of it, where job->session is not set.
 */
struct stay {
	bool rests;	 /* between two turns */
	bool leaves;	 /* it has waited long enough */
	bool unheard;	 /* it had closed its standard input before the turn's envelope came */
	int turn;	 /* 1: the one that it was started for */
	int64_t idle_at; /* SHIM_NEVER unless it rests */
	int root, home;	 /* folders: of all spools, of the first turn */
	int ctl;	 /* of home, once that is not the turn's own; -1 */
	struct buf ctl_line;
	struct watch watch;
	struct buf id; /* "RUN_ID.ATTEMPT\n" of the turn */
};

enum phase {
	RUNS,	    /* the agent lives */
	LINGERS,    /* it has ended by itself, something that it started has not */
	TERMINATES, /* SIGTERM was sent */
	KILLS,	    /* SIGKILL is sent until nobody is left */
};

struct shim {
	bool in_unit; /* it is the main process of a unit, not a child of the daemon */
	struct spool_job *job;
	enum phase phase;
	pid_t agent; /* 0: ended */
	bool alone;  /* no descendant is left */
	int wait_status;
	int64_t deadline_at, kill_at, give_up_at;
	int64_t grace_most_ms;
	int64_t stands_since, stands_until; /* SHIM_NEVER: the deadline does not stand */
	int64_t began, stood_ms;	    /* of the turn */
	struct spool_status status;
	struct drain out, err;
	struct feed in;
	struct waker waker;
	int ctl, signals, timer;
	int64_t timer_at;
	struct buf ctl_line; /* the start of a line whose end has not come */
	struct stay stay;
};

/* By order: politely first. An agent that has ended already has said how it ended. */
void shim_end(struct shim *s, struct str reason, int64_t now);
int64_t later_by(int64_t now, int64_t ms);
static inline int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
/* Its deadline stands no more. */
void shim_goes_on(struct shim *s, int64_t now);
/* What has come by a control pipe; begun: the start of a line whose end has not come. */
void shim_ctl_read(struct shim *s, int fd, struct buf *begun, int64_t now);
/* How long it has worked, without what its deadline stood; at least 1. */
int64_t shim_worked_ms(const struct shim *s, int64_t now);
/* Lines of ctl.NAME, which is removed. */
void shim_ctl_file(struct shim *s, struct str name, int64_t now);
/* The files of the folder that we are in. */
bool shim_open_turn(struct shim *s, struct err *err);

/* Remembers the folder that the shim was started in. */
bool stay_begin(struct shim *s, struct err *err);
/* The turn may be over; then its status is written, and the agent rests. */
void stay_look(struct shim *s, int64_t now);
/* Has the time of one that rests passed? Then it is asked to go, later told to. */
void stay_on_time(struct shim *s, int64_t now);
/* The job of another folder, for an agent that rests. */
void stay_take(struct shim *s, struct str id, int64_t now);
/* One that rested has ended: why. */
void stay_finish(struct shim *s);

#endif
