/* The key table: every key of every section, once; parser, check, help, man page come from it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CONF_KEYS_H
#define ROUSE_CONF_KEYS_H

#include "base/buf.h"
#include "base/err.h"

enum conf_type {
	CONF_STRING,
	CONF_INT,	/* min, max apply */
	CONF_BOOL,	/* yes no true false on off */
	CONF_DURATION,	/* int64 ms; min, max apply */
	CONF_SIZE,	/* int64 bytes */
	CONF_RATE,	/* "10/s": count in i, interval ms in i2 */
	CONF_RATIO,	/* double 0..1 */
	CONF_MONEY,	/* int64 micro-dollars */
	CONF_LIST,	/* comma separated, trimmed, empty items refused */
	CONF_ENUM,	/* one of choices, "a|b|c" */
	CONF_ENUM_LIST, /* a list of such */
	CONF_PATH,	/* relative ones are below the folder of the file that names them */
	CONF_JQ,	/* text; compiled by the schema's check */
	CONF_SECRET, /* plain:X cred:NAME file:PATH env:NAME; a list of them where several may be */
	CONF_NAME,   /* the name of another section; choices is its kind ("agent") */
	CONF_NAME_LIST,
	CONF_HOST_PORT,
	CONF_TYPES
};

enum {
	CONF_REQUIRED = 1, /* an error when absent */
	CONF_PREFIX = 2,   /* name ends in ".": any key below it ("header.") is one of this row */
	CONF_MANY = 4,	   /* CONF_SECRET: several, comma separated */
	CONF_LATER = 8 /* known and checked, but this version does not act on it: a warning where it
			  is set */
};

struct conf_key {
	const char *name;
	enum conf_type type;
	const char *def;     /* as it would be written; NULL: none */
	const char *choices; /* "a|b": CONF_ENUM*; kinds for CONF_NAME*; words instead of an address
			      * for CONF_HOST_PORT (NULL: "none") */
	int64_t min, max;    /* both 0: no bounds; max below min: only min */
	unsigned flags;
	const char *help; /* one line */
};

struct conf_section;
struct conf_report;

/* Looks at a section after all values of all sections parsed; says what is wrong with
 * conf_complain(). Not called where a required key or a selector is missing or bad; any other value
 * that did not parse is, to a check, not set. */
typedef void conf_check(const struct conf_section *section, struct conf_report *report);

/* A kind of section, or a variant of one that a selector key names: the keys of [trigger X] are
 * those of {"trigger", NULL, NULL} and of {"trigger", "source", "webhook"}. Several tables may be
 * for the same; a variant's row stands before the kind's row of the same name; a selector may
 * itself be a key of a variant. A selector of type CONF_ENUM may have values that no table is for.
 */
struct conf_table {
	const char *section;  /* "daemon", "trigger", ... */
	bool named;	      /* [trigger NAME] */
	const char *selector; /* key whose value chooses this table; NULL: for every section of the
				 kind */
	const char *value;    /* ... when it is this */
	const struct conf_key *keys;
	size_t count;
	conf_check *check; /* may be NULL */
	const char *help;  /* one line about the section or variant */
	const char *hint;  /* what a person does next to see it work, {KEY} for a value and {name}
			    * for  the section's name ("Put a file into {path}."); NULL */
};

#define CONF_TABLES_MAX 64
/* All tables of a program: filled at start, by core and by each kind. */
struct conf_schema {
	const struct conf_table *tables[CONF_TABLES_MAX];
	size_t count;
};
void conf_schema_add(struct conf_schema *schema, const struct conf_table *table);

/* For `rouse help KEY`, man pages, completions: prints the rows that match "section.key",
 * "key" or "section" (NULL: all). false when none does; suggestion then in err. */
bool conf_schema_help(const struct conf_schema *schema, const char *what, struct buf *out,
		      struct err *err);
/* The same rows as JSON objects, one a line: section selector key type default choices help,
 * and about and hint of their table. */
void conf_schema_json(const struct conf_schema *schema, struct buf *out);
/* roff of rouse.conf(5)'s key lists. */
void conf_schema_man(const struct conf_schema *schema, struct buf *out);

#endif
