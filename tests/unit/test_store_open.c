/* Opening what may be anything: new, newer, corrupt, foreign, locked, not ours to write. Backup,
 * check, readers. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/schema.h"
#include "tests/unit/test_store_help.h"

/* The code that opening gives; E_OK closes it again. */
static enum err_code
opens(const char *path, struct err *err)
{
	struct store *store = NULL;
	err_fini(err);
	*err = (struct err)ERR_INIT;
	if (!store_open(path, &store, err))
		return err->code;
	store_close(store);
	return E_OK;
}

static char *
bytes_of(const char *path)
{
	struct buf b = BUF_INIT, hex = BUF_INIT;
	if (os_read_file(path, 64 << 20, &b, NULL))
		hex_encode(&hex, buf_str(&b));
	buf_fini(&b);
	buf_putc(&hex, '.');
	return buf_take(&hex);
}

static void
patch(const char *path, off_t at, const void *p, size_t len)
{
	int fd = open(path, O_RDWR);
	if (fd < 0 || pwrite(fd, p, len, at) != (ssize_t)len)
		abort();
	close(fd);
}

static char *
made(const char *name, int events)
{
	struct store *store = help_open(name);
	for (int i = 0; i < events; i++)
		help_event(store, "t", "ran", 0);
	turn_end(store);
	store_close(store);
	return mem_strdup(help_path(name));
}

