/* Scan: folders are listed on a thread, and held against the index in small pieces. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <unistd.h>

#include "base/log.h"
#include "io/work.h"
#include "triggers/file/watcher.h"

/* Folders of one job, and names after which it begins no other. */
#define WALK_DIRS 128
#define WALK_NAMES 8192
/* Results that wait to be compared while another job goes on. */
#define WALKED_MAX 2
/* Names compared in one round of the loop. */
#define STEP_NAMES 4096
/* A pass that has to be repeated begins so much later: what made it necessary may go on. */
#define AGAIN_MS 1000
#define RETRY_MS 500

struct walk {
	struct watcher *watcher; /* NULL: it has ended */
	struct ground *ground;
	uint64_t instance;
	struct listing listings[WALK_DIRS];
	struct dir *dirs[WALK_DIRS]; /* NULL: it has left the tree */
	size_t count;
	size_t at, name; /* where comparing goes on */
	uint64_t from;	 /* ... and by hash */
	STAILQ_ENTRY(walk) entry;
	LIST_ENTRY(walk) alive;
};

/* On a thread or waiting for one: what the pool forgets at its end stays reachable. */
static LIST_HEAD(, walk) walks = LIST_HEAD_INITIALIZER(walks);

static void
walk_free(struct walk *walk)
{
	LIST_REMOVE(walk, alive);
	for (size_t i = 0; i < walk->count; i++)
		listing_fini(&walk->listings[i]);
	ground_unref(walk->ground);
	free(walk);
}

/* --- what is to be listed ------------------------------------------------------------------ */

static void
dir_wait(struct watcher *w, struct dir *dir, bool first)
{
	if (dir->is_waiting)
		return;
	dir->is_waiting = true;
	if (first)
		TAILQ_INSERT_HEAD(&w->waiting, dir, waiting);
	else
		TAILQ_INSERT_TAIL(&w->waiting, dir, waiting);
}

void
scan_dir(struct watcher *w, struct dir *dir)
{
	if (dir->is_listing) {
		dir->again = true;
		return;
	}
	dir_wait(w, dir, false);
	watcher_step_soon(w, 0);
}

void
scan_all(struct watcher *w)
{
	if (!w->ground || !w->tree.root)
		return;
	if (w->is_full || w->is_ending) {
		w->full_again = true;
		return;
	}
	w->is_full = true;
	w->pass++;
	scan_dir(w, w->tree.root);
}

void
scan_forget_dir(struct watcher *w, struct dir *dir)
{
	struct walk *walk;

	if (dir->is_waiting)
		TAILQ_REMOVE(&w->waiting, dir, waiting);
	if (!dir->is_listing)
		return;
	LIST_FOREACH (walk, &walks, alive)
		for (size_t i = 0; walk->watcher == w && i < walk->count; i++)
			if (walk->dirs[i] == dir)
				walk->dirs[i] = NULL;
}

/* --- listing ------------------------------------------------------------------------------- */

static void
walk_run(void *arg)
{
	struct walk *walk = arg;

	look_list(walk->ground, walk->listings, walk->count, WALK_NAMES);
}

/* The watch of a folder that is not there any more, or is nobody's. */
static void
watch_drop(const struct walk *walk, int wd)
{
	struct watched nobody = {.wd = -1};

	if (walk->instance != watch_serial() || watch_fd() < 0)
		return;
	watch_attach(&nobody, NULL, wd);
	watch_detach(&nobody);
}

static void
dir_watched(struct watcher *w, struct dir *dir, const struct listing *listing)
{
	bool was_polled = dir->is_polled;

	if (!listing->watch)
		return;
	if (listing->wd >= 0)
		watch_attach(&dir->watched, &w->user, listing->wd);
	dir->is_polled = listing->wd < 0 && listing->watch_errno;
	if (dir->is_polled && !was_polled) {
		w->tree.polled++;
		if (w->tree.polled == 1)
			log_warning("folder cannot be watched, and is polled", "trigger",
				    w->source.name, "folder", listing->path, "error",
				    strerror(listing->watch_errno));
	} else if (!dir->is_polled && was_polled) {
		w->tree.polled--;
	}
}

static void
walk_done(void *arg)
{
	struct walk *walk = arg;
	struct watcher *w = walk->watcher;

	for (size_t i = 0; i < walk->count; i++) {
		if (walk->dirs[i])
			dir_watched(w, walk->dirs[i], &walk->listings[i]);
		else if (walk->listings[i].wd >= 0)
			watch_drop(walk, walk->listings[i].wd);
	}
	/* What came while it was listed is marked before it is compared. */
	watch_adding_end();
	watch_drain();
	w = walk->watcher;
	if (!w) {
		walk_free(walk);
		return;
	}
	w->walk = NULL;
	STAILQ_INSERT_TAIL(&w->walked, walk, entry);
	watcher_step_soon(w, 0);
}

