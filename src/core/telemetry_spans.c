/* Telemetry: spans of what is stored. In a thread, through a connection that only reads. */
/* SPDX-License-Identifier: MIT */
#include "core/telemetry_inside.h"

#include "base/json.h"
#include "pure/otlp.h"
#include "store/runs.h"
#include "store/spans.h"

/* An attempt may have 20,000 lines and as many changes. */
#define ATTEMPT_SPANS 2000
#define OPEN_MAX 64
#define BODY_MAX (1 << 20)

struct making {
	struct span_job *job;
	struct store *reader;
	struct buf *out;
};

/* --- events -------------------------------------------------------------------------------- */

/* What woke it, in the words of the conventions for functions and messages. */
static const struct {
	const char *source, *faas;
	enum otlp_kind kind;
} sources[] = {
	{"webhook", "http", OTLP_SERVER},    {"manual", "http", OTLP_SERVER},
	{"poll", "http", OTLP_SERVER},	     {"cron", "timer", OTLP_SERVER},
	{"file", "datasource", OTLP_SERVER}, {"git", "datasource", OTLP_SERVER},
	{"imap", "datasource", OTLP_SERVER}, {"after", "pubsub", OTLP_CONSUMER},
	{"topic", "pubsub", OTLP_CONSUMER},  {"batch", "datasource", OTLP_SERVER},
};

static void
source_of(const char *source, const char **ret_faas, enum otlp_kind *ret_kind)
{
	*ret_faas = "other";
	*ret_kind = OTLP_SERVER;
	for (size_t i = 0; source && i < ARRAY_LEN(sources); i++) {
		if (strcmp(sources[i].source, source) != 0)
			continue;
		*ret_faas = sources[i].faas;
		*ret_kind = sources[i].kind;
	}
}

/* The trace of an event: the caller's, or its own. false: the caller's is unknown. */
static bool
event_trace(const char *id, const char *came_with, struct traceparent *ret)
{
	*ret = (struct traceparent){.flags = 0};
	if (came_with)
		return traceparent_parse(str_of(came_with), ret);
	trace_of_uuid(id, ret->trace);
	return true;
}

static bool
on_event(void *arg, const struct span_event *event)
{
	struct making *making = arg;
	struct span_job *job = making->job;
	struct buf *out = making->out;
	struct traceparent trace, run = {.flags = 0};
	struct otlp_span span = {.start_ms = event->time.ms, .end_ms = event->time.ms};
	bool has_run =
		event->run_traceparent && traceparent_parse(str_of(event->run_traceparent), &run);
	bool together;
	const char *faas;

	if (out->len > BODY_MAX) {
		job->more = true;
		return false;
	}
	job->event = event->seq;
	job->rows++;
	if (!event_trace(event->id, event->traceparent, &trace))
		return true;
	together = has_run && !strcmp(run.trace, trace.trace);
	if (!event->traceparent && (together ? run.flags & TRACE_SAMPLED
					     : trace_is_sampled(trace.trace, job->facts->sample)))
		trace.flags = TRACE_SAMPLED;
	if (!(trace.flags & TRACE_SAMPLED))
		return true;
	source_of(event->source, &faas, &span.kind);
	memcpy(span.trace, trace.trace, sizeof(span.trace));
	memcpy(span.parent, trace.span, sizeof(span.parent));
	span_of_uuid(event->id, span.id);
	if (!strcmp(event->outcome, "rejected")) {
		span.status = OTLP_ERROR;
		span.message = event->rule;
	}
	otlp_span(out, &span, event->source, event->trigger);
	otlp_text(out, "faas.trigger", faas);
	otlp_text(out, "cloudevents.event_id", event->id);
	otlp_text(out, "cloudevents.event_subject", event->subject);
	otlp_text(out, "rouse.event.outcome", event->outcome);
	otlp_text(out, "rouse.event.rule", event->rule && *event->rule ? event->rule : NULL);
	otlp_text(out, "rouse.trigger", *event->trigger ? event->trigger : NULL);
	otlp_text(out, "rouse.source", event->source);
	otlp_text(out, "rouse.run.id", event->run_id);
	/* A replay belongs to a run of another trace. */
	otlp_close(out, has_run && !together ? &run : NULL);
	job->spans++;
	return true;
}

