/* The key tables of every section that core knows. Kinds of floor 4 bring their own. SPEC 3. */
/* SPDX-License-Identifier: MIT */
#include "core/tables.h"

#include <grp.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "core/batch.h"
#include "core/review.h"
#include "core/scope.h"
#include "http/proxies.h"
#include "pure/zone.h"

static const struct conf_key daemon_keys[] = {
	{"state_dir", CONF_PATH, LOCALSTATEDIR "/lib/rouse",
	 .help = "folder of the database, run spools and workspaces"},
	{"socket", CONF_PATH, RUNSTATEDIR "/rouse/rouse.sock",
	 .help = "Unix socket of the API; the command line talks to it"},
	{"group", CONF_STRING,
	 .help = "members of this group may use the socket, for what group_may says; root and the "
		 "daemon's own user may everything there"},
	{"group_may", CONF_LIST, "read, review",
	 .help = "scopes of that group: some of read, invoke, review, apply, admin"},
	{"log_level", CONF_ENUM, "info", "error|warning|info|debug", .help = "what is logged"},
	{"log_format", CONF_ENUM, "auto", "auto|text|json|journal", .help = "how log lines look"},
	{"drain_timeout", CONF_DURATION, "30s", .min = 0, .max = 86400000,
	 .help = "how long SIGTERM waits for requests that have begun, for what is being applied "
		 "and for what models are saying"},
	{"cgroup", CONF_STRING, "auto",
	 .help = "where runs of programs get control groups of their own: auto (where systemd "
		 "delegates one), none, or a folder of cgroup version 2"},
	{"runs", CONF_ENUM, "auto", "auto|system|user|own",
	 .help = "who starts runs of programs: system: systemd's manager, each a unit of its own; "
		 "user: the same by the user's manager; own: the daemon; auto: the manager that "
		 "the daemon is a service of, else the daemon"},
	{"model_listen", CONF_HOST_PORT, "127.0.0.1:0",
	 .help = "where agents with meter = proxy ask models; port 0: one that is free, and from "
		 "then on the same"},
	{"lease", CONF_DURATION, "30s", .min = 1000, .max = 3600000,
	 .help = "how long a started run is held before it must be renewed"},
};

static const struct conf_key http_keys[] = {
	{"listen", CONF_STRING, "127.0.0.1:8477",
	 .help = "host:port of the HTTP listener; none disables it"},
	{"public_url", CONF_STRING,
	 .help = "where the outside world reaches the listener (behind a proxy)"},
	{"max_body", CONF_SIZE, "1M", .min = 1024, .max = 1073741824,
	 .help = "largest request body"},
	{"max_header", CONF_SIZE, "16K", .min = 1024, .max = 1048576,
	 .help = "largest request line and fields together"},
	{"header_timeout", CONF_DURATION, "10s", .min = 100, .max = 3600000,
	 .help = "time for a whole request head"},
	{"body_timeout", CONF_DURATION, "30s", .min = 100, .max = 3600000,
	 .help = "time for a whole request body"},
	{"idle_timeout", CONF_DURATION, "60s", .min = 100, .max = 3600000,
	 .help = "how long a kept connection may be silent"},
	{"max_connections", CONF_INT, "4096", .min = 1, .max = 1000000,
	 .help = "connections at once"},
	{"tls_cert", CONF_PATH,
	 .help = "PEM file of the certificate chain; makes the listener TLS"},
	{"tls_key", CONF_PATH, .help = "PEM file of the certificate's key"},
	{"rate_per_ip", CONF_RATE,
	 .help = "requests that one address may make (of IPv6, a network of 64 bits)"},
	{"rate_per_token", CONF_RATE, .help = "requests that may be made with one token"},
	{"trusted_proxies", CONF_LIST,
	 .help = "addresses or networks (10.0.0.0/8) whose X-Forwarded-* is believed"},
};

