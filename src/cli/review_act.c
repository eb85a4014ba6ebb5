/* rouse review: decisions, and taking them back. */
/* SPDX-License-Identifier: MIT */
#include "cli/review.h"

#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/tty.h"

static void
done_fini(struct review_done *done)
{
	free(done->id);
	free(done->group);
	free(done->at);
	free(done->by);
	free(done->status);
	*done = (struct review_done){NULL};
}

static struct review_done *
done_add(struct review *review)
{
	if (review->done_count == REVIEW_UNDO) {
		done_fini(&review->done[0]);
		memmove(review->done, review->done + 1, (REVIEW_UNDO - 1) * sizeof(*review->done));
		review->done_count--;
	}
	return &review->done[review->done_count++];
}

/* --- one ----------------------------------------------------------------------------------- */

static bool
decide_one(struct review *review, const char *verb, const char *reason, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	struct err why = ERR_INIT;
	json_t *item = review_item(review, err);
	bool accept = !strcmp(verb, "approve");

	if (!item)
		return review_excuse(review, err, err);
	json_put_str(body, "digest", json_str(item, "digest"));
	json_put_str(body, "reason", reason && *reason ? reason : NULL);
	if (!cli_post(review->cli, body, &reply, &why, "/v1/changes/%s/%s", json_str(item, "id"),
		      verb))
		return review_excuse(review, &why, err);
	*done_add(review) =
		(struct review_done){.id = mem_strdup(json_str(item, "id")),
				     .count = 1,
				     .status = mem_strdup(accept ? "approved" : "rejected")};
	*(accept ? &review->accepted : &review->rejected) += 1;
	if (accept && change_is(reply.json, "proposed"))
		review_say(review, "Accepted; another person has to as well.");
	else
		review_say(review, "%s %s.", accept ? "Accepted" : "Rejected",
			   json_str(item, "entity") ? json_str(item, "entity") : "it");
	json_object_update_existing(item, reply.json);
	return review_next_open(review, err);
}

bool
review_accept(struct review *review, struct err *err)
{
	return decide_one(review, "approve", NULL, err);
}

bool
review_reject(struct review *review, struct err *err)
{
	AUTO(buf_fini) struct buf reason = BUF_INIT;

	if (!review->total ||
	    !review_ask(review, "Reject; why (Enter: no reason, Esc: not)? ", &reason, err))
		return err->code == E_OK;
	return decide_one(review, "reject", buf_cstr(&reason), err);
}

bool
review_edit(struct review *review, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	AUTO(json_auto_decref) json_t *after = NULL;
	struct err why = ERR_INIT;
	json_t *item = review_item(review, err), *is;
	bool ok;

	if (!item)
		return review_excuse(review, err, err);
	if (!change_is(item, "proposed")) {
		review_say(review, "It is %s; only what is proposed can be edited.",
			   change_status(item));
		return true;
	}
	is = json_object_get(item, "after");
	tty_leave();
	ok = edit_by_hand(is ? is : json_null(), &after, &why);
	tty_enter();
	if (!ok)
		return review_excuse(review, &why, err);
	if (json_equal(is, after)) {
		review_say(review, "It is as it was.");
		return true;
	}
	json_object_set(body, "after", after);
	json_put_str(body, "digest", json_str(item, "digest"));
	if (!cli_post(review->cli, body, &reply, &why, "/v1/changes/%s/edit", json_str(item, "id")))
		return review_excuse(review, &why, err);
	json_object_update_existing(item, reply.json);
	review->edited++;
	review_say(review, "Edited; a accepts it as it is now.");
	return true;
}

/* --- all like it --------------------------------------------------------------------------- */

/* What "like it" means now: how many, under which digest. */
static bool
group_look(struct review *review, const char *group, struct client_reply *ret, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	struct client *client;

	buf_puts(&path, "/v1/diff");
	cli_query(&path, "of", review->word);
	cli_query(&path, "group", group);
	cli_query(&path, "where", review->filter);
	cli_query(&path, "groups", "1");
	if (!review->word)
		cli_query(&path, "status", "proposed");
	return cli_client(review->cli, &client, err) &&
	       client_send(client,
			   &(struct client_request){.method = "GET",
						    .path = buf_cstr(&path),
						    .timeout_ms = LOOK_TIMEOUT_MS},
			   ret, err);
}

static json_t *
group_body(const struct review *review, const char *group, const char *decision)
{
	json_t *body = json_object();

	json_put_str(body, "of", review->word);
	json_put_str(body, "group", group);
	json_put_str(body, "where", review->filter);
	json_put_str(body, "decision", decision);
	if (!review->word)
		json_object_set_new(body, "all", json_true());
	return body;
}

