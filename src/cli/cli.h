/* Cli: what every verb has in its hands. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_CLI_H
#define ROUSE_CLI_CLI_H

#include <sys/types.h>

#include "cli/client.h"
#include "cli/opt.h"
#include "cli/print.h"

struct cli {
	struct opts opts;
	struct print out;
	struct client *client; /* by cli_client() */
	struct clock *clock;
	int status; /* exit status of a verb that did its work: 1 for a "no" that is no error */
};

/* The whole program: parse, run the verb, say what went wrong. Returns the exit status. */
int cli_main(int argc, char *const *argv);

/* "" for a flag; NULL when not given. The name must be one of the verb's options. */
const char *cli_opt(const struct cli *cli, const char *name);
bool cli_has(const struct cli *cli, const char *name);
/* The i-th argument; NULL behind the last. */
const char *cli_arg(const struct cli *cli, size_t i);
/* --NAME as a duration; def when not given. */
bool cli_duration(const struct cli *cli, const char *name, int64_t def_ms, int64_t *ret_ms,
		  struct err *err);
/* --NAME as a number from least to most; def when not given. */
bool cli_number(const struct cli *cli, const char *name, uint64_t def, uint64_t least,
		uint64_t most, uint64_t *ret, struct err *err);

/* Made at the first call, from --socket ROUSE_SOCKET --url ROUSE_URL --token ROUSE_TOKEN. */
bool cli_client(struct cli *cli, struct client **ret, struct err *err);
/* Whether the daemon is asked over a URL: then its files are not ours. */
bool cli_is_remote(const struct cli *cli);
/* client_get and client_post; path is made from a pattern in which each %s is percent-encoded. */
bool cli_get(struct cli *cli, struct client_reply *ret, struct err *err, const char *pattern, ...)
	__attribute__((format(printf, 4, 5)));
bool cli_post(struct cli *cli, const json_t *body, struct client_reply *ret, struct err *err,
	      const char *pattern, ...) __attribute__((format(printf, 5, 6)));

/* The default file: -c, else SYSCONFDIR/rouse/rouse.conf. */
const char *cli_config(const struct cli *cli);

/* Asks on the terminal; true for yes. With --yes: true at once. Without a terminal and without
 * --yes: E_USAGE, saying that what (revert, apply) wants --yes there. *ret_yes is the answer. */
bool cli_confirm(struct cli *cli, const char *what, const char *question, bool *ret_yes,
		 struct err *err);

/* A value that is JSON, @FILE or FILE, or - for standard input: its text, checked to be JSON. */
bool cli_data(const char *option, const char *value, struct buf *ret, struct err *err);
/* The same, parsed. */
bool cli_data_json(const char *option, const char *value, json_t **ret, struct err *err);

/* Adds name=value to a query: '?' first, then '&'. value NULL: nothing. */
void cli_query(struct buf *path, const char *name, const char *value);
/* --NAME as RFC 3339, from a duration (7d) or an instant; nothing where it is not given. */
bool cli_instant(const struct cli *cli, const char *option, struct buf *ret, struct err *err);
/* --since as RFC 3339, from a duration (7d) or an instant. */
bool cli_query_since(const struct cli *cli, const char *option, const char *name, struct buf *path,
		     struct err *err);

/* Under --json the reply's body, and true. */
bool cli_json(struct cli *cli, const struct client_reply *reply);

/* A listing: pages of path with the verb's filters and paging, as a table or JSON lines. */
struct cli_list {
	const char *path;
	const struct column *columns;
	size_t count;
	const char *empty; /* said on standard error when there is nothing */
};
bool cli_list(struct cli *cli, const struct cli_list *list, struct err *err);

/* All items of a listing (path with its query), every page, at most most; *ret is a new array.
 * E_TOO_LARGE beyond. */
bool cli_fetch_all(struct cli *cli, const char *path, size_t most, json_t **ret, struct err *err);

/* Runs roused with arguments (NULL at the end) after its own name; output and exit status are
 * passed through into cli->status. E_NOT_FOUND when there is no roused. */
bool cli_roused(struct cli *cli, const char *const *args, struct err *err);
/* The same, silently and as user uid (0: as we are; only root can be another): E_CONFIG with all
 * that it said when it does not end with 0. */
