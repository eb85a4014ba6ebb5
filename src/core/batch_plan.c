/* Batches: what one was started with, as it stands in its row. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "core/batch_inside.h"

void
plan_read(const char *options, struct batch_plan *ret)
{
	AUTO(json_auto_decref) json_t *plan = NULL;
	const char *order;
	const json_t *only, *key;
	size_t i;

	*ret = (struct batch_plan){0};
	if (!options || !json_read(str_of(options), &plan, NULL))
		return;
	order = json_str(plan, "order");
	ret->limit = json_int(plan, "limit", 0);
	ret->trial = json_int(plan, "trial", 0);
	ret->shuffled = order && !strcmp(order, "random");
	ret->seed = (uint64_t)json_int(plan, "seed", 0);
	ret->failed = mem_strdup(json_str(plan, "failed"));
	ret->skipped = mem_strdup(json_str(plan, "skipped"));
	ret->replay = json_incref(json_object_get(plan, "replay"));
	only = json_object_get(plan, "only");
	if (!only)
		return;
	ret->only = json_object();
	json_array_foreach ((json_t *)only, i, key)
		json_object_set_new(ret->only, json_string_value(key), json_true());
}

void
plan_fini(struct batch_plan *plan)
{
	free(plan->failed);
	free(plan->skipped);
	json_decref(plan->only);
	json_decref(plan->replay);
}

void
plan_whole(const char *options, struct buf *out)
{
	AUTO(json_auto_decref) json_t *plan = NULL;

	if (!options || !json_read(str_of(options), &plan, NULL))
		plan = json_object();
	if (json_object_get(plan, "trial")) {
		json_object_set(plan, "tried", json_object_get(plan, "trial"));
		json_object_del(plan, "trial");
	}
	json_write(out, plan);
}

#define PLACE_BITS 40
#define PLACE_MASK ((1ULL << PLACE_BITS) - 1)

/* Each step can be taken back, so that no two entities get the same place. */
int64_t
plan_place(const struct batch_plan *plan, int64_t i)
{
	uint64_t x = (uint64_t)i & PLACE_MASK;

	if (!plan->shuffled)
		return i;
	for (int round = 0; round < 2; round++) {
		x = (x ^ plan->seed) & PLACE_MASK;
		x = (x * 0x9e3779b97f4a7c15ULL) & PLACE_MASK;
		x ^= x >> (PLACE_BITS / 2);
		x = (x * 0xbf58476d1ce4e5b9ULL) & PLACE_MASK;
		x ^= x >> 17;
	}
	return (int64_t)x;
}
