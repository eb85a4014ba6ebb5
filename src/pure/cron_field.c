/* One field of a cron expression. Everything on which implementations disagree is an error that
 * shows the spelling on which they agree. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_field.h"

#include "pure/cron_hash.h"

#define DIGITS_MAX 4
#define BIT(n) (UINT64_C(1) << (n))

static const struct cron_field_row rows[] = {
	[CRON_SECOND] = {"second", 0, 59, 60, 59, "s", "seconds"},
	[CRON_MINUTE] = {"minute", 0, 59, 60, 59, "m", "minutes"},
	[CRON_HOUR] = {"hour", 0, 23, 24, 23, "h", "hours"},
	[CRON_DOM] = {"day-of-month", 1, 31, 31, 28, "d", "days"},
	[CRON_MONTH] = {"month", 1, 12, 12, 12, NULL, NULL},
	[CRON_DOW] = {"day-of-week", 0, 7, 7, 6, NULL, NULL},
	[CRON_YEAR] = {"year", CRON_FIRST_YEAR, CRON_LAST_YEAR, 230, CRON_LAST_YEAR, NULL, NULL},
};
_Static_assert(ARRAY_LEN(rows) == CRON_FIELDS, "a row for each field");

static const char *const months[] = {"JANUARY",	  "FEBRUARY", "MARCH",	  "APRIL",
				     "MAY",	  "JUNE",     "JULY",	  "AUGUST",
				     "SEPTEMBER", "OCTOBER",  "NOVEMBER", "DECEMBER"};
static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
					  "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekdays[] = {"SUNDAY",   "MONDAY", "TUESDAY", "WEDNESDAY",
				       "THURSDAY", "FRIDAY", "SATURDAY"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

/* One item: a slice of the text between commas, and where reading stands in it. */
struct item {
	enum cron_field field;
	const struct cron_field_row *row;
	struct str text;
	size_t at, column; /* column: of text's first byte */
	bool alone;	   /* the field has no other item */
	struct str seed;
	struct cron_expr *expr;
	struct err *err;
};

/* A value, and how it was written. */
struct value {
	int n;
	size_t at;
	struct str text;
	bool is_name;
};

const struct cron_field_row *
cron_field_row(enum cron_field field)
{
	return &rows[field];
}

const char *
cron_field_name(enum cron_field field)
{
	return rows[field].name;
}

const char *
cron_month_name(int month)
{
	return month_names[month - 1];
}

const char *
cron_weekday_name(int weekday)
{
	return weekday_names[weekday];
}

/* ---- errors ---- */

static bool fail(const struct item *it, size_t at, const char *fmt, ...) PRINTF(3, 4);

static bool
fail(const struct item *it, size_t at, const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	return err_set(it->err, E_INVALID, "cron:%zu: %s: %s", it->column + at, it->row->name,
		       buf_cstr(&text));
}

static bool
fail_byte(const struct item *it)
{
	unsigned char c;

	if (it->at >= it->text.len)
		return fail(it, it->at, "'%.*s' is not complete", STR_ARG(it->text));
	c = (unsigned char)it->text.p[it->at];
	if (c == 'l' && it->field == CRON_DOM)
		return fail(it, it->at,
			    "unexpected 'l'; write upper-case L for last day (or the digit 1)");
	if (c == 'w' || c == 'h')
		return fail(it, it->at, "unexpected '%c'; write upper-case %c", c, c - 0x20);
	if (c > ' ' && c < 0x7f)
		return fail(it, it->at, "unexpected '%c'", c);
	return fail(it, it->at, "unexpected byte 0x%02x; only plain ASCII is allowed", c);
}

/* ---- reading ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char
peek(const struct item *it)
{
	return it->at < it->text.len ? it->text.p[it->at] : '\0';
}

static bool
at_end(const struct item *it)
{
	return it->at == it->text.len;
}

static bool
take(struct item *it, char c)
{
	if (at_end(it) || peek(it) != c)
		return false;
	it->at++;
	return true;
}

static struct str
take_run(struct item *it, bool (*is_of)(char))
{
	size_t start = it->at;

	while (!at_end(it) && is_of(peek(it)))
		it->at++;
	return str_make(it->text.p + start, it->at - start);
}

/* Digits between lo and hi. */
static bool
take_number(struct item *it, int lo, int hi, const char *what, int *ret)
{
	size_t at = it->at;
	struct str digits = take_run(it, is_digit);
	uint64_t n;

	if (!digits.len)
		return fail_byte(it);
	if (digits.len > DIGITS_MAX)
		return fail(it, at, "%.*s has more than %d digits",
			    (int)(digits.len > 20 ? 20 : digits.len), digits.p, DIGITS_MAX);
	if (!str_to_u64(digits, &n) || n < (uint64_t)lo || n > (uint64_t)hi)
		return fail(it, at, "%s%.*s is out of range %d-%d%s", what, STR_ARG(digits), lo, hi,
			    *what ? " (or L)" : "");
	*ret = (int)n;
	return true;
}

