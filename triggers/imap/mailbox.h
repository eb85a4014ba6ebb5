/* Mailboxes: a trigger's connection, what it looks for, and how far it has come. SPEC 7. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_IMAP_MAILBOX_H
#define ROUSE_TRIGGERS_IMAP_MAILBOX_H

#include "core/source.h"
#include "triggers/imap/account.h"
#include "triggers/imap/journal.h"
#include "triggers/imap/mail.h"
#include "triggers/imap/session.h"

struct token;

enum {
	FOUND_MAX = 2000,	 /* messages of one search that are kept in mind */
	FETCH_COUNT = 16,	 /* messages of one FETCH, */
	FETCH_BYTES = 1 << 20,	 /* and their bytes, unless one alone has more */
	META_COUNT = 200,	 /* messages whose sizes are asked for at once */
	FLIGHT_COUNT = 64,	 /* mails on their way to their events, */
	FLIGHT_BYTES = 8 << 20,	 /* and their bytes, unless one alone has more */
	MARK_COUNT = 200,	 /* messages marked at once */
	HEADER_BYTES = 64 << 10, /* of a message that is too large */
	SEARCH_TEXT = 8 << 20,	 /* of the answer to a search */
	RENEW_MS = 9 * 60000,	 /* of IDLE: below what servers, and boxes between, forget */
};

/* What the connection is busy with. */
enum step {
	STEP_NONE, /* no connection, or it is being made */
	STEP_TOKEN,
	STEP_CAPABILITY,
	STEP_SELECT,
	STEP_LAST_UID, /* the server says no UIDNEXT: the UID of the last message */
	STEP_NOOP,
	STEP_SEARCH_ALL, /* which messages there are, */
	STEP_SEARCH,	 /* and which of them match */
	STEP_META,
	STEP_BODY,
	STEP_FLIGHT, /* nothing more is fetched until some mails have got through */
	STEP_MARK,
	STEP_DELETE,
	STEP_EXPUNGE,
	STEP_IDLE,
	STEP_REST,
};

struct mailbox {
	struct source source;
	/* Settings. */
	struct imap_url url;
	char *user, *criteria, *authserv, *ca_file;
	char *folder; /* as commands write it */
	enum { ACCEPT_NONE, ACCEPT_FLAG, ACCEPT_MOVE } accept;
	char *accept_what; /* a flag, or a folder as commands write it */
	bool clear, idle, save;
	int64_t poll_ms;
	size_t max_message;
	unsigned tries;	  /* of one message, then it is parked */
	int64_t retry_ms; /* before the second */
	enum { INITIAL_NOW, INITIAL_ALL, INITIAL_SINCE } initial;
	struct wall initial_since;

	/* The connection. */
	struct place place;
	struct session *session;
	struct token *token; /* being printed; NULL */
	struct buf secret;   /* what the login is tried with; zeroed after */
	bool has_token;
	enum step step;
	struct core_timer *timer;
	unsigned failures; /* in a row */
	bool has_idle, has_move, has_uidplus, has_esearch;
	bool all_matches; /* search = ALL */
	bool stirred;	  /* something came: look again */
	bool is_off;	  /* it rests until the trigger is switched on again */

	/* The mailbox. */
	struct journal journal;
	uint64_t uidvalidity, uidnext, last_uid; /* as the server says; 0: not */
	uint64_t high;				 /* the highest UID that it had */
	int64_t pruned_day;

	/* The look: what was found and is not judged, in order; up to `at` it is under way or
	 * through, up to meta_until its sizes are known. */
	struct mail_meta *found;
	size_t found_count, found_cap, at, meta_until;
	uint64_t from; /* nothing below it is looked for */
	bool more;     /* there is more than fits into found */
	uint64_t *all; /* that there are: where not all of them match */
	size_t all_count;
	struct mail_meta batch[FETCH_COUNT];
	bool batch_got[FETCH_COUNT];
	size_t batch_count;
	bool batch_header;   /* only the header of one that is too large */
	unsigned one_by_one; /* messages that are fetched alone, after a fetch that failed */
	uint64_t flight[FLIGHT_COUNT + 1];
	size_t flight_count, flight_bytes;
	char *held;	/* why no event can be kept now; NULL */
	unsigned holds; /* in a row */
	uint64_t saved; /* journal.last on disk */

	/* Marks under way. */
	uint64_t marking[MARK_COUNT];
	size_t marking_count;
	struct mono mark_due; /* not before: the last one was refused */
	unsigned mark_failures;
	char *mark_error; /* NULL */
};

/* --- token.c --- */

/* Runs a command that prints a token; on_done once, later: the token (one line), or an error. */
typedef void token_on_done(void *arg, struct str token, const struct err *err);
struct token *token_start(struct event_base *base, const char *command, token_on_done *on_done,
			  void *arg, struct err *err);
void token_cancel(struct token *token); /* NULL is fine; on_done is not called */

/* --- mailbox.c: connecting, resting --- */

void mailbox_begin(struct mailbox *box);
/* Ends what is under way. */
void mailbox_end(struct mailbox *box);
/* The connection is of no use any more: a new one after a pause. */
void mailbox_fail(struct mailbox *box, const struct err *err);
/* A look has ended: rest, or wait for what comes. */
void mailbox_rest(struct mailbox *box);
/* Something was switched: is it on again? */
void mailbox_wake(struct mailbox *box);
/* Neither disabled nor paused. */
bool mailbox_is_on(const struct mailbox *box);
void mailbox_command(struct mailbox *box, enum step step, size_t bytes, const char *command);

/* --- scan.c: searching --- */

/* The mailbox is selected: is it the one of the journal? Then a look. */
void scan_selected(struct mailbox *box);
void scan_begin(struct mailbox *box);
void scan_data(struct mailbox *box, const struct imap_response *response);
/* The command of a step of the look is over. */
void scan_done(struct mailbox *box, const struct imap_response *response);
/* Everything that was found is through, or has to wait. */
void scan_end(struct mailbox *box);
/* Everything below what is still under way has been dealt with. */
void scan_low_water(struct mailbox *box);
void scan_note_backlog(struct mailbox *box);
int mail_meta_compare(const void *a, const void *b); /* by UID */

/* --- fetch.c: fetching --- */

/* Goes on where it can: fetches more, or ends. */
void fetch_go_on(struct mailbox *box);
/* What a FETCH says of a message. */
void fetch_take(struct mailbox *box, struct str args);
void fetch_done(struct mailbox *box, const struct imap_response *response);
/* The connection is lost: what was being fetched waits. */
void fetch_lost(struct mailbox *box, const struct err *err);

enum mail_end {
	MAIL_KEPT,     /* it has an event */
	MAIL_ACCEPTED, /* the same, and is to be marked */
	MAIL_KNOWN,    /* it had one before */
	MAIL_BAD,      /* it cannot be read */
	MAIL_NOT_NOW   /* no event can be kept now */
};
/* A mail is through. why: of MAIL_BAD and MAIL_NOT_NOW. */
void mailbox_on_mail(struct mailbox *box, const struct mail_meta *meta, size_t bytes,
		     const char *identity, enum mail_end end, const char *why);

/* --- mark.c --- */

/* Marks what is to be marked; false: nothing is, now. */
bool mark_begin(struct mailbox *box);
void mark_done(struct mailbox *box, const struct imap_response *response);

#endif
