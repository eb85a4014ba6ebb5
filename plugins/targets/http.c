/* HTTP targets: changes become requests, with a key by which the other side knows a repetition.
 * SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/http.h"

#include <assert.h>
#include <ctype.h>

#include "base/os.h"
#include "conf/secret.h"
#include "core/event.h"
#include "io/fetch.h"
#include "plugins/targets/outcome.h"
#include "store/runs.h"

#define SENTENCE_BYTES 200
#define RECEIPT_BODY_BYTES 16384
#define RECEIPT_BEFORE_BYTES 262144

/* In the order of enum http_url. */
static const char *const url_keys[] = {"url",	   "url_create", "url_update", "url_delete",
				       "url_call", "read_url",	 "compensate"};
static_assert(ARRAY_LEN(url_keys) == HTTP_URLS, "a key for every url");

#define NAMES "may use {entity} {op} {key} {id} {after.NAME} {before.NAME}"
static const struct conf_key keys[] = {
	{"url", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "where changes are sent; " NAMES ", percent-encoded"},
	{"url_create", CONF_STRING, .help = "the same for creates, where that is another place"},
	{"url_update", CONF_STRING, .help = "the same for updates"},
	{"url_delete", CONF_STRING, .help = "the same for deletes"},
	{"url_call", CONF_STRING, .help = "the same for calls"},
	{"method", CONF_ENUM, .choices = "POST|PUT|PATCH|DELETE",
	 .help = "default: create and call POST, update PATCH, delete DELETE"},
	{"body", CONF_ENUM, .choices = "after|patch|change",
	 .help = "what is sent, as JSON; change: all of it; default: patch where an update has "
		 "one, else after, nothing for a delete"},
	{"header.", CONF_STRING, .flags = CONF_PREFIX,
	 .help = "header.NAME = VALUE: sent with every request"},
	{"auth", CONF_SECRET, .help = "sent as Authorization: Bearer"},
	{"success", CONF_LIST, .help = "statuses that mean done; default: 200 to 299"},
	{"read_url", CONF_STRING,
	 .help = "GET of what is there now, as JSON: compared with before, its ETag sent as "
		 "If-Match"},
	{"compensate", CONF_STRING,
	 .help = "url that takes a change back, also {receipt.body.NAME}; default: the opposite "
		 "request with what was before"},
	{"compensate_method", CONF_ENUM, "POST", "POST|PUT|PATCH|DELETE", .help = "method of that"},
	{"allow_private", CONF_BOOL, "no",
	 .help = "may the url lead to loopback or private addresses?"},
};

static const struct conf_table http_table = {
	.section = "target",
	.named = true,
	.selector = "kind",
	.value = "http",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.help = "a target that is an HTTP service",
};

/* --- at load ------------------------------------------------------------------------------- */

static bool
name_is_known(struct str name)
{
	static const char *const plain[] = {"entity", "op", "key", "id"};

	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (str_eq_cstr(name, plain[i]))
			return true;
	return str_starts(name, STR("after.")) || str_starts(name, STR("before.")) ||
	       str_starts(name, STR("receipt."));
}

/* scheme://host:port must stand there: no change chooses where the secret goes. */
static bool
url_is_safe(const char *text)
{
	const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
			   : strncmp(text, "http://", 7) == 0 ? text + 7
							      : NULL;
	size_t len = host ? strcspn(host, "/?#") : 0;

	return host && len && !memchr(host, '{', len) && !memchr(host, '@', len);
}

static void
url_open(struct http_target *t, enum http_url which, const struct conf_section *section,
	 struct conf_report *report)
{
	const char *text = conf_str(section, url_keys[which]);
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!text)
		return;
	if (!url_is_safe(text)) {
		conf_complain(report, section, url_keys[which],
			      "\"%s\" does not begin with http:// or https:// and a host of its "
			      "own; expected https://HOST/PATH, with "
			      "names in {} behind the host only",
			      text);
		return;
	}
	if (!template_parse(str_of(text), &t->urls[which], &err)) {
		conf_complain(report, section, url_keys[which], "%s", err_text(&err));
		return;
	}
	for (size_t i = 0; template_name(t->urls[which], i).p; i++)
		if (!name_is_known(template_name(t->urls[which], i)))
			conf_complain(report, section, url_keys[which],
				      "{%.*s} is unknown; expected {entity}, {op}, {key}, {id}, "
				      "{after.NAME} or {before.NAME}",
				      STR_ARG(template_name(t->urls[which], i)));
}

