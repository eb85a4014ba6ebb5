/* A core without rules: a loop, turns that commit or fail as a test says, attempts that are written
 * down. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TESTS_FAKES_CORE_H
#define ROUSE_TESTS_FAKES_CORE_H

#include "core/agent.h"
#include "core/target.h"

/* What a test sees of one attempt. */
struct fake_attempt {
	struct attempt attempt; /* its kind gets this */
	struct agent agent;
	struct buf
		lines;	 /* what attempt_line() got, a line each; taken back by a turn that fails */
	struct buf logs; /* "TYPE DATA\n" of attempt_log() */
	size_t lines_kept, logs_kept; /* of them on disk */
	unsigned line_count, cut_count;
	struct mono first_line;
	bool ended, cancelled;	/* cancelled: attempt_line() got STOP_LINE and stopped it */
	struct attempt_end end; /* its strings are owned */
};

struct fake {
	struct core core;
	char dir[64]; /* a folder of its own, removed at the end */
	struct conf *conf;
	struct conf_report *report;
	struct attempt_list live;
	unsigned fail_turns; /* so many turns that have something to commit will fail */
	unsigned turns;
	char *intent, *echo; /* the last receipt and the last path that were noted */
	bool timed_out;
};
extern struct fake *fake;
/* A line that makes the fake call attempt_stop(), as a budget does. */
#define STOP_LINE "stop here"

void fake_init(struct fake *f);
void fake_fini(struct fake *f);
/* Removes the folder of a fake in another process, which was killed. */
void fake_clean(pid_t pid);
/* Reads text as a rouse.conf, with the keys of core and of these kinds (NULL: none); NULL when it
 * is refused, the report then says why. */
struct conf *fake_conf(struct fake *f, const char *text);
/* What the report says; good until the next call. */
const char *fake_report(struct fake *f);
/* Goes round the loop, a turn at a time, until done(arg); false after ms. */
bool fake_until(struct fake *f, bool (*done)(void *arg), void *arg, int64_t ms);
bool fake_until_true(struct fake *f, const bool *flag, int64_t ms);
/* Some turns more, for so long. */
void fake_idle(struct fake *f, int64_t ms);

/* An attempt of agent section NAME, live. */
void fake_attempt_init(struct fake_attempt *a, struct fake *f, const char *agent, const char *id);
void fake_attempt_fini(struct fake_attempt *a);
/* One attempt, its end awaited. */
bool fake_run(struct fake_attempt *a, const char *envelope, int64_t ms);

/* A target of section NAME, opened. */
bool fake_target(struct fake *f, const char *name, struct target *ret);

#endif
