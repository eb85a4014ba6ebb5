/* A connection to a message bus: calls that are answered or not in time, and signals. Nothing
 * waits.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_BUS_H
#define ROUSE_IO_BUS_H

#include "pure/dbus.h"

struct event_base;

/* reply NULL: there is none, err says why. Else a DBUS_RETURN or a DBUS_ERROR; it is not kept. */
typedef void bus_on_reply(void *arg, const struct dbus_message *reply, const struct err *err);
typedef void bus_on_signal(void *arg, const struct dbus_message *signal);
/* The connection is gone; every call has had its answer. Comes once; the bus may be freed in it,
 * and in no other callback. */
typedef void bus_on_end(void *arg, const struct err *err);

/* Where the bus of the machine is, or of our user: the text of $DBUS_..._BUS_ADDRESS or the usual
 * place. E_UNAVAILABLE: it cannot be known. */
bool bus_address(bool user, struct buf *ret, struct err *err);

struct bus;
/* address: "unix:path=..." or "unix:abstract=...", of several (';') the first such. NULL:
 * E_UNAVAILABLE, nobody listens there; E_INVALID. */
struct bus *bus_open(struct event_base *base, const char *address, bus_on_signal *on_signal,
		     bus_on_end *on_end, void *arg, struct err *err);
/* What waits for an answer gets none. */
void bus_free(struct bus *bus);

/* Begins a message that is a call, for whichever bus. */
void bus_begin(struct buf *out, const struct dbus_call *call);
/* Ends it, and sends it. on_reply comes later, never from within; NULL: the answer does not matter.
 * False: it was not sent. E_FULL when too much waits. */
bool bus_send(struct bus *bus, struct buf *message, int64_t timeout_ms, bus_on_reply *on_reply,
	      void *arg, struct err *err);

#endif
