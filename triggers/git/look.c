/* One look at a repository, by rouse-git in a process of its own. */
/* SPDX-License-Identifier: MIT */
#include "triggers/git/look.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"
#include "base/os.h"
#include "io/proc.h"

#define ANSWER_MAX (256 << 20)
#define OID_LEN 40
#define REF_MAX 1024

struct look {
	struct core *core;
	struct proc *proc;
	int out; /* a file in memory: no pipe to serve, and what was said before a death is there */
	struct core_timer *timer;
	bool late;
	look_on_done *on_done; /* NULL: cancelled */
	void *arg;
	LIST_ENTRY(look) entry; /* while cancelled */
};

static LIST_HEAD(, look) cancelled = LIST_HEAD_INITIALIZER(cancelled);

static void
look_free(struct look *look)
{
	proc_free(look->proc);
	core_timer_free(look->timer);
	close(look->out);
	free(look);
}

static void
look_on_late(void *arg)
{
	struct look *look = arg;

	look->late = true;
	proc_signal(look->proc, SIGKILL);
}

static void
look_on_exit(void *arg, int status)
{
	struct look *look = arg;
	AUTO(buf_fini) struct buf answer = BUF_INIT, died = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!look->on_done) {
		LIST_REMOVE(look, entry);
		look_free(look);
		return;
	}
	if (look->late)
		buf_puts(&died, "it did not answer in time (timeout)");
	else if (WIFSIGNALED(status))
		buf_printf(&died, "rouse-git ended by signal %d", WTERMSIG(status));
	if (lseek(look->out, 0, SEEK_SET) ||
	    !os_read_fd(look->out, ANSWER_MAX, "answer of rouse-git", &answer, &err))
		buf_puts(&died, err_text(&err));
	look->on_done(look->arg, buf_str(&answer), buf_cstr(&died));
	look_free(look);
}

static int
memory_file(struct str text, struct err *err)
{
	int fd = memfd_create("rouse-git", MFD_CLOEXEC);

	if (fd < 0) {
		err_errno(err, errno, "cannot make a file in memory");
	} else if (!os_write_all(fd, text, err) || lseek(fd, 0, SEEK_SET)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

struct look *
look_start(struct core *core, struct str request, int64_t timeout_ms, look_on_done *on_done,
	   void *arg, struct err *err)
{
	const char *const argv[] = {core->git_path, NULL};
	AUTO(auto_close) int in = memory_file(request, err);
	int out = in < 0 ? -1 : memory_file(STR(""), err);
	struct look *look;

	if (out < 0)
		return NULL;
	look = mem_alloc(sizeof(*look));
	*look = (struct look){.core = core, .out = out, .on_done = on_done, .arg = arg};
	look->proc = proc_spawn(
		core->base,
		&(struct proc_spec){
			.argv = argv, .stdin_fd = in, .stdout_fd = out, .stderr_fd = STDERR_FILENO},
		look_on_exit, look, err);
	if (!look->proc) {
		look_free(look);
		return NULL;
	}
	core_timer_arm(core, &look->timer, timeout_ms, look_on_late, look);
	return look;
}

void
look_cancel(struct look *look)
{
	if (!look)
		return;
	look->on_done = NULL;
	core_timer_stop(look->timer);
	proc_signal(look->proc, SIGKILL);
	LIST_INSERT_HEAD(&cancelled, look, entry);
}

void
looks_forget(void)
{
	struct look *look;

	while ((look = LIST_FIRST(&cancelled))) {
		LIST_REMOVE(look, entry);
		look_free(look);
	}
}

/* --- the answer ----------------------------------------------------------------------------- */

/* False: it is cut off. */
static bool
line_take(struct str *rest, struct str *ret)
{
	struct str after;

	if (!rest->p || !rest->len)
		return false;
	after = str_split(*rest, '\n', ret);
	if (!after.p)
		return false;
	*rest = after;
	return true;
}

static bool
id_and_ref(struct str line, struct look_line *ret)
{
	ret->ref = str_split(line, ' ', &ret->id);
	if (ret->id.len != OID_LEN || !ret->ref.p || !ret->ref.len || ret->ref.len > REF_MAX)
		return false;
	for (size_t i = 0; i < OID_LEN; i++)
		if (!strchr("0123456789abcdef", ret->id.p[i]) || !ret->id.p[i])
			return false;
	return true;
}

struct look_line
look_next(struct str *rest)
{
	struct look_line none = {.kind = LOOK_NONE}, found = {.kind = LOOK_NONE};
	struct str line;

	if (!line_take(rest, &line) || line.len < 3 || line.p[1] != ' ')
		return none;
	found.data = str_make(line.p + 2, line.len - 2);
	switch (line.p[0]) {
	case '=':
		found.kind = LOOK_LEARN;
		return id_and_ref(found.data, &found) ? found : none;
	case '*':
		found.kind = LOOK_CHANGE;
		return id_and_ref(found.data, &found) && line_take(rest, &found.cause) &&
				       line_take(rest, &found.data) && json_check(found.data, NULL)
			       ? found
			       : none;
	case '~':
		found.kind = LOOK_DEEP;
		return found;
	case '.':
		found.kind = LOOK_END;
		return json_check(found.data, NULL) ? found : none;
	case '!':
		found.kind = LOOK_TROUBLE;
		return json_check(found.data, NULL) ? found : none;
	default:
		return none;
	}
}
