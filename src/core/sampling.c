/* Sampling: some changes drawn at random of each group, and what having looked at them proves. */
/* SPDX-License-Identifier: MIT */
#include "core/sampling.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/uuid.h"
#include "pure/sample.h"
#include "store/changes.h"

#define PAGE 4096

/* Of one group: which of its changes, in the order of the look, are drawn. */
struct stratum {
	size_t *drawn;
	size_t count, at; /* of drawn, passed */
	size_t seen;	  /* of the group, passed */
};

struct drawing {
	struct stratum *strata;
	size_t groups;
	struct sampling_drawn *drawn;
};

static void
strata_free(struct drawing *d)
{
	for (size_t i = 0; i < d->groups; i++)
		free(d->strata[i].drawn);
	free(d->strata);
}

/* The seed of a group is its own: what one has more does not change what is drawn of another. */
static void
strata_draw(struct drawing *d, const struct grouper *grouper, uint64_t size, int64_t seed)
{
	size_t *sizes = mem_alloc_array(d->groups + 1, sizeof(*sizes));
	size_t *counts = mem_alloc_array(d->groups + 1, sizeof(*counts));

	for (size_t i = 0; i < d->groups; i++)
		sizes[i] = (size_t)grouper_ranked(grouper, i)->count;
	sample_share(sizes, d->groups, (size_t)size, counts);
	for (size_t i = 0; i < d->groups; i++) {
		d->strata[i].count = counts[i];
		d->strata[i].drawn = mem_alloc_array(counts[i] + 1, sizeof(size_t));
		sample_draw((uint64_t)seed * 1000003 + i, sizes[i], counts[i], d->strata[i].drawn);
	}
	free(sizes);
	free(counts);
}

static void
take(struct drawing *d, const struct looked *looked)
{
	struct stratum *stratum = &d->strata[looked->group];

	if (stratum->at == stratum->count || stratum->drawn[stratum->at] != stratum->seen++)
		return;
	stratum->at++;
	d->drawn->seqs[d->drawn->count++] = looked->seq;
}

static bool
take_all(struct drawing *d, const struct look *look, struct err *err)
{
	struct looked *page = mem_alloc_array(PAGE, sizeof(*page));
	int count;

	for (uint64_t at = 0; (count = look_get(look, at, page, PAGE, err)) > 0;
	     at += (uint64_t)count)
		for (int i = 0; i < count; i++)
			take(d, &page[i]);
	free(page);
	return count == 0;
}

static bool
last_seq(const struct look *look, int64_t *ret, struct err *err)
{
	const struct selection *selection = look_selection(look);
	uint64_t count = selection_count(selection);
	struct selected last;

	if (!count)
		return err_set(err, E_STATE, "nothing of it is proposed");
	if (selection_get(selection, count - 1, &last, 1, err) != 1)
		return false;
	*ret = last.seq;
	return true;
}

void
sampling_drawn_fini(struct sampling_drawn *drawn)
{
	free(drawn->seqs);
	*drawn = (struct sampling_drawn){0};
}

bool
sampling_draw(const struct look *look, const struct sampling *how, struct sampling_drawn *ret,
	      struct err *err)
{
	uint64_t population = selection_count(look_selection(look)), size = how->size;
	struct drawing d = {.groups = grouper_count(look_groups(look)), .drawn = ret};
	bool ok;

	if (!last_seq(look, &ret->last_seq, err))
		return false;
	if (!size)
		size = sample_needed(0, how->confidence, how->max_defect);
	if (size > population)
		size = population;
	if (size > SAMPLING_MOST)
		return err_set(err, E_TOO_LARGE,
			       "a sample of %llu is more than can be drawn (%d); take a larger "
			       "--max-defect",
			       (unsigned long long)size, SAMPLING_MOST);
	ret->population = (int64_t)population;
	ret->seqs = mem_alloc_array((size_t)size + 1, sizeof(*ret->seqs));
	d.strata = mem_alloc_array(d.groups + 1, sizeof(*d.strata));
	strata_draw(&d, look_groups(look), size, how->seed);
	ok = take_all(&d, look, err);
	strata_free(&d);
	return ok;
}

static int
by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t *
sampling_sorted(const struct sampling_drawn *drawn)
{
	int64_t *copy = mem_alloc_array(drawn->count + 1, sizeof(*copy));

	if (drawn->count)
		memcpy(copy, drawn->seqs, drawn->count * sizeof(*copy));
	qsort(copy, drawn->count, sizeof(*copy), by_number);
	return copy;
}

static bool
items_keep(struct core *core, int64_t sample, const struct sampling_drawn *drawn, struct err *err)
{
	for (size_t i = 0; i < drawn->count; i++)
		if (!samples_add(core->store, sample, (int64_t)i, drawn->seqs[i], err))
			return false;
	return true;
}

