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
	LIST_CHUNK = 4096,
};

void tree_fini(struct tree *tree)
{
	free(tree->nodes);
	*tree = (struct tree)TREE_INIT;
}

bool tree_has(const struct tree *tree, pid_t pid)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->nodes[i].pid == pid)
			return true;
	return false;
}

static void tree_add(struct tree *tree, struct tree_node node)
{
	if (tree->count == tree->cap) {
		tree->cap = tree->cap ? tree->cap * 2 : 16;
		tree->nodes = mem_realloc(tree->nodes, tree->cap * sizeof(*tree->nodes));
	}
	tree->nodes[tree->count++] = node;
}

/* proc(5): "PID (NAME) STATE PPID ..."; the name may hold anything, so its last bracket counts. */
static bool stat_read(pid_t pid, struct tree_node *ret)
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
	ret->pid = pid;
	ret->state = end[2];
	ret->parent = (pid_t)strtol(end + 4, NULL, 10);
	return true;
}

/* --- the kernel's lists --- */

/* A list longer than one read is walked on; it is text: "PID PID PID ". */
static void list_add(struct tree *tree, int take_fd, pid_t parent)
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
				tree_add(tree, (struct tree_node){(pid_t)pid, parent, '?'});
			pid = 0;
		}
	}
}

/* Children belong to the thread that started them. */
static void children_add(struct tree *tree, pid_t parent)
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

static bool kernel_lists_children(void)
{
	static int known = -1;
	if (known < 0)
		known = access("/proc/thread-self/children", F_OK) == 0;
	return known;
}

/* --- without those lists: every process of the machine, by its parent --- */

static void all_add(struct tree *all)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct tree_node node;
	if (!proc)
		return;
	while ((entry = readdir(proc))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);
		if (pid > 0 && !*end && stat_read((pid_t)pid, &node))
			tree_add(all, node);
	}
	closedir(proc);
}

static void all_pick(struct tree *tree, const struct tree *all, pid_t parent)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->nodes[i].parent == parent && !tree_has(tree, all->nodes[i].pid))
			tree_add(tree, all->nodes[i]);
}

/* --- scanning --- */

static void scan(struct tree *tree, pid_t root, bool deep)
{
	struct tree all = TREE_INIT;
	bool lists = kernel_lists_children();
	tree->count = 0;
	if (!lists)
		all_add(&all);
	if (lists)
		children_add(tree, root);
	else
		all_pick(tree, &all, root);
	for (size_t i = 0; deep && i < tree->count; i++) {
		if (lists)
			children_add(tree, tree->nodes[i].pid);
		else
			all_pick(tree, &all, tree->nodes[i].pid);
	}
	tree_fini(&all);
}

void tree_scan(struct tree *tree, pid_t root)
{
	scan(tree, root, true);
}

void tree_scan_children(struct tree *tree, pid_t root)
{
	scan(tree, root, false);
}

/* --- signalling --- */

static bool signal_node(const struct tree_node *node, pid_t root, int sig, char *ret_state)
{
	struct tree_node now;
	AUTO(auto_close) int fd = pidfd_open(node->pid, 0);
	if (fd < 0 || !stat_read(node->pid, &now))
		return false;
	if (now.parent != node->parent && now.parent != root)
		return false;
	if (ret_state)
		*ret_state = now.state;
	return pidfd_send_signal(fd, sig, NULL, 0) == 0;
}

bool tree_signal_one(pid_t pid, pid_t parent, pid_t root, int sig)
{
	struct tree_node node = {pid, parent, '?'};
	return signal_node(&node, root, sig, NULL);
}

size_t tree_signal(pid_t root, int sig)
{
	AUTO(tree_fini) struct tree tree = TREE_INIT;
	size_t count = 0;
	tree_scan(&tree, root);
	for (size_t i = 0; i < tree.count; i++)
		count += signal_node(&tree.nodes[i], root, sig, NULL);
	return count;
}

static bool state_is_running(char state)
{
	return !strchr("TtZXx", state);
}

/* A pass that met only stopped and dead processes met all there are. */
size_t tree_kill(pid_t root)
{
	AUTO(tree_fini) struct tree tree = TREE_INIT;
	size_t count = 0;
	for (int pass = 0; pass < STOP_PASSES; pass++) {
		bool running = false;
		tree_scan(&tree, root);
		for (size_t i = 0; i < tree.count; i++) {
			char state = 'Z';
			if (signal_node(&tree.nodes[i], root, SIGSTOP, &state))
				running |= state_is_running(state);
		}
		if (!running)
			break;
	}
	tree_scan(&tree, root);
	for (size_t i = 0; i < tree.count; i++)
		count += signal_node(&tree.nodes[i], root, SIGKILL, NULL);
	return count;
}
