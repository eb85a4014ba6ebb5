/* rouse-mime: bodies and attachments out of the tree of parts. */
/* SPDX-License-Identifier: MIT */
#include "cell.h"
#include "mime_parts.h"

struct str
text_cut(struct str s, size_t max)
{
	if (s.len <= max)
		return s;
	/* Not behind the first bytes of a character. */
	while (max && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return str_make(s.p, max);
}

bool
json_member(struct buf *out, const char *name, const char *value, size_t max)
{
	struct str s = str_of(value);

	buf_cat(out, ",\"", name, "\":");
	if (value)
		buf_json_str(out, text_cut(s, max));
	else
		buf_puts(out, "null");
	return s.len > max;
}

void
bodies_fini(struct bodies *bodies)
{
	buf_fini(&bodies->text);
	buf_fini(&bodies->html);
	buf_fini(&bodies->list);
	buf_fini(&bodies->bytes);
}

/* --- bodies ---------------------------------------------------------------------------------- */

static bool
is_attachment(GMimeObject *object)
{
	GMimeContentDisposition *disposition = g_mime_object_get_content_disposition(object);

	if (disposition && g_mime_content_disposition_is_attachment(disposition))
		return true;
	return GMIME_IS_PART(object) && g_mime_part_get_filename(GMIME_PART(object));
}

/* Line ends become line feeds; control characters, which do nothing good on any screen and much in
 * JSON, U+FFFD. */
static void
body_add(struct buf *body, bool *ret_cut, struct str text)
{
	AUTO(buf_fini) struct buf clean = BUF_INIT;
	size_t left = MIME_TEXT_MAX - body->len;

	for (size_t i = 0; i < text.len && clean.len <= left; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c == '\r' && (i + 1 == text.len || text.p[i + 1] != '\n'))
			buf_putc(&clean, '\n');
		else if (c >= ' ' ? c != 0x7f : c == '\n' || c == '\t')
			buf_putc(&clean, text.p[i]);
		else if (c != '\r')
			buf_puts(&clean, "\xef\xbf\xbd");
	}
	if (body->len && left) {
		buf_putc(body, '\n');
		left--;
	}
	*ret_cut |= clean.len > left;
	buf_add_str(body, text_cut(buf_str(&clean), left));
}

/* Decoded, in UTF-8 where the charset is known. Owned. */
static GMimeStream *
text_of(GMimeObject *object)
{
	const char *charset = g_mime_object_get_content_type_parameter(object, "charset");
	GMimeStream *memory = g_mime_stream_mem_new();
	GMimeStream *through = g_mime_stream_filter_new(memory);
	GMimeFilter *filter = charset ? g_mime_filter_charset_new(charset, "utf-8") : NULL;
	GMimeDataWrapper *content = g_mime_part_get_content(GMIME_PART(object));

	if (filter) {
		g_mime_stream_filter_add(GMIME_STREAM_FILTER(through), filter);
		g_object_unref(filter);
	}
	if (content)
		g_mime_data_wrapper_write_to_stream(content, through);
	g_mime_stream_flush(through);
	g_object_unref(through);
	return memory;
}

/* Bytes that are no UTF-8, of someone who said nothing or something wrong: taken for Windows-1252,
 * in which all of Latin 1 is. */
static void
latin_read(GByteArray *bytes, struct buf *out)
{
	GError *error = NULL;
	gsize len = 0;
	char *text = g_convert_with_fallback((const char *)bytes->data, (gssize)bytes->len, "UTF-8",
					     "WINDOWS-1252", "?", NULL, &len, &error);

	if (text)
		buf_add(out, text, len);
	else
		buf_add(out, bytes->data, bytes->len);
	g_clear_error(&error);
	g_free(text);
}

