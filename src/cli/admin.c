/* rouse db backup, check, vacuum; token create, list, revoke. */
/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include <stdlib.h>
#include <unistd.h>

#include "pure/duration.h"

#define DB_MS (60 * 60 * 1000) /* large databases take their time */

/* POST with the long patience of db verbs, unless --timeout says otherwise. */
static bool
db_post(struct cli *cli, const char *path, const json_t *body, struct client_reply *ret,
	struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct client_request request = {.method = "POST", .path = path};
	struct client *client;

	json_write(&text, body);
	request.body = buf_str(&text);
	return cli_client(cli, &client, err) &&
	       cli_duration(cli, "timeout", DB_MS, &request.timeout_ms, err) &&
	       client_send(client, &request, ret, err);
}

static char *
absolute(const char *path)
{
	AUTO(buf_fini) struct buf full = BUF_INIT;
	char *here;

	if (path[0] == '/')
		return mem_strdup(path);
	here = getcwd(NULL, 0);
	buf_printf(&full, "%s/%s", here ? here : "", path);
	free(here);
	return buf_take(&full);
}

bool
verb_db_backup(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	AUTO(auto_free) char *path = absolute(cli_arg(cli, 0));
	AUTO(buf_fini) struct buf size = BUF_INIT;

	json_put_str(body, "path", path);
	if (!db_post(cli, "/v1/db/backup", body, &reply, err))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, json_str(reply.json, "path") ? json_str(reply.json, "path") : path);
	print_f(&cli->out, ": %lld bytes in %lld ms\n", (long long)json_int(reply.json, "bytes", 0),
		(long long)json_int(reply.json, "ms", 0));
	return true;
}

/* The daemon's program does it, which alone knows the database. */
bool
verb_db_restore(struct cli *cli, struct err *err)
{
	const char *const args[] = {"-c", cli_config(cli), "--restore", cli_arg(cli, 0), NULL};

	return cli_roused(cli, args, err);
}

bool
verb_db_check(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	const json_t *details, *detail;
	bool ok;
	size_t i;

	if (!db_post(cli, "/v1/db/check", body, &reply, err))
		return false;
	if (!json_is_boolean(json_object_get(reply.json, "ok")))
		return err_set(err, E_CORRUPT,
			       "the daemon did not say whether the database is sound");
	ok = json_bool(reply.json, "ok", false);
	cli->status = ok ? 0 : 1;
	if (cli_json(cli, &reply))
		return true;
	details = json_object_get(reply.json, "details");
	json_array_foreach (details, i, detail) {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		if (json_is_string(detail))
			buf_puts(&text, json_string_value(detail));
		else
			json_write(&text, detail);
		print_text(&cli->out, buf_cstr(&text));
		print_f(&cli->out, "\n");
	}
	print_styled(&cli->out, ok ? STYLE_GREEN : STYLE_RED,
		     ok ? "The database is sound."
			: "The database is damaged: keep a copy, and restore the last backup.");
	print_f(&cli->out, "\n");
	return true;
}

bool
verb_db_vacuum(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	if (!db_post(cli, "/v1/db/vacuum", body, &reply, err))
		return false;
	if (!cli_json(cli, &reply))
		print_f(&cli->out, "Done.\n");
	return true;
}

static const struct column token_columns[] = {
	{"TOKEN", "name", CELL_TEXT},	       {"STATE", "state", CELL_STATUS},
	{"MAY", "scopes", CELL_LIST},	       {"AGENT", "agent", CELL_TEXT},
	{"CREATED", "created", CELL_TIME},     {"EXPIRES", "expires", CELL_TIME},
	{"LAST USED", "last_used", CELL_TIME},
};

/* Every --scope, each a list; E_USAGE when one is none. */
static bool
scopes_of(struct cli *cli, json_t *scopes, struct err *err)
{
	static const char *const known[] = {"read", "invoke", "review", "apply", "admin"};

	for (size_t n = 0; opts_nth(&cli->opts, "scope", n); n++) {
		struct str rest = str_of(opts_nth(&cli->opts, "scope", n)), scope;

		while (rest.p) {
			bool ok = false;

			rest = str_split(rest, ',', &scope);
			scope = str_trim(scope);
			for (size_t i = 0; i < ARRAY_LEN(known) && !ok; i++)
				ok = str_eq_cstr(scope, known[i]);
			if (!ok)
				return err_set(err, E_USAGE,
					       "--scope %.*s: read, invoke, review, apply or admin "
					       "was expected",
					       STR_ARG(scope));
			json_array_append_new(scopes, json_stringn(scope.p, scope.len));
		}
	}
	if (!json_array_size(scopes))
		return err_set(err, E_USAGE,
			       "what may the token do? --scope read,invoke,review,apply,admin "
			       "(some of them)");
	return true;
}

static bool
expiry_of(struct cli *cli, json_t *body, struct err *err)
{
	const char *text = cli_opt(cli, "expires");
	struct wall at;
	int64_t ms;

	if (!text)
		return true;
	if (duration_parse(str_of(text), &ms, NULL))
		at = (struct wall){cli->out.now.ms + ms};
	else if (!wall_parse(str_of(text), &at))
		return err_set(err, E_USAGE,
			       "--expires %s: a duration from now as 90d, or an instant as "
			       "2026-11-20T09:30:00Z, was expected",
			       text);
	if (at.ms <= cli->out.now.ms)
		return err_set(err, E_USAGE, "--expires %s is over already", text);
	json_put_wall(body, "expires", at.ms);
	return true;
}

bool
verb_token_create(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	json_t *scopes = json_array();

	json_object_set_new(body, "scopes", scopes);
	if (cli_arg(cli, 0))
		json_put_str(body, "name", cli_arg(cli, 0));
	json_put_str(body, "agent", cli_opt(cli, "agent"));
	if (!scopes_of(cli, scopes, err) || !expiry_of(cli, body, err) ||
	    !cli_post(cli, body, &reply, err, "/v1/tokens"))
		return false;
	if (cli_json(cli, &reply))
		return true;
	if (!json_str(reply.json, "token"))
		return err_set(err, E_CORRUPT, "the daemon made a token without showing it");
	print_text(&cli->out, json_str(reply.json, "token"));
	print_f(&cli->out, "\n");
	if (!print_flush(&cli->out, err))
		return false;
	cli_note(
		"Token %s: this is the only time that it is shown. Use it: rouse --url URL --token "
		"TOKEN, or ROUSE_TOKEN.",
		json_str(reply.json, "name") ? json_str(reply.json, "name") : "");
	return true;
}

bool
verb_token_list(struct cli *cli, struct err *err)
{
	return cli_list(cli,
			&(struct cli_list){"/v1/tokens", token_columns, ARRAY_LEN(token_columns),
					   "There is no token; rouse token create makes one."},
			err);
}

static bool
revoke_one(struct cli *cli, const char *name, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;

	if (!cli_post(cli, NULL, &reply, err, "/v1/tokens/%s/revoke", name))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_text(&cli->out, name);
	print_f(&cli->out, " is revoked\n");
	return true;
}

bool
verb_token_revoke(struct cli *cli, struct err *err)
{
	return cli_each(cli, revoke_one, err);
}
