/* Options: the words of a command line, matched against the table of verbs. */
/* SPDX-License-Identifier: MIT */
#include "cli/opt.h"

#include <stdlib.h>

void
opts_fini(struct opts *opts)
{
	for (size_t i = 0; i < opts->pair_count; i++)
		free(opts->pairs[i].name);
	free(opts->pairs);
	free(opts->args);
	*opts = (struct opts)OPTS_INIT;
}

static void
opts_add(struct opts *opts, const char *name, const char *value)
{
	opts->pairs = mem_realloc(opts->pairs, (opts->pair_count + 1) * sizeof(*opts->pairs));
	opts->pairs[opts->pair_count++] = (struct opt_pair){mem_strdup(name), value};
}

static void
opts_add_arg(struct opts *opts, const char *arg)
{
	opts->args = mem_realloc(opts->args, (opts->arg_count + 1) * sizeof(*opts->args));
	opts->args[opts->arg_count++] = arg;
}

static const struct verb_option *
option_find(const struct verb *verb, struct str name, char letter, struct verb_option_space *space)
{
	const struct verb_option *option;

	for (size_t i = 0; (option = verb_option_at(verb, i, space)); i++)
		if (letter ? option->letter == letter : str_eq_cstr(name, option->name))
			return option;
	return NULL;
}

static bool
option_unknown(const struct verb *verb, const char *word, struct str name, struct err *err)
{
	AUTO(auto_free) char *wanted = str_dup(name);
	const struct verb_option *option;
	struct verb_option_space space;
	struct verb_option_space best_space;
	const char *best = NULL;
	unsigned best_distance = 3;

	for (size_t i = 0; (option = verb_option_at(verb, i, &space)); i++) {
		unsigned distance = str_distance(wanted, option->name);

		if (distance >= best_distance)
			continue;
		best_distance = distance;
		best_space = space;
		best = option->name == space.name ? best_space.name : option->name;
	}
	if (!verb)
		return err_set(err, E_USAGE,
			       "unknown option %s before the verb; rouse help lists what there is",
			       word);
	if (best)
		return err_set(err, E_USAGE, "rouse %s%s%s has no option %s; did you mean --%s?",
			       verb->noun ? verb->noun : "", verb->noun ? " " : "", verb->name,
			       word, best);
	return err_set(err, E_USAGE,
		       "rouse %s%s%s has no option %s; rouse help %s%s%s lists those it has",
		       verb->noun ? verb->noun : "", verb->noun ? " " : "", verb->name, word,
		       verb->noun ? verb->noun : "", verb->noun ? " " : "", verb->name);
}

/* One word that begins with a dash; *at is its index, and moves when the value is the next word. */
static bool
option_take(struct opts *opts, int argc, char *const *argv, int *at, struct err *err)
{
	const char *word = argv[*at];
	bool is_long = word[1] == '-';
	const char *equals = is_long ? strchr(word, '=') : NULL;
	struct str name = is_long ? str_make(word + 2, equals ? (size_t)(equals - word - 2)
							      : strlen(word + 2))
				  : str_make(word + 1, 1);
	struct verb_option_space space;
	const struct verb_option *option;

	if (str_eq_cstr(str_of(word), "--help") || str_eq_cstr(str_of(word), "-h")) {
		opts->help = true;
		return true;
	}
	if (!opts->verb &&
	    (str_eq_cstr(str_of(word), "--version") || str_eq_cstr(str_of(word), "-V"))) {
		opts->version = true;
		return true;
	}
	option = option_find(opts->verb, name, is_long ? 0 : word[1], &space);
	if (!option)
		return option_unknown(opts->verb, word, name, err);
	if (!option->value) {
		if (equals || (!is_long && word[2]))
			return err_set(err, E_USAGE, "--%s takes no value, but got one: %s",
				       option->name, word);
		opts_add(opts, option->name, NULL);
		return true;
	}
	if (equals) {
		opts_add(opts, option->name, equals + 1);
	} else if (!is_long && word[2]) {
		opts_add(opts, option->name, word + 2);
	} else if (*at + 1 < argc) {
		opts_add(opts, option->name, argv[++*at]);
	} else {
		return err_set(err, E_USAGE, "--%s wants a value: --%s %s", option->name,
			       option->name, option->value);
	}
	return true;
}

