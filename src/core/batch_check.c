/* Batches: what [batch X] says, checked when it is read. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "core/batch.h"
#include "pure/cron_next.h"
#include "pure/duration.h"

bool
batch_stop_parse(struct str text, int64_t *ret_count, double *ret_share)
{
	uint64_t count;

	*ret_count = 0;
	*ret_share = NAN;
	if (str_to_u64(text, &count)) {
		*ret_count = (int64_t)count;
		return count > 0 && count < INT64_MAX;
	}
	return ratio_parse(text, ret_share, NULL) && *ret_share > 0;
}

static void
stop_check(const struct conf_section *section, struct conf_report *report)
{
	const char *text = conf_str(section, "stop_after");
	const char *mode = conf_str(section, "on_failure");
	int64_t count;
	double share;

	if (!text)
		return;
	if (!batch_stop_parse(str_of(text), &count, &share))
		conf_complain(report, section, "stop_after",
			      "%s; expected how many entities may go wrong, as 10, or which share "
			      "of them, as 5%%",
			      text);
	else if (mode && strcmp(mode, "stop") != 0)
		conf_complain(report, section, "stop_after",
			      "on_failure = continue never stops; write on_failure = stop, or "
			      "remove stop_after");
}

static void
schedule_check(const struct conf_section *section, struct conf_report *report)
{
	const char *text = conf_str(section, "schedule"), *zone = conf_str(section, "timezone");
	AUTO(cron_auto_free) struct cron *cron = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!text && zone)
		conf_complain(report, section, "timezone",
			      "there is no schedule that it is for; add one, or remove it");
	if (text &&
	    !cron_new(str_of(text), str_of(zone), str_of(conf_section_name(section)), &cron, &err))
		conf_complain(report, section, "schedule", "%s", err_text(&err));
}

void
batch_check(const struct conf_section *section, struct conf_report *report)
{
	AUTO(err_fini) struct err err = ERR_INIT, bad = ERR_INIT;
	const struct entity_kind *kind;
	struct entities_place place;
	struct entity_namer *namer = NULL;

	stop_check(section, report);
	schedule_check(section, report);
	if (!conf_str(section, "entities"))
		return;
	if (!entities_find(section, &kind, &place, &err)) {
		conf_complain(report, section, "entities", "%s", err_text(&err));
		return;
	}
	if (!str_trim(str_of(place.rest)).len)
		conf_complain(report, section, "entities",
			      "expected something behind %s:", kind->name);
	else if (kind->check)
		kind->check(&place, report);
	if (place.key && !entity_namer_new(place.key, &namer, &bad))
		conf_complain(report, section, "entity_key", "%s", err_text(&bad));
	entity_namer_free(namer);
}
