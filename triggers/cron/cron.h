/* Source cron: appointments and rhythms. SPEC 7, manual: cron. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_CRON_H
#define ROUSE_TRIGGERS_CRON_H

#include "core/source.h"

extern const struct source_kind cron_kind;

#endif
