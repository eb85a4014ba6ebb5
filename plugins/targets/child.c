/* Children of targets: programs that get a text, print one, and end soon. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/child.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "base/os.h"
#include "base/uuid.h"
#include "io/proc.h"
#include "io/work.h"

#define READ_BYTES 16384
/* How long output may go on behind the exit, in the hands of what the child left behind. */
#define LINGER_MS 500
/* A process that SIGKILL does not end at once hangs in the kernel; nobody waits for it. */
#define KILL_MS 2000

struct pipe_end {
	int fd; /* -1: closed */
	struct event *event;
};

struct child {
	LIST_ENTRY(child) entry;
	struct core *core;
	struct proc *proc; /* NULL: exited */
	pid_t group;
	struct pipe_end in, out, err;
	struct buf input, output, errors;
	size_t written;
	bool exited, timed_out, out_cut, ends_with_us;
	int wait_status;
	struct uuid mark;
	struct core_timer *timer, *done;
	child_on_done *on_done;
	void *arg;
};

static LIST_HEAD(, child) children = LIST_HEAD_INITIALIZER(children);

static void
end_close(struct pipe_end *end)
{
	if (end->event)
		event_free(end->event);
	if (end->fd >= 0)
		close(end->fd);
	*end = (struct pipe_end){.fd = -1};
}

static void
child_free(struct child *child)
{
	LIST_REMOVE(child, entry);
	proc_free(child->proc);
	end_close(&child->in);
	end_close(&child->out);
	end_close(&child->err);
	buf_fini(&child->input);
	buf_fini(&child->output);
	buf_fini(&child->errors);
	core_timer_free(child->timer);
	core_timer_free(child->done);
	free(child);
}

static void
child_give(void *arg)
{
	struct child *child = arg;
	bool signalled = child->exited && WIFSIGNALED(child->wait_status);
	struct child_result result = {.exit_code = child->exited && WIFEXITED(child->wait_status)
							   ? WEXITSTATUS(child->wait_status)
							   : -1,
				      .signal = signalled ? WTERMSIG(child->wait_status) : 0,
				      .timed_out = child->timed_out,
				      .out = buf_str(&child->output),
				      .out_cut = child->out_cut,
				      .err = buf_str(&child->errors)};

	child->on_done(child->arg, &result);
	child_free(child);
}

/* --- the end ------------------------------------------------------------------------------- */

/* What runs in a work thread, and ends there: what left the group is found by its mark. */
struct hunt {
	struct uuid mark;
};

static void
hunt_run(void *arg)
{
	struct hunt *hunt = arg;

	proc_kill_marked(CHILD_MARK, hunt->mark.text);
	free(hunt);
}

static void
hunt_on_done(void *arg)
{
	(void)arg;
}

void
child_kill_tree(struct core *core, pid_t group, const struct uuid *mark)
{
	struct hunt *hunt = mem_alloc(sizeof(*hunt));

	kill(-group, SIGKILL);
	hunt->mark = *mark;
	if (!work_submit(core->work, hunt_run, hunt_on_done, hunt, NULL))
		hunt_run(hunt);
}

/* Over after both: its exit, and the end of its output. */
static void
child_look(struct child *child)
{
	if (!child->exited || child->out.fd >= 0 || child->err.fd >= 0)
		return;
	core_timer_arm(child->core, &child->done, 0, child_give, child);
}

static void
child_on_linger(void *arg)
{
	struct child *child = arg;

	kill(-child->group, SIGKILL);
	end_close(&child->out);
	end_close(&child->err);
	child_look(child);
}

static void
child_on_stuck(void *arg)
{
	struct child *child = arg;

	child->exited = true;
	child->wait_status = SIGKILL;
	end_close(&child->out);
	end_close(&child->err);
	child_look(child);
}

static void
child_on_timeout(void *arg)
{
	struct child *child = arg;

	child->timed_out = true;
	child_kill_tree(child->core, child->group, &child->mark);
	core_timer_arm(child->core, &child->timer, KILL_MS, child_on_stuck, child);
}

static void
child_on_exit(void *arg, int wait_status)
{
	struct child *child = arg;

	child->exited = true;
	child->wait_status = wait_status;
	proc_free(child->proc);
	child->proc = NULL;
	end_close(&child->in);
	core_timer_arm(child->core, &child->timer, LINGER_MS, child_on_linger, child);
	child_look(child);
}

/* --- the pipes ----------------------------------------------------------------------------- */

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	ssize_t n =
		write(fd, child->input.data + child->written, child->input.len - child->written);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* EPIPE: it does not want to know; its exit status will tell. */
	child->written = n < 0 ? child->input.len : child->written + (size_t)n;
	if (child->written == child->input.len)
		end_close(&child->in);
}

