/* Verdicts: what an ended attempt means for its run. SPEC 6, 8. */
/* SPDX-License-Identifier: MIT */
#include "core/run.h"

#include <sysexits.h>

#include "pure/exits.h"

/* What an ended attempt says about the health of its agent. What the agent refused, what a person
 * or a budget stopped and what died with its shim says nothing about the next run; what could not
 * be started, ended badly or took too long does. SPEC 8. */
static enum breaker_outcome
outcome_of(const struct run_verdict *verdict, const struct attempt *attempt,
	   const struct attempt_end *end)
{
	static const char *const bad[] = {"error",	 "exit",     "signal",
					  "not_started", "deadline", "stalled"};

	if (verdict->event == RUN_SUCCEED)
		return BREAKER_GOOD;
	if (end->ours || (attempt->said_retry_set && !attempt->said_retry))
		return BREAKER_SILENT;
	if (exit_is_of_input(end->exit_code) && !end->reason && !attempt->stop_reason)
		return BREAKER_SILENT;
	for (size_t i = 0; verdict->attempt_reason && i < ARRAY_LEN(bad); i++)
		if (!strcmp(verdict->attempt_reason, bad[i]))
			return BREAKER_BAD;
	return BREAKER_SILENT;
}

static struct run_verdict
verdict_fail(const char *reason, const char *attempt_reason)
{
	return (struct run_verdict){.event = RUN_FAIL,
				    .reason = reason,
				    .attempt_status = "failed",
				    .attempt_reason = attempt_reason};
}

/* Another attempt, or none is left. */
static struct run_verdict
verdict_again(const struct attempt *attempt, const char *status, const char *why, const char *last,
	      uint64_t random)
{
	const struct retry_policy *retry = &attempt->agent->retry;
	struct run_verdict verdict = {.attempt_status = status, .attempt_reason = why};
	int tries = attempt->n - attempt->suspended;

	if (tries >= attempt->run.max_attempts) {
		verdict.event = RUN_FAIL;
		verdict.reason = last;
		return verdict;
	}
	verdict.event = RUN_RETRY;
	verdict.delay_ms = attempt->said_retry_after_ms >= 0
				   ? attempt->said_retry_after_ms
				   : backoff_delay(&retry->backoff, (unsigned)tries, random);
	if (attempt->run.limits.deadline_ms < 0 ||
	    verdict.delay_ms < attempt->run.limits.deadline_ms - attempt->now.run_used.active_ms)
		return verdict;
	verdict.event = RUN_FAIL;
	verdict.reason = "deadline";
	return verdict;
}

/* By an `error` line, or a result that says so itself. */
static bool
agent_failed(const struct attempt *attempt)
{
	const char *status = attempt->result_status;

	return attempt->said.code != E_OK ||
	       (status && (!strcmp(status, "failed") || !strcmp(status, "error")));
}

/* By the agent's terminal word, else by its exit status, never by silence. */
static struct run_verdict
verdict_of_word(const struct attempt *attempt, const struct attempt_end *end, uint64_t random)
{
	bool failed = agent_failed(attempt);

	if (attempt->over_reason && (failed || (!attempt->now.has_result && end->exit_code)))
		return verdict_fail(attempt->over_reason, attempt->over_reason);
	if (failed && attempt->said_retry_set && !attempt->said_retry)
		return verdict_fail("permanent", "error");
	if (!failed && (attempt->now.has_result || end->exit_code == 0))
		return (struct run_verdict){.event = RUN_SUCCEED, .attempt_status = "succeeded"};
	if (attempt->refused && !attempt->said_retry && !end->signal &&
	    end->exit_code != EX_TEMPFAIL)
		return verdict_fail(attempt->refused, attempt->refused);
	if (exit_is_permanent(end->exit_code) && !(attempt->said_retry_set && attempt->said_retry))
		return verdict_fail("permanent", "exit");
	return verdict_again(attempt, "failed",
			     failed	   ? "error"
			     : end->signal ? "signal"
					   : "exit",
			     "exhausted", random);
}

static bool
is_word(const char *word, const char *wanted)
{
	return word && !strcmp(word, wanted);
}

/* Whoever stopped it speaks first, then the shim, then the agent. One that said its result and then
 * vanished or fell silent has said its last word: it is not run again. */
static struct run_verdict
verdict_of(const struct attempt *attempt, const struct attempt_end *end, uint64_t random)
{
	bool said = attempt->now.has_result && !agent_failed(attempt);
	bool stalled = is_word(attempt->stop_reason, "stalled") || is_word(end->reason, "stalled");

	if (is_word(attempt->stop_reason, "cancelled"))
		return (struct run_verdict){.event = RUN_CANCEL,
					    .attempt_status = "cancelled",
					    .attempt_reason = "cancelled"};
	if (attempt->stop_reason && !stalled)
		return verdict_fail(attempt->stop_reason, attempt->stop_reason);
	if (is_word(end->reason, "output"))
		return verdict_fail("budget_output", "budget_output");
	if (attempt->now.suspended)
		return (struct run_verdict){.event = RUN_WAIT, .attempt_status = "suspended"};
	if (end->unread && !said)
		return (struct run_verdict){
			.event = RUN_RETRY, .attempt_status = "lost", .attempt_reason = "unread"};
	if (said && (stalled || end->lost))
		return verdict_of_word(attempt, end, random);
	if (stalled)
		return verdict_again(attempt, "failed", "stalled", "exhausted", random);
	if (is_word(end->reason, "deadline"))
		return verdict_fail("deadline", "deadline");
	if (end->lost)
		return verdict_again(attempt, "lost", "lost", "lost", random);
	if (end->not_started)
		return verdict_fail("permanent", "not_started");
	if (is_word(end->reason, "cancel"))
		return verdict_again(attempt, "failed", "stopped", "exhausted", random);
	return verdict_of_word(attempt, end, random);
}

struct run_verdict
run_judge(const struct attempt *attempt, const struct attempt_end *end, uint64_t random)
{
	struct run_verdict verdict = verdict_of(attempt, end, random);

	verdict.outcome = outcome_of(&verdict, attempt, end);
	return verdict;
}
