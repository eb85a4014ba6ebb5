/* CloudEvents 1.0 in the three modes of their HTTP binding: binary, structured, batched. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "base/digest.h"
#include "base/json.h"
#include "triggers/webhook/webhook.h"

#define ATTRIBUTE_MAX 64

/* Attributes that have a place of their own. */
enum attribute {
	A_SPECVERSION,
	A_ID,
	A_SOURCE,
	A_TYPE,
	A_SUBJECT,
	A_TIME,
	A_CONTENT_TYPE,
	A_COUNT
};
static const char *const attribute_names[] = {"specversion", "id",   "source",	       "type",
					      "subject",     "time", "datacontenttype"};
static_assert(ARRAY_LEN(attribute_names) == A_COUNT, "a name for every attribute");

void
hook_event_fini(struct hook_event *event)
{
	json_decref(event->object);
	buf_fini(&event->data);
	buf_fini(&event->text);
	buf_fini(&event->attributes);
	buf_fini(&event->key);
}

void
hook_events_free(struct hook_event *events, size_t count)
{
	for (size_t i = 0; i < count; i++)
		hook_event_fini(&events[i]);
	free(events);
}

/* By how the type begins, as the binding has it; JSON is the one format of events that is spoken.
 */
enum cloudevent_mode
cloudevent_mode(const struct http_request *req)
{
	const struct str batch = STR("application/cloudevents-batch");
	const struct str one = STR("application/cloudevents");
	struct str type = hook_media_type(http_header(req, "content-type", 0));
	size_t known = str_starts_nocase(type, batch) ? batch.len : one.len;
	struct str format;

	if (str_starts_nocase(type, one)) {
		format = str_make(type.p + known, type.len - known);
		if (format.len && !str_eq_nocase(format, STR("+json")))
			return CLOUDEVENT_UNKNOWN;
		return known == batch.len ? CLOUDEVENT_BATCH : CLOUDEVENT_ONE;
	}
	return http_header(req, "ce-specversion", 0).p && http_header(req, "ce-id", 0).p &&
			       http_header(req, "ce-source", 0).p &&
			       http_header(req, "ce-type", 0).p
		       ? CLOUDEVENT_BINARY
		       : CLOUDEVENT_NONE;
}

/* Letters a to z and digits, as the specification has it. */
static bool
name_is_sound(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!(name.p[i] >= 'a' && name.p[i] <= 'z') &&
		    !(name.p[i] >= '0' && name.p[i] <= '9'))
			return false;
	return name.len && name.len <= ATTRIBUTE_MAX;
}

static bool
is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

static bool
text_is_sound(struct str name, struct str text, struct err *err)
{
	while (text.len) {
		uint32_t code;
		size_t used = str_utf8_next(text, &code);

		if (!used || is_control(code))
			return err_set(err, E_INVALID,
				       "CloudEvent: %.*s holds %s; expected a text without it",
				       STR_ARG(name),
				       used ? "a control character" : "what is not UTF-8");
		text = str_make(text.p + used, text.len - used);
	}
	return true;
}

/* Where the attribute of this name stands in known; NULL: it is an extension. */
static struct str *
known_slot(struct str known[A_COUNT], struct str name)
{
	for (int i = 0; i < A_COUNT; i++)
		if (str_eq_cstr(name, attribute_names[i]))
			return &known[i];
	return NULL;
}

static void
extension_add(struct hook_event *event, struct str name, struct str json)
{
	if (event->attributes.len)
		buf_putc(&event->attributes, ',');
	buf_json_str(&event->attributes, name);
	buf_putc(&event->attributes, ':');
	buf_add_str(&event->attributes, json);
}

/* What every mode ends in: the four that must be there, and a time that is one. */
static bool
event_settle(struct hook_event *event, const struct str known[A_COUNT], struct err *err)
{
	struct happening *h = &event->happening;
	struct wall when;

	for (int i = A_SPECVERSION; i <= A_TYPE; i++)
		if (!known[i].len)
			return err_set(err, E_INVALID,
				       "CloudEvent without %s; it needs specversion, id, source "
				       "and type",
				       attribute_names[i]);
	if (!str_eq_cstr(known[A_SPECVERSION], "1.0"))
		return err_set(err, E_INVALID, "CloudEvent of specversion %.*s; expected 1.0",
			       STR_ARG(known[A_SPECVERSION]));
	if (known[A_TIME].p && !wall_parse(known[A_TIME], &when))
		return err_set(err, E_INVALID,
			       "CloudEvent: time %.*s; expected RFC 3339, as 2026-11-20T09:30:00Z",
			       STR_ARG(known[A_TIME]));
	h->id = known[A_ID];
	h->source = known[A_SOURCE];
	h->type = known[A_TYPE];
	h->subject = known[A_SUBJECT];
	h->time = known[A_TIME];
	if (known[A_CONTENT_TYPE].len)
		h->content_type = known[A_CONTENT_TYPE];
	h->attributes = buf_str(&event->attributes);
	return true;
}

