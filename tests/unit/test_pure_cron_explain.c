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
	{"0 0 */2 * *", NULL, "At 00:00 on every 2nd day from the 1st of the month, UTC."},
	{"0 0 */15 * *", NULL, "At 00:00 on the 1st, 16th and 31st of the month, UTC."},
	{"15 */3 * * *", NULL, "At minute 15, in every 3rd hour from 00:00 every day, UTC."},
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
	{"calendar:Mon..Fri 9:0 Europe/Berlin", NULL,
	 "At 09:00 on Monday to Friday, Europe/Berlin time."},
	{"calendar:Mon *-*-1..7 18:0", NULL,
	 "At 18:00 on the 1st to 7th of the month, if that is also Monday, UTC."},
	{"calendar:*-*~3", NULL, "At 00:00 on the 3rd-last day of the month, UTC."},
	{"calendar:hourly", NULL, "At minute 0 of every hour, UTC."},
	{"0 0 * 6-8 *", NULL, "At 00:00 every day in June to August, UTC."},
};

static const struct {
	const char *text, *zone, *want;
} lints[] = {
	{"* 5 * * *", NULL, "every minute from 05:00 to 05:59; did you mean 0 5 * * *?\n"},
	{"* 5-7 * * MON", NULL, "every minute from 05:00 to 07:59; did you mean 0 5-7 * * MON?\n"},
	{"* 5,17 * * *", NULL, "every minute of 2 hours; did you mean 0 5,17 * * *?\n"},
	{"calendar:5:*", NULL,
	 "every minute from 05:00 to 05:59; did you mean calendar:*-*-* 05:00:00?\n"},
	{"0 0 1 * MON", NULL,
	 "runs on the 1st AND ALSO every Monday; write +MON for only-if-both\n"},
	{"0 0 L * MON#2,5-6", NULL,
	 "runs on the last day AND ALSO every Friday, Saturday and the second Monday of the "
	 "month; write +FRI-SAT,MON#2 for only-if-both\n"},
	{"0 0 */31 * MON", NULL,
	 "runs on the 1st AND ALSO every Monday; write +MON for only-if-both\n"
	 "day-of-month: */31 beside day-of-week means both to some crons and either to others; "
	 "write + before day-of-week or spell the days out\n"
	 "day-of-month: */31 begins anew on the 1st of each month\n"},
	{"*/7 * * * *", NULL, "minute: 7 does not divide 60; there is a gap of 4 at the hour\n"},
	{"0-59/45 * * * *", NULL,
	 "minute: 45 does not divide 60; there is a gap of 15 at the hour\n"},
	{"*/7 0 0 * * *", NULL,
	 "second: 7 does not divide 60; there is a gap of 4 at the minute\n"},
	{"0 */5 * * *", NULL, "hour: 5 does not divide 24; there is a gap of 4 at midnight\n"},
	{"0 0 1 */5 *", NULL,
	 "month: 5 does not divide 12; there is a gap of 2 at the year's end\n"},
	{"0 0 * * */2", NULL,
	 "day-of-week: 2 does not divide 7; there is a gap of 1 at the week's end\n"},
	{"0 0 */2 * *", NULL, "day-of-month: */2 begins anew on the 1st of each month\n"},
	{"1-5/10 * * * *", NULL, "minute: a step is larger than its range and leaves one value\n"},
	{"0 0 31 * *", NULL, "day 31: skips 5 months a year; L is the last day\n"},
	{"0 0 29 2 *", NULL, "day 29: skips 1 month a year; L is the last day\n"},
	{"0 0 30 1-3 *", NULL, "day 30: skips 1 month a year; L is the last day\n"},
	{"0 0 1,31 * *", NULL, "day 31: skips 5 months a year; L is the last day\n"},
	{"0 0 29-31 * *", NULL, "day 29: skips 1 month a year; L is the last day\n"},
	{"0 0 1-31 * *", NULL, ""},
	{"0 0 28-31 * *", NULL, ""},
	{"0 0 31 1,3 *", NULL, ""},
	{"calendar:*-*-31", NULL, "day 31: skips 5 months a year; ~01 is the last day\n"},
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
		for (size_t i = 0; i < ARRAY_LEN(lints); i++)
			CHECK_STR(linted(lints[i].text, lints[i].zone), lints[i].want);
	}
	IT ("warns of the dates on which clocks skip or repeat a nominal time") {
		CHECK_STR(linted("30 2 * * *", "Europe/Berlin"),
			  "2026-03-29: 02:00 becomes 03:00: the times between do not come, what "
			  "they had runs at 03:00\n"
			  "2026-10-25: 03:00 is 02:00 once more: what comes twice runs the first "
			  "time only\n"
			  "2027-03-28: 02:00 becomes 03:00: the times between do not come, what "
			  "they had runs at 03:00\n"
			  "2027-10-31: 03:00 is 02:00 once more: what comes twice runs the first "
			  "time only\n");
		CHECK_STR(linted("*/15 2 29 3 *", "Europe/Berlin"),
			  "2026-03-29: 02:00 becomes 03:00: the times between do not come, nothing "
			  "runs for them\n");
		CHECK_STR(linted("*/15 2 25 10 *", "Europe/Berlin"),
			  "2026-10-25: 03:00 is 02:00 once more: what comes twice runs both "
			  "times\n");
	}
	IT ("does not warn of times that stand right behind a change") {
		CHECK_STR(linted("0 3 * * *", "Europe/Berlin"), "");
		CHECK_STR(linted("59 1 * * *", "Europe/Berlin"), "");
	}
	IT ("finds the next change that matters, and only that") {
		AUTO(cron_auto_free) struct cron *c = NULL;
		AUTO(buf_fini) struct buf text = BUF_INIT;
		struct cron_change change;
		struct wall now = {INT64_C(1763625600000)};

		CHECK(cron_new(STR("30 2 30 3 *"), STR("Europe/Berlin"), STR(""), &c, NULL));
		CHECK(cron_next_change(c, now, WALL_NONE, &change));
		cron_explain_change(c, &change, &text);
		CHECK_STR(buf_cstr(&text), "2031-03-30: 02:00 becomes 03:00: the times between do "
					   "not come, what they had runs at 03:00");
		cron_free(TAKE(c));
		CHECK(cron_new(STR("30 12 * * *"), STR("Europe/Berlin"), STR(""), &c, NULL));
		CHECK(!cron_next_change(c, now, WALL_NONE, &change));
		cron_free(TAKE(c));
		CHECK(cron_new(STR("@every 1h"), STR("Europe/Berlin"), STR(""), &c, NULL));
		CHECK(!cron_next_change(c, now, WALL_NONE, &change));
		cron_free(TAKE(c));
		buf_clear(&text);
		CHECK(cron_new(STR("0 12 30 * *"), STR("Pacific/Apia"), STR(""), &c, NULL));
		CHECK(cron_next_change(c, (struct wall){INT64_C(1320000000000)}, WALL_NONE,
				       &change));
		cron_explain_change(c, &change, &text);
		CHECK_STR(buf_cstr(&text), "2011-12-30: 00:00 becomes 00:00: the day between never "
					   "is; nothing runs for it");
	}
	IT ("refuses what crons read differently where that is asked for") {
		struct cron_expr e;
		struct err err = ERR_INIT;

		CHECK(cron_parse(STR("0 0 */2 * MON"), STR(""), &e, NULL));
		CHECK(!cron_check_strict(&e, &err));
		CHECK_STR(err_text(&err),
			  "cron:5: day-of-month: */2 beside day-of-week means both to some crons "
			  "and either to others; write + before day-of-week or spell the days out");
		CHECK(cron_parse(STR("0 0 1 * */2"), STR(""), &e, NULL));
		CHECK(!cron_check_strict(&e, &err));
		CHECK(cron_parse(STR("0 0 */2 * +MON"), STR(""), &e, NULL));
		CHECK(cron_check_strict(&e, &err));
		CHECK(cron_parse(STR("0 0 */2 * *"), STR(""), &e, NULL));
		CHECK(cron_check_strict(&e, &err));
		CHECK(cron_parse(STR("0 0 1 * MON"), STR(""), &e, NULL));
		CHECK(cron_check_strict(&e, &err));
		err_fini(&err);
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