static void
walk_add(struct walk *walk, struct dir *dir)
{
	struct listing *listing = &walk->listings[walk->count];
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct dir *child;

	tree_path(dir, &path);
	/* Watched ones too: what lies at that path may have become another folder meanwhile. */
	*listing =
		(struct listing){.path = str_dup(buf_str(&path)), .watch = true, .from = dir->from};
	if (!dir->from)
		LIST_FOREACH (child, &dir->children, sibling)
			child->is_seen = false;
	dir->is_waiting = false;
	dir->is_listing = true;
	dir->again = false;
	walk->dirs[walk->count++] = dir;
}

/* Starts a job where there is something to list and room for what comes of it. */
static bool
walk_start(struct watcher *w)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct walk *walk, *other;
	struct dir *dir;
	int results = 0;

	STAILQ_FOREACH (other, &w->walked, entry)
		results++;
	if (w->walk || !w->ground || TAILQ_EMPTY(&w->waiting) || results >= WALKED_MAX ||
	    w->pendings.count > PENDING_HIGH)
		return false;
	walk = mem_alloc(sizeof(*walk));
	walk->watcher = w;
	walk->ground = ground_ref(w->ground);
	walk->instance = watch_serial();
	while (walk->count < WALK_DIRS && (dir = TAILQ_FIRST(&w->waiting))) {
		TAILQ_REMOVE(&w->waiting, dir, waiting);
		walk_add(walk, dir);
	}
	LIST_INSERT_HEAD(&walks, walk, alive);
	watch_adding_begin();
	if (work_submit(w->source.core->work, walk_run, walk_done, walk, &err)) {
		w->walk = walk;
		return true;
	}
	for (size_t i = walk->count; i-- > 0;) {
		walk->dirs[i]->is_listing = false;
		dir_wait(w, walk->dirs[i], true);
	}
	walk_free(walk);
	watch_adding_end();
	watcher_step_soon(w, RETRY_MS);
	return false;
}

/* --- comparing ----------------------------------------------------------------------------- */

/* Known before the trigger was: what has not changed since is no news. */
static bool
is_old(const struct watcher *w, const struct dir *dir, const struct listed *listed)
{
	return !w->is_known && !dir->is_new && listed->ctime_ns < w->since_ns;
}

/* New or missing, by a listing. While all is gone through, the other half of a rename may turn up:
 * these wait for the end of the pass. */
static void
file_found(struct watcher *w, struct str path, uint64_t inode, bool is_missing)
{
	struct founds *founds = is_missing ? &w->losses : &w->news;

	if (w->is_known && (w->is_full || w->is_ending) && founds_add(founds, inode, path))
		return;
	if (!is_missing && live_pair(w, path, inode))
		return;
	live_mark(w, path, is_missing ? MARK_GONE : w->is_known ? MARK_SEEN : MARK_MET);
}

static void
folder_found(struct watcher *w, struct dir *dir, struct str name)
{
	bool is_new;
	struct dir *child = tree_add(&w->tree, dir, name, &is_new);

	child->is_seen = true;
	if (dir->is_new)
		child->is_new = true;
	if (is_new || dir->is_new || (w->is_full && child->pass != w->pass)) {
		if (!child->is_waiting)
			child->from = 0;
		scan_dir(w, child);
	}
}

/* What one name is and what it was known as; either may be missing. True: it is to be kept in the
 * index as it is, without an event. */
static bool
name_compare(struct watcher *w, struct dir *dir, struct str path, const struct listed *listed,
	     const struct packed *known)
{
	assert(listed || known);
	if (!listed) {
		file_found(w, path, known->version.inode, true);
		return false;
	}
	if (!known) {
		if (is_old(w, dir, listed))
			return true;
		file_found(w, path, listed->entry.version.inode, false);
		return false;
	}
	if (!version_same(&listed->entry.version, &known->version)) {
		live_mark(w, path, MARK_SEEN);
		return false;
	}
	return listed->entry.version.hashed && !known->version.hashed;
}

