/* D-Bus messages: what is written can be read, and what is cut, long or foreign is refused. */
/* SPDX-License-Identifier: MIT */
#include "pure/dbus.h"
#include "tests/unit/tap.h"

static const struct dbus_call start = {.destination = "org.freedesktop.systemd1",
				       .path = "/org/freedesktop/systemd1",
				       .interface = "org.freedesktop.systemd1.Manager",
				       .member = "StartUnit",
				       .signature = "ss"};

static void
make_start(struct buf *out)
{
	dbus_begin(out, &start, 7);
	dbus_put_str(out, "a.service");
	dbus_put_str(out, "fail");
	dbus_end(out);
}

static void
test_bytes(void)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	static const struct dbus_call hello = {.path = "/o", .destination = "d", .member = "Hello"};
	/* Written down by the specification, in the order of little-endian machines. */
	static const char want[] = "l\1\0\1"
				   "\0\0\0\0"
				   "\1\0\0\0"
				   "\x2e\0\0\0"
				   "\1\1o\0\2\0\0\0/o\0\0\0\0\0\0"
				   "\6\1s\0\1\0\0\0d\0\0\0\0\0\0\0"
				   "\3\1s\0\5\0\0\0Hello\0\0";

	IT ("writes a call as the specification has it") {
		dbus_begin(&out, &hello, 1);
		dbus_end(&out);
		if (out.data[0] == 'l') {
			CHECK_INT(out.len, sizeof(want));
			CHECK(out.len == sizeof(want) && !memcmp(out.data, want, sizeof(want)));
		} else {
			CHECK(out.data[0] == 'B');
		}
	}
}

static void
test_round(void)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct dbus_message message;
	struct str one, two;
	size_t length = 0, at = 0;

	make_start(&out);
	IT ("reads what it has written") {
		CHECK(dbus_length(buf_str(&out), &length, &err) && length == out.len);
		CHECK(dbus_parse(buf_str(&out), &message, &err));
		CHECK(message.type == DBUS_CALL && message.serial == 7);
		CHECK(str_eq_cstr(message.member, "StartUnit"));
		CHECK(str_eq_cstr(message.signature, "ss"));
		CHECK(dbus_take_str(message.body, &at, &one) && str_eq_cstr(one, "a.service"));
		CHECK(dbus_take_str(message.body, &at, &two) && str_eq_cstr(two, "fail"));
		CHECK(!dbus_take_str(message.body, &at, &two));
	}
	IT ("refuses one that is cut, wherever that is, or that goes on") {
		size_t taken = 0;

		for (size_t len = 0; len < out.len; len++)
			taken += dbus_parse(str_make(out.data, len), &message, NULL);
		CHECK_INT(taken, 0);
		buf_putc(&out, 'x');
		CHECK(!dbus_parse(buf_str(&out), &message, NULL));
	}
}

/* One byte of a good message is another. */
static void
test_broken(void)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	struct dbus_message message;
	size_t length;

	make_start(&out);
	IT ("survives every other value of every byte") {
		size_t inside = 0, tried = 0;

		for (size_t i = 0; i < out.len; i++) {
			char was = out.data[i];

			for (int value = 0; value < 256; value++) {
				out.data[i] = (char)value;
				tried++;
				if (!dbus_parse(buf_str(&out), &message, NULL))
					continue;
				inside +=
					message.body.len <= out.len && message.member.len < out.len;
			}
			out.data[i] = was;
		}
		CHECK_INT(tried, out.len * 256);
		CHECK(inside > 0);
	}
	IT ("refuses the order of another machine") {
		char was = out.data[0];

		out.data[0] = was == 'l' ? 'B' : 'l';
		CHECK(!dbus_length(buf_str(&out), &length, NULL));
		out.data[0] = was;
	}
	IT ("refuses more than it reads before it has come") {
		uint32_t huge[] = {DBUS_MESSAGE_MAX + 1, UINT32_MAX, UINT32_MAX - 7};

		for (size_t i = 0; i < ARRAY_LEN(huge); i++) {
			AUTO(err_fini) struct err err = ERR_INIT;

			memcpy(out.data + 4, &huge[i], 4);
			CHECK(!dbus_length(buf_str(&out), &length, &err));
			CHECK(err.code == E_INVALID);
		}
		memset(out.data + 4, 0, 4);
		memcpy(out.data + 12, &huge[1], 4);
		CHECK(!dbus_length(buf_str(&out), &length, NULL));
	}
}

static void
test_values(void)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	struct dbus_array array;
	struct str text;
	uint32_t number;
	size_t at = 0;

	IT ("counts an array without what stands before its first element") {
		dbus_put_u32(&out, 5);
		array = dbus_array_begin(&out, 8);
		dbus_put_struct(&out);
		dbus_put_byte(&out, 1);
		dbus_array_end(&out, &array);
		CHECK_INT(out.len, 9);
		CHECK(dbus_take_u32(buf_str(&out), &at, &number) && number == 5);
		CHECK(dbus_take_u32(buf_str(&out), &at, &number) && number == 1);
	}
	IT ("refuses a string that holds a NUL, that has no end, or that is longer than all") {
		static const struct {
			const char *bytes;
			size_t len;
		} rows[] = {{"\3\0\0\0a\0c", 8},
			    {"\3\0\0\0abcd", 8},
			    {"\xff\xff\xff\xff", 4},
			    {"\4\0\0\0abcd", 8},
			    {"\0\0\0\0", 4}};

		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			at = 0;
			CHECK(!dbus_take_str(str_make(rows[i].bytes, rows[i].len), &at, &text));
		}
	}
}

int
main(void)
{
	test_bytes();
	test_round();
	test_broken();
	test_values();
	return tap_done();
}
