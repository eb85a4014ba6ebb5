/* Time zones: a strict reader of TZif (RFC 8536). All rules are unrolled once, into plain spans. */
/* SPDX-License-Identifier: MIT */
#include "pure/zone.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/os.h"
#include "pure/civil.h"
#include "pure/zone_rule.h"

#define FILE_MAX (256 << 10)
#define COUNT_MAX 4096 /* of transitions in a file; tzdata has fewer than 300 */
#define OFFSET_MAX (26 * 3600)
#define FIRST_RULE_YEAR 1900 /* where a file has a rule but no transition */
#define HEADER_LEN 44

/* Half a year each, from 1970 to the end of ZONE_LAST_YEAR. */
#define BUCKET_BITS 24
#define BUCKETS 436

/* A file that was looked at is not looked at again for so long: a hundred thousand schedules are
 * loaded in that time, of a few zones. */
#define LOOKED_MS 1000

/* Which file was read: another one has another stamp. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec written, changed;
};

struct zone {
	unsigned references;
	LIST_ENTRY(zone) entry; /* of `shared`, while it is the newest of its file */
	char *name, *path;	/* path NULL: not from a file */
	struct stamp stamp;
	struct mono looked; /* when the file was found to be this one */
	int64_t *from;
	int32_t *offset;
	size_t count, cap;
	uint16_t bucket[BUCKETS]; /* index of the span in which it begins */
};

/* What was loaded, the newest of each file, kept: a thousand schedules of one zone have one copy,
 * and there are no more zones than tzdata has. */
static LIST_HEAD(, zone) shared = LIST_HEAD_INITIALIZER(shared);

/* One block of a TZif file. */
struct block {
	uint32_t isut, isstd, leap, time, type, chars;
	size_t time_size;
	const unsigned char *times, *indexes, *types;
	size_t len;
};

/* Files of zoneinfo that are no places: abbreviations, the rules of one country, this machine. */
static const char *const no_places[] = {
	"EST",	   "MST",     "HST",	 "CET",	    "MET",	  "EET",       "WET",
	"EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT", "posixrules", "localtime", "Factory",
};

bool
zone_name_is_valid(struct str name)
{
	bool part_empty = true;

	if (!name.len || name.len > ZONE_NAME_MAX || str_starts(name, STR("right/")) ||
	    str_starts(name, STR("posix/")))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(no_places); i++)
		if (str_eq_cstr(name, no_places[i]))
			return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];
		bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

		if (c == '/' ? part_empty
			     : !(letter || (!part_empty && strchr("0123456789_-+", c) && c)))
			return false;
		part_empty = c == '/';
	}
	return !part_empty;
}

static bool
corrupt(struct err *err, struct str name, const char *what)
{
	return err_set(err, E_CORRUPT, "time zone '%.*s': %s; is tzdata damaged?", STR_ARG(name),
		       what);
}

static uint32_t
read_u32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t
read_time(const unsigned char *p, size_t size)
{
	if (size == 4)
		return (int32_t)read_u32(p);
	return (int64_t)((uint64_t)read_u32(p) << 32 | read_u32(p + 4));
}

/* Where local time changes to another offset. Out of order or the same again: nothing changes. */
static void
add_span(struct zone *z, int64_t from, int32_t offset)
{
	if (z->count && from == z->from[z->count - 1] && z->count > 1)
		z->count--;
	else if (z->count && from <= z->from[z->count - 1])
		return;
	if (z->count && z->offset[z->count - 1] == offset)
		return;
	if (z->count == z->cap) {
		z->cap = z->cap ? z->cap * 2 : 64;
		z->from = mem_realloc(z->from, z->cap * sizeof(*z->from));
		z->offset = mem_realloc(z->offset, z->cap * sizeof(*z->offset));
	}
	z->from[z->count] = from;
	z->offset[z->count++] = offset;
}

/* Header and sizes of the block at the front of bytes; what it points to lies within bytes.
 * skipped: it is only looked over, for a better one follows, and may be empty. */
static bool
block_read(struct str bytes, size_t time_size, bool skipped, struct block *ret)
{
	const unsigned char *p = (const unsigned char *)bytes.p;
	struct block b = {.time_size = time_size};
	size_t len;

	if (bytes.len < HEADER_LEN || memcmp(p, "TZif", 4))
		return false;
	b.isut = read_u32(p + 20);
	b.isstd = read_u32(p + 24);
	b.leap = read_u32(p + 28);
	b.time = read_u32(p + 32);
	b.type = read_u32(p + 36);
	b.chars = read_u32(p + 40);
	if (b.time > COUNT_MAX || (!b.type && !skipped) || b.type > 256 || b.chars > COUNT_MAX ||
	    b.leap > COUNT_MAX || b.isut > 256 || b.isstd > 256)
		return false;
	len = HEADER_LEN + b.time * (time_size + 1) + b.type * 6 + b.chars +
	      b.leap * (time_size + 4) + b.isstd + b.isut;
	if (bytes.len < len)
		return false;
	b.times = p + HEADER_LEN;
	b.indexes = b.times + b.time * time_size;
	b.types = b.indexes + b.time;
	b.len = len;
	*ret = b;
	return true;
}

