/* Dates and delays as HTTP headers have them. RFC 9110, 5.6.7 and 10.2.3. */
/* SPDX-License-Identifier: MIT */
#include "pure/http_date.h"

#include "pure/civil.h"

struct date {
	uint64_t year, month, day, hour, minute, second;
};

/* What stands in a form: * a word, M a month's name, D h m s y Y numbers of two digits (Y: four), e
 * a day that may have a blank for its first digit; all else stands for itself. */
static const char *const forms[] = {"*, D M Y h:m:s GMT", "*, D-M-y h:m:s GMT", "* M e h:m:s Y"};

static bool
number_take(struct str *text, size_t digits, uint64_t *ret)
{
	if (text->len < digits || !str_to_u64(str_make(text->p, digits), ret))
		return false;
	*text = str_make(text->p + digits, text->len - digits);
	return true;
}

static bool
month_take(struct str *text, uint64_t *ret)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (uint64_t i = 0; text->len >= 3 && i < 12; i++) {
		if (!str_eq(str_make(text->p, 3), str_make(names + 3 * i, 3)))
			continue;
		*ret = i + 1;
		*text = str_make(text->p + 3, text->len - 3);
		return true;
	}
	return false;
}

static bool
word_take(struct str *text)
{
	size_t len = 0;

	while (len < text->len && ((text->p[len] | 0x20) >= 'a' && (text->p[len] | 0x20) <= 'z'))
		len++;
	*text = str_make(text->p + len, text->len - len);
	return len >= 3 && len <= 9;
}

static bool
day_take(struct str *text, uint64_t *ret)
{
	if (!text->len || *text->p != ' ')
		return number_take(text, 2, ret);
	*text = str_make(text->p + 1, text->len - 1);
	return number_take(text, 1, ret);
}

static bool
piece_take(char piece, struct str *text, struct date *d)
{
	switch (piece) {
	case '*':
		return word_take(text);
	case 'M':
		return month_take(text, &d->month);
	case 'D':
		return number_take(text, 2, &d->day);
	case 'e':
		return day_take(text, &d->day);
	case 'Y':
		return number_take(text, 4, &d->year);
	case 'y':
		return number_take(text, 2, &d->year);
	case 'h':
		return number_take(text, 2, &d->hour);
	case 'm':
		return number_take(text, 2, &d->minute);
	case 's':
		return number_take(text, 2, &d->second);
	default:
		if (!text->len || *text->p != piece)
			return false;
		*text = str_make(text->p + 1, text->len - 1);
		return true;
	}
}

static bool
form_read(const char *form, struct str text, struct date *ret)
{
	/* GMT is three of its own letters, not a month and more. */
	for (; *form; form++)
		if (!strcmp(form, "GMT"))
			return str_eq(text, STR("GMT"));
		else if (!piece_take(*form, &text, ret))
			return false;
	return !text.len;
}

static int
year_of(const struct wall now)
{
	return 1970 + (int)(civil_floor_div(now.ms, 1000) / (DAY_S * 365LL + DAY_S / 4));
}

bool
http_date_parse(struct str text, struct wall now, struct wall *ret)
{
	struct date d = {0};
	size_t i = 0;

	text = str_trim(text);
	while (i < sizeof(forms) / sizeof(*forms) && !form_read(forms[i], text, &d))
		i++;
	if (i == sizeof(forms) / sizeof(*forms))
		return false;
	if (i == 1) {
		d.year += (uint64_t)(year_of(now) / 100 * 100);
		if ((int)d.year > year_of(now) + 50)
			d.year -= 100;
	}
	/* A leap second counts as the one before it. */
	if (d.second == 60)
		d.second = 59;
	if (d.year < 1000 || !d.day ||
	    d.day > (uint64_t)civil_month_days((int)d.year, (int)d.month) || d.hour > 23 ||
	    d.minute > 59 || d.second > 59)
		return false;
	ret->ms = (civil_days((int)d.year, (int)d.month, (int)d.day) * DAY_S +
		   (int64_t)(d.hour * 3600 + d.minute * 60 + d.second)) *
		  1000;
	return true;
}

static bool
is_digits(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	return text.len > 0;
}

bool
retry_after_parse(struct str text, struct wall now, int64_t cap_ms, int64_t *ret_ms)
{
	struct wall at;
	int64_t s;

	text = str_trim(text);
	if (is_digits(text)) {
		*ret_ms = str_to_i64(text, &s) && s < cap_ms / 1000 ? s * 1000 : cap_ms;
		return true;
	}
	if (!http_date_parse(text, now, &at))
		return false;
	*ret_ms = at.ms <= now.ms ? 0 : at.ms - now.ms < cap_ms ? at.ms - now.ms : cap_ms;
	return true;
}
