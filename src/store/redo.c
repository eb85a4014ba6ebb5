/* Redo: what a turn has written so far, in memory, so that going back to a savepoint can be doing
 * it again. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "store/internal.h"

/*
 * SQLite's own savepoints copy every page at its first change behind each of them, which costs an
 * admission a third of its time, and hardly one is ever gone back to. So a turn notes its
 * statements with their values instead; to go back it rolls all back and runs again what came
 * before the mark. That gives the same rows: one connection writes, and no statement asks for the
 * time or for chance. A turn that outgrows REDO_BYTES goes on with SQLite's savepoints.
 */
#define REDO_BYTES (2 << 20)
#define REDO_KEPT (256 << 10)

struct note {
	uint32_t room, statement;
	uint32_t bytes; /* of the values behind it */
	bool done;	/* it ran; otherwise it changed nothing */
};
struct value {
	int32_t param;
	uint32_t type;
	union {
		int64_t i;
		double d;
		uint64_t len;
	} u;
};

size_t
redo_begin(struct store *store, int room, int statement)
{
	const struct note note = {.room = (uint32_t)room, .statement = (uint32_t)statement};
	if (store->redo_full)
		return REDO_NONE;
	size_t at = store->redo.len;
	buf_add(&store->redo, &note, sizeof(note));
	return at;
}

void
redo_value(struct store *store, size_t at, int param, enum redo_type type, const void *p,
	   size_t len)
{
	static const char zeros[8];
	struct value value = {.param = param, .type = type};
	if (at == REDO_NONE || store->redo_full)
		return;
	size_t pad = type < REDO_TEXT ? 0 : -len & 7;
	if (type >= REDO_TEXT)
		value.u.len = len;
	else if (len)
		memcpy(&value.u, p, len);
	if (store->redo.len + len > REDO_BYTES) {
		store->redo_full = true;
		return;
	}
	buf_add(&store->redo, &value, sizeof(value));
	if (type >= REDO_TEXT) {
		buf_add(&store->redo, p, len);
		buf_add(&store->redo, zeros, pad);
	}
	struct note *note = (struct note *)(void *)(store->redo.data + at);
	note->bytes += (uint32_t)(sizeof(value) + (type < REDO_TEXT ? 0 : len + pad));
}

void
redo_done(struct store *store, size_t at)
{
	if (at != REDO_NONE && at < store->redo.len)
		((struct note *)(void *)(store->redo.data + at))->done = true;
}

void
redo_forget(struct store *store)
{
	if (store->redo.cap > REDO_KEPT)
		buf_fini(&store->redo);
	buf_clear(&store->redo);
	store->redo_full = false;
}

static const char *
value_bind(struct store *store, struct driver_stmt *stmt, const char *p)
{
	struct value value;
	memcpy(&value, p, sizeof(value));
	p += sizeof(value);
	switch ((enum redo_type)value.type) {
	case REDO_NULL:
		store->driver->bind_null(stmt, value.param);
		return p;
	case REDO_INT:
		store->driver->bind_int(stmt, value.param, value.u.i);
		return p;
	case REDO_REAL:
		store->driver->bind_real(stmt, value.param, value.u.d);
		return p;
	case REDO_TEXT:
		store->driver->bind_text(stmt, value.param, str_make(p, value.u.len));
		break;
	case REDO_BLOB:
		store->driver->bind_blob(stmt, value.param, str_make(p, value.u.len));
		break;
	}
	return p + value.u.len + (-value.u.len & 7);
}

static bool
note_run(struct store *store, const struct note *note, const char *values, struct err *err)
{
	const char *end = values + note->bytes;
	AUTO(query_end)
	struct query *q = query_read(store, (enum room)note->room, (int)note->statement, err);
	if (!q)
		return false;
	while (values < end)
		values = value_bind(store, query_stmt(q), values);
	return query_run(q, NULL, err);
}

bool
redo_back_to(struct store *store, size_t mark, struct err *err)
{
	store->driver->rollback(store->conn);
	if (!store->driver->begin(store->conn, err))
		return false;
	for (size_t at = 0; at < mark;) {
		struct note note;
		memcpy(&note, store->redo.data + at, sizeof(note));
		at += sizeof(note);
		if (note.done && !note_run(store, &note, store->redo.data + at, err))
			return false;
		at += note.bytes;
	}
	buf_truncate(&store->redo, mark);
	store->redo_full = false;
	return true;
}