static void
success_open(struct http_target *t, const struct conf_section *section, struct conf_report *report)
{
	const char *const *items;
	size_t count = conf_list(section, "success", &items);

	t->success = count ? mem_alloc_array(count, sizeof(*t->success)) : NULL;
	for (size_t i = 0; i < count; i++) {
		uint64_t code = 0;

		if (!str_to_u64(str_of(items[i]), &code) || code < 200 || code > 599)
			conf_complain(report, section, "success",
				      "\"%s\" is no status; expected numbers from 200 to 599",
				      items[i]);
		t->success[t->success_count++] = (int)code;
	}
}

static void
headers_check(const struct conf_section *section, struct conf_report *report)
{
	const char *name, *value;

	for (size_t i = 0; conf_below(section, "header.", i, &name, &value); i++) {
		bool ok = *name;

		for (const char *p = name; *p; p++)
			ok &= isalnum((unsigned char)*p) || strchr("!#$%&'*+-.^_`|~", *p);
		for (const char *p = value; *p; p++)
			ok &= ((unsigned char)*p >= 0x20 && *p != 0x7f) || *p == '\t';
		if (!ok)
			conf_complain(report, section, NULL,
				      "header.%s is no field of HTTP; expected header.NAME = VALUE",
				      name);
		if (str_eq_nocase(str_of(name), STR("authorization")))
			conf_warn(report, section, NULL,
				  "header.%s is written in the file itself; auth = file:PATH keeps "
				  "a secret",
				  name);
	}
}

static void
target_close(struct target *target)
{
	struct http_target *t = target->state;

	if (!t)
		return;
	for (int i = 0; i < HTTP_URLS; i++)
		template_free(t->urls[i]);
	free(t->success);
	free(t);
	target->state = NULL;
}

static bool
target_open(struct target *target, struct conf_report *report)
{
	const struct conf_section *section = target->section;
	struct http_target *t = mem_alloc(sizeof(*t));
	AUTO(secrets_fini) struct secrets secrets = SECRETS_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	size_t before = conf_report_errors(report);

	target->state = t;
	t->method = conf_str(section, "method");
	t->compensate_method = conf_str(section, "compensate_method");
	t->body = conf_str(section, "body");
	t->allow_private = conf_bool(section, "allow_private");
	for (int i = 0; i < HTTP_URLS; i++)
		url_open(t, (enum http_url)i, section, report);
	success_open(t, section, report);
	headers_check(section, report);
	if (conf_str(section, "auth") && !secrets_resolve(section, "auth", &secrets, &err))
		conf_warn(report, section, "auth", "%s", err_text(&err));
	return conf_report_errors(report) == before;
}

static bool
target_check(struct core *core, const struct target *target, const struct change_row *change,
	     struct err *err)
{
	(void)core;
	const struct http_target *t = target->state;
	AUTO(http_request_fini) struct http_request request = {0};
	AUTO(http_request_fini) struct http_request read = {0};

	if (!http_request_make(target, change, false, NULL, &request, err))
		return false;
	return !t->urls[HTTP_READ_URL] || !strcmp(change->op, "create") ||
	       http_read_make(target, change, false, &read, err);
}

/* --- applying ------------------------------------------------------------------------------ */

struct http_job {
	struct outcome outcome;
	const struct target *target;
	const struct http_target *t;
	const struct change_row *change;
	bool revert;
	struct mono until;
	struct buf before, etag; /* what the look found */
};

static void
job_end(void *arg)
{
	struct http_job *job = arg;

	outcome_give(&job->outcome);
	outcome_fini(&job->outcome);
	buf_fini(&job->before);
	buf_fini(&job->etag);
	free(job);
}

/* Rouse-Cause: what this request wakes is known to come from the run that proposed it. */
static void
cause_add(const struct http_job *job, struct http_request *request)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct run_row run = {0};

	if (!runs_get_seq(job->outcome.core->store, job->change->run, &run, NULL))
		return;
	run_cause(&run, run.event_id, &text);
	http_header_add(request, "Rouse-Cause", buf_cstr(&text));
	if (run.correlation && !strpbrk(run.correlation, "\r\n"))
		http_header_add(request, "X-Correlation-ID", run.correlation);
	run_row_fini(&run);
}

