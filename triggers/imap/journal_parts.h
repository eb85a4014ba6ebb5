/* The journal of a mailbox: what its files share. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_IMAP_JOURNAL_PARTS_H
#define ROUSE_TRIGGERS_IMAP_JOURNAL_PARTS_H

#include "triggers/imap/journal.h"

/* In memory alone; what is there already stays as it is. */
void journal_judged_note(struct journal *journal, uint64_t uid);
struct journal_pending *journal_pending_note(struct journal *journal, uint64_t uid);
struct journal_mark *journal_mark_note(struct journal *journal, uint64_t uid);
void journal_known_note(struct journal *journal, struct str identity);
/* For facts_each() with the journal: notes what a fact says, marks aside. */
bool journal_on_fact(void *journal, const struct fact *fact);

#endif
