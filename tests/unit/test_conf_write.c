/* Writing sections that load again as they were meant; and the key table as help, JSON and roff. */
/* SPDX-License-Identifier: MIT */
#include "conf/write.h"

#include "base/json.h"
#include "tap.h"
#include "test_conf_fixture.h"

static void
check_names(void)
{
	IT ("names are small letters, digits and . _ - behind the first, at most 40") {
		CHECK(conf_name_is_valid(STR("a")));
		CHECK(conf_name_is_valid(STR("0.a_b-c")));
		CHECK(conf_name_is_valid(STR("a234567890123456789012345678901234567890")));
		CHECK(!conf_name_is_valid(STR("a2345678901234567890123456789012345678901")));
		CHECK(!conf_name_is_valid(STR("")));
		CHECK(!conf_name_is_valid(STR("-a")));
		CHECK(!conf_name_is_valid(STR("A")));
		CHECK(!conf_name_is_valid(STR("a b")));
		CHECK(!conf_name_is_valid(STR("a/b")));
		CHECK(!conf_name_is_valid(str_make("a\0b", 3)));
		CHECK(!conf_name_is_valid(STR("\xc3\xa4")));
	}
}

/* Writes value as the command of an agent, loads it, and sees whether it is the same. */
static bool
comes_back(struct fixture *f, const char *value)
{
	struct conf_pair pairs[] = {{"kind", "exec"}, {"command", value}};
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!conf_format_section("agent", "a", pairs, 2, &text, &err) ||
	    !fixture_load_text(f, buf_cstr(&text)) ||
	    strcmp(conf_str(conf_section(f->conf, "agent", "a"), "command"), value)) {
		printf("# %s%s%s\n", buf_cstr(&text), buf_cstr(&f->messages), err_text(&err));
		return false;
	}
	return true;
}

static enum err_code
refused(const char *key, const char *value)
{
	struct conf_pair pair = {key, value};
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (conf_format_section("agent", "a", &pair, 1, &text, &err))
		return E_OK;
	return text.len ? E_INTERNAL : err.code;
}

static void
check_format(struct fixture *f)
{
	IT ("a section is written as one would write it") {
		struct conf_pair pairs[] = {
			{"source", "cron"}, {"schedule", "*/5 * * * *"}, {"tag", ""}};
		AUTO(buf_fini) struct buf text = BUF_INIT;

		CHECK(conf_format_section("trigger", "t", pairs, 3, &text, NULL));
		CHECK_STR(buf_cstr(&text),
			  "[trigger t]\nsource = cron\nschedule = */5 * * * *\ntag =\n");
		buf_clear(&text);
		CHECK(conf_format_section("daemon", NULL, NULL, 0, &text, NULL));
		CHECK_STR(buf_cstr(&text), "[daemon]\n");
	}
	IT ("what is written is read again, whatever its length") {
		AUTO(buf_fini) struct buf value = BUF_INIT;
		static const char *const words[] = {
			"word ",    "a;b", "#",		"kind = ", "\\",
			"\xc3\xa4", "=",   "[agent b]", "  ",	   "\\\\ "};

		for (size_t i = 0; i < 400; i++) {
			buf_puts(&value, words[(i * 7 + i / 13) % ARRAY_LEN(words)]);
			buf_putc(&value, 'x');
			CHECK(comes_back(f, buf_cstr(&value)));
		}
	}
	IT ("every length around a line's end is read again") {
		AUTO(buf_fini) struct buf value = BUF_INIT;

		for (size_t i = 0; i < 620; i++) {
			buf_putc(&value, i % 61 == 0 ? '\\' : 'y');
			if (value.data[value.len - 1] == '\\')
				continue;
			CHECK(comes_back(f, buf_cstr(&value)));
		}
	}
	IT ("no line begins with a comment's sign, nor inside a character") {
		static const char *const words[] = {"\xc3\xa4", "\xe2\x82\xac", "###y", ";;;#y",
						    "y   y"};

		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			for (size_t start = 1; start < 8; start++) {
				AUTO(buf_fini) struct buf value = BUF_INIT;

				buf_printf(&value, "%.*s", (int)start, "aaaaaaaa");
				while (value.len < 700)
					buf_puts(&value, words[i]);
				CHECK(comes_back(f, buf_cstr(&value)));
			}
	}
	IT ("what could not be read again is refused, and nothing is written") {
		static const char *const values[] = {"a\nb", "a\rb", " a",  "a ",    "a ;b", ";b",
						     "a\\",  "\xff", "\tb", "a\x01", "a\x7f"};
		AUTO(buf_fini) struct buf blanks = BUF_INIT;

		for (size_t i = 0; i < ARRAY_LEN(values); i++)
			if (!CHECK(refused("command", values[i]) == E_INVALID))
				printf("#   value %zu\n", i);
		buf_putc(&blanks, 'a');
		for (size_t i = 0; i < 300; i++)
			buf_putc(&blanks, ' ');
		buf_putc(&blanks, 'b');
		CHECK_INT(refused("command", buf_cstr(&blanks)), E_INVALID);
		CHECK_INT(refused("", "x"), E_INVALID);
		CHECK_INT(refused("a b", "x"), E_INVALID);
		CHECK_INT(refused("a=b", "x"), E_INVALID);
		CHECK_INT(refused("a\nb", "x"), E_INVALID);
		CHECK_INT(refused("command", "hunter2"), E_OK);
	}
	IT ("a name that is none is refused") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		AUTO(err_fini) struct err err = ERR_INIT;

		CHECK(!conf_format_section("agent", "a]\n[x", NULL, 0, &text, &err));
		CHECK(!conf_format_section("agent\n", "a", NULL, 0, &text, &err));
		CHECK(!conf_format_section("a23456789012345",
					   "a234567890123456789012345678901234567890", NULL, 0,
					   &text, &err));
		CHECK_INT(text.len, 0);
	}
}

