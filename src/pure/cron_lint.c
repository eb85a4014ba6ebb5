/* What a cron expression's writer may not have meant. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_explain.h"

#include <inttypes.h>

#include "pure/civil.h"

#define LINT_DAYS 730
#define ALL_MINUTES ((UINT64_C(1) << 60) - 1)
#define ALL_HOURS 0xffffffu

struct linter {
	struct cron *cron;
	const struct cron_expr *e;
	void (*on_lint)(void *arg, const char *text);
	void *arg;
};

static void warn(const struct linter *l, const char *fmt, ...) PRINTF(2, 3);

static void
warn(const struct linter *l, const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	l->on_lint(l->arg, buf_cstr(&text));
}

static void
lint_every_minute(const struct linter *l)
{
	int h = l->e->hour ? __builtin_ctz(l->e->hour) : 0;

	if (l->e->minute == ALL_MINUTES && !(l->e->loose >> CRON_HOUR & 1))
		warn(l, "every minute from %02d:00 to %02d:59; did you mean 0 in the minute field?",
		     h, 31 - __builtin_clz(l->e->hour));
}

static void
lint_days(const struct linter *l)
{
	const struct cron_expr *e = l->e;
	bool restricted = !e->dom_star && !e->dow_star;

	if (restricted && !e->both)
		warn(l, "runs on the days of day-of-month AND ALSO on those of day-of-week; write "
			"+ before "
			"day-of-week for only if both");
	if (restricted && (e->dom_step || e->dow_step))
		warn(l, "*/n beside the other day field means different things to different crons; "
			"spell "
			"the days out");
}

/* 0, n, 2n ... whose last step, over the end, is another one. */
static void
lint_uneven(const struct linter *l, enum cron_field field, uint64_t mask, int size)
{
	int n, last;

	if (!(l->e->loose >> field & 1) || !(mask & 1) || !(mask & (mask - 1)))
		return;
	n = __builtin_ctzll(mask & (mask - 1));
	last = 63 - __builtin_clzll(mask);
	if (n > 1 && size % n && size - last < n && mask >> n << n == (mask & ~UINT64_C(1)))
		warn(l, "%s: %d does not divide %d; there is a gap of %d at the end of each round",
		     cron_field_name(field), n, size, size - last);
}

static void
lint_wide(const struct linter *l)
{
	for (enum cron_field f = CRON_SECOND; f < CRON_FIELDS; f++)
		if (l->e->wide >> f & 1)
			warn(l, "%s: a step is larger than its range and leaves one value",
			     cron_field_name(f));
}

static void
lint_month_end(const struct linter *l)
{
	const struct cron_expr *e = l->e;
	int skipped = 0, first = e->dom ? __builtin_ctz(e->dom) : 0;

	if (first < 29 || e->last_day || e->last_weekday || (!e->dow_star && !e->both))
		return;
	for (int m = 1; m <= 12; m++)
		skipped += (e->month >> m & 1) && civil_month_days(2001, m) < first;
	if (skipped)
		warn(l, "day %d: skips %d month%s a year; L is the last day", first, skipped,
		     skipped > 1 ? "s" : "");
}

/* A fire at the gap's end that is no nominal time, or a nominal time that comes twice. */
static bool
is_moved(struct cron *c, const struct zone_span *s, int32_t before)
{
	struct wall at;
	int64_t from = s->from, length = before - s->offset;

	if (length < 0) /* what would have been nominal in the gap fires at s->from */
		return cron_match(c, (struct wall){from * 1000});
	return cron_prev(c, (struct wall){from * 1000}, &at) && at.ms >= (from - length) * 1000;
}

static void
lint_transitions(const struct linter *l, struct wall now)
{
	const struct zone *z = cron_zone(l->cron);
	int64_t t = civil_floor_div(now.ms, 1000), end = t + INT64_C(86400) * LINT_DAYS;
	struct zone_span s = zone_span_at(z, t);
	struct civil d;
	int32_t before;

	while (s.index + 1 < zone_count(z) && s.until < end) {
		before = s.offset;
		s = zone_span(z, s.index + 1);
		if (!is_moved(l->cron, &s, before))
			continue;
		d = civil_of_days(civil_floor_div(s.from + before, DAY_S));
		if (before < s.offset)
			warn(l,
			     "%04d-%02d-%02d: a time that the clocks skip runs when they have "
			     "changed",
			     d.year, d.month, d.day);
		else
			warn(l, "%04d-%02d-%02d: a time that comes twice runs %s", d.year, d.month,
			     d.day, l->e->rhythm ? "twice" : "the first time only");
	}
}

void
cron_lint(struct cron *cron, struct wall now, void (*on_lint)(void *arg, const char *text),
	  void *arg)
{
	struct linter l = {cron, cron_expr(cron), on_lint, arg};

	if (!l.e->fields)
		return;
	lint_every_minute(&l);
	lint_days(&l);
	lint_uneven(&l, CRON_SECOND, l.e->second, 60);
	lint_uneven(&l, CRON_MINUTE, l.e->minute, 60);
	lint_uneven(&l, CRON_HOUR, l.e->hour, 24);
	lint_wide(&l);
	lint_month_end(&l);
	if (!l.e->rhythm)
		lint_transitions(&l, now);
}
