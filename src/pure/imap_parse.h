/* IMAP responses: cut out of a stream of bytes, literals and all, then read item by item. RFC 9051,
 * 7 and 9. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_IMAP_PARSE_H
#define ROUSE_PURE_IMAP_PARSE_H

#include "base/buf.h"
#include "base/err.h"

/* What came and is not handed out yet. A response is handed out whole, so at most text_max +
 * literal_max bytes of it are kept. */
struct imap_reader {
	struct buf buf;
	size_t text_max, literal_max; /* of one response; may be changed between two */
	size_t start, at, line;	      /* of the response, of the scan, of its line */
	size_t literal;		      /* bytes of a literal that are still to be skipped */
	size_t literals;	      /* bytes of literals in this response */
};

enum imap_status { IMAP_NONE, IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH, IMAP_STATUSES };

/* One response; slices of the reader, good until the next call. Server's words are not checked for
 * anything: they may hold any byte. */
struct imap_response {
	enum { IMAP_CONTINUE, IMAP_UNTAGGED, IMAP_TAGGED } kind;
	struct str tag;		    /* IMAP_TAGGED */
	enum imap_status status;    /* of OK, NO, BAD, BYE, PREAUTH; else IMAP_NONE */
	struct str code, code_args; /* "[UIDNEXT 7]": UIDNEXT and 7; p NULL */
	struct str text;	    /* what follows, for people; of IMAP_CONTINUE too */
	bool has_number;	    /* "* 23 EXISTS" */
	uint64_t number;
	struct str name; /* EXISTS, FETCH, SEARCH, ...; compare without case */
	struct str args; /* what follows, literals in their place */
};

void imap_reader_init(struct imap_reader *reader, size_t text_max, size_t literal_max);
void imap_reader_fini(struct imap_reader *reader);
/* E_FULL: no memory. */
bool imap_reader_feed(struct imap_reader *reader, struct str bytes, struct err *err);
enum imap_read { IMAP_READ_MORE, IMAP_READ_RESPONSE, IMAP_READ_BROKEN };
/* The next whole response. IMAP_READ_BROKEN: E_TOO_LARGE for a line or a literal beyond the limits
 * (as soon as it is announced), E_INVALID for what is no response; nothing more can be read then.
 */
enum imap_read imap_reader_next(struct imap_reader *reader, struct imap_response *ret,
				struct err *err);

struct imap_value {
	enum { IMAP_NIL, IMAP_ATOM, IMAP_QUOTED, IMAP_LITERAL, IMAP_LIST } kind;
	struct str raw; /* without quotes and parentheses; IMAP_QUOTED: still with its escapes */
};
/* Takes the next value off the front of *rest. False: nothing is left, or it is malformed (then
 * rest->len is not 0). */
bool imap_value_next(struct str *rest, struct imap_value *ret);
/* Appends the bytes that an atom, a string or a literal stands for. False for lists and NIL. */
bool imap_value_text(const struct imap_value *value, struct buf *out);
/* A number of RFC 9051 up to 2^63 - 1. */
bool imap_value_number(const struct imap_value *value, uint64_t *ret);

/* Takes "NAME VALUE" off the front of *items, the inside of FETCH's list; name with its section and
 * origin ("BODY[HEADER.FIELDS (DATE)]<0>"). As imap_value_next(). */
bool imap_item_next(struct str *items, struct str *ret_name, struct imap_value *ret_value);

/* The next range of a sequence set ("1:3,7", "9" is 9:9) or of numbers with blanks between; zeros
 * and "*" are skipped. from <= to. False at the end, or at what is neither. */
bool imap_range_next(struct str *set, uint64_t *ret_from, uint64_t *ret_to);

#endif
