/* The turn: what is committed, in which order the afters run, what a failure leaves. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/test_store_help.h"

struct told {
	struct store *store;
	struct buf text;
	int again; /* registers so many more of itself */
};

static void
on_end(void *arg, const struct err *err)
{
	struct told *t = arg;
	buf_printf(&t->text, "%s ", err_name(err->code));
	if (t->again-- > 0) {
		help_event(t->store, "again", "ran", 0);
		turn_after(t->store, on_end, t);
	}
}

static void
on_a(void *arg, const struct err *err UNUSED)
{
	buf_putc(&((struct told *)arg)->text, 'a');
}

static void
on_b(void *arg, const struct err *err UNUSED)
{
	buf_putc(&((struct told *)arg)->text, 'b');
}

static void
on_undone(void *arg, const struct err *err)
{
	buf_printf(&((struct told *)arg)->text, "(%s)", err_name(err->code));
}

static int64_t
events(struct store *store)
{
	return help_number(store->path, "SELECT COUNT(*) FROM events");
}

static void
test_afters(void)
{
	struct store *store = help_open("turn.db");
	struct told t = {.store = store, .text = BUF_INIT};

	IT ("tells nobody and shows nothing before the end of the turn") {
		CHECK(!turn_is_due(store) && !turn_is_open(store));
		help_event(store, "hook", "ran", 0);
		turn_after(store, on_a, &t);
		turn_after(store, on_b, &t);
		CHECK(turn_is_due(store) && turn_is_open(store));
		CHECK_INT(events(store), 0);
		CHECK_STR(buf_cstr(&t.text), "");
		turn_end(store);
		CHECK_INT(events(store), 1);
		CHECK_STR(buf_cstr(&t.text), "ab");
		CHECK(!turn_is_due(store) && !turn_is_open(store));
	}
	IT ("runs afters of a turn that wrote nothing, too") {
		buf_clear(&t.text);
		turn_after(store, on_end, &t);
		CHECK(turn_is_due(store) && !turn_is_open(store));
		turn_end(store);
		CHECK_STR(buf_cstr(&t.text), "ok ");
	}
	IT ("gives what an after writes and registers to the next turn") {
		buf_clear(&t.text);
		t.again = 2;
		turn_after(store, on_end, &t);
		turn_end(store);
		CHECK_STR(buf_cstr(&t.text), "ok ");
		CHECK(turn_is_due(store));
		CHECK_INT(events(store), 1);
		turn_end(store);
		turn_end(store);
		CHECK_STR(buf_cstr(&t.text), "ok ok ok ");
		CHECK_INT(events(store), 3);
		CHECK(!turn_is_due(store));
	}
	IT ("runs ten thousand afters in their order") {
		buf_clear(&t.text);
		for (int i = 0; i < 10000; i++)
			turn_after(store, i % 2 ? on_b : on_a, &t);
		turn_end(store);
		bool ordered = t.text.len == 10000;
		for (size_t i = 0; ordered && i < t.text.len; i++)
			ordered = t.text.data[i] == "ab"[i % 2];
		CHECK(ordered);
	}
	IT ("ends nothing on disk where what was written changed nothing, and calls all the same") {
		AUTO(err_fini) struct err err = ERR_INIT;
		uint64_t commits = store_stats(store).commits;
		buf_clear(&t.text);
		CHECK(changes_mark_partial(store, 4711, &err) && turn_is_open(store));
		turn_after(store, on_a, &t);
		turn_end(store);
		CHECK_STR(buf_cstr(&t.text), "a");
		CHECK(!turn_is_open(store) && !store->driver->in_transaction(store->conn));
		CHECK_INT(store_stats(store).commits, commits);
	}
	buf_fini(&t.text);
	store_close(store);
}

