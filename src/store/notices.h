/* The outbox of notifications: what people are told of, and the messages that tell it. Rows only.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_STORE_NOTICES_H
#define ROUSE_STORE_NOTICES_H

#include "store/store.h"

struct notice_row {
	int64_t seq;
	char *notify, *topic, *event, *data;
	int64_t n;
	struct wall first, last;
	int64_t message; /* 0: it waits for one */
};
void notice_row_fini(struct notice_row *row);

struct notification_row {
	int64_t seq;
	char *id, *notify, *state; /* waiting sent dropped */
	int64_t attempts;
	struct wall created, due, done_at;
	char *error;
};
void notification_row_fini(struct notification_row *row);

/* The one that waits under this topic; E_NOT_FOUND. */
bool notices_find(struct store *store, const char *notify, const char *topic,
		  struct notice_row *ret, struct err *err);
bool notices_insert(struct store *store, const struct notice_row *row, int64_t *ret_seq,
		    struct err *err);
/* Once more the same. data NULL: as it is. */
bool notices_again(struct store *store, int64_t seq, struct wall at, const char *data,
		   struct err *err);
/* That a notice tells of a run. */
bool notices_add_run(struct store *store, int64_t seq, int64_t run, struct err *err);
/* Those that wait for a message: how many rows, and since when the oldest does (WALL_NONE). */
bool notices_waiting(struct store *store, const char *notify, int64_t *ret_count,
		     struct wall *ret_oldest, struct err *err);

/* A message of all that wait under this name. */
bool notifications_make(struct store *store, const struct notification_row *row, int64_t *ret_seq,
			struct err *err);
/* The one that is still to be sent; E_NOT_FOUND. */
bool notifications_waiting(struct store *store, const char *notify, struct notification_row *ret,
			   struct err *err);
/* What it tells of, in order; fn until it returns false. */
bool notices_of(struct store *store, int64_t message,
		bool (*fn)(void *arg, const struct notice_row *row), void *arg, struct err *err);
/* A try is over: row's state, attempts, due, done_at, error. E_STATE when it waits no longer. */
bool notifications_move(struct store *store, const struct notification_row *row, struct err *err);
/* Names under which something waits. fn must not write. */
bool notices_names(struct store *store, bool (*fn)(void *arg, const char *notify), void *arg,
		   struct err *err);
/* How many of a name are in a state. */
bool notifications_count(struct store *store, const char *notify, const char *state, int64_t *ret,
			 struct err *err);
/* The latest of a name in a state; E_NOT_FOUND. */
bool notifications_last(struct store *store, const char *notify, const char *state,
			struct notification_row *ret, struct err *err);
/* Who was told of a run: message NULL while it waits for one. fn until it returns false. */
bool notices_of_run(struct store *store, int64_t run,
		    bool (*fn)(void *arg, const struct notice_row *notice,
			       const struct notification_row *message),
		    void *arg, struct err *err);
/* Those that are through since before `before`, at most `most`. */
bool notifications_forget(struct store *store, struct wall before, unsigned most, struct err *err);

#endif
