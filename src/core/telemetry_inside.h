/* Telemetry, inside: what waits, the body that a thread makes of it, and the line out. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CORE_TELEMETRY_INSIDE_H
#define ROUSE_CORE_TELEMETRY_INSIDE_H

#include <stdatomic.h>

#include "base/log.h"
#include "conf/secret.h"
#include "core/registry.h"
#include "core/telemetry.h"

struct fetch;
struct fetch_answer;

/* --- telemetry_line.c: one kind of body, one at a time --- */

enum line_end {
	LINE_TAKEN,
	LINE_REFUSED,	/* for good; counted */
	LINE_TOO_LARGE, /* the receiver wants less at once */
};
struct telemetry_line {
	struct core *core;
	const char *signal; /* "traces" or "logs": of the path, and of metrics */
	void (*on_end)(void *arg, enum line_end end);
	void *arg;
	struct buf body;
	uint64_t items; /* in it */
	struct fetch *fetch;
	struct core_timer *again;
	size_t heard;	   /* of its answer */
	unsigned failures; /* in a row */
	bool busy;	   /* from line_send() to on_end() */
	bool complained;   /* once, until it goes well again */
};
void line_init(struct telemetry_line *line, struct core *core, const char *signal,
	       void (*on_end)(void *arg, enum line_end end), void *arg);
void line_fini(struct telemetry_line *line);
/* on_end follows, not from within, however long the receiver is away. */
void line_send(struct telemetry_line *line, struct buf *take_body, uint64_t items);
/* What is being sent is given up; no on_end. */
void line_stop(struct telemetry_line *line);
/* Items that will never be told. Said once, until something is taken again. */
void line_drop(struct telemetry_line *line, uint64_t items, const char *reason, const char *text);

/* --- telemetry_spans.c: runs in a thread --- */

/* What is known of agents beside their name: a copy for threads. */
struct span_agent {
	char *name, *provider, *model; /* model NULL: not said */
	bool remote;
};
struct span_facts {
	int refs; /* counted in the loop alone */
	struct span_agent *agents;
	size_t count;
	char **attributes; /* of the resource: name, value, ..., NULL */
	double sample;
};
struct span_job {
	/* in */
	struct core *core;
	struct span_facts *facts;
	int64_t event; /* told up to here */
	int64_t due;   /* likewise */
	unsigned most; /* events, and rows, that one body may be of */
	/* out */
	struct buf body;
	uint64_t spans, left_out; /* of attempts with too many */
	unsigned rows;		  /* that it is made of */
	bool more;		  /* there is more than fit */
	struct err err;
};
void spans_make(void *job);

/* --- telemetry_logs.c --- */

struct telemetry_logs {
	struct core *core;
	struct telemetry_line line;
	struct core_timer *timer;
	struct buf waiting; /* records, with commas between, behind a bracket */
	_Atomic uint64_t count;
	uint64_t full;
	bool on, armed; /* armed: the timer, or what is being sent, looks again */
};
struct telemetry_logs *logs_new(struct core *core);
void logs_free(struct telemetry_logs *logs);
/* level below 0: none are told. */
void logs_reload(struct telemetry_logs *logs, int level);
/* In the loop: lines may have come since. */
void logs_look(struct telemetry_logs *logs);
void logs_flush(struct telemetry_logs *logs);

/* --- telemetry.c --- */

struct telemetry {
	struct core *core;
	struct telemetry_line line; /* of spans */
	struct telemetry_logs *logs;
	struct core_timer *timer;
	struct span_job *job;	  /* in a thread, or what of it is being sent; NULL */
	struct span_facts *facts; /* of the generation in force; NULL: off */
	int64_t event;		  /* told up to here */
	int64_t due;		  /* rows that wait, about */
	unsigned most;		  /* rows that the next body may be of */
	bool on, awake, drains, gave_up;
	/* what [telemetry] says */
	int64_t delay_ms, timeout_ms, queue;
	char *url;
	char **headers; /* "Name: value", NULL at the end; zeroed when freed */
};

#endif
