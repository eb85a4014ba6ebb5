/* rouse webhook verify, sign: a provider's signatures, tried by hand. */
/* SPDX-License-Identifier: MIT */
#include "cli/webhook.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"
#include "base/uuid.h"
#include "cli/cli.h"
#include "cli/jsonl.h"

#define BODY_MAX (64 << 20)
#define SECRET_MAX 65536
#define SECRETS_MAX 32

struct secret_list {
	struct buf items[SECRETS_MAX];
	struct str slices[SECRETS_MAX];
	size_t count;
};

static void
secret_list_fini(struct secret_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].data)
			mem_zero(list->items[i].data, list->items[i].cap);
		buf_fini(&list->items[i]);
	}
}

static bool
secret_add(struct secret_list *list, struct str secret, struct err *err)
{
	if (list->count == SECRETS_MAX)
		return err_set(err, E_USAGE, "more than %d secrets", SECRETS_MAX);
	buf_add_str(&list->items[list->count], secret);
	list->slices[list->count] = buf_str(&list->items[list->count]);
	list->count++;
	return true;
}

/* file:PATH and env:NAME keep a secret out of the list of processes; all else is the secret. */
static bool
secret_from_word(struct secret_list *list, const char *word, struct err *err)
{
	AUTO(buf_fini) struct buf bytes = BUF_INIT;
	struct str text = str_of(word);
	const char *value;
	bool ok;

	if (str_starts(text, STR("env:"))) {
		value = getenv(word + 4);
		if (!value)
			return err_set(err, E_USAGE, "--secret %s: there is no such variable",
				       word);
		return secret_add(list, str_of(value), err);
	}
	if (!str_starts(text, STR("file:")))
		return secret_add(list, str_starts(text, STR("plain:")) ? str_of(word + 6) : text,
				  err);
	if (!os_read_file(word + 5, SECRET_MAX, &bytes, err))
		return false;
	text = buf_str(&bytes);
	if (text.len && text.p[text.len - 1] == '\n')
		text.len--;
	if (text.len && text.p[text.len - 1] == '\r')
		text.len--;
	ok = secret_add(list, text, err);
	mem_zero(bytes.data, bytes.len);
	return ok;
}

/* hmac's options, from --set KEY=VALUE or the members of a line. */
static struct str *
option_slot(struct signature_options *options, struct str name)
{
	const struct {
		struct str name;
		struct str *slot;
	} slots[] = {
		{STR("header"), &options->header},
		{STR("algorithm"), &options->algorithm},
		{STR("encoding"), &options->encoding},
		{STR("prefix"), &options->prefix},
		{STR("signed"), &options->signed_text},
		{STR("timestamp_header"), &options->timestamp_header},
		{STR("id_header"), &options->id_header},
		{STR("separator"), &options->separator},
	};

	for (size_t i = 0; i < ARRAY_LEN(slots); i++)
		if (str_eq(slots[i].name, name))
			return slots[i].slot;
	return NULL;
}

static bool
scheme_find(struct str name, const struct signature_scheme **ret, struct err *err)
{
	AUTO(buf_fini) struct buf all = BUF_INIT;

	*ret = signature_find(name);
	if (*ret)
		return true;
	for (size_t i = 0; signature_at(i); i++)
		buf_printf(&all, "%s%s", i ? " " : "", signature_at(i)->name);
	return err_set(err, E_USAGE, "unknown scheme %.*s; there are: %s", STR_ARG(name),
		       buf_cstr(&all));
}

static bool
signature_of(struct cli *cli, struct signature **ret, struct err *err)
{
	struct signature_options options = {0};
	const struct signature_scheme *scheme;
	const char *name = cli_opt(cli, "scheme"), *set;

	if (!name)
		return err_set(
			err, E_USAGE,
			"how is it signed? --scheme github, standard, stripe, slack, hmac, ...");
	if (!scheme_find(str_of(name), &scheme, err))
		return false;
	for (size_t i = 0; (set = opts_nth(&cli->opts, "set", i)); i++) {
		struct str key, value = str_split(str_of(set), '=', &key), *slot;

		slot = option_slot(&options, key);
		if (!value.p || !slot)
			return err_set(
				err, E_USAGE,
				"--set %s: header=, algorithm=, encoding=, prefix=, signed=, "
				"timestamp_header= or id_header= was expected",
				set);
		*slot = value;
	}
	return signature_new(scheme, &options, ret, err);
}

static bool
now_of(struct cli *cli, struct wall *ret, struct err *err)
{
	const char *text = cli_opt(cli, "now");
	int64_t seconds;

	*ret = cli->out.now;
	if (!text)
		return true;
	if (!str_to_i64(str_of(text), &seconds) || seconds > INT64_MAX / 1000 || seconds < 0)
		return err_set(err, E_USAGE, "--now %s: seconds since 1970 were expected", text);
	*ret = (struct wall){seconds * 1000};
	return true;
}

