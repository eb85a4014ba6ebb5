/* Git targets: a branch that is checked out, whose work tree and index go along (checked_out =
 * update). They are written before the branch is moved: what is there already from a daemon that
 * died in between is as good, and when the branch cannot be moved it is all put back. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/git_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "io/beneath.h"

#define CALL(w, name, ...) PLACE_CALL(&(w)->place, name, __VA_ARGS__)

/* --- whether it is checked out ---------------------------------------------------------------- */

static bool
head_is_here(struct git_work *w)
{
	git_reference *head = NULL;
	const char *target;
	bool here;

	if (CALL(w, git_repository_is_bare, w->place.repository) ||
	    CALL(w, git_reference_lookup, &head, w->place.repository, "HEAD"))
		return false;
	target = CALL(w, git_reference_symbolic_target, head);
	here = target && !strcmp(target, buf_cstr(&w->place.ref));
	CALL(w, git_reference_free, head);
	return here;
}

bool
git_tree_find(struct git_work *w, struct err *err)
{
	git_reference *ref = NULL;
	bool taken;

	w->taken = false;
	if (CALL(w, git_reference_lookup, &ref, w->place.repository, buf_cstr(&w->place.ref)))
		return git_place_failed(&w->place, "the branch cannot be read", err);
	taken = CALL(w, git_branch_is_checked_out, ref) == 1;
	CALL(w, git_reference_free, ref);
	if (!taken)
		return true;
	if (w->t->follows && !w->t->push && head_is_here(w))
		return w->taken = true;
	return err_set(err, E_STATE,
		       "branch %s is checked out in %s, or in a work tree of it; name another "
		       "branch, or a bare repository%s",
		       w->t->branch, w->t->repo,
		       w->t->push ? "" : ", or let the work tree follow (checked_out = update)");
}

/* --- files ------------------------------------------------------------------------------------ */

enum side { THEN, NOW }; /* as the branch is; as the change makes it */

static bool
side_read(struct git_work *w, const struct git_job *job, enum side side, struct git_found *ret,
	  struct err *err)
{
	if (side == THEN)
		return git_found_read(&w->place, w->place.tree, job->change->entity,
				      w->t->max_bytes, ret, err);
	ret->is = job->writes;
	ret->mode = job->mode;
	buf_clear(&ret->bytes);
	buf_add_str(&ret->bytes, buf_str(&job->content));
	return true;
}

static bool
is_same(const struct git_found *a, const struct git_found *b)
{
	return a->is == b->is &&
	       (!a->is || (a->mode == b->mode && str_eq(buf_str(&a->bytes), buf_str(&b->bytes))));
}

/* What is there; a link, a folder, what is too large: E_STATE. */
static bool
disk_read(struct git_work *w, int root, const char *path, struct git_found *ret, struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;
	AUTO(auto_close) int fd = beneath_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &why);
	struct stat st;

	ret->is = false;
	buf_clear(&ret->bytes);
	if (fd < 0 && why.code == E_NOT_FOUND)
		return true;
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    !os_read_fd(fd, (size_t)w->t->max_bytes, path, &ret->bytes, &why))
		return err_set(err, E_STATE,
			       "%s in the work tree of %s is not what was committed; nothing is "
			       "written over it",
			       path, w->t->repo);
	ret->is = true;
	ret->mode = st.st_mode & S_IXUSR ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
	return true;
}

/* Beside its place, synced, and put there; whoever owns the folder owns it. What an earlier attempt
 * left beside it goes. */
static bool
disk_place(int folder, const char *name, const char *fresh, const struct git_found *found,
	   struct err *err)
{
	mode_t mode = found->mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0755 : 0644;
	AUTO(auto_close) int fd = -1;
	struct stat st;
	bool ok;

