/* Exec agents, inside: one attempt's state, and what its files share. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_EXEC_RUN_H
#define ROUSE_PLUGINS_EXEC_RUN_H

#include "base/list.h"
#include "core/agent.h"
#include "io/spool.h"
#include "pure/ndjson.h"

struct proc;
struct exec_way;

/* A rouse-shim that is our child or was adopted: watched until it exits, also when its attempt has
 * ended before, so that it never counts as a stranger. */
struct exec_shim {
	LIST_ENTRY(exec_shim) entry;
	struct proc *proc;
	char id[64];   /* that it was started for; its home is that spool */
	char turn[64]; /* that it carries now; "": it waits for another */
	/* Where its agent stays for the next turn of its session: whose, and a digest of all that a
	 * turn must have in common with it. NULL: it does not. */
	char *session, *agent, *print;
	int turns;
	struct mono since; /* it waits */
	bool leaves;	   /* it was told to go */
};
LIST_HEAD(exec_shim_list, exec_shim);

enum exec_phase {
	EXEC_STARTS, /* a manager of systemd was asked to */
	EXEC_DOUBT,  /* taken up, and its shim has not said who it is */
	EXEC_RUNS,
	EXEC_SETTLES,  /* all is read; its commit is awaited */
	EXEC_KILLS,    /* without a word; what it left is being killed */
	EXEC_PREPARES, /* its workspace is being made; nothing has begun */
	EXEC_COLLECTS, /* what it left there is being looked at */
	EXEC_ENDED
};

/* attempt->state */
struct exec_run {
	struct attempt *attempt;
	char *dir;
	bool text, open;
	enum exec_phase phase;
	struct exec_shim *shim;	    /* NULL: not there (any more) */
	const struct exec_way *way; /* that its unit is of */
	char *unit;		    /* whose main process its shim is; NULL: of none */
	bool job_is_units;	    /* it may be started by such a unit only */
	struct ndjson lines;
	int64_t read; /* bytes of `out` that the splitter has got */
	struct mono doubt_until;
	struct spool_status status; /* from EXEC_SETTLES on */
	bool stands, stops;	    /* its deadline; it is being stopped */
	char *print;		    /* of a process that stays; NULL */
	bool handed;		    /* to a process that had stayed */
	bool unbegun;		    /* its shim had not begun, and does not any more */
	bool told;		    /* the shim, that the result was heard */
	char mark[64];		    /* of all processes below its shim: whom that was started for */
	struct core_timer *turn, *stuck, *stand;
};

/* What may take a moment, in a work thread; by id, because the attempt may go meanwhile. */
struct exec_chore {
	LIST_ENTRY(exec_chore) entry;
	struct core *core;
	char id[64];
	char mark[64];	    /* whose processes, whose group */
	bool spare;	    /* the group is still another's */
	char *group;	    /* killed and removed; NULL: there is none */
	char *dir;	    /* cleaned and kept, or removed; NULL: it stays */
	bool clean;	    /* what the chore made of dir */
	bool kill;	    /* whatever bears its mark */
	const char *reason; /* the attempt then ends with it; "" lost; NULL: it does not end */
};

/* --- exec_shared.c --- */

/* Opens what all attempts of its core share, at the first of them. */
bool exec_share(const struct attempt *attempt, struct err *err);
/* The same where there is no attempt. */
bool exec_share_core(struct core *core, struct err *err);
/* Of agent_kind. */
json_t *exec_means(struct core *core);
struct exec_shim_list *exec_shims(void);
/* One that an earlier daemon started; NULL: it cannot be watched. */
struct exec_shim *exec_shim_watch(struct core *core, const char *id, pid_t pid, uint64_t start);
/* Whether our own runs have groups, and what these limit, appended for people. */
void exec_groups_say(struct buf *out);
/* The leaf in which an attempt runs, owned; NULL where there are no groups for runs. */
char *exec_group(const char *id);
/* False: groups are asked for that cannot be had; a sentence. */
bool exec_group_check(struct err *err);
/* Of folders that can be used again; NULL: there is none. */
struct spool_pool *exec_pool(void);
char *exec_spool_dir(const struct core *core, const char *id); /* owned */
bool exec_spool_has(const char *dir, const char *name);
/* The state of a live attempt of this kind; NULL. */
struct exec_run *exec_run_find(struct core *core, const char *id);
struct exec_chore exec_chore_of(struct core *core, const char *id);
/* Takes a copy, and dir with it. */
void exec_chore(const struct exec_chore *take_chore);
/* Sets run->shim. */
bool exec_shim_spawn(struct exec_run *run, struct err *err);
bool exec_shim_adopt(struct exec_run *run);

/* --- exec.c --- */

/* Its job, and its shim: all that it needs is there. */
bool exec_begin(struct exec_run *run, struct str envelope, struct err *err);

/* --- exec_output.c --- */

/* Looks at the attempt after ms: 0 still in this turn. */
void exec_run_wake(struct exec_run *run, int64_t ms);
/* Back to the last line that core has. */
void exec_run_rewind(struct exec_run *run);
/* The process that had stayed went before it began: one of its own is started. */
void exec_run_anew(struct exec_run *run);
/* Kills both when the shim has not ended its agent ms from now, and what stopping takes. */
void exec_run_watch(struct exec_run *run, int64_t ms);

#endif
