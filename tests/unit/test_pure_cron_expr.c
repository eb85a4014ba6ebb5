/* Tests of the cron parser: every required text, the decisions, and hostile input. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_expr.h"

#include "pure/cron_hash.h"
#include "tests/unit/tap.h"

static const char *
error_of_str(struct str text)
{
	static struct err err;
	struct cron_expr e;

	err_fini(&err);
	if (cron_parse(text, STR("t"), &e, &err))
		return "no error";
	return err.code == E_INVALID ? err_text(&err) : "another code";
}

static const char *
error_of(const char *text)
{
	return error_of_str(str_of(text));
}

static bool
parses(const char *text)
{
	struct cron_expr e;

	return cron_parse(str_of(text), STR("t"), &e, NULL);
}

static struct cron_expr
expr_of(const char *text)
{
	struct cron_expr e;
	struct err err = ERR_INIT;

	memset(&e, 0, sizeof(e));
	if (!cron_parse(str_of(text), STR("t"), &e, &err))
		printf("# %s\n", err_text(&err));
	err_fini(&err);
	return e;
}

static const char *
printed(const char *text)
{
	static struct buf out;
	struct cron_expr e = expr_of(text), again;

	buf_clear(&out);
	cron_print(&e, &out);
	if (!cron_parse(buf_str(&out), STR("other"), &again, NULL) || again.rhythm != e.rhythm ||
	    again.second != e.second || again.minute != e.minute || again.hour != e.hour ||
	    again.dom != e.dom || again.month != e.month || again.dow != e.dow ||
	    memcmp(again.nth, e.nth, sizeof(e.nth)) || again.both != e.both ||
	    again.last_day != e.last_day || again.last_weekday != e.last_weekday ||
	    again.nearest != e.nearest || memcmp(again.year, e.year, sizeof(e.year)) ||
	    again.dom_star != e.dom_star || again.dow_star != e.dow_star ||
	    again.every_s != e.every_s || again.phase_s != e.phase_s || strcmp(again.zone, e.zone))
		buf_puts(&out, " (means something else)");
	return buf_cstr(&out);
}

static const struct {
	const char *text, *error;
} required[] = {
	{"", "cron:1: empty expression; expected 5, 6 or 7 fields or @daily etc."},
	{"0 0 * *", "cron:8: 4 fields; expected 5 (minute hour day-of-month month day-of-week), 6 "
		    "(second first) or 7 (second first, year last)"},
	{"0 18 * * ? 2026",
	 "cron:12: day-of-week: 2026 is out of range 0-7; a year needs 7 fields: 0 0 "
	 "18 * * ? 2026"},
	{"60 * * * *", "cron:1: minute: 60 is out of range 0-59"},
	{"0/5 * * * *", "cron:1: minute: step needs * or a range; write 0-59/5"},
	{"0 22-2 * * *", "cron:3: hour: range 22-2 runs backwards; write 22-23,0-2"},
	{"*/0 * * * *", "cron:3: minute: step must be at least 1"},
	{"*/90 * * * *",
	 "cron:3: minute: step 90 exceeds 60; for every 90 minutes write @every 90m"},
	{"1,,2 * * * *", "cron:3: minute: empty list item"},
	{"? * * * *", "cron:1: minute: ? is only allowed in day-of-month and day-of-week; write *"},
	{"0 0 * * L",
	 "cron:9: day-of-week: L needs a weekday; write SAT, or SAT#L for the last Saturday"},
	{"0 0 l * *",
	 "cron:5: day-of-month: unexpected 'l'; write upper-case L for last day (or the "
	 "digit 1)"},
	{"0 0 1-15W * *", "cron:5: day-of-month: W takes a single day, not a range"},
	{"0 0 32W * *", "cron:5: day-of-month: 32 is out of range 1-31"},
	{"0 0 * * MON#6", "cron:13: day-of-week: occurrence 6 is out of range 1-5 (or L)"},
	{"0 0 * * MONDAY", "cron:9: day-of-week: unknown name 'MONDAY'; write MON"},
	{"0 0 * FOO *", "cron:7: month: unknown name 'FOO'; expected 1-12 or JAN-DEC"},
	{"0 0 +1 * *", "cron:5: day-of-month: + is only allowed first in day-of-week"},
	{"@Daily", "cron:1: unknown nickname '@Daily'; write @daily"},
	{"0~30 * * * *", "cron:2: minute: ~ is not supported; write H(0-30)"},
};

