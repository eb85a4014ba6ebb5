/* Verbs: the one table that the command line, its help, its manual and its completions come from.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_VERB_H
#define ROUSE_CLI_VERB_H

#include "base/buf.h"
#include "base/err.h"

struct cli;

struct verb_option {
	const char *name;  /* without dashes */
	char letter;	   /* 0: none */
	const char *value; /* what stands for it in the help; NULL: a flag */
	const char *help;  /* one line */
};

enum {
	VERB_LIST = 1,	/* takes --limit --after --since */
	VERB_LOCAL = 2, /* never talks to the daemon */
	VERB_HIDDEN = 4 /* not in help, manual and completions */
};

#define VERB_MANY 1000000

struct verb {
	const char *noun; /* NULL: `rouse NAME` */
	const char *name;
	const char *args; /* as in a usage line, "" for none */
	unsigned min_args, max_args;
	const struct verb_option *options; /* ends with a NULL name; NULL: none */
	const char *filters; /* columns that are options, separated by spaces, or NULL */
	unsigned flags;
	const char *help; /* one line */
	const char *more; /* what else there is to know, or NULL */
	/* false with err, whose code gives the exit status; true: cli->status is it. */
	bool (*run)(struct cli *cli, struct err *err);
};

extern const struct verb verb_table[];
extern const size_t verb_count;
extern const struct verb_option verb_common[]; /* for every verb that talks to the daemon */
extern const struct verb_option verb_paging[]; /* for VERB_LIST */
extern const struct verb_option verb_shared[]; /* for every verb */

/* noun may be NULL. NULL when there is none. */
const struct verb *verb_find(const char *noun, const char *name);
bool verb_is_noun(const char *word);
/* The noun, or verb without a noun, nearest to word; NULL when none is near. */
const char *verb_suggest(const char *noun, const char *word);

/* The i-th option that verb understands (its own, filters, paging, common), verb NULL: the common
 * ones. Filters are written into *space. NULL behind the last. */
struct verb_option_space {
	struct verb_option option;
	char name[40];
	char value[40];
};
const struct verb_option *verb_option_at(const struct verb *verb, size_t i,
					 struct verb_option_space *space);

/* Printed from the table. */
void verb_print_overview(struct buf *out);
void verb_print_noun(const char *noun, struct buf *out);
void verb_print_help(const struct verb *verb, struct buf *out);
void verb_print_man(struct buf *out); /* rouse(1), roff */
/* shell: bash, fish or zsh. false: it is none of these. */
bool verb_print_completion(const char *shell, struct buf *out);

#endif
