/* The registry: agents, triggers and targets of one configuration generation. */
/* SPDX-License-Identifier: MIT */
#include "core/registry.h"

#include <assert.h>

#include "core/agent.h"
#include "core/endpoint.h"
#include "core/gather.h"
#include "core/notify_kind.h"
#include "core/review.h"
#include "core/source.h"
#include "core/tables.h"
#include "core/target.h"
#include "io/jail.h"

struct registry {
	int references;
	struct conf *conf;
	struct agent *agents;
	struct trigger *triggers;
	struct target *targets;
	struct batch_def *batches;
	size_t agent_count, trigger_count, target_count, batch_count;
	/* By the order of sections, in a configuration that finds them by name: which of its kind
	 * each is. */
	uint32_t *places;
};

static const struct source_kind *const *source_kinds;
static const struct agent_kind *const *agent_kinds;
static const struct target_kind *const *target_kinds;

static const char *const program_names[] = {"filter", "key",  "entity",	 "session",
					    "tenant", "user", "subject", "payload"};
static_assert(ARRAY_LEN(program_names) == PROGRAMS, "a name for every program");

static const char *const trust_names[] = {"untrusted", "authenticated", "trusted"};
static_assert(ARRAY_LEN(trust_names) == TRUSTS, "a name for every trust");

static const char *const overlap_names[] = {"queue", "queue_one", "skip", "cancel_other", "allow"};
static_assert(ARRAY_LEN(overlap_names) == OVERLAPS, "a name for every overlap");

bool
overlap_parse(const char *name, enum overlap *ret)
{
	for (int i = 0; name && i < OVERLAPS; i++) {
		if (strcmp(overlap_names[i], name))
			continue;
		*ret = (enum overlap)i;
		return true;
	}
	return false;
}

static const char *const priority_names[] = {"high", "normal", "low"};

const char *
overlap_name(enum overlap overlap)
{
	return overlap_names[overlap];
}

const char *
program_name(enum program_name name)
{
	return program_names[name];
}

const char *
trust_name(enum trust trust)
{
	return trust_names[trust];
}

/* The index of name in names; `def` when name is NULL. */
static int
name_index(const char *name, const char *const *names, size_t count, int def)
{
	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return def;
}

void
registry_set_kinds(const struct source_kind *const *sources, const struct agent_kind *const *agents,
		   const struct target_kind *const *targets)
{
	source_kinds = sources;
	agent_kinds = agents;
	target_kinds = targets;
}

void
registry_schema(struct conf_schema *schema)
{
	tables_add(schema);
	for (size_t i = 0; source_kinds && source_kinds[i]; i++)
		for (size_t t = 0; source_kinds[i]->tables[t]; t++)
			conf_schema_add(schema, source_kinds[i]->tables[t]);
	for (size_t i = 0; agent_kinds && agent_kinds[i]; i++)
		conf_schema_add(schema, agent_kinds[i]->table);
	for (size_t i = 0; target_kinds && target_kinds[i]; i++)
		conf_schema_add(schema, target_kinds[i]->table);
	notify_schema(schema);
}

#define KIND_FIND(kinds, wanted)                                                                   \
	for (size_t i = 0; (wanted) && (kinds) && (kinds)[i]; i++)                                 \
		if (!strcmp((kinds)[i]->name, (wanted)))                                           \
			return (kinds)[i];                                                         \
	return NULL

const struct source_kind *
registry_source_kind(const char *name)
{
	KIND_FIND(source_kinds, name);
}

static const struct agent_kind *
agent_kind_find(const char *name)
{
	KIND_FIND(agent_kinds, name);
}

static const struct target_kind *
target_kind_find(const char *name)
{
	KIND_FIND(target_kinds, name);
}

struct run_limits
registry_limits(const struct conf_section *section, const struct run_limits *from)
{
	static const char *const names[] = {"budget.deadline", "budget.steps",	 "budget.tools",
					    "budget.tokens",   "budget.context", "budget.cost",
					    "budget.output"};
	struct run_limits limits = *from;
	int64_t *const fields[] = {&limits.deadline_ms, &limits.steps,	 &limits.tools,
				   &limits.tokens,	&limits.context, &limits.cost_uusd,
				   &limits.output_bytes};

	static_assert(ARRAY_LEN(names) == ARRAY_LEN(fields), "a field for every name");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (conf_is_set(section, names[i]))
			*fields[i] = conf_int(section, names[i]);
	return limits;
}

