/* Entities from a file of the machine, csv: or jsonl:, read in work threads. SPEC 11. */
/* SPDX-License-Identifier: MIT */
#include "plugins/entities/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "conf/conf.h"
#include "plugins/entities/ground.h"
#include "plugins/entities/lines.h"
#include "plugins/entities/threaded.h"
#include "pure/csv.h"

#define CHUNK 262144
#define FIELD_MAX (1 << 20)

struct entity_reader {
	struct threaded t; /* first */
	const struct entity_kind *kind;
	char *path, *name; /* name: as the section has it, for sentences */
	struct entity_namer *namer;
	char *key; /* entity_key as it was written; NULL */
	char delimiter;
	struct ground ground;
	char **columns; /* csv: the header; NULL: not read yet */
	size_t column_count, key_column;
	uint64_t header_line;
};

static void
columns_free(struct entity_reader *r)
{
	for (size_t i = 0; i < r->column_count; i++)
		free(r->columns[i]);
	free(r->columns);
	r->columns = NULL;
	r->column_count = 0;
}

static void
reader_free(struct threaded *t)
{
	struct entity_reader *r = (struct entity_reader *)t;

	threaded_fini(t);
	columns_free(r);
	entity_namer_free(r->namer);
	free(r->path);
	free(r->name);
	free(r->key);
	free(r);
}

/* Characters that a configuration cannot have by themselves, too. */
static const struct {
	const char *word;
	char c;
} delimiters[] = {{"tab", '\t'}, {"semicolon", ';'}, {"comma", ','}, {"pipe", '|'}, {"space", ' '}};

static bool
delimiter_of(const struct conf_section *section, char *ret)
{
	const char *text = conf_str(section, "delimiter");

	*ret = ',';
	if (!text)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(delimiters); i++)
		if (!strcmp(delimiters[i].word, text)) {
			*ret = delimiters[i].c;
			return true;
		}
	*ret = text[0];
	return text[0] && !text[1] && text[0] != '"' && (unsigned char)text[0] > ' ' &&
	       (unsigned char)text[0] < 0x7f;
}

static void read_run(struct threaded *t);

static void
file_check(const struct entities_place *place, struct conf_report *report)
{
	AUTO(auto_free) char *path = entities_path(place->section, str_of(place->rest));
	char delimiter;

	if (!delimiter_of(place->section, &delimiter))
		conf_complain(report, place->section, "delimiter",
			      "expected one character that is no quote, or a word: tab, "
			      "semicolon, comma, pipe, space");
	if (access(path, R_OK))
		conf_warn(report, place->section, "entities", "%s cannot be read now: %s", path,
			  strerror(errno));
}

static bool
file_open(const struct entity_kind *kind, struct core *core, const struct entities_place *place,
	  struct str cursor, struct entity_reader **ret, struct err *err)
{
	struct entity_reader *r = mem_alloc(sizeof(*r));
	const char *slash;

	r->t = (struct threaded){.core = core, .run = read_run, .free = reader_free};
	r->kind = kind;
	r->path = entities_path(place->section, str_of(place->rest));
	slash = strrchr(r->path, '/');
	r->name = mem_strdup(slash ? slash + 1 : r->path);
	r->key = mem_strdup(place->key);
	delimiter_of(place->section, &r->delimiter);
	if (ground_parse(cursor, &r->ground, err) && entity_namer_new(place->key, &r->namer, err)) {
		*ret = r;
		return true;
	}
	reader_free(&r->t);
	return false;
}

static bool
csv_open(struct core *core, const struct entities_place *place, struct str cursor,
	 struct entity_reader **ret, struct err *err)
{
	return file_open(&csv_entities, core, place, cursor, ret, err);
}

static bool
jsonl_open(struct core *core, const struct entities_place *place, struct str cursor,
	   struct entity_reader **ret, struct err *err)
{
	return file_open(&jsonl_entities, core, place, cursor, ret, err);
}

/* --- in a thread --------------------------------------------------------------------------- */

/* A file that is read from some offset on, a chunk at a time. */
struct stream {
	struct entity_reader *r;
	int fd;
	uint64_t at; /* of the chunk behind `bytes` */
	char *chunk;
	struct str bytes; /* not taken yet */
	bool end, bom;
};

