/* Tests of when cron expressions fire: the corpus, the examples, and what must hold for all. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_next.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/os.h"
#include "pure/civil.h"
#include "tests/unit/tap.h"

#define FILE_MAX (16 << 20)
#define SECOND INT64_C(1000)

static struct cron *
cron_of(const char *text, const char *zone)
{
	struct cron *c = NULL;
	struct err err = ERR_INIT;

	if (!cron_new(str_of(text), str_of(zone), STR("trigger"), &c, &err))
		printf("# %s\n", err_text(&err));
	err_fini(&err);
	return c;
}

static struct wall
wall_of(const char *text)
{
	struct wall w = WALL_NONE;

	if (!wall_parse(str_of(text), &w))
		printf("# bad time %s\n", text);
	return w;
}

/* The next few instants after from, as local times with offset, blank between. */
static const char *
fires(const char *text, const char *zone, const char *from, int count)
{
	static struct buf out;
	AUTO(cron_auto_free) struct cron *c = cron_of(text, zone);
	struct wall t = wall_of(from);
	struct zone_span s;

	buf_clear(&out);
	while (c && count-- && cron_next(c, t, &t)) {
		s = zone_span_at(cron_zone(c), t.ms / SECOND);
		wall_format((struct wall){t.ms + s.offset * SECOND}, &out);
		buf_truncate(&out, out.len - 8); /* :00.000Z */
		buf_printf(&out, "%+03d:%02d ", s.offset / 3600, abs(s.offset / 60 % 60));
	}
	if (out.len)
		buf_truncate(&out, out.len - 1);
	return buf_cstr(&out);
}

/* ---- the corpus ---- */

static bool
vector_comes_out(const json_t *v)
{
	AUTO(cron_auto_free) struct cron *c = NULL;
	const json_t *expect = json_object_get(v, "expect");
	struct wall t = wall_of(json_str(v, "from")), want, back;

	if (!cron_new(str_of(json_str(v, "expr")), str_of(json_str(v, "tz")), STR(""), &c, NULL))
		return json_bool(v, "error", false);
	if (json_bool(v, "error", false))
		return false;
	for (size_t i = 0; i < 5; i++) {
		struct wall before = t;

		if (i >= json_array_size(expect))
			return !cron_next(c, t, &t);
		want = wall_of(json_string_value(json_array_get(expect, i)));
		if (!cron_next(c, t, &t) || t.ms != want.ms || !cron_match(c, t))
			return false;
		if (!cron_prev(c, (struct wall){t.ms + 1}, &back) || back.ms != t.ms)
			return false;
		if (cron_prev(c, t, &back) && back.ms > before.ms)
			return false;
	}
	return true;
}

static void
check_corpus(void)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str rest, line;
	const char *top = getenv("srcdir");
	int count = 0, wrong = 0;

	buf_printf(&path, "%s/tests/vectors/cron-vectors.jsonl", top ? top : ".");
	CHECK(os_read_file(buf_cstr(&path), FILE_MAX, &text, NULL));
	for (rest = buf_str(&text); rest.p && rest.len; count++) {
		AUTO(json_auto_decref) json_t *v = NULL;

		rest = str_split(rest, '\n', &line);
		if (!json_read(line, &v, NULL) || !vector_comes_out(v)) {
			if (wrong++ < 20)
				printf("# %.*s\n", STR_ARG(line));
		}
	}
	CHECK_INT(wrong, 0);
	CHECK_INT(count, 7959);
}

/* ---- section 5's examples ---- */

