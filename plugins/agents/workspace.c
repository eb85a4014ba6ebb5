/* Workspaces: a copy of a branch for one attempt to work in. Made by libgit2 with no configuration,
 * no hook and no filter; shared with nobody. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"

#define CALL(base, name, ...) GIT_CALL(&(base)->git, name, __VA_ARGS__)
#define FOLDER_MODE 0711 /* a stranger passes through, and sees nothing */

static void
folder_path(const char *root, const char *id, const char *name, struct buf *out)
{
	buf_cat(out, root, "/", id, *name ? "/" : "", name);
}

char *
workspace_tree_path(const char *root, const char *id)
{
	struct buf path = BUF_INIT;

	folder_path(root, id, "tree", &path);
	return buf_take(&path);
}

bool
workspace_is_there(const char *root, const char *id)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	folder_path(root, id, "workspace.json", &path);
	return !access(buf_cstr(&path), F_OK);
}

/* --- whose it is ----------------------------------------------------------------------------- */

static bool tree_give(int take_fd, uid_t uid, gid_t gid, int depth);

static bool
entry_give(int at, const char *name, uid_t uid, gid_t gid, int depth)
{
	struct stat st;
	int fd;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) ||
	    fchownat(at, name, uid, gid, AT_SYMLINK_NOFOLLOW))
		return false;
	if (!S_ISDIR(st.st_mode))
		return true;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && tree_give(fd, uid, gid, depth + 1);
}

