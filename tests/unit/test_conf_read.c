/* What the line reader refuses: file text on one side, the exact messages on the other. */
/* SPDX-License-Identifier: MIT */
#include "conf/conf.h"

#include "tap.h"
#include "test_conf_fixture.h"

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define A "[agent a]\nkind = exec\n"

static const struct text_case {
	const char *name, *text, *messages;
} cases[] = {
	{"an empty file is a configuration of defaults", "", ""},
	{"comments and blank lines are no trouble",
	 "# one\n; two\n\n[daemon]\n  # indented, before any key\nport = 1\n# three\n", ""},
	{"a comment may be long", "# " X50 X50 X50 X50 X50 "\n[daemon]\nport = 1\n", ""},
	{"CR LF line ends are fine", "[daemon]\r\nport = 1\r\n\r\npublic_url = x\r\n", ""},
	{"a file needs no last line end", "[daemon]\nport = 1", ""},
	{"a UTF-8 byte order mark is skipped", "\xef\xbb\xbf[daemon]\nport = 1\n", ""},
	{"a colon separates as well", "[daemon]\nport: 1\n", ""},
	{"a ';' without a blank before it is text", "[daemon]\npublic_url = a;b\n", ""},
	{"keys may be indented where nothing could be continued", "[daemon]\n  port = 1\n", ""},
	{"a line of 199 bytes is read",
	 "[daemon]\npublic_url = " X50 X50 X50 X10 X10 X10 "xxxxxx\n", ""},

	{"a line of 200 bytes is refused",
	 "[daemon]\npublic_url = " X50 X50 X50 X10 X10 X10 "xxxxxxx\n",
	 "rouse.conf:2: [daemon] public_url: this line has 200 bytes, at most 199 are read; split "
	 "it: continue on indented lines\n"},
	{"a long line makes no key missing, nor its continuations lines of their own",
	 "[agent a]\nkind = exec\ncommand = " X50 X50 X50 X50 "\n  and = more\n  and more\n",
	 "rouse.conf:3: [agent a] command: this line has 210 bytes, at most 199 are read; split "
	 "it: continue on indented lines\n"},
	{"a long continuation is refused in its key's name",
	 A "command = x\n  " X50 X50 X50 X50 "\n",
	 "rouse.conf:4: [agent a] command: this line has 202 bytes, at most 199 are read; split "
	 "it: continue on indented lines\n"},
	{"a value is never cut at a comment", "[daemon]\npublic_url = a ;b\n",
	 "rouse.conf:2: [daemon] public_url: the value would be cut at ' ;'; write no blank before "
	 "the ';', and comments on lines of their own\n"},
	{"nor behind a tab, nor at its start", "[daemon]\npublic_url = a\t;b\nport = ; none\n",
	 "rouse.conf:2: [daemon] public_url: the value would be cut at ' ;'; write no blank before "
	 "the ';', and comments on lines of their own\n"
	 "rouse.conf:3: [daemon] port: the value would be cut at ' ;'; write no blank before the "
	 "';', and comments on lines of their own\n"},
	{"nor in a continuation", A "command = a\n  [b ;c\n",
	 "rouse.conf:4: [agent a] command: the value would be cut at ' ;'; write no blank before "
	 "the ';', and comments on lines of their own\n"},
	{"an indented comment below a key is refused, since it would be left out of the value",
	 A "command = a\n  # b\n  c\n",
	 "rouse.conf:4: [agent a] command: this indented line would be left out of 'command' for "
	 "its '#'; comments begin in the first column\n"},
	{"also one with a semicolon", A "command = a\n  ;b\n",
	 "rouse.conf:4: [agent a] command: this indented line would be left out of 'command' for "
	 "its ';'; comments begin in the first column\n"},
	{"an indented key would vanish in the value above",
	 "[agent a]\n  kind = exec\n  command = x\n",
	 "rouse.conf:3: [agent a] kind: this indented line would become a part of the value above; "
	 "begin it in the first column, or word it otherwise\n"},
	{"so would an indented section", "[daemon]\nport = 1\n  [agent a]\n",
	 "rouse.conf:3: [daemon] port: this indented line would become a part of the value above; "
	 "begin it in the first column, or word it otherwise\n"},
	{"a carriage return inside a line is refused", "[daemon]\npublic_url = a\rb\n",
	 "rouse.conf:2: [daemon] public_url: there is a carriage return inside this line; end "
	 "lines with LF or CR LF\n"},
	{"a control character is refused", "[daemon]\npublic_url = a\vb\n",
	 "rouse.conf:2: [daemon] public_url: there is a control character in this line; remove "
	 "it\n"},
	{"what is not UTF-8 is refused, in comments too",
	 "# \xff\n[daemon]\npublic_url = \xc0\xaf\n",
	 "rouse.conf:1: this line is not UTF-8; save the file in UTF-8\n"
	 "rouse.conf:3: [daemon] public_url: this line is not UTF-8; save the file in UTF-8\n"},
	{"a line that is nothing is refused", "[daemon]\nport 80\n",
	 "rouse.conf:2: this is neither 'key = value' nor a [section]; indent it when it continues "
	 "the line above\n"},
	{"a key needs a name", "[daemon]\n= 80\nmy key = 3\n\"port\" = 1\n",
	 "rouse.conf:2: a key of at most 49 letters, digits, '.', '_' or '-' is expected before "
	 "the '='\n"
	 "rouse.conf:3: a key of at most 49 letters, digits, '.', '_' or '-' is expected before "
	 "the '='\n"
	 "rouse.conf:4: a key of at most 49 letters, digits, '.', '_' or '-' is expected before "
	 "the '='\n"},
	{"a key of 50 bytes is refused: its continuations would lose it", "[daemon]\n" X50 " = 1\n",
	 "rouse.conf:2: a key of at most 49 letters, digits, '.', '_' or '-' is expected before "
	 "the '='\n"},
	{"a key before the first section is refused", "port = 1\n[daemon]\n",
	 "rouse.conf:1: 'port' stands before the first section; put a [section] above it\n"},
	{"a section header needs its bracket, and does not give its keys to the section above",
	 "[daemon]\nport = 1\n[agent a\nport = 2\n",
	 "rouse.conf:3: the section header has no ']'; expected [kind] or [kind name]\n"},
	{"nor are indented lines below it complained about", "[agent a\n  indented\n  and more\n",
	 "rouse.conf:1: the section header has no ']'; expected [kind] or [kind name]\n"},
	{"text behind a section header is refused", "[daemon] # here\nport = 1\n",
	 "rouse.conf:1: there is text behind the section header; put it on a line of its own\n"},
	{"a section header of more than 49 bytes is refused", "[agent " X50 "]\nkind = exec\n",
	 "rouse.conf:1: the section header has 56 bytes, at most 49 are read; shorten the name\n"},
	{"an empty header is refused", "[ ]\n[]\n",
	 "rouse.conf:1: the section header is empty; expected [kind] or [kind name]\n"
	 "rouse.conf:2: the section header is empty; expected [kind] or [kind name]\n"},
	{"a header is not cut at a comment either", "[agent ;a]\n",
	 "rouse.conf:1: the section header would be cut at ' ;'; expected [kind] or [kind name]\n"},
	{"a line that ends in a backslash needs an indented one below it",
	 A "command = a \\\n--flag\n",
	 "rouse.conf:3: [agent a] command: the value ends in '\\', but no indented line follows "
	 "that it could be joined with; indent the next line or remove the '\\'\n"
	 "rouse.conf:4: this is neither 'key = value' nor a [section]; indent it when it continues "
	 "the line above\n"},
	{"a refused line is all that is said of its section's keys",
	 "[agnt a]\nkind = exec\nfoo = 1\n",
	 "rouse.conf:1: [agnt]: unknown section; did you mean 'agent'?\n"},
};

