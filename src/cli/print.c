/* Print: tables and fields for people, JSON for programs, colour only where somebody looks. */
/* SPDX-License-Identifier: MIT */
#include "cli/print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/os.h"
#include "base/uuid.h"
#include "cli/text.h"
#include "pure/duration.h"

#define ID_SHOWN 18 /* the time and the counter of a version 7 UUID */
#define COLUMN_GAP 2
#define COLUMN_LEAST 8

static unsigned
terminal_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t width;

	if (columns && str_to_u64(str_of(columns), &width) && width >= 20 && width < 10000)
		return (unsigned)width;
	if (!ioctl(fd, TIOCGWINSZ, &size) && size.ws_col >= 20)
		return size.ws_col;
	return 80;
}

void
print_init(struct print *print, int fd, bool json, bool no_colour, struct wall now)
{
	const char *never = getenv("NO_COLOR"), *term = getenv("TERM");

	*print = (struct print){.buf = BUF_INIT, .fd = fd, .json = json, .now = now};
	print->terminal = fd >= 0 && isatty(fd);
	if (!print->terminal)
		return;
	print->width = terminal_width(fd);
	print->colour = !no_colour && !(never && *never) && !(term && !strcmp(term, "dumb"));
}

void
print_fini(struct print *print)
{
	buf_fini(&print->buf);
}

bool
print_flush(struct print *print, struct err *err)
{
	struct err why = ERR_INIT;

	if (print->fd < 0 || !print->buf.len)
		return true;
	if (!os_write_all(print->fd, buf_str(&print->buf), &why)) {
		err_prefix(&why, "cannot write the answer");
		return err_move(err, &why);
	}
	buf_clear(&print->buf);
	return true;
}

void
print_text(struct print *print, const char *s)
{
	text_escape(&print->buf, str_of(s));
}

void
print_lines(struct print *print, const char *indent, struct str s)
{
	while (s.p && s.len) {
		struct str line;

		s = str_split(s, '\n', &line);
		buf_puts(&print->buf, indent);
		text_escape(&print->buf, line);
		buf_putc(&print->buf, '\n');
	}
}

void
print_f(struct print *print, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&print->buf, fmt, ap);
	va_end(ap);
}

static const char *const styles[] = {
	[STYLE_PLAIN] = "\033[0m", [STYLE_BOLD] = "\033[1m",	[STYLE_DIM] = "\033[2m",
	[STYLE_RED] = "\033[31m",  [STYLE_GREEN] = "\033[32m",	[STYLE_YELLOW] = "\033[33m",
	[STYLE_BLUE] = "\033[34m", [STYLE_REVERSE] = "\033[7m", [STYLE_STRAIGHT] = "\033[27m",
};

void
print_style(struct print *print, enum print_style style)
{
	if (print->colour)
		buf_puts(&print->buf, styles[style]);
}

void
print_styled(struct print *print, enum print_style style, const char *s)
{
	print_style(print, style);
	print_text(print, s);
	print_style(print, STYLE_PLAIN);
}

enum print_style
print_status_style(const char *status)
{
	static const struct {
		const char *word;
		enum print_style style;
	} words[] = {
		{"succeeded", STYLE_GREEN}, {"applied", STYLE_GREEN},  {"ok", STYLE_GREEN},
		{"approved", STYLE_GREEN},  {"ran", STYLE_GREEN},      {"failed", STYLE_RED},
		{"failing", STYLE_RED},	    {"rejected", STYLE_RED},   {"conflict", STYLE_RED},
		{"looped", STYLE_RED},	    {"denied", STYLE_RED},     {"shed", STYLE_RED},
		{"running", STYLE_BLUE},    {"applying", STYLE_BLUE},  {"waiting", STYLE_YELLOW},
		{"proposed", STYLE_YELLOW}, {"stale", STYLE_YELLOW},   {"paused", STYLE_YELLOW},
		{"held", STYLE_YELLOW},	    {"cancelled", STYLE_DIM},  {"skipped", STYLE_DIM},
		{"filtered", STYLE_DIM},    {"superseded", STYLE_DIM}, {"reverted", STYLE_DIM},
		{"stopped", STYLE_DIM},
	};

	for (size_t i = 0; status && i < ARRAY_LEN(words); i++)
		if (!strcmp(words[i].word, status))
			return words[i].style;
	return STYLE_PLAIN;
}

