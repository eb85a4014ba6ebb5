/* The plainest spelling of a cron expression, from its masks. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_expr.h"

#include <inttypes.h>

#include "pure/calendar.h"
#include "pure/cron_field.h"

#define VALUES_MAX 230

/* A field's values, lowest first. */
struct values {
	int list[VALUES_MAX];
	size_t count;
	enum cron_field field;
	bool loose; /* must be written with a * or / */
};

static void
collect(struct values *v, enum cron_field field, uint64_t mask, int base)
{
	v->field = field;
	for (; mask; mask &= mask - 1)
		v->list[v->count++] = base + __builtin_ctzll(mask);
}

static void
add_value(struct buf *out, enum cron_field field, int n)
{
	if (field == CRON_MONTH)
		buf_puts(out, cron_month_name(n));
	else if (field == CRON_DOW)
		buf_puts(out, cron_weekday_name(n));
	else
		buf_printf(out, "%d", n);
}

static void
add_comma(struct buf *out, size_t start)
{
	if (out->len > start)
		buf_putc(out, ',');
}

/* The same distance between all, at least three of them, and wider than 1. */
static int
progression(const struct values *v)
{
	int step = v->count > 2 ? v->list[1] - v->list[0] : 0;

	for (size_t i = 1; i < v->count; i++)
		if (v->list[i] - v->list[i - 1] != step)
			return 0;
	return step > 1 ? step : 0;
}

/* 1-5,9: runs of three and more, or of two, are ranges; a loose list has a step of 1 in one. */
static void
add_list(struct buf *out, const struct values *v)
{
	size_t start = out->len;
	bool loose = v->loose;

	for (size_t i = 0, end; i < v->count; i = end + 1) {
		for (end = i; end + 1 < v->count && v->list[end + 1] == v->list[end] + 1;)
			end++;
		add_comma(out, start);
		add_value(out, v->field, v->list[i]);
		if (end > i || loose) {
			buf_putc(out, '-');
			add_value(out, v->field, v->list[end]);
		}
		if (loose)
			buf_puts(out, "/1");
		loose = false;
	}
}

/* What is written with star and step has this shape in seconds, minutes and hours. */
static bool
add_stepped(struct buf *out, const struct values *v)
{
	const struct cron_field_row *row = cron_field_row(v->field);
	int step = progression(v), last = v->list[v->count - 1];
	bool time = v->field <= CRON_HOUR;

	if (time && v->loose && v->count == 1 && v->list[0] == row->lo) {
		buf_printf(out, "*/%d", row->step_max);
		return true;
	}
	if (time && v->loose && v->count == 2 && v->list[0] == row->lo &&
	    2 * v->list[1] > row->hi) {
		buf_printf(out, "*/%d", v->list[1]);
		return true;
	}
	if (!step || (time && !v->loose) || v->field == CRON_MONTH || v->field == CRON_DOW)
		return false;
	if (time && v->list[0] == row->lo && last + step > row->hi) {
		buf_printf(out, "*/%d", step);
	} else {
		/* 1-31/2 is told from *-with-a-step by nobody who only fires it. */
		buf_printf(out, "%d-%d/%d", v->list[0],
			   v->field == CRON_DOM && last + step > row->hi ? row->hi : last, step);
	}
	return true;
}

static void
add_values(struct buf *out, const struct values *v)
{
	if (!v->count)
		return;
	if (!add_stepped(out, v))
		add_list(out, v);
}

static void
add_time(struct buf *out, const struct cron_expr *e, enum cron_field field, uint64_t mask)
{
	struct values v = {.loose = e->loose >> field & 1};
	const struct cron_field_row *row = cron_field_row(field);

	collect(&v, field, mask, 0);
	if (v.count == (size_t)(row->hi - row->lo + 1))
		buf_putc(out, '*');
	else
		add_values(out, &v);
}

