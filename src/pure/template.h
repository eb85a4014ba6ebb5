/* Templates: text with {name} in it, parsed once, filled in often. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_TEMPLATE_H
#define ROUSE_PURE_TEMPLATE_H

#include "base/buf.h"
#include "base/err.h"

struct template;

enum template_escape {
	TEMPLATE_PLAIN,
	TEMPLATE_URL,	 /* values percent-encoded, all but letters, digits and -._~ */
	TEMPLATE_HEADER, /* values with control characters are refused */
};

/* A name is letters, digits and _ . - (at most 64). {{ and }} stand for { and }. E_CONFIG with the
 * place of the error, counted from 1. */
bool template_parse(struct str text, struct template **ret, struct err *err);
void template_free(struct template *t);
void template_auto_free(struct template **t); /* AUTO(template_auto_free) */

/* The names in order, repeats included; p NULL beyond the last. For checks when it is read. */
struct str template_name(const struct template *t, size_t index);

/* Appends the filled-in text to out; on failure out is as it was. lookup appends a name's value to
 * ret, or returns false with a sentence when there is none. E_INVALID for a header's value with a
 * control character, else what lookup says. */
bool template_render(const struct template *t, enum template_escape escape,
		     bool (*lookup)(void *arg, struct str name, struct buf *ret, struct err *err),
		     void *arg, struct buf *out, struct err *err);

#endif