void
print_json(struct print *print, struct str json)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;

	text_json_compact(&line, json);
	if (print->terminal)
		text_escape(&print->buf, buf_str(&line));
	else
		buf_add_str(&print->buf, buf_str(&line));
	buf_putc(&print->buf, '\n');
}

void
print_age(struct wall at, struct wall now, struct buf *out)
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
	int64_t apart = now.ms - at.ms;
	int64_t seconds = (apart < 0 ? -apart : apart) / 1000;

	if (!seconds) {
		buf_puts(out, "now");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (seconds < units[i].seconds)
			continue;
		buf_printf(out, "%s%lld%s%s", apart < 0 ? "in " : "",
			   (long long)(seconds / units[i].seconds), units[i].unit,
			   apart < 0 ? "" : " ago");
		return;
	}
}

static const json_t *
member(const json_t *object, const char *path)
{
	struct str rest = str_of(path), name;

	while (rest.p && object) {
		rest = str_split(rest, '.', &name);
		object = json_object_getn(object, name.p, name.len);
	}
	return object;
}

static void
cell_scalar(const struct print *print, enum cell kind, const json_t *value, struct buf *out)
{
	struct wall at;

	if (json_is_string(value)) {
		const char *text = json_string_value(value);
		struct str whole = str_make(text, json_string_length(value));

		if (kind == CELL_TIME && print->terminal && wall_parse(whole, &at))
			print_age(at, print->now, out);
		else if (kind == CELL_ID && print->terminal && uuid_is_valid(whole))
			buf_add(out, text, ID_SHOWN);
		else
			text_escape(out, whole);
	} else if (json_is_integer(value) && kind == CELL_SPAN) {
		int64_t ms = json_integer_value(value);

		/* Who looks at a table wants seconds. */
		if (ms >= 1000)
			duration_print(ms - ms % 1000, out);
		else if (ms > 0)
			duration_print(ms, out);
	} else if (json_is_integer(value) && kind != CELL_MONEY) {
		buf_printf(out, "%lld", (long long)json_integer_value(value));
	} else if (json_is_number(value) && kind == CELL_MONEY) {
		buf_printf(out, "%.4f", json_number_value(value));
	} else if (json_is_boolean(value)) {
		buf_puts(out, json_is_true(value) ? "yes" : "no");
	} else if (!json_is_null(value)) {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		json_write(&text, value);
		text_escape(out, buf_str(&text));
	}
}

void
print_cell(const struct print *print, const struct column *column, const json_t *object,
	   struct buf *out)
{
	const json_t *value = member(object, column->key);

	if (!value)
		return;
	if (column->kind == CELL_LIST && json_is_array(value)) {
		for (size_t i = 0; i < json_array_size(value); i++) {
			if (i)
				buf_puts(out, ", ");
			cell_scalar(print, CELL_TEXT, json_array_get(value, i), out);
		}
	} else {
		cell_scalar(print, column->kind, value, out);
	}
}

static bool
is_right(enum cell kind)
{
	return kind == CELL_COUNT || kind == CELL_MONEY || kind == CELL_SPAN;
}

/* The last column that is shown goes; the first two always stay. */
static bool
drop_last(unsigned *widths, size_t count)
{
	for (size_t i = count; i > 2; i--) {
		if (!widths[i - 1])
			continue;
		widths[i - 1] = 0;
		return true;
	}
	return false;
}

/* Takes columns from the widest texts until the line fits; ids and numbers stay whole. Where that
 * is not enough, whole columns go from the right: tables begin with what matters. */
static void
widths_fit(const struct print *print, const struct column *columns, size_t count, unsigned *widths)
{
	for (;;) {
		unsigned total = 0, widest = 0;
		size_t at = count;

		for (size_t i = 0; i < count; i++) {
			bool flexible = columns[i].kind == CELL_TEXT ||
					columns[i].kind == CELL_LIST ||
					columns[i].kind == CELL_JSON;

			total += widths[i] ? widths[i] + COLUMN_GAP : 0;
			if (flexible && widths[i] > widest && widths[i] > COLUMN_LEAST) {
				widest = widths[i];
				at = i;
			}
		}
		if (total <= print->width + COLUMN_GAP)
			return;
		if (at < count)
			widths[at]--;
		else if (!drop_last(widths, count))
			return;
	}
}

static void
pad(struct print *print, unsigned columns)
{
	while (columns--)
		buf_putc(&print->buf, ' ');
}

