/* What a signature signs. Bodies are never copied: a signed text is a list of slices. */
/* SPDX-License-Identifier: MIT */
#include "pure/signature_text.h"

#include <stdlib.h>

#include "base/digest.h"

struct field {
	struct str name, value;
};

static const char *const signed_names[] = {"timestamp", "id", "body", "method", "url", "form"};
_Static_assert(ARRAY_LEN(signed_names) == SIGNED_NAMES, "a name for each value");

/* Takes one piece from the front of *t: a literal (returns -1) or a {name} (its number, or
 * SIGNED_NAMES when it is unknown or not closed). */
static int
take_piece(const char **t, struct str *ret)
{
	const char *start = *t;
	size_t len;

	if (*start != '{') {
		len = strcspn(start, "{");
		*ret = str_make(start, len);
		*t = start + len;
		return -1;
	}
	len = strcspn(start, "}");
	*ret = str_make(start, len + (start[len] == '}'));
	*t = start + ret->len;
	if (start[len] != '}')
		return SIGNED_NAMES;
	for (int i = 0; i < SIGNED_NAMES; i++)
		if (str_eq_cstr(str_make(start + 1, len - 1), signed_names[i]))
			return i;
	return SIGNED_NAMES;
}

bool
signed_text_check(const char *template, unsigned *ret_used, struct err *err)
{
	const char *t = template;
	unsigned used = 0, count = 0;
	struct str piece;
	int name;

	while (*t) {
		name = take_piece(&t, &piece);
		if (name == SIGNED_NAMES)
			return err_set(
				err, E_CONFIG,
				"signed: unknown '%.*s'; expected {timestamp}, {id}, {body}, "
				"{method} or {url}",
				STR_ARG(piece));
		if (++count > SIGNED_PARTS_MAX)
			return err_set(err, E_CONFIG, "signed: more than %d parts; write fewer",
				       SIGNED_PARTS_MAX);
		if (name >= 0)
			used |= 1u << name;
	}
	*ret_used = used;
	return true;
}

size_t
signed_text_parts(const char *template, const struct str values[SIGNED_NAMES],
		  struct str parts[SIGNED_PARTS_MAX])
{
	size_t count = 0;
	int name;

	while (*template && count < SIGNED_PARTS_MAX) {
		name = take_piece(&template, &parts[count]);
		if (name >= 0 && name < SIGNED_NAMES)
			parts[count] = values[name];
		count++;
	}
	return count;
}

/* Appends s decoded; returns a slice of the offset kind: p is set by the caller. */
static size_t
form_decode(struct str s, struct buf *out)
{
	size_t before = out->len;

	percent_decode(s, true, out);
	return out->len - before;
}

static int
bytes_compare(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int
field_compare(const void *a, const void *b)
{
	const struct field *x = a, *y = b;
	int order = bytes_compare(x->name, y->name);

	return order ? order : bytes_compare(x->value, y->value);
}

void
signed_form(struct str body, struct buf *out)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(auto_free) struct field *fields = NULL;
	size_t count = 1, n = 0, pos;
	struct str rest = body, pair, name, value;

	for (size_t i = 0; i < body.len; i++)
		count += body.p[i] == '&';
	fields = mem_alloc_array(count, sizeof(*fields));
	buf_reserve(&text, body.len + 1); /* decoding never grows, so the slices stay put */
	while (rest.p && rest.len) {
		rest = str_split(rest, '&', &pair);
		if (!pair.len)
			continue;
		value = str_split(pair, '=', &name);
		pos = text.len;
		fields[n].name.len = form_decode(name, &text);
		fields[n].name.p = text.data + pos;
		pos = text.len;
		fields[n].value.len = value.p ? form_decode(value, &text) : 0;
		fields[n].value.p = text.data + pos;
		n++;
	}
	qsort(fields, n, sizeof(*fields), field_compare);
	for (size_t i = 0; i < n; i++) {
		if (i && !field_compare(&fields[i - 1], &fields[i]))
			continue;
		buf_add_str(out, fields[i].name);
		buf_add_str(out, fields[i].value);
	}
}

struct str
signed_url_sha256(struct str url)
{
	struct str head, rest = str_split(url, '?', &head), pair, name, value;

	while (rest.p && rest.len) {
		rest = str_split(rest, '&', &pair);
		value = str_split(pair, '=', &name);
		if (value.p && str_eq(name, STR("bodySHA256"))) {
			str_split(value, '#', &head);
			return head;
		}
	}
	return STR_NONE;
}

bool
signed_url_other_port(struct str url, struct buf *out)
{
	bool tls = str_starts_nocase(url, STR("https://"));
	size_t start = tls ? 8 : 7, end, host, colon = 0;

	if (!tls && !str_starts_nocase(url, STR("http://")))
		return false;
	for (end = start; end < url.len && !memchr("/?#", url.p[end], 3);)
		end++;
	for (host = end; host > start && url.p[host - 1] != '@';)
		host--;
	for (size_t i = end; i > host && url.p[i - 1] != ']'; i--)
		if (url.p[i - 1] == ':')
			colon = i - 1;
	buf_add(out, url.p, colon ? colon : end);
	if (!colon)
		buf_puts(out, tls ? ":443" : ":80");
	buf_add(out, url.p + end, url.len - end);
	return true;
}
