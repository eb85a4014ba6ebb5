/* Unit tests as sentences, in TAP: IT("adds two numbers") { CHECK(1 + 1 == 2); } in a main of PLAN.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TESTS_TAP_H
#define ROUSE_TESTS_TAP_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failed, tap_checks;
static bool tap_ok = true;
static const char *tap_name;

static inline bool
tap_begin(const char *name)
{
	tap_name = name;
	tap_ok = true;
	tap_checks = 0;
	return true;
}

static inline void
tap_end(void)
{
	if (!tap_checks) {
		printf("# no check was made\n");
		tap_ok = false;
	}
	if (!tap_ok)
		tap_failed++;
	printf("%sok %d - %s\n", tap_ok ? "" : "not ", ++tap_count, tap_name);
	fflush(stdout);
	tap_name = NULL;
}

static inline bool
tap_check(bool ok, const char *what, const char *file, int line)
{
	tap_checks++;
	if (!ok) {
		tap_ok = false;
		printf("# %s:%d: %s\n", file, line, what);
	}
	return ok;
}

static inline bool
tap_check_str(const char *got, const char *want, const char *what, const char *file, int line)
{
	bool ok = got && want ? !strcmp(got, want) : got == want;
	tap_check(ok, what, file, line);
	if (!ok)
		printf("#   got:  %s\n#   want: %s\n", got ? got : "(null)",
		       want ? want : "(null)");
	return ok;
}

/* One test; its body runs once. Do not return or break out of it. */
#define IT(name) for (bool tap_once_ = tap_begin(name); tap_once_; tap_once_ = false, tap_end())

#define CHECK(cond) tap_check((cond), #cond, __FILE__, __LINE__)
#define CHECK_STR(got, want) tap_check_str((got), (want), #got " is " #want, __FILE__, __LINE__)
#define CHECK_INT(got, want)                                                                       \
	do {                                                                                       \
		long long got_ = (got), want_ = (want);                                            \
		if (!tap_check(got_ == want_, #got " is " #want, __FILE__, __LINE__))              \
			printf("#   got:  %lld\n#   want: %lld\n", got_, want_);                   \
	} while (0)

/* Last line of main. Where lines are counted (make check), a failed one has said so: an exit status
 * of its own would count as another failure. */
static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed && !getenv("TAP_LINES_COUNT") ? 1 : 0;
}

#endif
