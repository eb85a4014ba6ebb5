/* JSON lines: read one by one, answered one by one, whatever stands in them. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_JSONL_H
#define ROUSE_CLI_JSONL_H

#include "cli/print.h"

#define JSONL_LINE_MAX (32 << 20)

/* Calls each for every line of fd that is not blank; object is NULL with the reason in why when
 * the line is no JSON object. What each puts into out is written as it grows, at the latest when
 * no more input is there. */
bool jsonl_each(int fd, struct print *out,
		void (*each)(void *arg, const json_t *object, const char *why), void *arg,
		struct err *err);

/* The line's "id" into out, as JSON; null when there is none. */
void jsonl_put_id(struct buf *out, const json_t *object);

#endif
