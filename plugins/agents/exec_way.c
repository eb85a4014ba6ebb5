/* Exec agents: which of the three ways starts runs here, and what becomes of a start. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec_way.h"

#include <pwd.h>
#include <unistd.h>

#include "base/log.h"
#include "core/registry.h"
#include "io/cgroup.h"
#include "io/units.h"
#include "plugins/agents/exec.h"
#include "plugins/agents/exec_job.h"
#include "plugins/agents/exec_keep.h"

/* A shim that has said that it is ready is found at once; others get this long. */
#define BEGIN_MS 5000

static struct ways {
	struct core *core;	    /* NULL: nothing was chosen yet */
	const struct exec_way *way; /* NULL: the one that is asked for is not to be had */
	bool insists;		    /* [daemon] runs names it */
	struct err why;		    /* why it is not another one */
	bool refused;		    /* ... a manager said so */
	bool proven;		    /* it has said that it may be asked */
	struct units *units[2];	    /* of the system, of the user; NULL: not needed yet */
} ways;

static const struct exec_way *const all[] = {&exec_way_system, &exec_way_user, &exec_way_own};

/* --- ourselves ------------------------------------------------------------------------------- */

const struct exec_way exec_way_own = {
	.name = "own",
	.says = "by the daemon itself",
	.start = exec_shim_spawn,
};

/* --- choosing -------------------------------------------------------------------------------- */

/* systemd.exec(5): set for the main process of a service alone, and meant for it. */
static bool
is_a_service(void)
{
	const char *pid = getenv("SYSTEMD_EXEC_PID");
	int64_t number;

	return pid && str_to_i64(str_of(pid), &number) && number == getpid();
}

/* The template's shims look for their runs in the state folder of the service. */
static bool
state_is_the_services(const struct core *core, struct err *err)
{
	const char *dir = getenv("STATE_DIRECTORY");

	return (dir && !strcmp(dir, core->state_dir)) ||
	       err_set(err, E_UNAVAILABLE,
		       "state_dir is %s, and the template rouse-run@.service looks for runs in the "
		       "StateDirectory= of the service",
		       core->state_dir);
}

/* Root's daemon may give each agent a user of its own, which no template can. */
static const struct exec_way *
way_of_here(const struct core *core, struct err *ret_why)
{
	if (!is_a_service()) {
		err_set(ret_why, E_UNAVAILABLE, "the daemon is no service of systemd");
		return &exec_way_own;
	}
	if (getenv("MANAGERPID")) /* of a user's manager: systemd.exec(5) */
		return &exec_way_user;
	if (!geteuid()) {
		err_set(ret_why, E_UNAVAILABLE, "the daemon is root");
		return &exec_way_own;
	}
	return state_is_the_services(core, ret_why) ? &exec_way_system : &exec_way_own;
}

void
exec_ways_open(struct core *core)
{
	const struct conf_section *daemon =
		conf_section(registry_conf(core->registry), "daemon", "");
	const char *wanted = conf_str(daemon, "runs");

	if (ways.core)
		return;
	ways.core = core;
	ways.insists = strcmp(wanted, "auto") != 0;
	if (!ways.insists)
		ways.way = way_of_here(core, &ways.why);
	for (size_t i = 0; ways.insists && i < ARRAY_LEN(all); i++)
		if (!strcmp(all[i]->name, wanted))
			ways.way = all[i];
	if (ways.way == &exec_way_own && ways.why.code != E_OK)
		log_debug("runs are started by the daemon", "why", err_text(&ways.why));
	if (ways.way->probe)
		ways.way->probe(core, ways.way);
}

void
exec_ways_fini(void)
{
	for (size_t i = 0; i < ARRAY_LEN(ways.units); i++)
		units_free(ways.units[i]);
	err_fini(&ways.why);
	ways = (struct ways){.core = NULL};
}

struct units *
exec_units(struct core *core, bool user)
{
	if (!ways.units[user])
		ways.units[user] = units_new(core->base, user);
	return ways.units[user];
}

const struct exec_way *
exec_way(void)
{
	return ways.way;
}

bool
exec_way_refused(const struct exec_way *way, const struct err *why)
{
	if (ways.way != way)
		return ways.way != NULL;
	ways.refused = true;
	err_fini(&ways.why);
	err_set(&ways.why, why->code, "%s", err_text(why));
	if (!ways.insists) {
		ways.way = &exec_way_own;
		log_warning("runs are started by the daemon itself, inside its own sandbox, and "
			    "are units of systemd no more until it is restarted",
			    "why", err_text(why));
		return true;
	}
	log_error("this start of a run was refused, and runs in [daemon] allows no other way",
		  "runs", way->name, "why", err_text(why));
	return false;
}

