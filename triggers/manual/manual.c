/* Source manual: fires only by hand, by the API or the console. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include "triggers/manual/manual.h"

static const struct conf_table manual_table = {.section = "trigger",
					       .named = true,
					       .selector = "source",
					       .value = "manual",
					       .help = "fires only by hand or by the API"};

static const struct conf_table *const tables[] = {&manual_table, NULL};

static struct source *
manual_start(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct source *source = mem_alloc(sizeof(*source));

	(void)err;
	source_init(source, core, &manual_kind, trigger->name);
	return source;
}

static void
manual_stop(struct source *source)
{
	source_fini(source);
	free(source);
}

const struct source_kind manual_kind = {.name = "manual",
					.tables = tables,
					.trust = TRUST_TRUSTED,
					.start = manual_start,
					.stop = manual_stop};
