/* The jail's wire: what roused and rouse-jq say to each other. Both are of one build on one
 * machine. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_JAIL_WIRE_H
#define ROUSE_IO_JAIL_WIRE_H

#include <stdint.h>

/* The helper's descriptors: 0 a stream socket for frames both ways; 1 a memfd of one jail_page. */

enum jail_kind {
	JAIL_PROGRAM = 1, /* to the helper: keep this text as program number slot */
	JAIL_RUN,	  /* to the helper: run program slot over this JSON text; answer with id */
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

/* An empty input asks only whether the program compiles: JSON is never empty. */
enum {
	JAIL_SLOTS = 256,
	JAIL_OUTPUTS_MAX = 1000,
	JAIL_BYTES_MAX = 16 << 20, /* of an input, of all outputs */
	JAIL_PROGRAM_MAX = 1 << 20,
	JAIL_CPU_MS = 1000, /* for one input */
	JAIL_DEPTH_MAX = 64,
};

/* How the helper ends when it ends by itself. */
enum {
	JAIL_EXIT_DONE = 0,	 /* asked to, or worn out: start another */
	JAIL_EXIT_SETUP = 70,	 /* the jail could not be built */
	JAIL_EXIT_NOMEM = 71,	 /* an input needed too much memory */
	JAIL_EXIT_PROTOCOL = 76, /* roused spoke rubbish */
};

#endif