static bool
job_fetch(struct http_job *job, struct http_request *request, fetch_on_done *on_done)
{
	struct core *core = job->outcome.core;
	struct err *err = &job->outcome.err;
	struct fetch_spec spec = {.method = request->method,
				  .url = buf_cstr(&request->url),
				  .body = buf_str(&request->body),
				  .private_addresses = job->t->allow_private};
	int64_t left = job->until.ms - clock_mono(core->clock).ms;

	if (!http_headers_add(job->target, request, err))
		return false;
	cause_add(job, request);
	spec.headers = (const char *const *)request->headers;
	spec.timeout_ms = left > 0 ? left : 1;
	return fetch_start(core->fetch, &spec, on_done, job, err) != NULL;
}

static bool
status_is_success(const struct http_target *t, int status)
{
	if (!t->success)
		return status >= 200 && status < 300;
	for (size_t i = 0; i < t->success_count; i++)
		if (t->success[i] == status)
			return true;
	return false;
}

static bool
status_is_again(int status)
{
	return status == 408 || status == 425 || status == 429 || status >= 500;
}

/* The request came to nothing. */
static void
job_no_answer(struct http_job *job, struct err *err)
{
	job->outcome.what = TARGET_FAILED;
	if (err->code == E_DENIED && !job->t->allow_private)
		outcome_fail(&job->outcome, E_DENIED,
			     "%s; set allow_private = yes if the service is meant to be there",
			     err_text(err));
	else
		outcome_fail(&job->outcome, err->code, "%s", err_text(err));
}

static void
job_bad_status(struct http_job *job, const struct fetch_answer *answer, const char *what)
{
	struct wall now = core_wall(job->outcome.core);
	struct str body = str_trim(answer->body);
	bool redirect = answer->status >= 300 && answer->status < 400;

	body.len = body.len > SENTENCE_BYTES ? SENTENCE_BYTES : body.len;
	if (redirect)
		outcome_fail(&job->outcome, E_INVALID,
			     "%s: answered %d to %.*s; redirects are not followed, set the url to "
			     "where it leads",
			     what, answer->status, STR_ARG(answer->location));
	else
		outcome_fail(&job->outcome,
			     status_is_again(answer->status) ? E_UNAVAILABLE : E_INVALID,
			     "%s: answered %d%s%.*s", what, answer->status, body.len ? ": " : "",
			     STR_ARG(body));
	if (status_is_again(answer->status))
		job->outcome.retry_after_ms = http_retry_after(answer->retry_after, now);
}

static bool
answer_is_json(const struct fetch_answer *answer)
{
	return answer->body.len && json_check(answer->body, NULL);
}

static void
member(struct buf *out, const char *name, struct str text)
{
	if (!text.p)
		return;
	buf_printf(out, ",\"%s\":", name);
	buf_json_str(out, text);
}

static void
receipt_write(struct http_job *job, const struct fetch_answer *answer)
{
	struct buf *receipt = &job->outcome.receipt;

	buf_printf(receipt, "{\"status\":%d", answer->status);
	member(receipt, "etag", answer->etag);
	member(receipt, "location", answer->location);
	if (answer->body.len <= RECEIPT_BODY_BYTES && answer_is_json(answer)) {
		buf_puts(receipt, ",\"body\":");
		buf_add_str(receipt, str_trim(answer->body));
	}
	if (job->before.len && job->before.len <= RECEIPT_BEFORE_BYTES) {
		buf_puts(receipt, ",\"before\":");
		buf_add_str(receipt, buf_str(&job->before));
	}
	buf_putc(receipt, '}');
}

/* --- what is there ------------------------------------------------------------------------- */

/* False when the look failed; the outcome then says why. */
static bool
look_take(struct http_job *job, const struct fetch_answer *answer, struct err *err)
{
	buf_clear(&job->before);
	buf_clear(&job->etag);
	if (!answer) {
		job_no_answer(job, err);
		return false;
	}
	if (answer->status == 404 || answer->status == 410)
		return true;
	if (answer->status != 200) {
		job_bad_status(job, answer, "read_url");
		return false;
	}
	if (!answer_is_json(answer)) {
		outcome_fail(&job->outcome, E_INVALID,
			     "read_url: the answer is no JSON (%.*s); expected what is there now",
			     STR_ARG(answer->content_type));
		return false;
	}
	if (!str_eq_cstr(str_trim(answer->body), "null"))
		buf_add_str(&job->before, str_trim(answer->body));
	if (answer->etag.p && !memchr(answer->etag.p, '\n', answer->etag.len))
		buf_add_str(&job->etag, answer->etag);
	return true;
}

