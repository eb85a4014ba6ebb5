/* Changes, as the verbs about them share them. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_CHANGE_H
#define ROUSE_CLI_CHANGE_H

#include "cli/cli.h"

#define CHANGE_MOST 100000 /* in one answer for people */

/* What one word on the command line stands for. */
struct change_set {
	char *run;     /* id of the run, NULL: one change */
	char *digest;  /* of what is shown, "" when the daemon gave none */
	json_t *items; /* change objects */
};
#define CHANGE_SET_INIT                                                                            \
	{                                                                                          \
		NULL, NULL, NULL                                                                   \
	}
void change_set_fini(struct change_set *set);

/* word: a run or a change. E_NOT_FOUND when it is neither. */
bool change_set_get(struct cli *cli, const char *word, struct change_set *ret, struct err *err);

const char *change_status(const json_t *change);
bool change_is(const json_t *change, const char *status);
/* items whose status is one of the words of statuses, separated by spaces; a new array. */
json_t *change_pick(const json_t *items, const char *statuses);
/* Takes out of items what the jq program is not true for. Only plain programs are answered here
 * (paths, comparisons with constants, and, or); E_USAGE for others. */
bool change_keep_where(json_t *items, const char *program, struct err *err);
/* "12 applied, 1 failed", of items by status. */
void change_count_text(const json_t *items, struct buf *out);

#endif
