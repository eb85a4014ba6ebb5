/* Confinement: what a started program may reach: files, the network, others. Kernel rules, kept by
 * all that it starts. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_CONFINE_H
#define ROUSE_IO_CONFINE_H

#include "base/buf.h"
#include "base/err.h"

/* What a program is held to. A program that is held to anything also gets no capabilities, not even
 * as root, and signals (Linux 6.12) only its own. */
struct confine_rules {
	/* It reaches nobody: neither addresses nor sockets of this machine. Pipes and socket pairs
	 * work, and a loopback of its own where we may give it one. */
	bool no_network;
	/* It opens only what paths name, and what every program needs to run (/usr, libraries,
	 * /dev/null, ...). */
	bool files;
	/* With files: all may be read, and what is there for temporary files be written. */
	bool read_all;
	const char *const
		*argv; /* files that its command names may be read; NULL: it is not known */
	const char *const *paths; /* "ro:/PATH", "rw:/PATH": with all below; NULL at the end */
};

/* What this kernel gives a process like ours. */
struct confine_means {
	int landlock;	  /* version; 0: none. landlock(7) */
	bool filter;	  /* of system calls. seccomp(2) */
	bool own_network; /* network_namespaces(7), with CAP_SYS_ADMIN only */
};
void confine_probe(struct confine_means *ret);
/* "files: Landlock 7; network: filter" for people. */
void confine_describe(const struct confine_means *means, struct buf *out);
/* E_UNAVAILABLE: this kernel cannot keep such rules; a sentence that says what is missing, why, and
 * what to do. */
bool confine_check(const struct confine_rules *rules, const struct confine_means *means,
		   struct err *err);

/* Is item one of a list of what may be opened: "ro:/PATH", "rw:/PATH", or "/PATH", which is read?
 * *ret_path: the part of item that is the path. E_INVALID. */
bool confine_path_parse(const char *item, bool *ret_write, const char **ret_path, struct err *err);

/* Rules as the kernel takes them: made before the program is, for its process may only make system
 * calls. */
struct confine;
/* Of no rules *ret is NULL. E_UNAVAILABLE as above; E_NOT_FOUND or E_DENIED with the path that
 * cannot be opened. */
bool confine_new(const struct confine_rules *rules, struct confine **ret, struct err *err);
void confine_free(struct confine *confine);
/* Binds the calling process, for good. Only makes system calls, and writes nothing but its stack:
 * for a child on borrowed memory, before it changes its user. NULL, or what failed ("confine the
 * files of"); errno says why. */
const char *confine_apply(const struct confine *confine);

#endif
