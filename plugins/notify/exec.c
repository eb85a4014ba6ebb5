/* Notifications by a program of one's own: it gets the message on standard input. */
/* SPDX-License-Identifier: MIT */
#include "plugins/env.h"
#include "plugins/notify/notify.h"
#include "plugins/targets/child.h"
#include "pure/exits.h"

#define SENTENCE_BYTES 400

static void
exec_check(const struct conf_section *section, struct conf_report *report)
{
	command_check(section, "command", report);
	env_check(section, report);
}

static const struct conf_key keys[] = {
	{"command", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "gets the message on standard input; exit status 0 told, 64 65 66 69 77 78 never, "
		 "any other try again; no shell runs it"},
	{"input", CONF_ENUM, "text", "text|json",
	 .help = "what it gets there: the text for people, or everything as JSON"},
	PROGRAM_WORKDIR_KEY,
	PROGRAM_ENV_KEYS,
};

static const struct conf_table table = {
	.section = "notify",
	.named = true,
	.selector = "kind",
	.value = "exec",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = exec_check,
	.help = "told by a program",
};

static void
on_child(void *arg, const struct child_result *child)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct notify_result result = {.sent = child->exit_code == 0 && !child->timed_out,
				       .never = exit_is_permanent(child->exit_code)};
	struct str words = str_trim(child->err);
	const char *colon = words.len ? ": " : "";

	if (words.len > SENTENCE_BYTES)
		words = str_make(words.p + words.len - SENTENCE_BYTES, SENTENCE_BYTES);
	if (child->timed_out)
		err_set(&err, E_TIMEOUT, "command did not end in time (timeout); killed%s%.*s",
			colon, STR_ARG(words));
	else if (child->signal)
		err_set(&err, E_UNAVAILABLE, "command was ended by signal %d%s%.*s", child->signal,
			colon, STR_ARG(words));
	else
		err_set(&err, E_UNAVAILABLE, "command: exit status %d%s%.*s", child->exit_code,
			colon, STR_ARG(words));
	notify_done(arg, &result, &err);
}

static bool
exec_send(struct core *core, const struct conf_section *section,
	  const struct notify_message *message, struct notify_job *job, struct err *err)
{
	AUTO(env_fini) struct env env = ENV_INIT;
	struct child_spec spec = child_spec_of(section, "command", &env);

	spec.input = strcmp(conf_str(section, "input"), "json") ? message->text : message->json;
	spec.timeout_ms = message->timeout_ms;
	spec.ends_with_us = true;
	env_put(&env, "ROUSE_NOTIFY", message->notify);
	env_put(&env, "ROUSE_NOTIFICATION_ID", message->id);
	env_put(&env, "ROUSE_EVENT", message->event);
	env_put(&env, "ROUSE_SUBJECT", message->subject);
	spec.envp = env_items(&env);
	return child_start(core, &spec, on_child, job, err) || err_prefix(err, "command");
}

const struct notify_kind exec_notify_kind = {.name = "exec", .table = &table, .send = exec_send};
