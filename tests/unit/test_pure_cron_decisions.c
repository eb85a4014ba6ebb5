/* Tests of the 31 decisions about what cron expressions mean: a sentence for each, by its number.
 */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_explain.h"
#include "pure/cron_import.h"

#include "tests/unit/tap.h"

/* Instants in UTC after from, and then never again "."; or the error. */
static const char *
fires(const char *text, const char *zone, const char *from, int count)
{
	static struct buf out;
	AUTO(cron_auto_free) struct cron *c = NULL;
	struct err err = ERR_INIT;
	struct wall t = WALL_NONE;

	buf_clear(&out);
	if (!wall_parse(str_of(from), &t) ||
	    !cron_new(str_of(text), str_of(zone), STR("trigger"), &c, &err)) {
		buf_puts(&out, err_text(&err));
		err_fini(&err);
		return buf_cstr(&out);
	}
	for (; count && cron_next(c, t, &t); count--) {
		if (out.len)
			buf_putc(&out, ' ');
		wall_format(t, &out);
		buf_truncate(&out, out.len - 8); /* :00.000Z */
	}
	if (count)
		buf_putc(&out, '.');
	return buf_cstr(&out);
}

static const char *
utc(const char *text, const char *from, int count)
{
	return fires(text, NULL, from, count);
}

static const char *
error_of(const char *text)
{
	return fires(text, NULL, "2024-01-01T00:00:00Z", 0);
}

static bool
parses(const char *text)
{
	struct cron_expr e;

	return cron_parse(str_of(text), STR("t"), &e, NULL);
}

/* Whether two texts mean the same days and times. */
static bool
same(const char *a, const char *b)
{
	AUTO(buf_fini) struct buf first = BUF_INIT;

	buf_puts(&first, fires(a, NULL, "2024-01-01T00:00:00Z", 40));
	return !strcmp(buf_cstr(&first), fires(b, NULL, "2024-01-01T00:00:00Z", 40));
}

static bool
refuses(const char *text, const char *hint)
{
	const char *error = error_of(text);
	bool ok = !strncmp(error, "cron:", 5) && strstr(error, hint);

	if (!ok)
		printf("# %s: %s\n", text, error);
	return ok;
}

static void
test_fields(void)
{
	IT ("1: five fields, six with seconds first, seven with the year last") {
		CHECK_STR(utc("30 7 * * *", "2024-01-01T00:00:00Z", 1), "2024-01-01T07:30");
		CHECK_STR(utc("0 30 7 * * *", "2024-01-01T00:00:00Z", 1), "2024-01-01T07:30");
		CHECK_STR(utc("0 30 7 1 1 * 2030", "2024-01-01T00:00:00Z", 2), "2030-01-01T07:30.");
		CHECK(refuses("99 18 * * ? 2026", "a year needs 7 fields"));
	}
	IT ("2: a/n is an error that shows the range; where Quartz is imported it is that range") {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		CHECK(refuses("0/5 * * * *", "write 0-59/5"));
		CHECK(refuses("0 0 * * 1/2", "write 1-6/2"));
		CHECK(cron_import_quartz(STR("0 0/5 * * * ?"), &text, NULL));
		CHECK_STR(buf_cstr(&text), "0 0-59/5 * * * ?");
	}
	IT ("3: a range that runs backwards is an error that shows the two halves") {
		CHECK(refuses("0 22-2 * * *", "write 22-23,0-2"));
		CHECK(refuses("0 0 * NOV-FEB *", "write NOV-DEC,JAN-FEB"));
		CHECK(refuses("0 0 * * 7-2", "write 0-2"));
	}
	IT ("4: Sunday by name ends a range") {
		CHECK(same("0 0 * * FRI-SUN", "0 0 * * 0,5,6"));
		CHECK(same("0 0 * * SAT-SUN", "0 0 * * 0,6"));
	}
	IT ("5: 5-7, 0-7 and 0,7 are unions") {
		CHECK(same("0 0 * * 5-7", "0 0 * * 0,5,6"));
		CHECK(same("0 0 * * 0-7", "0 0 * * *"));
		CHECK(same("0 0 * * 0,7", "0 0 * * SUN"));
	}
	IT ("6: a step larger than the field is an error, as large as the field one value") {
		CHECK(refuses("*/90 * * * *", "write @every 90m"));
		CHECK(refuses("0 0 * * */8", "step 8 exceeds 7"));
		CHECK(same("*/60 * * * *", "0 * * * *") && same("0 */24 * * *", "0 0 * * *"));
		CHECK(same("0 0 */31 * *", "0 0 1 * *") && same("0 0 1 */12 *", "0 0 1 1 *"));
		CHECK(same("0 0 * * */7", "0 0 * * 0"));
	}
	IT ("7: a step larger than its range is the first value") {
		CHECK(same("1-5/10 * * * *", "1 * * * *"));
	}
	IT ("8: */n begins anew with each cycle") {
		CHECK_STR(utc("*/7 * * * *", "2024-01-01T00:49:00Z", 2),
			  "2024-01-01T00:56 2024-01-01T01:00");
	}
}

