/* Event: what became of a file, as the document that an agent gets. */
/* SPDX-License-Identifier: MIT */
#include "triggers/file/event.h"

#include <assert.h>

#include "base/clock.h"
#include "base/digest.h"

static const char *const names[] = {"create", "modify", "delete", "move"};
static_assert(ARRAY_LEN(names) == FILE_EVENTS, "a name for every event");

const char *
file_event_name(enum file_event event)
{
	return names[event];
}

bool
file_event_parse(const char *name, enum file_event *ret)
{
	for (size_t i = 0; i < FILE_EVENTS; i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		*ret = (enum file_event)i;
		return true;
	}
	return false;
}

static void
member(struct buf *out, const char *name)
{
	buf_cat(out, out->len > 1 ? ",\"" : "\"", name, "\":");
}

/* A path or name: as text, and exactly where it is none. */
static void
bytes_put(struct buf *out, const char *name, struct str bytes)
{
	member(out, name);
	buf_json_str(out, bytes);
	if (str_is_utf8(bytes))
		return;
	buf_cat(out, ",\"", name, "_base64\":\"");
	base64_encode(out, bytes);
	buf_putc(out, '"');
}

static void
path_put(struct buf *out, const char *name, const struct file_change *change, struct str path)
{
	AUTO(buf_fini) struct buf whole = BUF_INIT;

	buf_add_str(&whole, change->root);
	if (change->root.len != 1)
		buf_putc(&whole, '/');
	buf_add_str(&whole, path);
	bytes_put(out, name, buf_str(&whole));
}

static void
name_put(struct buf *out, struct str path)
{
	size_t at = path.len;

	while (at && path.p[at - 1] != '/')
		at--;
	bytes_put(out, "name", str_make(path.p + at, path.len - at));
}

/* What JSON and every reader of text can hold. */
static bool
is_text(struct str bytes)
{
	return str_is_utf8(bytes) && !(bytes.len && memchr(bytes.p, '\0', bytes.len));
}

static void
content_put(struct buf *out, const struct file_change *change)
{
	struct str bytes = buf_str(&change->look->bytes);

	if (change->content == CONTENT_NONE)
		return;
	member(out, "content");
	if (!change->look->has_bytes) {
		buf_puts(out, "null,\"encoding\":null");
	} else if (change->content == CONTENT_TEXT && is_text(bytes)) {
		buf_json_str(out, bytes);
		buf_puts(out, ",\"encoding\":\"text\"");
	} else {
		buf_putc(out, '"');
		base64_encode(out, bytes);
		buf_puts(out, "\",\"encoding\":\"base64\"");
	}
}

static void
version_put(struct buf *out, const struct version *version)
{
	member(out, "size");
	buf_printf(out, "%llu", (unsigned long long)version->size);
	member(out, "mtime");
	buf_putc(out, '"');
	/* Rounded down, before 1970 too. */
	wall_format((struct wall){version->mtime_ns / 1000000 - (version->mtime_ns % 1000000 < 0)},
		    out);
	buf_putc(out, '"');
	member(out, "mtime_ns");
	buf_printf(out, "%lld", (long long)version->mtime_ns);
	member(out, "inode");
	buf_printf(out, "%llu", (unsigned long long)version->inode);
}

void
file_event_data(const struct file_change *change, struct buf *out)
{
	buf_putc(out, '{');
	path_put(out, "path", change, change->path);
	bytes_put(out, "relative", change->path);
	name_put(out, change->path);
	member(out, "event");
	buf_cat(out, "\"", file_event_name(change->event), "\"");
	if (change->event == FILE_MOVE)
		path_put(out, "from", change, change->from);
	version_put(out, change->version);
	if (change->look) {
		member(out, "mode");
		buf_printf(out, "\"%04o\"", (unsigned)change->look->mode);
	}
	if (change->version->hashed) {
		member(out, "sha256");
		buf_putc(out, '"');
		hex_encode(out, str_make(change->version->hash, HASH_BYTES));
		buf_putc(out, '"');
	}
	if (change->look)
		content_put(out, change);
	buf_putc(out, '}');
}

void
file_event_key(const struct file_change *change, int64_t once, struct buf *out)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	const struct version *version = change->version;

	buf_add_str(&path, change->root);
	if (change->root.len != 1)
		buf_putc(&path, '/');
	buf_add_str(&path, change->path);
	if (str_is_utf8(buf_str(&path))) {
		buf_add_str(out, buf_str(&path));
	} else {
		buf_puts(out, "base64:");
		base64_encode(out, buf_str(&path));
	}
	buf_printf(out, " %llu %llu %lld", (unsigned long long)version->inode,
		   (unsigned long long)version->size, (long long)version->mtime_ns);
	if (change->event == FILE_DELETE)
		buf_printf(out, " deleted %lld", (long long)once);
}
