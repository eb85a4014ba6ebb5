/* Look: changes as the daemon groups them, and their pages. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_LOOK_H
#define ROUSE_CLI_LOOK_H

#include "cli/cli.h"

/* Grouping a hundred thousand, or deciding about them, may take a while. */
#define LOOK_TIMEOUT_MS 600000

/* What word stands for (a batch, a run, a change), with the verb's --entity, --where and --group:
 * the answer of GET /v1/diff. status: of those in it alone; NULL: in any, without a word of those
 * that are proposed. groups: how many are asked for. */
bool look_get(struct cli *cli, const char *word, const char *status, unsigned groups,
	      struct client_reply *ret, struct err *err);
/* Its changes from the at-th on, what needs eyes first: the array; *ret_more: there are others. */
bool look_page(struct cli *cli, const char *look, uint64_t at, unsigned limit,
	       struct client_reply *ret, bool *ret_more, struct err *err);
/* Calls fn with page after page (arrays), until it says no. */
bool look_each(struct cli *cli, const char *look,
	       bool (*fn)(void *arg, const json_t *items, struct err *err), void *arg,
	       struct err *err);

/* Post with the timeout of what takes long. */
bool look_post(struct cli *cli, const char *path, const json_t *body, struct client_reply *ret,
	       struct err *err);

/* The groups of a look, each with its counts, its values and some of its changes; then the plan. */
void look_print(struct print *print, const json_t *look);
/* "Plan: 1 to create, 2 to update, 3 to delete.", and what is behind. */
void look_print_plan(struct print *print, const json_t *look);

/* cli/diff_html.c: the look and all its changes as one page. */
bool diff_print_html(struct cli *cli, const json_t *look, struct err *err);

#endif
