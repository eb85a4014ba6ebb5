/* A cron expression in words. */
/* SPDX-License-Identifier: MIT */
#include "cli/cron_words.h"

#include <ctype.h>

enum { SECOND, MINUTE, HOUR, DOM, MONTH, DOW, YEAR, FIELDS };

static const char *const months[] = {"",	"January",  "February", "March",  "April",
				     "May",	"June",	    "July",	"August", "September",
				     "October", "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
				   "Thursday", "Friday", "Saturday"};
static const char *const units[] = {"second", "minute", "hour", "day", "month", "weekday", "year"};

static bool
is_number(struct str s)
{
	uint64_t n;

	return str_to_u64(s, &n);
}

static const char *
ordinal_ending(uint64_t n)
{
	static const char *const endings[] = {"th", "st", "nd", "rd"};

	return n % 100 / 10 == 1 || n % 10 > 3 ? endings[0] : endings[n % 10];
}

static void
put_ordinal(struct buf *out, struct str number)
{
	uint64_t n = 0;

	str_to_u64(number, &n);
	buf_printf(out, "%llu%s", (unsigned long long)n, ordinal_ending(n));
}

/* JAN or 1, MON or 1, spelt out; other numbers as they are. */
static void
put_value(struct buf *out, int field, struct str value)
{
	const char *const *names = field == MONTH ? months : days;
	size_t count = field == MONTH ? ARRAY_LEN(months) : ARRAY_LEN(days);
	uint64_t n;

	if ((field == MONTH || field == DOW) && str_to_u64(value, &n) &&
	    n < count + (field == DOW)) {
		buf_puts(out, names[n % (field == DOW ? 7 : 13)]);
		return;
	}
	for (size_t i = 0; (field == MONTH || field == DOW) && i < count; i++)
		if (value.len == 3 && str_starts_nocase(str_of(names[i]), value)) {
			buf_puts(out, names[i]);
			return;
		}
	if (field == DOM && is_number(value))
		put_ordinal(out, value);
	else
		buf_add_str(out, value);
}

static void
put_range(struct buf *out, int field, struct str range)
{
	struct str from, until = str_split(range, '-', &from);

	if (field == DOM)
		buf_puts(out, "the ");
	put_value(out, field, from);
	if (until.p) {
		buf_puts(out, field == DOM ? " to the " : " to ");
		put_value(out, field, until);
	}
}

static void
put_nth_day(struct buf *out, struct str item)
{
	struct str day, nth = str_split(item, '#', &day);

	buf_puts(out, "the ");
	if (str_eq(nth, STR("L")))
		buf_puts(out, "last");
	else
		put_ordinal(out, nth);
	buf_putc(out, ' ');
	put_value(out, DOW, day);
	buf_puts(out, " of the month");
}

/* L, L-3, LW, L-3W, 15W. */
static bool
put_special_dom(struct buf *out, struct str item)
{
	bool nearest = item.len > 1 && item.p[item.len - 1] == 'W';
	struct str back;

	if (nearest)
		item.len--;
	if (str_eq(item, STR("L"))) {
		buf_puts(out, nearest ? "the last working day of the month"
				      : "the last day of the month");
		return true;
	}
	if (!nearest && item.p[0] != 'L')
		return false;
	if (nearest)
		buf_puts(out, "the working day nearest to ");
	if (item.p[0] == 'L') {
		str_split(str_make(item.p + 2, item.len > 2 ? item.len - 2 : 0), 0, &back);
		buf_printf(out, "the day %.*s before the last of the month", STR_ARG(back));
	} else {
		buf_puts(out, "the ");
		put_ordinal(out, item);
	}
	return true;
}

static void
put_item(struct buf *out, int field, struct str item)
{
	struct str range, step = str_split(item, '/', &range);

	if (field == DOW && memchr(item.p, '#', item.len)) {
		put_nth_day(out, item);
	} else if (field == DOM && put_special_dom(out, item)) {
		return;
	} else if (step.p) {
		buf_puts(out, "every ");
		put_ordinal(out, step);
		buf_printf(out, " %s", units[field]);
		if (!str_eq(range, STR("*"))) {
			buf_puts(out, " from ");
			put_range(out, field, range);
		}
	} else {
		put_range(out, field, item);
	}
}

static void
put_list(struct buf *out, int field, struct str list)
{
	struct str item;
	bool first = true;

	while (list.p) {
		list = str_split(list, ',', &item);
		if (!first)
			buf_puts(out, list.p ? ", " : " and ");
		put_item(out, field, item);
		first = false;
	}
}

