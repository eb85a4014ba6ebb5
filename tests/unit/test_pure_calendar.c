/* Tests of calendar events: their errors, their normalized spelling, what they mean as masks. */
/* SPDX-License-Identifier: MIT */
#include "pure/calendar.h"

#include "pure/cron_next.h"
#include "tests/unit/tap.h"

static const char *
said(struct str text)
{
	static struct buf out;
	struct cron_expr e, again;
	struct err err = ERR_INIT;

	buf_clear(&out);
	if (!cron_parse(text, STR("t"), &e, &err)) {
		buf_puts(&out, err.code == E_INVALID ? err_text(&err) : "another code");
		err_fini(&err);
		return buf_cstr(&out);
	}
	cron_print(&e, &out);
	if (!cron_parse(buf_str(&out), STR("t"), &again, NULL) || again.rhythm != e.rhythm ||
	    again.second != e.second || again.minute != e.minute || again.hour != e.hour ||
	    again.dom != e.dom || again.month != e.month || again.dow != e.dow ||
	    again.last_day != e.last_day || memcmp(again.year, e.year, sizeof(e.year)) ||
	    strcmp(again.zone, e.zone))
		buf_puts(&out, " (means something else)");
	return buf_cstr(&out);
}

static const struct {
	const char *text, *want;
} spellings[] = {
	{"calendar:daily", "calendar:*-*-* 00:00:00"},
	{"calendar:minutely", "calendar:*-*-* *:*:00"},
	{"  calendar: weekly  ", "calendar:Mon *-*-* 00:00:00"},
	{"calendar:Quarterly Asia/Tokyo", "calendar:*-01/3-01 00:00:00 Asia/Tokyo"},
	{"calendar:mon..FRIDAY 9:0", "calendar:Mon..Fri *-*-* 09:00:00"},
	{"calendar:Sat,Sun", "calendar:Sat,Sun *-*-* 00:00:00"},
	{"calendar:Mon..Sun 5:0", "calendar:*-*-* 05:00:00"},
	{"calendar:Sun,Mon,Tue,Thu-Sat", "calendar:Mon,Tue,Thu..Sun *-*-* 00:00:00"},
	{"calendar:*:0/15", "calendar:*-*-* *:00/15:00"},
	{"calendar:*:0,15,30,45", "calendar:*-*-* *:00,15,30,45:00"},
	{"calendar:5:0,15,30,45", "calendar:*-*-* 05:00,15,30,45:00"},
	{"calendar:5:10..40/10", "calendar:*-*-* 05:10..40/10:00"},
	{"calendar:5:7..9/70", "calendar:*-*-* 05:07..07/1:00"},
	{"calendar:5:0/30,7", "calendar:*-*-* 05:00..07/7,30:00"},
	{"calendar:*-2~1", "calendar:*-02~01 00:00:00"},
	{"calendar:*-*~7/2", "calendar:*-*~01,03,05,07 00:00:00"},
	{"calendar:*-*~*", "calendar:*-*-* 00:00:00"},
	{"calendar:26..28-2..4-1/10", "calendar:2026..2028-02..04-01/10 00:00:00"},
	{"calendar:@4102444800", "calendar:2100-01-01 00:00:00 UTC"},
	{"calendar:1:2:3.000", "calendar:*-*-* 01:02:03"},
	{"calendar:1:2:3..5", "calendar:*-*-* 01:02:03..05"},
	{"calendar:5:0 utc", "calendar:*-*-* 05:00:00 UTC"},
};

