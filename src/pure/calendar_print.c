/* The normalized spelling of a calendar event, from its masks. */
/* SPDX-License-Identifier: MIT */
#include "pure/calendar.h"

#include "pure/cron_field.h"

#define VALUES_MAX 230

struct values {
	int list[VALUES_MAX], hi, width;
	size_t count;
	bool stepped; /* may be written with / */
	bool loose;   /* must be */
};

static void
collect(struct values *v, uint64_t mask, int base)
{
	for (; mask; mask &= mask - 1)
		v->list[v->count++] = base + __builtin_ctzll(mask);
}

static void
add_run(const struct values *v, size_t from, size_t to, int step, struct buf *out)
{
	buf_printf(out, "%0*d", v->width, v->list[from]);
	if (to > from || step)
		buf_printf(out, "..%0*d", v->width, v->list[to]);
	if (step)
		buf_printf(out, "/%d", step);
}

/* The same distance between all of them; 0: not. */
static int
distance(const struct values *v)
{
	int step = v->count > 1 ? v->list[1] - v->list[0] : 0;

	for (size_t i = 1; i < v->count; i++)
		if (v->list[i] - v->list[i - 1] != step)
			return 0;
	return step;
}

static void
add_values(const struct values *v, struct buf *out)
{
	int step = distance(v);
	size_t i = 0, end;

	if (v->stepped && ((step > 1 && v->count > 2) || (v->loose && step))) {
		if (v->list[v->count - 1] + step > v->hi)
			buf_printf(out, "%0*d/%d", v->width, v->list[0], step);
		else
			add_run(v, 0, v->count - 1, step, out);
		return;
	}
	if (v->loose) {
		end = v->count > 1;
		add_run(v, 0, end, end ? v->list[1] - v->list[0] : 1, out);
		i = end + 1;
	}
	for (; i < v->count; i = end + 1) {
		for (end = i; end + 1 < v->count && v->list[end + 1] == v->list[end] + 1;)
			end++;
		if (end == i + 1)
			end = i;
		if (i)
			buf_putc(out, ',');
		add_run(v, i, end, 0, out);
	}
}

static void
add_weekdays(uint8_t dow, struct buf *out)
{
	static const char *const names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
	size_t start = out->len;

	for (int a = 0, b; a < 7; a = b + 1) {
		for (b = a; b < 6 && (dow >> (b + 1) % 7 & 1) && (dow >> (b + 2) % 7 & 1);)
			b++;
		if (!(dow >> (a + 1) % 7 & 1))
			continue;
		if (b == a + 1)
			b = a;
		buf_printf(out, "%s%s", out->len > start ? "," : "", names[a]);
		if (b > a)
			buf_printf(out, "..%s", names[b]);
	}
	buf_putc(out, ' ');
}

static void
add_day(const struct cron_expr *e, struct buf *out)
{
	struct values v = {.hi = 31, .width = 2, .stepped = true};

	buf_putc(out, e->last_day ? '~' : '-');
	if (e->dom_star) {
		buf_putc(out, '*');
		return;
	}
	if (e->last_day) {
		v.stepped = false; /* ~7/2 counts down */
		collect(&v, e->last_day, 1);
	} else {
		collect(&v, e->dom, 0);
	}
	add_values(&v, out);
}

static void
add_time(const struct cron_expr *e, enum cron_field field, uint64_t mask, struct buf *out)
{
	const struct cron_field_row *row = cron_field_row(field);
	bool loose = e->loose >> field & 1;
	struct values v = {.hi = row->hi, .width = 2, .stepped = loose, .loose = loose};

	collect(&v, mask, 0);
	if (v.count == (size_t)(row->hi - row->lo + 1))
		buf_putc(out, '*');
	else
		add_values(&v, out);
}

static void
add_all(struct values *v, size_t full, struct buf *out)
{
	if (v->count == full)
		buf_putc(out, '*');
	else
		add_values(v, out);
}

void
calendar_print(const struct cron_expr *e, struct buf *out)
{
	struct values year = {.hi = CRON_LAST_YEAR, .width = 4, .stepped = true};
	struct values month = {.hi = 12, .width = 2, .stepped = true};

	if (!e->dow_star)
		add_weekdays(e->dow, out);
	for (int i = 0; i < 4; i++)
		collect(&year, e->year[i], CRON_FIRST_YEAR + i * 64);
	add_all(&year, VALUES_MAX, out);
	buf_putc(out, '-');
	collect(&month, e->month, 0);
	add_all(&month, 12, out);
	add_day(e, out);
	buf_putc(out, ' ');
	add_time(e, CRON_HOUR, e->hour, out);
	buf_putc(out, ':');
	add_time(e, CRON_MINUTE, e->minute, out);
	buf_putc(out, ':');
	add_time(e, CRON_SECOND, e->second, out);
	if (e->zone[0])
		buf_printf(out, " %s", e->zone);
}
