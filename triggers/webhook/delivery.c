/* Deliveries: a verified request becomes an event or several, and gets one answer. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/list.h"
#include "base/uuid.h"
#include "core/event.h"
#include "core/run.h"
#include "core/stream.h"
#include "io/jail.h"
#include "store/runs.h"
#include "triggers/webhook/webhook.h"

/* What became of one event, where a request tells of several. */
struct part {
	STAILQ_ENTRY(part) entry;
	struct delivery *delivery;
	char event_id[40], run_id[40];
	const char *outcome, *run_status;
	char *rule;
	bool replayed;
	struct err err;
};

/* An event that is being split. */
struct splitting {
	struct delivery *delivery;
	const struct hook_event *event;
};

/* One delivery, from its request to its answer. */
struct delivery {
	struct core *core;
	struct http_request *req;
	char trigger[64];
	int ack;
	int64_t wait_ms;
	struct buf extension;
	struct handshake_answer answer; /* of a ping; status 0: none */
	/* The events that it tells of; event alone is not in events. */
	struct hook_event event;
	struct hook_event *events;
	size_t count;
	/* Several: in order. Held at one above zero until all are begun. */
	STAILQ_HEAD(, part) parts;
	size_t part_count, pending;
	/* respond = wait: until the run ends or time is up. */
	struct subscriber *subscriber;
	struct core_timer *timer;
	char run_id[40];
};

static void
delivery_free(struct delivery *delivery)
{
	struct part *part;

	while ((part = STAILQ_FIRST(&delivery->parts))) {
		STAILQ_REMOVE_HEAD(&delivery->parts, entry);
		free(part->rule);
		err_fini(&part->err);
		free(part);
	}
	stream_unsubscribe(delivery->subscriber);
	core_timer_free(delivery->timer);
	hook_event_fini(&delivery->event);
	hook_events_free(delivery->events, delivery->count);
	buf_fini(&delivery->extension);
	buf_fini(&delivery->answer.body);
	free(delivery);
}

/* --- the answer to one event --------------------------------------------------------------- */

static void
answer_run(struct http_request *req, int status, const struct admission_result *result)
{
	AUTO(buf_fini) struct buf json = BUF_INIT;
	AUTO(buf_fini) struct buf location = BUF_INIT;

	buf_reserve(&json, 192);
	buf_cat(&json, "{\"run_id\":\"", result->run_id, "\",\"event_id\":\"", result->event_id,
		"\",\"status\":\"", result->run_status, "\"",
		result->replayed ? ",\"replayed\":true}" : "}");
	buf_cat(&location, "/v1/runs/", result->run_id);
	http_add_header(req, "Location", buf_cstr(&location));
	if (result->replayed)
		http_add_header(req, "Idempotency-Replayed", "true");
	http_reply_json(req, status, buf_str(&json));
}

static void
answer_outcome(struct http_request *req, int status, const struct admission_result *result)
{
	AUTO(buf_fini) struct buf json = BUF_INIT;

	buf_printf(&json, "{\"event_id\":\"%s\",\"outcome\":\"%s\",\"rule\":", result->event_id,
		   result->outcome);
	buf_json_cstr(&json, result->rule);
	buf_putc(&json, '}');
	http_reply_json(req, status, buf_str(&json));
}

/* The run ended, or time is up: what it is now. */
static void
delivery_finish(void *arg)
{
	struct delivery *delivery = arg;
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf json = BUF_INIT;
	AUTO(json_auto_decref) json_t *object = NULL;
	bool final;

	if (!runs_get(delivery->core->store, delivery->run_id, &run, &err)) {
		http_reply_error(delivery->req, &err);
		delivery_free(delivery);
		return;
	}
	final = run_is_final(run_state_of(run.status));
	object = run_object(delivery->core, &run, false);
	json_object_set_new(object, "run_id", json_string(run.id));
	json_write(&json, object);
	http_reply_json(delivery->req, final ? 200 : 202, buf_str(&json));
	delivery_free(delivery);
}