static const struct {
	const char *text, *error;
} others[] = {
	{"   ", "cron:4: empty expression; expected 5, 6 or 7 fields or @daily etc."},
	{"* * * * * * * *",
	 "cron:15: 8 fields; expected 5 (minute hour day-of-month month day-of-week), "
	 "6 (second first) or 7 (second first, year last)"},
	{"  61 * * * *", "cron:3: minute: 61 is out of range 0-59"},
	{"0 0 * NOV-FEB *", "cron:7: month: range NOV-FEB runs backwards; write NOV-DEC,JAN-FEB"},
	{"0 0 * * FRI-MON",
	 "cron:9: day-of-week: range FRI-MON runs backwards; write FRI-SAT,SUN-MON"},
	{"0 0 * * 7-2", "cron:9: day-of-week: range 7-2 runs backwards; write 0-2"},
	{"0 23-1 * * *", "cron:3: hour: range 23-1 runs backwards; write 23,0-1"},
	{"0 */36 * * *", "cron:5: hour: step 36 exceeds 24; for every 36 hours write @every 36h"},
	{"*/00005 * * * *", "cron:3: minute: step 00005 has more than 4 digits"},
	{"0 0 * */13 *", "cron:9: month: step 13 exceeds 12"},
	{"*/ * * * *", "cron:3: minute: '*/' is not complete"},
	{"00000 * * * *", "cron:1: minute: 00000 has more than 4 digits"},
	{"5x * * * *", "cron:2: minute: unexpected 'x'"},
	{"0 0 W * *", "cron:5: day-of-month: unexpected 'W'"},
	{"0 0 15w * *", "cron:7: day-of-month: unexpected 'w'; write upper-case W"},
	{"h * * * *", "cron:1: minute: unexpected 'h'; write upper-case H"},
	{"0 0 L-31 * *", "cron:7: day-of-month: 31 is out of range 1-30"},
	{"0 0 * * MON-WED#1", "cron:9: day-of-week: # takes a single weekday, not a range"},
	{"0 0 * * MON/2", "cron:9: day-of-week: step needs * or a range; write MON-SAT/2"},
	{"0 0 ?,5 * *", "cron:5: day-of-month: ? stands alone; write *"},
	{"0 0 * * 1,2,", "cron:13: day-of-week: empty list item"},
	{"0 0 0 1 1 * H", "cron:13: year: H is not allowed in the year"},
	{"H(5-3) * * * *", "cron:1: minute: range 5-3 runs backwards; write H(3-5)"},
	{"\xc2\xa0 * * * *", "cron:1: minute: unexpected byte 0xc2; only plain ASCII is allowed"},
	{"*\n* * * * *", "cron:2: minute: unexpected byte 0x0a; only plain ASCII is allowed"},
	{"@day",
	 "cron:1: unknown nickname '@day'; expected @yearly, @monthly, @weekly, @daily, @hourly, "
	 "@reboot or @every 90m"},
	{"@daily x", "cron:8: unexpected 'x' behind @daily"},
	{"@every",
	 "cron:7: @every: expected a duration of numbers with d, h, m or s, as in @every 1h30m"},
	{"@every 1x",
	 "cron:9: @every: expected a duration of numbers with d, h, m or s, as in @every "
	 "1h30m"},
	{"@every 0s", "cron:8: @every: must be at least 1s"},
	{"@every 1h/",
	 "cron:11: @every: expected a phase of numbers with d, h, m or s, as in @every "
	 "1h/10m"},
	{"@every 1h x", "cron:11: @every: unexpected 'x'"},
	{"@every 9999999999s",
	 "cron:18: @every: expected a duration of numbers with d, h, m or s, as in "
	 "@every 1h30m"},
	{"CRON_TZ=../../etc/passwd 0 0 * * *", "cron:9: unknown time zone '../../etc/passwd'"},
	{"TZ=EST 0 0 * * *", "cron:4: unknown time zone 'EST'"},
	{"TZ= 0 0 * * *", "cron:4: unknown time zone ''"},
	{"TZ=UTC", "cron:7: empty expression; expected 5, 6 or 7 fields or @daily etc."},
	{"TZ=UTC 61 * * * *", "cron:8: minute: 61 is out of range 0-59"},
};

