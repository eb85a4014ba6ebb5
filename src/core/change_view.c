/* Changes: as a person, the API and those who follow see them. */
/* SPDX-License-Identifier: MIT */
#include "core/change.h"
#include "core/put.h"

#include "base/digest.h"
#include "base/json.h"
#include "core/stream.h"
#include "store/changes.h"

static void
digest_part(struct buf *out, const char *part)
{
	/* Length first, so that no two rows give the same bytes. */
	buf_printf(out, "%zu:%s,", part ? strlen(part) : (size_t)0, part ? part : "");
}

char *
change_digest(const struct change_row *change)
{
	AUTO(buf_fini) struct buf parts = BUF_INIT;
	struct buf hex = BUF_INIT;
	struct digest digest;

	digest_part(&parts, change->target);
	digest_part(&parts, change->entity);
	digest_part(&parts, change->op);
	digest_part(&parts, change->before);
	digest_part(&parts, change->after);
	digest_part(&parts, change->patch);
	if (change->status && !strcmp(change->status, "conflict"))
		digest_part(&parts, change->current);
	digest = digest_of(DIGEST_SHA256, buf_str(&parts));
	hex_encode(&hex, str_make(digest.bytes, digest.len));
	return buf_take(&hex);
}

json_t *
change_object(const struct change_row *change)
{
	json_t *object = json_object();

	json_put_str(object, "id", change->id);
	json_put_str(object, "run", change->run_id);
	put_or_null(object, "batch", change->batch);
	json_put_str(object, "target", change->target);
	put_or_null(object, "entity", change->entity);
	json_put_str(object, "op", change->op);
	json_put_str(object, "status", change->status);
	put_json_text(object, "before", change->before);
	put_json_text(object, "after", change->after);
	put_json_text(object, "patch", change->patch);
	json_object_set_new(object, "confidence",
			    change->confidence >= 0 ? json_real(change->confidence) : json_null());
	put_or_null(object, "reason", change->reason);
	json_put_str(object, "key", change->key);
	put_or_null(object, "decided_by", change->decided_by);
	json_put_wall(object, "decided_at", change->decided_at.ms);
	json_put_wall(object, "applied_at", change->applied_at.ms);
	put_or_null(object, "error", change->error);
	json_put_wall(object, "created", change->created.ms);
	json_put_wall(object, "reverted_at", change->reverted_at.ms);
	json_object_set_new(object, "partial", json_boolean(change->partial));
	json_object_set_new(object, "attempts", json_integer(change->attempts));
	put_or_null(object, "decision_reason", change->decision_reason);
	put_json_text(object, "current", change->current);
	put_json_text(object, "receipt", change->receipt);
	put_json_text(object, "previous", change->previous);
	put_or_null(object, "unchecked", change->unchecked);
	put_or_null(object, "digest", change->digest);
	return object;
}

void
change_tell(struct core *core, int64_t seq)
{
	AUTO(change_row_fini) struct change_row change = {0};
	AUTO(json_auto_decref) json_t *object = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!stream_count(core->stream) || !changes_get_seq(core->store, seq, &change, NULL))
		return;
	object = change_object(&change);
	json_write(&text, object);
	stream_publish(core->stream, &(struct stream_event){.kind = "change",
							    .id = change.run_id,
							    .type = change.status,
							    .data = buf_str(&text)});
}
