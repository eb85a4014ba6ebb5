/* Backup: an online copy, under its name only when it is whole; and its way back. And vacuum. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/uuid.h"
#include "store/internal.h"

struct copy {
	char *path, *part; /* part: the name while it is not whole */
};

static void
copy_fini(struct copy *copy)
{
	if (copy->part)
		unlink(copy->part);
	free(copy->part);
	free(copy->path);
}

static char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : str_dup(str_make(path, (size_t)(slash - path)));
}

static bool
part_make(struct copy *copy, const char *path, struct err *err)
{
	AUTO(buf_fini) struct buf part = BUF_INIT;
	struct stat st;
	if (!lstat(path, &st))
		return err_set(err, E_EXISTS, "%s exists already; a backup overwrites nothing",
			       path);
	if (errno != ENOENT)
		return err_errno(err, errno, "cannot make %s", path);
	copy->path = mem_strdup(path);
	buf_printf(&part, "%s%s.part-%llx", *path == '/' ? "" : "./", path,
		   (unsigned long long)entropy_below(UINT64_MAX));
	AUTO(auto_close)
	int fd = os.open(buf_cstr(&part), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, errno, "cannot make %s", buf_cstr(&part));
	copy->part = buf_take(&part);
	return true;
}

/* link() instead of rename(): it refuses a name that someone took meanwhile. */
static bool
part_publish(struct copy *copy, int64_t *ret_bytes, struct err *err)
{
	struct stat st;
	AUTO(auto_free) char *folder = folder_of(copy->path);
	AUTO(auto_close) int fd = os.open(copy->part, O_RDWR | O_CLOEXEC, 0);
	AUTO(auto_close) int dir = os.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0 || fstat(fd, &st) || os.fsync(fd))
		return err_errno(err, errno, "cannot sync %s", copy->part);
	if (link(copy->part, copy->path))
		return err_errno(err, errno, "cannot name the backup %s", copy->path);
	unlink(copy->part);
	free(TAKE(copy->part));
	if (dir < 0 || os.fsync(dir))
		return err_errno(err, errno, "cannot sync the folder %s", folder);
	*ret_bytes = st.st_size;
	return true;
}

static bool
copy_check(const char *path, struct err *err)
{
	struct driver_conn *conn;
	struct driver_stmt *stmt;
	const struct driver *d = &driver_sqlite;
	if (!d->open(path, DRIVER_READ, &conn, err))
		return false;
	bool ok = d->prepare(conn, "PRAGMA quick_check(1)", &stmt, err);
	if (ok) {
		ok = d->step(conn, stmt, err) == STEP_ROW;
		if (ok && !str_eq_cstr(d->column_text(stmt, 0), "ok"))
			ok = err_set(err, E_CORRUPT,
				     "the copy is not whole (%.*s); run rouse db check",
				     STR_ARG(d->column_text(stmt, 0)));
		d->finalize(stmt);
	}
	d->close(conn, true);
	return ok;
}

bool
store_backup(struct store *store, const char *path,
	     void (*progress)(void *arg, int done, int total), void *arg, int64_t *ret_bytes,
	     struct err *err)
{
	AUTO(copy_fini) struct copy copy = {NULL, NULL};
	struct driver_conn *conn;
	if (!part_make(&copy, path, err) ||
	    !store->driver->open(store->path, DRIVER_READ, &conn, err))
		return false;
	bool ok = store->driver->copy(conn, copy.part, progress, arg, err);
	store->driver->close(conn, true);
	return ok && copy_check(copy.part, err) && part_publish(&copy, ret_bytes, err);
}

bool
store_vacuum(struct store *store, struct err *err)
{
	if (store->reader)
		return err_set(err, E_STATE,
			       "this connection only reads; vacuum through the daemon's own");
	if (turn_is_due(store))
		return err_set(err, E_STATE, "a turn is open; vacuum between turns");
	if (store->broken.code != E_OK)
		return err_set(err, E_IO, "%s", err_text(&store->broken));
	statements_forget(store);
	if (!store->driver->script(store->conn, "VACUUM", err))
		return false;
	store_checkpoint(store);
	return true;
}

