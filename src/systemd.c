/* systemd's notify protocol and socket activation, in a few lines. */
/* SPDX-License-Identifier: MIT */
#include "systemd.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/os.h"

#define LISTEN_FDS_START 3
#define PATIENCE_MS 300

void
systemd_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO(auto_close) int fd = -1;
	struct pollfd ready;
	size_t len;

	if (!path || (*path != '/' && *path != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
		return;
	/* A manager that is busy is waited for a moment, one that does not listen is not: who
	 * notices that something is missing is the manager itself. */
	ready = (struct pollfd){fd, POLLOUT, 0};
	if (send(fd, state, strlen(state), MSG_NOSIGNAL) < 0 && errno == EAGAIN &&
	    poll(&ready, 1, PATIENCE_MS) > 0)
		(void)!send(fd, state, strlen(state), MSG_NOSIGNAL);
}

/* Type=notify-reload (systemd 253) tells an old READY=1 from the one that is awaited by the time.
 */
void
systemd_notify_reloading(void)
{
	char text[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
		 (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	systemd_notify(text);
}

static bool
env_number(const char *name, uint64_t *ret)
{
	const char *text = getenv(name);

	return text && str_to_u64(str_of(text), ret);
}

/* Meant for this process? A variable that names another pid is somebody else's. */
static bool
pid_is_ours(const char *name)
{
	uint64_t pid;

	return !getenv(name) || (env_number(name, &pid) && pid == (uint64_t)getpid());
}

int64_t
systemd_watchdog_ms(void)
{
	uint64_t us;

	return pid_is_ours("WATCHDOG_PID") && env_number("WATCHDOG_USEC", &us) &&
			       us < UINT32_MAX * 1000ULL
		       ? (int64_t)(us / 1000)
		       : 0;
}

void
systemd_listen_fds(void (*fn)(void *arg, int take_fd, const char *name), void *arg)
{
	const char *text = getenv("LISTEN_FDNAMES");
	AUTO(auto_free) char *names = mem_strdup(text ? text : "");
	struct str rest = str_of(names), name;
	bool ours = getenv("LISTEN_PID") && pid_is_ours("LISTEN_PID");
	uint64_t count = 0;

	if (ours && (!env_number("LISTEN_FDS", &count) || count > SYSTEMD_FDS_MAX)) {
		log_warning("LISTEN_FDS is no number of sockets that can be; none is taken",
			    "LISTEN_FDS", getenv("LISTEN_FDS"));
		count = 0;
	}
	for (int i = 0; i < (int)count; i++) {
		AUTO(auto_free) char *one = NULL;

		rest = str_split(rest, ':', &name);
		one = str_dup(name);
		if (os_cloexec(LISTEN_FDS_START + i, true))
			fn(arg, LISTEN_FDS_START + i, one);
		else
			log_warning("a socket that LISTEN_FDS promises is not there", "name", one);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

bool
systemd_keeps_us(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

/* A process that cannot be looked at is a stranger. */
bool
systemd_keeps_too(pid_t pid)
{
	AUTO(buf_fini) struct buf ours = BUF_INIT, others = BUF_INIT;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	return os_read_file("/proc/self/cgroup", 65536, &ours, NULL) &&
	       os_read_file(path, 65536, &others, NULL) && str_eq(buf_str(&ours), buf_str(&others));
}

void
systemd_notify_main(pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "MAINPID=%d", (int)pid);
	systemd_notify(text);
}
