/* Live: what inotify says of a tree, as marks on paths and folders to list. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/watcher.h"

static struct watcher *
watcher_of(struct watch_user *user)
{
	return CONTAINER_OF(user, struct watcher, user);
}

void
live_mark(struct watcher *w, struct str path, enum mark mark)
{
	struct str folder, name;
	struct dir *dir;

	if (pendings_mark(&w->pendings, path, mark, watcher_now(w))) {
		take_arm(w);
		return;
	}
	index_cut(path, &folder, &name);
	dir = tree_find(&w->tree, folder);
	if (dir)
		scan_dir(w, dir);
	else
		scan_all(w);
}

/* --- renames ------------------------------------------------------------------------------- */

static void
mover_clear(struct mover *mover)
{
	free(mover->path);
	*mover = (struct mover){0};
}

/* A folder whose other half did not come has left the tree. */
static void
mover_expire(struct watcher *w, struct mover *mover)
{
	char *path = TAKE(mover->path);
	struct dir *dir = mover->dir;

	mover_clear(mover);
	if (dir) {
		tree_remove(&w->tree, dir);
		sweep_folder(w, str_of(path), STR_NONE);
	}
	free(path);
}

static void on_move_timer(void *arg);

static void
movers_arm(struct watcher *w)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < MOVERS_MAX; i++)
		if (w->movers[i].path && w->movers[i].until < first)
			first = w->movers[i].until;
	if (first == INT64_MAX)
		return;
	first -= watcher_now(w);
	core_timer_arm(w->source.core, &w->move_timer, first > 0 ? first : 0, on_move_timer, w);
}

static void
on_move_timer(void *arg)
{
	struct watcher *w = arg;

	/* What has been told until now may hold the other half. */
	watch_drain();
	for (size_t i = 0; i < MOVERS_MAX; i++)
		if (w->movers[i].path && w->movers[i].until <= watcher_now(w))
			mover_expire(w, &w->movers[i]);
	movers_arm(w);
}

static void
mover_add(struct watcher *w, uint32_t cookie, struct str path, struct dir *dir)
{
	struct mover *place = &w->movers[0];

	for (size_t i = 0; i < MOVERS_MAX && place->path; i++)
		if (!w->movers[i].path || w->movers[i].until < place->until)
			place = &w->movers[i];
	if (place->path)
		mover_expire(w, place);
	*place = (struct mover){cookie, str_dup(path), dir, watcher_now(w) + HOLD_MS};
	movers_arm(w);
}

static struct mover *
mover_find(struct watcher *w, uint32_t cookie)
{
	for (size_t i = 0; i < MOVERS_MAX; i++)
		if (w->movers[i].path && w->movers[i].cookie == cookie)
			return &w->movers[i];
	return NULL;
}

bool
live_pair(struct watcher *w, struct str path, uint64_t inode)
{
	for (size_t i = 0; i < MOVERS_MAX; i++) {
		struct mover *mover = &w->movers[i];
		struct version old;
		bool known;

		if (!mover->path || mover->dir ||
		    !index_get(&w->index, str_of(mover->path), &old, &known, NULL) || !known ||
		    old.inode != inode ||
		    !pendings_move(&w->pendings, str_of(mover->path), path, watcher_now(w)))
			continue;
		mover_clear(mover);
		take_arm(w);
		return true;
	}
	return false;
}

void
live_fini(struct watcher *w)
{
	for (size_t i = 0; i < MOVERS_MAX; i++)
		mover_clear(&w->movers[i]);
}

/* --- folders ------------------------------------------------------------------------------- */

void
live_on_leave(struct tree *tree, struct dir *dir)
{
	struct watcher *w = CONTAINER_OF(tree, struct watcher, tree);

	scan_forget_dir(w, dir);
	for (size_t i = 0; i < MOVERS_MAX; i++)
		if (w->movers[i].dir == dir)
			mover_clear(&w->movers[i]);
}

/* A folder came to be: made, or moved in from where nobody looks. */
static void
folder_came(struct watcher *w, struct dir *parent, struct str name, struct str path)
{
	struct dir *dir = tree_child(&w->tree, parent, name);
	bool is_new;

	/* Another one had that name: what was watched is not what is there. */
	if (dir) {
		tree_remove(&w->tree, dir);
		sweep_folder(w, path, STR_NONE);
	}
	if (!sight_has_folder(&w->sight, path))
		return;
	dir = tree_add(&w->tree, parent, name, &is_new);
	dir->is_new = true;
	dir->is_seen = true;
	dir->from = 0;
	scan_dir(w, dir);
}

