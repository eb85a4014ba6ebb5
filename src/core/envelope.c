/* The envelope: the invocation that every kind of agent gets. SPEC 5. */
/* SPDX-License-Identifier: MIT */
#include "core/envelope.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/uuid.h"
#include "core/guise.h"
#include "core/telemetry.h"
#include "pure/traceparent.h"

static void
member(struct buf *out, const char *name)
{
	if (out->len && out->data[out->len - 1] != '{')
		buf_putc(out, ',');
	buf_json_cstr(out, name);
	buf_putc(out, ':');
}

static void
member_str(struct buf *out, const char *name, const char *value)
{
	member(out, name);
	buf_json_cstr(out, value);
}

static void
member_raw(struct buf *out, const char *name, const char *json, const char *absent)
{
	member(out, name);
	buf_puts(out, json ? json : absent);
}

static void
member_wall(struct buf *out, const char *name, struct wall at)
{
	member(out, name);
	if (!wall_is_set(at)) {
		buf_puts(out, "null");
		return;
	}
	buf_putc(out, '"');
	wall_format(at, out);
	buf_putc(out, '"');
}

static void
budget_build(const struct run_limits *limits, struct buf *out)
{
	buf_printf(out,
		   "{\"deadline_ms\":%lld,\"max_steps\":%lld,\"max_tools\":%lld,\"max_tokens\":%"
		   "lld,\"max_context\":%lld,"
		   "\"max_cost_usd\":%lld.%06lld}",
		   (long long)limits->deadline_ms, (long long)limits->steps,
		   (long long)limits->tools, (long long)limits->tokens, (long long)limits->context,
		   (long long)(limits->cost_uusd / 1000000),
		   (long long)(limits->cost_uusd % 1000000));
}

static void
trigger_build(const struct run_row *run, struct buf *out)
{
	buf_putc(out, '{');
	member_str(out, "name", run->trigger);
	member_str(out, "source", run->source);
	member_str(out, "event_id", run->event_id);
	member_wall(out, "time", run->event_time);
	member_str(out, "config_commit",
		   run->config_commit && *run->config_commit ? run->config_commit : NULL);
	buf_putc(out, '}');
}

static void
session_build(const struct run_row *run, struct buf *out)
{
	if (!run->session) {
		buf_puts(out, "null");
		return;
	}
	buf_putc(out, '{');
	member_str(out, "id", run->session);
	member_str(out, "name", run->session_name);
	member(out, "turn");
	buf_printf(out, "%d}", run->turn);
}

void
envelope_build(const struct run_row *row, int attempt, struct str data, struct buf *out)
{
	AUTO(json_auto_decref) json_t *guise = NULL;
	const struct run_row as = guise_of(row, &guise), *run = &as;

	buf_puts(out, "{\"version\":1");
	member_str(out, "run_id", run->id);
	member_str(out, "intent", run->intent);
	member_str(out, "agent", run->agent);
	member_str(out, "mode", run->mode);
	member(out, "caller");
	buf_putc(out, '{');
	member_str(out, "tenant", run->tenant);
	member_str(out, "user", run->user);
	buf_putc(out, '}');
	member(out, "trigger");
	trigger_build(run, out);
	member_str(out, "idempotency_key", run->key);
	member_str(out, "correlation_id", run->correlation ? run->correlation : run->id);
	member_str(out, "traceparent", run->traceparent);
	member_str(out, "entity", run->entity);
	member(out, "attempt");
	buf_printf(out, "%d", attempt);
	member(out, "session");
	session_build(run, out);
	member(out, "budget");
	budget_build(&run->limits, out);
	member_str(out, "trust", run->trust);
	member(out, "cause");
	buf_putc(out, '{');
	member_str(out, "root", run->root ? run->root : run->event_id);
	member_str(out, "parent", run->parent);
	member(out, "hops");
	buf_printf(out, "%d}", run->hops);
	member_raw(out, "schedule", run->schedule, "null");
	member_str(out, "batch", run->batch);
	member_raw(out, "checkpoint", run->checkpoint, "null");
	member_raw(out, "completed_steps", run->completed_steps, "{}");
	member_raw(out, "decisions", run->decisions, "{}");
	member(out, "payload");
	if (run->payload)
		buf_puts(out, run->payload);
	else
		buf_add_str(out, data);
	buf_putc(out, '}');
	/* A payload is as its sender wrote it, over many lines perhaps; within strings JSON has no
	 * bare line end. */
	for (size_t i = 0; i < out->len; i++) {
		if (out->data[i] == '\n' || out->data[i] == '\r')
			out->data[i] = ' ';
	}
}

struct str
envelope_event_data(struct str document)
{
	static const struct json_step data = {.name = {"data", 4}};
	struct str found;

	return json_raw_find(document, &data, 1, &found) ? found : STR("null");
}

void
envelope_traceparent(const struct core *core, struct str incoming, const char *event_id,
		     struct buf *out)
{
	struct traceparent trace;
	unsigned char id[TRACE_ID_LEN / 2 + SPAN_ID_LEN / 2];
	AUTO(buf_fini) struct buf hex = BUF_INIT;
	bool continues = traceparent_parse(incoming, &trace);

	entropy_fill(id, sizeof(id));
	id[0] |= 1; /* never all zero */
	id[TRACE_ID_LEN / 2] |= 1;
	hex_encode(&hex, str_make((const char *)id, sizeof(id)));
	if (!continues) {
		trace = (struct traceparent){.flags = 0};
		if (event_id)
			trace_of_uuid(event_id, trace.trace);
		else
			memcpy(trace.trace, hex.data, TRACE_ID_LEN);
		if (telemetry_samples(core, trace.trace))
			trace.flags = TRACE_SAMPLED;
	}
	memcpy(trace.span, hex.data + TRACE_ID_LEN, SPAN_ID_LEN);
	traceparent_write(&trace, out);
}
