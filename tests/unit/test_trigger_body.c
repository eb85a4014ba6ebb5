/* What a delivery carries: bodies of every kind as JSON, and what is refused. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "tests/unit/tap.h"
#include "triggers/webhook/webhook.h"

/* The data that a body becomes, or the name of the error. Good until the next call. */
static const char *
data_of(const char *type, struct str body)
{
	static struct buf text = BUF_INIT;
	AUTO(buf_fini) struct buf made = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str data;

	buf_clear(&text);
	if (hook_body(str_of(type), body, false, &made, &data, &err))
		buf_add_str(&text, data);
	else
		buf_printf(&text, "%s", err_name(err.code));
	return buf_cstr(&text);
}

static void
json_bodies(void)
{
	IT ("JSON stays the text that it was, every digit of it") {
		CHECK_STR(data_of("application/json", STR(" {\"id\": 12345678901234567890} \n")),
			  "{\"id\": 12345678901234567890}");
	}
	IT ("a type with +json, parameters or other case is JSON too") {
		CHECK_STR(data_of("application/vnd.x+json; charset=utf-8", STR("[1]")), "[1]");
		CHECK_STR(data_of("Application/JSON", STR("1")), "1");
	}
	IT ("an empty JSON body is null") {
		CHECK_STR(data_of("application/json", STR("")), "null");
	}
	IT ("what is no JSON is refused") {
		CHECK_STR(data_of("application/json", STR("hello")), "invalid");
		CHECK_STR(data_of("application/json", STR("{\"a\":1")), "invalid");
		CHECK_STR(data_of("application/json", STR("{\"a\":1}x")), "invalid");
		CHECK_STR(data_of("application/json", STR("{\"a\":1,\"a\":2}")), "invalid");
		CHECK_STR(data_of("application/json", STR("\"\xff\"")), "invalid");
	}
	IT ("JSON that is nested too deeply is refused, not crashed on") {
		AUTO(buf_fini) struct buf deep = BUF_INIT;

		for (int i = 0; i < 100000; i++)
			buf_putc(&deep, '[');
		CHECK_STR(data_of("application/json", buf_str(&deep)), "invalid");
	}
}

static void
other_bodies(void)
{
	IT ("a form becomes an object, a name that comes twice an array") {
		CHECK_STR(data_of("application/x-www-form-urlencoded", STR("a=1&b=x+y%21&a=2&c")),
			  "{\"a\":[\"1\",\"2\"],\"b\":\"x y!\",\"c\":\"\"}");
	}
	IT ("a form that is JSON (curl -d) is JSON") {
		CHECK_STR(data_of("application/x-www-form-urlencoded", STR("{\"a\":1}")),
			  "{\"a\":1}");
	}
	IT ("a form that only begins like JSON is a form") {
		CHECK_STR(data_of("application/x-www-form-urlencoded", STR("{a=1")),
			  "{\"{a\":\"1\"}");
	}
	IT ("broken escapes and bytes in a form harm nobody") {
		CHECK_STR(data_of("application/x-www-form-urlencoded", STR("a=%zz%")),
			  "{\"a\":\"%zz%\"}");
		CHECK_STR(data_of("application/x-www-form-urlencoded", STR("a=%ff")),
			  "{\"a\":\"\xEF\xBF\xBD\"}");
	}
	IT ("a name that ends in [] always has an array, and keeps its brackets") {
		CHECK_STR(
			data_of("application/x-www-form-urlencoded", STR("a[]=1&b%5B%5D=2&b[]=3")),
			"{\"a[]\":[\"1\"],\"b[]\":[\"2\",\"3\"]}");
	}
	IT ("no pair of a form is lost, whatever its name") {
		CHECK_STR(
			data_of("application/x-www-form-urlencoded", STR("=1&&%00=2&%ff=3&a%22=4")),
			"{\"\":\"1\",\"\xEF\xBF\xBD\":[\"2\",\"3\"],\"a\\\"\":\"4\"}");
	}
	IT ("a form of more names than anybody needs is refused, of many values not") {
		AUTO(buf_fini) struct buf names = BUF_INIT;
		AUTO(buf_fini) struct buf values = BUF_INIT;

		for (int i = 0; i < 10001; i++) {
			buf_printf(&names, "n%d=&", i);
			buf_puts(&values, "n=1&");
		}
		CHECK_STR(data_of("application/x-www-form-urlencoded", buf_str(&names)), "invalid");
		CHECK(data_of("application/x-www-form-urlencoded", buf_str(&values))[0] == '{');
	}
	IT ("text becomes a string") {
		CHECK_STR(data_of("text/plain; charset=utf-8", STR("a \"b\"\n")),
			  "\"a \\\"b\\\"\\n\"");
	}
	IT ("bytes become base64") {
		CHECK_STR(data_of("application/octet-stream", STR("\xff\x00")),
			  "{\"base64\":\"/wA=\"}");
	}
	IT ("without a type, JSON is known by its look") {
		CHECK_STR(data_of("", STR("{\"a\":1}")), "{\"a\":1}");
		CHECK_STR(data_of("", STR("hi")), "\"hi\"");
	}
	IT ("other types are refused") {
		CHECK_STR(data_of("multipart/form-data; boundary=x", STR("--x")), "media_type");
		CHECK(!hook_takes(STR("image/png")) && hook_takes(STR("")) &&
		      hook_takes(STR("text/csv")));
	}
}

int
main(void)
{
	json_bodies();
	other_bodies();
	return tap_done();
}