/* --- runs ---------------------------------------------------------------------------------- */

/* A step or a tool whose end is still to come. */
struct opened {
	char *name, *id; /* of the call; NULL */
	char span[SPAN_ID_LEN + 1], parent[SPAN_ID_LEN + 1];
	int64_t start_ms;
};

struct tree {
	struct making *making;
	const struct span_run *run;
	struct otlp_span attempt;
	struct opened steps[OPEN_MAX], tools[OPEN_MAX];
	size_t step_count, tool_count;
	unsigned spans;
};

static void
opened_fini(struct opened *opened)
{
	free(opened->name);
	free(opened->id);
}

/* Closed ones leave a gap that the later ones fill. */
static void
opened_remove(struct opened *list, size_t *count, size_t i)
{
	opened_fini(&list[i]);
	memmove(&list[i], &list[i + 1], (*count - i - 1) * sizeof(*list));
	--*count;
}

/* The latest that it may be the end of: by its id, else by its name, else by being the latest. */
static size_t
opened_find(const struct opened *list, size_t count, const char *id, const char *name)
{
	for (size_t i = count; i > 0; i--) {
		const struct opened *o = &list[i - 1];

		if (id && o->id ? !strcmp(o->id, id) : !name || (o->name && !strcmp(o->name, name)))
			return i - 1;
	}
	return count;
}

static bool
tree_has_room(struct tree *tree)
{
	if (tree->spans < ATTEMPT_SPANS)
		return true;
	tree->making->job->left_out++;
	return false;
}

static void
span_begin(struct tree *tree, const struct opened *opened, int64_t end_ms, const char *error,
	   const char *prefix)
{
	struct otlp_span span = tree->attempt;

	memcpy(span.id, opened->span, sizeof(span.id));
	memcpy(span.parent, opened->parent, sizeof(span.parent));
	span.kind = OTLP_INTERNAL;
	span.start_ms = opened->start_ms;
	span.end_ms = end_ms;
	span.status = error ? OTLP_ERROR : OTLP_UNSET;
	span.message = error;
	otlp_span(tree->making->out, &span, prefix, opened->name);
	tree->making->job->spans++;
	tree->spans++;
}

static void
step_write(struct tree *tree, const struct opened *opened, int64_t end_ms, bool ended)
{
	struct buf *out = tree->making->out;

	if (!tree_has_room(tree))
		return;
	span_begin(tree, opened, end_ms, NULL, "step");
	otlp_text(out, "rouse.step.name", opened->name);
	otlp_text(out, "rouse.unfinished", ended ? NULL : "yes");
	otlp_text(out, "rouse.run.id", tree->run->id);
	otlp_close(out, NULL);
}

/* What a tool was given, and gave, is not told: it may be anything. */
static void
tool_write(struct tree *tree, const struct opened *opened, int64_t end_ms, const char *error,
	   bool ended)
{
	struct buf *out = tree->making->out;

	if (!tree_has_room(tree))
		return;
	span_begin(tree, opened, end_ms, error, "execute_tool");
	otlp_text(out, "gen_ai.operation.name", "execute_tool");
	otlp_text(out, "gen_ai.tool.name", opened->name);
	otlp_text(out, "gen_ai.tool.call.id", opened->id);
	otlp_text(out, "gen_ai.tool.type", "function");
	otlp_text(out, "error.type", error ? "tool_error" : NULL);
	otlp_text(out, "rouse.unfinished", ended ? NULL : "yes");
	otlp_text(out, "rouse.run.id", tree->run->id);
	otlp_close(out, NULL);
}

