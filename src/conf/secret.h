/* Secrets: references in the file, bytes only while needed, zeroed after. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CONF_SECRET_H
#define ROUSE_CONF_SECRET_H

#include "conf/conf.h"

/* The bytes of one or more secrets. */
struct secrets {
	struct str *items; /* zeroed and freed by secrets_fini */
	size_t count;
};
#define SECRETS_INIT                                                                               \
	{                                                                                          \
		NULL, 0                                                                            \
	}
void secrets_fini(struct secrets *secrets);

/* Resolves a CONF_SECRET value: cred:NAME ($CREDENTIALS_DIRECTORY/NAME, else
 * /etc/credstore/NAME), file:PATH (E_DENIED when others can read, write or run it, when it belongs
 * to neither root nor us, or is no regular file; so for /etc/credstore), env:NAME, plain:TEXT. One
 * trailing line end is dropped; an empty secret is refused. A file with several lines is several
 * secrets (rotation) where CONF_MANY. At most 64 KiB each. E_NOT_FOUND when the key is not set, or
 * what it refers to is not there. */
bool secrets_resolve(const struct conf_section *section, const char *key, struct secrets *ret,
		     struct err *err);
/* One reference by itself; dir: what relative paths are below. */
bool secret_resolve_one(const char *reference, const char *dir, struct buf *ret, struct err *err);

#endif
