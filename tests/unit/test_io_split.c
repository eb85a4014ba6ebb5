/* Tests: commands are split into words as a shell splits them. */
/* SPDX-License-Identifier: MIT */
#include "io/proc.h"
#include "tests/unit/tap.h"

/* The words joined by '|', or "!" and the start of the sentence that refused them. */
static const char *
split(const char *command)
{
	static char text[1024];
	char **words = NULL;
	struct err err = ERR_INIT;
	size_t len = 0;
	text[0] = '\0';
	if (!proc_split(command, &words, &err)) {
		snprintf(text, sizeof(text), "!%s", err_name(err.code));
		err_fini(&err);
		return text;
	}
	for (size_t i = 0; words[i]; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? "|" : "",
					words[i]);
	proc_words_free(words);
	return text;
}

static bool
says(const char *command, const char *part)
{
	char **words;
	struct err err = ERR_INIT;
	bool ok = !proc_split(command, &words, &err) && strstr(err_text(&err), part);
	if (!ok)
		printf("# said: %s\n", err_text(&err));
	err_fini(&err);
	return ok;
}

int
main(void)
{
	IT ("splits at blanks, tabs and line ends, however many") {
		CHECK_STR(split("a b\tc\n  d  "), "a|b|c|d");
	}
	IT ("reads back what was quoted as one word") {
		AUTO(buf_fini) struct buf b = BUF_INIT;

		buf_shell_word(&b, STR("it's $HOME \"x\" \\ `y`"));
		CHECK_STR(split(buf_cstr(&b)), "it's $HOME \"x\" \\ `y`");
		buf_clear(&b);
		buf_shell_word(&b, STR(""));
		CHECK_STR(buf_cstr(&b), "''");
	}
	IT ("takes what stands in single quotes as it is") {
		CHECK_STR(split("sh -c 'echo $HOME | wc \"x\" \\n'"),
			  "sh|-c|echo $HOME | wc \"x\" \\n");
	}
	IT ("joins quoted and plain parts to one word") {
		CHECK_STR(split("a'b c'\"d e\"f"), "ab cd ef");
	}
	IT ("keeps an empty quoted word") {
		CHECK_STR(split("a '' \"\" b"), "a|||b");
	}
	IT ("takes a backslash in double quotes only before what it can quote") {
		CHECK_STR(split("x \"a\\\"b\\\\c\\d\\$e\""), "x|a\"b\\c\\d$e");
	}
	IT ("joins lines that end in a backslash") {
		CHECK_STR(split("a\\\nb \"c\\\nd\""), "ab|cd");
	}
	IT ("keeps characters that only a shell expands further") {
		CHECK_STR(split("ls *.c ~/x {a,b} a#b"), "ls|*.c|~/x|{a,b}|a#b");
	}
	IT ("takes bytes that are no UTF-8 as they are") {
		CHECK_STR(split("a \xff\xfe"), "a|\xff\xfe");
	}
	IT ("refuses every operator of a shell, and says what to do") {
		const char *operators = "|;&<>()$`";
		for (size_t i = 0; operators[i]; i++) {
			char text[] = "a x b";
			text[2] = operators[i];
			CHECK_STR(split(text), "!invalid");
		}
		CHECK(says("a | b", "sh -c"));
		CHECK(says("a > b", "> outside of quotes"));
	}
	IT ("refuses what a shell would expand within double quotes") {
		CHECK_STR(split("echo \"$HOME\""), "!invalid");
		CHECK_STR(split("echo \"`id`\""), "!invalid");
	}
	IT ("takes an escaped operator") {
		CHECK_STR(split("a \\| \\$ \\;"), "a|||$|;");
	}
	IT ("refuses quotes that are never closed") {
		CHECK(says("a 'b", "never closed"));
		CHECK(says("a \"b", "never closed"));
		CHECK(says("a \"b\\", "never closed"));
		CHECK(says("a \\", "backslash"));
	}
	IT ("refuses a command without a program") {
		CHECK(says("", "empty"));
		CHECK(says("  \n", "empty"));
		CHECK(says("''", "empty word"));
	}
	IT ("refuses a variable in front, which only a shell sets") {
		CHECK(says("A=b cmd", "env A=b"));
		CHECK_STR(split("cmd A=b"), "cmd|A=b");
		CHECK_STR(split("=x"), "=x");
	}
	IT ("refuses a comment") {
		CHECK_STR(split("cmd # why"), "!invalid");
	}
	return tap_done();
}
