/* Rulings: what auto_approve and auto_reject say about changes as they are proposed. */
/* SPDX-License-Identifier: MIT */
#include "core/ruling.h"

#include "base/list.h"
#include "base/log.h"
#include "io/jail.h"
#include "store/changes.h"

#define PAGE 100 /* changes that are asked about at once */
#define AGAIN_MS 500
#define ASKED_MAX 20

#define BY_APPROVE "rule:auto_approve"
#define BY_REJECT "rule:auto_reject"

enum verdict { VERDICT_NOTHING, VERDICT_YES, VERDICT_FAILED };

/* One change, and which of its rules is asked: first what would reject it. */
struct ruling {
	struct rulings *rulings;
	int64_t seq;
	bool approving;
	struct buf object;
	LIST_ENTRY(ruling) entry;
};

LIST_HEAD(ruling_list, ruling);

struct rulings {
	struct core *core;
	int64_t after;
	size_t asked; /* answers that are still to come */
	bool more, waking;
	int tries;
	struct core_timer *timer;
	struct ruling_list live;
};

struct rulings *
rulings_new(struct core *core)
{
	struct rulings *rulings = mem_alloc(sizeof(*rulings));

	rulings->core = core;
	LIST_INIT(&rulings->live);
	return rulings;
}

static void
ruling_free(struct ruling *ruling)
{
	LIST_REMOVE(ruling, entry);
	buf_fini(&ruling->object);
	free(ruling);
}

void
rulings_free(struct rulings *rulings)
{
	if (!rulings)
		return;
	/* Those that rouse-jq has: nothing is answered any more. */
	while (!LIST_EMPTY(&rulings->live))
		ruling_free(LIST_FIRST(&rulings->live));
	core_timer_free(rulings->timer);
	free(rulings);
}

static void rulings_go(void *arg);

/* --- what was said ------------------------------------------------------------------------- */

static bool
decide(struct core *core, const struct change_row *change, enum change_event ev, const char *by,
       const char *reason, struct err *err)
{
	enum change_state to;

	return change_decide_row(core, change, ev, by, reason, &to, err) &&
	       changes_rule_wait(core->store, change->seq, NULL, err);
}

/* No rule said anything: it goes as its run's mode says. */
static bool
leave(struct core *core, const struct change_row *change, struct err *err)
{
	bool waits, apply;

	if (!changes_rule_mode(core->store, change->seq, &waits, &apply, err))
		return false;
	if (apply)
		return change_approve_again(core, change, "policy", NULL, err) &&
		       changes_rule_wait(core->store, change->seq, NULL, err);
	return changes_rule_wait(core->store, change->seq, NULL, err);
}

static bool
stays_open(struct core *core, const struct change_row *change, const char *rule, const char *why,
	   struct err *err)
{
	AUTO(buf_fini) struct buf reason = BUF_INIT;

	buf_printf(&reason, "%s failed: %s", rule + strlen("rule:"), why);
	log_error("rule failed; the change stays open", "change", change->id, "rule", rule, "error",
		  why);
	return decisions_add(core->store, "change", change->id, "left open", rule,
			     buf_cstr(&reason), change->digest, core_wall(core), err) &&
	       changes_rule_wait(core->store, change->seq, NULL, err);
}

static bool ruling_go_on(struct ruling *ruling, const struct change_row *change, struct err *err);

/* Returns whether the ruling is over. */
static bool
ruling_hear(struct ruling *ruling, enum verdict verdict, const char *why)
{
	struct core *core = ruling->rulings->core;
	const char *rule = ruling->approving ? BY_APPROVE : BY_REJECT;
	AUTO(change_row_fini) struct change_row change = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	bool ok;

	if (!changes_get_seq(core->store, ruling->seq, &change, &err))
		return true;
	if (strcmp(change.status, "proposed")) {
		/* A person, or a later proposal, was sooner. */
		ok = changes_rule_wait(core->store, change.seq, NULL, &err);
	} else if (verdict == VERDICT_FAILED) {
		ok = stays_open(core, &change, rule, why, &err);
	} else if (verdict == VERDICT_YES) {
		const struct review_policy *policy = review_policy_of_change(core, &change);
		const char *text = !policy	       ? NULL
				   : ruling->approving ? policy->auto_approve.text
						       : policy->auto_reject.text;

		ok = decide(core, &change, ruling->approving ? CHANGE_APPROVE : CHANGE_REJECT, rule,
			    text, &err);
	} else if (!ruling->approving) {
		ruling->approving = true;
		return ruling_go_on(ruling, &change, &err);
	} else {
		ok = leave(core, &change, &err);
	}
	if (!ok)
		log_error("rule not followed", "change", change.id, "error", err_text(&err));
	return true;
}

