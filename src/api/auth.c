/* Who may do what: peers of the Unix socket, tokens over TCP. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "api/auth.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/log.h"
#include "core/rate.h"
#include "store/state.h"

#define GROUPS_MAX 256
/* Wrong tokens that one address may show a minute. */
#define FAILURES_A_MINUTE 60
#define TOUCH_MS 60000

const char *const auth_scopes[] = {"read", "invoke", "review", "apply", "admin", NULL};

struct auth {
	struct core *core;
	char *group;
};

struct auth *
auth_new(struct core *core, const char *group)
{
	struct auth *auth = mem_alloc(sizeof(*auth));

	auth->core = core;
	auth->group = mem_strdup(group);
	return auth;
}

void
auth_free(struct auth *auth)
{
	if (!auth)
		return;
	free(auth->group);
	free(auth);
}

void
auth_set_group(struct auth *auth, const char *group)
{
	free(auth->group);
	auth->group = mem_strdup(group);
}

bool
auth_scope_is_known(struct str scope)
{
	for (size_t i = 0; auth_scopes[i]; i++)
		if (str_eq_cstr(scope, auth_scopes[i]))
			return true;
	return false;
}

static bool
peer_is_in_group(const struct auth *auth, const struct http_peer *peer, const struct passwd *user)
{
	const struct group *group = auth->group ? getgrnam(auth->group) : NULL;
	gid_t groups[GROUPS_MAX];
	int count = GROUPS_MAX;

	if (!group)
		return false;
	if (peer->gid == group->gr_gid)
		return true;
	if (!user || getgrouplist(user->pw_name, user->pw_gid, groups, &count) < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (groups[i] == group->gr_gid)
			return true;
	return false;
}

static bool
peer_check(const struct auth *auth, const struct http_peer *peer, char **ret_by, struct err *err)
{
	const struct passwd *user = getpwuid(peer->uid);
	struct buf by = BUF_INIT;

	if (user)
		buf_puts(&by, user->pw_name);
	else
		buf_printf(&by, "uid:%u", (unsigned)peer->uid);
	if (peer->uid == 0 || peer->uid == geteuid() || peer_is_in_group(auth, peer, user)) {
		*ret_by = buf_take(&by);
		return true;
	}
	err_set(err, E_DENIED,
		"user %s may not use this socket; ask to be put into the group of daemon.group%s%s",
		buf_cstr(&by), auth->group ? " " : "", auth->group ? auth->group : "");
	buf_fini(&by);
	return false;
}

bool
auth_scopes_have(const char *scopes, const char *wanted)
{
	struct str rest = str_of(scopes), one;

	while (rest.p && rest.len) {
		rest = str_split(rest, ',', &one);
		one = str_trim(one);
		if (str_eq_cstr(one, wanted) || str_eq_cstr(one, "admin"))
			return true;
	}
	return false;
}

static bool
bearer_of(const struct http_request *req, struct str *ret)
{
	struct str header = http_header(req, "authorization", 0);

	if (!str_starts_nocase(header, STR("Bearer ")))
		return false;
	*ret = str_trim(str_make(header.p + 7, header.len - 7));
	return ret->len > 0;
}

static bool
token_check(struct auth *auth, struct http_request *req, const char *scope, char **ret_by,
	    char **ret_agent, struct err *err)
{
	AUTO(token_row_fini) struct token_row row = {0};
	AUTO(buf_fini) struct buf hash = BUF_INIT;
	struct wall now = core_wall(auth->core);
	struct buf by = BUF_INIT;
	struct digest digest;
	struct str token;
	int64_t wait_ms;

	if (!bearer_of(req, &token)) {
		http_add_header(req, "WWW-Authenticate", "Bearer");
		return err_set(err, E_UNAUTHORIZED,
			       "this needs a token: Authorization: Bearer TOKEN (rouse token "
			       "create makes one)");
	}
	digest = digest_of(DIGEST_SHA256, token);
	hex_encode(&hash, str_make(digest.bytes, digest.len));
	if (!tokens_find(auth->core->store, buf_cstr(&hash), &row, NULL) || row.revoked ||
	    (wall_is_set(row.expires) && row.expires.ms <= now.ms)) {
		if (!rate_take(auth->core, http_client(req), FAILURES_A_MINUTE, 60000, &wait_ms))
			return err_set(err, E_RATE,
				       "too many wrong tokens from here; wait a minute");
		http_add_header(req, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
		return err_set(err, E_UNAUTHORIZED, "the token is unknown, revoked or expired");
	}
	if (!auth_scopes_have(row.scopes, scope))
		return err_set(err, E_DENIED, "token %s has the scopes %s; this needs %s", row.name,
			       row.scopes, scope);
	if (!wall_is_set(row.last_used) || row.last_used.ms + TOUCH_MS < now.ms)
		tokens_touch(auth->core->store, buf_cstr(&hash), now, NULL);
	buf_printf(&by, "token:%s", row.name);
	*ret_by = buf_take(&by);
	*ret_agent = TAKE(row.agent);
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
auth_check(struct auth *auth, struct http_request *req, const char *scope, char **ret_by,
	   char **ret_agent, struct err *err)
{
	const struct http_peer *peer = http_peer(req);

	*ret_agent = NULL;
	if (peer->local)
		return peer_check(auth, peer, ret_by, err);
	if (is_cross_site(req))
		return err_set(err, E_DENIED, "a page of another site may not do this");
	return token_check(auth, req, scope, ret_by, ret_agent, err);
}
