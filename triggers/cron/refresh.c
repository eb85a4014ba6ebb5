/* Refresh: the system's zone data may be replaced under a daemon that runs for months. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/inside.h"

#include "base/log.h"

#define ZONES_MAX 64

/* Zones that were found unchanged in this round: thousands of schedules share a few. */
struct round {
	const struct zone *zones[ZONES_MAX];
	size_t count;
};
static struct round round_of_all;

void
refresh_begin(void)
{
	round_of_all.count = 0;
}

static bool
round_has(const struct zone *zone)
{
	for (size_t i = 0; i < round_of_all.count; i++)
		if (round_of_all.zones[i] == zone)
			return true;
	return false;
}

bool
tick_refresh(struct tick *tick)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	const struct zone *zone = cron_zone(tick->cron);
	bool changed = false;

	if (round_has(zone))
		return false;
	if (!cron_refresh(tick->cron, &changed, &err))
		log_warning("zone data cannot be read anew; what was read goes on", "trigger",
			    tick->source.name, "error", err_text(&err));
	if (changed)
		log_info("zone data has changed", "trigger", tick->source.name, "zone",
			 zone_name(cron_zone(tick->cron)));
	else if (zone == cron_zone(tick->cron) && round_of_all.count < ZONES_MAX)
		round_of_all.zones[round_of_all.count++] = zone;
	return changed;
}
