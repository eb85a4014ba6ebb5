/* Exit statuses: what those of sysexits.h say about trying again. */
/* SPDX-License-Identifier: MIT */
#include "pure/exits.h"

#include <sysexits.h>

bool
exit_is_of_input(int code)
{
	return code == EX_USAGE || code == EX_DATAERR || code == EX_NOINPUT;
}

bool
exit_is_permanent(int code)
{
	return exit_is_of_input(code) || code == EX_UNAVAILABLE || code == EX_NOPERM ||
	       code == EX_CONFIG;
}