static struct opened
opened_new(struct tree *tree, const struct log_row *row, const json_t *line, const char *kind)
{
	struct opened opened = {.name = mem_strdup(json_str(line, "name")),
				.id = mem_strdup(json_str(line, "id")),
				.start_ms = row->at.ms};
	const char *parent =
		tree->step_count ? tree->steps[tree->step_count - 1].span : tree->attempt.id;

	span_id_of(kind, tree->run->id, row->seq, opened.span);
	memcpy(opened.parent, parent, sizeof(opened.parent));
	return opened;
}

static void
step_push(struct tree *tree, struct opened opened)
{
	/* More at once than anybody has: the oldest is taken for one that never ends. */
	if (tree->step_count == OPEN_MAX) {
		step_write(tree, &tree->steps[0], opened.start_ms, false);
		opened_remove(tree->steps, &tree->step_count, 0);
	}
	tree->steps[tree->step_count++] = opened;
}

static void
tool_push(struct tree *tree, struct opened opened)
{
	if (tree->tool_count == OPEN_MAX) {
		tool_write(tree, &tree->tools[0], opened.start_ms, NULL, false);
		opened_remove(tree->tools, &tree->tool_count, 0);
	}
	tree->tools[tree->tool_count++] = opened;
}

static void
on_step(struct tree *tree, const struct log_row *row, const json_t *line)
{
	const char *status = json_str(line, "status"), *name = json_str(line, "name");
	size_t i;

	if (!status || strcmp(status, "done") != 0) {
		step_push(tree, opened_new(tree, row, line, "step"));
		return;
	}
	i = opened_find(tree->steps, tree->step_count, NULL, name);
	if (i < tree->step_count) {
		step_write(tree, &tree->steps[i], row->at.ms, true);
		opened_remove(tree->steps, &tree->step_count, i);
	} else {
		struct opened alone = opened_new(tree, row, line, "step");

		step_write(tree, &alone, row->at.ms, true);
		opened_fini(&alone);
	}
}

/* ok false, or an error of any type. */
static char *
tool_error(const json_t *line)
{
	const json_t *error = json_object_get(line, "error"), *ok = json_object_get(line, "ok");

	if (json_is_string(error))
		return mem_strdup(json_string_value(error));
	if (error && !json_is_null(error) && !json_is_false(error))
		return json_member_text(line, "error");
	return json_is_false(ok) ? mem_strdup("the tool failed") : NULL;
}

static void
on_tool(struct tree *tree, const struct log_row *row, const json_t *line)
{
	AUTO(auto_free) char *error = NULL;
	size_t i;

	if (!strcmp(row->type, "tool_start")) {
		tool_push(tree, opened_new(tree, row, line, "tool"));
		return;
	}
	error = tool_error(line);
	i = opened_find(tree->tools, tree->tool_count, json_str(line, "id"),
			json_str(line, "name"));
	if (i < tree->tool_count) {
		tool_write(tree, &tree->tools[i], row->at.ms, error, true);
		opened_remove(tree->tools, &tree->tool_count, i);
	} else {
		struct opened alone = opened_new(tree, row, line, "tool");

		tool_write(tree, &alone, row->at.ms, error, true);
		opened_fini(&alone);
	}
}

static bool
on_line(void *arg, const struct log_row *row)
{
	struct tree *tree = arg;
	AUTO(json_auto_decref) json_t *line = NULL;

	if (!json_read(str_of(row->data), &line, NULL) || !json_is_object(line))
		return true;
	if (!strcmp(row->type, "step"))
		on_step(tree, row, line);
	else
		on_tool(tree, row, line);
	return true;
}

static bool
on_proposed(void *arg, const struct span_change *change)
{
	struct tree *tree = arg;
	struct buf *out = tree->making->out;
	struct otlp_span span = tree->attempt;

	if (!tree_has_room(tree))
		return true;
	memcpy(span.parent, tree->attempt.id, sizeof(span.parent));
	span_id_of("change", change->id, 0, span.id);
	span.kind = OTLP_PRODUCER;
	span.start_ms = span.end_ms = change->created.ms;
	span.status = OTLP_UNSET;
	otlp_span(out, &span, "stage", change->target);
	otlp_text(out, "rouse.change.id", change->id);
	otlp_text(out, "rouse.change.op", change->op);
	otlp_text(out, "rouse.target", change->target);
	otlp_text(out, "rouse.entity", change->entity);
	otlp_text(out, "rouse.run.id", tree->run->id);
	otlp_close(out, NULL);
	tree->making->job->spans++;
	tree->spans++;
	return true;
}

