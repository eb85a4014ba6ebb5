/* What is wrong with a configuration: gathered in any order, printed in the order of the files. */
/* SPDX-License-Identifier: MIT */
#include "conf/inside.h"

#include <limits.h>

enum {
	FILE_ERRORS_MAX = 1000, /* a file with more is no configuration */
	SUGGESTIONS_MAX = 100,	/* each looks at every name that there is */
	QUOTE_MAX = 60,
};

struct complaint {
	int file, line;
	size_t seq;
	bool warning;
	char *text;
};

struct report_file {
	size_t errors, hidden;
};

struct conf_report {
	struct complaint *items;
	size_t count, cap;
	struct report_file *files;
	size_t file_count;
	int first_file; /* index of the first file of this load */
	size_t errors, warnings, suggestions;
};

struct conf_report *
conf_report_new(void)
{
	return mem_alloc(sizeof(struct conf_report));
}

void
conf_report_free(struct conf_report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->count; i++)
		free(report->items[i].text);
	free(report->items);
	free(report->files);
	free(report);
}

size_t
conf_report_errors(const struct conf_report *report)
{
	return report->errors;
}

size_t
conf_report_warnings(const struct conf_report *report)
{
	return report->warnings;
}

void
report_begin(struct conf_report *report)
{
	report->first_file = (int)report->file_count;
}

bool
report_may_suggest(struct conf_report *report)
{
	return report->suggestions++ < SUGGESTIONS_MAX;
}

static struct report_file *
report_file(struct conf_report *report, size_t index)
{
	if (index >= report->file_count) {
		size_t count = index + 1;

		report->files = mem_realloc(report->files, count * sizeof(*report->files));
		memset(report->files + report->file_count, 0,
		       (count - report->file_count) * sizeof(*report->files));
		report->file_count = count;
	}
	return &report->files[index];
}

static void
report_add(struct conf_report *report, int file, int line, bool warning, struct buf *take_text)
{
	if (report->count == report->cap) {
		report->cap = report->cap ? report->cap * 2 : 16;
		report->items = mem_realloc(report->items, report->cap * sizeof(*report->items));
	}
	report->items[report->count] = (struct complaint){
		.file = file,
		.line = line,
		.seq = report->count,
		.warning = warning,
		.text = buf_take(take_text),
	};
	report->count++;
}

/* Counts a complaint; false when its file has had enough of them. */
static bool
report_count(struct conf_report *report, int file, bool warning)
{
	struct report_file *f = report_file(report, (size_t)file);

	if (warning) {
		report->warnings++;
		return true;
	}
	report->errors++;
	return ++f->errors <= FILE_ERRORS_MAX;
}

static void
place_print(const char *path, int line, struct buf *out)
{
	buf_puts(out, path);
	if (line > 0)
		buf_printf(out, ":%d", line);
	buf_puts(out, ": ");
}

void
report_at(struct conf_report *report, const struct conf *conf, int file, int line, bool warning,
	  const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	int index = report->first_file + file;
	bool shown = report_count(report, index, warning);
	va_list ap;

	if (!shown && report->files[index].hidden++)
		return;
	place_print(conf->files[file].path, shown ? line : 0, &text);
	if (shown) {
		va_start(ap, fmt);
		buf_vprintf(&text, fmt, ap);
		va_end(ap);
	} else {
		buf_printf(&text, "more than %d errors; the others are not shown", FILE_ERRORS_MAX);
	}
	report_add(report, index, shown ? line : INT_MAX, warning, &text);
}

void
section_label(const struct conf_section *section, struct buf *out)
{
	buf_printf(out, "[%s%s%s]", section->kind->name, *section->name ? " " : "", section->name);
}

static void
complain_v(struct conf_report *report, const struct conf_section *section, const char *key,
	   int file, int line, bool warning, const char *fmt, va_list ap)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	section_label(section, &text);
	if (key)
		buf_printf(&text, " %s", key);
	buf_puts(&text, ": ");
	buf_vprintf(&text, fmt, ap);
	report_at(report, section->kind->conf, file, line, warning, "%s", buf_cstr(&text));
}