static void
folder_went(struct watcher *w, struct dir *parent, struct str name, struct str path)
{
	struct dir *dir = tree_child(&w->tree, parent, name);

	if (dir)
		tree_remove(&w->tree, dir);
	sweep_folder(w, path, STR_NONE);
}

static void
folder_moved(struct watcher *w, struct dir *parent, struct str name, struct str path,
	     struct mover *mover)
{
	struct dir *dir = mover->dir;
	char *from = TAKE(mover->path);

	mover_clear(mover);
	if (tree_child(&w->tree, parent, name))
		sweep_folder(w, path, STR_NONE);
	if (!sight_has_folder(&w->sight, path) || !tree_move(&w->tree, dir, parent, name)) {
		tree_remove(&w->tree, dir);
		sweep_folder(w, str_of(from), STR_NONE);
	} else {
		/* What was marked by its old name, and not known yet, is found by listing. */
		sweep_folder(w, str_of(from), path);
		dir->is_new = true;
		dir->is_seen = true;
		dir->from = 0;
		scan_dir(w, dir);
	}
	free(from);
}

static void
folder_event(struct watcher *w, struct dir *parent, uint32_t mask, uint32_t cookie, struct str name,
	     struct str path)
{
	struct dir *dir = tree_child(&w->tree, parent, name);
	struct mover *mover = mask & IN_MOVED_TO ? mover_find(w, cookie) : NULL;

	if (mask & IN_MOVED_FROM && dir)
		mover_add(w, cookie, path, dir);
	else if (mask & IN_MOVED_TO && mover && mover->dir)
		folder_moved(w, parent, name, path, mover);
	else if (mask & (IN_CREATE | IN_MOVED_TO))
		folder_came(w, parent, name, path);
	else if (mask & (IN_DELETE | IN_MOVED_FROM))
		folder_went(w, parent, name, path);
	else if (mask & IN_ATTRIB && dir && (dir->is_told || dir->watched.wd < 0))
		scan_dir(w, dir);
}

/* --- files --------------------------------------------------------------------------------- */

static void
file_event(struct watcher *w, uint32_t mask, uint32_t cookie, struct str path)
{
	bool in_sight = sight_has_file(&w->sight, path);
	struct mover *mover = mask & IN_MOVED_TO ? mover_find(w, cookie) : NULL;

	if (mask & IN_MOVED_FROM && in_sight)
		mover_add(w, cookie, path, NULL);
	if (mover && !mover->dir && in_sight) {
		if (pendings_move(&w->pendings, str_of(mover->path), path, watcher_now(w)))
			take_arm(w);
		else
			scan_all(w);
		mover_clear(mover);
		return;
	}
	if (!in_sight)
		return;
	if (mask & (IN_DELETE | IN_MOVED_FROM))
		live_mark(w, path, MARK_GONE);
	else if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
		live_mark(w, path, MARK_WRITTEN);
	else if (mask & IN_CREATE)
		live_mark(w, path, MARK_CREATED);
	else if (mask & IN_ATTRIB)
		live_mark(w, path, MARK_TOUCHED);
}

/* About the folder itself. */
static void
self_event(struct watcher *w, struct dir *dir, uint32_t mask)
{
	if (!dir->parent && mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT | IN_IGNORED)) {
		root_lose(w, mask & IN_DELETE_SELF, mask & IN_UNMOUNT);
		return;
	}
	/* The folder above tells where it went; where that was not told, listing finds out. */
	if (mask & (IN_UNMOUNT | IN_IGNORED))
		scan_dir(w, dir);
}

void
live_on_event(struct watch_user *user, struct watched *watched, uint32_t mask, uint32_t cookie,
	      struct str name)
{
	struct watcher *w = watcher_of(user);
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct dir *dir;

	if (root_is_guard(w, watched)) {
		root_on_guard(w, mask, name);
		return;
	}
	dir = CONTAINER_OF(watched, struct dir, watched);
	if (!name.len) {
		self_event(w, dir, mask);
		return;
	}
	tree_path_of(dir, name, &path);
	if (path.len > INDEX_PATH_MAX)
		return;
	if (mask & IN_ISDIR)
		folder_event(w, dir, mask, cookie, name, buf_str(&path));
	else
		file_event(w, mask, cookie, buf_str(&path));
}

void
live_on_overflow(struct watch_user *user)
{
	scan_all(watcher_of(user));
}
