/* Runs: insert, order, claim, due, entity, counts; with events, attempts and the run log. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/test_store_help.h"

static const char *const none[] = {NULL};
/* Where looks past paused ones ended; cleared by whoever needs it so. */
static struct run_place place;

static int64_t
peek_for(struct store *store, const char *agent, const char *tenant, const char *const *triggers)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	int priority;
	int64_t seq;
	if (!runs_peek(store, agent, tenant, triggers, &place, &priority, &seq, &err))
		return -1;
	return seq;
}

/* Of no tenant, from the start. */
static int64_t
peek(struct store *store, const char *agent, const char *const *triggers)
{
	place = (struct run_place){0};
	return peek_for(store, agent, NULL, triggers);
}

/* Did one become ready? */
static bool
frees(struct store *store, const char *entity)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	int ready = 0;
	if (!runs_free_entity(store, entity, help_ready, &ready, &err))
		printf("# free: %s\n", err_text(&err));
	return ready == 1;
}

static int became_ready;

static bool
wakes(struct store *store, struct wall now, unsigned *ret_woken, struct wall *ret_next)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	became_ready = 0;
	return runs_wake(store, now, 10, help_ready, &became_ready, ret_woken, ret_next, &err);
}

static bool
claim(struct store *store, int64_t seq)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	int n = 0;
	bool ok = runs_claim(store, seq, at_ms(1000), at_ms(31000), &(struct run_worked){0, {7}, 3},
			     NULL, &n, &err);
	if (!ok && err.code != E_STATE)
		printf("# claim: %s\n", err_text(&err));
	return ok && n >= 1;
}

static bool
end(struct store *store, int64_t seq, int n, const char *to, const char *reason)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	const struct run_move move = {.from = "running",
				      .to = to,
				      .reason = reason,
				      .ended = at_ms(2000),
				      .due = WALL_NONE};
	bool ok = attempts_end(store, seq, n, "succeeded", NULL, NULL, 0, 0, at_ms(2000), &err) &&
		  runs_move(store, seq, &move, &err);
	if (!ok)
		printf("# end: %s\n", err_text(&err));
	return ok;
}

static bool
count_rows(void *arg, const struct run_row *row)
{
	++*(int *)arg;
	return row->id != NULL;
}

static int
listed(struct store *store, const char *column, const char *value)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	const struct list_query query = {
		.filters = {{column, value}}, .since = WALL_NONE, .limit = 100};
	int n = 0;
	if (!runs_list(store, &query, count_rows, &n, &err)) {
		printf("# list: %s\n", err_text(&err));
		return -(int)err.code;
	}
	return n;
}

static bool
add_queued(void *arg, const char *agent, int64_t queued)
{
	struct buf *b = arg;
	buf_printf(b, "%s=%lld ", agent, (long long)queued);
	return true;
}

static bool
add_live(void *arg, const struct run_row *run, const struct attempt_row *attempt)
{
	struct buf *b = arg;
	buf_printf(b, "%lld.%d:%s ", (long long)run->seq, attempt->n, run->status);
	return true;
}

static bool
add_log(void *arg, const struct log_row *row)
{
	struct buf *b = arg;
	buf_printf(b, "%s=%s ", row->type, row->data);
	return true;
}

