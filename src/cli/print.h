/* Print: tables and fields for people, JSON for programs, colour only where somebody looks. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_PRINT_H
#define ROUSE_CLI_PRINT_H

#include "base/clock.h"
#include "base/json.h"

struct print {
	struct buf buf; /* what print_flush has not written yet */
	int fd;
	bool terminal; /* somebody looks: relative times, cut cells */
	bool colour;
	bool json;
	unsigned width; /* columns of the terminal; 0: no limit */
	struct wall now;
};

enum print_style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_RED,
	STYLE_GREEN,
	STYLE_YELLOW,
	STYLE_BLUE,
	STYLE_REVERSE, /* on top of the one before */
	STYLE_STRAIGHT /* its end */
};

enum cell {
	CELL_TEXT,
	CELL_ID,     /* a UUID is shortened on a terminal to what tells runs apart */
	CELL_STATUS, /* coloured by what the word means */
	CELL_COUNT,  /* right-aligned */
	CELL_MONEY,  /* right-aligned dollars */
	CELL_SPAN,   /* milliseconds, as 1m30s; nothing for none */
	CELL_TIME,   /* "3m ago" on a terminal, as it came elsewhere */
	CELL_LIST,   /* an array's items, comma separated */
	CELL_JSON,   /* compact */
};

struct column {
	const char *title;
	const char *key; /* a member, or a path of them: "changes.proposed" */
	enum cell kind;
};

/* fd -1 keeps everything in buf (tests). */
void print_init(struct print *print, int fd, bool json, bool no_colour, struct wall now);
void print_fini(struct print *print);
bool print_flush(struct print *print, struct err *err); /* writes and forgets buf */

/* Strangers' text, escaped, on one line. s NULL prints nothing. */
void print_text(struct print *print, const char *s);
/* Strangers' text of several lines, escaped, each line behind indent, ended by a line feed. */
void print_lines(struct print *print, const char *indent, struct str s);
/* Our own words. */
void print_f(struct print *print, const char *fmt, ...) PRINTF(2, 3);
void print_style(struct print *print, enum print_style style);
void print_styled(struct print *print, enum print_style style, const char *s); /* escaped */
enum print_style print_status_style(const char *status);

/* One JSON object on one line; on a terminal what could harm it is escaped, still JSON. */
void print_json(struct print *print, struct str json);

/* rows: an array of objects. widths: of count columns, kept between the pages of one list; zeros
 * for the first page, which prints the titles. A column that is empty in all rows of the first
 * page is left out on a terminal. */
void print_table(struct print *print, const struct column *columns, size_t count,
		 const json_t *rows, unsigned *widths);
/* "title   value" a line; what the object has not is left out. */
void print_fields(struct print *print, const struct column *columns, size_t count,
		  const json_t *object);
/* The text of one cell, escaped, not cut. */
void print_cell(const struct print *print, const struct column *column, const json_t *object,
		struct buf *out);

/* How long ago, or from now: "3m ago", "in 2h". */
void print_age(struct wall at, struct wall now, struct buf *out);

/* A bar on standard error, redrawn; nothing when that is no terminal. done == total ends it. */
void print_progress(const char *what, size_t done, size_t total);

#endif
