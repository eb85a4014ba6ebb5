/* D-Bus messages as bytes: what roused says to systemd's manager, and what that answers. Written
 * after the D-Bus specification, "Message Protocol". */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_DBUS_H
#define ROUSE_PURE_DBUS_H

#include "base/buf.h"
#include "base/err.h"

enum dbus_type { DBUS_CALL = 1, DBUS_RETURN = 2, DBUS_ERROR = 3, DBUS_SIGNAL = 4 };

/* --- writing: one message a buffer, which is empty at the start --- */

struct dbus_call {
	const char *destination, *path, *interface, *member;
	const char *signature; /* of the arguments; NULL: there are none */
};
/* The head; the arguments follow in the order of the signature, then dbus_end(). serial: not 0. */
void dbus_begin(struct buf *out, const struct dbus_call *call, uint32_t serial);
void dbus_end(struct buf *out);
uint32_t dbus_serial(struct str message);

void dbus_put_byte(struct buf *out, uint8_t value);
void dbus_put_u32(struct buf *out, uint32_t value);
void dbus_put_u64(struct buf *out, uint64_t value);
void dbus_put_bool(struct buf *out, bool value);
void dbus_put_str(struct buf *out, const char *text);
/* The type that a variant begins with; its value follows. */
void dbus_put_signature(struct buf *out, const char *signature);
void dbus_put_struct(struct buf *out); /* before the first member */
/* align: of its elements: 8 for structs, 4 for strings. */
struct dbus_array {
	size_t at, start;
};
struct dbus_array dbus_array_begin(struct buf *out, size_t align);
void dbus_array_end(struct buf *out, const struct dbus_array *array);

/* --- reading --- */

/* More than any answer that is asked for here; a peer that sends more is mad. */
#define DBUS_MESSAGE_MAX (1U << 20)
#define DBUS_HEAD_BYTES 16

/* How long the message is that begins with these DBUS_HEAD_BYTES. E_INVALID: it is none of this
 * machine's, or too long. */
bool dbus_length(struct str head, size_t *ret, struct err *err);

/* All strings lie in the message; {NULL, 0} where it has no such field. */
struct dbus_message {
	enum dbus_type type;
	uint32_t serial, reply_serial;
	struct str path, interface, member, error_name, sender, signature, body;
};
/* A whole one. Types of messages that are not known are read as well. E_INVALID. */
bool dbus_parse(struct str bytes, struct dbus_message *ret, struct err *err);

/* Takes the next argument off *body, which is a message's at first; false: it does not hold one. at
 * counts what was taken, 0 at the start. */
bool dbus_take_u32(struct str body, size_t *at, uint32_t *ret);
bool dbus_take_str(struct str body, size_t *at, struct str *ret); /* also of object paths */

#endif
