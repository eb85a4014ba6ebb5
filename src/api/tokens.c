/* Tokens over HTTP: made, shown once, listed, revoked. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include <stdio.h>

#include "base/digest.h"
#include "base/uuid.h"
#include "core/registry.h"
#include "core/scope.h"
#include "store/changes.h"
#include "store/state.h"

#define NAME_MAX_LEN 64
#define TOKEN_BYTES 32
#define TOKEN_PREFIX "rouse_"
/* Base64 of 32 bytes without padding is 43 characters. */
#define TOKEN_LEN (sizeof(TOKEN_PREFIX) - 1 + 43)

/* --- listed -------------------------------------------------------------------------------- */

static json_t *
scopes_json(const char *scopes)
{
	struct str rest = str_of(scopes), one;
	json_t *list = json_array();

	while (rest.p && rest.len) {
		rest = str_split(rest, ',', &one);
		one = str_trim(one);
		json_array_append_new(list, json_stringn(one.p, one.len));
	}
	return list;
}

struct listing {
	const struct core *core;
	json_t *items;
};

static bool
is_over(struct wall expires, struct wall now)
{
	return wall_is_set(expires) && expires.ms <= now.ms;
}

static bool
token_add(void *arg, const struct token_row *row)
{
	struct listing *listing = arg;
	json_t *item = json_object();

	json_put_str(item, "name", row->name);
	json_object_set_new(item, "scopes", scopes_json(row->scopes));
	json_object_set_new(item, "agent", row->agent ? json_string(row->agent) : json_null());
	json_put_wall(item, "created", row->created.ms);
	json_put_wall(item, "expires", row->expires.ms);
	json_put_wall(item, "last_used", row->last_used.ms);
	json_object_set_new(item, "revoked", json_boolean(row->revoked));
	json_put_str(item, "state",
		     row->revoked				       ? "revoked"
		     : is_over(row->expires, core_wall(listing->core)) ? "expired"
								       : "live");
	json_array_append_new(listing->items, item);
	return true;
}

static void
on_list(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct listing listing = {api->core, json_array()};

	(void)match;
	if (!tokens_list(api->core->store, token_add, &listing, &err)) {
		json_decref(listing.items);
		http_reply_error(req, &err);
		return;
	}
	api_reply_items(req, listing.items);
}

/* --- made ---------------------------------------------------------------------------------- */

/* What is answered once: it is nowhere else. */
struct made {
	char name[NAME_MAX_LEN + 1];
	char token[TOKEN_LEN + 1];
};

static json_t *
make_token(struct core *core, void *arg, int *ret_status, struct err *err)
{
	struct made *made = arg;
	json_t *object = json_object();

	(void)core;
	(void)err;
	*ret_status = 201;
	json_put_str(object, "name", made->name);
	json_put_str(object, "token", made->token);
	mem_zero(made->token, sizeof(made->token));
	return object;
}

static bool
name_check(const char *name, struct err *err)
{
	size_t len = name ? strlen(name) : 0;

	if (!len)
		return err_set(err, E_INVALID, "name: expected some characters, or no name at all");
	if (len > NAME_MAX_LEN)
		return err_set(err, E_INVALID, "name: %zu characters; expected at most %d", len,
			       NAME_MAX_LEN);
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '_' || c == '.')
			continue;
		return err_set(err, E_INVALID,
			       "name: expected letters, digits, '-', '_' and '.' only");
	}
	return true;
}

/* "review-3f9a1c" where nobody chose one. */
static bool
name_of(const json_t *body, const char *scopes, char *ret, struct err *err)
{
	const json_t *value = json_object_get(body, "name");
	struct str first;
	AUTO(buf_fini) struct buf name = BUF_INIT;

	if (value && !json_is_null(value) && !json_is_string(value))
		return err_set(err, E_INVALID, "name: expected a string");
	if (json_is_string(value)) {
		if (!name_check(json_string_value(value), err))
			return false;
		buf_puts(&name, json_string_value(value));
	} else {
		str_split(str_of(scopes), ',', &first);
		buf_printf(&name, "%.*s-%06llx", STR_ARG(first),
			   (unsigned long long)entropy_below(1 << 24));
	}
	memcpy(ret, buf_cstr(&name), name.len + 1);
	return true;
}

