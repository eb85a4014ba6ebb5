/* Trees of processes: found through the kernel's lists of children, signalled without hitting
 * strangers. */
/* SPDX-License-Identifier: MIT */
#include "io/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
	STOP_PASSES = 64, /* a fork bomb of thousands needs three or four */
	STAT_SIZE = 1024,
	DEPTH_MAX = 10000,
	LIST_CHUNK = 4096,
};

void
tree_fini(struct tree *tree)
{
	free(tree->nodes);
	*tree = (struct tree)TREE_INIT;
}

bool
tree_has(const struct tree *tree, pid_t pid)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->nodes[i].pid == pid)
			return true;
	return false;
}

static void
tree_add(struct tree *tree, struct tree_node node)
{
	if (tree->count == tree->cap) {
		tree->cap = tree->cap ? tree->cap * 2 : 16;
		tree->nodes = mem_realloc(tree->nodes, tree->cap * sizeof(*tree->nodes));
	}
	tree->nodes[tree->count++] = node;
}

/* proc(5): "PID (NAME) STATE PPID ..."; the name may hold anything, so its last bracket counts. */
static bool
parent_read(pid_t pid, pid_t *ret)
{
	char path[40], text[STAT_SIZE];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	const char *end = memrchr(text, ')', (size_t)n);
	text[n] = '\0';
	if (!end || text + n - end < 5)
		return false;
	*ret = (pid_t)strtol(end + 4, NULL, 10);
	return true;
}

bool
tree_is_below(pid_t pid, pid_t root)
{
	/* Parents may change while we climb; no tree is deeper. */
	for (int i = 0; i < DEPTH_MAX && pid > 0; i++) {
		if (pid == root)
			return true;
		if (!parent_read(pid, &pid))
			return false;
	}
	return false;
}

/* --- the kernel's lists --- */

/* A list longer than one read is walked on; it is text: "PID PID PID ". */
static void
list_add(struct tree *tree, int take_fd, pid_t parent)
{
	AUTO(auto_close) int fd = take_fd;
	char chunk[LIST_CHUNK];
	long pid = 0;
	ssize_t n;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] >= '0' && chunk[i] <= '9') {
				pid = pid * 10 + (chunk[i] - '0');
				continue;
			}
			if (pid > 0)
				tree_add(tree, (struct tree_node){(pid_t)pid, parent});
			pid = 0;
		}
	}
}

/* Children belong to the thread that started them. */
static void
children_add(struct tree *tree, pid_t parent)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", (int)parent);
	DIR *tasks = opendir(path);
	struct dirent *entry;
	if (!tasks)
		return;
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%.20s/children", entry->d_name);
		int fd = openat(dirfd(tasks), path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			list_add(tree, fd, parent);
	}
	closedir(tasks);
}

static bool
kernel_lists_children(void)
{
	static int known = -1;
	if (known < 0)
		known = access("/proc/thread-self/children", F_OK) == 0;
	return known;
}

/* --- without those lists: every process of the machine, by its parent --- */

static void
all_add(struct tree *all)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct tree_node node;
	if (!proc)
		return;
	while ((entry = readdir(proc))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);
		if (pid <= 0 || *end || !parent_read((pid_t)pid, &node.parent))
			continue;
		node.pid = (pid_t)pid;
		tree_add(all, node);
	}
	closedir(proc);
}

static void
all_pick(struct tree *tree, const struct tree *all, pid_t parent)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->nodes[i].parent == parent && !tree_has(tree, all->nodes[i].pid))
			tree_add(tree, all->nodes[i]);
}

/* --- scanning --- */

struct scan {
	struct tree *tree, all;
	pid_t root;
	int sig; /* sent to each as soon as it is met: it may be gone a moment later */
	size_t sent;
	bool lists;
};

static void
scan_children(struct scan *scan, pid_t parent)
{
	struct tree *tree = scan->tree;
	size_t from = tree->count;
	if (scan->lists)
		children_add(tree, parent);
	else
		all_pick(tree, &scan->all, parent);
	for (size_t i = from; scan->sig && i < tree->count; i++)
		scan->sent += tree_signal_one(tree->nodes[i].pid, parent, scan->root, scan->sig);
}

static size_t
scan_run(struct tree *tree, pid_t root, bool deep, int sig)
{
	struct scan scan = {.tree = tree, .all = TREE_INIT, .root = root, .sig = sig};
	scan.lists = kernel_lists_children();
	tree->count = 0;
	if (!scan.lists)
		all_add(&scan.all);
	scan_children(&scan, root);
	for (size_t i = 0; deep && i < tree->count; i++)
		scan_children(&scan, tree->nodes[i].pid);
	tree_fini(&scan.all);
	return scan.sent;
}

void
tree_scan(struct tree *tree, pid_t root)
{
	scan_run(tree, root, true, 0);
}

void
tree_scan_children(struct tree *tree, pid_t root)
{
	scan_run(tree, root, false, 0);
}

/* --- signalling --- */

bool
tree_signal_one(pid_t pid, pid_t parent, pid_t root, int sig)
{
	pid_t now;
	/* A child of ours keeps its pid until we reap it. */
	if (parent == root && root == getpid())
		return kill(pid, sig) == 0;
	AUTO(auto_close) int fd = pidfd_open(pid, 0);
	if (fd < 0 || !parent_read(pid, &now) || (now != parent && now != root))
		return false;
	return pidfd_send_signal(fd, sig, NULL, 0) == 0;
}

static int
by_pid(const void *a, const void *b)
{
	const struct tree_node *x = a, *y = b;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

/* Is everyone in now also in before, which is sorted? Sorts now. */
static bool
nobody_is_new(struct tree *now, const struct tree *before)
{
	bool known = true;
	for (size_t i = 0; known && i < now->count; i++)
		known = before->count && bsearch(&now->nodes[i], before->nodes, before->count,
						 sizeof(*now->nodes), by_pid);
	if (now->count)
		qsort(now->nodes, now->count, sizeof(*now->nodes), by_pid);
	return known;
}

/* Stops every descendant of root and fills *ret with them. The kernel lets no fork end in a process
 * that has a signal waiting, so a pass that meets only those who were sent SIGSTOP before has met
 * all there are. */
static void
tree_stop(struct tree *ret, pid_t root)
{
	struct tree before = TREE_INIT;
	for (int pass = 0; pass < STOP_PASSES; pass++) {
		struct tree last = *ret;
		scan_run(&before, root, true, SIGSTOP);
		*ret = before;
		before = last;
		if (nobody_is_new(ret, &before))
			break;
	}
	tree_fini(&before);
}

/* From the leaves up, and each whole before the next: who has its SIGTERM may be gone at once (one
 * that was not running when it was sent SIGSTOP is not stopped yet), and its children with another
 * parent, but these have had theirs. What a handler then starts is left to it. */
size_t
tree_terminate(pid_t root)
{
	AUTO(tree_fini) struct tree tree = TREE_INIT;
	size_t count = 0;
	tree_stop(&tree, root);
	tree_scan(&tree, root);
	for (size_t i = tree.count; i-- > 0;) {
		const struct tree_node *node = &tree.nodes[i];
		count += tree_signal_one(node->pid, node->parent, root, SIGTERM);
		tree_signal_one(node->pid, node->parent, root, SIGCONT);
	}
	return count;
}

size_t
tree_kill(pid_t root)
{
	AUTO(tree_fini) struct tree tree = TREE_INIT;
	tree_stop(&tree, root);
	return scan_run(&tree, root, true, SIGKILL);
}
