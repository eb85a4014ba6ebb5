/* Tests of schedules where clocks change: a walk over every second (or minute) of the three days
 * around transitions, with a model written from the definitions, against next, prev and match; and
 * of zones against libc. CRON_WALK=all: every zone of the machine, every transition from 1990 to
 * 2037 (`make check-walk`); else some zones that are known for their oddities. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_next.h"

#include <ftw.h>
#include <stdlib.h>
#include <time.h>

#include "pure/civil.h"
#include "tests/unit/tap.h"

#define HALF (36 * 3600)	  /* of a window, seconds */
#define FROM INT64_C(631152000)	  /* 1990 */
#define UNTIL INT64_C(2145916800) /* 2038 */
#define ZONES_MAX 1000
#define FIRES_MAX (2 * HALF + 1)
#define FAILURES_SHOWN 10

static const char *const some[] = {
	"America/New_York", "Europe/London",	 "Australia/Lord_Howe", "Africa/Casablanca",
	"Pacific/Apia",	    "America/Sao_Paulo", "Europe/Dublin",	"Asia/Pyongyang",
	"America/Nuuk",	    "Europe/Moscow",	 "Asia/Tehran",		"America/Caracas",
	"America/St_Johns", "Africa/Cairo",	 "Antarctica/Troll",	"Asia/Almaty",
	"Asia/Gaza",	    "Pacific/Kwajalein", "Europe/Lisbon",	"America/Scoresbysund",
};

static const char *const exprs[] = {
	"30 2 * * *",	    "*/15 * * * *",	"0,30 0-3 * * *",
	"15 */2 * * *",	    "0 0 * * MON",	"59 23 28-31 * *",
	"30 1 1-7 * SUN",   "*/7 1,2,23 * * *", "0 * * * *",
	"45 1 * 3,10,11 *", "0 0 L * *",	"0 0-23 * * *",
	"0 0,1,2,3 * * *",  "calendar:*:7..9",	"calendar:*-*-* 2:00..59",
	"* * * * *",	    "*/20 59 * * * *",	"7,59 30 0-3 * * *",
};

static struct {
	char *names[ZONES_MAX];
	size_t count;
} zones;

/* ---- the model ---- */

struct model {
	const struct cron_expr *e;
	const struct zone *zone;
	int64_t begin, first_day; /* instant and local day at which the window begins */
	uint8_t time[DAY_S];	  /* whether a second of the day matches */
	bool days[8];		  /* whether a day from first_day on does */
	int64_t fires[FIRES_MAX];
	size_t count;
};

static bool
day_matches(const struct cron_expr *e, int64_t day)
{
	struct civil d = civil_of_days(day);
	int length = civil_month_days(d.year, d.month), year = d.year - CRON_FIRST_YEAR;
	bool dom = (e->dom >> d.day & 1) || (e->last_day >> (length - d.day) & 1);
	bool dow = e->dow >> civil_weekday(day) & 1;

	if (!(e->month >> d.month & 1) || !(e->year[year / 64] >> (year % 64) & 1))
		return false;
	return e->both || e->dom_star || e->dow_star ? dom && dow : dom || dow;
}

static void
model_times(struct model *m, const struct cron *c)
{
	const struct cron_expr *e = cron_expr(c);

	m->e = e;
	m->zone = cron_zone(c);
	for (int t = 0; t < DAY_S; t++)
		m->time[t] = (e->second >> (t % 60) & 1) && (e->minute >> (t / 60 % 60) & 1) &&
			     (e->hour >> (t / 3600) & 1);
}

static bool
nominal(const struct model *m, int64_t local)
{
	int64_t day = local / DAY_S;

	return m->time[local - day * DAY_S] && m->days[day - m->first_day];
}

/* Whether an earlier instant has this local time too. */
static bool
comes_again(const struct model *m, const struct zone_span *s, int64_t local)
{
	for (size_t i = s->index; i-- > 0;) {
		struct zone_span before = zone_span(m->zone, i);

		if (local - before.offset < before.until)
			return true;
		if (before.until + 2 * DAY_S < s->from)
			break;
	}
	return false;
}

static bool
gap_has(const struct model *m, const struct zone_span *s)
{
	int32_t before = s->index ? zone_span(m->zone, s->index - 1).offset : s->offset;

	if (m->e->rhythm || s->offset - before >= DAY_S)
		return false;
	for (int64_t local = s->from + before; local < s->from + s->offset; local++)
		if (nominal(m, local))
			return true;
	return false;
}