static const struct conf_key store_keys[] = {
	{"url", CONF_STRING, .help = "sqlite:PATH; default: rouse.db in state_dir"},
	{"commit_window", CONF_DURATION, "0ms", .min = 0, .max = 1000, .flags = CONF_LATER,
	 .help = "how long a commit may wait for company"},
};

static const struct conf_key limits_keys[] = {
	{"max_running", CONF_INT, "256", .min = 1, .max = 100000, .help = "runs at once"},
	{"pool.", CONF_INT, .min = 1, .max = 100000, .flags = CONF_PREFIX,
	 .help = "runs at once of all agents with this pool together"},
	{"max_queued", CONF_INT, "1000000", .min = 1, .max = 1000000000,
	 .help = "runs that may wait"},
	{"queue_full", CONF_ENUM, "reject", "reject|drop_oldest",
	 .help = "what happens to an event when the queue is full"},
	{"queued_alarm", CONF_DURATION, "5m", .min = 1000, .max = 31LL * 86400000,
	 .help = "a run that waits longer is reported"},
	{"stall_timeout", CONF_DURATION, "15m", .min = 1000, .max = 31LL * 86400000,
	 .help = "a run that is silent longer is stopped and tried again"},
};

/* What a run may use. Also the rows budget.* of agents and triggers, with this prefix. */
static const struct conf_key budget_keys[] = {
	{"deadline", CONF_DURATION, "15m", .min = 100, .max = 31LL * 86400000,
	 .help = "time that a run may take"},
	{"steps", CONF_INT, "50", .min = 0, .max = 1000000000, .help = "steps of a run"},
	{"tools", CONF_INT, "100", .min = 0, .max = 1000000000, .help = "tool calls of a run"},
	{"tokens", CONF_INT, "200000", .min = 0, .max = 1000000000000,
	 .help = "tokens of a run, in and out"},
	{"context", CONF_INT, "0", .min = 0, .max = 1000000000,
	 .help = "tokens of context at once; 0: no limit"},
	{"cost", CONF_MONEY, "1.00", .min = 0, .max = 1000000000000,
	 .help = "what a run may cost, US dollars"},
	{"output", CONF_SIZE, "16M", .min = 1024, .max = 1099511627776,
	 .help = "bytes that a run may print"},
	{"cost_per_day", CONF_MONEY, .min = 0, .max = -1,
	 .help = "what all runs of a day may cost"},
	{"cost_per_user_day", CONF_MONEY, "20", .min = 0, .max = -1,
	 .help = "what the runs of one user may cost a day"},
	{"cost_per_tenant_day", CONF_MONEY, .min = 0, .max = -1,
	 .help = "what the runs of one tenant may cost a day"},
	{"tokens_per_day", CONF_INT, .min = 0, .max = -1, .help = "tokens of all runs of a day"},
};

static const struct conf_key tenant_keys[] = {
	{"weight", CONF_INT, "1", .min = 1, .max = 1000,
	 .help = "its share of what may run, beside other tenants"},
	{"max_running", CONF_INT, .min = 1, .max = 100000, .help = "runs of this tenant at once"},
	{"cost_per_day", CONF_MONEY, .min = 0, .max = -1,
	 .help = "what its runs may cost a day; default: budget.cost_per_tenant_day"},
	{"tokens_per_day", CONF_INT, .min = 0, .max = -1, .help = "tokens of its runs a day"},
	{"timezone", CONF_STRING, .help = "IANA zone of its days; default UTC"},
};

static const struct conf_key retention_keys[] = {
	{"runs", CONF_DURATION, "30d", .help = "how long ended runs are kept"},
	{"events", CONF_DURATION, "7d", .help = "how long events are kept"},
	{"idempotency", CONF_DURATION, "7d", .min = 60000, .help = "how long keys are remembered"},
	{"changes", CONF_DURATION, "365d", .help = "how long decided changes are kept"},
	{"logs", CONF_DURATION, "30d", .help = "how long run logs are kept"},
	{"batches", CONF_DURATION, "30d", .min = 60000,
	 .help = "how long ended batches and what became of their entities are kept, where no "
		 "change of theirs is"},
	{"sessions", CONF_DURATION, "30d", .min = 60000,
	 .help = "how long a session that nothing is said in is remembered"},
	{"audit", CONF_DURATION, "365d", .min = 86400000,
	 .help = "how long the audit log and decisions are kept"},
	{"max_db_size", CONF_SIZE, .min = 1 << 20, .max = INT64_MAX,
	 .help = "bytes in use of the database from which on nothing new is taken (503); told of "
		 "at 80 and 95 %"},
};

