/* Slices of bytes that belong to someone else. */
/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include "base/mem.h"

static unsigned char
ascii_lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static struct str
str_from(struct str s, size_t at)
{
	return str_make(s.p + at, s.len - at);
}

bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && (!a.len || !memcmp(a.p, b.p, a.len));
}

bool
str_eq_cstr(struct str a, const char *b)
{
	return str_eq(a, str_of(b));
}

bool
str_eq_nocase(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_make(s.p, prefix.len), prefix);
}

bool
str_starts_nocase(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq_nocase(str_make(s.p, prefix.len), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
	if (!suffix.len)
		return true;
	return s.len >= suffix.len && str_eq(str_from(s, s.len - suffix.len), suffix);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.len && is_space(s.p[0]))
		s = str_from(s, 1);
	while (s.len && is_space(s.p[s.len - 1]))
		s.len--;
	return s;
}

struct str
str_split(struct str s, char sep, struct str *ret_head)
{
	const char *at = s.len ? memchr(s.p, sep, s.len) : NULL;
	if (!at) {
		*ret_head = s;
		return STR_NONE;
	}
	size_t n = (size_t)(at - s.p);
	*ret_head = str_make(s.p, n);
	return str_from(s, n + 1);
}

char *
str_dup(struct str s)
{
	return mem_memdup(s.p, s.len);
}

bool
str_to_u64(struct str s, uint64_t *ret)
{
	uint64_t n = 0;
	if (!s.len)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(s.p[i] - '0'), &n))
			return false;
	}
	*ret = n;
	return true;
}

bool
str_to_i64(struct str s, int64_t *ret)
{
	bool negative = s.len && s.p[0] == '-';
	uint64_t n;
	if (!str_to_u64(negative ? str_from(s, 1) : s, &n))
		return false;
	if (n > (uint64_t)INT64_MAX + negative)
		return false;
	*ret = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

/* RFC 3629, section 4: the second byte alone tells overlong forms and surrogates. */
size_t
str_utf8_next(struct str s, uint32_t *ret_code)
{
	static const struct {
		unsigned char first, last, len, second_min, second_max;
	} heads[] = {
		{0x00, 0x7f, 1, 0x80, 0xbf}, {0xc2, 0xdf, 2, 0x80, 0xbf},
		{0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
		{0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
		{0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf},
		{0xf4, 0xf4, 4, 0x80, 0x8f},
	};
	const unsigned char *p = (const unsigned char *)s.p;
	size_t row = 0;
	if (!s.len)
		return 0;
	while (row < ARRAY_LEN(heads) && (p[0] < heads[row].first || p[0] > heads[row].last))
		row++;
	if (row == ARRAY_LEN(heads) || s.len < heads[row].len)
		return 0;
	size_t len = heads[row].len;
	uint32_t code = len == 1 ? p[0] : p[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if (p[i] < (i == 1 ? heads[row].second_min : 0x80) ||
		    p[i] > (i == 1 ? heads[row].second_max : 0xbf))
			return 0;
		code = code << 6 | (p[i] & 0x3fU);
	}
	if (ret_code)
		*ret_code = code;
	return len;
}

bool
str_is_utf8(struct str s)
{
	while (s.len) {
		size_t n = (unsigned char)s.p[0] < 0x80 ? 1 : str_utf8_next(s, NULL);
		if (!n)
			return false;
		s = str_from(s, n);
	}
	return true;
}

enum { DISTANCE_CAP = 4, DISTANCE_LEN_MAX = 64 };

static unsigned
least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours count one each. */
unsigned
str_distance(const char *a, const char *b)
{
	unsigned rows[3][DISTANCE_LEN_MAX + 1];
	size_t alen = strlen(a), blen = strlen(b);
	if (!strcmp(a, b))
		return 0;
	if (alen > DISTANCE_LEN_MAX || blen > DISTANCE_LEN_MAX)
		return DISTANCE_CAP;
	for (size_t j = 0; j <= blen; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= blen; j++) {
			unsigned d = last[j - 1] + (a[i - 1] != b[j - 1]);
			d = least(d, least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = least(d, older[j - 2] + 1);
			now[j] = d;
		}
	}
	return least(rows[alen % 3][blen], DISTANCE_CAP);
}

int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
str_place(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; name && i < count; i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -1;
}
