/* Selections: which changes somebody means, found page by page beside the loop, kept on disk. */
/* SPDX-License-Identifier: MIT */
#include "core/selection_inside.h"

#include <assert.h>
#include <stdlib.h>

#include "core/change.h"
#include "io/jail.h"
#include "io/jail_check.h"
#include "io/work.h"
#include "pure/path.h"
#include "store/runs.h"

/* A thread looks at so many rows before others have their turn; jq gets fewer at once. */
#define SLICE_ROWS 20000
#define PAGE_ROWS 500
#define PAGE_BYTES (2 << 20)
#define ASKED_MAX 12
#define ASK_AGAIN_MS 500

struct effect_of
change_effect(const struct change_row *change)
{
	return (struct effect_of){.target = change->target,
				  .op = change->op,
				  .before = change->before,
				  .after = change->after,
				  .patch = change->patch};
}

/* --- in a thread --------------------------------------------------------------------------- */

static bool
status_is_wanted(const struct selection *s, const char *status)
{
	enum change_state state = change_state_of(status);

	return !s->spec.statuses || (state != CHANGE_NOWHERE && s->spec.statuses & 1u << state);
}

static int
by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static bool
is_excepted(const struct selection *s, int64_t seq)
{
	return s->spec.except_count &&
	       bsearch(&seq, s->spec.except, s->spec.except_count, sizeof(seq), by_number);
}

static bool
was_open(const struct selection *s, const struct change_row *row)
{
	return !s->spec.open_since || !strcmp(row->status, "proposed") ||
	       (strcmp(row->status, "superseded") && wall_is_set(row->decided_at) &&
		row->decided_at.ms >= s->spec.since.ms);
}

static bool
group_is_wanted(struct selection *s, const struct change_row *row)
{
	const struct effect_of of = change_effect(row);
	char name[33];

	effect_read(&s->effect, &of);
	buf_clear(&s->key);
	effect_key(&s->effect, &of, &s->key);
	effect_key_name(buf_str(&s->key), name);
	return !strcmp(name, s->spec.group);
}

/* One that only jq can tell about waits in the page. */
static void
page_add(struct selection *s, const struct change_row *row, const struct selected *record)
{
	if (!s->records) {
		s->records = mem_alloc_array(PAGE_ROWS, sizeof(*s->records));
		s->ids = mem_alloc_array(PAGE_ROWS, sizeof(*s->ids));
	}
	buf_putc(&s->page, s->record_count ? ',' : '[');
	buf_add_str(&s->page, buf_str(&s->object));
	memset(s->ids[s->record_count], 0, sizeof(*s->ids));
	memcpy(s->ids[s->record_count], row->id, strnlen(row->id, 36));
	s->records[s->record_count++] = *record;
}

static bool
row_take(struct selection *s, const struct change_row *row)
{
	struct selected record = {.seq = row->seq};
	bool yes = true;

	selection_digest_bytes(s->expected ? s->expected : row->digest, record.digest);
	if (!status_is_wanted(s, row->status) || !was_open(s, row) || is_excepted(s, row->seq) ||
	    (s->spec.last_seq && row->seq > s->spec.last_seq) ||
	    (s->spec.entity && (!row->entity || strcmp(row->entity, s->spec.entity))) ||
	    (s->spec.batch && (!row->batch || strcmp(row->batch, s->spec.batch))) ||
	    (s->run && row->run != s->run) || (s->spec.group && !group_is_wanted(s, row)))
		return true;
	if (s->spec.where) {
		AUTO(json_auto_decref) json_t *object = change_object(row);

		buf_clear(&s->object);
		json_write(&s->object, object);
		if (!s->path) {
			page_add(s, row, &record);
			return true;
		}
		if (!path_test(s->path, buf_str(&s->object), &yes, &s->err))
			return err_prefix(&s->err, "where, at change %s", row->id);
	}
	if (!yes)
		return true;
	if (s->spec.on_row)
		s->spec.on_row(s->spec.on_row_arg, row);
	return selection_keep(s, &record, row->id, &s->err);
}

static bool
on_row(void *arg, const struct change_row *row)
{
	struct selection *s = arg;

	s->rows++;
	s->after = row->seq;
	return row_take(s, row) && s->record_count < PAGE_ROWS && s->page.len < PAGE_BYTES;
}

