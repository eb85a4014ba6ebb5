/* Exec agents: their keys, and the job that a section and an attempt make together. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/exec_job.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

#include "core/endpoint.h"
#include "core/guise.h"
#include "plugins/env.h"
#include "io/proc.h"
#include "io/spool.h"
#include "base/digest.h"
#include "plugins/agents/exec_confine.h"
#include "plugins/agents/exec_keep.h"
#include "plugins/agents/exec_run.h"
#include "plugins/agents/exec_workspace.h"
#include "plugins/agents/exec_way.h"

#define STDERR_MAX (1 << 20)
#define UMASK_MAX 0777
#define CPU_MAX 1024
#define CPU_MILLI_MIN 10
#define PROFILE_MAX 32

static void exec_check(const struct conf_section *section, struct conf_report *report);

static const struct conf_key keys[] = {
	{"command", CONF_STRING, .flags = CONF_REQUIRED,
	 .help = "program and arguments, split into words as a shell does; no shell runs it"},
	PROGRAM_WORKDIR_KEY,
	{"workspace", CONF_STRING,
	 .help = "git:/PATH: each run starts in a copy of its own of the branch of the one target "
		 "on "
		 "this repository, and what it leaves there becomes changes for that target"},
	{"workspace_max", CONF_SIZE, "1G", .min = 1 << 20,
	 .help = "size of all files of a workspace, before and after"},
	{"user", CONF_STRING, .help = "user that it runs as; only a daemon of root may change it"},
	PROGRAM_ENV_KEYS,
	{"output", CONF_ENUM, "rouse", "rouse|text",
	 .help = "rouse: lines of the agent protocol; text: every line is a log line, the end of "
		 "all of it "
		 "the result, exit status 0 success"},
	{"stdin", CONF_ENUM, .choices = "open|envelope",
	 .help = "envelope: closed behind the envelope, for programs that read to the end; open: "
		 "messages "
		 "(decisions, cancel) may follow; default: open, but envelope where output = text"},
	{"memory_max", CONF_SIZE, .min = 1 << 20,
	 .help = "memory of a run where it has a control group, else the address space of "
		 "each of its processes"},
	{"cpu_time", CONF_DURATION, .min = 1000, .help = "processor time of each of its processes"},
	{"processes", CONF_INT, .min = 1, .max = 4194304,
	 .help = "processes of a run where it has a control group, else of its user, at once"},
	{"cpu", CONF_STRING,
	 .help = "processors that a run may use at once, as 2 or 0.5, where it has a control "
		 "group"},
	{"profile", CONF_STRING,
	 .help = "NAME of a template rouse-run-NAME@.service that its runs are units of; only "
		 "where "
		 "the system's manager starts them (runs in [daemon])"},
	{"files", CONF_INT, .min = 8, .max = 1048576,
	 .help = "files that each of its processes may have open"},
	{"file_size", CONF_SIZE, .min = 1, .help = "largest file that it may write"},
	{"nice", CONF_INT, .min = 0, .max = 19,
	 .help = "how far it steps back when processors are short"},
	{"umask", CONF_STRING, .help = "octal: the rights that its new files do not get"},
	{"network", CONF_BOOL, "yes",
	 .help = "no: it reaches neither addresses nor sockets of this machine"},
	{"filesystem", CONF_LIST,
	 .help = "all that it may open, beside workdir and what programs need: ro:/PATH, rw:/PATH, "
		 "...; read-only: everything may be read, temporary folders written"},
	{"untrusted.network", CONF_BOOL,
	 .help = "the same as network, for runs whose trust is untrusted"},
	{"session", CONF_BOOL, "no",
	 .help = "yes: it stays after its result, and gets the next turn of its session on "
		 "standard "
		 "input"},
	{"session_idle", CONF_DURATION, "10m", .min = 100, .max = 7LL * 86400000,
	 .help = "how long it waits for the next turn before it is ended"},
	{"session_processes", CONF_INT, "8", .min = 0, .max = 10000,
	 .help = "processes that wait so at once; the one that waited longest goes"},
	{"grace", CONF_DURATION, "10s", .min = 0, .max = 3600000,
	 .help = "from SIGTERM to SIGKILL when it is stopped"},
	{"linger", CONF_DURATION, "2s", .min = 0, .max = 3600000,
	 .help = "how long processes that it leaves behind may live"},
};

const struct conf_table exec_agent_table = {
	.section = "agent",
	.named = true,
	.selector = "kind",
	.value = "exec",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = exec_check,
	.help = "an agent that is a program: the envelope on standard input, the protocol on "
		"standard output",
};

bool
exec_is_text(const struct conf_section *section)
{
	return !strcmp(conf_str(section, "output"), "text");
}

bool
exec_is_open(const struct conf_section *section)
{
	const char *how = conf_str(section, "stdin");

	return how ? !strcmp(how, "open") : !exec_is_text(section);
}

/* -1 when it is not set; false when it is no such number. */
static bool
umask_of(const struct conf_section *section, int64_t *ret)
{
	const char *text = conf_str(section, "umask");
	char *end;
	long value;

	*ret = -1;
	if (!text)
		return true;
	if (!*text || strspn(text, "01234567") != strlen(text) || strlen(text) > 4)
		return false;
	value = strtol(text, &end, 8);
	*ret = value;
	return value <= UMASK_MAX;
}