static void
test_transitions(void)
{
	IT ("moves an appointment in a gap to the gap's end, once") {
		CHECK_STR(fires("30 2 * * *", "America/New_York", "2024-03-10T05:00:00Z", 2),
			  "2024-03-10T03:00-04:00 2024-03-11T02:30-04:00");
		CHECK_STR(fires("0,30 2 * * *", "America/New_York", "2024-03-10T05:00:00Z", 3),
			  "2024-03-10T03:00-04:00 2024-03-11T02:00-04:00 2024-03-11T02:30-04:00");
		CHECK_STR(fires("30 1-3 * * *", "America/New_York", "2024-03-10T05:00:00Z", 3),
			  "2024-03-10T01:30-05:00 2024-03-10T03:00-04:00 2024-03-10T03:30-04:00");
		CHECK_STR(fires("15 2 * * *", "Australia/Lord_Howe", "2024-10-05T12:00:00Z", 2),
			  "2024-10-06T02:30+11:00 2024-10-07T02:15+11:00");
		CHECK_STR(fires("0 0 * * *", "America/Sao_Paulo", "2017-10-14T12:00:00Z", 2),
			  "2017-10-15T01:00-02:00 2017-10-16T00:00-02:00");
		CHECK_STR(fires("30 23 * * SAT", "America/Nuuk", "2024-03-30T12:00:00Z", 1),
			  "2024-03-31T00:00-01:00");
	}
	IT ("lets a rhythm follow real time through a gap") {
		CHECK_STR(fires("*/15 2 * * *", "America/New_York", "2024-03-10T05:00:00Z", 1),
			  "2024-03-11T02:00-04:00");
		CHECK_STR(fires("30 * * * *", "America/New_York", "2024-03-10T05:00:00Z", 3),
			  "2024-03-10T00:30-05:00 2024-03-10T01:30-05:00 2024-03-10T03:30-04:00");
		CHECK_STR(fires("*/10 * * * *", "Australia/Lord_Howe", "2024-10-05T15:10:00Z", 3),
			  "2024-10-06T01:50+10:30 2024-10-06T02:30+11:00 2024-10-06T02:40+11:00");
	}
	IT ("fires an appointment in an overlap the first time only") {
		CHECK_STR(fires("30 1 * * *", "America/New_York", "2024-11-03T04:00:00Z", 2),
			  "2024-11-03T01:30-04:00 2024-11-04T01:30-05:00");
		CHECK_STR(fires("30 1 * * *", "America/New_York", "2024-11-03T06:10:00Z", 1),
			  "2024-11-04T01:30-05:00");
		CHECK_STR(fires("30 23 * * *", "America/Sao_Paulo", "2018-02-18T00:00:00Z", 2),
			  "2018-02-17T23:30-02:00 2018-02-18T23:30-03:00");
		CHECK_STR(fires("30 23 * * *", "Asia/Almaty", "2024-02-29T12:00:00Z", 2),
			  "2024-02-29T23:30+06:00 2024-03-01T23:30+05:00");
	}
	IT ("lets a rhythm run through both passes of an overlap") {
		CHECK_STR(fires("*/30 1 * * *", "America/New_York", "2024-11-03T04:00:00Z", 5),
			  "2024-11-03T01:00-04:00 2024-11-03T01:30-04:00 2024-11-03T01:00-05:00 "
			  "2024-11-03T01:30-05:00 2024-11-04T01:00-05:00");
		CHECK_STR(fires("0 * * * *", "Africa/Casablanca", "2024-03-10T00:30:00Z", 3),
			  "2024-03-10T02:00+01:00 2024-03-10T02:00+00:00 2024-03-10T03:00+00:00");
	}
	IT ("knows that a date at the date line never was") {
		CHECK_STR(fires("0 12 * * *", "Pacific/Apia", "2011-12-29T10:00:00Z", 2),
			  "2011-12-29T12:00-10:00 2011-12-31T12:00+14:00");
		CHECK_STR(fires("0 0 30 * *", "Pacific/Apia", "2011-12-01T00:00:00Z", 1),
			  "2012-01-30T00:00+14:00");
		CHECK_STR(fires("0 * * * *", "Pacific/Apia", "2011-12-30T08:30:00Z", 2),
			  "2011-12-29T23:00-10:00 2011-12-31T00:00+14:00");
	}
}

