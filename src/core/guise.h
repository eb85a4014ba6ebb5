/* Guises: a run as its agent sees it, where it stands in for another (run_inputs.guise). */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_GUISE_H
#define ROUSE_CORE_GUISE_H

#include <jansson.h>

#include "store/rows.h"

/* The row as its agent sees it: of a run that stands in for another, with that one's entity,
 * tenant, user and trigger. Borrows from row and from *ret_guise, which is the caller's to decref.
 */
struct run_row guise_of(const struct run_row *row, json_t **ret_guise);

#endif
