/* Rows: which member of a struct is which column. */
/* SPDX-License-Identifier: MIT */
#include "store/rows.h"

#include "store/audit.h"
#include "store/notices.h"
#include "store/stmt.h"

#define SHAPE(noun, fields_)                                                                       \
	const struct shape noun##_shape = {fields_, ARRAY_LEN(fields_),                            \
					   sizeof(struct noun##_row)};                             \
	void noun##_row_fini(struct noun##_row *row)                                               \
	{                                                                                          \
		row_fini(&noun##_shape, row);                                                      \
	}                                                                                          \
	_Static_assert(sizeof(struct noun##_row) <= 768, "fits the room of query_each")

#define METERS(row, member, prefix)                                                                \
	FIELD(row, member.active_ms, prefix "active_ms", FIELD_INT),                               \
		FIELD(row, member.steps, prefix "steps", FIELD_INT),                               \
		FIELD(row, member.tools, prefix "tools", FIELD_INT),                               \
		FIELD(row, member.input_tokens, prefix "input_tokens", FIELD_INT),                 \
		FIELD(row, member.output_tokens, prefix "output_tokens", FIELD_INT),               \
		FIELD(row, member.cache_tokens, prefix "cache_tokens", FIELD_INT),                 \
		FIELD(row, member.context, prefix "context", FIELD_INT),                           \
		FIELD(row, member.cost_uusd, prefix "cost_uusd", FIELD_INT),                       \
		FIELD(row, member.output_bytes, prefix "output_bytes", FIELD_INT)

static const struct field event_fields[] = {
	FIELD(event_row, seq, "seq", FIELD_INT),
	FIELD(event_row, id, "id", FIELD_TEXT),
	FIELD(event_row, trigger, "trigger", FIELD_NAME),
	FIELD(event_row, source, "source", FIELD_NAME),
	FIELD(event_row, outcome, "outcome", FIELD_TEXT),
	FIELD(event_row, rule, "rule", FIELD_TEXT),
	FIELD(event_row, key, "key", FIELD_TEXT),
	FIELD(event_row, subject, "subject", FIELD_TEXT),
	FIELD(event_row, time, "time", FIELD_WALL),
	FIELD(event_row, run, "run", FIELD_REF),
	FIELD(event_row, run_id, "run_id", FIELD_TEXT),
	FIELD(event_row, document, "document", FIELD_TEXT),
	FIELD(event_row, traceparent, "traceparent", FIELD_TEXT),
};
SHAPE(event, event_fields);

static const struct field run_fields[] = {
	FIELD(run_row, seq, "seq", FIELD_INT),
	FIELD(run_row, id, "id", FIELD_TEXT),
	FIELD(run_row, event, "event", FIELD_REF),
	FIELD(run_row, event_id, "event_id", FIELD_TEXT),
	FIELD(run_row, trigger, "trigger", FIELD_NAME),
	FIELD(run_row, source, "source", FIELD_TEXT),
	FIELD(run_row, agent, "agent", FIELD_TEXT),
	FIELD(run_row, intent, "intent", FIELD_TEXT),
	FIELD(run_row, mode, "mode", FIELD_TEXT),
	FIELD(run_row, batch, "batch", FIELD_TEXT),
	FIELD(run_row, entity, "entity", FIELD_TEXT),
	FIELD(run_row, tenant, "tenant", FIELD_TEXT),
	FIELD(run_row, user, "user", FIELD_TEXT),
	FIELD(run_row, key, "key", FIELD_TEXT),
	FIELD(run_row, correlation, "correlation", FIELD_TEXT),
	FIELD(run_row, traceparent, "traceparent", FIELD_TEXT),
	FIELD(run_row, trust, "trust", FIELD_TEXT),
	FIELD(run_row, config_commit, "config_commit", FIELD_TEXT),
	FIELD(run_row, session, "session", FIELD_TEXT),
	FIELD(run_row, session_name, "session_name", FIELD_TEXT),
	FIELD(run_row, turn, "turn", FIELD_SMALL),
	FIELD(run_row, root, "root", FIELD_TEXT),
	FIELD(run_row, parent, "parent", FIELD_TEXT),
	FIELD(run_row, hops, "hops", FIELD_SMALL),
	FIELD(run_row, priority, "priority", FIELD_SMALL),
	FIELD(run_row, status, "status", FIELD_TEXT),
	FIELD(run_row, reason, "reason", FIELD_TEXT),
	FIELD(run_row, error, "error", FIELD_TEXT),
	FIELD(run_row, payload, "payload", FIELD_TEXT),
	FIELD(run_row, guise, "guise", FIELD_TEXT),
	FIELD(run_row, schedule, "schedule", FIELD_TEXT),
	FIELD(run_row, result, "result", FIELD_TEXT),
	FIELD(run_row, expect, "expect", FIELD_TEXT),
	FIELD(run_row, checkpoint, "checkpoint", FIELD_TEXT),
	FIELD(run_row, completed_steps, "completed_steps", FIELD_TEXT),
	FIELD(run_row, decisions, "decisions", FIELD_TEXT),
	FIELD(run_row, attempts, "attempts", FIELD_SMALL),
	FIELD(run_row, max_attempts, "max_attempts", FIELD_SMALL),
	FIELD(run_row, created, "created", FIELD_WALL),
	FIELD(run_row, started, "started", FIELD_WALL),
	FIELD(run_row, ended, "ended", FIELD_WALL),
	FIELD(run_row, event_time, "event_time", FIELD_WALL),
	FIELD(run_row, due, "due", FIELD_WALL),
	FIELD(run_row, held, "held", FIELD_TEXT),
	FIELD(run_row, limits.deadline_ms, "limit_deadline_ms", FIELD_INT),
	FIELD(run_row, limits.steps, "limit_steps", FIELD_INT),
	FIELD(run_row, limits.tools, "limit_tools", FIELD_INT),
	FIELD(run_row, limits.tokens, "limit_tokens", FIELD_INT),
	FIELD(run_row, limits.context, "limit_context", FIELD_INT),
	FIELD(run_row, limits.cost_uusd, "limit_cost_uusd", FIELD_INT),
	FIELD(run_row, limits.output_bytes, "limit_output_bytes", FIELD_INT),
	METERS(run_row, used, ""),
	FIELD(run_row, dropped, "dropped", FIELD_BOOL),
	FIELD(run_row, replay_of, "replay_of", FIELD_TEXT),
};
SHAPE(run, run_fields);

static const struct field attempt_fields[] = {
	FIELD(attempt_row, run, "run", FIELD_INT),
	FIELD(attempt_row, n, "n", FIELD_SMALL),
	FIELD(attempt_row, status, "status", FIELD_TEXT),
	FIELD(attempt_row, reason, "reason", FIELD_TEXT),
	FIELD(attempt_row, error, "error", FIELD_TEXT),
	FIELD(attempt_row, agent, "agent", FIELD_TEXT),
	FIELD(attempt_row, executor, "executor", FIELD_TEXT),
	FIELD(attempt_row, exit_code, "exit_code", FIELD_SMALL),
	FIELD(attempt_row, signal, "signal", FIELD_SMALL),
	FIELD(attempt_row, started, "started", FIELD_WALL),
	FIELD(attempt_row, ended, "ended", FIELD_WALL),
	FIELD(attempt_row, lease, "lease", FIELD_WALL),
	FIELD(attempt_row, offset, "offset", FIELD_INT),
	FIELD(attempt_row, worked_ms, "worked", FIELD_INT),
	FIELD(attempt_row, counted_ms, "counted", FIELD_INT),
	FIELD(attempt_row, boot, "boot", FIELD_INT),
	METERS(attempt_row, used, ""),
};
SHAPE(attempt, attempt_fields);

static const struct field log_fields[] = {
	FIELD(log_row, seq, "seq", FIELD_INT),		 FIELD(log_row, run, "run", FIELD_INT),
	FIELD(log_row, attempt, "attempt", FIELD_SMALL), FIELD(log_row, at, "at", FIELD_WALL),
	FIELD(log_row, type, "type", FIELD_TEXT),	 FIELD(log_row, data, "data", FIELD_TEXT),
};
SHAPE(log, log_fields);

static const struct field change_fields[] = {
	FIELD(change_row, seq, "seq", FIELD_INT),
	FIELD(change_row, id, "id", FIELD_TEXT),
	FIELD(change_row, run, "run", FIELD_INT),
	FIELD(change_row, run_id, "run_id", FIELD_TEXT),
	FIELD(change_row, batch, "batch", FIELD_TEXT),
	FIELD(change_row, target, "target", FIELD_TEXT),
	FIELD(change_row, entity, "entity", FIELD_TEXT),
	FIELD(change_row, op, "op", FIELD_TEXT),
	FIELD(change_row, status, "status", FIELD_TEXT),
	FIELD(change_row, before, "before", FIELD_TEXT),
	FIELD(change_row, after, "after", FIELD_TEXT),
	FIELD(change_row, patch, "patch", FIELD_TEXT),
	FIELD(change_row, confidence, "confidence", FIELD_SHARE),
	FIELD(change_row, reason, "reason", FIELD_TEXT),
	FIELD(change_row, key, "key", FIELD_TEXT),
	FIELD(change_row, partial, "partial", FIELD_BOOL),
	FIELD(change_row, digest, "digest", FIELD_TEXT),
	FIELD(change_row, decided_by, "decided_by", FIELD_TEXT),
	FIELD(change_row, decision_reason, "decision_reason", FIELD_TEXT),
	FIELD(change_row, receipt, "receipt", FIELD_TEXT),
	FIELD(change_row, current, "current", FIELD_TEXT),
	FIELD(change_row, previous, "previous", FIELD_TEXT),
	FIELD(change_row, unchecked, "unchecked", FIELD_TEXT),
	FIELD(change_row, error, "error", FIELD_TEXT),
	FIELD(change_row, attempts, "attempts", FIELD_SMALL),
	FIELD(change_row, created, "created", FIELD_WALL),
	FIELD(change_row, decided_at, "decided_at", FIELD_WALL),
	FIELD(change_row, applied_at, "applied_at", FIELD_WALL),
	FIELD(change_row, reverted_at, "reverted_at", FIELD_WALL),
	FIELD(change_row, due, "due", FIELD_WALL),
};
SHAPE(change, change_fields);

static const struct field gate_fields[] = {
	FIELD(gate_row, seq, "seq", FIELD_INT),
	FIELD(gate_row, id, "id", FIELD_TEXT),
	FIELD(gate_row, run, "run", FIELD_INT),
	FIELD(gate_row, run_id, "run_id", FIELD_TEXT),
	FIELD(gate_row, kind, "kind", FIELD_TEXT),
	FIELD(gate_row, step, "step", FIELD_TEXT),
	FIELD(gate_row, payload, "payload", FIELD_TEXT),
	FIELD(gate_row, allow, "allow", FIELD_TEXT),
	FIELD(gate_row, status, "status", FIELD_TEXT),
	FIELD(gate_row, decision, "decision", FIELD_TEXT),
	FIELD(gate_row, decided_by, "decided_by", FIELD_TEXT),
	FIELD(gate_row, reason, "reason", FIELD_TEXT),
	FIELD(gate_row, answer, "answer", FIELD_TEXT),
	FIELD(gate_row, on_timeout, "on_timeout", FIELD_TEXT),
	FIELD(gate_row, created, "created", FIELD_WALL),
	FIELD(gate_row, expires, "expires", FIELD_WALL),
	FIELD(gate_row, decided_at, "decided_at", FIELD_WALL),
};
SHAPE(gate, gate_fields);

static const struct field token_fields[] = {
	FIELD(token_row, name, "name", FIELD_TEXT),
	FIELD(token_row, scopes, "scopes", FIELD_TEXT),
	FIELD(token_row, hash, "hash", FIELD_TEXT),
	FIELD(token_row, agent, "agent", FIELD_TEXT),
	FIELD(token_row, created, "created", FIELD_WALL),
	FIELD(token_row, expires, "expires", FIELD_WALL),
	FIELD(token_row, last_used, "last_used", FIELD_WALL),
	FIELD(token_row, revoked, "revoked", FIELD_BOOL),
};
SHAPE(token, token_fields);

static const struct field notice_fields[] = {
	FIELD(notice_row, seq, "seq", FIELD_INT),
	FIELD(notice_row, notify, "notify", FIELD_TEXT),
	FIELD(notice_row, topic, "topic", FIELD_TEXT),
	FIELD(notice_row, event, "event", FIELD_TEXT),
	FIELD(notice_row, n, "n", FIELD_INT),
	FIELD(notice_row, first, "first", FIELD_WALL),
	FIELD(notice_row, last, "last", FIELD_WALL),
	FIELD(notice_row, data, "data", FIELD_TEXT),
	FIELD(notice_row, message, "message", FIELD_REF),
};
SHAPE(notice, notice_fields);

static const struct field notification_fields[] = {
	FIELD(notification_row, seq, "seq", FIELD_INT),
	FIELD(notification_row, id, "id", FIELD_TEXT),
	FIELD(notification_row, notify, "notify", FIELD_TEXT),
	FIELD(notification_row, state, "state", FIELD_TEXT),
	FIELD(notification_row, attempts, "attempts", FIELD_INT),
	FIELD(notification_row, created, "created", FIELD_WALL),
	FIELD(notification_row, due, "due", FIELD_WALL),
	FIELD(notification_row, done_at, "done_at", FIELD_WALL),
	FIELD(notification_row, error, "error", FIELD_TEXT),
};
SHAPE(notification, notification_fields);

static const struct field audit_fields[] = {
	FIELD(audit_row, seq, "seq", FIELD_INT),
	FIELD(audit_row, at, "at", FIELD_WALL),
	FIELD(audit_row, who, "who", FIELD_TEXT),
	FIELD(audit_row, via, "via", FIELD_TEXT),
	FIELD(audit_row, act, "act", FIELD_TEXT),
	FIELD(audit_row, object, "object", FIELD_TEXT),
	FIELD(audit_row, scope, "scope", FIELD_TEXT),
	FIELD(audit_row, request, "request", FIELD_TEXT),
	FIELD(audit_row, status, "status", FIELD_REF),
	FIELD(audit_row, error, "error", FIELD_TEXT),
};
SHAPE(audit, audit_fields);
