/* What the files of this floor share and nobody above sees. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CONF_INSIDE_H
#define ROUSE_CONF_INSIDE_H

#include "base/map.h"
#include "conf/conf.h"

/* Memory that is given back all at once, overwritten before: values may be secrets. */
struct arena {
	struct arena_chunk *chunks;
};
void *arena_alloc(struct arena *arena, size_t size); /* zeroed */
char *arena_dup(struct arena *arena, struct str s);
void arena_fini(struct arena *arena);

/* What a row holds: as the file says it, or as the row's default does. */
struct conf_value {
	const char *name; /* the whole key, also below a prefix */
	const char *text; /* as written; paths as they are used, secrets masked */
	const char *dir;  /* what relative paths of this file are below */
	int file, line;
	bool bad; /* it was complained about */
	int64_t i;
	union {
		int64_t i2;
		double ratio;
	};
	const char *const *items; /* lists, and the references of secrets */
	size_t item_count;
	const struct shape_key *key; /* of a section's value */
	struct conf_value *next;     /* below a prefix: in order of reading */
	struct conf_value *more;     /* of the section's next key that is set */
};

struct shape_key {
	const struct conf_key *row;
	struct conf_value *def; /* NULL: none */
	size_t prefix_len;	/* 0: the name is the whole key */
	bool variant;		/* of a table that a selector chose */
	UT_hash_handle hh;
};

/* The keys that sections of one kind and the same choice of variants have. */
struct shape {
	uint64_t tables; /* bit i: schema->tables[i] */
	struct shape_key *keys;
	size_t count, required; /* how many keys; and how many of them must be set */
	struct shape_key *by_name;
	bool has_prefix;
	char digest[65]; /* of the names and defaults */
	struct shape *next;
	/* Keys are mostly asked for by the same literals: where each was found, by its address. */
	struct shape_memo {
		const char *name;
		const struct shape_key *key;
	} memo[64];
};

struct kind {
	const char *name;
	bool named;
	uint64_t base, tables; /* those without a selector; all */
	struct shape *shapes;
	struct conf_section *by_name;
	struct conf *conf;
	/* What selectors chose last, while loading: the next section mostly says the same. */
	struct {
		struct chooser {
			const char *key, *text; /* text NULL: it was not set */
		} by[4];
		size_t count; /* 0: nothing to go by */
		uint64_t set;
	} chosen;
};

/* A key as it stands in a file, before its row is known. */
struct raw {
	const char *key, *text;
	int file, line;
	bool bad;
	bool twice; /* the key stands before */
	struct raw *next;
};

struct conf_section {
	struct kind *kind;
	const char *name;
	size_t index;
	int file, line; /* line 0: stands in no file */
	size_t raw_count;
	uint64_t unsure; /* tables that a selector may have meant which is bad or missing */
	bool broken;	 /* a required key is missing: no check may rely on it */
	struct raw *raws, **raw_end; /* while loading */
	struct shape *shape;
	struct conf_value *values; /* of the keys that are set, in the shape's order */
	char digest[65];
	UT_hash_handle hh;
};

struct conf_file {
	const char *path, *dir;
	dev_t dev;
	ino_t ino;
};

struct conf {
	unsigned refs;
	uint64_t generation;
	struct conf_schema schema;
	struct arena arena;
	const char *path, *dir;
	char *commit;
	struct kind kinds[CONF_TABLES_MAX];
	size_t kind_count;
	struct conf_section **sections;
	size_t section_count, section_cap;
	struct conf_file *files;
	size_t file_count, file_cap;
};

struct kind *kind_find(struct conf *conf, const char *name);
/* The shape of these tables; built when first asked for. Defaults that do not parse abort. */
struct shape *shape_of(struct kind *kind, uint64_t tables);
/* The row that key is one of, NULL when there is none. */
const struct shape_key *shape_find(struct shape *shape, const char *key);
/* The key's row in any table of set, NULL when there is none. */
const struct conf_key *tables_find(const struct conf_schema *schema, uint64_t set, const char *key);
static inline bool
row_matches(const struct conf_key *row, const char *key)
{
	size_t n = strlen(row->name);

	return row->flags & CONF_PREFIX ? !strncmp(row->name, key, n) && key[n]
					: !strcmp(row->name, key);
}

/* What the file says for a key; NULL: nothing. */
static inline struct conf_value *
value_of(const struct conf_section *section, const struct shape_key *key)
{
	struct conf_value *value = section->values;

	while (value && value->key != key)
		value = value->more;
	return value;
}

/* The value that section has for a key, the default included; NULL: none. */
const struct conf_value *section_value(const struct conf_section *section, const char *key,
				       const struct conf_key **ret_row);
/* The tables that section's selectors choose, its kind's own included; sets section->unsure and
 * complains where a selector says what no table is for. */
uint64_t section_select(struct conf_section *section, struct conf_report *report);
/* Gives every key its row, type and value, in a section whose shape is not known yet. */
void section_type(struct conf_section *section, struct conf_report *report);
/* Fills section->digest from what is in effect. */
void section_digest(struct conf_section *section);
void conf_free(struct conf *conf);

/* Complains about files of a secret that others may read, write or run, or that are no files; warns
 * of those that are missing. Looks at them, does not read them: who checks may not. */
void secret_files_check(const struct conf_section *section, const struct conf_key *row,
			const struct conf_value *value, struct conf_report *report);
/* Appends what tells the secrets that value refers to now from others, and only within this
 * process: a hash under a key of its own. */
void secret_print_now(const struct conf_value *value, struct buf *out);

/* What a type is called, and how text becomes a value of it. */
const char *conf_type_name(enum conf_type type);
bool value_parse(const struct conf_key *row, const char *text, const char *dir, struct arena *arena,
		 struct conf_value *ret, struct err *err);
/* The same bytes for values that mean the same. */
void value_canonical(const struct conf_key *row, const struct conf_value *value, struct buf *out);

/* Something wrong at a place of a file; line 0: the file as a whole. */
void report_at(struct conf_report *report, const struct conf *conf, int file, int line,
	       bool warning, const char *fmt, ...) PRINTF(6, 7);
/* About a key that stands at its own place; key NULL: the section. */
void report_key(struct conf_report *report, const struct conf_section *section, const char *key,
		int file, int line, const char *fmt, ...) PRINTF(6, 7);
/* A new load: its files come after those of earlier ones. */
void report_begin(struct conf_report *report);
/* False once so many suggestions were made that more would only cost time. */
bool report_may_suggest(struct conf_report *report);

/* The nearest of several words to one that is not among them. */
struct suggest {
	const char *word, *best;
	unsigned distance;
};
static inline struct suggest
suggest_for(const char *word)
{
	return (struct suggest){word, NULL, 3};
}
void suggest_offer(struct suggest *suggest, const char *candidate);
/* "; did you mean 'best'?", nothing when nothing is near. */
void suggest_print(const struct suggest *suggest, struct buf *out);

/* "a|b|c" cut into its words: *ret_word, and true while there is one. */
bool choice_next(struct str *rest, struct str *ret_word);
bool choice_has(const char *choices, struct str word);

/* "[kind name]" or "[kind]". */
void section_label(const struct conf_section *section, struct buf *out);
/* At most 60 bytes of text, in single quotes, control characters shown as '?'. */
void quote_print(const char *text, struct buf *out);

#endif
