/* Admission: what happened becomes an event, an event becomes (at most) a run. SPEC 4, 5. */
/* SPDX-License-Identifier: MIT */
#include "core/admission.h"

#include "base/json.h"
#include "base/log.h"
#include "core/agent.h"
#include "core/bound.h"
#include "core/envelope.h"
#include "core/gather.h"
#include "core/ledger.h"
#include "core/metrics.h"
#include "core/overlap.h"
#include "core/queue.h"
#include "core/shed.h"
#include "core/source.h"
#include "core/stream.h"
#include "core/telemetry.h"
#include "core/run.h"
#include "core/session.h"
#include "core/trust.h"
#include "io/jail.h"
#include "pure/traceparent.h"
#include "store/events.h"
#include "store/runs.h"
#include "store/state.h"

struct answer_to {
	struct admission *admission;
	enum program_name program;
};

static void admission_settle(struct admission *a);

static void
admission_free(struct admission *a)
{
	for (int i = 0; i < PROGRAMS; i++) {
		buf_fini(&a->mapped[i].json);
		err_fini(&a->mapped[i].err);
	}
	buf_fini(&a->document);
	buf_fini(&a->cursor);
	buf_fini(&a->cursor_idle);
	buf_fini(&a->natural_key);
	buf_fini(&a->correlation);
	buf_fini(&a->traceparent);
	buf_fini(&a->came_with);
	buf_fini(&a->schedule);
	buf_fini(&a->tenant);
	buf_fini(&a->user);
	buf_fini(&a->session);
	buf_fini(&a->session_id);
	buf_fini(&a->fact_bytes);
	free(a->facts);
	buf_fini(&a->key);
	buf_fini(&a->rule);
	buf_fini(&a->entity);
	err_fini(&a->err);
	free(a->refused);
	free(a->unreadable);
	free(a->replay_of);
	registry_unref(a->registry);
	free(a);
}

/* Slices of the happening live no longer than its call: the facts are copied. */
static void
facts_copy(struct admission *a, const struct fact *facts, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += facts[i].item.len + facts[i].value.len;
	buf_reserve(&a->fact_bytes, bytes + 1);
	a->facts = count ? mem_alloc_array(count, sizeof(*a->facts)) : NULL;
	a->fact_count = count;
	for (size_t i = 0; i < count; i++) {
		const char *at = a->fact_bytes.data + a->fact_bytes.len;

		buf_add_str(&a->fact_bytes, facts[i].item);
		buf_add_str(&a->fact_bytes, facts[i].value);
		a->facts[i].item = str_make(at, facts[i].item.len);
		a->facts[i].value = facts[i].value.p
					    ? str_make(at + facts[i].item.len, facts[i].value.len)
					    : STR_NONE;
	}
}

/* What is known of the sender, unless the trigger says. */
static enum trust
trust_of(const struct happening *h)
{
	if (!h->trigger)
		return TRUST_TRUSTED;
	if (h->trust_is_set && !h->trigger->trust_is_set && h->trust < h->trigger->trust)
		return h->trust;
	return h->trigger->trust;
}

static bool
stages(const struct trigger *trigger, enum trust trust)
{
	return trigger->mode == MODE_STAGE ||
	       (trigger->mode == MODE_BY_TRUST && trust == TRUST_UNTRUSTED);
}

