/* Taking over: a second roused goes on where a first one stops, and nobody outside notices. SPEC 8.
 */
/* SPDX-License-Identifier: MIT */
#include "takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/list.h"
#include "base/log.h"
#include "base/os.h"
#include "core/agent.h"
#include "http/server.h"

#define TEXT_MAX 4096
#define FDS_MAX 200	    /* of one message; the kernel takes 253 */
#define ASK_LIMIT_MS 120000 /* longer than the old one drains */
#define UP_LIMIT_MS 60000

/* --- what is handed over ------------------------------------------------------------------- */

struct heirloom {
	int *fds;
	char **names; /* of listeners; NULL: a connection */
	size_t count;
};

static void
heirloom_add(struct heirloom *heirloom, int take_fd, const char *name)
{
	size_t n = heirloom->count;

	if (!(n & (n + 1))) {
		heirloom->fds = mem_realloc(heirloom->fds, (2 * n + 2) * sizeof(*heirloom->fds));
		heirloom->names =
			mem_realloc(heirloom->names, (2 * n + 2) * sizeof(*heirloom->names));
	}
	heirloom->fds[n] = take_fd;
	heirloom->names[n] = mem_strdup(name);
	heirloom->count++;
}

void
heirloom_free(struct heirloom *heirloom)
{
	if (!heirloom)
		return;
	for (size_t i = 0; i < heirloom->count; i++) {
		auto_close(&heirloom->fds[i]);
		free(heirloom->names[i]);
	}
	free(heirloom->fds);
	free(heirloom->names);
	free(heirloom);
}

static void
on_given(void *arg, int take_fd, const char *name, bool listens)
{
	heirloom_add(arg, take_fd, listens ? name : NULL);
}

struct heirloom *
heirloom_of(struct http_server *server)
{
	struct heirloom *heirloom = mem_alloc(sizeof(*heirloom));

	http_server_give(server, on_given, heirloom);
	return heirloom;
}

int
heirloom_take(struct heirloom *heirloom, const char *name)
{
	for (size_t i = 0; heirloom && i < heirloom->count; i++) {
		int fd = heirloom->fds[i];

		if (fd < 0 || !heirloom->names[i] || strcmp(heirloom->names[i], name))
			continue;
		heirloom->fds[i] = -1;
		return fd;
	}
	return -1;
}

void
heirloom_adopt(struct heirloom *heirloom, struct http_server *server)
{
	for (size_t i = 0; heirloom && i < heirloom->count; i++) {
		if (heirloom->fds[i] < 0 || heirloom->names[i])
			continue;
		http_server_adopt(server, heirloom->fds[i]);
		heirloom->fds[i] = -1;
	}
}

/* --- messages ------------------------------------------------------------------------------ */

union control {
	char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static bool
message_send(int fd, struct str text, const int *fds, size_t count, struct err *err)
{
	union control control = {{0}};
	struct iovec iov = {(void *)text.p, text.len};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *head;

	if (count) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, count * sizeof(int));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)text.len ||
	       err_errno(err, errno, "cannot write to the other roused");
}

/* At most so long. ret_fds has room for FDS_MAX. An end is E_UNAVAILABLE. */
static bool
message_take(int fd, int64_t ms, struct buf *ret, int *ret_fds, size_t *ret_count, struct err *err)
{
	union control control;
	char text[TEXT_MAX];
	struct iovec iov = {text, sizeof(text)};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	struct pollfd ready = {fd, POLLIN, 0};
	struct cmsghdr *head;
	int got;
	ssize_t n;

	do
		got = poll(&ready, 1, (int)ms);
	while (got < 0 && errno == EINTR);
	if (!got)
		return err_set(err, E_TIMEOUT, "it said nothing for %lld ms", (long long)ms);
	n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return err_set(err, E_UNAVAILABLE, "it ended without a word");
	*ret_count = 0;
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
		*ret_count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(ret_fds, CMSG_DATA(head), *ret_count * sizeof(int));
	}
	buf_clear(ret);
	buf_add(ret, text, (size_t)n);
	return true;
}

/* --- the socket ---------------------------------------------------------------------------- */

/* STATE_DIR may be longer than the address of a socket: it is reached through its descriptor. */
static bool
address_of(const char *state_dir, int *ret_dir, struct sockaddr_un *ret, struct err *err)
{
	*ret_dir = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir < 0)
		return err_errno(err, errno, "cannot open %s", state_dir);
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/takeover", *ret_dir);
	return true;
}

