/* Exec targets, with real commands. */
/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "io/proc.h"
#include "io/work.h"
#include "plugins/targets/child.h"
#include "tests/fakes/target.h"
#include "tests/unit/tap.h"

static bool
command_is(const char *command, const char *more)
{
	AUTO(buf_fini) struct buf keys = BUF_INIT;

	buf_printf(&keys, "command = %s\n%s\n", command, more);
	return target_is("exec", buf_cstr(&keys));
}

/* A file that commands of a test write to: what stands in it. */
static const char *
file_text(const char *name)
{
	static struct buf text;
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_clear(&text);
	buf_printf(&path, "%s/%s", f.dir, name);
	os_read_file(buf_cstr(&path), 1 << 20, &text, NULL);
	return buf_cstr(&text);
}

static bool
in_dir(const char *command, const char *more)
{
	AUTO(buf_fini) struct buf keys = BUF_INIT;

	buf_printf(&keys, "workdir = %s\n%s", f.dir, more);
	return command_is(command, buf_cstr(&keys));
}

static void
test_apply(void)
{
	struct change_row change = change_of("ticket:1", "update", "cust-42", "{\"tier\":\"free\"}",
					     "{\"tier\":\"gold\",\"n\":9007199254740993}");

	change.reason = (char *)"asked \"for\" it";
	IT ("gives the change on standard input and keeps what is printed") {
		CHECK(in_dir("sh -c 'cat > in; echo \"{\\\"ticket\\\":7}\"'", ""));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(
			file_text("in"),
			"{\"id\":\"" CHANGE_ID
			"\",\"key\":\"ticket:1\",\"run\":\"019abcde-0000-7000-8000-000000000001\","
			"\"target\":\"crm\",\"entity\":\"cust-42\",\"op\":\"update\",\"before\":{"
			"\"tier\":\"free\"},"
			"\"after\":{\"tier\":\"gold\",\"n\":9007199254740993},\"patch\":null,"
			"\"reason\":\"asked \\\"for\\\" it\","
			"\"revert\":false}\n");
		CHECK_STR(got.receipt, "{\"exit\":0,\"output\":{\"ticket\":7}}");
	}
	IT ("names key, operation and direction in the environment") {
		setenv("DAEMON_SECRET", "s3cret", 1);
		CHECK(in_dir("sh -c 'env > env'", "env = MODE=live\n"));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(strstr(file_text("env"), "ROUSE_CHANGE_KEY=ticket:1\n"));
		CHECK(strstr(file_text("env"), "ROUSE_CHANGE_ID=" CHANGE_ID "\n"));
		CHECK(strstr(file_text("env"), "ROUSE_OP=update\n"));
		CHECK(strstr(file_text("env"), "ROUSE_REVERT=0\n"));
		CHECK(strstr(file_text("env"), "MODE=live\n"));
		CHECK(!strstr(file_text("env"), "s3cret"));
	}
	IT ("reverts as the change the other way round, under a key of its own") {
		CHECK(in_dir("sh -c 'cat > in; env > env'", ""));
		change.receipt = (char *)"{\"exit\":0,\"before\":{\"tier\":\"trial\"}}";
		CHECK_INT(go(&change, true), TARGET_DONE);
		CHECK(strstr(file_text("in"), "\"key\":\"ticket:1/revert\""));
		CHECK(strstr(file_text("in"), "\"after\":{\"tier\":\"trial\"}"));
		CHECK(strstr(file_text("in"), "\"before\":{\"tier\":\"gold\""));
		CHECK(strstr(file_text("in"), "\"revert\":true"));
		CHECK(strstr(file_text("env"), "ROUSE_REVERT=1\n"));
		change.receipt = NULL;
	}
	IT ("keeps what is no JSON as text, and only its beginning") {
		CHECK(command_is("sh -c 'echo plain \\\"words\\\"'", ""));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(got.receipt, "{\"exit\":0,\"output\":\"plain \\\"words\\\"\"}");
		CHECK(command_is("sh -c 'head -c 500000 /dev/zero | tr \"\\\\0\" x'", ""));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(strlen(got.receipt) > 8000);
	}
}

