/* Source topic: an agent said something on a topic. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_TOPIC_H
#define ROUSE_TRIGGERS_TOPIC_H

#include "core/source.h"

extern const struct source_kind topic_kind;

#endif