static void
test_rows(void)
{
	struct store *store = help_open("rows.db");
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("gives back a run with all that was put in, joined with its event") {
		struct run_row row = {0}, back = {0};
		struct uuid id = uuid_v7(at_ms(5));
		bool ready = false;
		int64_t seq;
		row.id = id.text;
		row.event = help_event(store, "hook", "ran", runs_next_seq(store));
		row.trigger = (char *)"hook";
		row.source = (char *)"webhook";
		row.agent = (char *)"triage";
		row.intent = (char *)"triage_ticket";
		row.mode = (char *)"stage";
		row.tenant = (char *)"abc";
		row.user = (char *)"u'1";
		row.key = (char *)"k";
		row.correlation = id.text;
		row.trust = (char *)"untrusted";
		row.hops = 3;
		row.payload = (char *)"{\"a\":\"\xc3\xa9\"}";
		row.max_attempts = 4;
		row.created = at_ms(5);
		row.started = row.ended = row.due = WALL_NONE;
		row.limits = (struct run_limits){1, 2, 3, 4, 5, 6, -1};
		CHECK(runs_insert(store, &row, &seq, &ready, &err));
		CHECK(ready);
		CHECK(runs_get(store, id.text, &back, &err));
		CHECK_INT(back.seq, seq);
		CHECK_STR(back.agent, "triage");
		CHECK_STR(back.status, "queued");
		CHECK_STR(back.user, "u'1");
		CHECK_STR(back.correlation, id.text);
		CHECK_STR(back.payload, "{\"a\":\"\xc3\xa9\"}");
		CHECK_STR(back.intent, "triage_ticket");
		CHECK(back.event_id != NULL);
		CHECK(back.event_time.ms == at_ms(0).ms);
		CHECK(!wall_is_set(back.started) && !wall_is_set(back.due));
		CHECK_INT(back.limits.cost_uusd, 6);
		CHECK_INT(back.limits.output_bytes, -1);
		CHECK_INT(back.hops, 3);
		CHECK(!back.batch && !back.result);
		run_row_fini(&back);
	}
	IT ("finds a run by a unique beginning of its id, and refuses a short or an ambiguous "
	    "one") {
		struct run_row row = {0}, back = {0};
		int64_t seq = help_run(store, row, NULL);
		CHECK(runs_get_seq(store, seq, &back, &err));
		char *whole = mem_strdup(back.id);
		run_row_fini(&back);
		char *part = mem_memdup(whole, 34);
		CHECK(runs_get(store, part, &back, &err));
		CHECK_INT(back.seq, seq);
		run_row_fini(&back);
		part[7] = 0;
		CHECK(!runs_get(store, part, &back, &err) && err.code == E_INVALID);
		free(part);
		part = mem_memdup(whole, 9);
		CHECK(!runs_get(store, part, &back, &err) && err.code == E_INVALID);
		CHECK(strstr(err_text(&err), "several") != NULL);
		free(part);
		CHECK(!runs_get(store, "ffffffff-0000", &back, &err) && err.code == E_NOT_FOUND);
		CHECK(!runs_get(store, "'; DROP TABLE runs; --", &back, &err) &&
		      err.code == E_NOT_FOUND);
		free(whole);
	}
	IT ("refuses a second run with the same id, and goes on") {
		struct run_row row = {0};
		int64_t seq;
		bool ready;
		struct uuid id = uuid_v7(at_ms(0));
		row.id = id.text;
		row.agent = row.trigger = (char *)"x";
		row.max_attempts = 1;
		row.created = at_ms(0);
		row.due = WALL_NONE;
		CHECK(runs_insert(store, &row, &seq, &ready, &err));
		CHECK(!runs_insert(store, &row, &seq, &ready, &err));
		CHECK_INT(err.code, E_EXISTS);
		CHECK(help_run(store, (struct run_row){0}, NULL) > 0);
	}
	turn_end(store);
	store_close(store);
}