static void
test_files(void)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("makes a missing file for its user alone, and finds it again") {
		struct stat st;
		AUTO(auto_free) char *path = made("new.db", 3);
		CHECK(!stat(path, &st));
		CHECK_INT(st.st_mode & 0777, 0600);
		CHECK_INT(help_number(path, "SELECT COUNT(*) FROM events"), 3);
		CHECK_INT(help_number(path, "PRAGMA application_id"), 0x726f7573);
		AUTO(buf_fini) struct buf url = BUF_INIT;
		buf_printf(&url, "sqlite:%s", path);
		CHECK_INT(opens(buf_cstr(&url), &err), E_OK);
	}
	IT ("keeps the promises of the disk: WAL, FULL, foreign keys") {
		struct store *store = help_open("new.db");
		static const struct {
			const char *pragma, *want;
		} list[] = {{"PRAGMA journal_mode", "wal"},    {"PRAGMA synchronous", "2"},
			    {"PRAGMA foreign_keys", "1"},      {"PRAGMA trusted_schema", "0"},
			    {"PRAGMA cell_size_check", "1"},   {"PRAGMA mmap_size", "0"},
			    {"PRAGMA wal_autocheckpoint", "0"}};
		for (size_t i = 0; i < ARRAY_LEN(list); i++) {
			struct driver_stmt *stmt;
			CHECK(store->driver->prepare(store->conn, list[i].pragma, &stmt, &err));
			bool row = store->driver->step(store->conn, stmt, &err) == STEP_ROW;
			CHECK_STR(row ? store->driver->column_text(stmt, 0).p : NULL, list[i].want);
			store->driver->finalize(stmt);
		}
		store_close(store);
	}
	IT ("takes an empty file for a new one") {
		const char *path = help_path("empty.db");
		close(open(path, O_CREAT | O_WRONLY, 0600));
		CHECK_INT(opens(path, &err), E_OK);
	}
	IT ("refuses a folder that is not there, another kind of database, no path") {
		CHECK_INT(opens("/tmp/no/such/folder/x.db", &err), E_NOT_FOUND);
		CHECK_INT(opens("postgresql://host/db", &err), E_CONFIG);
		CHECK_INT(opens("sqlite:", &err), E_CONFIG);
		CHECK_INT(opens("/tmp", &err), E_STATE);
	}
	IT ("refuses a newer schema, and leaves the file as it is") {
		AUTO(auto_free) char *path = made("newer.db", 1);
		patch(path, 60, "\0\0\0\x63", 4);
		AUTO(auto_free) char *before = bytes_of(path);
		CHECK_INT(opens(path, &err), E_STATE);
		CHECK(strstr(err_text(&err), "schema 99") != NULL);
		AUTO(auto_free) char *after = bytes_of(path);
		CHECK(!strcmp(before, after));
	}
	IT ("refuses what is no Rouse database, and leaves it as it is") {
		static const char *const contents[] = {
			"hello", "SQLite format 3",
			"{\"not\":\"a database, but a long enough text that it "
			"could be the header of one, one hundred bytes\"}                    "};
		for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
			const char *path = help_path("foreign.db");
			CHECK(os_write_file(path, str_of(contents[i]), 0600, &err));
			AUTO(auto_free) char *before = bytes_of(path);
			CHECK_INT(opens(path, &err), E_STATE);
			AUTO(auto_free) char *after = bytes_of(path);
			CHECK(!strcmp(before, after));
		}
		AUTO(auto_free) char *path = made("other.db", 1);
		patch(path, 68, "GPKG", 4);
		CHECK_INT(opens(path, &err), E_STATE);
		CHECK(strstr(err_text(&err), "another program") != NULL);
	}
	IT ("reports a corrupt file, and never overwrites it") {
		int refused = 0, changed = 0;
		AUTO(auto_free) char *path = made("corrupt.db", 300);
		AUTO(buf_fini) struct buf whole = BUF_INIT;
		CHECK(os_read_file(path, 64 << 20, &whole, &err));
		static const off_t places[] = {100, 105, 4096, 4096 * 3, 4096 * 9 + 3, 4096 * 20};
		for (size_t i = 0; i < ARRAY_LEN(places); i++) {
			char junk[64];
			memset(junk, 0xa5, sizeof(junk));
			CHECK(os_write_file(path, buf_str(&whole), 0600, &err));
			patch(path, places[i], junk, sizeof(junk));
			AUTO(auto_free) char *before = bytes_of(path);
			enum err_code code = opens(path, &err);
			refused += code == E_CORRUPT;
			AUTO(auto_free) char *after = bytes_of(path);
			changed += code != E_OK && strcmp(before, after) != 0;
		}
		CHECK(refused >= 5);
		CHECK_INT(changed, 0);
	}
	IT ("reports a truncated file") {
		AUTO(auto_free) char *path = made("short.db", 300);
		struct stat st;
		CHECK(!stat(path, &st) && !truncate(path, st.st_size / 2));
		CHECK_INT(opens(path, &err), E_CORRUPT);
	}
	IT ("refuses to put an old log under a new file") {
		AUTO(buf_fini) struct buf log = BUF_INIT;
		buf_printf(&log, "%s-wal", help_path("gone.db"));
		CHECK(os_write_file(buf_cstr(&log), STR("some log"), 0600, &err));
		CHECK_INT(opens(help_path("gone.db"), &err), E_STATE);
	}
	IT ("refuses a file that is open already, naming the process") {
		struct store *store = help_open("new.db");
		CHECK_INT(opens(help_path("new.db"), &err), E_EXISTS);
		char pid[32];
		snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
		CHECK(strstr(err_text(&err), pid) != NULL);
		help_event(store, "t", "ran", 0);
		turn_end(store);
		CHECK(!store_stats(store).failed_commits);
		store_close(store);
		CHECK_INT(opens(help_path("new.db"), &err), E_OK);
	}
	IT ("waits for a lock that the child of a killed one holds for a moment") {
		AUTO(auto_free) char *path = made("left.db", 1);
		AUTO(buf_fini) struct buf lock = BUF_INIT;
		int gone[2];
		buf_printf(&lock, "%s.lock", path);
		CHECK(!pipe(gone));
		fflush(stdout);
		/* One that opens it and is gone; its child has the descriptors, and goes later. */
		pid_t pid = fork();
		if (!pid) {
			struct store *store;
			if (!store_open(path, &store, &err) || fork())
				_exit(0);
			close(gone[0]);
			usleep(300000);
			_exit(0);
		}
		close(gone[1]);
		waitpid(pid, NULL, 0);
		CHECK_INT(opens(path, &err), E_OK);
		char byte;
		CHECK_INT(read(gone[0], &byte, 1), 0); /* it was there until then */
		close(gone[0]);
	}
	IT ("refuses a file that it may not write") {
		AUTO(auto_free) char *path = made("denied.db", 1);
		int status = 0;
		chmod(help_folder, 0755);
		chmod(path, 0444);
		AUTO(buf_fini) struct buf lock = BUF_INIT;
		buf_printf(&lock, "%s.lock", path);
		chmod(buf_cstr(&lock), 0666);
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			if (!geteuid() && setuid(65534))
				_exit(9);
			_exit(opens(path, &err) == E_DENIED ? 0 : 1);
		}
		waitpid(pid, &status, 0);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

