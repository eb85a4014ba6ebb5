/* Verbs: found by their words, or the one meant when the word is none. */
/* SPDX-License-Identifier: MIT */
#include "cli/verb.h"

const struct verb *
verb_find(const char *noun, const char *name)
{
	for (size_t i = 0; i < verb_count; i++) {
		const struct verb *verb = &verb_table[i];

		if (!verb->noun != !noun || (noun && strcmp(verb->noun, noun)))
			continue;
		if (!strcmp(verb->name, name))
			return verb;
	}
	return NULL;
}

bool
verb_is_noun(const char *word)
{
	for (size_t i = 0; i < verb_count; i++)
		if (verb_table[i].noun && !strcmp(verb_table[i].noun, word))
			return true;
	return false;
}

const char *
verb_suggest(const char *noun, const char *word)
{
	const char *best = NULL;
	unsigned best_distance = 3;

	for (size_t i = 0; i < verb_count; i++) {
		const struct verb *verb = &verb_table[i];
		const char *name = noun || !verb->noun ? verb->name : verb->noun;
		unsigned distance;

		if ((noun && (!verb->noun || strcmp(verb->noun, noun))) ||
		    verb->flags & VERB_HIDDEN)
			continue;
		distance = str_distance(word, name);
		if (distance < best_distance) {
			best_distance = distance;
			best = name;
		}
	}
	return best;
}

static const struct verb_option *
option_nth(const struct verb_option *options, size_t *i)
{
	for (; options && options->name; options++)
		if (!(*i)--)
			return options;
	return NULL;
}

/* The i-th column of the verb's filters as an option: --agent AGENT. */
static const struct verb_option *
filter_nth(const struct verb *verb, size_t *i, struct verb_option_space *space)
{
	struct str rest = str_of(verb->filters), name;

	while (rest.p) {
		rest = str_split(rest, ' ', &name);
		if ((*i)--)
			continue;
		memcpy(space->name, name.p, name.len);
		space->name[name.len] = 0;
		for (size_t at = 0; at <= name.len; at++)
			space->value[at] = space->name[at] >= 'a' ? (char)(space->name[at] - 32)
								  : space->name[at];
		space->option = (struct verb_option){space->name, 0, space->value,
						     "only those with this in the column"};
		return &space->option;
	}
	return NULL;
}

const struct verb_option *
verb_option_at(const struct verb *verb, size_t i, struct verb_option_space *space)
{
	const struct verb_option *option = NULL;

	if (verb) {
		option = option_nth(verb->options, &i);
		if (!option)
			option = filter_nth(verb, &i, space);
		if (!option && verb->flags & VERB_LIST)
			option = option_nth(verb_paging, &i);
	}
	if (!option)
		option = option_nth(verb_shared, &i);
	if (!option && !(verb && verb->flags & VERB_LOCAL))
		option = option_nth(verb_common, &i);
	return option;
}
