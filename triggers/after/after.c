/* Source after: another run ended. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/after/after.h"

#include "core/signal.h"

static const struct conf_key keys[] = {
	{"trigger", CONF_NAME_LIST, .choices = "trigger",
	 .help = "triggers whose runs are waited for"},
	{"after_agent", CONF_NAME_LIST, .choices = "agent",
	 .help = "agents whose runs are waited for, whatever woke them"},
	{"status", CONF_ENUM_LIST, "succeeded, failed", "succeeded|failed|cancelled|skipped",
	 .help = "ends that count"},
};

static void
after_check(const struct conf_section *section, struct conf_report *report)
{
	if (!conf_is_set(section, "trigger") && !conf_is_set(section, "after_agent"))
		conf_complain(
			report, section, "trigger",
			"source = after waits for the runs of nobody; expected trigger = NAME, "
			"or after_agent = NAME");
}

static const struct conf_table table = {
	.section = "trigger",
	.named = true,
	.selector = "source",
	.value = "after",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = after_check,
	.help = "the end of another run",
	.hint = "It wakes when a run that it names ends: rouse run list shows them."};
static const struct conf_table *const tables[] = {&table, NULL};

/* What it waits for; the words are those of a configuration that it holds. */
struct watch {
	struct listener listener; /* first */
	struct conf *conf;
	const char *const *triggers, *const *agents, *const *statuses;
	size_t trigger_count, agent_count, status_count;
};

static bool
is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static bool
after_hears(const struct listener *listener, const struct signal *signal)
{
	const struct watch *watch = CONTAINER_OF(listener, const struct watch, listener);

	return !signal->topic && is_among(signal->status, watch->statuses, watch->status_count) &&
	       (is_among(signal->trigger, watch->triggers, watch->trigger_count) ||
		is_among(signal->agent, watch->agents, watch->agent_count));
}

static struct source *
after_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct watch *watch = mem_alloc(sizeof(*watch));
	const struct conf_section *section = trigger->section;

	watch->trigger_count = conf_list(section, "trigger", &watch->triggers);
	watch->agent_count = conf_list(section, "after_agent", &watch->agents);
	watch->status_count = conf_list(section, "status", &watch->statuses);
	if (!listener_start(&watch->listener, core, &after_kind, trigger->name, after_hears, err)) {
		free(watch);
		return NULL;
	}
	watch->conf = conf_ref(registry_conf(core->registry));
	return &watch->listener.source;
}

static void
after_stop(struct source *source)
{
	struct watch *watch = CONTAINER_OF(source, struct watch, listener.source);

	listener_stop(&watch->listener);
	conf_unref(watch->conf);
	free(watch);
}

/* An event is as far to be trusted as the run that ended. */
const struct source_kind after_kind = {.name = "after",
				       .tables = tables,
				       .trust = TRUST_TRUSTED,
				       .start = after_start,
				       .stop = after_stop,
				       .check_all = after_check_circles,
				       .wake = listener_wake};
