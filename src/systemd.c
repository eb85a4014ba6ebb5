/* systemd's notify protocol and socket activation, in a few lines. */
/* SPDX-License-Identifier: MIT */
#include "systemd.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/os.h"

#define LISTEN_FDS_START 3

void
systemd_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO(auto_close) int fd = -1;
	size_t len;

	if (!path || (*path != '/' && *path != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Nobody to tell that it failed: the service manager notices by itself. */
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
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

int
systemd_listen_fds(void)
{
	uint64_t count;

	if (!getenv("LISTEN_PID") || !pid_is_ours("LISTEN_PID") ||
	    !env_number("LISTEN_FDS", &count) || count > 16)
		return 0;
	for (int i = 0; i < (int)count; i++)
		os_cloexec(LISTEN_FDS_START + i, true);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return (int)count;
}
