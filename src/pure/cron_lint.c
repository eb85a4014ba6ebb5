/* What a cron expression's writer may not have meant. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_explain.h"

#include <inttypes.h>

#include "pure/civil.h"
#include "pure/cron_field.h"

#define LINT_MS (INT64_C(730) * DAY_S * 1000)
#define ALL_MINUTES ((UINT64_C(1) << 60) - 1)

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
	AUTO(buf_fini) struct buf meant = BUF_INIT;
	struct cron_expr e = *l->e;
	int first = __builtin_ctz(e.hour), last = 31 - __builtin_clz(e.hour);

	if (e.minute != ALL_MINUTES || (e.loose >> CRON_HOUR & 1))
		return;
	e.minute = 1;
	e.loose &= (uint8_t) ~(1u << CRON_MINUTE);
	cron_print(&e, &meant);
	if (last - first + 1 == __builtin_popcount(e.hour))
		warn(l, "every minute from %02d:00 to %02d:59; did you mean %s?", first, last,
		     buf_cstr(&meant));
	else
		warn(l, "every minute of %d hours; did you mean %s?", __builtin_popcount(e.hour),
		     buf_cstr(&meant));
}

static void
lint_days(const struct linter *l)
{
	AUTO(buf_fini) struct buf dom = BUF_INIT, dow = BUF_INIT, plus = BUF_INIT;
	const struct cron_expr *e = l->e;

	if (e->dom_star || e->dow_star || e->both)
		return;
	cron_explain_dom(e, &dom);
	cron_explain_dow(e, &dow);
	cron_print_field(e, CRON_DOW, &plus);
	warn(l, "runs on %s AND ALSO %s%s; write +%s for only-if-both", buf_cstr(&dom),
	     e->dow ? "every " : "on ", buf_cstr(&dow), buf_cstr(&plus));
}

static void
lint_star_step(const struct linter *l)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	const char *text;

	if (cron_check_strict(l->e, &err))
		return;
	text = strstr(err_text(&err), "day-of-");
	warn(l, "%s", text ? text : err_text(&err));
}

/* 0, n, 2n ... whose last step, over the end, is another one. */
static void
lint_uneven(const struct linter *l)
{
	static const struct {
		enum cron_field field;
		const char *where;
	} cycles[] = {
		{CRON_SECOND, "at the minute"},	 {CRON_MINUTE, "at the hour"},
		{CRON_HOUR, "at midnight"},	 {CRON_MONTH, "at the year's end"},
		{CRON_DOW, "at the week's end"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cycles); i++) {
		const struct cron_field_row *row = cron_field_row(cycles[i].field);
		int n = l->e->star_step[cycles[i].field], size = row->step_max;

		if (n > 1 && size % n)
			warn(l, "%s: %d does not divide %d; there is a gap of %d %s", row->name, n,
			     size, size - (size - 1) / n * n, cycles[i].where);
	}
	if (l->e->star_step[CRON_DOM] > 1)
		warn(l, "day-of-month: */%d begins anew on the 1st of each month",
		     l->e->star_step[CRON_DOM]);
}

static void
lint_wide(const struct linter *l)
{
	for (enum cron_field f = CRON_SECOND; f < CRON_FIELDS; f++)
		if (l->e->wide >> f & 1)
			warn(l, "%s: a step is larger than its range and leaves one value",
			     cron_field_name(f));
}

/* A day that some months lack, where no day before it stands in. */
static void
lint_month_end(const struct linter *l)
{
	const struct cron_expr *e = l->e;

	if (e->dom_star || e->star_step[CRON_DOM] || e->last_day || e->last_weekday ||
	    (!e->dow_star && !e->both))
		return;
	for (int day = 29; day <= 31; day++) {
		int skipped = 0;

		if (!(e->dom >> day & 1) || (e->dom >> (day - 1) & 1))
			continue;
		for (int m = 1; m <= 12; m++)
			skipped += (e->month >> m & 1) && civil_month_days(2001, m) < day;
		if (skipped)
			warn(l, "day %d: skips %d month%s a year; %s is the last day", day, skipped,
			     skipped > 1 ? "s" : "", e->calendar ? "~01" : "L");
	}
}

