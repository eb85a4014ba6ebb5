/* Replays: old runs as the entities of a batch, newest first, each with what its envelope said. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "core/batch_inside.h"
#include "core/envelope.h"
#include "core/replay.h"
#include "core/run.h"
#include "store/events.h"
#include "store/runs.h"

/* Runs that one page looks at: those that are none of it cost time as well. */
#define LOOK_MAX 500

struct entity_reader {
	struct core *core;
	json_t *which;	/* the plan's */
	int64_t before; /* seq: what is older is still to be looked at */
	struct entity_page page;
	struct core_timer *timer;
	entities_on_page *on_page;
	void *arg;
	bool giving, closed;

	/* of a look */
	int64_t seqs[LOOK_MAX];
	unsigned count, looked;
	int64_t last;
};

static void
reader_free(struct entity_reader *r)
{
	json_decref(r->which);
	entity_page_fini(&r->page);
	core_timer_free(r->timer);
	free(r);
}

static void
replay_close(struct entity_reader *r)
{
	if (r->giving)
		r->closed = true;
	else
		reader_free(r);
}

bool
replay_open(struct core *core, const struct batch_plan *plan, struct str cursor,
	    struct entity_reader **ret, struct err *err)
{
	struct entity_reader *r = mem_alloc(sizeof(*r));

	r->core = core;
	r->which = json_incref(plan->replay);
	r->before = json_int(r->which, "before", INT64_MAX);
	*ret = r;
	if (!cursor.p || str_to_i64(cursor, &r->before))
		return true;
	reader_free(r);
	return err_set(err, E_CORRUPT, "the replay's cursor cannot be read");
}

static bool
is_as(const json_t *which, const char *name, const char *value)
{
	const char *wanted = json_str(which, name);

	return !wanted || (value && !strcmp(wanted, value));
}

/* One that ended by itself; none of another replay. */
static bool
is_meant(const json_t *which, const struct run_row *run)
{
	bool ended = json_str(which, "status")
			     ? run_is_final(run_state_of(run->status))
			     : !strcmp(run->status, "succeeded") || !strcmp(run->status, "failed");

	return ended && !replay_is(run->batch) && is_as(which, "agent", run->agent) &&
	       is_as(which, "trigger", run->trigger) && is_as(which, "entity", run->entity) &&
	       is_as(which, "tenant", run->tenant) && is_as(which, "status", run->status);
}

static bool
on_run(void *arg, const struct run_row *run)
{
	struct entity_reader *r = arg;

	r->looked++;
	r->last = run->seq;
	if (is_meant(r->which, run))
		r->seqs[r->count++] = run->seq;
	return true;
}

/* --- a run as an entity -------------------------------------------------------------------- */

static void
put_text(json_t *object, const char *name, const char *value)
{
	if (value)
		json_put_str(object, name, value);
}

/* What its envelope said that is not the payload. */
static json_t *
as_made(const struct run_row *run)
{
	json_t *as = json_object(), *guise = json_object(), *trigger = json_object();

	put_text(as, "intent", run->intent);
	put_text(as, "trust", run->trust);
	put_text(as, "schedule", run->schedule);
	put_text(as, "root", run->root ? run->root : run->event_id);
	put_text(as, "parent", run->parent);
	json_object_set_new(as, "hops", json_integer(run->hops));
	put_text(guise, "entity", run->entity);
	put_text(guise, "tenant", run->tenant);
	put_text(guise, "user", run->user);
	put_text(trigger, "name", run->trigger);
	put_text(trigger, "source", run->source);
	put_text(trigger, "event_id", run->event_id);
	json_put_wall(trigger, "time", run->event_time.ms);
	json_object_set_new(guise, "trigger", trigger);
	json_object_set_new(as, "guise", guise);
	return as;
}