/* What is in the database now, as the writing connection sees it. */
static void
digest_add(struct store *store, struct buf *out)
{
	static const char *const sql[] = {
		"SELECT group_concat(seq || id || outcome || COALESCE(rule, '')) FROM events",
		"SELECT group_concat(seq || id || status || ready || COALESCE(due, '') || "
		"attempts) FROM runs",
		"SELECT group_concat(run || ' ' || n || status) FROM attempts",
		"SELECT group_concat(seq || id || status) FROM changes",
		"SELECT group_concat(status || target || n) FROM change_counts WHERE n <> 0",
		"SELECT group_concat(status || batch || n) FROM batch_changes WHERE n <> 0",
		"SELECT group_concat(seq || hex(hash) || run) FROM keys_new",
		"SELECT group_concat(run || ' ' || seq || data) FROM runlog",
		"SELECT group_concat(day || name || spent_uusd) FROM budgets",
	};
	for (size_t i = 0; i < ARRAY_LEN(sql); i++) {
		struct driver_stmt *stmt;
		AUTO(err_fini) struct err err = ERR_INIT;
		if (!store->driver->prepare(store->conn, sql[i], &stmt, &err)) {
			buf_puts(out, err_text(&err));
			continue;
		}
		if (store->driver->step(store->conn, stmt, &err) == STEP_ROW &&
		    !store->driver->column_is_null(stmt, 0))
			buf_add_str(out, store->driver->column_text(stmt, 0));
		buf_putc(out, '\n');
		store->driver->finalize(stmt);
	}
}

/* Of everything that writes, one. */
static void
write_all(struct store *store, int i)
{
	struct err err = ERR_INIT;
	int64_t known, seq, event = help_event(store, "t", "held", 0);
	bool same;
	int n, freed = 0;
	char key[32];
	snprintf(key, sizeof(key), "k%d", i);
	int64_t run = help_run(
		store, (struct run_row){.entity = (char *)"e", .payload = (char *)"{\"p\":1}"},
		NULL);
	CHECK(keys_claim(store, STR("trigger/t"), str_of(key), 7, run, at_ms(i), &known, &same,
			 &err));
	CHECK(events_settle(store, event, "ran", "rule", run, &err));
	CHECK(runs_claim(store, run, at_ms(1), at_ms(2), &(struct run_worked){0}, NULL, &n, &err));
	CHECK(runlog_add(store, run, n, at_ms(3), "log", STR("{}"), &seq, &err));
	help_change(store,
		    (struct change_row){.run = run,
					.key = key,
					.batch = (char *)"b/1",
					.entity = (char *)"x",
					.confidence = 0.5},
		    &err);
	CHECK(runs_free_entity(store, "e", help_ready, &freed, &err));
	CHECK(budgets_add(store, &(struct budget_row){"agent", "a", "2026-11-20", 3, 9}, &err));
	err_fini(&err);
}