/* --- restoring --- */

/* Root restores for the user of the daemon: whose what was there is, or the folder. */
static void
part_own(const char *path, const char *part)
{
	AUTO(auto_free) char *folder = folder_of(path);
	struct stat st;

	if (geteuid() == 0 && (!stat(path, &st) || !stat(folder, &st)) &&
	    chown(part, st.st_uid, st.st_gid))
		errno = 0; /* the daemon says so when it may not open it */
}

/* Its log goes along, and before: an old log must never be read into the new file. */
static bool
aside_move(const char *path, struct buf *ret_aside, struct err *err)
{
	AUTO(buf_fini) struct buf log = BUF_INIT, log_aside = BUF_INIT, shared = BUF_INIT;
	struct wall now = clock_wall(clock_system());
	struct stat st;

	if (lstat(path, &st)) {
		if (errno != ENOENT)
			return err_errno(err, errno, "cannot look at %s", path);
	} else {
		buf_printf(ret_aside, "%s.before-%lld", path, (long long)now.ms);
		if (link(path, buf_cstr(ret_aside)))
			return err_errno(err, errno, "cannot keep %s as %s", path,
					 buf_cstr(ret_aside));
	}
	buf_cat(&log, path, "-wal");
	buf_cat(&shared, path, "-shm");
	buf_cat(&log_aside, ret_aside->len ? buf_cstr(ret_aside) : path,
		ret_aside->len ? "-wal" : ".before-wal");
	if (rename(buf_cstr(&log), buf_cstr(&log_aside)) && errno != ENOENT)
		return err_errno(err, errno, "cannot move %s away", buf_cstr(&log));
	unlink(buf_cstr(&shared));
	return true;
}

static bool
part_fill(const char *from, struct copy *copy, struct err *err)
{
	const struct driver *d = &driver_sqlite;
	AUTO(buf_fini) struct buf part = BUF_INIT;
	struct driver_conn *conn;
	bool ok;

	buf_printf(&part, "%s.restoring", copy->path);
	unlink(buf_cstr(&part));
	AUTO(auto_close)
	int fd = os.open(buf_cstr(&part), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, errno, "cannot make %s", buf_cstr(&part));
	copy->part = buf_take(&part);
	if (!d->open(from, DRIVER_READ, &conn, err))
		return false;
	ok = d->copy(conn, copy->part, NULL, NULL, err);
	d->close(conn, true);
	if (!ok || !copy_check(copy->part, err))
		return false;
	part_own(copy->path, copy->part);
	return !os.fsync(fd) || err_errno(err, errno, "cannot sync %s", copy->part);
}

bool
store_restore(const char *url, const char *from, struct buf *ret_aside, struct err *err)
{
	AUTO(copy_fini) struct copy copy = {NULL, NULL};
	AUTO(auto_close) int lock = -1;
	struct stat st, was;
	int64_t size = 0;

	if (!store_path_of(url, &copy.path, err))
		return false;
	if (stat(from, &st))
		return err_errno(err, errno, "cannot read the backup %s", from);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_STATE, "%s is no file; expected a backup of rouse db backup",
			       from);
	if (!stat(copy.path, &was) && was.st_dev == st.st_dev && was.st_ino == st.st_ino)
		return err_set(err, E_STATE, "%s is the database itself; expected a backup", from);
	if (!store_header_check(from, O_RDONLY, &size, err))
		return false;
	if (st.st_size == 0)
		return err_set(err, E_STATE, "%s is empty; expected a backup", from);
	if (!store_lock(copy.path, &lock, err) || !part_fill(from, &copy, err) ||
	    !aside_move(copy.path, ret_aside, err))
		return false;
	crash_point("restore-aside");
	if (rename(copy.part, copy.path))
		return err_errno(err, errno, "cannot name %s", copy.path);
	free(TAKE(copy.part));
	return store_folder_sync(copy.path, err);
}