static bool
is_star(struct str s)
{
	return str_eq(s, STR("*")) || str_eq(s, STR("?"));
}

/* Every one of hour, minute and second a plain number: a time of day. */
static bool
put_clock(struct buf *out, const struct str *fields)
{
	uint64_t hour, minute, second = 0;
	struct str hours = fields[HOUR], one;
	bool first = true;

	if (!str_to_u64(fields[MINUTE], &minute) || !str_to_u64(fields[SECOND], &second))
		return false;
	for (size_t i = 0; i < hours.len; i++)
		if (!isdigit((unsigned char)hours.p[i]) && hours.p[i] != ',')
			return false;
	buf_puts(out, "At ");
	while (hours.p) {
		hours = str_split(hours, ',', &one);
		str_to_u64(one, &hour);
		buf_printf(out, "%s%02llu:%02llu",
			   first     ? ""
			   : hours.p ? ", "
				     : " and ",
			   (unsigned long long)hour, (unsigned long long)minute);
		if (second)
			buf_printf(out, ":%02llu", (unsigned long long)second);
		first = false;
	}
	return true;
}

static void
put_time_field(struct buf *out, int field, struct str text, bool *first)
{
	if (!*first)
		buf_puts(out, " of ");
	if (is_star(text)) {
		buf_printf(out, "every %s", units[field]);
	} else if (memchr(text.p, '/', text.len) || text.p[0] == '*') {
		put_list(out, field, text);
	} else {
		buf_printf(out, "%s ", units[field]);
		put_list(out, field, text);
	}
	*first = false;
}

static void
put_time(struct buf *out, const struct str *fields)
{
	bool first = true;

	if (put_clock(out, fields))
		return;
	if (!str_eq(fields[SECOND], STR("0")))
		put_time_field(out, SECOND, fields[SECOND], &first);
	/* "every hour at minute 0" is plainer than "minute 0 of every hour". */
	put_time_field(out, MINUTE, fields[MINUTE], &first);
	if (!is_star(fields[HOUR]) || !is_star(fields[MINUTE]))
		put_time_field(out, HOUR, fields[HOUR], &first);
	if (out->len)
		out->data[0] = (char)toupper((unsigned char)out->data[0]);
}

static void
put_days(struct buf *out, struct str dom, struct str dow)
{
	bool both = dow.len && dow.p[0] == '+';

	if (both)
		dow = str_make(dow.p + 1, dow.len - 1);
	if (!is_star(dom)) {
		buf_puts(out, ", on ");
		put_list(out, DOM, dom);
	}
	if (is_star(dow))
		return;
	if (is_star(dom))
		buf_puts(out, ", on ");
	else
		buf_puts(out, both ? ", if it is also " : ", and also on ");
	put_list(out, DOW, dow);
}

void
cron_words(struct str plain, struct buf *out)
{
	struct str fields[FIELDS] = {STR("0"), STR("*"), STR("*"), STR("*"),
				     STR("*"), STR("*"), STR("*")};
	struct str rest = plain, words[FIELDS];
	size_t count = 0;

	if (str_starts(plain, STR("CRON_TZ=")) || str_starts(plain, STR("TZ=")))
		rest = plain = str_split(plain, ' ', &words[0]);
	if (str_starts(plain, STR("@every "))) {
		buf_printf(out, "Every %.*s", (int)plain.len - 7, plain.p + 7);
		return;
	}
	if (str_eq(plain, STR("@reboot"))) {
		buf_puts(out, "Once when the daemon starts");
		return;
	}
	while (rest.p && count < FIELDS)
		rest = str_split(rest, ' ', &words[count++]);
	if (count < 5) {
		buf_add_str(out, plain);
		return;
	}
	for (size_t i = 0; i < count; i++)
		fields[i + (count == 5)] = words[i];
	put_time(out, fields);
	if (str_starts(buf_str(out), STR("At ")) && is_star(fields[DOM]) && is_star(fields[DOW]))
		buf_puts(out, ", every day");
	put_days(out, fields[DOM], fields[DOW]);
	if (!is_star(fields[MONTH])) {
		buf_puts(out, ", in ");
		put_list(out, MONTH, fields[MONTH]);
	}
	if (!is_star(fields[YEAR])) {
		buf_puts(out, ", in ");
		put_list(out, YEAR, fields[YEAR]);
	}
}
