/* Expectations: whether a run did what was asked for, not only ended well. SPEC 8, expect. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_EXPECT_H
#define ROUSE_CORE_EXPECT_H

#include "core/attempt.h"

struct expectation {
	bool met;
	char *json; /* {"program","met","gave" or "error"}, for the run's row */
	char *text; /* for people; NULL where it was met */
};
void expectation_free(struct expectation *expectation); /* NULL is fine */

/* Has the trigger of the attempt's run an `expect`? */
bool expect_wants(const struct attempt *attempt);
/* Asks the program over {result, changes, files, exit} of an attempt that ended well. exit_code: -1
 * where there is none. fn comes later, once, with what it takes over. A helper that cannot be asked
 * is asked again for a while; then, and where the program fails, it was not met. The question is
 * the caller's: it ends, as fn does not come any more, with expect_free(), which comes after the
 * answer or together with the jail's end. */
struct expect;
typedef void expect_on_told(struct attempt *attempt, struct expectation *take_told);
struct expect *expect_ask(struct attempt *attempt, int exit_code, expect_on_told *fn);
void expect_free(struct expect *expect); /* NULL is fine */

#endif
