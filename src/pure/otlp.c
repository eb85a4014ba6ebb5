/* OTLP as JSON: spans and log records, as opentelemetry-proto has them. */
/* SPDX-License-Identifier: MIT */
#include "pure/otlp.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"

#define VALUE_MAX 4096
#define MESSAGE_MAX 300

/* Elements of a list are parted by commas, whoever writes them. */
static void
comma(struct buf *out)
{
	if (out->len && out->data[out->len - 1] != '[')
		buf_putc(out, ',');
}

/* Not within a character. */
static struct str
shorten(struct str s, size_t max)
{
	if (s.len <= max)
		return s;
	s.len = max;
	while (s.len && ((unsigned char)s.p[s.len] & 0xc0) == 0x80)
		s.len--;
	return s;
}

static void
key_add(struct buf *out, const char *key)
{
	comma(out);
	buf_puts(out, "{\"key\":");
	buf_json_cstr(out, key);
	buf_puts(out, ",\"value\":{");
}

void
otlp_text(struct buf *out, const char *key, const char *value)
{
	if (!value)
		return;
	key_add(out, key);
	buf_puts(out, "\"stringValue\":");
	buf_json_str(out, shorten(str_of(value), VALUE_MAX));
	buf_puts(out, "}}");
}

void
otlp_int(struct buf *out, const char *key, int64_t value)
{
	key_add(out, key);
	buf_printf(out, "\"intValue\":\"%" PRId64 "\"}}", value);
}

void
otlp_real(struct buf *out, const char *key, double value)
{
	if (!isfinite(value))
		return;
	key_add(out, key);
	buf_printf(out, "\"doubleValue\":%.10g}}", value);
}

static void
body_begin(struct buf *out, const char *resources, const char *scopes, const char *items,
	   const char *const *attributes, const char *version)
{
	buf_cat(out, "{\"", resources, "\":[{\"resource\":{\"attributes\":[");
	for (size_t i = 0; attributes && attributes[i]; i += 2)
		otlp_text(out, attributes[i], attributes[i + 1]);
	buf_cat(out, "]},\"", scopes, "\":[{\"scope\":{\"name\":\"rouse\",\"version\":");
	buf_json_cstr(out, version);
	buf_cat(out, "},\"", items, "\":[");
}

void
otlp_traces(struct buf *out, const char *const *attributes, const char *version)
{
	body_begin(out, "resourceSpans", "scopeSpans", "spans", attributes, version);
}

void
otlp_logs(struct buf *out, const char *const *attributes, const char *version)
{
	body_begin(out, "resourceLogs", "scopeLogs", "logRecords", attributes, version);
}

void
otlp_end(struct buf *out)
{
	buf_puts(out, "]}]}]}");
}

static void
time_add(struct buf *out, const char *key, int64_t ms)
{
	/* fixed64, in nanoseconds: of what was before 1970 nothing can be said. */
	if (ms <= 0)
		buf_printf(out, ",\"%s\":\"0\"", key);
	else
		buf_printf(out, ",\"%s\":\"%" PRId64 "000000\"", key, ms);
}

void
otlp_span(struct buf *out, const struct otlp_span *span, const char *prefix, const char *name)
{
	AUTO(buf_fini) struct buf whole = BUF_INIT;

	comma(out);
	buf_cat(out, "{\"traceId\":\"", span->trace, "\",\"spanId\":\"", span->id, "\"");
	if (*span->parent)
		buf_cat(out, ",\"parentSpanId\":\"", span->parent, "\"");
	buf_puts(out, ",\"flags\":1,\"name\":");
	buf_cat(&whole, prefix, name && *name ? " " : "", name ? name : "");
	buf_json_str(out, shorten(buf_str(&whole), VALUE_MAX));
	buf_printf(out, ",\"kind\":%d", (int)span->kind);
	time_add(out, "startTimeUnixNano", span->start_ms);
	time_add(out, "endTimeUnixNano",
		 span->end_ms < span->start_ms ? span->start_ms : span->end_ms);
	if (span->status != OTLP_UNSET) {
		buf_printf(out, ",\"status\":{\"code\":%d", (int)span->status);
		if (span->status == OTLP_ERROR && span->message) {
			buf_puts(out, ",\"message\":");
			buf_json_str(out, shorten(str_of(span->message), VALUE_MAX));
		}
		buf_putc(out, '}');
	}
	buf_puts(out, ",\"attributes\":[");
}

void
otlp_close(struct buf *out, const struct traceparent *link)
{
	buf_putc(out, ']');
	if (link)
		buf_cat(out, ",\"links\":[{\"traceId\":\"", link->trace, "\",\"spanId\":\"",
			link->span, "\",\"attributes\":[]}]");
	buf_putc(out, '}');
}

void
otlp_record(struct buf *out, int64_t at_ms, enum otlp_severity severity, const char *word,
	    const char *body)
{
	comma(out);
	buf_printf(out, "{\"severityNumber\":%d,\"severityText\":", (int)severity);
	buf_json_cstr(out, word);
	time_add(out, "timeUnixNano", at_ms);
	time_add(out, "observedTimeUnixNano", at_ms);
	buf_puts(out, ",\"body\":{\"stringValue\":");
	buf_json_str(out, shorten(str_of(body), VALUE_MAX));
	buf_puts(out, "},\"attributes\":[");
}

/* 64-bit integers are strings; some write them as numbers all the same. */
static int64_t
count_of(const json_t *value)
{
	long long n = json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
					    : json_integer_value(value);

	return n > 0 ? n : 0;
}

int64_t
otlp_rejected(struct str answer, struct buf *ret_message)
{
	AUTO(json_auto_decref) json_t *value = NULL;
	const json_t *partial;
	const char *message;
	int64_t count;

	if (!answer.len || !json_read(answer, &value, NULL))
		return 0;
	partial = json_object_get(value, "partialSuccess");
	count = count_of(json_object_get(partial, "rejectedSpans"));
	if (!count)
		count = count_of(json_object_get(partial, "rejectedLogRecords"));
	message = json_str(partial, "errorMessage");
	if (message)
		buf_add_str(ret_message, shorten(str_of(message), MESSAGE_MAX));
	return count;
}