static bool
scope_add(struct buf *scopes, struct str scope, struct err *err)
{
	struct str rest = buf_str(scopes), one;

	scope = str_trim(scope);
	if (!scope_is_known(scope)) {
		AUTO(buf_fini) struct buf known = BUF_INIT;

		for (size_t i = 0; scopes_all[i]; i++)
			buf_printf(&known, " %s", scopes_all[i]);
		return err_set(err, E_INVALID, "scope %.*s is unknown; expected some of%s",
			       STR_ARG(scope), buf_cstr(&known));
	}
	while (rest.p && rest.len) {
		rest = str_split(rest, ',', &one);
		if (str_eq(one, scope))
			return true;
	}
	if (scopes->len)
		buf_putc(scopes, ',');
	buf_add_str(scopes, scope);
	return true;
}

/* ["read","invoke"], or "read,invoke". */
static bool
scopes_of(const json_t *body, struct buf *ret, struct err *err)
{
	const json_t *value = json_object_get(body, "scopes");
	const json_t *item;
	size_t i;

	if (json_is_string(value)) {
		struct str rest = str_of(json_string_value(value)), one;

		while (rest.p && rest.len) {
			rest = str_split(rest, ',', &one);
			if (!scope_add(ret, one, err))
				return false;
		}
	}
	json_array_foreach (value, i, item) {
		if (!json_is_string(item))
			return err_set(err, E_INVALID, "scopes[%zu]: expected a string", i);
		if (!scope_add(ret, str_make(json_string_value(item), json_string_length(item)),
			       err))
			return false;
	}
	if (ret->len)
		return true;
	return err_set(err, E_INVALID,
		       "what may the token do? expected \"scopes\": some of "
		       "[\"read\",\"invoke\",\"review\",\"apply\",\"admin\"]");
}

/* Whose it is, where it is made for an agent. One that may make tokens would not be held by it. */
static bool
agent_of(const struct core *core, const json_t *body, const char *scopes, const char **ret,
	 struct err *err)
{
	const json_t *value = json_object_get(body, "agent");

	*ret = json_string_value(value);
	if (!value || json_is_null(value))
		return true;
	if (!*ret)
		return err_set(err, E_INVALID, "agent: expected the name of an agent");
	if (!registry_agent(core->registry, *ret))
		return err_set(err, E_NOT_FOUND, "agent %s is not configured", *ret);
	if (scopes_have(scopes, "admin"))
		return err_set(err, E_INVALID,
			       "a token of scope admin makes others, so that it cannot be bound to "
			       "agent %s; expected some of read, invoke, review, apply",
			       *ret);
	return true;
}

static bool
expires_of(const struct core *core, const json_t *body, struct wall *ret, struct err *err)
{
	const json_t *value = json_object_get(body, "expires");
	const char *text = json_string_value(value);

	*ret = WALL_NONE;
	if (!value || json_is_null(value))
		return true;
	if (!text || !wall_parse(str_of(text), ret))
		return err_set(err, E_INVALID,
			       "expires: expected a time as \"2026-11-20T09:30:00Z\"");
	if (ret->ms <= core_wall(core).ms)
		return err_set(err, E_INVALID, "expires: %s is over already", text);
	return true;
}

static void
secret_make(struct buf *ret)
{
	unsigned char bytes[TOKEN_BYTES];

	entropy_fill(bytes, sizeof(bytes));
	buf_reserve(ret, TOKEN_LEN + 1); /* no copy is left behind by growing */
	buf_puts(ret, TOKEN_PREFIX);
	base64url_encode(ret, str_make(bytes, sizeof(bytes)));
	mem_zero(bytes, sizeof(bytes));
}