static struct run_limits
limits_default(const struct conf *conf)
{
	const struct conf_section *budget = conf_section(conf, "budget", "");

	return (struct run_limits){.deadline_ms = conf_int(budget, "deadline"),
				   .steps = conf_int(budget, "steps"),
				   .tools = conf_int(budget, "tools"),
				   .tokens = conf_int(budget, "tokens"),
				   .context = conf_int(budget, "context"),
				   .cost_uusd = conf_int(budget, "cost"),
				   .output_bytes = conf_int(budget, "output")};
}

struct retry_policy
retry_of(const struct conf_section *section)
{
	return (struct retry_policy){
		.attempts = (int)conf_int(section, "retry.attempts"),
		.backoff = {.base_ms = conf_ms(section, "retry.base"),
			    .cap_ms = conf_ms(section, "retry.cap"),
			    .factor = (double)conf_int(section, "retry.factor"),
			    .jitter = strcmp(conf_str(section, "retry.jitter"), "full")
					      ? BACKOFF_NONE
					      : BACKOFF_FULL}};
}

struct breaker_policy
registry_breaker(const struct conf_section *section)
{
	return (struct breaker_policy){.threshold = conf_ratio(section, "breaker.threshold"),
				       .window_ms = conf_ms(section, "breaker.window"),
				       .cooldown_ms = conf_ms(section, "breaker.cooldown"),
				       .min = (unsigned)conf_int(section, "breaker.min")};
}

static void
agent_init(struct agent *agent, const struct conf_section *section, const struct run_limits *limits)
{
	agent->name = conf_section_name(section);
	agent->section = section;
	agent->kind = agent_kind_find(conf_str(section, "kind"));
	agent->concurrency = (int)conf_int(section, "concurrency");
	agent->pool = conf_str(section, "pool");
	agent->limits = registry_limits(section, limits);
	agent->retry = retry_of(section);
	agent->breaker = registry_breaker(section);
	agent->fallback = conf_str(section, "fallback");
	agent->target_count = conf_list(section, "targets", &agent->targets);
	agent->min_trust = (enum trust)name_index(conf_str(section, "min_trust"), trust_names,
						  TRUSTS, TRUST_UNTRUSTED);
	agent->proxied = !strcmp(conf_str(section, "meter"), "proxy");
	agent->commit = conf_commit(conf_section_conf(section));
}

static void
program_init(struct program *program, const struct conf_section *section, const char *key)
{
	program->text = conf_str(section, key);
	if (program->text)
		path_compile(str_of(program->text), &program->path);
}

/* The programs that only rouse-jq can tell right from wrong. */
struct asked {
	const char **texts;
	struct asked_place {
		const struct conf_section *section;
		const char *key;
	} * places;
	size_t count, room;
	struct conf_report *report;
};

static void
asked_add(struct asked *asked, const struct conf_section *section, const char *key,
	  const char *text)
{
	if (asked->count == asked->room) {
		asked->room = asked->room ? asked->room * 2 : 64;
		asked->texts = mem_realloc(asked->texts, asked->room * sizeof(*asked->texts));
		asked->places = mem_realloc(asked->places, asked->room * sizeof(*asked->places));
	}
	asked->texts[asked->count] = text;
	asked->places[asked->count++] = (struct asked_place){section, key};
}

static void
on_wrong(void *arg, size_t i, const struct err *err)
{
	const struct asked *asked = arg;

	conf_complain(asked->report, asked->places[i].section, asked->places[i].key, "%s",
		      err_text(err));
}

/* Those that its source has beside those of every trigger. */
static void
asked_add_own(struct asked *asked, const struct trigger *trigger)
{
	for (size_t t = 0; trigger->kind && trigger->kind->tables[t]; t++) {
		const struct conf_table *table = trigger->kind->tables[t];

		for (size_t i = 0; i < table->count; i++) {
			const char *key = table->keys[i].name;

			if (table->keys[i].type == CONF_JQ && !strcmp(table->section, "trigger") &&
			    conf_str(trigger->section, key))
				asked_add(asked, trigger->section, key,
					  conf_str(trigger->section, key));
		}
	}
}

static void
asked_add_review(struct asked *asked, const struct conf_section *section,
		 const struct review_policy *review)
{
	if (review->auto_approve.text && !review->auto_approve.path)
		asked_add(asked, section, "auto_approve", review->auto_approve.text);
	if (review->auto_reject.text && !review->auto_reject.path)
		asked_add(asked, section, "auto_reject", review->auto_reject.text);
}

