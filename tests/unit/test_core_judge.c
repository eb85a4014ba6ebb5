/* Judging: what an ended attempt means for its run, for every way to end. SPEC 6, 8. */
/* SPDX-License-Identifier: MIT */
#include "core/run.h"
#include "tests/unit/tap.h"

/* What the agent said before it ended. */
enum word {
	NOTHING,
	RESULT,	       /* {"type":"result"} */
	RESULT_FAILED, /* ... with status "failed" */
	RESULT_ERROR,  /* ... "error" */
	RESULT_OTHER,  /* ... a word of its own */
	ERROR,	       /* {"type":"error"} */
	ERROR_RETRY,   /* ... retry true */
	ERROR_FINAL,   /* ... retry false */
	ERROR_THEN_RESULT,
	WORDS
};

static struct agent agent = {.name = "a",
			     .retry = {.attempts = 3, .backoff = {1000, 60000, 2, BACKOFF_NONE}}};
static struct attempt attempt;

static struct attempt *
said(enum word word, int n)
{
	static const char *const statuses[WORDS] = {
		[RESULT_FAILED] = "failed", [RESULT_ERROR] = "error", [RESULT_OTHER] = "partial"};

	err_fini(&attempt.said);
	attempt = (struct attempt){.agent = &agent, .n = n, .said_retry_after_ms = -1};
	attempt.run.max_attempts = 3;
	attempt.run.limits.deadline_ms = 3600000;
	attempt.now.has_result =
		(word >= RESULT && word <= RESULT_OTHER) || word == ERROR_THEN_RESULT;
	attempt.result_status = (char *)(uintptr_t)statuses[word];
	if (word >= ERROR)
		err_set(&attempt.said, E_IO, "it said so");
	attempt.said_retry_set = word == ERROR_RETRY || word == ERROR_FINAL;
	attempt.said_retry = word == ERROR_RETRY;
	return &attempt;
}

static bool
word_fails(enum word word)
{
	return word >= ERROR || word == RESULT_FAILED || word == RESULT_ERROR;
}

static bool
is_one_of(int code, const int *codes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (codes[i] == code)
			return true;
	return false;
}

/* The rule of SPEC 6 once more, written as a person would say it. */
static enum run_event
expected(enum word word, int code, bool last, const char **ret_reason)
{
	static const int permanent[] = {64, 65, 66, 69, 77, 78};

	*ret_reason = NULL;
	if (!word_fails(word) && (word != NOTHING || code == 0))
		return RUN_SUCCEED;
	if (word == ERROR_FINAL || (word != ERROR_RETRY && is_one_of(code, permanent, 6))) {
		*ret_reason = "permanent";
		return RUN_FAIL;
	}
	if (last) {
		*ret_reason = "exhausted";
		return RUN_FAIL;
	}
	return RUN_RETRY;
}

static enum breaker_outcome
expected_outcome(enum word word, int code, enum run_event event)
{
	static const int input[] = {64, 65, 66};

	if (event == RUN_SUCCEED)
		return BREAKER_GOOD;
	return word == ERROR_FINAL || is_one_of(code, input, 3) ? BREAKER_SILENT : BREAKER_BAD;
}

static bool
same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void
every_exit(void)
{
	int wrong = 0;

	for (int word = 0; word < WORDS; word++)
		for (int code = 0; code <= 255; code++)
			for (int n = 1; n <= 4; n++) {
				const struct attempt_end end = {.exit_code = code};
				struct run_verdict v = run_judge(said((enum word)word, n), &end, 0);
				const char *reason;
				enum run_event event =
					expected((enum word)word, code, n >= 3, &reason);

				if (v.event == event && same(v.reason, reason) &&
				    v.outcome == expected_outcome((enum word)word, code, event) &&
				    same(v.attempt_status,
					 event == RUN_SUCCEED ? "succeeded" : "failed"))
					continue;
				printf("# word %d exit %d attempt %d: event %d reason %s\n", word,
				       code, n, (int)v.event, v.reason ? v.reason : "-");
				wrong++;
			}
	IT ("every exit status after every word, with and without attempts left") {
		CHECK_INT(wrong, 0);
	}
	wrong = 0;
	for (int word = 0; word < WORDS; word++)
		for (int sig = 1; sig <= 64; sig++) {
			const struct attempt_end end = {.exit_code = -1, .signal = sig};
			struct run_verdict v = run_judge(said((enum word)word, 1), &end, 0);
			const char *reason;

			wrong += v.event != expected((enum word)word, -1, false, &reason);
		}
	IT ("a signal is tried again, unless its last word was said before") {
		CHECK_INT(wrong, 0);
	}
}