static int
name_find(const char *const *names, size_t count, struct str s)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq_nocase(s, str_of(names[i])))
			return (int)i;
	return -1;
}

static bool
fail_name(const struct item *it, size_t at, struct str s)
{
	bool month = it->field == CRON_MONTH;
	int full = month ? name_find(months, 12, s) : name_find(weekdays, 7, s);

	if (full >= 0)
		return fail(it, at, "unknown name '%.*s'; write %s", STR_ARG(s),
			    month ? month_names[full] : weekday_names[full]);
	return fail(it, at, "unknown name '%.*s'; expected %s", (int)(s.len > 20 ? 20 : s.len), s.p,
		    month ? "1-12 or JAN-DEC" : "0-7 or SUN-SAT");
}

static bool
take_name(struct item *it, struct value *ret)
{
	struct str s = take_run(it, is_letter);
	bool month = it->field == CRON_MONTH;

	if (!month && s.len == 4 && s.p[3] == 'L') { /* FRIL */
		s.len = 3;
		it->at--;
	}
	if (!month && str_eq(s, STR("L")))
		return fail(it, ret->at,
			    "L needs a weekday; write SAT, or SAT#L for the last Saturday");
	ret->n = month ? name_find(month_names, 12, s) + 1 : name_find(weekday_names, 7, s);
	if (ret->n < month)
		return fail_name(it, ret->at, s);
	ret->is_name = true;
	return true;
}

static bool
take_value(struct item *it, struct value *ret)
{
	*ret = (struct value){.at = it->at};
	if (is_letter(peek(it)) && (it->field == CRON_MONTH || it->field == CRON_DOW)) {
		if (!take_name(it, ret))
			return false;
	} else if (!take_number(it, it->row->lo, it->row->hi, "", &ret->n)) {
		return false;
	}
	ret->text = str_make(it->text.p + ret->at, it->at - ret->at);
	return true;
}

/* Behind the slash. */
static bool
take_step(struct item *it, int *ret)
{
	size_t at = it->at;
	struct str digits = take_run(it, is_digit);
	int64_t n = 0;

	if (!digits.len)
		return fail_byte(it);
	if (digits.len > DIGITS_MAX)
		return fail(it, at, "step %.*s has more than %d digits",
			    (int)(digits.len > 20 ? 20 : digits.len), digits.p, DIGITS_MAX);
	str_to_i64(digits, &n);
	if (!at_end(it))
		return fail_byte(it);
	if (n < 1)
		return fail(it, at, "step must be at least 1");
	if (n > it->row->step_max && it->row->unit)
		return fail(it, at, "step %.*s exceeds %d; for every %d %s write @every %d%s",
			    STR_ARG(digits), it->row->step_max, (int)n, it->row->units, (int)n,
			    it->row->unit);
	if (n > it->row->step_max)
		return fail(it, at, "step %.*s exceeds %d", STR_ARG(digits), it->row->step_max);
	*ret = (int)n;
	return true;
}

/* ---- setting ---- */

void
cron_field_set(struct cron_expr *e, enum cron_field field, int n)
{
	switch (field) {
	case CRON_SECOND:
		e->second |= BIT(n);
		break;
	case CRON_MINUTE:
		e->minute |= BIT(n);
		break;
	case CRON_HOUR:
		e->hour |= (uint32_t)BIT(n);
		break;
	case CRON_DOM:
		e->dom |= (uint32_t)BIT(n);
		break;
	case CRON_MONTH:
		e->month |= (uint32_t)BIT(n);
		break;
	case CRON_DOW:
		e->dow |= (uint8_t)BIT(n % 7);
		break;
	case CRON_YEAR:
		n -= CRON_FIRST_YEAR;
		e->year[n / 64] |= BIT(n % 64);
		break;
	case CRON_FIELDS:
		break;
	}
}

static void
set_range(struct item *it, int lo, int hi, int step)
{
	for (int n = lo; n <= hi; n += step)
		cron_field_set(it->expr, it->field, n);
}

static void
set_loose(struct item *it)
{
	if (it->field <= CRON_HOUR)
		it->expr->loose |= (uint8_t)BIT(it->field);
}

static void
set_star_step(struct item *it, int step)
{
	it->expr->star_step[it->field] = (uint8_t)step;
	it->expr->star_column = (uint16_t)it->column;
}

