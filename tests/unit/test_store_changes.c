/* Changes, gates, keys and the small facts: compare-and-swap, order, what is replaced, what is
 * forgotten. */
/* SPDX-License-Identifier: MIT */
#include "store/batches.h"
#include "store/key_index.h"
#include "tests/unit/test_store_help.h"

static bool
move(struct store *store, int64_t seq, const char *from, const char *to, struct wall due)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	const struct change_move move = {.from = from,
					 .to = to,
					 .decided_at = WALL_NONE,
					 .applied_at = WALL_NONE,
					 .reverted_at = WALL_NONE,
					 .due = due};
	bool ok = changes_move(store, seq, &move, &err);
	if (!ok && err.code != E_STATE)
		printf("# move: %s\n", err_text(&err));
	return ok;
}

/* What would be taken next; nothing is. */
static int64_t
next_of(struct store *store, const char *target, bool revert, int64_t now, int64_t *ret_due)
{
	AUTO(change_row_fini) struct change_row row = {0};
	AUTO(err_fini) struct err err = ERR_INIT;
	struct wall due;
	size_t count;
	bool ok;

	turn_savepoint(store, NULL);
	ok = changes_take(store, target, revert, at_ms(now), 1, &row, &count, &due, &err);
	turn_undo(store);
	if (ret_due)
		*ret_due = wall_is_set(due) ? due.ms - at_ms(0).ms : -1;
	return !ok ? -1 : count ? row.seq : 0;
}

static int64_t
next(struct store *store, const char *target, int64_t now, int64_t *ret_due)
{
	return next_of(store, target, false, now, ret_due);
}

static bool
add_count(void *arg, const char *status, const char *target, int64_t n)
{
	buf_printf(arg, "%s/%s=%lld ", status, target, (long long)n);
	return true;
}

static bool
add_batch_count(void *arg, const char *status, int64_t n)
{
	buf_printf(arg, "%s=%lld ", status, (long long)n);
	return true;
}

static bool
add_seq(void *arg, const struct change_row *row)
{
	buf_printf(arg, "%lld ", (long long)row->seq);
	return true;
}

static bool
add_doubt(void *arg, const struct change_row *row)
{
	buf_printf(arg, "%lld:%s ", (long long)row->seq, row->status);
	return true;
}

static char *
status_of(struct store *store, int64_t seq)
{
	struct change_row row = {0};
	if (!changes_get_seq(store, seq, &row, NULL))
		return mem_strdup("?");
	char *status = TAKE(row.status);
	change_row_fini(&row);
	return status;
}

static bool
add_decision(void *arg, const struct decision_row *row)
{
	buf_printf(arg, "%s %s %s; ", row->decision, row->by, row->reason ? row->reason : "-");
	return true;
}

