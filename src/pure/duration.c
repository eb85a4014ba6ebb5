/* Quantities as people write them: one reader of digits, and a table of units for each kind. */
/* SPDX-License-Identifier: MIT */
#include "pure/duration.h"

#include <assert.h>
#include <inttypes.h>

#define QUOTE_MAX 40
#define DECIMALS_MAX 9

struct unit {
	const char *name;
	int64_t value;
};

/* Large to small: a sum is written in this order. */
static const struct unit duration_units[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

static const struct unit size_units[] = {
	{"T", INT64_C(1) << 40},
	{"G", INT64_C(1) << 30},
	{"M", INT64_C(1) << 20},
	{"K", INT64_C(1) << 10},
};

static const struct {
	const char *name;
	bool value;
} bool_words[] = {
	{"yes", true},	  {"no", false}, {"true", true},
	{"false", false}, {"on", true},	 {"off", false},
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
refuse(struct err *err, struct str s, const char *what)
{
	return err_set(err, E_INVALID, "'%.*s%s' is not %s",
		       (int)(s.len > QUOTE_MAX ? QUOTE_MAX : s.len), s.p ? s.p : "",
		       s.len > QUOTE_MAX ? "..." : "", what);
}

static struct str
rest_of(struct str s, size_t skip)
{
	return str_make(s.p + skip, s.len - skip);
}

static size_t
digits_at(struct str s)
{
	size_t n = 0;

	while (n < s.len && is_digit(s.p[n]))
		n++;
	return n;
}

/* Takes the digits at the front of *s. False when there are none or they overflow. */
static bool
take_number(struct str *s, int64_t *ret)
{
	size_t n = digits_at(*s);

	if (!n || !str_to_i64(str_make(s->p, n), ret))
		return false;
	*s = rest_of(*s, n);
	return true;
}

/* Longest name first would matter for m and ms: a unit ends where the next digit begins. */
static const struct unit *
unit_find(const struct unit *units, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq_cstr(name, units[i].name))
			return &units[i];
	return NULL;
}

static struct str
take_unit(struct str *s)
{
	struct str name = *s;

	for (name.len = 0; name.len < s->len && !is_digit(s->p[name.len]);)
		name.len++;
	*s = rest_of(*s, name.len);
	return name;
}

static bool
duration_sum(struct str s, int64_t *ret_ms)
{
	const struct unit *unit, *last = NULL;
	int64_t sum = 0, n;

	while (s.len) {
		if (!take_number(&s, &n))
			return false;
		unit = unit_find(duration_units, ARRAY_LEN(duration_units), take_unit(&s));
		if (!unit || (last && unit <= last))
			return false;
		last = unit;
		if (__builtin_mul_overflow(n, unit->value, &n) ||
		    __builtin_add_overflow(sum, n, &sum))
			return false;
	}
	*ret_ms = sum;
	return last != NULL;
}

bool
duration_parse(struct str s, int64_t *ret_ms, struct err *err)
{
	if (str_eq_cstr(s, "0")) {
		*ret_ms = 0;
		return true;
	}
	if (!duration_sum(s, ret_ms))
		return refuse(err, s,
			      "a duration; expected a whole number and a unit of ms, s, m, h or d, "
			      "as in 250ms, 30s, 24h or 1h30m");
	return true;
}

void
duration_print(int64_t ms, struct buf *out)
{
	assert(ms >= 0);
	if (!ms)
		buf_puts(out, "0s");
	for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
		const struct unit *unit = &duration_units[i];

		if (ms >= unit->value)
			buf_printf(out, "%" PRId64 "%s", ms / unit->value, unit->name);
		ms %= unit->value;
	}
}

bool
size_parse(struct str s, int64_t *ret_bytes, struct err *err)
{
	const struct unit *unit;
	struct str rest = s;
	int64_t n;

	if (!take_number(&rest, &n))
		return refuse(
			err, s,
			"a size; expected bytes or a number with K, M, G or T, as in 64K or 1M");
	if (rest.len) {
		unit = unit_find(size_units, ARRAY_LEN(size_units), rest);
		if (!unit || __builtin_mul_overflow(n, unit->value, &n))
			return refuse(err, s,
				      "a size; expected bytes or a number with K, M, G or T, as in "
				      "64K or 1M");
	}
	*ret_bytes = n;
	return true;
}

