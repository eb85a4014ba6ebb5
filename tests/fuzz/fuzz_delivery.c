/* Fuzz target: bodies of deliveries: forms, CloudEvents one by one and in batches. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "base/json.h"
#include "triggers/webhook/webhook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
holds_json(struct str text)
{
	struct err err = ERR_INIT;
	json_t *value = NULL;
	bool ok = json_read(text, &value, &err);

	/* Deeper than is taken from outside, it may be: a body within an object. */
	assert(ok || strstr(err_text(&err), "deep"));
	json_decref(value);
	err_fini(&err);
}

static void
event_holds(const struct hook_event *event)
{
	AUTO(buf_fini) struct buf attributes = BUF_INIT;

	buf_putc(&attributes, '{');
	buf_add_str(&attributes, event->happening.attributes);
	buf_putc(&attributes, '}');
	holds_json(buf_str(&attributes));
	if (event->happening.data.p)
		holds_json(event->happening.data);
	assert(event->happening.id.len && event->happening.source.len && event->happening.type.len);
}

static void
array_holds(struct str text)
{
	json_t *array = NULL;
	struct str rest = str_trim(text), one;
	size_t count = 0;

	if (!json_read(text, &array, NULL))
		return;
	if (json_is_array(array)) {
		rest = str_make(rest.p + 1, rest.len - 1);
		for (; json_array_next(&rest, &one); count++)
			holds_json(one);
		assert(count == json_array_size(array));
	}
	json_decref(array);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_make(data, size);
	AUTO(buf_fini) struct buf form = BUF_INIT;
	struct hook_event one = {.object = NULL}, *batch;
	size_t count;

	form_write(text, &form, NULL);
	holds_json(buf_str(&form));
	array_holds(text);
	if (cloudevent_structured(text, &one, NULL))
		event_holds(&one);
	hook_event_fini(&one);
	if (cloudevent_batch(text, &batch, &count, NULL)) {
		for (size_t i = 0; i < count; i++)
			event_holds(&batch[i]);
		hook_events_free(batch, count);
	}
	return 0;
}
