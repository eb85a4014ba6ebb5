/* Who may do what: peers of the Unix socket, tokens over TCP. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "api/auth.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "base/digest.h"
#include "core/rate.h"
#include "core/registry.h"
#include "core/scope.h"
#include "store/state.h"

/* Wrong tokens that one address may show a minute. */
#define FAILURES_A_MINUTE 20
#define TOUCH_MS 60000

struct rate_limit {
	int64_t count, per_ms; /* count 0: none */
};

struct auth {
	struct core *core;
	char *group, *group_may;
	bool has_group; /* it is known to the system */
	gid_t gid;
	struct rate_limit per_address, per_token;
};

struct auth *
auth_new(struct core *core)
{
	struct auth *auth = mem_alloc(sizeof(*auth));

	auth->core = core;
	auth_configured(auth);
	return auth;
}

void
auth_free(struct auth *auth)
{
	if (!auth)
		return;
	free(auth->group);
	free(auth->group_may);
	free(auth);
}

void
caller_fini(struct caller *caller)
{
	free(caller->by);
	free(caller->token);
	free(caller->agent);
	*caller = (struct caller){.expires = WALL_NONE};
}

static void
limit_read(const struct conf_section *http, const char *key, struct rate_limit *ret)
{
	if (!conf_rate(http, key, &ret->count, &ret->per_ms))
		ret->count = 0;
}

void
auth_configured(struct auth *auth)
{
	const struct conf *conf = registry_conf(auth->core->registry);
	const struct conf_section *daemon = conf_section(conf, "daemon", ""),
				  *http = conf_section(conf, "http", "");
	AUTO(buf_fini) struct buf may = BUF_INIT;
	const struct group *group;
	const char *const *items;
	size_t count = conf_list(daemon, "group_may", &items);

	for (size_t i = 0; i < count; i++)
		buf_cat(&may, i ? "," : "", items[i]);
	free(auth->group);
	free(auth->group_may);
	auth->group = mem_strdup(conf_str(daemon, "group"));
	auth->group_may = mem_strdup(buf_cstr(&may));
	group = auth->group ? getgrnam(auth->group) : NULL;
	auth->has_group = group != NULL;
	if (group)
		auth->gid = group->gr_gid;
	limit_read(http, "rate_per_ip", &auth->per_address);
	limit_read(http, "rate_per_token", &auth->per_token);
}

/* --- rates --------------------------------------------------------------------------------- */

static bool
limit_take(struct auth *auth, const char *name, const struct rate_limit *limit, int64_t *ret_wait)
{
	return !limit->count || rate_take(auth->core, name, limit->count, limit->per_ms, ret_wait);
}

/* The answer says when to come again. */
static bool
too_many(struct err *err, int64_t wait_ms)
{
	err->again_ms = wait_ms;
	return false;
}

bool
auth_address_may(struct auth *auth, const struct http_request *req, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	int64_t wait_ms;

	if (!auth->per_address.count || http_peer(req)->local)
		return true;
	rate_name_of_address("address", http_client(req), &name);
	if (limit_take(auth, buf_cstr(&name), &auth->per_address, &wait_ms))
		return true;
	err_set(err, E_RATE, "more requests from %s than http.rate_per_ip; try again in %lld ms",
		http_client(req), (long long)wait_ms);
	return too_many(err, wait_ms);
}

/* --- peers of the socket ------------------------------------------------------------------- */

static void
peer_name(const struct http_peer *peer, const struct passwd *user, struct caller *ret)
{
	struct buf by = BUF_INIT;

	if (user)
		buf_puts(&by, user->pw_name);
	else
		buf_printf(&by, "uid:%u", (unsigned)peer->uid);
	ret->by = buf_take(&by);
}

/* Root and the daemon's own user administer; the group may what daemon.group_may says. */
static bool
peer_check(const struct auth *auth, const struct http_request *req, const char *scope,
	   struct caller *ret, struct err *err)
{
	const struct http_peer *peer = http_peer(req);
	const struct passwd *user = getpwuid(peer->uid);
	const struct passwd *own;

	peer_name(peer, user, ret);
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	if (!auth->has_group || !http_peer_has_group(req, auth->gid))
		return err_set(err, E_DENIED,
			       "user %s may not use this socket; ask to be put into the group of "
			       "daemon.group%s%s",
			       ret->by, auth->group ? " " : "", auth->group ? auth->group : "");
	if (scopes_have(auth->group_may, scope))
		return true;
	own = getpwuid(geteuid());
	return err_set(err, E_DENIED,
		       "user %s is of group %s, which has the scopes %s (daemon.group_may); this "
		       "needs %s: root and user %s may, or a token of that scope",
		       ret->by, auth->group, auth->group_may, scope,
		       own ? own->pw_name : "of the daemon");
}

