/* Tests: jq programs, honest and hostile, run in a helper that survives none of them by luck. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/os.h"
#include "io/jail_check.h"
#include "tests/unit/tap.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1 /* has no memory limit and no filter of system calls */
#else
#define SANITIZED 0
#endif

static struct event_base *base;
static struct jail *jail;
static const char *helper_path;
static int left; /* answers that have not come */

struct seen {
	int calls, order;
	enum err_code code;
	size_t count;
	char text[200]; /* outputs joined by a blank, or what failed */
	size_t bytes;
};
static int answered;

static void
on_answer(void *arg, const struct str *outputs, size_t count, struct err *err)
{
	struct seen *seen = arg;
	size_t len = 0;
	seen->calls++;
	seen->order = ++answered;
	seen->code = err->code;
	seen->count = count;
	snprintf(seen->text, sizeof(seen->text), "%s", err->code ? err_text(err) : "");
	for (size_t i = 0; i < count; i++) {
		seen->bytes += outputs[i].len;
		if (len < sizeof(seen->text))
			len += (size_t)snprintf(seen->text + len, sizeof(seen->text) - len,
						"%s%.*s", i ? " " : "", STR_ARG(outputs[i]));
	}
	left--;
}

static void
on_late(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	*(bool *)arg = true;
}

static bool
wait_all(int seconds)
{
	bool late = false;
	struct timeval tv = {seconds, 0};
	struct event *timer = evtimer_new(base, on_late, &late);
	evtimer_add(timer, &tv);
	while (left > 0 && !late)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
	left = 0;
	return !late;
}

static bool
put(const char *program, struct str input, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	if (!jail_run(jail, program, input, on_answer, seen, NULL))
		return false;
	left++;
	return true;
}

static const char *
run_on(const char *program, struct str input)
{
	static struct seen seen;
	static char text[260];
	if (!put(program, input, &seen) || seen.calls || !wait_all(30))
		return "no answer";
	if (seen.code)
		snprintf(text, sizeof(text), "!%s", err_name(seen.code));
	else
		snprintf(text, sizeof(text), "%s", seen.text);
	return text;
}

static const char *
run(const char *program)
{
	return run_on(program, STR("{\"a\":[1,2],\"b\":\"x\"}"));
}

