/* rouse-jq: runs jq programs over what strangers sent, in a process that can do nothing else. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/os.h"
#include "io/jail_wire.h"
#include "jq_parts.h"

enum {
	SOCKET = 0,
	PAGE = 1,
	READ_BYTES = 65536,
	FLUSH_BYTES = 65536,
	RUNS_MAX = 1000000,	/* then another takes over: libraries leak */
	MEMORY_MAX = 512 << 20, /* likewise */
	EXIT_USE = 64,
};

struct helper {
	struct program *programs[JAIL_SLOTS];
	struct buf in, out;
	size_t taken; /* of in */
	struct jail_page *page;
	long runs;
	bool grown; /* more memory is in use than was measured */
};

static void
flush(struct helper *h)
{
	if (h->out.len && !os_write_all(SOCKET, buf_str(&h->out), NULL))
		_exit(JAIL_EXIT_DONE); /* roused is gone */
	buf_clear(&h->out);
}

static void
answer(struct helper *h, uint64_t id, struct err *err, struct str body)
{
	struct jail_frame frame = {.kind = JAIL_ANSWER, .id = id, .code = err->code};
	if (err->code)
		body = str_of(err_text(err));
	frame.len = (uint32_t)body.len;
	buf_add(&h->out, &frame, sizeof(frame));
	buf_add_str(&h->out, body);
	err_fini(err);
	if (h->out.len > FLUSH_BYTES)
		flush(h);
}

static void
on_program(struct helper *h, const struct jail_frame *frame, struct str text)
{
	program_free(h->programs[frame->slot]);
	h->programs[frame->slot] = program_new(text);
}

static void
on_run(struct helper *h, const struct jail_frame *frame, struct str input)
{
	struct program *program = h->programs[frame->slot];
	struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf outputs = BUF_INIT;
	if (!program)
		_exit(JAIL_EXIT_PROTOCOL);
	__atomic_store_n(&h->page->current, frame->id, __ATOMIC_RELEASE);
	/* A program may take its own second and memory to compile, then an input to run. */
	if (!program_is_compiled(program)) {
		jail_meter(true);
		program_compile(program, NULL);
		h->grown = true;
	}
	jail_meter(h->grown);
	h->grown = false;
	if (input.len)
		program_run(program, input, &outputs, &err);
	else
		program_compile(program, &err);
	__atomic_store_n(&h->page->current, 0, __ATOMIC_RELEASE);
	answer(h, frame->id, &err, buf_str(&outputs));
	h->runs++;
}

/* One frame off the front of what was read, if it is whole. */
static bool
take_frame(struct helper *h)
{
	struct jail_frame frame;
	size_t have = h->in.len - h->taken;
	if (have < sizeof(frame))
		return false;
	memcpy(&frame, h->in.data + h->taken, sizeof(frame));
	if (frame.len > JAIL_BYTES_MAX || frame.slot >= JAIL_SLOTS)
		_exit(JAIL_EXIT_PROTOCOL);
	if (have - sizeof(frame) < frame.len)
		return false;
	struct str body = str_make(h->in.data + h->taken + sizeof(frame), frame.len);
	h->taken += sizeof(frame) + frame.len;
	if (frame.kind == JAIL_PROGRAM)
		on_program(h, &frame, body);
	else if (frame.kind == JAIL_RUN)
		on_run(h, &frame, body);
	else
		_exit(JAIL_EXIT_PROTOCOL);
	return true;
}

static bool
fill(struct helper *h)
{
	buf_consume(&h->in, h->taken);
	h->taken = 0;
	if (h->in.cap > 4 * READ_BYTES && h->in.len < READ_BYTES) {
		struct buf small = BUF_INIT;
		buf_add_str(&small, buf_str(&h->in));
		buf_fini(&h->in);
		h->in = small;
	}
	buf_reserve(&h->in, READ_BYTES);
	ssize_t n;
	do
		n = read(SOCKET, h->in.data + h->in.len, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		h->in.len += (size_t)n;
	return n > 0;
}

static int
serve(struct helper *h)
{
	for (;;) {
		while (take_frame(h))
			if (h->runs > RUNS_MAX || jail_memory() > MEMORY_MAX) {
				flush(h);
				return JAIL_EXIT_DONE;
			}
		flush(h);
		if (!fill(h))
			return JAIL_EXIT_DONE;
	}
}

int
main(int argc, char **argv UNUSED)
{
	static struct helper helper;
	struct err err = ERR_INIT;
	void *page =
		mmap(NULL, sizeof(struct jail_page), PROT_READ | PROT_WRITE, MAP_SHARED, PAGE, 0);
	if (argc != 1 || page == MAP_FAILED) {
		fprintf(stderr, "rouse-jq is started by roused, which speaks to it; run jq for "
				"yourself instead.\n");
		return EXIT_USE;
	}
	helper.page = page;
	if (!jail_enter(&err)) {
		fprintf(stderr, "rouse-jq: %s\n", err_text(&err));
		return JAIL_EXIT_SETUP;
	}
	_exit(serve(&helper));
}
