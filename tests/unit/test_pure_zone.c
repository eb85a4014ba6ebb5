/* Tests of time zones: the system's tzdata against what is known, and files that lie. */
/* SPDX-License-Identifier: MIT */
#include "pure/zone.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/os.h"
#include "pure/civil.h"
#include "pure/cron_next.h"
#include "pure/zone_rule.h"
#include "tests/unit/tap.h"

static int64_t
at(const char *text)
{
	struct wall w = WALL_NONE;

	if (!wall_parse(str_of(text), &w))
		printf("# bad time %s\n", text);
	return w.ms / 1000;
}

static int
offset_at(const char *zone, const char *time)
{
	AUTO(zone_auto_free) struct zone *z = NULL;

	return zone_load(str_of(zone), &z, NULL) ? zone_span_at(z, at(time)).offset : -1;
}

/* A version 2 file with one type of offset and no transition, and a footer. */
static void
make_file(struct buf *out, int32_t offset, const char *footer)
{
	static const unsigned char counts[24] = {[19] = 1, [23] = 4};
	unsigned char type[6] = {(unsigned char)(offset >> 24),
				 (unsigned char)(offset >> 16),
				 (unsigned char)(offset >> 8),
				 (unsigned char)offset,
				 0,
				 0};

	buf_clear(out);
	for (int block = 0; block < 2; block++) {
		buf_add(out, "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
		buf_add(out, counts, sizeof(counts));
		buf_add(out, type, sizeof(type));
		buf_add(out, "XXX", 4);
	}
	buf_printf(out, "\n%s\n", footer);
}

static bool
parses(const struct buf *file)
{
	AUTO(zone_auto_free) struct zone *z = NULL;
	AUTO(auto_free) char *copy = mem_memdup(file->data, file->len);

	return zone_parse(STR("Test/Zone"), str_make(copy, file->len), &z, NULL);
}

static void
test_known(void)
{
	IT ("knows the offsets of places, past and to come") {
		CHECK_INT(offset_at("UTC", "2024-01-01T00:00:00Z"), 0);
		CHECK_INT(offset_at("America/New_York", "2024-01-01T00:00:00Z"), -18000);
		CHECK_INT(offset_at("America/New_York", "2024-07-01T00:00:00Z"), -14400);
		CHECK_INT(offset_at("America/New_York", "2150-07-01T00:00:00Z"), -14400);
		CHECK_INT(offset_at("America/New_York", "2199-12-31T00:00:00Z"), -18000);
		CHECK_INT(offset_at("Australia/Lord_Howe", "2190-01-01T00:00:00Z"), 39600);
		CHECK_INT(offset_at("Europe/Dublin", "2100-07-01T00:00:00Z"), 3600);
		CHECK_INT(offset_at("Europe/Dublin", "2100-12-01T00:00:00Z"), 0);
		CHECK_INT(offset_at("Pacific/Apia", "2011-12-30T09:59:59Z"), -36000);
		CHECK_INT(offset_at("Pacific/Apia", "2011-12-30T10:00:00Z"), 50400);
		CHECK_INT(offset_at("Asia/Kathmandu", "2024-01-01T00:00:00Z"), 20700);
		CHECK_INT(offset_at("Asia/Almaty", "2024-02-29T17:59:59Z"), 21600);
		CHECK_INT(offset_at("Asia/Almaty", "2024-02-29T18:00:00Z"), 18000);
	}
	IT ("has spans without holes, each with another offset than its neighbour") {
		AUTO(zone_auto_free) struct zone *z = NULL;

		CHECK(zone_load(STR("Africa/Casablanca"), &z, NULL));
		CHECK(zone_span(z, 0).from == ZONE_MIN);
		for (size_t i = 1; i < zone_count(z); i++) {
			struct zone_span a = zone_span(z, i - 1), b = zone_span(z, i);

			CHECK(a.until == b.from && a.from < a.until && a.offset != b.offset);
			CHECK_INT(zone_span_at(z, b.from).index, i);
			CHECK_INT(zone_span_at(z, b.from - 1).index, i - 1);
		}
		CHECK(zone_span(z, zone_count(z) - 1).until == ZONE_MAX);
		CHECK_STR(zone_name(z), "Africa/Casablanca");
	}
}

static void
test_names(void)
{
	IT ("refuses names that are paths, abbreviations or POSIX texts, and those that are not "
	    "there") {
		static const char *const bad[] = {"",
						  "Mars/Base",
						  "../../../etc/passwd",
						  "Europe/../Europe/Berlin",
						  "/etc/passwd",
						  "./UTC",
						  "Europe//Berlin",
						  "Europe/Berlin/",
						  "EST",
						  "EST5EDT",
						  "PST8PDT",
						  "CET",
						  "UTC0",
						  "GMT-3",
						  "right/Europe/Berlin",
						  "posix/Europe/Berlin",
						  "tzdata.zi",
						  "zone.tab",
						  "Europe",
						  "europe/berlin",
						  "<+03>-3",
						  "EST5EDT,M3.2.0,M11.1.0",
						  ":UTC",
						  "Europe/Berl\xc3n",
						  "1UTC",
						  "localtime",
						  "posixrules",
						  "Europe/-x"};

		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			AUTO(zone_auto_free) struct zone *z = NULL;
			struct err err = ERR_INIT;

			if (!CHECK(!zone_load(str_of(bad[i]), &z, &err)) || !CHECK(!z))
				printf("# %s\n", bad[i]);
			CHECK(strstr(err_text(&err), "time zone '"));
			err_fini(&err);
		}
		CHECK(!zone_name_is_valid(str_make("UTC\0/x", 6)));
	}
	IT ("looks into $ZONEINFO, or $TZDIR, when it is set") {
		AUTO(zone_auto_free) struct zone *z = NULL;

		setenv("ZONEINFO", "/nonexistent", 1);
		CHECK(!zone_load(STR("Europe/Berlin"), &z, NULL));
		unsetenv("ZONEINFO");
		setenv("TZDIR", "/nonexistent", 1);
		CHECK(!zone_load(STR("Europe/Berlin"), &z, NULL));
		unsetenv("TZDIR");
		CHECK(zone_load(STR("Europe/Berlin"), &z, NULL));
	}
}

