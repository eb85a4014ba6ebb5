/* Gates: questions to a person that a run waits for. SPEC 2, 6, 12. */
/* SPDX-License-Identifier: MIT */
#include "core/gate.h"

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/gate_tell.h"
#include "core/gather.h"
#include "core/metrics.h"
#include "core/notify.h"
#include "core/registry.h"
#include "core/replay.h"
#include "core/run.h"
#include "core/stand.h"
#include "core/stream.h"
#include "core/suspend.h"
#include "pure/duration.h"
#include "store/changes.h"
#include "store/runs.h"
#include "store/state.h"

static const struct decision {
	const char *word;   /* SPEC 6 */
	const char *status; /* of the gate after */
	const char *allow;  /* the word of `allow` that permits it; NULL: always */
} decisions[] = {
	{"approved", "decided", "accept"}, {"denied", "decided", NULL},
	{"edited", "decided", "edit"},	   {"responded", "decided", "respond"},
	{"ignored", "decided", "ignore"},  {"timeout", "expired", NULL},
};

#define GATES_LOOKED_AT 1000
#define TIMEOUT_MAX_MS 1000000000000LL
#define STORE_RETRY_MS 1000

/* What becomes of a question that nobody answers in time. SPEC 12. */
static const struct overdue {
	const char *word, *decision;
} overdues[] = {
	{"deny", "timeout"}, {"approve", "approved"}, {"ignore", "ignored"}, {"fail", "timeout"}};

static bool gate_resume(struct attempt *attempt, const char *id, struct err *err);
static void gates_watch_at(struct core *core, struct wall at);

static const struct decision *
decision_find(const char *word)
{
	for (size_t i = 0; word && i < ARRAY_LEN(decisions); i++)
		if (!strcmp(decisions[i].word, word))
			return &decisions[i];
	return NULL;
}

static bool
is_allowed(const struct gate_row *gate, const struct decision *decision)
{
	return !decision->allow || !gate->allow || strstr(gate->allow, decision->allow);
}

bool
gate_allows(const struct gate_row *gate, const char *decision)
{
	const struct decision *known = decision_find(decision);

	return known && is_allowed(gate, known);
}

/* What its asker or its operator wanted where nobody decides, as far as the question allows it. */
static const char *
gate_lapsed(const struct gate_row *gate)
{
	const char *word = "timeout";

	for (size_t i = 0; gate->on_timeout && i < ARRAY_LEN(overdues); i++)
		if (!strcmp(overdues[i].word, gate->on_timeout) &&
		    gate_allows(gate, overdues[i].decision))
			word = overdues[i].decision;
	/* Nobody can approve words that were never said. */
	return !strcmp(gate->kind, "ask") && !strcmp(word, "approved") ? "timeout" : word;
}

/* A word in the run's log about a line that was not taken as it was meant. */
static void
remark(struct attempt *attempt, const char *text)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;

	log_warning("question of a run", "run", attempt->run.id, "remark", text);
	buf_puts(&line, "{\"type\":\"log\",\"level\":\"warning\",\"text\":");
	buf_json_cstr(&line, text);
	buf_putc(&line, '}');
	attempt_log(attempt, "log", buf_str(&line));
}

static const char *
own_overdue(const struct attempt *attempt)
{
	return attempt->agent ? conf_str(attempt->agent->section, "on_timeout") : "deny";
}

/* -1: none. */
static int64_t
own_timeout(const struct attempt *attempt)
{
	if (!attempt->agent || !conf_is_set(attempt->agent->section, "gate_timeout"))
		return -1;
	return conf_ms(attempt->agent->section, "gate_timeout");
}

/* What the line says, where it may: approving is its operator's word, never an agent's. */
static const char *
gate_overdue(struct attempt *attempt, const json_t *line)
{
	const json_t *said = json_object_get(line, "on_timeout");
	const char *own = own_overdue(attempt), *word = json_str(line, "on_timeout");

	if (!said || json_is_null(said))
		return own;
	for (size_t i = 0; word && i < ARRAY_LEN(overdues); i++) {
		if (strcmp(overdues[i].word, word))
			continue;
		if (strcmp(word, "approve") || !strcmp(own, "approve"))
			return overdues[i].word;
		remark(attempt, "on_timeout approve is not an agent's to say: a question that "
				"nobody answers is denied; set on_timeout = approve in its section "
				"if it may be");
		return "deny";
	}
	remark(attempt, "on_timeout is none of deny, approve, ignore, fail; taken as deny");
	return "deny";
}

