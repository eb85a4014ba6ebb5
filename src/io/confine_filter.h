/* The filter of system calls that io/confine binds a program with. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_CONFINE_FILTER_H
#define ROUSE_IO_CONFINE_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>

enum { CONFINE_FILTER_MAX = 64 };

struct confine_filter_rules {
	bool no_network;  /* no sockets but pairs of streams */
	bool own_network; /* with no_network: it has one of its own, in which it may use IP */
	bool truncate;	  /* no truncating of what is not opened for writing: Landlock 1 and 2 let
			   * that pass */
	bool trace;	  /* no reaching into other processes: where Landlock does not see to it */
};
/* Nothing to forbid: count 0. */
struct confine_filter {
	struct sock_filter code[CONFINE_FILTER_MAX];
	unsigned short count;
};

bool confine_filter_works(void); /* on this kernel and processor */
void confine_filter_make(struct confine_filter *filter, const struct confine_filter_rules *rules);
/* Only makes a system call; no_new_privs must be set. False: errno. */
bool confine_filter_load(const struct confine_filter *filter);

#endif