static void
test_files(void)
{
	AUTO(buf_fini) struct buf file = BUF_INIT;

	IT ("follows a footer where a file has no transitions") {
		AUTO(zone_auto_free) struct zone *z = NULL;

		make_file(&file, -18000, "EST5EDT,M3.2.0,M11.1.0");
		CHECK(zone_parse(STR("X/Y"), buf_str(&file), &z, NULL));
		CHECK_INT(zone_span_at(z, at("2024-03-10T06:59:59Z")).offset, -18000);
		CHECK_INT(zone_span_at(z, at("2024-03-10T07:00:00Z")).offset, -14400);
		CHECK_INT(zone_span_at(z, at("2024-11-03T06:00:00Z")).offset, -18000);
	}
	IT ("takes daylight saving that lasts all year for one offset") {
		AUTO(zone_auto_free) struct zone *z = NULL;

		make_file(&file, -18000, "XXX3EDT4,0/0,J365/23");
		CHECK(zone_parse(STR("X/Y"), buf_str(&file), &z, NULL));
		CHECK_INT(zone_span_at(z, at("2024-01-01T12:00:00Z")).offset, -14400);
		CHECK_INT(zone_span_at(z, at("2024-12-31T23:00:00Z")).offset, -14400);
		CHECK(zone_count(z) < 4);
	}
	IT ("refuses a file that is cut at any byte") {
		make_file(&file, 3600, "CET-1CEST,M3.5.0,M10.5.0/3");
		CHECK(parses(&file));
		for (size_t len = file.len; len-- > 0;) {
			buf_truncate(&file, len);
			CHECK(!parses(&file));
		}
	}
	IT ("survives any byte of a real file being another") {
		AUTO(buf_fini) struct buf real = BUF_INIT;

		CHECK(os_read_file("/usr/share/zoneinfo/America/New_York", 1 << 20, &real, NULL));
		for (size_t i = 0; i < real.len; i++) {
			char was = real.data[i];

			real.data[i] = (char)(was ^ 0x80);
			parses(&real);
			real.data[i] = (char)0xff;
			parses(&real);
			real.data[i] = was;
		}
		CHECK(parses(&real));
	}
	IT ("refuses leap seconds, offsets beyond a day and footers that are no rule") {
		struct err err = ERR_INIT;
		struct zone *z = NULL;

		make_file(&file, 3600, "");
		CHECK(parses(&file));
		make_file(&file, 100000, "");
		CHECK(!parses(&file));
		make_file(&file, 3600, "CET-1CEST");
		CHECK(!parses(&file));
		make_file(&file, 3600, "CET-1 ");
		CHECK(!parses(&file));
		make_file(&file, 3600, "CET-1CEST,M13.5.0,M10.5.0");
		CHECK(!parses(&file));
		make_file(&file, 3600, "CET-200");
		CHECK(!parses(&file));
		CHECK(!zone_parse(STR("a/b"), STR("TZif"), &z, &err));
		CHECK_STR(err_text(&err),
			  "time zone 'a/b': this is no TZif file; is tzdata damaged?");
		CHECK_INT(err.code, E_CORRUPT);
		err_fini(&err);
	}
}

/* A file of any version: both blocks with two transitions, one type each, and a leap second where
 * that is asked for. */
