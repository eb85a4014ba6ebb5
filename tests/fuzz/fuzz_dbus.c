/* Fuzz target: messages of a bus; what is read lies within what was sent. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/dbus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_make(data, size), text;
	struct dbus_message message;
	size_t length, at = 0;
	uint32_t number;

	if (size < DBUS_HEAD_BYTES || !dbus_length(bytes, &length, NULL))
		return 0;
	assert(length <= DBUS_MESSAGE_MAX);
	if (!dbus_parse(bytes, &message, NULL))
		return 0;
	assert(length == size && message.body.p + message.body.len == bytes.p + size);
	while (dbus_take_str(message.body, &at, &text))
		assert(text.p >= message.body.p && text.p + text.len < bytes.p + size);
	for (at = 0; dbus_take_u32(message.body, &at, &number);)
		assert(at <= message.body.len);
	return 0;
}
