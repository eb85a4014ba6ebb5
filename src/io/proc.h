/* Child processes: spawned without a shell, watched by pidfd, their trees ended whole. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_PROC_H
#define ROUSE_IO_PROC_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

struct event_base;

struct proc_spec {
	const char *const *argv;	    /* argv[0] is looked up in $PATH unless it has a '/' */
	const char *const *envp;	    /* NULL: an empty environment */
	const char *workdir;		    /* NULL: / */
	int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null */
	bool new_session;
};

/* exited: status as of wait(2); for a process that is no child of ours (adopted) it is -1. */
typedef void proc_on_exit(void *arg, int wait_status);

struct proc;
/* Starts a child with only the three descriptors open, default signals, no_new_privs. Fast also
 * with 20,000 open descriptors (close_range; vfork semantics). E_NOT_FOUND, E_DENIED with the path.
 */
struct proc *proc_spawn(struct event_base *base, const struct proc_spec *spec,
			proc_on_exit *on_exit, void *arg, struct err *err);
/* Watches a process that someone else started; start is os_process_start()'s. E_NOT_FOUND when it
 * is gone or another one has its pid. */
struct proc *proc_adopt(struct event_base *base, pid_t pid, uint64_t start, proc_on_exit *on_exit,
			void *arg, struct err *err);
pid_t proc_pid(const struct proc *proc);
bool proc_is_running(const struct proc *proc); /* on_exit has not come yet */
void proc_signal(struct proc *proc, int sig);
/* Stops watching (the process goes on). on_exit is not called any more. */
void proc_free(struct proc *proc);

/* Splits a command into words as a POSIX shell splits them (quotes, backslashes; no expansion,
 * no operators: those are E_INVALID with a sentence). *ret: NULL-terminated, owned, one block per
 * word. */
bool proc_split(const char *command, char ***ret, struct err *err);
void proc_words_free(char **words);

/* Kills (SIGKILL) and reaps every child of this process whose pid is_known refuses: what a dead
 * shim left behind comes to us, a subreaper. Returns how many. */
size_t proc_reap_strangers(bool (*is_known)(void *arg, pid_t pid), void *arg);
/* Kills every process whose environment has NAME=VALUE, repeatedly until there is none left, at
 * most a second. For what outlived a shim while no roused ran. Returns how many. */
size_t proc_kill_marked(const char *name, const char *value);

#endif
