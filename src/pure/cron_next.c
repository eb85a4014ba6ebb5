/* When a cron expression fires. Within a span of one offset local time is a plain number line: what
 * is hard is only where spans meet. No minute is ever stepped over, months and years neither. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_next.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "pure/civil.h"
#include "pure/cron_nominal.h"

/* Local times of two instants further apart than this are never the same. */
#define JUMP_S (3 * DAY_S)

struct cron {
	struct cron_expr expr;
	struct zone *zone;
	struct nominal nominal; /* when the expression has fields */
	struct zone_span span;	/* the one used last */
	int64_t before;		/* local time at which the span before it ended */
};

/* ---- instants ---- */

static void
span_set(struct cron *c, struct zone_span s)
{
	c->span = s;
	c->before = s.from + (s.index ? zone_span(c->zone, s.index - 1).offset : s.offset);
}

static const struct zone_span *
span_of(struct cron *c, int64_t t)
{
	if (t < c->span.from || t >= c->span.until)
		span_set(c, zone_span_at(c->zone, t));
	return &c->span;
}

/* Whether an appointment lies in the gap at which the span begins. A gap of a day or more is a date
 * that never was (the date line moved): what stood on it does not happen. */
static bool
gap_fires(struct cron *c, const struct zone_span *s)
{
	int64_t start = c->before, end = s->from + s->offset;

	return !c->expr.rhythm && start < end && end - start < DAY_S &&
	       cron_has_nominal(c, start, end);
}

/* The first local time of a span that counts: an appointment that the span before had is over. */
static int64_t
local_start(const struct cron *c, const struct zone_span *s)
{
	int64_t start = s->from + s->offset;

	return !c->expr.rhythm && c->before > start ? c->before : start;
}

static int64_t
max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The first instant at or after p. */
static bool
fire_next(struct cron *c, int64_t p, int64_t *ret)
{
	const struct zone_span *s;
	struct zone_span next;
	int64_t lo, local = 0;
	bool known = false, found; /* known: nothing is nominal from lo up to local */

	for (;;) {
		s = span_of(c, p);
		if (p == s->from && gap_fires(c, s)) {
			*ret = p;
			return true;
		}
		lo = p + s->offset;
		if (!c->expr.rhythm)
			lo = max64(lo, local_start(c, s));
		found = (known && lo <= local) || nominal_next(&c->nominal, lo, &local);
		if (found && local < s->until + s->offset) {
			*ret = local - s->offset;
			return true;
		}
		if (s->index + 1 == zone_count(c->zone))
			return false;
		next = zone_span(c->zone, s->index + 1);
		p = s->until;
		known = false;
		/* Unless the next span repeats local times before lo, nothing fires until local. */
		if (next.from + next.offset >= lo) {
			if (!found)
				return false;
			p = max64(p, local - JUMP_S);
			known = true;
		}
	}
}

/* The last instant at or before p. */
static bool
fire_prev(struct cron *c, int64_t p, int64_t *ret)
{
	const struct zone_span *s;
	int64_t hi, local = 0, before;
	bool found;

	for (;;) {
		s = span_of(c, p);
		hi = p + s->offset;
		found = nominal_prev(&c->nominal, hi, &local);
		if (found && local >= local_start(c, s)) {
			*ret = local - s->offset;
			return true;
		}
		if (gap_fires(c, s)) {
			*ret = s->from;
			return true;
		}
		if (!s->index)
			return false;
		before = c->before;
		p = s->from - 1;
		if (before - 1 <= hi) {
			if (!found)
				return false;
			p = min64(p, local + JUMP_S);
		}
	}
}

static bool
every_next(const struct cron_expr *e, int64_t p, int64_t *ret)
{
	int64_t past = p - e->phase_s, k;

	if (past < 0)
		past = 0;
	k = past / e->every_s + (past % e->every_s != 0);
	*ret = e->phase_s + k * e->every_s;
	return *ret < NOMINAL_END;
}

static bool
every_prev(const struct cron_expr *e, int64_t p, int64_t *ret)
{
	if (p < e->phase_s)
		return false;
	*ret = e->phase_s + (min64(p, NOMINAL_END - 1) - e->phase_s) / e->every_s * e->every_s;
	return true;
}

/* ---- exports ---- */

