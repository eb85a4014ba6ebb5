/* What trigger add and remove know of the daemon's configuration, and what they print at the end.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_TRIGGER_ADD_H
#define ROUSE_CLI_TRIGGER_ADD_H

#include "cli/cli.h"
#include "conf/write.h"
#include "pure/signature.h"

struct trigger_place {
	char *config;	   /* rouse.conf */
	char *dir;	   /* its folder */
	char *conf_path;   /* DIR/triggers.d/NAME.conf */
	char *secret_path; /* DIR/secrets/NAME.secret */
	uid_t uid;	   /* of the daemon */
	gid_t gid;
	bool running; /* the daemon answered */
};
#define TRIGGER_PLACE_INIT                                                                         \
	{                                                                                          \
		NULL                                                                               \
	}
void trigger_place_fini(struct trigger_place *place);
/* Asks the daemon; when it is not running: -c, or the default, and who owns that folder. */
bool trigger_place_get(struct cli *cli, const char *name, struct trigger_place *ret,
		       struct err *err);

/* One new file of triggers.d, and the secret that it refers to. */
struct trigger_file {
	const char *conf_path; /* NULL: a secret alone */
	struct str text;
	const char *secret_path;
	struct str secret; /* empty: none */
};
/* All of them or none: written beside, tried by roused -t as the daemon's user, moved to where they
 * belong and loaded by the daemon where it runs. Nothing that is there is overwritten. */
bool trigger_files_write(struct cli *cli, const struct trigger_place *place,
			 const struct trigger_file *files, size_t count, struct err *err);
/* Lets the daemon read its configuration again; what is wrong with it is said on standard error. */
bool trigger_reload(struct cli *cli, struct err *err);

/* A secret such as the scheme wants, ended by a line feed. E_USAGE when only the other side can
 * make one. */
bool trigger_secret_make(const struct signature_scheme *scheme, struct buf *out, struct err *err);

/* The keys of [trigger], as roused's own tables have them: objects of --keys-json, owned. */
bool trigger_keys_get(json_t **ret, struct err *err);
/* The row of a key for a source; NULL: there is none. */
const json_t *trigger_key_find(const json_t *keys, const char *source, const char *key);
/* E_USAGE with the question when a key that the source needs is in none of the pairs. */
bool trigger_keys_check(const json_t *keys, const char *source, const struct conf_pair *pairs,
			size_t count, struct err *err);
/* What a person does next; false: the source has no word on it. */
bool trigger_hint(const json_t *keys, const char *source, const char *name,
		  const struct conf_pair *pairs, size_t count, struct buf *out);
/* The keys of a source, or (NULL) which sources there are; nothing without a roused. */
void trigger_add_help(const char *source, struct buf *out);

/* A shell command that posts a signed body to url, the secret read from file (NULL: none). sets:
 * hmac's options. */
void trigger_curl(const struct signature_scheme *scheme, const struct conf_pair *sets, size_t count,
		  const char *url, const char *file, struct buf *out);

#endif