/* All instants at which it fires in the window. */
static void
model_walk(struct model *m, int64_t at, int step)
{
	struct zone_span s;

	m->begin = at - HALF;
	m->first_day = civil_floor_div(m->begin, DAY_S) - 2;
	for (int i = 0; i < 8; i++)
		m->days[i] = day_matches(m->e, m->first_day + i);
	m->count = 0;
	s = zone_span_at(m->zone, m->begin);
	for (int64_t t = m->begin; t < at + HALF; t += step) {
		if (t >= s.until)
			s = zone_span_at(m->zone, t);
		if ((nominal(m, t + s.offset) &&
		     (m->e->rhythm || !comes_again(m, &s, t + s.offset))) ||
		    (t == s.from && gap_has(m, &s)))
			m->fires[m->count++] = t;
	}
}

/* next through the window, prev back, match at both and right beside. */
static bool
agrees(const struct model *m, struct cron *c)
{
	struct wall t = {m->begin * 1000 - 1}, back = {(m->begin + 2 * HALF) * 1000}, got;

	for (size_t i = 0; i < m->count; i++) {
		int64_t before = t.ms;

		if (!cron_next(c, t, &t) || t.ms != m->fires[i] * 1000 || !cron_match(c, t))
			return false;
		if (t.ms - before > 1000 && cron_match(c, (struct wall){t.ms - 1000}) &&
		    (i == 0 || m->fires[i - 1] * 1000 != t.ms - 1000))
			return false;
	}
	if (cron_next(c, t, &got) && got.ms < back.ms)
		return false;
	for (size_t i = m->count; i-- > 0;)
		if (!cron_prev(c, back, &back) || back.ms != m->fires[i] * 1000)
			return false;
	return !cron_prev(c, back, &got) || got.ms < m->begin * 1000;
}

/* ---- zones ---- */

static int
add_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + strlen("/usr/share/zoneinfo/");
	struct zone *z;

	(void)ftw;
	if (type != FTW_F || st->st_size < 44 || zones.count == ZONES_MAX ||
	    !zone_name_is_valid(str_of(name)) || !zone_load(str_of(name), &z, NULL))
		return 0;
	zone_free(z);
	zones.names[zones.count++] = mem_strdup(name);
	return 0;
}

static void
find_zones(bool all)
{
	if (all)
		nftw("/usr/share/zoneinfo", add_file, 16, FTW_PHYS);
	for (size_t i = 0; !all && i < ARRAY_LEN(some); i++)
		zones.names[zones.count++] = mem_strdup(some[i]);
}

/* Links, and places whose clocks went alike through all that is walked: once is enough. */
static uint64_t
zone_hash(const struct zone *z)
{
	uint64_t hash = 1469598103934665603u;

	for (size_t i = 0; i < zone_count(z); i++) {
		struct zone_span s = zone_span(z, i);

		if (s.until < FROM - 30 * DAY_S || s.from > UNTIL + 30 * DAY_S)
			continue;
		if (s.from < FROM - 30 * DAY_S)
			s.from = 0;
		hash = (hash ^ (uint64_t)s.from) * 1099511628211u;
		hash = (hash ^ (uint64_t)s.offset) * 1099511628211u;
	}
	return hash;
}

static void
forget_links(void)
{
	static uint64_t seen[ZONES_MAX];
	size_t kept = 0;

	for (size_t i = 0; i < zones.count; i++) {
		AUTO(zone_auto_free) struct zone *z = NULL;
		size_t k = 0;

		if (!zone_load(str_of(zones.names[i]), &z, NULL))
			continue;
		seen[kept] = zone_hash(z);
		while (seen[k] != seen[kept])
			k++;
		if (k == kept)
			zones.names[kept++] = zones.names[i];
		else
			free(zones.names[i]);
	}
	zones.count = kept;
}

/* ---- the walk ---- */

static size_t windows, fires;

static int
walk(struct cron *c, struct model *m, int step)
{
	const struct zone *zone = cron_zone(c);
	int wrong = 0;

	for (size_t i = 1; i < zone_count(zone); i++) {
		struct zone_span s = zone_span(zone, i);

		if (s.from < FROM || s.from >= UNTIL)
			continue;
		model_walk(m, s.from, s.from % 60 || s.offset % 60 ? 1 : step);
		windows++;
		fires += m->count;
		wrong += !agrees(m, c);
	}
	return wrong;
}