/* --- structured ---------------------------------------------------------------------------- */

static bool
member_take(struct str name, json_t *value, struct str known[A_COUNT], struct hook_event *event,
	    struct err *err)
{
	struct str *slot = known_slot(known, name);

	if (json_is_null(value) || str_eq_cstr(name, "data") || str_eq_cstr(name, "data_base64"))
		return true;
	/* An event of another Rouse brings this along; ours says what is so here. */
	if (str_eq_cstr(name, "rouse"))
		return true;
	if (!name_is_sound(name))
		return err_set(err, E_INVALID,
			       "CloudEvent: '%.*s' is no name of an attribute; expected letters "
			       "a to z and digits",
			       STR_ARG(name));
	if (slot ? !json_is_string(value)
		 : !json_is_string(value) && !json_is_integer(value) && !json_is_boolean(value))
		return err_set(err, E_INVALID, "CloudEvent: %.*s is no %s", STR_ARG(name),
			       slot ? "string" : "string, integer or boolean");
	if (json_is_string(value)) {
		struct str s = str_make(json_string_value(value), json_string_length(value));

		if (!text_is_sound(name, s, err))
			return false;
		if (slot)
			*slot = s;
	}
	if (!slot) {
		AUTO(buf_fini) struct buf json = BUF_INIT;

		json_write(&json, value);
		extension_add(event, name, buf_str(&json));
	}
	return true;
}

/* data_base64 is what the body would have been in binary mode. */
static bool
base64_data(struct str content_type, json_t *value, struct hook_event *event, struct err *err)
{
	AUTO(buf_fini) struct buf made = BUF_INIT;
	AUTO(buf_fini) struct buf bytes = BUF_INIT;
	struct str data;

	if (!json_is_string(value) ||
	    !base64_decode(str_make(json_string_value(value), json_string_length(value)), &bytes))
		return err_set(err, E_INVALID, "CloudEvent: data_base64 is not base64");
	if (!hook_body(content_type.len ? content_type : STR("application/octet-stream"),
		       buf_str(&bytes), true, &made, &data, err))
		return err_prefix(err, "CloudEvent: data_base64");
	buf_add_str(&event->data, data);
	event->happening.data = buf_str(&event->data);
	return true;
}

static bool
structured_read(struct str text, json_t *object, struct hook_event *event, struct err *err)
{
	static const struct json_step data_step = {.name = {"data", 4}};
	struct str known[A_COUNT] = {{NULL, 0}};
	json_t *value, *base64 = json_object_get(object, "data_base64");
	const char *key;
	size_t len;

	if (!json_is_object(object))
		return err_set(err, E_INVALID, "CloudEvent: expected a JSON object");
	json_object_keylen_foreach(
		object, key, len,
		value) if (!member_take(str_make(key, len), value, known, event, err)) return false;
	if (json_is_null(base64))
		base64 = NULL;
	json_raw_find(text, &data_step, 1, &event->happening.data);
	if (base64 && event->happening.data.p)
		return err_set(err, E_INVALID,
			       "CloudEvent: both data and data_base64; expected one of them");
	if (base64 && !base64_data(known[A_CONTENT_TYPE], base64, event, err))
		return false;
	return event_settle(event, known, err);
}

bool
cloudevent_structured(struct str text, struct hook_event *event, struct err *err)
{
	return json_read(text, &event->object, err) &&
	       structured_read(str_trim(text), event->object, event, err);
}

/* --- batched ------------------------------------------------------------------------------- */

bool
json_array_next(struct str *rest, struct str *ret)
{
	const char *p = rest->p, *end = rest->p + rest->len;
	size_t depth = 0;
	bool quoted = false;

	for (; p < end; p++) {
		if (quoted) {
			if (*p == '\\')
				p++;
			else if (*p == '"')
				quoted = false;
		} else if (*p == '"') {
			quoted = true;
		} else if (*p == '{' || *p == '[') {
			depth++;
		} else if (depth && (*p == '}' || *p == ']')) {
			depth--;
		} else if (!depth && (*p == ',' || *p == ']')) {
			break;
		}
	}
	*ret = str_trim(str_make(rest->p, (size_t)(p - rest->p)));
	*rest = p < end ? str_make(p + 1, (size_t)(end - p) - 1) : str_make(end, 0);
	return ret->len > 0;
}