static void
on_run_event(void *arg, const struct stream_event *event)
{
	struct delivery *delivery = arg;

	if (!strcmp(event->kind, "run") && run_is_final(run_state_of(event->type)))
		core_timer_arm(delivery->core, &delivery->timer, 0, delivery_finish, delivery);
}

static void
delivery_wait(struct delivery *delivery, const struct admission_result *result)
{
	memcpy(delivery->run_id, result->run_id, sizeof(delivery->run_id));
	delivery->subscriber =
		stream_subscribe(delivery->core->stream, result->run_id, on_run_event, delivery);
	core_timer_arm(delivery->core, &delivery->timer,
		       run_is_final(run_state_of(result->run_status)) ? 0 : delivery->wait_ms,
		       delivery_finish, delivery);
}

static void
on_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct delivery *delivery = arg;

	if (err->code != E_OK)
		http_reply_error(delivery->req, err);
	else if (delivery->answer.status)
		http_reply(delivery->req, delivery->answer.status, delivery->answer.content_type,
			   buf_str(&delivery->answer.body));
	else if (!result->run_id[0])
		answer_outcome(delivery->req, delivery->ack, result);
	else if (delivery->wait_ms) {
		delivery_wait(delivery, result);
		return;
	} else
		answer_run(delivery->req, result->replayed ? 200 : delivery->ack, result);
	delivery_free(delivery);
}

/* --- the answer to several ----------------------------------------------------------------- */

static json_t *
part_object(const struct part *part)
{
	json_t *object = json_object();

	json_put_str(object, "event_id", part->event_id[0] ? part->event_id : NULL);
	json_put_str(object, "outcome", part->outcome);
	json_put_str(object, "rule", part->rule && *part->rule ? part->rule : NULL);
	if (part->run_id[0]) {
		json_put_str(object, "run_id", part->run_id);
		json_put_str(object, "status", part->run_status);
	}
	if (part->replayed)
		json_object_set_new(object, "replayed", json_true());
	json_put_str(object, "error", part->err.code != E_OK ? err_text(&part->err) : NULL);
	return object;
}

/* What may be tried again speaks for all: those that were kept are known by their keys then. One
 * that can never be mapped does not take the others with it. NULL: no error. */
static const struct err *
parts_error(const struct delivery *delivery)
{
	const struct part *part;
	size_t bad = 0;

	STAILQ_FOREACH (part, &delivery->parts, entry) {
		if (part->err.code == E_OK)
			continue;
		if (err_again(part->err.code) || part->err.code == E_BUDGET)
			return &part->err;
		bad++;
	}
	part = STAILQ_FIRST(&delivery->parts);
	return bad && bad == delivery->part_count ? &part->err : NULL;
}

static void
answer_parts(struct delivery *delivery)
{
	AUTO(json_auto_decref) json_t *object = json_object();
	AUTO(buf_fini) struct buf json = BUF_INIT;
	const struct err *err = parts_error(delivery);
	json_t *runs = json_array(), *items = json_array();
	struct part *part;
	size_t replayed = 0;

	STAILQ_FOREACH (part, &delivery->parts, entry) {
		if (part->run_id[0])
			json_array_append_new(runs, json_string(part->run_id));
		json_array_append_new(items, part_object(part));
		replayed += part->replayed;
	}
	if (json_array_size(runs))
		json_object_set(object, "run_id", json_array_get(runs, 0));
	json_object_set_new(object, "run_ids", runs);
	json_object_set_new(object, "items", items);
	json_write(&json, object);
	if (err) {
		http_reply_error(delivery->req, err);
	} else {
		bool again = replayed && replayed == delivery->part_count;

		if (again)
			http_add_header(delivery->req, "Idempotency-Replayed", "true");
		http_reply_json(delivery->req, again ? 200 : delivery->ack, buf_str(&json));
	}
	delivery_free(delivery);
}

static void
delivery_release(struct delivery *delivery)
{
	if (!--delivery->pending)
		answer_parts(delivery);
}

