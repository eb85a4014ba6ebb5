/* Beneath: files below a folder, and never outside of it, whatever links lie in between. */
/* SPDX-License-Identifier: MIT */
#include "io/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/os.h"

#define PATH_BYTES 4095
#define PART_BYTES 255
/* Answered EAGAIN while somebody renames folders on the way. */
#define TRIES 32

static bool
part_check(struct str part, const char *path, struct err *err)
{
	if (!part.len || str_eq_cstr(part, ".") || str_eq_cstr(part, ".."))
		return err_set(err, E_INVALID,
			       "%s is no path below a folder; expected names with / between them, "
			       "none of them empty, . or ..",
			       path);
	if (part.len > PART_BYTES)
		return err_set(err, E_INVALID,
			       "a name in the path has %zu bytes; at most %d can be", part.len,
			       PART_BYTES);
	if (str_eq_nocase(part, STR(".git")))
		return err_set(err, E_INVALID,
			       "%s lies in a repository's own folder; that is git's to write",
			       path);
	return true;
}

bool
beneath_check(const char *path, struct err *err)
{
	struct str rest = str_of(path), part;

	if (!rest.len)
		return err_set(err, E_INVALID, "the path is empty");
	if (rest.len > PATH_BYTES)
		return err_set(err, E_INVALID, "the path has %zu bytes; at most %d can be",
			       rest.len, PATH_BYTES);
	for (size_t i = 0; i < rest.len; i++)
		if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
			return err_set(err, E_INVALID,
				       "byte %zu of the path is a control character", i + 1);
	while (rest.p) {
		rest = str_split(rest, '/', &part);
		if (!part_check(part, path, err))
			return false;
	}
	return true;
}

static int
open_failed(int errnum, const char *path, struct err *err)
{
	if (errnum == ENOENT || errnum == ENOTDIR)
		err_set(err, E_NOT_FOUND, "%s is not there", path);
	else if (errnum == ELOOP || errnum == EXDEV)
		err_set(err, E_DENIED,
			"%s leads through a link, or outside of the root; nothing there is touched",
			path);
	else if (errnum == EACCES || errnum == EPERM)
		err_set(err, E_DENIED, "%s: %s; the daemon's user needs to", path,
			strerror(errnum));
	else
		err_errno(err, errnum, "cannot open %s", path);
	return -1;
}

/* Kernels before 5.6, and filters that know no openat2: part by part. */
static int
walk_open(int root, const char *path, int flags)
{
	struct str rest = str_of(path), part;
	int at = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), next, saved;

	while (at >= 0 && rest.p) {
		AUTO(auto_free) char *name = NULL;
		bool last;

		rest = str_split(rest, '/', &part);
		last = !rest.p;
		name = str_dup(part);
		next = openat(at, name,
			      last ? flags | O_NOFOLLOW | O_CLOEXEC
				   : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		saved = errno;
		/* A link in between is no folder, to O_NOFOLLOW. */
		if (next < 0 && saved == ENOTDIR) {
			struct stat st;

			if (!fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
				saved = ELOOP;
		}
		close(at);
		errno = saved;
		at = next;
	}
	return at;
}

int
beneath_at(int root, const char *path, int flags)
{
	struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS};
	const char *what = *path ? path : ".";
	long fd = -1;

	for (int i = 0; i < TRIES; i++) {
		fd = syscall(SYS_openat2, root, what, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = walk_open(root, what, flags);
	return (int)fd;
}

int
beneath_open(int root, const char *path, int flags, struct err *err)
{
	int fd = beneath_at(root, path, flags);

	return fd >= 0 ? fd : open_failed(errno, *path ? path : ".", err);
}

static bool
folder_make(int root, const char *path, mode_t mode, struct err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	AUTO(auto_free)
	char *above = slash ? str_dup(str_make(path, (size_t)(slash - path))) : NULL;
	AUTO(auto_close)
	int fd = beneath_open(root, above ? above : "", O_RDONLY | O_DIRECTORY, err);

	if (fd < 0)
		return false;
	if (mkdirat(fd, name, mode) && errno != EEXIST)
		return err_errno(err, errno, "cannot make the folder %s", path);
	return !os.fsync(fd) || err_errno(err, errno, "cannot sync the folder above %s", path);
}

/* From the top down; what is there already is left as it is. */
static bool
folders_make(int root, const char *path, mode_t mode, struct err *err)
{
	for (size_t i = 0;; i++) {
		AUTO(auto_free) char *upto = NULL;
		AUTO(err_fini) struct err none = ERR_INIT;
		AUTO(auto_close) int fd = -1;

		if (path[i] && path[i] != '/')
			continue;
		upto = str_dup(str_make(path, i));
		fd = beneath_open(root, upto, O_PATH | O_DIRECTORY, &none);
		if (fd < 0 && none.code != E_NOT_FOUND)
			return err_move(err, &none);
		if (fd < 0 && !folder_make(root, upto, mode, err))
			return false;
		if (!path[i])
			return true;
	}
}

int
beneath_parent(int root, const char *path, bool make, mode_t mode, const char **ret_name,
	       struct err *err)
{
	const char *slash = strrchr(path, '/');
	AUTO(auto_free)
	char *folder = slash ? str_dup(str_make(path, (size_t)(slash - path))) : NULL;

	*ret_name = slash ? slash + 1 : path;
	if (folder && make && !folders_make(root, folder, mode, err))
		return -1;
	return beneath_open(root, folder ? folder : "", O_RDONLY | O_DIRECTORY, err);
}