static const struct conf_key telemetry_keys[] = {
	{"otlp_url", CONF_STRING,
	 .help = "base URL of an OTLP/HTTP receiver, as http://127.0.0.1:4318: traces go as JSON "
		 "to /v1/traces below it, lines of the log to /v1/logs"},
	{"otlp_header.", CONF_SECRET, .flags = CONF_PREFIX,
	 .help = "otlp_header.NAME = cred:NAME or the like: a header that is sent along, as "
		 "Authorization"},
	{"otlp_timeout", CONF_DURATION, "10s", .min = 100, .max = 600000,
	 .help = "how long one request may take"},
	{"otlp_delay", CONF_DURATION, "1s", .min = 10, .max = 600000,
	 .help = "how long what ended waits for company"},
	{"otlp_queue", CONF_INT, "100000", .min = 1, .max = 100000000,
	 .help = "runs, changes and events that may wait for a receiver that is away; what is "
		 "beyond is counted and not told"},
	{"traces", CONF_BOOL, "yes", .help = "send spans of events, runs and changes?"},
	{"logs", CONF_ENUM, "info", "none|error|warning|info|debug",
	 .help = "lines of the log that are sent: this level and what is worse"},
	{"sample", CONF_RATIO, "1",
	 .help = "share of the traces begun here that are sent; a "
		 "caller's own traceparent decides for itself"},
	{"service", CONF_STRING, "rouse", .help = "service.name of what is sent"},
	{"attribute.", CONF_STRING, .flags = CONF_PREFIX,
	 .help = "attribute.NAME = VALUE: said of this daemon with all that is sent, as "
		 "deployment.environment.name"},
};

#define BUDGET_OVERRIDES                                                                           \
	{"budget.deadline", CONF_DURATION, .min = 100, .max = 31LL * 86400000,                     \
	 .help = "time that a run may take"},                                                      \
		{"budget.steps", CONF_INT, .min = 0, .max = 1000000000, .help = "steps of a run"}, \
		{"budget.tools", CONF_INT, .min = 0, .max = 1000000000,                            \
		 .help = "tool calls of a run"},                                                   \
		{"budget.tokens", CONF_INT, .min = 0, .max = 1000000000000,                        \
		 .help = "tokens of a run, in and out"},                                           \
		{"budget.context", CONF_INT, .min = 0, .max = 1000000000,                          \
		 .help = "tokens of context at once; 0: no limit"},                                \
		{"budget.cost", CONF_MONEY, .min = 0, .max = 1000000000000,                        \
		 .help = "what a run may cost, US dollars"},                                       \
	{                                                                                          \
		"budget.output", CONF_SIZE, .min = 1024, .max = 1099511627776,                     \
					    .help = "bytes that a run may print"                   \
	}

#define RETRY_KEYS(tries)                                                                            \
	{"retry.attempts", CONF_INT, tries, .min = 1, .max = 1000, .help = "attempts in all"},       \
		{"retry.base", CONF_DURATION,	"1s",                                                \
		 .min = 1,     .max = 86400000, .help = "wait before the second attempt"},           \
		{"retry.factor", CONF_INT,   "2",                                                    \
		 .min = 1,	 .max = 100, .help = "each wait is this many times the one before"}, \
		{"retry.cap", CONF_DURATION,	"5m",                                                \
		 .min = 1,    .max = 604800000, .help = "longest wait"},                             \
	{                                                                                            \
		"retry.jitter", CONF_ENUM, "full", "full|none",                                      \
			.help = "full: a random part of the wait"                                    \
	}

