/* The jail's wire: what roused and a helper (rouse-jq, rouse-mime) say to each other. Both are of
 * one build on one machine. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_JAIL_WIRE_H
#define ROUSE_IO_JAIL_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* The helper's descriptors: 0 a stream socket for frames both ways; 1 a memfd of one jail_page. */

enum jail_kind {
	JAIL_PROGRAM = 1, /* to the helper: keep this text as program number slot */
	JAIL_RUN,	  /* to the helper: run program slot over these bytes; answer with id */
	JAIL_ANSWER, /* from it: code E_OK and outputs (each a length and its bytes), or a code and
			a sentence */
};

struct jail_frame {
	uint32_t len; /* of what follows the frame */
	uint32_t kind;
	uint64_t id;
	uint32_t slot, code;
};

/* Which request is being worked on, 0: none. Costs no call, and outlives the helper. */
struct jail_page {
	uint64_t current;
};

enum {
	JAIL_SLOTS = 256,
	JAIL_OUTPUTS_MAX = 1000,
	JAIL_PROGRAM_MAX = 1 << 20,
	JAIL_DEPTH_MAX = 64,
};

/* What a helper is, and what one input may take of it. */
struct jail_spec {
	const char *what; /* that it works on, for people */
	size_t bytes_max; /* of an input, of all outputs */
	size_t memory;	  /* more than before it */
	int cpu_ms;
	int idle_s; /* without work, then it ends; 0: never */
};
/* jq programs over JSON text. An empty input asks only whether the program compiles: JSON is never
 * empty. */
static const struct jail_spec jail_jq UNUSED = {
	.what = "the jq program", .bytes_max = 16 << 20, .memory = 64 << 20, .cpu_ms = 1000};
/* Mail: programs are "save" or "skip" (of attachments), an input is a message as it was received,
 * outputs are its document and the attachments. */
static const struct jail_spec jail_mime UNUSED = {.what = "the message",
						  .bytes_max = 34 << 20,
						  .memory = 256 << 20,
						  .cpu_ms = 3000,
						  .idle_s = 60};

/* How the helper ends when it ends by itself. */
enum {
	JAIL_EXIT_DONE = 0,	 /* asked to, or worn out: start another */
	JAIL_EXIT_SETUP = 70,	 /* the jail could not be built */
	JAIL_EXIT_NOMEM = 71,	 /* an input needed too much memory */
	JAIL_EXIT_PROTOCOL = 76, /* roused spoke rubbish */
};

#endif