static void
make_version(struct buf *out, char version, bool leap, const char *footer)
{
	static const unsigned char types[12] = {0, 0, 0x0e, 0x10, 0, 0, 0, 0, 0x1c, 0x20, 1, 0};

	buf_clear(out);
	for (size_t size = 4; size <= (version ? 8 : 4); size += 4) {
		unsigned char header[44] = "TZif", byte[8] = {0};

		header[4] = (unsigned char)version;
		header[31] = leap;
		header[35] = 2;
		header[39] = 2;
		header[43] = 4;
		buf_add(out, header, sizeof(header));
		for (int i = 1; i <= 2; i++) { /* at 0x10000000 (1978) and 0x20000000 (1987) */
			memset(byte, 0, sizeof(byte));
			byte[size - 4] = (unsigned char)(i << 4);
			buf_add(out, byte, size);
		}
		buf_add(out, "\1\0", 2);
		buf_add(out, types, 12);
		buf_add(out, "XXX", 4);
		memset(byte, 0, sizeof(byte));
		byte[size - 4] = 5;
		if (leap) {
			buf_add(out, byte, size);
			buf_add(out, "\0\0\0\1", 4);
		}
	}
	if (version)
		buf_printf(out, "\n%s\n", footer);
}

static void
test_versions(void)
{
	AUTO(buf_fini) struct buf file = BUF_INIT;

	IT ("reads versions 1 to 4, with and without a footer") {
		static const char versions[] = {0, '2', '3', '4'};

		for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
			AUTO(zone_auto_free) struct zone *z = NULL;

			make_version(&file, versions[i], false, "<+01>-1");
			CHECK(zone_parse(STR("X/Y"), buf_str(&file), &z, NULL));
			CHECK_INT(zone_count(z), 3);
			CHECK_INT(zone_span_at(z, 0x0fffffff).offset, 3600);
			CHECK_INT(zone_span_at(z, 0x10000000).offset, 7200);
			CHECK_INT(zone_span_at(z, 0x20000000).offset, 3600);
			make_version(&file, versions[i], false, "");
			CHECK(parses(&file));
		}
		make_version(&file, '3', false, "<-02>2<-01>,M3.5.0/-1,M10.5.0/167");
		CHECK(parses(&file));
	}
	IT ("refuses leap seconds in every version, and says so") {
		struct zone *z = NULL;
		struct err err = ERR_INIT;

		make_version(&file, 0, true, "");
		CHECK(!parses(&file));
		make_version(&file, '4', true, "<+01>-1");
		CHECK(!zone_parse(STR("a/b"), buf_str(&file), &z, &err));
		CHECK_STR(err_text(&err), "time zone 'a/b': it counts leap seconds, which local "
					  "time does not; is tzdata damaged?");
		err_fini(&err);
	}
	IT ("skips a first block that is empty where a second follows") {
		AUTO(buf_fini) struct buf slim = BUF_INIT;
		static const char header[44] = "TZif2";

		make_version(&file, '2', false, "<+01>-1");
		buf_add(&slim, header, sizeof(header));
		buf_add(&slim, file.data + 44 + 26, file.len - 44 - 26);
		CHECK(parses(&slim));
		slim.data[4] = 0;
		CHECK(!parses(&slim));
	}
}

/* ---- a folder of zones that changes ---- */

static char folder[] = "/tmp/rouse-zones-XXXXXX";

static void
put_zone(const char *name, struct str bytes)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", folder, name);
	CHECK(os_write_file(buf_cstr(&path), bytes, 0644, NULL));
}