#define BREAKER_KEYS                                                                                 \
	{"breaker.threshold", CONF_RATIO, "50%",                                                     \
	 .help = "share of failures above which it is left alone for a while"},                      \
		{"breaker.window", CONF_DURATION,   "60s",                                           \
		 .min = 100,	   .max = 86400000, .help = "time over which failures are counted"}, \
		{"breaker.min",	 CONF_INT,                                                           \
		 "10",		 .min = 1,                                                           \
		 .max = 1000000, .help = "outcomes in that time, below which nothing is concluded"}, \
	{                                                                                            \
		"breaker.cooldown", CONF_DURATION, "5m",                                             \
			.min = 100, .max = 604800000,                                                \
			.help = "how long it is left alone, before one is tried"                     \
	}

static const struct conf_key model_keys[] = {
	{"input_price", CONF_MONEY, .min = 0, .max = -1,
	 .help = "US dollars for a million tokens in"},
	{"output_price", CONF_MONEY, .min = 0, .max = -1,
	 .help = "US dollars for a million tokens out"},
	{"cache_read_price", CONF_MONEY, .min = 0, .max = -1,
	 .help = "US dollars for a million tokens read from a cache; default: input_price"},
	{"cache_write_price", CONF_MONEY, .min = 0, .max = -1,
	 .help = "US dollars for a million tokens written to a cache; default: input_price"},
	{"url", CONF_STRING,
	 .help = "base URL of its provider's API, as the provider's own libraries take it: agents "
		 "with meter = proxy reach the model there"},
	{"key", CONF_SECRET, .help = "the key of that API; agents do not see it"},
	{"max_output", CONF_INT, "16384", .min = 1, .max = 10000000,
	 .help = "tokens of an answer that are set aside where a request does not say its most"},
	{"timeout", CONF_DURATION, "15m", .min = 1000, .max = 86400000,
	 .help = "longest time that one answer may take"},
	BREAKER_KEYS,
};

static const struct conf_key agent_keys[] = {
	{"kind", CONF_STRING, .flags = CONF_REQUIRED, .help = "exec, or another kind of executor"},
	{"concurrency", CONF_INT, "4", .min = 1, .max = 100000,
	 .help = "runs of this agent at once"},
	{"pool", CONF_STRING,
	 .help = "agents of one pool share its size: limits.pool.LABEL, or else the largest "
		 "concurrency among them"},
	BUDGET_OVERRIDES,
	RETRY_KEYS("3"),
	BREAKER_KEYS,
	{"fallback", CONF_NAME, .choices = "agent",
	 .help = "agent that carries its runs while its breaker is open"},
	{"targets", CONF_NAME_LIST, .choices = "target",
	 .help = "targets that its runs may propose changes for"},
	{"meter", CONF_ENUM, "reported", "reported|proxy",
	 .help = "reported: what it says that it used; proxy: it asks models through an endpoint "
		 "of ours, which counts"},
	{"models", CONF_NAME_LIST, .choices = "model",
	 .help = "models that it may ask with meter = proxy; default: all that have a url"},
	{"gate_timeout", CONF_DURATION, .min = 0, .max = 366LL * 86400000,
	 .help = "how long its questions to people wait for an answer where they name no time; "
		 "default: for ever"},
	{"on_timeout", CONF_ENUM, "deny", "deny|approve|ignore|fail",
	 .help = "what a question becomes that nobody answers in time: deny: the agent hears "
		 "timeout, and it is no approval; approve: it is approved, after gate_timeout at "
		 "the earliest; ignore: the agent goes on without; fail: the run ends "
		 "(gate_timeout)"},
	{"min_trust", CONF_ENUM, "untrusted", "untrusted|authenticated|trusted",
	 .help = "least trust of an event that may wake it"},
	{"untrusted.targets", CONF_NAME_LIST, .choices = "target",
	 .help = "of its targets, those that runs may propose for whose trust is untrusted; empty: "
		 "none; default: all"},
	{"untrusted.mode", CONF_ENUM, .choices = "stage",
	 .help = "stage: runs whose trust is untrusted stage their changes, whatever the trigger "
		 "says"},
};

