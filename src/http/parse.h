/* The request parser: bytes in, head and body out. Strict RFC 9112, no sockets, no quadratic work.
 */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_PARSE_H
#define ROUSE_HTTP_PARSE_H

#include "base/buf.h"

#define PARSE_FIELDS_MAX 100
#define PARSE_HEAD_MIN 1024 /* the least that a limit on the head is taken for */

/* X(name, HTTP status, code, sentence) */
#define PARSE_REFUSALS(X)                                                                          \
	X(METHOD, 400, "bad_request",                                                              \
	  "the method is not a token of at most 32 bytes followed by one space; is this HTTP?")    \
	X(UNKNOWN_METHOD, 501, "not_implemented",                                                  \
	  "only GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS are served")                       \
	X(REQUEST_LINE, 400, "bad_request",                                                        \
	  "the request line is not METHOD SP TARGET SP HTTP/1.1")                                  \
	X(BARE_LF, 400, "bad_request", "a line ends in LF without CR")                             \
	X(VERSION, 505, "version", "only HTTP/1.1 and HTTP/1.0 are spoken here")                   \
	X(TARGET, 400, "bad_request",                                                              \
	  "the request target is not a plain path: it begins with one slash, has no empty, '.' "   \
	  "or '..' segment, no control byte, no backslash, and is encoded as RFC 3986 says")       \
	X(TARGET_LONG, 414, "uri_too_long", "the request line is longer than max_header")          \
	X(HEAD_LONG, 431, "header_too_large", "the header is longer than max_header")              \
	X(FIELD_COUNT, 431, "header_too_large", "there are more than 100 header fields")           \
	X(FIELD, 400, "bad_request", "a header line is not NAME ':' VALUE with a token as name")   \
	X(FOLD, 400, "bad_request", "a header field is folded over several lines")                 \
	X(VALUE, 400, "bad_request", "a header value holds a control byte")                        \
	X(TWICE, 400, "bad_request", "a header field that may stand once stands twice")            \
	X(NO_HOST, 400, "bad_request", "the Host field is missing")                                \
	X(HOST, 400, "bad_request", "the Host field is not HOST or HOST:PORT")                     \
	X(AUTHORITY, 400, "bad_request", "the Host field and the request target differ")           \
	X(LENGTH, 400, "bad_request", "Content-Length is not one decimal number below 2^64")       \
	X(CODING, 501, "not_implemented",                                                          \
	  "of transfer codings only 'chunked', alone, is understood")                              \
	X(CHUNKED, 400, "bad_request", "Transfer-Encoding is not exactly 'chunked'")               \
	X(FRAMING, 400, "bad_request", "Transfer-Encoding stands beside Content-Length")           \
	X(OLD_CHUNKED, 400, "bad_request", "Transfer-Encoding does not exist in HTTP/1.0")         \
	X(EXPECT, 417, "expectation", "only the expectation 100-continue can be met")              \
	X(TOO_LARGE, 413, "too_large", "the body is larger than is taken here")                    \
	X(CHUNK_SIZE, 400, "bad_request",                                                          \
	  "a chunk does not begin with 1 to 16 hexadecimal digits and sound extensions")           \
	X(CHUNK_EXT, 400, "bad_request", "the chunk extensions are too long")                      \
	X(CHUNK_END, 400, "bad_request",                                                           \
	  "a chunk's data does not end in CR LF where its size says")                              \
	X(TRAILER, 400, "bad_request", "a trailer line is not NAME ':' VALUE")                     \
	X(TRAILER_LONG, 431, "header_too_large", "the trailers are too long")

enum parse_refusal {
#define X(name, status, code, text) PARSE_##name,
	PARSE_REFUSALS(X)
#undef X
		PARSE_REFUSAL_COUNT
};

enum parse_event {
	PARSE_MORE,    /* the input is used up */
	PARSE_HEAD,    /* the head is there; max_body may be set now */
	PARSE_BODY,    /* *ret_body is a piece of the body, a slice of the input */
	PARSE_DONE,    /* the request is whole; what is left of the input belongs to the next */
	PARSE_REFUSED, /* refusal says why; the connection cannot be read any further */
	PARSE_GO_ON,   /* not seen by callers */
};

/* Part of the arena. Offsets, because the arena moves while it grows. */
struct parse_span {
	uint32_t at, len;
};
struct parse_field {
	struct parse_span name, value; /* name in lower case */
};

struct parse {
	/* Set by the caller, the second not later than PARSE_HEAD. */
	size_t max_head;
	uint64_t max_body;

	/* The head; whole after PARSE_HEAD, and where it is until parse_reset(). */
	struct parse_span method, target, path, query, host;
	bool http10, keep_alive, wants_continue, chunked;
	uint64_t length; /* of a body that is not chunked */
	enum parse_refusal refusal;
	unsigned field_count;

	/* The machine. */
	unsigned char state;
	unsigned known; /* fields of the table of known ones that were seen, bits */
	bool says_close, says_keep_alive;
	unsigned trailer_count;
	size_t line_start;  /* of the line that is being read, in the arena */
	size_t left;	    /* bytes that the head, a chunk's line or the trailers may still take */
	size_t ext_left;    /* bytes that the chunk extensions may still take */
	uint64_t body_left; /* bytes to come of the body or the chunk */
	uint64_t body_total; /* chunked: promised so far */
	struct parse_span authority;
	struct buf arena, line;
	struct parse_field fields[PARSE_FIELDS_MAX];
};

/* p: all zero, or one that parse_fini() or parse_reset() has seen. Makes it ready for a request. */
void parse_reset(struct parse *p, size_t max_head, uint64_t max_body);
void parse_fini(struct parse *p);
/* Goes on to the next event; takes what it used from the front of in. After PARSE_DONE and
 * PARSE_REFUSED only parse_reset() is of use. How the bytes were split makes no difference. */
enum parse_event parse_next(struct parse *p, struct str *in, struct str *ret_body);

bool parse_has_body(const struct parse *p);
static inline struct str
parse_str(const struct parse *p, struct parse_span span)
{
	return str_make(p->arena.data ? p->arena.data + span.at : "", span.len);
}
int parse_refusal_status(enum parse_refusal refusal);
const char *parse_refusal_code(enum parse_refusal refusal);
const char *parse_refusal_text(enum parse_refusal refusal);

#endif
