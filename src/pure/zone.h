/* Time zones: tzdata's files as a list of spans with one UTC offset each. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_ZONE_H
#define ROUSE_PURE_ZONE_H

#include "base/buf.h"
#include "base/err.h"

#define ZONE_NAME_MAX 63
#define ZONE_LAST_YEAR 2200 /* rules are followed up to its end */

struct zone;

/* From t >= from to t < until, in seconds since 1970-01-01T00:00:00Z, local time is UTC + offset.
 * The first begins at ZONE_MIN, the last ends at ZONE_MAX; neighbours have different offsets. */
struct zone_span {
	int64_t from, until;
	int32_t offset;
	size_t index;
};

#define ZONE_MIN (-(INT64_C(1) << 60))
#define ZONE_MAX (INT64_C(1) << 60)

/* Whether this can be the name of a zone: Area/Place or a name that tzdata keeps (Japan, UTC), no
 * path trick, no abbreviation (EST), no POSIX text. It need not exist. */
bool zone_name_is_valid(struct str name);

/* Reads the bytes of a TZif file, version 1 to 4, hostile ones too. Offsets alone count; the
 * footer's rule goes on after the last transition. E_CORRUPT when it is none, or has leap seconds
 * ("right/" zones). */
bool zone_parse(struct str name, struct str bytes, struct zone **ret, struct err *err);

/* The zone of that name from $ZONEINFO, $TZDIR or /usr/share/zoneinfo (the one place of this floor
 * that reads files); UTC needs no file. E_INVALID "unknown time zone 'X'" for every name that is
 * not there, never a fallback; who loads it again gets the same one (one thread), within a second
 * without a look at its file;
 * E_CORRUPT, E_TOO_LARGE or E_IO for a file that is no zone. */
bool zone_load(struct str name, struct zone **ret, struct err *err);

/* Looks whether the zone's file is another one than when it was read (one stat), and reads it anew
 * if so: *zone is another one then, and what the old one said no longer counts when *ret_changed.
 * On failure (the file is gone or damaged) the zone stays as it was, and the next call tries again.
 */
bool zone_refresh(struct zone **zone, bool *ret_changed, struct err *err);

void zone_free(struct zone *zone);
void zone_auto_free(struct zone **zone); /* AUTO(zone_auto_free) */

const char *zone_name(const struct zone *zone);
size_t zone_count(const struct zone *zone);
/* index: below zone_count. */
struct zone_span zone_span(const struct zone *zone, size_t index);
struct zone_span zone_span_at(const struct zone *zone, int64_t t);

#endif
