/* Questions about proposals that targets are asked: what their kinds share. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/vetting.h"

#include "base/list.h"
#include "io/work.h"

static LIST_HEAD(, vetting) all = LIST_HEAD_INITIALIZER(all);

struct vetting *
vetting_new(struct core *core, const struct target *target, const struct change_row *change,
	    int64_t timeout_ms, target_on_vetted *on_vetted, void *arg)
{
	struct vetting *vetting = mem_alloc(sizeof(*vetting));

	*vetting = (struct vetting){.core = core,
				    .target = target,
				    .change = change,
				    .timeout_ms = timeout_ms,
				    .verdict = VET_UNKNOWN,
				    .err = ERR_INIT,
				    .on_vetted = on_vetted,
				    .arg = arg};
	LIST_INSERT_HEAD(&all, vetting, entry);
	return vetting;
}

void
vetting_give(struct vetting *vetting)
{
	LIST_REMOVE(vetting, entry);
	vetting->on_vetted(vetting->arg, vetting->verdict, &vetting->err);
	core_timer_free(vetting->timer);
	err_fini(&vetting->err);
	free(vetting);
}

static void
on_later(void *arg)
{
	vetting_give(arg);
}

void
vetting_give_later(struct vetting *vetting)
{
	core_timer_arm(vetting->core, &vetting->timer, 0, on_later, vetting);
}

/* --- in a thread --------------------------------------------------------------------------- */

static void queue_go(struct vet_queue *queue);

static void
queue_run(void *arg)
{
	struct vet_queue *queue = arg;

	queue->run(queue->state, &queue->asked);
}

static void
queue_on_done(void *arg)
{
	struct vet_queue *queue = arg;
	struct vettings answered = STAILQ_HEAD_INITIALIZER(answered);

	if (queue->done)
		queue->done(queue->core, queue->state);
	STAILQ_CONCAT(&answered, &queue->asked);
	/* Before the answers: with the last of them the target may go. */
	queue_go(queue);
	while (!STAILQ_EMPTY(&answered)) {
		struct vetting *vetting = STAILQ_FIRST(&answered);

		STAILQ_REMOVE_HEAD(&answered, next);
		vetting_give(vetting);
	}
}

static void
queue_go(struct vet_queue *queue)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!STAILQ_EMPTY(&queue->asked) || STAILQ_EMPTY(&queue->waiting))
		return;
	STAILQ_CONCAT(&queue->asked, &queue->waiting);
	if (work_submit(queue->core->work, queue_run, queue_on_done, queue, &err))
		return;
	while (!STAILQ_EMPTY(&queue->asked)) {
		struct vetting *vetting = STAILQ_FIRST(&queue->asked);

		STAILQ_REMOVE_HEAD(&queue->asked, next);
		err_set(&vetting->err, err.code, "%s", err_text(&err));
		vetting_give_later(vetting);
	}
}

void
vet_queue_init(struct vet_queue *queue, void (*run)(void *state, struct vettings *group),
	       void (*done)(struct core *core, void *state), void *state)
{
	*queue = (struct vet_queue){.run = run, .done = done, .state = state};
	STAILQ_INIT(&queue->waiting);
	STAILQ_INIT(&queue->asked);
}

void
vet_queue_add(struct vet_queue *queue, struct vetting *vetting)
{
	queue->core = vetting->core;
	STAILQ_INSERT_TAIL(&queue->waiting, vetting, next);
	queue_go(queue);
}