static void
test_honest(void)
{
	IT ("runs a program over an input") {
		CHECK_STR(run(".a"), "[1,2]");
		CHECK_STR(run(".a[]"), "1 2");
		CHECK_STR(run("empty"), "");
		CHECK_STR(run("{c:.b}"), "{\"c\":\"x\"}");
		CHECK(jail_pid(jail) > 0);
	}
	IT ("keeps the programs apart, and each over many inputs") {
		static struct seen seen[600];
		char input[50], want[50];
		for (int i = 0; i < 600; i++) {
			snprintf(input, sizeof(input), "{\"n\":%d}", i);
			CHECK(put(i % 2 ? ".n" : "\"e\\(.n)\"", str_of(input), &seen[i]));
		}
		CHECK(wait_all(60));
		for (int i = 0; i < 600; i++) {
			snprintf(want, sizeof(want), i % 2 ? "%d" : "\"e%d\"", i);
			CHECK_STR(seen[i].text, want);
			CHECK_INT(seen[i].calls, 1);
			CHECK_INT(seen[i].order - seen[0].order, i);
		}
	}
	IT ("gives integers beyond 2^53 as strings, and only these") {
		CHECK_STR(run_on(".", STR("[9007199254740992,9007199254740993,-9007199254740993,"
					  "18446744073709551615]")),
			  "[9007199254740992,\"9007199254740993\",\"-9007199254740993\","
			  "\"18446744073709551615\"]");
		CHECK_STR(run_on(".a", STR("{\"a\":123456789012345678901234567890}")),
			  "\"123456789012345678901234567890\"");
		CHECK_STR(run_on(".", STR("[1.5,1e3,12345678901234567890.5e-3,\"9007199254740993\","
					  "\"\\\"9007199254740993\"]")),
			  "[1.5,1000,12345678901234568,\"9007199254740993\","
			  "\"\\\"9007199254740993\"]");
		CHECK_STR(run_on(".", STR("-0")), "-0");
	}
	IT ("refuses an input that is no JSON") {
		CHECK_STR(run_on(".", STR("")), "!mapping");
		CHECK_STR(run_on(".", STR("{")), "!mapping");
		CHECK_STR(run_on(".", STR("{} {}")), "!mapping");
		CHECK_STR(run_on(".", STR("\"\\")), "!mapping");
		CHECK_STR(run_on(".", STR("-")), "!mapping");
	}
	IT ("refuses an input nested more than 64 deep, and no other") {
		char deep[140];
		memset(deep, '[', 65);
		memset(deep + 65, ']', 65);
		CHECK_STR(run_on("1", str_make(deep, 130)), "!mapping");
		CHECK_STR(run_on("1", str_make(deep + 1, 128)), "1");
		CHECK_STR(run_on("1", STR("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
					  "[[[[[[[[[[[[[[[[[[[\"")),
			  "1");
	}
	IT ("limits outputs in number and size") {
		struct seen seen;
		CHECK(put("range(1000)", STR("1"), &seen) && wait_all(30));
		CHECK_INT(seen.count, 1000);
		CHECK_STR(run("range(1001)"), "!too_large");
		CHECK(put("\"a\" * 16000000", STR("1"), &seen) && wait_all(30));
		CHECK(seen.code == E_OK && seen.bytes > 15000000);
		CHECK_STR(run("\"a\" * 9000000, \"a\" * 9000000"), "!too_large");
		CHECK_STR(run("reduce range(70) as $i (1; [.])"), "!mapping");
	}
	IT ("says what is wrong with a program") {
		struct seen seen;
		CHECK(put(".a | frobnicate", STR("1"), &seen) && wait_all(30));
		CHECK_INT(seen.code, E_INVALID);
		CHECK(strstr(seen.text, "frobnicate/0 is not defined"));
		CHECK(put("error(\"so it is\")", STR("1"), &seen) && wait_all(30));
		CHECK_INT(seen.code, E_MAPPING);
		CHECK(strstr(seen.text, "so it is"));
	}
}

static struct buf wrong;

static void
on_wrong(void *arg UNUSED, size_t i, const struct err *err)
{
	buf_printf(&wrong, "%zu:%d ", i, strstr(err_text(err), "not looked at") ? 0 : err->code);
}

static const char *
form_of(const char *program)
{
	static struct buf form;

	buf_clear(&form);
	return jail_program_form(str_of(program), &form) ? buf_cstr(&form) : "(none)";
}

static void
check_forms(void)
{
	IT ("gives programs one form that differ in what numbers and strings say") {
		CHECK_STR(form_of(".n > 17 and .k == \"a b\""), ".n > 1 and .k == \"\"");
		CHECK_STR(form_of("[.a[3], .b1, $x2]"), "[.a[1], .b1, $x2]");
		CHECK_STR(form_of("1.5e3 + 0 + -2"), "1.5e3 + 0 + -1");
	}
	IT ("keeps what a compiler looks at: escapes, zero, divisors") {
		CHECK_STR(form_of("\"a\\(.b + 2)c\""), "\"a\\(.b + 1)c\"");
		CHECK_STR(form_of("\"\\u00e4\""), "\"\\u00e4\"");
		CHECK_STR(form_of("4 / 2"), "4 / 2");
		CHECK_STR(form_of("4 % 2"), "4 % 2");
	}
	IT ("ends a comment where it ends") {
		CHECK_STR(form_of(".a # ) not \" this\n| .b # nor this"), ".a \n| .b ");
	}
	IT ("has no form for what could not stand in parentheses") {
		static const char *const none[] = {
			"1), (2",	".a)",	"(.a", "[.a)", "\"a", "\"\\(.a\"",
			"\"\\(\")",	"{",	"",    "  ",   "# x", "import \"a\" as b; .",
			"module {}; .", "\"a\\"};

		for (size_t i = 0; i < ARRAY_LEN(none); i++)
			CHECK_STR(i == 10 ? "(none)" : form_of(none[i]), "(none)");
	}
}