/* Ways to end that are no exit: what each comes to with nothing said, and after a result. */
static const struct ending_case {
	const char *stop_reason;
	struct attempt_end end;
	enum run_event event, event_said, event_last;
	const char *reason_last, *status;
	enum breaker_outcome outcome;
} endings[] = {
	{"cancelled",
	 {.exit_code = 0},
	 RUN_CANCEL,
	 RUN_CANCEL,
	 RUN_CANCEL,
	 NULL,
	 "cancelled",
	 BREAKER_SILENT},
	{"cancelled",
	 {.lost = true, .exit_code = -1},
	 RUN_CANCEL,
	 RUN_CANCEL,
	 RUN_CANCEL,
	 NULL,
	 "cancelled",
	 BREAKER_SILENT},
	{"budget_cost",
	 {.exit_code = 0},
	 RUN_FAIL,
	 RUN_FAIL,
	 RUN_FAIL,
	 "budget_cost",
	 "failed",
	 BREAKER_SILENT},
	{"budget_steps",
	 {.exit_code = -1, .signal = 9},
	 RUN_FAIL,
	 RUN_FAIL,
	 RUN_FAIL,
	 "budget_steps",
	 "failed",
	 BREAKER_SILENT},
	{"denied",
	 {.exit_code = 1},
	 RUN_FAIL,
	 RUN_FAIL,
	 RUN_FAIL,
	 "denied",
	 "failed",
	 BREAKER_SILENT},
	{"gate_timeout",
	 {.exit_code = 1},
	 RUN_FAIL,
	 RUN_FAIL,
	 RUN_FAIL,
	 "gate_timeout",
	 "failed",
	 BREAKER_SILENT},
	{NULL,
	 {.exit_code = -1, .reason = "output"},
	 RUN_FAIL,
	 RUN_FAIL,
	 RUN_FAIL,
	 "budget_output",
	 "failed",
	 BREAKER_SILENT},
	{NULL,
	 {.exit_code = -1, .signal = 15, .reason = "deadline"},
	 RUN_FAIL,
	 RUN_FAIL,
	 RUN_FAIL,
	 "deadline",
	 "failed",
	 BREAKER_BAD},
	{NULL,
	 {.exit_code = 0, .reason = "deadline"},
	 RUN_FAIL,
	 RUN_FAIL,
	 RUN_FAIL,
	 "deadline",
	 "failed",
	 BREAKER_BAD},
	{NULL,
	 {.lost = true, .exit_code = -1},
	 RUN_RETRY,
	 RUN_SUCCEED,
	 RUN_FAIL,
	 "lost",
	 "lost",
	 BREAKER_SILENT},
	{NULL,
	 {.not_started = true, .exit_code = -1},
	 RUN_FAIL,
	 RUN_FAIL,
	 RUN_FAIL,
	 "permanent",
	 "failed",
	 BREAKER_BAD},
	{NULL,
	 {.ours = true, .exit_code = 75},
	 RUN_RETRY,
	 RUN_SUCCEED,
	 RUN_FAIL,
	 "exhausted",
	 "failed",
	 BREAKER_SILENT},
	{NULL,
	 {.exit_code = 0, .reason = "cancel"},
	 RUN_RETRY,
	 RUN_RETRY,
	 RUN_FAIL,
	 "exhausted",
	 "failed",
	 BREAKER_SILENT},
	{"stalled",
	 {.exit_code = 0},
	 RUN_RETRY,
	 RUN_SUCCEED,
	 RUN_FAIL,
	 "exhausted",
	 "failed",
	 BREAKER_BAD},
	{NULL,
	 {.exit_code = 0, .reason = "stalled"},
	 RUN_RETRY,
	 RUN_SUCCEED,
	 RUN_FAIL,
	 "exhausted",
	 "failed",
	 BREAKER_BAD},
	{"stalled",
	 {.exit_code = -1, .signal = 9, .reason = "deadline"},
	 RUN_RETRY,
	 RUN_SUCCEED,
	 RUN_FAIL,
	 "exhausted",
	 "failed",
	 BREAKER_BAD},
	{"stalled",
	 {.exit_code = 65},
	 RUN_RETRY,
	 RUN_SUCCEED,
	 RUN_FAIL,
	 "exhausted",
	 "failed",
	 BREAKER_BAD},
};

