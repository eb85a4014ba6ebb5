/* Cron expressions: parsed once into masks. Grammar, decisions and error texts: the manual's.
 * "calendar:" and a systemd calendar event (pure/calendar.h) become the same masks. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CRON_EXPR_H
#define ROUSE_PURE_CRON_EXPR_H

#include "base/buf.h"
#include "base/err.h"
#include "pure/zone.h"

#define CRON_TEXT_MAX 1024
#define CRON_FIRST_YEAR 1970
#define CRON_LAST_YEAR 2199

enum cron_field {
	CRON_SECOND,
	CRON_MINUTE,
	CRON_HOUR,
	CRON_DOM,
	CRON_MONTH,
	CRON_DOW,
	CRON_YEAR,
	CRON_FIELDS
};

#define CRON_NTH_LAST 5 /* bit in nth: the last one of the month */

/* Bit n of a mask is the value n. */
struct cron_expr {
	uint64_t second, minute, year[4]; /* year: bit 0 is CRON_FIRST_YEAR */
	uint32_t hour, dom, month;
	uint32_t last_day;     /* bit n: L-n, bit 0: L */
	uint32_t last_weekday; /* bit n: L-nW, bit 0: LW */
	uint32_t nearest;      /* bit d: dW */
	uint8_t dow;	       /* 0 is Sunday */
	uint8_t nth[7];	       /* of each weekday: bit 0 the first ... bit 4 the fifth */
	uint8_t loose;	       /* bit f: field f (second, minute, hour) was written with * ? or / */
	uint8_t wide;	/* bit f: field f has a step that is larger than its range, as 1-5/10 */
	uint8_t fields; /* 5, 6 or 7; 0: @every or @reboot */
	bool both;	/* + before day-of-week: both days must match */
	bool dom_star, dow_star;
	uint8_t star_step[CRON_FIELDS]; /* n of a whole field with a step: star/n, 0-59/n; 0: none
					 */
	uint16_t star_column;		/* of such a day field */
	bool rhythm;			/* follows real time; else a list of appointments */
	bool calendar;			/* written as a systemd calendar event */
	bool reboot;			/* once when the daemon starts, never by the clock */
	int64_t every_s,
		phase_s; /* @every: each time that is phase_s more than a multiple of every_s */
	char zone[ZONE_NAME_MAX + 1]; /* of CRON_TZ= or TZ=; empty: none */
	size_t zone_column;
};

/* seed: the trigger's id, from which H draws its values. E_INVALID "cron:COLUMN: FIELD: ...", the
 * column counted in bytes from 1. Whether the zone exists is not looked at. */
bool cron_parse(struct str text, struct str seed, struct cron_expr *ret, struct err *err);

/* The same schedule in its plainest spelling: 0 9 * * MON-FRI, @every 1h30m. H is already drawn.
 * Parses to the same masks and class. */
void cron_print(const struct cron_expr *expr, struct buf *out);
/* One field of it, day-of-week without its +. */
void cron_print_field(const struct cron_expr *expr, enum cron_field field, struct buf *out);

/* Marks the fields that are full, and decides on the class, when all masks are set. */
void cron_expr_set_class(struct cron_expr *expr);

const char *cron_field_name(enum cron_field field);
/* Three letters: month 1-12, weekday 0-6. */
const char *cron_month_name(int month);
const char *cron_weekday_name(int weekday);

#endif
