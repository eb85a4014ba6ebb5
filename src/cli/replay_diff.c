/* rouse replay: the comparison for people, and for programs. */
/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "cli/diff_inside.h"
#include "cli/replay.h"
#include "cli/text.h"

#define PAGE "200"
#define EXAMPLES 3
/* Differences that are kept for --json. */
#define KEPT_MAX 100000

static const struct outcome {
	const char *word, *title;
	char sign;
} outcomes[] = {
	{"same", "same", ' '},	       {"different", "different", '~'},
	{"only_old", "only old", '-'}, {"only_new", "only new", '+'},
	{"failed", "failed", '!'},     {"gone", "not kept", ' '},
	{"left", "left", ' '},
};
enum { SAME, DIFFERENT, ONLY_OLD, ONLY_NEW, FAILED, GONE, LEFT, OUTCOMES };
_Static_assert(ARRAY_LEN(outcomes) == OUTCOMES, "every outcome has its words");

/* Differences of one kind: outcome, target, op and fields. */
struct kind {
	char *key;
	json_t *examples; /* differences, with their runs */
	uint64_t count;
	UT_hash_handle hh;
};

struct comparison {
	struct cli *cli;
	size_t each; /* examples of a kind */
	struct kind *kinds;
	uint64_t runs[OUTCOMES], changes[OUTCOMES];
	double old_cost, new_cost;
	json_t *kept; /* --json: runs that differ; NULL */
	bool cut;
};

static int
outcome_of(const char *word)
{
	for (int i = 0; word && i < OUTCOMES; i++)
		if (!strcmp(outcomes[i].word, word))
			return i;
	return LEFT;
}

/* What it would leave, as far as it says that. */
static json_t *
side_after(const json_t *side)
{
	json_t *after = json_object_get(side, "after"), *patch = json_object_get(side, "patch");

	if (after && !json_is_null(after))
		return json_incref(after);
	if (json_is_object(patch))
		return jsondiff_merge_apply(json_object_get(side, "before"), patch);
	return patch && !json_is_null(patch) ? json_incref(patch) : NULL;
}

/* As a change that leads from what the old one would leave to what the new one would. */
static json_t *
as_change(const json_t *difference)
{
	const json_t *old = json_object_get(difference, "old"),
		     *now = json_object_get(difference, "new");
	json_t *change = json_object(), *value;

	if (!json_is_object(old) || !json_is_object(now))
		return json_copy((json_t *)(json_is_object(old) ? old : now));
	json_put_str(change, "op", "update");
	value = side_after(old);
	if (value)
		json_object_set_new(change, "before", value);
	value = side_after(now);
	if (value)
		json_object_set_new(change, "after", value);
	return change;
}

static char *
key_of(const json_t *difference)
{
	AUTO(fields_fini) struct fields fields = FIELDS_INIT;
	AUTO(json_auto_decref) json_t *change = as_change(difference);
	const char *old = json_str(json_object_get(difference, "old"), "op"),
		   *now = json_str(json_object_get(difference, "new"), "op");
	struct buf key = BUF_INIT;

	fields_of(change, &fields);
	buf_cat(&key, json_str(difference, "outcome"), "\n", json_str(difference, "target"), "\n",
		old ? old : "", "\n", now ? now : "", "\n");
	fields_shape(&fields, &key);
	return buf_take(&key);
}

static struct kind *
kind_get(struct comparison *c, char *take_key)
{
	struct kind *kind;

	HASH_FIND_STR(c->kinds, take_key, kind);
	if (kind) {
		free(take_key);
		return kind;
	}
	kind = mem_alloc(sizeof(*kind));
	kind->key = take_key;
	kind->examples = json_array();
	HASH_ADD_KEYPTR(hh, c->kinds, kind->key, strlen(kind->key), kind);
	return kind;
}

static void
example_add(struct comparison *c, struct kind *kind, const json_t *run, json_t *difference)
{
	kind->count++;
	if (c->each && json_array_size(kind->examples) >= c->each)
		return;
	json_object_set(difference, "run", json_object_get(run, "run"));
	json_object_set(difference, "replay", json_object_get(run, "replay"));
	json_array_append(kind->examples, difference);
}