static void
test_days(void)
{
	IT ("9: both days restricted means either, + means both") {
		CHECK_STR(utc("0 0 13 * FRI", "2024-09-01T00:00:00Z", 3),
			  "2024-09-06T00:00 2024-09-13T00:00 2024-09-20T00:00");
		CHECK_STR(utc("0 0 13 * +FRI", "2024-09-01T00:00:00Z", 2),
			  "2024-09-13T00:00 2024-12-13T00:00");
	}
	IT ("10: * ? */1 and lists with them are unrestricted, */2 and 1-31 are not") {
		CHECK(same("0 0 ? * MON", "0 0 * * MON") && same("0 0 */1 * MON", "0 0 * * MON"));
		CHECK(same("0 0 *,10 * MON", "0 0 * * MON"));
		CHECK(same("0 0 1-31 * MON", "0 0 * * *"));
		CHECK_STR(utc("0 0 */2 * MON", "2024-01-07T00:00:00Z", 3),
			  "2024-01-08T00:00 2024-01-09T00:00 2024-01-11T00:00");
	}
	IT ("11: month and year are always AND") {
		CHECK_STR(utc("0 0 1 3 MON", "2024-01-01T00:00:00Z", 2),
			  "2024-03-01T00:00 2024-03-04T00:00");
		CHECK_STR(utc("0 0 0 31 12 MON 2024", "2024-12-29T00:00:00Z", 5),
			  "2024-12-30T00:00 2024-12-31T00:00.");
	}
	IT ("12: ? is * in the day fields, and an error elsewhere") {
		CHECK(same("0 0 ? * ?", "0 0 * * *"));
		CHECK(refuses("0 ? * * *", "write *") && refuses("0 0 * ? *", "write *"));
	}
	IT ("13: L is the last day, L-n so many before, none where the month is too short") {
		CHECK_STR(utc("0 0 L * *", "2024-02-01T00:00:00Z", 2),
			  "2024-02-29T00:00 2024-03-31T00:00");
		CHECK_STR(utc("0 0 L-1 2 *", "2024-01-01T00:00:00Z", 1), "2024-02-28T00:00");
		CHECK_STR(utc("0 0 L-30 * *", "2024-01-02T00:00:00Z", 2),
			  "2024-03-01T00:00 2024-05-01T00:00");
		CHECK(refuses("0 0 * * L", "write SAT, or SAT#L"));
	}
	IT ("14: nL, n#L and FRIL are the last such weekday, printed FRI#L") {
		struct cron_expr e;
		AUTO(buf_fini) struct buf text = BUF_INIT;

		CHECK_STR(utc("0 0 * * 5L", "2024-02-01T00:00:00Z", 2),
			  "2024-02-23T00:00 2024-03-29T00:00");
		CHECK(same("0 0 * * 5L", "0 0 * * FRIL") && same("0 0 * * 5L", "0 0 * * 5#L"));
		CHECK(cron_parse(STR("0 0 * * 5L"), STR(""), &e, NULL));
		cron_print(&e, &text);
		CHECK_STR(buf_cstr(&text), "0 0 * * FRI#L");
	}
	IT ("15: nW is the nearest weekday in the same month, never clamped") {
		CHECK_STR(utc("0 0 1W 6 *", "2024-01-01T00:00:00Z", 1), "2024-06-03T00:00");
		CHECK_STR(utc("0 0 15W 6 *", "2024-01-01T00:00:00Z", 1), "2024-06-14T00:00");
		CHECK_STR(utc("0 0 16W 6 *", "2024-01-01T00:00:00Z", 1), "2024-06-17T00:00");
		CHECK_STR(utc("0 0 30W 6 *", "2024-01-01T00:00:00Z", 1), "2024-06-28T00:00");
		CHECK_STR(utc("0 0 31W 6 *", "2024-01-01T00:00:00Z", 1), ".");
	}
	IT ("16: LW and L-nW are the weekday nearest to that day") {
		CHECK_STR(utc("0 0 LW 6 *", "2024-01-01T00:00:00Z", 1), "2024-06-28T00:00");
		CHECK_STR(utc("0 0 L-14W 6 *", "2024-01-01T00:00:00Z", 1), "2024-06-17T00:00");
	}
	IT ("17: W stands in lists, not with ranges") {
		CHECK_STR(utc("0 0 1W,15W 6 *", "2024-01-01T00:00:00Z", 2),
			  "2024-06-03T00:00 2024-06-14T00:00");
		CHECK(refuses("0 0 1-15W * *", "not a range") && refuses("0 0 15W/2 * *", "W"));
	}
	IT ("18: # counts 1 to 5, stands in lists, not with ranges") {
		CHECK_STR(utc("0 0 * * MON#5", "2024-01-01T00:00:00Z", 2),
			  "2024-01-29T00:00 2024-04-29T00:00");
		CHECK_STR(utc("0 0 * 1 MON#1,WED", "2024-01-01T00:00:00Z", 2),
			  "2024-01-03T00:00 2024-01-10T00:00");
		CHECK(refuses("0 0 * * MON#6", "range 1-5") && refuses("0 0 * * MON#0", "range"));
		CHECK(refuses("0 0 * * MON-WED#1", "not a range"));
	}
}

