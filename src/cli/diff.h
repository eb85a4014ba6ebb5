/* Diff: what changes would do, like ones together. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_DIFF_H
#define ROUSE_CLI_DIFF_H

#include "cli/print.h"

struct diff_options {
	size_t each;  /* changes shown of a group; 0: all */
	bool reverse; /* as undone: from after to before */
};

/* items: change objects. Groups of the same target, op and fields, the least confident first;
 * changes that do the very same are shown once, with their entities. Ends with the plan's line. */
void diff_print(struct print *print, const json_t *items, const struct diff_options *options);
/* One change with its head: entity, id, status, reason; then its fields. */
void diff_print_change(struct print *print, const json_t *change);
/* What it would do otherwise than what was approved before; nothing where nothing was. */
void diff_print_previous(struct print *print, const json_t *change);
/* The fields of one change, before and after. */
void diff_print_fields(struct print *print, const json_t *change);
/* A row for each field: change,run,target,entity,op,status,confidence,field,before,after. */
void diff_print_csv_head(struct print *print);
void diff_print_csv(struct print *print, const json_t *items);

#endif