static void
test_errors(void)
{
	IT ("says each of the required texts, to the letter") {
		for (size_t i = 0; i < ARRAY_LEN(required); i++)
			CHECK_STR(error_of(required[i].text), required[i].error);
	}
	IT ("says what else is wrong, where, and how to write it") {
		for (size_t i = 0; i < ARRAY_LEN(others); i++)
			CHECK_STR(error_of(others[i].text), others[i].error);
	}
	IT ("accepts what its own advice says") {
		static const char *const fixes[] = {
			"0-59/5 * * * *",	   "0 22-23,0-2 * * *", "@every 90m",
			"0 0 0 18 * ? 2026",	   "0 0 * * SAT#L",	"H(0-30) * * * *",
			"0 0 * * FRI-SAT,SUN-MON", "0 23,0-1 * * *"};

		for (size_t i = 0; i < ARRAY_LEN(fixes); i++)
			CHECK(i == 3 || parses(fixes[i]));
	}
	IT ("refuses a text that is too long or holds a NUL") {
		AUTO(buf_fini) struct buf b = BUF_INIT;

		while (b.len < CRON_TEXT_MAX - 9)
			buf_puts(&b, "1,");
		buf_puts(&b, "1 * * * *");
		CHECK_STR(error_of(buf_cstr(&b)),
			  b.len > CRON_TEXT_MAX ? "cron:1025: longer than 1024 bytes" : "no error");
		buf_puts(&b, "     ");
		CHECK_STR(error_of(buf_cstr(&b)), "cron:1025: longer than 1024 bytes");
		CHECK_STR(error_of_str(str_make("1\0 * * * *", 10)),
			  "cron:2: minute: unexpected byte 0x00; only plain ASCII is allowed");
		CHECK_STR(error_of_str(STR_NONE),
			  "cron:1: empty expression; expected 5, 6 or 7 fields or @daily etc.");
	}
	IT ("points into the text whatever bytes it gets") {
		static const char alphabet[] =
			"0123456789*/,-?LWH#+~() \tSUNMONJANFEB@everyTZ=\x01\xff";
		uint64_t x = 1234567;

		for (int i = 0; i < 200000; i++) {
			char text[24];
			size_t len;
			long column = 0;
			const char *error;

			for (len = 0; len < 4 + x % 20; len++) {
				x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
				text[len] = alphabet[(x >> 33) % (sizeof(alphabet) - 1)];
			}
			error = error_of_str(str_make(text, len));
			if (!strcmp(error, "no error"))
				continue;
			if (sscanf(error, "cron:%ld: ", &column) != 1 || column < 1 ||
			    column > (long)len + 1)
				CHECK_STR(error, "a column in the text");
		}
		CHECK(true);
	}
}

