/* The table of verbs. Help, manual and completions are printed from it. */
/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#define OPTIONS(name, ...) static const struct verb_option name[] = {__VA_ARGS__, {NULL}}

const struct verb_option verb_shared[] = {
	{"json", 0, NULL, "print JSON: one object, or one a line for lists"},
	{"no-color", 0, NULL, "no colours (as with the variable NO_COLOR)"},
	{"config", 'c', "FILE", "the daemon's configuration, where a file is needed"},
	{"help", 'h', NULL, "what this verb does"},
	{NULL},
};

const struct verb_option verb_common[] = {
	{"socket", 0, "PATH", "socket of the daemon (ROUSE_SOCKET)"},
	{"url", 0, "URL", "ask a daemon over TCP instead (ROUSE_URL)"},
	{"token", 0, "TOKEN", "bearer token for --url (ROUSE_TOKEN)"},
	{"timeout", 0, "DURATION", "how long to wait for an answer (30s)"},
	{NULL},
};

const struct verb_option verb_paging[] = {
	{"limit", 'n', "N", "at most so many (50)"},
	{"after", 0, "CURSOR", "go on behind this cursor"},
	{"since", 0, "WHEN", "not older than a duration (7d) or an instant (2026-11-20T09:30:00Z)"},
	{NULL},
};

OPTIONS(pause_options, {"agent", 0, "AGENT", "only this agent"},
	{"trigger", 0, "TRIGGER", "only this trigger"},
	{"tenant", 0, "TENANT", "only this tenant"});
OPTIONS(retry_options, {"budget.deadline", 0, "DURATION", "time that it may take"},
	{"budget.steps", 0, "N", "steps, those that it made included"},
	{"budget.tools", 0, "N", "tool calls, likewise"},
	{"budget.tokens", 0, "N", "tokens, likewise"},
	{"budget.context", 0, "N", "tokens of context at once"},
	{"budget.cost", 0, "DOLLARS", "what it may cost, with what it has cost"},
	{"budget.output", 0, "SIZE", "bytes that it may print"});
OPTIONS(reason_options, {"reason", 0, "TEXT", "why; kept with the decision"});
OPTIONS(yes_options, {"yes", 'y', NULL, "do not ask"});
OPTIONS(trigger_add_options,
	{"source", 0, "SOURCE", "webhook, cron, file, imap, git, poll, after, topic, manual"},
	{"agent", 0, "AGENT", "the agent that it wakes"},
	{"verify", 0, "SCHEME",
	 "how a webhook is signed: github, standard, stripe, slack, hmac, bearer, ..."},
	{"set", 0, "KEY=VALUE",
	 "another key of the section; may be repeated. A secret may be @FILE or -"},
	{"plan", 0, NULL, "only show the file that would be written"});
OPTIONS(trigger_import_options,
	{"plan", 0, NULL, "only show the files that would be written, secrets left out"},
	{"dry-run", 0, NULL, "the same as --plan"});
OPTIONS(data_options,
	{"data", 0, "FILE", "the data: FILE or @FILE, - for standard input, or JSON itself"});
OPTIONS(trigger_next_options, {"count", 'n', "N", "how many times (5), at most 1000"},
	{"from", 0, "WHEN", "later than this (now): an instant, a duration ago, or +7d ahead"});
OPTIONS(simulate_options,
	{"from", 0, "WHEN", "later than this: an instant, a duration ago, or +7d ahead"},
	{"to", 0, "WHEN", "up to this, included; +7d is ahead"},
	{"count", 'n', "N", "at most so many times (10000)"});
OPTIONS(simulate_all_options,
	{"from", 0, "WHEN", "later than this: an instant, a duration ago, or +7d ahead"},
	{"to", 0, "WHEN", "up to this, included; +7d is ahead"},
	{"events", 0, "DIR", "stored events, a *.json each, as `rouse event show --json` has them"},
	{"count", 'n', "N", "at most so many times (10000)"});
OPTIONS(replay_options,
	{"agent", 0, "NEW", "the agent that they are run in; the old one measures itself"},
	{"stage", 0, NULL, "propose only, and compare; nothing is ever applied (needed)"},
	{"since", 0, "WHEN", "runs since then: a duration as 7d, or an instant"},
	{"of", 0, "AGENT", "runs of this agent alone"},
	{"trigger", 0, "TRIGGER", "runs of this trigger alone"},
	{"batch", 0, "BATCH", "runs of this batch alone"},
	{"entity", 0, "ENTITY", "runs of this entity alone"},
	{"tenant", 0, "TENANT", "runs of this tenant alone"},
	{"status", 0, "STATUS", "runs that ended so (succeeded and failed)"},
	{"limit", 'n', "N", "the newest so many"},
	{"concurrency", 0, "N", "so many at once (4, or what the agent may)"},
	{"budget.cost", 0, "DOLLARS", "what all of it may cost"},
	{"all", 'a', NULL, "show each difference, not three of a kind"},
	{"plan", 0, NULL, "only say how many, and at what cost; ends with 2"},
	{"yes", 'y', NULL, "do not ask"},
	{"diff", 0, NULL, "of a replay that is there: only compare what it has"},
	{"forget", 0, NULL, "of a replay that is there: let go of all of it"});
