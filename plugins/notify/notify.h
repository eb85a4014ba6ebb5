/* The kinds of notification. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PLUGINS_NOTIFY_H
#define ROUSE_PLUGINS_NOTIFY_H

#include "core/notify_kind.h"

extern const struct notify_kind exec_notify_kind, http_notify_kind, smtp_notify_kind;
void smtp_notify_fini(void);

#endif