static void
check_settings(struct fixture *f)
{
	IT ("a section is shown as it is in effect, its defaults marked") {
		static const char *const lines[] = {
			"kind = http",	"cost = 1.00 (default)", "threshold = 50% (default)",
			"env = A|B|",	"retries = 3 (default)", "url = u",
			"header.X = 1", "header.Y = 2"};
		const struct conf_section *a;
		struct conf_setting setting;
		size_t i;

		CHECK(fixture_load_text(f, "[agent a]\nkind = http\nurl = u\nenv = A,\n  B\n"
					   "header.X = 1\nheader.Y = 2\n"));
		a = conf_section(f->conf, "agent", "a");
		for (i = 0; conf_setting(a, i, &setting); i++) {
			AUTO(buf_fini) struct buf line = BUF_INIT;

			buf_printf(&line, "%s = ", setting.name);
			for (size_t n = 0; n < setting.count; n++)
				buf_printf(&line, "%s|", setting.items[n]);
			buf_printf(&line, "%s%s", setting.count ? "" : setting.text,
				   setting.is_default ? " (default)" : "");
			CHECK_STR(buf_cstr(&line), i < ARRAY_LEN(lines) ? lines[i] : NULL);
		}
		CHECK_INT(i, ARRAY_LEN(lines));
	}
	IT ("numbers and switches are shown as what they are") {
		struct conf_setting setting = {0};

		CHECK(fixture_load_text(f, "[agent a]\nkind = exec\ncommand = x\nretries = 5\n"));
		for (size_t i = 0; conf_setting(conf_section(f->conf, "agent", "a"), i, &setting);
		     i++)
			if (!strcmp(setting.name, "retries"))
				break;
		CHECK_INT(setting.type, CONF_INT);
		CHECK_INT(setting.number, 5);
		CHECK(!setting.is_default);
	}
}

