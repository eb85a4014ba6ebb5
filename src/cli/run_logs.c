/* rouse run logs, run events: what a run said, then or as it says it. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

struct watch {
	struct cli *cli;
	bool all;     /* every event, not only what is said */
	bool in_text; /* tokens stand on the line that is being written */
	bool done;
	char last[32]; /* id of the last event, for those who page */
	struct err err;
};

static void
end_line(struct watch *watch)
{
	if (watch->in_text)
		print_f(&watch->cli->out, "\n");
	watch->in_text = false;
}

static void
say(struct watch *watch, enum print_style style, const char *label, const char *text)
{
	struct print *out = &watch->cli->out;

	end_line(watch);
	if (label) {
		print_styled(out, style, label);
		print_f(out, text && *text ? ": " : "");
	}
	print_text(out, text ? text : "");
	print_f(out, "\n");
}

static void
say_token(struct watch *watch, const json_t *data)
{
	const char *text = json_str(data, "text");

	if (!text)
		return;
	text_escape_lines(&watch->cli->out.buf, str_of(text));
	watch->in_text = *text && text[strlen(text) - 1] != '\n';
}

/* What is said of each type: its label and the member that is the text. */
static const struct {
	const char *type, *label, *member;
	enum print_style style;
} sayings[] = {
	{"status", "status", "message", STYLE_BLUE},
	{"log", NULL, "text", STYLE_PLAIN},
	{"step", "step", "name", STYLE_BLUE},
	{"tool_start", "tool", "name", STYLE_DIM},
	{"checkpoint", "checkpoint", "name", STYLE_DIM},
	{"change", "change", "entity", STYLE_YELLOW},
	{"approval", "waits for approval", "step", STYLE_YELLOW},
	{"ask", "asks", "question", STYLE_YELLOW},
	{"emit", "emits", "topic", STYLE_DIM},
	{"error", "error", "message", STYLE_RED},
	{"start", "start", "attempt", STYLE_DIM},
};

static void
say_event(struct watch *watch, const char *type, const json_t *data)
{
	if (!strcmp(type, "token")) {
		say_token(watch, data);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(sayings); i++) {
		const json_t *member = json_object_get(data, sayings[i].member);
		AUTO(buf_fini) struct buf text = BUF_INIT;

		if (strcmp(sayings[i].type, type))
			continue;
		if (json_is_string(member))
			buf_puts(&text, json_string_value(member));
		else if (member)
			json_write(&text, member);
		if (!strcmp(type, "step") && json_str(data, "status"))
			buf_printf(&text, " (%s)", json_str(data, "status"));
		if (!strcmp(type, "error") && json_str(data, "reason"))
			buf_printf(&text, " (%s)", json_str(data, "reason"));
		say(watch, sayings[i].style, sayings[i].label, buf_cstr(&text));
	}
}

/* One event of the list or the stream: number and type, and its data as raw text. */
static void
show_event(struct watch *watch, struct str seq, const char *type, struct str raw)
{
	struct print *out = &watch->cli->out;
	AUTO(json_auto_decref) json_t *data = NULL;
	AUTO(buf_fini) struct buf line = BUF_INIT;
	uint64_t number;

	if (!json_read(raw, &data, NULL))
		data = NULL;
	if (!watch->all) {
		say_event(watch, type, data);
	} else if (out->json) {
		buf_puts(&line, "{\"seq\":");
		if (str_to_u64(seq, &number))
			buf_add_str(&line, seq);
		else
			buf_json_str(&line, seq);
		buf_puts(&line, ",\"type\":");
		buf_json_cstr(&line, type);
		buf_puts(&line, ",\"data\":");
		if (data)
			buf_add_str(&line, raw);
		else
			buf_json_str(&line, raw);
		buf_putc(&line, '}');
		print_json(out, buf_str(&line));
	} else {
		text_json_compact(&line, raw);
		text_escape(&out->buf, seq);
		print_f(out, "%*s", seq.len < 6 ? (int)(6 - seq.len) : 1, "");
		print_styled(out, STYLE_BLUE, type);
		print_f(out, "%*s", strlen(type) < 12 ? (int)(12 - strlen(type)) : 1, "");
		text_escape(&out->buf, buf_str(&line));
		print_f(out, "\n");
	}
}

static bool
watch_on_event(void *arg, struct str id, struct str event, struct str data)
{
	struct watch *watch = arg;
	AUTO(auto_free) char *type = str_dup(event.len ? event : STR("log"));

	watch->done = !strcmp(type, "done");
	if (watch->all || !watch->done)
		show_event(watch, id, type, data);
	return print_flush(&watch->cli->out, &watch->err) && !watch->done;
}

