/* Used spool folders, kept to be used again: ext4 takes half a millisecond and more to make new
 * files where many were deleted a moment ago, and a tenth of that to write into files that are
 * there. */
/* SPDX-License-Identifier: MIT */
#include "io/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"

#define POOL_MAX 64

struct spool_pool {
	char *folder; /* ROOT/.free */
	unsigned count;
	unsigned retired; /* so far: a name for each */
};

/* What a folder may hold to be used again; the agent, who may be the same user, may have left more.
 */
static const struct {
	const char *name;
	bool log; /* appended to: must be empty at the start */
	bool fifo;
} parts[] = {{"job", false, false},	   {"shim", false, false}, {"agent", false, false},
	     {"status.new", false, false}, {"out", true, false},   {"err", true, false},
	     {"ctl", false, true}};

static char *
place(const struct spool_pool *pool, unsigned n)
{
	struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%u", pool->folder, n);
	return buf_take(&path);
}

struct spool_pool *
spool_pool_new(const char *root, struct err *err)
{
	struct spool_pool *pool = mem_alloc(sizeof(*pool));
	struct buf folder = BUF_INIT;

	buf_printf(&folder, "%s/.free", root);
	pool->folder = buf_take(&folder);
	if (os_remove_tree(pool->folder, err) && os_mkdirs(pool->folder, 0700, err))
		return pool;
	spool_pool_free(pool);
	return NULL;
}

void
spool_pool_free(struct spool_pool *pool)
{
	if (!pool)
		return;
	os_remove_tree(pool->folder, NULL);
	free(pool->folder);
	free(pool);
}

static bool
part_is_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (!strcmp(parts[i].name, name))
			return true;
	return false;
}

/* Nothing in it but our own files, each with one name. */
static bool
folder_is_ours(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	bool ours = listing != NULL;

	while (ours && (entry = readdir(listing)))
		ours = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		       part_is_known(entry->d_name);
	if (listing)
		closedir(listing);
	else if (copy >= 0)
		close(copy);
	return ours;
}

/* What stands in job (the environment) or in shim and agent (whose processes are gone) is written
 * over. Not cut to nothing: ext4 would write such a file to the disk at its next close. */
static bool
part_clean(int dir, size_t i)
{
	static const char nothing[256];
	AUTO(auto_close) int fd = -1;
	struct stat st;

	if (fstatat(dir, parts[i].name, &st, AT_SYMLINK_NOFOLLOW) || st.st_nlink != 1 ||
	    st.st_uid != geteuid() || (st.st_mode & 077))
		return false;
	if (parts[i].fifo)
		return S_ISFIFO(st.st_mode);
	if (!S_ISREG(st.st_mode))
		return false;
	fd = openat(dir, parts[i].name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	if (parts[i].log)
		return !st.st_size || !ftruncate(fd, 0);
	for (off_t at = 0; at < st.st_size; at += (off_t)sizeof(nothing)) {
		size_t left = (size_t)(st.st_size - at);

		if (pwrite(fd, nothing, left < sizeof(nothing) ? left : sizeof(nothing), at) < 0)
			return false;
	}
	return !ftruncate(fd, 1);
}

bool
spool_pool_clean(const char *dir)
{
	struct stat st;
	AUTO(auto_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fstat(fd, &st) || (st.st_mode & 077) ||
	    (unlinkat(fd, "unit", 0) && errno != ENOENT) ||
	    (renameat(fd, "status", fd, "status.new") && errno != ENOENT) || !folder_is_ours(fd))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (!part_clean(fd, i))
			return false;
	return true;
}

char *
spool_pool_retire(struct spool_pool *pool, const char *dir)
{
	struct buf path = BUF_INIT;

	if (!pool)
		return NULL;
	buf_printf(&path, "%s/used.%u", pool->folder, pool->retired++);
	if (!rename(dir, buf_cstr(&path)))
		return buf_take(&path);
	buf_fini(&path);
	return NULL;
}

bool
spool_pool_give(struct spool_pool *pool, const char *dir)
{
	AUTO(auto_free) char *path = NULL;

	if (!pool || pool->count >= POOL_MAX)
		return false;
	path = place(pool, pool->count);
	if (rename(dir, path))
		return false;
	pool->count++;
	return true;
}

bool
spool_pool_take(struct spool_pool *pool, const char *dir)
{
	AUTO(auto_free) char *path = NULL;

	if (!pool || !pool->count)
		return false;
	path = place(pool, --pool->count);
	/* A folder that is not empty is not replaced. */
	return !rename(path, dir);
}
