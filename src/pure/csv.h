/* CSV, read strictly (RFC 4180, in UTF-8): records out of a stream of bytes, each whole or refused
 * with a sentence. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CSV_H
#define ROUSE_PURE_CSV_H

#include "base/buf.h"
#include "base/err.h"

#define CSV_FIELDS_MAX 4096

/* A field in quotes may hold delimiters, line ends and doubled quotes; nothing else may stand
 * beside the quotes. Lines end in LF or CR LF. Empty lines are no records. A NUL, a quote within a
 * field that does not begin with one, a lone CR and what is not UTF-8 are refused. */
struct csv {
	char delimiter;
	size_t field_max, record_max; /* bytes */

	uint64_t offset;		     /* of the byte that comes next */
	uint64_t line;			     /* that it is in, from 1 */
	uint64_t record_offset, record_line; /* where the record began */
	uint64_t next_offset, next_line;     /* behind the last record that was given out */

	struct buf bytes; /* the fields of the record, one behind the other */
	size_t *ends;	  /* in bytes */
	size_t count, room;
	int state;
	size_t field_from;
	uint64_t field_line; /* where the field began */
	bool given;	     /* the record was given out: the next byte begins another */
};

enum csv_got {
	CSV_MORE,   /* all bytes are taken, no record has ended */
	CSV_RECORD, /* one has: csv_field() until the next call */
	CSV_BAD,    /* E_INVALID, E_TOO_LARGE: a sentence that begins with the line */
};

void csv_init(struct csv *csv, char delimiter, size_t field_max, size_t record_max);
void csv_fini(struct csv *csv);
/* The next byte is at offset, in line: a record begins there. */
void csv_begin(struct csv *csv, uint64_t offset, uint64_t line);
/* Takes from the front of *bytes what it needs. */
enum csv_got csv_next(struct csv *csv, struct str *bytes, struct err *err);
/* The stream is over: a last record without line end, or CSV_MORE: there is none. */
enum csv_got csv_end(struct csv *csv, struct err *err);
static inline size_t
csv_count(const struct csv *csv)
{
	return csv->count;
}
static inline struct str
csv_field(const struct csv *csv, size_t i)
{
	size_t from = i ? csv->ends[i - 1] : 0;

	return str_make((csv->bytes.data ? csv->bytes.data : "") + from, csv->ends[i] - from);
}

#endif
