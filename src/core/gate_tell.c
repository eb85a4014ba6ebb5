/* Gates: decisions on their way to the agent that asked. SPEC 6. */
/* SPDX-License-Identifier: MIT */
#include "core/gate_tell.h"

#include "base/json.h"
#include "base/log.h"
#include "core/agent.h"
#include "core/gate.h"
#include "core/stand.h"
#include "store/runs.h"
#include "store/state.h"

#define GATES_LOOKED_AT 1000
#define LOG_ROWS 1000

static void
decision_line(const struct gate_row *gate, const char *decision, const char *payload,
	      const char *by, const char *reason, struct buf *out)
{
	buf_puts(out, "{\"type\":\"decision\",\"step\":");
	buf_json_cstr(out, gate->step);
	buf_puts(out, ",\"decision\":");
	buf_json_cstr(out, decision);
	buf_puts(out, ",\"by\":");
	buf_json_cstr(out, by);
	buf_puts(out, ",\"reason\":");
	buf_json_cstr(out, reason);
	buf_printf(out, ",\"payload\":%s,\"gate\":",
		   payload	   ? payload
		   : gate->payload ? gate->payload
				   : "null");
	buf_json_cstr(out, gate->id);
	buf_putc(out, '}');
	/* A payload is as its sender wrote it; within strings JSON has no bare line end. */
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] == '\n' || out->data[i] == '\r')
			out->data[i] = ' ';
}

static void
line_send(struct attempt *attempt, struct str line)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (attempt->agent->kind->send(attempt, line, &err))
		attempt_log(attempt, "decision", line);
	else
		log_warning("decision not delivered", "run", attempt->run.id, "error",
			    err_text(&err));
}

/* The word of a run whose agent only fails after such a decision; NULL: none, it was no refusal. */
static const char *
refusal(const char *decision)
{
	return !strcmp(decision, "denied")    ? "denied"
	       : !strcmp(decision, "timeout") ? "gate_timeout"
					      : NULL;
}

struct telling {
	struct core *core;
	char *run_id;
	const char *refused;
	struct buf line;
	bool goes_on;
};

/* The decision is on disk: the agent may know. */
static void
on_decided(void *arg, const struct err *err)
{
	struct telling *telling = arg;
	struct attempt *attempt =
		err->code == E_OK ? attempt_of_run(telling->core, telling->run_id) : NULL;

	if (attempt && !attempt->ending && attempt->agent && attempt->state) {
		if (telling->goes_on)
			stand_end(attempt);
		attempt->refused = telling->refused;
		line_send(attempt, buf_str(&telling->line));
	}
	buf_fini(&telling->line);
	free(telling->run_id);
	free(telling);
}

void
gate_tell_agent(struct core *core, const struct gate_row *gate, const char *decision,
		const char *payload, const char *by, const char *reason, bool goes_on)
{
	struct telling *telling = mem_alloc(sizeof(*telling));

	telling->core = core;
	telling->run_id = mem_strdup(gate->run_id);
	telling->goes_on = goes_on;
	telling->refused = refusal(decision);
	decision_line(gate, decision, payload, by, reason, &telling->line);
	turn_after(core->store, on_decided, telling);
}

static bool
on_last(void *arg, const struct gate_row *row)
{
	const char **refused = arg;

	*refused = row->decision ? refusal(row->decision) : NULL;
	return false;
}

const char *
gate_last_refusal(const struct attempt *attempt)
{
	struct list_query query = {
		.filters = {{"run", attempt->run.id}}, .since = WALL_NONE, .limit = 1};
	AUTO(attempt_row_fini) struct attempt_row before = {0};
	const char *refused = NULL;

	if (attempts_get(attempt->core->store, attempt->run.seq, attempt->n - 1, &before, NULL) &&
	    !strcmp(before.status, "suspended"))
		gates_list(attempt->core->store, &query, on_last, &refused, NULL);
	return refused;
}

/* --- once more ----------------------------------------------------------------------------- */

struct untold {
	struct attempt *attempt;
	struct wall since; /* of the attempt's beginning */
	json_t *lines;	   /* by gate, newest first */
	bool any, ends;	   /* its newest decision was seen; it ends the run */
	int64_t seq;	   /* of the run log, read up to here */
};

static bool
on_gate(void *arg, const struct gate_row *row)
{
	struct untold *untold = arg;
	AUTO(buf_fini) struct buf line = BUF_INIT;

	if (!row->decision || !wall_is_set(row->decided_at) ||
	    row->decided_at.ms < untold->since.ms)
		return true;
	if (!untold->any)
		untold->attempt->refused = refusal(row->decision);
	untold->any = true;
	if (gate_ends_run(row, row->decision)) {
		untold->ends = true;
		return true;
	}
	decision_line(row, row->decision, row->answer, row->decided_by, row->reason, &line);
	json_put_str(untold->lines, row->id, buf_cstr(&line));
	return true;
}

static bool
on_row(void *arg, const struct log_row *row)
{
	struct untold *untold = arg;
	AUTO(json_auto_decref) json_t *line = NULL;

	untold->seq = row->seq;
	if (row->attempt == untold->attempt->n && !strcmp(row->type, "decision") &&
	    json_read(str_of(row->data), &line, NULL) && json_str(line, "gate"))
		json_object_del(untold->lines, json_str(line, "gate"));
	return true;
}

void
gates_tell_again(struct attempt *attempt)
{
	struct core *core = attempt->core;
	struct list_query query = {.filters = {{"run", attempt->run.id}},
				   .since = WALL_NONE,
				   .limit = GATES_LOOKED_AT};
	AUTO(json_auto_decref) json_t *lines = json_object();
	struct untold untold = {
		.attempt = attempt,
		.since = {core_wall(core).ms - (clock_mono(core->clock).ms - attempt->started.ms)},
		.lines = lines,
	};
	const char *gate;
	json_t *line;
	int64_t before;

	gates_list(core->store, &query, on_gate, &untold, NULL);
	if (untold.ends) {
		attempt_stop(attempt, "gate_timeout", "nobody decided in time (on_timeout = fail)");
		return;
	}
	if (!json_object_size(lines))
		return;
	do
		before = untold.seq;
	while (runlog_list(core->store, attempt->run.seq, before, LOG_ROWS, on_row, &untold,
			   NULL) &&
	       untold.seq != before);
	json_object_foreach (lines, gate, line)
		line_send(attempt, str_of(json_string_value(line)));
}
