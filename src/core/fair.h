/* Fair: whose run is next. Deficit round robin between tenants; within one, priority, then age. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_FAIR_H
#define ROUSE_CORE_FAIR_H

#include "store/runs.h"

/* Rules alone: names and numbers, no rows. What may start of one tenant for one agent is a line;
 * tenants with lines stand in a ring. Every tenant that could start something spends one of its
 * deficit a run and goes to the end of the ring; where none has any left, all that could start
 * something get as much as their weight. One that may not start now neither spends nor gets, so
 * that tenants who wait for different agents do not disturb each other's shares. */
struct fair;
struct fair_tenant;

struct fair_head {
	int priority; /* 0 goes first */
	int64_t seq;
};

struct fair_line {
	void *agent;		/* the caller's */
	struct run_place place; /* where the caller's last look at the rows ended */
	struct fair_tenant *tenant;
	struct fair_line *next; /* of its tenant */
	struct fair_head head;
	bool known; /* head is */
};

struct fair_terms {
	int weight;	 /* from 1 */
	int max_running; /* INT_MAX: no cap of its own */
	bool paused;
};

enum fair_look {
	FAIR_HEAD,  /* there is one */
	FAIR_EMPTY, /* there is none: the line goes */
	FAIR_LATER  /* not to be known now: the line stays, and is passed over */
};

struct fair_view {
	/* Asked once a tenant, and again after fair_forget(). "" are the runs of no tenant. */
	void (*terms)(void *arg, const char *tenant, struct fair_terms *ret);
	/* May a run of this agent start now? */
	bool (*is_open)(void *arg, const void *agent);
	/* The first of a line whose head is not known. */
	enum fair_look (*look)(void *arg, struct fair_line *line, struct fair_head *ret);
	/* A line of this agent is no more. */
	void (*gone)(void *arg, void *agent);
	void *arg;
};

struct fair *fair_new(const struct fair_view *view);
void fair_free(struct fair *fair);

/* NULL: there is none. */
struct fair_line *fair_find(const struct fair *fair, const char *tenant, const void *agent);
/* A line that was not there: something of (tenant, agent) may start from now on. */
struct fair_line *fair_add(struct fair *fair, const char *tenant, void *agent);
/* One came into it that is newer than all that it had: its place stays. */
void fair_grew(struct fair_line *line);
/* What stands first in it may be another now, also an old one. */
void fair_look_again(struct fair_line *line);
/* The line that the next run is to be taken from; NULL: none may start. It stays the first until
 * fair_took(), fair_pass() or fair_drop(). What tenants that are paused have is dropped. */
struct fair_line *fair_next(struct fair *fair);
/* Its first has started: one of the tenant's deficit. */
void fair_took(struct fair *fair, struct fair_line *line);
/* Its first is not there any more, or was put aside: others first, for nothing. */
void fair_pass(struct fair *fair, struct fair_line *line);
/* Frees the line; its tenant stays known while something of it runs. */
void fair_drop(struct fair *fair, struct fair_line *line);
/* Terms, heads and places may be others now. */
void fair_forget(struct fair *fair);

void fair_note_running(struct fair *fair, const char *tenant, int by);
int fair_running(const struct fair *fair, const char *tenant);
/* That have lines. */
size_t fair_tenants(const struct fair *fair);
const char *fair_tenant_name(const struct fair_line *line);
/* Has it none left of its deficit? */
bool fair_is_spent(const struct fair_line *line);

#endif