static void
tree_fini(struct tree *tree)
{
	for (size_t i = 0; i < tree->step_count; i++)
		opened_fini(&tree->steps[i]);
	for (size_t i = 0; i < tree->tool_count; i++)
		opened_fini(&tree->tools[i]);
}

/* The attempt itself, then all that happened in it. */
static bool
attempt_write(struct making *making, const struct span_run *run, int64_t seq,
	      const struct attempt_row *attempt, const struct traceparent *trace, struct err *err)
{
	struct tree tree = {.making = making, .run = run};
	struct buf *out = making->out;
	struct wall ended = wall_is_set(attempt->ended) ? attempt->ended : attempt->started;
	bool well = !strcmp(attempt->status, "succeeded") || !strcmp(attempt->status, "suspended");
	char number[16];
	bool ok;

	memcpy(tree.attempt.trace, trace->trace, sizeof(tree.attempt.trace));
	memcpy(tree.attempt.parent, trace->span, sizeof(tree.attempt.parent));
	span_id_of("attempt", run->id, attempt->n, tree.attempt.id);
	tree.attempt.kind = OTLP_INTERNAL;
	tree.attempt.start_ms = attempt->started.ms;
	tree.attempt.end_ms = ended.ms;
	tree.attempt.status = well ? OTLP_OK : OTLP_ERROR;
	tree.attempt.message = attempt->error;
	snprintf(number, sizeof(number), "%d", attempt->n);
	otlp_span(out, &tree.attempt, "attempt", number);
	otlp_int(out, "rouse.attempt", attempt->n);
	otlp_text(out, "rouse.attempt.status", attempt->status);
	otlp_text(out, "error.type", well ? NULL : attempt->reason ? attempt->reason : "failed");
	otlp_text(out, "gen_ai.agent.name", attempt->agent ? attempt->agent : run->agent);
	otlp_text(out, "rouse.run.id", run->id);
	if (attempt->exit_code >= 0)
		otlp_int(out, "process.exit.code", attempt->exit_code);
	otlp_close(out, NULL);
	making->job->spans++;
	ok = spans_lines(making->reader, seq, attempt->n, ATTEMPT_SPANS * 2, on_line, &tree, err) &&
	     spans_changes(making->reader, seq, attempt->started, ended, ATTEMPT_SPANS, on_proposed,
			   &tree, err);
	for (size_t i = 0; ok && i < tree.tool_count; i++)
		tool_write(&tree, &tree.tools[i], ended.ms, NULL, false);
	for (size_t i = 0; ok && i < tree.step_count; i++)
		step_write(&tree, &tree.steps[i], ended.ms, false);
	tree_fini(&tree);
	return ok;
}

static const struct span_agent *
agent_find(const struct span_facts *facts, const char *name)
{
	for (size_t i = 0; i < facts->count; i++)
		if (!strcmp(facts->agents[i].name, name))
			return &facts->agents[i];
	return NULL;
}

static void
usage_write(struct buf *out, const struct span_run *run)
{
	/* What was read from a cache is part of what was given. */
	if (run->input_tokens || run->cache_tokens)
		otlp_int(out, "gen_ai.usage.input_tokens",
			 add_up(run->input_tokens, run->cache_tokens));
	if (run->cache_tokens)
		otlp_int(out, "gen_ai.usage.cache_read.input_tokens", run->cache_tokens);
	if (run->output_tokens)
		otlp_int(out, "gen_ai.usage.output_tokens", run->output_tokens);
	if (run->cost_uusd)
		otlp_real(out, "rouse.cost_usd", (double)run->cost_uusd / 1e6);
	otlp_int(out, "rouse.steps", run->steps);
	otlp_int(out, "rouse.tools", run->tools);
}