static struct admission *
admission_new(struct core *core, const struct happening *h)
{
	struct admission *a = mem_alloc(sizeof(*a));

	a->core = core;
	a->registry = registry_ref(core->registry);
	a->trigger = h->trigger;
	a->agent = h->trigger ? registry_agent(a->registry, h->trigger->agent) : h->agent;
	a->at = core_wall(core);
	a->event_id = uuid_v7(a->at);
	if (h->event_id)
		memcpy(a->event_id.text, h->event_id, sizeof(a->event_id.text));
	event_document(h, a->event_id.text, a->at, &a->document);
	a->has_key = h->natural_key.p != NULL;
	buf_add_str(&a->cursor, h->cursor);
	buf_add_str(&a->cursor_idle, h->cursor_idle);
	if (h->trigger)
		a->overlap = h->overlap_is_set ? h->overlap : h->trigger->overlap;
	buf_add_str(&a->natural_key, h->natural_key);
	buf_add_str(&a->correlation, h->correlation);
	buf_add_str(&a->schedule, h->schedule);
	buf_add_str(&a->tenant, h->tenant);
	buf_add_str(&a->user, h->user);
	buf_add_str(&a->session, h->session);
	envelope_traceparent(core, h->traceparent, a->event_id.text, &a->traceparent);
	if (traceparent_parse(h->traceparent, &(struct traceparent){.flags = 0}))
		buf_add_str(&a->came_with, h->traceparent);
	a->cause = cause_parse(h->cause);
	a->refused = h->refused.p ? str_dup(h->refused) : NULL;
	a->refused_as = h->refused_as ? h->refused_as : "filtered";
	a->unreadable = h->unreadable.p ? str_dup(h->unreadable) : NULL;
	a->replay_of = mem_strdup(h->replay_of);
	a->fingerprint = h->fingerprint;
	a->caller_waits = h->caller_waits;
	a->by_hand = h->by_hand;
	a->again = h->again;
	a->by_change = h->by_change;
	a->trust = trust_of(h);
	a->stage = h->stage || (h->trigger && stages(h->trigger, a->trust)) ||
		   (a->agent && trust_stages(a->agent, a->trust));
	facts_copy(a, h->facts, h->fact_count);
	return a;
}

static void
on_answer(void *arg, const struct str *outputs, size_t count, struct err *err)
{
	struct answer_to *to = arg;
	struct admission *a = to->admission;
	struct mapped *mapped = &a->mapped[to->program];

	free(to);
	if (err->code != E_OK) {
		mapped->state = MAPPED_FAILED;
		err_move(&mapped->err, err);
	} else if (!count) {
		mapped->state = MAPPED_EMPTY;
	} else {
		mapped->state = MAPPED_VALUE;
		buf_add_str(&mapped->json, outputs[0]);
	}
	if (!--a->pending)
		admission_settle(a);
}

/* Plain programs are answered at once, the others by rouse-jq. */
static void
program_start(struct admission *a, enum program_name name)
{
	const struct program *program = &a->trigger->programs[name];
	struct mapped *mapped = &a->mapped[name];
	struct answer_to *to;

	if (!program->text)
		return;
	if (program->path) {
		mapped->state =
			path_eval(program->path, buf_str(&a->document), &mapped->json, &mapped->err)
				? MAPPED_VALUE
				: MAPPED_FAILED;
		return;
	}
	to = mem_alloc(sizeof(*to));
	*to = (struct answer_to){a, name};
	mapped->state = MAPPED_PENDING;
	a->pending++;
	if (jail_run(a->core->jail, program->text, buf_str(&a->document), on_answer, to,
		     &mapped->err))
		return;
	free(to);
	a->pending--;
	mapped->state = MAPPED_FAILED;
}

static const char *
text_or_null(const struct buf *b)
{
	return b->len ? buf_cstr(b) : NULL;
}

/* The row of the run that this admission becomes. Borrowed strings only: not for run_row_fini(). */
static void
run_fill(struct admission *a, const struct uuid *id, struct run_row *row)
{
	const struct mapped *payload = &a->mapped[PROGRAM_PAYLOAD];

	*row = (struct run_row){
		.id = (char *)id->text,
		.event_id = a->event_id.text,
		.event_time = a->at,
		.trigger = (char *)(a->trigger ? a->trigger->name : ""),
		.source = (char *)(a->trigger ? a->trigger->kind->name : "manual"),
		.agent = (char *)a->agent->name,
		.intent = (char *)(a->trigger ? a->trigger->intent : a->agent->name),
		.mode = (char *)(a->stage ? "stage" : "apply"),
		.entity = (char *)text_or_null(&a->entity),
		.tenant = (char *)text_or_null(&a->tenant),
		.user = (char *)text_or_null(&a->user),
		.session_name = (char *)text_or_null(&a->session),
		.key = (char *)(a->has_key ? buf_cstr(&a->key) : NULL),
		.correlation = (char *)text_or_null(&a->correlation),
		.traceparent = (char *)buf_cstr(&a->traceparent),
		.trust = (char *)trust_name(a->trust),
		.config_commit = (char *)(*a->agent->commit ? a->agent->commit : NULL),
		.root = *a->cause.root ? a->cause.root : NULL,
		.parent = *a->cause.parent ? a->cause.parent : NULL,
		.hops = a->cause.hops,
		.priority = a->trigger ? a->trigger->priority : 1,
		.status = (char *)"queued",
		/* What the program keeps back is not given in its stead. */
		.payload = (char *)(payload->state == MAPPED_VALUE   ? buf_cstr(&payload->json)
				    : payload->state == MAPPED_EMPTY ? "null"
								     : NULL),
		.schedule = (char *)text_or_null(&a->schedule),
		.max_attempts = a->agent->retry.attempts,
		.created = a->at,
		.started = WALL_NONE,
		.ended = WALL_NONE,
		.due = WALL_NONE,
		.limits = a->trigger ? a->trigger->limits : a->agent->limits,
		.replay_of = a->replay_of,
	};
}

