/* Opening: the lock beside the file, what may be wrong with it, making and migrating it. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"
#include "store/internal.h"
#include "store/schema.h"

/* How long a lock that nobody holds is waited for. */
#define LOCK_LEFT_MS 5000
#define LOCK_PAUSE_MS 10
#define HEADER_BYTES 100
#define VERSION_AT 60	  /* big-endian, of the file format of SQLite: the user version */
#define APPLICATION_AT 68 /* and the application id */
/* A file up to here is read whole at start (about 0.2 s); beyond, `rouse db check` does it. */
#define CHECK_BYTES (64 << 20)

static const struct statement list[] = {
	[STORE_MAX_EVENT] = {"SELECT MAX(seq) FROM events", NULL},
	[STORE_MAX_RUN] = {"SELECT MAX(seq) FROM runs", NULL},
	[STORE_USED] = {"SELECT (p.page_count - f.freelist_count) * s.page_size FROM "
			"pragma_page_count p, pragma_freelist_count f, pragma_page_size s",
			NULL},
	[STORE_PROBE] = {"UPDATE probe SET n = n + 1", NULL},
	[STORE_VERSION] = {"PRAGMA user_version", NULL},
	[STORE_QUICK_CHECK] = {"PRAGMA quick_check(1)", NULL},
	[STORE_CHECK] = {"PRAGMA integrity_check(20)", NULL},
	[STORE_FOREIGN] = {"PRAGMA foreign_key_check", NULL},
};
_Static_assert(ARRAY_LEN(list) == STORE_STATEMENTS, "every statement has its SQL");
const struct statements store_statements = {"store", list, STORE_STATEMENTS};

/* --- the file before it is opened --- */

bool
store_path_of(const char *url, char **ret, struct err *err)
{
	struct str rest = str_of(url);
	if (str_starts(rest, STR("sqlite:")))
		rest = str_make(url + 7, rest.len - 7);
	else if (strstr(url, "://"))
		return err_set(err, E_CONFIG,
			       "store.url %s: expected sqlite:PATH; no other database is built in",
			       url);
	if (!rest.len)
		return err_set(
			err, E_CONFIG,
			"store.url %s: expected a path, as in sqlite:/var/lib/rouse/rouse.db", url);
	AUTO(buf_fini) struct buf path = BUF_INIT;
	/* SQLite would take "file:…" for a URI with options. */
	if (*rest.p != '/')
		buf_puts(&path, "./");
	buf_add_str(&path, rest);
	*ret = buf_take(&path);
	return true;
}

static bool
beside(const char *path, const char *suffix, struct stat *ret)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	buf_printf(&name, "%s%s", path, suffix);
	return stat(buf_cstr(&name), ret) == 0;
}

static bool
denied(int why)
{
	return why == EACCES || why == EPERM || why == EROFS;
}

static bool
open_failed(const char *path, int why, struct err *err)
{
	if (denied(why))
		return err_set(err, E_DENIED,
			       "may not open %s for writing: %s; expected a file and a folder that "
			       "the user of roused may write",
			       path, strerror(why));
	if (why == ENOENT)
		return err_set(err, E_NOT_FOUND,
			       "cannot make %s: its folder does not exist; make it first", path);
	return err_errno(err, why, "cannot open %s", path);
}

/* A roused that was killed while it started a program leaves its descriptors with the child, until
 * that has become the program: the lock is held by nobody who is there. */
static bool
lock_is_left(int fd)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	int64_t pid;

	return lseek(fd, 0, SEEK_SET) == 0 && os_read_fd(fd, 64, "lock", &text, NULL) &&
	       str_to_i64(str_trim(buf_str(&text)), &pid) && pid > 0 && kill((pid_t)pid, 0) &&
	       errno == ESRCH;
}

