/* One field of a cron expression: its items, and what is wrong with them. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CRON_FIELD_H
#define ROUSE_PURE_CRON_FIELD_H

#include "pure/cron_expr.h"

struct cron_field_row {
	const char *name;
	int lo, hi; /* values; day-of-week reads 7 as 0 */
	int step_max;
	int hash_hi;	  /* up to where a plain H draws */
	const char *unit; /* of @every, in error texts; NULL where there is none */
	const char *units;
};

const struct cron_field_row *cron_field_row(enum cron_field field);

/* Adds a value of the field, which must be one, to its mask. */
void cron_field_set(struct cron_expr *expr, enum cron_field field, int n);

/* Reads the field's text into expr. column: of its first byte, from 1. */
bool cron_field_parse(enum cron_field field, struct str text, size_t column, struct str seed,
		      struct cron_expr *expr, struct err *err);

#endif
