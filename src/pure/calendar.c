/* Calendar events, parsed into the masks of a cron expression. What systemd 252 takes is taken and
 * means the same; when clocks change they follow the rules of every other schedule. */
/* SPDX-License-Identifier: MIT */
#include "pure/calendar.h"

#include "pure/civil.h"
#include "pure/cron_field.h"

#define WORDS_MAX 4 /* weekdays, date, time, zone */
#define DIGITS_MAX 9
#define LAST_DAY_MAX 28 /* ~n: every month has that many */
#define SHOWN 40	/* bytes of what is wrong that an error shows */

struct word {
	struct str text;
	size_t column;
};

/* One part of a date or time, and how far it is read. */
struct part {
	enum cron_field field;
	struct str text;
	size_t at, column;
	bool from_end; /* a day behind ~ */
	struct cron_expr *expr;
	struct err *err;
};

/* a, a..b, a/step, a..b/step */
struct component {
	int start, stop, step; /* stop -1, step 0: not given */
	size_t at;
};

static const struct {
	const char *name, *text;
} shorthands[] = {
	{"minutely", "*-*-* *:*:00"},
	{"hourly", "*-*-* *:00:00"},
	{"daily", "*-*-* 00:00:00"},
	{"weekly", "Mon *-*-* 00:00:00"},
	{"monthly", "*-*-01 00:00:00"},
	{"quarterly", "*-01,04,07,10-01 00:00:00"},
	{"semiannually", "*-01,07-01 00:00:00"},
	{"semi-annually", "*-01,07-01 00:00:00"},
	{"biannually", "*-01,07-01 00:00:00"},
	{"bi-annually", "*-01,07-01 00:00:00"},
	{"yearly", "*-01-01 00:00:00"},
	{"annually", "*-01-01 00:00:00"},
	{"anually", "*-01-01 00:00:00"},
};

static const char *const weekdays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
				       "Friday", "Saturday", "Sunday"};