static void
test_queue(void)
{
	struct store *store = help_open("queue.db");
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("gives out runs by priority, then age, and each once") {
		int64_t low = help_run(store, (struct run_row){.agent = (char *)"a", .priority = 2},
				       NULL);
		int64_t first = help_run(
			store, (struct run_row){.agent = (char *)"a", .priority = 1}, NULL);
		int64_t second = help_run(
			store, (struct run_row){.agent = (char *)"a", .priority = 1}, NULL);
		int64_t high = help_run(
			store, (struct run_row){.agent = (char *)"a", .priority = 0}, NULL);
		const int64_t order[] = {high, first, second, low};
		CHECK_INT(peek(store, "b", none), 0);
		for (size_t i = 0; i < ARRAY_LEN(order); i++) {
			CHECK_INT(peek(store, "a", none), order[i]);
			CHECK(claim(store, order[i]));
			CHECK(!claim(store, order[i]));
		}
		CHECK_INT(peek(store, "a", NULL), 0);
	}
	IT ("passes over paused triggers, and comes back to them") {
		static const char *const paused[] = {"p", NULL};
		int64_t of_p = help_run(
			store, (struct run_row){.agent = (char *)"s", .trigger = (char *)"p"},
			NULL);
		CHECK_INT(peek(store, "s", none), of_p);
		CHECK_INT(peek(store, "s", paused), 0);
		int64_t late = help_run(
			store, (struct run_row){.agent = (char *)"s", .priority = 2}, NULL);
		CHECK_INT(peek_for(store, "s", NULL, paused), late);
		int64_t high = help_run(
			store, (struct run_row){.agent = (char *)"s", .priority = 0}, NULL);
		CHECK_INT(peek_for(store, "s", NULL, paused), high);
		CHECK(claim(store, high));
		CHECK_INT(peek_for(store, "s", NULL, paused), late);
		CHECK_INT(peek(store, "s", none), of_p);
	}
	IT ("knows each tenant's next, and the tenants that have one, by name") {
		AUTO(buf_fini) struct buf tenant = BUF_INIT;
		bool found;
		int64_t run[4];
		static const char *const names[] = {"z", "b", "b", NULL};
		for (int i = 0; i < 4; i++)
			run[i] = help_run(
				store,
				(struct run_row){.agent = (char *)"t", .tenant = (char *)names[i]},
				NULL);
		CHECK_INT(peek_for(store, "t", "b", none), run[1]);
		CHECK_INT(peek_for(store, "t", "z", none), run[0]);
		CHECK_INT(peek(store, "t", none), run[3]);
		CHECK_INT(peek_for(store, "t", "none such", none), 0);
		CHECK(claim(store, run[1]));
		CHECK_INT(peek_for(store, "t", "b", none), run[2]);
		CHECK(runs_next_tenant(store, "t", &tenant, &found, &err) && found);
		CHECK_STR(buf_cstr(&tenant), "b");
		CHECK(runs_next_tenant(store, "t", &tenant, &found, &err) && found);
		CHECK_STR(buf_cstr(&tenant), "z");
		CHECK(runs_next_tenant(store, "t", &tenant, &found, &err) && !found);
	}
	IT ("finds a run again that a failed turn gave back") {
		static const char *const paused[] = {"p", NULL};
		int64_t free_run = help_run(store, (struct run_row){.agent = (char *)"h"}, NULL);
		help_run(store, (struct run_row){.agent = (char *)"h", .trigger = (char *)"p"},
			 NULL);
		CHECK(turn_savepoint(store, &err));
		CHECK(claim(store, free_run));
		CHECK_INT(peek_for(store, "h", NULL, paused), 0);
		turn_undo(store);
		CHECK_INT(peek_for(store, "h", NULL, paused), free_run);
	}
	IT ("runs one of an entity at a time, in order of arrival") {
		bool ready[3];
		int64_t run[3];
		for (int i = 0; i < 3; i++)
			run[i] = help_run(store,
					  (struct run_row){.agent = (char *)"e",
							   .entity = (char *)"e1",
							   .priority = 2 - i},
					  &ready[i]);
		CHECK(ready[0] && !ready[1] && !ready[2]);
		CHECK_INT(peek(store, "e", none), run[0]);
		CHECK(claim(store, run[0]));
		CHECK_INT(peek(store, "e", none), 0);
		CHECK(!frees(store, "e1"));
		CHECK(end(store, run[0], 1, "succeeded", NULL));
		CHECK(frees(store, "e1"));
		CHECK_INT(peek(store, "e", none), run[1]);
		CHECK(!frees(store, "e1"));
		CHECK(claim(store, run[1]) && end(store, run[1], 1, "failed", "permanent"));
		CHECK(frees(store, "e1"));
		CHECK_INT(peek(store, "e", none), run[2]);
		CHECK(!frees(store, "no such"));
	}
	IT ("holds a run back until it is due, and says when the next one is") {
		unsigned woken;
		struct wall next;
		bool ready = true;
		int64_t soon = help_run(
			store, (struct run_row){.agent = (char *)"d", .due = at_ms(500)}, &ready);
		CHECK(!ready);
		int64_t later = help_run(
			store, (struct run_row){.agent = (char *)"d", .due = at_ms(900)}, NULL);
		CHECK(wakes(store, at_ms(499), &woken, &next));
		CHECK_INT(woken, 0);
		CHECK_INT(next.ms, at_ms(500).ms);
		CHECK_INT(peek(store, "d", none), 0);
		CHECK(wakes(store, at_ms(500), &woken, &next));
		CHECK_INT(woken, 1);
		CHECK_INT(next.ms, at_ms(900).ms);
		CHECK_INT(peek(store, "d", none), soon);
		CHECK(wakes(store, at_ms(5000), &woken, &next));
		CHECK_INT(woken, 1);
		CHECK(!wall_is_set(next));
		CHECK(claim(store, soon));
		CHECK_INT(peek(store, "d", none), later);
	}
	IT ("wakes at most as many as asked, all in the end") {
		unsigned woken, all = 0;
		struct wall next = at_ms(0);
		for (int i = 0; i < 25; i++)
			help_run(store,
				 (struct run_row){.agent = (char *)"w", .due = at_ms(10 + i)},
				 NULL);
		for (int i = 0; i < 3; i++) {
			CHECK(wakes(store, at_ms(100), &woken, &next));
			all += woken;
		}
		CHECK_INT(all, 25);
		CHECK(!wall_is_set(next));
	}
	IT ("makes a due run wait on when an earlier one has its entity") {
		unsigned woken;
		struct wall next;
		int64_t first = help_run(
			store, (struct run_row){.agent = (char *)"de", .entity = (char *)"x"},
			NULL);
		int64_t second = help_run(store,
					  (struct run_row){.agent = (char *)"de",
							   .entity = (char *)"x",
							   .due = at_ms(5)},
					  NULL);
		CHECK(claim(store, first));
		CHECK(wakes(store, at_ms(10), &woken, &next));
		CHECK_INT(became_ready, 0);
		CHECK_INT(peek(store, "de", none), 0);
		CHECK(end(store, first, 1, "succeeded", NULL));
		CHECK(frees(store, "x"));
		CHECK_INT(peek(store, "de", none), second);
	}
	IT ("puts a run back for a later attempt, which keeps its place and its start") {
		unsigned woken;
		struct wall next;
		AUTO(run_row_fini) struct run_row back = {0};
		int64_t seq = help_run(
			store, (struct run_row){.agent = (char *)"r", .entity = (char *)"y"}, NULL);
		int64_t rival = help_run(
			store, (struct run_row){.agent = (char *)"r", .entity = (char *)"y"}, NULL);
		const struct run_move again = {.from = "running",
					       .to = "queued",
					       .reason = NULL,
					       .error = "exit 1",
					       .ended = WALL_NONE,
					       .due = at_ms(4000)};
		CHECK(claim(store, seq));
		CHECK(attempts_end(store, seq, 1, "failed", "exit", "exit 1", 1, 0, at_ms(2000),
				   &err));
		CHECK(runs_move(store, seq, &again, &err));
		CHECK_INT(peek(store, "r", none), 0);
		CHECK(wakes(store, at_ms(4000), &woken, &next) && woken == 1);
		CHECK_INT(peek(store, "r", none), seq);
		CHECK(claim(store, seq));
		CHECK(runs_get_seq(store, seq, &back, &err));
		CHECK_INT(back.attempts, 2);
		CHECK_INT(back.started.ms, at_ms(1000).ms);
		CHECK(rival > seq);
	}
	turn_end(store);
	IT ("peeks through the index, however long the queue") {
		AUTO(buf_fini) struct buf plan = BUF_INIT;
		struct driver_stmt *stmt;
		for (int i = 0; i < 3000; i++)
			help_run(store, (struct run_row){.agent = (char *)"many"}, NULL);
		CHECK(store->driver->prepare(
			store->conn,
			"EXPLAIN QUERY PLAN SELECT priority, seq FROM runs WHERE "
			"agent = :agent AND ready = 1 AND tenant IS :tenant "
			"AND status = 'queued' ORDER BY priority, seq",
			&stmt, &err));
		while (store->driver->step(store->conn, stmt, &err) == STEP_ROW)
			buf_add_str(&plan, store->driver->column_text(stmt, 3));
		store->driver->finalize(stmt);
		CHECK_STR(buf_cstr(&plan), "SEARCH runs USING INDEX runs_queue (agent=? AND "
					   "ready=? AND tenant=?)");
	}
	turn_end(store);
	IT ("holds together, as the check says") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		CHECK(store_check(store, &out, &err));
		CHECK_STR(buf_cstr(&out), "");
	}
	store_close(store);
}