/* In thousandths; -1 when it is not set; false when it is no such number. */
static bool
cpu_of(const struct conf_section *section, int64_t *ret)
{
	const char *text = conf_str(section, "cpu");
	struct str whole, part;
	int64_t number = 0, milli = 0, unit = 100;

	*ret = -1;
	if (!text)
		return true;
	part = str_split(str_of(text), '.', &whole);
	if (!str_to_i64(whole, &number) || number < 0 || number > CPU_MAX || part.len > 3 ||
	    (part.p && !part.len))
		return false;
	for (size_t i = 0; i < part.len; i++, unit /= 10) {
		if (part.p[i] < '0' || part.p[i] > '9')
			return false;
		milli += (part.p[i] - '0') * unit;
	}
	*ret = number * 1000 + milli;
	return *ret >= CPU_MILLI_MIN && *ret <= CPU_MAX * 1000;
}

/* What polkit's rule lets us start. */
static bool
profile_is_valid(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	return !name ||
	       (*name && strlen(name) <= PROFILE_MAX && strspn(name, letters) == strlen(name));
}

static void
exec_check(const struct conf_section *section, struct conf_report *report)
{
	const char *user = conf_str(section, "user");
	int64_t mask;

	command_check(section, "command", report);
	env_check(section, report);
	exec_confine_check(section, report);
	exec_workspace_check(section, report);
	if (!strcmp(conf_str(section, "meter"), "proxy") && !exec_confine_has_network(section))
		conf_complain(report, section, "meter",
			      "proxy, and the run would not reach it: network = no takes the "
			      "loopback away too");
	if (!umask_of(section, &mask))
		conf_complain(report, section, "umask",
			      "\"%s\" is no umask; expected three octal digits, as 077",
			      conf_str(section, "umask"));
	if (!cpu_of(section, &mask))
		conf_complain(report, section, "cpu",
			      "\"%s\" is no number of processors; expected one from 0.01 to 1024, "
			      "as 2 or 0.5",
			      conf_str(section, "cpu"));
	if (!profile_is_valid(conf_str(section, "profile")))
		conf_complain(report, section, "profile",
			      "\"%s\" cannot stand in the name of a unit; expected a-z, 0-9, '_' "
			      "and '-', 32 at most",
			      conf_str(section, "profile"));
	if (user && !getpwnam(user))
		conf_warn(report, section, "user", "there is no user %s on this machine", user);
	if (conf_bool(section, "session") && !exec_is_open(section))
		conf_complain(report, section, "session",
			      "its next turn comes on standard input as a line, and its result is "
			      "a line of the protocol; expected stdin = open and output = rouse");
	if (conf_bool(section, "session") && !strcmp(conf_str(section, "meter"), "proxy"))
		conf_complain(report, section, "session",
			      "with meter = proxy each run has an endpoint of its own in its "
			      "environment, which a process that stays would not get; expected one "
			      "of the two");
	if (conf_is_set(section, "stdin") && exec_is_open(section) && exec_is_text(section))
		conf_complain(report, section, "stdin",
			      "output = text has no protocol in which messages could follow; "
			      "expected envelope");
}