static int
cut(struct str s)
{
	return (int)(s.len > SHOWN ? SHOWN : s.len);
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- components ---- */

static bool fail(const struct part *p, size_t at, const char *fmt, ...) PRINTF(3, 4);

static bool
fail(const struct part *p, size_t at, const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	return err_set(p->err, E_INVALID, "cron:%zu: %s: %s", p->column + at,
		       cron_field_name(p->field), buf_cstr(&text));
}

static char
peek(const struct part *p)
{
	return p->at < p->text.len ? p->text.p[p->at] : '\0';
}

static bool
at_end(const struct part *p)
{
	return p->at == p->text.len;
}

static bool
take(struct part *p, struct str what)
{
	if (!str_starts(str_make(p->text.p + p->at, p->text.len - p->at), what))
		return false;
	p->at += what.len;
	return true;
}

static bool
fail_byte(const struct part *p)
{
	unsigned char c = (unsigned char)peek(p);

	if (!p->text.len)
		return fail(p, 0, "is missing; write * for any");
	if (at_end(p))
		return fail(p, p->at, "'%.*s' is not complete", cut(p->text), p->text.p);
	if (c > ' ' && c < 0x7f)
		return fail(p, p->at, "unexpected '%c'", c);
	return fail(p, p->at, "unexpected byte 0x%02x; only plain ASCII is allowed", c);
}

/* .000 behind a second; anything finer than a second is refused, not rounded. */
static bool
take_fraction(struct part *p)
{
	size_t at = p->at;
	bool zero = true;

	if (peek(p) != '.' || p->at + 1 >= p->text.len || p->text.p[p->at + 1] == '.')
		return true;
	for (p->at++; peek(p) >= '0' && peek(p) <= '9'; p->at++)
		zero = zero && peek(p) == '0';
	if (p->at == at + 1)
		return fail_byte(p);
	return zero || fail(p, at, "fractions of a second are not supported; write whole seconds");
}

static bool
take_number(struct part *p, int *ret)
{
	size_t at = p->at, first;
	int n = 0;

	while (peek(p) == '0')
		p->at++;
	for (first = p->at; peek(p) >= '0' && peek(p) <= '9'; p->at++)
		if (p->at - first < DIGITS_MAX)
			n = n * 10 + (peek(p) - '0');
	if (p->at == at)
		return fail_byte(p);
	if (p->at - first > DIGITS_MAX)
		return fail(p, at, "%.*s has too many digits", cut(p->text), p->text.p + at);
	*ret = n;
	return p->field != CRON_SECOND || take_fraction(p);
}

/* Of years two digits are enough: 70-99 and 00-69. */
static int
full_year(int n)
{
	return n < 0 ? n : n < 70 ? n + 2000 : n < 100 ? n + 1900 : n;
}

static bool
check_value(const struct part *p, size_t at, int n)
{
	const struct cron_field_row *row = cron_field_row(p->field);
	int hi = p->from_end ? LAST_DAY_MAX : row->hi;

	if (n >= row->lo && n <= hi)
		return true;
	return fail(p, at, "%d is out of range %d-%d%s", n, row->lo, hi,
		    p->from_end ? " from the month's end" : "");
}

static bool
take_component(struct part *p, struct component *ret)
{
	struct component c = {.stop = -1, .at = p->at};
	size_t stop_at = 0, step_at = 0;

	if (!take_number(p, &c.start))
		return false;
	if (take(p, STR(".."))) {
		stop_at = p->at;
		if (!take_number(p, &c.stop))
			return false;
	}
	if (take(p, STR("/"))) {
		step_at = p->at;
		if (!take_number(p, &c.step))
			return false;
		if (!c.step)
			return fail(p, step_at, "step must be at least 1");
	}
	if (p->field == CRON_YEAR) {
		c.start = full_year(c.start);
		c.stop = full_year(c.stop);
	}
	if (!check_value(p, c.at, c.start) || (stop_at && !check_value(p, stop_at, c.stop)))
		return false;
	*ret = c;
	return true;
}

/* ~n is n - 1 days before the last. */
static void
set_value(struct part *p, int n)
{
	if (p->from_end)
		p->expr->last_day |= UINT32_C(1) << (n - 1);
	else
		cron_field_set(p->expr, p->field, n);
}

static void
set_loose(struct part *p)
{
	if (p->field <= CRON_HOUR)
		p->expr->loose |= (uint8_t)(1u << p->field);
}

static bool
set_component(struct part *p, const struct component *c)
{
	const struct cron_field_row *row = cron_field_row(p->field);
	int step = c->step ? c->step : 1;

	if (c->step)
		set_loose(p);
	if (c->stop < 0 && !c->step) {
		set_value(p, c->start);
	} else if (c->stop < 0 && p->from_end) {
		if (c->start - step < row->lo)
			return fail(p, c->at, "~%d/%d never repeats; write ~%d", c->start, step,
				    c->start);
		for (int n = c->start; n >= row->lo; n -= step)
			set_value(p, n);
	} else if (c->stop < 0) {
		if (c->start + step > row->hi)
			return fail(p, c->at, "%d/%d never repeats below %d; write %d", c->start,
				    step, row->hi + 1, c->start);
		for (int n = c->start; n <= row->hi; n += step)
			set_value(p, n);
	} else {
		if (c->start > c->stop)
			return fail(p, c->at, "range %d..%d runs backwards; write %d..%d,%d..%d",
				    c->start, c->stop, row->lo, c->stop, c->start,
				    p->from_end ? LAST_DAY_MAX : row->hi);
		if (p->field == CRON_SECOND && c->start == c->stop && !c->step)
			return fail(p, c->at, "range %d..%d is one second; write %d", c->start,
				    c->stop, c->start);
		for (int n = c->start; n <= c->stop; n += step)
			set_value(p, n);
		if (step > c->stop - c->start && c->step)
			p->expr->wide |= (uint8_t)(1u << p->field);
	}
	return true;
}

static bool
parse_star(struct part *p)
{
	const struct cron_field_row *row = cron_field_row(p->field);
	int step = 0;

	if (take(p, STR("/"))) {
		if (!take_number(p, &step))
			return false;
		return fail(p, 0, "* takes no step; write %d/%d", row->lo, step);
	}
	if (take(p, STR(",")) || take(p, STR("..")))
		return fail(p, 0, "* stands alone");
	if (!at_end(p))
		return fail_byte(p);
	p->from_end = false;
	set_loose(p);
	if (p->field == CRON_DOM)
		p->expr->dom_star = true;
	for (int n = row->lo; n <= row->hi; n++)
		set_value(p, n);
	return true;
}

static bool
parse_part(struct part *p)
{
	struct component c = {.stop = -1};

	if (take(p, STR("*")))
		return parse_star(p);
	do {
		if (!take_component(p, &c) || !set_component(p, &c))
			return false;
	} while (take(p, STR(",")));
	return at_end(p) || fail_byte(p);
}

/* ---- date, time, weekdays ---- */

/* Up to COUNT parts between separators; returns how many there are, more than COUNT too. */
static size_t
split(struct word w, const char *separators, struct word *ret_parts, char *ret_before, size_t count)
{
	size_t found = 0, start = 0;
	char before = '\0';

	for (size_t i = 0; i <= w.text.len; i++) {
		if (i < w.text.len && !(w.text.p[i] && strchr(separators, w.text.p[i])))
			continue;
		if (found < count) {
			ret_parts[found].text = str_make(w.text.p + start, i - start);
			ret_parts[found].column = w.column + start;
			ret_before[found] = before;
		}
		found++;
		before = i < w.text.len ? w.text.p[i] : '\0';
		start = i + 1;
	}
	return found;
}

static bool
parse_field(enum cron_field field, struct word w, bool from_end, struct cron_expr *e,
	    struct err *err)
{
	struct part p = {.field = field,
			 .text = w.text,
			 .column = w.column,
			 .from_end = from_end,
			 .expr = e,
			 .err = err};

	return parse_part(&p);
}

static bool
parse_date(struct word w, struct cron_expr *e, struct err *err)
{
	static const struct word any = {{"*", 1}, 1};
	struct word parts[3];
	char before[3];
	size_t n = split(w, "-~", parts, before, 3);

	if (n < 2 || n > 3)
		return err_set(err, E_INVALID,
			       "cron:%zu: calendar: '%.*s' is no date and no time; write "
			       "year-month-day, month-day or hour:minute",
			       w.column, cut(w.text), w.text.p);
	if (n == 3 && before[1] == '~')
		return err_set(err, E_INVALID,
			       "cron:%zu: calendar: ~ stands before the day; write *-*~01",
			       parts[1].column - 1);
	return parse_field(CRON_YEAR, n == 3 ? parts[0] : any, false, e, err) &&
	       parse_field(CRON_MONTH, parts[n - 2], false, e, err) &&
	       parse_field(CRON_DOM, parts[n - 1], before[n - 1] == '~', e, err);
}

static bool
parse_time(struct word w, struct cron_expr *e, struct err *err)
{
	static const struct word zero = {{"0", 1}, 1};
	struct word parts[3];
	char before[3];
	size_t n = split(w, ":", parts, before, 3);

	if (n < 2 || n > 3)
		return err_set(err, E_INVALID,
			       "cron:%zu: calendar: '%.*s' is no time; write hour:minute or "
			       "hour:minute:second",
			       w.column, cut(w.text), w.text.p);
	return parse_field(CRON_HOUR, parts[0], false, e, err) &&
	       parse_field(CRON_MINUTE, parts[1], false, e, err) &&
	       parse_field(CRON_SECOND, n == 3 ? parts[2] : zero, false, e, err);
}

/* Whole or three letters, any case; from Monday 0. -1: none. */
static int
weekday_of(struct str s)
{
	for (int i = 0; i < 7; i++)
		if (str_eq_nocase(s, str_of(weekdays[i])) ||
		    (s.len == 3 && str_starts_nocase(str_of(weekdays[i]), s)))
			return i;
	return -1;
}

static bool
fail_weekday(struct err *err, size_t column, struct str s)
{
	return err_set(err, E_INVALID,
		       "cron:%zu: day-of-week: unknown name '%.*s'; expected Mon to Sun, daily, "
		       "hourly etc.",
		       column, cut(s), s.p);
}

/* Mon, Mon..Fri or, as of old, Mon-Fri. */
static bool
parse_weekdays(struct str item, size_t column, struct cron_expr *e, struct err *err)
{
	size_t len = 0, rest;
	int first, last;

	while (len < item.len && is_letter(item.p[len]))
		len++;
	first = last = weekday_of(str_make(item.p, len));
	if (first < 0)
		return fail_weekday(err, column, item);
	if (len < item.len) {
		rest = len + (str_starts(str_make(item.p + len, item.len - len), STR(".."))
				      ? 2
				      : (size_t)(item.p[len] == '-'));
		last = weekday_of(str_make(item.p + rest, item.len - rest));
		if (rest == len || last < 0)
			return fail_weekday(err, column + rest,
					    str_make(item.p + rest, item.len - rest));
	}
	if (first > last)
		return err_set(
			err, E_INVALID,
			"cron:%zu: day-of-week: range %.*s runs backwards; write %.3s..Sun,Mon"
			"%s%.3s",
			column, cut(item), item.p, weekdays[first], last ? ".." : "",
			last ? weekdays[last] : "");
	for (int i = first; i <= last; i++)
		e->dow |= (uint8_t)(1u << (i + 1) % 7);
	return true;
}

static bool
parse_weekday_list(struct word w, struct cron_expr *e, struct err *err)
{
	struct str rest = w.text, item;
	size_t column;

	while (rest.p && rest.len) {
		column = w.column + (size_t)(rest.p - w.text.p);
		rest = str_split(rest, ',', &item);
		if (!parse_weekdays(item, column, e, err))
			return false;
	}
	e->dow_star = e->dow == 0x7f;
	return true;
}

/* @SECONDS since 1970: one instant. */
static bool
parse_timestamp(struct word w, struct cron_expr *e, struct err *err)
{
	int64_t seconds, time;
	struct civil d;

	if (!str_to_i64(str_make(w.text.p + 1, w.text.len - 1), &seconds) || seconds < 0 ||
	    seconds >= civil_days(CRON_LAST_YEAR + 1, 1, 1) * DAY_S)
		return err_set(err, E_INVALID,
			       "cron:%zu: calendar: '%.*s' is no time; write @ and the seconds "
			       "since 1970",
			       w.column, cut(w.text), w.text.p);
	if (e->zone[0] && strcmp(e->zone, "UTC"))
		return err_set(err, E_INVALID,
			       "cron:%zu: calendar: seconds since 1970 have no time zone",
			       e->zone_column);
	memcpy(e->zone, "UTC", sizeof("UTC"));
	if (!e->zone_column)
		e->zone_column = w.column;
	d = civil_of_days(seconds / DAY_S);
	time = seconds % DAY_S;
	cron_field_set(e, CRON_YEAR, d.year);
	cron_field_set(e, CRON_MONTH, d.month);
	cron_field_set(e, CRON_DOM, d.day);
	cron_field_set(e, CRON_HOUR, (int)(time / 3600));
	cron_field_set(e, CRON_MINUTE, (int)(time / 60 % 60));
	cron_field_set(e, CRON_SECOND, (int)(time % 60));
	return true;
}

/* ---- the whole ---- */

static bool
set_zone(struct word w, struct cron_expr *e, struct err *err)
{
	e->zone_column = w.column;
	if (str_eq_nocase(w.text, STR("UTC")))
		w.text = STR("UTC");
	if (!zone_name_is_valid(w.text))
		return err_set(err, E_INVALID, "cron:%zu: unknown time zone '%.*s'", w.column,
			       cut(w.text), w.text.p);
	memcpy(e->zone, w.text.p, w.text.len);
	return true;
}

/* [weekdays] [date] [time]: each may be left out, not all. */
static bool
parse_words(const struct word *words, size_t count, struct cron_expr *e, struct err *err)
{
	static const struct word any_day = {{"*-*-*", 5}, 1}, midnight = {{"0:0:0", 5}, 1};
	size_t i = 0;

	if (is_letter(words[0].text.p[0]) && !parse_weekday_list(words[i++], e, err))
		return false;
	if (!e->dow) {
		e->dow = 0x7f;
		e->dow_star = true;
	}
	if (i < count && words[i].text.p[0] == '@') {
		if (!parse_timestamp(words[i++], e, err))
			return false;
	} else {
		bool timed = i < count && memchr(words[i].text.p, ':', words[i].text.len);

		if (!parse_date(i < count && !timed ? words[i++] : any_day, e, err) ||
		    !parse_time(i < count ? words[i++] : midnight, e, err))
			return false;
	}
	if (i < count)
		return err_set(err, E_INVALID,
			       "cron:%zu: calendar: unexpected '%.*s'; the order is weekdays, "
			       "date, time, time zone",
			       words[i].column, cut(words[i].text), words[i].text.p);
	return true;
}

static bool
parse_shorthand(struct word w, struct cron_expr *e, struct err *err, bool *ret_known)
{
	for (size_t i = 0; i < ARRAY_LEN(shorthands); i++) {
		struct word words[WORDS_MAX];
		char before[WORDS_MAX];
		struct word whole = {str_of(shorthands[i].text), w.column};

		if (!str_eq_nocase(w.text, str_of(shorthands[i].name)))
			continue;
		*ret_known = true;
		return parse_words(words, split(whole, " ", words, before, WORDS_MAX), e, err);
	}
	*ret_known = false;
	return true;
}

static size_t
take_words(struct str text, size_t column, struct word *ret, size_t count)
{
	size_t found = 0, i = 0, start;

	for (;;) {
		while (i < text.len && (text.p[i] == ' ' || text.p[i] == '\t'))
			i++;
		if (i == text.len)
			return found;
		for (start = i; i < text.len && text.p[i] != ' ' && text.p[i] != '\t';)
			i++;
		if (found < count)
			ret[found] =
				(struct word){str_make(text.p + start, i - start), column + start};
		found++;
	}
}

bool
calendar_parse(struct str text, size_t column, struct cron_expr *ret, struct err *err)
{
	struct cron_expr e = {.calendar = true, .both = true, .fields = 7};
	struct word words[WORDS_MAX + 1];
	size_t count = take_words(text, column, words, WORDS_MAX + 1);
	bool known = false;

	if (!count)
		return err_set(err, E_INVALID,
			       "cron:%zu: calendar: empty expression; expected as in Mon..Fri "
			       "*-*-* 09:00 or daily",
			       column + text.len);
	if (count > WORDS_MAX)
		return err_set(err, E_INVALID,
			       "cron:%zu: calendar: unexpected '%.*s'; the order is weekdays, "
			       "date, time, time zone",
			       words[WORDS_MAX].column, cut(words[WORDS_MAX].text),
			       words[WORDS_MAX].text.p);
	if (count > 1 && is_letter(words[count - 1].text.p[0]) &&
	    !set_zone(words[--count], &e, err))
		return false;
	if (count == 1 && !parse_shorthand(words[0], &e, err, &known))
		return false;
	if (!known && !parse_words(words, count, &e, err))
		return false;
	cron_expr_set_class(&e);
	*ret = e;
	return true;
}
