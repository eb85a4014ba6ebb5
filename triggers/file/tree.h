/* Tree: the folders of one trigger, as they are known to lie; files are the index's. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_FILE_TREE_H
#define ROUSE_TRIGGERS_FILE_TREE_H

#include "triggers/file/watch.h"

struct dir {
	struct watched watched; /* first */
	struct dir *parent;	/* NULL: the root */
	LIST_HEAD(dirs, dir) children;
	LIST_ENTRY(dir) sibling;
	TAILQ_ENTRY(dir) waiting; /* to be listed */
	char *name;
	uint32_t from; /* where the next listing goes on */
	uint32_t pass; /* in which it was listed whole last */
	bool is_waiting, is_listing;
	bool again;	/* something happened while it was listed */
	bool is_new;	/* its files came with it: they are news, whatever their times say */
	bool is_polled; /* no watch could be had */
	bool is_told;	/* that it may not be read */
	bool is_seen;	/* the folder above still has it, as far as it has been listed */
};

struct tree {
	struct dir *root; /* NULL: none */
	struct dir **table;
	size_t room, count; /* without the root */
	size_t polled;
	/* Called for each folder that leaves the tree, children first; then it is freed. */
	void (*on_leave)(struct tree *tree, struct dir *dir);
};

void tree_plant(struct tree *tree); /* a root, when there is none */
void tree_clear(struct tree *tree); /* all */
struct dir *tree_child(const struct tree *tree, const struct dir *parent, struct str name);
/* The known one, or a new one (*ret_new). */
struct dir *tree_add(struct tree *tree, struct dir *parent, struct str name, bool *ret_new);
/* With all below. */
void tree_remove(struct tree *tree, struct dir *dir);
/* To another name; one that is there is removed first. False: into itself, nothing changed. */
bool tree_move(struct tree *tree, struct dir *dir, struct dir *parent, struct str name);
/* By path below the root ("" is the root); NULL. */
struct dir *tree_find(const struct tree *tree, struct str path);
/* The path below the root, and of a name in it. */
void tree_path(const struct dir *dir, struct buf *out);
void tree_path_of(const struct dir *dir, struct str name, struct buf *out);

#endif