static bool
like_decide(struct review *review, const char *id, const char *group, const char *verb,
	    const char *digest, const char *reason, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = group_body(review, group, verb);
	struct err why = ERR_INIT;
	bool accept = !strcmp(verb, "approve");
	int64_t changed;

	json_put_str(body, "digest", digest);
	json_put_str(body, "reason", reason && *reason ? reason : NULL);
	if (!look_post(review->cli, "/v1/decide", body, &reply, &why))
		return review_excuse(review, &why, err);
	changed = json_int(reply.json, "changed", 0);
	*done_add(review) =
		(struct review_done){.id = mem_strdup(id),
				     .count = changed,
				     .group = mem_strdup(group),
				     .at = mem_strdup(json_str(reply.json, "at")),
				     .by = mem_strdup(json_str(reply.json, "by")),
				     .status = mem_strdup(accept ? "approved" : "rejected")};
	*(accept ? &review->accepted : &review->rejected) += (uint64_t)changed;
	json_decref(review->page);
	review->page = NULL;
	if (!review_next_open(review, err))
		return false;
	review_say(review, "%s %lld like it.", accept ? "Accepted" : "Rejected",
		   (long long)changed);
	return true;
}

static bool
decide_like(struct review *review, const char *verb, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply look = CLIENT_REPLY_INIT;
	AUTO(buf_fini) struct buf question = BUF_INIT, reason = BUF_INIT;
	AUTO(auto_free) char *group = NULL;
	AUTO(auto_free) char *id = NULL;
	struct err why = ERR_INIT;
	json_t *item = review_item(review, err);
	bool accept = !strcmp(verb, "approve"), yes;

	if (!item)
		return review_excuse(review, err, err);
	group = mem_strdup(json_str(item, "group"));
	id = mem_strdup(json_str(item, "id"));
	if (!group) {
		review_say(review, "There are too many groups to say what is like it.");
		return true;
	}
	if (!group_look(review, group, &look, &why))
		return review_excuse(review, &why, err);
	buf_printf(&question, "%s all %lld like it (%lld of them need eyes)?",
		   accept ? "Accept" : "Reject",
		   (long long)json_int(json_object_get(look.json, "status"), "proposed", 0),
		   (long long)json_int(look.json, "flagged", 0));
	if (!review_confirm(review, buf_cstr(&question), &yes, err))
		return false;
	if (!yes) {
		review_say(review, "Nothing was decided.");
		return true;
	}
	if (!accept && !review_ask(review, "Why (Enter: no reason, Esc: not)? ", &reason, err))
		return err->code == E_OK;
	return like_decide(review, id, group, verb, json_str(look.json, "digest"),
			   buf_cstr(&reason), err);
}

bool
review_accept_like(struct review *review, struct err *err)
{
	return decide_like(review, "approve", err);
}

bool
review_reject_like(struct review *review, struct err *err)
{
	return decide_like(review, "reject", err);
}

/* --- taking back --------------------------------------------------------------------------- */

static bool
undo_one(struct review *review, const char *id, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();

	return cli_post(review->cli, body, &reply, err, "/v1/changes/%s/reopen", id);
}

/* Those that this decision was about: decided by us, from that moment on, as it was decided. */
static bool
undo_group(struct review *review, const struct review_done *done, int64_t *ret, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = group_body(review, done->group, "reopen");
	AUTO(buf_fini) struct buf where = BUF_INIT;

	buf_puts(&where, ".decided_at >= ");
	buf_json_cstr(&where, done->at);
	buf_puts(&where, " and .decided_by == ");
	buf_json_cstr(&where, done->by);
	buf_puts(&where, " and .status == ");
	buf_json_cstr(&where, done->status);
	json_put_str(body, "where", buf_cstr(&where));
	if (!look_post(review->cli, "/v1/decide", body, &reply, err))
		return false;
	*ret = json_int(reply.json, "changed", 0);
	return true;
}

bool
review_undo(struct review *review, struct err *err)
{
	struct review_done *done;
	struct err why = ERR_INIT;
	int64_t count = 1;
	uint64_t *counter;
	bool ok;

	if (!review->done_count) {
		review_say(review, "There is no decision to take back.");
		return true;
	}
	done = &review->done[review->done_count - 1];
	ok = done->group ? undo_group(review, done, &count, &why)
			 : undo_one(review, done->id, &why);
	if (!ok)
		return review_excuse(review, &why, err);
	json_decref(review->page);
	review->page = NULL;
	if (!done->group)
		review_say(review, "Taken back: it is proposed again.");
	else
		review_say(review, "Taken back: %lld are proposed again.", (long long)count);
	counter = strcmp(done->status, "approved") ? &review->rejected : &review->accepted;
	*counter -= *counter < (uint64_t)done->count ? *counter : (uint64_t)done->count;
	if (review_find(review, done->id, &why))
		review_lay_out(review);
	err_fini(&why);
	done_fini(done);
	review->done_count--;
	return true;
}