bool
event_keep(struct admission *a, int64_t run)
{
	AUTO(buf_fini) struct buf subject = BUF_INIT;
	bool has_subject = mapped_text(&a->mapped[PROGRAM_SUBJECT], &subject);
	struct event_row row = {
		.id = a->event_id.text,
		.trigger = (char *)(a->trigger ? a->trigger->name : ""),
		.source = (char *)(a->trigger ? a->trigger->kind->name : "manual"),
		.outcome = (char *)a->result.outcome,
		.rule = (char *)buf_cstr(&a->rule),
		.key = (char *)(a->has_key ? buf_cstr(&a->key) : NULL),
		.subject = (char *)(has_subject ? buf_cstr(&subject) : NULL),
		.time = a->at,
		.run = run,
		.document = (char *)buf_cstr(&a->document),
		.traceparent = (char *)text_or_null(&a->came_with),
	};
	int64_t seq;

	return events_insert(a->core->store, &row, &seq, &a->err);
}

static bool
overlap_skips(struct admission *a, bool *ret_skip)
{
	int64_t seqs[1];
	size_t count = 0;
	bool known;

	*ret_skip = false;
	if (!a->trigger || a->overlap != OVERLAP_SKIP || a->by_hand)
		return true;
	if (!key_is_known(a, &known))
		return false;
	if (known)
		return true;
	if (!runs_unfinished(a->core->store, a->trigger->name, text_or_null(&a->entity), seqs, 1,
			     &count, &a->err))
		return false;
	if (count) {
		*ret_skip =
			outcome_set(a, "skipped", "overlap = skip, and an earlier run is not done");
		return event_keep(a, 0);
	}
	return true;
}

/* A day that is spent: who waits for an answer is told so. What nobody waits for is queued, until
 * the next day. */
static bool
day_is_spent(struct admission *a, bool *ret_spent)
{
	const struct run_limits *limits = a->trigger ? &a->trigger->limits : &a->agent->limits;
	AUTO(err_fini) struct err why = ERR_INIT;
	struct wall until = WALL_NONE;
	bool known;

	*ret_spent = false;
	if (!a->caller_waits || ledger_door(a->core, limits, text_or_null(&a->tenant),
					    text_or_null(&a->user), &until, &why))
		return true;
	if (why.code != E_BUDGET)
		return err_move(&a->err, &why);
	if (!key_is_known(a, &known))
		return false;
	if (known)
		return true;
	*ret_spent = outcome_set(a, "shed", "budget: %s", err_text(&why));
	if (!event_keep(a, 0))
		return false;
	err_move(&a->err, &why);
	a->err.again_ms = until.ms - a->at.ms;
	return true;
}

/* Where the queue is full something gives way: what it has, or this event. */
static bool
room_is_made(struct admission *a, int priority, bool *ret_refused)
{
	bool known;

	*ret_refused = false;
	if (!queue_is_full(a->core))
		return true;
	if (!key_is_known(a, &known))
		return false;
	if (known)
		return true;
	if (!shed_oldest(a->core, priority, ret_refused, &a->err))
		return false;
	if (!*ret_refused)
		return true;
	outcome_set(a, "shed", "queue_full: all that waits is more urgent");
	if (!event_keep(a, 0))
		return false;
	err_set(&a->err, E_RATE,
		"the queue is full (limits.max_queued), and all that waits is more urgent; try "
		"again later");
	return true;
}

