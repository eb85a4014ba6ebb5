/* IMAP's ways of writing: URLs, names of mailboxes, strings, dates, criteria. RFC 9051, RFC 5092.
 */
/* SPDX-License-Identifier: MIT */
#include "pure/imap_text.h"

#include "base/digest.h"
#include "pure/civil.h"

#define HOST_MAX 253
#define NAME_MAX_BYTES 1000
#define CRITERIA_MAX 4000

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
				     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	return false;
}

/* --- URLs ------------------------------------------------------------------------------------ */

/* All of it, or false: a broken escape has no meaning here. */
static bool
url_decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] == '%' && percent_byte(s, i) < 0)
			return false;
	percent_decode(s, false, out);
	return true;
}

static bool
host_is_good(struct str host)
{
	size_t i = 0;

	if (!host.len || host.len > HOST_MAX)
		return false;
	if (host.p[0] == '[') {
		for (i = 1; i < host.len &&
			    (hex_value(host.p[i]) >= 0 || host.p[i] == ':' || host.p[i] == '.');
		     i++)
			;
		return i + 1 == host.len && host.p[i] == ']' && i > 2;
	}
	for (; i < host.len; i++) {
		char c = host.p[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    c != '.' && c != '-' && c != '_')
			return false;
	}
	return true;
}

/* host, host:port, [v6], [v6]:port */
static bool
authority_parse(struct str text, struct imap_url *url)
{
	size_t at = text.len;
	uint64_t port = url->tls ? 993 : 143;

	while (at && text.p[at - 1] >= '0' && text.p[at - 1] <= '9')
		at--;
	if (at && text.p[at - 1] == ':') {
		if (!str_to_u64(str_make(text.p + at, text.len - at), &port) || !port ||
		    port > 65535)
			return false;
		text.len = at - 1;
	}
	if (!host_is_good(text))
		return false;
	url->port = (int)port;
	url->host = str_dup(text);
	return true;
}

bool
imap_url_parse(struct str text, struct imap_url *ret, struct err *err)
{
	AUTO(imap_url_fini) struct imap_url url = {.tls = str_starts_nocase(text, STR("imaps://"))};
	AUTO(buf_fini) struct buf folder = BUF_INIT;
	struct str rest, authority;

	if (!url.tls && !str_starts_nocase(text, STR("imap://")))
		return err_set(err, E_INVALID, "expected a URL like imaps://host/INBOX");
	rest = str_make(text.p + 7 + url.tls, text.len - 7 - url.tls);
	rest = str_split(rest, '/', &authority);
	if (memchr(authority.p, '@', authority.len))
		return err_set(err, E_INVALID,
			       "a URL with a user in it; expected imaps://host/INBOX, and user and "
			       "password as keys of their own");
	if (!authority_parse(authority, &url))
		return err_set(err, E_INVALID,
			       "%.*s is no host; expected a URL like imaps://host/INBOX",
			       authority.len < 100 ? (int)authority.len : 100, authority.p);
	if (rest.p && (memchr(rest.p, ';', rest.len) || memchr(rest.p, '?', rest.len)))
		return err_set(
			err, E_INVALID,
			"a URL with parameters; expected imaps://host/INBOX, and search as a "
			"key of its own");
	if (rest.p && !url_decode(rest, &folder))
		return err_set(err, E_INVALID,
			       "the mailbox has a %% without two hexadecimal digits");
	if (!folder.len)
		buf_puts(&folder, "INBOX");
	if (!str_is_utf8(buf_str(&folder)) || has_control(buf_str(&folder)) ||
	    folder.len > NAME_MAX_BYTES)
		return err_set(err, E_INVALID, "the mailbox is no name in UTF-8");
	url.folder = buf_take(&folder);
	*ret = url;
	url = (struct imap_url){.host = NULL};
	return true;
}

void
imap_url_fini(struct imap_url *url)
{
	free(url->host);
	free(url->folder);
	*url = (struct imap_url){.host = NULL};
}

/* --- mailboxes ------------------------------------------------------------------------------- */

/* Base64 of UTF-16 with a comma for the slash: the bits that wait for six. */
struct shift {
	struct buf *out;
	uint32_t bits;
	int count;
	bool on;
};

static void
shift_bits(struct shift *shift, uint32_t value, int count)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

	shift->bits = (shift->bits << count) | value;
	shift->count += count;
	while (shift->count >= 6) {
		shift->count -= 6;
		buf_putc(shift->out, alphabet[(shift->bits >> shift->count) & 63]);
	}
}

static void
shift_in(struct shift *shift)
{
	if (!shift->on)
		buf_putc(shift->out, '&');
	shift->on = true;
}

static void
shift_out(struct shift *shift)
{
	if (!shift->on)
		return;
	if (shift->count)
		shift_bits(shift, 0, 6 - shift->count);
	buf_putc(shift->out, '-');
	*shift = (struct shift){.out = shift->out};
}

