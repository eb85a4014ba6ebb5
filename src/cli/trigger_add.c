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
#define SECRETS_MAX 4
#define SECRET_BYTES 65536

/* A secret that gets a file of its own. */
struct made_secret {
	char *path;
	struct buf text, reference; /* file:PATH */
};

struct adding {
	struct cli *cli;
	const char *name;
	struct trigger_place place;
	const struct signature_scheme *scheme; /* of a webhook, else NULL */
	struct conf_pair pairs[PAIRS_MAX];
	size_t count;
	char *keys[PAIRS_MAX]; /* owned, of --set */
	size_t key_count;
	struct made_secret secrets[SECRETS_MAX];
	size_t secret_count;
	json_t *rows;	 /* the keys that there are */
	struct buf text; /* the file */
};

static void
adding_fini(struct adding *adding)
{
	trigger_place_fini(&adding->place);
	for (size_t i = 0; i < adding->key_count; i++)
		free(adding->keys[i]);
	for (size_t i = 0; i < adding->secret_count; i++) {
		struct made_secret *secret = &adding->secrets[i];

		if (secret->text.data)
			mem_zero(secret->text.data, secret->text.cap);
		buf_fini(&secret->text);
		buf_fini(&secret->reference);
		free(secret->path);
	}
	json_decref(adding->rows);
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

/* secrets/NAME.secret, secrets/NAME.password, ... */
static bool
secret_new(struct adding *adding, const char *key, struct made_secret **ret, struct err *err)
{
	struct made_secret *secret = &adding->secrets[adding->secret_count];
	struct buf path = BUF_INIT;

	if (adding->secret_count == SECRETS_MAX)
		return err_set(err, E_USAGE,
			       "more than %d secrets; write files of your own and "
			       "name them with file:PATH",
			       SECRETS_MAX);
	adding->secret_count++;
	*secret = (struct made_secret){.text = BUF_INIT, .reference = BUF_INIT};
	if (!strcmp(key, "secret"))
		buf_puts(&path, adding->place.secret_path);
	else
		buf_printf(&path, "%s/secrets/%s.%s", adding->place.dir, adding->name, key);
	secret->path = buf_take(&path);
	buf_printf(&secret->reference, "file:%s", secret->path);
	*ret = secret;
	return true;
}

static bool
is_reference(const char *value)
{
	static const char *const kinds[] = {"file:", "cred:", "env:", "plain:"};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_starts(str_of(value), str_of(kinds[i])))
			return true;
	return false;
}

/* What was given for a secret: the text itself, - or @FILE. */
static bool
secret_read(const char *key, const char *value, struct buf *out, struct err *err)
{
	bool input = !strcmp(value, "-");
	size_t len;

	if (input || *value == '@') {
		if (input ? !os_read_fd(STDIN_FILENO, SECRET_BYTES, "standard input", out, err)
			  : !os_read_file(value + 1, SECRET_BYTES, out, err))
			return err_prefix(err, "--set %s", key);
	} else {
		buf_puts(out, value);
	}
	len = str_trim(buf_str(out)).len;
	if (!len)
		return err_set(err, E_USAGE, "--set %s: the secret is empty", key);
	if (out->data[out->len - 1] != '\n')
		buf_putc(out, '\n');
	return true;
}

/* No secret stands in the file itself, nor where others can read it. */
static bool
secrets_keep(struct adding *adding, struct err *err)
{
	const char *source = pair_value(adding, "source");

	for (size_t i = 0; i < adding->count; i++) {
		struct conf_pair *pair = &adding->pairs[i];
		const json_t *row = trigger_key_find(adding->rows, source, pair->key);
		struct made_secret *secret;

		if (!row || strcmp(json_str(row, "type"), "secret") || is_reference(pair->value))
			continue;
		if (!secret_new(adding, pair->key, &secret, err) ||
		    !secret_read(pair->key, pair->value, &secret->text, err))
			return false;
		pair->value = buf_cstr(&secret->reference);
	}
	return true;
}

