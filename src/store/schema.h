/* The schema: numbered steps, never changed once released, embedded from sql/. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_SCHEMA_H
#define ROUSE_STORE_SCHEMA_H

/* "rous" at offset 68 of the file: what file(1) and we know a Rouse database by. */
#define SCHEMA_APPLICATION_ID 0x726f7573

struct migration {
	int version;
	const char *name;
	const char *sql;
};

extern const struct migration schema_migrations[];
extern const int schema_version; /* of the last one: PRAGMA user_version */

#endif