bool
cron_new(struct str text, struct str zone, struct str seed, struct cron **ret, struct err *err)
{
	AUTO(cron_auto_free) struct cron *c = mem_alloc(sizeof(*c));
	struct err cause = ERR_INIT;

	if (!cron_parse(text, seed, &c->expr, err))
		return false;
	if (c->expr.zone[0] && zone.len)
		return err_set(err, E_INVALID,
			       "cron:%zu: the expression names a time zone, and so does timezone; "
			       "keep one",
			       c->expr.zone_column);
	if (c->expr.zone[0])
		zone = str_of(c->expr.zone);
	if (!zone_load(zone.len ? zone : STR("UTC"), &c->zone, &cause)) {
		if (c->expr.zone[0])
			err_prefix(&cause, "cron:%zu", c->expr.zone_column);
		return err_move(err, &cause);
	}
	span_set(c, zone_span(c->zone, 0));
	if (c->expr.fields)
		nominal_init(&c->nominal, &c->expr);
	*ret = TAKE(c);
	return true;
}

void
cron_free(struct cron *cron)
{
	if (!cron)
		return;
	zone_free(cron->zone);
	free(cron);
}

void
cron_auto_free(struct cron **cron)
{
	cron_free(*cron);
}

bool
cron_refresh(struct cron *cron, bool *ret_changed, struct err *err)
{
	if (!zone_refresh(&cron->zone, ret_changed, err))
		return false;
	if (*ret_changed)
		span_set(cron, zone_span(cron->zone, 0));
	return true;
}

const struct cron_expr *
cron_expr(const struct cron *cron)
{
	return &cron->expr;
}

const struct zone *
cron_zone(const struct cron *cron)
{
	return cron->zone;
}

/* Nothing fires outside these years, whatever the offset: keeps sums far from overflow. */
static int64_t
clamp_s(int64_t s)
{
	return max64(min64(s, NOMINAL_END + JUMP_S), -JUMP_S);
}

bool
cron_next(struct cron *cron, struct wall t, struct wall *ret)
{
	int64_t p = clamp_s(civil_floor_div(t.ms, 1000) + 1), at;

	if (cron->expr.reboot ||
	    !(cron->expr.every_s ? every_next(&cron->expr, p, &at) : fire_next(cron, p, &at)))
		return false;
	assert(at * 1000 > t.ms);
	ret->ms = at * 1000;
	return true;
}

bool
cron_prev(struct cron *cron, struct wall t, struct wall *ret)
{
	int64_t p = clamp_s(civil_floor_div(t.ms - (t.ms > INT64_MIN), 1000)), at;

	if (cron->expr.reboot ||
	    !(cron->expr.every_s ? every_prev(&cron->expr, p, &at) : fire_prev(cron, p, &at)))
		return false;
	assert(at * 1000 < t.ms);
	ret->ms = at * 1000;
	return true;
}

bool
cron_match(struct cron *cron, struct wall t)
{
	struct wall next;

	return t.ms > INT64_MIN && cron_next(cron, (struct wall){t.ms - 1}, &next) &&
	       next.ms == t.ms;
}

bool
cron_has_nominal(struct cron *cron, int64_t from, int64_t until)
{
	int64_t local;

	return nominal_next(&cron->nominal, from, &local) && local < until;
}

bool
cron_check_fires(struct cron *cron, struct wall now, struct err *err)
{
	static const char *const full[] = {"January",	"February", "March",	"April",
					   "May",	"June",	    "July",	"August",
					   "September", "October",  "November", "December"};
	const struct cron_expr *e = &cron->expr;
	struct wall at;
	int longest = 0;

	if (e->reboot || cron_next(cron, now, &at))
		return true;
	for (int m = 1; m <= 12; m++)
		if ((e->month >> m & 1) && civil_month_days(2000, m) > longest)
			longest = civil_month_days(2000, m);
	if (cron_next(cron, (struct wall){-JUMP_S * INT64_C(1000)}, &at))
		return err_set(err, E_INVALID, "cron: never fires: its last time is over");
	if (!e->dom || __builtin_ctz(e->dom) <= longest)
		return err_set(err, E_INVALID,
			       "cron: never fires: no date matches all of its fields");
	if (e->month & (e->month - 1))
		return err_set(err, E_INVALID, "cron: never fires: its months have at most %d days",
			       longest);
	return err_set(err, E_INVALID, "cron: never fires: %s has at most %d days",
		       full[__builtin_ctz(e->month) - 1], longest);
}