/* One that did not end well is told by how. */
static void
failed_add(struct comparison *c, json_t *run)
{
	const char *reason = json_str(run, "new_reason"), *status = json_str(run, "new_status");
	struct buf key = BUF_INIT;

	buf_cat(&key, "failed\n", reason ? reason : status ? status : "?");
	example_add(c, kind_get(c, buf_take(&key)), run, run);
}

static void
run_add(struct comparison *c, json_t *run)
{
	const json_t *counts = json_object_get(run, "changes");
	int outcome = outcome_of(json_str(run, "outcome"));
	json_t *difference;
	size_t i;

	c->runs[outcome]++;
	c->old_cost += json_num(run, "old_cost_usd", 0);
	c->new_cost += json_num(run, "new_cost_usd", 0);
	if (outcome == GONE || outcome == LEFT)
		return;
	/* One that did not end well says nothing of what it would have proposed. */
	for (int o = SAME; o <= ONLY_NEW && outcome != FAILED; o++)
		c->changes[o] += (uint64_t)json_int(counts, outcomes[o].word, 0);
	if (outcome == SAME)
		return;
	if (c->kept && json_array_size(c->kept) < KEPT_MAX)
		json_array_append(c->kept, run);
	else if (c->kept)
		c->cut = true;
	if (c->kept)
		return;
	if (outcome == FAILED) {
		failed_add(c, run);
		return;
	}
	json_array_foreach (json_object_get(run, "differences"), i, difference)
		example_add(c, kind_get(c, key_of(difference)), run, difference);
}

static bool
pages_read(struct comparison *c, const char *id, struct err *err)
{
	AUTO(auto_free) char *after = mem_strdup("0");
	struct client *client;

	if (!cli_client(c->cli, &client, err))
		return false;
	do {
		AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
		AUTO(buf_fini) struct buf path = BUF_INIT;
		json_t *run;
		size_t i;

		buf_puts(&path, "/v1/replays/");
		client_encode(&path, id);
		buf_puts(&path, "/diff?limit=" PAGE);
		cli_query(&path, "after", after);
		if (!client_get(client, buf_cstr(&path), &reply, err))
			return false;
		json_array_foreach (json_object_get(reply.json, "items"), i, run)
			run_add(c, run);
		free(after);
		after = mem_strdup(json_str(reply.json, "next"));
	} while (after);
	return true;
}

/* --- for people ---------------------------------------------------------------------------- */

/* What it was made from, as far as either would touch it. */
static json_t *
before_of(const json_t *difference)
{
	json_t *before = json_object_get(difference, "before"), *some, *value;
	const char *const sides[] = {"old", "new"};
	const char *name;

	if (!json_is_object(before))
		return before && !json_is_null(before) ? json_incref(before) : NULL;
	some = json_object();
	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		AUTO(json_auto_decref)
		json_t *after = side_after(json_object_get(difference, sides[i]));

		json_object_foreach (after, name, value)
			if (json_object_get(before, name))
				json_object_set(some, name, json_object_get(before, name));
	}
	return json_object_size(some) ? some : (json_decref(some), json_incref(before));
}

static void
put_id(struct print *print, const char *title, const char *id)
{
	if (!id)
		return;
	print_f(print, "  %s ", title);
	print_text(print, id);
}

static void
put_example(struct print *print, const json_t *difference)
{
	AUTO(fields_fini) struct fields fields = FIELDS_INIT;
	AUTO(json_auto_decref) json_t *change = as_change(difference);
	AUTO(json_auto_decref) json_t *before = before_of(difference);
	const char *entity = json_str(difference, "entity");
	const json_t *old = json_object_get(difference, "old"),
		     *now = json_object_get(difference, "new");
	const char *was = json_str(old, "op"), *is = json_str(now, "op");
	bool both = was && is;

	print_f(print, "  ");
	print_style(print, STYLE_BOLD);
	print_text(print, entity ? entity : "(no entity)");
	print_style(print, STYLE_PLAIN);
	put_id(print, "run", json_str(difference, "run"));
	print_f(print, "\n  ");
	put_id(print, "replayed as", json_str(difference, "replay"));
	print_f(print, "\n");
	if (before && both) {
		AUTO(buf_fini) struct buf text = BUF_INIT;

		diff_value_text(before, &text);
		diff_put_wrapped(print, "    before: ", STYLE_PLAIN, buf_str(&text));
	}
	if (both && strcmp(was, is) != 0)
		print_f(print, "    old %s, new %s\n", was, is);
	fields_of(change, &fields);
	for (size_t i = 0; i < fields.count; i++)
		diff_put_field(print, &fields.items[i]);
	if (!fields.count && !both)
		print_f(print, "    (no field changes)\n");
}

