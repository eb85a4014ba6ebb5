/* Fuzz target: hooks files of the `webhook` program, JSON and YAML, and their rules. */
/* SPDX-License-Identifier: MIT */
#include "cli/hooks.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	AUTO(buf_fini) struct buf regex = BUF_INIT;
	json_t *hooks = NULL, *hook;
	size_t i;

	hooks_regex(text, &regex);
	if (!hooks_read(text, &hooks, NULL))
		return 0;
	json_array_foreach (hooks, i, hook) {
		struct hooks_rule rule;
		AUTO(buf_fini) struct buf jq = BUF_INIT;

		hooks_rule_init(&rule);
		hooks_rule_convert(json_object_get(hook, "trigger-rule"), &rule);
		hooks_prelude(&rule.filter, json_object_get(hook, "parse-parameters-as-json"), &jq,
			      rule.notes);
		buf_add_str(&jq, buf_str(&rule.filter));
		/* What a configuration file would take for the beginning of a comment. */
		assert(!strstr(buf_cstr(&jq), " ;") && !strchr(buf_cstr(&jq), '\n'));
		hooks_rule_fini(&rule);
	}
	json_decref(hooks);
	return 0;
}