static void
check_values(struct fixture *f)
{
	IT ("continuations are joined with line ends, blank lines between them kept") {
		const struct conf *conf = fixture_load_text(
			f, A "command = one\n   two\n\n\tthree = 3\n# not a part\n  four  \n");

		CHECK_STR(buf_cstr(&f->messages), "");
		CHECK(conf && !strcmp(conf_str(conf_section(conf, "agent", "a"), "command"),
				      "one\ntwo\n\nthree = 3\nfour"));
	}
	IT ("blank lines above a key are no part of it") {
		const struct conf *conf = fixture_load_text(f, A "\n\n\ncommand = one\n  two\n");

		CHECK(conf &&
		      !strcmp(conf_str(conf_section(conf, "agent", "a"), "command"), "one\ntwo"));
	}
	IT ("a value may begin on the line below its key") {
		const struct conf *conf = fixture_load_text(f, A "command =\n  one\n  two\n");

		CHECK(conf &&
		      !strcmp(conf_str(conf_section(conf, "agent", "a"), "command"), "one\ntwo"));
	}
	IT ("a backslash at the end of a line joins without a line end") {
		const struct conf *conf =
			fixture_load_text(f, A "command = one\\\n  two \\\n  kind = x\n");

		CHECK(conf && !strcmp(conf_str(conf_section(conf, "agent", "a"), "command"),
				      "onetwo kind = x"));
	}
	IT ("a line longer than inih reads comes whole through joined lines") {
		const struct conf *conf = fixture_load_text(
			f,
			A "command = " X50 X50 X50 "\\\n  " X50 X50 X50 "\\\n  ;\n"
			  "[daemon]\npublic_url = " X50 X50 X50 "\\\n  " X50 X50 X50 "\\\n  y\n");

		CHECK(!conf);
		conf = fixture_load_text(f, A "command = " X50 X50 X50 "\\\n  " X50 X50 X50
					      "\\\n  y\n");
		CHECK(conf && !strcmp(conf_str(conf_section(conf, "agent", "a"), "command"),
				      X50 X50 X50 X50 X50 X50 "y"));
	}
	IT ("the byte order mark is no part of the first section") {
		const struct conf *conf = fixture_load_text(f, "\xef\xbb\xbf[daemon]\nport = 81\n");

		CHECK(conf && conf_int(conf_section(conf, "daemon", NULL), "port") == 81);
	}
}

