/* Fuzz target: time zone files and the rules in them. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/zone.h"
#include "pure/zone_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(zone_auto_free) struct zone *z = NULL;
	struct zone_rule rule;
	struct zone_span s;

	if (zone_rule_parse(str_make(data, size), &rule) && rule.has_dst)
		for (int year = 1970; year < 2200; year += 7) {
			zone_rule_start(&rule, year);
			zone_rule_end(&rule, year);
		}
	if (!zone_parse(STR("Fuzz/Zone"), str_make(data, size), &z, NULL))
		return 0;
	for (size_t i = 0; i < zone_count(z); i++) {
		s = zone_span(z, i);
		assert(s.from < s.until && zone_span_at(z, s.from).index == i);
	}
	return 0;
}
