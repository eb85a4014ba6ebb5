/* Source topic: an agent said something on a topic. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/topic/topic.h"

#include "conf/write.h"
#include "core/signal.h"

static const struct conf_key keys[] = {
	{"topic", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "name of the topic; agents say `emit` lines on it"},
};

static void
topic_check(const struct conf_section *section, struct conf_report *report)
{
	const char *topic = conf_str(section, "topic");

	if (!conf_name_is_valid(str_of(topic)))
		conf_complain(report, section, "topic",
			      "%s; expected a name of a-z, 0-9, '.', '_' and '-', at most 40 long",
			      topic);
}

static const struct conf_table table = {
	.section = "trigger",
	.named = true,
	.selector = "source",
	.value = "topic",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = topic_check,
	.help = "what agents emit",
	.hint = "An agent that emits on the topic {topic} wakes it."};
static const struct conf_table *const tables[] = {&table, NULL};

struct subscription {
	struct listener listener; /* first */
	char *topic;
};

static bool
topic_hears(const struct listener *listener, const struct signal *signal)
{
	const struct subscription *subscription =
		CONTAINER_OF(listener, const struct subscription, listener);

	return signal->topic && !strcmp(signal->topic, subscription->topic);
}

static struct source *
topic_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct subscription *subscription = mem_alloc(sizeof(*subscription));

	subscription->topic = mem_strdup(conf_str(trigger->section, "topic"));
	if (listener_start(&subscription->listener, core, &topic_kind, trigger->name, topic_hears,
			   err))
		return &subscription->listener.source;
	free(subscription->topic);
	free(subscription);
	return NULL;
}

static void
topic_stop(struct source *source)
{
	struct subscription *subscription =
		CONTAINER_OF(source, struct subscription, listener.source);

	listener_stop(&subscription->listener);
	free(subscription->topic);
	free(subscription);
}

/* An event is as far to be trusted as the run that said it. */
const struct source_kind topic_kind = {.name = "topic",
				       .tables = tables,
				       .trust = TRUST_TRUSTED,
				       .start = topic_start,
				       .stop = topic_stop,
				       .wake = listener_wake};