static const struct conf_key trigger_keys[] = {
	{"source", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "what wakes: webhook, cron, manual, ..."},
	{"agent", CONF_NAME, .choices = "agent", .flags = CONF_REQUIRED,
	 .help = "agent that is woken"},
	{"intent", CONF_STRING, .help = "what the agent is to do; default: the trigger's name"},
	{"enabled", CONF_BOOL, "yes", .help = "no: the trigger is there but does not fire"},
	{"filter", CONF_JQ, .help = "jq over the event: false or empty, and nothing runs"},
	{"key", CONF_JQ,
	 .help = "jq over the event: the idempotency key; default: the source's natural one"},
	{"entity", CONF_JQ,
	 .help = "jq over the event: what the run is about; runs of one entity go one at a time"},
	{"session", CONF_JQ,
	 .help = "jq over the event: the conversation that it belongs to; its runs are turns of "
		 "one session"},
	{"tenant", CONF_JQ, .help = "jq over the event: whose run it is"},
	{"user", CONF_JQ, .help = "jq over the event: for whom it is"},
	{"subject", CONF_JQ, .help = "jq over the event: the event's subject"},
	{"payload", CONF_JQ, .help = "jq over the event: what the agent gets; default .data"},
	{"priority", CONF_ENUM, "normal", "high|normal|low", .help = "which runs go first"},
	{"overlap", CONF_ENUM, .choices = "queue|queue_one|skip|cancel_other|allow",
	 .help = "what happens while a run of the same trigger and entity is not done"},
	{"debounce", CONF_DURATION, .min = 1, .max = 86400000,
	 .help = "quiet that events wait for, to be one run with all their payloads "
		 "(payload.events)"},
	{"debounce_max", CONF_DURATION, .min = 1, .max = 7LL * 86400000,
	 .help = "longest wait for quiet; default: 10 times debounce"},
	{"collect", CONF_RATE,
	 .help = "events of one run, and how long they are waited for: 100/10s"},
	{"expect", CONF_JQ,
	 .help = "jq over {result, changes, files, exit} of a run: false or empty, and it has "
		 "failed (no_effect)"},
	{"rate", CONF_RATE, .help = "events that it takes; more are shed with 429"},
	{"stale_after", CONF_DURATION, .min = 1000, .max = 366LL * 86400000,
	 .help = "silence that is an alarm: without an event for so long its health is stale"},
	{"mode", CONF_ENUM, .choices = "apply|stage",
	 .help = "apply: changes are approved as they arrive; stage: a person decides; default: "
		 "stage where trust is untrusted"},
	REVIEW_KEYS,
	{"trust", CONF_ENUM, .choices = "untrusted|authenticated|trusted",
	 .help = "how far the author of the payload is known; default: the source's own"},
	{"max_hops", CONF_INT, "8", .min = 0, .max = 1000,
	 .help = "longest chain of events that its own runs give rise to"},
	BUDGET_OVERRIDES,
};

static const struct conf_key target_keys[] = {
	{"kind", CONF_STRING, .flags = CONF_REQUIRED, .help = "sql, http, exec, ..."},
	{"timeout", CONF_DURATION, "30s", .min = 10, .max = 3600000,
	 .help = "time for one application"},
	RETRY_KEYS("6"),
	BREAKER_KEYS,
};

