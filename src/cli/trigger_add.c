/* rouse trigger add, remove: a section of its own file, there as a whole or not at all. */
/* SPDX-License-Identifier: MIT */
#include "cli/trigger_add.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"

#define FILE_MAX (1 << 20)
#define PAIRS_MAX 64

struct adding {
	struct cli *cli;
	const char *name;
	struct trigger_place place;
	const struct signature_scheme *scheme; /* of a webhook, else NULL */
	struct conf_pair pairs[PAIRS_MAX];
	size_t count;
	char *keys[PAIRS_MAX]; /* owned, of --set */
	size_t key_count;
	struct buf secret;    /* empty: none is made */
	struct buf reference; /* file:PATH */
	struct buf text;      /* the file */
};

static void
adding_fini(struct adding *adding)
{
	trigger_place_fini(&adding->place);
	for (size_t i = 0; i < adding->key_count; i++)
		free(adding->keys[i]);
	if (adding->secret.data)
		mem_zero(adding->secret.data, adding->secret.cap);
	buf_fini(&adding->secret);
	buf_fini(&adding->reference);
	buf_fini(&adding->text);
}

static const char *
pair_value(const struct adding *adding, const char *key)
{
	for (size_t i = 0; i < adding->count; i++)
		if (!strcmp(adding->pairs[i].key, key))
			return adding->pairs[i].value;
	return NULL;
}

static bool
pair_add(struct adding *adding, const char *key, const char *value, struct err *err)
{
	if (!value)
		return true;
	if (pair_value(adding, key))
		return err_set(err, E_USAGE, "%s is given twice", key);
	if (adding->count == PAIRS_MAX)
		return err_set(err, E_USAGE, "more than %d keys", PAIRS_MAX);
	adding->pairs[adding->count++] = (struct conf_pair){key, value};
	return true;
}

static bool
sets_add(struct adding *adding, struct err *err)
{
	const char *set;

	for (size_t i = 0; (set = opts_nth(&adding->cli->opts, "set", i)); i++) {
		struct str key, value = str_split(str_of(set), '=', &key);

		if (!value.p || !key.len)
			return err_set(err, E_USAGE, "--set %s: KEY=VALUE was expected", set);
		if (adding->key_count == PAIRS_MAX)
			return err_set(err, E_USAGE, "more than %d keys", PAIRS_MAX);
		adding->keys[adding->key_count++] = str_dup(str_trim(key));
		if (!pair_add(adding, adding->keys[adding->key_count - 1], value.p, err))
			return false;
	}
	return true;
}

/* The scheme of a webhook, and a secret when it needs one that nobody gave. */
static bool
secret_add(struct adding *adding, struct err *err)
{
	const char *verify = pair_value(adding, "verify");

	if (strcmp(pair_value(adding, "source"), "webhook"))
		return verify ? err_set(err, E_USAGE, "--verify is for --source webhook") : true;
	if (!verify)
		return err_set(err, E_USAGE,
			       "how are its requests signed? --verify github, standard, hmac, "
			       "bearer, ... or, for a "
			       "hook that is open to all, --verify none");
	adding->scheme = signature_find(str_of(verify));
	if (!adding->scheme)
		return err_set(err, E_USAGE,
			       "--verify %s: no such scheme; rouse help trigger.verify lists them",
			       verify);
	if (adding->scheme->method == SIGNATURE_NONE || pair_value(adding, "secret"))
		return true;
	if (!trigger_secret_make(adding->scheme, &adding->secret, err))
		return false;
	buf_printf(&adding->reference, "file:%s", adding->place.secret_path);
	return pair_add(adding, "secret", buf_cstr(&adding->reference), err);
}