/* Nobody else has been in it yet. */
static bool
tree_give(int take_fd, uid_t uid, gid_t gid, int depth)
{
	DIR *dir = fdopendir(take_fd);
	struct dirent *entry;
	bool ok = dir && depth <= WORKSPACE_DEPTH_MAX + 8 && !fchown(take_fd, uid, gid);

	if (!dir)
		close(take_fd);
	while (ok && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			ok = entry_give(dirfd(dir), entry->d_name, uid, gid, depth);
	if (dir)
		closedir(dir);
	return ok;
}

/* A stranger has to pass through the folders above. Files of the state folder stay closed. */
static bool
state_open(const char *root, struct err *err)
{
	AUTO(auto_free)
	char *state = str_dup(str_make(root, (size_t)(strrchr(root, '/') - root)));
	struct stat st;

	if (stat(state, &st))
		return err_errno(err, errno, "cannot look at %s", state);
	if (st.st_mode & S_IXOTH)
		return true;
	return !chmod(state, (st.st_mode & 07777) | S_IXOTH) ||
	       err_errno(err, errno, "cannot let others pass through %s (chmod o+x)", state);
}

static bool
tree_own(const struct workspace_plan *plan, const char *tree, int64_t *ret_uid, struct err *err)
{
	const struct passwd *entry = plan->user ? getpwnam(plan->user) : NULL;
	int fd;

	*ret_uid = -1;
	if (!plan->user)
		return true;
	if (!entry)
		return err_set(err, E_NOT_FOUND, "there is no user %s on this machine", plan->user);
	if (!state_open(plan->root, err))
		return false;
	fd = open(tree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !tree_give(fd, entry->pw_uid, entry->pw_gid, 0))
		return err_errno(err, errno, "the workspace cannot be given to user %s",
				 plan->user);
	*ret_uid = entry->pw_uid;
	return true;
}

/* --- the copy -------------------------------------------------------------------------------- */

/* All objects of the one commit, in a pack of the new repository. */
static bool
objects_copy(struct workspace_base *base, const char *tree, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	git_packbuilder *pack = NULL;
	const git_oid *commit = CALL(base, git_commit_id, base->commit);
	git_tree *files = NULL;
	bool ok;

	buf_cat(&path, tree, "/.git/objects/pack");
	ok = os_mkdirs(buf_cstr(&path), 0755, err);
	if (!ok)
		return false;
	ok = !CALL(base, git_commit_tree, &files, base->commit) &&
	     !CALL(base, git_packbuilder_new, &pack, base->repository);
	if (ok) {
		CALL(base, git_packbuilder_set_threads, pack, 1);
		ok = !CALL(base, git_packbuilder_insert, pack, commit, NULL) &&
		     !CALL(base, git_packbuilder_insert_tree, pack,
			   CALL(base, git_object_id, (git_object *)files)) &&
		     !CALL(base, git_packbuilder_write, pack, buf_cstr(&path), 0, NULL, NULL);
	}
	if (!ok)
		workspace_base_failed(base, "objects cannot be copied", err);
	CALL(base, git_packbuilder_free, pack);
	CALL(base, git_tree_free, files);
	return ok;
}

/* Where the history is cut off: gitrepository-layout(5). */
static bool
history_cut(struct workspace_base *base, const char *tree, const char *commit, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;

	if (!CALL(base, git_commit_parentcount, base->commit))
		return true;
	buf_cat(&path, tree, "/.git/shallow");
	buf_cat(&text, commit, "\n");
	return os_write_file(buf_cstr(&path), buf_str(&text), 0644, err);
}

static bool
files_write(struct workspace_base *base, git_repository *copy, const char *branch, struct err *err)
{
	git_checkout_options options;
	AUTO(buf_fini) struct buf ref = BUF_INIT;
	const git_oid *id = CALL(base, git_commit_id, base->commit);
	git_reference *made = NULL;
	git_commit *commit = NULL;
	bool ok;

	buf_cat(&ref, "refs/heads/", branch);
	CALL(base, git_checkout_options_init, &options, GIT_CHECKOUT_OPTIONS_VERSION);
	options.checkout_strategy = GIT_CHECKOUT_FORCE;
	options.disable_filters = 1;
	ok = !CALL(base, git_commit_lookup, &commit, copy, id) &&
	     !CALL(base, git_reference_create, &made, copy, buf_cstr(&ref), id, 1, NULL) &&
	     !CALL(base, git_repository_set_head, copy, buf_cstr(&ref)) &&
	     !CALL(base, git_checkout_tree, copy, (git_object *)commit, &options);
	if (!ok)
		workspace_base_failed(base, "the files cannot be written", err);
	CALL(base, git_reference_free, made);
	CALL(base, git_commit_free, commit);
	return ok;
}

static bool
copy_make(struct workspace_base *base, const struct workspace_plan *plan, const char *tree,
	  const char *commit, struct err *err)
{
	git_repository *copy = NULL;
	bool ok;

	if (CALL(base, git_repository_init, &copy, tree, 0))
		return workspace_base_failed(base, "a repository cannot be made", err);
	ok = objects_copy(base, tree, err) && history_cut(base, tree, commit, err) &&
	     files_write(base, copy, plan->branch, err);
	CALL(base, git_repository_free, copy);
	return ok;
}

static bool
note_write(const struct workspace_plan *plan, const char *commit, int64_t uid, struct err *err)
{
	AUTO(json_auto_decref) json_t *note = json_object();
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;

	json_put_str(note, "repo", plan->repo);
	json_put_str(note, "branch", plan->branch);
	json_put_str(note, "target", plan->target);
	json_put_str(note, "commit", commit);
	json_object_set_new(note, "max_bytes", json_integer(plan->max_bytes));
	json_object_set_new(note, "file_max", json_integer(plan->file_max));
	json_object_set_new(note, "uid", json_integer(uid));
	json_write(&text, note);
	folder_path(plan->root, plan->id, "workspace.json", &path);
	return os_write_file(buf_cstr(&path), buf_str(&text), 0600, err);
}

static bool
folder_make(const char *path, struct err *err)
{
	return os_mkdirs(path, FOLDER_MODE, err) &&
	       (!chmod(path, FOLDER_MODE) || err_errno(err, errno, "cannot open %s", path));
}

static bool
make_from(struct workspace_base *base, const struct workspace_plan *plan, const char *folder,
	  struct err *err)
{
	AUTO(auto_free) char *tree = workspace_tree_path(plan->root, plan->id);
	char commit[GIT_OID_HEXSZ + 1];
	int64_t uid;

	if (base->bytes > plan->max_bytes)
		return err_set(err, E_TOO_LARGE,
			       "branch %s has %lld bytes of files; a workspace may have %lld "
			       "(workspace_max)",
			       plan->branch, (long long)base->bytes, (long long)plan->max_bytes);
	CALL(base, git_oid_tostr, commit, sizeof(commit), CALL(base, git_commit_id, base->commit));
	return folder_make(plan->root, err) && folder_make(folder, err) &&
	       (!mkdir(tree, 0755) || err_errno(err, errno, "cannot make %s", tree)) &&
	       copy_make(base, plan, tree, commit, err) && tree_own(plan, tree, &uid, err) &&
	       note_write(plan, commit, uid, err);
}

bool
workspace_make(const struct workspace_plan *plan, struct err *err)
{
	AUTO(buf_fini) struct buf folder = BUF_INIT;
	struct workspace_base base;
	bool ok;

	folder_path(plan->root, plan->id, "", &folder);
	ok = workspace_base_open(&base, plan->repo, plan->branch, NULL, err) &&
	     os_remove_tree(buf_cstr(&folder), err) &&
	     make_from(&base, plan, buf_cstr(&folder), err);
	workspace_base_close(&base);
	if (!ok)
		os_remove_tree(buf_cstr(&folder), NULL);
	return ok;
}
