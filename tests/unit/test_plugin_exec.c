/* Exec agents, with real programs below a real rouse-shim. */
/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/os.h"
#include "io/proc.h"
#include "io/spool.h"
#include "io/work.h"
#include "plugins/agents/exec_job.h"
#include "plugins/kinds.h"
#include "tests/fakes/core.h"
#include "tests/unit/tap.h"

#define RUN "019abcde-0000-7000-8000-000000000001"
#define ENVELOPE "{\"version\":1,\"run_id\":\"" RUN "\",\"payload\":{\"n\":1}}"
#define LONG_MS 20000

static struct fake f;

/* A configuration with the one agent `a`, of this command and these further lines. */
static bool
agent_is(const char *command, const char *more)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	buf_printf(&text, "[agent a]\nkind = exec\ncommand = %s\n%s\n", command, more);
	if (fake_conf(&f, buf_cstr(&text)))
		return true;
	printf("# %s\n", fake_report(&f));
	return false;
}

static bool
has(const struct buf *b, const char *text)
{
	return strstr(buf_cstr(b), text) != NULL;
}

static bool
spool_is_there(const char *id)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", f.core.spool_root, id);
	return !access(buf_cstr(&path), F_OK);
}

static bool
spool_is_gone(void *id)
{
	return !spool_is_there(id);
}

static bool
stopped(void *arg)
{
	struct fake_attempt *a = arg;

	return a->line_count > 0;
}

/* The next test uses the same id, which never happens outside of tests. */
static void
finish(struct fake_attempt *a)
{
	bool over = a->ended;

	fake_attempt_fini(a);
	if (over)
		fake_until(&f, spool_is_gone, (void *)RUN ".1", LONG_MS);
}