static bool
body_take(struct bodies *bodies, GMimeObject *object)
{
	GMimeContentType *type = g_mime_object_get_content_type(object);
	bool plain = g_mime_content_type_is_type(type, "text", "plain");
	AUTO(buf_fini) struct buf latin = BUF_INIT;
	GMimeStream *memory;
	GByteArray *bytes;
	struct str text;

	if (!GMIME_IS_TEXT_PART(object) || is_attachment(object) ||
	    (!plain && !g_mime_content_type_is_type(type, "text", "html")))
		return false;
	memory = text_of(object);
	bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory));
	text = str_make(bytes->len ? (char *)bytes->data : "", bytes->len);
	if (!str_is_utf8(text)) {
		latin_read(bytes, &latin);
		text = buf_str(&latin);
	}
	if (plain)
		body_add(&bodies->text, &bodies->text_cut, text);
	else
		body_add(&bodies->html, &bodies->html_cut, text);
	g_object_unref(memory);
	return true;
}

/* --- attachments ------------------------------------------------------------------------------ */

/* The bytes of a part, decoded; of a message within the message, as it is. Owned. */
static GMimeStream *
content_of(GMimeObject *object)
{
	GMimeStream *memory = g_mime_stream_mem_new();
	GMimeDataWrapper *content = NULL;
	GMimeMessage *inner = NULL;

	if (GMIME_IS_MESSAGE_PART(object))
		inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
	else if (GMIME_IS_PART(object))
		content = g_mime_part_get_content(GMIME_PART(object));
	if (inner)
		g_mime_object_write_to_stream(GMIME_OBJECT(inner), NULL, memory);
	else if (content)
		g_mime_data_wrapper_write_to_stream(content, memory);
	return memory;
}

static void
attachment_describe(struct bodies *bodies, GMimeObject *object, GByteArray *bytes)
{
	char *type = g_mime_content_type_get_mime_type(g_mime_object_get_content_type(object));
	char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes->data, bytes->len);
	const char *name =
		GMIME_IS_PART(object) ? g_mime_part_get_filename(GMIME_PART(object)) : NULL;
	struct buf *out = &bodies->list;

	buf_printf(out, "%s{\"size\":%u", out->len ? "," : "", bytes->len);
	json_member(out, "name", name, 500);
	json_member(out, "content_type", type, 200);
	json_member(out, "disposition", g_mime_object_get_disposition(object), 100);
	json_member(out, "content_id", g_mime_object_get_content_id(object), 500);
	json_member(out, "sha256", sum, 64);
	buf_putc(out, '}');
	g_free(sum);
	g_free(type);
}

static void
attachment_take(struct bodies *bodies, GMimeObject *object)
{
	GMimeStream *memory;
	GByteArray *bytes;

	if (bodies->attachments == MIME_ATTACHMENTS_MAX) {
		bodies->left_out++;
		return;
	}
	memory = content_of(object);
	bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory));
	attachment_describe(bodies, object, bytes);
	if (bodies->save)
		cell_output(&bodies->bytes,
			    str_make(bytes->data ? (char *)bytes->data : "", bytes->len));
	bodies->attachments++;
	g_object_unref(memory);
}

/* --- the tree --------------------------------------------------------------------------------- */

void
bodies_collect(struct bodies *bodies, GMimeObject *root)
{
	/* A way down the tree: whose children these are, and which comes next. */
	struct {
		GMimeMultipart *of;
		int next;
	} way[MIME_DEPTH_MAX] = {{NULL, 0}};
	GMimeObject *object = root;
	int depth = 0;

	for (;;) {
		if (!object) {
		} else if (++bodies->parts > MIME_PARTS_MAX) {
			bodies->left_out++;
			return;
		} else if (GMIME_IS_MULTIPART(object) && depth < MIME_DEPTH_MAX) {
			way[depth].of = GMIME_MULTIPART(object);
			way[depth++].next = 0;
		} else if (GMIME_IS_MULTIPART(object)) {
			bodies->left_out++;
		} else if (!body_take(bodies, object)) {
			attachment_take(bodies, object);
		}
		while (depth &&
		       way[depth - 1].next >= g_mime_multipart_get_count(way[depth - 1].of))
			depth--;
		if (!depth)
			return;
		object = g_mime_multipart_get_part(way[depth - 1].of, way[depth - 1].next++);
	}
}
