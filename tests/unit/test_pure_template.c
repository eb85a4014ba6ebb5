/* Tests of templates. */
/* SPDX-License-Identifier: MIT */
#include "pure/template.h"

#include "tests/unit/tap.h"

static bool
lookup(void *arg, struct str name, struct buf *ret, struct err *err)
{
	(void)arg;
	if (str_eq(name, STR("entity")))
		buf_puts(ret, "a/b c?\xc3\xa9{x}");
	else if (str_eq(name, STR("after.name")))
		buf_puts(ret, "Ann");
	else if (str_eq(name, STR("evil")))
		buf_puts(ret, "a\r\nX: y");
	else if (!str_eq(name, STR("nothing")))
		return err_set(err, E_MAPPING, "no {%.*s}", STR_ARG(name));
	return true;
}

static const char *
rendered(const char *text, enum template_escape escape)
{
	static struct buf out;
	AUTO(template_auto_free) struct template *t = NULL;
	struct err err = ERR_INIT;

	buf_clear(&out);
	if (!template_parse(str_of(text), &t, &err) ||
	    !template_render(t, escape, lookup, NULL, &out, &err))
		buf_printf(&out, "%s", err_text(&err));
	err_fini(&err);
	return buf_cstr(&out);
}

int
main(void)
{
	IT ("fills in names and leaves the rest as it is") {
		CHECK_STR(rendered("x/{after.name}/{after.name}!", TEMPLATE_PLAIN), "x/Ann/Ann!");
		CHECK_STR(rendered("", TEMPLATE_PLAIN), "");
		CHECK_STR(rendered("plain", TEMPLATE_PLAIN), "plain");
		CHECK_STR(rendered("[{nothing}]", TEMPLATE_PLAIN), "[]");
	}
	IT ("never parses what a value holds") {
		CHECK_STR(rendered("{entity}", TEMPLATE_PLAIN), "a/b c?\xc3\xa9{x}");
	}
	IT ("percent-encodes values, not the text around them, for a URL") {
		CHECK_STR(rendered("http://h/{entity}?q={after.name}", TEMPLATE_URL),
			  "http://h/a%2Fb%20c%3F%C3%A9%7Bx%7D?q=Ann");
	}
	IT ("refuses a value that would begin a second header") {
		CHECK_STR(
			rendered("{evil}", TEMPLATE_HEADER),
			"the value of {evil} has a control character and cannot stand in a header");
		CHECK_STR(rendered("{entity}", TEMPLATE_HEADER), "a/b c?\xc3\xa9{x}");
	}
	IT ("takes doubled braces for braces") {
		CHECK_STR(rendered("{{\"a\":\"{after.name}\"}}", TEMPLATE_PLAIN),
			  "{\"a\":\"Ann\"}");
		CHECK_STR(rendered("{{after.name}}", TEMPLATE_PLAIN), "{after.name}");
	}
	IT ("says where a brace is wrong") {
		CHECK_STR(rendered("ab{c", TEMPLATE_PLAIN),
			  "template: the { at 3 is not closed; write {{ for a brace");
		CHECK_STR(rendered("ab}c", TEMPLATE_PLAIN),
			  "template: the } at 3 closes nothing; write }}");
		CHECK(strstr(rendered("{}", TEMPLATE_PLAIN), "no name stands in the braces at 1"));
		CHECK(strstr(rendered("a{b c}", TEMPLATE_PLAIN), "at 2"));
		CHECK(strstr(rendered("{a{b}}", TEMPLATE_PLAIN), "at 1"));
	}
	IT ("passes on what the lookup says, leaving nothing behind") {
		AUTO(template_auto_free) struct template *t = NULL;
		AUTO(buf_fini) struct buf out = BUF_INIT;
		struct err err = ERR_INIT;

		CHECK(template_parse(STR("a{after.name}{unknown}"), &t, NULL));
		buf_puts(&out, "before");
		CHECK(!template_render(t, TEMPLATE_PLAIN, lookup, NULL, &out, &err));
		CHECK_STR(err_text(&err), "no {unknown}");
		CHECK_INT(err.code, E_MAPPING);
		CHECK_STR(buf_cstr(&out), "before");
		err_fini(&err);
	}
	IT ("lists its names") {
		AUTO(template_auto_free) struct template *t = NULL;

		CHECK(template_parse(STR("a{b}{{c}}{d}{b}"), &t, NULL));
		CHECK(str_eq(template_name(t, 0), STR("b")));
		CHECK(str_eq(template_name(t, 1), STR("d")));
		CHECK(str_eq(template_name(t, 2), STR("b")));
		CHECK(!template_name(t, 3).p);
	}
	return tap_done();
}