void
report_key(struct conf_report *report, const struct conf_section *section, const char *key,
	   int file, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_v(report, section, key, file, line, false, fmt, ap);
	va_end(ap);
}

/* Where a key of a section stands; the section's header when it is not set. False when the key
 * was complained about before: what a check says then only follows from that. */
static bool
key_place(const struct conf_section *section, const char *key, int *ret_file, int *ret_line)
{
	const struct conf_value *value = NULL;

	*ret_file = section->file;
	*ret_line = section->line;
	if (key)
		value = section_value(section, key, NULL);
	if (!value || !value->line)
		return true;
	*ret_file = value->file;
	*ret_line = value->line;
	return !value->bad;
}

void
conf_complain(struct conf_report *report, const struct conf_section *section, const char *key,
	      const char *fmt, ...)
{
	int file, line;
	va_list ap;

	if (!key_place(section, key, &file, &line))
		return;
	va_start(ap, fmt);
	complain_v(report, section, key, file, line, false, fmt, ap);
	va_end(ap);
}

void
conf_warn(struct conf_report *report, const struct conf_section *section, const char *key,
	  const char *fmt, ...)
{
	int file, line;
	va_list ap;

	if (!key_place(section, key, &file, &line))
		return;
	va_start(ap, fmt);
	complain_v(report, section, key, file, line, true, fmt, ap);
	va_end(ap);
}

static int
complaint_cmp(const void *pa, const void *pb)
{
	const struct complaint *a = pa, *b = pb;

	if (a->warning != b->warning)
		return a->warning ? 1 : -1;
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

void
conf_report_print(const struct conf_report *report, struct buf *out)
{
	struct complaint *sorted;

	if (!report->count)
		return;
	sorted = mem_alloc_array(report->count, sizeof(*sorted));
	memcpy(sorted, report->items, report->count * sizeof(*sorted));
	qsort(sorted, report->count, sizeof(*sorted), complaint_cmp);
	for (size_t i = 0; i < report->count; i++)
		buf_printf(out, "%s%s\n", sorted[i].warning ? "warning: " : "", sorted[i].text);
	free(sorted);
}

void
suggest_offer(struct suggest *suggest, const char *candidate)
{
	size_t a = strlen(suggest->word), b = strlen(candidate);
	unsigned distance;

	if ((a > b ? a - b : b - a) > 2)
		return;
	distance = str_eq_nocase(str_of(suggest->word), str_of(candidate))
			   ? 1
			   : str_distance(suggest->word, candidate);
	/* Of a word of three letters, two others make another word. */
	if (distance < suggest->distance && distance < (a < b ? b : a) && (distance < 2 || b > 3)) {
		suggest->best = candidate;
		suggest->distance = distance;
	}
}

void
suggest_print(const struct suggest *suggest, struct buf *out)
{
	if (suggest->best)
		buf_printf(out, "; did you mean '%s'?", suggest->best);
}

bool
choice_next(struct str *rest, struct str *ret_word)
{
	if (!rest->p)
		return false;
	*rest = str_split(*rest, '|', ret_word);
	*ret_word = str_trim(*ret_word);
	return true;
}

bool
choice_has(const char *choices, struct str word)
{
	struct str rest = str_of(choices), choice;

	while (choice_next(&rest, &choice))
		if (str_eq(choice, word))
			return true;
	return false;
}

void
quote_print(const char *text, struct buf *out)
{
	size_t len = strlen(text), n = len > QUOTE_MAX ? QUOTE_MAX : len;

	while (n && n < len && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--; /* not into a character */
	buf_putc(out, '\'');
	for (size_t i = 0; i < n; i++)
		buf_putc(out, (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i]);
	buf_puts(out, n < len ? "...'" : "'");
}
