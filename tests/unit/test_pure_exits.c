/* Exit statuses: which of them say that trying again is no use. */
/* SPDX-License-Identifier: MIT */
#include "pure/exits.h"
#include "tests/unit/tap.h"

int
main(void)
{
	IT ("calls 64, 65, 66, 69, 77 and 78 permanent, and no other status") {
		int count = 0;

		for (int code = -1; code < 256; code++)
			count += exit_is_permanent(code);
		CHECK_INT(count, 6);
		CHECK(exit_is_permanent(64) && exit_is_permanent(65) && exit_is_permanent(66));
		CHECK(exit_is_permanent(69) && exit_is_permanent(77) && exit_is_permanent(78));
	}
	IT ("holds 64, 65 and 66 against the input alone") {
		for (int code = -1; code < 256; code++)
			CHECK(exit_is_of_input(code) == (code >= 64 && code <= 66));
	}
	return tap_done();
}
