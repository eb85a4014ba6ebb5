/* Source poll: an HTTP resource that changed. SPEC 7, manual: poll. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_POLL_H
#define ROUSE_TRIGGERS_POLL_H

#include "core/source.h"

extern const struct source_kind poll_kind;

#endif
