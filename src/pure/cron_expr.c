/* Cron expressions: splits a schedule into prefix, nickname, @every or fields. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_expr.h"

#include <inttypes.h>

#include "pure/calendar.h"
#include "pure/cron_field.h"

#define CALENDAR STR("calendar:")
#define ALL(bits) ((UINT64_C(1) << (bits)) - 1)

struct word {
	struct str text;
	size_t column;
};

/* The whole text, and how far it is read. */
struct reader {
	struct str text;
	size_t at;
};

static const struct {
	const char *name, *fields; /* fields NULL: @reboot */
} nicknames[] = {
	{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"}, {"@reboot", NULL},
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static void
skip_space(struct reader *r)
{
	while (r->at < r->text.len && is_space(r->text.p[r->at]))
		r->at++;
}

/* Len 0 at the end. */
static struct word
take_word(struct reader *r)
{
	struct word w;
	size_t start;

	skip_space(r);
	start = r->at;
	while (r->at < r->text.len && !is_space(r->text.p[r->at]))
		r->at++;
	w.text = str_make(r->text.p + start, r->at - start);
	w.column = start + 1;
	return w;
}

static int
cut(struct str s)
{
	return (int)(s.len > 60 ? 60 : s.len);
}

/* ---- fields ---- */

static bool
is_full(const struct cron_expr *e, enum cron_field field)
{
	switch (field) {
	case CRON_SECOND:
		return e->second == ALL(60);
	case CRON_MINUTE:
		return e->minute == ALL(60);
	default:
		return e->hour == ALL(24);
	}
}

/* EventBridge and others end six fields with the year: say so before anything else. */
static bool
fail_year(struct word w[CRON_FIELDS], struct err *err)
{
	return err_set(err, E_INVALID,
		       "cron:%zu: day-of-week: %.*s is out of range 0-7; a year needs 7 fields: "
		       "0 %.*s %.*s %.*s %.*s %.*s %.*s",
		       w[5].column, STR_ARG(w[5].text), cut(w[0].text), w[0].text.p, cut(w[1].text),
		       w[1].text.p, cut(w[2].text), w[2].text.p, cut(w[3].text), w[3].text.p,
		       cut(w[4].text), w[4].text.p, STR_ARG(w[5].text));
}

static bool
is_year(struct str s)
{
	uint64_t n;

	return s.len == 4 && str_to_u64(s, &n) && n > 7;
}

void
cron_expr_set_class(struct cron_expr *e)
{
	for (enum cron_field f = CRON_SECOND; f <= CRON_HOUR; f++)
		if (is_full(e, f))
			e->loose |= (uint8_t)(1u << f);
	e->rhythm = e->loose != 0;
}

static bool
parse_words(struct word words[CRON_FIELDS], size_t count, struct str seed, struct cron_expr *e,
	    struct err *err)
{
	enum cron_field field = count == 5 ? CRON_MINUTE : CRON_SECOND;

	if (count == 6 && is_year(words[5].text))
		return fail_year(words, err);
	if (count == 5)
		e->second = 1;
	if (count < 7) {
		for (size_t i = 0; i < 4; i++)
			e->year[i] = i < 3 ? UINT64_MAX
					   : ALL(CRON_LAST_YEAR - CRON_FIRST_YEAR + 1 - 192);
	}
	for (size_t i = 0; i < count; i++, field++)
		if (!cron_field_parse(field, words[i].text, words[i].column, seed, e, err))
			return false;
	e->fields = (uint8_t)count;
	cron_expr_set_class(e);
	return true;
}

static bool
parse_fields(struct reader *r, struct str seed, struct cron_expr *e, struct err *err)
{
	struct word words[CRON_FIELDS], w;
	size_t count = 0, column = 0;

	for (w = take_word(r); w.text.len; w = take_word(r)) {
		if (count < CRON_FIELDS)
			words[count] = w;
		else if (!column)
			column = w.column;
		count++;
	}
	if (count >= 5 && count <= 7)
		return parse_words(words, count, seed, e, err);
	return err_set(
		err, E_INVALID,
		"cron:%zu: %zu field%s; expected 5 (minute hour day-of-month month day-of-week), "
		"6 (second first) or 7 (second first, year last)",
		column ? column : r->text.len + 1, count, count == 1 ? "" : "s");
}

/* ---- nicknames, @every ---- */

static const struct {
	char name;
	int64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

/* 1*(number unit); *i moves behind it. False with *i at what is wrong. */
static bool
take_duration(struct str s, size_t *i, int64_t *ret)
{
	int64_t sum = 0, n;
	size_t start, unit;

	do {
		for (start = *i; *i < s.len && s.p[*i] >= '0' && s.p[*i] <= '9';)
			++*i;
		if (*i - start > 9 || !str_to_i64(str_make(s.p + start, *i - start), &n))
			return false;
		for (unit = 0; unit < ARRAY_LEN(units); unit++)
			if (*i < s.len && s.p[*i] == units[unit].name)
				break;
		if (unit == ARRAY_LEN(units))
			return false;
		++*i;
		sum += n * units[unit].seconds;
	} while (*i < s.len && s.p[*i] != '/');
	*ret = sum;
	return true;
}

static bool
parse_every(struct reader *r, struct cron_expr *e, struct err *err)
{
	struct word w = take_word(r), more = take_word(r);
	size_t i = 0;

	if (!take_duration(w.text, &i, &e->every_s))
		return err_set(
			err, E_INVALID,
			"cron:%zu: @every: expected a duration of numbers with d, h, m or s, as in "
			"@every 1h30m",
			w.column + i);
	if (e->every_s < 1)
		return err_set(err, E_INVALID, "cron:%zu: @every: must be at least 1s", w.column);
	if (i < w.text.len && (++i, !take_duration(w.text, &i, &e->phase_s) || i < w.text.len))
		return err_set(
			err, E_INVALID,
			"cron:%zu: @every: expected a phase of numbers with d, h, m or s, as in "
			"@every 1h/10m",
			w.column + i);
	if (more.text.len)
		return err_set(err, E_INVALID, "cron:%zu: @every: unexpected '%.*s'", more.column,
			       cut(more.text), more.text.p);
	e->phase_s %= e->every_s;
	e->rhythm = true;
	return true;
}

static bool
parse_nickname(struct reader *r, struct str seed, struct cron_expr *e, struct err *err)
{
	struct word w = take_word(r), more;
	struct reader alias;

	if (str_eq(w.text, STR("@every")))
		return parse_every(r, e, err);
	for (size_t i = 0; i < ARRAY_LEN(nicknames); i++) {
		if (!str_eq_nocase(w.text, str_of(nicknames[i].name)))
			continue;
		if (!str_eq_cstr(w.text, nicknames[i].name))
			return err_set(err, E_INVALID,
				       "cron:%zu: unknown nickname '%.*s'; write %s", w.column,
				       STR_ARG(w.text), nicknames[i].name);
		more = take_word(r);
		if (more.text.len)
			return err_set(err, E_INVALID, "cron:%zu: unexpected '%.*s' behind %s",
				       more.column, cut(more.text), more.text.p, nicknames[i].name);
		if (!nicknames[i].fields) {
			e->reboot = true;
			return true;
		}
		alias = (struct reader){str_of(nicknames[i].fields), 0};
		return parse_fields(&alias, seed, e, err);
	}
	return err_set(
		err, E_INVALID,
		"cron:%zu: unknown nickname '%.*s'; expected @yearly, @monthly, @weekly, @daily, "
		"@hourly, @reboot or @every 90m",
		w.column, cut(w.text), w.text.p);
}

/* ---- the whole ---- */

static bool
take_zone(struct reader *r, struct cron_expr *e, struct err *err)
{
	static const char *const prefixes[] = {"CRON_TZ=", "TZ="};
	struct reader before = *r;
	struct word w = take_word(r);
	size_t skip = 0;

	for (size_t i = 0; i < ARRAY_LEN(prefixes) && !skip; i++)
		if (str_starts(w.text, str_of(prefixes[i])))
			skip = strlen(prefixes[i]);
	if (!skip) {
		*r = before;
		return true;
	}
	w.text = str_make(w.text.p + skip, w.text.len - skip);
	e->zone_column = w.column + skip;
	if (!zone_name_is_valid(w.text))
		return err_set(err, E_INVALID, "cron:%zu: unknown time zone '%.*s'", e->zone_column,
			       cut(w.text), w.text.p);
	memcpy(e->zone, w.text.p, w.text.len);
	return true;
}

static bool
parse_calendar(struct str rest, size_t column, const struct cron_expr *prefix,
	       struct cron_expr *ret, struct err *err)
{
	size_t skip = CALENDAR.len;

	if (prefix->zone[0])
		return err_set(err, E_INVALID,
			       "cron:%zu: calendar: the time zone stands at its end; write "
			       "calendar:%.*s %s",
			       prefix->zone_column, cut(rest) - (int)skip, rest.p + skip,
			       prefix->zone);
	return calendar_parse(str_make(rest.p + skip, rest.len - skip), column + skip, ret, err);
}

bool
cron_parse(struct str text, struct str seed, struct cron_expr *ret, struct err *err)
{
	struct reader r = {text.p ? text : STR(""), 0};
	struct cron_expr e = {.every_s = 0};
	struct str rest;

	if (text.len > CRON_TEXT_MAX)
		return err_set(err, E_INVALID, "cron:%d: longer than %d bytes", CRON_TEXT_MAX + 1,
			       CRON_TEXT_MAX);
	if (!take_zone(&r, &e, err))
		return false;
	skip_space(&r);
	rest = str_make(r.text.p + r.at, r.text.len - r.at);
	if (str_starts(rest, CALENDAR))
		return parse_calendar(rest, r.at + 1, &e, ret, err);
	if (r.at == r.text.len)
		return err_set(
			err, E_INVALID,
			"cron:%zu: empty expression; expected 5, 6 or 7 fields or @daily etc.",
			r.at ? r.at + 1 : (size_t)1);
	if (r.text.p[r.at] == '@' ? !parse_nickname(&r, seed, &e, err)
				  : !parse_fields(&r, seed, &e, err))
		return false;
	*ret = e;
	return true;
}
