/* Unit tests of cli/cron_words.h. */
/* SPDX-License-Identifier: MIT */
#include "cli/cron_words.h"
#include "tests/unit/tap.h"

int
main(void)
{
	static const struct {
		const char *expr, *words;
	} cases[] = {
		{"0 9 * * MON-FRI", "At 09:00, on Monday to Friday"},
		{"0 0 * * *", "At 00:00, every day"},
		{"30 6,18 * * *", "At 06:30 and 18:30, every day"},
		{"* * * * *", "Every minute"},
		{"*/15 8-18 * * *", "Every 15th minute of hour 8 to 18"},
		{"0 0 1,15 * *", "At 00:00, on the 1st and the 15th"},
		{"0 0 L * *", "At 00:00, on the last day of the month"},
		{"0 0 L-3 * *", "At 00:00, on the day 3 before the last of the month"},
		{"0 0 LW * *", "At 00:00, on the last working day of the month"},
		{"0 0 15W * *", "At 00:00, on the working day nearest to the 15th"},
		{"0 0 * * MON#1", "At 00:00, on the 1st Monday of the month"},
		{"0 0 * * FRI#L", "At 00:00, on the last Friday of the month"},
		{"0 0 13 * FRI", "At 00:00, on the 13th, and also on Friday"},
		{"0 0 13 * +FRI", "At 00:00, on the 13th, if it is also Friday"},
		{"0 0 1 JAN-MAR *", "At 00:00, on the 1st, in January to March"},
		{"5 4 3 * * *", "At 03:04:05, every day"},
		{"0 0 0 1 1 * 2027", "At 00:00, on the 1st, in January, in 2027"},
		{"@every 1h30m", "Every 1h30m"},
		{"@reboot", "Once when the daemon starts"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf words = BUF_INIT;

		IT (cases[i].expr) {
			cron_words(str_of(cases[i].expr), &words);
			CHECK_STR(buf_cstr(&words), cases[i].words);
		}
		buf_fini(&words);
	}
	return tap_done();
}
