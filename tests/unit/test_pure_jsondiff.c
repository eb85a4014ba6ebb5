/* Tests of differences of JSON values. */
/* SPDX-License-Identifier: MIT */
#include "pure/jsondiff.h"

#include "tests/unit/tap.h"

static json_t *
value_of(const char *text)
{
	json_t *v = NULL;
	struct err err = ERR_INIT;

	if (text && !json_read(str_of(text), &v, &err))
		printf("# %s: %s\n", text, err_text(&err));
	err_fini(&err);
	return v;
}

static const char *
shown(const char *before, const char *after, unsigned width)
{
	static struct buf out;
	AUTO(json_auto_decref) json_t *a = value_of(before);
	AUTO(json_auto_decref) json_t *b = value_of(after);
	AUTO(jsondiff_auto_free) struct jsondiff *diff = jsondiff_new(a, b);

	buf_clear(&out);
	jsondiff_print(diff, width, &out);
	return buf_cstr(&out);
}

/* op pointer, blank between. */
static const char *
listed(const char *before, const char *after)
{
	static struct buf out;
	AUTO(json_auto_decref) json_t *a = value_of(before);
	AUTO(json_auto_decref) json_t *b = value_of(after);
	AUTO(jsondiff_auto_free) struct jsondiff *diff = jsondiff_new(a, b);

	buf_clear(&out);
	for (size_t i = 0; i < diff->count; i++) {
		const struct jsondiff_item *item = &diff->items[i];

		buf_printf(&out, "%s%s %s", i ? " " : "", jsondiff_op_name(item->op),
			   item->pointer);
		if (!item->before != (item->op == JSONDIFF_ADD) ||
		    !item->after != (item->op == JSONDIFF_REMOVE))
			buf_puts(&out, " (sides are wrong)");
	}
	return buf_cstr(&out);
}

static void
test_walk(void)
{
	IT ("lists what was added, removed and replaced, by pointer") {
		CHECK_STR(listed("{\"a\":1,\"b\":2}", "{\"b\":3,\"c\":4}"),
			  "remove /a replace /b add /c");
		CHECK_STR(listed("{\"a\":{\"b\":{\"c\":1}}}", "{\"a\":{\"b\":{\"c\":2}}}"),
			  "replace /a/b/c");
		CHECK_STR(listed("{\"a/b\":1,\"m~n\":1}", "{\"a/b\":2,\"m~n\":2}"),
			  "replace /a~1b replace /m~0n");
		CHECK_STR(listed("1", "2"), "replace ");
		CHECK_STR(listed("{\"a\":1}", "[1]"), "replace ");
		CHECK_STR(listed("{\"a\":1}", "{\"a\":1}"), "");
	}
	IT ("takes nothing for what is not there, and tells it from null") {
		CHECK_STR(listed(NULL, "{\"a\":1}"), "add ");
		CHECK_STR(listed("{\"a\":1}", NULL), "remove ");
		CHECK_STR(listed(NULL, NULL), "");
		CHECK_STR(listed("{\"a\":null}", "{}"), "remove /a");
	}
	IT ("compares arrays between equal beginnings and ends") {
		CHECK_STR(listed("[1,2,3]", "[1,9,2,3]"), "add /1");
		CHECK_STR(listed("[1,2,3,4]", "[1,4]"), "remove /1 remove /2");
		CHECK_STR(listed("[1,{\"a\":1},3]", "[1,{\"a\":2},3]"), "replace /1/a");
		CHECK_STR(listed("[1,1]", "[1,1,1]"), "add /2");
	}
	IT ("compares lists by key where every element has one of its own") {
		CHECK_STR(listed("[{\"id\":1,\"a\":1},{\"id\":2},{\"id\":3}]",
				 "[{\"id\":9},{\"id\":1,\"a\":2},{\"id\":3}]"),
			  "replace /0/a remove /1 add /0");
		CHECK_STR(listed("[{\"name\":\"x\"}]", "[{\"name\":\"x\",\"b\":1}]"), "add /0/b");
	}
	IT ("takes keys that are not unique, and another order, for no keys") {
		CHECK_STR(listed("[{\"id\":1},{\"id\":1}]", "[{\"id\":1},{\"id\":1,\"a\":1}]"),
			  "add /1/a");
		CHECK_STR(listed("[{\"id\":1},{\"id\":2}]", "[{\"id\":2},{\"id\":1}]"),
			  "replace /0/id replace /1/id");
		CHECK_STR(listed("[{\"id\":{}}]", "[{\"id\":[]}]"), "replace /0/id");
	}
}

