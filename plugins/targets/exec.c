/* Exec targets: a command of one's own applies changes. SPEC 10, exit codes of SPEC 6. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/exec.h"

#include "base/os.h"
#include "plugins/env.h"
#include "plugins/targets/child.h"
#include "plugins/targets/outcome.h"
#include "plugins/targets/vetting.h"
#include "pure/exits.h"

#define EXIT_TEMPORARY 75
#define EXIT_DRIFTED                                                                               \
	76 /* EX_PROTOCOL: what is there is not what was expected; what is there on standard       \
	      output */
#define SENTENCE_BYTES 400

static void
exec_check(const struct conf_section *section, struct conf_report *report)
{
	command_check(section, "command", report);
	command_check(section, "read", report);
	command_check(section, "check", report);
	env_check(section, report);
}

static const struct conf_key keys[] = {
	{"command", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "gets the change as JSON on standard input; exit status 0 done, 75 try again, 76 "
		 "drifted (what is there on "
		 "standard output), 64 65 66 69 77 78 never; no shell runs it"},
	{"read", CONF_STRING,
	 .help = "command that prints what is there now as JSON, nothing when nothing is; without "
		 "it only command sees drift"},
	{"check", CONF_STRING,
	 .help = "command that gets a proposal as it gets a change: exit status 0 it makes sense, "
		 "64 65 66 69 76 77 78 it does not, for the reason on standard error; anything "
		 "else: it could not say"},
	PROGRAM_WORKDIR_KEY,
	PROGRAM_ENV_KEYS,
};

static const struct conf_table exec_table = {
	.section = "target",
	.named = true,
	.selector = "kind",
	.value = "exec",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = exec_check,
	.help = "a target that is a program: it gets each change on standard input",
};

/* One application: perhaps a look, then the deed. */
struct exec_job {
	struct outcome outcome;
	const struct target *target;
	const struct change_row *change;
	bool revert;
	struct mono until;
	struct buf before; /* what the look found */
};

static void
job_end(void *arg)
{
	struct exec_job *job = arg;

	outcome_give(&job->outcome);
	outcome_fini(&job->outcome);
	buf_fini(&job->before);
	free(job);
}

/* The last line of what it said on standard error. */
static struct str
last_words(struct str text)
{
	struct str last;

	text = str_trim(text);
	last = text;
	for (size_t i = text.len; i > 0; i--) {
		if (text.p[i - 1] != '\n')
			continue;
		last = str_make(text.p + i, text.len - i);
		break;
	}
	return last.len > SENTENCE_BYTES ? str_make(last.p, SENTENCE_BYTES) : last;
}

static void
job_failed(struct exec_job *job, const char *key, const struct child_result *result)
{
	struct str words = last_words(result->err);
	const char *colon = words.len ? ": " : "";

	if (result->timed_out)
		outcome_fail(&job->outcome, E_TIMEOUT,
			     "%s did not end within %lld ms (timeout); killed%s%.*s", key,
			     (long long)job->target->timeout_ms, colon, STR_ARG(words));
	else if (result->signal)
		outcome_fail(&job->outcome, E_UNAVAILABLE, "%s was ended by signal %d%s%.*s", key,
			     result->signal, colon, STR_ARG(words));
	else
		outcome_fail(&job->outcome,
			     exit_is_permanent(result->exit_code) ? E_INVALID : E_UNAVAILABLE,
			     "%s: exit status %d%s%.*s", key, result->exit_code, colon,
			     STR_ARG(words));
}

static bool
is_json(struct str text)
{
	return text.len && json_check(text, NULL);
}

static void
receipt_write(struct exec_job *job, const struct child_result *result)
{
	struct buf *receipt = &job->outcome.receipt;
	struct str out = str_trim(result->out);

	buf_puts(receipt, "{\"exit\":0");
	if (job->before.len) {
		buf_puts(receipt, ",\"before\":");
		buf_add_str(receipt, buf_str(&job->before));
	}
	if (out.len) {
		buf_puts(receipt, ",\"output\":");
		if (!result->out_cut && is_json(out))
			buf_add_str(receipt, out);
		else
			buf_json_str(receipt, out);
	}
	buf_printf(receipt, "%s}", result->out_cut ? ",\"truncated\":true" : "");
}

static void
on_applied(void *arg, const struct child_result *result)
{
	struct exec_job *job = arg;
	struct str out = str_trim(result->out);

	crash_point("exec-target-done");
	if (result->timed_out || (result->exit_code != 0 && result->exit_code != EXIT_DRIFTED)) {
		job_failed(job, "command", result);
	} else if (result->exit_code == EXIT_DRIFTED) {
		job->outcome.what = TARGET_DRIFTED;
		if (!result->out_cut && is_json(out) && !str_eq_cstr(out, "null"))
			buf_add_str(&job->outcome.current, out);
	} else {
		job->outcome.what = TARGET_DONE;
		receipt_write(job, result);
	}
	job_end(job);
}

