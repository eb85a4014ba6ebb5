/* The jail's helper: one running rouse-jq or rouse-mime and the wire to it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_JAIL_HELPER_H
#define ROUSE_IO_JAIL_HELPER_H

#include "io/jail_wire.h"
#include "io/proc.h"

struct event_base;

struct helper {
	const struct jail_spec *spec;
	struct proc *proc;
	int fd; /* not waiting */
	struct jail_page *page;
	struct buf in, out;
	size_t taken, sent; /* of in, of out */
};

/* on_exit as of proc_spawn(); not called once helper_close() was. */
struct helper *helper_open(struct event_base *base, const struct jail_spec *spec,
			   const char *program_path, proc_on_exit *on_exit, void *arg,
			   struct err *err);
/* Kills it. NULL is fine. */
void helper_close(struct helper *helper);

void helper_put(struct helper *helper, enum jail_kind kind, uint64_t id, uint32_t slot,
		struct str body);
/* Writes what it takes. False when it is gone; the rest is kept otherwise. */
bool helper_write(struct helper *helper);
bool helper_has_more(const struct helper *helper); /* to be written */
/* Reads what there is. False when it is gone. */
bool helper_read(struct helper *helper);
/* The next whole answer; body lives until the next call. *ret_broken: it speaks rubbish. */
bool helper_take(struct helper *helper, struct jail_frame *ret, struct str *ret_body,
		 bool *ret_broken);
/* What killed it, as an error about the input it worked on. */
void helper_blame(const struct jail_spec *spec, int wait_status, struct err *err);

#endif