static void
test_print(void)
{
	IT ("shows one line a difference") {
		CHECK_STR(
			shown("{\"name\":\"a\",\"old\":1}", "{\"name\":\"b\",\"new\":[true]}", 80),
			"~ name: \"a\" \xe2\x86\x92 \"b\"\n- old: 1\n+ new: [true]\n");
		CHECK_STR(shown("{\"a\":{\"b c\":1}}", "{\"a\":{\"b c\":2}}", 80),
			  "~ a.\"b c\": 1 \xe2\x86\x92 2\n");
	}
	IT ("cuts what is long around the first difference") {
		const char *text = shown(
			"{\"t\":"
			"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaXold\"}",
			"{\"t\":"
			"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaYnew\"}",
			60);

		CHECK_STR(text, "~ t:\n    - \xe2\x80\xa6"
				"aaaaaaaaaaaaaaaaXold\"\n"
				"    + \xe2\x80\xa6"
				"aaaaaaaaaaaaaaaaYnew\"\n");
	}
	IT ("keeps every line within the width, in whole characters") {
		AUTO(buf_fini) struct buf a = BUF_INIT;
		struct str rest, line;

		buf_puts(&a, "{\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
			     "\xc3\xa9"
			     "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\":\"");
		for (int i = 0; i < 5000; i++)
			buf_puts(&a, "\xe4\xb8\x96");
		buf_puts(&a, "\"}");
		for (unsigned width = 1; width < 100; width++)
			for (rest = str_of(shown(buf_cstr(&a), width % 2 ? "{}" : "1", width));
			     rest.len;) {
				size_t points = 0;

				rest = str_split(rest, '\n', &line);
				CHECK(str_is_utf8(line));
				for (size_t i = 0; i < line.len; i++)
					points += ((unsigned char)line.p[i] & 0xc0) != 0x80;
				CHECK(points <= (width < 20 ? 20 : width));
			}
	}
	IT ("shows a text of several lines as their difference") {
		CHECK_STR(shown("{\"t\":\"a\\nb\\nc\\n\"}", "{\"t\":\"a\\nB\\nc\\n\"}", 80),
			  "~ t:\n    @@ -1,3 +1,3 @@\n     a\n    -b\n    +B\n     c\n");
	}
	IT ("lets no value or name steer the terminal") {
		const char *text = shown("{\"k\":1}",
					 "{\"k\":\"\\u001b[2J\\u202e\\u009b\",\"\\u001b\":1}", 80);

		CHECK(!strchr(text, 0x1b) && !strstr(text, "\xe2\x80\xae") &&
		      !strstr(text, "\xc2\x9b"));
		CHECK(strstr(text, "\\u202e"));
	}
}

static bool
merges(const char *target, const char *patch, const char *want)
{
	AUTO(json_auto_decref) json_t *t = value_of(target);
	AUTO(json_auto_decref) json_t *p = value_of(patch);
	AUTO(json_auto_decref) json_t *w = value_of(want);
	AUTO(json_auto_decref) json_t *got = jsondiff_merge_apply(t, p);

	return json_equal(got, w);
}

static bool
creates(const char *before, const char *after, const char *want)
{
	AUTO(json_auto_decref) json_t *a = value_of(before);
	AUTO(json_auto_decref) json_t *b = value_of(after);
	AUTO(json_auto_decref) json_t *w = value_of(want);
	AUTO(json_auto_decref) json_t *patch = NULL;
	AUTO(json_auto_decref) json_t *back = NULL;

	if (!jsondiff_merge_create(a, b, &patch))
		return !want;
	back = jsondiff_merge_apply(a, patch);
	return want && json_equal(patch, w) && json_equal(back, b);
}

static void
test_merge(void)
{
	IT ("applies the examples of RFC 7396") {
		CHECK(merges("{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"));
		CHECK(merges("{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"));
		CHECK(merges("{\"a\":\"b\"}", "{\"a\":null}", "{}"));
		CHECK(merges("{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"));
		CHECK(merges("{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"));
		CHECK(merges("{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"));
		CHECK(merges("{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
			     "{\"a\":{\"b\":\"d\"}}"));
		CHECK(merges("{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"));
		CHECK(merges("[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"));
		CHECK(merges("{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"));
		CHECK(merges("{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"));
		CHECK(merges("[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"));
		CHECK(merges("{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"));
		CHECK(merges(NULL, "{\"a\":1}", "{\"a\":1}"));
	}
	IT ("creates the patch that leads from one value to another") {
		CHECK(creates("{\"a\":1,\"b\":{\"c\":2,\"d\":3}}",
			      "{\"b\":{\"c\":9,\"d\":3},\"e\":[null]}",
			      "{\"a\":null,\"b\":{\"c\":9},\"e\":[null]}"));
		CHECK(creates("{\"a\":1}", "{\"a\":1}", "{}"));
		CHECK(creates("{\"a\":1}", "{\"a\":{\"b\":2}}", "{\"a\":{\"b\":2}}"));
		CHECK(creates("{\"n\":null}", "{\"n\":null,\"a\":1}", "{\"a\":1}"));
		CHECK(creates(NULL, "[1]", "[1]"));
	}
	IT ("says when no merge patch can") {
		CHECK(creates("{\"a\":1}", "{\"a\":null}", NULL));
		CHECK(creates("{}", "{\"a\":{\"b\":null}}", NULL));
		CHECK(creates(NULL, "{\"b\":null}", NULL));
	}
}

int
main(void)
{
	test_walk();
	test_print();
	test_merge();
	return tap_done();
}