static bool
block_spans(const struct block *b, struct zone *z)
{
	int32_t offset;
	int64_t at, last = INT64_MIN;

	for (uint32_t i = 0; i < b->type; i++) {
		offset = (int32_t)read_u32(b->types + i * 6);
		if (offset < -OFFSET_MAX || offset > OFFSET_MAX)
			return false;
	}
	add_span(z, ZONE_MIN, (int32_t)read_u32(b->types));
	for (uint32_t i = 0; i < b->time; i++) {
		at = read_time(b->times + i * b->time_size, b->time_size);
		if (b->indexes[i] >= b->type || (i && at <= last))
			return false;
		last = at;
		offset = (int32_t)read_u32(b->types + b->indexes[i] * 6);
		if (at > ZONE_MIN && at < ZONE_MAX)
			add_span(z, at, offset);
		else if (at <= ZONE_MIN)
			z->offset[0] = offset;
	}
	return true;
}

/* From the last transition's year on, what the rule says. */
static void
rule_spans(const struct zone_rule *rule, struct zone *z)
{
	int64_t last = z->from[z->count - 1], start, end;
	int year = FIRST_RULE_YEAR;

	if (last >= civil_days(ZONE_LAST_YEAR + 1, 1, 1) * DAY_S)
		return;
	if (last > civil_days(FIRST_RULE_YEAR, 1, 1) * DAY_S)
		year = civil_of_days(civil_floor_div(last, DAY_S)).year;
	if (!rule->has_dst) {
		if (last == ZONE_MIN)
			z->offset[0] = rule->offset;
		return;
	}
	for (; year <= ZONE_LAST_YEAR; year++) {
		start = zone_rule_start(rule, year);
		end = zone_rule_end(rule, year);
		if (start > last && start < end)
			add_span(z, start, rule->dst_offset);
		if (end > last)
			add_span(z, end, rule->offset);
		if (start > last && start >= end)
			add_span(z, start, rule->dst_offset);
	}
}

/* LF, rule, LF behind the second block; an empty rule says nothing about the future. */
static bool
footer_read(struct str bytes, struct zone *z)
{
	struct zone_rule rule;
	const char *end;

	if (bytes.len < 2 || bytes.p[0] != '\n')
		return false;
	end = memchr(bytes.p + 1, '\n', bytes.len - 1);
	if (!end)
		return false;
	if (end == bytes.p + 1)
		return true;
	if (!zone_rule_parse(str_make(bytes.p + 1, (size_t)(end - bytes.p) - 1), &rule) ||
	    abs(rule.offset) > OFFSET_MAX || abs(rule.dst_offset) > OFFSET_MAX)
		return false;
	rule_spans(&rule, z);
	return true;
}