static void
check_help(void)
{
	const struct conf_schema *schema = fixture_schema();
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("help shows a key wherever it is one") {
		AUTO(buf_fini) struct buf out = BUF_INIT;

		CHECK(conf_schema_help(schema, "overlap", &out, &err));
		CHECK_STR(buf_cstr(&out), "[trigger NAME]: what wakes an agent\n"
					  "  overlap (queue|skip|allow, default queue)\n"
					  "      When one runs already\n\n"
					  "[trigger NAME] source = cron: a clock\n"
					  "  overlap (queue|skip|allow, default skip)\n"
					  "      When one runs already\n");
	}
	IT ("help shows a key of one section, a key below a prefix, a section, and all") {
		AUTO(buf_fini) struct buf out = BUF_INIT;

		CHECK(conf_schema_help(schema, "daemon.max_body", &out, &err));
		CHECK_STR(buf_cstr(&out), "[daemon]: the daemon\n  max_body (size, 1K to 1G, "
					  "default 1M)\n      Largest body\n");
		buf_clear(&out);
		CHECK(conf_schema_help(schema, "agent.header.X", &out, &err));
		CHECK(strstr(buf_cstr(&out), "  header.NAME (text)\n") != NULL);
		buf_clear(&out);
		CHECK(conf_schema_help(schema, "daemon", &out, &err));
		CHECK(strstr(buf_cstr(&out), "  port (number, 1 to 65535, default 80)\n") != NULL);
		CHECK(!strstr(buf_cstr(&out), "[agent"));
		buf_clear(&out);
		CHECK(conf_schema_help(schema, NULL, &out, &err));
		CHECK(strstr(buf_cstr(&out), "secret (secret, one or several)") != NULL);
		CHECK(strstr(buf_cstr(&out), "agent (name of [agent], required)") != NULL);
		CHECK(strstr(buf_cstr(&out), "retries (number, at least 1, default 3)") != NULL);
	}
	IT ("help suggests what was meant") {
		AUTO(buf_fini) struct buf out = BUF_INIT;

		CHECK(!conf_schema_help(schema, "overlp", &out, &err));
		CHECK_INT(err.code, E_NOT_FOUND);
		CHECK_STR(err_text(&err),
			  "'overlp' is no section and no key; did you mean 'overlap'?");
		CHECK(!conf_schema_help(schema, "daemon.prt", &out, &err));
		CHECK_STR(err_text(&err),
			  "'daemon.prt' is no section and no key; did you mean 'port'?");
		CHECK_INT(out.len, 0);
	}
	IT ("the rows as JSON are one object a line") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		struct str rest, line;
		size_t rows = 0, want = 0;

		conf_schema_json(schema, &out);
		for (rest = buf_str(&out); rest.len;) {
			json_t *row = NULL;

			rest = str_split(rest, '\n', &line);
			CHECK(json_read(line, &row, &err));
			CHECK(json_str(row, "section") && json_str(row, "key") &&
			      json_str(row, "type"));
			if (rows == 0)
				CHECK_STR(json_str(row, "default"), "/var/lib/rouse");
			json_decref(row);
			rows++;
		}
		for (size_t i = 0; i < schema->count; i++)
			want += schema->tables[i]->count;
		CHECK_INT(rows, want);
		CHECK(strstr(buf_cstr(&out), "\"selector\":\"source=cron\"") != NULL);
	}
	IT ("the rows as roff keep dashes and have no stray requests") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		static const struct conf_key keys[] = {
			{"a-b", CONF_STRING, "c\\d", NULL, 0, 0, 0, ".dot first"}};
		static const struct conf_table table = {"x-y", true, NULL, NULL,
							keys,  1,    NULL, NULL};
		struct conf_schema one = {.count = 0};

		conf_schema_add(&one, &table);
		conf_schema_man(&one, &out);
		CHECK_STR(buf_cstr(&out),
			  ".SS \"[x\\-y NAME]\"\n.TP\n\\fBa\\-b\\fR (text, default c\\ed)\n"
			  "\\&.dot first\n");
	}
}

int
main(void)
{
	AUTO(fixture_fini) struct fixture f;

	fixture_init(&f);
	check_names();
	check_format(&f);
	check_settings(&f);
	check_help();
	return tap_done();
}
