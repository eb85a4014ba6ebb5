/* Batches, seen from outside: SPEC 13's object. */
/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/json.h"
#include "core/batch_inside.h"
#include "core/put.h"
#include "core/rollout.h"

#define DOLLARS(uusd) json_real((double)(uusd) / 1e6)
#define HOUR_MS 3600000

static bool
change_add(void *arg, const char *status, int64_t n)
{
	json_object_set_new(arg, status, json_integer(n));
	return true;
}

static bool
note_add(void *arg, struct wall at, struct str text)
{
	json_t *note = json_object();

	json_put_wall(note, "at", at.ms);
	json_object_set_new(note, "text", json_stringn(text.p, text.len));
	json_array_append_new(arg, note);
	return true;
}

static int64_t
worked_ms(struct core *core, const struct batch_row *row)
{
	int64_t now = core_wall(core).ms;

	return row->worked_ms +
	       (wall_is_set(row->resumed) && now > row->resumed.ms ? now - row->resumed.ms : 0);
}

/* Entities a second: of the last minute, or else since it began; 0: nobody knows. */
static double
rate_of(struct core *core, const struct batch_row *row)
{
	const struct live *live = batch_live(core, row->seq);
	int64_t ended = row->done + row->skipped + row->failed, sum = 0, worked;
	int64_t bucket = clock_mono(core->clock).ms / 5000;

	worked = worked_ms(core, row);
	for (int64_t b = bucket - RATE_BUCKETS + 1; live && b < bucket; b++)
		if (b <= live->bucket && b > live->bucket - RATE_BUCKETS && b >= 0)
			sum += live->ends[b % RATE_BUCKETS];
	if (sum && worked > RATE_BUCKETS * 5000)
		return (double)sum / ((RATE_BUCKETS - 1) * 5.0);
	return ended && worked > 0 ? (double)ended * 1000 / (double)worked : 0;
}

static void
put_pace(struct core *core, const struct batch_row *row, json_t *object)
{
	int64_t ended = row->done + row->skipped + row->failed;
	int64_t left = batch_left(row) + row->running;
	bool runs = !strcmp(row->state, "running"), read = strcmp(row->source_state, "reading");
	double rate = rate_of(core, row);

	json_object_set_new(object, "rate_per_s", rate > 0 ? json_real(rate) : json_null());
	if (runs && read && rate > 0)
		json_put_wall(object, "eta",
			      core_wall(core).ms + (int64_t)((double)left / rate * 1000));
	else
		json_object_set_new(object, "eta", json_null());
	json_object_set_new(object, "worked_ms", json_integer(worked_ms(core, row)));
	json_object_set_new(
		object, "projected_cost_usd",
		ended && read ? DOLLARS((double)row->cost_uusd / (double)ended * (double)row->items)
			      : json_null());
}

static void
put_estimate(struct core *core, const struct batch_row *row, json_t *object)
{
	struct batch_plan plan;
	json_t *estimate = NULL;

	plan_read(row->options, &plan);
	if (plan.trial)
		estimate = batch_estimate(core, row);
	plan_fini(&plan);
	json_object_set_new(object, "estimate", estimate ? estimate : json_null());
}

json_t *
batch_object(struct core *core, const struct batch_row *row, bool full)
{
	json_t *object = json_object(), *changes = json_object();

	json_put_str(object, "id", row->id);
	json_put_str(object, "name", row->name);
	json_put_str(object, "state", row->state);
	put_or_null(object, "reason", row->reason);
	put_or_null(object, "error", row->error);
	json_put_str(object, "agent", row->agent);
	json_put_str(object, "mode", row->mode);
	json_object_set_new(object, "entities", json_integer(row->items));
	json_put_str(object, "source", row->source_state);
	json_object_set_new(object, "done", json_integer(row->done));
	json_object_set_new(object, "running", json_integer(row->running));
	json_object_set_new(object, "skipped", json_integer(row->skipped));
	json_object_set_new(object, "failed", json_integer(row->failed));
	json_object_set_new(object, "left", json_integer(batch_left(row)));
	json_object_set_new(object, "repeated", json_integer(row->repeated));
	batch_changes_count(core->store, row->id, change_add, changes, NULL);
	json_object_set_new(object, "changes", changes);
	json_object_set_new(object, "cost_usd", DOLLARS(row->cost_uusd));
	json_put_wall(object, "started", row->started.ms);
	json_put_wall(object, "ended", row->ended.ms);
	put_or_null(object, "started_by", row->started_by);
	put_pace(core, row, object);
	if (!full)
		return object;
	put_json_text(object, "options", row->options);
	rollout_put(core, row, object);
	put_or_null(object, "event_id", row->event_id);
	put_estimate(core, row, object);
	json_t *notes = json_array();
	batch_notes_list(core->store, row->seq, note_add, notes, NULL);
	json_object_set_new(object, "notes", notes);
	return object;
}

json_t *
batch_item_object(const struct item_row *row)
{
	json_t *object = json_object();

	json_put_str(object, "entity", row->entity);
	json_put_str(object, "status", row->state);
	put_or_null(object, "reason", row->reason);
	put_or_null(object, "error", row->error);
	put_or_null(object, "run", row->run_id);
	json_object_set_new(object, "cost_usd", DOLLARS(row->cost_uusd));
	json_put_wall(object, "started", row->started.ms);
	json_put_wall(object, "ended", row->ended.ms);
	return object;
}

void
batches_print(struct core *core, struct buf *out)
{
	struct live *live, *next;

	if (!core->batches || !core->batches->by_seq)
		return;
	buf_puts(out, "# HELP rouse_batch_entities Entities of batches that run, by status.\n"
		      "# TYPE rouse_batch_entities gauge\n");
	HASH_ITER (hh, core->batches->by_seq, live, next) {
		AUTO(batch_row_fini) struct batch_row row = {0};

		if (!batches_get_seq(core->store, live->seq, &row, NULL))
			continue;
		const struct {
			const char *status;
			int64_t n;
		} counts[] = {{"left", batch_left(&row)},
			      {"running", row.running},
			      {"done", row.done},
			      {"skipped", row.skipped},
			      {"failed", row.failed}};
		for (size_t i = 0; i < ARRAY_LEN(counts); i++)
			buf_printf(out, "rouse_batch_entities{batch=\"%s\",status=\"%s\"} %lld\n",
				   row.name, counts[i].status, (long long)counts[i].n);
	}
}