static void
test_hostile_bytes(void)
{
	IT ("never takes one of a thousand damaged files for a whole one without a word, nor dies "
	    "of it") {
		AUTO(err_fini) struct err err = ERR_INIT;
		AUTO(auto_free) char *path = made("bits.db", 40);
		AUTO(buf_fini) struct buf whole = BUF_INIT;
		CHECK(os_read_file(path, 64 << 20, &whole, &err));
		uint64_t x = 88172645463325252ull;
		int noticed = 0, tried = 1000;
		for (int i = 0; i < tried; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			size_t at = x % whole.len;
			whole.data[at] = (char)(whole.data[at] ^ (1 << (x >> 60 & 7)));
			int fd = open(path, O_WRONLY | O_TRUNC);
			CHECK(fd >= 0 && write(fd, whole.data, whole.len) == (ssize_t)whole.len);
			close(fd);
			noticed += opens(path, &err) != E_OK;
			whole.data[at] = (char)(whole.data[at] ^ (1 << (x >> 60 & 7)));
		}
		/* A bit of text or of free space is no fault of the structure: only that nothing
		 * died is promised. */
		CHECK(noticed > 0);
		printf("# %d of %d noticed\n", noticed, tried);
	}
}

struct copying {
	struct store *store;
	int steps, done, total;
};

/* Writes in the middle of a copy, as the daemon would. */
static void
on_progress(void *arg, int done, int total)
{
	struct copying *c = arg;
	c->steps++;
	c->done = done;
	c->total = total;
	help_event(c->store, "late", "ran", 0);
	turn_end(c->store);
	store_checkpoint(c->store);
}

static void *
reads(void *arg)
{
	struct store *store = arg, *reader = NULL;
	struct err err = ERR_INIT;
	intptr_t bad = 0;
	if (!store_open_reader(store, &reader, &err))
		return (void *)1;
	for (int i = 0; i < 300; i++) {
		AUTO(event_row_fini) struct event_row row = {0};
		bad += !events_last(reader, "t", &row, &err);
	}
	store_close(reader);
	err_fini(&err);
	return (void *)bad;
}

