/* Tests of what becomes of Quartz's expressions. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_import.h"

#include "tests/unit/tap.h"

static const char *
imported(struct str text)
{
	static struct buf out;
	struct err err = ERR_INIT;

	buf_clear(&out);
	if (!cron_import_quartz(text, &out, &err))
		buf_puts(&out, err_text(&err));
	err_fini(&err);
	return buf_cstr(&out);
}

static const struct {
	const char *text, *want;
} cases[] = {
	{"0 0/5 14 * * ?", "0 0-59/5 14 * * ?"},
	{"0 /5 14 * * ?", "0 0-59/5 14 * * ?"},
	{"0 0 12 ? * 2-6", "0 0 12 ? * MON-FRI"},
	{"0 15 10 ? * 6L 2027-2030", "0 15 10 ? * FRI#L 2027-2030"},
	{"0 15 10 ? * 6#3", "0 15 10 ? * FRI#3"},
	{"0 15 10 ? * l", "0 15 10 ? * SAT"},
	{"0 15 10 ? * mon,1,tue#2", "0 15 10 ? * MON,SUN,TUE#2"},
	{"0 15 10 l-3 * ?", "0 15 10 L-3 * ?"},
	{"0 15 10 15w,LW * ?", "0 15 10 15W,LW * ?"},
	{"0 0 22-2 ? jan,nov-feb *", "0 0 22-23,0-2 ? JAN,11-12,1-2 *"},
	{"0 0 0 ? * FRI-MON", "0 0 0 ? * FRI-SAT,SUN-MON"},
	{"0 0 0 ? * 2/2", "0 0 0 ? * MON-SAT/2"},
	{"*/10 * * * * ?", "*/10 * * * * ?"},
	{"0 0 0 1/1 * ? 2030/5", "0 0 0 1-31/1 * ? 2030-2199/5"},
	{"0 0 * * *", "cron:1: quartz: 5 fields; expected 6 (second minute hour day-of-month month "
		      "day-of-week) or 7 (year last)"},
	{"0 0 0 1 * MON", "cron:7: quartz: one of day-of-month and day-of-week must be ?"},
	{"0 0 0 ? * 0", "cron:11: quartz: no weekday; they are 1 to 7 or SUN to SAT: '0'"},
	{"0 0 0 ? * 8#1", "cron:11: quartz: no weekday; they are 1 to 7 or SUN to SAT: '8#1'"},
	{"0 1,,2 0 * * ?", "cron:5: quartz: empty list item: '1,,2'"},
	{"0 x/2 0 * * ?", "cron:3: quartz: no value of this field: 'x/2'"},
	{"0 50-10/5 0 * * ?", "cron:3: quartz: a range that wraps has no step here: '50-10/5'"},
	{"0 99 0 * * ?", "read as '0 99 0 * * ?': cron:3: minute: 99 is out of range 0-59"},
	{"0 0/0 0 * * ?", "read as '0 0-59/0 0 * * ?': cron:8: minute: step must be at least 1"},
};

int
main(void)
{
	IT ("writes Quartz's expressions as ours, or says what is wrong where") {
		for (size_t i = 0; i < ARRAY_LEN(cases); i++)
			CHECK_STR(imported(str_of(cases[i].text)), cases[i].want);
	}
	IT ("survives whatever bytes it gets") {
		static const char alphabet[] = "0123456789*/,-?LW#H \tSUNMONjan\x01\xff";
		uint64_t x = 99;

		for (int i = 0; i < 100000; i++) {
			char text[32];
			size_t len;

			for (len = 0; len < 8 + x % 24; len++) {
				x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
				text[len] = alphabet[(x >> 33) % (sizeof(alphabet) - 1)];
			}
			imported(str_make(text, len));
		}
		CHECK_STR(imported(STR_NONE),
			  "cron:1: quartz: 0 fields; expected 6 (second minute hour "
			  "day-of-month month day-of-week) or 7 (year last)");
	}
	return tap_done();
}