static const struct conf_key notify_keys[] = {
	{"kind", CONF_STRING, .flags = CONF_REQUIRED, .help = "how it is told: exec, http or smtp"},
	{"on", CONF_ENUM_LIST,
	 "gate, batch_ready, breaker_open, budget, queue, source, lost, failed, stalled",
	 "gate|batch_ready|breaker_open|budget|store|queue|source|lost|failed|stalled",
	 .help = "what is told: questions (gate), batches to review, breakers that open, budgets "
		 "nearly or wholly spent, runs that wait too long (queue), triggers that are "
		 "failing or silent (source), runs that were lost, runs that failed for good, runs "
		 "stopped for their silence (stalled)"},
	{"agents", CONF_NAME_LIST, .choices = "agent",
	 .help = "only what is of these agents; default: of any, and of none"},
	{"triggers", CONF_NAME_LIST, .choices = "trigger",
	 .help = "only what is of these triggers; default: of any, and of none"},
	{"tenants", CONF_LIST,
	 .help = "only what is of these tenants; default: of any, and of none"},
	{"gather", CONF_DURATION, "2s", .min = 0, .max = 86400000,
	 .help = "how long the first of several things waits for others, to be one message"},
	{"rate", CONF_RATE, "12/m",
	 .help = "most messages; what happens in between is one message"},
	{"timeout", CONF_DURATION, "30s", .min = 100, .max = 600000, .help = "time for one try"},
	{"links", CONF_BOOL, "yes",
	 .help = "may messages have links that approve or deny a question? Whoever has one "
		 "decides; "
		 "they need http.public_url"},
	RETRY_KEYS("12"),
};

static const struct conf_key batch_keys[] = {
	{"agent", CONF_NAME, .choices = "agent", .flags = CONF_REQUIRED,
	 .help = "agent that runs once for each entity"},
	{"entities", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "where they come from: csv:PATH, jsonl:PATH, sql:URL QUERY, exec:COMMAND "
		 "or http:URL"},
	{"entity_key", CONF_STRING,
	 .help = "what names an entity: a column or member (default id), or a path, as "
		 ".account.id"},
	{"entities_timeout", CONF_DURATION, "60s", .min = 100, .max = 86400000,
	 .help = "a source of entities that is silent for so long is given up"},
	{"delimiter", CONF_STRING, ",",
	 .help = "csv: what separates fields: one character, or tab, semicolon, pipe, space"},
	{"env", CONF_LIST, .help = "exec: NAME=VALUE in its environment"},
	{"pass_env", CONF_LIST, .help = "exec: what it gets of the daemon's own environment"},
	{"header.", CONF_STRING, .flags = CONF_PREFIX,
	 .help = "http: header.NAME = VALUE, sent with every request"},
	{"auth", CONF_SECRET, .help = "http: sent as Authorization: Bearer"},
	{"items", CONF_STRING,
	 .help = "http: path of the array in each page; default: the page itself, or its items"},
	{"next", CONF_STRING, ".next",
	 .help = "http: path of the next page's URL or cursor, where no Link header says"},
	{"next_param", CONF_STRING, "after",
	 .help = "http: parameter of the URL that a cursor goes into"},
	{"allow_private", CONF_BOOL, "no",
	 .help = "http: may the url lead to loopback or private addresses?"},
	{"schedule", CONF_STRING, .help = "when it starts by itself, written as a cron trigger's"},
	{"timezone", CONF_STRING, .help = "IANA zone of the schedule; default UTC"},
	{"enabled", CONF_BOOL, "yes", .help = "no: its schedule starts nothing"},
	{"concurrency", CONF_INT, .min = 1, .max = 10000,
	 .help = "entities at once; default: the agent's"},
	{"mode", CONF_ENUM, "stage", "stage|apply",
	 .help = "stage: what is proposed waits for review; apply: it is approved as it arrives"},
	{"order", CONF_ENUM, "source", "source|random",
	 .help = "source: as they come; random: shuffled, once all are read"},
	{"intent", CONF_STRING, .help = "what the agent is to do; default: the batch's name"},
	{"tenant", CONF_STRING, .help = "whose runs they are"},
	{"priority", CONF_ENUM, "low", "high|normal|low", .help = "which runs go first"},
	{"on_failure", CONF_ENUM, "continue", "continue|stop",
	 .help = "what happens when entities do not end well"},
	{"stop_after", CONF_STRING,
	 .help = "on_failure = stop: so many entities (default 1), or this share of them (5%)"},
	REVIEW_KEYS,
	{"sample", CONF_INT, .min = 1, .max = 1000000,
	 .help = "changes that a review by sample looks at; default: as many as it takes"},
	{"apply.canary", CONF_INT, "0", .min = 0, .max = 1000000,
	 .help = "so many changes are applied first; the others when those went well"},
	{"apply.rate", CONF_RATE, .help = "changes applied in a time, as 100/s"},
	{"apply.stop", CONF_RATIO, "10%",
	 .help = "share of changes that fail, above which applying stops"},
	BUDGET_OVERRIDES,
	{"batch_budget.cost", CONF_MONEY, .min = 0, .max = -1,
	 .help = "what all runs of a batch may cost, US dollars"},
	{"batch_budget.tokens", CONF_INT, .min = 0, .max = -1,
	 .help = "tokens of all runs of a batch"},
	{"batch_budget.deadline", CONF_DURATION, .min = 1000, .max = 366LL * 86400000,
	 .help = "how long a batch may go; pauses do not count"},
};

