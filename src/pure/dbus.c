/* D-Bus messages as bytes: marshalling of the few types that systemd's manager is spoken to with.
 */
/* SPDX-License-Identifier: MIT */
#include "pure/dbus.h"

#include <assert.h>
#include <endian.h>

/* "Message Format": numbers of the fields of a head. */
enum field {
	FIELD_PATH = 1,
	FIELD_INTERFACE = 2,
	FIELD_MEMBER = 3,
	FIELD_ERROR_NAME = 4,
	FIELD_REPLY_SERIAL = 5,
	FIELD_DESTINATION = 6,
	FIELD_SENDER = 7,
	FIELD_SIGNATURE = 8,
};

enum { PROTOCOL = 1, AT_BODY_LEN = 4, AT_SERIAL = 8, AT_FIELDS_LEN = 12, SIGNATURE_MAX = 255 };
#if __BYTE_ORDER == __LITTLE_ENDIAN
static const char our_order = 'l';
#else
static const char our_order = 'B';
#endif

/* --- writing --------------------------------------------------------------------------------- */

static void
pad(struct buf *out, size_t align)
{
	while (out->len % align)
		buf_putc(out, '\0');
}

void
dbus_put_byte(struct buf *out, uint8_t value)
{
	buf_add(out, &value, 1);
}

void
dbus_put_u32(struct buf *out, uint32_t value)
{
	pad(out, 4);
	buf_add(out, &value, sizeof(value));
}

void
dbus_put_u64(struct buf *out, uint64_t value)
{
	pad(out, 8);
	buf_add(out, &value, sizeof(value));
}

void
dbus_put_bool(struct buf *out, bool value)
{
	dbus_put_u32(out, value);
}

void
dbus_put_str(struct buf *out, const char *text)
{
	size_t len = strlen(text);

	dbus_put_u32(out, (uint32_t)len);
	buf_add(out, text, len + 1);
}

void
dbus_put_signature(struct buf *out, const char *signature)
{
	size_t len = strlen(signature);

	assert(len <= SIGNATURE_MAX);
	dbus_put_byte(out, (uint8_t)len);
	buf_add(out, signature, len + 1);
}

void
dbus_put_struct(struct buf *out)
{
	pad(out, 8);
}

/* The padding in front of the first element does not count. */
struct dbus_array
dbus_array_begin(struct buf *out, size_t align)
{
	struct dbus_array array;

	dbus_put_u32(out, 0);
	array.at = out->len - sizeof(uint32_t);
	pad(out, align);
	array.start = out->len;
	return array;
}

void
dbus_array_end(struct buf *out, const struct dbus_array *array)
{
	uint32_t len = (uint32_t)(out->len - array->start);

	memcpy(out->data + array->at, &len, sizeof(len));
}

static void
field_put(struct buf *out, enum field field, const char *type, const char *value)
{
	if (!value)
		return;
	dbus_put_struct(out);
	dbus_put_byte(out, (uint8_t)field);
	dbus_put_signature(out, type);
	if (*type == 'g')
		dbus_put_signature(out, value);
	else
		dbus_put_str(out, value);
}

void
dbus_begin(struct buf *out, const struct dbus_call *call, uint32_t serial)
{
	struct dbus_array fields;

	assert(!out->len && serial);
	dbus_put_byte(out, (uint8_t)our_order);
	dbus_put_byte(out, DBUS_CALL);
	dbus_put_byte(out, 0);
	dbus_put_byte(out, PROTOCOL);
	dbus_put_u32(out, 0); /* of the body: dbus_end() */
	dbus_put_u32(out, serial);
	fields = dbus_array_begin(out, 8);
	field_put(out, FIELD_PATH, "o", call->path);
	field_put(out, FIELD_DESTINATION, "s", call->destination);
	field_put(out, FIELD_INTERFACE, "s", call->interface);
	field_put(out, FIELD_MEMBER, "s", call->member);
	field_put(out, FIELD_SIGNATURE, "g", call->signature);
	dbus_array_end(out, &fields);
	pad(out, 8);
}

static uint32_t
u32_at(struct str bytes, size_t at)
{
	uint32_t value;

	memcpy(&value, bytes.p + at, sizeof(value));
	return value;
}

static size_t
body_at(struct str bytes)
{
	return (DBUS_HEAD_BYTES + (size_t)u32_at(bytes, AT_FIELDS_LEN) + 7) & ~(size_t)7;
}

void
dbus_end(struct buf *out)
{
	uint32_t len = (uint32_t)(out->len - body_at(buf_str(out)));

	memcpy(out->data + AT_BODY_LEN, &len, sizeof(len));
}