static bool
run_add(struct entity_reader *r, int64_t seq, bool *ret_full, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	AUTO(event_row_fini) struct event_row event = {0};
	AUTO(buf_fini) struct buf data = BUF_INIT;
	AUTO(json_auto_decref) json_t *as = NULL;
	AUTO(err_fini) struct err none = ERR_INIT;
	struct str payload;

	*ret_full = false;
	if (!runs_get_seq(r->core->store, seq, &run, &none))
		return none.code == E_NOT_FOUND || err_move(err, &none);
	if (!run.payload && !events_get_seq(r->core->store, run.event, &event, &none) &&
	    none.code != E_NOT_FOUND)
		return err_move(err, &none);
	if (!run.payload && !event.document) {
		buf_puts(&data, "{\"gone\":true}");
	} else {
		payload = run.payload ? str_of(run.payload)
				      : envelope_event_data(str_of(event.document));
		as = as_made(&run);
		buf_puts(&data, "{\"as\":");
		json_write(&data, as);
		buf_puts(&data, ",\"payload\":");
		buf_add_str(&data, payload);
		buf_putc(&data, '}');
	}
	*ret_full = entity_page_add(&r->page, str_of(run.id), buf_str(&data), (uint64_t)seq);
	return true;
}

bool
replay_fill(const char *data, struct run_row *ret, json_t **ret_made, struct buf *payload,
	    struct buf *guise, bool *ret_gone, struct err *err)
{
	static const struct json_step step = {.name = {"payload", 7}};
	struct str raw;
	const json_t *as;

	if (!json_read(str_of(data), ret_made, err))
		return err_prefix(err, "an old run of the replay cannot be read");
	*ret_gone =
		json_bool(*ret_made, "gone", false) || !json_raw_find(str_of(data), &step, 1, &raw);
	if (*ret_gone)
		return true;
	as = json_object_get(*ret_made, "as");
	/* Every digit of its numbers as it was. */
	buf_add_str(payload, raw);
	json_write(guise, json_object_get(as, "guise"));
	ret->payload = (char *)buf_cstr(payload);
	ret->guise = (char *)buf_cstr(guise);
	ret->source = (char *)"replay";
	if (json_str(as, "intent"))
		ret->intent = (char *)(uintptr_t)json_str(as, "intent");
	if (json_str(as, "trust"))
		ret->trust = (char *)(uintptr_t)json_str(as, "trust");
	ret->schedule = (char *)(uintptr_t)json_str(as, "schedule");
	ret->root = (char *)(uintptr_t)json_str(as, "root");
	ret->parent = (char *)(uintptr_t)json_str(as, "parent");
	ret->hops = (int)json_int(as, "hops", 0);
	ret->mode = (char *)"stage";
	return true;
}

/* --- a page -------------------------------------------------------------------------------- */

static bool
page_fill(struct entity_reader *r, struct err *err)
{
	struct list_query query = {.since = {json_int(r->which, "since", WALL_NONE.ms)},
				   .before_seq = r->before,
				   .limit = LOOK_MAX};
	bool full = false;

	if (json_str(r->which, "batch"))
		query.filters[0] = (struct list_filter){"batch", json_str(r->which, "batch")};
	r->count = r->looked = 0;
	r->last = r->before;
	if (r->before <= 0 || !runs_list(r->core->store, &query, on_run, r, err))
		return r->before <= 0;
	for (unsigned i = 0; i < r->count; i++) {
		if (!run_add(r, r->seqs[i], &full, err))
			return false;
		r->before = r->seqs[i];
		if (full)
			return true;
	}
	r->before = r->last;
	r->page.end = r->looked < LOOK_MAX;
	return true;
}

static void
on_time(void *arg)
{
	struct entity_reader *r = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	entity_page_init(&r->page);
	if (!page_fill(r, &err))
		err_move(&r->page.err, &err);
	r->page.end |= r->before <= 0;
	buf_printf(&r->page.cursor, "%" PRId64, r->before);
	r->giving = true;
	r->on_page(r->arg, &r->page);
	r->giving = false;
	entity_page_fini(&r->page);
	entity_page_init(&r->page);
	if (r->closed)
		reader_free(r);
}

static void
replay_read(struct entity_reader *r, entities_on_page *on_page, void *arg)
{
	r->on_page = on_page;
	r->arg = arg;
	core_timer_arm(r->core, &r->timer, 0, on_time, r);
}

const struct entity_kind replay_entities = {.name = "replay",
					    .unit = "run",
					    .resumes = true,
					    .read = replay_read,
					    .close = replay_close};
