/* Whose hand it is: an agent does not decide what it asked for itself. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include "base/os.h"
#include "core/agent.h"
#include "core/attempt.h"

bool
api_not_own(struct api *api, const struct http_request *req, const char *run_id, struct err *err)
{
	const struct http_peer *peer = http_peer(req);
	struct attempt *attempt = run_id ? attempt_of_run(api->core, run_id) : NULL;

	/* pid 0: a peer in a namespace of processes that is not below ours; no agent of ours is. */
	if (!peer->local || peer->pid <= 0 || !attempt || !attempt->agent || !attempt->state ||
	    !attempt->agent->kind->has)
		return true;
	if (attempt->agent->kind->has(attempt, peer->pid))
		return err_set(err, E_DENIED,
			       "process %d belongs to run %s, whose decision this is: an agent "
			       "decides nothing that it asked for itself; a person has to",
			       (int)peer->pid, run_id);
	return os_process_start(peer->pid) || err_set(err, E_DENIED,
						      "process %d, which asked for this, is gone; "
						      "whoever decides about run %s has "
						      "to wait for the answer",
						      (int)peer->pid, run_id);
}
