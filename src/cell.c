/* The cell: the inside of a jail. Requests come in frames, answers go out in order. */
/* SPDX-License-Identifier: MIT */
#include "cell.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/os.h"

enum {
	SOCKET = 0,
	PAGE = 1,
	READ_BYTES = 65536,
	FLUSH_BYTES = 65536,
	RUNS_MAX = 1000000,	/* then another takes over: libraries leak */
	MEMORY_MAX = 512 << 20, /* likewise */
	EXIT_USE = 64,
};

struct cell {
	const struct cell_kind *kind;
	struct buf in, out;
	size_t taken; /* of in */
	struct jail_page *page;
	long runs;
};

static void
flush(struct cell *cell)
{
	if (cell->out.len && !os_write_all(SOCKET, buf_str(&cell->out), NULL))
		_exit(JAIL_EXIT_DONE); /* roused is gone */
	if (cell->out.cap > 4 * FLUSH_BYTES)
		buf_fini(&cell->out);
	buf_clear(&cell->out);
}

static void
answer(struct cell *cell, uint64_t id, struct err *err, struct str body)
{
	struct jail_frame frame = {.kind = JAIL_ANSWER, .id = id, .code = err->code};
	if (err->code)
		body = str_of(err_text(err));
	frame.len = (uint32_t)body.len;
	buf_add(&cell->out, &frame, sizeof(frame));
	buf_add_str(&cell->out, body);
	err_fini(err);
	if (cell->out.len > FLUSH_BYTES)
		flush(cell);
}

void
cell_output(struct buf *outputs, struct str output)
{
	uint32_t len = (uint32_t)output.len;
	buf_add(outputs, &len, sizeof(len));
	buf_add_str(outputs, output);
}

static void
on_run(struct cell *cell, const struct jail_frame *frame, struct str input)
{
	struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf outputs = BUF_INIT;
	__atomic_store_n(&cell->page->current, frame->id, __ATOMIC_RELEASE);
	cell->kind->run(frame->slot, input, &outputs, &err);
	__atomic_store_n(&cell->page->current, 0, __ATOMIC_RELEASE);
	answer(cell, frame->id, &err, buf_str(&outputs));
	cell->runs++;
}

/* One frame off the front of what was read, if it is whole. */
static bool
take_frame(struct cell *cell)
{
	struct jail_frame frame;
	size_t have = cell->in.len - cell->taken;
	if (have < sizeof(frame))
		return false;
	memcpy(&frame, cell->in.data + cell->taken, sizeof(frame));
	if (frame.len > cell->kind->spec->bytes_max || frame.slot >= JAIL_SLOTS)
		_exit(JAIL_EXIT_PROTOCOL);
	if (have - sizeof(frame) < frame.len)
		return false;
	struct str body = str_make(cell->in.data + cell->taken + sizeof(frame), frame.len);
	cell->taken += sizeof(frame) + frame.len;
	if (frame.kind == JAIL_PROGRAM)
		cell->kind->program(frame.slot, body);
	else if (frame.kind == JAIL_RUN)
		on_run(cell, &frame, body);
	else
		_exit(JAIL_EXIT_PROTOCOL);
	return true;
}

static bool
fill(struct cell *cell)
{
	buf_consume(&cell->in, cell->taken);
	cell->taken = 0;
	if (cell->in.cap > 4 * READ_BYTES && cell->in.len < READ_BYTES) {
		struct buf small = BUF_INIT;
		buf_add_str(&small, buf_str(&cell->in));
		buf_fini(&cell->in);
		cell->in = small;
	}
	buf_reserve(&cell->in, READ_BYTES);
	ssize_t n;
	do
		n = read(SOCKET, cell->in.data + cell->in.len, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		cell->in.len += (size_t)n;
	return n > 0;
}

static int
serve(struct cell *cell)
{
	for (;;) {
		while (take_frame(cell))
			if (cell->runs > RUNS_MAX || cell_memory() > MEMORY_MAX) {
				flush(cell);
				return JAIL_EXIT_DONE;
			}
		flush(cell);
		if (!fill(cell))
			return JAIL_EXIT_DONE;
	}
}

int
cell_main(const struct cell_kind *kind, int argc)
{
	static struct cell cell;
	struct err err = ERR_INIT;
	void *page =
		mmap(NULL, sizeof(struct jail_page), PROT_READ | PROT_WRITE, MAP_SHARED, PAGE, 0);
	if (argc != 1 || page == MAP_FAILED) {
		fprintf(stderr, "%s is started by roused, which speaks to it; %s.\n", kind->name,
			kind->instead);
		return EXIT_USE;
	}
	cell.kind = kind;
	cell.page = page;
	if (kind->prepare)
		kind->prepare();
	if (!cell_enter(kind->spec, &err)) {
		fprintf(stderr, "%s: %s\n", kind->name, err_text(&err));
		return JAIL_EXIT_SETUP;
	}
	_exit(serve(&cell));
}