/* The scheme of a webhook, and a secret when it needs one that nobody gave. */
static bool
secret_add(struct adding *adding, struct err *err)
{
	const char *verify = pair_value(adding, "verify");
	struct made_secret *secret;

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
	return secret_new(adding, "secret", &secret, err) &&
	       trigger_secret_make(adding->scheme, &secret->text, err) &&
	       pair_add(adding, "secret", buf_cstr(&secret->reference), err);
}

static bool
compose(struct adding *adding, struct err *err)
{
	struct cli *cli = adding->cli;
	AUTO(err_fini) struct err none = ERR_INIT;

	if (!cli_opt(cli, "source"))
		return err_set(err, E_USAGE,
			       "what wakes it? --source webhook, cron, file, imap, git, poll, "
			       "after, topic or manual");
	if (!cli_opt(cli, "agent"))
		return err_set(
			err, E_USAGE,
			"which agent does it wake? --agent AGENT; rouse agent list has them");
	/* Without them it is only asked less: roused -t has the last word. */
	if (!trigger_keys_get(&adding->rows, &none))
		adding->rows = json_array();
	if (!pair_add(adding, "source", cli_opt(cli, "source"), err) ||
	    !pair_add(adding, "agent", cli_opt(cli, "agent"), err) ||
	    !pair_add(adding, "verify", cli_opt(cli, "verify"), err) || !sets_add(adding, err) ||
	    !secret_add(adding, err) ||
	    !trigger_keys_check(adding->rows, cli_opt(cli, "source"), adding->pairs, adding->count,
				err) ||
	    !secrets_keep(adding, err))
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
	for (size_t i = 0; i < adding->secret_count; i++)
		if (!access(adding->secrets[i].path, F_OK))
			return err_set(err, E_EXISTS,
				       "there is a secret of that name already: %s; take it away, "
				       "or use another name",
				       adding->secrets[i].path);
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
	struct trigger_file files[SECRETS_MAX + 1];
	size_t count = adding->secret_count;

	for (size_t i = 0; i < count; i++)
		files[i] = (struct trigger_file){.secret_path = adding->secrets[i].path,
						 .secret = buf_str(&adding->secrets[i].text)};
	files[count] = (struct trigger_file){.conf_path = adding->place.conf_path,
					     .text = buf_str(&adding->text)};
	return trigger_files_write(adding->cli, &adding->place, files, count + 1, err);
}

/* What the daemon says of the new trigger; NULL when it does not run. */
static json_t *
shown(struct adding *adding)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(err_fini) struct err ignored = ERR_INIT;

	if (adding->place.running &&
	    cli_get(adding->cli, &reply, &ignored, "/v1/triggers/%s", adding->name))
		return json_incref(reply.json);
	return NULL;
}

/* The file behind a file: reference, ours or the user's; NULL for others. */
static const char *
secret_file(const struct adding *adding)
{
	const char *secret = pair_value(adding, "secret");

	return secret && str_starts(str_of(secret), STR("file:")) ? secret + 5 : NULL;
}

static void
report_json(struct adding *adding, const json_t *trigger, const char *curl, const char *hint)
{
	AUTO(json_auto_decref) json_t *object = json_object();
	AUTO(buf_fini) struct buf line = BUF_INIT;

	json_put_str(object, "name", adding->name);
	json_put_str(object, "source", pair_value(adding, "source"));
	json_put_str(object, "agent", pair_value(adding, "agent"));
	json_put_str(object, "file", adding->place.conf_path);
	json_put_str(object, "secret_file", secret_file(adding));
	json_put_str(object, "url", json_str(trigger, "url"));
	json_put_str(object, "curl", curl);
	json_put_str(object, "next", json_str(trigger, "next"));
	json_put_str(object, "hint", hint);
	json_write(&line, object);
	print_json(&adding->cli->out, buf_str(&line));
}

