/* Small durable facts: cursors, switches, tokens. */
/* SPDX-License-Identifier: MIT */
#include "store/state.h"

#include "store/internal.h"

enum {
	CURSOR_GET,
	CURSOR_SET,
	SWITCH_SET,
	SWITCH_CLEAR,
	SWITCHES,
	TOKEN_INSERT,
	TOKEN_FIND,
	TOKENS,
	TOKEN_REVOKE,
	TOKEN_TOUCH,
	STATEMENTS
};

static const struct statement list[] = {
	[CURSOR_GET] = {"SELECT value FROM cursors WHERE trigger = :trigger", NULL},
	[CURSOR_SET] = {"INSERT INTO cursors (trigger, value) VALUES (:trigger, :value) "
			"ON CONFLICT (trigger) DO UPDATE SET value = excluded.value",
			NULL},
	[SWITCH_SET] = {"INSERT INTO switches (scope, name, kind, switched_by, at) VALUES (:scope, "
			":name, :kind, :by, :at) "
			"ON CONFLICT (scope, name, kind) DO UPDATE SET switched_by = "
			"excluded.switched_by, at = excluded.at",
			NULL},
	[SWITCH_CLEAR] =
		{"DELETE FROM switches WHERE scope = :scope AND name = :name AND kind = :kind",
		 NULL},
	[SWITCHES] = {"SELECT scope, name, kind, switched_by, at FROM switches ORDER BY scope, "
		      "name, kind",
		      NULL},
	[TOKEN_INSERT] =
		{"INSERT INTO tokens (name, hash, scopes, agent, created, expires, last_used, "
		 "revoked) VALUES (:name, :hash, :scopes, :agent, :created, :expires, :last_used, "
		 ":revoked)",
		 &token_shape},
	[TOKEN_FIND] = {"SELECT * FROM tokens WHERE hash = :hash", &token_shape},
	[TOKENS] = {"SELECT * FROM tokens ORDER BY name", &token_shape},
	[TOKEN_REVOKE] = {"UPDATE tokens SET revoked = 1 WHERE name = :name", NULL},
	[TOKEN_TOUCH] = {"UPDATE tokens SET last_used = :at WHERE hash = :hash", NULL},
};
_Static_assert(ARRAY_LEN(list) == STATEMENTS, "every statement has its SQL");
const struct statements state_statements = {"state", list, STATEMENTS};

/* --- cursors --- */

bool
cursors_get(struct store *store, const char *trigger, struct buf *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_STATE, CURSOR_GET, err);
	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	switch (query_step(q, err)) {
	case STEP_ROW:
		buf_add_str(ret, query_get_text(q, 0));
		return true;
	case STEP_DONE:
		return err_set(err, E_NOT_FOUND, "trigger %s has no cursor yet", trigger);
	default:
		return false;
	}
}

bool
cursors_set(struct store *store, const char *trigger, struct str value, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_STATE, CURSOR_SET, err);
	if (!q)
		return false;
	query_text(q, "trigger", trigger);
	query_str(q, "value", value.p ? value : STR(""));
	return query_run(q, NULL, err);
}

/* --- switches --- */

bool
switches_set(struct store *store, const char *scope, const char *name, const char *kind,
	     const char *by, struct wall at, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_STATE, SWITCH_SET, err);
	if (!q)
		return false;
	query_text(q, "scope", scope);
	query_text(q, "name", name ? name : "");
	query_text(q, "kind", kind);
	query_text(q, "by", by);
	query_wall(q, "at", at);
	return query_run(q, NULL, err);
}

bool
switches_clear(struct store *store, const char *scope, const char *name, const char *kind,
	       struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_STATE, SWITCH_CLEAR, err);
	if (!q)
		return false;
	query_text(q, "scope", scope);
	query_text(q, "name", name ? name : "");
	query_text(q, "kind", kind);
	return query_run(q, NULL, err);
}

bool
switches_list(struct store *store,
	      bool (*fn)(void *arg, const char *scope, const char *name, const char *kind,
			 const char *by, struct wall at),
	      void *arg, struct err *err)
{
	enum driver_step step;
	AUTO(query_end) struct query *q = query_read(store, ROOM_STATE, SWITCHES, err);
	if (!q)
		return false;
	while ((step = query_step(q, err)) == STEP_ROW) {
		if (!fn(arg, query_get_text(q, 0).p, query_get_text(q, 1).p, query_get_text(q, 2).p,
			query_get_text(q, 3).p, query_get_wall(q, 4)))
			return true;
	}
	return step == STEP_DONE;
}

/* --- tokens --- */

bool
tokens_insert(struct store *store, const struct token_row *row, struct err *err)
{
	struct err why = ERR_INIT;
	AUTO(query_end) struct query *q = query_write(store, ROOM_STATE, TOKEN_INSERT, err);
	if (!q)
		return false;
	query_row(q, row);
	if (query_run(q, NULL, &why))
		return true;
	if (why.code == E_EXISTS)
		err_set(&why, E_EXISTS, "token %s exists already; choose another name", row->name);
	return err_move(err, &why);
}

bool
tokens_find(struct store *store, const char *hash, struct token_row *ret, struct err *err)
{
	AUTO(query_end) struct query *q = query_read(store, ROOM_STATE, TOKEN_FIND, err);
	if (!q)
		return false;
	query_text(q, "hash", hash);
	return query_one(q, ret, "this token", err);
}

struct token_listing {
	bool (*fn)(void *arg, const struct token_row *row);
	void *arg;
};

static bool
token_give(void *arg, const void *row)
{
	struct token_listing *l = arg;
	return l->fn(l->arg, row);
}

bool
tokens_list(struct store *store, bool (*fn)(void *arg, const struct token_row *row), void *arg,
	    struct err *err)
{
	struct token_listing l = {fn, arg};
	AUTO(query_end) struct query *q = query_read(store, ROOM_STATE, TOKENS, err);
	return q && query_each(q, token_give, &l, err);
}

bool
tokens_revoke(struct store *store, const char *name, struct err *err)
{
	int64_t changed;
	AUTO(query_end) struct query *q = query_write(store, ROOM_STATE, TOKEN_REVOKE, err);
	if (!q)
		return false;
	query_text(q, "name", name);
	if (!query_run(q, &changed, err))
		return false;
	return changed || err_set(err, E_NOT_FOUND, "token %s is unknown", name);
}

bool
tokens_touch(struct store *store, const char *hash, struct wall at, struct err *err)
{
	AUTO(query_end) struct query *q = query_write(store, ROOM_STATE, TOKEN_TOUCH, err);
	if (!q)
		return false;
	query_wall(q, "at", at);
	query_text(q, "hash", hash);
	return query_run(q, NULL, err);
}
