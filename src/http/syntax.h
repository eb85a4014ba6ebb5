/* Syntax: which bytes may stand where in a request. RFC 9110, 9112, 3986; strict where they leave a
 * choice. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_SYNTAX_H
#define ROUSE_HTTP_SYNTAX_H

#include "base/buf.h"

bool syntax_is_tchar(char c);
/* At least one byte, all tchar. */
bool syntax_is_token(struct str s);
/* A field's value: HTAB, SP, visible ASCII, obs-text. May be empty. */
bool syntax_is_value(struct str s);
/* host or host:port: a name of letters, digits, "-._~", an IPv4 address or [IPv6]; port 1 to 65535.
 */
bool syntax_is_host(struct str s);
/* Spaces and tabs at both ends taken off (not CR or LF, as str_trim() would). */
struct str syntax_trim(struct str s);

/* Appends the decoded path to out. false: out is as it was. Refuses what does not begin with "/",
 * bytes that must be encoded and are not, "%" without two digits, control bytes, "\", "//",
 * segments
 * "." and "..", also where these come to be by decoding a second time, and what is not UTF-8. */
bool syntax_decode_path(struct str raw, struct buf *out);
/* Visible ASCII but for "#<>\ and sound percent signs; no %00. */
bool syntax_is_query(struct str raw);

/* chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] ), without any blank. */
bool syntax_is_chunk_ext(struct str s);
/* 1 to 16 hexadecimal digits. */
bool syntax_chunk_size(struct str s, uint64_t *ret);

#endif
