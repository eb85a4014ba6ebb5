/* Links: one-time proofs by which who got a notification decides a question. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_LINK_H
#define ROUSE_CORE_LINK_H

#include "core/core.h"
#include "store/rows.h"

/* A link names the gate, the decision and the [notify] it was sent by, and proves with an HMAC that
 * this daemon made it for exactly what the gate asks. It counts while the gate waits: once it is
 * decided, by whomever, or its time is over, no link to it counts any more. The key lies in
 * STATE_DIR/links.key, apart from the database and its backups. */

/* What is asked, as a digest in hex: run, step, payload, what may be answered. */
void link_digest(const struct gate_row *gate, struct buf *out);
/* Appends http.public_url/links/GATE/DECISION/NOTIFY.PROOF; decision: approve deny. False where
 * there is no public URL, or no key can be kept (logged). */
bool link_url(struct core *core, const struct gate_row *gate, const char *decision,
	      const char *notify, struct buf *out);
/* proof: the last segment. E_DENIED when it was not made for this gate as it is now. ret_notify:
 * by which it was sent. Constant time. */
bool link_check(struct core *core, const struct gate_row *gate, struct str decision,
		struct str proof, struct buf *ret_notify, struct err *err);

#endif
