/* Work trees: the git commit that a folder is at. */
/* SPDX-License-Identifier: MIT */
#include "io/worktree.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/git.h"

#define CALL GIT_CALL

static bool
git_failed(const struct git *git, const char *top, struct err *err)
{
	return err_set(err, E_IO, "git work tree %s: %s", top, git_said(git));
}

static bool
has_git(const char *folder, struct stat *ret)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, folder, "/.git");
	return !lstat(buf_cstr(&path), ret);
}

/* Cuts path to the folder at or above it that has a .git, on the same file system. */
static bool
top_find(char *path, struct stat *ret_git)
{
	struct stat start, here;
	char *slash;

	if (stat(path, &start))
		return false;
	while (!has_git(path, ret_git)) {
		slash = strrchr(path, '/');
		if (!slash || !slash[1])
			return false;
		slash[slash == path ? 1 : 0] = '\0';
		if (stat(path, &here) || here.st_dev != start.st_dev)
			return false;
	}
	return true;
}

/* libgit2 takes a repository only from the user that runs it. Root's is as good (it owns the
 * configuration of an installed daemon), where all of it lies in this one folder. */
static bool
owner_check(const char *top, const struct stat *git, bool *ret_roots, struct err *err)
{
	uid_t me = geteuid();
	struct stat st;

	if (stat(top, &st))
		return err_errno(err, errno, "cannot look at %s", top);
	*ret_roots = S_ISDIR(git->st_mode) && !git->st_uid && !st.st_uid &&
		     !((git->st_mode | st.st_mode) & 0002);
	if (*ret_roots || (git->st_uid == me && st.st_uid == me))
		return true;
	return err_set(
		err, E_DENIED,
		"git work tree %s is not looked at: it belongs to user %u; expected the user of "
		"this process (%u), or root where nobody else may write",
		top, (unsigned)(st.st_uid ? st.st_uid : git->st_uid), (unsigned)me);
}

static bool
status_count(const struct git *git, git_repository *repository, size_t *ret)
{
	git_status_options options;
	git_status_list *list = NULL;

	CALL(git, git_status_options_init, &options, GIT_STATUS_OPTIONS_VERSION);
	options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
	options.flags = GIT_STATUS_OPT_EXCLUDE_SUBMODULES; /* and no untracked files */
	if (CALL(git, git_status_list_new, &list, repository, &options))
		return false;
	*ret = CALL(git, git_status_list_entrycount, list);
	CALL(git, git_status_list_free, list);
	return true;
}

static bool
repository_describe(const struct git *git, git_repository *repository, const char *top,
		    struct buf *ret, struct err *err)
{
	char id[GIT_OID_HEXSZ + 1];
	size_t changed = 0;
	git_oid head;
	int code;

	if (CALL(git, git_repository_is_bare, repository))
		return true;
	code = CALL(git, git_reference_name_to_id, &head, repository, "HEAD");
	if (code == GIT_ENOTFOUND || code == GIT_EUNBORNBRANCH)
		return true;
	if (code || !status_count(git, repository, &changed))
		return git_failed(git, top, err);
	buf_cat(ret, CALL(git, git_oid_tostr, id, sizeof(id), &head), changed ? "-dirty" : "");
	return true;
}

static bool
top_describe(const struct git *git, const char *top, bool trusted, struct buf *ret, struct err *err)
{
	git_repository *repository = NULL;
	bool ok;
	int code;

	git_confine(git, trusted);
	code = CALL(git, git_repository_open_ext, &repository, top, GIT_REPOSITORY_OPEN_NO_SEARCH,
		    NULL);
	if (code)
		return git_failed(git, top, err);
	ok = repository_describe(git, repository, top, ret, err);
	CALL(git, git_repository_free, repository);
	return ok;
}

bool
worktree_describe(const char *dir, struct buf *ret, struct err *err)
{
	AUTO(auto_free) char *top = realpath(dir, NULL);
	AUTO(git_unload) struct git git = {.library = NULL};
	struct stat st;
	bool ok, roots;

	if (!top)
		return err_errno(err, errno, "cannot find %s", dir);
	if (!top_find(top, &st))
		return true;
	if (!owner_check(top, &st, &roots, err) || !git_load(&git, err))
		return false;
	if (CALL(&git, git_libgit2_init) < 0)
		return git_failed(&git, top, err);
	ok = top_describe(&git, top, roots, ret, err);
	CALL(&git, git_libgit2_shutdown);
	return ok;
}