static void
test_protocol(void)
{
	struct fake_attempt a;

	IT ("gives the envelope as the first line of standard input and hands over what is "
	    "printed") {
		CHECK(agent_is("sh -c 'read -r line; echo \"$line\"; echo two'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), ENVELOPE "\ntwo\n");
		CHECK_INT(a.end.exit_code, 0);
		CHECK_INT(a.end.signal, 0);
		CHECK(!a.end.reason && !a.end.lost && !a.end.not_started);
		finish(&a);
	}
	IT ("removes the spool when the end is on disk") {
		CHECK(fake_until(&f, spool_is_gone, (void *)RUN ".1", LONG_MS));
	}
	IT ("notes where its shim is, for people and for the next daemon") {
		json_t *executor = NULL;
		AUTO(err_fini) struct err err = ERR_INIT;

		CHECK(agent_is("true", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK(a.attempt.executor && json_read(str_of(a.attempt.executor), &executor, &err));
		CHECK(json_int(executor, "pid", 0) > 1);
		CHECK(json_int(executor, "start", 0) > 0);
		CHECK(strstr(json_str(executor, "dir"), RUN ".1"));
		json_decref(executor);
		finish(&a);
	}
	IT ("delivers a last line that has no end") {
		CHECK(agent_is("printf 'one\\ntwo'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), "one\ntwo\n");
		CHECK_INT(a.attempt.durable.offset, 7);
		finish(&a);
	}
	IT ("keeps the end of standard error in the log, and says that it is cut") {
		CHECK(agent_is(
			"sh -c 'head -c 9000 /dev/zero | tr \"\\\\0\" x >&2; echo last words >&2'",
			""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK(has(&a.logs, "last words"));
		CHECK(has(&a.logs, "\"truncated\":true"));
		CHECK(a.logs.len < 4400);
		finish(&a);
	}
	IT ("tells exit statuses and signals apart") {
		CHECK(agent_is("sh -c 'exit 75'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_INT(a.end.exit_code, 75);
		finish(&a);
		CHECK(agent_is("sh -c 'kill -SEGV $$'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_INT(a.end.signal, SIGSEGV);
		CHECK_INT(a.end.exit_code, -1);
		finish(&a);
	}
	IT ("says what is wrong with a program that cannot be started") {
		CHECK(agent_is("/nowhere/agent --x", ""));
		CHECK(strstr(fake_report(&f), "warning: "));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK(a.end.not_started);
		CHECK(a.end.text && strstr(a.end.text, "/nowhere/agent"));
		finish(&a);
	}
	IT ("passes messages on to an agent that reads on") {
		AUTO(err_fini) struct err err = ERR_INIT;

		CHECK(agent_is("sh -c 'read -r l; echo ready; read -r l; echo \"got $l\"'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(a.agent.kind->start(&a.attempt, STR(ENVELOPE), &err));
		CHECK(a.agent.kind->send(&a.attempt, STR("{\"type\":\"input\",\"text\":\"hi\"}"),
					 &err));
		CHECK(!a.agent.kind->send(&a.attempt, STR("two\nlines"), &err));
		CHECK(fake_until_true(&f, &a.ended, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), "ready\ngot {\"type\":\"input\",\"text\":\"hi\"}\n");
		CHECK(!a.agent.kind->send(&a.attempt, STR("{}"), &err));
		CHECK_INT(err.code, E_STATE);
		finish(&a);
	}
	IT ("lets a program that reads to the end have its end, with stdin = envelope") {
		AUTO(err_fini) struct err err = ERR_INIT;

		CHECK(agent_is("cat", "stdin = envelope"));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), ENVELOPE "\n");
		finish(&a);
		CHECK(agent_is("sleep 5", "stdin = envelope"));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(a.agent.kind->start(&a.attempt, STR(ENVELOPE), &err));
		CHECK(!a.agent.kind->send(&a.attempt, STR("{}"), &err));
		CHECK(strstr(err_text(&err), "stdin = open"));
		a.agent.kind->cancel(&a.attempt, "cancelled");
		CHECK(fake_until_true(&f, &a.ended, LONG_MS));
		finish(&a);
	}
}

static void
test_text(void)
{
	struct fake_attempt a;

	IT ("takes every line of output = text for text, and the whole for the result") {
		CHECK(agent_is(
			"sh -c 'cat >/dev/null; echo \"{\\\"type\\\":\\\"change\\\"}\"; echo bye'",
			"output = text"));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK(has(&a.lines, "{\"type\":\"log\",\"level\":\"info\",\"text\":\"{\\\"type\\\":"
				    "\\\"change\\\"}\"}\n"));
		CHECK(has(&a.lines, "{\"type\":\"result\",\"output\":\"{\\\"type\\\":"
				    "\\\"change\\\"}\\nbye\"}\n"));
		CHECK_INT(a.line_count, 3);
		finish(&a);
	}
	IT ("gives no result of a program that failed") {
		CHECK(agent_is("sh -c 'echo oops; exit 3'", "output = text"));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK(!has(&a.lines, "\"result\""));
		CHECK_INT(a.end.exit_code, 3);
		finish(&a);
	}
	IT ("keeps the last 64 KiB of a long text, cut at a character") {
		const char *result;

		CHECK(agent_is("sh -c 'yes ä | head -n 60000'", "output = text"));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		result = strstr(buf_cstr(&a.lines), "\"result\"");
		CHECK(result || has(&a.lines, " bytes)"));
		CHECK(!has(&a.lines, "\xef\xbf\xbd"));
		finish(&a);
	}
}

static void
test_environment(void)
{
	struct fake_attempt a;

	IT ("gives an environment of its own: names of Rouse, env, pass_env, nothing else of the "
	    "daemon's") {
		setenv("DAEMON_SECRET", "s3cret", 1);
		setenv("PASSED", "through", 1);
		CHECK(agent_is("env",
			       "env = GREETING=hello world, EMPTY=\npass_env = PASSED, NOT_SET\n"));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK(has(&a.lines, "GREETING=hello world\n"));
		CHECK(has(&a.lines, "EMPTY=\n"));
		CHECK(has(&a.lines, "PASSED=through\n"));
		CHECK(has(&a.lines, "ROUSE_RUN_ID=" RUN "\n"));
		CHECK(has(&a.lines, "ROUSE_ATTEMPT=1\n"));
		CHECK(has(&a.lines, EXEC_MARK "=" RUN ".1\n"));
		CHECK(has(&a.lines, "ROUSE_KEY=ticket:1\n"));
		CHECK(has(&a.lines, "ROUSE_DEADLINE_MS=10000\n"));
		CHECK(has(&a.lines, "TRACEPARENT=00-1-2-01\n"));
		CHECK(has(&a.lines, "LANG=C.UTF-8\n"));
		CHECK(has(&a.lines, "PATH="));
		CHECK(!has(&a.lines, "s3cret"));
		CHECK(!has(&a.lines, "NOT_SET"));
		finish(&a);
	}
	IT ("opens nothing to the agent but its three descriptors") {
		CHECK(agent_is("sh -c 'ls /proc/$$/fd'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), "0\n1\n2\n");
		finish(&a);
	}
	IT ("hands a hostile entity on as data, and leaves out one that is too long to be passed") {
		char *huge = mem_alloc(200001);

		memset(huge, 'x', 200000);
		CHECK(agent_is("sh -c 'printf %s\\\\n \"$ROUSE_ENTITY\" \"${ROUSE_USER-none}\"'",
			       ""));
		fake_attempt_init(&a, &f, "a", RUN);
		a.attempt.run.entity = mem_strdup("$(touch /tmp/pwned); `id` '\" \\");
		a.attempt.run.user = huge;
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), "$(touch /tmp/pwned); `id` '\" \\\nnone\n");
		finish(&a);
	}
	IT ("starts in its folder with its limits") {
		CHECK(agent_is("sh -c 'pwd; umask; ulimit -n; ulimit -t'",
			       "workdir = /usr\numask = 027\nfiles = 64\ncpu_time = 90500ms"));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), "/usr\n0027\n64\n91\n");
		finish(&a);
	}
}

static void
test_check(void)
{
	IT ("refuses at load what cannot work, with a sentence") {
		CHECK(!agent_is("echo hi | cat", ""));
		CHECK(strstr(fake_report(&f), "sh -c"));
		CHECK(!agent_is("echo 'unclosed", ""));
		CHECK(!agent_is("true", "env = NOVALUE"));
		CHECK(strstr(fake_report(&f), "NAME=VALUE"));
		CHECK(!agent_is("true", "env = ROUSE_RUN_ID=me"));
		CHECK(!agent_is("true", "pass_env = A B"));
		CHECK(!agent_is("true", "umask = 0999"));
		CHECK(!agent_is("true", "output = text\nstdin = open"));
		CHECK(strstr(fake_report(&f), "envelope"));
		CHECK(!agent_is("", ""));
	}
	IT ("only warns of a program or user that is not there yet") {
		CHECK(agent_is("no-such-program-xyz", "user = nobody-of-this-name"));
		CHECK_INT(conf_report_warnings(f.report), 2);
	}
}

static void
test_limits(void)
{
	struct fake_attempt a;

	IT ("ends an agent at its deadline, with all that it started") {
		CHECK(agent_is("sh -c 'trap \"\" TERM; (setsid sleep 333 &); sleep 333'",
			       "grace = 200ms"));
		fake_attempt_init(&a, &f, "a", RUN);
		a.attempt.run.limits.deadline_ms = 400;
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(a.end.reason, "deadline");
		CHECK_INT(proc_kill_marked(EXEC_MARK, a.attempt.id), 0);
		finish(&a);
	}
	IT ("ends an agent that prints more than it may") {
		CHECK(agent_is("yes", "grace = 200ms"));
		fake_attempt_init(&a, &f, "a", RUN);
		a.attempt.run.limits.output_bytes = 1 << 20;
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(a.end.reason, "output");
		CHECK(a.attempt.now.offset <= 1 << 20);
		finish(&a);
	}
	IT ("is not held up by output that comes faster than it is taken") {
		CHECK(agent_is("head -c 60000000 /dev/zero", "grace = 200ms"));
		fake_attempt_init(&a, &f, "a", RUN);
		a.attempt.run.limits.output_bytes = 100 << 20;
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_INT(a.end.exit_code, 0);
		CHECK_INT(a.attempt.durable.offset, 60000000);
		finish(&a);
	}
	IT ("reads a flood in turns, and cuts a line that never ends") {
		unsigned before = f.turns;

		CHECK(agent_is(
			"sh -c 'head -c 3000000 /dev/zero | tr \"\\\\0\" y; echo; echo after'",
			""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), "(1048576 bytes)\nafter\n");
		CHECK_INT(a.cut_count, 1);
		CHECK(f.turns > before);
		CHECK_INT(a.attempt.durable.offset, 3000007);
		finish(&a);
	}
	IT ("does not wait for a grandchild that keeps standard output open") {
		CHECK(agent_is("sh -c 'sleep 333 & echo done'", "linger = 200ms"));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), "done\n");
		CHECK_INT(a.end.exit_code, 0);
		finish(&a);
	}
	IT ("stops an agent the moment a line passes a budget, telling it why first") {
		CHECK(agent_is("sh -c 'trap \"\" TERM; read -r l; echo \"stop here\"; read -r l; "
			       "echo \"told $l\"; sleep 333'",
			       "grace = 500ms"));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK(a.cancelled);
		CHECK(has(&a.lines, "told {\"type\":\"cancel\",\"reason\":\"budget_steps\"}"));
		CHECK_STR(a.end.reason, "budget_steps");
		finish(&a);
	}
}

static void
test_failed_turns(void)
{
	struct fake_attempt a;

	IT ("gives lines again whose turn could not be committed, each once in the end") {
		CHECK(agent_is(
			"sh -c 'for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done; printf last'",
			""));
		fake_attempt_init(&a, &f, "a", RUN);
		f.fail_turns = 3;
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_INT(f.fail_turns, 0);
		CHECK_STR(buf_cstr(&a.lines), "1\n2\n3\n4\n5\n6\nlast\n");
		finish(&a);
	}
	IT ("does not end before its last lines are on disk") {
		CHECK(agent_is("sh -c 'echo one; echo err >&2; printf two'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		f.fail_turns = 4;
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_INT(f.fail_turns, 0);
		CHECK_STR(buf_cstr(&a.lines), "one\ntwo\n");
		CHECK_INT(a.attempt.durable.offset, 7);
		CHECK_STR(buf_cstr(&a.logs),
			  "stderr {\"type\":\"stderr\",\"text\":\"err\\n\",\"truncated\":false}\n");
		finish(&a);
	}
}

/* What a new daemon finds: the old one's state is gone, the rows are there. */
static void
daemon_dies(struct fake_attempt *a, struct fake_attempt *next)
{
	int64_t offset = a->attempt.durable.offset;

	a->agent.kind->release(&a->attempt, false);
	fake_attempt_fini(a);
	work_pool_free(f.core.work);
	plugins_fini(&f.core);
	f.core.work = work_pool_new(f.core.base, 2, 1000);
	fake_attempt_init(next, &f, "a", RUN);
	next->attempt.now.offset = next->attempt.durable.offset = offset;
}

static void
shim_kill(int sig)
{
	AUTO(buf_fini) struct buf dir = BUF_INIT;
	pid_t pid = 0;
	uint64_t start;

	buf_printf(&dir, "%s/" RUN ".1", f.core.spool_root);
	CHECK(spool_shim_alive(buf_cstr(&dir), &pid, &start));
	if (pid > 0)
		kill(pid, sig);
}

static void
test_adoption(void)
{
	struct fake_attempt a, b;
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("takes a running agent up again, from the line after the last one that was kept") {
		CHECK(agent_is("sh -c 'read -r l; echo one; read -r l; echo \"two $l\"'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(a.agent.kind->start(&a.attempt, STR(ENVELOPE), &err));
		CHECK(fake_until(&f, stopped, &a, LONG_MS));
		daemon_dies(&a, &b);
		CHECK(b.agent.kind->adopt(&b.attempt, &err));
		fake_idle(&f, 50);
		CHECK(b.agent.kind->send(&b.attempt, STR("go"), &err));
		CHECK(fake_until_true(&f, &b.ended, LONG_MS));
		CHECK_STR(buf_cstr(&b.lines), "two go\n");
		CHECK_INT(b.end.exit_code, 0);
		CHECK(!b.end.lost);
		finish(&b);
	}
	IT ("hears of the end of an agent that ended while no daemon ran") {
		CHECK(agent_is("sh -c 'echo one; exit 3'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(a.agent.kind->start(&a.attempt, STR(ENVELOPE), &err));
		daemon_dies(&a, &b);
		usleep(300000);
		CHECK(b.agent.kind->adopt(&b.attempt, &err));
		CHECK(fake_until_true(&f, &b.ended, LONG_MS));
		CHECK_STR(buf_cstr(&b.lines), "one\n");
		CHECK_INT(b.end.exit_code, 3);
		finish(&b);
	}
	IT ("counts an agent whose shim died as lost, when nothing of it is left") {
		CHECK(agent_is("sh -c 'echo one; (setsid sleep 444 &); sleep 444'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(a.agent.kind->start(&a.attempt, STR(ENVELOPE), &err));
		CHECK(fake_until(&f, stopped, &a, LONG_MS));
		shim_kill(SIGKILL);
		CHECK(fake_until_true(&f, &a.ended, LONG_MS));
		CHECK(a.end.lost);
		CHECK_STR(buf_cstr(&a.lines), "one\n");
		CHECK_INT(proc_kill_marked(EXEC_MARK, a.attempt.id), 0);
		finish(&a);
	}
	IT ("does the same when shim and daemon died together") {
		CHECK(agent_is("sh -c 'echo one; sleep 444'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(a.agent.kind->start(&a.attempt, STR(ENVELOPE), &err));
		CHECK(fake_until(&f, stopped, &a, LONG_MS));
		shim_kill(SIGKILL);
		daemon_dies(&a, &b);
		CHECK(b.agent.kind->adopt(&b.attempt, &err));
		CHECK(fake_until_true(&f, &b.ended, LONG_MS));
		CHECK(b.end.lost);
		CHECK_INT(proc_kill_marked(EXEC_MARK, b.attempt.id), 0);
		finish(&b);
	}
	IT ("does not take up what has no spool") {
		CHECK(agent_is("true", ""));
		fake_attempt_init(&b, &f, "a", "019abcde-0000-7000-8000-00000000dead");
		CHECK(!b.agent.kind->adopt(&b.attempt, &err));
		CHECK_INT(err.code, E_NOT_FOUND);
		finish(&b);
	}
	IT ("remembers across the daemon's death why an agent was stopped") {
		CHECK(agent_is("sh -c 'echo one; sleep 444'", ""));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(a.agent.kind->start(&a.attempt, STR(ENVELOPE), &err));
		CHECK(fake_until(&f, stopped, &a, LONG_MS));
		attempt_stop(&a.attempt, "cancelled", NULL);
		daemon_dies(&a, &b);
		CHECK(b.agent.kind->adopt(&b.attempt, &err));
		CHECK(fake_until_true(&f, &b.ended, LONG_MS));
		CHECK_STR(b.attempt.stop_reason, "cancelled");
		finish(&b);
	}
	IT ("starts afresh where an unknown spool of the same name lies") {
		AUTO(buf_fini) struct buf dir = BUF_INIT;

		CHECK(agent_is("echo fresh", ""));
		buf_printf(&dir, "%s/" RUN ".1", f.core.spool_root);
		os_remove_tree(buf_cstr(&dir), NULL);
		CHECK(os_mkdirs(buf_cstr(&dir), 0700, NULL));
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(fake_run(&a, ENVELOPE, LONG_MS));
		CHECK_STR(buf_cstr(&a.lines), "fresh\n");
		finish(&a);
	}
	IT ("tells a missing shim from a missing agent, and lets the former be tried again") {
		const char *shim = f.core.shim_path;

		CHECK(agent_is("true", ""));
		f.core.shim_path = "/nowhere/rouse-shim";
		fake_attempt_init(&a, &f, "a", RUN);
		CHECK(!a.agent.kind->start(&a.attempt, STR(ENVELOPE), &err));
		CHECK(err_again(err.code));
		CHECK(strstr(err_text(&err), "rouse-shim"));
		CHECK(!spool_is_there(RUN ".1"));
		f.core.shim_path = shim;
		finish(&a);
	}
}

#define MANY 40

static void
test_many(void)
{
	static struct fake_attempt many[MANY];
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t sum = 0, worst = 0;

	IT ("starts an agent within milliseconds") {
		CHECK(agent_is("echo hi", ""));
		for (int i = 0; i < MANY; i++) {
			char id[48];
			int64_t ms;

			snprintf(id, sizeof(id), "019abcde-0000-7000-8000-%012d", i);
			fake_attempt_init(&many[i], &f, "a", id);
			CHECK(fake_run(&many[i], ENVELOPE, LONG_MS));
			ms = many[i].first_line.ms - many[i].attempt.started.ms;
			sum += ms;
			worst = ms > worst ? ms : worst;
			fake_attempt_fini(&many[i]);
		}
		printf("# start to first line: mean %.1f ms, worst %lld ms\n", (double)sum / MANY,
		       (long long)worst);
		CHECK(sum / MANY < 1000);
	}
	IT ("runs many at once, none mistaken for another") {
		bool all = true;

		CHECK(agent_is("sh -c 'echo $ROUSE_RUN_ID; sleep 0.2; echo $ROUSE_RUN_ID'", ""));
		for (int i = 0; i < MANY; i++) {
			char id[48];

			snprintf(id, sizeof(id), "019abcde-0000-7000-8000-%012d", i);
			fake_attempt_init(&many[i], &f, "a", id);
			all &= many[i].agent.kind->start(&many[i].attempt, STR(ENVELOPE), &err);
		}
		CHECK(all);
		for (int i = 0; i < MANY; i++) {
			AUTO(buf_fini) struct buf want = BUF_INIT;

			fake_until_true(&f, &many[i].ended, LONG_MS);
			buf_printf(&want, "%s\n%s\n", many[i].attempt.run.id,
				   many[i].attempt.run.id);
			all &= !strcmp(buf_cstr(&want), buf_cstr(&many[i].lines)) &&
			       many[i].end.exit_code == 0;
			fake_attempt_fini(&many[i]);
		}
		CHECK(all);
	}
}

static void
count_spool(void *arg, const char *id)
{
	(void)id;
	++*(unsigned *)arg;
}

static bool
all_spools_are_gone(void *arg)
{
	unsigned count = 0;

	(void)arg;
	return spool_each(f.core.spool_root, count_spool, &count, NULL) && count == 0;
}

int
main(void)
{
	AUTO(buf_fini) struct buf shim = BUF_INIT;
	const char *builddir = getenv("builddir");
	char *cwd = getcwd(NULL, 0);

	/* The daemon is a subreaper: what outlives a shim comes to it. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	buf_printf(&shim, "%s%s%s/rouse-shim", builddir && *builddir == '/' ? "" : cwd,
		   builddir && *builddir == '/' ? "" : "/", builddir ? builddir : ".");
	free(cwd);
	fake_init(&f);
	f.core.shim_path = buf_cstr(&shim);
	test_protocol();
	test_text();
	test_environment();
	test_check();
	test_limits();
	test_failed_turns();
	test_adoption();
	test_many();
	IT ("leaves no spool behind") {
		CHECK(fake_until(&f, all_spools_are_gone, NULL, LONG_MS));
	}
	IT ("leaves no turn waiting") {
		CHECK(!f.timed_out);
	}
	fake_fini(&f);
	return tap_done();
}