/* The whole of it: from its first attempt to its end. */
static void
run_write(struct making *making, const struct span_run *run, const struct traceparent *trace,
	  const char *parent)
{
	const struct span_agent *agent = agent_find(making->job->facts, run->agent);
	struct buf *out = making->out;
	struct wall ended = wall_is_set(run->ended) ? run->ended : run->created;
	struct otlp_span span = {.kind = agent && agent->remote ? OTLP_CLIENT : OTLP_INTERNAL,
				 .start_ms = wall_is_set(run->started) ? run->started.ms : ended.ms,
				 .end_ms = ended.ms,
				 .status = !strcmp(run->status, "failed")      ? OTLP_ERROR
					   : !strcmp(run->status, "succeeded") ? OTLP_OK
									       : OTLP_UNSET,
				 .message = run->error};

	memcpy(span.trace, trace->trace, sizeof(span.trace));
	memcpy(span.id, trace->span, sizeof(span.id));
	memcpy(span.parent, parent, sizeof(span.parent));
	otlp_span(out, &span, "invoke_agent", run->agent);
	otlp_text(out, "gen_ai.operation.name", "invoke_agent");
	otlp_text(out, "gen_ai.provider.name", agent ? agent->provider : "rouse");
	otlp_text(out, "gen_ai.agent.name", run->agent);
	otlp_text(out, "gen_ai.request.model", agent ? agent->model : NULL);
	otlp_text(out, "gen_ai.conversation.id", run->session);
	usage_write(out, run);
	otlp_text(out, "error.type",
		  span.status != OTLP_ERROR ? NULL
		  : run->reason		    ? run->reason
					    : "failed");
	otlp_text(out, "rouse.run.id", run->id);
	otlp_text(out, "rouse.status", run->status);
	otlp_int(out, "rouse.attempts", run->attempts);
	otlp_text(out, "rouse.trigger", *run->trigger ? run->trigger : NULL);
	otlp_text(out, "rouse.mode", run->mode);
	otlp_text(out, "rouse.batch", run->batch);
	otlp_text(out, "rouse.entity", run->entity);
	otlp_text(out, "rouse.tenant", run->tenant);
	otlp_close(out, NULL);
	making->job->spans++;
}

/* From the event to the first attempt; the run hangs below it. ret: its id. */
static void
queue_write(struct making *making, const struct span_run *run, const struct traceparent *trace,
	    struct wall until, bool write, char ret[SPAN_ID_LEN + 1])
{
	struct buf *out = making->out;
	struct traceparent event = {.flags = 0};
	struct otlp_span span = {
		.kind = OTLP_PRODUCER, .start_ms = run->created.ms, .end_ms = until.ms};
	bool known = run->event_id && event_trace(run->event_id, run->event_traceparent, &event);

	span_id_of("queue", run->id, 0, ret);
	if (!write)
		return;
	memcpy(span.trace, trace->trace, sizeof(span.trace));
	memcpy(span.id, ret, sizeof(span.id));
	if (known)
		span_of_uuid(run->event_id, event.span);
	/* A batch has one event, and each of its runs a trace of its own. */
	if (known && !strcmp(event.trace, trace->trace)) {
		memcpy(span.parent, event.span, sizeof(span.parent));
		known = false;
	}
	otlp_span(out, &span, "queue", run->agent);
	otlp_text(out, "messaging.system", "rouse");
	otlp_text(out, "messaging.operation.type", "send");
	otlp_text(out, "messaging.operation.name", "queue");
	otlp_text(out, "messaging.destination.name", run->agent);
	otlp_text(out, "messaging.message.id", run->id);
	otlp_text(out, "rouse.run.id", run->id);
	otlp_close(out, known ? &event : NULL);
	making->job->spans++;
}

