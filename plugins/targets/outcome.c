/* Outcomes: what became of one application, on its way back to core. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/outcome.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/event.h"
#include "store/runs.h"

#define STEPS_MAX 16

void
outcome_init(struct outcome *o, struct core *core, target_on_done *on_done, void *arg)
{
	*o = (struct outcome){.what = TARGET_FAILED, .core = core, .on_done = on_done, .arg = arg};
}

void
outcome_fini(struct outcome *o)
{
	core_timer_free(o->timer);
	buf_fini(&o->current);
	buf_fini(&o->receipt);
	err_fini(&o->err);
}

void
outcome_give(struct outcome *o)
{
	struct target_result result = {.outcome = o->what,
				       .current = o->current.len ? buf_cstr(&o->current) : NULL,
				       .receipt = o->receipt.len ? buf_cstr(&o->receipt) : NULL,
				       .retry_after_ms = o->retry_after_ms};

	o->on_done(o->arg, &result, &o->err);
}

void
outcome_later(struct outcome *o, void (*then)(void *arg), void *arg)
{
	core_timer_arm(o->core, &o->timer, 0, then, arg);
}

void
outcome_fail(struct outcome *o, enum err_code code, const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	o->what = TARGET_FAILED;
	err_set(&o->err, code, "%s", buf_cstr(&text));
}

const char *
change_wanted(const struct change_row *change)
{
	return change->after && strcmp(change->after, "null") ? change->after : change->patch;
}

const char *
change_op(const struct change_row *change, bool revert)
{
	if (!revert)
		return change->op;
	if (!strcmp(change->op, "create"))
		return "delete";
	return strcmp(change->op, "delete") ? change->op : "create";
}

const char *
change_expected(const struct change_row *change, bool revert)
{
	if (!strcmp(change_op(change, revert), "create"))
		return "null";
	if (!revert)
		return change->before;
	return strcmp(change->op, "call") ? change_wanted(change) : NULL;
}

bool
change_needs_entity(const struct change_row *change, bool revert)
{
	const char *op = change_op(change, revert);

	return !strcmp(op, "update") || !strcmp(op, "delete");
}

bool
change_finds_other(const struct change_row *change, bool revert, const char *current)
{
	const char *expected = change_expected(change, revert);

	return (!current && !expected && change_needs_entity(change, revert)) ||
	       change_drifted(expected, current);
}

bool
change_is_done(const struct change_row *change, bool revert, const char *current)
{
	/* What the way back expects is what the way there leaves. */
	const char *left = change_expected(change, !revert);

	return change->attempts > 0 && strcmp(change->op, "call") && left &&
	       !change_drifted(left, current);
}

void
run_cause(const struct run_row *run, const char *parent, struct buf *out)
{
	struct cause cause = {.hops = run->hops + 1};

	snprintf(cause.root, sizeof(cause.root), "%s",
		 run->root	 ? run->root
		 : run->event_id ? run->event_id
				 : "");
	snprintf(cause.parent, sizeof(cause.parent), "%s", parent ? parent : "");
	cause_format(&cause, out);
}

void
change_cause(struct core *core, const struct change_row *change, struct buf *out)
{
	struct run_row run = {0};

	if (runs_get_seq(core->store, change->run, &run, NULL))
		run_cause(&run, run.id, out);
	run_row_fini(&run);
}

bool
change_image_find(const char *image, const char *path, struct str *ret)
{
	struct json_step steps[STEPS_MAX];
	size_t count = 0;
	struct str rest = str_of(path);

	if (!image)
		return false;
	while (rest.p && count < STEPS_MAX) {
		struct str head;

		rest = str_split(rest, '.', &head);
		steps[count++] = (struct json_step){.name = head};
	}
	return !rest.p && json_raw_find(str_of(image), steps, count, ret);
}

char *
change_before(const struct change_row *change)
{
	static const struct json_step step = {.name = {"before", 6}};
	struct str raw;

	if (change->receipt && json_check(str_of(change->receipt), NULL) &&
	    json_raw_find(str_of(change->receipt), &step, 1, &raw) && !str_eq_cstr(raw, "null"))
		return str_dup(raw);
	return mem_strdup(change->before);
}

void
change_key(const struct change_row *change, bool revert, struct buf *out)
{
	buf_cat(out, change->key, revert ? "/revert" : "");
}

static void
member(struct buf *out, const char *name, const char *json)
{
	buf_printf(out, ",\"%s\":%s", name, json ? json : "null");
}

static void
member_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	buf_json_cstr(out, text);
}

void
change_tell_target(const struct change_row *change, bool revert, struct buf *out)
{
	AUTO(auto_free) char *before = change_before(change);
	AUTO(buf_fini) struct buf key = BUF_INIT;
	bool call = !strcmp(change->op, "call");

	change_key(change, revert, &key);
	buf_puts(out, "{\"id\":");
	buf_json_cstr(out, change->id);
	member_text(out, "key", buf_cstr(&key));
	member_text(out, "run", change->run_id);
	member_text(out, "target", change->target);
	member_text(out, "entity", change->entity);
	member_text(out, "op", change_op(change, revert));
	member(out, "before", revert && !call ? change_wanted(change) : change->before);
	member(out, "after", revert && !call ? before : change->after);
	member(out, "patch", revert && !call ? NULL : change->patch);
	member_text(out, "reason", change->reason);
	buf_printf(out, ",\"revert\":%s}", revert ? "true" : "false");
}
