/* Unit tests of cli/opt.h and cli/verb.h. */
/* SPDX-License-Identifier: MIT */
#include "cli/opt.h"
#include "cli/verb.h"
#include "tests/unit/tap.h"

#include <stdlib.h>

/* Parses words (NULL at the end); the code that it ends with. */
static enum err_code
parse(struct opts *opts, struct err *err, const char *const *words)
{
	int count = 0;

	while (words[count])
		count++;
	opts_fini(opts);
	err_fini(err);
	opts_parse(count, (char *const *)words, opts, err);
	return err->code;
}

#define PARSE(...) parse(&opts, &err, (const char *const[]){__VA_ARGS__, NULL})

static bool
table_is_sound(void)
{
	for (size_t i = 0; i < verb_count; i++) {
		const struct verb *verb = &verb_table[i];

		if (!verb->run || !verb->help || !verb->args || verb->min_args > verb->max_args)
			return false;
		if (verb_find(verb->noun, verb->name) != verb || (verb->max_args && !*verb->args))
			return false;
		if (!verb->noun && verb_is_noun(verb->name))
			return false;
	}
	return true;
}

/* No verb understands one name or letter in two ways. */
static bool
options_are_single(void)
{
	for (size_t v = 0; v < verb_count; v++) {
		struct verb_option_space one, two;
		const struct verb_option *a, *b;

		for (size_t i = 0; (a = verb_option_at(&verb_table[v], i, &one)); i++)
			for (size_t j = i + 1; (b = verb_option_at(&verb_table[v], j, &two)); j++)
				if (!strcmp(a->name, b->name) ||
				    (a->letter && a->letter == b->letter)) {
					printf("# %s %s: --%s --%s\n",
					       verb_table[v].noun ? verb_table[v].noun : "",
					       verb_table[v].name, a->name, b->name);
					return false;
				}
	}
	return true;
}

int
main(void)
{
	struct opts opts = OPTS_INIT;
	struct err err = ERR_INIT;

	IT ("every row of the table is whole, and is found by its words") {
		CHECK(table_is_sound());
	}
	IT ("no verb has two options of one name or letter") {
		CHECK(options_are_single());
	}
	IT ("a verb without a noun is found") {
		CHECK_INT(PARSE("status"), E_OK);
		CHECK(opts.verb == verb_find(NULL, "status"));
	}
	IT ("a noun and its verb are found, with an argument") {
		CHECK_INT(PARSE("run", "show", "abc"), E_OK);
		CHECK_STR(opts.verb ? opts.verb->name : NULL, "show");
		CHECK_INT((long long)opts.arg_count, 1);
		CHECK_STR(opts.args[0], "abc");
	}
	IT ("a value stands behind = or in the next word") {
		CHECK_INT(PARSE("run", "list", "--agent=a=b", "--limit", "7"), E_OK);
		CHECK_STR(opts_get(&opts, "agent"), "a=b");
		CHECK_STR(opts_get(&opts, "limit"), "7");
		CHECK(!opts_get(&opts, "trigger"));
	}
	IT ("an empty value is a value") {
		CHECK_INT(PARSE("run", "list", "--agent="), E_OK);
		CHECK_STR(opts_get(&opts, "agent"), "");
	}
	IT ("a short option takes its value from the same word or the next") {
		CHECK_INT(PARSE("run", "list", "-n5"), E_OK);
		CHECK_STR(opts_get(&opts, "limit"), "5");
		CHECK_INT(PARSE("run", "list", "-n", "6"), E_OK);
		CHECK_STR(opts_get(&opts, "limit"), "6");
	}
	IT ("a common option may stand before the verb") {
		CHECK_INT(PARSE("--socket", "/x", "--json", "status"), E_OK);
		CHECK_STR(opts_get(&opts, "socket"), "/x");
		CHECK_STR(opts_get(&opts, "json"), "");
	}
	IT ("an option of the verb may not") {
		CHECK_INT(PARSE("--agent", "a", "run", "list"), E_USAGE);
	}
	IT ("the last of the same option counts, and all can be had") {
		CHECK_INT(PARSE("trigger", "add", "x", "--set", "a=1", "--set", "b=2"), E_OK);
		CHECK_STR(opts_get(&opts, "set"), "b=2");
		CHECK_STR(opts_nth(&opts, "set", 0), "a=1");
		CHECK_STR(opts_nth(&opts, "set", 1), "b=2");
		CHECK(!opts_nth(&opts, "set", 2));
	}
	IT ("-- ends the options") {
		CHECK_INT(PARSE("run", "send", "abc", "--", "--loud"), E_OK);
		CHECK_STR(opts.args[1], "--loud");
	}
	IT ("a dash alone is an argument") {
		CHECK_INT(PARSE("check", "-"), E_OK);
		CHECK_STR(opts.args[0], "-");
	}
	IT ("a missing value, a value for a flag and an unknown option are wrong usage") {
		CHECK_INT(PARSE("run", "list", "--agent"), E_USAGE);
		CHECK_INT(PARSE("status", "--json=1"), E_USAGE);
		CHECK_INT(PARSE("status", "--nope"), E_USAGE);
		CHECK_INT(PARSE("status", "-z"), E_USAGE);
	}
	IT ("the nearest option and verb are suggested") {
		CHECK_INT(PARSE("run", "list", "--agnt", "x"), E_USAGE);
		CHECK(strstr(err_text(&err), "--agent"));
		CHECK_INT(PARSE("aprove"), E_USAGE);
		CHECK(strstr(err_text(&err), "approve"));
		CHECK_INT(PARSE("run", "cancle"), E_USAGE);
		CHECK(strstr(err_text(&err), "cancel"));
	}
	IT ("a word that is like none gets no suggestion") {
		CHECK_INT(PARSE("zzzzzzzzzz"), E_USAGE);
		CHECK(!strstr(err_text(&err), "did you mean"));
	}
	IT ("too few and too many arguments are wrong usage, unless help is wanted") {
		CHECK_INT(PARSE("run", "show"), E_USAGE);
		CHECK_INT(PARSE("run", "show", "a", "b"), E_USAGE);
		CHECK_INT(PARSE("run", "show", "--help"), E_OK);
		CHECK(opts.help);
	}
	IT ("a thousand options are kept") {
		const char *words[2003] = {"trigger", "add"};

		for (size_t i = 2; i < 2002; i += 2) {
			words[i] = "--set";
			words[i + 1] = "k=v";
		}
		CHECK_INT(parse(&opts, &err, words), E_USAGE);
		CHECK_INT((long long)opts.pair_count, 1000);
	}
	opts_fini(&opts);
	err_fini(&err);
	return tap_done();
}
