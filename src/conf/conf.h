/* Configuration: files read, typed, checked as a whole; a generation that lives while used. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CONF_CONF_H
#define ROUSE_CONF_CONF_H

#include "conf/keys.h"

/* The files are INI as inih reads it, in UTF-8, with LF or CR LF. What inih would cut, skip or
 * misread is refused: lines of more than 199 bytes, section headers of more than 49, keys of more
 * than 49, a ';' behind a blank, text behind a ']', comments on indented lines below a key, and
 * indented lines that look like a key or a section. An indented line continues the value above: it
 * is joined with a line end (empty lines between are kept, indentation is not), or with nothing
 * where the line before ends in a backslash. In lists a line end separates as a comma does.
 * A key may stand once, a named section in one place; unnamed sections may be spread. */

struct conf; /* one generation, reference counted: running runs keep theirs */

/* What is wrong, all of it. Lines print as FILE:LINE: [section] key: what; what to do. */
struct conf_report;
struct conf_report *conf_report_new(void);
void conf_report_free(struct conf_report *report);
size_t conf_report_errors(const struct conf_report *report);
size_t conf_report_warnings(const struct conf_report *report);
/* Every message, a line each, errors first in file order; warnings begin with "warning: ".
 * Of one file a thousand errors are shown, all are counted. */
void conf_report_print(const struct conf_report *report, struct buf *out);
/* key NULL: about the section as a whole. Nothing is said of a key that did not parse: that was
 * told, and more would only follow from it. */
void conf_complain(struct conf_report *report, const struct conf_section *section, const char *key,
		   const char *fmt, ...) PRINTF(4, 5);
void conf_warn(struct conf_report *report, const struct conf_section *section, const char *key,
	       const char *fmt, ...) PRINTF(4, 5);

/* Reads path (rouse.conf), then *.conf of agents.d triggers.d batches.d targets.d beside it in
 * name order (no hidden files), then extra[] (files that are not loaded yet: "would it load?";
 * those that were read already are left out). At most 32 MiB a file, 250,000 sections. Types and
 * checks everything, references included. NULL when there was an error; the report has all of them.
 * A missing rouse.conf is an error; missing .d folders are not. */
struct conf *conf_load(const struct conf_schema *schema, const char *path, const char *const *extra,
		       size_t extra_count, struct conf_report *report);
struct conf *conf_ref(struct conf *conf);
void conf_unref(struct conf *conf);

uint64_t conf_generation(const struct conf *conf);
const char *conf_path(const struct conf *conf);
/* Folder of rouse.conf. */
const char *conf_dir(const struct conf *conf);
/* The commit of the folder when it is a git work tree, "" when not: filled by whoever asks git. */
const char *conf_commit(const struct conf *conf);
void conf_set_commit(struct conf *conf, const char *commit);

/* Sections in order of reading. kind NULL: all. Unnamed sections always exist (with defaults). */
const struct conf_section *conf_section(const struct conf *conf, const char *kind,
					const char *name);
const struct conf_section *conf_next(const struct conf *conf, const char *kind,
				     const struct conf_section *after); /* NULL: the first */
size_t conf_section_count(const struct conf *conf);
/* Its place among all: below conf_section_count(). */
size_t conf_section_index(const struct conf_section *section);
const char *conf_section_kind(const struct conf_section *section);
const char *conf_section_name(const struct conf_section *section); /* "" for unnamed */
const char *conf_section_file(const struct conf_section *section);
int conf_section_line(const struct conf_section *section);
const struct conf *conf_section_conf(const struct conf_section *section);
/* A digest of kind, name, all values and the secrets that they referred to when it was loaded:
 * equal digests, nothing changed. 64 hex digits; another process may make others. */
const char *conf_section_digest(const struct conf_section *section);

/* Values by key: what the file says, else the default. The key must be in a table of the section
 * (assert), also one below a CONF_PREFIX row, and of a type that the function is for.
 * conf_str has the text of every type: paths from the root, secrets masked ("plain:***"). */
bool conf_is_set(const struct conf_section *section, const char *key); /* in the file */
const char *conf_str(const struct conf_section *section,
		     const char *key); /* NULL when none; also ENUM NAME PATH JQ HOST_PORT */
int64_t
conf_int(const struct conf_section *section,
	 const char *key); /* INT DURATION(ms) SIZE(bytes) MONEY(uusd); INT64_MIN when none */
int64_t conf_ms(const struct conf_section *section, const char *key); /* DURATION */
bool conf_bool(const struct conf_section *section, const char *key);
double conf_ratio(const struct conf_section *section, const char *key); /* NAN when none */
bool conf_rate(const struct conf_section *section, const char *key, int64_t *ret_count,
	       int64_t *ret_per_ms);
size_t conf_list(const struct conf_section *section, const char *key,
		 const char *const **ret_items);
/* Keys below a CONF_PREFIX row: i-th one's rest of the name and value; false beyond the last. */
bool conf_below(const struct conf_section *section, const char *prefix, size_t i,
		const char **ret_name, const char **ret_value);

/* One key as it is in effect. */
struct conf_setting {
	const char *name;
	enum conf_type type;
	const char *text; /* secrets as their references, plain ones masked */
	bool is_list;
	const char *const *items; /* of a list */
	size_t count;
	int64_t number; /* of INT, BOOL */
	bool is_default;
};
/* The i-th key of a section, those of the kind of section before those of a variant; false beyond
 * the last. */
bool conf_setting(const struct conf_section *section, size_t i, struct conf_setting *ret);

#endif