/* One that is named, with what it was when it was looked at. */
struct named {
	struct change_row row;
	const char *digest;
};

static int
by_seq(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return (x->row.seq > y->row.seq) - (x->row.seq < y->row.seq);
}

/* One that is none: where others are to be decided all the same, it is only said. */
static bool
named_read(struct selection *s, size_t i, struct named *ret, bool *ret_is)
{
	struct err why = ERR_INIT;

	*ret_is = changes_get(s->reader, s->spec.ids[i], &ret->row, &why);
	ret->digest = s->spec.digests ? s->spec.digests[i] : NULL;
	if (*ret_is)
		return true;
	if (!ret->digest || (why.code != E_NOT_FOUND && why.code != E_INVALID))
		return err_move(&s->err, &why);
	if (!s->missing)
		s->missing = json_array();
	json_array_append_new(s->missing, json_string(s->spec.ids[i]));
	err_fini(&why);
	return true;
}

/* Named ones are few: read whole, in the order of their arrival, each once. */
static bool
ids_take(struct selection *s)
{
	struct named *list = mem_alloc_array(s->spec.id_count + 1, sizeof(*list));
	size_t count = 0;
	bool ok = true, is;

	for (size_t i = 0; ok && i < s->spec.id_count; i++) {
		ok = named_read(s, i, &list[count], &is);
		count += ok && is;
	}
	qsort(list, count, sizeof(*list), by_seq);
	for (; ok && s->id_at < count; s->id_at++) {
		if (s->id_at && list[s->id_at].row.seq == list[s->id_at - 1].row.seq)
			continue;
		if (s->record_count == PAGE_ROWS || s->page.len >= PAGE_BYTES)
			break;
		s->expected = list[s->id_at].digest;
		ok = row_take(s, &list[s->id_at].row);
	}
	s->expected = NULL;
	s->ended = s->id_at >= count;
	for (size_t i = 0; i < count; i++)
		change_row_fini(&list[i].row);
	free(list);
	return ok;
}

static bool
run_find(struct selection *s)
{
	AUTO(run_row_fini) struct run_row run = {0};

	if (!s->spec.run)
		return true;
	if (!runs_get(s->reader, s->spec.run, &run, &s->err))
		return false;
	s->run = run.seq;
	return true;
}

static void
slice_run(void *arg)
{
	struct selection *s = arg;
	bool one = s->spec.statuses && !(s->spec.statuses & (s->spec.statuses - 1));
	struct change_scope scope = {
		.batch = s->spec.batch,
		.entity = s->spec.entity,
		.status =
			one ? change_state_name((enum change_state)__builtin_ctz(s->spec.statuses))
			    : NULL};

	s->rows = 0;
	if (!store_open_reader(s->core->store, &s->reader, &s->err))
		return;
	if (s->begun || run_find(s)) {
		s->begun = true;
		scope.run = s->run;
		if (s->spec.ids) {
			ids_take(s);
		} else if (changes_walk(s->reader, &scope, s->after, SLICE_ROWS, on_row, s,
					&s->err)) {
			s->ended = s->err.code == E_OK && s->rows < SLICE_ROWS &&
				   s->record_count < PAGE_ROWS && s->page.len < PAGE_BYTES;
		}
	}
	if (s->record_count)
		buf_putc(&s->page, ']');
	store_close(s->reader);
	s->reader = NULL;
}

/* --- in the loop --------------------------------------------------------------------------- */

static void slice_done(void *arg);

static void
selection_end(struct selection *s)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	err_move(&err, &s->err);
	selection_chain_hex(&s->chain, s->digest);
	if (err.code != E_OK && s->spec.where && err.code != E_NOT_FOUND)
		err_prefix(&err, "--where %s", s->spec.where);
	s->on_done(s->arg, s, &err);
}

static void
slice_go(struct selection *s)
{
	if (!work_submit(s->core->work, slice_run, slice_done, s, &s->err))
		selection_end(s);
}

static void
slice_next(struct selection *s)
{
	s->record_count = 0;
	buf_clear(&s->page);
	if (s->err.code != E_OK || s->ended)
		selection_end(s);
	else
		slice_go(s);
}

