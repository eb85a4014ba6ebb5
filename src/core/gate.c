/* Gates: questions to a person that a run waits for. SPEC 2, 6, 12. */
/* SPDX-License-Identifier: MIT */
#include "core/gate.h"

#include "base/json.h"
#include "base/log.h"
#include "base/uuid.h"
#include "core/agent.h"
#include "core/stream.h"
#include "pure/duration.h"
#include "store/changes.h"
#include "store/state.h"

static const struct decision {
	const char *word;   /* SPEC 6 */
	const char *status; /* of the gate after */
	const char *allow;  /* the word of `allow` that permits it; NULL: always */
} decisions[] = {
	{"approved", "decided", "accept"},  {"denied", "decided", NULL},         {"edited", "decided", "edit"},
	{"responded", "decided", "respond"}, {"ignored", "decided", "ignore"}, {"timeout", "expired", NULL},
};

static char *
member_text(const json_t *line, const char *key)
{
	json_t *value = json_object_get(line, key);
	struct buf text = BUF_INIT;

	if (!value)
		return NULL;
	json_write(&text, value);
	return buf_take(&text);
}

static struct wall
gate_expiry(const struct core *core, const json_t *line)
{
	const char *timeout = json_str(line, "timeout");
	double seconds = json_num(line, "timeout", -1);
	struct wall now = clock_wall(core->clock);
	int64_t ms;

	if (timeout && duration_parse(str_of(timeout), &ms, NULL))
		return (struct wall){now.ms + ms};
	if (seconds > 0 && seconds < 1e9)
		return (struct wall){now.ms + (int64_t)(seconds * 1000)};
	return WALL_NONE;
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
	object = gate_object(&gate);
	json_write(&text, object);
	stream_publish(core->stream, &(struct stream_event){.kind = "gate", .id = gate.run_id, .type = gate.status, .data = buf_str(&text)});
}

bool
gate_open(struct attempt *attempt, const json_t *line, struct err *err)
{
	struct core *core = attempt->core;
	struct wall now = core_wall(core);
	struct uuid id = uuid_v7(now);
	const char *step = json_str(line, "step"), *question = json_str(line, "question");
	bool ask = !strcmp(json_str(line, "type"), "ask");
	AUTO(gate_row_fini) struct gate_row gate = {
		.id = mem_strdup(id.text),
		.run = attempt->run.seq,
		.kind = mem_strdup(ask ? "ask" : "approval"),
		.step = mem_strdup(step ? step : question),
		.payload = ask ? member_text(line, "schema") : member_text(line, "payload"),
		.allow = member_text(line, "allow"),
		.status = mem_strdup("waiting"),
		.created = now,
		.expires = gate_expiry(core, line),
		.decided_at = WALL_NONE,
	};
	int64_t seq;

	if (!gates_insert(core->store, &gate, &seq, err))
		return false;
	log_info("run asks", "run", attempt->run.id, "gate", id.text, "kind", gate.kind, "step", gate.step);
	gate_tell(core, id.text);
	return true;
}

static void
decision_line(const struct gate_row *gate, const char *decision, const char *payload, const char *by, const char *reason, struct buf *out)
{
	buf_puts(out, "{\"type\":\"decision\",\"step\":");
	buf_json_cstr(out, gate->step);
	buf_puts(out, ",\"decision\":");
	buf_json_cstr(out, decision);
	buf_puts(out, ",\"by\":");
	buf_json_cstr(out, by);
	buf_puts(out, ",\"reason\":");
	buf_json_cstr(out, reason);
	buf_printf(out, ",\"payload\":%s}", payload ? payload : gate->payload ? gate->payload : "null");
}

struct telling {
	struct core *core;
	char *run_id;
	struct buf line;
};

/* The decision is on disk: the agent may know. */
static void
on_decided(void *arg, const struct err *err)
{
	struct telling *telling = arg;
	AUTO(err_fini) struct err failure = ERR_INIT;
	struct attempt *attempt = attempt_of_run(telling->core, telling->run_id);

	if (err->code == E_OK && attempt && !attempt->agent->kind->send(attempt, buf_str(&telling->line), &failure))
		log_warning("decision not delivered", "run", telling->run_id, "error", err_text(&failure));
	buf_fini(&telling->line);
	free(telling->run_id);
	free(telling);
}

static const struct decision *
decision_find(const char *word)
{
	for (size_t i = 0; word && i < ARRAY_LEN(decisions); i++)
		if (!strcmp(decisions[i].word, word))
			return &decisions[i];
	return NULL;
}

bool
gate_decide(struct core *core, const char *id, const char *decision, const char *payload, const char *by, const char *reason, struct err *err)
{
	AUTO(gate_row_fini) struct gate_row gate = {0};
	const struct decision *known = decision_find(decision);
	struct wall now = core_wall(core);
	struct telling *telling;

	if (!known)
		return err_set(err, E_INVALID, "decision %s is unknown; expected approved, denied, edited, responded or ignored", decision);
	if (!gates_get(core->store, id, &gate, err))
		return false;
	if (known->allow && gate.allow && !strstr(gate.allow, known->allow))
		return err_set(err, E_STATE, "gate %s does not allow %s; it allows %s", gate.id, known->allow, gate.allow);
	if (!gates_decide(core->store, gate.seq, known->status, decision, by, reason, payload, now, err) ||
	    !decisions_add(core->store, "gate", gate.id, decision, by, reason, NULL, now, err))
		return false;
	telling = mem_alloc(sizeof(*telling));
	telling->core = core;
	telling->run_id = mem_strdup(gate.run_id);
	decision_line(&gate, decision, payload, by, reason, &telling->line);
	turn_after(core->store, on_decided, telling);
	gate_tell(core, gate.id);
	return true;
}

json_t *
gate_object(const struct gate_row *gate)
{
	json_t *object = json_object(), *value = NULL;

	json_put_str(object, "id", gate->id);
	json_put_str(object, "run", gate->run_id);
	json_put_str(object, "kind", gate->kind);
	json_put_str(object, "step", gate->step);
	json_put_str(object, "question", gate->kind && !strcmp(gate->kind, "ask") ? gate->step : NULL);
	if (gate->payload && json_read(str_of(gate->payload), &value, NULL))
		json_object_set_new(object, "payload", value);
	value = NULL;
	if (gate->allow && json_read(str_of(gate->allow), &value, NULL))
		json_object_set_new(object, "allow", value);
	json_put_wall(object, "expires", gate->expires.ms);
	json_put_str(object, "status", gate->status);
	json_put_str(object, "decision", gate->decision);
	json_put_str(object, "by", gate->decided_by);
	return object;
}