	unlinkat(folder, fresh, 0);
	fd = openat(folder, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0 || fstat(folder, &st))
		return err_errno(err, errno, "cannot write %s", name);
	ok = (geteuid() || !fchown(fd, st.st_uid, st.st_gid) ||
	      err_errno(err, errno, "cannot give away %s", name)) &&
	     os_write_all(fd, buf_str(&found->bytes), err) &&
	     ((!os.fsync(fd) && !renameat(folder, fresh, folder, name)) ||
	      err_errno(err, errno, "cannot write %s", name));
	if (!ok)
		unlinkat(folder, fresh, 0);
	return ok;
}

/* Folders that are empty now go as well, as git has it. */
static void
folders_prune(int root, const char *path)
{
	AUTO(auto_free) char *above = mem_strdup(path);
	char *slash;

	while ((slash = strrchr(above, '/'))) {
		AUTO(auto_close) int folder = -1;
		const char *name;

		*slash = '\0';
		folder = beneath_parent(root, above, false, 0, &name, NULL);
		if (folder < 0 || unlinkat(folder, name, AT_REMOVEDIR))
			return;
	}
}

static bool
disk_write(int root, const char *path, const char *fresh, const struct git_found *found,
	   struct err *err)
{
	const char *name;
	AUTO(err_fini) struct err why = ERR_INIT;
	AUTO(auto_close)
	int folder = beneath_parent(root, path, found->is, 0755, &name, &why);

	if (folder < 0)
		return (!found->is && why.code == E_NOT_FOUND) || err_move(err, &why);
	if (found->is)
		return disk_place(folder, name, fresh, found, err);
	if (unlinkat(folder, name, 0) && errno != ENOENT)
		return err_errno(err, errno, "cannot remove %s", path);
	folders_prune(root, path);
	return true;
}

/* --- the index -------------------------------------------------------------------------------- */

static bool
index_holds(struct git_work *w, git_index *index, const char *path, const struct git_found *found)
{
	const git_index_entry *entry = CALL(w, git_index_get_bypath, index, path, 0);
	git_oid id;

	if (!entry || !found->is)
		return !entry && !found->is;
	return !CALL(w, git_odb_hash, &id, buf_cstr(&found->bytes), found->bytes.len,
		     GIT_OBJECT_BLOB) &&
	       !CALL(w, git_oid_cmp, &id, &entry->id) && entry->mode == (uint32_t)found->mode;
}