OPTIONS(backfill_options, {"from", 0, "TIME", "times after this one (2026-11-20T09:30:00Z)"},
	{"to", 0, "TIME", "up to this one, included"},
	{"overlap", 0, "POLICY", "queue (default), queue_one, skip, cancel_other or allow"},
	{"plan", 0, NULL, "only count them"});
OPTIONS(test_options,
	{"data", 0, "FILE",
	 "the event's data: FILE or @FILE, - for standard input, or JSON itself"},
	{"document", 0, "FILE", "a whole event instead, as `rouse event show --json` has it"});
OPTIONS(invoke_options,
	{"data", 0, "FILE", "the payload: FILE or @FILE, - for standard input, or JSON itself"},
	{"wait", 0, NULL, "wait until the run ends, and print its result; ends as the run does"},
	{"key", 0, "KEY", "idempotency key: the same one never runs twice"},
	{"session", 0, "NAME", "the conversation that this is the next turn of"},
	{"correlation-id", 0, "ID", "to be found again by it"});
OPTIONS(emit_options,
	{"data", 0, "FILE", "what is said: FILE or @FILE, - for standard input, or JSON itself"},
	{"type", 0, "TYPE", "type of the event (rouse.topic)"},
	{"key", 0, "KEY", "idempotency key: the same one wakes a trigger once"});
OPTIONS(batch_start_options, {"limit", 'n', "N", "only the first N entities"},
	{"only", 0, "KEY", "only the entity of this key; may be repeated"},
	{"failed", 0, "BATCH",
	 "those that failed in an earlier batch, with the data they had there"},
	{"skipped", 0, "BATCH", "those that were skipped in an earlier batch, likewise"},
	{"trial", 0, "K", "run K of them, drawn at random, and say what all would cost"},
	{"wait", 'w', NULL, "wait until it runs no more; a bar on a terminal"});
OPTIONS(batch_show_options,
	{"follow", 'f', NULL, "wait until it runs no more; a bar on a terminal"},
	{"entities", 'e', NULL, "list its entities, and what became of each"});
OPTIONS(logs_options, {"follow", 'f', NULL, "go on until the run ends"},
	{"attempt", 0, "N", "standard error of this attempt (the last)"});
OPTIONS(events_options, {"follow", 'f', NULL, "go on until the run ends"},
	{"after", 0, "SEQ", "only those behind this number"});
OPTIONS(diff_options, {"entity", 0, "ENTITY", "only what changes this entity"},
	{"where", 0, "JQ", "only the changes for which this is true"},
	{"group", 0, "GROUP", "only those of this group"},
	{"all", 'a', NULL, "every change, not only some of each group"},
	{"csv", 0, NULL, "a row for each field that changes"},
	{"html", 0, NULL, "one page for a browser that needs nothing else"});
#define SHARE_OPTIONS                                                                              \
	{"confidence", 0, "SHARE", "how sure the sentence is to be (95%)"},                        \
	{                                                                                          \
		"max-defect", 0, "SHARE", "what share may be wrong at most (5%)"                   \
	}
OPTIONS(review_options, {"entity", 0, "ENTITY", "only what changes this entity"},
	{"where", 0, "JQ", "only the changes for which this is true"},
	{"sample", 0, "N", "only N, drawn at random of each group; 0: as many as it takes"},
	{"seed", 0, "NUMBER", "draw another sample; the same number draws the same"}, SHARE_OPTIONS,
	{"import", 0, "FILE", "take decisions from a CSV that rouse review --export wrote"},
	{"export", 0, NULL, "print a CSV with a column for decisions"},
	{"plan", 0, NULL, "with --import: only show what would be decided"});
OPTIONS(sample_options, SHARE_OPTIONS, {"entity", 0, "ENTITY", "only what changes this entity"},
	{"where", 0, "JQ", "only the changes for which this is true"},
	{"group", 0, "GROUP", "only those of this group of the diff"});