bool
cloudevent_batch(struct str text, struct hook_event **ret, size_t *ret_count, struct err *err)
{
	AUTO(json_auto_decref) json_t *array = NULL;
	struct hook_event *events;
	struct str rest = str_trim(text), one;
	size_t count;

	*ret = NULL;
	*ret_count = 0;
	if (!json_read(text, &array, err))
		return false;
	if (!json_is_array(array))
		return err_set(err, E_INVALID, "a batch of CloudEvents is a JSON array");
	count = json_array_size(array);
	if (count > HOOK_PARTS_MAX)
		return err_set(err, E_TOO_LARGE,
			       "a batch of %zu CloudEvents; send at most %d in one request", count,
			       HOOK_PARTS_MAX);
	if (!count)
		return true;
	events = mem_alloc_array(count, sizeof(*events));
	rest = str_make(rest.p + 1, rest.len - 1);
	for (size_t i = 0; i < count; i++) {
		json_array_next(&rest, &one);
		events[i].object = json_incref(json_array_get(array, i));
		if (structured_read(one, events[i].object, &events[i], err))
			continue;
		hook_events_free(events, count);
		return err_prefix(err, "event %zu of %zu", i + 1, count);
	}
	*ret = events;
	*ret_count = count;
	return true;
}

/* --- binary -------------------------------------------------------------------------------- */

/* Unquoted first, then one round of percent-decoding: http binding 3.1.3.2. */
static void
value_decode(struct str raw, struct buf *out)
{
	bool quoted = raw.len >= 2 && raw.p[0] == '"' && raw.p[raw.len - 1] == '"';

	if (quoted)
		raw = str_make(raw.p + 1, raw.len - 2);
	for (size_t i = 0; i < raw.len; i++) {
		int byte = percent_byte(raw, i);

		if (quoted && raw.p[i] == '\\' && i + 1 < raw.len) {
			buf_putc(out, raw.p[++i]);
		} else if (byte >= 0) {
			buf_putc(out, (char)byte);
			i += 2;
		} else {
			buf_putc(out, raw.p[i]);
		}
	}
}

/* Places in a buffer that may still move. */
struct place {
	size_t at, len;
	bool set;
};

static bool
header_take(struct str name, struct str raw, struct place places[A_COUNT], struct hook_event *event,
	    struct err *err)
{
	struct str none[A_COUNT] = {{NULL, 0}}, *slot = known_slot(none, name), value;
	struct place *place = slot ? &places[slot - none] : NULL;
	size_t at = event->text.len;

	/* The specification forbids this one; Content-Type says it. Names that are none are not
	 * lost: the headers are in the event. */
	if (str_eq_cstr(name, "datacontenttype") || str_eq_cstr(name, "rouse") ||
	    !name_is_sound(name))
		return true;
	value_decode(raw, &event->text);
	value = str_make(event->text.data + at, event->text.len - at);
	if (!text_is_sound(name, value, err))
		return false;
	if (place) {
		*place = (struct place){at, value.len, true};
	} else {
		AUTO(buf_fini) struct buf json = BUF_INIT;

		buf_json_str(&json, value);
		extension_add(event, name, buf_str(&json));
	}
	return true;
}

static bool
came_before(const struct http_request *req, size_t i, struct str name)
{
	struct str other, value;

	for (size_t j = 0; j < i; j++) {
		http_header_at(req, j, &other, &value);
		if (str_eq(other, name))
			return true;
	}
	return false;
}

bool
cloudevent_binary(const struct http_request *req, struct hook_event *event, struct err *err)
{
	struct place places[A_COUNT] = {{0}};
	struct str known[A_COUNT] = {{NULL, 0}}, name, value;

	for (size_t i = 0; i < http_header_count(req); i++) {
		http_header_at(req, i, &name, &value);
		if (!str_starts(name, STR("ce-")))
			continue;
		if (came_before(req, i, name))
			return err_set(err, E_INVALID, "CloudEvent: the header %.*s stands twice",
				       STR_ARG(name));
		if (!header_take(str_make(name.p + 3, name.len - 3), value, places, event, err))
			return false;
	}
	for (int i = 0; i < A_COUNT; i++)
		if (places[i].set)
			known[i] = str_make(event->text.data + places[i].at, places[i].len);
	known[A_CONTENT_TYPE] = http_header(req, "content-type", 0);
	return event_settle(event, known, err);
}
