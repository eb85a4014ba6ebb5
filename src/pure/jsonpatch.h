/* JSON Patch (RFC 6902): operations on a document, all of them or none. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_JSONPATCH_H
#define ROUSE_PURE_JSONPATCH_H

#include "base/err.h"
#include "base/json.h"

/* Is it a list of operations as the RFC has them? E_INVALID names the first that is not. */
bool jsonpatch_check(const json_t *patch, struct err *err);
/* *ret: a new reference to what the patch makes of target, which is left as it is. E_DRIFT: an
 * operation does not fit what is there (a `test` that fails, a path that is not there). */
bool jsonpatch_apply(const json_t *target, const json_t *patch, json_t **ret, struct err *err);

#endif
