/* rouse review: changes one by one on a terminal. What its rooms share. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_REVIEW_H
#define ROUSE_CLI_REVIEW_H

#include "cli/look.h"

#define REVIEW_UNDO 100 /* decisions that can be taken back, one after the other */

/* One decision, to be taken back. */
struct review_done {
	char *id;    /* of the change that was shown */
	char *group; /* all that are like it; NULL: it alone */
	int64_t count;
	char *at, *by, *status;
};

struct review {
	struct cli *cli;
	const char *word;
	char *sample;	     /* its id; NULL: all are looked at */
	char *look, *filter; /* filter: jq; NULL: none */
	json_t *head;	     /* the look's answer */
	uint64_t total, at;  /* changes, and the one that is shown */
	json_t *page;	     /* items from page_at on */
	uint64_t page_at;
	struct buf body; /* of the change, as lines */
	size_t lines, scroll;
	struct buf message, search;
	uint64_t accepted, rejected, edited;
	struct review_done done[REVIEW_UNDO];
	size_t done_count;
	bool help, over;
};

/* review_draw.c */
bool review_draw(struct review *review, struct err *err);
/* The lines of body anew, for the change that is shown and the width of the screen. */
void review_lay_out(struct review *review);
/* How many lines of a change are seen at once. */
unsigned review_rows(void);
/* A line from the person, with question before it; false: cancelled. */
bool review_ask(struct review *review, const char *question, struct buf *ret, struct err *err);
/* y or n. */
bool review_confirm(struct review *review, const char *question, bool *ret_yes, struct err *err);

/* review_act.c: each says in message what became of it; false ends the program. */
bool review_accept(struct review *review, struct err *err);
bool review_reject(struct review *review, struct err *err);
bool review_edit(struct review *review, struct err *err);
bool review_accept_like(struct review *review, struct err *err);
bool review_reject_like(struct review *review, struct err *err);
bool review_undo(struct review *review, struct err *err);

/* review.c */
/* To the change with this id. */
bool review_find(struct review *review, const char *id, struct err *err);
/* The change that is shown; NULL: there is none. Borrowed. */
json_t *review_item(struct review *review, struct err *err);
/* A new look; stays at the change that is shown where it is still among them. */
bool review_look(struct review *review, struct err *err);
/* To the next one that is open; says so when there is none. */
bool review_next_open(struct review *review, struct err *err);
void review_say(struct review *review, const char *fmt, ...) PRINTF(2, 3);
/* What went wrong is said, and forgotten; false: nothing more can be done. */
bool review_excuse(struct review *review, struct err *why, struct err *err);

/* review_table.c: --export and --import. */
bool review_table(struct cli *cli, struct err *err);

/* decide.c */
bool edit_by_hand(const json_t *after, json_t **ret, struct err *err);

#endif