static struct run_verdict
judge(const struct ending_case *c, enum word word, int n)
{
	said(word, n)->stop_reason = c->stop_reason;
	return run_judge(&attempt, &c->end, 0);
}

static void
other_ends(void)
{
	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		const struct ending_case *c = &endings[i];
		struct run_verdict v = judge(c, NOTHING, 1), last = judge(c, NOTHING, 3);
		AUTO(buf_fini) struct buf name = BUF_INIT;

		buf_printf(&name, "stopped for %s, ended for %s%s%s",
			   c->stop_reason ? c->stop_reason : "nothing",
			   c->end.reason ? c->end.reason : "nothing", c->end.lost ? ", lost" : "",
			   c->end.not_started ? ", not started" : "");
		IT (buf_cstr(&name)) {
			CHECK_INT(v.event, c->event);
			CHECK_STR(v.attempt_status, c->status);
			CHECK_INT(v.outcome, c->outcome);
			CHECK_INT(last.event, c->event_last);
			CHECK_STR(last.reason, c->reason_last);
			CHECK_INT(judge(c, RESULT, 1).event, c->event_said);
		}
	}
	IT ("silence never succeeds") {
		for (size_t i = 0; i < ARRAY_LEN(endings); i++)
			CHECK(judge(&endings[i], NOTHING, 1).event != RUN_SUCCEED);
		CHECK(run_judge(said(NOTHING, 1), &(struct attempt_end){.exit_code = -1}, 0)
			      .event == RUN_RETRY);
	}
	IT ("a last word that says it failed is not saved by the shim's death") {
		CHECK_INT(judge(&(struct ending_case){.end = {.lost = true, .exit_code = -1}},
				RESULT_FAILED, 1)
				  .event,
			  RUN_RETRY);
	}
	IT ("every reason is a word of SPEC's") {
		size_t count;
		const char *const *words = run_reasons(&count);

		for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
			struct run_verdict v = judge(&endings[i], NOTHING, 3);
			bool known = v.event != RUN_FAIL;

			for (size_t k = 0; k < count; k++)
				known = known || same(v.reason, words[k]);
			CHECK(known);
		}
	}
}

static struct run_verdict
judge_wait(int64_t retry_after_ms, int64_t deadline_ms, int64_t active_ms)
{
	said(ERROR_RETRY, 2);
	attempt.said_retry_after_ms = retry_after_ms;
	attempt.run.limits.deadline_ms = deadline_ms;
	attempt.now.run_used.active_ms = active_ms;
	return run_judge(&attempt, &(struct attempt_end){.exit_code = 75}, 0);
}

static void
waits(void)
{
	IT ("without a word about it the wait is the policy's") {
		CHECK_INT(judge_wait(-1, 3600000, 0).delay_ms, 2000);
	}
	IT ("retry_after is honoured, longer or shorter, or none at all") {
		CHECK_INT(judge_wait(90000, 3600000, 0).delay_ms, 90000);
		CHECK_INT(judge_wait(1, 3600000, 0).delay_ms, 1);
		CHECK_INT(judge_wait(0, 3600000, 0).delay_ms, 0);
	}
	IT ("within the deadline, of which earlier attempts used some") {
		CHECK_INT(judge_wait(90000, 100000, 5000).event, RUN_RETRY);
		CHECK_INT(judge_wait(90000, 100000, 10000).event, RUN_FAIL);
		CHECK_STR(judge_wait(90000, 100000, 10000).reason, "deadline");
		CHECK_INT(judge_wait(INT64_MAX, 100000, 0).event, RUN_FAIL);
	}
	IT ("a run without a deadline may wait for as long as it says") {
		CHECK_INT(judge_wait(90000, -1, 3600000).event, RUN_RETRY);
	}
	IT ("full jitter stays between nothing and the policy's wait") {
		int outside = 0;

		agent.retry.backoff.jitter = BACKOFF_FULL;
		for (uint64_t r = 0; r < 100000; r += 37) {
			const struct attempt_end end = {.exit_code = 1};
			int64_t ms;

			said(NOTHING, 3)->run.max_attempts = 9;
			ms = run_judge(&attempt, &end, r).delay_ms;
			outside += ms < 0 || ms > 4000;
		}
		CHECK_INT(outside, 0);
		agent.retry.backoff.jitter = BACKOFF_NONE;
	}
}

int
main(void)
{
	every_exit();
	other_ends();
	waits();
	err_fini(&attempt.said);
	return tap_done();
}
