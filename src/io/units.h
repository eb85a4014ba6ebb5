/* Units of systemd: started by their names, or made for the moment, and ended, over the bus of a
 * manager. org.freedesktop.systemd1(5) */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_UNITS_H
#define ROUSE_IO_UNITS_H

#include "base/buf.h"
#include "base/err.h"

struct event_base;

/* E_OK: done. Not done, and nothing of it will happen any more: E_DENIED, the manager does not let
 * us; E_NOT_FOUND, it knows no such unit; E_STATE, it tried, and the unit failed. Whether it
 * happens still cannot be known: all others. Comes once, never from within. */
typedef void units_on_done(void *arg, const struct err *err);

/* Of the system's manager, or our user's. No connection is made before there is something to say,
 * and it ends when there was nothing for a while: a daemon that idles has none. */
struct units;
struct units *units_new(struct event_base *base, bool user);
void units_free(struct units *units); /* no callback comes any more */

/* May we, and is there a template for it? Stops a unit that nobody started: that asks the same
 * questions, and starts nothing. False: the bus cannot be reached; nothing was asked. */
bool units_probe(struct units *units, const char *unit, units_on_done *on_done, void *arg,
		 struct err *err);
/* Done when the unit's main process has said READY=1. False: nothing was asked. */
bool units_start(struct units *units, const char *unit, units_on_done *on_done, void *arg,
		 struct err *err);
/* The same of a unit that is made for it: argv NULL at the end, slice "rouse-runs.slice". */
bool units_start_new(struct units *units, const char *unit, const char *slice,
		     const char *const *argv, units_on_done *on_done, void *arg, struct err *err);
/* Ends all that is in it, within its TimeoutStopSec=. One that is not there is over. */
bool units_end(struct units *units, const char *unit, units_on_done *on_done, void *arg,
	       struct err *err);

#endif
