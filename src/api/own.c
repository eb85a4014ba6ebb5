/* Whose hand it is: an agent does not decide what it asked for itself. SPEC 12. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

#include "base/os.h"
#include "core/agent.h"
#include "core/attempt.h"
#include "store/runs.h"

/* A process that stays for the next turn of its session is there also when the run has ended. */
static bool
session_has(struct core *core, const char *run_id, pid_t pid)
{
	AUTO(run_row_fini) struct run_row run = {0};
	const struct agent *agent;

	if (!run_id || !runs_get(core->store, run_id, &run, NULL) || !run.session)
		return false;
	for (size_t i = 0; i < registry_agent_count(core->registry); i++) {
		agent = registry_agent_at(core->registry, i);
		if (agent->kind->kept_has && agent->kind->kept_has(core, run.session, pid))
			return true;
	}
	return false;
}

struct carriers {
	const char *agent;
	bool is_one;
};

static bool
on_attempt(void *arg, const struct attempt_row *row)
{
	struct carriers *carriers = arg;

	carriers->is_one |= row->agent && !strcmp(row->agent, carriers->agent);
	return !carriers->is_one;
}

/* Of any run of that agent, also one that it only carried: whoever holds its token is it. */
static bool
token_is_others(struct core *core, const char *agent, const char *run_id, struct err *err)
{
	AUTO(run_row_fini) struct run_row run = {0};
	struct carriers carriers = {.agent = agent};

	if (!agent || !run_id)
		return true;
	if (!runs_get(core->store, run_id, &run, err))
		return false;
	carriers.is_one = !strcmp(run.agent, agent);
	if (!carriers.is_one && !attempts_list(core->store, run.seq, on_attempt, &carriers, err))
		return false;
	return !carriers.is_one ||
	       err_set(err, E_DENIED,
		       "this token was made for agent %s, and run %s is that agent's: an agent "
		       "decides nothing that it asked for itself; a person has to",
		       agent, run_id);
}

bool
api_not_own(struct api *api, const struct http_request *req, const char *run_id, struct err *err)
{
	const struct http_peer *peer = http_peer(req);
	struct attempt *attempt = run_id ? attempt_of_run(api->core, run_id) : NULL;

	if (!token_is_others(api->core, api_by_agent(req), run_id, err))
		return false;
	if (peer->local && peer->pid > 0 && session_has(api->core, run_id, peer->pid))
		return err_set(err, E_DENIED,
			       "process %d belongs to the session of run %s, whose decision this "
			       "is: an agent decides nothing that it asked for itself; a person "
			       "has to",
			       (int)peer->pid, run_id);
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
