/* Carrying over: what a batch proposes again, as it was approved, stays approved. */
/* SPDX-License-Identifier: MIT */
#include "core/carry.h"
#include "core/put.h"

#include "base/log.h"
#include "store/changes.h"

/* What is shown of it beside the one that differs. */
static bool
remember(struct core *core, int64_t seq, const struct change_row *before, struct err *err)
{
	AUTO(json_auto_decref) json_t *object = json_object();
	AUTO(buf_fini) struct buf text = BUF_INIT;

	json_put_str(object, "id", before->id);
	put_json_text(object, "before", before->before);
	put_json_text(object, "after", before->after);
	put_json_text(object, "patch", before->patch);
	json_put_str(object, "op", before->op);
	json_put_str(object, "decided_by", before->decided_by);
	json_put_wall(object, "decided_at", before->decided_at.ms);
	json_write(&text, object);
	return changes_differs(core->store, seq, buf_cstr(&text), err);
}

static bool
approve_again(struct core *core, int64_t seq, const struct change_row *before, struct err *err)
{
	AUTO(change_row_fini) struct change_row now = {0};
	AUTO(buf_fini) struct buf reason = BUF_INIT;

	buf_printf(&reason, "as approved in change %s", before->id);
	return changes_get_seq(core->store, seq, &now, err) &&
	       change_approve_again(core, &now, before->decided_by, buf_cstr(&reason), err);
}

bool
change_carry(struct core *core, int64_t seq, const struct change_row *change, bool *ret_carried,
	     struct err *err)
{
	AUTO(change_row_fini) struct change_row before = {0};
	AUTO(err_fini) struct err why = ERR_INIT;

	*ret_carried = false;
	if (!change->entity || !strcmp(change->op, "call"))
		return true;
	if (!changes_approved_before(core->store, change, seq, &before, &why))
		return why.code == E_NOT_FOUND || err_move(err, &why);
	if (!changes_replace_approved(core->store, &before, err))
		return false;
	change_tell(core, before.seq);
	if (strcmp(before.digest ? before.digest : "", change->digest ? change->digest : ""))
		return remember(core, seq, &before, err);
	*ret_carried = true;
	log_debug("approval carried over", "change", change->id, "from", before.id);
	return approve_again(core, seq, &before, err);
}