static void
add_dom(struct buf *out, const struct cron_expr *e)
{
	struct values v = {.loose = false};
	size_t start = out->len;

	if (e->dom_star) {
		buf_putc(out, '*');
		return;
	}
	collect(&v, CRON_DOM, e->dom, 0);
	add_values(out, &v);
	for (int d = 1; d <= 31; d++)
		if (e->nearest >> d & 1) {
			add_comma(out, start);
			buf_printf(out, "%dW", d);
		}
	for (int n = 0; n <= 30; n++)
		if (e->last_weekday >> n & 1) {
			add_comma(out, start);
			n ? buf_printf(out, "L-%dW", n) : buf_puts(out, "LW");
		}
	for (int n = 0; n <= 30; n++)
		if (e->last_day >> n & 1) {
			add_comma(out, start);
			n ? buf_printf(out, "L-%d", n) : buf_puts(out, "L");
		}
}

static void
add_dow(struct buf *out, const struct cron_expr *e)
{
	struct values v = {.loose = false};
	size_t start = out->len;

	if (e->dow_star) {
		buf_putc(out, '*');
		return;
	}
	if (e->dow == 0x7f) /* every weekday, and yet a restriction: * would not be */
		buf_puts(out, "0-6");
	else {
		collect(&v, CRON_DOW, e->dow, 0);
		add_values(out, &v);
	}
	for (int w = 0; w < 7; w++)
		for (int n = 0; n <= CRON_NTH_LAST; n++)
			if (e->nth[w] >> n & 1) {
				add_comma(out, start);
				buf_printf(out, "%s#%c", cron_weekday_name(w),
					   n == CRON_NTH_LAST ? 'L' : '1' + n);
			}
}

static void
add_month(struct buf *out, const struct cron_expr *e)
{
	struct values v = {.loose = false};

	collect(&v, CRON_MONTH, e->month, 0);
	if (v.count == 12)
		buf_putc(out, '*');
	else
		add_values(out, &v);
}

static void
add_year(struct buf *out, const struct cron_expr *e)
{
	struct values v = {.loose = false};

	for (int i = 0; i < 4; i++)
		collect(&v, CRON_YEAR, e->year[i], CRON_FIRST_YEAR + i * 64);
	if (v.count == VALUES_MAX)
		buf_putc(out, '*');
	else
		add_values(out, &v);
}

static void
add_duration(struct buf *out, int64_t s)
{
	static const struct {
		char name;
		int64_t seconds;
	} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (s >= units[i].seconds)
			buf_printf(out, "%" PRId64 "%c", s / units[i].seconds, units[i].name);
		s %= units[i].seconds;
	}
}

void
cron_print_field(const struct cron_expr *e, enum cron_field field, struct buf *out)
{
	switch (field) {
	case CRON_SECOND:
		add_time(out, e, field, e->second);
		break;
	case CRON_MINUTE:
		add_time(out, e, field, e->minute);
		break;
	case CRON_HOUR:
		add_time(out, e, field, e->hour);
		break;
	case CRON_DOM:
		add_dom(out, e);
		break;
	case CRON_MONTH:
		add_month(out, e);
		break;
	case CRON_DOW:
		add_dow(out, e);
		break;
	case CRON_YEAR:
		add_year(out, e);
		break;
	case CRON_FIELDS:
		break;
	}
}

void
cron_print(const struct cron_expr *e, struct buf *out)
{
	if (e->calendar) {
		buf_puts(out, "calendar:");
		calendar_print(e, out);
		return;
	}
	if (e->zone[0])
		buf_printf(out, "CRON_TZ=%s ", e->zone);
	if (e->reboot) {
		buf_puts(out, "@reboot");
		return;
	}
	if (e->every_s) {
		buf_puts(out, "@every ");
		add_duration(out, e->every_s);
		if (e->phase_s) {
			buf_putc(out, '/');
			add_duration(out, e->phase_s);
		}
		return;
	}
	for (enum cron_field f = e->fields > 5 ? CRON_SECOND : CRON_MINUTE; f < CRON_FIELDS; f++) {
		if (f == CRON_YEAR && e->fields < 7)
			break;
		if (f > CRON_SECOND && (f > CRON_MINUTE || e->fields > 5))
			buf_putc(out, ' ');
		if (f == CRON_DOW && e->both)
			buf_putc(out, '+');
		cron_print_field(e, f, out);
	}
}