static void
test_exits(void)
{
	struct change_row change = change_of("k", "update", "1", NULL, "{}");
	static const int permanent[] = {64, 65, 66, 69, 77, 78};
	static const int again[] = {75, 1, 2, 127, 255};
	bool all = true;

	IT ("tries again what may pass, and not what will not") {
		for (size_t i = 0; i < ARRAY_LEN(permanent) + ARRAY_LEN(again); i++) {
			bool lasts = i < ARRAY_LEN(permanent);
			AUTO(buf_fini) struct buf command = BUF_INIT;

			buf_printf(&command, "sh -c 'exit %d'",
				   lasts ? permanent[i] : again[i - ARRAY_LEN(permanent)]);
			all &= command_is(buf_cstr(&command), "") &&
			       go(&change, false) == TARGET_FAILED && err_again(got.code) == !lasts;
		}
		CHECK(all);
	}
	IT ("says the last words of standard error") {
		CHECK(command_is("sh -c 'echo first >&2; echo no such customer >&2; exit 65'", ""));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_STR(got.error, "command: exit status 65: no such customer");
	}
	IT ("takes exit status 76 for drift, with what is there") {
		CHECK(command_is("sh -c 'echo \"{\\\"tier\\\":\\\"x\\\"}\"; exit 76'", ""));
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(got.current, "{\"tier\":\"x\"}");
		CHECK(command_is("sh -c 'echo garbage; exit 76'", ""));
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(got.current, "");
	}
	IT ("tries a command again that a signal ended") {
		CHECK(command_is("sh -c 'kill -9 $$'", ""));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(err_again(got.code));
	}
}

static void
test_read(void)
{
	struct change_row change =
		change_of("k", "update", "1", "{\"tier\":\"free\"}", "{\"tier\":\"gold\"}");

	IT ("looks first, and applies when nothing has drifted, keeping what was there") {
		CHECK(in_dir("sh -c 'cat > in; echo applied'",
			     "read = echo '{\"tier\":\"free\",\"n\":1}'\n"));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(got.receipt, "{\"exit\":0,\"before\":{\"tier\":\"free\",\"n\":1},"
				       "\"output\":\"applied\"}");
	}
	IT ("does not run the command when it has drifted") {
		CHECK(in_dir("sh -c 'echo yes > ran'", "read = echo '{\"tier\":\"by hand\"}'\n"));
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		CHECK_STR(got.current, "{\"tier\":\"by hand\"}");
		CHECK_INT(go(&change, true), TARGET_DRIFTED);
		CHECK_STR(file_text("ran"), "");
	}
	IT ("takes silence for nothing being there") {
		CHECK(command_is("true", "read = true\n"));
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		change.op = (char *)"create";
		change.before = NULL;
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(command_is("true", "read = echo '{\"tier\":\"taken\"}'\n"));
		CHECK_INT(go(&change, false), TARGET_DRIFTED);
		change.op = (char *)"update";
	}
	IT ("does not go on from a look that failed or is no JSON") {
		CHECK(command_is("true", "read = sh -c 'echo down >&2; exit 1'\n"));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(err_again(got.code) && strstr(got.error, "down"));
		CHECK(command_is("true", "read = echo not json\n"));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(!err_again(got.code));
		CHECK(command_is("true", "read = yes\ntimeout = 300ms\n"));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_TIMEOUT);
	}
}

static bool
all_done(void *arg)
{
	return got.count_done == *(unsigned *)arg;
}

static bool
is_written(void *arg)
{
	return *file_text(arg) != '\0';
}

static void
file_write(const char *name)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", f.dir, name);
	CHECK(os_write_file(buf_cstr(&path), STR("1"), 0600, NULL));
}

/* What a child left behind is ours when that child is dead. */
static bool
is_killed(void *arg)
{
	int status;

	return waitpid(*(pid_t *)arg, &status, WNOHANG) > 0 && WIFSIGNALED(status);
}

/* Both threads of the fake's pool stand here until they are let go. */
struct hold {
	pthread_barrier_t all_here, go_on;
};

static void
thread_stand(void *arg)
{
	struct hold *hold = arg;

	pthread_barrier_wait(&hold->all_here);
	pthread_barrier_wait(&hold->go_on);
}

static void
thread_on_done(void *arg)
{
	(void)arg;
}

static void
threads_hold(struct hold *hold)
{
	pthread_barrier_init(&hold->all_here, NULL, 3);
	pthread_barrier_init(&hold->go_on, NULL, 3);
	for (int i = 0; i < 2; i++)
		CHECK(work_submit(f.core.work, thread_stand, thread_on_done, hold, NULL));
	pthread_barrier_wait(&hold->all_here);
}

static void
threads_release(struct hold *hold)
{
	pthread_barrier_wait(&hold->go_on);
}

