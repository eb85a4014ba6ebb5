/* Source imap: mail. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_IMAP_H
#define ROUSE_TRIGGERS_IMAP_H

#include "core/source.h"

extern const struct source_kind imap_kind;

#endif