/* More bytes. False: failed, or there are none (end is set). */
static bool
stream_fill(struct stream *s, struct err *err)
{
	ssize_t n;

	do
		n = pread(s->fd, s->chunk, CHUNK, (off_t)s->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, errno, "%s cannot be read", s->r->path);
	s->end = !n;
	s->bytes = str_make(s->chunk, (size_t)n);
	s->bom = !s->at && str_starts(s->bytes, STR("\xef\xbb\xbf"));
	if (!s->at &&
	    (str_starts(s->bytes, STR("\xff\xfe")) || str_starts(s->bytes, STR("\xfe\xff"))))
		return err_set(err, E_INVALID,
			       "%s is UTF-16; expected UTF-8: convert it, as with iconv -f utf-16 "
			       "-t utf-8",
			       s->r->name);
	if (s->bom) {
		s->bytes.p += 3;
		s->bytes.len -= 3;
	}
	s->at += (uint64_t)n;
	return !s->end;
}

/* "FILE, line N: " before a sentence. */
static void
at_line(const struct entity_reader *r, uint64_t line, struct err *err)
{
	AUTO(buf_fini) struct buf where = BUF_INIT;

	buf_printf(&where, "%s, line %" PRIu64, r->name, line);
	err_prefix(err, "%s", buf_cstr(&where));
}

/* --- csv --- */

static const char *
nearest_column(const struct entity_reader *r, const char *name)
{
	const char *near = NULL;
	unsigned best = 3;

	for (size_t i = 0; i < r->column_count; i++) {
		unsigned distance = str_distance(name, r->columns[i]);

		if (distance < best) {
			best = distance;
			near = r->columns[i];
		}
	}
	return near;
}

static bool
key_column_find(struct entity_reader *r, struct err *err)
{
	AUTO(buf_fini) struct buf names = BUF_INIT;
	const char *wanted = r->key ? r->key : "id", *near;

	r->key_column = SIZE_MAX;
	/* A path is asked of the whole record. */
	if (*wanted == '.' || *wanted == '"')
		return true;
	for (size_t i = 0; i < r->column_count; i++) {
		if (!strcmp(r->columns[i], wanted)) {
			r->key_column = i;
			return true;
		}
		if (i < 20)
			buf_cat(&names, i ? ", " : "", r->columns[i]);
	}
	if (!r->key) {
		r->key_column = 0;
		return true;
	}
	near = nearest_column(r, wanted);
	return err_set(err, E_INVALID,
		       "%s, line %" PRIu64 ": there is no column %s (entity_key); expected one of "
		       "%s%s%s%s%s",
		       r->name, r->header_line, wanted, buf_cstr(&names),
		       r->column_count > 20 ? ", ..." : "", near ? "; did you mean " : "",
		       near ? near : "", near ? "?" : "");
}

static bool
header_take(struct entity_reader *r, const struct csv *csv, struct err *err)
{
	columns_free(r);
	r->header_line = csv->record_line;
	r->columns = mem_alloc_array(csv_count(csv), sizeof(*r->columns));
	for (size_t i = 0; i < csv_count(csv); i++) {
		struct str name = str_trim(csv_field(csv, i));

		if (!name.len)
			return err_set(err, E_INVALID,
				       "%s, line %" PRIu64 ": column %zu has no name; the first "
				       "line names every column",
				       r->name, csv->record_line, i + 1);
		for (size_t k = 0; k < i; k++)
			if (str_eq_cstr(name, r->columns[k]))
				return err_set(err, E_INVALID,
					       "%s, line %" PRIu64 ": columns %zu and %zu are both "
					       "named %s; each needs a name of its own",
					       r->name, csv->record_line, k + 1, i + 1,
					       r->columns[k]);
		r->columns[r->column_count++] = str_dup(name);
	}
	return key_column_find(r, err);
}

