/* JSON checked in one pass: no tree, no memory. What is unusual is left to the parser. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"

enum {
	/* Names of all objects that are open at once; GitHub's widest event has about 150. */
	SCAN_NAMES_MAX = 512,
	/* Numbers of no more digits than these are below 1.8e308. */
	SCAN_WHOLE_MAX = 200,
	SCAN_EXPONENT_MAX = 2,
};

struct scan_name {
	struct str text;
	uint32_t hash;
};

/* Every function below takes what it is named after from the front of text, and returns false when
 * that does not stand there, or when only the parser can tell. */
struct scan {
	struct str text;
	int depth;
	size_t name_count;
	struct scan_name names[SCAN_NAMES_MAX];
};

static bool scan_value(struct scan *s);

static void
scan_skip(struct scan *s, size_t n)
{
	s->text = str_make(s->text.p + n, s->text.len - n);
}

static void
scan_space(struct scan *s)
{
	while (s->text.len && (*s->text.p == ' ' || *s->text.p == '\t' || *s->text.p == '\n' ||
			       *s->text.p == '\r'))
		scan_skip(s, 1);
}

static bool
scan_char(struct scan *s, char c)
{
	if (!s->text.len || *s->text.p != c)
		return false;
	scan_skip(s, 1);
	return true;
}

static bool
scan_word(struct scan *s, struct str word)
{
	if (!str_starts(s->text, word))
		return false;
	scan_skip(s, word.len);
	return true;
}

/* --- strings --- */

/* Whether one of eight bytes is more than itself: a control, a quote, a backslash, not ASCII. A
 * subtraction borrows into a byte's highest bit where the byte is smaller. */
static bool
is_special(uint64_t bytes)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t quote = bytes ^ each * '"', backslash = bytes ^ each * '\\';
	return (bytes | (bytes - each * 0x20) | (quote - each) | (backslash - each)) & each * 0x80;
}

static void
scan_plain(struct scan *s)
{
	uint64_t bytes;
	while (s->text.len >= sizeof(bytes)) {
		memcpy(&bytes, s->text.p, sizeof(bytes));
		if (is_special(bytes))
			return;
		scan_skip(s, sizeof(bytes));
	}
}

static bool
scan_string(struct scan *s)
{
	if (!scan_char(s, '"'))
		return false;
	for (;;) {
		char meant[4];
		size_t used, len;
		scan_plain(s);
		if (scan_char(s, '"'))
			return true;
		if (!s->text.len)
			return false;
		if ((unsigned char)*s->text.p < 0x80)
			used = json_unescape_next(s->text, meant, &len);
		else
			used = str_utf8_next(s->text, NULL);
		if (!used)
			return false;
		scan_skip(s, used);
	}
}

/* --- numbers --- */

static size_t
scan_digits(struct scan *s)
{
	size_t n = 0;
	while (n < s->text.len && s->text.p[n] >= '0' && s->text.p[n] <= '9')
		n++;
	scan_skip(s, n);
	return n;
}

static bool
scan_number(struct scan *s)
{
	scan_char(s, '-');
	size_t digits = scan_char(s, '0') ? 1 : scan_digits(s);
	if (!digits || digits > SCAN_WHOLE_MAX)
		return false;
	if (scan_char(s, '.') && !scan_digits(s))
		return false;
	if (!scan_char(s, 'e') && !scan_char(s, 'E'))
		return true;
	if (!scan_char(s, '+'))
		scan_char(s, '-');
	digits = scan_digits(s);
	return digits && digits <= SCAN_EXPONENT_MAX;
}

/* --- arrays and objects --- */

static bool
scan_array(struct scan *s)
{
	scan_skip(s, 1);
	scan_space(s);
	if (scan_char(s, ']'))
		return true;
	do {
		if (!scan_value(s))
			return false;
	} while (scan_char(s, ','));
	return scan_char(s, ']');
}

static uint32_t
name_hash(struct str name)
{
	uint32_t hash = 2166136261; /* FNV-1a */
	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.p[i]) * 16777619;
	return hash;
}

/* first: of the names of this object. Escapes are the parser's: the same name can be written in
 * many ways. */
static bool
scan_name(struct scan *s, size_t first)
{
	struct scan_name name;
	const char *start = s->text.p;
	if (!scan_string(s) || s->name_count == SCAN_NAMES_MAX)
		return false;
	name.text = str_make(start, (size_t)(s->text.p - start));
	if (memchr(name.text.p, '\\', name.text.len))
		return false;
	name.hash = name_hash(name.text);
	for (size_t i = first; i < s->name_count; i++)
		if (s->names[i].hash == name.hash && str_eq(s->names[i].text, name.text))
			return false;
	s->names[s->name_count++] = name;
	return true;
}

static bool
scan_member(struct scan *s, size_t first)
{
	scan_space(s);
	if (!scan_name(s, first))
		return false;
	scan_space(s);
	return scan_char(s, ':') && scan_value(s);
}

static bool
scan_object(struct scan *s)
{
	size_t first = s->name_count;
	scan_skip(s, 1);
	scan_space(s);
	if (scan_char(s, '}'))
		return true;
	do {
		if (!scan_member(s, first))
			return false;
	} while (scan_char(s, ','));
	s->name_count = first;
	return scan_char(s, '}');
}

/* With the space around it. */
static bool
scan_value(struct scan *s)
{
	bool ok;
	scan_space(s);
	if (!s->text.len)
		return false;
	switch (*s->text.p) {
	case '{':
	case '[':
		if (++s->depth > JSON_DEPTH_MAX)
			return false;
		ok = *s->text.p == '{' ? scan_object(s) : scan_array(s);
		s->depth--;
		break;
	case '"':
		ok = scan_string(s);
		break;
	case 't':
		ok = scan_word(s, STR("true"));
		break;
	case 'f':
		ok = scan_word(s, STR("false"));
		break;
	case 'n':
		ok = scan_word(s, STR("null"));
		break;
	default:
		ok = scan_number(s);
	}
	scan_space(s);
	return ok;
}

bool
json_scan(struct str text)
{
	/* The names are not set: only those below name_count are looked at. */
	struct scan s;
	s.text = text;
	s.depth = 0;
	s.name_count = 0;
	return scan_value(&s) && !s.text.len;
}
