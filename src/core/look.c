/* Looks: a selection of changes, grouped, with what needs eyes first; kept for who reads on. */
/* SPDX-License-Identifier: MIT */
#include "core/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/list.h"
#include "base/os.h"
#include "base/uuid.h"
#include "core/change.h"
#include "io/work.h"

#define WRITE_BYTES 65536
#define SLICE_ROWS 20000 /* that a thread looks at before others have their turn */

/* As it is sorted: heavy ones first, then by group, then by age. */
struct order {
	struct looked looked;
	uint32_t weight;
};

struct look {
	struct core *core;
	char id[37];
	struct selection *selection;
	struct grouper *grouper;
	struct look_counts counts;
	struct order *orders; /* while it is being made */
	uint64_t order_count;
	int fd; /* of struct looked, sorted; -1: none */
	uint64_t at;
	bool judging, made;
	struct mono used;
	struct err err;
	look_on_done *on_done;
	void *arg;
	TAILQ_ENTRY(look) entry;
};

TAILQ_HEAD(look_list, look);

struct looks {
	struct core *core;
	struct look_list list; /* the latest used last */
	size_t count;
	struct core_timer *timer;
};

static void
look_free(struct look *look)
{
	selection_free(look->selection);
	grouper_free(look->grouper);
	free(look->orders);
	auto_close(&look->fd);
	err_fini(&look->err);
	free(look);
}

/* --- those that are kept ------------------------------------------------------------------- */

struct looks *
looks_new(struct core *core)
{
	struct looks *looks = mem_alloc(sizeof(*looks));

	looks->core = core;
	TAILQ_INIT(&looks->list);
	return looks;
}

static void
forget(struct looks *looks, struct look *look)
{
	TAILQ_REMOVE(&looks->list, look, entry);
	looks->count--;
	look_free(look);
}

void
looks_free(struct looks *looks)
{
	if (!looks)
		return;
	while (!TAILQ_EMPTY(&looks->list))
		forget(looks, TAILQ_FIRST(&looks->list));
	core_timer_free(looks->timer);
	free(looks);
}

static void
on_sweep(void *arg)
{
	struct looks *looks = arg;
	struct mono now = clock_mono(looks->core->clock);
	struct look *look, *next;

	TAILQ_FOREACH_SAFE (look, &looks->list, entry, next)
		if (now.ms - look->used.ms >= LOOK_KEEP_MS)
			forget(looks, look);
	if (looks->count)
		core_timer_arm(looks->core, &looks->timer, LOOK_KEEP_MS, on_sweep, looks);
}

static void
look_keep(struct look *look)
{
	struct looks *looks = look->core->looks;

	if (looks->count == LOOKS_MAX)
		forget(looks, TAILQ_FIRST(&looks->list));
	if (!looks->count++)
		core_timer_arm(looks->core, &looks->timer, LOOK_KEEP_MS, on_sweep, looks);
	TAILQ_INSERT_TAIL(&looks->list, look, entry);
	look->used = clock_mono(look->core->clock);
}

static struct look *
look_use(struct looks *looks, struct look *look)
{
	look->used = clock_mono(looks->core->clock);
	TAILQ_REMOVE(&looks->list, look, entry);
	TAILQ_INSERT_TAIL(&looks->list, look, entry);
	return look;
}

struct look *
look_find(struct core *core, const char *id)
{
	struct look *look;

	TAILQ_FOREACH (look, &core->looks->list, entry)
		if (!strcmp(look->id, id))
			return look_use(core->looks, look);
	return NULL;
}

struct look *
look_find_digest(struct core *core, const char *digest)
{
	struct look *look;

	TAILQ_FOREACH (look, &core->looks->list, entry)
		if (!strcmp(selection_digest(look->selection), digest))
			return look_use(core->looks, look);
	return NULL;
}

/* --- making one, in a thread --------------------------------------------------------------- */

static struct group_row
group_row(const struct change_row *row)
{
	return (struct group_row){.seq = row->seq,
				  .of = change_effect(row),
				  .status = row->status,
				  .confidence = row->confidence,
				  .partial = row->partial};
}

static void
count_row(struct look_counts *counts, const struct change_row *row)
{
	enum change_state state = change_state_of(row->status);

	counts->all++;
	if (state != CHANGE_NOWHERE)
		counts->by_status[state]++;
	if (!strcmp(row->op, "create"))
		counts->create++;
	else if (!strcmp(row->op, "delete"))
		counts->remove++;
	else if (!strcmp(row->op, "call"))
		counts->call++;
	else
		counts->update++;
}

static void
add_row(void *arg, const struct change_row *row)
{
	struct look *look = arg;
	const struct group_row as = group_row(row);

	grouper_add(look->grouper, &as);
	count_row(&look->counts, row);
}

static bool
on_add(void *arg, const struct change_row *row)
{
	add_row(arg, row);
	return true;
}

