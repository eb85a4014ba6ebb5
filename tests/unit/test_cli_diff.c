/* Unit tests of cli/diff.h and cli/fields.h. */
/* SPDX-License-Identifier: MIT */
#include "cli/diff.h"
#include "cli/fields.h"
#include "cli/text.h"
#include "tests/unit/tap.h"

static struct print print;

static void
diff(const char *text, struct diff_options options)
{
	json_t *items = NULL;

	print_fini(&print);
	print_init(&print, -1, false, true, (struct wall){0});
	if (json_read(str_of(text), &items, NULL))
		diff_print(&print, items, &options);
	json_decref(items);
}

static bool
has(const char *part)
{
	bool found = strstr(buf_cstr(&print.buf), part);

	if (!found)
		printf("# in: %s\n", buf_cstr(&print.buf));
	return found;
}

static unsigned
widest_line(void)
{
	struct str rest = buf_str(&print.buf), line;
	unsigned widest = 0;

	while (rest.p) {
		rest = str_split(rest, '\n', &line);
		if (text_width(line) > widest)
			widest = text_width(line);
	}
	return widest;
}

static const char *
shape(const char *text)
{
	static struct buf out = BUF_INIT;
	struct fields fields = FIELDS_INIT;
	json_t *change = NULL;

	buf_clear(&out);
	if (json_read(str_of(text), &change, NULL))
		fields_of(change, &fields);
	fields_shape(&fields, &out);
	fields_fini(&fields);
	json_decref(change);
	return buf_cstr(&out);
}

/* count changes of one field, each with a value of its own. */
static void
many(struct buf *out, unsigned count)
{
	buf_clear(out);
	buf_putc(out, '[');
	for (unsigned i = 0; i < count; i++)
		buf_printf(
			out,
			"%s{\"id\":\"c%u\",\"target\":\"t\",\"entity\":\"e%u\",\"op\":\"update\","
			"\"status\":\"proposed\",\"before\":{\"n\":0},\"after\":{\"n\":%u}}",
			i ? "," : "", i, i, i + 1);
	buf_putc(out, ']');
}