#define TABLE(id, kind, is_named, what)                                                            \
	static const struct conf_table id##_table = {.section = kind,                              \
						     .named = is_named,                            \
						     .keys = id##_keys,                            \
						     .count = ARRAY_LEN(id##_keys),                \
						     .help = what}

/* Who comes by the socket. */
static void
group_check(const struct conf_section *section, struct conf_report *report)
{
	const char *group = conf_str(section, "group");
	const char *const *may;
	size_t count = conf_list(section, "group_may", &may);

	if (conf_is_set(section, "group_may") && !group)
		conf_complain(report, section, "group_may",
			      "is for members of group, which is not set");
	if (group && !getgrnam(group))
		conf_warn(report, section, "group",
			  "%s is no group of this system; root and the daemon's own user alone may "
			  "use the socket",
			  group);
	for (size_t i = 0; i < count; i++) {
		if (!scope_is_known(str_of(may[i])))
			conf_complain(report, section, "group_may",
				      "%s; expected some of read, invoke, review, apply, admin",
				      may[i]);
		else if (group && !strcmp(may[i], "admin"))
			conf_warn(report, section, "group_may",
				  "every member of group %s may administer", group);
	}
}

/* Keys of runs open it, and models' keys stand behind it. */
static void
daemon_check(const struct conf_section *section, struct conf_report *report)
{
	struct str listen = str_of(conf_str(section, "model_listen"));

	if (listen.p && !str_starts(listen, STR("127.")) && !str_starts(listen, STR("[::1]:")) &&
	    !str_eq_cstr(listen, "none"))
		conf_complain(report, section, "model_listen",
			      "%s is not of this machine alone; expected 127.0.0.1:PORT, "
			      "[::1]:PORT or none",
			      listen.p);
	group_check(section, report);
}

static const struct conf_table daemon_table = {.section = "daemon",
					       .named = false,
					       .keys = daemon_keys,
					       .count = ARRAY_LEN(daemon_keys),
					       .check = daemon_check,
					       .help = "the daemon itself"};

static void
tenant_check(const struct conf_section *section, struct conf_report *report)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(zone_auto_free) struct zone *zone = NULL;
	const char *name = conf_str(section, "timezone");

	if (name && !zone_load(str_of(name), &zone, &err))
		conf_complain(report, section, "timezone", "%s", err_text(&err));
}

static const struct conf_table tenant_table = {.section = "tenant",
					       .named = true,
					       .keys = tenant_keys,
					       .count = ARRAY_LEN(tenant_keys),
					       .check = tenant_check,
					       .help = "one of those for whom runs are"};