static void
test_bad_days(void)
{
	struct change_row change = change_of("k", "update", "1", NULL, "{}");

	IT ("says which command is not there") {
		CHECK(command_is("/nowhere/apply-it", ""));
		CHECK_INT(conf_report_warnings(f.report), 1);
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK(strstr(got.error, "/nowhere/apply-it"));
		CHECK(!err_again(got.code));
	}
	IT ("kills a command that hangs, with all that it started") {
		CHECK(command_is("sh -c 'trap \"\" TERM; (setsid sleep 555 &); sleep 555'",
				 "timeout = 300ms\n"));
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_TIMEOUT);
		fake_idle(&f, 300);
		CHECK_INT(proc_kill_marked("ROUSE_CHANGE_ID", CHANGE_ID), 0);
	}
	IT ("hunts for what an attempt left without hitting the next attempt of the same change") {
		static struct hold before, after;
		pid_t left;

		CHECK(in_dir("sh -c '(setsid sleep 555 & echo $! > left); sleep 555'",
			     "timeout = 500ms\n"));
		threads_hold(&before);
		CHECK_INT(go(&change, false), TARGET_FAILED);
		CHECK_INT(got.code, E_TIMEOUT);
		left = (pid_t)strtol(file_text("left"), NULL, 10);
		CHECK(left > 1 && !kill(left, 0));
		CHECK(in_dir("sh -c 'echo up > up; while test ! -e go; do sleep 0.02; done; echo "
			     "whole'",
			     ""));
		memset(&got, 0, sizeof(got));
		t.kind->apply(&f.core, &t, &change, false, on_done, NULL);
		CHECK(fake_until(&f, is_written, (void *)"up", TARGET_MS));
		threads_release(&before);
		CHECK(fake_until(&f, is_killed, &left, TARGET_MS));
		threads_hold(&after); /* that they are free says that the hunt is over */
		threads_release(&after);
		CHECK(!got.done);
		file_write("go");
		CHECK(fake_until_true(&f, &got.done, TARGET_MS));
		CHECK_INT(got.outcome, TARGET_DONE);
		CHECK_STR(got.receipt, "{\"exit\":0,\"output\":\"whole\"}");
	}
	IT ("does not wait for what a command leaves behind with its output open") {
		CHECK(command_is("sh -c 'sleep 555 & echo done'", ""));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK_STR(got.receipt, "{\"exit\":0,\"output\":\"done\"}");
	}
	IT ("survives a flood on both outputs") {
		CHECK(command_is("sh -c 'head -c 30000000 /dev/zero >&2 & head -c 30000000 "
				 "/dev/zero; wait; exit 1'",
				 ""));
		CHECK_INT(go(&change, false), TARGET_FAILED);
	}
	IT ("survives a command that does not read a large change, and feeds one that does") {
		struct buf huge = BUF_INIT;

		buf_puts(&huge, "{\"text\":\"");
		for (int i = 0; i < 3 << 20; i++)
			buf_putc(&huge, 'x');
		buf_puts(&huge, "\"}");
		change.after = (char *)buf_cstr(&huge);
		CHECK(command_is("sh -c 'exec <&-; sleep 0.1; echo fine'", ""));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(command_is("wc -c", ""));
		CHECK_INT(go(&change, false), TARGET_DONE);
		CHECK(strstr(got.receipt, "\"output\":3145"));
		buf_fini(&huge);
		change.after = (char *)"{}";
	}
	IT ("runs many at once") {
		enum { MANY = 30 };
		static struct change_row changes[MANY];

		CHECK(command_is("sh -c 'cat >/dev/null; sleep 0.2'", ""));
		memset(&got, 0, sizeof(got));
		for (int i = 0; i < MANY; i++) {
			changes[i] = change_of("k", "update", "1", NULL, "{}");
			t.kind->apply(&f.core, &t, &changes[i], false, on_done, NULL);
		}
		CHECK(fake_until(&f, all_done, &(unsigned){MANY}, TARGET_MS));
	}
}

static void
test_load(void)
{
	IT ("refuses at load what cannot work") {
		CHECK(!target_is("exec", ""));
		CHECK(!command_is("a | b", ""));
		CHECK(!command_is("true", "read = 'unclosed\n"));
		CHECK(!command_is("true", "env = X\n"));
	}
}

int
main(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fake_init(&f);
	test_apply();
	test_exits();
	test_read();
	test_bad_days();
	test_load();
	target_free();
	fake_fini(&f);
	return tap_done();
}