static const struct {
	const char *text, *want;
} errors[] = {
	{"calendar:", "cron:10: calendar: empty expression; expected as in Mon..Fri *-*-* 09:00 or "
		      "daily"},
	{"calendar:5:60", "cron:12: minute: 60 is out of range 0-59"},
	{" calendar:24:0", "cron:11: hour: 24 is out of range 0-23"},
	{"calendar:*-*-32", "cron:14: day-of-month: 32 is out of range 1-31"},
	{"calendar:*-*~29", "cron:14: day-of-month: 29 is out of range 1-28 from the month's end"},
	{"calendar:2200-1-1", "cron:10: year: 2200 is out of range 1970-2199"},
	{"calendar:1:2:3.5",
	 "cron:15: second: fractions of a second are not supported; write whole "
	 "seconds"},
	{"calendar:*:*:0/0.5", "cron:17: second: fractions of a second are not supported; write "
			       "whole seconds"},
	{"calendar:*:0/0", "cron:14: minute: step must be at least 1"},
	{"calendar:*:0/60", "cron:12: minute: 0/60 never repeats below 60; write 0"},
	{"calendar:*-*~3/3", "cron:14: day-of-month: ~3/3 never repeats; write ~3"},
	{"calendar:22..2:0", "cron:10: hour: range 22..2 runs backwards; write 0..2,22..23"},
	{"calendar:*/2:0", "cron:10: hour: * takes no step; write 0/2"},
	{"calendar:*,5:0", "cron:10: hour: * stands alone"},
	{"calendar:5:", "cron:12: minute: is missing; write * for any"},
	{"calendar:5:1,", "cron:14: minute: '1,' is not complete"},
	{"calendar:5x:0", "cron:11: hour: unexpected 'x'"},
	{"calendar:5:1\xc2\xa0",
	 "cron:13: minute: unexpected byte 0xc2; only plain ASCII is allowed"},
	{"calendar:5:1234567890", "cron:12: minute: 1234567890 has too many digits"},
	{"calendar:Fri..Mon", "cron:10: day-of-week: range Fri..Mon runs backwards; write "
			      "Fri..Sun,Mon"},
	{"calendar:Sat-Wed", "cron:10: day-of-week: range Sat-Wed runs backwards; write "
			     "Sat..Sun,Mon..Wed"},
	{"calendar:Mo 5:0", "cron:10: day-of-week: unknown name 'Mo'; expected Mon to Sun, daily, "
			    "hourly etc."},
	{"calendar:Mon..x 5:0", "cron:15: day-of-week: unknown name 'x'; expected Mon to Sun, "
				"daily, hourly etc."},
	{"calendar:5", "cron:10: calendar: '5' is no date and no time; write year-month-day, "
		       "month-day or hour:minute"},
	{"calendar:1:2:3:4", "cron:10: calendar: '1:2:3:4' is no time; write hour:minute or "
			     "hour:minute:second"},
	{"calendar:*~*-1", "cron:11: calendar: ~ stands before the day; write *-*~01"},
	{"calendar:5:0 *-*-*",
	 "cron:14: calendar: unexpected '*-*-*'; the order is weekdays, date, "
	 "time, time zone"},
	{"calendar:Mon *-*-* 5:0 UTC x",
	 "cron:28: calendar: unexpected 'x'; the order is weekdays, "
	 "date, time, time zone"},
	{"calendar:5:0 CET", "cron:14: unknown time zone 'CET'"},
	{"calendar:@x", "cron:10: calendar: '@x' is no time; write @ and the seconds since 1970"},
	{"calendar:@9 Asia/Tokyo", "cron:13: calendar: seconds since 1970 have no time zone"},
	{"CRON_TZ=Asia/Tokyo calendar:5:0",
	 "cron:9: calendar: the time zone stands at its end; write calendar:5:0 Asia/Tokyo"},
};

int
main(void)
{
	IT ("prints the normalized spelling, which means the same") {
		for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
			CHECK_STR(said(str_of(spellings[i].text)), spellings[i].want);
	}
	IT ("says what is wrong, where, and how to write it") {
		for (size_t i = 0; i < ARRAY_LEN(errors); i++)
			CHECK_STR(said(str_of(errors[i].text)), errors[i].want);
	}
	IT ("is told from appointments as every schedule is") {
		static const struct {
			const char *text;
			bool rhythm;
		} cases[] = {{"calendar:hourly", true},		{"calendar:daily", false},
			     {"calendar:1..5:0", false},	{"calendar:0..23:0", true},
			     {"calendar:1:0/30", true},		{"calendar:*-1/2-* 1:0", false},
			     {"calendar:2026/2-*-* 1:0", false}};

		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			struct cron_expr e = {.rhythm = false};

			CHECK(cron_parse(str_of(cases[i].text), STR(""), &e, NULL));
			CHECK(e.rhythm == cases[i].rhythm);
		}
	}
	IT ("takes one time zone, its own or the trigger's") {
		struct cron *c = NULL;
		struct err err = ERR_INIT;

		CHECK(!cron_new(STR("calendar:daily Asia/Tokyo"), STR("UTC"), STR(""), &c, &err));
		CHECK_STR(err_text(&err), "cron:16: the expression names a time zone, and so does "
					  "timezone; keep one");
		CHECK(cron_new(STR("calendar:daily"), STR("Asia/Tokyo"), STR(""), &c, &err));
		CHECK_STR(zone_name(cron_zone(c)), "Asia/Tokyo");
		cron_free(c);
		err_fini(&err);
	}
	IT ("points into the text whatever bytes it gets") {
		static const char alphabet[] = "0123456789*/,-~.:@ \tMonFri..UTCdaily\x01\xff";
		uint64_t x = 424242;

		for (int i = 0; i < 200000; i++) {
			char text[40] = "calendar:";
			size_t len = 9;
			long column = 0;
			const char *got;

			for (; len < 10 + x % 25; len++) {
				x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
				text[len] = alphabet[(x >> 33) % (sizeof(alphabet) - 1)];
			}
			got = said(str_make(text, len));
			if (strstr(got, "something else") ||
			    (strncmp(got, "calendar:", 9) &&
			     (sscanf(got, "cron:%ld: ", &column) != 1 || column < 10 ||
			      column > (long)len + 1)))
				CHECK_STR(got, "a column in the text");
		}
		CHECK(true);
	}
	return tap_done();
}
