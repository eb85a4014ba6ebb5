/* Workspaces: what was left in one, looked at. Whoever worked there may have meant
 * harm: its files are read through descriptors, no link is followed, its .git is not looked at, and
 * what was there before comes from the repository itself. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/workspace_left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/os.h"
#include "plugins/targets/git.h"
#include "pure/gitignore.h"

#define CALL(left, name, ...) GIT_CALL(&(left)->base.git, name, __VA_ARGS__)
#define NOTE_BYTES 65536
#define ENTRIES_MAX 1000000
#define RULES_BYTES (256 << 10)

struct rules {
	struct buf text;
	size_t skip; /* of a path: what leads to the folder of the rules */
	const struct rules *up;
};

/* --- files ------------------------------------------------------------------------------------ */

/* The id that git gives a file of this content. */
static void
blob_id(struct str content, git_oid *ret)
{
	AUTO(buf_fini) struct buf head = BUF_INIT;
	struct digest digest;

	buf_printf(&head, "blob %zu", content.len);
	digest = digest_of_parts(
		DIGEST_SHA1, (struct str[]){str_make(buf_cstr(&head), head.len + 1), content}, 2);
	memcpy(ret->id, digest.bytes, GIT_OID_RAWSZ);
}

/* One that is larger than a change may be: unchanged, or said. */
static bool
large_look(struct left *left, int fd, const struct stat *st, const char *path,
	   const struct workspace_file *file)
{
	AUTO(buf_fini) struct buf link = BUF_INIT;
	git_oid id;

	buf_printf(&link, "/proc/self/fd/%d", fd);
	if (file && file->bytes == (int64_t)st->st_size &&
	    !CALL(left, git_odb_hashfile, &id, buf_cstr(&link), GIT_OBJECT_BLOB) &&
	    !CALL(left, git_oid_cmp, &id, &file->id))
		return true;
	left_say(left, path, "has %lld bytes; a change may have %lld (max_size): not proposed",
		 (long long)st->st_size, (long long)left->file_max);
	return true;
}

static bool
content_look(struct left *left, int fd, const struct stat *st, const char *path,
	     const struct workspace_file *file)
{
	AUTO(buf_fini) struct buf content = BUF_INIT;
	AUTO(err_fini) struct err why = ERR_INIT;
	git_filemode_t mode =
		st->st_mode & S_IXUSR ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
	git_oid id;

	if (!os_read_fd(fd, (size_t)left->file_max, path, &content, &why)) {
		left_say(left, path, "cannot be read: %s: not proposed", err_text(&why));
		return true;
	}
	blob_id(buf_str(&content), &id);
	if (!file)
		return left_created(left, path, mode, &id, buf_str(&content));
	if (file->mode == mode && !CALL(left, git_oid_cmp, &id, &file->id))
		return true;
	return left_changed(left, file, mode, &id, buf_str(&content));
}

static bool
file_look(struct left *left, int at, const char *name, const char *path,
	  struct workspace_file *file)
{
	AUTO(auto_close)
	int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		left_say(left, path, "cannot be opened: %s: not proposed", strerrordesc_np(errno));
		return true;
	}
	if (!S_ISREG(st.st_mode) || (left->uid >= 0 && st.st_uid != (uid_t)left->uid)) {
		left_say(left, path, "is not a file of the agent's user: not proposed");
		return true;
	}
	left->bytes += st.st_size;
	if (left->bytes > left->max_bytes)
		return err_set(left->err, E_TOO_LARGE,
			       "its workspace has more than %lld bytes of files (workspace_max); "
			       "nothing of it is staged",
			       (long long)left->max_bytes);
	if (st.st_size > left->file_max)
		return large_look(left, fd, &st, path, file);
	return content_look(left, fd, &st, path, file);
}

static void
link_look(struct left *left, int at, const char *name, const char *path,
	  const struct workspace_file *file)
{
	char to[PATH_MAX];
	ssize_t len = readlinkat(at, name, to, sizeof(to));
	git_oid id;

	if (file && file->mode == GIT_FILEMODE_LINK && len >= 0) {
		blob_id(str_make(to, (size_t)len), &id);
		if (!CALL(left, git_oid_cmp, &id, &file->id))
			return;
	}
	left_say(left, path, "is a symbolic link now; links cannot be proposed");
}

