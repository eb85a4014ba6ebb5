/* rouse-shim: starting the agent in its bounds, ending it with all that it started. */
/* SPDX-License-Identifier: MIT */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "io/cgroup.h"
#include "io/confine.h"
#include "io/start.h"
#include "io/tree.h"

enum {
	LIMITS = 6,
	CPU_SLACK_S = 5, /* SIGXCPU first, SIGKILL for who does not heed it */
	OOM_SCORE = 300, /* an agent goes before the daemon */
};

static void
limit_add(struct start_limit *limits, size_t *count, int resource, int64_t soft, int64_t hard)
{
	if (soft > 0)
		limits[(*count)++] = (struct start_limit){resource, (rlim_t)soft, (rlim_t)hard};
}

/* Of the agent; NULL: it has none of its own. */
static const char *group;

/* Where there is none after all, the limits of each process hold, as elsewhere. */
static bool
group_make(const struct shim *s, struct cgroup_kept *ret_kept, int *ret_fd)
{
	const struct spool_job *job = s->job;
	const struct cgroup_limits limits = {.memory_max = job->memory_max,
					     .processes = job->processes,
					     .cpu_milli = job->cpu_milli};
	const char *leaf = s->in_unit ? unit_group() : job->cgroup;
	if (!leaf || !cgroup_make(leaf, &limits, ret_kept, ret_fd, NULL))
		return false;
	group = leaf;
	return true;
}

static const char *
env_get(const char *const *envp, struct str prefix)
{
	for (size_t i = 0; envp && envp[i]; i++)
		if (!strncmp(envp[i], prefix.p, prefix.len))
			return envp[i] + prefix.len;
	return NULL;
}

/* The daemon's own score may be low; what it starts inherits that. */
static void
score_raise(pid_t pid)
{
	char path[40], text[8];
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	int len = snprintf(text, sizeof(text), "%d", OOM_SCORE);
	AUTO(auto_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, text, (size_t)len);
}

bool
agent_start(struct shim *s, const int fds[3], struct err *err)
{
	const struct spool_job *job = s->job;
	AUTO(auto_free) char **paths = start_paths(job->argv[0], env_get(job->envp, STR("PATH=")));
	/* No core: it would hold the agent's secrets. */
	struct start_limit limits[LIMITS] = {{RLIMIT_CORE, 0, 0}};
	const struct confine_rules rules = {
		.no_network = job->no_network,
		.files = job->few_files,
		.read_all = job->read_all,
		.argv = job->argv,
		.paths = job->paths,
	};
	struct confine *confine = NULL;
	struct cgroup_kept kept = {.memory_max = false};
	AUTO(auto_close) int group_fd = -1;
	struct start_plan plan = {
		.argv = job->argv,
		.envp = job->envp,
		.paths = (const char *const *)paths,
		.workdir = job->workdir,
		.fds = {fds[0], fds[1], fds[2]},
		.new_session = true,
		.die_with_parent = true,
		.limits = limits,
		.limit_count = 1,
		.umask = job->umask >= 0 && job->umask <= 0777 ? (int)job->umask : -1,
		.nice = job->nice >= -20 && job->nice <= 19 && job->nice != -1 ? (int)job->nice : 0,
		.change_user = job->change_user,
		.uid = job->uid,
		.gid = job->gid,
		.groups = job->groups,
		.group_count = job->group_count,
	};
	plan.enter_group = group_make(s, &kept, &group_fd);
	plan.group_fd = group_fd;
	if (!kept.memory_max)
		limit_add(limits, &plan.limit_count, RLIMIT_AS, job->memory_max, job->memory_max);
	limit_add(limits, &plan.limit_count, RLIMIT_CPU, job->cpu_time_s,
		  job->cpu_time_s + CPU_SLACK_S);
	limit_add(limits, &plan.limit_count, RLIMIT_NOFILE, job->files, job->files);
	if (!kept.processes)
		limit_add(limits, &plan.limit_count, RLIMIT_NPROC, job->processes, job->processes);
	limit_add(limits, &plan.limit_count, RLIMIT_FSIZE, job->file_size, job->file_size);
	if (!confine_new(&rules, &confine, err))
		return false;
	plan.confine = confine;
	bool started = start_program(&plan, &s->agent, NULL, &s->status.exec_errno, err);
	confine_free(confine);
	if (!started)
		return false;
	score_raise(s->agent);
	return true;
}

void
agent_terminate(void)
{
	tree_terminate(getpid());
}

void
agent_kill(void)
{
	/* At once, however fast it forks; the tree is for who is not in it. */
	if (group)
		cgroup_kill(group);
	tree_kill(getpid());
}

int
agent_oom_kills(void)
{
	return group ? cgroup_oom_kills(group) : 0;
}

bool
who_write(const char *file, pid_t pid, struct err *err)
{
	char text[48];
	int len = snprintf(text, sizeof(text), "%d %llu\n", (int)pid,
			   (unsigned long long)os_process_start(pid));
	AUTO(auto_close)
	int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	if (fd < 0)
		return err_errno(err, errno, "cannot create %s", file);
	/* One byte is what a folder that is used again begins with; more is another shim's name. */
	if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st) || st.st_size > 1)
		return err_set(err, E_EXISTS, "%s is somebody else's already", file);
	if (!os_write_all(fd, str_make(text, (size_t)len), err))
		return err_prefix(err, "%s", file);
	/* The folder may have been used before: what stood here was longer, or shorter. */
	return !ftruncate(fd, len) || err_errno(err, errno, "cannot cut %s", file);
}
