/* Tests of what cron expressions are said to mean. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_explain.h"

#include "tests/unit/tap.h"

static const char *
explained(const char *text, const char *zone)
{
	static struct buf out;
	AUTO(cron_auto_free) struct cron *c = NULL;
	struct err err = ERR_INIT;

	buf_clear(&out);
	if (cron_new(str_of(text), str_of(zone), STR("t"), &c, &err))
		cron_explain(c, &out);
	else
		buf_puts(&out, err_text(&err));
	err_fini(&err);
	return buf_cstr(&out);
}

static void
add_lint(void *arg, const char *text)
{
	buf_printf(arg, "%s\n", text);
}

static const char *
linted(const char *text, const char *zone)
{
	static struct buf out;
	AUTO(cron_auto_free) struct cron *c = NULL;

	buf_clear(&out);
	if (!cron_new(str_of(text), str_of(zone), STR("t"), &c, NULL))
		return "no expression";
	cron_lint(c, (struct wall){INT64_C(1763625600000)}, add_lint, &out); /* 2025-11-20 */
	return buf_cstr(&out);
}

static const struct {
	const char *text, *zone, *want;
} sentences[] = {
	{"0 9 * * 1-5", "Europe/Berlin", "At 09:00 on Monday to Friday, Europe/Berlin time."},
	{"* * * * *", NULL, "Every minute, UTC."},
	{"*/5 * * * *", NULL, "Every 5 minutes, UTC."},
	{"*/15 8-18 * * *", NULL, "Every 15 minutes, from 08:00 to 18:59 every day, UTC."},
	{"5,35 * * * *", NULL, "At minutes 5 and 35 of every hour, UTC."},
	{"0 0,12 1 */2 *", NULL,
	 "At 00:00 and 12:00 on the 1st of the month in January, March, May, July, September and "
	 "November, UTC."},
	{"30 2 L * *", NULL, "At 02:30 on the last day of the month, UTC."},
	{"0 0 1,15W,LW * *", NULL,
	 "At 00:00 on the 1st, weekday nearest to the 15th and last weekday (Monday to Friday) of "
	 "the "
	 "month, UTC."},
	{"0 0 13 * +FRI", NULL, "At 00:00 on the 13th of the month, if that is also Friday, UTC."},
	{"0 0 13 * FRI", NULL, "At 00:00 on the 13th of the month and also on Friday, UTC."},
	{"0 0 * * MON#2,FRI-SUN", NULL,
	 "At 00:00 on Friday to Sunday and the second Monday of the month, UTC."},
	{"30 0 12 24 12 * 2026-2028,2031", NULL,
	 "At 12:00:30 on the 24th of the month in December of 2026 to 2028 and 2031, UTC."},
	{"*/10 * * * * *", NULL, "Every 10 seconds, UTC."},
	{"@every 90m/10m", NULL,
	 "Every 1h30m of real time, counted from 1970-01-01T00:00:00Z plus 10m."},
	{"0 0 29-31 * *", NULL, "At 00:00 on the 29th to 31st of the month, UTC."},
	{"@reboot", NULL, "Once whenever the daemon starts."},
	{"0 0 * 6-8 *", NULL, "At 00:00 every day in June to August, UTC."},
};

int
main(void)
{
	IT ("says in English when an expression fires") {
		for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
			CHECK_STR(explained(sentences[i].text, sentences[i].zone),
				  sentences[i].want);
	}
	IT ("names the class that decides over daylight saving") {
		struct cron_expr e;

		CHECK(cron_parse(STR("0 9 * * *"), STR(""), &e, NULL));
		CHECK_STR(cron_class(&e), "appointment");
		CHECK(cron_parse(STR("0 * * * *"), STR(""), &e, NULL));
		CHECK_STR(cron_class(&e), "rhythm");
		CHECK(cron_parse(STR("@every 1h"), STR(""), &e, NULL));
		CHECK_STR(cron_class(&e), "interval");
		CHECK(cron_parse(STR("@reboot"), STR(""), &e, NULL));
		CHECK_STR(cron_class(&e), "start");
	}
	IT ("warns of what is often not meant") {
		CHECK_STR(
			linted("* 5 * * *", NULL),
			"every minute from 05:00 to 05:59; did you mean 0 in the minute field?\n");
		CHECK(strstr(linted("0 0 1 * MON", NULL), "AND ALSO"));
		CHECK(strstr(linted("0 0 */2 * MON", NULL), "*/n beside"));
		CHECK_STR(linted("*/7 * * * *", NULL), "minute: 7 does not divide 60; there is a "
						       "gap of 4 at the end of each round\n");
		CHECK_STR(linted("1-5/10 * * * *", NULL),
			  "minute: a step is larger than its range and leaves one value\n");
		CHECK_STR(linted("0 0 31 * *", NULL),
			  "day 31: skips 5 months a year; L is the last day\n");
	}
	IT ("warns of the dates on which clocks skip or repeat a nominal time") {
		CHECK_STR(linted("30 2 * * *", "Europe/Berlin"),
			  "2026-03-29: a time that the clocks skip runs when they have changed\n"
			  "2026-10-25: a time that comes twice runs the first time only\n"
			  "2027-03-28: a time that the clocks skip runs when they have changed\n"
			  "2027-10-31: a time that comes twice runs the first time only\n");
	}
	IT ("has nothing to say of plain schedules") {
		CHECK_STR(linted("0 9 * * 1-5", "Europe/Berlin"), "");
		CHECK_STR(linted("*/5 * * * *", "Europe/Berlin"), "");
		CHECK_STR(linted("0 0 13 * +FRI", NULL), "");
		CHECK_STR(linted("@every 7m", NULL), "");
		CHECK_STR(linted("@reboot", NULL), "");
	}
	return tap_done();
}