static bool
body_of(struct cli *cli, struct buf *ret, struct err *err)
{
	const char *from = cli_opt(cli, "body");

	if (!from)
		return err_set(err, E_USAGE,
			       "--body FILE is missing (- for standard input): what was signed");
	if (!strcmp(from, "-"))
		return os_read_fd(STDIN_FILENO, BODY_MAX, "standard input", ret, err);
	return os_read_file(from, BODY_MAX, ret, err);
}

static bool
secrets_of(struct cli *cli, const struct signature *signature, struct secret_list *ret,
	   struct err *err)
{
	const char *word;

	for (size_t i = 0; (word = opts_nth(&cli->opts, "secret", i)); i++)
		if (!secret_from_word(ret, word, err))
			return false;
	if (!ret->count && signature_scheme(signature)->method != SIGNATURE_NONE)
		return err_set(err, E_USAGE,
			       "--secret is missing (the secret itself, file:PATH or env:NAME)");
	for (size_t i = 0; i < ret->count; i++)
		if (!signature_check_secret(signature, ret->slices[i], err))
			return false;
	return true;
}

static bool
headers_of(struct cli *cli, struct webhook_request *request, struct err *err)
{
	const char *text;

	for (size_t i = 0; (text = opts_nth(&cli->opts, "header", i)); i++) {
		struct str name, value = str_split(str_of(text), ':', &name);

		if (!value.p || !name.len)
			return err_set(err, E_USAGE, "--header %s: 'NAME: VALUE' was expected",
				       text);
		webhook_header_add(request, str_trim(name), str_trim(value));
	}
	return true;
}

static struct signature_request
request_of(struct cli *cli, struct webhook_request *from)
{
	const char *url = cli_opt(cli, "url"), *method = cli_opt(cli, "method");

	return (struct signature_request){
		.method = str_of(method ? method : "POST"),
		.url = str_of(url ? url : ""),
		.body = buf_str(&from->body),
		.header = webhook_header_find,
		.arg = from,
	};
}

static struct str
str_of_json(const json_t *value)
{
	return json_is_string(value) ? str_make(json_string_value(value), json_string_length(value))
				     : STR("");
}

static void
line_options(const json_t *members, struct signature_options *options)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)members, key, value) {
		struct str *slot = option_slot(options, str_of(key));

		if (slot && json_is_string(value))
			*slot = str_of_json(value);
	}
}

/* One secret or a list of them. */
static bool
line_secrets(const json_t *secret, struct secret_list *ret, struct err *err)
{
	const json_t *one;
	size_t i;

	if (json_is_string(secret))
		return secret_add(ret, str_of_json(secret), err);
	json_array_foreach (secret, i, one)
		if (!secret_add(ret, str_of_json(one), err))
			return false;
	return true;
}

/* {"Name": "value"}, or a list of values where a header stands several times. */
static void
line_headers(const json_t *headers, struct webhook_request *ret)
{
	const char *key;
	json_t *value, *one;
	size_t i;

	json_object_foreach ((json_t *)headers, key, value) {
		if (json_is_string(value))
			webhook_header_add(ret, str_of(key), str_of_json(value));
		json_array_foreach (value, i, one)
			if (json_is_string(one))
				webhook_header_add(ret, str_of(key), str_of_json(one));
	}
}

static bool
line_now(const json_t *instant, struct wall *now, struct err *err)
{
	double seconds = json_number_value(instant);

	if (!instant || json_is_null(instant))
		return true;
	if (!json_is_number(instant) || !(seconds >= -9e15 && seconds <= 9e15))
		return err_set(err, E_INVALID, "now is no number of seconds since 1970");
	*now = (struct wall){json_is_integer(instant) ? json_integer_value(instant) * 1000
						      : (int64_t)(seconds * 1000)};
	return true;
}

static bool
line_body(const json_t *line, struct buf *ret, struct err *err)
{
	const json_t *body = json_object_get(line, "body_b64");

	if (!body || (json_is_string(body) && base64_decode(str_of_json(body), ret)))
		return true;
	return err_set(err, E_INVALID, "body_b64 is not base64");
}

/* One JSON line, as verify takes it. */
static bool
line_verify(const json_t *line, struct wall now, struct err *err)
{
	AUTO(webhook_request_fini) struct webhook_request from = WEBHOOK_REQUEST_INIT;
	AUTO(signature_auto_free) struct signature *signature = NULL;
	AUTO(secret_list_fini) struct secret_list secrets = {.count = 0};
	struct signature_options options = {0};
	const struct signature_scheme *scheme;
	struct signature_request request = {.header = webhook_header_find, .arg = &from};
	const char *name = json_str(line, "scheme"), *method = json_str(line, "method");

	if (!name)
		return err_set(err, E_INVALID, "the line has no scheme");
	if (!scheme_find(str_of(name), &scheme, err))
		return false;
	line_options(line, &options);
	line_options(json_object_get(line, "options"), &options);
	line_headers(json_object_get(line, "headers"), &from);
	if (!signature_new(scheme, &options, &signature, err) ||
	    !line_body(line, &from.body, err) ||
	    !line_secrets(json_object_get(line, "secret"), &secrets, err) ||
	    !line_now(json_object_get(line, "now"), &now, err))
		return false;
	request.body = buf_str(&from.body);
	request.url = str_of_json(json_object_get(line, "url"));
	request.method = str_of(method ? method : "POST");
	return signature_verify(signature, secrets.slices, secrets.count, &request, now, NULL, err);
}

