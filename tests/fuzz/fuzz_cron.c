/* Fuzz target: cron expressions and calendar events, and when they fire. */
/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "pure/cron_explain.h"
#include "pure/cron_next.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_lint(void *arg, const char *text)
{
	buf_puts(arg, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(cron_auto_free) struct cron *c = NULL;
	AUTO(buf_fini) struct buf given = BUF_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str zone = size && data[0] & 1 ? STR("America/New_York") : STR_NONE;
	struct wall t = {INT64_C(1710000000000)}, back;
	struct cron_expr again;

	if (!size)
		return 0;
	if (data[0] & 2)
		buf_puts(&given, "calendar:");
	buf_add(&given, data + 1, size - 1);
	if (!cron_new(buf_str(&given), zone, STR("seed"), &c, NULL))
		return 0;
	for (int i = 0; i < 4 && cron_next(c, t, &t); i++)
		assert(cron_match(c, t) && cron_prev(c, (struct wall){t.ms + 1}, &back) &&
		       back.ms == t.ms);
	cron_print(cron_expr(c), &text);
	assert(cron_parse(buf_str(&text), STR("other"), &again, NULL));
	assert(again.rhythm == cron_expr(c)->rhythm);
	cron_explain(c, &text);
	cron_lint(c, t, on_lint, &text);
	return 0;
}
