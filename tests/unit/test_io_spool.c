/* Tests: the folder that the daemon shares with a shim. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/os.h"
#include "io/proc.h"
#include "io/spool.h"
#include "tests/unit/tap.h"

static char root[] = "/tmp/rouse-test-spool-XXXXXX";
static char dir[64], shim[PATH_MAX];

static const char *const argv_cat[] = {"cat", NULL};
static const char *const envp_path[] = {"PATH=/usr/bin:/bin", NULL};

static struct spool_job
a_job(const char *id)
{
	return (struct spool_job){.id = id,
				  .argv = argv_cat,
				  .envp = envp_path,
				  .workdir = "/",
				  .input = STR("{}\n"),
				  .deadline_ms = 20000,
				  .grace_ms = 1000,
				  .linger_ms = 1000,
				  .out_max = 1000,
				  .err_max = 1000,
				  .memory_max = -1,
				  .cpu_time_s = -1,
				  .files = -1,
				  .processes = -1,
				  .umask = -1,
				  .nice = -1};
}

static const char *
in_dir(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
new_dir(const char *id)
{
	snprintf(dir, sizeof(dir), "%s/%s", root, id);
}

static bool
job_refused(const char *text, size_t len)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct spool_job *job = NULL;
	bool ok = spool_job_parse(str_make(text, len), &job, &err);
	spool_job_free(job);
	return !ok && err.code == E_CORRUPT;
}

static bool
status_refused(const char *text)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct spool_status status;
	bool ok = spool_status_parse(str_of(text), &status, &err);
	if (ok)
		spool_status_fini(&status);
	return !ok && err.code == E_CORRUPT;
}

static void
test_formats(void)
{
	IT ("writes a job and reads it again as it was") {
		static const char *const argv[] = {"prog", "", "a b\nc", "\xff", NULL};
		static const char *const envp[] = {"A=", "B=x\ny", NULL};
		struct spool_job job = a_job("0190-a.12"), *got = NULL;
		AUTO(buf_fini) struct buf text = BUF_INIT;
		job.argv = argv;
		job.envp = envp;
		job.input = STR("line\n\0nul");
		job.keep_stdin = true;
		job.deadline_ms = INT64_MAX;
		job.umask = 022;
		spool_job_format(&job, &text);
		CHECK(spool_job_parse(buf_str(&text), &got, NULL));
		CHECK_STR(got->id, "0190-a.12");
		CHECK_STR(got->argv[2], "a b\nc");
		CHECK_STR(got->argv[3], "\xff");
		CHECK_STR(got->argv[1], "");
		CHECK(!got->argv[4] && !got->envp[2]);
		CHECK_STR(got->envp[1], "B=x\ny");
		CHECK(str_eq(got->input, job.input));
		CHECK(got->keep_stdin && !got->change_user && !got->user);
		CHECK(got->deadline_ms == INT64_MAX);
		CHECK_INT(got->umask, 022);
		CHECK_INT(got->nice, -1);
		CHECK_INT(got->memory_max, -1);
		spool_job_free(got);
	}
	IT ("a job whose agent is held to something says so in front, for shims that are too old") {
		static const char *const paths[] = {"ro:/a b", "rw:/c", NULL};
		struct spool_job job = a_job("0190-a.12"), *got = NULL;
		AUTO(buf_fini) struct buf text = BUF_INIT;
		job.no_network = job.few_files = job.read_all = true;
		job.paths = paths;
		spool_job_format(&job, &text);
		CHECK(str_starts(buf_str(&text), STR("rouse-job 2\n")));
		CHECK(spool_job_parse(buf_str(&text), &got, NULL));
		CHECK(got->no_network && got->few_files && got->read_all);
		CHECK_STR(got->paths[0], "ro:/a b");
		CHECK_STR(got->paths[1], "rw:/c");
		CHECK(!got->paths[2] && !strcmp(got->argv[0], "cat") && !got->argv[1]);
		spool_job_free(got);
		CHECK(job_refused("rouse-job 2\nid 3\na.1\narg 1\nx\n", 29));
	}
	IT ("so does one whose agent stays, held to something or not") {
		struct spool_job job = a_job("0190-a.12"), *got = NULL;
		job.session = true;
		job.idle_ms = 1500;
		for (int held = 0; held < 2; held++) {
			AUTO(buf_fini) struct buf text = BUF_INIT;
			job.no_network = held;
			spool_job_format(&job, &text);
			CHECK(str_starts(buf_str(&text), STR("rouse-job 3\n")));
			CHECK(spool_job_parse(buf_str(&text), &got, NULL));
			CHECK(got->session && got->idle_ms == 1500 && got->no_network == held);
			spool_job_free(got);
		}
	}
	IT ("reads a job of a later version that says more") {
		const char *text = "rouse-job 1\nid 3\na.1\nnew 5\nx\ny\nz\narg 4\ntrue\n";
		struct spool_job *got = NULL;
		CHECK(spool_job_parse(str_of(text), &got, NULL));
		CHECK_STR(got->argv[0], "true");
		spool_job_free(got);
	}
	IT ("refuses every job that is cut, wherever") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		struct spool_job job = a_job("0190-a.1"), *got;
		int taken = 0;
		spool_job_format(&job, &text);
		for (size_t len = 0; len < text.len; len++) {
			/* Whole fields may be missing at the end: those are others' to miss. */
			if (spool_job_parse(str_make(text.data, len), &got, NULL)) {
				taken += text.data[len - 1] != '\n';
				spool_job_free(got);
			}
		}
		CHECK_INT(taken, 0);
	}
	IT ("refuses jobs that make no sense") {
		static const char *const bad[] = {
			"",
			"rouse-job 3\nid 3\na.1\narg 1\nx\n",
			"rouse-job 1\n",
			"rouse-job 1\nid 3\na.1\n",
			"rouse-job 1\narg 1\nx\n",
			"rouse-job 1\nid 3\na.1\narg 0\n\n",
			"rouse-job 1\nid 6\n../a.1\narg 1\nx\n",
			"rouse-job 1\nid 3\na.1\narg 18446744073709551615\nx\n",
			"rouse-job 1\nid 3\na.1\narg -1\nx\n",
			"rouse-job 1\nid 3\na.1\narg 1\nxy\n",
			"rouse-job 1\nid 3\na.1\narg 1\nx\ndeadline_ms 1\nx\n",
			"rouse-job 1\nid 3\na.1\narg 1\nx\nkeep_stdin 1\n2\n",
			"rouse-job 1\nid 3\na.1\narg 1\nx\n 0\n\n",
		};
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (!CHECK(job_refused(bad[i], strlen(bad[i]))))
				printf("# job %zu\n", i);
		CHECK(job_refused("rouse-job 1\nid 3\na.1\narg 3\nx\0y\n", 32));
	}
	IT ("writes a status and reads it again as it was") {
		AUTO(spool_status_fini)
		struct spool_status status = {.exit_code = -1, .signal = 9, .killed = 3};
		AUTO(spool_status_fini) struct spool_status got = {0};
		AUTO(buf_fini) struct buf text = BUF_INIT;
		status.reason = mem_strdup("deadline");
		status.error = mem_strdup("two\nlines");
		status.max_rss_bytes = INT64_MAX;
		spool_status_format(&status, &text);
		CHECK(spool_status_parse(buf_str(&text), &got, NULL));
		CHECK_STR(got.reason, "deadline");
		CHECK_STR(got.error, "two\nlines");
		CHECK_INT(got.signal, 9);
		CHECK_INT(got.exit_code, -1);
		CHECK(got.max_rss_bytes == INT64_MAX);
	}
	IT ("refuses a status that makes no sense") {
		CHECK(status_refused(""));
		CHECK(status_refused("rouse-status 1\nexit_code 11\n99999999999\n"));
		CHECK(status_refused("rouse-status 1\nout_bytes 2\n-1\n"));
		CHECK(status_refused("rouse-status 1\nreason 1\na\nreason 1\nb\n"));
		CHECK(status_refused("rouse-status 1\nexit_code 1\n0"));
	}
	IT ("knows a RUN_ID.ATTEMPT from other names") {
		CHECK(spool_id_is_valid(STR("0190abcd-0000-7000-8000-000000000000.1")));
		CHECK(!spool_id_is_valid(STR("")));
		CHECK(!spool_id_is_valid(STR("wake")));
		CHECK(!spool_id_is_valid(STR(".1")));
		CHECK(!spool_id_is_valid(STR("a.")));
		CHECK(!spool_id_is_valid(STR("a.1.2")));
		CHECK(!spool_id_is_valid(STR("a/b.1")));
		CHECK(!spool_id_is_valid(STR("a\0b.1")));
		CHECK(!spool_id_is_valid(STR("a.12345678901")));
	}
}

