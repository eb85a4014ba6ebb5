/* OTLP and trace contexts: ids that are derived, words that receivers take. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "pure/otlp.h"

#include "tests/unit/tap.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00-" TRACE "-00f067aa0ba902b7-01"

static void
test_traceparent(void)
{
	static const char *const bad[] = {
		"",
		"00",
		"00-" TRACE "-00f067aa0ba902b7",
		"00-" TRACE "-00f067aa0ba902b7-0",
		"00-" TRACE "-00f067aa0ba902b7-01-more",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"00-" TRACE "-0000000000000000-01",
		"ff-" TRACE "-00f067aa0ba902b7-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"0x-" TRACE "-00f067aa0ba902b7-01",
		"01-" TRACE "-00f067aa0ba902b7-01x",
		"00-" TRACE "-00f067aa0ba902b7-zz",
	};
	struct traceparent t;

	IT ("a traceparent is read as W3C has it, and written again") {
		AUTO(buf_fini) struct buf out = BUF_INIT;

		CHECK(traceparent_parse(STR(PARENT), &t));
		CHECK_STR(t.trace, TRACE);
		CHECK_STR(t.span, "00f067aa0ba902b7");
		CHECK_INT(t.flags, 1);
		traceparent_write(&t, &out);
		CHECK_STR(buf_cstr(&out), PARENT);
		CHECK(traceparent_parse(STR("cc-" TRACE "-00f067aa0ba902b7-a3-what-comes"), &t));
		CHECK_INT(t.flags, 0xa3);
	}
	IT ("what is none is none") {
		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			if (!CHECK(!traceparent_parse(str_of(bad[i]), &t)))
				printf("# %s\n", bad[i]);
		CHECK(!traceparent_parse(STR_NONE, &t));
	}
}

static void
test_ids(void)
{
	char trace[TRACE_ID_LEN + 1], a[SPAN_ID_LEN + 1], b[SPAN_ID_LEN + 1];

	IT ("the trace of an event is its UUID without dashes") {
		trace_of_uuid("01a1ff69-6260-72bf-ac2d-88ea97cf6801", trace);
		CHECK_STR(trace, "01a1ff69626072bfac2d88ea97cf6801");
	}
	IT ("and its span the end of it") {
		span_of_uuid("01a1ff69-6260-72bf-ac2d-88ea97cf6801", a);
		CHECK_STR(a, "ac2d88ea97cf6801");
	}
	IT ("a span's id is the same whenever it is asked for, and another for anything else") {
		span_id_of("step", "x", 1, a);
		span_id_of("step", "x", 1, b);
		CHECK_STR(a, b);
		CHECK_INT(strlen(a), SPAN_ID_LEN);
		CHECK_INT(strspn(a, "0123456789abcdef"), SPAN_ID_LEN);
		span_id_of("step", "x", 2, b);
		CHECK(strcmp(a, b) != 0);
		span_id_of("tool", "x", 1, b);
		CHECK(strcmp(a, b) != 0);
		span_id_of("step", "y", 1, b);
		CHECK(strcmp(a, b) != 0);
	}
	IT ("a share of the traces is sampled by the last digits of their names") {
		int hits = 0;

		CHECK(trace_is_sampled(TRACE, 1));
		CHECK(!trace_is_sampled(TRACE, 0));
		CHECK(trace_is_sampled("ffffffffffffffffff00000000000000", 1e-9));
		CHECK(!trace_is_sampled("000000000000000000ffffffffffffff", 0.999));
		for (unsigned i = 0; i < 256; i++) {
			snprintf(trace, sizeof(trace), "0123456789abcdef01%02x000000000000", i);
			hits += trace_is_sampled(trace, 0.25);
		}
		CHECK_INT(hits, 64);
	}
}

static void
test_json(void)
{
	static const char *const who[] = {"service.name", "rouse", "left out", NULL, NULL};
	struct otlp_span span = {.trace = TRACE,
				 .id = "00f067aa0ba902b7",
				 .kind = OTLP_CLIENT,
				 .start_ms = 1700000000123,
				 .end_ms = 1700000000100,
				 .status = OTLP_ERROR,
				 .message = "a\"b\n\xff"};
	struct traceparent link = {.trace = TRACE, .span = "00f067aa0ba902b8"};

	IT ("a span has ids in hex, times as strings in ns, enums as numbers") {
		AUTO(buf_fini) struct buf out = BUF_INIT;

		otlp_traces(&out, who, "1");
		otlp_span(&out, &span, "apply", "crm");
		otlp_text(&out, "k", "v");
		otlp_text(&out, "none", NULL);
		otlp_int(&out, "n", INT64_MAX);
		otlp_real(&out, "r", 0.25);
		otlp_real(&out, "nan", 0.0 / 0.0);
		otlp_close(&out, &link);
		otlp_end(&out);
		CHECK_STR(
			buf_cstr(&out),
			"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service."
			"name\","
			"\"value\":{\"stringValue\":\"rouse\"}}]},\"scopeSpans\":[{\"scope\":{"
			"\"name\":\"rouse\",\"version\":\"1\"},\"spans\":[{\"traceId\":\"" TRACE
			"\",\"spanId\":\"00f067aa0ba902b7\",\"flags\":1,\"name\":\"apply crm\","
			"\"kind\":3,\"startTimeUnixNano\":\"1700000000123000000\","
			"\"endTimeUnixNano\":\"1700000000123000000\",\"status\":{\"code\":2,"
			"\"message\":\"a\\\"b\\n\xef\xbf\xbd\"},\"attributes\":[{\"key\":\"k\","
			"\"value\":{\"stringValue\":\"v\"}},{\"key\":\"n\",\"value\":{\"intValue\":"
			"\"9223372036854775807\"}},{\"key\":\"r\",\"value\":{\"doubleValue\":0.25}}"
			"],"
			"\"links\":[{\"traceId\":\"" TRACE
			"\",\"spanId\":\"00f067aa0ba902b8\",\"attributes\":[]}]}]}]}]}");
	}
	IT ("long values are cut, not within a character") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		AUTO(buf_fini) struct buf text = BUF_INIT;
		AUTO(json_auto_decref) json_t *value = NULL;

		for (int i = 0; i < 3000; i++)
			buf_puts(&text, "\xc3\xa4\xe2\x82\xac");
		buf_puts(&out, "[");
		otlp_text(&out, "k", buf_cstr(&text));
		buf_puts(&out, "]");
		CHECK(out.len < 4200);
		CHECK(json_read(buf_str(&out), &value, NULL));
		CHECK(!strstr(buf_cstr(&out), "\xef\xbf\xbd"));
	}
	IT ("two records are parted by a comma") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		AUTO(json_auto_decref) json_t *value = NULL;

		otlp_logs(&out, who, "1");
		otlp_record(&out, 5, OTLP_WARN, "WARN", "one");
		otlp_close(&out, NULL);
		otlp_record(&out, -5, OTLP_INFO, "INFO", "two");
		otlp_text(&out, "k", "v");
		otlp_close(&out, NULL);
		otlp_end(&out);
		CHECK(json_read(buf_str(&out), &value, NULL));
		CHECK(strstr(buf_cstr(&out), "\"timeUnixNano\":\"5000000\""));
		CHECK(strstr(buf_cstr(&out), "\"timeUnixNano\":\"0\""));
	}
}

static void
test_answers(void)
{
	static const struct {
		const char *answer;
		int64_t rejected;
	} cases[] = {
		{"", 0},
		{"{}", 0},
		{"garbage", 0},
		{"[1]", 0},
		{"{\"partialSuccess\":7}", 0},
		{"{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}", 3},
		{"{\"partialSuccess\":{\"rejectedSpans\":3,\"errorMessage\":\"m\"}}", 3},
		{"{\"partialSuccess\":{\"rejectedLogRecords\":\"2\"}}", 2},
		{"{\"partialSuccess\":{\"rejectedSpans\":\"-3\"}}", 0},
		{"{\"partialSuccess\":{\"rejectedSpans\":\"x\"}}", 0},
	};

	IT ("what a receiver rejects is read from its answer, whatever that is") {
		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			AUTO(buf_fini) struct buf message = BUF_INIT;

			if (!CHECK(otlp_rejected(str_of(cases[i].answer), &message) ==
				   cases[i].rejected))
				printf("# %s\n", cases[i].answer);
		}
	}
}

int
main(void)
{
	test_traceparent();
	test_ids();
	test_json();
	test_answers();
	return tap_done();
}