static size_t
search(const struct zone *zone, int64_t t)
{
	size_t lo = 0, hi = zone->count; /* from[lo] <= t < from[hi] */

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (zone->from[mid] <= t)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* When all spans are there. */
static void
fill_buckets(struct zone *z)
{
	for (int64_t i = 0; i < BUCKETS; i++)
		z->bucket[i] = (uint16_t)search(z, i << BUCKET_BITS);
}

static struct zone *
zone_new(struct str name)
{
	struct zone *z = mem_alloc(sizeof(*z));

	z->references = 1;
	z->name = str_dup(name);
	return z;
}

bool
zone_parse(struct str name, struct str bytes, struct zone **ret, struct err *err)
{
	AUTO(zone_auto_free) struct zone *z = zone_new(name);
	struct block b;
	char version;

	if (!block_read(bytes, 4, bytes.len > 4 && bytes.p[4] >= '2', &b))
		return corrupt(err, name, "this is no TZif file");
	version = bytes.p[4];
	if (version >= '2') {
		bytes = str_make(bytes.p + b.len, bytes.len - b.len);
		if (!block_read(bytes, 8, false, &b))
			return corrupt(err, name, "the second block is cut off");
	}
	if (b.leap)
		return corrupt(err, name, "it counts leap seconds, which local time does not");
	if (!block_spans(&b, z))
		return corrupt(err, name, "its transitions make no sense");
	if (version >= '2' && !footer_read(str_make(bytes.p + b.len, bytes.len - b.len), z))
		return corrupt(err, name, "its last line is no rule");
	fill_buckets(z);
	*ret = TAKE(z);
	return true;
}

/* ---- files ---- */

static char *
path_of(struct str name)
{
	static const char *const variables[] = {"ZONEINFO", "TZDIR"};
	AUTO(buf_fini) struct buf path = BUF_INIT;
	const char *folder = NULL;

	for (size_t i = 0; i < ARRAY_LEN(variables) && !(folder && *folder); i++)
		folder = getenv(variables[i]);
	buf_printf(&path, "%s/%.*s", folder && *folder ? folder : "/usr/share/zoneinfo",
		   STR_ARG(name));
	return str_dup(buf_str(&path));
}

static bool
stamp_of(const char *path, struct stamp *ret)
{
	struct stat st;

	memset(ret, 0, sizeof(*ret)); /* they are compared as bytes */
	if (stat(path, &st) < 0)
		return false;
	if (!S_ISREG(st.st_mode)) {
		errno = ENOENT;
		return false;
	}
	ret->device = st.st_dev;
	ret->inode = st.st_ino;
	ret->size = st.st_size;
	ret->written = st.st_mtim;
	ret->changed = st.st_ctim;
	return true;
}

/* The newest that was read from path (NULL: UTC). */
static struct zone *
shared_find(const char *path)
{
	struct zone *z;

	LIST_FOREACH (z, &shared, entry)
		if (path ? z->path && !strcmp(z->path, path) : !z->path)
			return z;
	return NULL;
}

static struct zone *
zone_share(struct zone *z)
{
	struct zone *old = shared_find(z->path);

	if (old) {
		LIST_REMOVE(old, entry);
		zone_free(old);
	}
	LIST_INSERT_HEAD(&shared, z, entry);
	z->references++;
	return z;
}

static struct zone *
known_again(struct zone *z)
{
	z->references++;
	return z;
}

/* The file as it is now; stamped before it is read, so that a later change is seen. */
static bool
read_zone(struct str name, const char *path, struct zone **ret, struct err *err)
{
	AUTO(buf_fini) struct buf bytes = BUF_INIT;
	struct err cause = ERR_INIT;
	struct zone *known = shared_find(path);
	struct mono now = clock_mono(clock_system());
	struct stamp stamp;

	if (!stamp_of(path, &stamp)) {
		if (errno == ENOENT || errno == ENOTDIR)
			return err_set(err, E_INVALID, "unknown time zone '%.*s'", STR_ARG(name));
		return err_errno(err, errno, "time zone '%.*s': %s", STR_ARG(name), path);
	}
	if (known && !memcmp(&known->stamp, &stamp, sizeof(stamp))) {
		known->looked = now;
		*ret = known_again(known);
		return true;
	}
	if (!os_read_file(path, FILE_MAX, &bytes, &cause)) {
		err_prefix(&cause, "time zone '%.*s'", STR_ARG(name));
		return err_move(err, &cause);
	}
	if (!zone_parse(name, buf_str(&bytes), ret, err))
		return false;
	(*ret)->path = mem_strdup(path);
	(*ret)->stamp = stamp;
	(*ret)->looked = now;
	zone_share(*ret);
	return true;
}

bool
zone_load(struct str name, struct zone **ret, struct err *err)
{
	AUTO(auto_free) char *path = NULL;
	struct zone *known;

	if (str_eq(name, STR("UTC"))) {
		known = shared_find(NULL);
		if (known) {
			*ret = known_again(known);
			return true;
		}
		*ret = zone_share(zone_new(name));
		add_span(*ret, ZONE_MIN, 0); /* in every bucket, as index 0 */
		return true;
	}
	path = path_of(name);
	known = shared_find(path);
	if (known && clock_mono(clock_system()).ms - known->looked.ms < LOOKED_MS) {
		*ret = known_again(known);
		return true;
	}
	if (!zone_name_is_valid(name))
		return err_set(err, E_INVALID, "unknown time zone '%.*s'",
			       (int)(name.len > ZONE_NAME_MAX ? ZONE_NAME_MAX : name.len),
			       name.p ? name.p : "");
	return read_zone(name, path, ret, err);
}

bool
zone_refresh(struct zone **zone, bool *ret_changed, struct err *err)
{
	struct zone *now = NULL, *was = *zone;
	struct stamp stamp;

	*ret_changed = false;
	if (!was->path ||
	    (stamp_of(was->path, &stamp) && !memcmp(&stamp, &was->stamp, sizeof(stamp))))
		return true;
	if (!read_zone(str_of(was->name), was->path, &now, err))
		return false;
	*ret_changed = now->count != was->count ||
		       memcmp(now->from, was->from, was->count * sizeof(*was->from)) ||
		       memcmp(now->offset, was->offset, was->count * sizeof(*was->offset));
	*zone = now;
	zone_free(was);
	return true;
}

void
zone_free(struct zone *zone)
{
	if (!zone || --zone->references)
		return;
	free(zone->name);
	free(zone->path);
	free(zone->from);
	free(zone->offset);
	free(zone);
}

void
zone_auto_free(struct zone **zone)
{
	zone_free(*zone);
}

const char *
zone_name(const struct zone *zone)
{
	return zone->name;
}

size_t
zone_count(const struct zone *zone)
{
	return zone->count;
}

struct zone_span
zone_span(const struct zone *zone, size_t index)
{
	assert(index < zone->count);
	return (struct zone_span){zone->from[index],
				  index + 1 < zone->count ? zone->from[index + 1] : ZONE_MAX,
				  zone->offset[index], index};
}

struct zone_span
zone_span_at(const struct zone *zone, int64_t t)
{
	size_t i;

	if (t < 0 || t >> BUCKET_BITS >= BUCKETS)
		return zone_span(zone, search(zone, t));
	for (i = zone->bucket[t >> BUCKET_BITS]; i + 1 < zone->count && zone->from[i + 1] <= t;)
		i++;
	return zone_span(zone, i);
}
