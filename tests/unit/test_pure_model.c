/* Models: what requests say of themselves, and what answers say that they used. */
/* SPDX-License-Identifier: MIT */
#include "pure/model_answer.h"
#include "tests/unit/tap.h"

static struct model_request request;
static struct model_stream stream;
static struct model_usage usage;
static struct buf out;

static bool
reads(enum model_dialect dialect, const char *text)
{
	model_request_fini(&request);
	return model_request_read(dialect, str_of(text), &request, NULL);
}

/* The body that is forwarded. */
static const char *
forwards(const char *text)
{
	buf_clear(&out);
	if (!reads(MODEL_CHAT, text) || !model_request_body(&request, str_of(text), &out))
		return "refused";
	return buf_cstr(&out);
}

static const char *
url_of(enum model_dialect dialect, const char *base)
{
	buf_clear(&out);
	model_request_url(dialect, base, STR_NONE, &out);
	return buf_cstr(&out);
}

/* What is passed on of a stream that comes in pieces of `piece` bytes. */
static const char *
passes(enum model_dialect dialect, bool hides, const char *text, size_t piece)
{
	struct model_request of = {.dialect = dialect, .hides_usage = hides};
	struct str rest = str_of(text);

	model_stream_fini(&stream);
	model_stream_init(&stream, &of);
	buf_clear(&out);
	while (rest.len) {
		size_t len = rest.len < piece ? rest.len : piece;

		if (!model_stream_take(&stream, str_make(rest.p, len), &out, NULL))
			return "refused";
		rest = str_make(rest.p + len, rest.len - len);
	}
	model_stream_end(&stream, &out);
	return buf_cstr(&out);
}

#define CHUNK(text)                                                                                \
	"data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}]}\n\n"
#define LAST "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE                                                                                      \
	"data: "                                                                                   \
	"{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,"                 \
	"\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n\n"
#define DONE "data: [DONE]\n\n"
#define START                                                                                      \
	"event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{"       \
	"\"input_tokens\":7,\"output_tokens\":1,\"cache_read_input_tokens\":5,"                    \
	"\"cache_creation_input_tokens\":2}}}\r\n\r\n"
#define TEXT                                                                                       \
	"data: "                                                                                   \
	"{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"\",\"text\":\"123456789\"}}\n\n"