static void
test_moves(void)
{
	struct store *store = help_open("moves.db");
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("moves a run only from the state that was said") {
		int64_t seq = help_run(store, (struct run_row){0}, NULL);
		const struct run_move move = {
			.from = "running", .to = "succeeded", .ended = at_ms(1), .due = WALL_NONE};
		CHECK(!runs_move(store, seq, &move, &err));
		CHECK_INT(err.code, E_STATE);
		CHECK(strstr(err_text(&err), "queued") != NULL);
		CHECK(!runs_move(store, 99999, &move, &err) && err.code == E_NOT_FOUND);
		int n;
		CHECK(!runs_claim(store, 99999, at_ms(0), at_ms(0), &(struct run_worked){0}, NULL,
				  &n, &err) &&
		      err.code == E_NOT_FOUND);
	}
	IT ("keeps a result, and leaves it where none is said") {
		AUTO(run_row_fini) struct run_row back = {0};
		int64_t seq = help_run(store, (struct run_row){0}, NULL);
		const struct run_move wait = {.from = "running",
					      .to = "waiting",
					      .result = "{\"x\":1}",
					      .ended = WALL_NONE,
					      .due = WALL_NONE};
		const struct run_move done = {.from = "waiting",
					      .to = "failed",
					      .reason = "denied",
					      .error = "no",
					      .ended = at_ms(9),
					      .due = WALL_NONE};
		CHECK(claim(store, seq) && runs_move(store, seq, &wait, &err) &&
		      runs_move(store, seq, &done, &err));
		CHECK(runs_get_seq(store, seq, &back, &err));
		CHECK_STR(back.result, "{\"x\":1}");
		CHECK_STR(back.reason, "denied");
		CHECK_INT(back.ended.ms, at_ms(9).ms);
	}
	IT ("keeps the progress of a live run, of the run and of its attempt apart") {
		AUTO(run_row_fini) struct run_row back = {0};
		AUTO(attempt_row_fini) struct attempt_row attempt = {0};
		int64_t seq = help_run(store, (struct run_row){.payload = (char *)"[1]"}, NULL);
		struct run_progress p = {.used = {.steps = 5, .cost_uusd = 70},
					 .attempt_used = {.steps = 2},
					 .offset = 512,
					 .checkpoint = "{\"c\":1}"};
		CHECK(claim(store, seq));
		CHECK(runs_progress(store, seq, 1, &p, &err));
		p.checkpoint = NULL;
		p.completed_steps = "{\"s\":2}";
		CHECK(runs_progress(store, seq, 1, &p, &err));
		CHECK(runs_get_seq(store, seq, &back, &err));
		CHECK_INT(back.used.steps, 5);
		CHECK_INT(back.used.cost_uusd, 70);
		CHECK_STR(back.checkpoint, "{\"c\":1}");
		CHECK_STR(back.completed_steps, "{\"s\":2}");
		CHECK_STR(back.payload, "[1]");
		CHECK(attempts_get(store, seq, 1, &attempt, &err));
		CHECK_INT(attempt.used.steps, 2);
		CHECK_INT(attempt.offset, 512);
		CHECK_INT(attempt.lease.ms, at_ms(31000).ms);
	}
	IT ("renews and ends an attempt only while it runs") {
		int64_t seq = help_run(store, (struct run_row){0}, NULL);
		CHECK(claim(store, seq));
		CHECK(attempts_renew(store, seq, 1, at_ms(60000), &(struct run_worked){500, {9}, 3},
				     &err));
		CHECK(attempts_set_executor(store, seq, 1, "{\"pid\":1}", &err));
		CHECK(!attempts_renew(store, seq, 2, at_ms(60000),
				      &(struct run_worked){500, {9}, 3}, &err) &&
		      err.code == E_STATE);
		CHECK(attempts_end(store, seq, 1, "lost", "lost", NULL, -1, 9, at_ms(1), &err));
		CHECK(!attempts_renew(store, seq, 1, at_ms(60000),
				      &(struct run_worked){500, {9}, 3}, &err) &&
		      err.code == E_STATE);
		CHECK(!attempts_end(store, seq, 1, "failed", NULL, NULL, 1, 0, at_ms(2), &err));
		CHECK(!attempts_end(store, seq, 1, "no such word", NULL, NULL, 1, 0, at_ms(2),
				    &err));
	}
	IT ("drops a dead letter once, and nothing that lives") {
		int64_t seq = help_run(store, (struct run_row){0}, NULL), dead, after;
		CHECK(!runs_drop(store, seq, &err) && err.code == E_STATE);
		CHECK(runs_count_dead(store, &dead, &err));
		CHECK(claim(store, seq) && end(store, seq, 1, "failed", "lost"));
		CHECK(runs_count_dead(store, &after, &err) && after == dead + 1);
		CHECK(runs_drop(store, seq, &err));
		CHECK(!runs_drop(store, seq, &err) && err.code == E_STATE);
		CHECK(runs_count_dead(store, &after, &err) && after == dead);
	}
	IT ("gives the live runs with their last attempt, also when they are moved meanwhile") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		AUTO(buf_fini) struct buf want = BUF_INIT;
		struct store *other = help_open("live.db");
		for (int i = 0; i < 250; i++) {
			int64_t seq = help_run(other, (struct run_row){0}, NULL);
			if (i % 2) {
				CHECK(claim(other, seq));
				buf_printf(&want, "%lld.1:running ", (long long)seq);
			}
		}
		CHECK(runs_live(other, add_live, &text, &err));
		CHECK_STR(buf_cstr(&text), buf_cstr(&want));
		turn_end(other);
		store_close(other);
	}
	turn_end(store);
	store_close(store);
}