static void
test_copies(void)
{
	struct store *store = help_open("live.db");
	AUTO(err_fini) struct err err = ERR_INIT;
	for (int i = 0; i < 20000; i++)
		help_event(store, "t", "ran", 0);
	turn_end(store);

	IT ("copies a consistent whole while it is written to, and names it only then") {
		struct copying c = {.store = store};
		AUTO(auto_free) char *path = mem_strdup(help_path("backup.db"));
		int64_t bytes = 0;
		struct stat st;
		CHECK(store_backup(store, path, on_progress, &c, &bytes, &err));
		CHECK(c.steps > 1 && c.done == c.total);
		CHECK(!stat(path, &st) && st.st_size == bytes && (st.st_mode & 0777) == 0600);
		CHECK_INT(help_number(path, "SELECT COUNT(*) FROM events"), 20000);
		CHECK(help_number(help_path("live.db"), "SELECT COUNT(*) FROM events") > 20000);
		CHECK_INT(opens(path, &err), E_OK);
	}
	IT ("overwrites nothing, and leaves nothing behind when it cannot be made") {
		int64_t bytes;
		CHECK(!store_backup(store, help_path("backup.db"), NULL, NULL, &bytes, &err) &&
		      err.code == E_EXISTS);
		CHECK(!store_backup(store, "/tmp/no/such/folder/b.db", NULL, NULL, &bytes, &err));
		AUTO(buf_fini) struct buf ls = BUF_INIT;
		buf_printf(&ls, "ls %s | grep -q part-", help_folder);
		CHECK(system(buf_cstr(&ls)) != 0);
	}
	IT ("lets others read while it writes, and sees no torn state") {
		pthread_t threads[3];
		for (size_t i = 0; i < ARRAY_LEN(threads); i++)
			CHECK(!pthread_create(&threads[i], NULL, reads, store));
		for (int i = 0; i < 200; i++) {
			help_event(store, "t", "ran", 0);
			turn_end(store);
			if (i % 20 == 0)
				store_checkpoint(store);
		}
		for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
			void *bad = NULL;
			pthread_join(threads[i], &bad);
			CHECK(bad == NULL);
		}
	}
	IT ("does not write through a reader") {
		struct store *reader;
		AUTO(event_row_fini) struct event_row row = {0};
		int64_t known;
		bool same;
		CHECK(store_open_reader(store, &reader, &err));
		CHECK(!turn_begin(reader, &err) && err.code == E_STATE);
		CHECK(!keys_claim(reader, STR("a"), STR("b"), 0, 1, at_ms(0), &known, &same, &err));
		CHECK(events_last(reader, "t", &row, &err));
		store_close(reader);
	}
	IT ("keeps its log short when it is idle, and when it is busy") {
		for (int i = 0; i < 40; i++) {
			for (int j = 0; j < 100; j++)
				help_event(store, "t", "ran", 0);
			turn_end(store);
		}
		CHECK(store_stats(store).wal_bytes < 16 << 20);
		store_idle(store);
		CHECK(store->driver->log_pages(store->conn) < 64);
		CHECK(store_stats(store).checkpoints > 0);
	}
	IT ("is vacuumed between turns, not within") {
		help_event(store, "t", "ran", 0);
		CHECK(!store_vacuum(store, &err) && err.code == E_STATE);
		turn_end(store);
		CHECK(store_vacuum(store, &err));
		help_event(store, "t", "ran", 0);
		turn_end(store);
	}
	IT ("finds what does not hold together, and says what") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		CHECK(store_check(store, &out, &err));
		CHECK(store->driver->script(
			store->conn,
			"INSERT INTO runs (id, agent, trigger, status, created) VALUES ('r1', 'a', "
			"'t', 'running', 0);"
			"INSERT INTO keys_new (hash, run, at) VALUES "
			"(x'00112233445566778899aabbccddeeff', 77, 0);"
			"INSERT INTO change_counts VALUES ('applied', 'nowhere', 4);",
			&err));
		CHECK(!store_check(store, &out, &err) && err.code == E_CORRUPT);
		CHECK(strstr(buf_cstr(&out), "running without an attempt") &&
		      strstr(buf_cstr(&out), "r1"));
		CHECK(strstr(buf_cstr(&out), "key points nowhere") &&
		      strstr(buf_cstr(&out), "applied nowhere"));
	}
	store_close(store);
}