static void
test_requests(void)
{
	IT ("reads what a request says of itself") {
		CHECK(reads(MODEL_CHAT,
			    "{\"model\":\"x\",\"stream\":true,\"max_tokens\":9,\"n\":3}"));
		CHECK_STR(request.model, "x");
		CHECK(request.stream && request.hides_usage);
		CHECK_INT(request.output_max, 27);
		CHECK(reads(MODEL_MESSAGES, " {\"model\":\"x\"} "));
		CHECK(!request.stream && !request.hides_usage);
		CHECK_INT(request.output_max, -1);
		CHECK(reads(MODEL_CHAT,
			    "{\"model\":\"x\",\"max_tokens\":9,\"max_completion_tokens\":11}"));
		CHECK_INT(request.output_max, 11);
	}
	IT ("refuses what is none, or whose cost cannot be known") {
		static const char *const bad[] = {
			"",
			"{",
			"[]",
			"{}",
			"{\"model\":1}",
			"{\"model\":\"\"}",
			"{\"model\":\"a\\u0000b\"}",
			"{\"model\":\"x\",\"model\":\"y\"}",
			"{\"model\":\"x\",\"mod\\u0065l\":\"y\"}",
			"{\"model\":\"x\",\"max_output_tokens\":-1}",
			"{\"model\":\"x\",\"max_output_tokens\":1.5}",
			"{\"model\":\"x\",\"max_output_tokens\":\"9\"}",
			"{\"model\":\"x\",\"max_output_tokens\":99999999999999999999}",
			"{\"model\":\"x\",\"background\":true}",
			"{\"model\":\"x\"} {}",
		};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++)
			CHECK(!reads(MODEL_RESPONSES, bad[i]));
		CHECK(!reads(MODEL_CHAT, "{\"model\":\"x\",\"n\":0}"));
		CHECK(!reads(MODEL_CHAT, "{\"model\":\"x\",\"n\":1000000}"));
	}
	IT ("takes a token for three bytes of text, and less for what is encoded") {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		buf_puts(&text, "{\"model\":\"x\",\"a\":\"");
		for (int i = 0; i < 3000; i++)
			buf_puts(&text, "word ");
		buf_puts(&text, "\"}");
		CHECK(reads(MODEL_MESSAGES, buf_cstr(&text)));
		CHECK(request.input_estimate >= 5000 && request.input_estimate < 5100);
		buf_clear(&text);
		buf_puts(&text, "{\"model\":\"x\",\"a\":\"");
		for (int i = 0; i < 100000; i++)
			buf_puts(&text, "QUJD");
		buf_puts(&text, "\"}");
		CHECK(reads(MODEL_MESSAGES, buf_cstr(&text)));
		CHECK(request.input_estimate > 8000 && request.input_estimate < 12000);
	}
	IT ("asks for the usage of a stream, wherever the options stand") {
		CHECK_STR(forwards("{\"model\":\"x\"}"), "{\"model\":\"x\"}");
		CHECK_STR(forwards("{\"model\":\"x\",\"stream\":true}"),
			  "{\"stream_options\":{\"include_usage\":true},\"model\":\"x\",\"stream\":"
			  "true}");
		CHECK_STR(forwards("{\"model\":\"x\",\"stream\":true,\"stream_options\":null}"),
			  "{\"model\":\"x\",\"stream\":true,\"stream_options\":{\"include_usage\":"
			  "true}}");
		CHECK_STR(forwards("{\"model\":\"x\",\"stream\":true,\"stream_options\":{ }}"),
			  "{\"model\":\"x\",\"stream\":true,\"stream_options\":{\"include_usage\":"
			  "true }}");
		CHECK_STR(
			forwards("{\"model\":\"x\",\"stream\":true,\"stream_options\":{\"a\":1}}"),
			"{\"model\":\"x\",\"stream\":true,\"stream_options\":{\"include_usage\":"
			"true,\"a\":"
			"1}}");
		CHECK_STR(forwards("{\"stream_options\":{\"include_usage\":false},\"model\":\"x\","
				   "\"stream\":true}"),
			  "{\"stream_options\":{\"include_usage\":true},\"model\":\"x\",\"stream\":"
			  "true}");
		CHECK(reads(MODEL_CHAT,
			    "{\"model\":\"x\",\"stream\":true,\"stream_options\":{\"include_"
			    "usage\":true}}") &&
		      !request.hides_usage);
	}
	IT ("makes addresses as the providers' own libraries do") {
		CHECK_STR(url_of(MODEL_MESSAGES, "https://a.example"),
			  "https://a.example/v1/messages");
		CHECK_STR(url_of(MODEL_MESSAGES, "https://a.example/v1/"),
			  "https://a.example/v1/messages");
		CHECK_STR(url_of(MODEL_COUNT, "https://a.example/x"),
			  "https://a.example/x/v1/messages/count_tokens");
		CHECK_STR(url_of(MODEL_CHAT, "https://a.example"),
			  "https://a.example/v1/chat/completions");
		CHECK_STR(url_of(MODEL_CHAT, "https://a.example/v1"),
			  "https://a.example/v1/chat/completions");
		CHECK_STR(url_of(MODEL_RESPONSES, "https://a.example/v1beta/openai/"),
			  "https://a.example/v1beta/openai/responses");
	}
}

