/* Fair: whose run is next. Deficit round robin between tenants; within one, priority, then age. */
/* SPDX-License-Identifier: MIT */
#include "core/fair.h"

#include <assert.h>
#include <limits.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct fair_tenant {
	char *name;
	struct fair_line *lines; /* any: it stands in the ring */
	int running, deficit;
	struct fair_terms terms;
	uint64_t terms_age;
	TAILQ_ENTRY(fair_tenant) link;
	UT_hash_handle hh;
};
TAILQ_HEAD(fair_ring, fair_tenant);

struct fair {
	struct fair_view view;
	struct fair_tenant *tenants;
	struct fair_ring ring;
	size_t ringed;
	uint64_t age; /* grows when terms may have changed */
};

struct fair *
fair_new(const struct fair_view *view)
{
	struct fair *fair = mem_alloc(sizeof(*fair));

	fair->view = *view;
	fair->age = 1;
	TAILQ_INIT(&fair->ring);
	return fair;
}

static void
tenant_free(struct fair *fair, struct fair_tenant *tenant)
{
	HASH_DEL(fair->tenants, tenant);
	free(tenant->name);
	free(tenant);
}

void
fair_free(struct fair *fair)
{
	struct fair_tenant *tenant, *next;

	if (!fair)
		return;
	HASH_ITER (hh, fair->tenants, tenant, next) {
		while (tenant->lines) {
			struct fair_line *line = tenant->lines;

			tenant->lines = line->next;
			free(line);
		}
		tenant_free(fair, tenant);
	}
	free(fair);
}

static struct fair_tenant *
tenant_find(const struct fair *fair, const char *name)
{
	struct fair_tenant *tenant;

	HASH_FIND_STR(fair->tenants, name, tenant);
	return tenant;
}

static void
terms_refresh(struct fair *fair, struct fair_tenant *tenant)
{
	if (tenant->terms_age == fair->age)
		return;
	tenant->terms_age = fair->age;
	fair->view.terms(fair->view.arg, tenant->name, &tenant->terms);
	assert(tenant->terms.weight > 0);
	if (tenant->deficit > tenant->terms.weight)
		tenant->deficit = tenant->terms.weight;
	for (struct fair_line *line = tenant->lines; line; line = line->next)
		fair_look_again(line);
}

/* A new one may begin at once: it is behind one run of each of the others, not behind their rest of
 * this round. */
static struct fair_tenant *
tenant_of(struct fair *fair, const char *name)
{
	struct fair_tenant *tenant = tenant_find(fair, name);

	if (tenant)
		return tenant;
	tenant = mem_alloc(sizeof(*tenant));
	tenant->name = mem_strdup(name);
	HASH_ADD_KEYPTR(hh, fair->tenants, tenant->name, strlen(tenant->name), tenant);
	tenant->deficit = INT_MAX;
	terms_refresh(fair, tenant);
	return tenant;
}

static void
tenant_settle(struct fair *fair, struct fair_tenant *tenant)
{
	if (!tenant->lines && !tenant->running)
		tenant_free(fair, tenant);
}

/* --- lines --------------------------------------------------------------------------------- */

struct fair_line *
fair_find(const struct fair *fair, const char *name, const void *agent)
{
	const struct fair_tenant *tenant = tenant_find(fair, name);
	struct fair_line *line = tenant ? tenant->lines : NULL;

	while (line && line->agent != agent)
		line = line->next;
	return line;
}

struct fair_line *
fair_add(struct fair *fair, const char *name, void *agent)
{
	struct fair_tenant *tenant = tenant_of(fair, name);
	struct fair_line *line = mem_alloc(sizeof(*line));

	line->agent = agent;
	line->tenant = tenant;
	line->next = tenant->lines;
	if (!tenant->lines) {
		TAILQ_INSERT_TAIL(&fair->ring, tenant, link);
		fair->ringed++;
	}
	tenant->lines = line;
	return line;
}

void
fair_grew(struct fair_line *line)
{
	line->known = false;
}

void
fair_look_again(struct fair_line *line)
{
	line->known = false;
	memset(&line->place, 0, sizeof(line->place));
}

static void
line_free(struct fair *fair, struct fair_line *line)
{
	struct fair_tenant *tenant = line->tenant;
	struct fair_line **at = &tenant->lines;

	while (*at != line)
		at = &(*at)->next;
	*at = line->next;
	fair->view.gone(fair->view.arg, line->agent);
	free(line);
	if (tenant->lines)
		return;
	TAILQ_REMOVE(&fair->ring, tenant, link);
	fair->ringed--;
}