/* What the section limits, -1 for the rest. */
static int64_t
limit_of(const struct conf_section *section, const char *key)
{
	int64_t value = conf_int(section, key);

	return value == INT64_MIN ? -1 : value;
}

static void
env_put_int(struct env *env, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	env_put(env, name, text);
}

/* Its models are where the endpoint is; what the section says of them is put aside. */
static bool
models_env(const struct attempt *attempt, struct env *env, struct err *err)
{
	AUTO(buf_fini) struct buf url = BUF_INIT, key = BUF_INIT;

	if (!attempt->agent->proxied)
		return true;
	if (!endpoint_access(attempt, &url, &key, err))
		return false;
	env_put(env, "ANTHROPIC_BASE_URL", buf_cstr(&url));
	env_put(env, "ANTHROPIC_API_KEY", buf_cstr(&key));
	env_put(env, "OPENAI_API_KEY", buf_cstr(&key));
	buf_puts(&url, "/v1");
	env_put(env, "OPENAI_BASE_URL", buf_cstr(&url));
	env_put(env, "OPENAI_API_BASE", buf_cstr(&url)); /* as it was called before */
	return true;
}

static void
job_env(const struct attempt *attempt, struct env *env)
{
	AUTO(json_auto_decref) json_t *guise = NULL;
	const struct run_row as = guise_of(&attempt->run, &guise), *run = &as;
	const char *user = conf_str(attempt->agent->section, "user");
	const struct passwd *entry = user ? getpwnam(user) : NULL;
	const struct {
		const char *name, *value;
	} ours[] = {
		{"ROUSE_RUN_ID", run->id},	   {EXEC_MARK, attempt->id},
		{"ROUSE_AGENT", run->agent},	   {"ROUSE_TRIGGER", run->trigger},
		{"ROUSE_INTENT", run->intent},	   {"ROUSE_MODE", run->mode},
		{"ROUSE_BATCH", run->batch},	   {"ROUSE_ENTITY", run->entity},
		{"ROUSE_TENANT", run->tenant},	   {"ROUSE_USER", run->user},
		{"ROUSE_KEY", run->key},	   {"ROUSE_CORRELATION_ID", run->correlation},
		{"TRACEPARENT", run->traceparent},
	};

	env_put_section(env, attempt->agent->section, entry ? entry->pw_dir : NULL);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		env_put(env, ours[i].name, ours[i].value);
	env_put_int(env, "ROUSE_ATTEMPT", attempt->n);
	env_put_int(env, "ROUSE_DEADLINE_MS", attempt_time_left_ms(attempt));
}

/* 0 means "none" to the shim, and a run whose time is over must not get for ever. */
static int64_t
deadline_of(const struct attempt *attempt)
{
	int64_t left = attempt_time_left_ms(attempt);

	if (attempt->run.limits.deadline_ms < 0)
		return 0;
	return left > 0 ? left : 1;
}

/* Of the job without what is of this run alone: the configuration, the limits of processes, what
 * they are held to, and how far its author is known. */