/* The row and who made it: both, or neither. */
static bool
token_keep(struct core *core, const struct token_row *row, const char *by, struct err *err)
{
	if (!turn_savepoint(core->store, err))
		return false;
	if (tokens_insert(core->store, row, err) &&
	    decisions_add(core->store, "token", row->name, "create", by, row->scopes, NULL,
			  row->created, err)) {
		turn_release(core->store);
		return true;
	}
	turn_undo(core->store);
	return false;
}

static bool
token_create(struct api *api, struct http_request *req, struct made *made, struct err *err)
{
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(buf_fini) struct buf scopes = BUF_INIT;
	AUTO(buf_fini) struct buf secret = BUF_INIT;
	AUTO(buf_fini) struct buf hash = BUF_INIT;
	struct token_row row = {.created = core_wall(api->core), .last_used = WALL_NONE};
	const char *agent;
	struct digest digest;

	if (!api_body(req, &body, err) || !scopes_of(body, &scopes, err) ||
	    !name_of(body, buf_cstr(&scopes), made->name, err) ||
	    !agent_of(api->core, body, buf_cstr(&scopes), &agent, err) ||
	    !expires_of(api->core, body, &row.expires, err))
		return false;
	secret_make(&secret);
	digest = digest_of(DIGEST_SHA256, buf_str(&secret));
	hex_encode(&hash, str_make(digest.bytes, digest.len));
	memcpy(made->token, buf_cstr(&secret), secret.len + 1);
	mem_zero(secret.data, secret.len);
	row.name = made->name;
	row.scopes = (char *)buf_cstr(&scopes);
	row.agent = (char *)agent;
	row.hash = (char *)buf_cstr(&hash);
	return token_keep(api->core, &row, api_by(req), err);
}

static void
on_create(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct made *made = mem_alloc(sizeof(*made));

	(void)match;
	if (token_create(api, req, made, &err)) {
		api_reply_after(api, req, make_token, made);
		return;
	}
	mem_zero(made, sizeof(*made));
	free(made);
	http_reply_error(req, &err);
}

/* --- revoked ------------------------------------------------------------------------------- */

struct revoking {
	struct api *api;
	char name[NAME_MAX_LEN + 1];
};

/* It is on disk: what is open by it ends with the answer. */
static json_t *
make_revoked(struct core *core, void *arg, int *ret_status, struct err *err)
{
	struct revoking *revoking = arg;
	json_t *object = json_object();

	(void)core;
	(void)ret_status;
	(void)err;
	api_bar(revoking->api, revoking->name);
	json_put_str(object, "name", revoking->name);
	json_object_set_new(object, "revoked", json_true());
	return object;
}

static bool
token_revoke(struct core *core, const char *name, const char *by, struct err *err)
{
	if (!turn_savepoint(core->store, err))
		return false;
	if (tokens_revoke(core->store, name, err) &&
	    decisions_add(core->store, "token", name, "revoke", by, NULL, NULL, core_wall(core),
			  err)) {
		turn_release(core->store);
		return true;
	}
	turn_undo(core->store);
	return false;
}

static void
on_revoke(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	AUTO(auto_free) char *name = api_param(match, 0);
	AUTO(err_fini) struct err err = ERR_INIT;

	struct revoking *revoking;

	if (!token_revoke(api->core, name, api_by(req), &err)) {
		http_reply_error(req, &err);
		return;
	}
	revoking = mem_alloc(sizeof(*revoking));
	*revoking = (struct revoking){.api = api};
	snprintf(revoking->name, sizeof(revoking->name), "%s", name);
	api_reply_after(api, req, make_revoked, revoking);
}

static const struct route routes[] = {
	{"GET", "/v1/tokens", "admin", "tokens, without what is secret", on_list},
	{"POST", "/v1/tokens", "admin", "make a token; it is shown once", on_create},
	{"POST", "/v1/tokens/{name}/revoke", "admin", "let a token open nothing any more",
	 on_revoke},
};

void
api_tokens_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
