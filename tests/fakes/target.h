/* One target under test: what a change is, and what became of it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TESTS_FAKES_TARGET_H
#define ROUSE_TESTS_FAKES_TARGET_H

#include <stdio.h>

#include "tests/fakes/core.h"
#include "tests/unit/tap.h"

#define TARGET_MS 20000
#define CHANGE_ID "019abcde-0000-7000-8000-00000000c0de"

static struct fake f;
static struct target t;

static struct {
	bool done;
	unsigned count_done; /* with TARGET_DONE */
	enum target_outcome outcome;
	char current[4096], receipt[8192], error[1024];
	enum err_code code;
	int64_t retry_after_ms, took_ms;
} got;

static inline void
on_done(void *arg, const struct target_result *result, struct err *err)
{
	(void)arg;
	got.done = true;
	got.count_done += result->outcome == TARGET_DONE;
	got.outcome = result->outcome;
	got.retry_after_ms = result->retry_after_ms;
	snprintf(got.current, sizeof(got.current), "%s", result->current ? result->current : "");
	snprintf(got.receipt, sizeof(got.receipt), "%s", result->receipt ? result->receipt : "");
	snprintf(got.error, sizeof(got.error), "%s", err_text(err));
	got.code = err->code;
}

/* Applies (or reverts) and waits for the outcome; -1 when it never comes. */
static inline int
go(const struct change_row *change, bool revert)
{
	int64_t start = clock_mono(f.core.clock).ms;

	memset(&got, 0, sizeof(got));
	t.kind->apply(&f.core, &t, change, revert, on_done, NULL);
	if (got.done)
		printf("# on_done came from within apply()\n");
	if (got.done || !fake_until_true(&f, &got.done, TARGET_MS))
		return -1;
	got.took_ms = clock_mono(f.core.clock).ms - start;
	if (got.code != E_OK)
		printf("# %s\n", got.error);
	return (int)got.outcome;
}

static inline struct change_row
change_of(const char *key, const char *op, const char *entity, const char *before,
	  const char *after)
{
	return (struct change_row){.id = (char *)CHANGE_ID,
				   .run = 7,
				   .run_id = (char *)"019abcde-0000-7000-8000-000000000001",
				   .target = (char *)"crm",
				   .key = (char *)key,
				   .op = (char *)op,
				   .entity = (char *)entity,
				   .before = (char *)before,
				   .after = (char *)after};
}

/* Is the proposal taken? *ret_text: why not; good until the next call. */
static inline bool
check(const char *op, const char *entity, const char *before, const char *after,
      const char **ret_text)
{
	static struct err err;
	struct change_row change = change_of("k", op, entity, before, after);
	bool ok;

	err_fini(&err);
	err = (struct err)ERR_INIT;
	ok = t.kind->check(&f.core, &t, &change, &err);
	*ret_text = err_text(&err);
	if (!ok)
		printf("# %s\n", err_text(&err));
	return ok;
}

static inline void
target_free(void)
{
	if (t.kind && t.kind->close)
		t.kind->close(&t);
	t = (struct target){0};
}

/* [target crm] of this kind with these lines; false when it is refused. */
static inline bool
target_is(const char *kind, const char *keys)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	target_free();
	buf_printf(&text, "[target crm]\nkind = %s\n%s\n", kind, keys);
	if (fake_conf(&f, buf_cstr(&text)) && fake_target(&f, "crm", &t))
		return true;
	printf("# %s", fake_report(&f));
	return false;
}

#endif