static void
test_counts(void)
{
	struct store *store = help_open("counts.db");
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("counts what is queued by agent, ready or not") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		struct wall oldest = at_ms(1);
		CHECK(runs_oldest_queued(store, &oldest, &err) && !wall_is_set(oldest));
		int64_t first = help_run(
			store, (struct run_row){.agent = (char *)"b", .created = at_ms(-50)}, NULL);
		help_run(store, (struct run_row){.agent = (char *)"a", .entity = (char *)"x"},
			 NULL);
		help_run(store,
			 (struct run_row){
				 .agent = (char *)"a", .entity = (char *)"x", .created = at_ms(-7)},
			 NULL);
		help_run(store, (struct run_row){.agent = (char *)"a", .due = at_ms(7)}, NULL);
		CHECK(runs_count_queued(store, add_queued, &text, &err));
		CHECK_STR(buf_cstr(&text), "a=3 b=1 ");
		CHECK(runs_oldest_queued(store, &oldest, &err));
		CHECK_INT(oldest.ms, at_ms(-50).ms);
		CHECK(claim(store, first));
		CHECK(runs_oldest_queued(store, &oldest, &err));
		CHECK_INT(oldest.ms, at_ms(0).ms);
	}
	IT ("finds what is not done of a trigger, or of its entity") {
		int64_t seqs[4], n;
		size_t count;
		int64_t a = help_run(
			store, (struct run_row){.trigger = (char *)"t", .entity = (char *)"e"},
			NULL);
		int64_t b = help_run(store, (struct run_row){.trigger = (char *)"t"}, NULL);
		help_run(store, (struct run_row){.trigger = (char *)"u", .entity = (char *)"e"},
			 NULL);
		CHECK(claim(store, a));
		CHECK(runs_unfinished(store, "t", NULL, seqs, 4, &count, &err));
		CHECK(count == 2 && seqs[0] == a && seqs[1] == b);
		CHECK(runs_unfinished(store, "t", "e", seqs, 4, &count, &err));
		CHECK(count == 1 && seqs[0] == a);
		CHECK(runs_unfinished(store, "t", NULL, seqs, 1, &count, &err) && count == 1);
		CHECK(runs_count_trigger(store, "t", &n, &err) && n == 1);
		CHECK(end(store, a, 1, "succeeded", NULL));
		CHECK(runs_unfinished(store, "t", "e", seqs, 4, &count, &err) && count == 0);
	}
	IT ("lists by each of its columns, and refuses any other") {
		help_run(store,
			 (struct run_row){
				 .batch = (char *)"b/1", .tenant = (char *)"T", .key = (char *)"K"},
			 NULL);
		CHECK_INT(listed(store, "batch", "b/1"), 1);
		CHECK_INT(listed(store, "tenant", "T"), 1);
		CHECK_INT(listed(store, "key", "K"), 1);
		CHECK_INT(listed(store, "status", "succeeded"), 1);
		CHECK_INT(listed(store, "status", "running"), 1);
		CHECK_INT(listed(store, "agent", "a"), 3);
		CHECK_INT(listed(store, "trigger", "u"), 1);
		CHECK_INT(listed(store, "entity", "x"), 2);
		CHECK_INT(listed(store, "dead", "1"), 0);
		CHECK_INT(listed(store, "agent", "a' OR 1=1 --"), 0);
		CHECK_INT(listed(store, "payload", "x"), -(int)E_USAGE);
	}
	IT ("lists newest first, from a cursor, since a time, as many as asked") {
		int n = 0;
		struct list_query query = {.since = WALL_NONE, .limit = 2};
		CHECK(runs_list(store, &query, count_rows, &n, &err) && n == 2);
		query.before_seq = 2;
		n = 0;
		CHECK(runs_list(store, &query, count_rows, &n, &err) && n == 1);
		query = (struct list_query){.since = at_ms(60000), .limit = 10};
		n = 0;
		CHECK(runs_list(store, &query, count_rows, &n, &err) && n == 0);
		query.limit = 0;
		CHECK(!runs_list(store, &query, count_rows, &n, &err) && err.code == E_USAGE);
		query.limit = 1001;
		CHECK(!runs_list(store, &query, count_rows, &n, &err) && err.code == E_USAGE);
	}
	IT ("keeps the run log in order, also when the clock is set back") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		int64_t run = help_run(store, (struct run_row){0}, NULL), first, second, third;
		CHECK(runlog_add(store, run, 1, at_ms(1000), "status", STR("1"), &first, &err));
		CHECK(runlog_add(store, run, 1, at_ms(1000), "step", STR("2"), &second, &err));
		store->last_log = 0;
		CHECK(runlog_add(store, run, 2, at_ms(5), "log", STR("3"), &third, &err));
		CHECK(first < second && second < third);
		CHECK(runlog_list(store, run, 0, 10, add_log, &text, &err));
		CHECK_STR(buf_cstr(&text), "status=1 step=2 log=3 ");
		buf_clear(&text);
		CHECK(runlog_list(store, run, first, 1, add_log, &text, &err));
		CHECK_STR(buf_cstr(&text), "step=2 ");
		CHECK(!runlog_add(store, 98765, 1, at_ms(0), "log", STR("x"), &first, &err));
	}
	turn_end(store);
	store_close(store);
}