static bool
compose(struct adding *adding, struct err *err)
{
	struct cli *cli = adding->cli;

	if (!cli_opt(cli, "source"))
		return err_set(err, E_USAGE,
			       "what wakes it? --source webhook, cron, file, imap, git, poll, "
			       "after, topic or manual");
	if (!cli_opt(cli, "agent"))
		return err_set(
			err, E_USAGE,
			"which agent does it wake? --agent AGENT; rouse agent list has them");
	if (!pair_add(adding, "source", cli_opt(cli, "source"), err) ||
	    !pair_add(adding, "agent", cli_opt(cli, "agent"), err) ||
	    !pair_add(adding, "verify", cli_opt(cli, "verify"), err) || !sets_add(adding, err) ||
	    !secret_add(adding, err))
		return false;
	buf_printf(&adding->text, "# Trigger %s, by rouse trigger add.\n", adding->name);
	return conf_format_section("trigger", adding->name, adding->pairs, adding->count,
				   &adding->text, err);
}

static bool
refuse_existing(struct adding *adding, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	struct err why = ERR_INIT;

	if (!access(adding->place.conf_path, F_OK))
		return err_set(err, E_EXISTS, "there is a trigger %s already: %s", adding->name,
			       adding->place.conf_path);
	if (!access(adding->place.secret_path, F_OK))
		return err_set(err, E_EXISTS,
			       "there is a secret of that name already: %s; take it away, or "
			       "use another name",
			       adding->place.secret_path);
	if (!adding->place.running)
		return true;
	if (cli_get(adding->cli, &reply, &why, "/v1/triggers/%s", adding->name))
		return err_set(err, E_EXISTS, "there is a trigger %s already, in %s", adding->name,
			       json_str(reply.json, "file") ? json_str(reply.json, "file")
							    : "another file");
	if (why.code != E_NOT_FOUND)
		return err_move(err, &why);
	err_fini(&why);
	return true;
}

static bool
write_all(struct adding *adding, struct err *err)
{
	const struct trigger_file file = {.conf_path = adding->place.conf_path,
					  .text = buf_str(&adding->text),
					  .secret_path = adding->place.secret_path,
					  .secret = buf_str(&adding->secret)};

	return trigger_files_write(adding->cli, &adding->place, &file, 1, err);
}

/* The URL of the new hook, from the daemon; owned, NULL when there is none. */
static char *
url_of(struct adding *adding)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	struct err ignored = ERR_INIT;
	char *url = NULL;

	if (adding->scheme && adding->place.running &&
	    cli_get(adding->cli, &reply, &ignored, "/v1/triggers/%s", adding->name))
		url = mem_strdup(json_str(reply.json, "url"));
	err_fini(&ignored);
	return url;
}

/* The file behind a file: reference, ours or the user's; NULL for others. */
static const char *
secret_file(const struct adding *adding)
{
	const char *secret = pair_value(adding, "secret");

	return secret && str_starts(str_of(secret), STR("file:")) ? secret + 5 : NULL;
}

static void
report(struct adding *adding)
{
	struct print *out = &adding->cli->out;
	AUTO(auto_free) char *url = url_of(adding);
	AUTO(buf_fini) struct buf curl = BUF_INIT;

	if (url && (secret_file(adding) || adding->scheme->method == SIGNATURE_NONE))
		trigger_curl(adding->scheme, adding->pairs, adding->count, url, secret_file(adding),
			     &curl);
	if (out->json) {
		AUTO(json_auto_decref) json_t *object = json_object();
		AUTO(buf_fini) struct buf line = BUF_INIT;

		json_put_str(object, "name", adding->name);
		json_put_str(object, "file", adding->place.conf_path);
		json_put_str(object, "secret_file", secret_file(adding));
		json_put_str(object, "url", url);
		json_put_str(object, "curl", curl.len ? buf_cstr(&curl) : NULL);
		json_write(&line, object);
		print_json(out, buf_str(&line));
		return;
	}
	print_f(out, "Trigger %s wakes %s: %s\n", adding->name, pair_value(adding, "agent"),
		adding->place.conf_path);
	if (url)
		print_f(out, "URL:    %s\n", url);
	if (secret_file(adding))
		print_f(out, "Secret: %s\n", secret_file(adding));
	if (curl.len)
		print_f(out, "\nTry it:\n%s\n", buf_cstr(&curl));
	if (!adding->place.running)
		print_f(out, "The daemon is not running; it reads the trigger when it starts.\n");
}

