/* Trees of processes: found through the kernel's lists of children, signalled without hitting
 * strangers. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_TREE_H
#define ROUSE_IO_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Everything below a process at one moment; what starts or ends meanwhile may be missed. */
struct tree_node {
	pid_t pid, parent;
};
struct tree {
	struct tree_node *nodes; /* parents before their children */
	size_t count, cap;
};

#define TREE_INIT                                                                                  \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void tree_fini(struct tree *tree);

/* Forgets what stood in tree and fills it with every descendant of root. For threads of root too.
 */
void tree_scan(struct tree *tree, pid_t root);
/* Only the children of root. */
void tree_scan_children(struct tree *tree, pid_t root);
/* Is pid root, or below it, as its parents are at this moment? False for one that is gone. */
bool tree_is_below(pid_t pid, pid_t root);
bool tree_has(const struct tree *tree, pid_t pid);

/* Signals pid if its parent is parent, or root, who gets orphans (where that is us, it is ours
 * until we reap it); false when it is not that process any more. A pid that went to another is not
 * hit. */
bool tree_signal_one(pid_t pid, pid_t parent, pid_t root, int sig);
/* Sends SIGTERM to every descendant of root, once: they are stopped first, or whoever loses its
 * parent to the signal meanwhile would be missed. Whoever was stopped before is woken too. Returns
 * how many were sent it. */
size_t tree_terminate(pid_t root);
/* Ends every descendant of root: stops them in passes until one meets nobody new, for who has been
 * sent SIGSTOP starts no other; then kills them all. Returns how many were sent SIGKILL; call it
 * again until all are reaped. */
size_t tree_kill(pid_t root);

#endif