static bool
peer_is_ours(int fd, pid_t *ret_pid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	*ret_pid = peer.pid;
	return peer.uid == geteuid() || !peer.uid;
}

/* --- the old one --------------------------------------------------------------------------- */

struct takeover {
	struct core *core;
	char *path;
	int fd, asker;
	struct event *event, *asked;
	void (*on_asked)(void *arg, const char *version);
	void *arg;
};

static void
asker_drop(struct takeover *takeover)
{
	if (takeover->asked)
		event_free(takeover->asked);
	takeover->asked = NULL;
	auto_close(&takeover->asker);
	takeover->asker = -1;
}

void
takeover_refuse(struct takeover *takeover, const char *why)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	buf_cat(&text, "no ", why);
	if (takeover->asker >= 0)
		message_send(takeover->asker, buf_str(&text), NULL, 0, NULL);
	asker_drop(takeover);
}

/* No run takes the daemon over, though it is of the same user. */
static bool
is_of_a_run(const struct core *core, pid_t pid)
{
	struct attempt *attempt;

	LIST_FOREACH (attempt, attempts_live((struct core *)core), entry)
		if (attempt->agent && attempt->state && attempt->agent->kind->has &&
		    attempt->agent->kind->has(attempt, pid))
			return true;
	return false;
}

static void
on_asker(evutil_socket_t fd, short what, void *arg)
{
	struct takeover *takeover = arg;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(auto_free) char *version = NULL;
	int fds[FDS_MAX];
	size_t count = 0;
	pid_t pid;

	(void)what;
	event_free(takeover->asked);
	takeover->asked = NULL;
	if (!message_take(fd, 0, &text, fds, &count, NULL)) {
		asker_drop(takeover);
		return;
	}
	while (count)
		close(fds[--count]);
	if (!str_starts(buf_str(&text), STR("take ")) || !peer_is_ours(fd, &pid)) {
		takeover_refuse(takeover, "only a roused of the same user takes over");
		return;
	}
	if (is_of_a_run(takeover->core, pid)) {
		takeover_refuse(takeover, "a run does not take the daemon over");
		return;
	}
	version = str_dup(str_make(buf_cstr(&text) + 5, text.len - 5));
	takeover->on_asked(takeover->arg, version);
}

static void
on_connect(evutil_socket_t fd, short what, void *arg)
{
	struct takeover *takeover = arg;
	int asker = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)what;
	if (asker < 0)
		return;
	if (takeover->asker >= 0) {
		message_send(asker, STR("no another one takes over already"), NULL, 0, NULL);
		close(asker);
		return;
	}
	takeover->asker = asker;
	takeover->asked = event_new(takeover->core->base, asker, EV_READ, on_asker, takeover);
	event_add(takeover->asked, NULL);
}

struct takeover *
takeover_new(struct core *core, const char *state_dir,
	     void (*on_asked)(void *arg, const char *version), void *arg, struct err *err)
{
	AUTO(auto_close) int dir = -1, fd = -1;
	struct sockaddr_un address;
	struct buf path = BUF_INIT;
	struct takeover *takeover;

	if (!address_of(state_dir, &dir, &address, err))
		return NULL;
	buf_cat(&path, state_dir, "/takeover");
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The lock of the database is ours: whoever left a socket here is gone. */
	unlink(buf_cstr(&path));
	if (fd < 0 || fchmod(fd, 0600) || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 4)) {
		err_errno(err, errno, "cannot listen at %s", buf_cstr(&path));
		buf_fini(&path);
		return NULL;
	}
	takeover = mem_alloc(sizeof(*takeover));
	*takeover = (struct takeover){core, buf_take(&path), fd, -1, NULL, NULL, on_asked, arg};
	fd = -1;
	takeover->event =
		event_new(core->base, takeover->fd, EV_READ | EV_PERSIST, on_connect, takeover);
	event_add(takeover->event, NULL);
	return takeover;
}

void
takeover_free(struct takeover *takeover)
{
	if (!takeover)
		return;
	asker_drop(takeover);
	event_free(takeover->event);
	close(takeover->fd);
	unlink(takeover->path);
	free(takeover->path);
	free(takeover);
}

int
takeover_asker(struct takeover *takeover)
{
	int fd = takeover->asker;

	takeover->asker = -1;
	return fd;
}