static void
on_part_admitted(void *arg, const struct admission_result *result, const struct err *err)
{
	struct part *part = arg;

	if (result) {
		memcpy(part->event_id, result->event_id, sizeof(part->event_id));
		memcpy(part->run_id, result->run_id, sizeof(part->run_id));
		part->outcome = result->outcome;
		part->run_status = result->run_status;
		part->rule = mem_strdup(result->rule);
		part->replayed = result->replayed;
	}
	if (err->code != E_OK)
		err_set(&part->err, err->code, "%s", err_text(err));
	delivery_release(part->delivery);
}

/* The trigger is looked up again: between the request and its parts the configuration may have been
 * read anew. */
static void
part_admit(struct delivery *delivery, struct happening *happening)
{
	struct part *part = mem_alloc(sizeof(*part));

	part->delivery = delivery;
	STAILQ_INSERT_TAIL(&delivery->parts, part, entry);
	delivery->part_count++;
	happening->trigger = registry_trigger(delivery->core->registry, delivery->trigger);
	if (!happening->trigger) {
		err_set(&part->err, E_UNAVAILABLE, "trigger %s is gone; send it again",
			delivery->trigger);
		return;
	}
	delivery->pending++;
	if (admit_event(delivery->core, happening, on_part_admitted, part, &part->err))
		return;
	delivery->pending--;
}

/* --- splitting ----------------------------------------------------------------------------- */

static bool
is_array(struct str json)
{
	return json.len && json.p[0] == '[';
}

static size_t
array_count(struct str array)
{
	struct str rest = str_make(array.p + 1, array.len - 1), one;
	size_t count = 0;

	while (count <= HOOK_PARTS_MAX && json_array_next(&rest, &one))
		count++;
	return count;
}

/* The whole event as one part, with the reason why it could not be split. */
static void
split_fail(const struct splitting *splitting, const char *reason)
{
	struct happening happening = splitting->event->happening;

	happening.unreadable = str_of(reason);
	part_admit(splitting->delivery, &happening);
}

static void
split_part(const struct splitting *splitting, struct str json, size_t i, size_t count)
{
	const struct happening *whole = &splitting->event->happening;
	struct happening happening = *whole;
	AUTO(buf_fini) struct buf key = BUF_INIT;
	AUTO(buf_fini) struct buf id = BUF_INIT;
	AUTO(buf_fini) struct buf extension = BUF_INIT;

	buf_add_str(&extension, whole->extension);
	buf_printf(&extension, ",\"part\":{\"index\":%zu,\"of\":%zu}", i, count);
	buf_printf(&key, "%.*s/%zu", STR_ARG(whole->natural_key), i);
	buf_printf(&id, "%.*s/%zu", STR_ARG(whole->id), i);
	happening.extension = buf_str(&extension);
	if (whole->natural_key.p)
		happening.natural_key = buf_str(&key);
	if (whole->id.len)
		happening.id = buf_str(&id);
	happening.content_type = STR_NONE;
	happening.data = json;
	part_admit(splitting->delivery, &happening);
}

static void
split_parts(const struct splitting *splitting, const struct str *outputs, size_t count)
{
	struct str rest = STR_NONE, one;
	bool array = count == 1 && is_array(outputs[0]);
	AUTO(buf_fini) struct buf reason = BUF_INIT;

	if (array) {
		count = array_count(outputs[0]);
		rest = str_make(outputs[0].p + 1, outputs[0].len - 1);
	}
	if (!count) {
		struct happening happening = splitting->event->happening;

		happening.refused = STR("split gave nothing");
		part_admit(splitting->delivery, &happening);
		return;
	}
	if (count > HOOK_PARTS_MAX) {
		buf_printf(&reason, "split gave more than %d parts; expected fewer",
			   HOOK_PARTS_MAX);
		split_fail(splitting, buf_cstr(&reason));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (array)
			json_array_next(&rest, &one);
		else
			one = outputs[i];
		split_part(splitting, one, i, count);
	}
}