/* * or ?, with a step above 1 a restriction like any other. */
static void
set_star(struct item *it, int step)
{
	bool *star = it->field == CRON_DOM ? &it->expr->dom_star : &it->expr->dow_star;

	set_loose(it);
	set_range(it, it->row->lo, it->field == CRON_DOW ? 6 : it->row->hi, step);
	if (step > 1)
		set_star_step(it, step);
	else if (it->field == CRON_DOM || it->field == CRON_DOW)
		*star = true;
}

/* ---- kinds of items ---- */

static bool
parse_star(struct item *it)
{
	int step = 1;

	if (take(it, '/') && !take_step(it, &step))
		return false;
	if (!at_end(it))
		return fail_byte(it);
	set_star(it, step);
	return true;
}

static bool
parse_question(struct item *it)
{
	if (it->field != CRON_DOM && it->field != CRON_DOW)
		return fail(it, 0, "? is only allowed in day-of-month and day-of-week; write *");
	if (!it->alone)
		return fail(it, 0, "? stands alone; write *");
	if (!at_end(it))
		return fail_byte(it);
	set_star(it, 1);
	return true;
}

/* H(a-b), behind the H. */
static bool
take_hash_range(struct item *it, int *lo, int *hi)
{
	int top = it->field == CRON_DOW ? 6 : it->row->hi;

	*lo = it->row->lo;
	*hi = it->row->hash_hi;
	if (!take(it, '('))
		return true;
	if (!take_number(it, it->row->lo, top, "", lo))
		return false;
	if (!take(it, '-'))
		return fail_byte(it);
	if (!take_number(it, it->row->lo, top, "", hi))
		return false;
	if (!take(it, ')'))
		return fail_byte(it);
	if (*lo > *hi)
		return fail(it, 0, "range %d-%d runs backwards; write H(%d-%d)", *lo, *hi, *hi,
			    *lo);
	return true;
}

static bool
parse_hash(struct item *it)
{
	uint64_t hash = cron_hash(it->seed, it->row->name);
	int lo, hi, size, step = 0;

	if (it->field == CRON_YEAR)
		return fail(it, 0, "H is not allowed in the year");
	if (!take_hash_range(it, &lo, &hi))
		return false;
	if (take(it, '/') && !take_step(it, &step))
		return false;
	if (!at_end(it))
		return fail_byte(it);
	size = hi - lo + 1;
	if (step)
		set_loose(it);
	if (!step || step > size)
		cron_field_set(it->expr, it->field, lo + (int)(hash % (uint64_t)size));
	else
		set_range(it, lo + (int)(hash % (uint64_t)step), hi, step);
	return true;
}

/* L, LW, L-n, L-nW in day-of-month, behind the L. */
static bool
parse_last(struct item *it)
{
	int n = 0;

	if (take(it, '-') && !take_number(it, 1, 30, "", &n))
		return false;
	if (take(it, 'W'))
		it->expr->last_weekday |= (uint32_t)BIT(n);
	else
		it->expr->last_day |= (uint32_t)BIT(n);
	return at_end(it) || fail_byte(it);
}

/* MON#2, MON#L, behind the #. */
static bool
parse_nth(struct item *it, const struct value *v)
{
	int n = CRON_NTH_LAST + 1;

	if (!take(it, 'L') && !take_number(it, 1, 5, "occurrence ", &n))
		return false;
	if (!at_end(it))
		return fail_byte(it);
	it->expr->nth[v->n % 7] |= (uint8_t)BIT(n - 1);
	return true;
}

static bool
fail_backwards(const struct item *it, const struct value *a, const struct value *b)
{
	AUTO(buf_fini) struct buf fix = BUF_INIT;
	bool dow = it->field == CRON_DOW;
	int lo = it->row->lo, hi = dow ? 6 : it->row->hi;
	const char *const *names = dow ? weekday_names : month_names;
	int first = dow ? 0 : 1; /* the value of names[0] */

	if (a->n <= hi) {
		if (a->n == hi)
			buf_add_str(&fix, a->text);
		else if (a->is_name)
			buf_printf(&fix, "%s-%s", names[a->n - first], names[hi - first]);
		else
			buf_printf(&fix, "%d-%d", a->n, hi);
		buf_putc(&fix, ',');
	}
	if (b->n == lo && a->n <= hi)
		buf_add_str(&fix, b->text);
	else if (b->is_name)
		buf_printf(&fix, "%s-%s", names[lo - first], names[b->n - first]);
	else
		buf_printf(&fix, "%d-%d", lo, b->n);
	return fail(it, 0, "range %.*s-%.*s runs backwards; write %s", STR_ARG(a->text),
		    STR_ARG(b->text), buf_cstr(&fix));
}