static void
test_spelling(void)
{
	IT ("19: names in any case; L W H in upper, nicknames in lower case only") {
		CHECK(parses("0 0 * jAn mOn") && refuses("0 0 l * *", "upper-case L"));
		CHECK(refuses("0 0 15w * *", "upper-case W"));
		CHECK(refuses("h * * * *", "upper-case H"));
		CHECK(refuses("@DAILY", "write @daily"));
	}
	IT ("20: full names are an error that shows the short one") {
		CHECK(refuses("0 0 * * MONDAY", "write MON"));
		CHECK(refuses("0 0 * January *", "write JAN"));
	}
	IT ("21: ~ is an error that shows H") {
		CHECK(refuses("0~30 * * * *", "write H(0-30)") && refuses("~ * * * *", "write H"));
	}
	IT ("22: H is drawn once and for all; a value alone, a rhythm with a step") {
		struct cron_expr a, b;

		CHECK(cron_parse(STR("H H H * *"), STR("id"), &a, NULL));
		CHECK(cron_parse(STR("H H H * *"), STR("id"), &b, NULL));
		CHECK(a.minute == b.minute && a.hour == b.hour && a.dom == b.dom && !a.rhythm);
		CHECK(!(a.dom & ~0x1ffffffeu));
		CHECK(cron_parse(STR("H/15 * * * *"), STR("id"), &a, NULL) && a.rhythm);
		CHECK_INT(__builtin_popcountll(a.minute), 4);
		CHECK(cron_parse(STR("H(0-9)/15 1 * * *"), STR("id"), &a, NULL));
		CHECK_INT(__builtin_popcountll(a.minute), 1);
		CHECK(!(a.minute & ~UINT64_C(0x3ff)));
	}
	IT ("23: nicknames are what they always were; @reboot has no next time") {
		CHECK(same("@yearly", "0 0 1 1 *") && same("@annually", "0 0 1 1 *"));
		CHECK(same("@monthly", "0 0 1 * *") && same("@weekly", "0 0 * * 0"));
		CHECK(same("@daily", "0 0 * * *") && same("@midnight", "0 0 * * *"));
		CHECK(same("@hourly", "0 * * * *"));
		CHECK_STR(utc("@reboot", "2024-01-01T00:00:00Z", 1), ".");
	}
	IT ("24: @every counts real time from 1970, whatever clocks do") {
		CHECK_STR(fires("@every 6h/1h", "America/New_York", "2024-03-10T00:30:00Z", 3),
			  "2024-03-10T01:00 2024-03-10T07:00 2024-03-10T13:00");
	}
}

