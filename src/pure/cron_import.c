/* Quartz's spelling of cron expressions (its CronExpression, 2.3), item by item. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_import.h"

#include "pure/cron_field.h"

#define WORDS 7
#define SHOWN 20

struct word {
	struct str text;
	size_t column;
};

static bool
fail(struct err *err, size_t column, const char *what, struct str text)
{
	return err_set(err, E_INVALID, "cron:%zu: quartz: %s: '%.*s'", column, what,
		       (int)(text.len > SHOWN ? SHOWN : text.len), text.p);
}

static size_t
take_words(struct str text, struct word *ret)
{
	size_t found = 0, start;

	for (size_t i = 0; i < text.len;) {
		if (text.p[i] == ' ' || text.p[i] == '\t') {
			i++;
			continue;
		}
		for (start = i; i < text.len && text.p[i] != ' ' && text.p[i] != '\t';)
			i++;
		if (found < WORDS)
			ret[found] = (struct word){str_make(text.p + start, i - start), start + 1};
		found++;
	}
	return found;
}

/* A number or a name; of weekdays 1 is Sunday, and 0 here. -1: neither. */
static int
value_of(enum cron_field field, struct str s)
{
	uint64_t n;

	if (str_to_u64(s, &n) && n < 10000)
		return field == CRON_DOW ? (n < 1 || n > 7 ? -1 : (int)n - 1) : (int)n;
	for (int i = 0; i < 7 && field == CRON_DOW; i++)
		if (str_eq_nocase(s, str_of(cron_weekday_name(i))))
			return i;
	for (int i = 1; i <= 12 && field == CRON_MONTH; i++)
		if (str_eq_nocase(s, str_of(cron_month_name(i))))
			return i;
	return -1;
}

static void
add_value(enum cron_field field, int n, struct buf *out)
{
	if (field == CRON_DOW)
		buf_puts(out, cron_weekday_name(n));
	else
		buf_printf(out, "%d", n);
}

static void
add_range(enum cron_field field, int from, int to, struct buf *out)
{
	add_value(field, from, out);
	if (to > from) {
		buf_putc(out, '-');
		add_value(field, to, out);
	}
}

/* a-b, a-b/n, a/n; a range that wraps becomes two. */
static bool
add_span(enum cron_field field, struct word item, struct buf *out, struct err *err)
{
	const struct cron_field_row *row = cron_field_row(field);
	int lo = field == CRON_DOW ? 0 : row->lo, hi = field == CRON_DOW ? 6 : row->hi;
	struct str range, from, step = str_split(item.text, '/', &range);
	struct str to = str_split(range, '-', &from);
	int a = from.len ? value_of(field, from) : lo, b = to.p ? value_of(field, to) : hi;

	if (a < 0 || b < 0)
		return fail(err, item.column, "no value of this field", item.text);
	if (a > b && step.p)
		return fail(err, item.column, "a range that wraps has no step here", item.text);
	if (a > b) {
		add_range(field, a, hi, out);
		buf_putc(out, ',');
		add_range(field, lo, b, out);
		return true;
	}
	add_value(field, a, out);
	buf_putc(out, '-');
	add_value(field, b, out);
	if (step.p)
		buf_printf(out, "/%.*s", STR_ARG(step));
	return true;
}

/* L, 6L, 6#3, 6, FRI */
static bool
add_weekday(struct word item, struct buf *out, struct err *err)
{
	struct str day, nth = str_split(item.text, '#', &day);
	bool last = !nth.p && day.len > 1 && (day.p[day.len - 1] | 0x20) == 'l';
	int n;

	if (str_eq_nocase(item.text, STR("L"))) {
		buf_puts(out, "SAT");
		return true;
	}
	day.len -= last;
	n = value_of(CRON_DOW, day);
	if (n < 0)
		return fail(err, item.column, "no weekday; they are 1 to 7 or SUN to SAT",
			    item.text);
	buf_puts(out, cron_weekday_name(n));
	if (last)
		buf_puts(out, "#L");
	if (nth.p)
		buf_printf(out, "#%.*s", STR_ARG(nth));
	return true;
}

static bool
add_item(enum cron_field field, struct word item, struct buf *out, struct err *err)
{
	bool special = item.text.len && strchr("*?", item.text.p[0]) && item.text.p[0];
	bool from_end = field == CRON_DOM && item.text.len && (item.text.p[0] | 0x20) == 'l';

	if (!special && !from_end &&
	    (memchr(item.text.p, '/', item.text.len) || memchr(item.text.p, '-', item.text.len)))
		return add_span(field, item, out, err);
	if (field == CRON_DOW && !special)
		return add_weekday(item, out, err);
	for (size_t i = 0; i < item.text.len; i++) {
		char c = item.text.p[i];

		buf_putc(out, c >= 'a' && c <= 'z' ? (char)(c - 0x20) : c);
	}
	return true;
}

static bool
add_field(enum cron_field field, struct word w, struct buf *out, struct err *err)
{
	struct str rest = w.text, head;
	size_t start = out->len;

	while (rest.p) {
		struct word item = {.column = w.column + (size_t)(rest.p - w.text.p)};

		rest = str_split(rest, ',', &head);
		item.text = head;
		if (!head.len)
			return fail(err, item.column, "empty list item", w.text);
		if (out->len > start)
			buf_putc(out, ',');
		if (!add_item(field, item, out, err))
			return false;
	}
	return true;
}

bool
cron_import_quartz(struct str text, struct buf *out, struct err *err)
{
	AUTO(buf_fini) struct buf ours = BUF_INIT;
	struct word words[WORDS];
	struct err cause = ERR_INIT;
	struct cron_expr e;
	size_t count = text.len > CRON_TEXT_MAX ? 0 : take_words(text, words);

	if (count < 6 || count > WORDS)
		return err_set(err, E_INVALID,
			       "cron:1: quartz: %zu fields; expected 6 (second minute hour "
			       "day-of-month month day-of-week) or 7 (year last)",
			       count);
	if (str_eq(words[CRON_DOM].text, STR("?")) == str_eq(words[CRON_DOW].text, STR("?")))
		return err_set(err, E_INVALID,
			       "cron:%zu: quartz: one of day-of-month and day-of-week must be ?",
			       words[CRON_DOM].column);
	for (size_t i = 0; i < count; i++) {
		if (i)
			buf_putc(&ours, ' ');
		if (!add_field((enum cron_field)i, words[i], &ours, err))
			return false;
	}
	if (!cron_parse(buf_str(&ours), STR(""), &e, &cause)) {
		err_prefix(&cause, "read as '%s'", buf_cstr(&ours));
		return err_move(err, &cause);
	}
	buf_add_str(out, buf_str(&ours));
	return true;
}
