/* What the daemon knows of a schedule across restarts: one line of text in its cursor. */
/* SPDX-License-Identifier: MIT */
#include "triggers/cron/cursor.h"

#include <string.h>

static void
range_print(struct buf *out, const char *name, const struct ticks_range *range)
{
	if (wall_is_set(range->from))
		buf_printf(out, " %s=%lld,%lld", name, (long long)range->from.ms,
			   (long long)range->to.ms);
}

void
cursor_print(const struct cron_cursor *c, struct buf *out)
{
	buf_printf(out, "%lld %lld", (long long)c->last.ms, (long long)c->runs);
	if (*c->print)
		buf_printf(out, " print=%s", c->print);
	if (c->off != CURSOR_ON)
		buf_puts(out, c->off == CURSOR_OFF ? " off=yes" : " off=held");
	range_print(out, "passed", &c->passed);
	range_print(out, "done", &c->done);
	range_print(out, "backfill", &c->backfill);
	if (wall_is_set(c->backfill.from))
		buf_printf(out, " overlap=%s", c->overlap);
	if (c->failures_seq)
		buf_printf(out, " failures=%lld", (long long)c->failures_seq);
}

static bool
range_parse(struct str value, struct ticks_range *ret)
{
	struct str from, to = str_split(value, ',', &from);

	return to.p && str_to_i64(from, &ret->from.ms) && str_to_i64(to, &ret->to.ms) &&
	       wall_is_set(ret->from);
}

static bool
text_parse(struct str value, char *ret, size_t size)
{
	if (!value.len || value.len >= size)
		return false;
	memcpy(ret, value.p, value.len);
	ret[value.len] = '\0';
	return true;
}

static bool
word_parse(struct str word, struct cron_cursor *c)
{
	struct str name, value = str_split(word, '=', &name);

	if (!value.p)
		return false;
	if (str_eq_cstr(name, "print"))
		return text_parse(value, c->print, sizeof(c->print));
	if (str_eq_cstr(name, "overlap"))
		return text_parse(value, c->overlap, sizeof(c->overlap));
	if (str_eq_cstr(name, "passed"))
		return range_parse(value, &c->passed);
	if (str_eq_cstr(name, "done"))
		return range_parse(value, &c->done);
	if (str_eq_cstr(name, "backfill"))
		return range_parse(value, &c->backfill);
	if (str_eq_cstr(name, "failures"))
		return str_to_i64(value, &c->failures_seq);
	if (str_eq_cstr(name, "off"))
		c->off = str_eq_cstr(value, "held") ? CURSOR_HELD : CURSOR_OFF;
	return true;
}

bool
cursor_parse(struct str text, struct cron_cursor *ret, struct err *err)
{
	struct cron_cursor c = {
		.passed = TICKS_RANGE_NONE, .done = TICKS_RANGE_NONE, .backfill = TICKS_RANGE_NONE};
	struct str rest, word;
	bool ok;

	rest = str_split(text, ' ', &word);
	ok = str_to_i64(word, &c.last.ms) && wall_is_set(c.last);
	rest = str_split(rest, ' ', &word);
	ok = ok && str_to_i64(word, &c.runs) && c.runs >= 0;
	while (ok && rest.p && rest.len) {
		rest = str_split(rest, ' ', &word);
		ok = word_parse(word, &c);
	}
	if (!ok)
		return err_set(err, E_CORRUPT, "the cursor of this schedule is damaged: %.*s",
			       (int)(text.len > 200 ? 200 : text.len), text.p ? text.p : "");
	*ret = c;
	return true;
}
