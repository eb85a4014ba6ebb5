/* Removing a tree that a stranger may have made: deep, forbidden, full of links, and changing. */
/* SPDX-License-Identifier: MIT */
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/uuid.h"

enum {
	DEPTH_MAX = 32,	   /* folders below this are moved up to the root: descriptors are few */
	PASSES_MAX = 1000, /* somebody goes on filling the folder */
};

struct tree {
	const char *path;
	int root; /* where deep folders are moved to */
	dev_t dev;
	struct err *err;
	unsigned raised; /* folders moved up so far */
};

static void
close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static bool
tree_fail(const struct tree *t, int why, const char *what, const char *name)
{
	return err_errno(t->err, why, "cannot %s %s in %s", what, name, t->path);
}

/* Opens a folder that may deny us: its owner may change that, through a descriptor, so that no link
 * put in its place is followed. -1 with errno. */
static int
open_folder(int at, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct stat st;
	int fd = openat(at, name, flags);
	if (fd < 0 && errno == EACCES) {
		AUTO(buf_fini) struct buf path = BUF_INIT;
		AUTO(auto_close)
		int handle = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (handle < 0)
			return -1;
		buf_printf(&path, "/proc/self/fd/%d", handle);
		if (chmod(buf_cstr(&path), 0700))
			return -1;
		fd = openat(at, name, flags);
	}
	/* Reading it is not enough to empty it; where this fails, unlinkat() will say so. */
	if (fd >= 0 && !fstat(fd, &st) && (st.st_mode & 0700) != 0700)
		(void)!fchmod(fd, 0700);
	return fd;
}

static bool empty_folder(struct tree *t, int take_fd, unsigned depth);

/* Too deep: it becomes a folder of the root, which is looked through once more. */
static bool
raise_folder(struct tree *t, int at, const char *name)
{
	AUTO(buf_fini) struct buf fresh = BUF_INIT;
	uint64_t nonce;
	entropy_fill(&nonce, sizeof(nonce));
	buf_printf(&fresh, ".rouse-%016llx.gone", (unsigned long long)nonce);
	t->raised++;
	if (!renameat(at, name, t->root, buf_cstr(&fresh)) || errno == ENOENT)
		return true;
	return tree_fail(t, errno, "move", name);
}

static bool
remove_folder(struct tree *t, int at, const char *name, unsigned depth)
{
	struct stat st;
	int fd = open_folder(at, name);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return true; /* Gone or replaced meanwhile: the next pass sees to it. */
	if (fd < 0)
		return tree_fail(t, errno, "open folder", name);
	if (fstat(fd, &st) || st.st_dev != t->dev) {
		close(fd);
		return tree_fail(t, EXDEV, "empty (another file system is mounted there)", name);
	}
	if (depth >= DEPTH_MAX) {
		close(fd);
		return raise_folder(t, at, name);
	}
	if (!empty_folder(t, fd, depth + 1))
		return false;
	if (!unlinkat(at, name, AT_REMOVEDIR) || errno == ENOENT || errno == ENOTEMPTY ||
	    errno == ENOTDIR)
		return true;
	return tree_fail(t, errno, "remove folder", name);
}

static bool
remove_entry(struct tree *t, int at, const char *name, unsigned depth)
{
	if (!unlinkat(at, name, 0) || errno == ENOENT)
		return true;
	/* Linux says EISDIR, POSIX EPERM; a file that may not be unlinked says EPERM too. */
	if (errno != EISDIR && errno != EPERM)
		return tree_fail(t, errno, "remove", name);
	int why = errno;
	struct stat st;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? true : tree_fail(t, errno, "look at", name);
	if (!S_ISDIR(st.st_mode))
		return why == EISDIR ? true : tree_fail(t, why, "remove", name);
	return remove_folder(t, at, name, depth);
}

/* Passes until one finds nothing: what is removed, moved or added meanwhile upsets readdir(). */
static bool
empty_folder(struct tree *t, int take_fd, unsigned depth)
{
	AUTO(close_dir) DIR *dir = fdopendir(take_fd);
	if (!dir) {
		int why = errno;
		close(take_fd);
		return tree_fail(t, why, "list", "a folder");
	}
	for (int pass = 0; pass < PASSES_MAX; pass++) {
		bool found = false;
		unsigned raised = t->raised;
		rewinddir(dir);
		for (;;) {
			errno = 0;
			struct dirent *entry = readdir(dir);
			if (!entry && errno)
				return tree_fail(t, errno, "list", "a folder");
			if (!entry)
				break;
			if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
				continue;
			found = true;
			if (!remove_entry(t, dirfd(dir), entry->d_name, depth))
				return false;
		}
		if (!found)
			return true;
		/* What was moved up here is our own doing. */
		pass -= t->raised != raised;
	}
	return err_set(t->err, E_IO,
		       "cannot empty %s: it is being filled meanwhile; stop what writes there",
		       t->path);
}

static bool
remove_root(const char *path, struct err *err)
{
	struct stat st;
	AUTO(auto_close) int root = open_folder(AT_FDCWD, path);
	if (root < 0 || fstat(root, &st))
		return err_errno(err, errno, "cannot remove %s", path);
	/* fdopendir() keeps the descriptor that it is given. */
	int own = fcntl(root, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return err_errno(err, errno, "cannot remove %s", path);
	struct tree tree = {path, root, st.st_dev, err, 0};
	if (!empty_folder(&tree, own, 0))
		return false;
	if (rmdir(path) && errno != ENOENT)
		return err_errno(err, errno, "cannot remove %s", path);
	return true;
}

bool
os_remove_tree(const char *path, struct err *err)
{
	size_t len = strlen(path);
	/* "link/" would mean what the link points to. */
	while (len && path[len - 1] == '/')
		len--;
	if (!len)
		return err_set(err, E_INVALID, "cannot remove '%s': expected a folder below /",
			       path);
	AUTO(auto_free) char *plain = mem_memdup(path, len);
	if (!unlink(plain) || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(err, errno, "cannot remove %s", plain);
	return remove_root(plain, err);
}