static void
test_folder(void)
{
	AUTO(buf_fini) struct buf file = BUF_INIT, big = BUF_INIT;
	AUTO(zone_auto_free) struct zone *z = NULL;
	struct err err = ERR_INIT;
	bool changed = true;

	CHECK(mkdtemp(folder) != NULL);
	setenv("TZDIR", folder, 1);
	IT ("notices that a zone's file is another one, and takes it over") {
		make_file(&file, 3600, "<+01>-1");
		put_zone("Test", buf_str(&file));
		CHECK(zone_load(STR("Test"), &z, NULL));
		CHECK(zone_refresh(&z, &changed, NULL) && !changed);
		make_file(&file, 7200, "<+02>-2");
		put_zone("Test", buf_str(&file));
		CHECK(zone_refresh(&z, &changed, NULL) && changed);
		CHECK_INT(zone_span_at(z, 0).offset, 7200);
		CHECK_INT(zone_span_at(z, at("2100-01-01T00:00:00Z")).offset, 7200);
		CHECK(zone_refresh(&z, &changed, NULL) && !changed);
	}
	IT ("says that nothing changed when the same is written anew") {
		put_zone("Test", buf_str(&file));
		CHECK(zone_refresh(&z, &changed, NULL) && !changed);
	}
	IT ("keeps what it has when the file is cut off or gone, and tries again") {
		put_zone("Test", str_make(file.data, file.len / 2));
		CHECK(!zone_refresh(&z, &changed, &err) && !changed);
		CHECK_INT(err.code, E_CORRUPT);
		CHECK_INT(zone_span_at(z, 0).offset, 7200);
		CHECK(!zone_refresh(&z, &changed, &err));
		CHECK(os_remove_tree(folder, NULL) && os_mkdirs(folder, 0700, NULL));
		CHECK(!zone_refresh(&z, &changed, &err) && !changed);
		CHECK_STR(err_text(&err), "unknown time zone 'Test'");
		make_file(&file, 10800, "<+03>-3");
		put_zone("Test", buf_str(&file));
		CHECK(zone_refresh(&z, &changed, NULL) && changed);
		CHECK_INT(zone_span_at(z, 0).offset, 10800);
	}
	IT ("refuses a file that is huge, empty or a folder") {
		struct zone *none = NULL;

		while (big.len < 300 << 10)
			buf_add(&big, file.data, file.len);
		put_zone("Huge", buf_str(&big));
		CHECK(!zone_load(STR("Huge"), &none, &err));
		CHECK_INT(err.code, E_TOO_LARGE);
		put_zone("Empty", STR(""));
		CHECK(!zone_load(STR("Empty"), &none, &err));
		CHECK_INT(err.code, E_CORRUPT);
		buf_clear(&big);
		buf_printf(&big, "%s/Folder", folder);
		CHECK(os_mkdirs(buf_cstr(&big), 0700, NULL));
		CHECK(!zone_load(STR("Folder"), &none, &err));
		CHECK_STR(err_text(&err), "unknown time zone 'Folder'");
	}
	IT ("changes when a schedule fires, once the schedule is refreshed") {
		AUTO(cron_auto_free) struct cron *c = NULL;
		struct wall t;

		CHECK(cron_new(STR("0 9 * * *"), STR("Test"), STR(""), &c, NULL));
		CHECK(cron_next(c, (struct wall){0}, &t) && t.ms == INT64_C(6) * 3600000);
		make_file(&file, 7200, "<+02>-2");
		put_zone("Test", buf_str(&file));
		CHECK(cron_next(c, (struct wall){0}, &t) && t.ms == INT64_C(6) * 3600000);
		CHECK(cron_refresh(c, &changed, NULL) && changed);
		CHECK(cron_next(c, (struct wall){0}, &t) && t.ms == INT64_C(7) * 3600000);
		cron_free(TAKE(c));
		CHECK(cron_new(STR("0 9 * * *"), STR("UTC"), STR(""), &c, NULL));
		CHECK(cron_refresh(c, &changed, NULL) && !changed);
	}
	unsetenv("TZDIR");
	os_remove_tree(folder, NULL);
	err_fini(&err);
}

static void
test_rules(void)
{
	IT ("reads days by month and week, with and without leap days, and hours beyond a day") {
		struct zone_rule r;

		CHECK(zone_rule_parse(STR("<-02>2<-01>,M3.5.0/-1,M10.5.0/0"), &r));
		CHECK_INT(r.offset, -7200);
		CHECK_INT(zone_rule_start(&r, 2024), at("2024-03-31T01:00:00Z"));
		CHECK(zone_rule_parse(STR("IST-2IDT,M3.4.4/26,M10.5.0"), &r));
		CHECK_INT(zone_rule_start(&r, 2024), at("2024-03-29T00:00:00Z"));
		CHECK(zone_rule_parse(STR("AAA0BBB,J60/0,300/0"), &r));
		CHECK_INT(zone_rule_start(&r, 2024), at("2024-03-01T00:00:00Z"));
		CHECK_INT(zone_rule_start(&r, 2023), at("2023-03-01T00:00:00Z"));
		CHECK_INT(zone_rule_end(&r, 2024), at("2024-10-26T23:00:00Z"));
		CHECK(zone_rule_parse(STR("<+0545>-5:45"), &r) && r.offset == 20700 && !r.has_dst);
	}
	IT ("turns days into dates and back over four hundred years") {
		int64_t day = civil_days(1900, 1, 1);

		for (int y = 1900; y < 2300; y++)
			for (int m = 1; m <= 12; m++)
				for (int d = 1; d <= civil_month_days(y, m); d++, day++) {
					struct civil c = civil_of_days(day);

					if (civil_days(y, m, d) != day || c.year != y ||
					    c.month != m || c.day != d)
						CHECK(false);
				}
		CHECK_INT(day, civil_days(2300, 1, 1));
		CHECK_INT(civil_weekday(0), 4);
		CHECK_INT(civil_weekday(-5), 6);
	}
}

int
main(void)
{
	test_known();
	test_names();
	test_files();
	test_versions();
	test_folder();
	test_rules();
	return tap_done();
}
