/* Errors: one code from one table, and a sentence that helps its reader. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_ERR_H
#define ROUSE_BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

/* X(code, name, HTTP status, exit status of the command line, may be tried again) */
#define ERR_TABLE(X)                                                                               \
	X(E_OK, "ok", 200, 0, false)                                                               \
	X(E_USAGE, "usage", 400, 2, false)                                                         \
	X(E_INVALID, "invalid", 400, 1, false)                                                     \
	X(E_MAPPING, "mapping", 422, 1, false)                                                     \
	X(E_CONFLICT, "key_conflict", 422, 4, false)                                               \
	X(E_CONFIG, "config", 400, 1, false)                                                       \
	X(E_UNAUTHORIZED, "unauthorized", 401, 4, false)                                           \
	X(E_DENIED, "denied", 403, 4, false)                                                       \
	X(E_NOT_FOUND, "not_found", 404, 3, false)                                                 \
	X(E_METHOD, "method", 405, 2, false)                                                       \
	X(E_STATE, "state", 409, 4, false)                                                         \
	X(E_EXISTS, "exists", 409, 4, false)                                                       \
	X(E_DRIFT, "drift", 409, 1, false)                                                         \
	X(E_LENGTH, "length_required", 411, 1, false)                                              \
	X(E_TOO_LARGE, "too_large", 413, 1, false)                                                 \
	X(E_MEDIA, "media_type", 415, 1, false)                                                    \
	X(E_RATE, "rate", 429, 4, true)                                                            \
	X(E_BUDGET, "budget", 429, 4, false)                                                       \
	X(E_FULL, "full", 503, 1, true)                                                            \
	X(E_PAUSED, "paused", 503, 4, true)                                                        \
	X(E_UNAVAILABLE, "unavailable", 503, 5, true)                                              \
	X(E_TIMEOUT, "timeout", 504, 1, true)                                                      \
	X(E_IO, "io", 503, 1, true)                                                                \
	X(E_CORRUPT, "corrupt", 500, 1, false)                                                     \
	X(E_INTERNAL, "internal", 500, 1, false)

enum err_code {
#define X(code, name, http, exit, again) code,
	ERR_TABLE(X)
#undef X
		ERR_CODES
};

/* code E_OK and text NULL: no error. text is owned. */
struct err {
	enum err_code code;
	char *text;
	int64_t again_ms; /* when to try again, where that is known; 0 */
};

#define ERR_INIT                                                                                   \
	{                                                                                          \
		E_OK, NULL, 0                                                                      \
	}

void err_fini(struct err *err);

/* Sets err (which may be NULL; what stood there is freed) and returns false, so that a
 * function can end with `return err_set(err, E_STATE, "run %s has ended", id);`. */
bool err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF(3, 4);

/* The same with ": " and strerror(errnum) behind; ENOSPC, ENOMEM and EDQUOT become E_FULL. */
bool err_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF(3, 4);

/* Puts "PREFIX: " before the sentence, keeping the code. Returns false. */
bool err_prefix(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* Moves src into dst (which may be NULL); src is empty after. Returns false. */
bool err_move(struct err *dst, struct err *src);

const char *err_text(const struct err *err); /* never NULL */
const char *err_name(enum err_code code);
int err_http(enum err_code code);
int err_exit(enum err_code code);
bool err_again(enum err_code code);
/* The code that an HTTP status stands for, for the command line. */
enum err_code err_from_http(int status);
enum err_code err_from_name(const char *name); /* E_INTERNAL when unknown */

#endif
