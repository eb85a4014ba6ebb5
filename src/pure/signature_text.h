/* What a signature signs: the template's parts, a form in Twilio's order, a URL's two spellings. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_SIGNATURE_TEXT_H
#define ROUSE_PURE_SIGNATURE_TEXT_H

#include "base/buf.h"
#include "base/err.h"

#define SIGNED_PARTS_MAX 16

enum signed_name {
	SIGNED_TIMESTAMP,
	SIGNED_ID,
	SIGNED_BODY,
	SIGNED_METHOD,
	SIGNED_URL,
	SIGNED_FORM,
	SIGNED_NAMES
};

/* Checks a template; *ret_used has bit n set where enum signed_name n occurs. E_CONFIG. */
bool signed_text_check(const char *template, unsigned *ret_used, struct err *err);

/* The template's literals and values in order; returns how many of the SIGNED_PARTS_MAX are set.
 * The template has passed signed_text_check. */
size_t signed_text_parts(const char *template, const struct str values[SIGNED_NAMES],
			 struct str parts[SIGNED_PARTS_MAX]);

/* The fields of a form, decoded, each once, ordered by name and then value, without separators. */
void signed_form(struct str body, struct buf *out);

/* The value of bodySHA256 in the URL's query; p NULL when there is none. */
struct str signed_url_sha256(struct str url);

/* The URL with its scheme's own port added or, where it has one, with the port taken away.
 * False when it is no http or https URL. */
bool signed_url_other_port(struct str url, struct buf *out);

#endif