static void
test_kinds(void)
{
	IT ("anchors @every in 1970 in real time") {
		CHECK_STR(fires("@every 90m", NULL, "2024-03-10T00:00:00Z", 2),
			  "2024-03-10T01:30+00:00 2024-03-10T03:00+00:00");
		CHECK_STR(fires("@every 1d/10m", "America/New_York", "2024-03-10T00:00:00Z", 2),
			  "2024-03-09T19:10-05:00 2024-03-10T20:10-04:00");
		CHECK_STR(fires("@every 1h/61m", NULL, "2024-03-10T00:00:00Z", 1),
			  "2024-03-10T00:01+00:00");
	}
	IT ("never fires @reboot by the clock") {
		AUTO(cron_auto_free) struct cron *c = cron_of("@reboot", NULL);
		struct wall t;

		CHECK(!cron_next(c, (struct wall){0}, &t));
		CHECK(!cron_prev(c, (struct wall){0}, &t));
		CHECK(cron_check_fires(c, (struct wall){0}, NULL));
	}
	IT ("takes the zone of the expression, and refuses two") {
		struct cron *c = NULL;
		struct err err = ERR_INIT;

		CHECK_STR(fires("CRON_TZ=Asia/Tokyo 0 9 * * *", NULL, "2024-03-10T00:00:00Z", 1),
			  "2024-03-11T09:00+09:00");
		CHECK(!cron_new(STR("TZ=Asia/Tokyo 0 9 * * *"), STR("UTC"), STR(""), &c, &err));
		CHECK_STR(err_text(&err), "cron:4: the expression names a time zone, and so does "
					  "timezone; keep one");
		CHECK(!cron_new(STR("CRON_TZ=Mars/Base 0 0 * * *"), STR_NONE, STR(""), &c, &err));
		CHECK_STR(err_text(&err), "cron:9: unknown time zone 'Mars/Base'");
		CHECK(!cron_new(STR("0 0 * * *"), STR("Mars/Base"), STR(""), &c, &err));
		CHECK_STR(err_text(&err), "unknown time zone 'Mars/Base'");
		CHECK(!c);
		err_fini(&err);
	}
	IT ("says why a schedule never fires") {
		static const struct {
			const char *text, *want;
		} cases[] = {
			{"0 0 30 2 *", "cron: never fires: February has at most 29 days"},
			{"0 0 31 4 *", "cron: never fires: April has at most 30 days"},
			{"0 0 31 2,4 *", "cron: never fires: its months have at most 30 days"},
			{"0 0 0 1 1 * 1999", "cron: never fires: its last time is over"},
			{"0 0 0 29 2 * 2025",
			 "cron: never fires: no date matches all of its fields"},
			{"0 0 L-30 2 *", "cron: never fires: no date matches all of its fields"},
		};

		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			AUTO(cron_auto_free) struct cron *c = cron_of(cases[i].text, NULL);
			struct err err = ERR_INIT;

			CHECK(!cron_check_fires(c, wall_of("2026-11-20T00:00:00Z"), &err));
			CHECK_STR(err_text(&err), cases[i].want);
			err_fini(&err);
		}
	}
	IT ("ends with the year 2199 and begins with 1970") {
		AUTO(cron_auto_free) struct cron *c = cron_of("0 0 1 1 *", NULL);
		struct wall t;

		CHECK(cron_next(c, wall_of("2198-06-01T00:00:00Z"), &t));
		CHECK_INT(t.ms, wall_of("2199-01-01T00:00:00Z").ms);
		CHECK(!cron_next(c, t, &t));
		CHECK(!cron_next(c, (struct wall){INT64_MAX}, &t));
		CHECK(cron_next(c, (struct wall){INT64_MIN}, &t) && t.ms == 0);
		CHECK(!cron_prev(c, (struct wall){0}, &t));
		CHECK(!cron_prev(c, (struct wall){INT64_MIN}, &t));
		CHECK(cron_prev(c, (struct wall){INT64_MAX}, &t));
		CHECK_INT(t.ms, wall_of("2199-01-01T00:00:00Z").ms);
	}
	IT ("crosses 2100 to the next leap day") {
		CHECK_STR(fires("0 0 29 2 *", "Europe/Berlin", "2096-03-01T00:00:00Z", 1),
			  "2104-02-29T00:00+01:00");
		CHECK_STR(fires("0 12 29 2 +1", "Europe/Berlin", "2072-03-01T00:00:00Z", 1),
			  "2112-02-29T12:00+01:00");
	}
	IT ("knows the first day of every year and every leap day") {
		AUTO(cron_auto_free) struct cron *first = cron_of("0 0 1 1 *", NULL);
		AUTO(cron_auto_free) struct cron *leap = cron_of("0 0 29 2 *", NULL);
		struct wall t = {-1}, l = {-1};

		for (int year = CRON_FIRST_YEAR; year <= CRON_LAST_YEAR; year++) {
			CHECK(cron_next(first, t, &t));
			CHECK_INT(t.ms, civil_days(year, 1, 1) * DAY_S * 1000);
			if (civil_is_leap(year)) {
				CHECK(cron_next(leap, l, &l));
				CHECK_INT(l.ms, civil_days(year, 2, 29) * DAY_S * 1000);
			}
		}
		CHECK(!cron_next(first, t, &t) && !cron_next(leap, l, &l));
	}
	IT ("counts milliseconds: an instant is after what lies just before it") {
		AUTO(cron_auto_free) struct cron *c = cron_of("* * * * *", NULL);
		struct wall t;

		CHECK(cron_next(c, (struct wall){59999}, &t) && t.ms == 60000);
		CHECK(cron_next(c, (struct wall){60000}, &t) && t.ms == 120000);
		CHECK(cron_prev(c, (struct wall){60001}, &t) && t.ms == 60000);
		CHECK(cron_prev(c, (struct wall){60000}, &t) && t.ms == 0);
		CHECK(cron_match(c, (struct wall){60000}));
		CHECK(!cron_match(c, (struct wall){60001}));
		CHECK(!cron_match(c, (struct wall){61000}));
	}
}