OPTIONS(decide_options, {"all", 'a', NULL, "everything that is proposed"},
	{"reason", 0, "TEXT", "why; kept with the decision"},
	{"entity", 0, "ENTITY", "only what changes this entity"},
	{"where", 0, "JQ", "only the changes for which this is true"},
	{"group", 0, "GROUP", "only those of this group of the diff"},
	{"sampled", 0, NULL, "approve: all that the sample speaks for, when it proves enough"},
	{"digest", 0, "HEX", "only if the diff is still the one with this digest"},
	{"plan", 0, NULL, "only show what would be decided"});
OPTIONS(edit_options,
	{"data", 0, "FILE", "the new after: FILE or @FILE, - for standard input, or JSON itself"},
	{"reason", 0, "TEXT", "why; kept with the decision"});
OPTIONS(apply_options, {"all", 'a', NULL, "everything that is approved or failed"},
	{"reason", 0, "TEXT", "why; kept with the decision"},
	{"canary", 0, "N", "of a batch: so many first, and the others when those went well"},
	{"rate", 0, "N/s", "of a batch: no faster than this"},
	{"stop", 0, "SHARE", "of a batch: no further when more than this share failed, as 5%"},
	{"plan", 0, NULL, "only show what would be applied; ends with 2 when there is something"},
	{"yes", 'y', NULL, "do not ask"});
OPTIONS(revert_options,
	{"all", 'a', NULL, "everything that the runs named applied (as without it)"},
	{"reason", 0, "TEXT", "why; kept with the decision"},
	{"canary", 0, "N", "of a batch: so many first, and the others when those went well"},
	{"rate", 0, "N/s", "of a batch: no faster than this"},
	{"stop", 0, "SHARE", "of a batch: no further when more than this share failed, as 5%"},
	{"plan", 0, NULL, "only show what would be undone; ends with 2 when there is something"},
	{"yes", 'y', NULL, "do not ask"});
OPTIONS(rebase_options,
	{"plan", 0, NULL, "only show what is in conflict; ends with 2 when something is"},
	{"yes", 'y', NULL, "do not ask"});
#define DLQ_OPTIONS                                                                                \
	{"all", 'a', NULL, "every dead letter"},                                                   \
		{"since", 0, "TIME", "those that are not older: 2h, 7d, or an instant"},           \
		{"plan", 0, NULL, "only show which"},                                              \
	{                                                                                          \
		"yes", 'y', NULL, "do not ask"                                                     \
	}
OPTIONS(dlq_replay_options,
	{"payload", 0, "FILE",
	 "another payload: FILE or @FILE, - for standard input, or JSON itself"},
	DLQ_OPTIONS);
OPTIONS(dlq_drop_options, {"because", 0, "TEXT", "why; kept with the run"}, DLQ_OPTIONS);
OPTIONS(gate_payload_options,
	{"payload", 0, "FILE",
	 "what it should be: FILE or @FILE, - for standard input, or JSON itself"},
	{"reason", 0, "TEXT", "why; kept with the decision"});
OPTIONS(gate_respond_options, {"text", 0, "TEXT", "the answer as plain text"},
	{"payload", 0, "FILE",
	 "the answer as JSON: FILE or @FILE, - for standard input, or JSON itself"},
	{"reason", 0, "TEXT", "why; kept with the decision"});
#define SCHEME_OPTIONS                                                                             \
	{"scheme", 0, "SCHEME", "github, standard, stripe, slack, hmac, bearer, ..."},             \
		{"secret", 0, "SECRET", "the secret, or file:PATH or env:NAME; may be repeated"},  \
		{"body", 0, "FILE", "the body, byte for byte; - for standard input"},              \
		{"url", 0, "URL", "the URL as the sender wrote it (twilio and others sign it)"},   \
		{"method", 0, "METHOD", "POST unless said"},                                       \
		{"now", 0, "EPOCH", "the time it is, in seconds since 1970"},                      \
	{                                                                                          \
		"set", 0, "KEY=VALUE",                                                             \
			"of hmac: header, algorithm, encoding, prefix, signed, timestamp_header, " \
			"id_header"                                                                \
	}
OPTIONS(webhook_verify_options, SCHEME_OPTIONS,
	{"header", 'H', "'NAME: VALUE'", "a header of the request; may be repeated"},
	{"jsonl", 0, NULL,
	 "read requests from standard input, one a line, and say accept or reject for each"});
OPTIONS(webhook_sign_options, SCHEME_OPTIONS,
	{"id", 0, "ID", "of the delivery, where the scheme signs one"},
	{"curl", 0, "URL", "print a curl command that sends it there"});
#define CRON_OPTIONS                                                                               \
	{"tz", 0, "ZONE", "time zone, as Europe/Berlin (UTC)"},                                    \
		{"trigger", 0, "NAME", "draw H as this trigger does"},                             \
	{                                                                                          \
		"dialect", 0, "NAME", "how EXPR is written: rouse (the default) or quartz"         \
	}