/* True: the page is full, or page->err is set. */
static bool
record_take(struct entity_reader *r, const struct csv *csv)
{
	AUTO(buf_fini) struct buf data = BUF_INIT, key = BUF_INIT;
	struct entity_page *page = &r->t.page;
	bool full;

	if (csv_count(csv) != r->column_count) {
		err_set(&page->err, E_INVALID,
			"%s, line %" PRIu64 ": %zu fields, but line %" PRIu64
			" names %zu columns; expected as many, is a delimiter or a quote missing?",
			r->name, csv->record_line, csv_count(csv), r->header_line, r->column_count);
		return true;
	}
	for (size_t i = 0; i < r->column_count; i++) {
		buf_putc(&data, i ? ',' : '{');
		buf_json_cstr(&data, r->columns[i]);
		buf_putc(&data, ':');
		buf_json_str(&data, csv_field(csv, i));
	}
	buf_putc(&data, '}');
	if (r->key_column != SIZE_MAX)
		buf_add_str(&key, str_trim(csv_field(csv, r->key_column)));
	else if (!entity_name(r->namer, buf_str(&data), &key, &page->err)) {
		at_line(r, csv->record_line, &page->err);
		return true;
	}
	full = entity_page_add(page, buf_str(&key), buf_str(&data), csv->record_line);
	if (page->err.code != E_OK)
		at_line(r, csv->record_line, &page->err);
	return full;
}

/* The next record, from the stream. CSV_MORE: it is at its end. */
static enum csv_got
record_next(struct stream *s, struct csv *csv, struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;
	enum csv_got got;

	for (;;) {
		got = csv_next(csv, &s->bytes, &why);
		if (got == CSV_MORE && stream_fill(s, err)) {
			if (s->bom)
				csv_begin(csv, 3, 1);
			continue;
		}
		if (got == CSV_MORE) {
			if (err->code != E_OK)
				return CSV_BAD;
			got = csv_end(csv, &why);
			if (got == CSV_MORE)
				return CSV_MORE;
		}
		if (got == CSV_BAD) {
			err_move(err, &why);
			err_prefix(err, "%s", s->r->name);
		}
		if (got != CSV_MORE)
			return got;
	}
}

static bool
csv_read_page(struct stream *s, struct ground *to, struct err *err)
{
	struct entity_reader *r = s->r;
	struct csv csv;
	enum csv_got got;
	bool ok = true, full = false;

	csv_init(&csv, r->delimiter, FIELD_MAX, ENTITY_BYTES_MAX);
	if (!r->columns) {
		s->at = 0;
		got = record_next(s, &csv, err);
		if (got == CSV_MORE)
			err_set(err, E_INVALID,
				"%s is empty; expected a line that names its columns", r->name);
		ok = got == CSV_RECORD && header_take(r, &csv, err);
		if (!ok)
			columns_free(r);
		if (ok && !to->offset) {
			to->offset = csv.next_offset;
			to->line = csv.next_line;
			to->open_end = s->end;
		}
	}
	if (ok && csv.next_offset != to->offset) {
		s->at = to->offset;
		s->bytes = STR_NONE;
		s->end = false;
		csv_begin(&csv, to->offset, to->line);
	}
	while (ok && !full && !r->t.page.end) {
		got = record_next(s, &csv, err);
		if (got == CSV_RECORD)
			full = record_take(r, &csv);
		ok = got != CSV_BAD;
		r->t.page.end = got == CSV_MORE;
		if (got != CSV_RECORD || r->t.page.err.code != E_OK)
			break;
		to->offset = csv.next_offset;
		to->line = csv.next_line;
		to->records++;
		to->open_end = s->end;
	}
	csv_fini(&csv);
	return ok;
}

/* --- jsonl --- */

static bool
jsonl_read_page(struct stream *s, struct ground *to, struct err *err)
{
	struct entity_reader *r = s->r;
	struct ndjson lines;
	struct ndjson_line line;
	bool full = false, ok = true;
	uint64_t skipped = 0;

	ndjson_init(&lines, ENTITY_BYTES_MAX, to->offset);
	s->at = to->offset;
	while (ok && !full) {
		bool any = ndjson_next(&lines, &s->bytes, &line);

		if (!any && entity_line_endless(&r->t.page, &lines, r->name, to->line))
			break;
		if (!any && stream_fill(s, err)) {
			skipped = s->bom ? 3 : skipped;
			continue;
		}
		ok = err->code == E_OK;
		if (!any && ok)
			any = ndjson_end(&lines, &line);
		r->t.page.end = !any;
		if (!any || !ok)
			break;
		full = entity_line(&r->t.page, r->namer, &line, r->name, to->line);
		if (r->t.page.err.code != E_OK)
			break;
		to->offset = ndjson_offset(&lines) + skipped;
		to->line++;
		to->records++;
		to->open_end = s->end;
	}
	ndjson_fini(&lines);
	return ok;
}

