/* Options: the words of a command line, matched against the table of verbs. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_OPT_H
#define ROUSE_CLI_OPT_H

#include "cli/verb.h"

struct opt_pair {
	char *name;
	const char *value; /* NULL for a flag */
};

struct opts {
	const struct verb *verb; /* NULL: none was named */
	const char *noun;	 /* a noun without a verb behind it */
	struct opt_pair *pairs;
	size_t pair_count;
	const char **args;
	size_t arg_count;
	bool help;    /* -h or --help stood somewhere */
	bool version; /* --version, before any verb */
};

#define OPTS_INIT                                                                                  \
	{                                                                                          \
		NULL                                                                               \
	}
void opts_fini(struct opts *opts);

/* argv without the program's name; its strings must outlive ret, which is to be OPTS_INIT.
 * --opt=value, --opt value, -o value, -ovalue; "--" ends the options. Common options may stand
 * before the verb. E_USAGE for an unknown verb or option (with the nearest one), a missing value,
 * too many or too few arguments (not when help is wanted). */
bool opts_parse(int argc, char *const *argv, struct opts *ret, struct err *err);

/* The value given last; "" for a flag that is there, NULL when it is not. */
const char *opts_get(const struct opts *opts, const char *name);
/* The i-th value of an option that may be repeated; NULL behind the last. */
const char *opts_nth(const struct opts *opts, const char *name, size_t i);

#endif