pid_t
takeover_asker_pid(const struct takeover *takeover)
{
	pid_t pid;

	return peer_is_ours(takeover->asker, &pid) ? pid : 0;
}

static bool
heirloom_send(int fd, const struct heirloom *heirloom, struct err *err)
{
	int fds[FDS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < heirloom->count; i++) {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		if (!heirloom->names[i]) {
			fds[count++] = heirloom->fds[i];
			if (count == FDS_MAX &&
			    !message_send(fd, STR("connections"), fds, count, err))
				return false;
			count %= FDS_MAX;
			continue;
		}
		buf_cat(&text, "listen ", heirloom->names[i]);
		if (!message_send(fd, buf_str(&text), &heirloom->fds[i], 1, err))
			return false;
	}
	return (!count || message_send(fd, STR("connections"), fds, count, err)) &&
	       message_send(fd, STR("done"), NULL, 0, err);
}

static bool
is_a_roused(pid_t pid)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	return pid > 0 && pid != getpid() && os_read_file(path, 64, &name, NULL) &&
	       str_eq_cstr(str_trim(buf_str(&name)), "roused");
}

bool
takeover_give(int take_asker, const struct heirloom *heirloom, struct err *err)
{
	AUTO(auto_close) int fd = take_asker;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	int fds[FDS_MAX];
	size_t count = 0;
	pid_t pid;

	if (heirloom_send(fd, heirloom, err) &&
	    message_take(fd, UP_LIMIT_MS, &text, fds, &count, err)) {
		while (count)
			close(fds[--count]);
		if (str_eq_cstr(buf_str(&text), "up"))
			return true;
		err_set(err, E_CORRUPT, "it said what no roused says");
	}
	/* One that stands still holds the database, and has said nothing to the world yet. */
	if (peer_is_ours(fd, &pid) && err->code == E_TIMEOUT && is_a_roused(pid))
		kill(pid, SIGKILL);
	return false;
}

/* --- the new one --------------------------------------------------------------------------- */

static void
listener_note(struct heirloom *heirloom, struct str text, const int *fds, size_t count)
{
	bool listens = str_starts(text, STR("listen "));
	AUTO(auto_free) char *name = listens ? str_dup(str_make(text.p + 7, text.len - 7)) : NULL;

	for (size_t i = 0; i < count; i++)
		heirloom_add(heirloom, fds[i], name);
}

static bool
heirloom_receive(int fd, struct heirloom *heirloom, struct err *err)
{
	for (;;) {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		int fds[FDS_MAX];
		size_t count = 0;

		if (!message_take(fd, ASK_LIMIT_MS, &text, fds, &count, err))
			return err_prefix(err, "the roused that runs");
		listener_note(heirloom, buf_str(&text), fds, count);
		if (str_eq_cstr(buf_str(&text), "done"))
			return true;
		if (str_starts(buf_str(&text), STR("no ")))
			return err_set(err, E_STATE, "the roused that runs goes on: %s",
				       buf_cstr(&text) + 3);
	}
}

bool
takeover_ask(const char *state_dir, const char *version, int *ret_old,
	     struct heirloom **ret_heirloom, struct err *err)
{
	AUTO(auto_close) int dir = -1, fd = -1;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err why = ERR_INIT;
	struct heirloom *heirloom;
	struct sockaddr_un address;

	*ret_old = -1;
	*ret_heirloom = NULL;
	if (!address_of(state_dir, &dir, &address, err))
		return false;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return errno == ENOENT || errno == ECONNREFUSED ||
		       err_errno(err, errno, "cannot ask the roused that runs");
	buf_cat(&text, "take ", version);
	if (!message_send(fd, buf_str(&text), NULL, 0, err))
		return false;
	heirloom = mem_alloc(sizeof(*heirloom));
	if (!heirloom_receive(fd, heirloom, &why)) {
		heirloom_free(heirloom);
		if (why.code != E_UNAVAILABLE)
			return err_move(err, &why);
		/* It died over it: then this is a plain start. */
		log_warning("the roused that ran has ended while it handed over");
		return true;
	}
	crash_point("took-over");
	*ret_heirloom = heirloom;
	*ret_old = fd;
	fd = -1;
	return true;
}

void
takeover_say_up(int take_old)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (take_old < 0)
		return;
	if (!message_send(take_old, STR("up"), NULL, 0, &err))
		log_warning("the roused before this one was not told", "error", err_text(&err));
	close(take_old);
}
