/* Cli: what every verb has in its hands. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "cli/cli.h"
#include "cli/trigger_add.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/os.h"
#include "cli/text.h"
#include "pure/duration.h"

#define TIMEOUT_MS 30000
#define DATA_MAX (64 << 20)

const char *
cli_opt(const struct cli *cli, const char *name)
{
	struct verb_option_space space;
	const struct verb_option *option;
	bool known = false;

	for (size_t i = 0; (option = verb_option_at(cli->opts.verb, i, &space)) && !known; i++)
		known = !strcmp(option->name, name);
	assert(known);
	return opts_get(&cli->opts, name);
}

bool
cli_has(const struct cli *cli, const char *name)
{
	return cli_opt(cli, name);
}

const char *
cli_arg(const struct cli *cli, size_t i)
{
	return i < cli->opts.arg_count ? cli->opts.args[i] : NULL;
}

bool
cli_duration(const struct cli *cli, const char *name, int64_t def_ms, int64_t *ret_ms,
	     struct err *err)
{
	const char *text = cli_opt(cli, name);
	struct err why = ERR_INIT;

	if (!text) {
		*ret_ms = def_ms;
		return true;
	}
	if (duration_parse(str_of(text), ret_ms, &why) && *ret_ms > 0)
		return true;
	if (why.code == E_OK)
		err_set(&why, E_USAGE, "more than nothing was expected");
	why.code = E_USAGE;
	err_prefix(&why, "--%s %s", name, text);
	return err_move(err, &why);
}

bool
cli_number(const struct cli *cli, const char *name, uint64_t def, uint64_t least, uint64_t most,
	   uint64_t *ret, struct err *err)
{
	const char *text = cli_opt(cli, name);

	*ret = def;
	if (!text || (str_to_u64(str_of(text), ret) && *ret >= least && *ret <= most))
		return true;
	return err_set(err, E_USAGE, "--%s %s: a number from %llu to %llu was expected", name, text,
		       (unsigned long long)least, (unsigned long long)most);
}

static const char *
environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static const char *
opt_or_env(const struct cli *cli, const char *option, const char *variable)
{
	const char *value = cli_opt(cli, option);

	return value ? value : environment(variable);
}

/* What is said on the command line goes before the environment, a socket there before a URL. */
static const char *
url_of(const struct cli *cli)
{
	const char *url = cli_opt(cli, "url");

	if (url || cli_opt(cli, "socket") || environment("ROUSE_SOCKET"))
		return url;
	return environment("ROUSE_URL");
}

bool
cli_is_remote(const struct cli *cli)
{
	return url_of(cli);
}

bool
cli_client(struct cli *cli, struct client **ret, struct err *err)
{
	struct client_place place = {.token = NULL};

	if (!cli->client) {
		place.token = opt_or_env(cli, "token", "ROUSE_TOKEN");
		place.url = url_of(cli);
		place.socket = opt_or_env(cli, "socket", "ROUSE_SOCKET");
		if (!place.socket)
			place.socket = RUNSTATEDIR "/rouse/rouse.sock";
		if (!cli_duration(cli, "timeout", TIMEOUT_MS, &place.timeout_ms, err) ||
		    !client_new(&place, &cli->client, err))
			return false;
	}
	*ret = cli->client;
	return true;
}

/* printf for paths: %s alone, percent-encoded. */
static void
format_path(struct buf *path, const char *pattern, va_list ap)
{
	for (const char *p = pattern; *p; p++) {
		if (p[0] == '%' && p[1] == 's') {
			client_encode(path, va_arg(ap, const char *));
			p++;
		} else {
			assert(*p != '%');
			buf_putc(path, *p);
		}
	}
}

bool
cli_get(struct cli *cli, struct client_reply *ret, struct err *err, const char *pattern, ...)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct client *client;
	va_list ap;

	va_start(ap, pattern);
	format_path(&path, pattern, ap);
	va_end(ap);
	return cli_client(cli, &client, err) && client_get(client, buf_cstr(&path), ret, err);
}

bool
cli_post(struct cli *cli, const json_t *body, struct client_reply *ret, struct err *err,
	 const char *pattern, ...)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct client *client;
	va_list ap;

	va_start(ap, pattern);
	format_path(&path, pattern, ap);
	va_end(ap);
	return cli_client(cli, &client, err) &&
	       client_post(client, buf_cstr(&path), body, ret, err);
}

const char *
cli_config(const struct cli *cli)
{
	const char *path = cli_opt(cli, "config");

	return path ? path : SYSCONFDIR "/rouse/rouse.conf";
}