uint32_t
dbus_serial(struct str message)
{
	return u32_at(message, AT_SERIAL);
}

/* --- reading --------------------------------------------------------------------------------- */

bool
dbus_length(struct str head, size_t *ret, struct err *err)
{
	size_t body, fields;

	assert(head.len >= DBUS_HEAD_BYTES);
	if (head.p[0] != our_order || head.p[3] != PROTOCOL)
		return err_set(err, E_INVALID,
			       "what the bus sent is no message of version 1 in "
			       "the order of this machine's bytes");
	body = u32_at(head, AT_BODY_LEN);
	fields = u32_at(head, AT_FIELDS_LEN);
	if (body > DBUS_MESSAGE_MAX || fields > DBUS_MESSAGE_MAX ||
	    body_at(head) + body > DBUS_MESSAGE_MAX)
		return err_set(err, E_INVALID,
			       "what the bus sent is longer than the %u bytes that are read",
			       DBUS_MESSAGE_MAX);
	*ret = body_at(head) + body;
	return true;
}

static bool
take_align(struct str bytes, size_t *at, size_t align)
{
	*at = (*at + align - 1) & ~(align - 1);
	return *at <= bytes.len;
}

bool
dbus_take_u32(struct str body, size_t *at, uint32_t *ret)
{
	if (!take_align(body, at, 4) || body.len - *at < sizeof(*ret))
		return false;
	*ret = u32_at(body, *at);
	*at += sizeof(*ret);
	return true;
}

static bool
take_text(struct str bytes, size_t *at, size_t len, struct str *ret)
{
	if (len >= bytes.len - *at || bytes.p[*at + len])
		return false;
	*ret = str_make(bytes.p + *at, len);
	*at += len + 1;
	return !memchr(ret->p, '\0', len);
}

bool
dbus_take_str(struct str body, size_t *at, struct str *ret)
{
	uint32_t len;

	return dbus_take_u32(body, at, &len) && take_text(body, at, len, ret);
}

static bool
take_signature(struct str bytes, size_t *at, struct str *ret)
{
	size_t len;

	if (*at >= bytes.len)
		return false;
	len = (unsigned char)bytes.p[(*at)++];
	return take_text(bytes, at, len, ret);
}

/* One field: its number, then a variant. Of the types that fields have, whoever sends them. */
static bool
field_take(struct str bytes, size_t *at, struct dbus_message *message)
{
	struct str type, value = {NULL, 0};
	struct str *const texts[] = {
		[FIELD_PATH] = &message->path,	   [FIELD_INTERFACE] = &message->interface,
		[FIELD_MEMBER] = &message->member, [FIELD_ERROR_NAME] = &message->error_name,
		[FIELD_SENDER] = &message->sender, [FIELD_SIGNATURE] = &message->signature,
	};
	uint32_t number = 0;
	unsigned field;

	if (!take_align(bytes, at, 8) || *at >= bytes.len)
		return false;
	field = (unsigned char)bytes.p[(*at)++];
	if (!take_signature(bytes, at, &type) || type.len != 1)
		return false;
	if (*type.p == 'u' ? !dbus_take_u32(bytes, at, &number)
	    : *type.p == 'g'
		    ? !take_signature(bytes, at, &value)
		    : (*type.p != 's' && *type.p != 'o') || !dbus_take_str(bytes, at, &value))
		return false;
	if (field == FIELD_REPLY_SERIAL)
		message->reply_serial = number;
	else if (field < ARRAY_LEN(texts) && texts[field])
		*texts[field] = value;
	return true;
}

bool
dbus_parse(struct str bytes, struct dbus_message *ret, struct err *err)
{
	struct dbus_message message = {.type = DBUS_CALL};
	size_t length, at = DBUS_HEAD_BYTES;
	struct str fields;

	if (bytes.len < DBUS_HEAD_BYTES)
		return err_set(err, E_INVALID, "what the bus sent is cut");
	if (!dbus_length(bytes, &length, err))
		return false;
	if (length != bytes.len)
		return err_set(err, E_INVALID, "what the bus sent is cut, or goes on");
	message.type = (enum dbus_type)(unsigned char)bytes.p[1];
	message.serial = u32_at(bytes, AT_SERIAL);
	fields = str_make(bytes.p, DBUS_HEAD_BYTES + u32_at(bytes, AT_FIELDS_LEN));
	while (at < fields.len)
		if (!field_take(fields, &at, &message))
			return err_set(err, E_INVALID,
				       "the head of what the bus sent cannot be read");
	message.body = str_make(bytes.p + body_at(bytes), bytes.len - body_at(bytes));
	*ret = message;
	return true;
}
