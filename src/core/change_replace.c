/* Changes: what a proposal replaces of what was proposed before. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "core/change.h"
#include "core/replay.h"
#include "store/changes.h"

static bool
names_all_of(const json_t *a, const json_t *b)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)a, name, value)
		if (!json_object_get(b, name))
			return false;
	return true;
}

/* Both name the same members, or neither names any. */
static bool
same_members(const char *a, const char *b)
{
	AUTO(json_auto_decref) json_t *one = NULL;
	AUTO(json_auto_decref) json_t *two = NULL;

	if (a && !json_read(str_of(a), &one, NULL))
		return false;
	if (b && !json_read(str_of(b), &two, NULL))
		return false;
	return json_object_size(one) == json_object_size(two) && names_all_of(one, two);
}

struct replacing {
	const struct change_row *change;
	int64_t *seqs;
	size_t count;
};

static bool
on_beside(void *arg, const struct change_row *row)
{
	struct replacing *replacing = arg;

	if (strcmp(row->op, replacing->change->op) ||
	    !same_members(row->after, replacing->change->after))
		return true;
	replacing->seqs =
		mem_realloc(replacing->seqs, (replacing->count + 1) * sizeof(*replacing->seqs));
	replacing->seqs[replacing->count++] = row->seq;
	return true;
}

/* Within its own run a proposal replaces what it says again in other words: a label and a comment
 * on one ticket both stand, and of two labels the last. Calls add up. */
static bool
replace_own(struct core *core, int64_t seq, const struct change_row *change, struct err *err)
{
	struct replacing replacing = {.change = change};
	bool replayed = replay_is(change->batch);
	const struct change_move move = {.from = replayed ? "rejected" : "proposed",
					 .to = "superseded",
					 .decided_at = WALL_NONE,
					 .applied_at = WALL_NONE,
					 .reverted_at = WALL_NONE,
					 .due = WALL_NONE};
	bool ok;

	if (!strcmp(change->op, "call"))
		return true;
	ok = changes_beside(core->store, seq, replayed, on_beside, &replacing, err);
	for (size_t i = 0; ok && i < replacing.count; i++) {
		ok = changes_move(core->store, replacing.seqs[i], &move, err);
		if (ok)
			change_tell(core, replacing.seqs[i]);
	}
	free(replacing.seqs);
	return ok;
}

bool
change_replace(struct core *core, int64_t seq, const struct change_row *change, struct err *err)
{
	unsigned superseded;

	/* What is only compared replaces nothing that may be applied. */
	if (replay_is(change->batch))
		return replace_own(core, seq, change, err);
	return changes_supersede(core->store, seq, &superseded, err) &&
	       replace_own(core, seq, change, err);
}
