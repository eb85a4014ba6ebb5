/* The endpoint of models: a listener of its own on the loopback, through which agents with
 * `meter = proxy` ask models. It adds the key, forwards, counts, and refuses what the run may not
 * spend. SPEC 9; the dialects of pure/model_request. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_MODEL_MODEL_H
#define ROUSE_MODEL_MODEL_H

#include "core/core.h"

struct model;
struct model *model_new(struct core *core);
/* What goes on is ended, and what it came to is settled in this turn. NULL is fine. */
void model_stop(struct model *model);
void model_free(struct model *model);
/* Another generation is in force, or the first: begins to listen when an agent needs it. What it
 * cannot do is logged; runs that need it are refused, and tried again. */
void model_configured(struct model *model);
/* Requests that go on. */
unsigned model_in_flight(const struct model *model);

#endif