/* One of the section's commands, with the change on its standard input. */
static bool
command_run(struct core *core, const struct target *target, const struct change_row *change,
	    bool revert, const char *key, int64_t timeout_ms, child_on_done *on_done, void *arg,
	    struct err *err)
{
	AUTO(env_fini) struct env env = ENV_INIT;
	AUTO(buf_fini) struct buf input = BUF_INIT;
	AUTO(buf_fini) struct buf change_name = BUF_INIT;
	struct child_spec spec = child_spec_of(target->section, key, &env);

	change_key(change, revert, &change_name);
	env_put(&env, "ROUSE_CHANGE_KEY", buf_cstr(&change_name));
	env_put(&env, "ROUSE_CHANGE_ID", change->id);
	env_put(&env, "ROUSE_RUN_ID", change->run_id);
	env_put(&env, "ROUSE_TARGET", change->target);
	env_put(&env, "ROUSE_ENTITY", change->entity);
	env_put(&env, "ROUSE_OP", change_op(change, revert));
	env_put(&env, "ROUSE_REVERT", revert ? "1" : "0");
	spec.envp = env_items(&env);
	spec.timeout_ms = timeout_ms;
	change_tell_target(change, revert, &input);
	buf_putc(&input, '\n');
	spec.input = buf_str(&input);
	return child_start(core, &spec, on_done, arg, err) || err_prefix(err, "%s", key);
}

static bool
job_run(struct exec_job *job, const char *key, child_on_done *on_done)
{
	struct core *core = job->outcome.core;

	return command_run(core, job->target, job->change, job->revert, key,
			   job->until.ms - clock_mono(core->clock).ms, on_done, job,
			   &job->outcome.err);
}

static void
on_read(void *arg, const struct child_result *result)
{
	struct exec_job *job = arg;
	struct str out = str_trim(result->out);
	const char *current;

	if (result->timed_out || result->exit_code) {
		job_failed(job, "read", result);
		job_end(job);
		return;
	}
	if (out.len && (result->out_cut || !is_json(out))) {
		outcome_fail(&job->outcome, E_INVALID,
			     "read printed no JSON of at most %d bytes; expected what is there "
			     "now, as JSON",
			     CHILD_OUT_MAX);
		job_end(job);
		return;
	}
	if (!str_eq_cstr(out, "null"))
		buf_add_str(&job->before, out);
	current = job->before.len ? buf_cstr(&job->before) : NULL;
	if (change_is_done(job->change, job->revert, current)) {
		job->outcome.what = TARGET_ALREADY;
		job_end(job);
		return;
	}
	if (change_finds_other(job->change, job->revert, current)) {
		job->outcome.what = TARGET_DRIFTED;
		buf_add_str(&job->outcome.current, buf_str(&job->before));
		job_end(job);
		return;
	}
	if (!job_run(job, "command", on_applied))
		job_end(job);
}

static void
exec_apply(struct core *core, const struct target *target, const struct change_row *change,
	   bool revert, target_on_done *on_done, void *arg)
{
	struct exec_job *job = mem_alloc(sizeof(*job));
	bool reads = conf_str(target->section, "read") != NULL;

	outcome_init(&job->outcome, core, on_done, arg);
	job->target = target;
	job->change = change;
	job->revert = revert;
	job->until = (struct mono){clock_mono(core->clock).ms + target->timeout_ms};
	if (!job_run(job, reads ? "read" : "command", reads ? on_read : on_applied))
		outcome_later(&job->outcome, job_end, job);
}

/* --- at a proposal ------------------------------------------------------------------------- */

static bool
exec_vets(const struct target *target, const struct change_row *change)
{
	(void)change;
	return conf_str(target->section, "check") != NULL;
}

static void
on_checked(void *arg, const struct child_result *result)
{
	struct vetting *vetting = arg;
	struct str words = last_words(result->err);

	if (result->timed_out)
		err_set(&vetting->err, E_TIMEOUT, "check did not end within %lld ms; killed",
			(long long)vetting->timeout_ms);
	else if (result->signal)
		err_set(&vetting->err, E_UNAVAILABLE, "check was ended by signal %d",
			result->signal);
	else if (!result->exit_code)
		vetting->verdict = VET_FITS;
	else
		err_set(&vetting->err, E_INVALID, "check: exit status %d%s%.*s", result->exit_code,
			words.len ? ": " : "", STR_ARG(words));
	if (exit_is_permanent(result->exit_code) || result->exit_code == EXIT_DRIFTED)
		vetting->verdict = VET_REFUSED;
	vetting_give(vetting);
}

static void
exec_vet(struct core *core, const struct target *target, const struct change_row *change,
	 int64_t timeout_ms, target_on_vetted *on_vetted, void *arg)
{
	struct vetting *vetting = vetting_new(core, target, change, timeout_ms, on_vetted, arg);

	if (!command_run(core, target, change, false, "check", timeout_ms, on_checked, vetting,
			 &vetting->err))
		vetting_give_later(vetting);
}

const struct target_kind exec_target_kind = {
	.name = "exec",
	.table = &exec_table,
	.vets = exec_vets,
	.vet = exec_vet,
	.apply = exec_apply,
};