static void
test_changes(void)
{
	struct store *store = help_open("changes.db");
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t run = help_run(store, (struct run_row){0}, NULL);

	IT ("keeps a proposal with all that was said, and shows it in staged_changes") {
		AUTO(change_row_fini) struct change_row back = {0};
		int64_t seq = help_change(store,
					  (struct change_row){.run = run,
							      .key = (char *)"k1",
							      .entity = (char *)"acme",
							      .before = (char *)"{\"a\":1}",
							      .after = (char *)"{\"a\":2}",
							      .confidence = 0.25,
							      .reason = (char *)"it's so",
							      .batch = (char *)"b/1"},
					  &err);
		CHECK(changes_get_seq(store, seq, &back, &err));
		CHECK_STR(back.before, "{\"a\":1}");
		CHECK_STR(back.reason, "it's so");
		CHECK(back.confidence > 0.24 && back.confidence < 0.26);
		CHECK(back.run_id != NULL && !back.patch);
		turn_end(store);
		CHECK_INT(help_number(store->path, "SELECT COUNT(*) FROM staged_changes WHERE "
						   "batch = 'b/1' AND status = 'proposed' "
						   "AND after = '{\"a\":2}' AND decided_at IS NULL "
						   "AND run IS NOT NULL"),
			  1);
	}
	IT ("knows a run's key again, and counts it once") {
		int64_t first = help_change(
			store, (struct change_row){.run = run, .key = (char *)"twice"}, &err);
		struct uuid id = uuid_v7(at_ms(0));
		const struct change_row row = {.id = id.text,
					       .run = run,
					       .key = (char *)"twice",
					       .target = (char *)"crm",
					       .op = (char *)"update",
					       .status = (char *)"proposed",
					       .created = at_ms(0),
					       .decided_at = WALL_NONE,
					       .applied_at = WALL_NONE,
					       .reverted_at = WALL_NONE,
					       .due = WALL_NONE};
		int64_t seq = 0;
		AUTO(buf_fini) struct buf counts = BUF_INIT;
		CHECK(!changes_insert(store, &row, &seq, &err) && err.code == E_EXISTS);
		CHECK_INT(seq, first);
		CHECK(changes_count(store, 0, add_count, &counts, &err));
		CHECK_STR(buf_cstr(&counts), "proposed/crm=2 ");
	}
	IT ("moves only from the status that was said, and names the one it found") {
		int64_t seq = help_change(store, (struct change_row){.run = run}, &err);
		CHECK(move(store, seq, "proposed", "approved", WALL_NONE));
		CHECK(!move(store, seq, "proposed", "rejected", WALL_NONE));
		const struct change_move again = {.from = "proposed",
						  .to = "rejected",
						  .decided_at = WALL_NONE,
						  .applied_at = WALL_NONE,
						  .reverted_at = WALL_NONE,
						  .due = WALL_NONE};
		CHECK(!changes_move(store, seq, &again, &err) && err.code == E_STATE &&
		      strstr(err_text(&err), "approved"));
		CHECK(!changes_move(store, 9999, &again, &err) && err.code == E_NOT_FOUND);
		CHECK(move(store, seq, "approved", "applying", WALL_NONE) &&
		      move(store, seq, "applying", "applied", WALL_NONE));
	}
	IT ("counts by status and target, for one run or all, as they move") {
		AUTO(buf_fini) struct buf all = BUF_INIT;
		AUTO(buf_fini) struct buf one = BUF_INIT;
		CHECK(changes_count(store, 0, add_count, &all, &err));
		CHECK_STR(buf_cstr(&all), "applied/crm=1 proposed/crm=2 ");
		CHECK(changes_count(store, run, add_count, &one, &err));
		CHECK_STR(buf_cstr(&one), buf_cstr(&all));
	}
	IT ("gives out the outbox by age, one of an entity at a time") {
		int64_t a1 = help_change(store,
					 (struct change_row){.run = run,
							     .target = (char *)"t",
							     .entity = (char *)"a"},
					 &err);
		int64_t a2 = help_change(store,
					 (struct change_row){.run = run,
							     .target = (char *)"t",
							     .entity = (char *)"a"},
					 &err);
		int64_t b1 = help_change(store,
					 (struct change_row){.run = run,
							     .target = (char *)"t",
							     .entity = (char *)"b"},
					 &err);
		int64_t n1 = help_change(
			store, (struct change_row){.run = run, .target = (char *)"t"}, &err);
		int64_t n2 = help_change(
			store, (struct change_row){.run = run, .target = (char *)"t"}, &err);
		CHECK_INT(next(store, "t", 0, NULL), 0);
		for (int64_t seq = a1; seq <= n2; seq++)
			CHECK(move(store, seq, "proposed", "approved", WALL_NONE));
		CHECK_INT(next(store, "other", 0, NULL), 0);
		CHECK_INT(next(store, "t", 0, NULL), a1);
		CHECK(move(store, a1, "approved", "applying", WALL_NONE));
		CHECK_INT(next(store, "t", 0, NULL), b1);
		CHECK(move(store, b1, "approved", "applying", WALL_NONE));
		CHECK_INT(next(store, "t", 0, NULL), n1);
		CHECK(move(store, n1, "approved", "applying", WALL_NONE));
		CHECK_INT(next(store, "t", 0, NULL), n2);
		CHECK(move(store, n2, "approved", "applying", WALL_NONE));
		CHECK_INT(next(store, "t", 0, NULL), 0);
		CHECK(move(store, a1, "applying", "conflict", WALL_NONE));
		CHECK_INT(next(store, "t", 0, NULL), a2);
	}
	IT ("waits for what is due later, says when, and lets nothing of its entity past") {
		int64_t due, first = help_change(store,
						 (struct change_row){.run = run,
								     .target = (char *)"d",
								     .entity = (char *)"x"},
						 &err);
		int64_t second = help_change(store,
					     (struct change_row){.run = run,
								 .target = (char *)"d",
								 .entity = (char *)"x"},
					     &err);
		CHECK(move(store, first, "proposed", "approved", at_ms(5000)));
		CHECK(move(store, second, "proposed", "approved", WALL_NONE));
		CHECK_INT(next(store, "d", 4999, &due), 0);
		CHECK_INT(due, 5000);
		CHECK_INT(next(store, "d", 5000, NULL), first);
	}
	IT ("gives out a revert, too, and holds it while it is due later") {
		int64_t seq = help_change(store,
					  (struct change_row){.run = run,
							      .target = (char *)"r",
							      .entity = (char *)"x"},
					  &err);
		CHECK(move(store, seq, "proposed", "approved", WALL_NONE) &&
		      move(store, seq, "approved", "applying", WALL_NONE));
		CHECK(move(store, seq, "applying", "applied", WALL_NONE) &&
		      move(store, seq, "applied", "reverting", WALL_NONE));
		CHECK_INT(next(store, "r", 0, NULL), 0);
		CHECK_INT(next_of(store, "r", true, 0, NULL), seq);
		CHECK(move(store, seq, "reverting", "reverting", at_ms(100)));
		CHECK_INT(next_of(store, "r", true, 0, NULL), 0);
		CHECK_INT(next_of(store, "r", true, 100, NULL), seq);
	}
	IT ("takes many at once: of each entity the oldest to apply, the youngest to revert") {
		struct change_row rows[8] = {{0}};
		struct wall due;
		size_t count;
		int64_t seqs[4];

		for (int i = 0; i < 4; i++) {
			seqs[i] = help_change(
				store,
				(struct change_row){.run = run,
						    .target = (char *)"g",
						    .entity = (char *)(i % 2 ? "x" : "y")},
				&err);
			CHECK(move(store, seqs[i], "proposed", "approved", WALL_NONE));
		}
		CHECK(changes_take(store, "g", false, at_ms(0), 8, rows, &count, &due, &err));
		CHECK_INT(count, 2);
		CHECK(rows[0].seq == seqs[0] && rows[1].seq == seqs[1] && rows[0].run_id != NULL);
		CHECK_STR(rows[0].status, "applying");
		for (int i = 0; i < 2; i++)
			change_row_fini(&rows[i]);
		CHECK(move(store, seqs[0], "applying", "applied", WALL_NONE) &&
		      move(store, seqs[1], "applying", "applied", WALL_NONE));
		CHECK(changes_take(store, "g", false, at_ms(0), 1, rows, &count, &due, &err));
		CHECK(count == 1 && rows[0].seq == seqs[2]);
		change_row_fini(&rows[0]);
		CHECK(move(store, seqs[2], "applying", "applied", WALL_NONE));
		for (int i = 0; i < 3; i++)
			CHECK(move(store, seqs[i], "applied", "reverting", WALL_NONE));
		CHECK(changes_take(store, "g", true, at_ms(0), 8, rows, &count, &due, &err));
		/* Of x the newer one is still to be applied; it waits for this. */
		CHECK(count == 2 && rows[0].seq == seqs[2] && rows[1].seq == seqs[1]);
		for (size_t i = 0; i < count; i++)
			change_row_fini(&rows[i]);
		CHECK(changes_take(store, "g", true, at_ms(0), 8, rows, &count, &due, &err));
		CHECK(!count && !wall_is_set(due));
		CHECK(changes_take(store, "g", false, at_ms(0), 8, rows, &count, &due, &err));
		CHECK(!count);
		CHECK(move(store, seqs[2], "reverting", "reverted", WALL_NONE));
		CHECK_INT(next_of(store, "g", true, 0, NULL), seqs[0]);
	}
	IT ("lands many with what their targets said, and a decision of each") {
		struct change_row rows[2] = {{0}};
		const struct change_row *both[] = {&rows[0], &rows[1]};
		const char *const receipts[] = {"{\"n\":\"\\\"1\\\"\"}", NULL};
		AUTO(change_row_fini) struct change_row first = {0};
		AUTO(buf_fini) struct buf text = BUF_INIT, counts = BUF_INIT;
		struct wall due;
		size_t count;

		for (int i = 0; i < 2; i++)
			CHECK(move(store,
				   help_change(
					   store,
					   (struct change_row){.run = run,
							       .target = (char *)"land",
							       .batch = (char *)(i ? "b/2" : "b/1"),
							       .receipt = (char *)"{\"was\":1}"},
					   &err),
				   "proposed", "approved", WALL_NONE));
		CHECK(changes_take(store, "land", false, at_ms(0), 2, rows, &count, &due, &err) &&
		      count == 2);
		CHECK(changes_land(store, both, receipts, 2, false, at_ms(7), &err));
		CHECK(changes_get_seq(store, rows[0].seq, &first, &err));
		CHECK_STR(first.status, "applied");
		CHECK_STR(first.receipt, receipts[0]);
		CHECK(first.attempts == 1 && first.applied_at.ms == at_ms(7).ms);
		change_row_fini(&first);
		CHECK(changes_get_seq(store, rows[1].seq, &first, &err));
		CHECK_STR(first.receipt, "{\"was\":1}");
		CHECK(decisions_each(store, "change", rows[1].id, add_decision, &text, &err));
		CHECK_STR(buf_cstr(&text), "applied rouse -; ");
		CHECK(batch_changes_count(store, "b/2", add_batch_count, &counts, &err));
		CHECK_STR(buf_cstr(&counts), "applied=1 ");
		CHECK(!changes_land(store, both, receipts, 2, false, at_ms(7), &err) &&
		      err.code == E_STATE);
		for (int i = 0; i < 2; i++)
			change_row_fini(&rows[i]);
	}
	IT ("names those in doubt, also when they are moved meanwhile, and gives reverts out "
	    "again") {
		AUTO(buf_fini) struct buf doubt = BUF_INIT;
		CHECK(changes_in_doubt(store, add_doubt, &doubt, &err));
		CHECK(strstr(buf_cstr(&doubt), ":applying"));
		CHECK(!strstr(buf_cstr(&doubt), "approved") &&
		      !strstr(buf_cstr(&doubt), "applied") &&
		      !strstr(buf_cstr(&doubt), "reverting"));
		CHECK(next_of(store, "g", true, 0, NULL) > 0);
	}
	IT ("does not see what is held") {
		int64_t seq = help_change(
			store, (struct change_row){.run = run, .target = (char *)"h"}, &err);
		const struct change_move approve = {.from = "proposed",
						    .to = "approved",
						    .hold = 1,
						    .decided_at = WALL_NONE,
						    .applied_at = WALL_NONE,
						    .reverted_at = WALL_NONE,
						    .due = WALL_NONE};
		struct change_move release = approve;

		release.from = "approved";
		release.hold = -1;
		CHECK(changes_move(store, seq, &approve, &err));
		CHECK_INT(next(store, "h", 0, NULL), 0);
		CHECK(changes_move(store, seq, &release, &err));
		CHECK_INT(next(store, "h", 0, NULL), seq);
	}
	IT ("replaces open proposals of the entity by an earlier run of its kind, and no others") {
		int64_t earlier = help_run(store, (struct run_row){0}, NULL),
			other = help_run(store, (struct run_row){.agent = (char *)"other"}, NULL);
		int64_t mine = help_run(store, (struct run_row){0}, NULL),
			later = help_run(store, (struct run_row){0}, NULL);
		const struct {
			int64_t run;
			const char *entity, *target, *want;
		} list[] = {{earlier, "s", "crm", "superseded"}, {other, "s", "crm", "proposed"},
			    {mine, "s", "crm", "proposed"},	 {later, "s", "crm", "proposed"},
			    {mine, "z", "crm", "proposed"},	 {mine, "s", "erp", "proposed"}};
		int64_t seqs[ARRAY_LEN(list)];
		unsigned gone;
		for (size_t i = 0; i < ARRAY_LEN(list); i++)
			seqs[i] = help_change(
				store,
				(struct change_row){.run = list[i].run,
						    .entity = (char *)(uintptr_t)list[i].entity,
						    .target = (char *)(uintptr_t)list[i].target},
				&err);
		int64_t keep = help_change(
			store, (struct change_row){.run = mine, .entity = (char *)"s"}, &err);
		CHECK(changes_supersede(store, keep, &gone, &err));
		CHECK_INT(gone, 1);
		for (size_t i = 0; i < ARRAY_LEN(list); i++) {
			AUTO(auto_free) char *status = status_of(store, seqs[i]);
			CHECK_STR(status, list[i].want);
		}
		AUTO(auto_free) char *status = status_of(store, keep);
		CHECK_STR(status, "proposed");
		CHECK(changes_mark_partial(store, mine, &err));
		AUTO(buf_fini) struct buf beside = BUF_INIT;
		CHECK(changes_beside(store, keep, false, add_seq, &beside, &err));
		AUTO(buf_fini) struct buf want = BUF_INIT;
		buf_printf(&want, "%lld ", (long long)seqs[2]);
		CHECK_STR(buf_cstr(&beside), buf_cstr(&want));
	}
	IT ("refuses a confidence beyond 1, and an op that is none") {
		CHECK(!help_change(store, (struct change_row){.run = run, .confidence = 1.5},
				   &err) &&
		      err.code == E_INVALID);
		CHECK(!help_change(store, (struct change_row){.run = run, .op = (char *)"drop"},
				   &err) &&
		      err.code == E_INVALID);
	}
	IT ("keeps who decided what") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		CHECK(decisions_add(store, "change", "c1", "approve", "ann", "fine", "d1", at_ms(1),
				    &err));
		CHECK(decisions_add(store, "change", "c1", "revert", "bob", NULL, NULL, at_ms(2),
				    &err));
		CHECK(decisions_add(store, "daemon", "rouse", "halted", "ann", NULL, NULL, at_ms(2),
				    &err));
		CHECK(decisions_each(store, "change", "c1", add_decision, &text, &err));
		CHECK_STR(buf_cstr(&text), "approve ann fine; revert bob -; ");
		CHECK(!decisions_add(store, "moon", "c1", "approve", "ann", NULL, NULL, at_ms(1),
				     &err));
	}
	turn_end(store);
	IT ("holds together, as the check says") {
		AUTO(buf_fini) struct buf out = BUF_INIT;
		CHECK(store_check(store, &out, &err));
		CHECK_STR(buf_cstr(&out), "");
	}
	store_close(store);
}