static void
ruling_end(struct ruling *ruling)
{
	struct rulings *rulings = ruling->rulings;

	ruling_free(ruling);
	if (!--rulings->asked && rulings->more)
		core_timer_arm(rulings->core, &rulings->timer, 0, rulings_go, rulings);
}

static bool
is_true(struct str text)
{
	return !str_eq_cstr(text, "false") && !str_eq_cstr(text, "null");
}

static void
on_answer(void *arg, const struct str *outputs, size_t count, struct err *err)
{
	struct ruling *ruling = arg;
	struct rulings *rulings = ruling->rulings;
	bool over;

	if (err->code == E_UNAVAILABLE && rulings->tries < ASKED_MAX) {
		/* It waits on disk, and is asked about again. */
		rulings->tries++;
		ruling_free(ruling);
		rulings->asked--;
		rulings->after = 0;
		core_timer_arm(rulings->core, &rulings->timer, AGAIN_MS, rulings_go, rulings);
		return;
	}
	rulings->tries = 0;
	over = err->code != E_OK
		       ? ruling_hear(ruling, VERDICT_FAILED, err_text(err))
		       : ruling_hear(ruling,
				     count && is_true(outputs[0]) ? VERDICT_YES : VERDICT_NOTHING,
				     NULL);
	if (over)
		ruling_end(ruling);
}

/* Returns whether it is over: false, when rouse-jq will answer. */
static bool
ruling_go_on(struct ruling *ruling, const struct change_row *change, struct err *err)
{
	struct core *core = ruling->rulings->core;
	const struct review_policy *policy = review_policy_of_change(core, change);
	const struct program *program = !policy		    ? NULL
					: ruling->approving ? &policy->auto_approve
							    : &policy->auto_reject;
	bool yes;

	if (!program || !program->text)
		return ruling_hear(ruling, VERDICT_NOTHING, NULL);
	if (program->path) {
		if (!path_test(program->path, buf_str(&ruling->object), &yes, err))
			return ruling_hear(ruling, VERDICT_FAILED, err_text(err));
		return ruling_hear(ruling, yes ? VERDICT_YES : VERDICT_NOTHING, NULL);
	}
	if (jail_run(core->jail, program->text, buf_str(&ruling->object), on_answer, ruling, err))
		return false;
	return ruling_hear(ruling, VERDICT_FAILED, err_text(err));
}

/* --- asking -------------------------------------------------------------------------------- */

struct page {
	struct rulings *rulings;
	struct ruling *list[PAGE];
	size_t count;
};

static bool
on_row(void *arg, const struct change_row *row)
{
	struct page *page = arg;
	AUTO(json_auto_decref) json_t *object = change_object(row);
	struct ruling *ruling = mem_alloc(sizeof(*ruling));

	ruling->rulings = page->rulings;
	ruling->seq = row->seq;
	LIST_INSERT_HEAD(&page->rulings->live, ruling, entry);
	json_write(&ruling->object, object);
	page->rulings->after = row->seq;
	page->list[page->count++] = ruling;
	return true;
}

static void
rulings_go(void *arg)
{
	struct rulings *rulings = arg;
	struct page page = {.rulings = rulings};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (rulings->asked) {
		rulings->more = true;
		return;
	}
	rulings->waking = false;
	if (!changes_rule_waiting(rulings->core->store, rulings->after, PAGE, on_row, &page, &err))
		log_error("rules not asked", "error", err_text(&err));
	rulings->more = page.count == PAGE;
	rulings->asked = page.count;
	if (!page.count)
		rulings->after = 0;
	for (size_t i = 0; i < page.count; i++) {
		struct ruling *ruling = page.list[i];
		AUTO(change_row_fini) struct change_row change = {0};
		AUTO(err_fini) struct err why = ERR_INIT;

		if (!changes_get_seq(rulings->core->store, ruling->seq, &change, &why) ||
		    ruling_go_on(ruling, &change, &why))
			ruling_end(ruling);
	}
}

static void
rulings_wake(struct rulings *rulings)
{
	if (rulings->waking)
		return;
	rulings->waking = true;
	rulings->more = true;
	if (!rulings->asked)
		core_timer_arm(rulings->core, &rulings->timer, 0, rulings_go, rulings);
}

void
rulings_load(struct core *core)
{
	rulings_wake(core->rulings);
}

static void
on_kept(void *arg, const struct err *err)
{
	struct core *core = arg;

	if (err->code == E_OK)
		rulings_wake(core->rulings);
}

bool
ruling_ask(struct core *core, int64_t seq, bool apply, struct err *err)
{
	if (!changes_rule_wait(core->store, seq, apply ? "apply" : "stage", err))
		return false;
	turn_after(core->store, on_kept, core);
	return true;
}