static void
check_many(void)
{
	static const char *const some[] = {".a | select(. > 1)",
					   "nope(1)",
					   ".a | select(. > 2)",
					   ".a | (",
					   "",
					   "1), (2",
					   "nope(2)",
					   ".a | select(. > 1)",
					   "def f: 1; f",
					   "# only a comment",
					   "f",
					   "{(3): 4}",
					   ".a as $x | $x",
					   "$x",
					   "label $out | break $out",
					   "break $out",
					   "\"\\(1 + 1)\"",
					   "\"\\u12\"",
					   "1 / 0"};
	AUTO(buf_fini) struct buf alone = BUF_INIT;
	struct jail *fresh = jail_new(base, helper_path);

	check_forms();
	IT ("says of many together what it says of each alone") {
		for (size_t i = 0; i < ARRAY_LEN(some); i++) {
			AUTO(err_fini) struct err err = ERR_INIT;

			if (!jail_check(jail, some[i], &err))
				buf_printf(&alone, "%zu:%d ", i, err.code);
		}
		CHECK(alone.len);
		jail_check_all(fresh, some, ARRAY_LEN(some), on_wrong, NULL);
		CHECK_STR(buf_cstr(&wrong), buf_cstr(&alone));
		buf_clear(&wrong);
		jail_check_all(fresh, some, ARRAY_LEN(some), on_wrong, NULL);
		CHECK_STR(buf_cstr(&wrong), buf_cstr(&alone));
	}
	IT ("looks at no more than 50 that are wrong, and lets none of the others pass") {
		static char texts[300][40];
		const char *programs[ARRAY_LEN(texts)];
		size_t count = 0, unseen = 0;

		for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
			snprintf(texts[i], sizeof(texts[i]), "nope%zu | %zu", i, i);
			programs[i] = texts[i];
		}
		buf_clear(&wrong);
		jail_check_all(fresh, programs, ARRAY_LEN(texts), on_wrong, NULL);
		for (const char *p = buf_cstr(&wrong); (p = strchr(p, ':')); p++, count++)
			unseen += p[1] == '0';
		CHECK_INT(count, ARRAY_LEN(texts));
		CHECK(unseen >= ARRAY_LEN(texts) - 100);
	}
	jail_free(fresh);
	buf_fini(&wrong);
}

static void
test_check(void)
{
	struct err err = ERR_INIT;
	IT ("checks a program at once") {
		CHECK(jail_check(jail, ".a | select(. > 1)", &err));
		CHECK(!jail_check(jail, ".a | (", &err));
		CHECK_INT(err.code, E_INVALID);
		CHECK(strstr(err_text(&err), "syntax error"));
		CHECK(!jail_check(jail, "nope(1)", &err));
		CHECK(strstr(err_text(&err), "nope/1"));
		CHECK(jail_check(jail, "", &err));
	}
	check_many();
	IT ("refuses a program that cannot be compiled in bounds, in bounded time") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		int64_t before = clock_mono(clock_system()).ms;
		for (int i = 0; i < 200000; i++)
			buf_putc(&text, '[');
		CHECK(!jail_check(jail, buf_cstr(&text), &err));
		CHECK(clock_mono(clock_system()).ms - before < 6000);
		for (int i = 0; i < 200000; i++)
			buf_puts(&text, "1,1,1,1,");
		CHECK(!jail_check(jail, buf_cstr(&text), &err));
		CHECK_INT(err.code, E_TOO_LARGE);
		CHECK(jail_check(jail, ".", &err));
	}
	err_fini(&err);
}