bool cli_roused_try(const char *const *args, uid_t uid, struct buf *ret_said, struct err *err);
/* Path of roused: beside this program, ../sbin, $PATH; owned. NULL when there is none: E_NOT_FOUND,
 * with a word on what it is wanted for. */
char *cli_roused_path(const char *what_for, struct err *err);

/* An error's end: "rouse: SENTENCE" on standard error, escaped. */
void cli_complain(const struct err *err);
/* A note on standard error, for people. */
void cli_note(const char *fmt, ...) PRINTF(1, 2);

/* The verbs; verbs.c lists them. */
#define CLI_VERB(name) bool name(struct cli *cli, struct err *err)
CLI_VERB(verb_status);
CLI_VERB(verb_simulate);
CLI_VERB(verb_replay);
CLI_VERB(verb_check);
CLI_VERB(verb_top);
CLI_VERB(verb_doctor);
CLI_VERB(verb_reload);
CLI_VERB(verb_pause);
CLI_VERB(verb_resume);
CLI_VERB(verb_halt);
CLI_VERB(verb_version);
CLI_VERB(verb_help);
CLI_VERB(verb_budget);
CLI_VERB(verb_why);
CLI_VERB(verb_invoke);
CLI_VERB(verb_inbox);
CLI_VERB(verb_notify_list);
CLI_VERB(verb_notify_test);
CLI_VERB(verb_diff);
CLI_VERB(verb_review);
CLI_VERB(verb_sample_plan);
CLI_VERB(verb_sample_show);
CLI_VERB(verb_approve);
CLI_VERB(verb_reject);
CLI_VERB(verb_edit);
CLI_VERB(verb_apply);
CLI_VERB(verb_revert);
CLI_VERB(verb_rebase);
CLI_VERB(verb_trigger_list);
CLI_VERB(verb_trigger_show);
CLI_VERB(verb_trigger_add);
CLI_VERB(verb_trigger_remove);
CLI_VERB(verb_trigger_import);
CLI_VERB(verb_trigger_enable);
CLI_VERB(verb_trigger_disable);
CLI_VERB(verb_trigger_fire);
CLI_VERB(verb_trigger_backfill);
CLI_VERB(verb_trigger_next);
CLI_VERB(verb_trigger_simulate);
CLI_VERB(verb_trigger_test);
CLI_VERB(verb_emit);
CLI_VERB(verb_event_list);
CLI_VERB(verb_event_show);
CLI_VERB(verb_event_replay);
CLI_VERB(verb_batch_list);
CLI_VERB(verb_batch_show);
CLI_VERB(verb_batch_start);
CLI_VERB(verb_batch_pause);
CLI_VERB(verb_batch_resume);
CLI_VERB(verb_batch_cancel);
CLI_VERB(verb_agent_list);
CLI_VERB(verb_agent_show);
CLI_VERB(verb_run_list);
CLI_VERB(verb_run_show);
CLI_VERB(verb_run_logs);
CLI_VERB(verb_run_events);
CLI_VERB(verb_run_cancel);
CLI_VERB(verb_run_retry);
CLI_VERB(verb_run_send);
CLI_VERB(verb_change_list);
CLI_VERB(verb_change_show);
CLI_VERB(verb_dlq_list);
CLI_VERB(verb_dlq_show);
CLI_VERB(verb_dlq_replay);
CLI_VERB(verb_dlq_drop);
CLI_VERB(verb_gate_list);
CLI_VERB(verb_session_list);
CLI_VERB(verb_session_show);
CLI_VERB(verb_session_end);
CLI_VERB(verb_gate_show);
CLI_VERB(verb_gate_approve);
CLI_VERB(verb_gate_deny);
CLI_VERB(verb_gate_edit);
CLI_VERB(verb_gate_respond);
CLI_VERB(verb_gate_ignore);
CLI_VERB(verb_webhook_verify);
CLI_VERB(verb_webhook_sign);
CLI_VERB(verb_cron_next);
CLI_VERB(verb_cron_prev);
CLI_VERB(verb_cron_match);
CLI_VERB(verb_cron_explain);
CLI_VERB(verb_db_backup);
CLI_VERB(verb_db_restore);
CLI_VERB(verb_db_check);
CLI_VERB(verb_db_vacuum);
CLI_VERB(verb_audit_list);
CLI_VERB(verb_token_create);
CLI_VERB(verb_token_list);
CLI_VERB(verb_token_revoke);
#undef CLI_VERB

#endif
