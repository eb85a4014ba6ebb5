/* Review: who has to agree before a change is approved. */
/* SPDX-License-Identifier: MIT */
#include "core/review.h"

#include "base/digest.h"
#include "store/changes.h"
#include "store/runs.h"

static void
program_read(struct program *program, const struct conf_section *section, const char *key)
{
	program->text = conf_str(section, key);
	if (program->text)
		path_compile(str_of(program->text), &program->path);
}

void
review_settings(const struct conf_section *section, struct review_policy *ret,
		struct conf_report *report)
{
	const char *mode = conf_str(section, "mode");

	ret->required = (int)conf_int(section, "review.required");
	program_read(&ret->auto_approve, section, "auto_approve");
	program_read(&ret->auto_reject, section, "auto_reject");
	if (ret->required > 1 && conf_is_set(section, "mode") && mode && !strcmp(mode, "apply"))
		conf_complain(report, section, "review.required",
			      "%d people cannot look at what mode = apply approves as it arrives; "
			      "set mode = stage",
			      ret->required);
}

const struct review_policy *
review_policy_of(const struct core *core, const char *batch, const char *trigger)
{
	AUTO(auto_free) char *name = batch ? str_dup(str_of(batch)) : NULL;
	const struct batch_def *def;
	const struct trigger *of;

	if (name) {
		name[strcspn(name, "/")] = '\0';
		def = registry_batch(core->registry, name);
		return def ? &def->review : NULL;
	}
	of = registry_trigger(core->registry, trigger ? trigger : "");
	return of ? &of->review : NULL;
}

const struct review_policy *
review_policy_of_change(struct core *core, const struct change_row *change)
{
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (change->batch)
		return review_policy_of(core, change->batch, NULL);
	if (!change->run_id || !runs_get(core->store, change->run_id, &run, &err))
		return NULL;
	return review_policy_of(core, NULL, run.trigger);
}

void
review_policy_text(const struct review_policy *policy, struct buf *out)
{
	if (!policy)
		return;
	buf_printf(out, "required %d\n", policy->required);
	if (policy->auto_approve.text)
		buf_cat(out, "auto_approve ", policy->auto_approve.text, "\n");
	if (policy->auto_reject.text)
		buf_cat(out, "auto_reject ", policy->auto_reject.text, "\n");
}

/* --- several people ------------------------------------------------------------------------ */

/* Who has approved this, as it is now. */
struct approvals {
	const char *digest, *by;
	char *who[9];
	int count;
	bool again;
};

/* Who takes it back has not approved. */
static void
approval_drop(struct approvals *approvals, const char *by)
{
	if (!strcmp(by, approvals->by))
		approvals->again = false;
	for (int i = 0; i < approvals->count; i++) {
		if (strcmp(approvals->who[i], by))
			continue;
		free(approvals->who[i]);
		approvals->who[i] = approvals->who[--approvals->count];
		return;
	}
}

static bool
on_decision(void *arg, const struct decision_row *decision)
{
	struct approvals *approvals = arg;

	if (!strcmp(decision->decision, "reopen")) {
		approval_drop(approvals, decision->by);
		return true;
	}
	if (strcmp(decision->decision, "approve") || !decision->digest || !approvals->digest ||
	    strcmp(decision->digest, approvals->digest))
		return true;
	if (!strcmp(decision->by, approvals->by))
		approvals->again = true;
	for (int i = 0; i < approvals->count; i++)
		if (!strcmp(approvals->who[i], decision->by))
			return true;
	if (approvals->count < (int)ARRAY_LEN(approvals->who))
		approvals->who[approvals->count++] = mem_strdup(decision->by);
	return true;
}

bool
review_is_enough(struct core *core, const struct change_row *change, const char *by,
		 enum change_state *ret_to, struct err *err)
{
	const struct review_policy *policy = review_policy_of_change(core, change);
	struct approvals approvals = {.digest = change->digest, .by = by};
	bool ok;

	/* A rule is the operator's own word. */
	if (!policy || policy->required <= 1 || str_starts(str_of(by), STR("rule:")))
		return true;
	ok = decisions_each(core->store, "change", change->id, on_decision, &approvals, err);
	for (int i = 0; i < approvals.count; i++)
		free(approvals.who[i]);
	if (!ok)
		return false;
	if (approvals.again)
		return err_set(err, E_STATE,
			       "%s has approved change %s already; %d different people must "
			       "(review.required)",
			       by, change->id, policy->required);
	if (approvals.count + 1 < policy->required)
		*ret_to = change_state_of(change->status);
	return true;
}