/* A new run, its event and its key, or the known run of the key. */
static bool
run_admit(struct admission *a)
{
	struct store *store = a->core->store;
	struct uuid run_id;
	struct run_row row;
	int64_t known = 0, seq = runs_next_seq(store);
	bool same = true, ready, skip, spent, refused;

	if (!overlap_skips(a, &skip))
		return false;
	if (skip)
		return true;
	if (!day_is_spent(a, &spent))
		return false;
	if (spent)
		return true;
	run_id = uuid_v7(a->at);
	run_fill(a, &run_id, &row);
	row.seq = seq;
	row.event = events_next_seq(store);
	if (a->trigger && gather_wants(a->trigger))
		return gather_admit(a, &row);
	if (!room_is_made(a, row.priority, &refused))
		return false;
	if (refused)
		return true;
	if (!key_claim(a, seq, &known, &same))
		return false;
	if (known)
		return replay_keep(a, known, same);
	if (!a->result.outcome) {
		a->result.outcome = "ran";
		buf_puts(&a->rule, a->trigger ? "" : "invoked");
	}
	if (!event_keep(a, seq) || !session_join(a->core, &row, a->at, &a->session_id, &a->err) ||
	    !runs_insert(store, &row, &seq, &ready, &a->err))
		return false;
	if (a->trigger && !a->by_hand &&
	    !overlap_settle(a->core, a->overlap, a->trigger->name, row.entity, seq, &a->err))
		return false;
	a->result.makes_run = true;
	a->result.run_seq = seq;
	memcpy(a->result.run_id, run_id.text, sizeof(run_id.text));
	a->result.run_status = "queued";
	return true;
}

static void
admission_tell(struct admission *a)
{
	json_t *object = json_object();
	AUTO(json_auto_decref) json_t *owned = object;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!stream_count(a->core->stream))
		return;
	json_put_str(object, "id", a->result.run_id);
	json_put_str(object, "status", "queued");
	json_put_str(object, "agent", a->agent->name);
	json_put_str(object, "trigger", a->trigger ? a->trigger->name : NULL);
	json_write(&text, object);
	stream_publish(a->core->stream, &(struct stream_event){.kind = "run",
							       .id = a->result.run_id,
							       .type = "queued",
							       .data = buf_str(&text)});
}

/* The turn has ended: the world may know. */
static void
on_committed(void *arg, const struct err *err)
{
	struct admission *a = arg;
	bool new_run = a->result.run_id[0] && !a->result.replayed;

	if (err->code != E_OK) {
		if (new_run)
			queue_note_queued(a->core->queue, a->agent->name, -1);
		a->on_done(a->arg, NULL, err);
		admission_free(a);
		return;
	}
	memcpy(a->result.event_id, a->event_id.text, sizeof(a->event_id.text));
	a->result.rule = buf_cstr(&a->rule);
	metrics_count(a->core->metrics, "rouse_events_total", "trigger",
		      a->trigger ? a->trigger->name : "", "outcome", a->result.outcome, 1);
	log_debug("event kept", "event", a->event_id.text, "trigger",
		  a->trigger ? a->trigger->name : NULL, "outcome", a->result.outcome, "run",
		  a->result.run_id);
	telemetry_wake(a->core);
	if (new_run)
		queue_note_new(a->core->queue, a->agent->name, text_or_null(&a->tenant));
	if (a->trigger)
		sources_note_event(a->core, a->trigger, a->at,
				   a->err.code == E_MAPPING ? err_text(&a->err) : NULL);
	a->on_done(a->arg, &a->result, &a->err);
	admission_free(a);
}

/* Nothing of this admission is in the turn; the turn itself may have gone well. */
static void
on_failed(void *arg, const struct err *err)
{
	struct admission *a = arg;

	a->on_done(a->arg, NULL, a->err.code != E_OK ? &a->err : err);
	admission_free(a);
}

static void
admission_fail(struct admission *a)
{
	log_error("event not kept", "trigger", a->trigger ? a->trigger->name : NULL, "error",
		  err_text(&a->err));
	turn_after(a->core->store, on_failed, a);
}

/* What the source knows from now on depends on what became of the event. */
static struct str
cursor_of(const struct admission *a)
{
	return buf_str(!a->result.makes_run && a->cursor_idle.len ? &a->cursor_idle : &a->cursor);
}