static void
walk_all(const char *expr, int step)
{
	static struct model m;
	int shown = 0;

	for (size_t z = 0; z < zones.count; z++) {
		AUTO(cron_auto_free) struct cron *c = NULL;
		int wrong;

		if (!CHECK(cron_new(str_of(expr), str_of(zones.names[z]), STR("t"), &c, NULL)))
			continue;
		model_times(&m, c);
		wrong = walk(c, &m, cron_expr(c)->second == 1 ? step : 1);
		if (!tap_check(!wrong, "the model agrees", __FILE__, __LINE__) &&
		    shown++ < FAILURES_SHOWN)
			printf("# %s in %s: %d transitions\n", expr, zones.names[z], wrong);
	}
}

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A field between lo and hi: a value, two, a range, a step or a star. */
static void
add_field(struct buf *out, uint64_t *state, int lo, int hi)
{
	uint64_t r = next_random(state);
	int a = lo + (int)((r >> 8 & 0xff) % (unsigned)(hi - lo + 1));
	int b = a + (int)((r >> 16 & 0xff) % (unsigned)(hi - a + 1));

	switch (r & 7) {
	case 0:
	case 1:
	case 2:
		buf_printf(out, "%d ", a);
		break;
	case 3:
		buf_printf(out, "%d,%d ", a, b);
		break;
	case 4:
		buf_printf(out, "%d-%d ", a, b);
		break;
	case 5:
		buf_printf(out, "*/%d ", 1 + (int)((r >> 24 & 0xff) % (unsigned)(hi - lo + 1)));
		break;
	default:
		buf_puts(out, "* ");
	}
}

static void
random_expr(struct buf *out, uint64_t *state)
{
	buf_clear(out);
	add_field(out, state, 0, 59);
	add_field(out, state, 0, next_random(state) & 1 ? 3 : 23);
	add_field(out, state, 1, 31);
	buf_puts(out, "* ");
	add_field(out, state, 0, 6);
}

/* ---- libc as the second opinion ---- */

static bool
libc_agrees(const struct zone *z, int64_t t)
{
	time_t when = (time_t)t;
	struct tm tm;

	return localtime_r(&when, &tm) && tm.tm_gmtoff == zone_span_at(z, t).offset;
}

static int
compare_with_libc(const char *name)
{
	AUTO(zone_auto_free) struct zone *z = NULL;
	AUTO(buf_fini) struct buf tz = BUF_INIT;
	int wrong = 0;

	buf_printf(&tz, ":%s", name);
	setenv("TZ", buf_cstr(&tz), 1);
	tzset();
	if (!zone_load(str_of(name), &z, NULL))
		return 1;
	for (size_t i = 1; i < zone_count(z); i++) {
		struct zone_span s = zone_span(z, i);

		if (s.from < civil_days(2199, 12, 31) * DAY_S)
			wrong += !libc_agrees(z, s.from) + !libc_agrees(z, s.from - 1);
	}
	for (int64_t day = civil_days(1890, 1, 1); day < civil_days(2199, 12, 31); day += 17)
		wrong += !libc_agrees(z, day * DAY_S);
	return wrong;
}

int
main(void)
{
	const char *mode = getenv("CRON_WALK");
	bool all = mode && !strcmp(mode, "all");
	uint64_t state = 88172645463325252u;

	find_zones(all);
	IT ("knows the offsets that libc knows, from 1890 to 2199") {
		for (size_t z = 0; z < zones.count; z++)
			if (!CHECK(!compare_with_libc(zones.names[z])))
				printf("# %s\n", zones.names[z]);
	}
	forget_links();
	IT ("fires around every transition when the model says, walked by the minute or second") {
		for (size_t i = 0; i < ARRAY_LEN(exprs) - (all ? 0 : 1); i++)
			walk_all(exprs[i], all ? 1 : 60);
	}
	IT ("does so for schedules that nobody chose") {
		AUTO(buf_fini) struct buf expr = BUF_INIT;

		for (int i = 0; i < (all ? 20 : 10); i++) {
			random_expr(&expr, &state);
			walk_all(buf_cstr(&expr), 60);
		}
	}
	printf("# %zu zones, %zu windows, %zu fires\n", zones.count, windows, fires);
	for (size_t i = 0; i < zones.count; i++)
		free(zones.names[i]);
	return tap_done();
}