static void
test_folder(void)
{
	struct spool_job job = a_job("0190-f.1");
	AUTO(buf_fini) struct buf out = BUF_INIT;
	struct spool_status status;
	struct stat st;
	new_dir("0190-f.1");
	IT ("makes a folder that nobody else can look into") {
		CHECK(spool_create(dir, &job, NULL));
		CHECK(!stat(dir, &st) && (st.st_mode & 0777) == 0700);
		CHECK(!stat(in_dir("job"), &st) && S_ISREG(st.st_mode) &&
		      (st.st_mode & 0777) == 0600);
		CHECK(!stat(in_dir("ctl"), &st) && S_ISFIFO(st.st_mode) &&
		      (st.st_mode & 0777) == 0600);
		CHECK(!spool_shim_alive(dir, NULL, NULL));
	}
	IT ("does not make it twice") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(!spool_create(dir, &job, &err));
		CHECK_INT(err.code, E_EXISTS);
		CHECK(!access(in_dir("job"), F_OK));
	}
	IT ("leaves nothing where it fails") {
		AUTO(err_fini) struct err err = ERR_INIT;
		job.user = "no-such-user-here";
		new_dir("0190-f.2");
		CHECK(!spool_create(dir, &job, &err));
		CHECK_INT(err.code, E_NOT_FOUND);
		CHECK(strstr(err_text(&err), "no-such-user-here"));
		CHECK(access(dir, F_OK));
		new_dir("nowhere/0190-f.2");
		CHECK(!spool_create(dir, &job, NULL));
	}
	new_dir("0190-f.1");
	IT ("reads output from where it was left") {
		os_write_file(in_dir("out"), STR("0123456789"), 0600, NULL);
		CHECK(spool_read_out(dir, 0, 4, &out, NULL));
		CHECK(spool_read_out(dir, 4, 100, &out, NULL));
		CHECK(spool_read_out(dir, 10, 100, &out, NULL));
		CHECK(spool_read_out(dir, INT64_MAX, SIZE_MAX, &out, NULL));
		CHECK_STR(buf_cstr(&out), "0123456789");
		CHECK_INT(spool_out_size(dir), 10);
	}
	IT ("is not led out of the folder by what lies there") {
		AUTO(err_fini) struct err err = ERR_INIT;
		unlink(in_dir("err"));
		CHECK(!symlink("/etc/passwd", in_dir("err")));
		CHECK(!spool_read_err(dir, 0, 100, &out, &err));
		unlink(in_dir("err"));
		CHECK(!mkfifo(in_dir("err"), 0600));
		CHECK(!spool_read_err(dir, 0, 100, &out, &err));
		CHECK_INT(err.code, E_CORRUPT);
		unlink(in_dir("err"));
		CHECK(!spool_read_err(dir, 0, 100, &out, &err));
		CHECK_INT(err.code, E_NOT_FOUND);
	}
	IT ("says that there is no status yet, and reads it once it is there") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(!spool_status_read(dir, &status, &err));
		CHECK_INT(err.code, E_NOT_FOUND);
		struct spool_status mine = {.exit_code = 4, .out_bytes = 10};
		CHECK(spool_status_write(dir, &mine, NULL));
		CHECK(spool_status_read(dir, &status, NULL));
		CHECK_INT(status.exit_code, 4);
		spool_status_fini(&status);
	}
	IT ("does not believe a status that counts more output than there is") {
		AUTO(err_fini) struct err err = ERR_INIT;
		struct spool_status mine = {.exit_code = 0, .out_bytes = 11};
		CHECK(spool_status_write(dir, &mine, NULL));
		CHECK(!spool_status_read(dir, &status, &err));
		CHECK_INT(err.code, E_CORRUPT);
	}
	IT ("takes no stranger for the shim") {
		AUTO(buf_fini) struct buf who = BUF_INIT;
		buf_printf(&who, "%d %llu\n", getpid(),
			   (unsigned long long)os_process_start(getpid()));
		os_write_file(in_dir("shim"), buf_str(&who), 0600, NULL);
		CHECK(!spool_shim_alive(dir, NULL, NULL)); /* its name is not rouse-shim */
		os_write_file(in_dir("shim"), STR("99999999999999999999 1\n"), 0600, NULL);
		CHECK(!spool_shim_alive(dir, NULL, NULL));
		os_write_file(in_dir("shim"), STR(""), 0600, NULL);
		CHECK(!spool_shim_alive(dir, NULL, NULL));
	}
	IT ("a folder whose shim has not begun is taken, and then no shim begins") {
		os_write_file(in_dir("shim"), STR("\0"), 0600, NULL);
		CHECK(!spool_shim_began(dir));
		CHECK(spool_claim(dir));
		CHECK(spool_shim_began(dir) && !spool_shim_alive(dir, NULL, NULL));
		CHECK(spool_claim(dir)); /* by the next daemon */
		os_write_file(in_dir("shim"), STR("1234 5678\n"), 0600, NULL);
		CHECK(!spool_claim(dir));
		os_write_file(in_dir("shim"), STR("0 0"), 0600, NULL);
		CHECK(!spool_claim(dir));
		unlink(in_dir("shim"));
		CHECK(spool_claim(dir)); /* whoever made it died before it was whole */
	}
	IT ("removes with the folder all there is") {
		CHECK(os_remove_tree(dir, NULL));
	}
}