static void
test_savepoints(bool full)
{
	struct store *store = help_open(full ? "points-full.db" : "points.db");
	struct err err = ERR_INIT;
	struct told t = {.store = store, .text = BUF_INIT};

	IT (full ? "goes back to exactly what was there, also in a turn that outgrew its notes"
		 : "goes back to a savepoint: to exactly what was there, rows, keys and afters") {
		AUTO(buf_fini) struct buf before = BUF_INIT;
		AUTO(buf_fini) struct buf after = BUF_INIT;
		write_all(store, 1);
		turn_after(store, on_a, &t);
		store->redo_full = full;
		digest_add(store, &before);
		CHECK(turn_savepoint(store, &err));
		write_all(store, 2);
		turn_after(store, on_undone, &t);
		CHECK(turn_savepoint(store, &err));
		write_all(store, 3);
		turn_after(store, on_undone, &t);
		turn_release(store);
		turn_undo(store);
		turn_after(store, on_b, &t);
		CHECK_STR(buf_cstr(&t.text), "");
		digest_add(store, &after);
		CHECK_STR(buf_cstr(&after), buf_cstr(&before));
		int64_t run;
		CHECK(keys_find(store, STR("trigger/t"), STR("k1"), &run, &err) && run);
		CHECK(keys_find(store, STR("trigger/t"), STR("k2"), &run, &err) && !run);
		CHECK(keys_find(store, STR("trigger/t"), STR("k3"), &run, &err) && !run);
		write_all(store, 4);
		turn_end(store);
		/* Whoever waits hears of it, once, and frees what is its own. */
		CHECK_STR(buf_cstr(&t.text), "a(state)(state)b");
		CHECK_INT(events(store), 2);
	}
	IT (full ? "keeps what was released then, too"
		 : "keeps what was released, and undoes only what is within") {
		AUTO(buf_fini) struct buf before = BUF_INIT;
		AUTO(buf_fini) struct buf after = BUF_INIT;
		CHECK(turn_begin(store, &err));
		store->redo_full = full;
		CHECK(turn_savepoint(store, &err));
		write_all(store, 5);
		digest_add(store, &before);
		CHECK(turn_savepoint(store, &err));
		write_all(store, 6);
		turn_undo(store);
		digest_add(store, &after);
		CHECK_STR(buf_cstr(&after), buf_cstr(&before));
		turn_release(store);
		turn_end(store);
		CHECK_INT(events(store), 3);
	}
	IT (full ? "copes with a payload that outgrows them midway"
		 : "goes on after a statement that a constraint refused") {
		AUTO(buf_fini) struct buf big = BUF_INIT;
		for (size_t i = 0; full && i < (3 << 20); i++)
			buf_putc(&big, 'x');
		CHECK(turn_savepoint(store, &err));
		write_all(store, 7);
		CHECK(turn_savepoint(store, &err));
		help_run(store, (struct run_row){.payload = full ? big.data : NULL}, NULL);
		CHECK(!full || store->redo_full);
		help_event(store, "t", "no such outcome", 0);
		write_all(store, 8);
		turn_undo(store);
		CHECK(!store->redo_full);
		turn_release(store);
		turn_end(store);
		CHECK_INT(events(store), 4);
		CHECK_INT(help_number(store->path, "SELECT COUNT(*) FROM runs"), 4);
	}
	buf_fini(&t.text);
	err_fini(&err);
	store_close(store);
}