/* --- tokens -------------------------------------------------------------------------------- */

static bool
bearer_of(const struct http_request *req, struct str *ret)
{
	struct str header = http_header(req, "authorization", 0);

	if (!str_starts_nocase(header, STR("Bearer ")))
		return false;
	*ret = str_trim(str_make(header.p + 7, header.len - 7));
	return ret->len > 0;
}

/* Whoever guesses has few tries; who shows a right one from the same address is not held up. */
static bool
token_is_wrong(struct auth *auth, struct http_request *req, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	int64_t wait_ms;

	rate_name_of_address("wrong", http_client(req), &name);
	if (!rate_take(auth->core, buf_cstr(&name), FAILURES_A_MINUTE, 60000, &wait_ms)) {
		err_set(err, E_RATE, "too many wrong tokens from here; try again in %lld ms",
			(long long)wait_ms);
		return too_many(err, wait_ms);
	}
	http_add_header(req, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
	return err_set(err, E_UNAUTHORIZED, "the token is unknown, revoked or expired");
}

static bool
token_rate(struct auth *auth, const struct token_row *row, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	int64_t wait_ms;

	buf_cat(&name, "token:", row->name);
	if (limit_take(auth, buf_cstr(&name), &auth->per_token, &wait_ms))
		return true;
	err_set(err, E_RATE,
		"more requests with token %s than http.rate_per_token; try again in %lld ms",
		row->name, (long long)wait_ms);
	return too_many(err, wait_ms);
}

static void
token_is_whose(struct token_row *row, struct caller *ret)
{
	struct buf by = BUF_INIT;

	buf_cat(&by, "token:", row->name);
	ret->by = buf_take(&by);
	ret->token = mem_strdup(row->name);
	ret->agent = TAKE(row->agent);
	ret->expires = row->expires;
}

static bool
token_check(struct auth *auth, struct http_request *req, const char *scope, struct caller *ret,
	    struct err *err)
{
	AUTO(token_row_fini) struct token_row row = {0};
	AUTO(buf_fini) struct buf hash = BUF_INIT;
	struct wall now = core_wall(auth->core);
	struct digest digest;
	struct str token;

	if (!bearer_of(req, &token)) {
		http_add_header(req, "WWW-Authenticate", "Bearer");
		return err_set(err, E_UNAUTHORIZED,
			       "this needs a token: Authorization: Bearer TOKEN (rouse token "
			       "create makes one)");
	}
	digest = digest_of(DIGEST_SHA256, token);
	hex_encode(&hash, str_make(digest.bytes, digest.len));
	if (!tokens_find(auth->core->store, buf_cstr(&hash), &row, NULL) || row.revoked ||
	    (wall_is_set(row.expires) && row.expires.ms <= now.ms))
		return token_is_wrong(auth, req, err);
	token_is_whose(&row, ret);
	if (!token_rate(auth, &row, err))
		return false;
	if (!scopes_have(row.scopes, scope))
		return err_set(err, E_DENIED, "token %s has the scopes %s; this needs %s", row.name,
			       row.scopes, scope);
	if (!wall_is_set(row.last_used) || row.last_used.ms + TOUCH_MS < now.ms)
		tokens_touch(auth->core->store, buf_cstr(&hash), now, NULL);
	return true;
}

/* A browser that another site told to write here. */
static bool
is_cross_site(const struct http_request *req)
{
	struct str site = http_header(req, "sec-fetch-site", 0),
		   origin = http_header(req, "origin", 0), host = http_host(req);

	if (str_eq_cstr(http_method(req), "GET") || str_eq_cstr(http_method(req), "HEAD"))
		return false;
	if (site.p)
		return !str_eq_cstr(site, "same-origin") && !str_eq_cstr(site, "none");
	return origin.p && !str_ends(origin, host);
}

bool
auth_check(struct auth *auth, struct http_request *req, const char *scope, struct caller *ret,
	   struct err *err)
{
	*ret = (struct caller){.expires = WALL_NONE};
	if (http_peer(req)->local)
		return peer_check(auth, req, scope, ret, err);
	if (is_cross_site(req))
		return err_set(err, E_DENIED, "a page of another site may not do this");
	return token_check(auth, req, scope, ret, err);
}