/* --- folders ---------------------------------------------------------------------------------- */

static bool
is_ignored(const struct rules *rules, const char *path, bool is_folder)
{
	for (; rules; rules = rules->up) {
		enum gitignore says = gitignore_match(buf_str(&rules->text),
						      str_of(path + rules->skip), is_folder);

		if (says != GITIGNORE_SILENT)
			return says == GITIGNORE_IGNORED;
	}
	return false;
}

static void
rules_read(int dir, struct rules *rules)
{
	AUTO(auto_close)
	int fd = openat(dir, ".gitignore", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    !os_read_fd(fd, RULES_BYTES, ".gitignore", &rules->text, NULL))
		buf_clear(&rules->text);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In the order of their names; false: left->err. */
static bool
names_read(struct left *left, int dir, char ***ret, size_t *ret_count)
{
	DIR *stream = fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 0));
	struct dirent *entry;
	char **names = NULL;
	size_t count = 0;

	*ret = NULL;
	*ret_count = 0;
	if (!stream)
		return err_errno(left->err, errno, "cannot list the workspace");
	while (left->entries <= ENTRIES_MAX && (entry = readdir(stream))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (!(count & (count - 1)))
			names = mem_realloc(names, (count ? count * 2 : 1) * sizeof(*names));
		names[count++] = mem_strdup(entry->d_name);
		left->entries++;
	}
	closedir(stream);
	if (count)
		qsort(names, count, sizeof(*names), by_name);
	*ret = names;
	*ret_count = count;
	return left->entries <= ENTRIES_MAX ||
	       err_set(left->err, E_TOO_LARGE,
		       "its workspace has more than %d files and folders; nothing of it is staged",
		       ENTRIES_MAX);
}

static bool folder_look(struct left *left, int dir, const char *path, const struct rules *above,
			bool ignored, int depth);

/* A folder that is not gone into: what was in it counts as it was. */
static bool
folder_skip(struct left *left, const char *path, const char *why)
{
	workspace_file_add(&left->skipped, path);
	left_say(left, path, "%s: nothing in it is proposed", why);
	return true;
}

static bool
folder_enter(struct left *left, int at, const char *name, const char *path,
	     const struct rules *rules, bool ignored, int depth)
{
	const struct workspace_file *file = workspace_file_find(left->base.files, path);
	bool known = workspace_file_find(left->base.folders, path) != NULL;
	AUTO(auto_close) int dir = -1;
	struct stat st;

	ignored = ignored || is_ignored(rules, path, true);
	if (ignored && !known)
		return true;
	dir = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return folder_skip(left, path, "cannot be opened");
	if (file && file->mode == GIT_FILEMODE_COMMIT)
		return unlinkat(at, name, AT_REMOVEDIR) ? folder_skip(left, path, "is a submodule")
							: true;
	if (!fstatat(dir, ".git", &st, AT_SYMLINK_NOFOLLOW))
		return folder_skip(left, path, "is a repository of its own");
	if (depth >= WORKSPACE_DEPTH_MAX)
		return folder_skip(left, path, "is too deep");
	return folder_look(left, dir, path, rules, ignored, depth + 1);
}

static bool
entry_look(struct left *left, int at, const char *name, const char *path, const struct rules *rules,
	   bool ignored, int depth)
{
	struct workspace_file *file = workspace_file_find(left->base.files, path);
	AUTO(err_fini) struct err why = ERR_INIT;
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW))
		return true;
	if (S_ISDIR(st.st_mode)) {
		if (file && file->mode == GIT_FILEMODE_COMMIT)
			file->seen = true;
		return folder_enter(left, at, name, path, rules, ignored, depth);
	}
	if (file)
		file->seen = true;
	else if (ignored || is_ignored(rules, path, false))
		return true;
	if (S_ISLNK(st.st_mode))
		return link_look(left, at, name, path, file), true;
	if (!S_ISREG(st.st_mode))
		left_say(left, path, "is neither a file nor a folder: not proposed");
	else if (file && (file->mode == GIT_FILEMODE_LINK || file->mode == GIT_FILEMODE_COMMIT))
		left_say(left, path, "was a %s, which a change cannot replace: not proposed",
			 file->mode == GIT_FILEMODE_LINK ? "symbolic link" : "submodule");
	else if (!file && !git_path_check(path, &why))
		left_say(left, path, "cannot be proposed: %s", err_text(&why));
	else
		return file_look(left, at, name, path, file);
	return true;
}

