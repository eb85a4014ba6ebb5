/* The agent protocol (SPEC 6): a table from a line's type to what is done. */
/* SPDX-License-Identifier: MIT */
#include "core/protocol.h"

#include <math.h>

#include "base/json.h"
#include "core/change.h"
#include "core/gate.h"
#include "core/meter.h"
#include "core/replay.h"
#include "core/signal.h"
#include "core/suspend.h"
#include "store/runs.h"

/* Rows of the run log that one attempt may make by its lines; what follows is counted, not kept. */
#define LOG_ROWS_MAX 20000
#define RECALL_ROWS 1000
/* Emissions of one attempt; all of them stand in the run log, so that they can be counted again. */
#define EMITS_MAX 50000

struct line_type {
	const char *name;
	void (*handle)(struct attempt *attempt, const json_t *line);
	enum { SAYS_NOTHING, WORKS, RESPONDS } is; /* what the agent does, by this line */
};

static void
keep_text(char **field, const json_t *value)
{
	struct buf text = BUF_INIT;

	if (!value)
		return;
	json_write(&text, value);
	free(*field);
	*field = buf_take(&text);
}

/* A use counts at its beginning, or at an end whose beginning was not told. */
static bool
use_counts(int64_t *open, bool done)
{
	if (!done) {
		++*open;
		return true;
	}
	if (!*open)
		return true;
	--*open;
	return false;
}

static void
on_step(struct attempt *attempt, const json_t *line)
{
	const char *name = json_str(line, "name"), *status = json_str(line, "status");
	bool done = status && !strcmp(status, "done");
	AUTO(json_auto_decref) json_t *steps = NULL;
	json_t *output;

	if (use_counts(&attempt->now.open_steps, done))
		meter_step(attempt);
	if (!done || !name)
		return;
	if (!attempt->completed_steps || !json_read(str_of(attempt->completed_steps), &steps, NULL))
		steps = json_object();
	output = json_object_get(line, "output");
	json_object_set_new(steps, name, output ? json_incref(output) : json_null());
	keep_text(&attempt->completed_steps, steps);
}

static void
on_tool(struct attempt *attempt, const json_t *line)
{
	if (!use_counts(&attempt->now.open_tools, !strcmp(json_str(line, "type"), "tool_end")))
		return;
	meter_tool(attempt);
}

static void
on_checkpoint(struct attempt *attempt, const json_t *line)
{
	AUTO(json_auto_decref) json_t *kept = json_object();
	json_t *state = json_object_get(line, "state");

	json_put_str(kept, "name", json_str(line, "name"));
	json_object_set_new(kept, "state", state ? json_incref(state) : json_null());
	keep_text(&attempt->checkpoint, kept);
}

/* A run that is being stopped goes on talking for a while; it gets nothing more done by that. */
static bool
may_act(const struct attempt *attempt, struct err *err)
{
	if (!attempt->now.over_budget &&
	    !(attempt->stop_reason && !strcmp(attempt->stop_reason, "cancelled")))
		return true;
	return err_set(err, E_STATE, "the run is being stopped (%s)", attempt->stop_reason);
}

void
protocol_refuse(struct attempt *attempt, const char *what, const struct err *err)
{
	AUTO(buf_fini) struct buf refusal = BUF_INIT;

	buf_puts(&refusal, "{\"type\":\"log\",\"level\":\"warning\",\"text\":");
	buf_json_cstr(&refusal, err_text(err));
	buf_printf(&refusal, ",\"fields\":{\"refused\":\"%s\",\"code\":", what);
	buf_json_cstr(&refusal, err_name(err->code));
	buf_puts(&refusal, "}}");
	attempt_log(attempt, "log", buf_str(&refusal));
}

static void
on_change(struct attempt *attempt, const json_t *line)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!may_act(attempt, &err) || !change_propose(attempt, line, &err))
		protocol_refuse(attempt, "change", &err);
}

static void
on_emit(struct attempt *attempt, const json_t *line)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (++attempt->now.emitted > EMITS_MAX + 1)
		return;
	if (attempt->now.emitted > EMITS_MAX)
		err_set(&err, E_RATE,
			"more than %d emissions in one attempt; the rest is not taken", EMITS_MAX);
	else if (replay_is(attempt->run.batch))
		err_set(&err, E_STATE, "this run is part of a replay: what it emits nobody hears");
	else if (may_act(attempt, &err) && signal_emit(attempt, line, &err))
		return;
	protocol_refuse(attempt, "emit", &err);
}

static void
on_gate(struct attempt *attempt, const json_t *line)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!may_act(attempt, &err) || !gate_open(attempt, line, &err))
		protocol_refuse(attempt, "gate", &err);
}

static void
on_error(struct attempt *attempt, const json_t *line)
{
	const char *message = json_str(line, "message"), *reason = json_str(line, "reason");
	const json_t *retry = json_object_get(line, "retry");
	double after = json_num(line, "retry_after", -1);

	err_set(&attempt->said, E_INTERNAL, "%s",
		message	 ? message
		: reason ? reason
			 : "the agent reported an error");
	free(attempt->said_reason);
	attempt->said_reason = mem_strdup(reason);
	attempt->said_retry_set = json_is_boolean(retry);
	attempt->said_retry = json_is_true(retry);
	attempt->said_retry_after_ms =
		isfinite(after) && after >= 0
			? (int64_t)((after > 86400 * 7 ? 86400 * 7 : after) * 1000)
			: -1;
}