/* A piece of a listing against the same piece of the index: names from walk->from to `to`. */
static bool
piece_compare(struct watcher *w, struct dir *dir, const struct listing *listing, size_t begin,
	      size_t end, uint64_t from, uint32_t to, struct err *err)
{
	struct index_names known;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(auto_free) struct packed *keep = mem_alloc_array(end - begin + 1, sizeof(*keep));
	size_t kept = 0, i = begin, j = 0;
	uint64_t next;
	bool ok;

	if (!index_read(&w->index, str_of(listing->path), from, to, 0, &known, &next, err))
		return false;
	while (i < end || j < known.count) {
		const struct listed *listed = i < end ? &listing->names[i] : NULL;
		const struct packed *old = j < known.count ? &known.entries[j] : NULL;
		int order = !listed ? 1 : !old ? -1 : pack_order(&listed->entry, old);

		i += order <= 0;
		if (order < 0 && listed->is_folder) {
			folder_found(w, dir, listed->entry.name);
			continue;
		}
		/* A folder by the name of a file that was: both. */
		if (order == 0 && listed->is_folder) {
			folder_found(w, dir, listed->entry.name);
			listed = NULL;
		}
		j += order >= 0;
		buf_clear(&path);
		tree_path_of(dir, order < 0 ? listed->entry.name : old->name, &path);
		if (path.len <= INDEX_PATH_MAX &&
		    name_compare(w, dir, buf_str(&path), order > 0 ? NULL : listed,
				 order < 0 ? NULL : old))
			keep[kept++] = listed->entry;
	}
	ok = index_merge(&w->index, str_of(listing->path), keep, kept, err);
	index_names_fini(&known);
	return ok;
}

/* --- a folder that was listed -------------------------------------------------------------- */

static void
dir_unreadable(struct watcher *w, struct dir *dir, const struct listing *listing)
{
	if (!dir->is_told)
		log_warning("folder cannot be read; what is known of it is kept", "trigger",
			    w->source.name, "folder", listing->path, "error",
			    strerror(listing->errnum));
	dir->is_told = true;
	if (listing->found == LISTED_FAILED && !dir->is_polled) {
		dir->is_polled = true;
		w->tree.polled++;
	}
}

/* Folders that are not in the listing of the one above have gone. */
static void
children_drop(struct watcher *w, struct dir *dir)
{
	struct dir *child, *next;

	LIST_FOREACH_SAFE (child, &dir->children, sibling, next) {
		AUTO(buf_fini) struct buf path = BUF_INIT;

		if (child->is_seen)
			continue;
		tree_path(child, &path);
		tree_remove(&w->tree, child);
		sweep_folder(w, buf_str(&path), STR_NONE);
	}
}

/* All that was listed of it has been compared. */
static void
dir_listed(struct watcher *w, struct dir *dir, const struct listing *listing)
{
	bool first = false;

	dir->is_listing = false;
	if (dir->again) {
		dir->from = 0;
		dir_wait(w, dir, false);
		return;
	}
	switch (listing->found) {
	case LISTED_NOT:
		first = true;
		break;
	case LISTED_SOME:
		dir->from = listing->to + 1;
		first = true;
		break;
	case LISTED_GONE:
		if (dir->parent) {
			tree_remove(&w->tree, dir);
			sweep_folder(w, str_of(listing->path), STR_NONE);
		} else {
			root_look_soon(w, 0);
		}
		return;
	case LISTED_DENIED:
	case LISTED_FAILED:
		dir_unreadable(w, dir, listing);
		dir->pass = w->pass;
		dir->from = 0;
		break;
	case LISTED_ALL:
		dir->is_told = dir->is_new = false;
		if (dir->is_polled && dir->watched.wd >= 0) {
			dir->is_polled = false;
			w->tree.polled--;
		}
		dir->pass = w->pass;
		dir->from = 0;
		children_drop(w, dir);
		break;
	}
	if (first)
		dir_wait(w, dir, true);
}

/* Something befell the folder since it was listed, or one above it: it is listed once more. */
static bool
is_stale(const struct dir *dir, const struct listing *listing)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	tree_path(dir, &path);
	return dir->again || !str_eq_cstr(buf_str(&path), listing->path);
}