static void
job_drifted(struct http_job *job)
{
	job->outcome.what = TARGET_DRIFTED;
	buf_add_str(&job->outcome.current, buf_str(&job->before));
}

/* It changed between our look and our request: shown as it is now. */
static void
on_looked_again(void *arg, const struct fetch_answer *answer, struct err *err)
{
	struct http_job *job = arg;

	if (look_take(job, answer, err))
		job_drifted(job);
	job_end(job);
}

static bool
job_look(struct http_job *job, fetch_on_done *on_done)
{
	AUTO(http_request_fini) struct http_request request = {0};

	return http_read_make(job->target, job->change, job->revert, &request, &job->outcome.err) &&
	       job_fetch(job, &request, on_done);
}

/* --- the deed ------------------------------------------------------------------------------ */

static void
on_sent(void *arg, const struct fetch_answer *answer, struct err *err)
{
	struct http_job *job = arg;
	bool deletes = !strcmp(change_op(job->change, job->revert), "delete");

	crash_point("http-target-done");
	if (!answer) {
		job_no_answer(job, err);
	} else if (status_is_success(job->t, answer->status)) {
		job->outcome.what = TARGET_DONE;
		receipt_write(job, answer);
	} else if (answer->status == 412 && job->etag.len) {
		if (job_look(job, on_looked_again))
			return;
		job->outcome.what = TARGET_FAILED;
	} else if (deletes && job->change->attempts > 0 &&
		   (answer->status == 404 || answer->status == 410)) {
		/* An earlier attempt, whose answer was lost, did it. */
		job->outcome.what = TARGET_ALREADY;
	} else if ((answer->status == 404 || answer->status == 410) &&
		   change_needs_entity(job->change, job->revert)) {
		job->outcome.what = TARGET_DRIFTED;
	} else {
		job_bad_status(job, answer, job->revert ? "revert" : "apply");
	}
	job_end(job);
}

static bool
job_send(struct http_job *job)
{
	AUTO(http_request_fini) struct http_request request = {0};

	return http_request_make(job->target, job->change, job->revert,
				 job->etag.len ? buf_cstr(&job->etag) : NULL, &request,
				 &job->outcome.err) &&
	       job_fetch(job, &request, on_sent);
}

static void
on_looked(void *arg, const struct fetch_answer *answer, struct err *err)
{
	struct http_job *job = arg;
	const char *current;

	if (look_take(job, answer, err)) {
		current = job->before.len ? buf_cstr(&job->before) : NULL;
		if (change_is_done(job->change, job->revert, current))
			job->outcome.what = TARGET_ALREADY;
		else if (change_finds_other(job->change, job->revert, current))
			job_drifted(job);
		else if (job_send(job))
			return;
	}
	job_end(job);
}

static void
target_apply(struct core *core, const struct target *target, const struct change_row *change,
	     bool revert, target_on_done *on_done, void *arg)
{
	struct http_job *job = mem_alloc(sizeof(*job));
	bool creates = !strcmp(change_op(change, revert), "create");
	bool looks;

	outcome_init(&job->outcome, core, on_done, arg);
	job->target = target;
	job->t = target->state;
	job->change = change;
	job->revert = revert;
	job->until = (struct mono){clock_mono(core->clock).ms + target->timeout_ms};
	/* What is made without a name of ours cannot be looked for. */
	looks = job->t->urls[HTTP_READ_URL] && (!creates || change->entity) &&
		strcmp(change->op, "call");
	if (!(looks ? job_look(job, on_looked) : job_send(job)))
		outcome_later(&job->outcome, job_end, job);
}

const struct target_kind http_target_kind = {
	.name = "http",
	.table = &http_table,
	.open = target_open,
	.close = target_close,
	.check = target_check,
	.vets = http_vets,
	.vet = http_vet,
	.apply = target_apply,
};
