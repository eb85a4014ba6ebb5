/* Unit tests of cli/sse.h. */
/* SPDX-License-Identifier: MIT */
#include "cli/sse.h"
#include "tests/unit/tap.h"

static struct buf seen = BUF_INIT;

static bool
keep(void *arg, struct str id, struct str event, struct str data)
{
	(void)arg;
	buf_printf(&seen, "(%.*s|%.*s|%.*s)", STR_ARG(id), STR_ARG(event), STR_ARG(data));
	return !str_eq(data, STR("stop"));
}

/* The whole text in pieces of step bytes; what sse_feed said last. */
static bool
feed(const char *text, size_t step)
{
	struct sse sse = {.on_event = keep};
	size_t len = strlen(text);
	bool on = true;

	buf_clear(&seen);
	for (size_t at = 0; at < len && on; at += step)
		on = sse_feed(&sse, str_make(text + at, len - at < step ? len - at : step));
	sse_fini(&sse);
	return on;
}

int
main(void)
{
	IT ("an event is given out at its blank line") {
		CHECK(feed("id: 1\nevent: log\ndata: {}\n\n", 100));
		CHECK_STR(buf_cstr(&seen), "(1|log|{})");
	}
	IT ("it does not matter how the bytes come, or how lines end") {
		for (size_t step = 1; step < 9; step++) {
			CHECK(feed("id: 1\r\nevent: a\rdata: x\r\n\r\ndata: y\n\n", step));
			CHECK_STR(buf_cstr(&seen), "(1|a|x)(1||y)");
		}
	}
	IT ("several data lines are one text") {
		CHECK(feed("data: a\ndata:b\ndata\n\n", 3));
		CHECK_STR(buf_cstr(&seen), "(||a\nb\n)");
	}
	IT ("comments and blank lines are nothing") {
		CHECK(feed(": ping\n\n\n: ping\n\nevent: x\n\n", 2));
		CHECK_STR(buf_cstr(&seen), "");
	}
	IT ("half an event is nothing") {
		CHECK(feed("data: a", 2));
		CHECK_STR(buf_cstr(&seen), "");
	}
	IT ("the reader can end it") {
		CHECK(!feed("data: stop\n\ndata: more\n\n", 100));
		CHECK_STR(buf_cstr(&seen), "(||stop)");
	}
	buf_fini(&seen);
	return tap_done();
}