static bool
parse_range(struct item *it, const struct value *a)
{
	struct value b;
	int step = 1;

	if (!take_value(it, &b))
		return false;
	if (it->field == CRON_DOW && b.is_name && b.n == 0 && a->n > 0)
		b.n = 7;
	if (it->field == CRON_DOM && peek(it) == 'W')
		return fail(it, 0, "W takes a single day, not a range");
	if (it->field == CRON_DOW && (peek(it) == '#' || peek(it) == 'L'))
		return fail(it, 0, "%c takes a single weekday, not a range", peek(it));
	if (a->n > b.n)
		return fail_backwards(it, a, &b);
	if (take(it, '/')) {
		if (!take_step(it, &step))
			return false;
		set_loose(it);
		if (a->n == it->row->lo && b.n >= (it->field == CRON_DOW ? 6 : it->row->hi))
			set_star_step(it, step);
		if (step > b.n - a->n)
			it->expr->wide |= (uint8_t)BIT(it->field);
	}
	if (!at_end(it))
		return fail_byte(it);
	set_range(it, a->n, b.n, step);
	return true;
}

static bool
fail_bare_step(struct item *it, const struct value *v)
{
	bool dow = it->field == CRON_DOW;
	int hi = dow ? 6 : it->row->hi, step;

	if (!take_step(it, &step))
		return false;
	if (v->is_name)
		return fail(it, 0, "step needs * or a range; write %.*s-%s/%d", STR_ARG(v->text),
			    dow ? "SAT" : "DEC", step);
	return fail(it, 0, "step needs * or a range; write %d-%d/%d", v->n, hi < v->n ? v->n : hi,
		    step);
}

static bool
fail_tilde(struct item *it, const struct value *v)
{
	size_t at = it->at - 1;
	struct str to = take_run(it, is_digit);

	if (!to.len || v->is_name)
		return fail(it, at, "~ is not supported; write H or H(from-to)");
	return fail(it, at, "~ is not supported; write H(%d-%.*s)", v->n, STR_ARG(to));
}

static bool
parse_value(struct item *it)
{
	struct value v;

	if (!take_value(it, &v))
		return false;
	if (take(it, '-'))
		return parse_range(it, &v);
	if (take(it, '/'))
		return fail_bare_step(it, &v);
	if (take(it, '~'))
		return fail_tilde(it, &v);
	if (it->field == CRON_DOW && take(it, '#'))
		return parse_nth(it, &v);
	if (it->field == CRON_DOM && take(it, 'W')) {
		if (!at_end(it))
			return peek(it) == '-' || peek(it) == '/'
				       ? fail(it, 0, "W takes a single day, not a range")
				       : fail_byte(it);
		it->expr->nearest |= (uint32_t)BIT(v.n);
		return true;
	}
	if (it->field == CRON_DOW && take(it, 'L')) {
		it->expr->nth[v.n % 7] |= (uint8_t)BIT(CRON_NTH_LAST);
		return at_end(it) || fail_byte(it);
	}
	if (!at_end(it))
		return fail_byte(it);
	cron_field_set(it->expr, it->field, v.n);
	return true;
}

static bool
parse_item(struct item *it)
{
	if (!it->text.len)
		return fail(it, 0, "empty list item");
	if (take(it, '*'))
		return parse_star(it);
	if (take(it, '?'))
		return parse_question(it);
	if (take(it, 'H'))
		return parse_hash(it);
	if (it->field == CRON_DOM && take(it, 'L'))
		return parse_last(it);
	if (peek(it) == '+')
		return fail(it, 0, "+ is only allowed first in day-of-week");
	if (peek(it) == '~')
		return fail(it, 0, "~ is not supported; write H or H(from-to)");
	return parse_value(it);
}

bool
cron_field_parse(enum cron_field field, struct str text, size_t column, struct str seed,
		 struct cron_expr *expr, struct err *err)
{
	struct str rest = text, head;
	struct item it = {
		.field = field, .row = &rows[field], .seed = seed, .expr = expr, .err = err};

	if (field == CRON_DOW && text.len && text.p[0] == '+') {
		expr->both = true;
		rest = str_make(text.p + 1, text.len - 1);
	}
	it.alone = !memchr(rest.p, ',', rest.len);
	while (rest.p) {
		it.column = column + (size_t)(rest.p - text.p);
		rest = str_split(rest, ',', &head);
		it.text = head;
		it.at = 0;
		if (!parse_item(&it))
			return false;
	}
	return true;
}
