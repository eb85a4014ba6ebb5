/* Entities from pages of JSON: which page is the next. */
/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>

#include "plugins/entities/http.h"

/* rel of a link's parameters has the word next. */
static bool
is_next(struct str params)
{
	struct str param;

	while (params.p) {
		struct str name, value, word;

		params = str_split(params, ';', &param);
		value = str_trim(str_split(param, '=', &name));
		if (!str_eq_nocase(str_trim(name), STR("rel")))
			continue;
		if (value.len >= 2 && value.p[0] == '"')
			value = str_make(value.p + 1, value.len - 2);
		while (value.p) {
			value = str_split(value, ' ', &word);
			if (str_eq_nocase(word, STR("next")))
				return true;
		}
	}
	return false;
}

/* RFC 8288: <url>; rel="next", <url>; rel="last" */
struct str
pages_link(struct str header)
{
	while (header.len) {
		const char *open = memchr(header.p, '<', header.len), *close;
		struct str rest, params;
		size_t len = 0;
		bool quoted = false;

		if (!open)
			break;
		rest = str_make(open + 1, header.len - (size_t)(open + 1 - header.p));
		close = memchr(rest.p, '>', rest.len);
		if (!close)
			break;
		params = str_make(close + 1, rest.len - (size_t)(close + 1 - rest.p));
		while (len < params.len && (quoted || params.p[len] != ','))
			quoted ^= params.p[len++] == '"';
		if (is_next(str_make(params.p, len)))
			return str_make(rest.p, (size_t)(close - rest.p));
		header = str_make(params.p + len, params.len - len);
	}
	return STR_NONE;
}

struct str
pages_origin(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? str_make(url, (size_t)(host + 3 - url) + strcspn(host + 3, "/?#"))
		    : str_of(url);
}

static void
encode(struct str word, struct buf *out)
{
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.p[i];

		if (isalnum(c) || strchr("-._~", c))
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

/* The query of base without that parameter, and the word as its value. */
static void
cursor_put(const char *base, struct str word, const char *name, struct buf *out)
{
	struct str path, query = str_split(str_of(base), '?', &path), pair, key;
	char sep = '?';

	buf_add_str(out, path);
	while (query.p) {
		query = str_split(query, '&', &pair);
		str_split(pair, '=', &key);
		if (!pair.len || str_eq_cstr(key, name))
			continue;
		buf_putc(out, sep);
		buf_add_str(out, pair);
		sep = '&';
	}
	buf_putc(out, sep);
	buf_cat(out, name, "=");
	encode(word, out);
}

void
pages_url(const char *base, struct str reference, const char *name, struct buf *out)
{
	struct str path;

	if (str_starts_nocase(reference, STR("http://")) ||
	    str_starts_nocase(reference, STR("https://"))) {
		buf_add_str(out, reference);
	} else if (reference.len && reference.p[0] == '/') {
		buf_add_str(out, pages_origin(base));
		buf_add_str(out, reference);
	} else if (reference.len && reference.p[0] == '?') {
		str_split(str_of(base), '?', &path);
		buf_add_str(out, path);
		buf_add_str(out, reference);
	} else {
		cursor_put(base, reference, name, out);
	}
}
