/* HTTP targets: the request that a change becomes. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/http.h"

#include <stdio.h>

#include "conf/secret.h"
#include "plugins/targets/outcome.h"
#include "pure/http_date.h"

#define RETRY_MAX_MS (24LL * 3600 * 1000)

void
http_request_fini(struct http_request *request)
{
	for (size_t i = 0; i < request->header_count; i++) {
		mem_zero(request->headers[i], strlen(request->headers[i]));
		free(request->headers[i]);
	}
	free(request->headers);
	buf_fini(&request->url);
	buf_fini(&request->body);
	*request = (struct http_request){0};
}

void
http_header_add(struct http_request *request, const char *name, const char *value)
{
	struct buf line = BUF_INIT;

	buf_reserve(&line, strlen(name) + strlen(value) + 2);
	buf_printf(&line, "%s: %s", name, value);
	request->headers = mem_realloc(request->headers,
				       (request->header_count + 2) * sizeof(*request->headers));
	request->headers[request->header_count++] = buf_take(&line);
	request->headers[request->header_count] = NULL;
}

/* --- the url ------------------------------------------------------------------------------- */

/* What names in a template stand for. */
struct names {
	const struct change_row *change;
	const char *op, *key, *after, *before[2];
};

static bool
name_raw(const struct names *names, struct str name, struct str *ret)
{
	AUTO(auto_free) char *owned = str_dup(name);

	if (str_starts(name, STR("after.")))
		return change_image_find(names->after, owned + 6, ret);
	if (str_starts(name, STR("before.")))
		return change_image_find(names->before[0], owned + 7, ret) ||
		       change_image_find(names->before[1], owned + 7, ret);
	return str_starts(name, STR("receipt.")) &&
	       change_image_find(names->change->receipt, owned + 8, ret);
}

static bool
name_plain(const struct names *names, struct str name, const char **ret)
{
	const struct {
		const char *name, *value;
	} plain[] = {{"entity", names->change->entity},
		     {"op", names->op},
		     {"key", names->key},
		     {"id", names->change->id}};

	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		if (!str_eq_cstr(name, plain[i].name))
			continue;
		*ret = plain[i].value;
		return true;
	}
	return false;
}

static bool
name_lookup(void *arg, struct str name, struct buf *ret, struct err *err)
{
	const struct names *names = arg;
	const char *plain = NULL;
	size_t start = ret->len;
	struct str raw, value;

	if (name_plain(names, name, &plain)) {
		if (!plain)
			return err_set(err, E_INVALID,
				       "the change names no %.*s, and the url uses it",
				       STR_ARG(name));
		buf_puts(ret, plain);
	} else if (!name_raw(names, name, &raw) || !raw.len || strchr("{[n", *raw.p)) {
		return err_set(err, E_INVALID,
			       "the change has no text or number %.*s, and the url uses it",
			       STR_ARG(name));
	} else if (!json_raw_string(raw, ret)) {
		buf_add_str(ret, raw);
	}
	value = str_make(buf_cstr(ret) + start, ret->len - start);
	/* Dots are no escape in a URL: they would climb to another resource. */
	if (!value.len || str_eq_cstr(value, ".") || str_eq_cstr(value, ".."))
		return err_set(err, E_INVALID,
			       "%.*s is \"%.*s\", which would make another resource of the url",
			       STR_ARG(name), STR_ARG(value));
	return true;
}

/* Bytes of scheme://host:port; 0 when it is no such url. */
static size_t
origin_len(struct str url)
{
	size_t scheme = str_starts_nocase(url, STR("https://"))	 ? 8
			: str_starts_nocase(url, STR("http://")) ? 7
								 : 0;
	size_t n = scheme;

	while (n < url.len && !strchr("/?#", url.p[n]))
		n++;
	return scheme && n > scheme ? n : 0;
}

/* Where a created resource lies, in its maker's own words; only within the place that the section
 * names. */
static bool
url_of_location(const char *location, struct buf *url)
{
	struct str base = buf_str(url), full = str_of(location);
	size_t origin = origin_len(base);

	if (!location || !origin)
		return false;
	if (full.len > 1 && full.p[0] == '/' && full.p[1] != '/') {
		buf_truncate(url, origin);
		buf_add_str(url, full);
		return true;
	}
	if (origin_len(full) != origin ||
	    !str_eq_nocase(str_make(full.p, origin), str_make(base.p, origin)))
		return false;
	buf_clear(url);
	buf_add_str(url, full);
	return true;
}

