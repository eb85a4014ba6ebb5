/* What the rooms of the API share: the request's maker, answers after the commit, lists. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_API_INSIDE_H
#define ROUSE_API_INSIDE_H

#include "api/api.h"
#include "api/auth.h"
#include "base/list.h"
#include "store/rows.h"

struct invocation;
LIST_HEAD(invocation_list, invocation);
struct visit;
LIST_HEAD(visit_list, visit);

struct api {
	struct core *core;
	const struct api_host *host;
	struct http_server *server;
	struct router *router;
	struct auth *auth;
	struct invocation_list waiting; /* callers that wait for their runs */
	struct visit_list visits;	/* that end when their token does */
};

/* What is known of a request once its head was accepted. */
struct visit {
	const struct route *route;
	void *arg;
	struct route_match match;
	struct api *api;
	struct http_request *req;
	struct caller caller;
	void (*when_over)(void *arg);
	void *over_arg;
	LIST_ENTRY(visit) entry; /* api->visits, while when_barred is set */
	void (*when_barred)(void *arg);
	void *barred_arg;
	struct core_timer *expiry;
	bool recorded; /* by the audit log */
	int64_t audit; /* its row there; 0: none */
};
void visit_free(void *visit);

/* Who asks, for decisions: "alice", "uid:1000", "token:ci". Lives as long as the request. */
const char *api_by(const struct http_request *req);

/* The agent whose token it shows; NULL: it is no agent's. Lives as long as the request. */
const char *api_by_agent(const struct http_request *req);

/* E_DENIED when the peer of the socket is a process of that very run, or the token one that was
 * made for its agent. run_id NULL: none. */
bool api_not_own(struct api *api, const struct http_request *req, const char *run_id,
		 struct err *err);

/* fn(arg) once when the request is over, however that comes: answered, left, or the server gone.
 * One a request. */
void api_when_over(struct http_request *req, void (*fn)(void *arg), void *arg);

/* fn(arg) once when the token of the request is revoked or expires before the request is over: what
 * goes on for long is to end it then, now and without a further word of what it was about. */
void api_when_barred(struct http_request *req, void (*fn)(void *arg), void *arg);
/* The token is revoked, on disk. */
void api_bar(struct api *api, const char *token);

/* What the audit log says of the request from here on; by NULL: who asks. For requests whose route
 * needs no scope, and decide something. */
void api_record(struct http_request *req, const char *by);
/* May what the route needs be done? The audit log has what was refused. */
bool api_allowed(struct api *api, struct http_request *req, struct visit *visit, struct err *err);

/* Does it ask for server-sent events? */
bool api_wants_stream(const struct http_request *req);
/* Answers with a run's log, live until it ends. cancel: a client that leaves cancels the run. */
bool api_stream_run(struct api *api, struct http_request *req, const char *run_id, bool cancel,
		    struct err *err);

/* The JSON object of the body ({} when there is none); E_INVALID otherwise. */
bool api_body(const struct http_request *req, json_t **ret, struct err *err);
/* Has the body these members (NULL at the end) and no others? E_INVALID names the one, and these.
 */
bool api_members(const json_t *body, const char *const *names, struct err *err);
/* A whole number from 1 to most; 0 where it is not there, or null. */
bool api_member_whole(const json_t *body, const char *name, int64_t most, int64_t *ret,
		      struct err *err);
/* Replies now. takes the reference. */
void api_reply(struct http_request *req, int status, json_t *take_json);

/* Replies at the end of the turn: with what make(arg) gives when it is on disk, with the error when
 * it is not. make may set *ret_status (200 before). arg is freed with free(). */
typedef json_t *api_make(struct core *core, void *arg, int *ret_status, struct err *err);
void api_reply_after(struct api *api, struct http_request *req, api_make *make, void *arg);
/* The same for an object that is known by its id (a string): run, change, ... */
void api_reply_object_after(struct api *api, struct http_request *req, int status, api_make *make,
			    const char *id);
/* Replies now with what make gives for the id in the path, or with its error. */
void api_show(struct api *api, struct http_request *req, const struct route_match *match,
	      api_make *make);
/* Makers by id: arg is the id. */
json_t *api_make_run(struct core *core, void *arg, int *ret_status, struct err *err);
json_t *api_make_run_id(struct core *core, void *arg, int *ret_status,
			struct err *err); /* with "run_id" */
json_t *api_make_change(struct core *core, void *arg, int *ret_status, struct err *err);

/* An admit_on_done that replies what became of it; arg is the request. */
struct admission_result;
void api_on_admitted(void *arg, const struct admission_result *result, const struct err *err);

/* Lists: ?limit= &after= &since= and the filters named in columns (NULL-terminated; values live in
 * query). */
struct api_list {
	struct list_query query;
	char *values[LIST_FILTERS];
	size_t count;
	json_t *items;
	int64_t last_seq;
	unsigned got;
};
bool api_list_begin(const struct http_request *req, const char *const *columns,
		    struct api_list *ret, struct err *err);
/* A filter `batch` that is a name stands for the batch that is meant by it. */
void api_list_batch(struct api *api, struct api_list *list);
/* Another item; the seq is its cursor. Returns false when the list is full. */
bool api_list_add(struct api_list *list, json_t *take_item, int64_t seq);
/* Replies {"items","next"}, or the error where err is one, and frees. */
void api_list_reply(struct api_list *list, struct http_request *req, const struct err *err);

/* The batch of a path, /v1/batches/{b}… or /v1/batches/{b}/{start}…: an id has a slash, which may
 * stand there as it is. Owned. */
char *api_batch_param(const struct route_match *match);
/* A maker by id: arg is a batch's id, or its name. */
json_t *api_make_batch(struct core *core, void *arg, int *ret_status, struct err *err);
/* What changes of a batch (or, NULL, of a run) are decided under, in words, for their digest. */
void api_review_policy(struct core *core, const char *batch, const char *run_id, struct buf *out);
/* Replies with a list that is whole: {"items","next":null}. takes the reference. */
void api_reply_items(struct http_request *req, json_t *take_items);

/* A parameter of the path as an owned string. */
char *api_param(const struct route_match *match, size_t i);

/* Answers with runs, newest first; dead: with dead letters alone. */
void api_runs_list(struct api *api, struct http_request *req, const char *const *columns,
		   bool dead);

/* Each room's routes. */
void api_runs_routes(struct api *api);
void api_dlq_routes(struct api *api);
void api_changes_routes(struct api *api);
void api_review_routes(struct api *api);
void api_samples_routes(struct api *api);
void api_decide_routes(struct api *api);
void api_events_routes(struct api *api);
void api_registry_routes(struct api *api);
void api_admin_routes(struct api *api);
void api_doctor_routes(struct api *api);
void api_invoke_routes(struct api *api);
void api_batches_routes(struct api *api);
void api_replays_routes(struct api *api);
void api_rollouts_routes(struct api *api);
void api_topics_routes(struct api *api);
void api_stream_routes(struct api *api);
void api_why_routes(struct api *api);
void api_tokens_routes(struct api *api);
void api_gates_routes(struct api *api);
void api_inbox_routes(struct api *api);
void api_links_routes(struct api *api);
void api_notify_routes(struct api *api);
void api_sessions_routes(struct api *api);
void api_budget_routes(struct api *api);
void api_schedule_routes(struct api *api);
void api_db_routes(struct api *api);
void api_audit_routes(struct api *api);
void api_openapi_routes(struct api *api);

#endif
