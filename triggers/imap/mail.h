/* Mails: one message on its way from the server to its event. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TRIGGERS_IMAP_MAIL_H
#define ROUSE_TRIGGERS_IMAP_MAIL_H

#include "core/source.h"

struct mailbox;

/* What is known of a message before its bytes are. */
struct mail_meta {
	uint64_t uid;
	uint64_t size; /* as the server says; 0: it does not */
	struct wall received;
	bool answered; /* the server has said something of it */
};

/* Its bytes: read in rouse-mime, attachments saved, admitted. mailbox_on_mail() tells the end. raw
 * is copied. refused: what a person should see is the event, and this why (it is too large; raw is
 * its header then); p NULL. */
void mail_start(struct mailbox *box, const struct mail_meta *meta, struct str raw,
		struct str refused);
/* It could not be had or read so often that no more is tried: an event says so. */
void mail_park(struct mailbox *box, const struct mail_meta *meta, const char *why);
/* The source ends: its mails go on, and tell nobody. */
void mail_forget_all(struct mailbox *box);

/* The helper is there while any source is. */
void mail_open(struct core *core);
void mail_close(void);

#endif