static void
test_answers(void)
{
	IT ("reads the usage of whole answers") {
		CHECK(model_answer_read(
			MODEL_MESSAGES,
			STR("{\"usage\":{\"input_tokens\":7,\"output_tokens\":3,\"cache_read_"
			    "input_tokens\":5,\"cache_creation_input_tokens\":null}}"),
			&usage));
		CHECK(usage.said);
		CHECK_INT(usage.input, 7);
		CHECK_INT(usage.output, 3);
		CHECK_INT(usage.cache_read, 5);
		CHECK_INT(usage.cache_written, 0);
		CHECK(model_answer_read(MODEL_RESPONSES,
					STR("{\"usage\":{\"input_tokens\":7,\"output_tokens\":3,"
					    "\"input_tokens_details\":{\"cached_tokens\":5}}}"),
					&usage));
		CHECK_INT(usage.input, 2);
		CHECK_INT(usage.cache_read, 5);
	}
	IT ("believes nothing below zero, beyond reason, or more cached than there was") {
		CHECK(model_answer_read(
			MODEL_CHAT,
			STR("{\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":1e300,"
			    "\"prompt_tokens_details\":{\"cached_tokens\":99}}}"),
			&usage));
		CHECK_INT(usage.input, 0);
		CHECK_INT(usage.cache_read, 0);
		CHECK_INT(usage.output, 1000000000000);
		CHECK(model_answer_read(MODEL_CHAT, STR("{\"usage\":[]}"), &usage) && !usage.said);
		CHECK(!model_answer_read(MODEL_CHAT, STR("[1]"), &usage));
		CHECK(!model_answer_read(MODEL_CHAT, STR(""), &usage));
	}
	IT ("passes a stream on as it is, in whatever pieces it comes") {
		static const char all[] = ": hello\n\n" CHUNK("a") LAST USAGE DONE;

		for (size_t piece = 1; piece < sizeof(all); piece += 3) {
			CHECK_STR(passes(MODEL_CHAT, false, all, piece), all);
			CHECK(stream.ended && stream.usage.said && !stream.failed);
			CHECK_INT(stream.usage.input, 7);
			CHECK_INT(stream.usage.output, 4);
		}
	}
	IT ("keeps the event back that only says a usage nobody asked for") {
		CHECK_STR(passes(MODEL_CHAT, true, CHUNK("a") LAST USAGE DONE, 5),
			  CHUNK("a") LAST DONE);
		CHECK_INT(stream.usage.output, 4);
	}
	IT ("lets later counts of a message replace earlier ones") {
		passes(MODEL_MESSAGES, false,
		       START TEXT
		       "data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":40}}\n\n"
		       "data: {\"type\":\"message_stop\"}\n\n",
		       1);
		CHECK(stream.ended);
		CHECK_INT(stream.usage.input, 7);
		CHECK_INT(stream.usage.output, 40);
		CHECK_INT(stream.usage.cache_read, 5);
		CHECK_INT(stream.usage.cache_written, 2);
	}
	IT ("knows a stream that broke off, and what had come of it") {
		passes(MODEL_MESSAGES, false, START TEXT TEXT "data: {\"type\":\"mess", 100);
		CHECK(!stream.ended);
		usage = model_stream_estimate(&stream, 1000);
		CHECK_INT(usage.input, 7);
		CHECK_INT(usage.output, 6);
		passes(MODEL_CHAT, false, CHUNK("123456"), 100);
		usage = model_stream_estimate(&stream, 1000);
		CHECK_INT(usage.input, 1000);
		CHECK_INT(usage.output, 2);
	}
	IT ("knows an error that comes in the middle") {
		passes(MODEL_MESSAGES, false,
		       START "event: error\ndata: "
			     "{\"type\":\"error\",\"error\":{\"message\":\"busy\"}}\n\n",
		       7);
		CHECK_STR(stream.failed, "busy");
		passes(MODEL_RESPONSES, false, "data: {\"type\":\"error\",\"message\":\"bad\"}\n\n",
		       7);
		CHECK_STR(stream.failed, "bad");
		passes(MODEL_CHAT, false, "data: {\"error\":{\"code\":1}}\n\n", 7);
		CHECK(stream.failed && stream.ended);
	}
	IT ("counts a last event whose empty line is missing") {
		CHECK_STR(passes(MODEL_CHAT, false, CHUNK("a") "data: [DONE]", 9),
			  CHUNK("a") "data: [DONE]\n\n");
		CHECK(stream.ended);
	}
	IT ("refuses an event without end") {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		for (int i = 0; i < 1024; i++)
			buf_puts(&text,
				 "data: "
				 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
		model_stream_fini(&stream);
		model_stream_init(&stream, &(struct model_request){.dialect = MODEL_CHAT});
		for (int i = 0; i < 300; i++)
			if (!model_stream_take(&stream, buf_str(&text), &out, NULL))
				break;
		CHECK(stream.event.len <= MODEL_EVENT_MAX);
		CHECK(!model_stream_take(&stream, buf_str(&text), &out, NULL));
	}
}

int
main(void)
{
	test_requests();
	test_answers();
	model_request_fini(&request);
	model_stream_fini(&stream);
	buf_fini(&out);
	return tap_done();
}