static void
put_kind_head(struct print *print, const struct kind *kind)
{
	const json_t *first = json_array_get(kind->examples, 0);
	AUTO(fields_fini) struct fields fields = FIELDS_INIT;
	AUTO(json_auto_decref) json_t *change = as_change(first);
	const struct outcome *outcome = &outcomes[outcome_of(json_str(first, "outcome"))];

	print_style(print, diff_style(outcome->sign));
	print_f(print, "%c ", outcome->sign);
	print_style(print, STYLE_PLAIN);
	print_style(print, STYLE_BOLD);
	print_f(print, "%s: ", outcome->title);
	print_text(print, json_str(first, "op"));
	print_f(print, " ");
	print_text(print, json_str(first, "target"));
	print_style(print, STYLE_PLAIN);
	print_f(print, ": %" PRIu64 " change%s", kind->count, kind->count == 1 ? "" : "s");
	fields_of(change, &fields);
	for (size_t i = 0; i < fields.count && i < 4; i++) {
		print_f(print, i ? ", " : " of ");
		print_text(print, *fields.items[i].path ? fields.items[i].path : "the whole");
	}
	if (fields.count > 4)
		print_f(print, " and %zu more", fields.count - 4);
	print_f(print,
		outcome_of(json_str(first, "outcome")) == DIFFERENT ? " (old → new)\n" : "\n");
}

static void
put_failed(struct print *print, const struct kind *kind)
{
	json_t *run;
	size_t i;

	print_style(print, STYLE_RED);
	print_f(print, "! ");
	print_style(print, STYLE_PLAIN);
	print_style(print, STYLE_BOLD);
	print_f(print, "failed: ");
	print_text(print, strchr(kind->key, '\n') + 1);
	print_style(print, STYLE_PLAIN);
	print_f(print, ": %" PRIu64 " run%s\n", kind->count, kind->count == 1 ? "" : "s");
	json_array_foreach (kind->examples, i, run) {
		print_f(print, "  ");
		print_text(print,
			   json_str(run, "entity") ? json_str(run, "entity") : "(no entity)");
		put_id(print, "run", json_str(run, "run"));
		print_f(print, "\n  ");
		put_id(print, "replayed as", json_str(run, "replay"));
		print_f(print, "\n");
		if (json_str(run, "error")) {
			AUTO(buf_fini) struct buf text = BUF_INIT;

			text_escape(&text, str_of(json_str(run, "error")));
			diff_put_wrapped(print, "    error: ", STYLE_RED, buf_str(&text));
		}
	}
}

/* What failed first, then the rarest: what stands out before the many. */
static int
by_interest(const void *pa, const void *pb)
{
	const struct kind *a = *(struct kind *const *)pa, *b = *(struct kind *const *)pb;
	bool fails = !strncmp(a->key, "failed\n", 7), other = !strncmp(b->key, "failed\n", 7);

	if (fails != other)
		return fails ? -1 : 1;
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	return strcmp(a->key, b->key);
}

static void
kinds_print(struct comparison *c)
{
	struct print *print = &c->cli->out;
	size_t count = HASH_COUNT(c->kinds), i = 0;
	AUTO(auto_free) struct kind **list = mem_alloc_array(count + 1, sizeof(struct kind *));
	struct kind *kind, *next;
	json_t *example;
	size_t k;

	HASH_ITER (hh, c->kinds, kind, next)
		list[i++] = kind;
	qsort(list, count, sizeof(struct kind *), by_interest);
	for (i = 0; i < count; i++) {
		if (!strncmp(list[i]->key, "failed\n", 7)) {
			put_failed(print, list[i]);
		} else {
			put_kind_head(print, list[i]);
			json_array_foreach (list[i]->examples, k, example)
				put_example(print, example);
		}
		if (json_array_size(list[i]->examples) < list[i]->count)
			print_f(print, "  … %" PRIu64 " more of this kind: --all\n",
				list[i]->count - json_array_size(list[i]->examples));
		print_f(print, "\n");
	}
}

