/* systemd's notify protocol and socket activation: sd_notify(3), sd_listen_fds(3), in a few lines.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_SYSTEMD_H
#define ROUSE_SYSTEMD_H

#include <stdint.h>

/* Sends STATE ("READY=1\nSTATUS=…") to $NOTIFY_SOCKET; nothing when there is none. */
void systemd_notify(const char *state);
/* Interval at which WATCHDOG=1 is awaited, ms; 0: none. */
int64_t systemd_watchdog_ms(void);
/* Descriptors passed (from 3 on); 0: none. They are made close-on-exec. */
int systemd_listen_fds(void);

#endif