static void
test_decisions(void)
{
	IT ("takes Sunday as 0, 7, SUN, and as the end of a range") {
		CHECK_INT(expr_of("0 0 * * 7").dow, 1);
		CHECK_INT(expr_of("0 0 * * sun").dow, 1);
		CHECK_INT(expr_of("0 0 * * FRI-SUN").dow, 0x61);
		CHECK_INT(expr_of("0 0 * * 5-7").dow, 0x61);
		CHECK_INT(expr_of("0 0 * * SUN-TUE").dow, 0x07);
		CHECK_INT(expr_of("0 0 * * 0-7").dow, 0x7f);
	}
	IT ("counts * ? */1 and lists with one of them as unrestricted days") {
		CHECK(expr_of("0 0 * * MON").dom_star);
		CHECK(expr_of("0 0 ? * MON").dom_star);
		CHECK(expr_of("0 0 */1 * MON").dom_star);
		CHECK(expr_of("0 0 */1,5 * MON").dom_star);
		CHECK(!expr_of("0 0 */2 * MON").dom_star);
		CHECK(!expr_of("0 0 1-31 * MON").dom_star);
	}
	IT ("tells a rhythm from appointments") {
		CHECK(expr_of("* * * * *").rhythm);
		CHECK(expr_of("0 */2 * * *").rhythm);
		CHECK(expr_of("0 0-23 * * *").rhythm);
		CHECK(expr_of("0-10/5 2 * * *").rhythm);
		CHECK(expr_of("H/10 2 * * *").rhythm);
		CHECK(!expr_of("0 2 * * *").rhythm);
		CHECK(!expr_of("0,30 1-3 */2 */3 *").rhythm);
		CHECK(!expr_of("H H * * *").rhythm);
		CHECK(expr_of("* 0 0 * * *").rhythm);
	}
	IT ("draws H from the trigger's id, the same for ever, within its range") {
		struct cron_expr a, b;
		int differ = 0;

		for (int i = 0; i < 200; i++) {
			char seed[8];

			snprintf(seed, sizeof(seed), "t%d", i);
			CHECK(cron_parse(STR("H H(2-5) H * *"), str_of(seed), &a, NULL));
			CHECK(cron_parse(STR("H H(2-5) H * *"), str_of(seed), &b, NULL));
			CHECK(a.minute == b.minute && a.hour == b.hour && a.dom == b.dom);
			CHECK(!(a.hour & ~0x3cu) && !(a.dom & ~0x1ffffffeu));
			CHECK(!(a.minute & (a.minute - 1)));
			CHECK(cron_parse(STR("H/20 H(2-3)/5 * * *"), str_of(seed), &b, NULL));
			CHECK_INT(__builtin_popcountll(b.minute), 3);
			CHECK_INT(__builtin_popcount(b.hour), 1);
			differ += a.minute != UINT64_C(1);
		}
		CHECK(differ > 150);
	}
	IT ("hashes as the paper's vectors say") {
		static const unsigned char key[16] = {0, 1, 2,	3,  4,	5,  6,	7,
						      8, 9, 10, 11, 12, 13, 14, 15};

		CHECK(cron_siphash(key, STR("")) == UINT64_C(0x726fdb47dd0e0e31));
		CHECK(cron_siphash(key, str_make(key, 15)) == UINT64_C(0xa129ca6149be45e5));
		CHECK(cron_siphash(key, str_make(key, 8)) == UINT64_C(0x93f5f5799a932462));
	}
	IT ("reads @every with a phase") {
		CHECK_INT(expr_of("@every 1d2h3m4s").every_s, 93784);
		CHECK_INT(expr_of("@every 1h/70m").phase_s, 600);
		CHECK(expr_of("@reboot").reboot);
	}
}

static void
test_printing(void)
{
	IT ("prints the plainest spelling, which means the same") {
		CHECK_STR(printed("0 9 * * 1-5"), "0 9 * * MON-FRI");
		CHECK_STR(printed("*/1 * * * *"), "* * * * *");
		CHECK_STR(printed("0-59 0-23 1-31 1-12 0-7"), "* * 1-31 * 0-6");
		CHECK_STR(printed("*/5 * ? * ?"), "*/5 * * * *");
		CHECK_STR(printed("5,5,3,4 1,2 * jan,dec 7"), "3-5 1-2 * JAN,DEC SUN");
		CHECK_STR(printed("0 0 LW,L-3,1W,15,L * 5L,MON#2"),
			  "0 0 15,1W,LW,L,L-3 * MON#2,FRI#L");
		CHECK_STR(printed("0 0 13 * +5"), "0 0 13 * +FRI");
		CHECK_STR(printed("@daily"), "0 0 * * *");
		CHECK_STR(printed("@every 90m/10m"), "@every 1h30m/10m");
		CHECK_STR(printed("@reboot"), "@reboot");
		CHECK_STR(printed("5-59/15 * * * *"), "5-50/15 * * * *");
		CHECK_STR(printed("*/60 2 * * *"), "*/60 2 * * *");
		CHECK_STR(printed("30 0 0 1 1 * 2025,2027,2026"), "30 0 0 1 JAN * 2025-2027");
		CHECK_STR(printed("0 0 0 1 1 * */2"), "0 0 0 1 JAN * 1970-2198/2");
		CHECK_STR(printed("TZ=Asia/Tokyo 0 0 1 1 *"), "CRON_TZ=Asia/Tokyo 0 0 1 JAN *");
		CHECK_STR(printed("0 0 */2 * */3"), "0 0 1-31/2 * SUN,WED,SAT");
		CHECK_STR(printed("0,7,30 1-3/1 * * *"), "0,7,30 1-3/1 * * *");
		CHECK_STR(printed("4-4/9 7 * * *"), "4-4/1 7 * * *");
		CHECK_STR(printed("0 0 */1,5 * MON"), "0 0 * * MON");
	}
}

int
main(void)
{
	test_errors();
	test_decisions();
	test_printing();
	return tap_done();
}
