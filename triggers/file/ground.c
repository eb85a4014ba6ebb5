/* Ground: a watched root, as threads may look at it: descriptors and what is in sight. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "io/beneath.h"
#include "pure/glob.h"

/* statfs(2), and the kernel's own headers for those that it does not list. */
static const struct {
	uint32_t magic;
	const char *name;
} remotes[] = {
	{0x6969, "NFS"},	   {0xff534d42, "CIFS"},   {0xfe534d42, "SMB"},
	{0x517b, "SMB"},	   {0x65735546, "FUSE"},   {0x01021997, "9p"},
	{0x794c7630, "overlayfs"}, {0x00c36400, "Ceph"},   {0x5346414f, "AFS"},
	{0x6b414653, "AFS"},	   {0x73757245, "Coda"},   {0x47504653, "GPFS"},
	{0x0bd00bd0, "Lustre"},	   {0x786f4256, "vboxsf"}, {0xbacbacbc, "vmhgfs"},
};

static char **
strings_copy(char *const *strings)
{
	size_t count = 0;
	char **copy;

	while (strings && strings[count])
		count++;
	copy = mem_alloc_array(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = mem_strdup(strings[i]);
	return copy;
}

static void
strings_free(char **strings)
{
	for (size_t i = 0; strings && strings[i]; i++)
		free(strings[i]);
	free(strings);
}

void
sight_copy(struct sight *ret, const struct sight *sight)
{
	*ret = *sight;
	ret->match = strings_copy(sight->match);
	ret->ignore = strings_copy(sight->ignore);
}

void
sight_fini(struct sight *sight)
{
	strings_free(sight->match);
	strings_free(sight->ignore);
	sight->match = sight->ignore = NULL;
}

static bool
any_matches(char *const *globs, struct str path)
{
	for (size_t i = 0; globs && globs[i]; i++)
		if (glob_match_path(str_of(globs[i]), path))
			return true;
	return false;
}

bool
sight_has_file(const struct sight *sight, struct str path)
{
	return (!sight->match || !sight->match[0] || any_matches(sight->match, path)) &&
	       !any_matches(sight->ignore, path);
}

bool
sight_has_folder(const struct sight *sight, struct str path)
{
	return sight->recursive && !any_matches(sight->ignore, path);
}

const char *
ground_remote(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(remotes); i++)
		if ((uint32_t)fs.f_type == remotes[i].magic)
			return remotes[i].name;
	return NULL;
}

bool
ground_open(const char *path, int notify, const struct sight *sight, struct ground **ret,
	    struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	struct ground *ground;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return err_set(
			err, E_NOT_FOUND,
			"folder %s is not there; it is waited for and looked at when it comes",
			path);
	if (fd < 0 && errno == ENOTDIR)
		return err_set(err, E_INVALID,
			       "%s is no folder; path names the folder that files come to, and "
			       "match the files",
			       path);
	if (fd < 0)
		return err_errno(err, errno, "cannot open folder %s", path);
	if (fstat(fd, &st)) {
		err_errno(err, errno, "cannot look at folder %s", path);
		close(fd);
		return false;
	}
	ground = mem_alloc(sizeof(*ground));
	*ground = (struct ground){.refs = 1, .path = mem_strdup(path), .fd = fd};
	/* Threads may still add watches when the trigger has ended: on a descriptor of their own.
	 */
	ground->notify = notify < 0 ? -1 : fcntl(notify, F_DUPFD_CLOEXEC, 3);
	ground->real = realpath(path, NULL);
	if (!ground->real)
		ground->real = mem_strdup(path);
	ground->device = st.st_dev;
	ground->inode = st.st_ino;
	ground->is_remote = ground_remote(fd) != NULL;
	sight_copy(&ground->sight, sight);
	*ret = ground;
	return true;
}

struct ground *
ground_ref(struct ground *ground)
{
	ground->refs++;
	return ground;
}

void
ground_unref(struct ground *ground)
{
	if (!ground || --ground->refs)
		return;
	close(ground->fd);
	if (ground->notify >= 0)
		close(ground->notify);
	sight_fini(&ground->sight);
	free(ground->path);
	free(ground->real);
	free(ground);
}

bool
ground_is_there(const struct ground *ground)
{
	struct stat st;

	return !stat(ground->path, &st) && st.st_dev == ground->device &&
	       st.st_ino == ground->inode;
}

int
ground_at(const struct ground *ground, const char *path, int flags)
{
	return beneath_at(ground->fd, path, flags);
}