static void
admission_keep(struct admission *a)
{
	bool kept;

	if (!turn_savepoint(a->core->store, &a->err)) {
		admission_fail(a);
		return;
	}
	if (mapping_decides(a) || door_is_shut(a)) {
		struct err said = a->err;

		a->err = (struct err)ERR_INIT;
		kept = event_keep(a, 0);
		if (kept)
			a->err = said;
		else
			err_fini(&said);
	} else {
		kept = run_admit(a);
	}
	if (kept && a->cursor.len)
		kept = cursors_set(a->core->store, a->trigger->name, cursor_of(a), &a->err);
	if (kept && a->fact_count)
		kept = facts_write(a->core->store, a->trigger->name, a->facts, a->fact_count,
				   &a->err);
	if (kept) {
		turn_release(a->core->store);
		if (a->result.run_id[0] && !a->result.replayed) {
			queue_note_queued(a->core->queue, a->agent->name, 1);
			admission_tell(a);
		}
		turn_after(a->core->store, on_committed, a);
		return;
	}
	turn_undo(a->core->store);
	admission_fail(a);
}

/* For `trigger test`: what would have been. */
static void
admission_answer(struct admission *a)
{
	json_t *answer = json_object();
	struct uuid run_id = uuid_v7(a->at);
	AUTO(buf_fini) struct buf envelope = BUF_INIT;
	AUTO(buf_fini) struct buf payload = BUF_INIT;
	struct run_row row;
	json_t *value = NULL;
	bool stopped = mapping_decides(a);

	json_put_str(answer, "verdict", stopped ? a->result.outcome : "run");
	json_put_str(answer, "rule", buf_cstr(&a->rule));
	if (a->err.code != E_OK)
		json_put_str(answer, "error", err_text(&a->err));
	json_object_set_new(answer, "key",
			    a->has_key ? json_string(buf_cstr(&a->key)) : json_null());
	json_object_set_new(answer, "entity",
			    a->entity.len ? json_string(buf_cstr(&a->entity)) : json_null());
	json_object_set_new(answer, "session",
			    a->session.len ? json_string(buf_cstr(&a->session)) : json_null());
	json_object_set_new(answer, "tenant",
			    a->tenant.len ? json_string(buf_cstr(&a->tenant)) : json_null());
	json_object_set_new(answer, "user",
			    a->user.len ? json_string(buf_cstr(&a->user)) : json_null());
	if (!stopped) {
		run_fill(a, &run_id, &row);
		if (a->trigger && gather_wants(a->trigger)) {
			gather_payload(a, &row, &payload);
			row.payload = (char *)buf_cstr(&payload);
			json_put_str(answer, "rule", "held back for others (debounce, collect)");
		}
		envelope_build(&row, 1, envelope_event_data(buf_str(&a->document)), &envelope);
		if (json_read(buf_str(&envelope), &value, NULL)) {
			json_object_set(answer, "payload", json_object_get(value, "payload"));
			json_object_set_new(answer, "envelope", value);
		}
	}
	a->on_tested(a->arg, answer);
	admission_free(a);
}

static void
on_answer_due(void *arg, const struct err *err)
{
	(void)err;
	admission_answer(arg);
}

static void
admission_settle(struct admission *a)
{
	if (a->on_tested)
		turn_after(a->core->store, on_answer_due, a);
	else
		admission_keep(a);
}

static void
admission_begin(struct admission *a)
{
	/* Held at one above zero, so that no answer settles it before all programs have been
	 * started. */
	a->pending = 1;
	for (int i = 0; a->trigger && i < PROGRAMS; i++)
		program_start(a, (enum program_name)i);
	if (!--a->pending)
		admission_settle(a);
}

bool
admit_event(struct core *core, const struct happening *h, admit_on_done *on_done, void *arg,
	    struct err *err)
{
	struct admission *a;

	/* One that is stopping keeps what comes still; the next daemon runs it. */
	if (core->rehearsal)
		return err_set(err, E_UNAVAILABLE, "a rehearsal keeps no events");
	if (!bound_check(core, err) || !shed_at_door(core, err)) {
		metrics_count(core->metrics, "rouse_events_total", "trigger",
			      h->trigger ? h->trigger->name : "", "outcome", "shed", 1);
		return false;
	}
	a = admission_new(core, h);
	a->on_done = on_done;
	a->arg = arg;
	admission_begin(a);
	return true;
}

bool
admit_test(struct core *core, const struct happening *h, admit_on_tested *on_tested, void *arg,
	   struct err *err)
{
	struct admission *a = admission_new(core, h);

	(void)err;
	a->on_tested = on_tested;
	a->arg = arg;
	admission_begin(a);
	return true;
}