/* --- with a real shim --- */

static void
on_done(void *arg, int wait_status)
{
	*(int *)arg = wait_status;
}

static struct proc *
run_shim(struct event_base *base, int *done)
{
	const char *argv[] = {shim, dir, NULL};
	struct proc_spec spec = {.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1};
	*done = -1;
	return proc_spawn(base, &spec, on_done, done, NULL);
}

static void
on_late(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	*(int *)arg = -2;
}

static int
wait_done(struct event_base *base, int *done)
{
	struct timeval tv = {20, 0};
	struct event *timer = evtimer_new(base, on_late, done);
	evtimer_add(timer, &tv);
	while (*done == -1)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
	return *done;
}

struct wakes {
	int count, bad;
	char last[80];
};

static void
on_wake(void *arg, struct str id)
{
	struct wakes *wakes = arg;
	wakes->count++;
	snprintf(wakes->last, sizeof(wakes->last), "%.*s", STR_ARG(id));
	wakes->bad += !spool_id_is_valid(id);
}

static void
test_shim(struct event_base *base)
{
	struct spool_job job = a_job("0190-s.1");
	struct wakes wakes = {0};
	struct spool_wake *wake = spool_wake_new(base, root, on_wake, &wakes, NULL);
	struct spool_status status;
	AUTO(buf_fini) struct buf out = BUF_INIT;
	int done;
	IT ("runs an agent through a shim, from job to status") {
		new_dir("0190-s.1");
		CHECK(wake && spool_create(dir, &job, NULL));
		struct proc *proc = run_shim(base, &done);
		CHECK_INT(wait_done(base, &done), 0);
		proc_free(proc);
		event_base_loop(base, EVLOOP_NONBLOCK);
		CHECK(spool_status_read(dir, &status, NULL));
		CHECK_INT(status.exit_code, 0);
		CHECK_INT(status.out_bytes, 3);
		spool_status_fini(&status);
		CHECK(spool_read_out(dir, 0, 100, &out, NULL));
		CHECK_STR(buf_cstr(&out), "{}\n");
		CHECK(wakes.count >= 1 && !wakes.bad);
		CHECK_STR(wakes.last, "0190-s.1");
		CHECK(!spool_shim_alive(dir, NULL, NULL));
	}
	IT ("says that a shim which has ended does not listen") {
		AUTO(err_fini) struct err err = ERR_INIT;
		CHECK(!spool_control(dir, STR("C cancel"), &err));
		CHECK_INT(err.code, E_NOT_FOUND);
	}
	IT ("hands on lines that came before the shim did, and long ones, in their order") {
		AUTO(buf_fini) struct buf line = BUF_INIT;
		pid_t pid = 0;
		uint64_t start = 0;
		job = a_job("0190-s.2");
		job.keep_stdin = true;
		job.out_max = 1 << 20;
		new_dir("0190-s.2");
		CHECK(spool_create(dir, &job, NULL));
		CHECK(spool_control(dir, STR(">before"), NULL));
		struct proc *proc = run_shim(base, &done);
		while (!spool_shim_alive(dir, &pid, &start) && done == -1)
			event_base_loop(base, EVLOOP_NONBLOCK);
		CHECK_INT(pid, proc_pid(proc));
		CHECK(start == os_process_start(pid));
		buf_putc(&line, '>');
		for (int i = 0; i < 20000; i++)
			buf_puts(&line, "0123456789");
		CHECK(spool_control(dir, buf_str(&line), NULL));
		CHECK(spool_control(dir, STR(">after"), NULL));
		CHECK(spool_control(dir, STR("E"), NULL));
		CHECK_INT(wait_done(base, &done), 0);
		proc_free(proc);
		buf_clear(&out);
		CHECK(spool_read_out(dir, 0, 1 << 20, &out, NULL));
		CHECK_INT(out.len, 3 + 7 + 200001 + 6);
		CHECK(str_starts(buf_str(&out), STR("{}\nbefore\n01234")) &&
		      str_ends(buf_str(&out), STR("789\nafter\n")));
	}
	IT ("cancels") {
		static const char *const argv[] = {"sleep", "60", NULL};
		job = a_job("0190-s.3");
		job.argv = argv;
		new_dir("0190-s.3");
		CHECK(spool_create(dir, &job, NULL));
		CHECK(spool_control(dir, STR("C cancel"), NULL));
		struct proc *proc = run_shim(base, &done);
		CHECK_INT(wait_done(base, &done), 0);
		proc_free(proc);
		CHECK(spool_status_read(dir, &status, NULL));
		CHECK_STR(status.reason, "cancel");
		CHECK_INT(status.signal, 15);
		spool_status_fini(&status);
	}
	spool_wake_free(wake);
}