static unsigned
retain(struct store *store, enum retention what, int64_t before, unsigned most)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	unsigned gone, all = 0;
	bool through = false;
	for (int i = 0; i < 1000 && !through; i++) {
		if (!retention_apply(store, what, at_ms(before), most, &gone, &through, &err)) {
			printf("# retention: %s\n", err_text(&err));
			return 9999;
		}
		all += gone;
		turn_end(store);
	}
	return through ? all : 9998;
}

static void
test_retention(void)
{
	struct store *store = help_open("retention.db");
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t seq, run[40];

	IT ("lets old runs go with all that is theirs, and keeps the live, the young and those "
	    "with changes") {
		for (int i = 0; i < 40; i++) {
			int64_t event = help_event(store, "t", "ran", runs_next_seq(store));
			run[i] = help_run(store,
					  (struct run_row){.event = event,
							   .payload = (char *)"{}",
							   .created = at_ms(i * 10)},
					  NULL);
			CHECK(runlog_add(store, run[i], 1, at_ms(i), "log", STR("{}"), &seq, &err));
			if (i % 4 == 3)
				continue;
			CHECK(claim(store, run[i]) && end(store, run[i], 1, "succeeded", NULL));
		}
		help_change(store, (struct change_row){.run = run[0], .status = (char *)"applied"},
			    &err);
		help_change(store, (struct change_row){.run = run[1]}, &err);
		turn_end(store);
		CHECK_INT(retain(store, RETAIN_RUNS, 200, 7), 0);
		CHECK_INT(retain(store, RETAIN_RUNS, 3000, 7), 28);
		CHECK_INT(help_number(store->path, "SELECT COUNT(*) FROM runs"), 12);
		CHECK_INT(help_number(store->path, "SELECT COUNT(*) FROM events"), 12);
		CHECK_INT(help_number(store->path, "SELECT COUNT(*) FROM runlog"), 12);
		CHECK_INT(help_number(store->path, "SELECT COUNT(*) FROM attempts"), 2);
		CHECK_INT(help_number(store->path, "SELECT COUNT(*) FROM run_inputs"), 12);
	}
	IT ("lets documents, logs and changes go on their own, and then the runs that had these") {
		CHECK_INT(retain(store, RETAIN_DOCUMENTS, 3000, 5), 2);
		CHECK_INT(retain(store, RETAIN_DOCUMENTS, 3000, 5), 0);
		CHECK_INT(retain(store, RETAIN_LOGS, 3000, 5), 2);
		CHECK_INT(retain(store, RETAIN_CHANGES, 3000, 5), 1);
		CHECK_INT(retain(store, RETAIN_RUNS, 3000, 5), 1);
		help_event(store, "t", "filtered", 0);
		help_event(store, "t", "filtered", 0);
		turn_end(store);
		CHECK_INT(retain(store, RETAIN_EVENTS, 3000, 5), 1);
	}
	IT ("gives no number twice when all is gone") {
		int64_t next = runs_next_seq(store), next_event = events_next_seq(store);
		store_close(store);
		store = help_open("retention.db");
		CHECK_INT(runs_next_seq(store), next);
		CHECK_INT(events_next_seq(store), next_event);
		AUTO(buf_fini) struct buf out = BUF_INIT;
		CHECK(store_check(store, &out, &err));
		CHECK_STR(buf_cstr(&out), "");
	}
	store_close(store);
}

int
main(void)
{
	test_rows();
	test_queue();
	test_moves();
	test_counts();
	test_retention();
	return tap_done();
}