/* Compares the next piece of the current listing; false: the walk is done with. */
static bool
walk_compare(struct watcher *w, struct walk *walk, size_t *names, struct err *err)
{
	struct listing *listing = &walk->listings[walk->at];
	struct dir *dir = walk->dirs[walk->at];
	bool has = listing->found == LISTED_ALL || listing->found == LISTED_SOME;
	size_t end = walk->name;
	uint32_t to;

	if (dir && is_stale(dir, listing)) {
		dir->again = true;
		has = false;
	}
	if (!walk->name && walk->from < listing->from)
		walk->from = listing->from;
	if (dir && has) {
		while (end < listing->count &&
		       (end < walk->name + STEP_NAMES ||
			listing->names[end].entry.hash == listing->names[end - 1].entry.hash))
			end++;
		to = end < listing->count ? listing->names[end - 1].entry.hash : listing->to;
		if (!piece_compare(w, dir, listing, walk->name, end, walk->from, to, err))
			return false;
		*names += end - walk->name + 16;
		walk->name = end;
		walk->from = (uint64_t)to + 1;
		if (end < listing->count)
			return true;
	}
	if (walk->dirs[walk->at])
		dir_listed(w, dir, listing);
	listing_fini(listing);
	*listing = (struct listing){.wd = -1};
	walk->dirs[walk->at] = NULL;
	walk->at++;
	walk->name = 0;
	walk->from = 0;
	return walk->at < walk->count;
}

/* --- passes -------------------------------------------------------------------------------- */

static int
found_order(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

/* What is missing, and what is new with the same inode, is one file that was renamed. */
void
sweep_on_vanished(struct watcher *w)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t now = watcher_now(w);

	if (w->news.count)
		qsort(w->news.list, w->news.count, sizeof(*w->news.list), found_order);
	for (size_t i = 0; i < w->losses.count; i++) {
		const struct found *loss = &w->losses.list[i];
		const struct found *heir = w->news.count
						   ? bsearch(loss, w->news.list, w->news.count,
							     sizeof(*w->news.list), found_order)
						   : NULL;

		if (!heir ||
		    !pendings_move(&w->pendings, str_of(loss->path), str_of(heir->path), now))
			live_mark(w, str_of(loss->path), MARK_GONE);
	}
	for (size_t i = 0; i < w->news.count; i++)
		live_mark(w, str_of(w->news.list[i].path), MARK_SEEN);
	founds_fini(&w->news);
	founds_fini(&w->losses);
	/* What listing a large tree took on several threads is given back. */
	malloc_trim(0);
	w->is_ending = false;
	if (!w->is_known && !w->full_again) {
		if (!watcher_set_known(w, &err)) {
			watcher_tell(w, err_text(&err));
			return;
		}
		log_info("all that was there before is known", "trigger", w->source.name, "folder",
			 w->path);
	}
	if (w->full_again) {
		w->full_again = false;
		watcher_step_soon(w, AGAIN_MS);
		w->is_full = true;
		w->pass++;
		dir_wait(w, w->tree.root, false);
	}
	take_arm(w);
	watcher_tell(w, NULL);
}

static void
pass_end(struct watcher *w)
{
	w->is_full = false;
	w->is_ending = true;
	sweep_vanished(w);
}

bool
scan_step(struct watcher *w)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct walk *walk;
	size_t names = 0;

	walk_start(w);
	while (names < STEP_NAMES && (walk = STAILQ_FIRST(&w->walked))) {
		if (walk_compare(w, walk, &names, &err))
			continue;
		if (err.code != E_OK) {
			watcher_break(w, &err);
			return false;
		}
		STAILQ_REMOVE_HEAD(&w->walked, entry);
		walk_free(walk);
	}
	walk_start(w);
	if (!STAILQ_EMPTY(&w->walked))
		return true;
	if (w->is_full && !w->walk && TAILQ_EMPTY(&w->waiting) && STAILQ_EMPTY(&w->sweeps))
		pass_end(w);
	return false;
}

void
scan_poll(struct watcher *w)
{
	struct dir *dir = w->tree.root, *next;

	if (w->ground && w->ground->is_remote) {
		scan_all(w);
		return;
	}
	/* Every folder, in order, without recursion. */
	for (; dir; dir = next) {
		if (dir->is_polled)
			scan_dir(w, dir);
		next = LIST_FIRST(&dir->children);
		while (!next && dir) {
			next = LIST_NEXT(dir, sibling);
			dir = dir->parent;
		}
	}
}

void
scan_stop(struct watcher *w)
{
	struct walk *walk;

	while ((walk = STAILQ_FIRST(&w->walked))) {
		STAILQ_REMOVE_HEAD(&w->walked, entry);
		walk_free(walk);
	}
	if (w->walk) {
		w->walk->watcher = NULL;
		for (size_t i = 0; i < w->walk->count; i++)
			w->walk->dirs[i] = NULL;
		w->walk = NULL;
	}
	TAILQ_INIT(&w->waiting);
	founds_fini(&w->news);
	founds_fini(&w->losses);
	w->is_full = w->is_ending = w->full_again = false;
}