bool
cli_confirm(struct cli *cli, const char *what, const char *question, bool *ret_yes, struct err *err)
{
	char answer[16] = "";

	*ret_yes = cli_has(cli, "yes");
	if (*ret_yes)
		return true;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(
			err, E_USAGE,
			"%s asks before it acts, and here is no terminal to ask on: say --yes, or "
			"--plan to see what it would do",
			what);
	print_f(&cli->out, "%s [y/N] ", question);
	if (!print_flush(&cli->out, err))
		return false;
	if (fgets(answer, sizeof(answer), stdin))
		*ret_yes = answer[0] == 'y' || answer[0] == 'Y';
	if (!*ret_yes)
		print_f(&cli->out, "Nothing was done.\n");
	return true;
}

bool
cli_data(const char *option, const char *value, struct buf *ret, struct err *err)
{
	struct err why = ERR_INIT;
	bool ok;

	if (!strcmp(value, "-") || !strcmp(value, "@-")) {
		ok = os_read_fd(STDIN_FILENO, DATA_MAX, "standard input", ret, &why);
	} else if (value[0] == '@') {
		ok = os_read_file(value + 1, DATA_MAX, ret, &why);
	} else if (json_check(str_of(value), NULL)) {
		buf_puts(ret, value);
		ok = true;
	} else if (access(value, F_OK)) {
		ok = err_set(&why, E_USAGE, "this is neither JSON nor a file that exists: %s",
			     value);
	} else {
		ok = os_read_file(value, DATA_MAX, ret, &why);
	}
	ok = ok && json_check(buf_str(ret), &why);
	if (ok)
		return true;
	err_prefix(&why, "%s", option);
	return err_move(err, &why);
}

bool
cli_data_json(const char *option, const char *value, json_t **ret, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	return cli_data(option, value, &text, err) && json_read(buf_str(&text), ret, err);
}

bool
cli_json(struct cli *cli, const struct client_reply *reply)
{
	if (cli->out.json)
		print_json(&cli->out, buf_str(&reply->body));
	return cli->out.json;
}

void
cli_note(const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT, safe = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	text_escape_lines(&safe, buf_str(&text));
	fprintf(stderr, "%s\n", buf_cstr(&safe));
}

void
cli_complain(const struct err *err)
{
	cli_note("rouse: %s", err_text(err));
}

static void
print_help_to(struct cli *cli, const struct verb *verb, const char *noun)
{
	if (verb)
		verb_print_help(verb, &cli->out.buf);
	else if (noun)
		verb_print_noun(noun, &cli->out.buf);
	else
		verb_print_overview(&cli->out.buf);
}

/* What is said without a verb; true when that was all. */
static bool
without_verb(struct cli *cli, struct err *err, bool *ret_ok)
{
	*ret_ok = true;
	if (cli->opts.version && !cli->opts.verb) {
		print_f(&cli->out, "rouse %s\n", PACKAGE_VERSION);
	} else if (cli->opts.help) {
		print_help_to(cli, cli->opts.verb, cli->opts.noun);
		if (cli->opts.verb && cli->opts.verb->run == verb_trigger_add)
			trigger_add_help(cli_opt(cli, "source"), &cli->out.buf);
	} else if (!cli->opts.verb) {
		if (cli->opts.noun)
			*ret_ok = err_set(err, E_USAGE,
					  "rouse %s wants a verb: rouse help %s lists them",
					  cli->opts.noun, cli->opts.noun);
		else
			*ret_ok = err_set(err, E_USAGE,
					  "what is to be done? rouse help lists the verbs");
	} else {
		return false;
	}
	return true;
}

static bool
cli_run(struct cli *cli, int argc, char *const *argv, struct err *err)
{
	bool ok = opts_parse(argc, argv, &cli->opts, err);

	print_init(&cli->out, STDOUT_FILENO, opts_get(&cli->opts, "json"),
		   opts_get(&cli->opts, "no-color"), clock_wall(cli->clock));
	if (!ok)
		return false;
	if (!without_verb(cli, err, &ok))
		ok = cli->opts.verb->run(cli, err);
	/* What was printed before a failure is the user's too. */
	return print_flush(&cli->out, ok ? err : NULL) && ok;
}

int
cli_main(int argc, char *const *argv)
{
	struct cli cli = {.clock = clock_system(), .opts = OPTS_INIT};
	AUTO(err_fini) struct err err = ERR_INIT;
	int status;

	setlocale(LC_CTYPE, "C.UTF-8");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (cli_run(&cli, argc - 1, argv + 1, &err)) {
		status = cli.status;
	} else {
		cli_complain(&err);
		status = err_exit(err.code);
	}
	client_free(cli.client);
	print_fini(&cli.out);
	opts_fini(&cli.opts);
	curl_global_cleanup();
	return status;
}