bool
sampling_keep(struct core *core, const struct sampling *how, const struct sampling_drawn *drawn,
	      const char *rest, struct sample_row *ret, struct err *err)
{
	struct uuid id = uuid_v7(core_wall(core));

	*ret = (struct sample_row){.id = mem_strdup(id.text),
				   .scope = mem_strdup(how->scope),
				   .seed = how->seed,
				   .population = drawn->population,
				   .last_seq = drawn->last_seq,
				   .digest = mem_strdup(rest),
				   .confidence = how->confidence,
				   .max_defect = how->max_defect,
				   .drawn_by = mem_strdup(how->by),
				   .at = core_wall(core)};
	if (!turn_savepoint(core->store, err))
		return false;
	if (!samples_insert(core->store, ret, &ret->seq, err) ||
	    !items_keep(core, ret->seq, drawn, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	log_info("sample drawn", "sample", ret->id, "of", ret->scope, "by", how->by);
	return true;
}

/* --- what it proves ------------------------------------------------------------------------ */

static void
put_number(struct buf *out, int64_t n)
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)n);

	for (int i = 0; i < len; i++)
		buf_printf(out, "%s%c", i && (len - i) % 3 == 0 ? "," : "", digits[i]);
}

/* All of them looked at is no matter of chance. */
static double
bound_of(const struct sample_row *sample, const struct sample_counts *counts)
{
	int64_t seen = counts->good + counts->wrong;

	if (!seen)
		return 1;
	if (seen >= sample->population)
		return (double)counts->wrong / (double)seen;
	return sample_upper_bound((uint64_t)seen, (uint64_t)counts->wrong, sample->confidence);
}

static void
sentence_of(const struct sample_row *sample, const struct sample_counts *counts, struct buf *out)
{
	int64_t seen = counts->good + counts->wrong;

	put_number(out, seen);
	buf_puts(out, " reviewed, ");
	put_number(out, counts->wrong);
	buf_printf(out, " rejected: with %.4g %% confidence fewer than %.1f %% of the ",
		   sample->confidence * 100, bound_of(sample, counts) * 100 + 0.0499999);
	put_number(out, sample->population);
	buf_puts(out, " are wrong");
}

json_t *
sampling_object(struct core *core, const struct sample_row *sample, struct err *err)
{
	AUTO(buf_fini) struct buf sentence = BUF_INIT;
	struct sample_counts counts;
	json_t *object;

	if (!samples_count(core->store, sample->seq, &counts, err))
		return NULL;
	sentence_of(sample, &counts, &sentence);
	object = json_object();
	json_put_str(object, "id", sample->id);
	json_put_str(object, "scope", sample->scope);
	json_object_set_new(object, "seed", json_integer(sample->seed));
	json_object_set_new(object, "population", json_integer(sample->population));
	json_object_set_new(object, "size", json_integer(counts.size));
	json_object_set_new(object, "open", json_integer(counts.open));
	json_object_set_new(object, "good", json_integer(counts.good));
	json_object_set_new(object, "wrong", json_integer(counts.wrong));
	json_object_set_new(object, "confidence", json_real(sample->confidence));
	json_object_set_new(object, "max_defect", json_real(sample->max_defect));
	json_object_set_new(object, "bound", json_real(bound_of(sample, &counts)));
	json_object_set_new(
		object, "enough",
		json_boolean(!counts.open && bound_of(sample, &counts) <= sample->max_defect));
	json_put_str(object, "sentence", buf_cstr(&sentence));
	json_put_str(object, "drawn_by", sample->drawn_by);
	json_put_wall(object, "at", sample->at.ms);
	return object;
}

static bool
seq_add(void *arg, const char *id, int64_t seq)
{
	struct sampling_drawn *drawn = arg;

	(void)id;
	if (!(drawn->count & (drawn->count + 1)))
		drawn->seqs =
			mem_realloc(drawn->seqs, 2 * (drawn->count + 1) * sizeof(*drawn->seqs));
	drawn->seqs[drawn->count++] = seq;
	return true;
}

bool
sampling_seqs(struct core *core, const struct sample_row *sample, int64_t **ret, size_t *ret_count,
	      struct err *err)
{
	struct sampling_drawn drawn = {0};

	if (!samples_items(core->store, sample->seq, seq_add, &drawn, err)) {
		sampling_drawn_fini(&drawn);
		return false;
	}
	qsort(drawn.seqs, drawn.count, sizeof(*drawn.seqs), by_number);
	*ret = drawn.seqs;
	*ret_count = drawn.count;
	return true;
}

static bool
id_add(void *arg, const char *id, int64_t seq)
{
	(void)seq;
	json_array_append_new(arg, json_string(id));
	return true;
}

json_t *
sampling_ids(struct core *core, const struct sample_row *sample, struct err *err)
{
	json_t *ids = json_array();

	if (samples_items(core->store, sample->seq, id_add, ids, err))
		return ids;
	json_decref(ids);
	return NULL;
}

bool
sampling_proves(struct core *core, const struct sample_row *sample, struct err *err)
{
	AUTO(buf_fini) struct buf sentence = BUF_INIT;
	struct sample_counts counts;

	if (!samples_count(core->store, sample->seq, &counts, err))
		return false;
	if (counts.open || !counts.size)
		return err_set(err, E_STATE,
			       "%lld of the %lld changes of the sample have not been looked at; "
			       "rouse review %s --sample %lld goes on with them",
			       (long long)counts.open, (long long)counts.size,
			       strchr(sample->scope, ' ') + 1, (long long)counts.size);
	if (bound_of(sample, &counts) <= sample->max_defect)
		return true;
	sentence_of(sample, &counts, &sentence);
	return err_set(err, E_STATE,
		       "%s, and not more than %.4g %% may be (--max-defect); nothing was approved",
		       buf_cstr(&sentence), sample->max_defect * 100);
}