bool
imap_mailbox_write(struct str name, struct buf *out, struct err *err)
{
	struct shift shift = {.out = out};
	uint32_t code;

	if (!name.len || name.len > NAME_MAX_BYTES || !str_is_utf8(name) || has_control(name))
		return err_set(err, E_INVALID, "no name of a mailbox; expected one in UTF-8");
	buf_putc(out, '"');
	for (size_t i = 0; i < name.len;) {
		i += str_utf8_next(str_make(name.p + i, name.len - i), &code);
		if (code < 0x80) {
			shift_out(&shift);
			if (code == '"' || code == '\\')
				buf_putc(out, '\\');
			buf_putc(out, (char)code);
			if (code == '&')
				buf_putc(out, '-');
			continue;
		}
		shift_in(&shift);
		if (code >= 0x10000) {
			code -= 0x10000;
			shift_bits(&shift, 0xd800 + (code >> 10), 16);
			code = 0xdc00 + (code & 0x3ff);
		}
		shift_bits(&shift, code, 16);
	}
	shift_out(&shift);
	buf_putc(out, '"');
	return true;
}

/* --- dates ----------------------------------------------------------------------------------- */

void
imap_date_write(struct wall day, struct buf *out)
{
	struct civil civil = civil_of_days(civil_floor_div(day.ms, (int64_t)DAY_S * 1000));

	buf_printf(out, "%d-%s-%04d", civil.day, months[civil.month - 1], civil.year);
}

/* So many digits of s at *i. */
static bool
digits_take(struct str s, size_t *i, int count, int *ret)
{
	*ret = 0;
	for (; count > 0; count--, ++*i) {
		if (*i >= s.len || s.p[*i] < '0' || s.p[*i] > '9')
			return false;
		*ret = *ret * 10 + s.p[*i] - '0';
	}
	return true;
}

static bool
char_take(struct str s, size_t *i, char c)
{
	return *i < s.len && s.p[(*i)++] == c;
}

static bool
month_take(struct str s, size_t *i, int *ret)
{
	if (s.len - *i < 3)
		return false;
	for (int m = 0; m < 12; m++) {
		if (!str_eq_nocase(str_make(s.p + *i, 3), str_of(months[m])))
			continue;
		*ret = m + 1;
		*i += 3;
		return true;
	}
	return false;
}

bool
imap_time_parse(struct str text, struct wall *ret)
{
	struct str s = str_trim(text);
	int day, month, year, hour, minute, second, zone_hour, zone_minute, sign;
	size_t i = 0;

	if (!digits_take(s, &i, s.len > 1 && s.p[1] == '-' ? 1 : 2, &day) ||
	    !char_take(s, &i, '-') || !month_take(s, &i, &month) || !char_take(s, &i, '-') ||
	    !digits_take(s, &i, 4, &year) || !char_take(s, &i, ' ') ||
	    !digits_take(s, &i, 2, &hour) || !char_take(s, &i, ':') ||
	    !digits_take(s, &i, 2, &minute) || !char_take(s, &i, ':') ||
	    !digits_take(s, &i, 2, &second) || !char_take(s, &i, ' ') || i >= s.len ||
	    (s.p[i] != '+' && s.p[i] != '-'))
		return false;
	sign = s.p[i++] == '-' ? -1 : 1;
	if (!digits_take(s, &i, 2, &zone_hour) || !digits_take(s, &i, 2, &zone_minute) ||
	    i != s.len || day < 1 || day > civil_month_days(year, month) || hour > 23 ||
	    minute > 59 || second > 60)
		return false;
	ret->ms = ((civil_days(year, month, day) * 24 + hour - (int64_t)sign * zone_hour) * 60 +
		   minute - (int64_t)sign * zone_minute) *
			  60000 +
		  (int64_t)second * 1000;
	return true;
}

/* --- what people write into commands ---------------------------------------------------------- */

bool
imap_criteria_check(struct str criteria, struct err *err)
{
	bool quoted = false;
	int depth = 0;

	if (!criteria.len || criteria.len > CRITERIA_MAX)
		return err_set(err, E_INVALID, "expected criteria of IMAP's SEARCH, as UNSEEN");
	for (size_t i = 0; i < criteria.len; i++) {
		char c = criteria.p[i];

		if (c < ' ' || c > '~')
			return err_set(err, E_INVALID,
				       "search criteria take printable ASCII only, on one line; "
				       "leave the rest to filter");
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == '{')
			return err_set(err, E_INVALID,
				       "search criteria take no literals; put the text in quotes");
		else if (!quoted)
			depth += (c == '(') - (c == ')');
		if (depth < 0)
			break;
	}
	if (quoted || depth)
		return err_set(err, E_INVALID,
			       "a quote or a parenthesis of the search criteria is not closed");
	return true;
}

bool
imap_flag_check(struct str flag, struct err *err)
{
	size_t i = flag.len && flag.p[0] == '\\';

	for (; i < flag.len; i++)
		if (flag.p[i] <= ' ' || flag.p[i] > '~' || strchr("(){%*\"\\]", flag.p[i]))
			break;
	if (!flag.len || i < flag.len || flag.len > 100 || str_eq(flag, STR("\\")))
		return err_set(err, E_INVALID,
			       "%.*s is no flag; expected one like \\Flagged or rouse-seen",
			       flag.len < 100 ? (int)flag.len : 100, flag.p);
	return true;
}
