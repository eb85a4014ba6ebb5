/* JSON lines: read one by one, answered one by one, whatever stands in them. */
/* SPDX-License-Identifier: MIT */
#include "cli/jsonl.h"

#include <errno.h>
#include <unistd.h>

#include "base/os.h"
#include "pure/ndjson.h"

#define CHUNK 65536

struct reader {
	struct ndjson lines;
	struct print *out;
	void (*each)(void *arg, const json_t *object, const char *why);
	void *arg;
};

static void
take_line(struct reader *reader, const struct ndjson_line *line)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	AUTO(err_fini) struct err why = ERR_INIT;

	if (line->cut) {
		reader->each(reader->arg, NULL, "the line is longer than 32 MiB");
		return;
	}
	if (!str_trim(line->text).len)
		return;
	if (!json_read(line->text, &object, &why))
		reader->each(reader->arg, NULL, err_text(&why));
	else if (!json_is_object(object))
		reader->each(reader->arg, NULL, "the line is no JSON object");
	else
		reader->each(reader->arg, object, NULL);
}

static bool
take_bytes(struct reader *reader, struct str bytes, struct err *err)
{
	struct ndjson_line line;

	while (ndjson_next(&reader->lines, &bytes, &line)) {
		take_line(reader, &line);
		if (reader->out->buf.len > CHUNK && !print_flush(reader->out, err))
			return false;
	}
	return print_flush(reader->out, err);
}

static void
reader_fini(struct reader *reader)
{
	ndjson_fini(&reader->lines);
}

bool
jsonl_each(int fd, struct print *out,
	   void (*each)(void *arg, const json_t *object, const char *why), void *arg,
	   struct err *err)
{
	AUTO(reader_fini) struct reader reader = {.out = out, .each = each, .arg = arg};
	AUTO(auto_free) char *chunk = mem_alloc(CHUNK);
	struct ndjson_line line;
	ssize_t got;

	ndjson_init(&reader.lines, JSONL_LINE_MAX, 0);
	while ((got = os.read(fd, chunk, CHUNK))) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "reading standard input");
		if (!take_bytes(&reader, str_make(chunk, (size_t)got), err))
			return false;
	}
	if (ndjson_end(&reader.lines, &line))
		take_line(&reader, &line);
	return print_flush(out, err);
}

void
jsonl_put_id(struct buf *out, const json_t *object)
{
	const json_t *id = json_object_get(object, "id");

	if (id)
		json_write(out, id);
	else
		buf_puts(out, "null");
}