static void
verify_line(void *arg, const json_t *line, const char *why)
{
	struct cli *cli = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct buf *out = &cli->out.buf;
	bool ok = line && line_verify(line, cli->out.now, &err);

	buf_puts(out, "{\"id\":");
	jsonl_put_id(out, line);
	buf_printf(out, ",\"verdict\":\"%s\",\"reason\":", ok ? "accept" : "reject");
	buf_json_cstr(out, ok ? "" : why ? why : err_text(&err));
	buf_puts(out, "}\n");
}

bool
verb_webhook_verify(struct cli *cli, struct err *err)
{
	AUTO(webhook_request_fini) struct webhook_request from = WEBHOOK_REQUEST_INIT;
	AUTO(signature_auto_free) struct signature *signature = NULL;
	AUTO(secret_list_fini) struct secret_list secrets = {.count = 0};
	AUTO(err_fini) struct err why = ERR_INIT;
	struct signature_request request;
	struct wall now;

	if (cli_has(cli, "jsonl"))
		return now_of(cli, &cli->out.now, err) &&
		       jsonl_each(STDIN_FILENO, &cli->out, verify_line, cli, err);
	if (!signature_of(cli, &signature, err) || !secrets_of(cli, signature, &secrets, err) ||
	    !now_of(cli, &now, err) || !headers_of(cli, &from, err) ||
	    !body_of(cli, &from.body, err))
		return false;
	request = request_of(cli, &from);
	if (!signature_verify(signature, secrets.slices, secrets.count, &request, now, NULL, &why))
		cli->status = 1;
	if (cli->out.json) {
		print_f(&cli->out,
			"{\"verdict\":\"%s\",\"reason\":", cli->status ? "reject" : "accept");
		buf_json_cstr(&cli->out.buf, cli->status ? err_text(&why) : "");
		print_f(&cli->out, "}\n");
	} else if (cli->status) {
		print_styled(&cli->out, STYLE_RED, "rejected");
		print_f(&cli->out, ": ");
		print_text(&cli->out, err_text(&why));
		print_f(&cli->out, "\n");
	} else {
		print_styled(&cli->out, STYLE_GREEN, "accepted");
		print_f(&cli->out, "\n");
	}
	return true;
}

struct signing {
	struct cli *cli;
	bool curl;
};

static void
sign_on_header(void *arg, const char *name, const char *value)
{
	const struct signing *signing = arg;
	AUTO(buf_fini) struct buf header = BUF_INIT;
	struct buf *out = &signing->cli->out.buf;

	buf_printf(&header, "%s: %s", name, value);
	if (signing->curl) {
		buf_puts(out, " -H ");
		buf_shell_word(out, buf_str(&header));
	} else {
		print_text(&signing->cli->out, buf_cstr(&header));
		buf_putc(out, '\n');
	}
}

bool
verb_webhook_sign(struct cli *cli, struct err *err)
{
	AUTO(webhook_request_fini) struct webhook_request from = WEBHOOK_REQUEST_INIT;
	AUTO(signature_auto_free) struct signature *signature = NULL;
	AUTO(secret_list_fini) struct secret_list secrets = {.count = 0};
	const char *curl = cli_opt(cli, "curl"), *id = cli_opt(cli, "id"),
		   *body = cli_opt(cli, "body");
	struct signing signing = {cli, curl};
	struct uuid made = uuid_v7(cli->out.now);
	struct signature_request request;
	struct wall now;

	if (!signature_of(cli, &signature, err) || !secrets_of(cli, signature, &secrets, err) ||
	    !now_of(cli, &now, err) || !body_of(cli, &from.body, err))
		return false;
	if (secrets.count > 1)
		return err_set(err, E_USAGE, "a request is signed with one secret");
	if (curl && !strcmp(body, "-"))
		return err_set(err, E_USAGE, "--curl wants the body in a file: --body FILE");
	request = request_of(cli, &from);
	if (!cli_has(cli, "url") && curl)
		request.url = str_of(curl);
	if (curl)
		print_f(&cli->out, "curl -sS");
	if (!signature_sign(signature, secrets.count ? secrets.slices[0] : STR(""), &request,
			    str_of(id ? id : made.text), now, sign_on_header, &signing, err)) {
		buf_clear(&cli->out.buf);
		return false;
	}
	if (curl) {
		AUTO(buf_fini) struct buf file = BUF_INIT;

		buf_printf(&file, "@%s", body);
		buf_puts(&cli->out.buf, " -H 'Content-Type: application/json' --data-binary ");
		buf_shell_word(&cli->out.buf, buf_str(&file));
		buf_putc(&cli->out.buf, ' ');
		buf_shell_word(&cli->out.buf, str_of(curl));
		buf_putc(&cli->out.buf, '\n');
	}
	return true;
}