static void
check_files(struct fixture *f)
{
	IT ("a NUL byte is refused with its line") {
		fixture_write_str(f, "rouse.conf", STR("[daemon]\nport = 1\0 2\n"));
		CHECK(!fixture_load(f, NULL, 0));
		CHECK_STR(buf_cstr(&f->messages), "rouse.conf:2: [daemon] port: there is a NUL "
						  "byte in this line; this is no text file\n");
	}
	IT ("a file of more than 32 MiB is refused whole") {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		while (text.len <= 32 << 20)
			buf_puts(&text, "# filler that says nothing at all\n");
		CHECK(!fixture_load_text(f, buf_cstr(&text)));
		CHECK_STR(buf_cstr(&f->messages), "rouse.conf: is larger than 32 MiB and was not "
						  "read; split it into several files\n");
	}
	IT ("a file of rubbish gets a thousand messages, not half a million") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		const char *last;

		while (text.len < 1000 * 1000)
			buf_puts(&text, "x\n");
		CHECK(!fixture_load_text(f, buf_cstr(&text)));
		CHECK_INT(conf_report_errors(f->report), 500000);
		last = strstr(buf_cstr(&f->messages), "rouse.conf: more than 1000 errors");
		CHECK_STR(last, "rouse.conf: more than 1000 errors; the others are not shown\n");
	}
	IT ("a folder or a pipe is no configuration file, nor waited for") {
		fixture_write(f, "rouse.conf", "");
		mkdir(fixture_path(f, "agents.d"), 0700);
		CHECK(!mkfifo(fixture_path(f, "agents.d/a.conf"), 0600));
		CHECK(!mkdir(fixture_path(f, "agents.d/b.conf"), 0700));
		CHECK(!symlink("/nowhere/at/all", fixture_path(f, "agents.d/c.conf")));
		CHECK(!fixture_load(f, NULL, 0));
		CHECK_STR(buf_cstr(&f->messages),
			  "agents.d/a.conf: is no regular file; expected a configuration file\n"
			  "agents.d/b.conf: is no regular file; expected a configuration file\n"
			  "agents.d/c.conf: cannot be read: No such file or directory\n");
	}
}

int
main(void)
{
	AUTO(fixture_fini) struct fixture f;

	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		IT (cases[i].name) {
			const struct conf *conf = fixture_load_text(&f, cases[i].text);

			/* These are about lines: what the keys of [agent a] lack is not. */
			CHECK_STR(buf_cstr(&f.messages), cases[i].messages);
			CHECK_INT(conf != NULL, !*cases[i].messages);
		}
	}
	check_values(&f);
	check_files(&f);
	return tap_done();
}