/* ---- what holds for all ---- */

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
test_properties(void)
{
	static const char *const exprs[] = {
		"* * * * * *",	     "30 2 * * *",   "0 0 29 2 *",   "0 0 LW * *",
		"*/7 3-9 * * FRI#L", "0 0 31 * MON", "@every 7h/3m", "0 0 0 1 1 * 2030-2040/3"};
	static const char *const zones[] = {"UTC", "America/New_York", "Pacific/Apia",
					    "Africa/Casablanca"};

	IT ("is monotone, constant up to the next instant, and the inverse of prev") {
		uint64_t state = 88172645463325252u;

		for (size_t i = 0; i < 4000; i++) {
			AUTO(cron_auto_free)
			struct cron *c = cron_of(exprs[i % ARRAY_LEN(exprs)],
						 zones[i / ARRAY_LEN(exprs) % ARRAY_LEN(zones)]);
			struct wall t = {(int64_t)(next_random(&state) % UINT64_C(7258118400000))},
				    n, p, m;
			bool ok;

			if (!cron_next(c, t, &n))
				continue;
			ok = n.ms > t.ms && cron_match(c, n);
			if (n.ms - t.ms > 1) {
				m.ms = t.ms +
				       (int64_t)(next_random(&state) % (uint64_t)(n.ms - t.ms));
				ok = ok && cron_next(c, m, &p) && p.ms == n.ms;
			}
			if (cron_prev(c, n, &p))
				ok = ok && p.ms <= t.ms && cron_next(c, p, &m) && m.ms == n.ms;
			CHECK(ok);
		}
	}
	IT ("fires in a zone of one offset as in UTC, so much later") {
		for (size_t i = 0; i < ARRAY_LEN(exprs); i++) {
			AUTO(cron_auto_free) struct cron *a = cron_of(exprs[i], "UTC");
			AUTO(cron_auto_free) struct cron *b = cron_of(exprs[i], "Etc/GMT-5");
			const int64_t east = cron_expr(a)->every_s ? 0 : 5 * 3600 * SECOND;
			struct wall t = wall_of("2023-12-31T12:00:00Z"), u = {t.ms - east};

			for (int n = 0; n < 500; n++) {
				bool more = cron_next(a, t, &t);

				CHECK(cron_next(b, u, &u) == more);
				if (!more)
					break;
				CHECK_INT(u.ms, t.ms - east);
			}
		}
	}
	IT ("fires for a list when it does for one of its items, each of the same class") {
		static const char *const unions[][3] = {
			{"0,30 2 * * *", "0 2 * * *", "30 2 * * *"},
			{"15 1-2 * * *", "15 1 * * *", "15 2 * * *"},
			{"0 2 1,L * *", "0 2 1 * *", "0 2 L * *"},
			{"30 1 * * MON,SUN#1", "30 1 * * MON", "30 1 * * SUN#1"},
			{"30 2 * 3,11 *", "30 2 * 3 *", "30 2 * 11 *"},
			{"*/20,7 * * * *", "*/20 * * * *", "7 * * * *"},
			{"0 */6,1 * * *", "0 */6 * * *", "0 1-1/1 * * *"},
			{"0 2 13 * SUN", "0 2 13 * *", "0 2 * * SUN"},
		};

		for (size_t i = 0; i < ARRAY_LEN(unions) * ARRAY_LEN(zones); i++) {
			const char *const *u = unions[i / ARRAY_LEN(zones)];
			const char *zone = zones[i % ARRAY_LEN(zones)];
			AUTO(cron_auto_free) struct cron *both = cron_of(u[0], zone);
			AUTO(cron_auto_free) struct cron *one = cron_of(u[1], zone);
			AUTO(cron_auto_free) struct cron *other = cron_of(u[2], zone);
			struct wall t = wall_of("2010-10-01T00:00:00Z"), x, y;

			for (int n = 0; n < 2000; n++) {
				CHECK(cron_next(one, t, &x) && cron_next(other, t, &y));
				if (!CHECK(cron_next(both, t, &t)))
					break;
				CHECK_INT(t.ms, x.ms < y.ms ? x.ms : y.ms);
			}
		}
	}
	IT ("takes a schedule that cannot fire without searching long") {
		AUTO(cron_auto_free) struct cron *c = cron_of("0 0 30 2 *", "America/New_York");
		struct wall t;

		for (int i = 0; i < 1000; i++)
			CHECK(!cron_next(c, (struct wall){0}, &t) &&
			      !cron_prev(c, (struct wall){INT64_MAX}, &t));
	}
}

int
main(void)
{
	IT ("fires when the corpus of 7,959 cases says") {
		check_corpus();
	}
	test_transitions();
	test_kinds();
	test_properties();
	return tap_done();
}
