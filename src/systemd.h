/* systemd's notify protocol and socket activation: sd_notify(3), sd_listen_fds(3), in a few lines.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_SYSTEMD_H
#define ROUSE_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Sends STATE ("READY=1\nSTATUS=…") to $NOTIFY_SOCKET; nothing when there is none. */
void systemd_notify(const char *state);
/* RELOADING=1 and since when; READY=1 ends it. */
void systemd_notify_reloading(void);
/* Interval at which WATCHDOG=1 is awaited, ms; 0: none. */
int64_t systemd_watchdog_ms(void);
/* Gives the sockets that this process was passed (LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID) to fn,
 * who owns them, close-on-exec. Once, before any other descriptor is opened, and before anything is
 * started: the variables are gone after. What is wrong with them is logged. */
#define SYSTEMD_FDS_MAX 64
void systemd_listen_fds(void (*fn)(void *arg, int take_fd, const char *name), void *arg);
/* Is there a service manager that would take our end for the service's? */
bool systemd_keeps_us(void);
/* Does it count this process to the same service (unit), so that it may be its main process? */
bool systemd_keeps_too(pid_t pid);
/* Its main process is another one from here on. */
void systemd_notify_main(pid_t pid);

#endif