void
fair_drop(struct fair *fair, struct fair_line *line)
{
	struct fair_tenant *tenant = line->tenant;

	line_free(fair, line);
	tenant_settle(fair, tenant);
}

static void
tenant_to_end(struct fair *fair, struct fair_tenant *tenant)
{
	TAILQ_REMOVE(&fair->ring, tenant, link);
	TAILQ_INSERT_TAIL(&fair->ring, tenant, link);
}

/* --- who is next --------------------------------------------------------------------------- */

static bool
tenant_may_start(struct fair *fair, const struct fair_tenant *tenant)
{
	if (tenant->running >= tenant->terms.max_running)
		return false;
	for (const struct fair_line *line = tenant->lines; line; line = line->next)
		if (fair->view.is_open(fair->view.arg, line->agent))
			return true;
	return false;
}

static bool
head_before(const struct fair_head *a, const struct fair_head *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->seq < b->seq;
}

/* The line whose first is before those of all others, of agents that are open. Drops what is empty,
 * perhaps all. */
static struct fair_line *
tenant_best(struct fair *fair, struct fair_tenant *tenant)
{
	struct fair_line *best = NULL, *line, *next;

	for (line = tenant->lines; line; line = next) {
		enum fair_look look = FAIR_HEAD;

		next = line->next;
		if (!fair->view.is_open(fair->view.arg, line->agent))
			continue;
		if (!line->known)
			look = fair->view.look(fair->view.arg, line, &line->head);
		line->known = look == FAIR_HEAD;
		if (look == FAIR_EMPTY)
			line_free(fair, line);
		else if (line->known && (!best || head_before(&line->head, &best->head)))
			best = line;
	}
	return best;
}

static void
tenant_clear(struct fair *fair, struct fair_tenant *tenant)
{
	while (tenant->lines)
		line_free(fair, tenant->lines);
	tenant_settle(fair, tenant);
}

static struct fair_line *
ring_first(struct fair *fair)
{
	struct fair_tenant *tenant, *next;

	TAILQ_FOREACH_SAFE (tenant, &fair->ring, link, next) {
		struct fair_line *line;

		terms_refresh(fair, tenant);
		if (tenant->terms.paused) {
			tenant_clear(fair, tenant);
			continue;
		}
		if (tenant->deficit < 1 || !tenant_may_start(fair, tenant))
			continue;
		line = tenant_best(fair, tenant);
		if (line)
			return line;
		tenant_settle(fair, tenant);
	}
	return NULL;
}

/* Of those that could start something none has any left: a new round for them. */
static bool
ring_refill(struct fair *fair)
{
	struct fair_tenant *tenant;
	bool any = false;

	TAILQ_FOREACH (tenant, &fair->ring, link) {
		if (tenant->deficit > 0 || !tenant_may_start(fair, tenant))
			continue;
		tenant->deficit = tenant->terms.weight;
		any = true;
	}
	return any;
}

struct fair_line *
fair_next(struct fair *fair)
{
	struct fair_line *line = ring_first(fair);

	return line || !ring_refill(fair) ? line : ring_first(fair);
}

void
fair_took(struct fair *fair, struct fair_line *line)
{
	line->tenant->deficit--;
	fair_pass(fair, line);
}

void
fair_pass(struct fair *fair, struct fair_line *line)
{
	line->known = false;
	tenant_to_end(fair, line->tenant);
}

void
fair_forget(struct fair *fair)
{
	fair->age++;
}

/* --- numbers ------------------------------------------------------------------------------- */

void
fair_note_running(struct fair *fair, const char *name, int by)
{
	struct fair_tenant *tenant = tenant_of(fair, name);

	tenant->running += by;
	assert(tenant->running >= 0);
	tenant_settle(fair, tenant);
}

int
fair_running(const struct fair *fair, const char *name)
{
	const struct fair_tenant *tenant = tenant_find(fair, name);

	return tenant ? tenant->running : 0;
}

size_t
fair_tenants(const struct fair *fair)
{
	return fair->ringed;
}

const char *
fair_tenant_name(const struct fair_line *line)
{
	return line->tenant->name;
}

bool
fair_is_spent(const struct fair_line *line)
{
	return line->tenant->deficit < 1;
}