OPTIONS(cron_next_options, CRON_OPTIONS,
	{"from", 0, "WHEN", "the first instant later than this one (now)"},
	{"count", 'n', "N", "how many (5)"},
	{"jsonl", 0, NULL,
	 "read {id,expr,tz,from,count} from standard input, one a line, and answer each"});
OPTIONS(cron_prev_options, CRON_OPTIONS,
	{"from", 0, "WHEN", "the first instant earlier than this one (now)"},
	{"count", 'n', "N", "how many (5)"});
OPTIONS(cron_match_options, CRON_OPTIONS, {"from", 0, "WHEN", "this instant (now)"});
OPTIONS(cron_explain_options, CRON_OPTIONS,
	{"from", 0, "WHEN", "the ten instants later than this one (now)"},
	{"strict", 0, NULL, "refuse what crons read differently"});
OPTIONS(token_create_options,
	{"scope", 0, "SCOPES", "read, invoke, review, apply, admin; comma separated or repeated"},
	{"agent", 0, "AGENT", "it is for this agent, and decides nothing of that agent's runs"},
	{"expires", 0, "WHEN", "a duration from now (90d) or an instant; never when not given"});
OPTIONS(top_options, {"every", 0, "DURATION", "how often it looks (2s)"},
	{"once", 0, NULL, "print one picture of that time, and end"});
OPTIONS(help_hidden_options, {"man", 0, NULL, "print rouse(1)"},
	{"completion", 0, "SHELL", "print completions for bash, fish or zsh"});

