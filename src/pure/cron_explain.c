/* What a cron expression means, in English: phrases for the time, the day, the month, the year. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_explain.h"

#include <inttypes.h>

#include "pure/civil.h"
#include "pure/duration.h"

#define TIMES_MAX 6 /* times of day that are spelt out */
#define ALL_HOURS 0xffffffu
#define ALL_MONTHS 0x1ffeu

static const char *const months[] = {"January",	  "February", "March",	  "April",
				     "May",	  "June",     "July",	  "August",
				     "September", "October",  "November", "December"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
				       "Thursday", "Friday", "Saturday"};
static const char *const ordinals[] = {"first", "second", "third", "fourth", "fifth", "last"};

/* A list that grows: a, b and c. Items are kept until it is known which is the last. */
struct list {
	struct buf *out;
	struct buf last;
	size_t count;
};

static void
list_flush(struct list *l, const char *before)
{
	if (l->count > 1)
		buf_puts(l->out, before);
	buf_add_str(l->out, buf_str(&l->last));
	buf_clear(&l->last);
}

static void list_add(struct list *l, const char *fmt, ...) PRINTF(2, 3);

static void
list_add(struct list *l, const char *fmt, ...)
{
	va_list ap;

	if (l->count)
		list_flush(l, ", ");
	l->count++;
	va_start(ap, fmt);
	buf_vprintf(&l->last, fmt, ap);
	va_end(ap);
}

static void
list_end(struct list *l)
{
	if (l->count)
		list_flush(l, " and ");
	buf_fini(&l->last);
}

/* The first value at or above n; 64 when there is none. */
static int
bit_from(uint64_t mask, int n)
{
	mask = n < 64 ? mask & (UINT64_MAX << n) : 0;
	return mask ? __builtin_ctzll(mask) : 64;
}

static int
bit_count(uint64_t mask)
{
	return __builtin_popcountll(mask);
}

static const char *
suffix(int n)
{
	return n % 10 == 1 && n != 11	? "st"
	       : n % 10 == 2 && n != 12 ? "nd"
	       : n % 10 == 3 && n != 13 ? "rd"
					: "th";
}

/* n if the values are 0, n, 2n ... to the end of the field; 0 otherwise. */
static int
stride(uint64_t mask, int size)
{
	int n = bit_from(mask, 1);

	if (!(mask & 1) || n >= size)
		return 0;
	for (int i = 0; i < size; i++)
		if ((mask >> i & 1) != (i % n == 0))
			return 0;
	return n;
}

/* Runs of three and more as "a to b". names NULL: numbers. */
static void
add_set(struct buf *out, uint64_t mask, const char *const *names, int base)
{
	struct list l = {out, BUF_INIT, 0};

	for (int a = bit_from(mask, 0), b; a < 64; a = bit_from(mask, b + 1)) {
		for (b = a; b < 63 && (mask >> (b + 1) & 1);)
			b++;
		if (b == a + 1)
			b = a;
		if (names && b > a)
			list_add(&l, "%s to %s", names[a - base], names[b - base]);
		else if (names)
			list_add(&l, "%s", names[a - base]);
		else if (b > a)
			list_add(&l, "%d to %d", a, b);
		else
			list_add(&l, "%d", a);
	}
	list_end(&l);
}

/* ---- the time ---- */

static void
add_times(struct buf *out, const struct cron_expr *e)
{
	struct list l = {out, BUF_INIT, 0};
	bool seconds = e->second != 1;

	buf_puts(out, "At ");
	for (int h = bit_from(e->hour, 0); h < 64; h = bit_from(e->hour, h + 1))
		for (int m = bit_from(e->minute, 0); m < 64; m = bit_from(e->minute, m + 1))
			for (int s = bit_from(e->second, 0); s < 64;
			     s = bit_from(e->second, s + 1)) {
				if (seconds)
					list_add(&l, "%02d:%02d:%02d", h, m, s);
				else
					list_add(&l, "%02d:%02d", h, m);
			}
	list_end(&l);
}

static void
add_unit(struct buf *out, uint64_t mask, const char *unit)
{
	int n = stride(mask, 60);

	if (mask == (UINT64_C(1) << 60) - 1)
		buf_printf(out, "every %s", unit);
	else if (n)
		buf_printf(out, "every %d %ss", n, unit);
	else {
		buf_printf(out, "at %s%s ", unit, bit_count(mask) > 1 ? "s" : "");
		add_set(out, mask, NULL, 0);
	}
}

static void
add_hours(struct buf *out, uint32_t hour)
{
	int first = bit_from(hour, 0), n = stride(hour, 24), count = bit_count(hour);

	if (hour == ALL_HOURS)
		return;
	if (n) {
		buf_printf(out, ", in every %d%s hour from 00:00", n, suffix(n));
	} else if (hour >> first == (1u << count) - 1) {
		buf_printf(out, ", from %02d:00 to %02d:59", first, first + count - 1);
	} else {
		buf_puts(out, ", in the hours ");
		add_set(out, hour, NULL, 0);
	}
}

static void
add_time(struct buf *out, const struct cron_expr *e)
{
	size_t start = out->len;

	if (!e->rhythm &&
	    bit_count(e->second) * bit_count(e->minute) * bit_count(e->hour) <= TIMES_MAX) {
		add_times(out, e);
		return;
	}
	if (e->second != 1) {
		add_unit(out, e->second, "second");
		if (e->minute != (UINT64_C(1) << 60) - 1) {
			buf_puts(out, ", ");
			add_unit(out, e->minute, "minute");
		}
	} else {
		add_unit(out, e->minute, "minute");
	}
	if (e->hour == ALL_HOURS && bit_count(e->minute) < 60 && !stride(e->minute, 60))
		buf_puts(out, " of every hour");
	add_hours(out, e->hour);
	out->data[start] = (char)(out->data[start] & ~0x20);
}

