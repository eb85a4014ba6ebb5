/* Why: the story of an event, a run, a change or a trigger, in order. SPEC 4. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

void api_why_routes(struct api *api)
{
	(void)api;
}