static void
programs_check(const struct registry *registry, struct jail *jail, struct conf_report *report)
{
	struct asked asked = {.report = report};

	for (size_t i = 0; i < registry->trigger_count; i++) {
		const struct trigger *trigger = &registry->triggers[i];

		for (int p = 0; p < PROGRAMS; p++)
			if (trigger->programs[p].text && !trigger->programs[p].path)
				asked_add(&asked, trigger->section, program_names[p],
					  trigger->programs[p].text);
		if (trigger->expect.text && !trigger->expect.path)
			asked_add(&asked, trigger->section, "expect", trigger->expect.text);
		asked_add_review(&asked, trigger->section, &trigger->review);
		asked_add_own(&asked, trigger);
	}
	for (size_t i = 0; i < registry->batch_count; i++)
		asked_add_review(&asked, registry->batches[i].section,
				 &registry->batches[i].review);
	if (asked.count)
		jail_check_all(jail, asked.texts, asked.count, on_wrong, &asked);
	free(asked.texts);
	free(asked.places);
}

/* Has the kind a key of its own by that name, which is no program (imap's user)? */
static bool
is_own_key(const struct source_kind *kind, const char *name)
{
	for (size_t t = 0; kind && kind->tables[t]; t++)
		for (size_t i = 0; i < kind->tables[t]->count; i++)
			if (!strcmp(kind->tables[t]->keys[i].name, name))
				return true;
	return false;
}

/* Bit p: the kind has a key of its own by program p's name. The kind asked for last is known. */
static unsigned
own_keys(const struct source_kind *kind)
{
	static const struct source_kind *known;
	static unsigned own;

	if (!kind || kind == known)
		return kind ? own : 0;
	known = kind;
	own = 0;
	for (int p = 0; p < PROGRAMS; p++)
		own |= is_own_key(kind, program_names[p]) ? 1U << p : 0;
	return own;
}

static void
trigger_init(struct trigger *trigger, const struct conf_section *section,
	     const struct registry *registry, struct conf_report *report)
{
	const struct agent *agent;
	const char *mode = conf_str(section, "mode");

	trigger->name = conf_section_name(section);
	trigger->section = section;
	trigger->kind = registry_source_kind(conf_str(section, "source"));
	trigger->agent = conf_str(section, "agent");
	trigger->intent = conf_str(section, "intent") ? conf_str(section, "intent") : trigger->name;
	trigger->enabled = conf_bool(section, "enabled");
	for (int i = 0; i < PROGRAMS; i++)
		if (!(own_keys(trigger->kind) >> i & 1))
			program_init(&trigger->programs[i], section, program_names[i]);
	program_init(&trigger->expect, section, "expect");
	review_settings(section, &trigger->review, report);
	trigger->priority = name_index(conf_str(section, "priority"), priority_names, 3, 1);
	trigger->overlap = (enum overlap)name_index(
		conf_str(section, "overlap"), overlap_names, OVERLAPS,
		trigger->kind && !strcmp(trigger->kind->name, "cron") ? OVERLAP_SKIP
								      : OVERLAP_QUEUE);
	trigger->trust_is_set = conf_is_set(section, "trust");
	if (trigger->kind)
		trigger->trust = trigger->kind->trust_of ? trigger->kind->trust_of(section)
							 : trigger->kind->trust;
	trigger->trust = (enum trust)name_index(conf_str(section, "trust"), trust_names, TRUSTS,
						(int)trigger->trust);
	trigger->mode = !mode ? (trigger->review.required > 1 ? MODE_STAGE : MODE_BY_TRUST)
			: strcmp(mode, "stage") ? MODE_APPLY
						: MODE_STAGE;
	trigger->max_hops = (int)conf_int(section, "max_hops");
	if (!conf_rate(section, "rate", &trigger->rate_count, &trigger->rate_per_ms))
		trigger->rate_count = 0;
	trigger->stale_ms =
		conf_is_set(section, "stale_after") ? conf_ms(section, "stale_after") : 0;
	gather_settings(trigger, report);
	trigger->commit = conf_commit(conf_section_conf(section));
	agent = registry_agent(registry, trigger->agent);
	if (!agent)
		return;
	trigger->limits = registry_limits(section, &agent->limits);
	if (trigger->trust < agent->min_trust)
		conf_complain(report, section, "agent",
			      "agent %s takes only what is %s (min_trust), and this trigger's "
			      "events are %s; choose another agent or verify the sender",
			      agent->name, trust_name(agent->min_trust),
			      trust_name(trigger->trust));
}