static void
model_check(const struct conf_section *section, struct conf_report *report)
{
	struct str url = str_of(conf_str(section, "url"));

	if (!url.p) {
		if (conf_is_set(section, "key"))
			conf_complain(report, section, "key",
				      "is for what is asked at url, which is not set");
		return;
	}
	if ((!str_starts(url, STR("http://")) && !str_starts(url, STR("https://"))) ||
	    strpbrk(url.p, " @?#") || url.len > 1024)
		conf_complain(report, section, "url",
			      "%.100s; expected the base URL of an API, as "
			      "https://api.anthropic.com or https://api.openai.com/v1",
			      url.p);
}

static const struct conf_table model_table = {.section = "model",
					      .named = true,
					      .keys = model_keys,
					      .count = ARRAY_LEN(model_keys),
					      .check = model_check,
					      .help = "what a model costs, where it is asked"};

static void
http_check(const struct conf_section *section, struct conf_report *report)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str url = str_of(conf_str(section, "public_url"));
	struct proxies *proxies = NULL;
	const char *const *items;
	size_t count = conf_list(section, "trusted_proxies", &items);

	if (!proxies_new(items, count, &proxies, &err))
		conf_complain(report, section, "trusted_proxies", "%s", err_text(&err));
	proxies_free(proxies);
	if (url.p && !str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
		conf_complain(report, section, "public_url",
			      "%s; expected a URL, as https://rouse.example.com", url.p);
}

static const struct conf_table http_table = {.section = "http",
					     .keys = http_keys,
					     .count = ARRAY_LEN(http_keys),
					     .check = http_check,
					     .help = "the HTTP listener"};
TABLE(store, "store", false, "the database");
TABLE(limits, "limits", false, "how much at once");
TABLE(budget, "budget", false,
      "what every run may use where nothing else is said, and what a day may cost");
TABLE(retention, "retention", false, "how long things are kept");

static void
telemetry_check(const struct conf_section *section, struct conf_report *report)
{
	struct str url = str_of(conf_str(section, "otlp_url"));

	if (url.p && !str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
		conf_complain(report, section, "otlp_url",
			      "%s; expected a URL, as http://127.0.0.1:4318", url.p);
	else if (url.p && strpbrk(url.p, "?# \t"))
		conf_complain(report, section, "otlp_url",
			      "%s has more than scheme, host and path; expected a URL that "
			      "/v1/traces can stand behind, as http://127.0.0.1:4318",
			      url.p);
}

static const struct conf_table telemetry_table = {.section = "telemetry",
						  .keys = telemetry_keys,
						  .count = ARRAY_LEN(telemetry_keys),
						  .check = telemetry_check,
						  .help = "traces and logs for a collector"};

/* Else an agent that says `timeout: 0` would approve its own question. */
static void
agent_check(const struct conf_section *section, struct conf_report *report)
{
	if (!strcmp(conf_str(section, "on_timeout"), "approve") &&
	    !conf_is_set(section, "gate_timeout"))
		conf_complain(report, section, "on_timeout",
			      "approve needs a time that people have in any case; add "
			      "gate_timeout = 1h");
}

static const struct conf_table agent_table = {.section = "agent",
					      .named = true,
					      .keys = agent_keys,
					      .count = ARRAY_LEN(agent_keys),
					      .check = agent_check,
					      .help = "a named executor"};
TABLE(trigger, "trigger", true, "something that wakes an agent");
TABLE(target, "target", true, "a named place that changes are applied to");
TABLE(notify, "notify", true, "someone who is told of what happens");

static const struct conf_table batch_table = {
	.section = "batch",
	.named = true,
	.keys = batch_keys,
	.count = ARRAY_LEN(batch_keys),
	.check = batch_check,
	.help = "a job that runs one agent over many entities",
	.hint = "rouse batch start {name} --trial 20 tries it on twenty of them."};

static const struct conf_table *const tables[] = {
	&daemon_table,	  &http_table,	    &store_table, &limits_table,  &budget_table,
	&retention_table, &telemetry_table, &agent_table, &trigger_table, &notify_table,
	&target_table,	  &tenant_table,    &model_table, &batch_table};

void
tables_add(struct conf_schema *schema)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		conf_schema_add(schema, tables[i]);
}