static void
count_each(void *arg, const char *id)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	(*(int *)arg)++;
	buf_printf(&path, "%s/%s", root, id);
	os_remove_tree(buf_cstr(&path), NULL);
}

static void
feed_wake(struct event_base *base, int fd, struct str text)
{
	os_write_all(fd, text, NULL);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
test_wake(struct event_base *base)
{
	struct wakes wakes = {0};
	struct stat st;
	new_dir("deep/er");
	IT ("makes its pipe, with its folder, and takes over an old one") {
		for (int i = 0; i < 2; i++) {
			struct spool_wake *wake = spool_wake_new(base, dir, on_wake, &wakes, NULL);
			CHECK(wake);
			spool_wake_free(wake);
		}
		CHECK(!stat(in_dir("wake"), &st) && S_ISFIFO(st.st_mode) &&
		      (st.st_mode & 0777) == 0600);
	}
	IT ("replaces what is no pipe of ours") {
		unlink(in_dir("wake"));
		CHECK(!symlink("/etc/passwd", in_dir("wake")));
		struct spool_wake *wake = spool_wake_new(base, dir, on_wake, &wakes, NULL);
		CHECK(wake && !lstat(in_dir("wake"), &st) && S_ISFIFO(st.st_mode));
		spool_wake_free(wake);
	}
	IT ("passes on ids, whole or in pieces, and nothing else that stands there") {
		struct spool_wake *wake = spool_wake_new(base, dir, on_wake, &wakes, NULL);
		AUTO(auto_close) int fd = open(in_dir("wake"), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		AUTO(buf_fini) struct buf rubbish = BUF_INIT;
		feed_wake(base, fd, STR("a.1\nb.2\n"));
		CHECK_INT(wakes.count, 2);
		feed_wake(base, fd, STR("c."));
		CHECK_INT(wakes.count, 2);
		feed_wake(base, fd, STR("33\n"));
		CHECK_INT(wakes.count, 3);
		CHECK_STR(wakes.last, "c.33");
		for (int i = 0; i < 60000; i++)
			buf_putc(&rubbish, (char)(i % 255 == '\n' ? 'x' : i % 255));
		feed_wake(base, fd, buf_str(&rubbish));
		feed_wake(base, fd, STR("d.1\n../e.1\n\n\n \na.x\n"));
		CHECK_INT(wakes.count, 3); /* d.1 ended the rubbish */
		feed_wake(base, fd, STR("f.1\n"));
		CHECK_STR(wakes.last, "f.1");
		CHECK_INT(wakes.bad, 0);
		spool_wake_free(wake);
	}
	IT ("lists the spools of a folder, also while they are removed") {
		int count = 0;
		CHECK(spool_each(root, count_each, &count, NULL));
		CHECK_INT(count, 3);
		count = 0;
		CHECK(spool_each(root, count_each, &count, NULL));
		CHECK_INT(count, 0);
		CHECK(!spool_each("/no/such", count_each, &count, NULL));
	}
}

int
main(void)
{
	const char *build = getenv("builddir");
	char *real = realpath(build ? build : ".", NULL);
	if (!mkdtemp(root) || !real)
		return 99;
	snprintf(shim, sizeof(shim), "%s/rouse-shim", real);
	free(real);
	struct event_base *base = event_base_new();
	test_formats();
	test_folder();
	test_shim(base);
	test_wake(base);
	event_base_free(base);
	os_remove_tree(root, NULL);
	return tap_done();
}