static void
test_time(void)
{
	IT ("25: a date that never comes parses, has no next, and is an error when added") {
		AUTO(cron_auto_free) struct cron *c = NULL;
		struct err err = ERR_INIT;

		CHECK_STR(utc("0 0 30 2 *", "2024-01-01T00:00:00Z", 1), ".");
		CHECK(cron_new(STR("0 0 30 2 *"), STR_NONE, STR(""), &c, NULL));
		CHECK(!cron_check_fires(c, (struct wall){0}, &err));
		CHECK_STR(err_text(&err), "cron: never fires: February has at most 29 days");
		err_fini(&err);
	}
	IT ("26: exact to the end of 2199") {
		CHECK_STR(utc("0 0 29 2 *", "2096-03-01T00:00:00Z", 1), "2104-02-29T00:00");
		CHECK_STR(fires("59 23 31 12 *", "America/New_York", "2199-01-01T00:00:00Z", 1),
			  "2199-01-01T04:59");
		CHECK_STR(fires("59 23 31 12 *", "America/New_York", "2199-01-02T00:00:00Z", 2),
			  "2200-01-01T04:59.");
		CHECK_STR(fires("30 2 * 3 SUN#2", "America/New_York", "2199-03-01T00:00:00Z", 1),
			  "2199-03-10T07:00");
	}
	IT ("27: next is later than its argument, also inside a second") {
		AUTO(cron_auto_free) struct cron *c = NULL;
		struct wall t;

		CHECK(cron_new(STR("* * * * * *"), STR_NONE, STR(""), &c, NULL));
		CHECK(cron_next(c, (struct wall){1000}, &t) && t.ms == 2000);
		CHECK(cron_next(c, (struct wall){1001}, &t) && t.ms == 2000);
		CHECK(cron_next(c, (struct wall){1999}, &t) && t.ms == 2000);
		CHECK(cron_next(c, (struct wall){-1}, &t) && t.ms == 0);
	}
	IT ("28: zones are IANA names or UTC, and only one is given") {
		static const char *const bad[] = {"Mars/Base", "EST",	 "EST5EDT", "UTC+3",
						  "../UTC",    "Europe", "CEST",    "localtime",
						  ":UTC",      "utc",	 "GMT+3"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			CHECK(!strncmp(fires("0 0 * * *", bad[i], "2024-01-01T00:00:00Z", 1),
				       "unknown time zone '", 19));
		CHECK(strstr(fires("CRON_TZ=UTC 0 0 * * *", "UTC", "2024-01-01T00:00:00Z", 1),
			     "keep one"));
		CHECK_STR(utc("CRON_TZ=Asia/Tokyo 0 9 * * *", "2024-01-01T00:00:00Z", 1),
			  "2024-01-02T00:00");
	}
	IT ("29: offsets alone count: negative daylight saving and changes without it") {
		CHECK_STR(fires("0 9 * * *", "Europe/Dublin", "2024-07-01T00:00:00Z", 1),
			  "2024-07-01T08:00");
		CHECK_STR(fires("30 23 * * *", "Asia/Almaty", "2024-02-29T12:00:00Z", 2),
			  "2024-02-29T17:30 2024-03-01T18:30");
		CHECK_STR(fires("0 12 1 7 *", "Europe/Paris", "2150-01-01T00:00:00Z", 1),
			  "2150-07-01T10:00");
		CHECK(!strncmp(fires("0 0 * * *", "right/UTC", "2024-01-01T00:00:00Z", 1),
			       "unknown time zone", 17));
	}
	IT ("30: zone data that changes is taken over when asked, and nothing is stuck") {
		AUTO(cron_auto_free) struct cron *c = NULL;
		bool changed = true;

		CHECK(cron_new(STR("0 9 * * *"), STR("Europe/Berlin"), STR(""), &c, NULL));
		CHECK(cron_refresh(c, &changed, NULL) && !changed);
	}
	IT ("31: prev and match know the same instants, those at a gap's end too") {
		AUTO(cron_auto_free) struct cron *c = NULL;
		struct wall gap = {INT64_C(1710054000000)}, t; /* 2024-03-10T07:00Z */

		CHECK(cron_new(STR("30 2 * * *"), STR("America/New_York"), STR(""), &c, NULL));
		CHECK(cron_match(c, gap));
		CHECK(cron_prev(c, (struct wall){gap.ms + 1}, &t) && t.ms == gap.ms);
		CHECK(cron_prev(c, gap, &t) && cron_next(c, t, &t) && t.ms == gap.ms);
		CHECK(!cron_match(c, (struct wall){gap.ms + 1}));
	}
}

int
main(void)
{
	test_fields();
	test_days();
	test_spelling();
	test_time();
	return tap_done();
}
