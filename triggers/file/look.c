/* Look: what is there now: one path, or the names of folders. For work threads; blocks. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "triggers/file/watch.h"

/* Beyond this a time that lies ahead is another clock's, or was set by hand. */
#define TICK_NS 10000000

static int64_t
clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Times that 64 bits cannot hold in nanoseconds (beyond the year 2262) are all the last one. */
static int64_t
stamp_ns(const struct statx_timestamp *t)
{
	int64_t ns;

	if (__builtin_mul_overflow(t->tv_sec, 1000000000, &ns) ||
	    __builtin_add_overflow(ns, t->tv_nsec, &ns))
		return t->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static bool
stat_of(int fd, const char *name, struct statx *ret)
{
	return !statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH),
		      STATX_BASIC_STATS | STATX_BTIME, ret);
}

static void
version_of(const struct statx *st, struct version *ret)
{
	ret->inode = st->stx_ino;
	ret->size = st->stx_size;
	ret->mtime_ns = stamp_ns(&st->stx_mtime);
}

static int64_t
born_of(const struct statx *st)
{
	return st->stx_mask & STATX_BTIME ? stamp_ns(&st->stx_btime) : 0;
}

/* A descriptor of O_PATH opened for reading, without asking a name again. */
static int
reopen(int fd)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_printf(&path, "/proc/self/fd/%d", fd);
	return open(buf_cstr(&path), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* A read lease is given only where nobody has the file open for writing (fcntl(2)). Who comes just
 * now waits for the microseconds until it is given back; he is told by a signal that means nothing.
 */
static void
writers_look(int fd, struct look *look)
{
	(void)fcntl(fd, F_SETSIG, SIGURG);
	if (!fcntl(fd, F_SETLEASE, F_RDLCK)) {
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
		look->open_known = true;
	} else if (errno == EAGAIN) {
		look->is_open = look->open_known = true;
	}
}

/* Reads the file to its end: into the hash, and into bytes where these are wanted. */
static bool
file_read(int fd, EVP_MD_CTX *hash, struct buf *bytes)
{
	enum { PIECE = 65536 };
	char *piece = mem_alloc(PIECE);
	int64_t left = HASH_MAX;
	ssize_t n = 0;

	while (left > 0) {
		n = read(fd, piece, PIECE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		left -= n;
		EVP_DigestUpdate(hash, piece, (size_t)n);
		if (!bytes)
			continue;
		if (!buf_try_reserve(bytes, (size_t)n)) {
			n = -1;
			break;
		}
		buf_add(bytes, piece, (size_t)n);
	}
	free(piece);
	return n == 0;
}

/* The hash (and content) of a file, only if it was the same before and after. */
static bool
file_hash(int fd, struct version *version, struct buf *bytes, bool *ret_moving)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	struct version after = {0};
	struct statx st;
	bool ok = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
		  file_read(fd, hash, bytes) && EVP_DigestFinal_ex(hash, version->hash, NULL) == 1;

	EVP_MD_CTX_free(hash);
	if (!stat_of(fd, "", &st))
		return false;
	version_of(&st, &after);
	*ret_moving = !version_same(version, &after);
	version->hashed = ok && !*ret_moving;
	return version->hashed;
}

static void
content_look(const struct ground *ground, int fd, struct look *look)
{
	bool fits = look->content && (int64_t)look->version.size <= ground->sight.max_content;

	if ((!look->hash && !look->content) || (int64_t)look->version.size > HASH_MAX)
		return;
	look->has_bytes =
		file_hash(fd, &look->version, fits ? &look->bytes : NULL, &look->is_moving) && fits;
	if (!look->has_bytes)
		buf_clear(&look->bytes);
}

/* How long until a write would leave another time than the one that is there. */
static int64_t
tick_left(int64_t mtime_ns)
{
	int64_t now = clock_ns(CLOCK_REALTIME), coarse = clock_ns(CLOCK_REALTIME_COARSE);

	struct timespec tick;

	if (mtime_ns > now + TICK_NS || mtime_ns < coarse)
		return 0;
	clock_getres(CLOCK_REALTIME_COARSE, &tick);
	return coarse + tick.tv_nsec > now ? coarse + tick.tv_nsec - now : tick.tv_nsec;
}

static bool
is_nothing(int errnum)
{
	return errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP || errnum == ENAMETOOLONG ||
	       errnum == EXDEV;
}

static bool
path_is_there(const struct ground *ground, const char *path)
{
	int fd = ground_at(ground, path, O_PATH | O_NOFOLLOW);
	struct statx st;
	bool there = fd >= 0 && stat_of(fd, "", &st) && S_ISREG(st.stx_mode);

	if (fd >= 0)
		close(fd);
	return there;
}

void
look_at(const struct ground *ground, struct look *look)
{
	AUTO(auto_close) int fd = ground_at(ground, look->path, O_PATH | O_NOFOLLOW);
	AUTO(auto_close) int file = -1;
	struct statx st;

	look->from_is_there = look->from && path_is_there(ground, look->from);
	if (fd < 0 || !stat_of(fd, "", &st)) {
		look->found = is_nothing(errno) ? LOOK_NOTHING : LOOK_FAILED;
		look->errnum = errno;
		return;
	}
	look->found = S_ISREG(st.stx_mode) ? LOOK_FILE : LOOK_NOTHING;
	if (look->found == LOOK_NOTHING)
		return;
	version_of(&st, &look->version);
	look->mode = st.stx_mode & 07777;
	look->links = st.stx_nlink;
	look->ctime_ns = stamp_ns(&st.stx_ctime);
	look->born_ns = born_of(&st);
	look->age_ms = (clock_ns(CLOCK_REALTIME) - look->ctime_ns) / 1000000;
	look->wait_ns = tick_left(look->version.mtime_ns);
	file = reopen(fd);
	if (file < 0)
		return;
	writers_look(file, look);
	if (!look->is_open && !look->wait_ns)
		content_look(ground, file, look);
}

void
look_fini(struct look *look)
{
	free(look->path);
	free(look->from);
	buf_fini(&look->bytes);
}

/* --- folders ------------------------------------------------------------------------------- */

/* More names than this of one folder are taken in several passes, by their hashes. */
#define NAMES_MAX 65536

static int
listed_order(const void *a, const void *b)
{
	return pack_order(&((const struct listed *)a)->entry, &((const struct listed *)b)->entry);
}

/* Drops the upper half of the hashes: they are for the next pass. Names are offsets still. */
static void
names_halve(struct listing *listing)
{
	size_t kept = 0;

	listing->to = listing->from + (listing->to - listing->from) / 2;
	listing->found = LISTED_SOME;
	for (size_t i = 0; i < listing->count; i++)
		if (listing->names[i].entry.hash <= listing->to)
			listing->names[kept++] = listing->names[i];
	listing->count = kept;
}

static void
name_add(struct listing *listing, size_t *room, struct listed listed)
{
	struct str name = listed.entry.name;

	if (listing->count == *room) {
		*room = *room ? *room * 2 : 64;
		listing->names = mem_realloc(listing->names, *room * sizeof(*listing->names));
	}
	/* The bytes may move: a place for now, a pointer when all are there. */
	listed.entry.name.p = (const char *)listing->bytes.len;
	buf_add_str(&listing->bytes, name);
	listing->names[listing->count++] = listed;
	while (listing->count > NAMES_MAX && listing->from < listing->to)
		names_halve(listing);
}

/* One name: false when it is none of ours. */
static bool
name_look(const struct ground *ground, int dir, const struct dirent *d, struct str path,
	  struct listed *listed)
{
	struct statx st;
	AUTO(auto_close) int fd = -1;
	bool moving;

	if (d->d_type != DT_REG && d->d_type != DT_DIR && d->d_type != DT_UNKNOWN)
		return false;
	if (d->d_type == DT_DIR && !sight_has_folder(&ground->sight, path))
		return false;
	if (d->d_type == DT_REG && !sight_has_file(&ground->sight, path))
		return false;
	listed->is_folder = d->d_type == DT_DIR;
	if (listed->is_folder)
		return true;
	if (!stat_of(dir, d->d_name, &st))
		return false;
	listed->is_folder = S_ISDIR(st.stx_mode);
	if (listed->is_folder)
		return sight_has_folder(&ground->sight, path);
	if (!S_ISREG(st.stx_mode) || !sight_has_file(&ground->sight, path))
		return false;
	version_of(&st, &listed->entry.version);
	listed->ctime_ns = stamp_ns(&st.stx_ctime);
	listed->born_ns = born_of(&st);
	if (!ground->sight.hash || (int64_t)st.stx_size > HASH_MAX)
		return true;
	fd = openat(dir, d->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		file_hash(fd, &listed->entry.version, NULL, &moving);
	return true;
}

static void
names_read(const struct ground *ground, DIR *dir, struct listing *listing)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	size_t room = 0, base;
	struct dirent *d;

	buf_puts(&path, listing->path);
	if (path.len)
		buf_putc(&path, '/');
	base = path.len;
	errno = 0;
	while ((d = readdir(dir))) {
		struct listed listed = {.entry.name = str_of(d->d_name)};

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		listed.entry.hash = pack_hash(listed.entry.name);
		if (listed.entry.hash < listing->from || listed.entry.hash > listing->to)
			continue;
		buf_truncate(&path, base);
		buf_puts(&path, d->d_name);
		if (name_look(ground, dirfd(dir), d, buf_str(&path), &listed))
			name_add(listing, &room, listed);
		errno = 0;
	}
	if (errno) {
		/* A folder that was removed while it was read says so. */
		listing->found = is_nothing(errno) ? LISTED_GONE : LISTED_FAILED;
		listing->errnum = errno;
	}
	for (size_t i = 0; i < listing->count; i++)
		listing->names[i].entry.name.p =
			listing->bytes.data + (size_t)listing->names[i].entry.name.p;
	if (listing->count)
		qsort(listing->names, listing->count, sizeof(*listing->names), listed_order);
}

/* By the descriptor, so that no name can lead elsewhere meanwhile. */
static void
folder_watch(const struct ground *ground, int fd, struct listing *listing)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_printf(&path, "/proc/self/fd/%d", fd);
	listing->wd = inotify_add_watch(ground->notify, buf_cstr(&path), WATCH_MASK);
	listing->watch_errno = listing->wd < 0 ? errno : 0;
}

