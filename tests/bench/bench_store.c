/* How many events a second the store takes: event, run and key, 64 a commit. */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"
#include "base/uuid.h"
#include "store/events.h"
#include "store/keys.h"
#include "store/runs.h"

#define BODY 1024

static char body[BODY + 256];

static double
now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Of this process, user and system: what a busy machine does not blur. */
static double
cpu(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
must(bool ok, struct err *err)
{
	if (ok)
		return;
	fprintf(stderr, "bench_store: %s\n", err_text(err));
	exit(1);
}

static void
event_add(struct store *store, uint64_t n, bool with_key)
{
	struct err err = ERR_INIT;
	struct wall at = clock_wall(clock_system());
	struct uuid event_id = uuid_v7(at), run_id = uuid_v7(at);
	char key[64];
	int64_t seq = runs_next_seq(store), known;
	bool same, ready;
	snprintf(key, sizeof(key), "delivery:%016llx:%llu",
		 (unsigned long long)(n * 0x9e3779b97f4a7c15u), (unsigned long long)n);
	if (with_key)
		must(keys_claim(store, STR("trigger/github"), str_of(key), 0, seq, at, &known,
				&same, &err),
		     &err);
	const struct event_row event = {.id = event_id.text,
					.trigger = (char *)"github",
					.source = (char *)"webhook",
					.outcome = (char *)"ran",
					.rule = (char *)"",
					.key = key,
					.time = at,
					.run = seq,
					.document = body};
	const struct run_row run = {
		.id = run_id.text,
		.seq = seq,
		.event = events_next_seq(store),
		.trigger = (char *)"github",
		.source = (char *)"webhook",
		.agent = (char *)"triage",
		.intent = (char *)"triage_push",
		.mode = (char *)"apply",
		.key = key,
		.correlation = run_id.text,
		.traceparent = (char *)"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		.trust = (char *)"authenticated",
		.priority = 1,
		.status = (char *)"queued",
		.max_attempts = 3,
		.created = at,
		.started = WALL_NONE,
		.ended = WALL_NONE,
		.due = WALL_NONE,
		.limits = {900000, 50, 100, 200000, -1, 1000000, 16 << 20}};
	must(events_insert(store, &event, &seq, &err), &err);
	must(runs_insert(store, &run, &seq, &ready, &err), &err);
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

/* Inserts `count` events, `batch` a commit; prints rates and how long turns took. */
static void
phase(struct store *store, const char *name, uint64_t from, uint64_t count, unsigned batch,
      bool savepoints)
{
	size_t turns = (size_t)((count + batch - 1) / batch), t = 0;
	double *took = mem_alloc_array(turns, sizeof(*took)), start = now(), cpu_start = cpu();
	struct store_stats before = store_stats(store);
	struct err err = ERR_INIT;
	for (uint64_t i = 0; i < count; t++) {
		double begin = now();
		for (unsigned b = 0; b < batch && i < count; b++, i++) {
			if (savepoints)
				must(turn_savepoint(store, &err), &err);
			event_add(store, from + i, true);
			if (savepoints)
				turn_release(store);
		}
		turn_end(store);
		took[t] = now() - begin;
	}
	double all = now() - start, burnt = cpu() - cpu_start;
	struct store_stats after = store_stats(store);
	qsort(took, turns, sizeof(*took), by_size);
	printf("%-34s %8.0f events/s   cpu %5.1f us   turn p50 %6.2f p99 %6.2f max %6.2f ms   "
	       "commit %5.2f ms   checkpoints %llu   wal %lld MiB\n",
	       name, (double)count / all, burnt * 1e6 / (double)count, took[turns / 2] * 1e3,
	       took[turns * 99 / 100] * 1e3, took[turns - 1] * 1e3,
	       (double)(after.commit_us_total - before.commit_us_total) / 1e3 /
		       (double)(after.commits - before.commits),
	       (unsigned long long)(after.checkpoints - before.checkpoints),
	       (long long)after.wal_bytes >> 20);
	fflush(stdout);
	free(took);
}

static void
syncs(const char *folder)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	buf_printf(&path, "%s/sync", folder);
	int fd = open(buf_cstr(&path), O_RDWR | O_CREAT | O_TRUNC, 0600);
	double start = now();
	int n = 0;
	for (; fd >= 0 && now() - start < 1; n++) {
		if (write(fd, body, BODY) != BODY || fdatasync(fd))
			break;
	}
	printf("%-34s %8.0f /s (append 1 KiB)\n", "fdatasync", n / (now() - start));
	close(fd);
	unlink(buf_cstr(&path));
}

static long
rss_kib(void)
{
	struct buf b = BUF_INIT;
	long pages = 0;
	if (os_read_file("/proc/self/statm", 256, &b, NULL))
		sscanf(b.data, "%*d %ld", &pages);
	buf_fini(&b);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static bool
ignore(void *arg, const char *agent, int64_t queued)
{
	*(int64_t *)arg += agent ? queued : 0;
	return true;
}

static void
next_run(struct store *store, struct run_row *ret)
{
	struct err err = ERR_INIT;
	struct run_place place = {0};
	int priority;
	int64_t seq;

	must(runs_peek(store, "triage", NULL, NULL, &place, &priority, &seq, &err), &err);
	must(runs_get_seq(store, seq, ret, &err), &err);
}

/* What the daemon asks while that many are queued. */
static void
questions(struct store *store)
{
	struct err err = ERR_INIT;
	struct wall oldest;
	int64_t n = 0;
	double start = now();
	for (int i = 0; i < 1000; i++) {
		AUTO(run_row_fini) struct run_row row = {0};
		next_run(store, &row);
	}
	printf("%-34s %8.1f us\n", "peek", (now() - start) * 1e3);
	start = now();
	must(runs_count_queued(store, ignore, &n, &err), &err);
	printf("%-34s %8.1f ms (%lld)\n", "count the queue", (now() - start) * 1e3, (long long)n);
	start = now();
	must(runs_oldest_queued(store, &oldest, &err), &err);
	printf("%-34s %8.3f ms\n", "oldest", (now() - start) * 1e3);
	start = now();
	must(runs_count_trigger(store, "github", &n, &err), &err);
	printf("%-34s %8.1f ms\n", "backlog of a trigger", (now() - start) * 1e3);
	start = now();
	for (int i = 0; i < 1000; i++) {
		AUTO(run_row_fini) struct run_row row = {0};
		int attempt;
		next_run(store, &row);
		must(runs_claim(store, row.seq, row.created, row.created, &(struct run_worked){0},
				NULL, &attempt, &err),
		     &err);
	}
	turn_end(store);
	printf("%-34s %8.1f us\n", "peek, claim (1000 a commit)", (now() - start) * 1e3);
}

int
main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : "/var/tmp/rouse-bench";
	uint64_t have = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
	uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 100000;
	struct err err = ERR_INIT;
	struct store *store;
	AUTO(buf_fini) struct buf path = BUF_INIT;

	memset(body, 'x', BODY);
	memcpy(body, "{\"specversion\":\"1.0\",\"data\":\"", 29);
	memcpy(body + BODY - 2, "\"}", 3);
	os_remove_tree(folder, NULL);
	must(os_mkdirs(folder, 0700, &err), &err);
	syncs(folder);
	buf_printf(&path, "%s/rouse.db", folder);
	must(store_open(buf_cstr(&path), &store, &err), &err);
	printf("%-34s %8ld KiB\n", "RSS, empty database", rss_kib());
	phase(store, "empty, 64 a commit", 0, count, 64, false);
	phase(store, "with savepoints, 64 a commit", 1 << 28, count, 64, true);
	phase(store, "1 a commit", 1 << 29, count / 20, 1, true);
	if (have) {
		phase(store, "filling, 1000 a commit", 1 << 30, have, 1000, false);
		store_close(store);
		double start = now();
		must(store_open(buf_cstr(&path), &store, &err), &err);
		printf("%-34s %8.0f ms, RSS %ld KiB\n", "open with these", (now() - start) * 1e3,
		       rss_kib());
		questions(store);
		phase(store, "on top of these, 64 a commit", 1ull << 32, count, 64, false);
		phase(store, "with savepoints, 64 a commit", 1ull << 33, count, 64, true);
		phase(store, "1 a commit", 1ull << 34, count / 20, 1, true);
	}
	printf("%-34s %8ld KiB, file %lld MiB\n", "RSS at the end", rss_kib(),
	       (long long)store_stats(store).file_bytes >> 20);
	double start = now();
	store_close(store);
	printf("%-34s %8.0f ms\n", "close", (now() - start) * 1e3);
	os_remove_tree(folder, NULL);
	return 0;
}
