/* Client: asks the daemon over its socket or a URL, and waits for what it says. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_CLIENT_H
#define ROUSE_CLI_CLIENT_H

#include "base/json.h"

struct client;

struct client_place {
	const char *socket; /* path; used when url is NULL */
	const char *url;    /* http(s)://HOST[:PORT] */
	const char *token;  /* bearer, or NULL */
	int64_t timeout_ms; /* of a whole answer */
};

/* Copies what place names. E_USAGE for a URL that is none. */
bool client_new(const struct client_place *place, struct client **ret, struct err *err);
void client_free(struct client *client);
int64_t client_timeout_ms(const struct client *client);

struct client_reply {
	int status;
	struct buf body;
	json_t *json; /* NULL when the body is no JSON */
};
#define CLIENT_REPLY_INIT                                                                          \
	{                                                                                          \
		0, BUF_INIT, NULL                                                                  \
	}
void client_reply_fini(struct client_reply *reply);

struct client_request {
	const char *method;	    /* GET, POST */
	const char *path;	    /* with query, encoded */
	struct str body;	    /* p NULL: none */
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	const char *accept;	    /* NULL: application/json */
	int64_t timeout_ms;	    /* 0: the place's */
};

/* One request and its answer; *ret is to be CLIENT_REPLY_INIT. An answer of 400 and above fails
 * with the code and the sentence of its problem+json (ret holds the answer also then). Fails with
 * E_UNAVAILABLE when nobody listens, E_DENIED when the socket may not be used, E_TIMEOUT,
 * E_CORRUPT when the answer is not what a rouse daemon says. */
bool client_send(struct client *client, const struct client_request *request,
		 struct client_reply *ret, struct err *err);
/* The two usual ones; body may be NULL, the answer must be a JSON object. */
bool client_get(struct client *client, const char *path, struct client_reply *ret, struct err *err);
bool client_post(struct client *client, const char *path, const json_t *body,
		 struct client_reply *ret, struct err *err);

/* One server-sent event; false ends the stream. Slices are valid during the call. */
typedef bool client_on_event(void *arg, struct str id, struct str event, struct str data);
/* Follows path until the callback says so, or the daemon ends the stream. When the connection
 * breaks it is taken up again behind the last id, for half a minute. last_id: where to begin, may
 * be NULL. */
bool client_follow(struct client *client, const char *path, const char *last_id,
		   client_on_event *on_event, void *arg, struct err *err);

/* value percent-encoded behind out, for a path segment or a query value. */
void client_encode(struct buf *out, const char *value);

#endif