/* A database as it was before the step of that name, with rows in it. */
static void
made_before(const char *step, const char *path, const char *rows)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf number = BUF_INIT;
	struct driver_conn *conn = NULL;
	int version = 0;

	close(open(path, O_CREAT | O_RDWR, 0600));
	CHECK(driver_sqlite.open(path, DRIVER_WRITE, &conn, &err));
	while (version < schema_version && !strstr(schema_migrations[version].name, step))
		CHECK(driver_sqlite.script(conn, schema_migrations[version++].sql, &err));
	buf_printf(&number, "PRAGMA application_id = %d; PRAGMA user_version = %d",
		   SCHEMA_APPLICATION_ID, version);
	CHECK(driver_sqlite.script(conn, buf_cstr(&number), &err) &&
	      driver_sqlite.script(conn, rows, &err));
	driver_sqlite.close(conn, false);
}

/* The first column of the first row. */
static char *
word_of(struct store *store, const char *sql)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct driver_stmt *stmt;
	char *word;

	if (!store->driver->prepare(store->conn, sql, &stmt, &err))
		return mem_strdup(err_text(&err));
	word = store->driver->step(store->conn, stmt, &err) == STEP_ROW
		       ? mem_strdup(store->driver->column_text(stmt, 0).p)
		       : mem_strdup("no row");
	store->driver->finalize(stmt);
	return word;
}

/* Words of the longest IN ('...', ...) in SQL. */
static int
longest_list(const char *sql)
{
	int most = 0;
	for (const char *p = sql; (p = strstr(p, " IN ('")); p++) {
		int words = 1;
		for (const char *q = p; *q && *q != ')'; q++)
			words += *q == ',';
		most = words > most ? words : most;
	}
	return most;
}

static void
test_steps(void)
{
	AUTO(auto_free) char *path = mem_strdup(help_path("steps.db"));
	AUTO(err_fini) struct err err = ERR_INIT;
	struct store *store = NULL;

	made_before(
		"-words", path,
		"INSERT INTO runs (id, agent, trigger, status, created, ended) VALUES ('r', 'a', "
		"'t', 'succeeded', 0, 0);"
		"INSERT INTO changes (id, run, target, entity, op, status, key, batch, created, "
		"held) SELECT 'c' || value, 1, 't', 'e' || value, 'update', value, value, "
		"CASE WHEN value IN ('approved', 'proposed') THEN 'b/1' END, 0, value = "
		"'approved' FROM json_each('[\"proposed\",\"approved\",\"applying\","
		"\"reverting\",\"applied\",\"rejected\"]');"
		"INSERT INTO change_counts SELECT status, target, COUNT(*) FROM changes GROUP "
		"BY 1, 2");
	if (!store_open(path, &store, &err)) {
		printf("Bail out! %s\n", err_text(&err));
		exit(99);
	}
	IT ("takes an older database over with what is in it, and all of it holds together") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		AUTO(auto_free)
		char *ways = word_of(store, "SELECT group_concat(status || ' ' || "
					    "COALESCE(way, '-'), ', ') FROM changes");
		CHECK_STR(ways, "proposed -, approved 0, applying 1, reverting 2, applied -, "
				"rejected -");
		CHECK(store_check(store, &out, &err));
		CHECK_STR(buf_cstr(&out), "");
	}
	IT ("has nothing there that is asked by a list of words at each row of a change") {
		AUTO(auto_free)
		char *made = word_of(store, "SELECT group_concat(sql) FROM sqlite_schema WHERE "
					    "tbl_name = 'changes' OR tbl_name = 'attempts' OR "
					    "tbl_name = 'decisions' OR tbl_name = 'batch_items'");
		AUTO(auto_free) char *words = word_of(store, "UPDATE changes SET status = 'done'");
		CHECK_INT(longest_list(made), 2);
		CHECK_STR(words, "no row");
	}
	IT ("guards its schema again afterwards") {
		AUTO(auto_free)
		char *said = word_of(store, "UPDATE sqlite_schema SET sql = ''");
		CHECK(strstr(said, "may not be modified"));
	}
	store_close(store);
}

int
main(void)
{
	test_files();
	test_steps();
	test_hostile_bytes();
	test_copies();
	return tap_done();
}
