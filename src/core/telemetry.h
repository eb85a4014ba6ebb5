/* Telemetry: spans and log lines on their way to an OTLP/HTTP receiver. SPEC 15, [telemetry].
 *
 * Of what ended, a row is written in the turn that ended it (events need none: how far they were
 * told is one number). After the commit a work thread reads these rows, and those that they are
 * about, through a connection of its own, and makes one body of many; the loop sends it, and the
 * rows go when it was taken. So a trace is whole whoever began it and however often the daemon
 * died: ids are derived from what is stored, and times are those of the rows. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_TELEMETRY_H
#define ROUSE_CORE_TELEMETRY_H

#include "core/core.h"

struct run_row;
struct change_row;

struct telemetry *telemetry_new(struct core *core);
/* What is being sent is left: the next daemon sends it again, under the same ids. */
void telemetry_free(struct telemetry *telemetry);
/* Another generation is in force, or the first. Without an address all that waits is forgotten. */
void telemetry_reload(struct core *core);

/* Is a trace that begins here to be told? Also where nobody is told: others may be. */
bool telemetry_samples(const struct core *core, const char *trace);
/* An event was committed. Cheap. */
void telemetry_wake(const struct core *core);
/* In the turn that ends it: an attempt (0: none) of a run, and perhaps the run. */
bool telemetry_ended(struct core *core, const struct run_row *run, int attempt, bool final,
		     struct err *err);
/* In the turn that keeps what a target said of a change. status: what it is now. */
bool telemetry_tried(struct core *core, const struct change_row *change, bool back,
		     struct wall started, const char *status, const char *error, struct err *err);

/* At the end of a turn, for what threads wrote into the log. Cheap. */
void telemetry_look(const struct core *core);
/* The daemon stops: what waits goes now, as far as that is quick. false: it goes on, after all. */
void telemetry_drain(struct core *core, bool drains);
/* Is something still on its way, or about to be? false after a failure. */
bool telemetry_is_busy(const struct core *core);
/* Lines of /metrics. */
void telemetry_print(const struct core *core, struct buf *out);

#endif