/* Of a rhythm that goes round the clock nobody misses an hour that never was. */
static void
lint_changes(const struct linter *l, struct wall now)
{
	struct cron_change change;
	struct wall t = now;

	if (l->e->hour == 0xffffff)
		return;
	while (cron_next_change(l->cron, t, (struct wall){now.ms + LINT_MS}, &change)) {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		cron_explain_change(l->cron, &change, &text);
		warn(l, "%s", buf_cstr(&text));
		t = change.at;
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
	lint_star_step(&l);
	lint_uneven(&l);
	lint_wide(&l);
	lint_month_end(&l);
	lint_changes(&l, now);
}

bool
cron_check_strict(const struct cron_expr *e, struct err *err)
{
	enum cron_field field = e->star_step[CRON_DOM] > 1 ? CRON_DOM : CRON_DOW;

	if (e->dom_star || e->dow_star || e->both || e->star_step[field] < 2)
		return true;
	return err_set(err, E_INVALID,
		       "cron:%u: %s: */%d beside %s means both to some crons and either to others; "
		       "write + before day-of-week or spell the days out",
		       e->star_column, cron_field_name(field), e->star_step[field],
		       cron_field_name(field == CRON_DOM ? CRON_DOW : CRON_DOM));
}

/* ---- clocks that change ---- */

bool
cron_next_change(struct cron *cron, struct wall now, struct wall until, struct cron_change *ret)
{
	const struct zone *z = cron_zone(cron);
	struct zone_span s = zone_span_at(z, civil_floor_div(now.ms, 1000));
	int64_t last = civil_days(CRON_LAST_YEAR + 1, 1, 1) * DAY_S;
	int32_t before;

	if (wall_is_set(until) && until.ms / 1000 < last)
		last = until.ms / 1000;
	if (!cron_expr(cron)->fields)
		return false;
	while (s.index + 1 < zone_count(z)) {
		before = s.offset;
		s = zone_span(z, s.index + 1);
		if (s.from >= last)
			return false;
		if (!cron_has_nominal(cron, s.from + (before < s.offset ? before : s.offset),
				      s.from + (before < s.offset ? s.offset : before)))
			continue;
		*ret = (struct cron_change){{s.from * 1000}, before, s.offset};
		return true;
	}
	return false;
}

/* 2026-03-29T02:00, the seconds only where there are some. */
static void
add_local(struct buf *out, int64_t local, bool with_date)
{
	struct civil d = civil_of_days(civil_floor_div(local, DAY_S));
	int64_t time = local - civil_floor_div(local, DAY_S) * DAY_S;

	if (with_date)
		buf_printf(out, "%04d-%02d-%02d: ", d.year, d.month, d.day);
	buf_printf(out, "%02d:%02d", (int)(time / 3600), (int)(time / 60 % 60));
	if (time % 60)
		buf_printf(out, ":%02d", (int)(time % 60));
}

void
cron_explain_change(const struct cron *cron, const struct cron_change *change, struct buf *out)
{
	int64_t at = change->at.ms / 1000, was = at + change->before, is = at + change->after;
	bool rhythm = cron_expr(cron)->rhythm;

	add_local(out, was, true);
	buf_puts(out, was < is ? " becomes " : " is ");
	add_local(out, is, false);
	if (is - was >= DAY_S)
		buf_puts(out, ": the day between never is; nothing runs for it");
	else if (was > is)
		buf_printf(out, " once more: what comes twice runs %s",
			   rhythm ? "both times" : "the first time only");
	else if (rhythm)
		buf_puts(out, ": the times between do not come, nothing runs for them");
	else {
		buf_puts(out, ": the times between do not come, what they had runs at ");
		add_local(out, is, false);
	}
}