static bool
run_due(struct making *making, const struct span_due *due, struct err *err)
{
	AUTO(span_run_fini) struct span_run run = {.id = NULL};
	AUTO(attempt_row_fini) struct attempt_row attempt = {0};
	struct traceparent trace;
	char queue[SPAN_ID_LEN + 1];
	struct wall until;

	if (!spans_run(making->reader, due->run, &run, err))
		return false;
	if (!run.traceparent || !traceparent_parse(str_of(run.traceparent), &trace) ||
	    !(trace.flags & TRACE_SAMPLED))
		return true;
	if (due->attempt &&
	    !attempts_get(making->reader, due->run, (int)due->attempt, &attempt, err))
		return false;
	until = due->attempt ? attempt.started : wall_is_set(run.ended) ? run.ended : run.created;
	queue_write(making, &run, &trace, until,
		    due->attempt == 1 || (!due->attempt && !run.attempts), queue);
	if (due->attempt && !attempt_write(making, &run, due->run, &attempt, &trace, err))
		return false;
	if (due->final)
		run_write(making, &run, &trace, queue);
	return true;
}

/* --- changes ------------------------------------------------------------------------------- */

struct trying {
	struct making *making;
	const struct span_due *due;
	struct err *err;
};

static bool
on_tried(void *arg, const struct span_change *change)
{
	struct trying *trying = arg;
	const struct span_due *due = trying->due;
	struct buf *out = trying->making->out;
	AUTO(span_run_fini) struct span_run run = {.id = NULL};
	struct traceparent trace;
	struct otlp_span span = {.kind = OTLP_CLIENT,
				 .start_ms = due->started.ms,
				 .end_ms = due->ended.ms,
				 .status = due->error ? OTLP_ERROR : OTLP_OK,
				 .message = due->error};
	const char *verb = due->back ? "revert" : "apply";

	if (!spans_run(trying->making->reader, change->run, &run, trying->err) ||
	    !run.traceparent || !traceparent_parse(str_of(run.traceparent), &trace) ||
	    !(trace.flags & TRACE_SAMPLED))
		return false;
	memcpy(span.trace, trace.trace, sizeof(span.trace));
	span_id_of(verb, change->id, due->started.ms, span.id);
	span_id_of("change", change->id, 0, span.parent);
	otlp_span(out, &span, verb, change->target);
	otlp_text(out, "rouse.change.id", change->id);
	otlp_text(out, "rouse.change.op", change->op);
	otlp_text(out, "rouse.change.status", due->status);
	otlp_text(out, "rouse.target", change->target);
	otlp_text(out, "rouse.entity", change->entity);
	otlp_text(out, "rouse.run.id", run.id);
	otlp_text(out, "error.type", due->error ? due->status : NULL);
	otlp_close(out, NULL);
	trying->making->job->spans++;
	return false;
}

/* --- the body ------------------------------------------------------------------------------ */

static bool
on_due(void *arg, const struct span_due *due)
{
	struct making *making = arg;
	struct span_job *job = making->job;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct trying trying = {making, due, &err};
	bool ok;

	if (!job->most || making->out->len > BODY_MAX) {
		job->more = true;
		return false;
	}
	ok = due->run ? run_due(making, due, &err)
		      : spans_change(making->reader, due->change, on_tried, &trying, &err);
	/* What is no longer kept has nothing to tell. */
	if ((!ok || err.code != E_OK) && err.code != E_NOT_FOUND) {
		err_move(&job->err, &err);
		return false;
	}
	job->due = due->seq;
	job->most--;
	job->rows++;
	return true;
}

void
spans_make(void *arg)
{
	struct span_job *job = arg;
	struct making making = {.job = job, .out = &job->body};
	int64_t before = job->event;

	if (!store_open_reader(job->core->store, &making.reader, &job->err))
		return;
	otlp_traces(&job->body, (const char *const *)job->facts->attributes, job->core->version);
	if (spans_each(making.reader, job->due, on_due, &making, &job->err) &&
	    job->err.code == E_OK && job->most)
		spans_events(making.reader, job->event, job->most, on_event, &making, &job->err);
	otlp_end(&job->body);
	job->more |= job->event - before >= (int64_t)job->most;
	store_close(making.reader);
}