/* ---- the day ---- */

void
cron_explain_dom(const struct cron_expr *e, struct buf *out)
{
	struct list l = {out, BUF_INIT, 0};
	int step = stride(e->dom >> 1, 31);

	if (step > 1 && bit_count(e->dom) > 3 && !e->last_day && !e->last_weekday && !e->nearest) {
		buf_printf(out, "every %d%s day from the 1st", step, suffix(step));
		return;
	}
	buf_puts(out, "the ");
	for (int a = bit_from(e->dom, 1), b; a < 64; a = bit_from(e->dom, b + 1)) {
		for (b = a; b < 31 && (e->dom >> (b + 1) & 1);)
			b++;
		if (b > a + 1) {
			list_add(&l, "%d%s to %d%s", a, suffix(a), b, suffix(b));
		} else {
			b = a;
			list_add(&l, "%d%s", a, suffix(a));
		}
	}
	for (int d = 1; d <= 31; d++)
		if (e->nearest >> d & 1)
			list_add(&l, "weekday nearest to the %d%s", d, suffix(d));
	for (int n = 0; n <= 30; n++) {
		if ((e->last_weekday >> n & 1) && !n)
			list_add(&l, "last weekday (Monday to Friday)");
		else if (e->last_weekday >> n & 1)
			list_add(&l, "weekday nearest to %d day%s before the last", n,
				 n > 1 ? "s" : "");
		if ((e->last_day >> n & 1) && !n)
			list_add(&l, "last day");
		else if (e->last_day >> n & 1)
			list_add(&l, "%d%s-last day", n + 1, suffix(n + 1));
	}
	list_end(&l);
}

void
cron_explain_dow(const struct cron_expr *e, struct buf *out)
{
	struct list l = {out, BUF_INIT, 0};
	/* Sunday last: Friday to Sunday is one run. */
	uint32_t days = (e->dow & 0x7e) | (e->dow & 1u) << 7;

	for (int a = bit_from(days, 1), b; a < 64; a = bit_from(days, b + 1)) {
		for (b = a; days >> (b + 1) & 1;)
			b++;
		if (b > a + 1) {
			list_add(&l, "%s to %s", weekdays[a], weekdays[b % 7]);
		} else {
			b = a;
			list_add(&l, "%s", weekdays[a % 7]);
		}
	}
	for (int w = 0; w < 7; w++)
		for (int n = 0; n <= CRON_NTH_LAST; n++)
			if (e->nth[w] >> n & 1)
				list_add(&l, "the %s %s of the month", ordinals[n], weekdays[w]);
	list_end(&l);
}

static void
add_day(struct buf *out, const struct cron_expr *e)
{
	if (e->dom_star && e->dow_star) {
		if (e->hour != ALL_HOURS)
			buf_puts(out, e->month == ALL_MONTHS ? " every day" : "");
		return;
	}
	buf_puts(out, " on ");
	if (e->dom_star) {
		cron_explain_dow(e, out);
		return;
	}
	cron_explain_dom(e, out);
	buf_puts(out, " of the month");
	if (!e->dow_star) {
		buf_puts(out, e->both ? ", if that is also " : " and also on ");
		cron_explain_dow(e, out);
	}
}

static void
add_years(struct buf *out, const struct cron_expr *e)
{
	struct list l = {out, BUF_INIT, 0};
	bool open = false;
	int first = 0, n = 0;

	for (int i = 0; i <= CRON_LAST_YEAR - CRON_FIRST_YEAR + 1; i++) {
		bool on =
			i <= CRON_LAST_YEAR - CRON_FIRST_YEAR && (e->year[i / 64] >> (i % 64) & 1);

		if (on && !open)
			first = i;
		if (!on && open && ++n > TIMES_MAX) {
			list_add(&l, "some later years");
			break;
		}
		if (!on && open && first + 1 == i)
			list_add(&l, "%d", CRON_FIRST_YEAR + first);
		else if (!on && open)
			list_add(&l, "%d to %d", CRON_FIRST_YEAR + first, CRON_FIRST_YEAR + i - 1);
		open = on;
	}
	list_end(&l);
}

/* ---- exports ---- */

const char *
cron_class(const struct cron_expr *e)
{
	return e->reboot ? "start" : e->every_s ? "interval" : e->rhythm ? "rhythm" : "appointment";
}

static void
explain_every(const struct cron_expr *e, struct buf *out)
{
	buf_puts(out, "Every ");
	duration_print(e->every_s * 1000, out);
	buf_puts(out, " of real time, counted from 1970-01-01T00:00:00Z");
	if (e->phase_s) {
		buf_puts(out, " plus ");
		duration_print(e->phase_s * 1000, out);
	}
	buf_putc(out, '.');
}

void
cron_explain(const struct cron *cron, struct buf *out)
{
	const struct cron_expr *e = cron_expr(cron);
	int years = 0;

	if (e->reboot) {
		buf_puts(out, "Once whenever the daemon starts.");
		return;
	}
	if (e->every_s) {
		explain_every(e, out);
		return;
	}
	add_time(out, e);
	add_day(out, e);
	if (e->month != ALL_MONTHS) {
		buf_puts(out, e->dom_star && e->dow_star ? " every day in " : " in ");
		add_set(out, e->month, months, 1);
	}
	for (int i = 0; i < 4; i++)
		years += bit_count(e->year[i]);
	if (years < CRON_LAST_YEAR - CRON_FIRST_YEAR + 1) {
		buf_puts(out, " of ");
		add_years(out, e);
	}
	buf_printf(out, ", %s%s.", zone_name(cron_zone(cron)),
		   strcmp(zone_name(cron_zone(cron)), "UTC") ? " time" : "");
}