static bool
verb_unknown(const char *noun, const char *word, struct err *err)
{
	const char *near = verb_suggest(noun, word);
	AUTO(buf_fini) struct buf all = BUF_INIT;

	if (!noun)
		return near ? err_set(err, E_USAGE,
				      "unknown verb: %s; did you mean %s? rouse help lists all of "
				      "them",
				      word, near)
			    : err_set(err, E_USAGE,
				      "unknown verb: %s; rouse help lists those there are", word);
	for (size_t i = 0; i < verb_count; i++)
		if (verb_table[i].noun && !strcmp(verb_table[i].noun, noun))
			buf_printf(&all, "%s%s", all.len ? ", " : "", verb_table[i].name);
	if (near)
		return err_set(err, E_USAGE,
			       "unknown verb: %s %s; did you mean %s %s? There are: %s", noun, word,
			       noun, near, buf_cstr(&all));
	return err_set(err, E_USAGE, "unknown verb: %s %s; there are: %s", noun, word,
		       buf_cstr(&all));
}

/* A word that is no option: a noun, a verb, or an argument of the verb. */
static bool
word_take(struct opts *opts, const char *word, struct err *err)
{
	if (opts->verb) {
		opts_add_arg(opts, word);
		return true;
	}
	if (!opts->noun) {
		opts->verb = verb_find(NULL, word);
		if (opts->verb)
			return true;
		if (!verb_is_noun(word))
			return verb_unknown(NULL, word, err);
		opts->noun = word;
		return true;
	}
	opts->verb = verb_find(opts->noun, word);
	return opts->verb ? true : verb_unknown(opts->noun, word, err);
}

static bool
args_check(const struct opts *opts, struct err *err)
{
	const struct verb *verb = opts->verb;
	const char *noun = verb->noun ? verb->noun : "", *space = verb->noun ? " " : "";

	if (opts->arg_count < verb->min_args)
		return err_set(err, E_USAGE, "rouse %s%s%s wants %s; usage: rouse %s%s%s %s", noun,
			       space, verb->name, verb->args, noun, space, verb->name, verb->args);
	if (opts->arg_count > verb->max_args)
		return err_set(err, E_USAGE,
			       "rouse %s%s%s: one argument too many: %s; usage: rouse %s%s%s%s%s",
			       noun, space, verb->name, opts->args[verb->max_args], noun, space,
			       verb->name, *verb->args ? " " : "", verb->args);
	return true;
}

bool
opts_parse(int argc, char *const *argv, struct opts *ret, struct err *err)
{
	bool ended = false;

	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];

		if (!ended && !strcmp(word, "--")) {
			ended = true;
			continue;
		}
		if (!ended && word[0] == '-' && word[1]) {
			if (!option_take(ret, argc, argv, &i, err))
				return false;
		} else if (!word_take(ret, word, err)) {
			return false;
		}
	}
	if (!ret->verb || ret->help)
		return true;
	return args_check(ret, err);
}

const char *
opts_get(const struct opts *opts, const char *name)
{
	for (size_t i = opts->pair_count; i > 0; i--)
		if (!strcmp(opts->pairs[i - 1].name, name))
			return opts->pairs[i - 1].value ? opts->pairs[i - 1].value : "";
	return NULL;
}

const char *
opts_nth(const struct opts *opts, const char *name, size_t i)
{
	for (size_t at = 0; at < opts->pair_count; at++)
		if (!strcmp(opts->pairs[at].name, name) && !i--)
			return opts->pairs[at].value ? opts->pairs[at].value : "";
	return NULL;
}
