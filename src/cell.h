/* The cell: the inside of a jail. What rouse-jq and rouse-mime share: giving up rights, taking
 * requests, answering, dying in time. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CELL_H
#define ROUSE_CELL_H

#include "base/buf.h"
#include "base/err.h"
#include "io/jail_wire.h"

struct cell_kind {
	const char *name;    /* of the program */
	const char *instead; /* what a person who started it by hand may want */
	const struct jail_spec *spec;
	void (*prepare)(void); /* while there are rights still; may be NULL */
	/* A text for the slot, in place of what it had. */
	void (*program)(uint32_t slot, struct str text);
	/* Runs it over input, metered by cell_meter(). Outputs with cell_output(). A slot without
	 * program: JAIL_EXIT_PROTOCOL. */
	bool (*run)(uint32_t slot, struct str input, struct buf *outputs, struct err *err);
};

/* All that main() does. */
int cell_main(const struct cell_kind *kind, int argc);
void cell_output(struct buf *outputs, struct str output);

/* --- cell_rights.c --- */

/* Gives up everything but this socket, memory and time. */
bool cell_enter(const struct jail_spec *spec, struct err *err);
/* For the next input: its CPU time, and so much memory more than is in use, which is measured every
 * few inputs or when it is said to have grown. */
void cell_meter(bool grown);
/* Bytes of address space in use when it was last measured. */
size_t cell_memory(void);

#endif
