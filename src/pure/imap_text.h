/* IMAP's ways of writing: URLs, names of mailboxes, strings, dates, criteria. RFC 9051, RFC 5092.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_IMAP_TEXT_H
#define ROUSE_PURE_IMAP_TEXT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

/* imaps://host[:port]/MAILBOX; MAILBOX in UTF-8, percent-encoded where needed, INBOX when empty. */
struct imap_url {
	bool tls;     /* imaps: from the first byte */
	char *host;   /* an IPv6 address with its brackets */
	int port;     /* 993 or 143 by default */
	char *folder; /* UTF-8 */
};
/* E_INVALID: not such a URL, or with a user or a parameter in it. */
bool imap_url_parse(struct str text, struct imap_url *ret, struct err *err);
void imap_url_fini(struct imap_url *url);

/* The name of a mailbox (UTF-8) as commands write it: modified UTF-7 (RFC 3501, 5.1.3), quoted.
 * E_INVALID when it is not UTF-8 or has control characters. */
bool imap_mailbox_write(struct str name, struct buf *out, struct err *err);

/* 20-Nov-2026 of a day in UTC, as SINCE takes it. */
void imap_date_write(struct wall day, struct buf *out);
/* INTERNALDATE: " 1-Nov-2026 10:00:00 +0100". */
bool imap_time_parse(struct str text, struct wall *ret);

/* Search criteria of a person: printable ASCII on one line, quotes and parentheses balanced, no
 * literal. E_INVALID with a sentence. */
bool imap_criteria_check(struct str criteria, struct err *err);
/* A flag or keyword that STORE may be given: an atom, perhaps with a backslash before it. */
bool imap_flag_check(struct str flag, struct err *err);

#endif
