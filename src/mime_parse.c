/* rouse-mime: a message as it was received becomes a document. RFC 5322, 2045 to 2047, 2231. */
/* SPDX-License-Identifier: MIT */
#include <iconv.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "cell.h"
#include "mime_parts.h"

/* Converters are shared objects that iconv would have to open: kept from before the rights go. */
static const char *const charsets[] = {
	"ISO-8859-1",	"ISO-8859-2",	"ISO-8859-3",	"ISO-8859-4",	"ISO-8859-5",
	"ISO-8859-6",	"ISO-8859-7",	"ISO-8859-8",	"ISO-8859-9",	"ISO-8859-10",
	"ISO-8859-13",	"ISO-8859-14",	"ISO-8859-15",	"ISO-8859-16",	"WINDOWS-1250",
	"WINDOWS-1251", "WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255",
	"WINDOWS-1256", "WINDOWS-1257", "WINDOWS-1258", "KOI8-R",	"KOI8-U",
	"GB2312",	"GBK",		"GB18030",	"BIG5",		"BIG5-HKSCS",
	"EUC-JP",	"ISO-2022-JP",	"SHIFT_JIS",	"CP932",	"EUC-KR",
	"ISO-2022-KR",	"CP949",	"TIS-620",	"MACINTOSH",	"CP437",
	"CP850",	"CP866",	"UTF-16",	"UTF-32",	"US-ASCII",
};

/* Each stays open, and with it the converter. */
static iconv_t kept[ARRAY_LEN(charsets)];

void
mime_prepare(void)
{
	static const char *fallback[] = {"utf-8", "windows-1252", NULL};

	for (size_t i = 0; i < ARRAY_LEN(charsets); i++)
		kept[i] = iconv_open("UTF-8", charsets[i]);
	g_mime_init();
	g_mime_parser_options_set_fallback_charsets(g_mime_parser_options_get_default(), fallback);
}

/* --- fields ----------------------------------------------------------------------------------- */

static void
lower_add(struct buf *out, const char *s)
{
	for (; *s; s++)
		buf_putc(out, (char)(*s >= 'A' && *s <= 'Z' ? *s | 0x20 : *s));
}

static bool
is_field_name(const char *name)
{
	const char *p = name;

	while (*p > ' ' && *p <= '~')
		p++;
	return p > name && !*p && p - name <= 100;
}

/* All values of the i-th field's name, one a line. */
static void
values_join(GMimeHeaderList *list, int i, int count, struct buf *out, bool *ret_cut)
{
	const char *name = g_mime_header_get_name(g_mime_header_list_get_header_at(list, i));

	for (int k = i; k < count; k++) {
		GMimeHeader *header = g_mime_header_list_get_header_at(list, k);
		struct str value;

		if (strcasecmp(g_mime_header_get_name(header), name))
			continue;
		value = str_of(g_mime_header_get_value(header));
		if (out->len)
			buf_putc(out, '\n');
		*ret_cut |= value.len > MIME_FIELD_MAX;
		if (value.p)
			buf_add_str(out, text_cut(str_trim(value), MIME_FIELD_MAX));
		if (out->len > MIME_FIELD_MAX)
			return;
	}
}

static bool
is_first(GMimeHeaderList *list, int i)
{
	const char *name = g_mime_header_get_name(g_mime_header_list_get_header_at(list, i));

	for (int k = 0; k < i; k++)
		if (!strcasecmp(g_mime_header_get_name(g_mime_header_list_get_header_at(list, k)),
				name))
			return false;
	return true;
}

/* "headers":{…}; true when not all of them are there as they were. */
static bool
headers_write(GMimeObject *message, struct buf *out)
{
	GMimeHeaderList *list = g_mime_object_get_header_list(message);
	int all = g_mime_header_list_get_count(list);
	int count = all < MIME_FIELDS_MAX ? all : MIME_FIELDS_MAX;
	size_t before = out->len;
	bool cut = all > count, first = true;

	buf_puts(out, ",\"headers\":{");
	for (int i = 0; i < count; i++) {
		const char *name =
			g_mime_header_get_name(g_mime_header_list_get_header_at(list, i));
		AUTO(buf_fini) struct buf value = BUF_INIT;
		AUTO(buf_fini) struct buf lower = BUF_INIT;

		if (!is_field_name(name) || out->len - before > MIME_HEADERS_MAX) {
			cut = true;
			continue;
		}
		if (!is_first(list, i))
			continue;
		values_join(list, i, count, &value, &cut);
		lower_add(&lower, name);
		if (!first)
			buf_putc(out, ',');
		first = false;
		buf_json_str(out, buf_str(&lower));
		buf_putc(out, ':');
		buf_json_str(out, buf_str(&value));
	}
	buf_putc(out, '}');
	return cut;
}

/* ,"name":["A <a@b>",…]; true when there are more than it has. */
static bool
addresses_write(InternetAddressList *list, const char *name, struct buf *out)
{
	int all = list ? internet_address_list_length(list) : 0;
	int count = all < MIME_ADDRESSES_MAX ? all : MIME_ADDRESSES_MAX;

	buf_cat(out, ",\"", name, "\":[");
	for (int i = 0; i < count; i++) {
		char *text = internet_address_to_string(internet_address_list_get_address(list, i),
							NULL, FALSE);

		if (i)
			buf_putc(out, ',');
		buf_json_str(out, text_cut(str_of(text ? text : ""), MIME_ID_MAX));
		g_free(text);
	}
	buf_putc(out, ']');
	return all > count;
}