static void
on_split(void *arg, const struct str *outputs, size_t count, struct err *err)
{
	struct splitting *splitting = arg;
	struct delivery *delivery = splitting->delivery;

	if (err->code != E_OK) {
		err_prefix(err, "split");
		split_fail(splitting, err_text(err));
	} else {
		split_parts(splitting, outputs, count);
	}
	free(splitting);
	delivery_release(delivery);
}

static void
split_begin(struct delivery *delivery, const struct hook *hook, const char *program,
	    const struct hook_event *event)
{
	struct splitting splitting = {delivery, event}, *kept;
	AUTO(buf_fini) struct buf document = BUF_INIT;
	AUTO(buf_fini) struct buf value = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct uuid id = uuid_v7(core_wall(delivery->core));

	event_document(&event->happening, id.text, core_wall(delivery->core), &document);
	if (hook->split) {
		struct str output;

		if (!path_eval(hook->split, buf_str(&document), &value, &err)) {
			err_prefix(&err, "split");
			split_fail(&splitting, err_text(&err));
			return;
		}
		output = buf_str(&value);
		/* As `.data.events[]?` would: what is not there has no parts. */
		split_parts(&splitting, &output, str_eq_cstr(output, "null") ? 0 : 1);
		return;
	}
	kept = mem_alloc(sizeof(*kept));
	*kept = splitting;
	delivery->pending++;
	if (jail_run(delivery->core->jail, program, buf_str(&document), on_split, kept, &err))
		return;
	delivery->pending--;
	free(kept);
	err_prefix(&err, "split");
	split_fail(&splitting, err_text(&err));
}

/* --- the request --------------------------------------------------------------------------- */

/* The key of a delivery that has no id of its own: its bytes, within a window of time. */
static void
key_of_bytes(const struct hook *hook, const struct http_request *req, struct buf *out)
{
	struct str parts[] = {http_method(req), STR("\n"), http_target(req), STR("\n"),
			      http_body(req)};
	struct digest digest = digest_of_parts(DIGEST_SHA256, parts, ARRAY_LEN(parts));

	buf_puts(out, "sha256:");
	hex_encode(out, str_make(digest.bytes, digest.len));
	buf_printf(out, ":%lld", (long long)(core_wall(hook->source.core).ms / hook->dedupe_ms));
}

/* What Idempotency-Key is held against: another request under the same key is a mistake. */
static uint64_t
fingerprint_of(struct str data)
{
	AUTO(json_auto_decref) json_t *json = NULL;

	return json_read(data, &json, NULL) ? admit_fingerprint(json) : 0;
}

static void
natural_key(const struct hook *hook, const struct http_request *req,
	    const struct signature_request *signed_request, struct hook_event *event)
{
	struct happening *h = &event->happening;

	h->natural_key = signature_delivery_id(hook->signature, signed_request);
	if (h->natural_key.len) {
		h->id = h->id.len ? h->id : h->natural_key;
		return;
	}
	h->natural_key = http_idempotency_key(req);
	if (h->natural_key.len) {
		if (!h->trigger->programs[PROGRAM_KEY].text)
			h->fingerprint = fingerprint_of(h->data);
		return;
	}
	if (!h->id.len && !hook->dedupe_ms) {
		h->natural_key = STR_NONE;
		return;
	}
	if (h->id.len) {
		buf_add_str(&event->key, h->source);
		buf_putc(&event->key, ' ');
		buf_add_str(&event->key, h->id);
	} else {
		key_of_bytes(hook, req, &event->key);
	}
	h->natural_key = buf_str(&event->key);
}

/* What all events of the request have from it. */
static void
request_fill(const struct delivery *delivery, const struct trigger *trigger,
	     struct hook_event *event)
{
	struct http_request *req = delivery->req;
	struct happening *h = &event->happening;

	h->trigger = trigger;
	h->extension = buf_str(&delivery->extension);
	h->caller_waits = true;
	h->correlation = http_header(req, "x-correlation-id", 0);
	if (!http_header(req, "traceparent", 1).p)
		h->traceparent = http_header(req, "traceparent", 0);
	h->cause = http_header(req, "rouse-cause", 0);
}

