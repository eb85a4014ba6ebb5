/* Fuzz target: cron expressions and calendar events, and when they fire. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdio.h>

#include "pure/cron_explain.h"
#include "pure/cron_import.h"
#include "pure/cron_next.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_lint(void *arg, const char *text)
{
	buf_puts(arg, text);
}

/* An error names a column in the text, or right behind it; or the zone that was given. */
static void
check_error(struct str text, const struct err *err)
{
	size_t column = 0;

	assert(err->code == E_INVALID);
	assert(sscanf(err_text(err), "cron:%zu: ", &column) == 1 && column >= 1);
	assert(column <= text.len + 1 || column == CRON_TEXT_MAX + 1);
}

/* next, prev and match know the same instants. */
static void
check_instants(struct cron *c)
{
	struct wall t = {INT64_C(1710000000000)}, before = t, back;

	for (int i = 0; i < 4 && cron_next(c, t, &t); i++) {
		assert(t.ms > before.ms && cron_match(c, t));
		assert(cron_prev(c, (struct wall){t.ms + 1}, &back) && back.ms == t.ms);
		assert(!cron_prev(c, t, &back) || back.ms <= before.ms || i > 0);
		assert(i == 0 || (cron_prev(c, t, &back) && back.ms == before.ms));
		before = t;
	}
}

/* Beside a star other days say nothing, and are not printed. */
static bool
is_same_day(const struct cron_expr *a, const struct cron_expr *b)
{
	return a->dom == b->dom && a->dow == b->dow && a->dom_star == b->dom_star &&
	       a->dow_star == b->dow_star &&
	       (a->dom_star || (a->last_day == b->last_day && a->nearest == b->nearest &&
				a->last_weekday == b->last_weekday)) &&
	       (a->dow_star || !memcmp(a->nth, b->nth, sizeof(a->nth)));
}

static bool
is_same(const struct cron_expr *a, const struct cron_expr *b)
{
	return a->second == b->second && a->minute == b->minute && a->hour == b->hour &&
	       is_same_day(a, b) && a->month == b->month && a->rhythm == b->rhythm &&
	       a->reboot == b->reboot && a->every_s == b->every_s && a->phase_s == b->phase_s &&
	       !memcmp(a->year, b->year, sizeof(a->year)) && !strcmp(a->zone, b->zone);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(cron_auto_free) struct cron *c = NULL;
	AUTO(buf_fini) struct buf given = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str zone = size && data[0] & 1 ? STR("America/New_York") : STR_NONE;
	struct cron_expr again;

	if (!size)
		return 0;
	if (data[0] & 4) {
		cron_import_quartz(str_make(data + 1, size - 1), &text, NULL);
		buf_clear(&text);
	}
	if (data[0] & 2)
		buf_puts(&given, "calendar:");
	buf_add(&given, data + 1, size - 1);
	if (!cron_new(buf_str(&given), zone, STR("seed"), &c, &err)) {
		check_error(buf_str(&given), &err);
		return 0;
	}
	for (size_t i = 0; i < given.len; i++)
		assert(given.data[i] == '\t' || (given.data[i] >= ' ' && given.data[i] < 0x7f));
	check_instants(c);
	cron_print(cron_expr(c), &text);
	assert(cron_parse(buf_str(&text), STR("other"), &again, NULL));
	assert(is_same(&again, cron_expr(c)));
	cron_explain(c, &text);
	cron_lint(c, (struct wall){INT64_C(1710000000000)}, on_lint, &text);
	return 0;
}
