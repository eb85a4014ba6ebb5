/* Globs: patterns over paths and names with slashes in them (files, refs). */
/* SPDX-License-Identifier: MIT */
#include "pure/glob.h"

static struct str
glob_from(struct str s, size_t n)
{
	return (struct str){s.p + n, s.len - n};
}

/* Bytes of the character at the front of s, which is not empty. */
static size_t
glob_char(struct str s, uint32_t *ret)
{
	size_t n = str_utf8_next(s, ret);

	if (n)
		return n;
	/* A stray byte is no character that a pattern in UTF-8 could name: its own kind. */
	*ret = 0x110000u + (unsigned char)s.p[0];
	return 1;
}

/* The bytes of the class at the front of pattern ("[...]"), 0 when it is not closed. */
static size_t
glob_class(struct str pattern, uint32_t c, bool *ret_hit)
{
	size_t at = 1;
	bool not = false, first = true, hit = false;

	if (at < pattern.len && (pattern.p[at] == '!' || pattern.p[at] == '^')) {
		not = true;
		at++;
	}
	for (; at < pattern.len; first = false) {
		uint32_t from, to;

		if (pattern.p[at] == ']' && !first) {
			*ret_hit = hit != not &&c != '/';
			return at + 1;
		}
		if (pattern.p[at] == '\\' && at + 1 < pattern.len)
			at++;
		at += glob_char(glob_from(pattern, at), &from);
		to = from;
		if (at + 1 < pattern.len && pattern.p[at] == '-' && pattern.p[at + 1] != ']') {
			at++;
			if (pattern.p[at] == '\\' && at + 1 < pattern.len)
				at++;
			at += glob_char(glob_from(pattern, at), &to);
		}
		hit = hit || (c >= from && c <= to);
	}
	return 0;
}

/* One character of pattern (not a star) against one of s: what each uses up; false: no match. */
static bool
glob_one(struct str pattern, struct str s, size_t *ret_pattern, size_t *ret_s)
{
	uint32_t want, c;
	size_t n;
	bool hit;

	*ret_s = glob_char(s, &c);
	switch (pattern.p[0]) {
	case '?':
		*ret_pattern = 1;
		return c != '/';
	case '[':
		n = glob_class(pattern, c, &hit);
		if (n) {
			*ret_pattern = n;
			return hit;
		}
		break;
	case '\\':
		if (pattern.len > 1) {
			*ret_pattern = 1 + glob_char(glob_from(pattern, 1), &want);
			return want == c;
		}
		break;
	default:
		break;
	}
	*ret_pattern = glob_char(pattern, &want);
	return want == c;
}

/* A segment that is "**", at its beginning: bytes up to and with the '/' behind it; 0: it is none.
 */
static size_t
glob_any(struct str pattern, bool at_start)
{
	if (!at_start || pattern.len < 2 || pattern.p[0] != '*' || pattern.p[1] != '*')
		return 0;
	if (pattern.len == 2)
		return 2;
	return pattern.p[2] == '/' ? 3 : 0;
}

/* Where to go on when what followed the last star did not match. */
struct retreat {
	struct str pattern, s; /* p NULL: there was none */
};

static struct str
segment_next(struct str s)
{
	const char *slash = s.len ? memchr(s.p, '/', s.len) : NULL;

	return slash ? glob_from(s, (size_t)(slash - s.p) + 1) : STR_NONE;
}

bool
glob_match(struct str pattern, struct str path)
{
	struct retreat star = {STR_NONE, STR_NONE}, any = {STR_NONE, STR_NONE};
	const char *begin = pattern.p;
	struct str s = path;
	size_t n, used;

	for (;;) {
		if (!pattern.len && !s.len)
			return true;
		n = glob_any(pattern, pattern.p == begin || pattern.p[-1] == '/');
		if (n == 2)
			return s.len > 0;
		if (n) {
			pattern = glob_from(pattern, n);
			any = (struct retreat){pattern, s};
			star.pattern = STR_NONE;
			continue;
		}
		if (pattern.len && pattern.p[0] == '*') {
			pattern = glob_from(pattern, 1);
			star = (struct retreat){pattern, s};
			continue;
		}
		if (pattern.len && s.len && glob_one(pattern, s, &n, &used)) {
			pattern = glob_from(pattern, n);
			s = glob_from(s, used);
			continue;
		}
		/* Only the last star of each kind needs another try. */
		if (star.pattern.p && star.s.len && star.s.p[0] != '/') {
			uint32_t c;

			star.s = glob_from(star.s, glob_char(star.s, &c));
			pattern = star.pattern;
			s = star.s;
			continue;
		}
		if (!any.pattern.p || !(any.s = segment_next(any.s)).p)
			return false;
		star.pattern = STR_NONE;
		pattern = any.pattern;
		s = any.s;
	}
}

bool
glob_match_path(struct str pattern, struct str path)
{
	size_t at = path.len;

	if (pattern.len && pattern.p[pattern.len - 1] == '/')
		pattern.len--;
	if (pattern.len && !memchr(pattern.p, '/', pattern.len)) {
		while (at && path.p[at - 1] != '/')
			at--;
		return glob_match(pattern, glob_from(path, at));
	}
	if (pattern.len && pattern.p[0] == '/')
		pattern = glob_from(pattern, 1);
	return glob_match(pattern, path);
}

bool
glob_check(struct str pattern, struct err *err)
{
	bool hit;

	if (!pattern.len)
		return err_set(err, E_INVALID, "an empty pattern; expected a glob as *.csv");
	for (size_t at = 0; at < pattern.len;) {
		size_t n = 1;

		if (pattern.p[at] == '\\')
			n = 2;
		else if (pattern.p[at] == '[')
			n = glob_class(glob_from(pattern, at), 0, &hit);
		if (!n)
			return err_set(err, E_INVALID,
				       "%.*s: the [ at place %zu is not closed; for the character "
				       "itself write \\[",
				       STR_ARG(pattern), at + 1);
		if (at + n > pattern.len)
			return err_set(err, E_INVALID,
				       "%.*s: nothing follows the \\ at its end; for the character "
				       "itself write \\\\",
				       STR_ARG(pattern));
		at += n;
	}
	return true;
}