static void
report(struct adding *adding)
{
	struct print *out = &adding->cli->out;
	AUTO(json_auto_decref) json_t *trigger = shown(adding);
	AUTO(buf_fini) struct buf curl = BUF_INIT, hint = BUF_INIT;
	const char *url = json_str(trigger, "url"), *next = json_str(trigger, "next");

	if (url && adding->scheme &&
	    (secret_file(adding) || adding->scheme->method == SIGNATURE_NONE))
		trigger_curl(adding->scheme, adding->pairs, adding->count, url, secret_file(adding),
			     &curl);
	trigger_hint(adding->rows, pair_value(adding, "source"), adding->name, adding->pairs,
		     adding->count, &hint);
	if (out->json) {
		report_json(adding, trigger, curl.len ? buf_cstr(&curl) : NULL,
			    hint.len ? buf_cstr(&hint) : NULL);
		return;
	}
	print_f(out, "Trigger %s wakes %s: %s\n", adding->name, pair_value(adding, "agent"),
		adding->place.conf_path);
	if (url)
		print_f(out, "URL:    %s\n", url);
	for (size_t i = 0; i < adding->secret_count; i++)
		print_f(out, "Secret: %s\n", adding->secrets[i].path);
	if (!adding->secret_count && secret_file(adding))
		print_f(out, "Secret: %s\n", secret_file(adding));
	if (next)
		print_f(out, "Next:   %s\n", next);
	if (curl.len)
		print_f(out, "\nTry it:\n%s\n", buf_cstr(&curl));
	else if (hint.len)
		print_f(out, "\nTry it: %s\n", buf_cstr(&hint));
	else
		print_f(out, "\nTry it: rouse trigger fire %s\n", adding->name);
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

/* The files that add made for this trigger, as far as its section still names them. */
struct leftovers {
	char *paths[SECRETS_MAX];
	size_t count;
};

static void
leftovers_fini(struct leftovers *leftovers)
{
	for (size_t i = 0; i < leftovers->count; i++)
		free(leftovers->paths[i]);
}

static void
leftovers_find(const struct trigger_place *place, const char *name, const char *text,
	       struct leftovers *ret)
{
	AUTO(buf_fini) struct buf begin = BUF_INIT;

	buf_printf(&begin, "file:%s/secrets/%s.", place->dir, name);
	for (const char *at = text; (at = strstr(at, buf_cstr(&begin))) && ret->count < SECRETS_MAX;
	     at++) {
		size_t len = begin.len + strspn(at + begin.len, "abcdefghijklmnopqrstuvwxyz_");
		char *path = str_dup(str_make(at + 5, len - 5));

		/* Another's of a longer name goes on with a dot. */
		if (len > begin.len && (!at[len] || strchr(" ,\r\n", at[len])) &&
		    !access(path, F_OK))
			ret->paths[ret->count++] = path;
		else
			free(path);
	}
}

static bool
removable(struct cli *cli, const struct trigger_place *place, struct leftovers *ret,
	  struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf text = BUF_INIT;
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
	leftovers_find(place, name, buf_cstr(&text), ret);
	return true;
}

bool
verb_trigger_remove(struct cli *cli, struct err *err)
{
	AUTO(trigger_place_fini) struct trigger_place place = TRIGGER_PLACE_INIT;
	AUTO(buf_fini) struct buf away = BUF_INIT, said = BUF_INIT;
	const char *try_args[] = {"-t", "-c", NULL, NULL};
	AUTO(leftovers_fini) struct leftovers secrets = {.count = 0};
	bool yes;

	if (!trigger_place_get(cli, cli_arg(cli, 0), &place, err) ||
	    !removable(cli, &place, &secrets, err))
		return false;
	if (!cli->out.json)
		print_f(&cli->out, "Removes %s", place.conf_path);
	for (size_t i = 0; i < secrets.count && !cli->out.json; i++)
		print_f(&cli->out, " and %s", secrets.paths[i]);
	if (!cli->out.json)
		print_f(&cli->out, "\n");
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
	for (size_t i = 0; i < secrets.count; i++)
		unlink(secrets.paths[i]);
	if (cli->out.json)
		print_f(&cli->out, "{\"removed\":\"%s\"}\n", cli_arg(cli, 0));
	else
		print_f(&cli->out, "Removed.\n");
	return true;
}
