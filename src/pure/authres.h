/* Authentication-Results: what a mail server that is trusted says of a sender. RFC 8601, RFC 7489.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_AUTHRES_H
#define ROUSE_PURE_AUTHRES_H

#include "base/buf.h"

/* Does the server `authserv_id` vouch for the address in From? message: as it was received, header
 * first. Counts: the topmost Authentication-Results with that id, alone (what stands below may be
 * the sender's own), with dmarc=pass, for the domain of From: one From, with one address. Appends
 * that domain to ret_domain (which may be NULL), in lower case. Anything unclear is false. */
bool authres_vouches(struct str message, struct str authserv_id, struct buf *ret_domain);

#endif