static char *
job_print(const struct attempt *attempt, const struct spool_job *job, const struct env *env)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct buf hex = BUF_INIT;
	struct spool_job plain = *job;
	const char **kept = mem_alloc_array(env->count + 1, sizeof(*kept));
	size_t count = 0;
	struct digest digest;

	for (size_t i = 0; i < env->count; i++)
		if (strncmp(env->items[i], "ROUSE_", 6) &&
		    strncmp(env->items[i], "TRACEPARENT=", 12))
			kept[count++] = env->items[i];
	plain.id = "-";
	plain.envp = kept;
	plain.input = STR("");
	plain.cgroup = NULL;
	plain.deadline_ms = plain.out_max = 0;
	spool_job_format(&plain, &text);
	buf_cat(&text, trust_name(attempt->trust), "\n");
	digest = digest_of(DIGEST_SHA256, buf_str(&text));
	hex_encode(&hex, str_make((const char *)digest.bytes, digest.len));
	free(kept);
	return buf_take(&hex);
}

/* Its unit has this user already; ours is not to change it. */
static void
job_of_user(struct spool_job *job)
{
	const struct passwd *entry = getpwnam(job->user);

	job->as_uid = entry ? (int64_t)entry->pw_uid : -1;
	job->user = NULL;
	job->shared = true;
}

static bool
job_create(const struct attempt *attempt, const char *dir, char **words, struct str input,
	   char **ret_print, struct err *err)
{
	const struct conf_section *section = attempt->agent->section;
	AUTO(env_fini) struct env env = ENV_INIT;
	AUTO(auto_free) char *group = exec_group(attempt->id);
	AUTO(exec_confine_fini) struct exec_confine confine = {.workdir = NULL};
	AUTO(auto_free) char *workspace = exec_workspace_dir(attempt);
	int64_t output = attempt->run.limits.output_bytes, cpu_ms = limit_of(section, "cpu_time");
	struct spool_job job = {
		.id = attempt->id,
		.argv = (const char *const *)words,
		.workdir = workspace ? workspace : conf_str(section, "workdir"),
		.user = conf_str(section, "user"),
		.input = input,
		.keep_stdin = exec_is_open(section),
		.deadline_ms = deadline_of(attempt),
		.grace_ms = conf_ms(section, "grace"),
		.linger_ms = conf_ms(section, "linger"),
		.out_max = output >= 0 ? output : INT64_MAX,
		.err_max = STDERR_MAX,
		.memory_max = limit_of(section, "memory_max"),
		.cpu_time_s = cpu_ms < 0 ? -1 : (cpu_ms + 999) / 1000,
		.files = limit_of(section, "files"),
		.processes = limit_of(section, "processes"),
		.file_size = limit_of(section, "file_size"),
		.nice = limit_of(section, "nice"),
	};

	umask_of(section, &job.umask);
	cpu_of(section, &job.cpu_milli);
	job.as_uid = -1;
	if (exec_way_has_user(attempt))
		job_of_user(&job);
	exec_confine_init(&confine, attempt, job.workdir);
	job.cgroup = group;
	job.no_network = confine.rules.no_network;
	job.few_files = confine.rules.files;
	job.read_all = confine.rules.read_all;
	job.paths = confine.rules.paths;
	job_env(attempt, &env);
	env_put(&env, "ROUSE_WORKSPACE", workspace);
	if (!models_env(attempt, &env, err))
		return false;
	job.envp = env_items(&env);
	if (exec_keep_wants(attempt)) {
		job.session = true;
		job.idle_ms = conf_ms(section, "session_idle");
		free(*ret_print);
		*ret_print = job_print(attempt, &job, &env);
	}
	return spool_create_from(exec_pool(), dir, &job, err);
}

bool
exec_job_create(const struct attempt *attempt, const char *dir, struct str envelope,
		char **ret_print, struct err *err)
{
	AUTO(buf_fini) struct buf input = BUF_INIT;
	char **words = NULL;
	bool ok;

	if (!proc_split(conf_str(attempt->agent->section, "command"), &words, err))
		return false;
	if (!buf_try_reserve(&input, envelope.len + 1)) {
		proc_words_free(words);
		return err_set(err, E_FULL, "no memory for an envelope of %zu bytes", envelope.len);
	}
	buf_add_str(&input, envelope);
	buf_putc(&input, '\n');
	ok = job_create(attempt, dir, words, buf_str(&input), ret_print, err);
	proc_words_free(words);
	return ok;
}