/* --- both --- */

/* Has the record that stood at the end without a line end been written to since? */
static bool
end_is_other(const struct ground *g, int fd)
{
	char next;

	return g->open_end && pread(fd, &next, 1, (off_t)g->offset) == 1 && next != '\n' &&
	       next != '\r';
}

/* What was read is not there any more: from the start again. */
static bool
ground_check(struct entity_reader *r, int fd, const struct stat *st, struct err *err)
{
	AUTO(buf_fini) struct buf note = BUF_INIT;
	enum ground_is is = ground_look(&r->ground, fd, st, err);

	if (is == GROUND_FAILED)
		return err_prefix(err, "%s", r->path);
	if (is == GROUND_GROWN && end_is_other(&r->ground, fd))
		is = GROUND_REPLACED;
	if (is == GROUND_REPLACED) {
		buf_printf(&note,
			   "%s is not the file any more that was read up to line %" PRIu64
			   ": it is read again from its start; entities that the batch has had are "
			   "passed over, those that are new are taken in",
			   r->name, r->ground.line - 1);
		r->ground = GROUND_START;
		columns_free(r);
		r->t.page.again = true;
	} else if (is == GROUND_GROWN && (uint64_t)st->st_size > r->ground.size) {
		buf_printf(&note,
			   "%s has grown since it was read up to line %" PRIu64
			   ", which is unchanged: what was added is taken in",
			   r->name, r->ground.line - 1);
	}
	if (note.len)
		r->t.page.note = buf_take(&note);
	return true;
}

static bool
page_read(struct entity_reader *r, int fd, struct err *err)
{
	AUTO(auto_free) char *chunk = mem_alloc(CHUNK);
	struct stream s = {.r = r, .fd = fd, .chunk = chunk, .bytes = STR_NONE};
	struct ground to;
	struct stat st;
	bool ok;

	if (fstat(fd, &st))
		return err_errno(err, errno, "%s cannot be read", r->path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "%s is no regular file; expected one", r->path);
	if (!ground_check(r, fd, &st, err))
		return false;
	to = r->ground;
	ok = r->kind == &csv_entities ? csv_read_page(&s, &to, err) : jsonl_read_page(&s, &to, err);
	/* What came before a mistake stays. */
	if (!ground_move(&r->ground, fd, &st, to.offset, ok ? err : NULL))
		return ok ? err_prefix(err, "%s", r->path) : false;
	r->ground.line = to.line;
	r->ground.records = to.records;
	r->ground.open_end = to.open_end;
	ground_print(&r->ground, &r->t.page.cursor);
	return ok;
}

static void
read_run(struct threaded *t)
{
	struct entity_reader *r = (struct entity_reader *)t;
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(auto_close) int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == ENOENT)
		err_set(&err, E_NOT_FOUND, "%s cannot be opened: %s", r->path, strerror(ENOENT));
	else if (fd < 0)
		err_errno(&err, errno, "%s cannot be opened", r->path);
	else
		page_read(r, fd, &err);
	if (err.code != E_OK && t->page.err.code == E_OK)
		err_move(&t->page.err, &err);
}

static void
file_read(struct entity_reader *r, entities_on_page *on_page, void *arg)
{
	threaded_read(&r->t, on_page, arg);
}

static void
file_close(struct entity_reader *r)
{
	threaded_close(&r->t);
}

/* A file is at hand. */
static bool
file_is_cheap(const struct entities_place *place)
{
	(void)place;
	return true;
}

const struct entity_kind csv_entities = {.name = "csv",
					 .unit = "line",
					 .grows = true,
					 .resumes = true,
					 .is_cheap = file_is_cheap,
					 .check = file_check,
					 .open = csv_open,
					 .read = file_read,
					 .close = file_close};
const struct entity_kind jsonl_entities = {.name = "jsonl",
					   .unit = "line",
					   .grows = true,
					   .resumes = true,
					   .is_cheap = file_is_cheap,
					   .check = file_check,
					   .open = jsonl_open,
					   .read = file_read,
					   .close = file_close};