static bool
folder_look(struct left *left, int dir, const char *path, const struct rules *above, bool ignored,
	    int depth)
{
	struct rules rules = {.text = BUF_INIT, .skip = *path ? strlen(path) + 1 : 0, .up = above};
	char **names;
	size_t count;
	bool ok = names_read(left, dir, &names, &count);

	rules_read(dir, &rules);
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_fini) struct buf full = BUF_INIT;

		buf_cat(&full, path, *path ? "/" : "", names[i]);
		if (ok && (*path || strcmp(names[i], ".git")))
			ok = entry_look(left, dir, names[i], buf_cstr(&full), &rules, ignored,
					depth);
		free(names[i]);
	}
	free(names);
	buf_fini(&rules.text);
	return ok;
}

/* --- what is gone ----------------------------------------------------------------------------- */

static bool
lies_in_skipped(const struct left *left, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO(auto_free) char *above = str_dup(str_make(path, (size_t)(slash - path)));

		if (workspace_file_find(left->skipped, above))
			return true;
	}
	return false;
}

static bool
gone_look(struct left *left)
{
	struct workspace_file *file, *next;

	HASH_ITER (hh, left->base.files, file, next) {
		if (file->seen || lies_in_skipped(left, file->path))
			continue;
		if (file->mode == GIT_FILEMODE_BLOB || file->mode == GIT_FILEMODE_BLOB_EXECUTABLE) {
			if (!left_deleted(left, file))
				return false;
		} else if (file->mode == GIT_FILEMODE_LINK) {
			left_say(left, file->path, "was a symbolic link and is gone: not proposed");
		}
	}
	return true;
}

/* --- all of it -------------------------------------------------------------------------------- */

static bool
note_read(struct left *left, const char *folder, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;

	buf_cat(&path, folder, "/workspace.json");
	if (!os_read_file(buf_cstr(&path), NOTE_BYTES, &text, err) ||
	    !json_read(buf_str(&text), &left->note, err))
		return err_prefix(err, "what the workspace was made from cannot be read");
	left->max_bytes = json_int(left->note, "max_bytes", 0);
	left->file_max = json_int(left->note, "file_max", 0);
	left->uid = json_int(left->note, "uid", -1);
	return (json_str(left->note, "repo") && json_str(left->note, "commit") &&
		json_str(left->note, "branch") && json_str(left->note, "target")) ||
	       err_set(err, E_CORRUPT, "%s: it does not say what the workspace was made from",
		       buf_cstr(&path));
}

static bool
left_find(struct left *left, const char *folder, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(auto_close) int tree = -1;

	buf_cat(&path, folder, "/tree");
	if (!note_read(left, folder, err) ||
	    !workspace_base_open(&left->base, json_str(left->note, "repo"),
				 json_str(left->note, "branch"), json_str(left->note, "commit"),
				 err))
		return false;
	tree = open(buf_cstr(&path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0)
		return err_set(err, E_NOT_FOUND,
			       "its workspace is gone (%s): it, or somebody, took it away",
			       strerrordesc_np(errno));
	left->err = err;
	return folder_look(left, tree, "", NULL, false, 0) && gone_look(left);
}

bool
workspace_left(const char *root, const char *id, json_t **ret, struct err *err)
{
	AUTO(buf_fini) struct buf folder = BUF_INIT;
	struct left left = {.logs = json_array()};
	bool ok;

	buf_cat(&folder, root, "/", id);
	ok = left_find(&left, buf_cstr(&folder), err);
	if (ok)
		*ret = left_lines(&left);
	for (size_t i = 0; i < left.count; i++) {
		free(left.items[i].path);
		json_decref(left.items[i].line);
	}
	free(left.items);
	workspace_files_free(&left.skipped);
	workspace_base_close(&left.base);
	json_decref(left.logs);
	json_decref(left.note);
	return ok;
}