static void
put_cell(struct print *print, const struct column *column, struct str text, unsigned width,
	 bool last, enum print_style style)
{
	AUTO(buf_fini) struct buf cut = BUF_INIT;
	unsigned used;

	if (print->width)
		text_cut(&cut, text, width);
	else
		buf_add_str(&cut, text);
	used = text_width(buf_str(&cut));
	if (is_right(column->kind) && used < width)
		pad(print, width - used);
	if (style != STYLE_PLAIN)
		print_style(print, style);
	buf_add_str(&print->buf, buf_str(&cut));
	if (style != STYLE_PLAIN)
		print_style(print, STYLE_PLAIN);
	if (last)
		return;
	if (!is_right(column->kind) && used < width)
		pad(print, width - used);
	pad(print, COLUMN_GAP);
}

static void
put_row(struct print *print, const struct column *columns, size_t count, const struct buf *cells,
	const unsigned *widths)
{
	size_t last = 0;

	for (size_t i = 0; i < count; i++)
		if (widths[i])
			last = i;
	for (size_t i = 0; i < count; i++) {
		enum print_style style = STYLE_PLAIN;

		if (!widths[i])
			continue;
		if (cells && columns[i].kind == CELL_STATUS)
			style = print_status_style(buf_cstr(&cells[i]));
		put_cell(print, &columns[i], cells ? buf_str(&cells[i]) : str_of(columns[i].title),
			 widths[i], i == last, style);
	}
	while (print->buf.len && print->buf.data[print->buf.len - 1] == ' ')
		buf_truncate(&print->buf, print->buf.len - 1);
	buf_putc(&print->buf, '\n');
}

void
print_table(struct print *print, const struct column *columns, size_t count, const json_t *rows,
	    unsigned *widths)
{
	size_t row_count = json_array_size(rows);
	struct buf *cells = mem_alloc_array(row_count * count + 1, sizeof(*cells));
	bool first = true;

	for (size_t i = 0; i < count; i++)
		first = first && !widths[i];
	for (size_t i = 0; i < row_count * count; i++) {
		unsigned *width = &widths[i % count];
		unsigned used;

		print_cell(print, &columns[i % count], json_array_get(rows, i / count), &cells[i]);
		used = text_width(buf_str(&cells[i]));
		if (first && used > *width)
			*width = used;
	}
	if (first && row_count) {
		for (size_t i = 0; i < count; i++)
			if ((widths[i] || !print->terminal) &&
			    widths[i] < text_width(str_of(columns[i].title)))
				widths[i] = text_width(str_of(columns[i].title));
		if (print->width)
			widths_fit(print, columns, count, widths);
		print_style(print, STYLE_BOLD);
		put_row(print, columns, count, NULL, widths);
		print_style(print, STYLE_PLAIN);
	}
	for (size_t i = 0; i < row_count; i++)
		put_row(print, columns, count, cells + i * count, widths);
	for (size_t i = 0; i < row_count * count; i++)
		buf_fini(&cells[i]);
	free(cells);
}

void
print_fields(struct print *print, const struct column *columns, size_t count, const json_t *object)
{
	unsigned widest = 0;

	for (size_t i = 0; i < count; i++)
		if (text_width(str_of(columns[i].title)) > widest)
			widest = text_width(str_of(columns[i].title));
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_fini) struct buf cell = BUF_INIT;
		struct print whole = *print;

		whole.terminal = print->terminal && columns[i].kind != CELL_ID;
		print_cell(&whole, &columns[i], object, &cell);
		if (!cell.len)
			continue;
		buf_puts(&print->buf, columns[i].title);
		pad(print, widest - text_width(str_of(columns[i].title)) + COLUMN_GAP);
		if (columns[i].kind == CELL_STATUS)
			print_style(print, print_status_style(buf_cstr(&cell)));
		buf_add_str(&print->buf, buf_str(&cell));
		if (columns[i].kind == CELL_STATUS)
			print_style(print, STYLE_PLAIN);
		buf_putc(&print->buf, '\n');
	}
}

void
print_progress(const char *what, size_t done, size_t total)
{
	enum { BAR = 30 };
	unsigned filled = total ? (unsigned)(done * BAR / total) : BAR;

	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%s [", what);
	for (unsigned i = 0; i < BAR; i++)
		fputc(i < filled ? '#' : '.', stderr);
	fprintf(stderr, "] %zu/%zu", done, total);
	if (done >= total)
		fputs("\r\033[K", stderr);
	fflush(stderr);
}
