/* Guises: a run as its agent sees it, where it stands in for another. */
/* SPDX-License-Identifier: MIT */
#include "core/guise.h"

#include "base/json.h"

/* Of a run that stands in for another: what that one's envelope said. */
static void
guise_put(struct run_row *run, const json_t *guise)
{
	const json_t *trigger = json_object_get(guise, "trigger");

	run->entity = (char *)json_str(guise, "entity");
	run->tenant = (char *)json_str(guise, "tenant");
	run->user = (char *)json_str(guise, "user");
	run->trigger = (char *)json_str(trigger, "name");
	run->source = (char *)json_str(trigger, "source");
	run->event_id = (char *)json_str(trigger, "event_id");
	run->event_time = WALL_NONE;
	if (json_str(trigger, "time"))
		wall_parse(str_of(json_str(trigger, "time")), &run->event_time);
}

struct run_row
guise_of(const struct run_row *row, json_t **ret_guise)
{
	struct run_row as = *row;

	*ret_guise = NULL;
	if (row->guise && json_read(str_of(row->guise), ret_guise, NULL))
		guise_put(&as, *ret_guise);
	return as;
}
