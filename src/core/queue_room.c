/* Room: how many runs of an agent, or of a pool of agents, go at once. */
/* SPDX-License-Identifier: MIT */
#include "core/breakers.h"
#include "core/halt.h"
#include "core/queue_inside.h"

static int
pool_size(const struct core *core, const char *label)
{
	const struct conf_section *limits =
		conf_section(registry_conf(core->registry), "limits", "");
	AUTO(buf_fini) struct buf key = BUF_INIT;
	int size = 0;

	buf_cat(&key, "pool.", label);
	if (conf_is_set(limits, buf_cstr(&key)))
		return (int)conf_int(limits, buf_cstr(&key));
	for (size_t i = 0; i < registry_agent_count(core->registry); i++) {
		const struct agent *agent = registry_agent_at(core->registry, i);

		if (agent->pool && !strcmp(agent->pool, label) && agent->concurrency > size)
			size = agent->concurrency;
	}
	return size;
}

static struct pool *
pool_of(struct queue *queue, const char *label)
{
	struct pool *pool;

	HASH_FIND_STR(queue->pools, label, pool);
	if (pool)
		return pool;
	pool = mem_alloc(sizeof(*pool));
	pool->label = mem_strdup(label);
	pool->size = pool_size(queue->core, label);
	HASH_ADD_KEYPTR(hh, queue->pools, pool->label, strlen(pool->label), pool);
	return pool;
}

static void
pools_free(struct queue *queue)
{
	struct pool *pool, *next;

	HASH_ITER (hh, queue->pools, pool, next) {
		HASH_DEL(queue->pools, pool);
		free(pool->label);
		free(pool);
	}
}

static void
slot_refresh(struct queue *queue, struct slot *slot)
{
	const struct agent *agent = registry_agent(queue->core->registry, slot->agent);

	slot->concurrency = agent ? agent->concurrency : 0;
	slot->paused = switch_is_on(queue->core->switches, "agent", slot->agent, "paused");
	slot->pool = agent && agent->pool ? pool_of(queue, agent->pool) : NULL;
	if (slot->pool)
		slot->pool->running += slot->running;
}

void
slots_refresh(struct queue *queue)
{
	struct slot *slot, *next;

	pools_free(queue);
	HASH_ITER (hh, queue->slots, slot, next)
		slot_refresh(queue, slot);
}

struct slot *
slot_find(const struct queue *queue, const char *agent)
{
	struct slot *slot;

	HASH_FIND_STR(queue->slots, agent, slot);
	return slot;
}

struct slot *
slot_of(struct queue *queue, const char *agent)
{
	struct slot *slot = slot_find(queue, agent);

	if (slot)
		return slot;
	slot = mem_alloc(sizeof(*slot));
	slot->agent = mem_strdup(agent);
	slot->after = (struct buf)BUF_INIT;
	HASH_ADD_KEYPTR(hh, queue->slots, slot->agent, strlen(slot->agent), slot);
	slot_refresh(queue, slot);
	return slot;
}

void
slot_note_running(struct queue *queue, struct slot *slot, int by)
{
	slot->running += by;
	queue->running += by;
	if (slot->pool)
		slot->pool->running += by;
}

static bool
has_room(const struct slot *slot)
{
	return !slot->paused && slot->running < slot->concurrency &&
	       (!slot->pool || slot->pool->running < slot->pool->size);
}

struct slot *
slot_find_carrier(struct queue *queue, struct slot *slot)
{
	const struct agent *agent = registry_agent(queue->core->registry, slot->agent);
	const struct agent *carrier = breakers_carrier(queue->core, agent);
	struct slot *taken = slot;

	if (!carrier || slot->paused)
		return NULL;
	if (carrier != agent)
		taken = slot_of(queue, carrier->name);
	return has_room(taken) ? taken : NULL;
}

void
slots_free(struct queue *queue)
{
	struct slot *slot, *next;

	HASH_ITER (hh, queue->slots, slot, next) {
		HASH_DEL(queue->slots, slot);
		buf_fini(&slot->after);
		free(slot->agent);
		free(slot);
	}
	pools_free(queue);
}

/* --- asked by others ----------------------------------------------------------------------- */

int64_t
queue_depth(const struct queue *queue, const char *agent)
{
	const struct slot *slot = agent ? slot_find(queue, agent) : NULL;

	return !agent ? queue->queued : slot ? slot->queued : 0;
}

int
queue_in_flight(const struct queue *queue, const char *agent)
{
	const struct slot *slot = agent ? slot_find(queue, agent) : NULL;

	return !agent ? queue->running : slot ? slot->running : 0;
}

int
queue_of_tenant(const struct queue *queue, const char *tenant)
{
	return fair_running(queue->fair, tenant ? tenant : "");
}

size_t
queue_tenants(const struct queue *queue)
{
	return fair_tenants(queue->fair);
}

bool
queue_pool(const struct queue *queue, const char *agent, const char **ret_label, int *ret_size,
	   int *ret_running)
{
	const struct slot *slot = slot_find(queue, agent);

	if (!slot || !slot->pool)
		return false;
	*ret_label = slot->pool->label;
	*ret_size = slot->pool->size;
	*ret_running = slot->pool->running;
	return true;
}
