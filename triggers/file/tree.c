/* Tree: the folders of one trigger, as they are known to lie; files are the index's. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/tree.h"

#include <assert.h>

#include "triggers/file/pack.h"

#define ROOM_MIN 64

static size_t
slot_of(const struct tree *tree, const struct dir *parent, struct str name)
{
	uint64_t h = (uint64_t)(uintptr_t)parent * 0x9e3779b97f4a7c15ull;

	return ((size_t)(h >> 17) ^ pack_hash(name)) & (tree->room - 1);
}

static bool
is_it(const struct dir *dir, const struct dir *parent, struct str name)
{
	return dir->parent == parent && str_eq_cstr(name, dir->name);
}

static size_t
slot_find(const struct tree *tree, const struct dir *parent, struct str name)
{
	size_t at = slot_of(tree, parent, name);

	while (tree->table[at] && !is_it(tree->table[at], parent, name))
		at = (at + 1) & (tree->room - 1);
	return at;
}

static void
table_resize(struct tree *tree, size_t room)
{
	struct dir **old = tree->table;
	size_t old_room = tree->room;

	tree->table = mem_alloc_array(room, sizeof(struct dir *));
	tree->room = room;
	for (size_t i = 0; i < old_room; i++)
		if (old[i])
			tree->table[slot_find(tree, old[i]->parent, str_of(old[i]->name))] = old[i];
	free(old);
}

static void
table_put(struct tree *tree, struct dir *dir)
{
	if (tree->count * 2 >= tree->room)
		table_resize(tree, tree->room ? tree->room * 2 : ROOM_MIN);
	tree->table[slot_find(tree, dir->parent, str_of(dir->name))] = dir;
	tree->count++;
	LIST_INSERT_HEAD(&dir->parent->children, dir, sibling);
}

/* Those behind an emptied slot move up, so that a search never ends too early. */
static void
table_take(struct tree *tree, struct dir *dir)
{
	size_t at = slot_find(tree, dir->parent, str_of(dir->name));
	size_t mask = tree->room - 1, next = at;

	assert(tree->table[at] == dir);
	LIST_REMOVE(dir, sibling);
	tree->table[at] = NULL;
	tree->count--;
	for (;;) {
		const struct dir *other;

		next = (next + 1) & mask;
		other = tree->table[next];
		if (!other)
			return;
		if (((next - slot_of(tree, other->parent, str_of(other->name))) & mask) <
		    ((next - at) & mask))
			continue;
		tree->table[at] = tree->table[next];
		tree->table[next] = NULL;
		at = next;
	}
}

static struct dir *
dir_new(struct dir *parent, struct str name)
{
	struct dir *dir = mem_alloc(sizeof(*dir));

	dir->watched.wd = -1;
	dir->parent = parent;
	dir->name = str_dup(name);
	LIST_INIT(&dir->children);
	return dir;
}

void
tree_plant(struct tree *tree)
{
	if (!tree->root)
		tree->root = dir_new(NULL, STR(""));
}

struct dir *
tree_child(const struct tree *tree, const struct dir *parent, struct str name)
{
	return tree->room ? tree->table[slot_find(tree, parent, name)] : NULL;
}

struct dir *
tree_add(struct tree *tree, struct dir *parent, struct str name, bool *ret_new)
{
	struct dir *dir = tree_child(tree, parent, name);

	*ret_new = !dir;
	if (dir)
		return dir;
	dir = dir_new(parent, name);
	table_put(tree, dir);
	return dir;
}

void
tree_remove(struct tree *tree, struct dir *dir)
{
	struct dir *at = dir, *up;

	/* Children first, without recursion: trees may be deep. */
	for (;;) {
		while (!LIST_EMPTY(&at->children))
			at = LIST_FIRST(&at->children);
		up = at->parent;
		if (up)
			table_take(tree, at);
		else
			tree->root = NULL;
		if (at->is_polled)
			tree->polled--;
		watch_detach(&at->watched);
		tree->on_leave(tree, at);
		free(at->name);
		if (at == dir) {
			free(at);
			return;
		}
		free(at);
		at = up;
	}
}

void
tree_clear(struct tree *tree)
{
	if (tree->root)
		tree_remove(tree, tree->root);
	free(tree->table);
	tree->table = NULL;
	tree->room = 0;
	assert(!tree->count && !tree->polled);
}

bool
tree_move(struct tree *tree, struct dir *dir, struct dir *parent, struct str name)
{
	struct dir *there;

	for (const struct dir *up = parent; up; up = up->parent)
		if (up == dir)
			return false;
	there = tree_child(tree, parent, name);
	if (there == dir)
		return true;
	if (there)
		tree_remove(tree, there);
	table_take(tree, dir);
	free(dir->name);
	dir->name = str_dup(name);
	dir->parent = parent;
	table_put(tree, dir);
	return true;
}

struct dir *
tree_find(const struct tree *tree, struct str path)
{
	struct dir *dir = tree->root;

	while (dir && path.len) {
		struct str head;

		path = str_split(path, '/', &head);
		dir = tree_child(tree, dir, head);
	}
	return dir;
}

void
tree_path(const struct dir *dir, struct buf *out)
{
	size_t len = 0, begin = out->len;
	char *at;

	for (const struct dir *up = dir; up->parent; up = up->parent)
		len += strlen(up->name) + 1;
	if (!len)
		return;
	len--;
	buf_reserve(out, len);
	at = out->data + begin + len;
	for (const struct dir *up = dir; up->parent; up = up->parent) {
		size_t n = strlen(up->name);

		at -= n;
		memcpy(at, up->name, n);
		if (up->parent->parent)
			*--at = '/';
	}
	out->len += len;
	out->data[out->len] = '\0';
}

void
tree_path_of(const struct dir *dir, struct str name, struct buf *out)
{
	tree_path(dir, out);
	if (dir->parent)
		buf_putc(out, '/');
	buf_add_str(out, name);
}
