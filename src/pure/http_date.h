/* Dates and delays as HTTP headers have them. RFC 9110, 5.6.7 and 10.2.3. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_HTTP_DATE_H
#define ROUSE_PURE_HTTP_DATE_H

#include "base/clock.h"

/* Sun, 06 Nov 1994 08:49:37 GMT, and the two older forms: Sunday, 06-Nov-94 08:49:37 GMT (its
 * century is the one that puts it no more than 50 years after now) and Sun Nov  6 08:49:37 1994.
 * The day's name is not compared with the date. false: it is none. */
bool http_date_parse(struct str text, struct wall now, struct wall *ret);
/* Retry-After: seconds, or such a date. *ret_ms: from now, 0 to cap_ms. false: it says nothing. */
bool retry_after_parse(struct str text, struct wall now, int64_t cap_ms, int64_t *ret_ms);

#endif