static bool
follow(struct watch *watch, const char *id, const char *after, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct client *client;
	bool ok;

	buf_puts(&path, "/v1/runs/");
	client_encode(&path, id);
	buf_puts(&path, "/events");
	ok = cli_client(watch->cli, &client, err) &&
	     client_follow(client, buf_cstr(&path), after, watch_on_event, watch, err);
	end_line(watch);
	if (watch->err.code != E_OK)
		return err_move(err, &watch->err);
	return ok;
}

static bool
element_on_event(void *arg, struct str element)
{
	struct watch *watch = arg;
	const struct json_step seq_step = {.name = STR("seq")}, type_step = {.name = STR("type")},
			       data_step = {.name = STR("data")};
	struct str seq = STR(""), raw_type = STR_NONE, data = STR("null");
	AUTO(buf_fini) struct buf type = BUF_INIT;

	json_raw_find(element, &seq_step, 1, &seq);
	json_raw_find(element, &data_step, 1, &data);
	if (json_raw_find(element, &type_step, 1, &raw_type))
		json_raw_string(raw_type, &type);
	if (seq.len && seq.len < sizeof(watch->last)) {
		memcpy(watch->last, seq.p, seq.len);
		watch->last[seq.len] = 0;
	}
	if (watch->all && watch->cli->out.json)
		print_json(&watch->cli->out, element);
	else
		show_event(watch, seq, buf_cstr(&type), data);
	return print_flush(&watch->cli->out, &watch->err);
}

/* One page of events; *ret_array is the raw list, bare or the items of an object. */
static bool
events_get(struct cli *cli, const char *id, const char *after, struct client_reply *ret,
	   struct str *ret_array, struct err *err)
{
	const struct json_step items = {.name = STR("items")};
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct client_request request = {.method = "GET"};
	struct client *client;

	buf_puts(&path, "/v1/runs/");
	client_encode(&path, id);
	buf_puts(&path, "/events?limit=1000");
	cli_query(&path, "after", after ? after : "0");
	request.path = buf_cstr(&path);
	if (!cli_client(cli, &client, err) || !client_send(client, &request, ret, err))
		return false;
	*ret_array = buf_str(&ret->body);
	if (json_is_array(ret->json) || (json_is_array(json_object_get(ret->json, "items")) &&
					 json_raw_find(buf_str(&ret->body), &items, 1, ret_array)))
		return true;
	return err_set(err, E_CORRUPT, "the daemon answered no list of events");
}

/* All events so far, page by page. */
static bool
list_events(struct watch *watch, const char *id, const char *after, struct err *err)
{
	for (;;) {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		AUTO(auto_free) char *before = mem_strdup(watch->last);
		struct str raw;

		if (!events_get(watch->cli, id, after, &reply, &raw, err))
			return false;
		text_json_elements(raw, element_on_event, watch);
		if (watch->err.code != E_OK)
			return err_move(err, &watch->err);
		/* The end is where nothing new comes, whatever a page holds. */
		if (!strcmp(before, watch->last))
			break;
		after = watch->last;
	}
	end_line(watch);
	return true;
}

bool
run_print_stderr(struct cli *cli, const char *id, const char *attempt, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct client_request request = {.method = "GET", .accept = "text/plain"};
	struct client *client;
	struct err why = ERR_INIT;

	buf_puts(&path, "/v1/runs/");
	client_encode(&path, id);
	buf_puts(&path, "/stderr");
	cli_query(&path, "attempt", attempt);
	request.path = buf_cstr(&path);
	if (!cli_client(cli, &client, err))
		return false;
	if (!client_send(client, &request, &reply, &why)) {
		/* A run that kept none is no error, unless somebody named the attempt. */
		if (why.code != E_NOT_FOUND || attempt)
			return err_move(err, &why);
		err_fini(&why);
		return true;
	}
	if (!reply.body.len)
		return true;
	print_styled(&cli->out, STYLE_DIM, "standard error:");
	print_f(&cli->out, "\n");
	print_lines(&cli->out, "  ", buf_str(&reply.body));
	return true;
}

bool
verb_run_logs(struct cli *cli, struct err *err)
{
	struct watch watch = {.cli = cli, .all = cli->out.json, .err = ERR_INIT};
	const char *id = cli_arg(cli, 0);

	if (cli_has(cli, "follow") ? !follow(&watch, id, NULL, err)
				   : !list_events(&watch, id, NULL, err))
		return false;
	return cli->out.json || run_print_stderr(cli, id, cli_opt(cli, "attempt"), err);
}

bool
verb_run_events(struct cli *cli, struct err *err)
{
	struct watch watch = {.cli = cli, .all = true, .err = ERR_INIT};
	const char *id = cli_arg(cli, 0), *after = cli_opt(cli, "after");

	return cli_has(cli, "follow") ? follow(&watch, id, after, err)
				      : list_events(&watch, id, after, err);
}