/* [1,0,{"e":"…"}]: kept, not kept, and what went wrong. */
static void
page_take(struct selection *s, const json_t *answers)
{
	if (!json_is_array(answers) || json_array_size(answers) != s->record_count) {
		err_set(&s->err, E_MAPPING, "the program does not answer for each change");
		return;
	}
	for (size_t i = 0; i < s->record_count; i++) {
		const json_t *answer = json_array_get(answers, i);

		if (json_is_object(answer)) {
			err_set(&s->err, E_MAPPING, "at change %s: %s", s->ids[i],
				json_str(answer, "e") ? json_str(answer, "e") : "it fails");
			return;
		}
		if (json_integer_value(answer) == 1 &&
		    !selection_keep(s, &s->records[i], s->ids[i], &s->err))
			return;
	}
}

static void page_ask(void *arg);

static void
on_answer(void *arg, const struct str *outputs, size_t count, struct err *err)
{
	struct selection *s = arg;
	AUTO(json_auto_decref) json_t *answers = NULL;

	if (err->code == E_UNAVAILABLE && s->tries < ASKED_MAX) {
		core_timer_arm(s->core, &s->timer, (int64_t)++s->tries * ASK_AGAIN_MS, page_ask, s);
		return;
	}
	s->tries = 0;
	if (err->code != E_OK)
		err_move(&s->err, err);
	else if (count != 1 || !json_read(outputs[0], &answers, &s->err))
		page_take(s, NULL);
	else
		page_take(s, answers);
	slice_next(s);
}

static void
page_ask(void *arg)
{
	struct selection *s = arg;

	if (!jail_run(s->core->jail, s->program, buf_str(&s->page), on_answer, s, &s->err))
		slice_next(s);
}

static void
slice_done(void *arg)
{
	struct selection *s = arg;

	if (s->err.code == E_OK && s->record_count)
		page_ask(s);
	else
		slice_next(s);
}

/* Whoever asked has not returned yet: it hears of a mistake later. */
static void
on_wrong_later(void *arg)
{
	selection_end(arg);
}

static bool
where_read(struct selection *s)
{
	AUTO(buf_fini) struct buf form = BUF_INIT;
	struct buf program = BUF_INIT;

	if (!s->spec.where || path_compile(str_of(s->spec.where), &s->path))
		return true;
	if (!jail_program_form(str_of(s->spec.where), &form))
		return err_set(&s->err, E_USAGE,
			       "a bracket, a string or a comment does not end; expected a jq "
			       "program over one change, as .confidence < 0.8");
	buf_cat(&program, "[.[] | try ([limit(1; (", s->spec.where,
		"\n))] | if length > 0 and .[0] then 1 else 0 end) catch {\"e\": tostring}]");
	s->program = buf_take(&program);
	return true;
}

struct selection *
selection_new(struct core *core, struct selection_spec *spec, const char *policy,
	      selection_on_done *on_done, void *arg)
{
	struct selection *s = mem_alloc(sizeof(*s));

	s->core = core;
	s->spec = *spec;
	*spec = (struct selection_spec){0};
	s->fd = -1;
	s->on_done = on_done;
	s->arg = arg;
	selection_chain_init(&s->chain, policy);
	if (!where_read(s) || !work_submit(core->work, slice_run, slice_done, s, &s->err))
		core_timer_arm(core, &s->timer, 0, on_wrong_later, s);
	return s;
}

void
selection_free(struct selection *s)
{
	if (!s)
		return;
	assert(!s->reader);
	core_timer_free(s->timer);
	selection_spec_fini(&s->spec);
	json_decref(s->missing);
	path_free(s->path);
	free(s->program);
	auto_close(&s->fd);
	buf_fini(&s->tail);
	buf_fini(&s->page);
	buf_fini(&s->key);
	buf_fini(&s->object);
	effect_fini(&s->effect);
	free(s->records);
	free(s->ids);
	err_fini(&s->err);
	free(s);
}

const struct selection_spec *
selection_spec(const struct selection *s)
{
	return &s->spec;
}

bool
selection_told(const struct selection *s)
{
	return s->spec.on_row && !s->program;
}

const json_t *
selection_missing(const struct selection *s)
{
	return s->missing;
}

uint64_t
selection_count(const struct selection *s)
{
	return s->count;
}

const char *
selection_digest(const struct selection *s)
{
	return s->digest;
}
