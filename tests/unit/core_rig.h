/* A core to try things on: real store, real rules; the clock, the timers, the jail, the sources,
 * the agents and the targets are the test's. Nothing waits: rig_run() goes on until all is quiet.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TESTS_CORE_RIG_H
#define ROUSE_TESTS_CORE_RIG_H

#include "core/admit.h"
#include "core/agent.h"
#include "core/apply.h"
#include "core/attempt.h"
#include "core/batch.h"
#include "core/breakers.h"
#include "core/change.h"
#include "core/gate.h"
#include "core/halt.h"
#include "core/ledger.h"
#include "core/notify_kind.h"
#include "core/queue.h"
#include "core/run.h"
#include "core/source.h"
#include "core/stream.h"
#include "core/target.h"
#include "core/vigil.h"
#include "store/driver.h"
#include "tests/unit/tap.h"

struct rig {
	struct core core;
	char dir[64];
	struct clock clock;
	int64_t wall_ms, mono_ms;
	int64_t boot;	      /* of the daemons from here on */
	struct driver driver; /* the store's, with a commit that may fail */
	int fail_commits;     /* the next so many fail for want of space */
};
extern struct rig rig;
/* The kinds of source, NULL-terminated; NULL: the fakes alone. Set before the first rig_init(). */
extern const struct source_kind *const *rig_source_kinds;

/* Agents, triggers and targets that most tests need: agent `a` (target `crm`), triggers `hook`. */
extern const char *const rig_conf;

void rig_init(const char *conf);
void rig_fini(void);
/* As if the daemon had been killed and started again; what the world (agents, targets) does goes
 * on. conf NULL: the same. */
void rig_restart(const char *conf);
/* false: refused, and nothing changed. */
bool rig_reload(const char *conf);
/* Turns, until nothing is to be done now. */
void rig_run(void);
/* One round of the loop, without the end of the turn; false when nothing was to be done. The next
 * call ends the turn first. */
bool rig_step(void);
/* Time passes, and what it brings happens in order. */
void rig_pass(int64_t ms);

/* What the database on disk says. Text is static, of the last eight calls. */
int64_t rig_int(const char *sql);
/* Writes, while no turn is open. */
void rig_sql(const char *sql);
const char *rig_text(const char *sql);

/* --- what comes in ------------------------------------------------------------------------- */

struct rig_answer {
	int calls;
	enum err_code code;
	char outcome[16], rule[200], run_id[40], event_id[40], run_status[16];
	bool replayed, has_result;
};
/* Admits, and runs until quiet. refused at once: calls 0. */
struct rig_answer rig_admit(struct happening happening);
/* On trigger, with data; key p NULL: none. */
struct rig_answer rig_event(const char *trigger, const char *data, const char *key);
struct rig_answer rig_invoke(const char *agent, const char *data, const char *key, uint64_t print);
/* Of the last one that was admitted, also when its answer comes later. */
extern struct rig_answer rig_last;
/* Programs that read `wait ...` answer only now. */
void rig_jail_go(void);

/* --- agents -------------------------------------------------------------------------------- */

struct rig_agent {
	struct attempt *attempt; /* NULL: over, or not adopted */
	char id[64];
	char *envelope;
	struct buf out;	    /* all that it printed */
	int64_t fed;	    /* of it, handed to core */
	struct buf got;	    /* lines that core sent, each with a line end */
	char cancelled[32]; /* the reason; "" */
	int rewinds, released;
	int stood, went_on; /* how often it was told that its deadline stands, or goes on */
	bool exited, gone;  /* gone: adopt() does not find it */
	bool lost;	    /* adopt() finds that it began, and is no more */
	struct attempt_end end;
};
/* The i-th that was started (0: the first); NULL. */
struct rig_agent *rig_agent(int i);
int rig_agents(void);
/* Prints lines (each with its line end), handed over in one turn. */
void rig_says(struct rig_agent *agent, const char *lines);
/* Ends when all that it printed is on disk, as exec does; runs until quiet. */
void rig_exits(struct rig_agent *agent, int code);
void rig_ends(struct rig_agent *agent, struct attempt_end end);
/* The next start fails so. */
extern enum err_code rig_start_fails;

/* --- targets ------------------------------------------------------------------------------- */

struct rig_call {
	char *id, *key, *before, *after;
	bool revert, answered;
	target_on_done *on_done;
	void *arg;
};
struct rig_call *rig_call(int i);
int rig_calls(void);
void rig_target_says(struct rig_call *call, enum target_outcome outcome, const char *current,
		     enum err_code code);
/* What targets answer by themselves a turn later; < 0: nothing, the test does. */
extern int rig_target_auto;

/* Questions about proposals that targets of kind `asked` (`call`s are not) were handed. */
struct rig_vet {
	char *entity;
	bool answered; /* or nobody waits for it any more */
	target_on_vetted *on_vetted;
	void *arg;
};
struct rig_vet *rig_vet(int i);
int rig_vets(void);
/* why: its sentence; NULL where it has nothing against it. */
void rig_vet_says(struct rig_vet *vet, enum vet_verdict verdict, const char *why);

/* --- entities ------------------------------------------------------------------------------ */

/* Of `entities = list:N[!BAD]`: e1 to eN, four a page; BAD cannot be read until it is mended. */
extern bool rig_entities_mended;

/* --- notifications ------------------------------------------------------------------------- */

/* What [notify] sections of kind fake were handed, and not yet answered or answered. */
struct rig_mail {
	char *id, *notify, *event, *subject, *text, *json;
	int attempt;
	struct notify_job *job; /* NULL: answered, or its daemon is gone */
};
/* The i-th (0: the first); NULL. */
struct rig_mail *rig_mail(int i);
int rig_mails(void);
/* Answers it; runs until quiet. */
void rig_mail_says(struct rig_mail *mail, struct notify_result result, const char *error);
/* They are sent by themselves; false: the test answers. */
extern bool rig_mail_auto;
/* The next ones cannot even begin. */
extern int rig_mail_fails;

/* --- sources ------------------------------------------------------------------------------- */

extern int rig_sources_started, rig_sources_stopped;
struct trigger;
const struct trigger *rig_trigger(const char *name);

/* --- followers ----------------------------------------------------------------------------- */

/* Every stream event as KIND/TYPE and a blank; cleared by the reader. */
extern struct buf rig_told;
void rig_follow(void);

#endif