static const struct template *
template_of(const struct http_target *t, const char *op)
{
	static const struct {
		const char *op;
		enum http_url url;
	} own[] = {{"create", HTTP_URL_CREATE},
		   {"update", HTTP_URL_UPDATE},
		   {"delete", HTTP_URL_DELETE},
		   {"call", HTTP_URL_CALL}};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (!strcmp(own[i].op, op) && t->urls[own[i].url])
			return t->urls[own[i].url];
	return t->urls[HTTP_URL];
}

/* --- the body ------------------------------------------------------------------------------ */

static const char *
method_of(const char *op)
{
	static const struct {
		const char *op, *method;
	} methods[] = {
		{"create", "POST"}, {"update", "PATCH"}, {"delete", "DELETE"}, {"call", "POST"}};

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (!strcmp(methods[i].op, op))
			return methods[i].method;
	return "POST";
}

/* Of what was there only what the change named: the way back of a PATCH. */
static bool
body_restore(const struct names *names, const char *wanted, struct buf *out, struct err *err)
{
	AUTO(json_auto_decref) json_t *tree = NULL;
	const char *name;
	json_t *unused;
	bool first = true;

	if (!wanted || !json_read(str_of(wanted), &tree, NULL) || !json_is_object(tree)) {
		buf_puts(out, names->before[0] ? names->before[0] : "null");
		return true;
	}
	json_object_foreach (tree, name, unused) {
		const struct json_step step = {.name = str_of(name)};
		struct str raw;

		if (!(names->before[0] &&
		      json_raw_find(str_of(names->before[0]), &step, 1, &raw)) &&
		    !(names->before[1] && json_raw_find(str_of(names->before[1]), &step, 1, &raw)))
			return err_set(err, E_STATE,
				       "what %s was before is not known; set it back by hand, or "
				       "set read_url",
				       name);
		buf_putc(out, first ? '{' : ',');
		buf_json_cstr(out, name);
		buf_putc(out, ':');
		buf_add_str(out, raw);
		first = false;
	}
	buf_puts(out, first ? "{}" : "}");
	return true;
}

static bool
body_make(const struct http_target *t, const struct change_row *change, bool revert,
	  const struct names *names, struct buf *out, struct err *err)
{
	const char *wanted = change_wanted(change), *image = names->after;

	if (t->body && !strcmp(t->body, "change")) {
		change_tell_target(change, revert, out);
		return true;
	}
	if (!strcmp(names->op, "delete"))
		return true;
	if (revert && !strcmp(names->op, "update"))
		return body_restore(&(struct names){.before = {names->after, change->before}},
				    wanted, out, err);
	if (!revert && change->patch &&
	    (t->body ? !strcmp(t->body, "patch") : !strcmp(names->op, "update")))
		image = change->patch;
	if (!revert && t->body && !strcmp(t->body, "patch") && !change->patch)
		return err_set(err, E_INVALID,
			       "the change has no patch, and target %s sends patches",
			       change->target);
	if (!image || !strcmp(image, "null"))
		return err_set(err, E_INVALID, "the change has no %s to send to target %s",
			       revert ? "before-image" : "after", change->target);
	buf_puts(out, image);
	return true;
}

/* --- the request --------------------------------------------------------------------------- */

/* Whatever a key is made of, as one field value; the same key gives the same. */
static void
header_add_escaped(struct http_request *request, const char *name, const char *value)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	for (const char *p = value; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c > 0x20 && c < 0x7f && c != '%')
			buf_putc(&text, *p);
		else
			buf_printf(&text, "%%%02X", c);
	}
	http_header_add(request, name, buf_cstr(&text));
}

/* Of what was created and is to be deleted: its maker's own word for where it lies. False when
 * there is none, or when it leads away from where it was made. */
static bool
location_url(const struct http_target *t, const struct names *names, struct buf *url)
{
	AUTO(buf_fini) struct buf location = BUF_INIT;
	struct names made = {
		names->change, "create", names->key, change_wanted(names->change), {NULL, NULL}};
	struct str raw;

	if (strcmp(names->change->op, "create") ||
	    !change_image_find(names->change->receipt, "location", &raw) ||
	    !json_raw_string(raw, &location) ||
	    !template_render(template_of(t, "create"), TEMPLATE_URL, name_lookup, &made, url, NULL))
		return false;
	if (url_of_location(buf_cstr(&location), url))
		return true;
	buf_clear(url);
	return false;
}