const struct verb verb_table[] = {
	{NULL, "status", "", 0, 0, NULL, NULL, 0, "how the daemon is",
	 "Prints what the daemon is doing: health, agents, triggers, what is paused. Ends with 1 "
	 "when it is not ready.",
	 verb_status},
	{NULL, "top", "", 0, 0, top_options, NULL, 0, "what runs, waits, costs and fails, live",
	 "Agents with their queues, rates, cost and breakers, triggers with their health, and what "
	 "runs, on one screen; ? lists the keys. Without a terminal: --once.",
	 verb_top},
	{NULL, "check", "[FILE]", 0, 1, NULL, NULL, VERB_LOCAL, "check the configuration",
	 "Runs roused -t: every error with file, line, key and what was expected. FILE is "
	 "rouse.conf unless named. Ends with 1 when there is an error.",
	 verb_check},
	{NULL, "doctor", "", 0, 0, NULL, NULL, 0, "what is wrong, and what to do about it",
	 "Looks at the configuration on disk against the one in force, at secrets that others can "
	 "read, the state folder, the disk, the clock, descriptors, control groups, the database, "
	 "sources that are dead, breakers, what waits, and shims without a run. Where no daemon "
	 "answers it looks at what can be seen without one. Ends with 1 when something is to be "
	 "mended.",
	 verb_doctor},
	{NULL, "reload", "", 0, 0, NULL, NULL, 0, "read the configuration anew",
	 "A bad file changes nothing: the errors are shown and the old configuration goes on.",
	 verb_reload},
	{NULL, "pause", "", 0, 0, pause_options, NULL, 0, "start nothing new",
	 "What runs goes on. Without an option everything is paused.", verb_pause},
	{NULL, "resume", "", 0, 0, pause_options, NULL, 0, "start again what pause held back",
	 "Without an option it ends a pause of everything, and a halt; what was paused by name is "
	 "resumed by name.",
	 verb_resume},
	{NULL, "halt", "", 0, 0, reason_options, NULL, 0, "stop everything now, what runs as well",
	 "Does not ask. rouse resume ends it.", verb_halt},
	{"trigger", "list", "", 0, 0, NULL, "source agent health", VERB_LIST,
	 "the triggers and how they are",
	 "HEALTH is what each last did: ok, idle (nothing yet), stale (silent for longer than its "
	 "stale_after), failing (LAST ERROR says why) or stopped (disabled, paused, enabled = no). "
	 "NEXT is when its calendar fires, WAITING what is not begun, LAG how long the oldest of "
	 "it "
	 "waits. Known after a restart as before.",
	 verb_trigger_list},
	{"trigger", "show", "TRIGGER", 1, 1, NULL, NULL, 0, "one trigger with its settings", NULL,
	 verb_trigger_show},
	{"trigger", "add", "TRIGGER", 1, 1, trigger_add_options, NULL, 0,
	 "add a trigger to the configuration",
	 "Writes triggers.d/TRIGGER.conf once it is known that it would load, makes a secret where "
	 "one is needed, reloads, and prints the URL, where the secret lies and a curl line that "
	 "works, or what else is next. When a step fails everything is undone, and nothing that is "
	 "there is overwritten. The daemon need not run. rouse trigger add --source SOURCE --help "
	 "lists the keys of a source.",
	 verb_trigger_add},
	{"trigger", "remove", "TRIGGER", 1, 1, yes_options, NULL, 0,
	 "take away a trigger that add made",
	 "Deletes triggers.d/TRIGGER.conf and the secret that add made, and reloads.",
	 verb_trigger_remove},
	{"trigger", "import", "FILE", 1, 1, trigger_import_options, NULL, 0,
	 "take over a hooks file of the `webhook` program",
	 "Writes triggers.d/ID.conf with an agent and a trigger for every hook of a JSON or YAML "
	 "file, secrets beside, once it is known that they would load, and reloads. What cannot be "
	 "carried over is said, a sentence a line; where it decides who is heard, the trigger is "
	 "switched off until you have looked. Nothing is overwritten; when a step fails everything "
	 "is undone.",
	 verb_trigger_import},
	{"trigger", "enable", "TRIGGER...", 1, VERB_MANY, NULL, NULL, 0, "let it fire again",
	 "What its source can still find of the time between (files, mail, refs) is taken in.",
	 verb_trigger_enable},
	{"trigger", "disable", "TRIGGER...", 1, VERB_MANY, NULL, NULL, 0, "keep it from firing",
	 "Outlives restarts and reloads. What was accepted before goes on, and runs; rouse pause "
	 "--trigger keeps that back too.",
	 verb_trigger_disable},
	{"trigger", "fire", "TRIGGER", 1, 1, data_options, NULL, 0, "fire it by hand",
	 "Makes an event as its source would, with the data given; a disabled trigger fires too. "
	 "Prints the run.",
	 verb_trigger_fire},
	{"trigger", "next", "[TRIGGER]", 0, 1, trigger_next_options, NULL, 0,
	 "when it fires next, or which of all",
	 "Without TRIGGER: all that are enabled and follow a calendar, in the order of time.",
	 verb_trigger_next},
	{"trigger", "simulate", "[TRIGGER]", 0, 1, simulate_options, NULL, 0,
	 "what would have fired, between two times",
	 "The calendars of the configuration in force are followed from one time to the other, "
	 "past or future, changes to and from daylight saving included. Nothing runs, nothing is "
	 "kept.",
	 verb_trigger_simulate},
	{"trigger", "backfill", "TRIGGER", 1, 1, backfill_options, NULL, 0,
	 "fire the past times of a schedule",
	 "Each time between --from and --to that has not had its run gets one, in the background "
	 "and in order; at most 10000 at once. The envelope says backfill.",
	 verb_trigger_backfill},
	{"trigger", "test", "TRIGGER", 1, 1, test_options, NULL, 0,
	 "what would it do with this event?",
	 "Shows the filter's verdict, key, entity, payload and envelope. Nothing runs, nothing is "
	 "kept. Ends with 1 when the event would be rejected.",
	 verb_trigger_test},
	{"event", "list", "", 0, 0, NULL, "trigger outcome source key", VERB_LIST, "what happened",
	 NULL, verb_event_list},
	{"event", "show", "EVENT", 1, 1, NULL, NULL, 0, "one event with its document", NULL,
	 verb_event_show},
	{"event", "replay", "EVENT...", 1, VERB_MANY, NULL, NULL, 0,
	 "run an event again, as a new run", NULL, verb_event_replay},
	{"agent", "list", "", 0, 0, NULL, NULL, VERB_LIST, "the agents and what they do", NULL,
	 verb_agent_list},
	{"agent", "show", "AGENT", 1, 1, NULL, NULL, 0, "one agent", NULL, verb_agent_show},
	{NULL, "invoke", "AGENT", 1, 1, invoke_options, NULL, 0, "run an agent",
	 "Prints the run's id at once. With --wait it waits (as long as --timeout says, else 15m), "
	 "prints the result and ends with 0 when the run succeeded, 1 when not.",
	 verb_invoke},
	{"session", "list", "", 0, 0, NULL, "agent tenant name open", VERB_LIST,
	 "conversations of agents", NULL, verb_session_list},
	{"session", "show", "SESSION", 1, 1, NULL, NULL, 0,
	 "one conversation: its turns, its checkpoint, the process that is kept for it",
	 "SESSION is an id, or AGENT/NAME.", verb_session_show},
	{"session", "end", "SESSION...", 1, VERB_MANY, NULL, NULL, 0,
	 "end conversations: what is said next under their names begins new ones",
	 "Refused while a turn is not done: rouse run cancel RUN.", verb_session_end},
	{NULL, "simulate", "", 0, 0, simulate_all_options, NULL, VERB_LOCAL,
	 "play a calendar and stored events against the configuration on disk",
	 "Every schedule, of triggers and of batches, is followed from one time to the other, "
	 "changes to and from daylight "
	 "saving "
	 "included; stored events go through filter, key and entity. Shown are what would fire or "
	 "run, when, what would meet its own run before, and what all would cost at most. Needs no "
	 "daemon; nothing runs, nothing is kept.",
	 verb_simulate},
	{NULL, "replay", "[REPLAY]", 0, 1, replay_options, NULL, 0,
	 "run old runs again in another agent, and compare what both propose",
	 "A regression test for an agent. Says how many runs it would be and what they may cost, "
	 "asks, and runs them with nothing applied: what they propose can never be, what they emit "
	 "nobody hears, nobody is notified, and questions are decided as they were then. Then it "
	 "shows what differs, like differences together. Ends with 0 when all is the same, 1 when "
	 "something differs, failed or is left. Interrupted, or after a crash, rouse replay REPLAY "
	 "goes on; with more --budget.cost too.",
	 verb_replay},
	{NULL, "emit", "TOPIC", 1, 1, emit_options, NULL, 0, "say something on a topic",
	 "Wakes every trigger with source = topic and this topic, as an `emit` line of an agent "
	 "does.",
	 verb_emit},
	{"run", "list", "", 0, 0, NULL, "status agent trigger batch entity tenant key", VERB_LIST,
	 "the runs, newest first", NULL, verb_run_list},
	{"run", "show", "RUN", 1, 1, NULL, NULL, 0, "one run with its attempts", NULL,
	 verb_run_show},
	{"run", "logs", "RUN", 1, 1, logs_options, NULL, 0, "what it said, and its standard error",
	 NULL, verb_run_logs},
	{"run", "events", "RUN", 1, 1, events_options, NULL, 0, "every line of its protocol", NULL,
	 verb_run_events},
	{"run", "cancel", "RUN...", 1, VERB_MANY, reason_options, NULL, 0, "stop it", NULL,
	 verb_run_cancel},
	{"run", "retry", "RUN...", 1, VERB_MANY, retry_options, NULL, 0,
	 "let it go on, from its checkpoint",
	 "A new run takes up what the old one's checkpoint, steps and decisions were. One that a "
	 "budget stopped goes on with what it has used; give it more of what it ran out of.",
	 verb_run_retry},
	{"run", "send", "RUN TEXT", 2, 2, NULL, NULL, 0, "say something to it",
	 "The agent reads {\"type\":\"input\",\"text\":TEXT} on its standard input.",
	 verb_run_send},
	{"change", "list", "", 0, 0, NULL, "run batch target entity status op", VERB_LIST,
	 "what was proposed and what became of it", NULL, verb_change_list},
	{"change", "show", "CHANGE", 1, 1, NULL, NULL, 0, "one change, before and after", NULL,
	 verb_change_show},
	{NULL, "diff", "BATCH|RUN|CHANGE", 1, 1, diff_options, NULL, 0, "what would change",
	 "Groups like changes (same target, op and fields), and puts what needs eyes first: "
	 "conflicts, deletions, runs that did not end well, rare shapes, rare values, large moves, "
	 "low confidence. Counts the values of each field, and shows three changes of each group; "
	 "up "
	 "to fifty are all shown. JQ is any jq program over a change, as --json prints it.",
	 verb_diff},
	{NULL, "review", "BATCH|RUN|CHANGE", 0, 1, review_options, NULL, 0,
	 "decide about changes one by one, on a terminal",
	 "Shows each proposed change, what needs eyes first: accept, reject, edit in EDITOR, skip, "
	 "accept all like this, search, filter, undo; ? lists the keys. What is decided is kept at "
	 "once; it goes on later where it stopped. Without a name: everything that is proposed.",
	 verb_review},
	{"sample", "plan", "[BATCH|RUN|NUMBER]", 0, 1, sample_options, NULL, 0,
	 "how many changes to look at, to say something of all",
	 "By the bound of Clopper and Pearson: for none, one, two ... wrong among them.",
	 verb_sample_plan},
	{"sample", "show", "BATCH|RUN", 1, 1, NULL, NULL, 0, "what the latest sample of it proves",
	 "Wrong is what was rejected or edited. rouse review --sample N draws one.",
	 verb_sample_show},
	{NULL, "approve", "BATCH|RUN|CHANGE...", 0, VERB_MANY, decide_options, NULL, 0,
	 "let proposed changes be applied",
	 "A BATCH or a RUN stands for all its proposed changes. They are approved as they were "
	 "when rouse read them, or as the diff with --digest showed them: when they differ by "
	 "then, nothing is approved, and what differs is said.",
	 verb_approve},
	{NULL, "reject", "BATCH|RUN|CHANGE...", 0, VERB_MANY, decide_options, NULL, 0,
	 "refuse proposed changes", "A BATCH or a RUN stands for all its proposed changes.",
	 verb_reject},
	{NULL, "edit", "CHANGE", 1, 1, edit_options, NULL, 0, "correct a proposed change",
	 "Opens what the change would make in EDITOR; with --data it is replaced without one.",
	 verb_edit},
	{NULL, "apply", "BATCH|RUN|CHANGE...", 0, VERB_MANY, apply_options, NULL, 0,
	 "apply approved changes, and wait for it",
	 "Shows what it would do and asks; without a terminal --yes is needed. Waits (as long as "
	 "--timeout says, else 60s) until each is applied. Ends with 0 when all are applied, 1 on "
	 "a conflict or a failure, 4 when some are still proposed. A batch goes by apply.canary, "
	 "apply.rate and apply.stop of its section, or by --canary, --rate and --stop, in the "
	 "daemon: who stops waiting stops nothing. What it goes by is said with the plan.",
	 verb_apply},
	{NULL, "revert", "BATCH|RUN|CHANGE...", 1, VERB_MANY, revert_options, NULL, 0,
	 "undo applied changes",
	 "Shows what it would undo and asks; without a terminal --yes is needed. Waits (as long as "
	 "--timeout says, else 60s) until each is reverted.",
	 verb_revert},
	{NULL, "rebase", "BATCH|RUN|CHANGE...", 1, VERB_MANY, rebase_options, NULL, 0,
	 "ask the agents again for what is in conflict",
	 "Shows all three sides and asks. Entities of a batch go into a new one of that name, "
	 "other "
	 "events happen once more; what was in conflict is rejected, and its agent proposes anew.",
	 verb_rebase},
	{"batch", "list", "", 0, 0, NULL, "name state", VERB_LIST,
	 "the batches and how far they are", NULL, verb_batch_list},
	{"batch", "show", "BATCH", 1, 1, batch_show_options, "status", VERB_LIST,
	 "one batch: progress, cost, what is remarkable",
	 "BATCH is an id (NAME/START), or a name where one alone is meant: the one that is not "
	 "done, or else the newest. With --entities: what became of each; --status left, running, "
	 "done, skipped or failed.",
	 verb_batch_show},
	{"batch", "start", "NAME", 1, 1, batch_start_options, NULL, 0,
	 "start a batch of the configuration",
	 "Prints its id. A trial stops after K entities and says what the others would cost: rouse "
	 "batch resume goes on with these, rouse batch cancel ends it there. With --wait it ends "
	 "with 1 when the batch failed or was cancelled.",
	 verb_batch_start},
	{"batch", "pause", "BATCH", 1, 1, reason_options, NULL, 0, "start no more of its entities",
	 "What has begun goes on to its end.", verb_batch_pause},
	{"batch", "resume", "BATCH", 1, 1, reason_options, NULL, 0,
	 "go on with one that is paused or failed",
	 "It goes on at the first entity that has not ended; a source that was mended is read on. "
	 "What did not end well until now no longer counts for stop_after.",
	 verb_batch_resume},
	{"batch", "cancel", "BATCH", 1, 1, reason_options, NULL, 0,
	 "end a batch for good, what runs as well", "What was proposed until then stays proposed.",
	 verb_batch_cancel},
	{"dlq", "list", "", 0, 0, NULL, "agent trigger reason entity tenant", VERB_LIST,
	 "the dead letters: failed runs", NULL, verb_dlq_list},
	{"dlq", "show", "RUN", 1, 1, NULL, NULL, 0, "why it failed, and what it said last", NULL,
	 verb_dlq_show},
	{"dlq", "replay", "RUN...", 0, VERB_MANY, dlq_replay_options,
	 "agent trigger reason entity tenant", 0, "run dead letters again",
	 "RUNs by name, or those that the filters leave: these are counted first, and without a "
	 "terminal --yes is needed.",
	 verb_dlq_replay},
	{"dlq", "drop", "RUN...", 0, VERB_MANY, dlq_drop_options,
	 "agent trigger reason entity tenant", 0, "take dead letters off the list",
	 "RUNs by name, or those that the filters leave: these are counted first, and without a "
	 "terminal --yes is needed. The runs themselves stay.",
	 verb_dlq_drop},
	{NULL, "why", "EVENT|RUN|CHANGE|TRIGGER", 1, 1, NULL, NULL, 0, "the whole story, in order",
	 NULL, verb_why},
	{NULL, "inbox", "", 0, 0, NULL, NULL, 0, "all that waits for a person", NULL, verb_inbox},
	{"notify", "list", "", 0, 0, NULL, NULL, 0, "who is told of what, and whether that works",
	 NULL, verb_notify_list},
	{"notify", "test", "NAME", 1, 1, NULL, NULL, 0,
	 "send one message now, and say what became of it", NULL, verb_notify_test},
	{"gate", "list", "", 0, 0, NULL, "run kind status", VERB_LIST,
	 "questions that runs wait for", NULL, verb_gate_list},
	{"gate", "show", "GATE", 1, 1, NULL, NULL, 0, "one question", NULL, verb_gate_show},
	{"gate", "approve", "GATE...", 1, VERB_MANY, reason_options, NULL, 0, "yes", NULL,
	 verb_gate_approve},
	{"gate", "deny", "GATE...", 1, VERB_MANY, reason_options, NULL, 0, "no", NULL,
	 verb_gate_deny},
	{"gate", "edit", "GATE", 1, 1, gate_payload_options, NULL, 0, "yes, but so", NULL,
	 verb_gate_edit},
	{"gate", "respond", "GATE", 1, 1, gate_respond_options, NULL, 0, "answer in words", NULL,
	 verb_gate_respond},
	{"gate", "ignore", "GATE...", 1, VERB_MANY, reason_options, NULL, 0,
	 "go on without an answer", NULL, verb_gate_ignore},
	{"webhook", "verify", "", 0, 0, webhook_verify_options, NULL, VERB_LOCAL,
	 "is this request signed as it should be?",
	 "Ends with 0 when it is accepted, 1 with the reason when not.", verb_webhook_verify},
	{"webhook", "sign", "", 0, 0, webhook_sign_options, NULL, VERB_LOCAL,
	 "sign a body as a provider would", "Prints the headers, or a curl command with them.",
	 verb_webhook_sign},
	{"cron", "next", "[EXPR]", 0, 1, cron_next_options, NULL, VERB_LOCAL, "when it fires next",
	 "EXPR: five, six (seconds first) or seven fields (year last), @daily, @every 90s, or "
	 "'calendar:Mon..Fri 09:00' as systemd writes it.",
	 verb_cron_next},
	{"cron", "prev", "EXPR", 1, 1, cron_prev_options, NULL, VERB_LOCAL,
	 "when it fired last, latest first", NULL, verb_cron_prev},
	{"cron", "match", "EXPR", 1, 1, cron_match_options, NULL, VERB_LOCAL,
	 "does it fire at that instant?", "Ends with 0 when it does, 1 when not.", verb_cron_match},
	{"cron", "explain", "EXPR", 1, 1, cron_explain_options, NULL, VERB_LOCAL,
	 "what it means, in words", NULL, verb_cron_explain},
	{"db", "backup", "PATH", 1, 1, NULL, NULL, 0, "copy the database while it is in use", NULL,
	 verb_db_backup},
	{"db", "restore", "FILE", 1, 1, NULL, NULL, VERB_LOCAL,
	 "put a backup in the place of the database",
	 "While no roused runs. What was there stays beside it. What was accepted since the backup "
	 "is "
	 "not in it.",
	 verb_db_restore},
	{"db", "check", "", 0, 0, NULL, NULL, 0, "is the database sound?",
	 "Ends with 1 when it is not.", verb_db_check},
	{"db", "vacuum", "", 0, 0, NULL, NULL, 0, "give back the space of what was deleted", NULL,
	 verb_db_vacuum},
	{"audit", "list", "", 0, 0, NULL, "by scope object status", VERB_LIST,
	 "who decided and did what, from where, and what was answered",
	 "Of each request that may change something, and of each that was refused. Kept for "
	 "retention.audit; --json with --limit and --since exports it.",
	 verb_audit_list},
	{"token", "create", "[NAME]", 0, 1, token_create_options, NULL, 0, "a token for the API",
	 "It is shown once, and kept only as a hash. Without NAME it is given one.",
	 verb_token_create},
	{"token", "list", "", 0, 0, NULL, NULL, VERB_LIST, "the tokens there are", NULL,
	 verb_token_list},
	{"token", "revoke", "NAME...", 1, VERB_MANY, NULL, NULL, 0,
	 "a token opens nothing any more", NULL, verb_token_revoke},
	{NULL, "budget", "", 0, 0, NULL, NULL, 0, "spent, reserved and left", NULL, verb_budget},
	{NULL, "version", "", 0, 0, NULL, NULL, VERB_LOCAL, "the version of this program", NULL,
	 verb_version},
	{NULL, "help", "[VERB|KEY]", 0, 2, help_hidden_options, NULL, VERB_LOCAL,
	 "this list, a verb, or a key of the configuration",
	 "rouse help run, rouse help run list, rouse help trigger.overlap.", verb_help},
};

const size_t verb_count = ARRAY_LEN(verb_table);