static bool
claim(struct store *store, const char *key, uint64_t print, int64_t run, int64_t at,
      int64_t *ret_known, bool *ret_same)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	bool ok = keys_claim(store, STR("trigger/t"), str_of(key), print, run, at_ms(at), ret_known,
			     ret_same, &err);
	if (!ok)
		printf("# claim: %s\n", err_text(&err));
	return ok;
}

static int64_t
run_of(struct store *store, const char *key)
{
	int64_t run = -1;
	return keys_find(store, STR("trigger/t"), str_of(key), &run, NULL) ? run : -1;
}

static int64_t
number_run(struct store *store, int i)
{
	char key[32];
	snprintf(key, sizeof(key), "n%d", i);
	return run_of(store, key);
}

static void
test_keys(void)
{
	struct store *store = help_open("keys.db");
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t known;
	unsigned gone;
	bool same;

	IT ("gives a new key to its run, and a known one to the run that has it") {
		CHECK(claim(store, "a", 1, 10, 0, &known, &same) && !known && same);
		CHECK(claim(store, "a", 1, 11, 0, &known, &same) && known == 10 && same);
		CHECK(claim(store, "a", 2, 11, 0, &known, &same) && known == 10 && !same);
		CHECK(claim(store, "a", 0, 11, 0, &known, &same) && known == 10 && same);
		turn_end(store);
		CHECK_INT(run_of(store, "a"), 10);
		CHECK_INT(run_of(store, "b"), 0);
	}
	IT ("keeps scopes and keys apart that look alike side by side") {
		CHECK(keys_claim(store, STR("ab"), STR("c"), 0, 20, at_ms(0), &known, &same,
				 &err) &&
		      !known);
		CHECK(keys_claim(store, STR("a"), STR("bc"), 0, 21, at_ms(0), &known, &same,
				 &err) &&
		      !known);
		CHECK(keys_claim(store, STR("a"), str_make("b\0c", 3), 0, 22, at_ms(0), &known,
				 &same, &err) &&
		      !known);
		CHECK(keys_claim(store, STR("a"), STR(""), 0, 23, at_ms(0), &known, &same, &err) &&
		      !known);
		CHECK(keys_claim(store, STR("a"), STR(""), 0, 24, at_ms(0), &known, &same, &err) &&
		      known == 23);
		turn_end(store);
	}
	IT ("forgets a key that a failed turn claimed") {
		CHECK(claim(store, "lost", 0, 30, 0, &known, &same) && !known);
		const struct err why = {E_FULL, NULL};
		turn_fail(store, &why);
		turn_end(store);
		CHECK_INT(run_of(store, "lost"), 0);
		CHECK(claim(store, "lost", 0, 31, 0, &known, &same) && !known);
		turn_end(store);
		CHECK_INT(run_of(store, "lost"), 31);
	}
	IT ("forgets what is old, at most as many as asked, and may then give it anew") {
		for (int i = 0; i < 5; i++) {
			char key[8];
			snprintf(key, sizeof(key), "o%d", i);
			CHECK(claim(store, key, 0, 40 + i, 1000 + i, &known, &same));
		}
		turn_end(store);
		CHECK(keys_expire(store, at_ms(1003), 1000, &gone, &err));
		CHECK(gone >= 3);
		turn_end(store);
		CHECK_INT(run_of(store, "o2"), 0);
		CHECK_INT(run_of(store, "o3"), 43);
		CHECK(claim(store, "o2", 0, 50, 2000, &known, &same) && !known);
		CHECK(keys_expire(store, at_ms(1005), 1, &gone, &err));
		CHECK_INT(gone, 1);
		turn_end(store);
		CHECK_INT(run_of(store, "o2"), 50);
	}
	store_close(store);
	store = help_open("keys.db");
	IT ("knows its keys again after a restart, and only those") {
		CHECK_INT(run_of(store, "o2"), 50);
		CHECK_INT(run_of(store, "a"), 0);
		CHECK_INT(run_of(store, "o0"), 0);
	}
	IT ("knows two hundred thousand, also while they move into parts, after restarts and "
	    "failed turns") {
		int wrong = 0;
		for (int i = 1; i <= 200000; i++) {
			char key[32];
			snprintf(key, sizeof(key), "n%d", i);
			wrong += !claim(store, key, 0, i, 3000 + i, &known, &same) || known;
			if (i % 500 == 0) {
				const struct err why = {E_FULL, NULL};
				/* Now and then a turn is lost, wherever the move of a part has come
				 * to; it is done again. */
				if (i % 3500 == 0) {
					keys_work(store);
					turn_fail(store, &why);
					i -= 500;
					turn_end(store);
					for (int j = i + 1; j <= i + 500; j++) {
						snprintf(key, sizeof(key), "n%d", j);
						wrong += !claim(store, key, 0, j, 3000 + j, &known,
								&same) ||
							 known;
					}
					i += 500;
				}
				turn_end(store);
			}
			if (i % 70000 == 0) {
				turn_end(store);
				store_close(store);
				store = help_open("keys.db");
			}
		}
		turn_end(store);
		for (int i = 1; i <= 200000; i++)
			wrong += number_run(store, i) != i;
		CHECK_INT(wrong, 0);
		CHECK_INT(number_run(store, 200001), 0);
		CHECK(help_number(store->path, "SELECT COUNT(*) FROM key_parts") >= 2);
		CHECK_INT(help_number(store->path,
				      "SELECT COUNT(*) FROM keys_all WHERE at > 1700000003000"),
			  200000);
	}
	IT ("forgets whole parts") {
		int64_t before = help_number(store->path, "SELECT COUNT(*) FROM key_parts");
		for (int i = 0; i < 100; i++) {
			CHECK(keys_expire(store, at_ms(3000 + 100000), 5000, &gone, &err));
			turn_end(store);
			if (!gone)
				break;
		}
		CHECK_INT(gone, 0);
		CHECK(help_number(store->path, "SELECT COUNT(*) FROM key_parts") < before);
		CHECK_INT(number_run(store, 99999), 0);
		CHECK_INT(number_run(store, 100000), 100000);
		CHECK_INT(number_run(store, 200000), 200000);
	}
	store_close(store);
	IT ("has a filter that never denies what is there, and seldom claims what is not") {
		struct key_filter filter;
		unsigned char hash[KEY_HASH];
		int denied = 0, claimed = 0;
		key_filter_init(&filter, 65536);
		for (int i = 0; i < 131072; i++) {
			struct digest d = digest_of(DIGEST_SHA256, str_make(&i, sizeof(i)));
			memcpy(hash, d.bytes, KEY_HASH);
			if (i < 65536)
				key_filter_add(&filter, hash);
			else
				claimed += key_filter_may_have(&filter, hash);
		}
		for (int i = 0; i < 65536; i++) {
			struct digest d = digest_of(DIGEST_SHA256, str_make(&i, sizeof(i)));
			memcpy(hash, d.bytes, KEY_HASH);
			denied += !key_filter_may_have(&filter, hash);
		}
		CHECK_INT(denied, 0);
		CHECK(claimed < 65536 / 50);
		printf("# 1 in %d\n", claimed ? 65536 / claimed : 65536);
		key_filter_fini(&filter);
	}
}