static bool
events_read(struct delivery *delivery, enum cloudevent_mode mode, struct err *err)
{
	struct str type = http_header(delivery->req, "content-type", 0);
	struct str body = http_body(delivery->req);
	struct hook_event *event = &delivery->event;

	if (mode == CLOUDEVENT_BATCH)
		return cloudevent_batch(body, &delivery->events, &delivery->count, err);
	if (mode == CLOUDEVENT_ONE)
		return cloudevent_structured(body, event, err);
	if (mode == CLOUDEVENT_BINARY && !type.len && !body.len)
		event->happening.data = STR("null");
	else if (!hook_body(type, body, mode == CLOUDEVENT_BINARY, &event->data,
			    &event->happening.data, err))
		return false;
	return mode != CLOUDEVENT_BINARY || cloudevent_binary(delivery->req, event, err);
}

/* Several events, or one that becomes several. */
static void
several_begin(const struct hook *hook, struct delivery *delivery, const char *split,
	      struct hook_event *events, size_t count)
{
	delivery->pending = 1;
	for (size_t i = 0; i < count; i++) {
		if (split)
			split_begin(delivery, hook, split, &events[i]);
		else
			part_admit(delivery, &events[i].happening);
	}
	delivery_release(delivery);
}

static bool
batch_begin(struct hook *hook, struct delivery *delivery, const struct trigger *trigger,
	    const char *split)
{
	for (size_t i = 0; i < delivery->count; i++) {
		struct hook_event *event = &delivery->events[i];

		request_fill(delivery, trigger, event);
		/* The request's own id is not one event's. */
		buf_add_str(&event->key, event->happening.source);
		buf_putc(&event->key, ' ');
		buf_add_str(&event->key, event->happening.id);
		event->happening.natural_key = buf_str(&event->key);
	}
	if (delivery->count) {
		several_begin(hook, delivery, split, delivery->events, delivery->count);
		return true;
	}
	http_reply_json(delivery->req, delivery->ack, STR("{\"run_ids\":[],\"items\":[]}"));
	delivery_free(delivery);
	return true;
}

static struct delivery *
delivery_new(struct hook *hook, struct http_request *req)
{
	struct delivery *delivery = mem_alloc(sizeof(*delivery));

	delivery->core = hook->source.core;
	delivery->req = req;
	delivery->ack = hook->ack;
	delivery->wait_ms = hook->wait_ms;
	STAILQ_INIT(&delivery->parts);
	assert(strlen(hook->source.name) < sizeof(delivery->trigger));
	memcpy(delivery->trigger, hook->source.name, strlen(hook->source.name) + 1);
	return delivery;
}

bool
delivery_begin(struct hook *hook, struct http_request *req,
	       const struct signature_request *signed_request, struct handshake_answer *answer,
	       struct err *err)
{
	const struct trigger *trigger = source_trigger(&hook->source);
	const char *split = conf_str(trigger->section, "split");
	enum cloudevent_mode mode = cloudevent_mode(req);
	struct delivery *delivery = delivery_new(hook, req);
	struct hook_event *event = &delivery->event;

	if (!events_read(delivery, mode, err)) {
		delivery_free(delivery);
		return false;
	}
	hook_extension(req, &delivery->extension);
	if (mode == CLOUDEVENT_BATCH)
		return batch_begin(hook, delivery, trigger, split);
	request_fill(delivery, trigger, event);
	natural_key(hook, req, signed_request, event);
	if (answer) {
		delivery->answer = *answer;
		answer->body = (struct buf)BUF_INIT;
	}
	if (answer || signature_is_ping(hook->signature, signed_request)) {
		event->happening.refused = STR("a ping of the provider");
	} else if (split) {
		several_begin(hook, delivery, split, event, 1);
		return true;
	}
	if (admit_event(delivery->core, &event->happening, on_admitted, delivery, err))
		return true;
	delivery_free(delivery);
	return false;
}
