/* A connection to a message bus: bytes out, bytes in, who waits for which answer. D-Bus
 * specification, "Authentication Protocol" and "Message Bus Specification". */
/* SPDX-License-Identifier: MIT */
#include "io/bus.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/list.h"
#include "base/os.h"

enum {
	READ_BYTES = 65536,
	OUT_MAX = 4 << 20,
	CALLS_MAX = 65536,
	AUTH_LINE_MAX = 512,
	HELLO_MS = 20000,
};

struct call {
	LIST_ENTRY(call) entry;
	struct bus *bus;
	uint32_t serial;
	struct event *timer;
	bus_on_reply *on_reply;
	void *arg;
};

struct bus {
	struct event_base *base;
	int fd;
	struct event *readable, *writable, *fails;
	bool known; /* the other side has taken us; messages may go */
	bool dead;
	struct buf in, out, early; /* early: messages that wait until then */
	size_t count;
	LIST_HEAD(, call) calls;
	struct err why; /* it failed */
	bus_on_signal *on_signal;
	bus_on_end *on_end;
	void *arg;
};

/* --- where ----------------------------------------------------------------------------------- */

bool
bus_address(bool user, struct buf *ret, struct err *err)
{
	const char *address = getenv(user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (address && *address)
		buf_puts(ret, address);
	else if (!user)
		buf_puts(ret, "unix:path=/run/dbus/system_bus_socket");
	else if (runtime && *runtime == '/')
		buf_cat(ret, "unix:path=", runtime, "/bus");
	else
		return err_set(err, E_UNAVAILABLE,
			       "there is neither $DBUS_SESSION_BUS_ADDRESS nor $XDG_RUNTIME_DIR, "
			       "so that the user's manager cannot be found");
	return true;
}

/* "unix:KEY=VALUE,KEY=VALUE": "Server Addresses". Values as they are: the usual ones escape
 * nothing.
 */
static bool
socket_name(struct str address, struct sockaddr_un *ret, socklen_t *ret_len)
{
	static const struct str unix_is = STR("unix:"), path_is = STR("path="),
				abstract_is = STR("abstract=");
	size_t room = sizeof(ret->sun_path) - 1;
	struct str rest, key;

	if (!str_starts(address, unix_is))
		return false;
	rest = str_make(address.p + unix_is.len, address.len - unix_is.len);
	while (rest.p) {
		rest = str_split(rest, ',', &key);
		bool path = str_starts(key, path_is);
		size_t skip = path ? path_is.len : abstract_is.len;

		if ((!path && !str_starts(key, abstract_is)) || key.len - skip > room - 1)
			continue;
		*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
		memcpy(ret->sun_path + !path, key.p + skip, key.len - skip);
		*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + key.len - skip + 1);
		return true;
	}
	return false;
}

/* A local stream is there at once, or its listener has no room. */
static bool
socket_open(const char *address, int *ret, struct err *err)
{
	struct sockaddr_un name;
	socklen_t len = 0;
	struct str rest = str_of(address), one;

	while (rest.p && !len) {
		rest = str_split(rest, ';', &one);
		socket_name(one, &name, &len);
	}
	if (!len)
		return err_set(
			err, E_INVALID,
			"\"%s\" names no bus; expected unix:path=/PATH or unix:abstract=NAME",
			address);
	AUTO(auto_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, errno, "cannot make a socket");
	if (connect(fd, (struct sockaddr *)&name, len))
		return err_set(err, E_UNAVAILABLE, "no bus answers at %s: %s", address,
			       strerrordesc_np(errno));
	*ret = fd;
	fd = -1;
	return true;
}

/* --- its end --------------------------------------------------------------------------------- */

static void
call_free(struct call *call)
{
	LIST_REMOVE(call, entry);
	call->bus->count--;
	event_free(call->timer);
	free(call);
}

static void
call_answer(struct call *call, const struct dbus_message *reply, const struct err *err)
{
	bus_on_reply *on_reply = call->on_reply;
	void *arg = call->arg;

	call_free(call);
	if (on_reply)
		on_reply(arg, reply, err);
}

