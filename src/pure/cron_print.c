/* The plainest spelling of a cron expression, from its masks. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_expr.h"

#include <inttypes.h>

#include "pure/cron_field.h"

