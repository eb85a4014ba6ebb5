/* Exit statuses: what those of sysexits.h say about trying again. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_EXITS_H
#define ROUSE_PURE_EXITS_H

#include <stdbool.h>

/* Do not try again: EX_USAGE 64, EX_DATAERR 65, EX_NOINPUT 66, EX_UNAVAILABLE 69, EX_NOPERM 77,
 * EX_CONFIG 78. SPEC 6. */
bool exit_is_permanent(int code);
/* Of those, what speaks of the input alone: whoever got it is well. */
bool exit_is_of_input(int code);

#endif