/* The size of a file is limited: writes fail as on a full disk. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
}

static void
test_full(void)
{
	struct store *store = help_open("full.db");
	struct told t = {.store = store, .text = BUF_INIT};
	struct err err = ERR_INIT;
	signal(SIGXFSZ, SIG_IGN);
	help_event(store, "t", "ran", 0);
	turn_end(store);

	IT ("tells every after of a turn that found no space, and keeps nothing of it") {
		int64_t known;
		bool same;
		limit_files(64 << 10);
		turn_after(store, on_end, &t);
		for (int i = 0; i < 500; i++)
			help_event(store, "t", "ran", 0);
		keys_claim(store, STR("s"), STR("k"), 0, 5, at_ms(0), &known, &same, &err);
		turn_after(store, on_end, &t);
		turn_end(store);
		CHECK_STR(buf_cstr(&t.text), "full full ");
		CHECK(store_stats(store).full);
		CHECK_INT((long long)store_stats(store).failed_commits, 1);
		CHECK(!store_has_failed(store));
		CHECK_INT(events(store), 1);
		CHECK(keys_find(store, STR("s"), STR("k"), &known, &err) && known == 0);
		limit_files(0);
	}
	IT ("goes on by itself when there is space again") {
		CHECK(store_is_writable(store));
		CHECK(!store_stats(store).full);
		buf_clear(&t.text);
		int64_t seq = help_event(store, "t", "ran", 0);
		turn_after(store, on_end, &t);
		turn_end(store);
		CHECK_STR(buf_cstr(&t.text), "ok ");
		CHECK_INT(events(store), 2);
		CHECK(seq > 1);
	}
	IT ("says that it is not writable while there is none") {
		limit_files(1);
		help_event(store, "t", "ran", 0);
		turn_end(store);
		CHECK(!store_is_writable(store));
		limit_files(0);
		CHECK(store_is_writable(store));
		CHECK_INT(events(store), 2);
	}
	buf_fini(&t.text);
	err_fini(&err);
	store_close(store);
}

static void
test_broken(void)
{
	struct store *store = help_open("broken.db");
	struct told t = {.store = store, .text = BUF_INIT};
	struct err err = ERR_INIT, why = ERR_INIT;

	IT ("writes nothing any more once the disk failed") {
		err_set(&why, E_IO, "disk I/O error");
		help_event(store, "t", "ran", 0);
		turn_after(store, on_end, &t);
		store_break(store, &why);
		turn_fail(store, &why);
		turn_end(store);
		CHECK_STR(buf_cstr(&t.text), "io ");
		CHECK(store_has_failed(store));
		CHECK(!turn_begin(store, &err) && err.code == E_IO);
		CHECK(!store_is_writable(store));
		CHECK_INT(events(store), 0);
	}
	buf_fini(&t.text);
	err_fini(&err);
	err_fini(&why);
	store_close(store);
}

struct ack {
	int fd;
	int64_t seq;
};

static void
on_durable(void *arg, const struct err *err)
{
	struct ack *ack = arg;
	if (err->code == E_OK && write(ack->fd, &ack->seq, sizeof(ack->seq)) < 0)
		_exit(3);
	free(ack);
}

/* Writes turns of events with their keys for ever, telling each that is durable. */
static void
writer(int fd)
{
	struct store *store = help_open("killed.db");
	struct err err = ERR_INIT;
	for (int i = 0;; i++) {
		for (int j = 0; j < 1 + i % 7; j++) {
			struct ack *ack = mem_alloc(sizeof(*ack));
			int64_t known, run = runs_next_seq(store);
			bool same;
			char key[32];
			snprintf(key, sizeof(key), "k%lld", (long long)run);
			if (!keys_claim(store, STR("t"), str_of(key), 0, run, at_ms(i), &known,
					&same, &err) ||
			    known)
				_exit(4);
			help_event(store, "t", "ran", run);
			ack->seq = help_run(store, (struct run_row){0}, NULL);
			ack->fd = fd;
			turn_after(store, on_durable, ack);
		}
		turn_end(store);
		if (i % 5 == 0)
			store_idle(store);
	}
}

static void
test_killed(void)
{
	IT ("has after kill -9 all that was acknowledged, and its keys, every time") {
		int64_t last = 0, lost = 0, unknown = 0;
		for (int round = 0; round < 8; round++) {
			int fds[2];
			int64_t seq;
			int seen = 0;
			if (pipe(fds))
				abort();
			fflush(stdout);
			pid_t pid = fork();
			if (!pid) {
				close(fds[0]);
				*help_folder ? (void)0 : _exit(5);
				writer(fds[1]);
			}
			close(fds[1]);
			while (read(fds[0], &seq, sizeof(seq)) == (ssize_t)sizeof(seq)) {
				last = seq;
				if (++seen == 50 + round * 37)
					kill(pid, SIGKILL);
			}
			waitpid(pid, NULL, 0);
			close(fds[0]);
			struct store *store = help_open("killed.db");
			struct err err = ERR_INIT;
			AUTO(buf_fini) struct buf out = BUF_INIT;
			for (int64_t i = 1; i <= last; i++) {
				AUTO(run_row_fini) struct run_row row = {0};
				char key[32];
				int64_t run;
				lost += !runs_get_seq(store, i, &row, &err);
				snprintf(key, sizeof(key), "k%lld", (long long)i);
				unknown += !keys_find(store, STR("t"), str_of(key), &run, &err) ||
					   run != i;
			}
			CHECK(store_check(store, &out, &err));
			CHECK(runs_next_seq(store) > last);
			err_fini(&err);
			store_close(store);
		}
		CHECK(last > 400);
		CHECK_INT(lost, 0);
		CHECK_INT(unknown, 0);
	}
}

int
main(void)
{
	help_path("x");
	test_afters();
	test_savepoints(false);
	test_savepoints(true);
	test_full();
	test_broken();
	test_killed();
	return tap_done();
}