static bool
request_url(const struct http_target *t, struct names *names, bool compensate, bool revert,
	    struct http_request *ret, struct err *err)
{
	const struct template *url =
		compensate ? t->urls[HTTP_COMPENSATE] : template_of(t, names->op);

	return (revert && !compensate && location_url(t, names, &ret->url)) ||
	       template_render(url, TEMPLATE_URL, name_lookup, names, &ret->url, err);
}

bool
http_request_make(const struct target *target, const struct change_row *change, bool revert,
		  const char *etag, struct http_request *ret, struct err *err)
{
	const struct http_target *t = target->state;
	AUTO(auto_free) char *before = change_before(change);
	AUTO(buf_fini) struct buf key = BUF_INIT;
	const char *op = change_op(change, revert), *wanted = change_wanted(change);
	bool compensate = revert && t->urls[HTTP_COMPENSATE];
	struct names names = {
		.change = change, .op = op, .after = wanted, .before = {before, change->before}};

	change_key(change, revert, &key);
	names.key = buf_cstr(&key);
	/* A call is only taken back by what the section says compensates it. */
	if (revert && !compensate && !strcmp(op, "call"))
		return err_set(err, E_INVALID,
			       "a call of target %s cannot be taken back; set compensate to the "
			       "url that does",
			       target->name);
	if (revert && !compensate) {
		names.after = before;
		names.before[0] = names.before[1] = wanted;
	}
	if (!request_url(t, &names, compensate, revert, ret, err))
		return false;
	ret->method = compensate ? t->compensate_method : t->method ? t->method : method_of(op);
	if (compensate)
		change_tell_target(change, true, &ret->body);
	else if (!body_make(t, change, revert, &names, &ret->body, err))
		return false;
	http_header_add(ret, "Accept", "application/json");
	if (ret->body.len)
		http_header_add(ret, "Content-Type", "application/json");
	header_add_escaped(ret, "Idempotency-Key", buf_cstr(&key));
	if (etag)
		http_header_add(ret, "If-Match", etag);
	return true;
}

bool
http_read_make(const struct target *target, const struct change_row *change, bool revert,
	       struct http_request *ret, struct err *err)
{
	const struct http_target *t = target->state;
	struct names names = {.change = change,
			      .op = change->op,
			      .key = change->key,
			      .after = change_wanted(change),
			      .before = {change->before, NULL}};

	ret->method = "GET";
	http_header_add(ret, "Accept", "application/json");
	return (revert && location_url(t, &names, &ret->url)) ||
	       template_render(t->urls[HTTP_READ_URL], TEMPLATE_URL, name_lookup, &names, &ret->url,
			       err);
}

bool
http_headers_add(const struct target *target, struct http_request *request, struct err *err)
{
	const char *name, *value;

	for (size_t i = 0; conf_below(target->section, "header.", i, &name, &value); i++)
		http_header_add(request, name, value);
	return http_bearer_add(target->section, request, err);
}

bool
http_bearer_add(const struct conf_section *section, struct http_request *request, struct err *err)
{
	struct secrets secrets = SECRETS_INIT;
	struct buf bearer = BUF_INIT;

	if (!conf_str(section, "auth"))
		return true;
	if (!secrets_resolve(section, "auth", &secrets, err))
		return err_prefix(err, "auth");
	buf_reserve(&bearer, secrets.items[0].len + sizeof("Bearer "));
	buf_puts(&bearer, "Bearer ");
	buf_add_str(&bearer, secrets.items[0]);
	if (memchr(bearer.data, '\n', bearer.len) || memchr(bearer.data, '\r', bearer.len) ||
	    memchr(bearer.data, '\0', bearer.len))
		err_set(err, E_CONFIG, "auth has a line end inside; expected one token");
	else
		http_header_add(request, "Authorization", buf_cstr(&bearer));
	mem_zero(bearer.data, bearer.len);
	buf_fini(&bearer);
	secrets_fini(&secrets);
	return err->code == E_OK;
}

int64_t
http_retry_after(struct str field, struct wall now)
{
	int64_t ms;

	return retry_after_parse(field, now, RETRY_MAX_MS, &ms) ? ms : 0;
}