static bool
add_switch(void *arg, const char *scope, const char *name, const char *kind, const char *by,
	   struct wall at UNUSED)
{
	buf_printf(arg, "%s/%s/%s/%s ", scope, name, kind, by);
	return true;
}

static bool
add_budget(void *arg, const struct budget_row *row)
{
	buf_printf(arg, "%s/%s=%lld,%lld ", row->scope, row->name, (long long)row->spent_uusd,
		   (long long)row->tokens);
	return true;
}

static bool
add_token(void *arg, const struct token_row *row)
{
	buf_printf(arg, "%s:%s:%d ", row->name, row->scopes, row->revoked);
	return true;
}

static bool
add_gate(void *arg, const struct gate_row *row)
{
	buf_printf(arg, "%s:%s ", row->step, row->status);
	return true;
}

static void
test_state(void)
{
	struct store *store = help_open("state.db");
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("keeps a cursor, whatever bytes it has") {
		AUTO(buf_fini) struct buf value = BUF_INIT;
		CHECK(!cursors_get(store, "git", &value, &err) && err.code == E_NOT_FOUND);
		CHECK(cursors_set(store, "git", STR("{\"ref\":1}"), &err) &&
		      cursors_set(store, "git", STR("two"), &err));
		CHECK(cursors_get(store, "git", &value, &err));
		CHECK_STR(buf_cstr(&value), "two");
		CHECK(cursors_set(store, "git", STR_NONE, &err));
	}
	IT ("sets, lists and clears switches, twice the same is once") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		CHECK(switches_set(store, "trigger", "t", "paused", "ann", at_ms(0), &err));
		CHECK(switches_set(store, "trigger", "t", "paused", "bob", at_ms(1), &err));
		CHECK(switches_set(store, "all", NULL, "halted", "ann", at_ms(1), &err));
		CHECK(!switches_set(store, "moon", "x", "paused", "ann", at_ms(1), &err));
		CHECK(switches_list(store, add_switch, &text, &err));
		CHECK_STR(buf_cstr(&text), "all//halted/ann trigger/t/paused/bob ");
		CHECK(switches_clear(store, "trigger", "t", "paused", &err) &&
		      switches_clear(store, "trigger", "t", "paused", &err));
	}
	IT ("keeps tokens by their hash, names unique, revoked for good") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		AUTO(token_row_fini) struct token_row back = {0};
		const struct token_row row = {.name = (char *)"ci",
					      .scopes = (char *)"read,invoke",
					      .hash = (char *)"aa",
					      .created = at_ms(0),
					      .expires = WALL_NONE,
					      .last_used = WALL_NONE};
		CHECK(tokens_insert(store, &row, &err));
		CHECK(!tokens_insert(store, &row, &err) && err.code == E_EXISTS);
		CHECK(tokens_touch(store, "aa", at_ms(9), &err));
		CHECK(tokens_revoke(store, "ci", &err));
		CHECK(!tokens_revoke(store, "no", &err) && err.code == E_NOT_FOUND);
		CHECK(tokens_find(store, "aa", &back, &err) && back.revoked &&
		      back.last_used.ms == at_ms(9).ms);
		CHECK(!tokens_find(store, "bb", &back, &err) && err.code == E_NOT_FOUND);
		CHECK(tokens_list(store, add_token, &text, &err));
		CHECK_STR(buf_cstr(&text), "ci:read,invoke:1 ");
	}
	IT ("adds up a day's budget, and knows nothing of another day") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		struct budget_row row = {"agent", "a", "2026-11-20", 7, 7};
		CHECK(budgets_get(store, &row, &err) && !row.spent_uusd && !row.tokens);
		row.spent_uusd = 60;
		row.tokens = 20;
		CHECK(budgets_add(store, &row, &err) && budgets_add(store, &row, &err));
		row.scope = "all";
		row.name = "";
		CHECK(budgets_add(store, &row, &err));
		CHECK(budgets_list(store, "2026-11-20", add_budget, &text, &err));
		CHECK_STR(buf_cstr(&text), "agent/a=120,40 all/=60,20 ");
		row.day = "2026-11-21";
		CHECK(budgets_get(store, &row, &err) && !row.spent_uusd);
		CHECK(budgets_forget(store, "2026-11-21", &err));
		row.day = "2026-11-20";
		CHECK(budgets_get(store, &row, &err) && !row.spent_uusd);
	}
	IT ("holds a run for want of money, and lets it go again") {
		struct store *other = help_open("held.db");
		int64_t run = help_run(other, (struct run_row){0}, NULL), count = 0;
		AUTO(run_row_fini) struct run_row row = {0};
		struct wall next;
		unsigned woken;
		int ready = 0;
		CHECK(runs_hold(other, run, "tenant/abc", at_ms(1000), "none left", &err));
		CHECK(runs_get_seq(other, run, &row, &err));
		CHECK_STR(row.held, "tenant/abc");
		CHECK_STR(row.error, "none left");
		CHECK(runs_wake(other, at_ms(999), 10, help_ready, &ready, &woken, &next, &err) &&
		      !woken && next.ms == at_ms(1000).ms);
		CHECK(runs_unhold(other, "tenant/x", 9, at_ms(5), &count, &err) && !count);
		CHECK(runs_unhold(other, NULL, 9, at_ms(5), &count, &err) && count == 1);
		CHECK(runs_wake(other, at_ms(5), 10, help_ready, &ready, &woken, &next, &err) &&
		      woken == 1);
		CHECK(runs_hold(other, run, "all/", at_ms(1000), "none left", &err));
		CHECK(runs_wake(other, at_ms(1000), 10, help_ready, &ready, &woken, &next, &err) &&
		      woken == 1);
		CHECK(runs_unhold(other, NULL, 9, at_ms(5), &count, &err) && !count);
		CHECK(!runs_hold(other, run + 9, "all/", at_ms(5), "", &err) &&
		      err.code == E_STATE);
		turn_end(other);
		store_close(other);
	}
	IT ("lets a gate be decided once") {
		AUTO(buf_fini) struct buf text = BUF_INIT;
		AUTO(gate_row_fini) struct gate_row back = {0};
		struct uuid id = uuid_v7(at_ms(0));
		int64_t seq, run = help_run(store, (struct run_row){0}, NULL);
		const struct gate_row row = {.id = id.text,
					     .run = run,
					     .kind = (char *)"approval",
					     .step = (char *)"send",
					     .created = at_ms(0),
					     .expires = at_ms(5),
					     .decided_at = WALL_NONE};
		const struct list_query query = {
			.filters = {{"status", "waiting"}}, .since = WALL_NONE, .limit = 10};
		CHECK(gates_insert(store, &row, &seq, &err));
		CHECK(gates_list(store, &query, add_gate, &text, &err));
		CHECK_STR(buf_cstr(&text), "send:waiting ");
		CHECK(gates_decide(store, seq, "decided", "approved", "ann", "ok", "{}", at_ms(2),
				   &err));
		CHECK(!gates_decide(store, seq, "decided", "denied", "bob", NULL, NULL, at_ms(3),
				    &err) &&
		      err.code == E_STATE);
		CHECK(!gates_decide(store, 99, "decided", "denied", "bob", NULL, NULL, at_ms(3),
				    &err) &&
		      err.code == E_NOT_FOUND);
		CHECK(gates_get(store, id.text, &back, &err));
		CHECK_STR(back.decided_by, "ann");
		CHECK(back.run_id != NULL);
	}
	turn_end(store);
	store_close(store);
}

