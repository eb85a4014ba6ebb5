/* The registry: agents, triggers and targets of one configuration generation. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_REGISTRY_H
#define ROUSE_CORE_REGISTRY_H

#include "core/core.h"
#include "pure/backoff.h"
#include "pure/breaker.h"
#include "pure/path.h"
#include "store/rows.h"

struct agent_kind;
struct source_kind;
struct target_kind;

/* The jq programs of a trigger, over the event document (SPEC 4). */
enum program_name {
	PROGRAM_FILTER,
	PROGRAM_KEY,
	PROGRAM_ENTITY,
	PROGRAM_SESSION,
	PROGRAM_TENANT,
	PROGRAM_USER,
	PROGRAM_SUBJECT,
	PROGRAM_PAYLOAD,
	PROGRAMS
};
struct program {
	const char *text;  /* NULL: there is none */
	struct path *path; /* plain enough to be answered here; NULL: rouse-jq does it */
};
const char *program_name(enum program_name name);

/* How changes are decided (core/review.h). */
struct review_policy {
	int required; /* different people */
	struct program auto_approve, auto_reject;
};

enum trust { TRUST_UNTRUSTED, TRUST_AUTHENTICATED, TRUST_TRUSTED, TRUSTS };
const char *trust_name(enum trust trust);

enum overlap {
	OVERLAP_QUEUE,
	OVERLAP_QUEUE_ONE,
	OVERLAP_SKIP,
	OVERLAP_CANCEL_OTHER,
	OVERLAP_ALLOW,
	OVERLAPS
};
const char *overlap_name(enum overlap overlap);

bool overlap_parse(const char *name, enum overlap *ret);

struct retry_policy {
	int attempts; /* in all */
	struct backoff backoff;
};

struct agent {
	const char *name;
	const struct agent_kind *kind;
	const struct conf_section *section;
	int concurrency;
	const char *pool; /* label of the agents that it shares it with; NULL: none */
	struct run_limits limits;
	struct retry_policy retry;
	struct breaker_policy breaker;
	const char *fallback; /* the agent that carries its runs while it rests; NULL */
	const char *const *targets;
	size_t target_count;
	enum trust min_trust;
	bool proxied;	    /* meter = proxy: it asks models through us (core/endpoint.h) */
	const char *commit; /* of the configuration */
};

struct trigger {
	const char *name;
	const struct source_kind *kind;
	const struct conf_section *section;
	const char *agent;
	const char *intent;
	bool enabled; /* in the file */
	struct program programs[PROGRAMS];
	struct program expect; /* over what a run ended with (core/expect.h) */
	struct review_policy review;
	int priority;
	enum overlap overlap;
	enum {
		MODE_BY_TRUST,
		MODE_APPLY,
		MODE_STAGE
	} mode; /* by trust: what is untrusted is staged */
	bool trust_is_set;
	enum trust trust; /* what the section says, else the most that the source can know */
	int max_hops;
	int64_t rate_count, rate_per_ms; /* 0: none */
	int64_t stale_ms;		 /* silence that is an alarm; 0: none is */
	/* core/gather.h. Quiet that ends a gathering (0: none does); its longest time (0: events
	 * are not gathered); its most events. */
	int64_t quiet_ms, gather_ms, gather_count;
	struct run_limits limits; /* of its runs: the agent's, narrowed by its own budget.* */
	const char *commit;
};

struct target {
	const char *name;
	const struct target_kind *kind;
	const struct conf_section *section;
	struct retry_policy retry;
	struct breaker_policy breaker;
	int64_t timeout_ms;
	void *state; /* the kind's own */
};

/* A job over many entities (core/batch.h). */
struct batch_def {
	const char *name;
	const struct conf_section *section;
	struct review_policy review;
};

/* The tables of every section that core knows, into schema. */
void registry_schema(struct conf_schema *schema);
/* Kinds of floor 4 hand themselves down before the first configuration is read. NULL-terminated
 * arrays. */
void registry_set_kinds(const struct source_kind *const *sources,
			const struct agent_kind *const *agents,
			const struct target_kind *const *targets);
const struct source_kind *registry_source_kind(const char *name);

/* Builds the registry of a configuration (a reference is taken). check: also compiles jq programs
 * with the jail. What is wrong goes to report; NULL when there was an error. */
struct registry *registry_new(struct conf *conf, struct jail *jail, struct conf_report *report);
struct registry *
registry_ref(struct registry *registry); /* runs keep the generation they started with */
void registry_unref(struct registry *registry);

struct conf *registry_conf(const struct registry *registry);
const struct agent *registry_agent(const struct registry *registry, const char *name); /* NULL */
const struct trigger *registry_trigger(const struct registry *registry, const char *name);
const struct target *registry_target(const struct registry *registry, const char *name);
const struct batch_def *registry_batch(const struct registry *registry, const char *name);
size_t registry_batch_count(const struct registry *registry);
const struct batch_def *registry_batch_at(const struct registry *registry, size_t i);
size_t registry_agent_count(const struct registry *registry);
size_t registry_trigger_count(const struct registry *registry);
size_t registry_target_count(const struct registry *registry);
const struct agent *registry_agent_at(const struct registry *registry, size_t i);
/* Who starts runs of programs: {"runs", "executor"}, owned, as the first kind of agent that has a
 * word says it; NULL: none of the agents is a program. */
json_t *registry_means(struct core *core);
const struct trigger *registry_trigger_at(const struct registry *registry, size_t i);
const struct target *registry_target_at(const struct registry *registry, size_t i);

/* The keys retry.* of a section. */
struct retry_policy retry_of(const struct conf_section *section);
/* The policy of a section that has breaker.* keys. */
struct breaker_policy registry_breaker(const struct conf_section *section);
/* What a run may use: `from`, with the section's own budget.* in place. */
struct run_limits registry_limits(const struct conf_section *section,
				  const struct run_limits *from);

/* May runs of this agent propose for this target? */
bool agent_may_target(const struct agent *agent, const char *target);

#endif