static bool
on_judge(void *arg, const struct change_row *row)
{
	struct look *look = arg;
	const struct group_row as = group_row(row);
	struct order *order = &look->orders[look->order_count];
	size_t group;
	unsigned flags;

	if (look->order_count == selection_count(look->selection))
		return false;
	flags = grouper_judge(look->grouper, &as, &group);
	*order = (struct order){{row->seq, (uint32_t)group, flags}, group_weight(flags)};
	look->counts.flagged += flags != 0;
	look->order_count++;
	return true;
}

static int
by_need(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	if (x->looked.group != y->looked.group)
		return x->looked.group < y->looked.group ? -1 : 1;
	return (x->looked.seq > y->looked.seq) - (x->looked.seq < y->looked.seq);
}

static bool
order_write(struct look *look)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;

	grouper_rank(look->grouper);
	for (uint64_t i = 0; i < look->order_count; i++) {
		struct looked *looked = &look->orders[i].looked;

		looked->group = (uint32_t)grouper_at(look->grouper, looked->group)->place;
	}
	qsort(look->orders, look->order_count, sizeof(*look->orders), by_need);
	look->fd = open(look->core->state_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (look->fd < 0)
		return err_errno(&look->err, errno, "cannot make a file in %s",
				 look->core->state_dir);
	for (uint64_t i = 0; i < look->order_count; i++) {
		buf_add(&out, &look->orders[i].looked, sizeof(struct looked));
		if (out.len < WRITE_BYTES && i + 1 < look->order_count)
			continue;
		if (!os_write_all(look->fd, buf_str(&out), &look->err))
			return false;
		buf_clear(&out);
	}
	free(look->orders);
	look->orders = NULL;
	look->made = true;
	return true;
}

static void
slice_run(void *arg)
{
	struct look *look = arg;
	struct store *reader = NULL;

	if (!store_open_reader(look->core->store, &reader, &look->err))
		return;
	selection_rows(look->selection, reader, look->at, SLICE_ROWS,
		       look->judging ? on_judge : on_add, look, &look->err);
	store_close(reader);
	look->at += SLICE_ROWS;
	if (look->err.code != E_OK || look->at < selection_count(look->selection))
		return;
	look->at = 0;
	if (look->judging) {
		order_write(look);
		return;
	}
	grouper_settle(look->grouper);
	look->judging = true;
}

/* --- in the loop --------------------------------------------------------------------------- */

static void slice_done(void *arg);

static void
slice_go(struct look *look)
{
	if (!work_submit(look->core->work, slice_run, slice_done, look, &look->err))
		slice_done(look);
}

static void
slice_done(void *arg)
{
	struct look *look = arg;

	if (look->err.code != E_OK) {
		look->on_done(look->arg, NULL, &look->err);
		look_free(look);
		return;
	}
	if (!look->made) {
		slice_go(look);
		return;
	}
	look_keep(look);
	look->on_done(look->arg, look, &look->err);
}

static void
on_selected(void *arg, struct selection *selection, struct err *err)
{
	struct look *look = arg;
	uint64_t count = selection_count(selection);

	if (err->code != E_OK) {
		err_move(&look->err, err);
	} else if (count > LOOK_ROWS_MAX) {
		err_set(&look->err, E_TOO_LARGE,
			"%llu changes are more than can be grouped at once (%d); name fewer "
			"(--where, --entity)",
			(unsigned long long)count, LOOK_ROWS_MAX);
	} else {
		look->orders = mem_try_alloc((size_t)(count + 1) * sizeof(*look->orders));
		if (!look->orders)
			err_set(&look->err, E_FULL, "no memory to group %llu changes",
				(unsigned long long)count);
	}
	if (look->err.code != E_OK) {
		slice_done(look);
		return;
	}
	if (selection_told(selection)) {
		grouper_settle(look->grouper);
		look->judging = true;
	}
	slice_go(look);
}

void
look_take(struct core *core, struct selection_spec *spec, const char *policy, look_on_done *on_done,
	  void *arg)
{
	struct look *look = mem_alloc(sizeof(*look));
	struct uuid id = uuid_v7(core_wall(core));

	look->core = core;
	memcpy(look->id, id.text, sizeof(look->id));
	look->fd = -1;
	look->on_done = on_done;
	look->arg = arg;
	look->grouper = grouper_new();
	spec->on_row = add_row;
	spec->on_row_arg = look;
	look->selection = selection_new(core, spec, policy, on_selected, look);
}

const char *
look_id(const struct look *look)
{
	return look->id;
}

const struct selection *
look_selection(const struct look *look)
{
	return look->selection;
}

const struct grouper *
look_groups(const struct look *look)
{
	return look->grouper;
}

const struct look_counts *
look_counts(const struct look *look)
{
	return &look->counts;
}

int
look_get(const struct look *look, uint64_t at, struct looked *ret, int n, struct err *err)
{
	ssize_t got = pread(look->fd, ret, (size_t)n * sizeof(*ret), (off_t)(at * sizeof(*ret)));

	if (got >= 0)
		return (int)((size_t)got / sizeof(*ret));
	err_errno(err, errno, "cannot read a look back");
	return -1;
}
