/* Syntax: which bytes may stand where in a request. RFC 9110, 9112, 3986; strict where they leave a
 * choice. */
/* SPDX-License-Identifier: MIT */
#include "http/syntax.h"

#include <arpa/inet.h>

#include "base/digest.h"

enum {
	T = 1,	/* tchar */
	V = 2,	/* in a field's value */
	P = 4,	/* in a path, '%' too */
	Q = 8,	/* in a query, '%' too; also []{}|^` that browsers leave as they are */
	H = 16, /* in a host's name */
};

static const unsigned char classes[256] = {
	['\t'] = V,
	[' '] = V,
	['!'] = T | V | P | Q,
	['"'] = V,
	['#'] = T | V,
	['$' ... '\''] = T | V | P | Q,
	['(' ... ')'] = V | P | Q,
	['*' ... '+'] = T | V | P | Q,
	[','] = V | P | Q,
	['-' ... '.'] = T | V | P | Q | H,
	['/'] = V | P | Q,
	['0' ... '9'] = T | V | P | Q | H,
	[':' ... ';'] = V | P | Q,
	['<'] = V,
	['='] = V | P | Q,
	['>'] = V,
	['?'] = V | Q,
	['@'] = V | P | Q,
	['A' ... 'Z'] = T | V | P | Q | H,
	['['] = V | Q,
	['\\'] = V,
	[']'] = V | Q,
	['^'] = T | V | Q,
	['_'] = T | V | P | Q | H,
	['`'] = T | V | Q,
	['a' ... 'z'] = T | V | P | Q | H,
	['{'] = V | Q,
	['|'] = T | V | Q,
	['}'] = V | Q,
	['~'] = T | V | P | Q | H,
	[0x80 ... 0xff] = V,
};

static bool
all_of(struct str s, unsigned char cls)
{
	for (size_t i = 0; i < s.len; i++)
		if (!(classes[(unsigned char)s.p[i]] & cls))
			return false;
	return true;
}

bool
syntax_is_tchar(char c)
{
	return classes[(unsigned char)c] & T;
}

bool
syntax_is_token(struct str s)
{
	return s.len > 0 && all_of(s, T);
}

bool
syntax_is_value(struct str s)
{
	return all_of(s, V);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct str
syntax_trim(struct str s)
{
	while (s.len && is_blank(s.p[0]))
		s = str_make(s.p + 1, s.len - 1);
	while (s.len && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

static bool
is_port(struct str s)
{
	uint64_t port;
	return s.len <= 5 && str_to_u64(s, &port) && port >= 1 && port <= 65535;
}

static bool
is_ipv6(struct str s)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	if (s.len >= sizeof text)
		return false;
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return strlen(text) == s.len && inet_pton(AF_INET6, text, &addr) == 1;
}

bool
syntax_is_host(struct str s)
{
	bool literal = s.len && s.p[0] == '[';
	const char *end = literal ? memchr(s.p, ']', s.len) : memchr(s.p, ':', s.len);
	if (literal) {
		if (!end || !is_ipv6(str_make(s.p + 1, (size_t)(end - s.p) - 1)))
			return false;
		end++;
	} else {
		if (!end)
			end = s.p + s.len;
		if (end == s.p || end - s.p > 255 || !all_of(str_make(s.p, (size_t)(end - s.p)), H))
			return false;
	}
	size_t rest = s.len - (size_t)(end - s.p);
	return rest == 0 || (*end == ':' && is_port(str_make(end + 1, rest - 1)));
}

static bool
percents_are_sound(struct str s)
{
	for (const char *p = memchr(s.p, '%', s.len); p;) {
		size_t at = (size_t)(p - s.p);
		if (percent_byte(s, at) < 0)
			return false;
		p = memchr(p + 3, '%', s.len - at - 3);
	}
	return true;
}

static bool
segments_are_plain(struct str path)
{
	struct str rest = path, segment;
	rest = str_split(rest, '/', &segment); /* what stands before the first slash */
	if (segment.len)
		return false;
	while (rest.p) {
		rest = str_split(rest, '/', &segment);
		if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
			return false;
		if (segment.len == 0 && rest.p) /* "//"; one slash at the end is well */
			return false;
	}
	return true;
}

static bool
decoded_is_safe(struct str path)
{
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.p[i];
		if (c < 0x20 || c == 0x7f || c == '\\')
			return false;
	}
	return segments_are_plain(path) && str_is_utf8(path);
}

bool
syntax_decode_path(struct str raw, struct buf *out)
{
	if (!raw.len || raw.p[0] != '/' || !all_of(raw, P) || !percents_are_sound(raw))
		return false;
	size_t start = out->len;
	percent_decode(raw, false, out);
	struct str once = str_make(out->data + start, out->len - start);
	bool safe = decoded_is_safe(once);
	if (safe && memchr(once.p, '%', once.len)) {
		/* Somebody behind us may decode again: what that yields must be harmless too. */
		AUTO(buf_fini) struct buf twice = BUF_INIT;
		percent_decode(once, false, &twice);
		safe = decoded_is_safe(buf_str(&twice));
	}
	if (!safe)
		buf_truncate(out, start);
	return safe;
}

bool
syntax_is_query(struct str raw)
{
	if (!all_of(raw, Q) || !percents_are_sound(raw))
		return false;
	for (size_t i = 0; i < raw.len; i++)
		if (percent_byte(raw, i) == 0)
			return false;
	return true;
}

/* What is left behind the token or quoted string at the front; p NULL when there is neither. */
static struct str
skip_word(struct str s, bool may_quote)
{
	size_t i = 0;
	if (may_quote && s.len && s.p[0] == '"') {
		for (i = 1; i < s.len && s.p[i] != '"'; i++) {
			if (s.p[i] == '\\')
				i++;
			if (i >= s.len || !(classes[(unsigned char)s.p[i]] & V))
				return STR_NONE;
		}
		return i < s.len ? str_make(s.p + i + 1, s.len - i - 1) : STR_NONE;
	}
	while (i < s.len && syntax_is_tchar(s.p[i]))
		i++;
	return i ? str_make(s.p + i, s.len - i) : STR_NONE;
}

bool
syntax_is_chunk_ext(struct str s)
{
	while (s.len) {
		if (s.p[0] != ';')
			return false;
		s = skip_word(str_make(s.p + 1, s.len - 1), false);
		if (s.p && s.len && s.p[0] == '=')
			s = skip_word(str_make(s.p + 1, s.len - 1), true);
		if (!s.p)
			return false;
	}
	return true;
}

bool
syntax_chunk_size(struct str s, uint64_t *ret)
{
	uint64_t size = 0;
	if (s.len < 1 || s.len > 16)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		int digit = hex_value(s.p[i]);
		if (digit < 0)
			return false;
		size = size << 4 | (unsigned)digit;
	}
	*ret = size;
	return true;
}
