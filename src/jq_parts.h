/* rouse-jq: the parts of the helper that runs jq programs over what strangers sent. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_JQ_PARTS_H
#define ROUSE_JQ_PARTS_H

#include "base/buf.h"
#include "base/err.h"

/* --- jq_run.c --- */

struct program;
struct program *program_new(struct str text);
void program_free(struct program *program);
/* Compiles it, once; E_INVALID with jq's words. */
bool program_compile(struct program *program, struct err *err);
bool program_is_compiled(const struct program *program);
/* Appends each output, as a length (uint32_t) and its JSON text. E_MAPPING what jq says,
 * E_TOO_LARGE. */
bool program_run(struct program *program, struct str input, struct buf *out, struct err *err);

/* --- jq_input.c --- */

/* Copies JSON text with each integer beyond 2^53 put in quotes, since jq would round it. E_MAPPING
 * when it is nested too deeply. Whether it is JSON at all is for the parser to say. */
bool input_guard(struct str text, struct buf *out, struct err *err);

#endif