/* False at the end. */
static bool
end_read(struct pipe_end *end, struct buf *into)
{
	char bytes[READ_BYTES];
	ssize_t n = read(end->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n > 0)
		buf_add(into, bytes, (size_t)n);
	return n > 0;
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	if (end_read(&child->out, &child->output)) {
		child->out_cut |= child->output.len > CHILD_OUT_MAX;
		if (child->out_cut)
			buf_truncate(&child->output, CHILD_OUT_MAX);
		return;
	}
	end_close(&child->out);
	child_look(child);
}

static void
on_errors(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	if (end_read(&child->err, &child->errors)) {
		if (child->errors.len > CHILD_ERR_MAX)
			buf_consume(&child->errors, child->errors.len - CHILD_ERR_MAX);
		return;
	}
	end_close(&child->err);
	child_look(child);
}

/* A pipe; ours is the end `mine` (0 reads, 1 writes), the child's goes to *ret_other. */
static bool
end_open(struct child *child, struct pipe_end *end, int mine, event_callback_fn on_event,
	 int *ret_other, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return err_errno(err, errno, "cannot make a pipe for a child");
	end->fd = fds[mine];
	*ret_other = fds[!mine];
	os_nonblock(end->fd, true);
	end->event = event_new(child->core->base, end->fd,
			       (short)((mine ? EV_WRITE : EV_READ) | EV_PERSIST), on_event, child);
	event_add(end->event, NULL);
	return true;
}

/* The array is owned, its items are not. */
static const char **
envp_marked(const struct child *child, const struct child_spec *spec, struct buf *mark)
{
	const char **envp;
	size_t count = 0;

	while (spec->envp[count])
		count++;
	buf_printf(mark, CHILD_MARK "=%s", child->mark.text);
	envp = mem_alloc((count + 2) * sizeof(*envp));
	memcpy(envp, spec->envp, count * sizeof(*envp));
	envp[count] = buf_cstr(mark);
	return envp;
}

static bool
child_spawn(struct child *child, const struct child_spec *spec, const char *const *argv,
	    struct err *err)
{
	AUTO(auto_close) int in = -1;
	AUTO(auto_close) int out = -1;
	AUTO(auto_close) int errors = -1;
	AUTO(buf_fini) struct buf mark = BUF_INIT;
	AUTO(auto_free) const char **envp = envp_marked(child, spec, &mark);
	struct proc_spec proc = {
		.argv = argv, .envp = envp, .workdir = spec->workdir, .new_session = true};

	if (!end_open(child, &child->in, 1, on_writable, &in, err) ||
	    !end_open(child, &child->out, 0, on_output, &out, err) ||
	    !end_open(child, &child->err, 0, on_errors, &errors, err))
		return false;
	proc.stdin_fd = in;
	proc.stdout_fd = out;
	proc.stderr_fd = errors;
	child->proc = proc_spawn(child->core->base, &proc, child_on_exit, child, err);
	if (!child->proc)
		return false;
	child->group = proc_pid(child->proc);
	return true;
}

struct child_spec
child_spec_of(const struct conf_section *section, const char *key, struct env *env)
{
	env_put_section(env, section, NULL);
	return (struct child_spec){.command = conf_str(section, key),
				   .workdir = conf_str(section, "workdir")};
}

bool
child_start(struct core *core, const struct child_spec *spec, child_on_done *on_done, void *arg,
	    struct err *err)
{
	struct child *child;
	char **words = NULL;
	bool ok;

	if (!proc_split(spec->command, &words, err))
		return false;
	child = mem_alloc(sizeof(*child));
	*child = (struct child){.core = core,
				.in = {.fd = -1},
				.out = {.fd = -1},
				.err = {.fd = -1},
				.ends_with_us = spec->ends_with_us,
				.on_done = on_done,
				.arg = arg};
	child->mark = uuid_v7(core_wall(core));
	LIST_INSERT_HEAD(&children, child, entry);
	ok = buf_try_reserve(&child->input, spec->input.len) ||
	     err_set(err, E_FULL, "no memory for %zu bytes of a child's input", spec->input.len);
	if (ok) {
		buf_add_str(&child->input, spec->input);
		ok = child_spawn(child, spec, (const char *const *)words, err);
	}
	proc_words_free(words);
	if (!ok) {
		child_free(child);
		return false;
	}
	core_timer_arm(core, &child->timer, spec->timeout_ms > 0 ? spec->timeout_ms : 1,
		       child_on_timeout, child);
	return true;
}

void
children_fini(void)
{
	while (!LIST_EMPTY(&children)) {
		struct child *child = LIST_FIRST(&children);

		if (child->ends_with_us && !child->exited)
			kill(-child->group, SIGKILL);
		child_free(child);
	}
}