/* From, as people see it; its address alone, where it has one and no more. */
static void
from_write(GMimeMessage *message, struct buf *out)
{
	InternetAddressList *list = g_mime_message_get_from(message);
	InternetAddress *first = list && internet_address_list_length(list) == 1
					 ? internet_address_list_get_address(list, 0)
					 : NULL;
	char *text = list && internet_address_list_length(list) <= MIME_ADDRESSES_MAX
			     ? internet_address_list_to_string(list, NULL, FALSE)
			     : NULL;

	json_member(out, "from", text && *text ? text : NULL, MIME_FIELD_MAX);
	json_member(out, "from_address",
		    first && INTERNET_ADDRESS_IS_MAILBOX(first)
			    ? internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(first))
			    : NULL,
		    MIME_ID_MAX);
	g_free(text);
}

static void
id_add(struct buf *out, const char *id)
{
	AUTO(buf_fini) struct buf whole = BUF_INIT;

	buf_cat(&whole, "<", id, ">");
	buf_json_str(out, buf_str(&whole));
}

static void
id_write(struct buf *out, const char *name, const char *id)
{
	buf_cat(out, ",\"", name, "\":");
	if (id && *id && strlen(id) <= MIME_ID_MAX)
		id_add(out, id);
	else
		buf_puts(out, "null");
}

/* The ids of In-Reply-To, the first of them; those of References, all. */
static void
references_write(GMimeMessage *message, struct buf *out)
{
	const char *reply = g_mime_object_get_header(GMIME_OBJECT(message), "In-Reply-To");
	const char *all = g_mime_object_get_header(GMIME_OBJECT(message), "References");
	GMimeReferences *ids = reply ? g_mime_references_parse(NULL, reply) : NULL;

	id_write(out, "in_reply_to",
		 ids && g_mime_references_length(ids) ? g_mime_references_get_message_id(ids, 0)
						      : NULL);
	if (ids)
		g_mime_references_free(ids);
	ids = all ? g_mime_references_parse(NULL, all) : NULL;
	buf_puts(out, ",\"references\":[");
	for (int i = 0, first = 1; ids && i < g_mime_references_length(ids) && i < 50; i++) {
		const char *id = g_mime_references_get_message_id(ids, i);

		if (strlen(id) > MIME_ID_MAX)
			continue;
		if (!first)
			buf_putc(out, ',');
		first = 0;
		id_add(out, id);
	}
	buf_putc(out, ']');
	if (ids)
		g_mime_references_free(ids);
}

static void
date_write(GMimeMessage *message, struct buf *out)
{
	GDateTime *date = g_mime_message_get_date(message);
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (date)
		wall_format((struct wall){g_date_time_to_unix(date) * 1000}, &text);
	json_member(out, "date", date ? buf_cstr(&text) : NULL, 100);
}

/* --- the document ------------------------------------------------------------------------------
 */

static void
cuts_write(struct buf *out, bool headers, bool addresses, const struct bodies *bodies)
{
	const struct {
		bool is;
		const char *name;
	} cuts[] = {{headers, "headers"},
		    {addresses, "to"},
		    {bodies->text_cut, "text"},
		    {bodies->html_cut, "html"},
		    {bodies->left_out, "attachments"}};
	bool any = false;

	buf_puts(out, ",\"truncated\":[");
	for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
		if (!cuts[i].is)
			continue;
		buf_cat(out, any ? ",\"" : "\"", cuts[i].name, "\"");
		any = true;
	}
	buf_putc(out, ']');
}

static void
document_write(GMimeMessage *message, const struct bodies *bodies, struct buf *out)
{
	bool headers_cut, addresses_cut;

	buf_printf(out, "{\"parts\":%u", bodies->parts);
	from_write(message, out);
	addresses_cut = addresses_write(g_mime_message_get_to(message), "to", out);
	addresses_cut |= addresses_write(g_mime_message_get_cc(message), "cc", out);
	addresses_cut |= addresses_write(g_mime_message_get_reply_to(message), "reply_to", out);
	json_member(out, "subject", g_mime_message_get_subject(message), MIME_FIELD_MAX);
	date_write(message, out);
	id_write(out, "message_id", g_mime_message_get_message_id(message));
	references_write(message, out);
	headers_cut = headers_write(GMIME_OBJECT(message), out);
	json_member(out, "text", bodies->text.data, MIME_TEXT_MAX);
	json_member(out, "html", bodies->html.data, MIME_TEXT_MAX);
	buf_puts(out, ",\"attachments\":[");
	buf_add_str(out, buf_str(&bodies->list));
	buf_putc(out, ']');
	cuts_write(out, headers_cut, addresses_cut, bodies);
	buf_putc(out, '}');
}

bool
mime_message(struct str raw, bool save, struct buf *outputs, struct err *err)
{
	AUTO(bodies_fini) struct bodies bodies = {.save = save};
	AUTO(buf_fini) struct buf document = BUF_INIT;
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(raw.len ? raw.p : "", raw.len);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
	GMimeObject *root = message ? g_mime_message_get_mime_part(message) : NULL;
	bool ok = message != NULL;

	if (root)
		bodies_collect(&bodies, root);
	if (ok) {
		document_write(message, &bodies, &document);
		cell_output(outputs, buf_str(&document));
		buf_add_str(outputs, buf_str(&bodies.bytes));
		g_object_unref(message);
	} else {
		err_set(err, E_MAPPING, "the message is no mail: it has no header");
	}
	g_object_unref(parser);
	g_object_unref(stream);
	return ok;
}