/* How long the line gives people; -1: for ever. */
static int64_t
gate_time(struct attempt *attempt, const json_t *line)
{
	const json_t *said = json_object_get(line, "timeout");
	const char *text = json_str(line, "timeout");
	double seconds = json_num(line, "timeout", -1);
	int64_t ms;

	if (!said || json_is_null(said))
		return own_timeout(attempt);
	if (text && duration_parse(str_of(text), &ms, NULL) && ms >= 0 && ms < TIMEOUT_MAX_MS)
		return ms;
	if (seconds >= 0 && seconds < 1e9)
		return (int64_t)(seconds * 1000);
	remark(attempt, "timeout is no duration such as \"15m\", and no number of seconds; the "
			"agent's gate_timeout holds instead");
	return own_timeout(attempt);
}

/* By the steady clock: a clock that is set neither hurries people nor makes a run wait for years.
 */
static struct wall
gate_expiry(struct attempt *attempt, const json_t *line, const char *overdue)
{
	int64_t ms = gate_time(attempt, line), least = own_timeout(attempt);

	if (!strcmp(overdue, "approve") && ms >= 0 && ms < least)
		ms = least;
	return ms < 0 ? WALL_NONE : (struct wall){gather_now(attempt->core).ms + ms};
}

/* Tells who follows, after the turn, what the gate is now. */
static void
gate_tell(struct core *core, const char *id)
{
	AUTO(gate_row_fini) struct gate_row gate = {0};
	AUTO(json_auto_decref) json_t *object = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!stream_count(core->stream) || !gates_get(core->store, id, &gate, NULL))
		return;
	object = gate_object(core, &gate);
	json_write(&text, object);
	stream_publish(core->stream, &(struct stream_event){.kind = "gate",
							    .id = gate.run_id,
							    .type = gate.status,
							    .data = buf_str(&text)});
}

struct gate_search {
	const struct gate_row *wanted;
	struct wall before; /* asked by an earlier attempt */
	bool expired;	    /* that nobody answered in time is an answer too */
	char *id;
};

static bool
same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool
on_gate_of_run(void *arg, const struct gate_row *row)
{
	struct gate_search *search = arg;

	if (row->created.ms >= search->before.ms || !same_text(row->kind, search->wanted->kind) ||
	    !same_text(row->step, search->wanted->step) ||
	    !same_text(row->payload, search->wanted->payload) ||
	    (strcmp(row->status, "waiting") && strcmp(row->status, "decided") &&
	     !(search->expired && !strcmp(row->status, "expired"))))
		return true;
	search->id = mem_strdup(row->id);
	return false;
}

/* When the attempt began, by the clock of the rows. */
static struct wall
attempt_began(const struct attempt *attempt)
{
	struct core *core = attempt->core;

	return (struct wall){core_wall(core).ms -
			     (clock_mono(core->clock).ms - attempt->started.ms)};
}

/* The gate at which an earlier attempt of the run asked the very same. NULL: none. Owned. */
static char *
gate_known(const struct attempt *attempt, const struct gate_row *wanted)
{
	struct core *core = attempt->core;
	struct list_query query = {.filters = {{"run", attempt->run.id}},
				   .since = WALL_NONE,
				   .limit = GATES_LOOKED_AT};
	struct gate_search search = {.wanted = wanted,
				     .before = attempt_began(attempt),
				     .expired = attempt->suspended > 0};

	gates_list(core->store, &query, on_gate_of_run, &search, NULL);
	return search.id;
}