static void
folder_list(const struct ground *ground, struct listing *listing)
{
	int fd = ground_at(ground, listing->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
	DIR *dir;

	listing->found = LISTED_ALL;
	listing->to = UINT32_MAX;
	if (fd < 0) {
		listing->errnum = errno;
		listing->found = errno == EACCES     ? LISTED_DENIED
				 : is_nothing(errno) ? LISTED_GONE
						     : LISTED_FAILED;
		return;
	}
	if (listing->watch && ground->notify >= 0)
		folder_watch(ground, fd, listing);
	dir = fdopendir(fd);
	if (!dir) {
		listing->errnum = errno;
		listing->found = LISTED_FAILED;
		close(fd);
		return;
	}
	names_read(ground, dir, listing);
	closedir(dir);
}

void
look_list(const struct ground *ground, struct listing *listings, size_t count, size_t enough)
{
	size_t names = 0;

	for (size_t i = 0; i < count; i++) {
		listings[i].wd = -1;
		listings[i].found = LISTED_NOT;
	}
	for (size_t i = 0; i < count && names < enough; i++) {
		folder_list(ground, &listings[i]);
		names += listings[i].count + 1;
	}
}

void
listing_fini(struct listing *listing)
{
	free(listing->path);
	free(listing->names);
	buf_fini(&listing->bytes);
}