static void
target_init(struct target *target, const struct conf_section *section, struct conf_report *report)
{
	target->name = conf_section_name(section);
	target->section = section;
	target->kind = target_kind_find(conf_str(section, "kind"));
	target->retry = retry_of(section);
	target->breaker = registry_breaker(section);
	target->timeout_ms = conf_ms(section, "timeout");
	if (target->kind && target->kind->open)
		target->kind->open(target, report);
}

static size_t
section_count(const struct conf *conf, const char *kind)
{
	size_t count = 0;

	for (const struct conf_section *s = conf_next(conf, kind, NULL); s;
	     s = conf_next(conf, kind, s))
		count++;
	return count;
}

static bool
place_find(const struct registry *registry, const char *kind, const char *name, uint32_t *ret)
{
	const struct conf_section *section = name ? conf_section(registry->conf, kind, name) : NULL;

	if (section)
		*ret = registry->places[conf_section_index(section)];
	return section != NULL;
}

static void
place_set(struct registry *registry, const struct conf_section *section, size_t place)
{
	registry->places[conf_section_index(section)] = (uint32_t)place;
}

/* Every chain of fallbacks ends, and none takes what the agent before would not have. */
static void
fallback_check(const struct registry *registry, const struct agent *agent,
	       struct conf_report *report)
{
	const struct agent *next = registry_agent(registry, agent->fallback);

	if (next && next != agent && next->min_trust > agent->min_trust)
		conf_complain(
			report, agent->section, "fallback",
			"%s takes only what is %s (min_trust), and agent %s takes what is %s; "
			"let %s ask for no more than this agent does",
			next->name, trust_name(next->min_trust), agent->name,
			trust_name(agent->min_trust), next->name);
	for (size_t steps = 0; next && steps < registry->agent_count; steps++) {
		if (next == agent) {
			conf_complain(report, agent->section, "fallback",
				      "%s leads back to agent %s itself; a chain of fallbacks must "
				      "end",
				      agent->fallback, agent->name);
			return;
		}
		next = registry_agent(registry, next->fallback);
	}
}

static void
registry_fill(struct registry *registry, struct jail *jail, struct conf_report *report)
{
	struct conf *conf = registry->conf;
	struct run_limits limits = limits_default(conf);
	size_t i = 0;

	for (const struct conf_section *s = conf_next(conf, "target", NULL); s;
	     s = conf_next(conf, "target", s), i++) {
		target_init(&registry->targets[i], s, report);
		place_set(registry, s, i);
	}
	i = 0;
	for (const struct conf_section *s = conf_next(conf, "agent", NULL); s;
	     s = conf_next(conf, "agent", s), i++) {
		agent_init(&registry->agents[i], s, &limits);
		place_set(registry, s, i);
	}
	for (i = 0; i < registry->agent_count; i++)
		fallback_check(registry, &registry->agents[i], report);
	for (i = 0; i < registry->agent_count; i++)
		endpoint_check(&registry->agents[i], conf, report);
	i = 0;
	for (const struct conf_section *s = conf_next(conf, "trigger", NULL); s;
	     s = conf_next(conf, "trigger", s), i++) {
		trigger_init(&registry->triggers[i], s, registry, report);
		place_set(registry, s, i);
	}
	i = 0;
	for (const struct conf_section *s = conf_next(conf, "batch", NULL); s;
	     s = conf_next(conf, "batch", s), i++) {
		registry->batches[i] =
			(struct batch_def){.name = conf_section_name(s), .section = s};
		review_settings(s, &registry->batches[i].review, report);
		place_set(registry, s, i);
	}
	if (jail)
		programs_check(registry, jail, report);
	for (size_t k = 0; source_kinds && source_kinds[k]; k++)
		if (source_kinds[k]->check_all)
			source_kinds[k]->check_all(registry, report);
	for (size_t k = 0; agent_kinds && agent_kinds[k]; k++)
		if (agent_kinds[k]->check_all)
			agent_kinds[k]->check_all(registry, report);
}