static bool
lock_wait(int fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};

	for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB); waited_ms += LOCK_PAUSE_MS) {
		if (errno != EWOULDBLOCK)
			return true;
		if (waited_ms >= LOCK_LEFT_MS || !lock_is_left(fd))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* One roused a database. The lock goes with the descriptor, so also with a process that was killed.
 */
bool
store_lock(const char *path, int *ret, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	buf_printf(&name, "%s.lock", path);
	AUTO(auto_close)
	int fd = os.open(buf_cstr(&name), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return open_failed(buf_cstr(&name), errno, err);
	if (!lock_wait(fd)) {
		lseek(fd, 0, SEEK_SET);
		os_read_fd(fd, 64, buf_cstr(&name), &text, NULL);
		struct str pid = str_trim(buf_str(&text));
		return err_set(err, E_EXISTS,
			       "%s is open in another roused%s%.*s; stop that one first", path,
			       pid.len ? ", process " : "", STR_ARG(pid));
	}
	buf_printf(&text, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, text.data, text.len, 0) < 0)
		errno = 0; /* only a help to people */
	*ret = fd;
	fd = -1;
	return true;
}

static uint32_t
number_at(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool
newer(const char *path, int64_t version, struct err *err)
{
	return err_set(err, E_STATE,
		       "%s has schema %lld; this version knows up to %d: run a newer roused, or "
		       "restore an older backup",
		       path, (long long)version, schema_version);
}

/* Looks at the first bytes only, before SQLite sees the file: what is not ours must stay as it is.
 */
bool
store_header_check(const char *path, int flags, int64_t *ret_size, struct err *err)
{
	unsigned char head[HEADER_BYTES] = {0};
	struct stat st;
	AUTO(auto_close) int fd = os.open(path, flags | O_CLOEXEC | O_NONBLOCK, 0);
	if (fd < 0)
		return open_failed(path, errno, err);
	if (fstat(fd, &st))
		return err_errno(err, errno, "cannot look at %s", path);
	*ret_size = st.st_size;
	ssize_t n = pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return err_errno(err, errno, "cannot read %s", path);
	if (!n)
		return true;
	if (n < HEADER_BYTES || memcmp(head, "SQLite format 3", 16) != 0)
		return err_set(
			err, E_STATE,
			"%s is no Rouse database: it does not begin as one; it was left as it is",
			path);
	if (number_at(head + APPLICATION_AT) != SCHEMA_APPLICATION_ID)
		return err_set(err, E_STATE,
			       "%s is the database of another program (application id %u); it was "
			       "left as it is",
			       path, number_at(head + APPLICATION_AT));
	if (number_at(head + VERSION_AT) > (uint32_t)schema_version)
		return newer(path, number_at(head + VERSION_AT), err);
	return true;
}

/* --- making and migrating --- */

bool
store_folder_sync(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	AUTO(auto_free) char *folder = str_dup(str_make(path, (size_t)(slash - path) + 1));
	AUTO(auto_close) int fd = os.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0 || os.fsync(fd))
		return err_errno(err, errno, "cannot sync the folder %s", folder);
	return true;
}

/* All steps that are missing, in one transaction. */
static bool
migrate(struct store *store, int64_t from, struct err *err)
{
	AUTO(buf_fini) struct buf number = BUF_INIT;
	if (from == schema_version)
		return true;
	if (!store->driver->begin(store->conn, err))
		return false;
	store->driver->guard(store->conn, false);
	bool ok = true;
	for (int i = (int)from; ok && i < schema_version; i++) {
		ok = store->driver->script(store->conn, schema_migrations[i].sql, err);
		if (!ok)
			err_prefix(err, "schema step %s", schema_migrations[i].name);
	}
	store->driver->guard(store->conn, true);
	buf_printf(&number, "PRAGMA application_id = %d; PRAGMA user_version = %d",
		   SCHEMA_APPLICATION_ID, schema_version);
	if (ok && store->driver->script(store->conn, buf_cstr(&number), err) &&
	    store->driver->commit(store->conn, err))
		return true;
	store->driver->rollback(store->conn);
	return false;
}

static void
conn_close(struct store *store, bool keep_log)
{
	statements_forget(store);
	store->driver->close(store->conn, keep_log);
	store->conn = NULL;
}

/* Under another name, so that a death midway leaves no half-made database. */
static bool
file_make(struct store *store, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	struct stat st;
	buf_printf(&name, "%s.new", store->path);
	unlink(buf_cstr(&name));
	AUTO(auto_close)
	int fd = os.open(buf_cstr(&name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return open_failed(store->path, errno, err);
	bool ok = store->driver->open(buf_cstr(&name), DRIVER_WRITE, &store->conn, err);
	if (ok) {
		ok = migrate(store, 0, err);
		conn_close(store, false);
	}
	if (ok && beside(buf_cstr(&name), "-wal", &st) && st.st_size)
		ok = err_set(err, E_IO, "cannot make %s: its log did not reach it", store->path);
	if (ok && (os.fsync(fd) || rename(buf_cstr(&name), store->path)))
		ok = err_errno(err, errno, "cannot make %s", store->path);
	if (!ok) {
		unlink(buf_cstr(&name));
		return false;
	}
	return store_folder_sync(store->path, err);
}

/* An old log must never be replayed into a new file. */
static bool
file_ensure(struct store *store, int64_t *ret_size, struct err *err)
{
	struct stat st;
	bool there = beside(store->path, "", &st);
	if (!there && errno != ENOENT)
		return open_failed(store->path, errno, err);
	if (there && st.st_size)
		return store_header_check(store->path, O_RDWR, ret_size, err);
	if (beside(store->path, "-wal", &st) && st.st_size)
		return err_set(err, E_STATE,
			       "%s is missing or empty, but its log %s-wal is there: put the "
			       "database back, or move the log away",
			       store->path, store->path);
	*ret_size = 0;
	return file_make(store, err);
}

/* --- open --- */

static bool
first_word(struct store *store, int statement, struct buf *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_STORE, statement, err);
	if (!q || query_step(q, err) != STEP_ROW)
		return false;
	buf_add_str(ret, query_get_text(q, 0));
	return true;
}

/* SQLite notices what is wrong with a page when it reads it. A small file is read whole now; of a
 * large one the header, the schema and the newest rows. */
static bool
content_check(struct store *store, int64_t size, struct err *err)
{
	AUTO(buf_fini) struct buf word = BUF_INIT;
	if (size <= CHECK_BYTES) {
		if (!first_word(store, STORE_QUICK_CHECK, &word, err))
			return false;
		if (strcmp(buf_cstr(&word), "ok") != 0)
			return err_set(err, E_CORRUPT, "quick_check: %s", buf_cstr(&word));
	}
	return store_next_seq(store, &store->next_event, STORE_MAX_EVENT, err) &&
	       store_next_seq(store, &store->next_run, STORE_MAX_RUN, err);
}

static bool
version_check(struct store *store, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_STORE, STORE_VERSION, err);
	int64_t version;
	if (!q || !query_number(q, 0, &version, err))
		return false;
	if (version > schema_version)
		return newer(store->path, version, err);
	query_end(&q);
	return migrate(store, version, err);
}

bool
store_next_seq(struct store *store, int64_t *next, int statement, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_STORE, statement, err);
	if (!q || !query_number(q, 0, next, err))
		return false;
	++*next;
	return true;
}

