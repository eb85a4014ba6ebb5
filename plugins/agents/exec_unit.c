/* Exec agents: runs whose shims are the main processes of units of systemd's managers. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec_way.h"

#include <assert.h>

#include "base/log.h"
#include "core/registry.h"
#include "io/units.h"
#include "plugins/agents/exec.h"
#include "plugins/agents/exec_job.h"

static const char of_system[] = "system ", of_user[] = "user ";
static const char slice[] = "rouse-runs.slice";

/* By id: the attempt may go meanwhile. */
struct note {
	struct core *core;
	const struct exec_way *way;
	char id[64];
	struct exec_chore chore; /* of an end */
};

static struct note *
note_new(struct core *core, const struct exec_way *way, const char *id)
{
	struct note *note = mem_alloc(sizeof(*note));

	note->core = core;
	note->way = way;
	assert(strlen(id) < sizeof(note->id));
	memcpy(note->id, id, strlen(id) + 1);
	return note;
}

/* --- the probe ------------------------------------------------------------------------------- */

static void
on_probed(void *arg, const struct err *err)
{
	struct note *note = arg;

	if (err->code != E_OK) {
		exec_way_refused(note->way, err);
	} else {
		exec_way_proven(note->way);
		log_info("runs are units of systemd", "manager", note->way->name, "slice", slice);
	}
	free(note);
}

static void
unit_probe(struct core *core, const struct exec_way *way)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct note *note = note_new(core, way, "");
	struct units *units = exec_units(core, way->user_manager);

	/* The user's own manager needs no template. */
	if (way->user_manager
		    ? units_end(units, "rouse-run-probe.service", on_probed, note, &err)
		    : units_probe(units, "rouse-run@probe.service", on_probed, note, &err))
		return;
	exec_way_refused(way, &err);
	free(note);
}

/* --- a start --------------------------------------------------------------------------------- */

static void
on_started(void *arg, const struct err *err)
{
	struct note *note = arg;
	struct exec_run *run = exec_run_find(note->core, note->id);

	free(note);
	if (!run || run->phase != EXEC_STARTS)
		return;
	if (err->code == E_OK || spool_shim_began(run->dir))
		exec_way_begun(run);
	else
		exec_way_failed(run, err);
}

/* The administrator's templates say as whom, and in which sandbox: rouse-run@.service is for us. */
static char *
unit_name(const struct exec_run *run)
{
	const struct attempt *attempt = run->attempt;
	const struct conf_section *section = attempt->agent->section;
	const char *profile = conf_str(section, "profile");
	struct buf name = BUF_INIT;

	if (!profile && exec_way_has_user(attempt))
		profile = conf_str(section, "user");
	buf_puts(&name, "rouse-run");
	if (profile)
		buf_cat(&name, "-", profile);
	buf_cat(&name, "@", attempt->id, ".service");
	return buf_take(&name);
}

/* What says by which unit it was started stands there before that begins. */
static bool
unit_note(struct exec_run *run, const char *manager, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	buf_cat(&text, manager, run->unit);
	return spool_unit_write(run->dir, buf_str(&text), err);
}

static bool
start_with(struct exec_run *run, const struct exec_way *way, struct err *err)
{
	struct attempt *attempt = run->attempt;
	struct core *core = attempt->core;
	struct units *units = exec_units(core, way->user_manager);
	const char *const argv[] = {core->shim_path, "--unit", run->dir, NULL};
	struct note *note;
	bool asked;

	run->way = way;
	free(run->unit);
	run->unit = unit_name(run);
	if (!unit_note(run, way->user_manager ? of_user : of_system, err))
		return false;
	note = note_new(core, way, attempt->id);
	asked = way->user_manager
			? units_start_new(units, run->unit, slice, argv, on_started, note, err)
			: units_start(units, run->unit, on_started, note, err);
	if (asked) {
		run->phase = EXEC_STARTS;
		return true;
	}
	free(note);
	spool_unit_forget(run->dir);
	free(run->unit);
	run->unit = NULL;
	return false;
}

static bool
start_by_system(struct exec_run *run, struct err *err)
{
	/* Another user's job, or another sandbox: nobody else may have it. */
	run->job_is_units = conf_is_set(run->attempt->agent->section, "profile") ||
			    exec_way_has_user(run->attempt);
	return (!exec_way_has_user(run->attempt) ||
		spool_wake_share(run->attempt->core->spool_root, err)) &&
	       start_with(run, &exec_way_system, err);
}

static bool
start_by_user(struct exec_run *run, struct err *err)
{
	return start_with(run, &exec_way_user, err);
}

/* --- taking up, ending ----------------------------------------------------------------------- */

void
exec_unit_read(struct exec_run *run)
{
	AUTO(auto_free) char *home = exec_spool_dir(run->attempt->core, run->mark);
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str line, name, manager;

	free(run->unit);
	run->unit = NULL;
	if (!spool_unit_read(home, &text))
		return;
	line = str_trim(buf_str(&text));
	name = str_split(line, ' ', &manager);
	if (!name.p || !name.len)
		return;
	run->way = str_eq_cstr(manager, "user") ? &exec_way_user : &exec_way_system;
	run->unit = str_dup(name);
}

static void
on_ended(void *arg, const struct err *err)
{
	struct note *note = arg;

	if (err->code != E_OK)
		log_warning("unit of a run may go on", "attempt", note->id, "error", err_text(err));
	exec_chore(&note->chore);
	free(note);
}

void
exec_unit_end(struct exec_run *run, const struct exec_chore *chore)
{
	struct core *core = run->attempt->core;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct note *note;

	if (!run->unit) {
		exec_chore(chore);
		return;
	}
	note = note_new(core, run->way, run->attempt->id);
	note->chore = *chore;
	if (units_end(exec_units(core, run->way->user_manager), run->unit, on_ended, note, &err))
		return;
	on_ended(note, &err);
}

const struct exec_way exec_way_system = {
	.name = "system",
	.says = "by the system's manager, each a unit of its own (rouse-run@ID.service in "
		"rouse-runs.slice), which its limits count for",
	.start = start_by_system,
	.probe = unit_probe,
};

const struct exec_way exec_way_user = {
	.name = "user",
	.says = "by the user's manager, each a unit of its own (rouse-run@ID.service in "
		"rouse-runs.slice), which its limits count for",
	.user_manager = true,
	.start = start_by_user,
	.probe = unit_probe,
};