json_t *
exec_way_means(struct core *core)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	json_t *object = json_object();

	(void)core;
	if (!ways.way)
		return object;
	json_put_str(object, "runs", ways.way->name);
	buf_puts(&text, ways.way->says);
	if (ways.way == &exec_way_own)
		exec_groups_say(&text);
	else if (!cgroup_has_memory())
		buf_puts(&text,
			 "; but this machine has no memory controller of cgroup version 2, so "
			 "that memory_max holds for each process, not for a whole run");
	if (ways.refused)
		json_put_str(object, "refused", err_text(&ways.why));
	if (ways.why.code != E_OK)
		buf_cat(&text, ways.way == &exec_way_own ? "; not by systemd: " : "; refused: ",
			err_text(&ways.why));
	json_put_str(object, "executor", buf_cstr(&text));
	return object;
}

/* --- what an agent asks for ------------------------------------------------------------------ */

bool
exec_way_has_user(const struct attempt *attempt)
{
	const char *user = conf_str(attempt->agent->section, "user");
	const struct passwd *entry = user ? getpwnam(user) : NULL;

	return ways.way == &exec_way_system && entry && entry->pw_uid != geteuid();
}

bool
exec_way_check(const struct attempt *attempt, struct err *err)
{
	const char *profile = conf_str(attempt->agent->section, "profile");

	if (!profile || ways.way == &exec_way_system)
		return ways.way == &exec_way_system || exec_group_check(err);
	return err_set(err, E_UNAVAILABLE,
		       "agent %s asks for profile %s, which only units of the system's manager "
		       "have; here runs are started %s%s%s",
		       attempt->agent->name, profile, ways.way->says,
		       ways.why.code != E_OK ? ": " : "",
		       ways.why.code != E_OK ? err_text(&ways.why) : "");
}

/* --- a start --------------------------------------------------------------------------------- */

bool
exec_way_start(struct exec_run *run, struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;
	const struct exec_way *way = ways.way;

	if (way->start(run, &why))
		return true;
	/* A bus that is away for a moment is no reason to do without it for ever. */
	if (way == &exec_way_own || ways.proven || !exec_way_refused(way, &why))
		return err_move(err, &why);
	return exec_way_check(run->attempt, err) && exec_shim_spawn(run, err);
}

void
exec_way_proven(const struct exec_way *way)
{
	if (ways.way != way)
		return;
	ways.proven = true;
	ways.refused = false;
	err_fini(&ways.why);
}

void
exec_way_begun(struct exec_run *run)
{
	exec_way_proven(run->way);
	run->phase = EXEC_DOUBT;
	run->doubt_until = (struct mono){clock_mono(run->attempt->core->clock).ms + BEGIN_MS};
	exec_run_wake(run, 0);
}

static void
start_failed(struct exec_run *run, const char *text)
{
	run->phase = EXEC_ENDED;
	attempt_exit(run->attempt,
		     &(struct attempt_end){.ours = true, .exit_code = 75, .text = text});
}

/* Refused for good, and not for what this agent asks for alone: then by ourselves, the folder as it
 * is. */
static bool
start_instead(struct exec_run *run, const struct err *why)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	bool ours = !run->job_is_units;

	if (!ours || (why->code != E_DENIED && why->code != E_NOT_FOUND) ||
	    !exec_way_refused(run->way, why))
		return false;
	spool_unit_forget(run->dir);
	free(run->unit);
	run->unit = NULL;
	run->phase = EXEC_RUNS;
	if (exec_shim_spawn(run, &err))
		return true;
	start_failed(run, err_text(&err));
	return true;
}

void
exec_way_failed(struct exec_run *run, const struct err *why)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (start_instead(run, why))
		return;
	/* Its shim may have begun all the same, and ours is not to know otherwise. */
	if (!spool_claim(run->dir)) {
		exec_way_begun(run);
		return;
	}
	log_error("unit of a run did not start", "attempt", run->attempt->id, "unit", run->unit,
		  "error", err_text(why));
	buf_cat(&text, "its unit did not start: ", err_text(why));
	start_failed(run, buf_cstr(&text));
}