bool
verb_trigger_add(struct cli *cli, struct err *err)
{
	AUTO(adding_fini) struct adding adding = {.cli = cli, .name = cli_arg(cli, 0)};

	if (!trigger_place_get(cli, adding.name, &adding.place, err) || !compose(&adding, err) ||
	    !refuse_existing(&adding, err))
		return false;
	if (cli_has(cli, "plan")) {
		print_f(&cli->out, "# %s\n%s", adding.place.conf_path, buf_cstr(&adding.text));
		return true;
	}
	if (!write_all(&adding, err))
		return false;
	report(&adding);
	return true;
}

/* Only a file with this one section, as add writes it, is ours to delete. */
static bool
file_is_ours(struct str text, const char *name)
{
	AUTO(buf_fini) struct buf header = BUF_INIT;
	size_t sections = 0, ours = 0;
	struct str line;

	buf_printf(&header, "[trigger %s]", name);
	while (text.p) {
		text = str_split(text, '\n', &line);
		sections += line.len && line.p[0] == '[';
		ours += str_eq(str_trim(line), buf_str(&header));
	}
	return sections == 1 && ours == 1;
}

static bool
removable(struct cli *cli, const struct trigger_place *place, bool *ret_secret, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT, reference = BUF_INIT;
	const char *name = cli_arg(cli, 0);

	if (access(place->conf_path, F_OK)) {
		if (place->running && !cli_get(cli, &reply, err, "/v1/triggers/%s", name))
			return false;
		if (json_str(reply.json, "file"))
			return err_set(err, E_STATE,
				       "trigger %s stands in %s; take its section out there, then "
				       "rouse reload",
				       name, json_str(reply.json, "file"));
		return err_set(err, E_NOT_FOUND, "there is no trigger %s: %s does not exist", name,
			       place->conf_path);
	}
	if (!os_read_file(place->conf_path, FILE_MAX, &text, err))
		return false;
	if (!file_is_ours(buf_str(&text), name))
		return err_set(err, E_STATE,
			       "%s holds more than [trigger %s]; take that section out by hand",
			       place->conf_path, name);
	buf_printf(&reference, "file:%s", place->secret_path);
	*ret_secret =
		strstr(buf_cstr(&text), buf_cstr(&reference)) && !access(place->secret_path, F_OK);
	return true;
}

bool
verb_trigger_remove(struct cli *cli, struct err *err)
{
	AUTO(trigger_place_fini) struct trigger_place place = TRIGGER_PLACE_INIT;
	AUTO(buf_fini) struct buf away = BUF_INIT, said = BUF_INIT;
	const char *try_args[] = {"-t", "-c", NULL, NULL};
	bool secret = false, yes;

	if (!trigger_place_get(cli, cli_arg(cli, 0), &place, err) ||
	    !removable(cli, &place, &secret, err))
		return false;
	if (!cli->out.json)
		print_f(&cli->out, "Removes %s%s%s\n", place.conf_path, secret ? " and " : "",
			secret ? place.secret_path : "");
	if (!cli_confirm(cli, "trigger remove", "Remove it?", &yes, err) || !yes)
		return yes || err->code == E_OK;
	buf_printf(&away, "%s.removed", place.conf_path);
	if (rename(place.conf_path, buf_cstr(&away)))
		return err_errno(err, errno, "cannot move %s away", place.conf_path);
	try_args[2] = place.config;
	if (place.running ? !trigger_reload(cli, err)
			  : !cli_roused_try(try_args, place.uid, &said, err)) {
		rename(buf_cstr(&away), place.conf_path);
		return err_prefix(err, "it stays, as the daemon cannot do without it");
	}
	unlink(buf_cstr(&away));
	if (secret)
		unlink(place.secret_path);
	if (cli->out.json)
		print_f(&cli->out, "{\"removed\":\"%s\"}\n", cli_arg(cli, 0));
	else
		print_f(&cli->out, "Removed.\n");
	return true;
}