/* Outside of all that was going on. */
static void
bus_fail(struct bus *bus)
{
	if (bus->dead)
		return;
	bus->dead = true;
	event_del(bus->readable);
	event_del(bus->writable);
	event_active(bus->fails, EV_TIMEOUT, 1);
}

static void
bus_on_fail(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct bus *bus = arg;
	AUTO(err_fini) struct err why = bus->why;

	bus->why = (struct err)ERR_INIT; /* the bus may be freed below */
	while (!LIST_EMPTY(&bus->calls))
		call_answer(LIST_FIRST(&bus->calls), NULL, &why);
	bus->on_end(bus->arg, &why);
}

/* --- out ------------------------------------------------------------------------------------- */

static void
bus_on_writable(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct bus *bus = arg;
	ssize_t n = send(fd, bus->out.data, bus->out.len, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		n = 0;
	if (n < 0) {
		err_errno(&bus->why, errno, "cannot write to the bus");
		bus->why.code = E_UNAVAILABLE;
		bus_fail(bus);
		return;
	}
	buf_consume(&bus->out, (size_t)n);
	if (bus->out.len)
		event_add(bus->writable, NULL);
}

static void
call_on_timeout(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	err_set(&err, E_TIMEOUT, "the bus did not answer in time");
	call_answer(arg, NULL, &err);
}

void
bus_begin(struct buf *out, const struct dbus_call *call)
{
	static uint32_t serial;

	serial += serial + 1 ? 1 : 2; /* never 0 */
	dbus_begin(out, call, serial);
}

bool
bus_send(struct bus *bus, struct buf *message, int64_t timeout_ms, bus_on_reply *on_reply,
	 void *arg, struct err *err)
{
	struct timeval time = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	struct call *call;

	if (bus->dead)
		return err_set(err, E_UNAVAILABLE, "the connection to the bus is gone");
	if (bus->count >= CALLS_MAX || bus->out.len + bus->early.len + message->len > OUT_MAX)
		return err_set(err, E_FULL, "too much waits for the bus");
	dbus_end(message);
	call = mem_alloc(sizeof(*call));
	*call = (struct call){.bus = bus,
			      .serial = dbus_serial(buf_str(message)),
			      .on_reply = on_reply,
			      .arg = arg};
	call->timer = evtimer_new(bus->base, call_on_timeout, call);
	evtimer_add(call->timer, &time);
	LIST_INSERT_HEAD(&bus->calls, call, entry);
	bus->count++;
	buf_add_str(bus->known ? &bus->out : &bus->early, buf_str(message));
	if (bus->known)
		event_add(bus->writable, NULL);
	return true;
}

/* --- in -------------------------------------------------------------------------------------- */

/* "AUTH EXTERNAL" and our user number in hex: who we are the kernel tells it anyway. */
static void
auth_begin(struct bus *bus)
{
	AUTO(buf_fini) struct buf uid = BUF_INIT;

	buf_printf(&uid, "%u", (unsigned)geteuid());
	buf_putc(&bus->out, '\0');
	buf_puts(&bus->out, "AUTH EXTERNAL ");
	for (size_t i = 0; i < uid.len; i++)
		buf_printf(&bus->out, "%02x", (unsigned char)uid.data[i]);
	buf_puts(&bus->out, "\r\n");
	event_add(bus->writable, NULL);
}

/* *ret_more: there was a whole line. */
static bool
auth_take(struct bus *bus, bool *ret_more, struct err *err)
{
	const char *end = bus->in.len ? memchr(bus->in.data, '\n', bus->in.len) : NULL;
	struct str line;

	*ret_more = end != NULL;
	if (!end)
		return bus->in.len <= AUTH_LINE_MAX ||
		       err_set(err, E_UNAVAILABLE, "what answers is no bus");
	line = str_trim(str_make(bus->in.data, (size_t)(end - bus->in.data)));
	if (!str_starts(line, STR("OK")))
		return err_set(err, E_DENIED, "the bus does not take us: \"%.*s\"",
			       (int)(line.len < 80 ? line.len : 80), line.p);
	buf_consume(&bus->in, (size_t)(end + 1 - bus->in.data));
	bus->known = true;
	buf_puts(&bus->out, "BEGIN\r\n");
	buf_add_str(&bus->out, buf_str(&bus->early));
	buf_fini(&bus->early);
	event_add(bus->writable, NULL);
	return true;
}

static void
message_take(struct bus *bus, const struct dbus_message *message)
{
	static const struct err fine = ERR_INIT;
	struct call *call, *next;

	if (message->type == DBUS_SIGNAL) {
		bus->on_signal(bus->arg, message);
		return;
	}
	if (message->type != DBUS_RETURN && message->type != DBUS_ERROR)
		return;
	LIST_FOREACH_SAFE (call, &bus->calls, entry, next) {
		if (call->serial != message->reply_serial)
			continue;
		call_answer(call, message, &fine);
		return;
	}
}

/* All whole messages that have come; what a callback sends is sent behind them. */
static bool
messages_take(struct bus *bus, struct err *err)
{
	struct dbus_message message;
	size_t at = 0, length = 0;
	bool ok = true;

	while (ok && bus->in.len - at >= DBUS_HEAD_BYTES) {
		struct str rest = str_make(bus->in.data + at, bus->in.len - at);

		ok = dbus_length(rest, &length, err);
		if (!ok || rest.len < length)
			break;
		ok = dbus_parse(str_make(rest.p, length), &message, err);
		if (ok)
			message_take(bus, &message);
		at += length;
	}
	buf_consume(&bus->in, at);
	return ok;
}

static void
bus_on_readable(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct bus *bus = arg;
	bool more = true, ok = true;
	ssize_t n;

	buf_reserve(&bus->in, READ_BYTES);
	n = recv(fd, bus->in.data + bus->in.len, READ_BYTES, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		err_set(&bus->why, E_UNAVAILABLE, "the bus has closed the connection");
		bus_fail(bus);
		return;
	}
	bus->in.len += (size_t)n;
	bus->in.data[bus->in.len] = '\0';
	if (!bus->known)
		ok = auth_take(bus, &more, &bus->why);
	if (ok && more && bus->known)
		ok = messages_take(bus, &bus->why);
	if (!ok)
		bus_fail(bus);
}

/* --- its life -------------------------------------------------------------------------------- */

static void
bus_on_hello(void *arg, const struct dbus_message *reply, const struct err *err)
{
	struct bus *bus = arg;

	if (reply && reply->type == DBUS_RETURN)
		return;
	if (!bus->dead) {
		err_set(&bus->why, E_UNAVAILABLE, "the bus does not answer: %s",
			reply ? "it refuses Hello" : err_text(err));
		bus_fail(bus);
	}
}

static void
hello(struct bus *bus)
{
	AUTO(buf_fini) struct buf message = BUF_INIT;

	bus_begin(&message, &(struct dbus_call){.destination = "org.freedesktop.DBus",
						.path = "/org/freedesktop/DBus",
						.interface = "org.freedesktop.DBus",
						.member = "Hello"});
	bus_send(bus, &message, HELLO_MS, bus_on_hello, bus, NULL);
}

struct bus *
bus_open(struct event_base *base, const char *address, bus_on_signal *on_signal, bus_on_end *on_end,
	 void *arg, struct err *err)
{
	struct bus *bus;
	int fd = -1;

	if (!socket_open(address, &fd, err))
		return NULL;
	bus = mem_alloc(sizeof(*bus));
	bus->base = base;
	bus->fd = fd;
	bus->on_signal = on_signal;
	bus->on_end = on_end;
	bus->arg = arg;
	LIST_INIT(&bus->calls);
	bus->readable = event_new(base, fd, EV_READ | EV_PERSIST, bus_on_readable, bus);
	bus->writable = event_new(base, fd, EV_WRITE, bus_on_writable, bus);
	bus->fails = event_new(base, -1, 0, bus_on_fail, bus);
	event_add(bus->readable, NULL);
	auth_begin(bus);
	hello(bus);
	return bus;
}

void
bus_free(struct bus *bus)
{
	if (!bus)
		return;
	while (!LIST_EMPTY(&bus->calls))
		call_free(LIST_FIRST(&bus->calls));
	event_free(bus->readable);
	event_free(bus->writable);
	event_free(bus->fails);
	close(bus->fd);
	buf_fini(&bus->in);
	buf_fini(&bus->out);
	buf_fini(&bus->early);
	err_fini(&bus->why);
	free(bus);
}
