/* The jail's helper: one running rouse-jq or rouse-mime and the wire to it. */
/* SPDX-License-Identifier: MIT */
#include "io/jail_helper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"

enum { READ_BYTES = 65536 };

static bool
page_open(int *ret_fd, struct jail_page **ret, struct err *err)
{
	AUTO(auto_close) int fd = memfd_create("rouse-jail", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, sizeof(struct jail_page)))
		return err_errno(err, errno, "cannot share memory with a helper");
	void *page =
		mmap(NULL, sizeof(struct jail_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return err_errno(err, errno, "cannot share memory with a helper");
	*ret = page;
	*ret_fd = fd;
	fd = -1;
	return true;
}

static bool
helper_start(struct helper *helper, struct event_base *base, const char *program_path,
	     proc_on_exit *on_exit, void *arg, struct err *err)
{
	const char *argv[] = {program_path, NULL};
	AUTO(auto_close) int page = -1;
	int pair[2];
	if (!page_open(&page, &helper->page, err))
		return false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return err_errno(err, errno, "cannot make a socket to a helper");
	helper->fd = pair[0];
	struct proc_spec spec = {.argv = argv,
				 .stdin_fd = pair[1],
				 .stdout_fd = page,
				 .stderr_fd = -1,
				 .new_session = true};
	helper->proc = proc_spawn(base, &spec, on_exit, arg, err);
	close(pair[1]);
	if (!helper->proc)
		return false;
	return os_nonblock(pair[0], true) || err_errno(err, errno, "cannot prepare a socket");
}

struct helper *
helper_open(struct event_base *base, const struct jail_spec *spec, const char *program_path,
	    proc_on_exit *on_exit, void *arg, struct err *err)
{
	struct helper *helper = mem_alloc(sizeof(*helper));
	helper->spec = spec;
	helper->fd = -1;
	if (helper_start(helper, base, program_path, on_exit, arg, err))
		return helper;
	helper_close(helper);
	return NULL;
}

/* Waited for here: it dies at once, and leaves no zombie when nobody watches it any more. */
void
helper_close(struct helper *helper)
{
	if (!helper)
		return;
	if (helper->proc) {
		pid_t pid = proc_pid(helper->proc);
		bool gone = !proc_is_running(helper->proc);
		proc_signal(helper->proc, SIGKILL);
		proc_free(helper->proc);
		while (!gone && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (helper->fd >= 0)
		close(helper->fd);
	if (helper->page)
		munmap(helper->page, sizeof(*helper->page));
	buf_fini(&helper->in);
	buf_fini(&helper->out);
	free(helper);
}

void
helper_put(struct helper *helper, enum jail_kind kind, uint64_t id, uint32_t slot, struct str body)
{
	struct jail_frame frame = {.len = (uint32_t)body.len, .kind = kind, .id = id, .slot = slot};
	buf_add(&helper->out, &frame, sizeof(frame));
	buf_add_str(&helper->out, body);
}

bool
helper_has_more(const struct helper *helper)
{
	return helper->sent < helper->out.len;
}

bool
helper_write(struct helper *helper)
{
	while (helper_has_more(helper)) {
		ssize_t n = send(helper->fd, helper->out.data + helper->sent,
				 helper->out.len - helper->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			return true;
		if (n < 0)
			return false;
		helper->sent += (size_t)n;
	}
	helper->sent = 0;
	buf_clear(&helper->out);
	return true;
}

bool
helper_read(struct helper *helper)
{
	buf_consume(&helper->in, helper->taken);
	helper->taken = 0;
	for (;;) {
		buf_reserve(&helper->in, READ_BYTES);
		ssize_t n = read(helper->fd, helper->in.data + helper->in.len, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		helper->in.len += (size_t)n;
		/* One whole answer at most, and the start of another: the rest may wait in the
		 * socket. */
		if (n < READ_BYTES || helper->in.len > helper->spec->bytes_max)
			return true;
	}
}

bool
helper_take(struct helper *helper, struct jail_frame *ret, struct str *ret_body, bool *ret_broken)
{
	size_t have = helper->in.len - helper->taken;
	*ret_broken = false;
	if (have < sizeof(*ret))
		return false;
	memcpy(ret, helper->in.data + helper->taken, sizeof(*ret));
	/* Lengths of the outputs come on top of what they may hold. */
	if (ret->kind != JAIL_ANSWER ||
	    ret->len > helper->spec->bytes_max + JAIL_OUTPUTS_MAX * sizeof(uint32_t) ||
	    ret->code >= ERR_CODES) {
		*ret_broken = true;
		return false;
	}
	if (have - sizeof(*ret) < ret->len)
		return false;
	*ret_body = str_make(helper->in.data + helper->taken + sizeof(*ret), ret->len);
	helper->taken += sizeof(*ret) + ret->len;
	return true;
}

void
helper_blame(const struct jail_spec *spec, int wait_status, struct err *err)
{
	static const struct {
		int signal;
		enum err_code code;
		const char *text;
	} deaths[] = {
		{SIGSEGV, E_FULL, "recurses too deeply"},
		{SIGABRT, E_FULL, "needs too much, or makes its helper give up"},
		{SIGSYS, E_DENIED, "tries what it may not"},
		{SIGKILL, E_TIMEOUT, "does not end"},
	};
	int sig = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	for (size_t i = 0; i < ARRAY_LEN(deaths); i++) {
		if (sig == deaths[i].signal) {
			err_set(err, deaths[i].code, "%s %s", spec->what, deaths[i].text);
			return;
		}
	}
	if (sig == SIGPROF)
		err_set(err, E_TIMEOUT, "%s takes more than %d s of CPU", spec->what,
			spec->cpu_ms / 1000);
	else if (sig == SIGBUS ||
		 (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == JAIL_EXIT_NOMEM))
		err_set(err, E_FULL, "%s needs more than %zu MiB", spec->what, spec->memory >> 20);
	else
		err_set(err, E_MAPPING, "%s makes its helper fail (status %d)", spec->what,
			wait_status);
}