bool
store_answers(struct store *store, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_STORE, STORE_MAX_EVENT, err);
	int64_t newest;
	return q && query_number(q, 0, &newest, err);
}

static bool
open_all(struct store *store, struct err *err)
{
	int64_t size = 0;
	struct stat st;
	if (beside(store->path, "", &st) && !S_ISREG(st.st_mode))
		return err_set(err, E_STATE, "%s is no file; expected a Rouse database",
			       store->path);
	if (!store_lock(store->path, &store->lock, err) || !file_ensure(store, &size, err))
		return false;
	if (store->driver->open(store->path, DRIVER_WRITE, &store->conn, err) &&
	    version_check(store, err) && content_check(store, size, err) && keys_load(store, err))
		return true;
	if (err->code == E_CORRUPT) {
		AUTO(err_fini) struct err why = ERR_INIT;
		err_move(&why, err);
		err_set(err, E_CORRUPT,
			"%s is corrupt (%s); it was left as it is: restore a backup, or salvage it "
			"with sqlite3's .recover",
			store->path, err_text(&why));
	}
	return false;
}

static struct store *
store_new(void)
{
	struct store *store = mem_alloc(sizeof(*store));
	store->driver = &driver_sqlite;
	store->lock = -1;
	store->last_commit = clock_mono(clock_system());
	return store;
}

static void
store_free(struct store *store, bool keep_log)
{
	if (!store)
		return;
	if (store->conn) {
		if (store->open)
			store->driver->rollback(store->conn);
		conn_close(store, keep_log);
	}
	keys_free(store);
	err_fini(&store->failed);
	err_fini(&store->broken);
	free(store->afters.list);
	free(store->running.list);
	buf_fini(&store->redo);
	auto_close(&store->lock);
	free(store->path);
	free(store);
}

bool
store_open(const char *url, struct store **ret, struct err *err)
{
	struct err why = ERR_INIT;
	struct store *store = store_new();
	if (store_path_of(url, &store->path, &why) && open_all(store, &why)) {
		*ret = store;
		return true;
	}
	/* What cannot be used is not touched either: its log stays beside it. */
	store_free(store, true);
	return err_move(err, &why);
}

bool
store_open_reader(const struct store *store, struct store **ret, struct err *err)
{
	struct store *reader = store_new();
	reader->reader = true;
	reader->path = mem_strdup(store->path);
	if (!reader->driver->open(reader->path, DRIVER_READ, &reader->conn, err)) {
		store_free(reader, true);
		return false;
	}
	*ret = reader;
	return true;
}

/* After a failing disk the log is left to the next start, which reads what is truly there. */
void
store_close(struct store *store)
{
	if (store)
		store_free(store, store->reader || store->broken.code != E_OK);
}

int64_t
store_used_bytes(struct store *store)
{
	if (store->used && store->used_commits == store->stats.commits)
		return store->used;
	AUTO(query_end) struct query *q = query_read(store, ROOM_STORE, STORE_USED, NULL);
	if (q && query_number(q, 0, &store->used, NULL))
		store->used_commits = store->stats.commits;
	return store->used;
}

struct store_stats
store_stats(struct store *store)
{
	struct store_stats stats = store->stats;
	struct stat st;
	stats.file_bytes = beside(store->path, "", &st) ? st.st_size : 0;
	stats.wal_bytes = beside(store->path, "-wal", &st) ? st.st_size : 0;
	return stats;
}
