/* The core: what every room of floor 3 and above is handed; one per daemon, built by roused.c. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_CORE_H
#define ROUSE_CORE_CORE_H

#include "base/clock.h"
#include "base/json.h"
#include "base/os.h"
#include "conf/conf.h"
#include "store/store.h"

struct event_base;
struct jail;
struct fetch_pool;
struct work_pool;
struct registry;
struct queue;
struct apply;
struct stream;
struct switches;
struct sources;
struct metrics;
struct attempts;
struct rate;
struct gather;
struct keep;
struct ledger;
struct breakers;
struct vigil;
struct listeners;
struct notify;
struct endpoint;
struct batches;
struct rollouts;
struct looks;
struct rulings;
struct telemetry;
struct vets;

/* How near the database is to its bound (core/bound.h). */
struct bound {
	int level; /* enum bound_level */
	int64_t used;
};

struct core {
	struct event_base *base;
	struct clock *clock;
	struct store *store;
	struct jail *jail;
	struct fetch_pool *fetch;
	struct work_pool *work;

	struct registry *registry; /* of the generation in force */
	struct switches *switches; /* paused, halted, disabled */
	struct stream *stream;	   /* who follows what */
	struct metrics *metrics;
	struct queue *queue;
	struct apply *apply;
	struct sources *sources;
	struct gather *gather;	    /* events that wait for others */
	struct keep *keep;	    /* retention */
	struct ledger *ledger;	    /* what a day may cost */
	struct breakers *breakers;  /* who is left alone for a while */
	struct vigil *vigil;	    /* over what runs or waits */
	struct attempts *attempts;  /* live ones */
	struct rate *rates;	    /* by name of trigger or token */
	struct rate *rates_strange; /* by address */
	struct bound bound;
	uint64_t refused_unsaid;     /* refusals that the audit log was spared */
	struct notify *notify;	     /* who is told */
	struct batches *batches;     /* that go on */
	struct vets *vets;	     /* targets asked about proposals (core/vet.h) */
	struct rulings *rulings;     /* rules about changes (core/ruling.h) */
	struct rollouts *rollouts;   /* batches on their way to their targets */
	struct looks *looks;	     /* at changes (core/look.h) */
	struct telemetry *telemetry; /* traces and logs on their way out; NULL: there is none */
	struct listeners *listeners; /* of signals (core/signal.h); NULL: there are none */
	struct endpoint *endpoint;   /* of models (core/endpoint.h); NULL: nobody needs it */

	const char *state_dir;	/* STATE_DIR */
	const char *spool_root; /* STATE_DIR/spool */
	const char *shim_path;	/* of rouse-shim */
	const char *mime_path;	/* of rouse-mime */
	const char *git_path;	/* of rouse-git */
	const char *version;
	struct wall started;
	int64_t boot;	/* which boot of the machine its clock counts in; 0: not known */
	bool draining;	/* SIGTERM came: nothing new starts */
	bool handing;	/* another roused takes over in a moment: no run, no change begins here */
	bool rehearsal; /* it is only asked what would happen */

	/* Where the API is reached from outside, for what is printed: "http://127.0.0.1:8477"; ""
	 */
	char *public_url;
};

static inline struct wall
core_wall(const struct core *core)
{
	return clock_wall(core->clock);
}

/* A timer of the loop that runs once: arms (again) *timer; fn(arg) is called after ms. The handle
 * is kept for the next arming; core_timer_free() ends it. */
struct core_timer;
void core_timer_arm(struct core *core, struct core_timer **timer, int64_t ms, void (*fn)(void *arg),
		    void *arg);
void core_timer_stop(struct core_timer *timer);
void core_timer_free(struct core_timer *timer);

#endif