void
size_print(int64_t bytes, struct buf *out)
{
	assert(bytes >= 0);
	for (size_t i = 0; bytes && i < ARRAY_LEN(size_units); i++)
		if (bytes % size_units[i].value == 0) {
			buf_printf(out, "%" PRId64 "%s", bytes / size_units[i].value,
				   size_units[i].name);
			return;
		}
	buf_printf(out, "%" PRId64, bytes);
}

bool
rate_parse(struct str s, struct rate *ret, struct err *err)
{
	struct rate rate;
	struct str rest = s;
	const struct unit *unit;

	if (!take_number(&rest, &rate.count) || rate.count < 1 || rest.len < 2 || rest.p[0] != '/')
		return refuse(
			err, s,
			"a rate; expected a count and a time, as in 10/s, 100/m, 5/h or 100/10s");
	rest = rest_of(rest, 1);
	unit = unit_find(duration_units, ARRAY_LEN(duration_units), rest);
	if (unit)
		rate.per_ms = unit->value;
	else if (!duration_sum(rest, &rate.per_ms) || rate.per_ms < 1)
		return refuse(
			err, s,
			"a rate; expected a count and a time, as in 10/s, 100/m, 5/h or 100/10s");
	*ret = rate;
	return true;
}

/* DIGITS or DIGITS.DIGITS as a whole number of 10^-decimals; nothing is rounded. */
static bool
fixed_parse(struct str s, unsigned decimals, int64_t *ret)
{
	int64_t whole, part = 0;
	size_t n = 0;

	if (!take_number(&s, &whole))
		return false;
	if (s.len) {
		if (s.p[0] != '.')
			return false;
		s = rest_of(s, 1);
		n = s.len;
		if (n > decimals || !take_number(&s, &part) || s.len)
			return false;
	}
	for (unsigned i = 0; i < decimals; i++) {
		if (__builtin_mul_overflow(whole, INT64_C(10), &whole))
			return false;
		if (i >= n)
			part *= 10;
	}
	return !__builtin_add_overflow(whole, part, ret);
}

bool
ratio_parse(struct str s, double *ret, struct err *err)
{
	bool percent = s.len && s.p[s.len - 1] == '%';
	struct str number = str_make(s.p, s.len - percent);
	int64_t one = percent ? INT64_C(100000000000) : INT64_C(1000000000), n;

	if (!fixed_parse(number, DECIMALS_MAX, &n) || n > one)
		return refuse(
			err, s,
			"a ratio; expected a number from 0 to 1 or 0% to 100%, as in 0.5 or 50%");
	*ret = (double)n / (double)one;
	return true;
}

bool
money_parse(struct str s, int64_t *ret_uusd, struct err *err)
{
	int64_t uusd;

	if (!fixed_parse(s, 6, &uusd))
		return refuse(err, s,
			      "an amount of money; expected US dollars with at most 6 decimals, "
			      "as in 20 or 0.25");
	*ret_uusd = uusd;
	return true;
}

void
money_print(int64_t uusd, struct buf *out)
{
	uint64_t n = uusd < 0 ? -(uint64_t)uusd : (uint64_t)uusd, part = n % 1000000;
	int digits = 6;

	for (; digits > 2 && part % 10 == 0; digits--)
		part /= 10;
	buf_printf(out, "%s%" PRIu64 ".%0*" PRIu64, uusd < 0 ? "-" : "", n / 1000000, digits, part);
}

bool
bool_parse(struct str s, bool *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(bool_words); i++)
		if (str_eq_cstr(s, bool_words[i].name)) {
			*ret = bool_words[i].value;
			return true;
		}
	return refuse(err, s, "yes or no; expected yes, no, true, false, on or off");
}
