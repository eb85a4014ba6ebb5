/* Sweep: what the index has of folders that are no more, or lie elsewhere now. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/watcher.h"

/* Folders looked at, and names marked, in one round of the loop. */
#define STEP_FOLDERS 256
#define STEP_NAMES 1024

struct sweep {
	char *folder; /* and below; NULL: every folder that the tree does not have */
	char *to;     /* where it lies now; NULL */
	enum { SWEEP_ITSELF, SWEEP_BELOW } stage;
	struct buf at; /* the folder that is being gone through, or was last */
	bool is_in;    /* it is */
	uint64_t from; /* ... its names from this hash on */
	STAILQ_ENTRY(sweep) entry;
};

static void
sweep_free(struct sweep *sweep)
{
	free(sweep->folder);
	free(sweep->to);
	buf_fini(&sweep->at);
	free(sweep);
}

static void
sweep_add(struct watcher *w, char *take_folder, char *take_to)
{
	struct sweep *sweep = mem_alloc(sizeof(*sweep));

	sweep->folder = take_folder;
	sweep->to = take_to;
	STAILQ_INSERT_TAIL(&w->sweeps, sweep, entry);
	watcher_step_soon(w, 0);
}

void
sweep_folder(struct watcher *w, struct str folder, struct str to)
{
	sweep_add(w, str_dup(folder), to.p ? str_dup(to) : NULL);
}

void
sweep_vanished(struct watcher *w)
{
	sweep_add(w, NULL, NULL);
}

static bool
is_below(struct str path, struct str folder)
{
	return path.len > folder.len && str_starts(path, folder) && path.p[folder.len] == '/';
}

/* The next folder of the index that the sweep is for; *ret_more false: there is none. */
static bool
sweep_next(struct watcher *w, struct sweep *sweep, bool *ret_more, struct err *err)
{
	AUTO(buf_fini) struct buf after = BUF_INIT;

	*ret_more = true;
	sweep->from = 0;
	if (!sweep->folder) {
		bool begun = sweep->stage == SWEEP_BELOW;

		sweep->stage = SWEEP_BELOW;
		buf_add_str(&after, buf_str(&sweep->at));
		return index_next(&w->index, begun ? buf_str(&after) : STR_NONE, &sweep->at,
				  ret_more, err);
	}
	if (sweep->stage == SWEEP_ITSELF) {
		sweep->stage = SWEEP_BELOW;
		buf_puts(&sweep->at, sweep->folder);
		return true;
	}
	if (str_eq_cstr(buf_str(&sweep->at), sweep->folder))
		buf_cat(&after, sweep->folder, "/");
	else
		buf_add_str(&after, buf_str(&sweep->at));
	if (!index_next(&w->index, buf_str(&after), &sweep->at, ret_more, err))
		return false;
	*ret_more = *ret_more && is_below(buf_str(&sweep->at), str_of(sweep->folder));
	return true;
}

static void
name_sweep(struct watcher *w, const struct sweep *sweep, const struct packed *entry)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf to = BUF_INIT;

	buf_add_str(&path, buf_str(&sweep->at));
	if (path.len)
		buf_putc(&path, '/');
	buf_add_str(&path, entry->name);
	if (sweep->to) {
		buf_cat(&to, sweep->to, buf_cstr(&path) + strlen(sweep->folder));
		if (to.len <= INDEX_PATH_MAX && sight_has_file(&w->sight, buf_str(&to)) &&
		    pendings_move(&w->pendings, buf_str(&path), buf_str(&to), watcher_now(w)))
			return;
	}
	if (!sweep->folder && founds_add(&w->losses, entry->version.inode, buf_str(&path)))
		return;
	live_mark(w, buf_str(&path), MARK_GONE);
}

/* Some names of the folder that the sweep is at. */
static bool
folder_sweep(struct watcher *w, struct sweep *sweep, size_t *names, struct err *err)
{
	struct index_names known;
	uint64_t next;

	if (!sweep->folder && tree_find(&w->tree, buf_str(&sweep->at))) {
		sweep->is_in = false;
		return true;
	}
	if (!index_read(&w->index, buf_str(&sweep->at), sweep->from, UINT32_MAX, STEP_NAMES, &known,
			&next, err))
		return false;
	for (size_t i = 0; i < known.count; i++)
		name_sweep(w, sweep, &known.entries[i]);
	*names += known.count;
	index_names_fini(&known);
	sweep->from = next;
	sweep->is_in = next <= UINT32_MAX;
	return true;
}

bool
sweep_step(struct watcher *w)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct sweep *sweep = STAILQ_FIRST(&w->sweeps);
	size_t names = 0;
	bool more = true;

	if (!sweep)
		return false;
	/* take_run() calls again when there is room. */
	if (w->pendings.count > PENDING_HIGH)
		return false;
	for (int i = 0; more && i < STEP_FOLDERS && names < STEP_NAMES; i++) {
		bool ok = sweep->is_in || sweep_next(w, sweep, &more, &err);

		if (ok && more) {
			sweep->is_in = true;
			ok = folder_sweep(w, sweep, &names, &err);
		}
		if (!ok) {
			watcher_break(w, &err);
			return false;
		}
	}
	take_arm(w);
	if (more)
		return true;
	more = !sweep->folder;
	STAILQ_REMOVE_HEAD(&w->sweeps, entry);
	sweep_free(sweep);
	if (more)
		sweep_on_vanished(w);
	return true;
}

void
sweep_stop(struct watcher *w)
{
	struct sweep *sweep;

	while ((sweep = STAILQ_FIRST(&w->sweeps))) {
		STAILQ_REMOVE_HEAD(&w->sweeps, entry);
		sweep_free(sweep);
	}
}
