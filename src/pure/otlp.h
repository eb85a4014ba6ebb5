/* OTLP as JSON: spans and log records, as opentelemetry-proto has them (ids in hex, times in ns as
 * strings, enums as integers). */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_OTLP_H
#define ROUSE_PURE_OTLP_H

#include "pure/traceparent.h"

enum otlp_kind { OTLP_INTERNAL = 1, OTLP_SERVER, OTLP_CLIENT, OTLP_PRODUCER, OTLP_CONSUMER };
enum otlp_status { OTLP_UNSET, OTLP_OK, OTLP_ERROR };
enum otlp_severity { OTLP_DEBUG = 5, OTLP_INFO = 9, OTLP_WARN = 13, OTLP_FAULT = 17 };

struct otlp_span {
	char trace[TRACE_ID_LEN + 1], id[SPAN_ID_LEN + 1];
	char parent[SPAN_ID_LEN + 1]; /* "": it is a root */
	enum otlp_kind kind;
	int64_t start_ms, end_ms; /* an end before its start is moved there */
	enum otlp_status status;
	const char *message; /* of OTLP_ERROR; NULL */
};

/* One body: otlp_traces(), its spans, otlp_end(). Or otlp_logs(), records, otlp_end().
 * attributes: of the resource, "name", "value", ..., NULL; a NULL value is left out. */
void otlp_traces(struct buf *out, const char *const *attributes, const char *version);
void otlp_logs(struct buf *out, const char *const *attributes, const char *version);
void otlp_end(struct buf *out);

/* Its name is prefix, or "prefix name" where there is a name. Then attributes, then otlp_close().
 */
void otlp_span(struct buf *out, const struct otlp_span *span, const char *prefix, const char *name);
/* Between span and close. A NULL value is left out. Values are cut at 4 KiB. */
void otlp_text(struct buf *out, const char *key, const char *value);
void otlp_int(struct buf *out, const char *key, int64_t value);
void otlp_real(struct buf *out, const char *key, double value);
/* Ends the attributes, with links to others: NULL where there is none. */
void otlp_close(struct buf *out, const struct traceparent *link);

/* Then attributes, then otlp_close(). */
void otlp_record(struct buf *out, int64_t at_ms, enum otlp_severity severity, const char *word,
		 const char *body);

/* What a receiver took not: of {"partialSuccess":{"rejectedSpans":"3","errorMessage":"..."}} (or
 * rejectedLogRecords), 0 where it says nothing. Its message is appended to ret_message. */
int64_t otlp_rejected(struct str answer, struct buf *ret_message);

#endif
