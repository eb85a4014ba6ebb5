/* Events: what happened, as one CloudEvents document. SPEC 4. */
/* SPDX-License-Identifier: MIT */
#include "core/event.h"

#include "base/digest.h"
#include "base/json.h"
#include "core/source.h"

static void
member(struct buf *out, const char *name, struct str value)
{
	buf_cat(out, ",\"", name, "\":");
	buf_json_str(out, value);
}

void
event_document(const struct happening *h, const char *event_id, struct wall at, struct buf *out)
{
	const char *kind = h->trigger ? h->trigger->kind->name : "manual";
	const char *name = h->trigger ? h->trigger->name : h->agent->name;
	AUTO(buf_fini) struct buf source = BUF_INIT;

	buf_reserve(out, h->data.len + h->extension.len + 512);
	buf_puts(out, "{\"specversion\":\"1.0\",\"id\":");
	buf_json_str(out, h->id.len ? h->id : str_of(event_id));
	if (!h->source.p)
		buf_cat(&source, kind, "/", name);
	member(out, "source", h->source.p ? h->source : buf_str(&source));
	buf_puts(out, ",\"type\":");
	if (h->type.p)
		buf_json_str(out, h->type);
	else
		buf_cat(out, "\"rouse.", kind, "\"");
	if (h->time.p) {
		member(out, "time", h->time);
	} else {
		buf_puts(out, ",\"time\":\"");
		wall_format(at, out);
		buf_putc(out, '"');
	}
	if (h->subject.p)
		member(out, "subject", h->subject);
	member(out, "datacontenttype",
	       h->content_type.p ? h->content_type : STR("application/json"));
	if (h->attributes.len) {
		buf_putc(out, ',');
		buf_add_str(out, h->attributes);
	}
	buf_puts(out, ",\"data\":");
	buf_add_str(out, h->data.p ? h->data : STR("null"));
	buf_puts(out, ",\"rouse\":{\"trigger\":");
	buf_json_cstr(out, h->trigger ? h->trigger->name : NULL);
	if (h->extension.len) {
		buf_putc(out, ',');
		buf_add_str(out, h->extension);
	}
	buf_puts(out, "}}");
}

json_t *
event_object(const struct event_row *row)
{
	json_t *object = json_object();

	json_put_str(object, "id", row->id);
	json_object_set_new(object, "trigger",
			    row->trigger && *row->trigger ? json_string(row->trigger)
							  : json_null());
	json_put_str(object, "source", row->source);
	json_put_wall(object, "time", row->time.ms);
	json_put_str(object, "outcome", row->outcome);
	json_object_set_new(object, "rule", row->rule ? json_string(row->rule) : json_null());
	json_object_set_new(object, "key", row->key ? json_string(row->key) : json_null());
	json_object_set_new(object, "run", row->run_id ? json_string(row->run_id) : json_null());
	json_put_str(object, "subject", row->subject);
	if (row->document) {
		json_t *document = NULL;

		if (json_read(str_of(row->document), &document, NULL))
			json_object_set_new(object, "document", document);
	}
	return object;
}

uint64_t
admit_fingerprint(const json_t *payload)
{
	AUTO(buf_fini) struct buf sorted = BUF_INIT;
	struct digest digest;
	uint64_t print;

	json_write_sorted(&sorted, payload);
	digest = digest_of(DIGEST_SHA256, buf_str(&sorted));
	memcpy(&print, digest.bytes, sizeof(print));
	return print ? print : 1;
}

static void
cause_field(struct str value, char *field, size_t size)
{
	if (value.len >= size)
		return;
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] < '!' || value.p[i] > '~')
			return;
	memcpy(field, value.p, value.len);
	field[value.len] = '\0';
}

struct cause
cause_parse(struct str header)
{
	struct cause cause = {.hops = 0};
	uint64_t hops;

	while (header.p && header.len) {
		struct str pair, name;

		header = str_split(header, ';', &pair);
		pair = str_split(str_trim(pair), '=', &name);
		if (str_eq_cstr(name, "root"))
			cause_field(pair, cause.root, sizeof(cause.root));
		else if (str_eq_cstr(name, "parent"))
			cause_field(pair, cause.parent, sizeof(cause.parent));
		else if (str_eq_cstr(name, "hops") && str_to_u64(pair, &hops) && hops < 1000000)
			cause.hops = (int)hops;
	}
	return cause;
}

void
cause_format(const struct cause *cause, struct buf *out)
{
	buf_printf(out, "root=%s;parent=%s;hops=%d", cause->root, cause->parent, cause->hops);
}
