/* Workspaces: the files of the commit that one is made from, read from the repository itself. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/workspace.h"

#include "plugins/libgit.h"

#define CALL(base, name, ...) GIT_CALL(&(base)->git, name, __VA_ARGS__)

bool
workspace_base_failed(const struct workspace_base *base, const char *what, struct err *err)
{
	return err_set(err, E_UNAVAILABLE, "%s: %s", what, git_said(&base->git));
}

struct workspace_file *
workspace_file_find(struct workspace_file *files, const char *path)
{
	struct workspace_file *file;

	HASH_FIND_STR(files, path, file);
	return file;
}

static struct workspace_file *
file_new(struct workspace_file **files, const char *path)
{
	size_t len = strlen(path);
	struct workspace_file *file = mem_alloc(sizeof(*file) + len + 1);

	memcpy(file->path, path, len + 1);
	HASH_ADD_STR(*files, path, file);
	return file;
}

void
workspace_file_add(struct workspace_file **files, const char *path)
{
	if (!workspace_file_find(*files, path))
		file_new(files, path);
}

void
workspace_files_free(struct workspace_file **files)
{
	struct workspace_file *file, *next;

	HASH_ITER (hh, *files, file, next) {
		HASH_DEL(*files, file);
		free(file);
	}
}

static bool
file_add(struct workspace_base *base, const git_tree_entry *entry, const char *path,
	 struct err *err)
{
	struct workspace_file *file;
	git_object_t type;
	size_t bytes = 0;

	if (HASH_COUNT(base->files) >= WORKSPACE_FILES_MAX)
		return err_set(err, E_TOO_LARGE, "the branch has more than %d files",
			       WORKSPACE_FILES_MAX);
	file = file_new(&base->files, path);
	file->id = *CALL(base, git_tree_entry_id, entry);
	file->mode = CALL(base, git_tree_entry_filemode, entry);
	if (file->mode == GIT_FILEMODE_COMMIT)
		return true;
	if (CALL(base, git_odb_read_header, &bytes, &type, base->odb, &file->id))
		return workspace_base_failed(base, path, err);
	file->bytes = (int64_t)bytes;
	base->bytes += file->bytes;
	return true;
}

static bool
tree_add(struct workspace_base *base, const git_oid *id, const char *prefix, int depth,
	 struct err *err)
{
	git_tree *tree = NULL;
	bool ok = true;

	if (depth > WORKSPACE_DEPTH_MAX)
		return err_set(err, E_TOO_LARGE, "%s: folders deeper than %d", prefix,
			       WORKSPACE_DEPTH_MAX);
	if (CALL(base, git_tree_lookup, &tree, base->repository, id))
		return workspace_base_failed(base, *prefix ? prefix : "the commit's files", err);
	for (size_t i = 0; ok && i < CALL(base, git_tree_entrycount, tree); i++) {
		const git_tree_entry *entry = CALL(base, git_tree_entry_byindex, tree, i);
		AUTO(buf_fini) struct buf path = BUF_INIT;

		buf_cat(&path, prefix, *prefix ? "/" : "", CALL(base, git_tree_entry_name, entry));
		if (CALL(base, git_tree_entry_filemode, entry) != GIT_FILEMODE_TREE) {
			ok = file_add(base, entry, buf_cstr(&path), err);
			continue;
		}
		workspace_file_add(&base->folders, buf_cstr(&path));
		ok = tree_add(base, CALL(base, git_tree_entry_id, entry), buf_cstr(&path),
			      depth + 1, err);
	}
	CALL(base, git_tree_free, tree);
	return ok;
}

static bool
commit_find(struct workspace_base *base, const char *repo, const char *branch, const char *commit,
	    struct err *err)
{
	AUTO(buf_fini) struct buf ref = BUF_INIT;
	git_oid id;

	buf_cat(&ref, "refs/heads/", branch);
	if (commit ? CALL(base, git_oid_fromstr, &id, commit)
		   : CALL(base, git_reference_name_to_id, &id, base->repository, buf_cstr(&ref)))
		return err_set(err, E_NOT_FOUND, "%s has no branch %s", repo, branch);
	return !CALL(base, git_commit_lookup, &base->commit, base->repository, &id) ||
	       workspace_base_failed(base, "the commit cannot be read", err);
}

bool
workspace_base_open(struct workspace_base *ret, const char *repo, const char *branch,
		    const char *commit, struct err *err)
{
	git_tree *tree = NULL;
	bool ok;

	*ret = (struct workspace_base){.bytes = 0};
	if (!libgit_get(&ret->git, err))
		return false;
	if (CALL(ret, git_repository_open_ext, &ret->repository, repo,
		 GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) ||
	    CALL(ret, git_repository_odb, &ret->odb, ret->repository))
		return workspace_base_failed(ret, repo, err);
	if (!commit_find(ret, repo, branch, commit, err))
		return false;
	if (CALL(ret, git_commit_tree, &tree, ret->commit))
		return workspace_base_failed(ret, "the commit's files", err);
	ok = tree_add(ret, CALL(ret, git_object_id, (git_object *)tree), "", 0, err);
	CALL(ret, git_tree_free, tree);
	return ok;
}

void
workspace_base_close(struct workspace_base *base)
{
	workspace_files_free(&base->files);
	workspace_files_free(&base->folders);
	if (base->repository) {
		CALL(base, git_commit_free, base->commit);
		CALL(base, git_odb_free, base->odb);
		CALL(base, git_repository_free, base->repository);
	}
	*base = (struct workspace_base){.bytes = 0};
}