struct registry *
registry_new(struct conf *conf, struct jail *jail, struct conf_report *report)
{
	struct registry *registry = mem_alloc(sizeof(*registry));
	size_t before = conf_report_errors(report);

	registry->references = 1;
	registry->conf = conf_ref(conf);
	registry->agent_count = section_count(conf, "agent");
	registry->trigger_count = section_count(conf, "trigger");
	registry->target_count = section_count(conf, "target");
	registry->batch_count = section_count(conf, "batch");
	registry->agents = mem_alloc_array(registry->agent_count + 1, sizeof(*registry->agents));
	registry->triggers =
		mem_alloc_array(registry->trigger_count + 1, sizeof(*registry->triggers));
	registry->targets = mem_alloc_array(registry->target_count + 1, sizeof(*registry->targets));
	registry->batches = mem_alloc_array(registry->batch_count + 1, sizeof(*registry->batches));
	registry->places = mem_alloc_array(conf_section_count(conf) + 1, sizeof(*registry->places));
	registry_fill(registry, jail, report);
	if (conf_report_errors(report) == before)
		return registry;
	registry_unref(registry);
	return NULL;
}

struct registry *
registry_ref(struct registry *registry)
{
	registry->references++;
	return registry;
}

void
registry_unref(struct registry *registry)
{
	if (!registry || --registry->references > 0)
		return;
	for (size_t i = 0; i < registry->target_count; i++)
		if (registry->targets[i].kind && registry->targets[i].kind->close)
			registry->targets[i].kind->close(&registry->targets[i]);
	for (size_t i = 0; i < registry->trigger_count; i++) {
		for (int p = 0; p < PROGRAMS; p++)
			path_free(registry->triggers[i].programs[p].path);
		path_free(registry->triggers[i].expect.path);
		path_free(registry->triggers[i].review.auto_approve.path);
		path_free(registry->triggers[i].review.auto_reject.path);
	}
	for (size_t i = 0; i < registry->batch_count; i++) {
		path_free(registry->batches[i].review.auto_approve.path);
		path_free(registry->batches[i].review.auto_reject.path);
	}
	free(registry->places);
	free(registry->agents);
	free(registry->triggers);
	free(registry->targets);
	free(registry->batches);
	conf_unref(registry->conf);
	free(registry);
}

struct conf *
registry_conf(const struct registry *registry)
{
	return registry->conf;
}

const struct agent *
registry_agent(const struct registry *registry, const char *name)
{
	uint32_t i;

	return place_find(registry, "agent", name, &i) ? &registry->agents[i] : NULL;
}

const struct trigger *
registry_trigger(const struct registry *registry, const char *name)
{
	uint32_t i;

	return place_find(registry, "trigger", name, &i) ? &registry->triggers[i] : NULL;
}

const struct target *
registry_target(const struct registry *registry, const char *name)
{
	uint32_t i;

	return place_find(registry, "target", name, &i) ? &registry->targets[i] : NULL;
}

const struct batch_def *
registry_batch(const struct registry *registry, const char *name)
{
	uint32_t i;

	return place_find(registry, "batch", name, &i) ? &registry->batches[i] : NULL;
}

size_t
registry_batch_count(const struct registry *registry)
{
	return registry->batch_count;
}

const struct batch_def *
registry_batch_at(const struct registry *registry, size_t i)
{
	return &registry->batches[i];
}

size_t
registry_agent_count(const struct registry *registry)
{
	return registry->agent_count;
}

size_t
registry_trigger_count(const struct registry *registry)
{
	return registry->trigger_count;
}

size_t
registry_target_count(const struct registry *registry)
{
	return registry->target_count;
}

const struct agent *
registry_agent_at(const struct registry *registry, size_t i)
{
	return &registry->agents[i];
}

json_t *
registry_means(struct core *core)
{
	json_t *means = NULL;

	for (size_t i = 0; !means && i < core->registry->agent_count; i++) {
		const struct agent_kind *kind = core->registry->agents[i].kind;

		means = kind->means ? kind->means(core) : NULL;
	}
	return means;
}

const struct trigger *
registry_trigger_at(const struct registry *registry, size_t i)
{
	return &registry->triggers[i];
}

const struct target *
registry_target_at(const struct registry *registry, size_t i)
{
	return &registry->targets[i];
}

bool
agent_may_target(const struct agent *agent, const char *target)
{
	for (size_t i = 0; i < agent->target_count; i++)
		if (!strcmp(agent->targets[i], target))
			return true;
	return false;
}