static void
test_hostile(void)
{
	static const struct {
		const char *program, *want;
		bool memory; /* ends by the limit of memory, which a sanitizer does not let us set
			      */
	} table[] = {
		{"def f: f; f", "!timeout", false},
		{"def f: 1 + f; f", "!full", true},
		{"[recurse(.)]", "!full", true},
		{"[range(1e12)]", "!full", true},
		{"[range(1e9)]", "!full", true},
		{"last(repeat(1))", "!timeout", false},
		{"\"x\" * 1e9 | length", "!full", true},
		{"reduce range(1e9) as $i (\"\"; . + \"xxxxxxxxxx\")", "!full", true},
		{"[range(1e8)] | sort", "!full", true},
		{"reduce range(1e6) as $i (null; [.])", "!full", true},
		{"reduce range(1e6) as $i (null; [.]) | tojson | length", "!full", true},
		{"(\"a\" * 40 + \"!\") | test(\"^(a+)+$\")", "!mapping", false},
		{"env", "{}", false},
		{"env | tostring", "\"{}\"", false},
		{"$ENV", "{}", false},
		{"$ENV.PATH", "null", false},
		{"include \"/etc/passwd\"; .", "!invalid", false},
		{"import \"/etc/passwd\" as $x; $x", "!invalid", false},
		{"[inputs]", "[]", false},
		{"input", "!mapping", false},
		{"\"x\" | halt_error(3)", "!mapping", false},
		{"halt", "!mapping", false},
		{"1 | debug", "1", false},
		{"1 | stderr", "1", false},
		{"input_filename", "null", false},
		{"now | type", "\"number\"", false},
		{"now | strflocaltime(\"%Z\")", "\"UTC\"", false},
		{"getpath([range(100000)])", "!mapping", false},
		{"setpath([1e9]; 1)", "!mapping", false},
		{"[1114112] | implode", "\"\xef\xbf\xbd\"", false},
		{"\"%%%%\" | @base64d", "!mapping", false},
		{"[limit(-1; 1, 2)]", "[1,2]", false},
		{"nan < nan", "true", false},
		{"error", "!mapping", false},
		{"error(null)", "", false},
		{"until(false; .)", "!timeout", false},
		{"get_search_list", "[]", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char name[160];
		if (SANITIZED && table[i].memory)
			continue;
		snprintf(name, sizeof(name), "%s gives %s", table[i].program, table[i].want);
		IT (name) {
			CHECK_STR(run(table[i].program), table[i].want);
		}
	}
	IT ("answers neighbours of a program that kills the helper, once each and in order") {
		static struct seen seen[30];
		char input[20];
		for (int i = 0; i < 30; i++) {
			snprintf(input, sizeof(input), "%d", i);
			CHECK(put(i % 10 == 5 ? "def f: f; f" : ".", str_of(input), &seen[i]));
		}
		CHECK(wait_all(60));
		int last = 0;
		for (int i = 0; i < 30; i++) {
			CHECK_INT(seen[i].calls, 1);
			CHECK_INT(seen[i].code, i % 10 == 5 ? E_TIMEOUT : E_OK);
			if (i % 10 == 5)
				continue;
			snprintf(input, sizeof(input), "%d", i);
			CHECK_STR(seen[i].text, input);
			CHECK(seen[i].order > last);
			last = seen[i].order;
		}
	}
	IT ("leaves no zombie of all these helpers") {
		int status;
		CHECK_INT(waitpid(-1, &status, WNOHANG), 0); /* one lives */
	}
}

static void
test_life(void)
{
	struct seen seen[3];
	IT ("starts another helper when the one is killed, and loses nothing") {
		CHECK_STR(run("1"), "1");
		pid_t pid = jail_pid(jail);
		CHECK(put(".", STR("7"), &seen[0]));
		kill(pid, SIGKILL);
		CHECK(wait_all(30));
		CHECK_STR(seen[0].text, "7");
		CHECK(jail_pid(jail) != pid);
	}
	IT ("ends a helper that hangs, not only one that computes") {
		CHECK_STR(run("1"), "1");
		kill(jail_pid(jail), SIGSTOP);
		CHECK(put(".", STR("8"), &seen[0]));
		kill(jail_pid(jail), SIGKILL); /* what the watch does after 20 s */
		CHECK(wait_all(30));
		CHECK_STR(seen[0].text, "8");
	}
	IT ("refuses when too many wait, and serves those who do") {
		static struct seen many;
		int taken = 0;
		struct err err = ERR_INIT;
		memset(&many, 0, sizeof(many));
		while (taken < 20000 && jail_run(jail, ".", STR("1"), on_answer, &many, &err))
			taken++;
		CHECK_INT(taken, 10000);
		CHECK_INT(err.code, E_FULL);
		err_fini(&err);
		left = taken;
		CHECK(wait_all(60));
		CHECK_INT(many.calls, 10000);
	}
	IT ("refuses inputs and programs that are too large") {
		AUTO(buf_fini) struct buf big = BUF_INIT;
		AUTO(err_fini) struct err err = ERR_INIT;
		for (int i = 0; i < (16 << 20) + 1; i++)
			buf_putc(&big, ' ');
		CHECK(!jail_run(jail, ".", buf_str(&big), on_answer, &seen[0], &err));
		CHECK_INT(err.code, E_TOO_LARGE);
		CHECK(!jail_run(jail, buf_cstr(&big), STR("1"), on_answer, &seen[0], &err));
		CHECK_INT(err.code, E_TOO_LARGE);
	}
	IT ("keeps more programs than a helper does") {
		static struct seen all[400];
		char program[30], want[30];
		if (SANITIZED)
			printf("# with fewer programs, for they compile slowly\n");
		int count = SANITIZED ? 270 : 300;
		for (int i = 0; i < count; i++) {
			snprintf(program, sizeof(program), ". + %d", i);
			CHECK(put(program, STR("1"), &all[i]));
		}
		CHECK(wait_all(120));
		for (int i = 0; i < count; i++) {
			snprintf(want, sizeof(want), "%d", i + 1);
			CHECK_STR(all[i].text, want);
		}
		CHECK_STR(run_on(". + 0", STR("1")), "1");
	}
	IT ("gives no answer once it is freed") {
		CHECK(put(".", STR("1"), &seen[0]));
		CHECK(put("def f: f; f", STR("1"), &seen[1]));
		jail_free(jail);
		left = 0;
		event_base_loop(base, EVLOOP_NONBLOCK);
		CHECK_INT(seen[0].calls + seen[1].calls, 0);
		CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	}
	IT ("says so when there is no helper, or one that cannot work") {
		AUTO(err_fini) struct err err = ERR_INIT;
		jail = jail_new(base, "/no/such/rouse-jq");
		CHECK_STR(run("."), "!unavailable");
		CHECK(!jail_check(jail, ".", &err));
		CHECK_INT(err.code, E_UNAVAILABLE);
		jail_free(jail);
		jail = jail_new(base, "/bin/false");
		CHECK_STR(run("."), "!unavailable");
		CHECK(!jail_check(jail, ".", &err));
		jail_free(jail);
		jail = NULL;
	}
}

int
main(void)
{
	const char *build = getenv("builddir");
	AUTO(buf_fini) struct buf path = BUF_INIT;
	buf_printf(&path, "%s/rouse-jq", build ? build : ".");
	char *real = realpath(buf_cstr(&path), NULL);
	setenv("SECRET", "s3cret", 1);
	base = event_base_new();
	helper_path = real ? real : "rouse-jq";
	jail = jail_new(base, helper_path);
	test_honest();
	test_check();
	test_hostile();
	test_life();
	free(real);
	event_base_free(base);
	return tap_done();
}