static bool
count_event(void *arg, const struct event_row *row)
{
	++*(int *)arg;
	return row->document == NULL;
}

static int
event_list(struct store *store, const char *column, const char *value)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	const struct list_query query = {
		.filters = {{column, value}}, .since = WALL_NONE, .limit = 100};
	int n = 0;
	return events_list(store, &query, count_event, &n, &err) ? n : -(int)err.code;
}

static void
test_events(void)
{
	struct store *store = help_open("events.db");
	AUTO(err_fini) struct err err = ERR_INIT;

	IT ("lists events by each of their columns, without documents") {
		int64_t run = runs_next_seq(store), event = help_event(store, "t", "ran", run);
		AUTO(run_row_fini) struct run_row row = {0};
		help_run(store, (struct run_row){.event = event}, NULL);
		help_event(store, "t", "replayed", run);
		help_event(store, "t", "filtered", 0);
		help_event(store, "u", "ran", 0);
		CHECK(runs_get_seq(store, run, &row, &err));
		CHECK_INT(event_list(store, "trigger", "t"), 3);
		CHECK_INT(event_list(store, "outcome", "filtered"), 1);
		CHECK_INT(event_list(store, "outcome", "ran"), 2);
		CHECK_INT(event_list(store, "source", "webhook"), 4);
		CHECK_INT(event_list(store, "run", row.id), 2);
		CHECK_INT(event_list(store, "run", "no such"), 0);
		CHECK_INT(event_list(store, "document", "x"), -(int)E_USAGE);
	}
	IT ("gives the newest of a trigger, with its document, and settles what was held") {
		AUTO(event_row_fini) struct event_row back = {0};
		CHECK(events_last(store, "t", &back, &err));
		CHECK_STR(back.outcome, "filtered");
		CHECK_STR(back.document, "{\"data\":{\"n\":1}}");
		CHECK(!events_last(store, "never", &back, &err) && err.code == E_NOT_FOUND);
		int64_t held = help_event(store, "h", "held", 0);
		CHECK(events_settle(store, held, "ran", "debounce is over", 1, &err));
		CHECK(!events_settle(store, held, "unheard of", "", 1, &err) &&
		      err.code == E_INVALID);
		CHECK(!events_settle(store, 99999, "ran", "", 1, &err) && err.code == E_NOT_FOUND);
	}
	turn_end(store);
	IT ("goes on counting behind the newest after a restart") {
		int64_t next = events_next_seq(store);
		store_close(store);
		store = help_open("events.db");
		CHECK_INT(events_next_seq(store), next);
		CHECK_INT(help_event(store, "t", "ran", 0), next);
	}
	store_close(store);
}

int
main(void)
{
	test_changes();
	test_keys();
	test_state();
	test_events();
	return tap_done();
}
