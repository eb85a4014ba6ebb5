/* Circles: after triggers that wake one another for ever, but for max_hops. */
/* SPDX-License-Identifier: MIT */
#include "triggers/after/after.h"

#include "base/map.h"

/* After triggers that wait for one trigger, or for one agent. */
struct waited {
	char *key; /* trigger/NAME agent/NAME */
	struct node **by;
	size_t count;
	UT_hash_handle hh;
};

struct node {
	const struct trigger *trigger;
	enum { NEW, OPEN, DONE } state;
	struct waited *next[2]; /* those woken by its runs: as a trigger's, as an agent's */
	size_t at;		/* of them all, while it is open */
};

struct graph {
	struct node *nodes;
	size_t count;
	struct waited *waited;
	struct node **path; /* those that are open, from the first */
	size_t depth;
};

static struct waited *
waited_find(struct graph *graph, const char *kind, const char *name, bool make)
{
	AUTO(buf_fini) struct buf key = BUF_INIT;
	struct waited *waited;

	buf_cat(&key, kind, "/", name);
	HASH_FIND_STR(graph->waited, buf_cstr(&key), waited);
	if (waited || !make)
		return waited;
	waited = mem_alloc(sizeof(*waited));
	waited->key = buf_take(&key);
	HASH_ADD_KEYPTR(hh, graph->waited, waited->key, strlen(waited->key), waited);
	return waited;
}

static void
graph_wait(struct graph *graph, struct node *node, const char *kind, const char *key)
{
	const char *const *names;
	size_t count = conf_list(node->trigger->section, key, &names);

	for (size_t i = 0; i < count; i++) {
		struct waited *waited = waited_find(graph, kind, names[i], true);

		waited->by = mem_realloc(waited->by, (waited->count + 1) * sizeof(struct node *));
		waited->by[waited->count++] = node;
	}
}

static void
graph_fill(struct graph *graph, const struct registry *registry)
{
	size_t all = registry_trigger_count(registry);

	graph->nodes = mem_alloc_array(all + 1, sizeof(*graph->nodes));
	graph->path = mem_alloc_array(all + 1, sizeof(struct node *));
	for (size_t i = 0; i < all; i++) {
		const struct trigger *trigger = registry_trigger_at(registry, i);
		struct node *node;

		if (trigger->kind != &after_kind)
			continue;
		node = &graph->nodes[graph->count++];
		node->trigger = trigger;
		graph_wait(graph, node, "trigger", "trigger");
		graph_wait(graph, node, "agent", "after_agent");
	}
	for (size_t i = 0; i < graph->count; i++) {
		struct node *node = &graph->nodes[i];

		node->next[0] = waited_find(graph, "trigger", node->trigger->name, false);
		if (node->trigger->agent)
			node->next[1] = waited_find(graph, "agent", node->trigger->agent, false);
	}
}

static void
graph_fini(struct graph *graph)
{
	struct waited *waited, *next;

	HASH_ITER (hh, graph->waited, waited, next) {
		HASH_DEL(graph->waited, waited);
		free(waited->key);
		free(waited->by);
		free(waited);
	}
	free(graph->nodes);
	free(graph->path);
}

/* From the node where the circle closes, along the path, back to it. */
static void
circle_tell(const struct graph *graph, const struct node *closes, struct conf_report *report)
{
	AUTO(buf_fini) struct buf names = BUF_INIT;
	size_t i = graph->depth;

	while (graph->path[i - 1] != closes)
		i--;
	for (; i <= graph->depth; i++)
		buf_cat(&names, graph->path[i - 1]->trigger->name, " wakes ");
	buf_puts(&names, closes->trigger->name);
	conf_warn(report, closes->trigger->section, "trigger",
		  "%s: a circle, which only max_hops (%d) ends; let one of them wait for something "
		  "else",
		  buf_cstr(&names), closes->trigger->max_hops);
}

static struct node *
node_next(struct node *node)
{
	size_t at = node->at++;

	for (int i = 0; i < 2; i++) {
		size_t count = node->next[i] ? node->next[i]->count : 0;

		if (at < count)
			return node->next[i]->by[at];
		at -= count;
	}
	return NULL;
}

static void
graph_walk(struct graph *graph, struct node *from, struct conf_report *report)
{
	graph->path[graph->depth++] = from;
	from->state = OPEN;
	while (graph->depth) {
		struct node *node = graph->path[graph->depth - 1], *next = node_next(node);

		if (!next) {
			node->state = DONE;
			graph->depth--;
		} else if (next->state == OPEN) {
			circle_tell(graph, next, report);
		} else if (next->state == NEW) {
			next->state = OPEN;
			graph->path[graph->depth++] = next;
		}
	}
}

void
after_check_circles(const struct registry *registry, struct conf_report *report)
{
	AUTO(graph_fini) struct graph graph = {.count = 0};

	graph_fill(&graph, registry);
	for (size_t i = 0; i < graph.count; i++)
		if (graph.nodes[i].state == NEW)
			graph_walk(&graph, &graph.nodes[i], report);
}