static bool
index_put(struct git_work *w, git_index *index, const char *path, const struct git_found *found)
{
	git_index_entry entry = {.path = path, .mode = found->mode};

	if (!found->is)
		return !CALL(w, git_index_get_bypath, index, path, 0) ||
		       !CALL(w, git_index_remove, index, path, 0);
	return !CALL(w, git_blob_create_from_buffer, &entry.id, w->place.repository,
		     buf_cstr(&found->bytes), found->bytes.len) &&
	       !CALL(w, git_index_add, index, &entry);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* The work tree of the repository, and its index. */
struct tree {
	int root;
	git_index *index;
};

static void
tree_close(struct git_work *w, struct tree *tree)
{
	if (tree->root >= 0)
		close(tree->root);
	CALL(w, git_index_free, tree->index);
}

static bool
tree_open(struct git_work *w, struct tree *ret, struct err *err)
{
	const char *path = CALL(w, git_repository_workdir, w->place.repository);

	*ret = (struct tree){.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	if (ret->root < 0)
		return err_errno(err, errno, "cannot open the work tree %s", path);
	return !CALL(w, git_repository_index, &ret->index, w->place.repository) ||
	       git_place_failed(&w->place, "its index cannot be read", err);
}

static bool
is_at_rest(struct git_work *w, git_index *index, struct err *err)
{
	AUTO(buf_fini) struct buf lock = BUF_INIT;

	buf_cat(&lock, CALL(w, git_repository_path, w->place.repository), "index.lock");
	if (!access(buf_cstr(&lock), F_OK))
		return err_set(err, E_UNAVAILABLE,
			       "the index of %s is locked: another git is at work, or one died and "
			       "left %s",
			       w->t->repo, buf_cstr(&lock));
	if (CALL(w, git_repository_state, w->place.repository) != GIT_REPOSITORY_STATE_NONE ||
	    CALL(w, git_index_has_conflicts, index))
		return err_set(
			err, E_STATE,
			"a merge or rebase is under way in the work tree of %s; end it, then "
			"rouse apply",
			w->t->repo);
	return true;
}

/* Nothing that was not committed is written over. */
static bool
job_check(struct git_work *w, const struct tree *tree, const struct git_job *job, struct err *err)
{
	const char *path = job->change->entity;
	struct git_found then = {.is = false}, now = {.is = false}, disk = {.is = false};
	bool ok = side_read(w, job, THEN, &then, err) && side_read(w, job, NOW, &now, err) &&
		  disk_read(w, tree->root, path, &disk, err);

	if (ok && ((!is_same(&disk, &then) && !is_same(&disk, &now)) ||
		   (!index_holds(w, tree->index, path, &then) &&
		    !index_holds(w, tree->index, path, &now))))
		ok = err_set(err, E_STATE,
			     "%s has changes in the work tree of %s that are not committed; commit "
			     "or stash them, then rouse apply",
			     path, w->t->repo);
	buf_fini(&then.bytes);
	buf_fini(&now.bytes);
	buf_fini(&disk.bytes);
	return ok;
}

static bool
job_write(struct git_work *w, const struct tree *tree, const struct git_job *job, enum side side,
	  struct err *err)
{
	AUTO(buf_fini) struct buf fresh = BUF_INIT;
	struct git_found found = {.is = false};
	bool ok;

	buf_puts(&fresh, ".rouse-");
	git_key_hash(w, job->change, &fresh);
	ok = side_read(w, job, side, &found, err) &&
	     disk_write(tree->root, job->change->entity, buf_cstr(&fresh), &found, err) &&
	     (index_put(w, tree->index, job->change->entity, &found) ||
	      git_place_failed(&w->place, "its index cannot be changed", err));

	buf_fini(&found.bytes);
	return ok;
}

static bool
jobs_write(struct git_work *w, const struct tree *tree, struct git_job *jobs, size_t count,
	   enum side side, struct err *err)
{
	bool ok = true;

	/* What goes makes room. */
	for (int adds = 0; adds <= 1; adds++)
		for (size_t i = 0; ok && i < count; i++)
			if ((jobs[i].writes || jobs[i].removes) &&
			    (jobs[i].writes == (side == NOW)) == adds)
				ok = job_write(w, tree, &jobs[i], side, err);
	return ok && (!CALL(w, git_index_write, tree->index) ||
		      git_place_failed(&w->place, "its index cannot be written", err));
}

bool
git_tree_check(struct git_work *w, struct git_job *jobs, size_t count, struct err *err)
{
	struct tree tree;
	bool ok;

	if (!w->taken)
		return true;
	ok = tree_open(w, &tree, err) && is_at_rest(w, tree.index, err);
	for (size_t i = 0; ok && i < count; i++)
		if ((jobs[i].writes || jobs[i].removes) &&
		    !job_check(w, &tree, &jobs[i], &jobs[i].err))
			jobs[i].writes = jobs[i].removes = false;
	tree_close(w, &tree);
	return ok;
}

bool
git_tree_follow(struct git_work *w, struct git_job *jobs, size_t count, struct err *err)
{
	struct tree tree;
	bool ok;

	if (!w->taken)
		return true;
	ok = tree_open(w, &tree, err);
	if (ok && !jobs_write(w, &tree, jobs, count, NOW, err))
		ok = jobs_write(w, &tree, jobs, count, THEN, NULL) && false;
	tree_close(w, &tree);
	if (ok)
		crash_point("git-tree-written");
	return ok;
}

void
git_tree_restore(struct git_work *w, struct git_job *jobs, size_t count)
{
	struct tree tree;

	if (!w->taken)
		return;
	if (tree_open(w, &tree, NULL))
		jobs_write(w, &tree, jobs, count, THEN, NULL);
	tree_close(w, &tree);
}
