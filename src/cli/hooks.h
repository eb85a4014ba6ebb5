/* Hooks files of the `webhook` program: what is in them, and what becomes of a rule. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_HOOKS_H
#define ROUSE_CLI_HOOKS_H

#include "base/json.h"

#define HOOKS_FILE_MAX (1 << 20)
#define HOOKS_NODES_MAX 100000

/* YAML as JSON: every scalar a string but for a plain null (empty, ~, null), aliases written out.
 * At most HOOKS_NODES_MAX nodes, JSON_DEPTH_MAX deep. E_INVALID with line and column. *ret is new.
 */
bool yaml_read(struct str text, json_t **ret, struct err *err);

/* A hooks file, JSON or YAML: *ret is a new array of objects. E_INVALID for anything else. */
bool hooks_read(struct str text, json_t **ret, struct err *err);

/* Members that YAML and JSON write in several ways. Text of a string, number or boolean in out;
 * false: there is none. */
bool hooks_text(const json_t *object, const char *key, struct buf *out);
bool hooks_bool(const json_t *object, const char *key);

/* What proves the sender. header may hold several secrets' worth of it: see secrets. */
struct hooks_proof {
	const char *verify;    /* hmac, token, scalr; NULL: nothing does */
	const char *algorithm; /* of hmac */
	struct buf header;
	json_t *secrets; /* array of strings */
};

/* What became of one hook's rule. */
struct hooks_rule {
	struct hooks_proof proof;
	struct buf filter; /* jq over the event; empty: everything goes */
	json_t *notes;	   /* array of sentences: what could not be carried over */
	bool changes_who;  /* one of these decides who is heard: it is not to be switched on unseen
			    */
	bool is_tri;	   /* a `not` is in it: what is missing has to be told from what is false */
	bool soft_failures; /* trigger-signature-soft-failures */
};
void hooks_rule_init(struct hooks_rule *rule);
void hooks_rule_fini(struct hooks_rule *rule);
/* The rule (NULL: none) as a proof and a filter. */
void hooks_rule_convert(const json_t *rule, struct hooks_rule *ret);

/* jq for the value of an argument (source, name) as text: no output where it is not there. false:
 * jq cannot say it; a note tells. */
bool hooks_argument(const json_t *argument, struct buf *jq, json_t *notes);
/* The functions that such jq calls. json_parameters: parse-parameters-as-json; may be NULL. */
void hooks_prelude(const struct buf *jq, const json_t *json_parameters, struct buf *out,
		   json_t *notes);
/* text as a jq string that can stand in a configuration file. */
void hooks_quote(struct str text, struct buf *out);
/* Go's regular expression as the same one of Oniguruma; false: there is none. */
bool hooks_regex(struct str go, struct buf *out);

/* One more sentence. */
void hooks_note(json_t *notes, const char *fmt, ...) PRINTF(2, 3);

#endif