static void
counts_print(struct comparison *c, const json_t *batch)
{
	struct print *print = &c->cli->out;
	uint64_t all = 0;
	bool first = true;

	for (int o = 0; o < OUTCOMES; o++)
		all += c->runs[o];
	print_style(print, STYLE_BOLD);
	print_f(print, "%" PRIu64 " run%s in agent ", all, all == 1 ? "" : "s");
	print_text(print, json_str(batch, "agent"));
	print_style(print, STYLE_PLAIN);
	for (int o = 0; o < OUTCOMES; o++)
		if (c->runs[o] || o <= FAILED) {
			print_f(print, "%s%" PRIu64 " %s", first ? ": " : ", ", c->runs[o],
				outcomes[o].title);
			first = false;
		}
	print_f(print, ".\nChanges:");
	for (int o = SAME; o <= ONLY_NEW; o++)
		print_f(print, "%s%" PRIu64 " %s", o ? ", " : " ", c->changes[o],
			outcomes[o].title);
	print_f(print, ".\nIt cost %.2f dollars; the old runs %.2f.\n", c->new_cost, c->old_cost);
	if (c->runs[GONE])
		print_f(print,
			"%" PRIu64
			" could not be compared: what is needed of them is no longer kept "
			"(retention).\n",
			c->runs[GONE]);
}

/* --- for programs -------------------------------------------------------------------------- */

static json_t *
counts_json(const uint64_t *counts, int most)
{
	json_t *object = json_object();

	for (int o = SAME; o <= most; o++)
		json_object_set_new(object, outcomes[o].word, json_integer((json_int_t)counts[o]));
	return object;
}

static void
whole_json(struct comparison *c, const json_t *batch)
{
	AUTO(json_auto_decref) json_t *object = json_object();
	AUTO(buf_fini) struct buf line = BUF_INIT;

	json_put_str(object, "replay", json_str(batch, "id"));
	json_put_str(object, "agent", json_str(batch, "agent"));
	json_put_str(object, "state", json_str(batch, "state"));
	json_object_set_new(object, "same", json_boolean(!c->cli->status));
	json_object_set_new(object, "runs", counts_json(c->runs, LEFT));
	json_object_set_new(object, "changes", counts_json(c->changes, ONLY_NEW));
	json_object_set_new(object, "old_cost_usd", json_real(c->old_cost));
	json_object_set_new(object, "new_cost_usd", json_real(c->new_cost));
	json_object_set(object, "differences", c->kept);
	json_object_set_new(object, "cut", json_boolean(c->cut));
	json_write(&line, object);
	print_json(&c->cli->out, buf_str(&line));
}

static void
comparison_fini(struct comparison *c)
{
	struct kind *kind, *next;

	HASH_ITER (hh, c->kinds, kind, next) {
		HASH_DEL(c->kinds, kind);
		json_decref(kind->examples);
		free(kind->key);
		free(kind);
	}
	json_decref(c->kept);
}

bool
replay_print(struct cli *cli, const json_t *batch, bool all, struct err *err)
{
	struct comparison c = {.cli = cli, .each = all ? 0 : EXAMPLES};
	const char *id = json_str(batch, "id");
	bool ok;

	if (cli->out.json)
		c.kept = json_array();
	ok = id ? pages_read(&c, id, err)
		: err_set(err, E_CORRUPT, "the daemon showed a replay without an id");
	if (ok) {
		/* What could not be compared is not the same. */
		cli->status = c.runs[DIFFERENT] || c.runs[ONLY_OLD] || c.runs[ONLY_NEW] ||
			      c.runs[FAILED] || c.runs[LEFT] || !c.runs[SAME];
		if (cli->out.json) {
			whole_json(&c, batch);
		} else {
			kinds_print(&c);
			counts_print(&c, batch);
		}
	}
	comparison_fini(&c);
	return ok;
}