int
main(void)
{
	struct buf text = BUF_INIT;

	IT ("fields are found below objects, in the order they stand") {
		CHECK_STR(shape("{\"before\":{\"a\":{\"x\":1,\"y\":2},\"b\":1},\"after\":{\"a\":{"
				"\"x\":1,\"y\":3},\"c\":1}}"),
			  "~a.y\n-b\n+c\n");
	}
	IT ("what comes or goes is shown field by field") {
		CHECK_STR(shape("{\"op\":\"create\",\"before\":null,\"after\":{\"a\":1,\"b\":2}}"),
			  "+a\n+b\n");
		CHECK_STR(shape("{\"op\":\"delete\",\"before\":{\"a\":1},\"after\":null}"), "-a\n");
	}
	IT ("a merge patch is shown as what it makes") {
		CHECK_STR(shape("{\"before\":{\"a\":1,\"b\":{\"c\":1}},\"patch\":{\"a\":null,\"b\":"
				"{\"d\":2}}}"),
			  "-a\n+b.d\n");
	}
	IT ("values that are no objects are one field") {
		CHECK_STR(shape("{\"before\":\"x\",\"after\":\"y\"}"), "~\n");
		CHECK_STR(shape("{\"before\":[1],\"after\":{\"a\":1}}"), "~\n");
		CHECK_STR(shape("{}"), "");
	}
	IT ("like changes stand together and are counted, in the plan as well") {
		many(&text, 3);
		diff(buf_cstr(&text), (struct diff_options){.each = 10});
		CHECK(has("~ update t: 3 changes of n\n"));
		CHECK(has("Plan: 0 to create, 3 to update, 0 to delete.\n"));
	}
	IT ("of many only some are shown, and the rest is counted") {
		many(&text, 1000);
		diff(buf_cstr(&text), (struct diff_options){.each = 10});
		CHECK(has("… 990 more changes of these fields"));
		CHECK(has("1000 to update"));
		diff(buf_cstr(&text), (struct diff_options){.each = 0});
		CHECK(!strstr(buf_cstr(&print.buf), "more changes"));
	}
	IT ("the least confident comes first") {
		diff("[{\"op\":\"update\",\"target\":\"sure\",\"confidence\":0.9,\"before\":{\"a\":"
		     "1},\"after\":{\"a\":2}},"
		     "{\"op\":\"update\",\"target\":\"unsure\",\"confidence\":0.1,\"before\":{"
		     "\"a\":1},\"after\":{\"a\":2}}]",
		     (struct diff_options){.each = 10});
		CHECK(strstr(buf_cstr(&print.buf), "unsure") <
		      strstr(buf_cstr(&print.buf), "update sure"));
	}
	IT ("what is undone is shown the other way round") {
		diff("[{\"op\":\"create\",\"target\":\"t\",\"status\":\"applied\",\"before\":null,"
		     "\"after\":{\"a\":1}}]",
		     (struct diff_options){.reverse = true});
		CHECK(has("- undo create t"));
		CHECK(has("- a: 1\n"));
		CHECK(has("Plan: 0 to create, 0 to update, 1 to delete.\n"));
	}
	IT ("what is behind is not planned") {
		diff("[{\"op\":\"update\",\"status\":\"applied\"},{\"op\":\"update\",\"status\":"
		     "\"rejected\"}]",
		     (struct diff_options){.each = 10});
		CHECK(has("Plan: 0 to create, 0 to update, 0 to delete. 1 applied, 1 rejected.\n"));
	}
	IT ("elements of a list with keys are named by these, and are of one kind whichever they "
	    "are") {
		diff("[{\"op\":\"update\",\"target\":\"t\",\"before\":{\"lines\":[{\"id\":\"a-17\","
		     "\"qty\":1},{\"id\":\"b 2\",\"qty\":1},{\"id\":3,\"qty\":1}]},\"after\":{"
		     "\"lines\":[{\"id\":\"a-17\",\"qty\":2},{\"id\":\"b 2\",\"qty\":2},{\"id\":3,"
		     "\"qty\":2},{\"id\":\"d\",\"qty\":9}]}}]",
		     (struct diff_options){.each = 10});
		CHECK(has("~ lines[id=a-17].qty: 1 → 2\n"));
		CHECK(has("~ lines[id=\"b 2\"].qty: 1 → 2\n"));
		CHECK(has("~ lines[id=3].qty: 1 → 2\n"));
		CHECK(has("+ lines[id=d]:"));
		CHECK_STR(shape("{\"before\":{\"l\":[{\"id\":\"a]\",\"q\":1}]},\"after\":{\"l\":[{"
				"\"id\":\"a]\",\"q\":2}]}}"),
			  "~l[].q\n");
		CHECK_STR(shape("{\"before\":{\"l\":[1,2]},\"after\":{\"l\":[1,3]}}"), "~l[]\n");
	}
	IT ("words that differ are marked within lines of a long text, on 80 columns") {
		diff("[{\"op\":\"update\",\"target\":\"t\",\"before\":{\"body\":\"Dear "
		     "customer,\\nyour "
		     "order of Monday will be sent by the slow post, and arrives in ten "
		     "days.\\nBye\\n\"},"
		     "\"after\":{\"body\":\"Dear customer,\\nyour order of Monday will be sent by "
		     "the "
		     "fast post, and arrives in two days.\\nBye\\n\"}}]",
		     (struct diff_options){.each = 10});
		CHECK(has("the [-slow-]"));
		CHECK(has("the {+fast+}"));
		CHECK(has("[-ten-]") && has("{+two+}"));
		CHECK(has(" Dear customer,\n"));
		CHECK(widest_line() <= 80);
	}
	IT ("where there is colour, words are marked by it, over line ends too") {
		AUTO(json_auto_decref) json_t *items = NULL;

		CHECK(json_read(
			STR("[{\"op\":\"update\",\"before\":{\"a\":\"some words that stay "
			    "as they are, then one and two and three and four and five and "
			    "six\"},\"after\":{\"a\":\"some words that stay as they are, then "
			    "quite a different end of it all, which goes on and on and on and "
			    "on\"}}]"),
			&items, NULL));
		print_fini(&print);
		print_init(&print, -1, false, false, (struct wall){0});
		print.colour = true;
		diff_print(&print, items, &(struct diff_options){.each = 10});
		CHECK(has("\033[7m") && has("\033[27m"));
		CHECK(!strstr(buf_cstr(&print.buf), "[-") && !strchr(buf_cstr(&print.buf), 1) &&
		      !strchr(buf_cstr(&print.buf), 2));
	}
	IT ("of a text on one line that is long, what differs is shown wherever it is") {
		buf_clear(&text);
		buf_puts(&text, "[{\"op\":\"update\",\"target\":\"t\",\"before\":{\"a\":\"");
		for (int i = 0; i < 4000; i++)
			buf_puts(&text, "word ");
		buf_puts(&text, "old end\"},\"after\":{\"a\":\"");
		for (int i = 0; i < 4000; i++)
			buf_puts(&text, "word ");
		buf_puts(&text, "new end\"}}]");
		diff(buf_cstr(&text), (struct diff_options){.each = 10});
		CHECK(has("[-old-] end"));
		CHECK(has("{+new+} end"));
		CHECK(has("…"));
		CHECK(widest_line() <= 80);
	}
	IT ("no line is wider than 80 columns, in any script") {
		buf_clear(&text);
		buf_puts(&text, "[{\"op\":\"update\",\"entity\":\"e\",\"reason\":\"");
		for (int i = 0; i < 90; i++)
			buf_puts(&text, "世");
		buf_puts(&text, "\",\"before\":{\"a\":\"");
		for (int i = 0; i < 90; i++)
			buf_puts(&text, "界e\xcc\x81");
		buf_puts(&text, "\"},\"after\":{\"a\":\"x\"}}]");
		diff(buf_cstr(&text), (struct diff_options){.each = 10});
		CHECK(widest_line() <= 80);
		CHECK(widest_line() > 70);
	}
	IT ("a huge value is cut, and says how much is missing") {
		buf_clear(&text);
		buf_puts(&text, "[{\"op\":\"update\",\"before\":{\"a\":1},\"after\":{\"a\":\"");
		for (int i = 0; i < 100000; i++)
			buf_puts(&text, "0123456789");
		buf_puts(&text, "\"}}]");
		diff(buf_cstr(&text), (struct diff_options){.each = 10});
		CHECK(print.buf.len < 10000);
		CHECK(has("more bytes"));
	}
	IT ("items that are no changes do no harm") {
		diff("[1,null,{},{\"op\":5,\"target\":[],\"before\":7,\"confidence\":\"x\"}]",
		     (struct diff_options){.each = 10});
		CHECK(has("Plan: 0 to create, 4 to update, 0 to delete.\n"));
	}
	IT ("nothing is a plan too") {
		diff("[]", (struct diff_options){.each = 10});
		CHECK_STR(buf_cstr(&print.buf), "Plan: 0 to create, 0 to update, 0 to delete.\n");
	}
	IT ("CSV cannot be a formula, and quotes are doubled") {
		json_t *items = NULL;

		print_fini(&print);
		print_init(&print, -1, false, true, (struct wall){0});
		CHECK(json_read(STR("[{\"id\":\"=1+1\",\"entity\":\"a\\\"b\",\"before\":{\"x\":1},"
				    "\"after\":{\"x\":\"y\"}}]"),
				&items, NULL));
		diff_print_csv_head(&print);
		diff_print_csv(&print, items);
		CHECK(has("\r\n\"'=1+1\",\"\",\"\",\"a\"\"b\",\"\",\"\",\"\",\"x\",1,"
			  "\"\"\"y\"\"\"\r\n"));
		json_decref(items);
	}
	buf_fini(&text);
	print_fini(&print);
	return tap_done();
}