/* The question, and a run that waits for its answer: both, or neither. */
static bool
gate_keep(struct attempt *attempt, const struct gate_row *gate, struct err *err)
{
	struct core *core = attempt->core;
	int64_t seq;

	if (!turn_savepoint(core->store, err))
		return false;
	if (!gates_insert(core->store, gate, &seq, err) ||
	    !run_wait(core, attempt->run.seq, true, err) ||
	    !notify_gate(core, gate, &attempt->run, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	attempt->has_asked = true;
	stand_begin(attempt);
	return true;
}

bool
gate_open(struct attempt *attempt, const json_t *line, struct err *err)
{
	struct core *core = attempt->core;
	struct wall now = core_wall(core);
	struct uuid id = uuid_v7(now);
	const char *step = json_str(line, "step"), *question = json_str(line, "question");
	bool ask = !strcmp(json_str(line, "type"), "ask");
	const char *overdue = gate_overdue(attempt, line);
	AUTO(gate_row_fini)
	struct gate_row gate = {
		.id = mem_strdup(id.text),
		.run = attempt->run.seq,
		.kind = mem_strdup(ask ? "ask" : "approval"),
		.step = mem_strdup(step ? step : question),
		.payload =
			ask ? json_member_text(line, "schema") : json_member_text(line, "payload"),
		.allow = json_member_text(line, "allow"),
		.status = mem_strdup("waiting"),
		.created = now,
		.on_timeout = mem_strdup(overdue),
		.expires = gate_expiry(attempt, line, overdue),
		.decided_at = WALL_NONE,
	};
	AUTO(auto_free) char *known = attempt->n > 1 ? gate_known(attempt, &gate) : NULL;

	if (known)
		return gate_resume(attempt, known, err);
	if (replay_is(attempt->run.batch))
		return replay_gate(attempt, &gate, gate_lapsed(&gate), err);
	if (!gate_keep(attempt, &gate, err))
		return false;
	if (wall_is_set(gate.expires))
		gates_watch_at(core, gate.expires);
	log_info("run asks", "run", attempt->run.id, "gate", id.text, "kind", gate.kind, "step",
		 gate.step);
	gate_tell(core, id.text);
	return true;
}

/* Nothing to do while it waits: who decides tells whatever attempt is live then. */
static bool
gate_resume(struct attempt *attempt, const char *id, struct err *err)
{
	struct core *core = attempt->core;
	AUTO(gate_row_fini) struct gate_row gate = {0};

	if (!gates_get(core->store, id, &gate, err))
		return false;
	if (gate.decision) {
		gate_tell_agent(core, &gate, gate.decision, gate.answer, gate.decided_by,
				gate.reason, false);
		return true;
	}
	if (!run_wait(core, attempt->run.seq, true, err))
		return false;
	attempt->has_asked = true;
	stand_begin(attempt);
	return true;
}

static bool
on_open(void *arg, const struct gate_row *row)
{
	(void)row;
	*(bool *)arg = true;
	return false;
}

bool
gates_are_open(struct core *core, const char *run_id, bool *ret, struct err *err)
{
	struct list_query query = {.filters = {{"run", run_id}, {"status", "waiting"}},
				   .since = WALL_NONE,
				   .limit = 1};

	*ret = false;
	return gates_list(core->store, &query, on_open, ret, err);
}

/* Its last open question is answered: the run goes on, and first of all gets a process where it has
 * none. */
static bool
run_goes_on(struct core *core, const struct gate_row *gate, bool *ret_goes_on, struct err *err)
{
	bool open;

	if (!gates_are_open(core, gate->run_id, &open, err))
		return false;
	*ret_goes_on = !open;
	return open ||
	       (suspend_wake(core, gate->run, err) && run_wait(core, gate->run, false, err));
}

struct asking {
	struct wall since;
	bool any;
};

static bool
on_asked(void *arg, const struct gate_row *row)
{
	struct asking *asking = arg;

	asking->any = !strcmp(row->status, "waiting") ||
		      (wall_is_set(row->decided_at) && row->decided_at.ms > asking->since.ms);
	return !asking->any;
}

bool
gates_asked(const struct attempt *attempt, bool *ret, struct err *err)
{
	struct list_query query = {.filters = {{"run", attempt->run.id}},
				   .since = WALL_NONE,
				   .limit = GATES_LOOKED_AT};
	struct asking asking = {.since = attempt_began(attempt)};

	if (!gates_list(attempt->core->store, &query, on_asked, &asking, err))
		return false;
	*ret = asking.any;
	return true;
}

/* The decision, and what it means for the run. */
static bool
decision_rows(struct core *core, const struct gate_row *gate, const struct decision *decision,
	      const char *payload, const char *by, const char *reason, bool *ret_goes_on,
	      struct err *err)
{
	struct wall now = core_wall(core);

	return gates_decide(core->store, gate->seq, decision->status, decision->word, by, reason,
			    payload, now, err) &&
	       decisions_add(core->store, "gate", gate->id, decision->word, by, reason, NULL, now,
			     err) &&
	       (gate_ends_run(gate, decision->word)
			? run_fail(core, gate->run, "gate_timeout", reason, err)
			: run_goes_on(core, gate, ret_goes_on, err));
}

bool
gate_decide(struct core *core, const char *id, const char *decision, const char *payload,
	    const char *by, const char *reason, struct err *err)
{
	AUTO(gate_row_fini) struct gate_row gate = {0};
	const struct decision *known = decision_find(decision);
	bool goes_on = false;

	if (!known)
		return err_set(err, E_INVALID,
			       "decision %s is unknown; expected approved, denied, edited, "
			       "responded or ignored",
			       decision);
	if (!gates_get(core->store, id, &gate, err))
		return false;
	if (!is_allowed(&gate, known))
		return err_set(err, E_STATE, "gate %s does not allow %s; it allows %s", gate.id,
			       known->allow, gate.allow);
	if (!turn_savepoint(core->store, err))
		return false;
	if (!decision_rows(core, &gate, known, payload, by, reason, &goes_on, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	if (!gate_ends_run(&gate, decision))
		gate_tell_agent(core, &gate, decision, payload, by, reason, goes_on);
	gate_tell(core, gate.id);
	return true;
}

/* --- all of a run ------------------------------------------------------------------------- */

static bool
on_decision(void *arg, const struct gate_row *row)
{
	json_t *made = arg, *value = NULL, *item;

	/* Newest first: what was decided last stands. */
	if (!row->decision || !row->step || json_object_get(made, row->step))
		return true;
	item = json_object();
	json_put_str(item, "decision", row->decision);
	json_put_str(item, "by", row->decided_by);
	json_put_str(item, "reason", row->reason);
	if (row->answer && json_read(str_of(row->answer), &value, NULL))
		json_object_set_new(item, "payload", value);
	json_object_set_new(made, row->step, item);
	return true;
}

char *
gates_decisions(struct core *core, const char *run_id)
{
	struct list_query query = {
		.filters = {{"run", run_id}}, .since = WALL_NONE, .limit = GATES_LOOKED_AT};
	AUTO(json_auto_decref) json_t *made = json_object();
	struct buf text = BUF_INIT;

	if (!gates_list(core->store, &query, on_decision, made, NULL) || !json_object_size(made))
		return NULL;
	json_write(&text, made);
	return buf_take(&text);
}

/* Gates to be moved, gathered before they are: a list is not walked while it changes. */
struct gate_ids {
	char *ids[GATES_LOOKED_AT];
	size_t count;
};

static void
gate_ids_free(struct gate_ids *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		free(ids->ids[i]);
	free(ids);
}

static bool
on_gate_id(void *arg, const struct gate_row *row)
{
	struct gate_ids *ids = arg;

	ids->ids[ids->count++] = mem_strdup(row->id);
	return ids->count < GATES_LOOKED_AT;
}

bool
gates_cancel(struct core *core, const char *run_id, struct err *err)
{
	struct list_query query = {.filters = {{"run", run_id}, {"status", "waiting"}},
				   .since = WALL_NONE,
				   .limit = GATES_LOOKED_AT};
	struct gate_ids *ids = mem_alloc(sizeof(*ids));
	bool ok = gates_list(core->store, &query, on_gate_id, ids, err);

	for (size_t i = 0; ok && i < ids->count; i++) {
		AUTO(gate_row_fini) struct gate_row gate = {0};

		ok = gates_get(core->store, ids->ids[i], &gate, err) &&
		     gates_decide(core->store, gate.seq, "cancelled", NULL, "rouse",
				  "its run has ended", NULL, core_wall(core), err);
	}
	gate_ids_free(ids);
	return ok;
}

/* --- time --------------------------------------------------------------------------------- */

static void
gates_on_time(void *arg)
{
	gates_watch(arg);
}

static void
gates_watch_at(struct core *core, struct wall at)
{
	struct wall *due;
	struct core_timer **timer = attempts_gate_timer(core, &due);
	struct wall now = gather_now(core);

	if (!wall_is_set(at) || (wall_is_set(*due) && due->ms <= at.ms))
		return;
	*due = at;
	core_timer_arm(core, timer, at.ms > now.ms ? at.ms - now.ms : 0, gates_on_time, core);
}

/* Their time-out is on disk, or is looked for again. */
static void
on_expired(void *arg, const struct err *err)
{
	struct core *core = arg;

	if (err->code != E_OK)
		gates_watch_at(core, (struct wall){gather_now(core).ms + STORE_RETRY_MS});
}

/* Decided by time, and who is told of questions is told so: both, or neither. */
static bool
lapse_rows(struct core *core, const struct gate_row *gate, const char *word, const char *why,
	   struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	struct gate_row now = *gate;

	now.status = (char *)"expired";
	now.decision = (char *)word;
	if (!turn_savepoint(core->store, err))
		return false;
	if (runs_get_seq(core->store, gate->run, &run, err) &&
	    gate_decide(core, gate->id, word, NULL, "rouse", why, err) &&
	    notify_gate(core, &now, &run, err)) {
		turn_release(core->store);
		return true;
	}
	turn_undo(core->store);
	return false;
}

static bool
gate_lapse(struct core *core, const char *id, struct err *err)
{
	AUTO(gate_row_fini) struct gate_row gate = {0};
	AUTO(buf_fini) struct buf why = BUF_INIT;
	const char *word;

	if (!gates_get(core->store, id, &gate, err))
		return false;
	word = gate_lapsed(&gate);
	buf_printf(&why, "nobody decided in time (on_timeout = %s)",
		   gate.on_timeout ? gate.on_timeout : "deny");
	log_info("question is not answered in time", "run", gate.run_id, "gate", gate.id,
		 "decision", word);
	metrics_count(core->metrics, "rouse_gate_timeouts_total", "decision", word, NULL, NULL, 1);
	return lapse_rows(core, &gate, word, buf_cstr(&why), err);
}

void
gates_watch(struct core *core)
{
	struct gate_ids *ids = mem_alloc(sizeof(*ids));
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall *due, now = gather_now(core), next = WALL_NONE,
			  again = {now.ms + STORE_RETRY_MS};
	bool ok;

	attempts_gate_timer(core, &due);
	*due = WALL_NONE;
	ok = gates_due(core->store, now, GATES_LOOKED_AT, on_gate_id, ids, &err);
	for (size_t i = 0; i < ids->count; i++)
		ok &= gate_lapse(core, ids->ids[i], &err);
	if (ids->count)
		turn_after(core->store, on_expired, core);
	ok = ok && gates_next(core->store, &next, &err);
	gates_watch_at(core, ok ? next : again);
	gate_ids_free(ids);
}

json_t *
gate_object(struct core *core, const struct gate_row *gate)
{
	json_t *object = json_object(), *value = NULL;

	json_put_str(object, "id", gate->id);
	json_put_str(object, "run", gate->run_id);
	json_put_str(object, "kind", gate->kind);
	json_put_str(object, "step", gate->step);
	json_put_str(object, "question",
		     gate->kind && !strcmp(gate->kind, "ask") ? gate->step : NULL);
	if (gate->payload && json_read(str_of(gate->payload), &value, NULL))
		json_object_set_new(object, "payload", value);
	value = NULL;
	if (gate->allow && json_read(str_of(gate->allow), &value, NULL))
		json_object_set_new(object, "allow", value);
	json_put_wall(object, "expires", gather_wall(core, gate->expires).ms);
	json_put_str(object, "on_timeout", gate->on_timeout ? gate->on_timeout : "deny");
	json_put_str(object, "status", gate->status);
	json_put_str(object, "decision", gate->decision);
	json_put_str(object, "by", gate->decided_by);
	return object;
}