static void
on_result(struct attempt *attempt, const json_t *line)
{
	json_t *output = json_object_get(line, "output");

	keep_text(&attempt->result, output ? output : json_null());
	free(attempt->result_status);
	attempt->result_status = mem_strdup(json_str(line, "status"));
	attempt->now.has_result = true;
}

static void
on_suspend(struct attempt *attempt, const json_t *line)
{
	(void)line;
	suspend_begin(attempt);
}

/* Kept in the run log, as every line; nothing else follows. */
static void
on_kept(struct attempt *attempt, const json_t *line)
{
	(void)attempt;
	(void)line;
}

static const struct line_type types[] = {
	{"status", on_kept},
	{"token", on_kept, RESPONDS},
	{"step", on_step, WORKS},
	{"tool_start", on_tool, WORKS},
	{"tool_end", on_tool, WORKS},
	{"usage", meter_usage},
	{"checkpoint", on_checkpoint},
	{"change", on_change, WORKS},
	{"approval", on_gate, WORKS},
	{"ask", on_gate, WORKS},
	{"emit", on_emit},
	{"log", on_kept},
	{"suspend", on_suspend},
	{"error", on_error},
	{"result", on_result, RESPONDS},
};

static const struct line_type *
type_find(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(types); i++)
		if (!strcmp(types[i].name, name))
			return &types[i];
	return NULL;
}

static bool
is_last_word(const char *type)
{
	return !strcmp(type, "result") || !strcmp(type, "error") || !strcmp(type, "suspend");
}

/* An agent that is suspended has said its last word; what it used up meanwhile it used. */
static void
type_handle(const struct line_type *type, struct attempt *attempt, const json_t *line)
{
	if (attempt->now.suspended && type->handle != meter_usage)
		return;
	if (type->is != SAYS_NOTHING)
		attempt->now.responds = type->is == RESPONDS;
	if (type->is == WORKS)
		attempt->refused = NULL;
	type->handle(attempt, line);
}

/* What protocol_recall() needs stands in the run log, whatever its bound. */
static bool
is_recalled(const struct attempt *attempt, const char *type)
{
	return is_last_word(type) || (!strcmp(type, "emit") && attempt->now.emitted < EMITS_MAX);
}

/* A row of the run log, up to the bound. */
static void
line_keep(struct attempt *attempt, const char *type, struct str data)
{
	if (++attempt->now.logged < LOG_ROWS_MAX || is_recalled(attempt, type))
		attempt_log(attempt, type, data);
	else if (attempt->now.logged == LOG_ROWS_MAX)
		attempt_log(attempt, "log",
			    STR("{\"type\":\"log\",\"level\":\"warning\",\"text\":\"more lines "
				"came than are kept; the rest is not in this log\"}"));
}

/* What is no object of the protocol is text of the agent. */
static void
line_keep_text(struct attempt *attempt, struct str line, bool truncated)
{
	AUTO(buf_fini) struct buf data = BUF_INIT;

	buf_puts(&data, "{\"type\":\"log\",\"level\":\"info\",\"text\":");
	buf_json_str(&data, line);
	if (truncated)
		buf_puts(&data, ",\"truncated\":true");
	buf_putc(&data, '}');
	line_keep(attempt, "log", buf_str(&data));
}

void
protocol_line(struct attempt *attempt, struct str line, bool truncated)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	const struct line_type *type;

	if (!str_trim(line).len)
		return;
	if (truncated || str_trim(line).p[0] != '{' || !json_read(line, &object, NULL) ||
	    !json_is_object(object)) {
		line_keep_text(attempt, line, truncated);
		return;
	}
	type = type_find(json_str(object, "type"));
	if (!type) {
		line_keep_text(attempt, line, false);
		return;
	}
	line_keep(attempt, type->name, line);
	type_handle(type, attempt, object);
}

struct recall {
	struct attempt *attempt;
	int64_t seq;
};

static bool
on_row(void *arg, const struct log_row *row)
{
	struct recall *recall = arg;
	AUTO(json_auto_decref) json_t *object = NULL;

	recall->seq = row->seq;
	if (row->attempt == recall->attempt->n && !strcmp(row->type, "emit"))
		recall->attempt->now.emitted++;
	if (row->attempt == recall->attempt->n && is_last_word(row->type) &&
	    json_read(str_of(row->data), &object, NULL) && json_is_object(object))
		type_handle(type_find(row->type), recall->attempt, object);
	return true;
}

void
protocol_recall(struct attempt *attempt)
{
	struct recall recall = {attempt, 0};
	int64_t before;

	do
		before = recall.seq;
	while (runlog_list(attempt->core->store, attempt->run.seq, before, RECALL_ROWS, on_row,
			   &recall, NULL) &&
	       recall.seq != before);
}
