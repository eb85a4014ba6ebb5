/* W3C Trace Context: the header that says which trace a request belongs to. */
/* SPDX-License-Identifier: MIT */
#include "pure/traceparent.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/digest.h"

#define LEN 55
#define RANDOM_DIGITS 14

static bool
hex_field(struct str s, bool *ret_zero)
{
	*ret_zero = true;
	for (size_t i = 0; i < s.len; i++) {
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
		if (s.p[i] != '0')
			*ret_zero = false;
	}
	return true;
}

static unsigned
digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

bool
traceparent_parse(struct str s, struct traceparent *ret)
{
	bool zero;

	if (s.len < LEN || s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-')
		return false;
	if (!hex_field(str_make(s.p, 2), &zero) || !memcmp(s.p, "ff", 2))
		return false;
	if (zero ? s.len != LEN : s.len > LEN && s.p[LEN] != '-')
		return false;
	if (!hex_field(str_make(s.p + 3, TRACE_ID_LEN), &zero) || zero)
		return false;
	if (!hex_field(str_make(s.p + 36, SPAN_ID_LEN), &zero) || zero)
		return false;
	if (!hex_field(str_make(s.p + 53, 2), &zero))
		return false;
	*ret = (struct traceparent){.flags = digit(s.p[53]) << 4 | digit(s.p[54])};
	memcpy(ret->trace, s.p + 3, TRACE_ID_LEN);
	memcpy(ret->span, s.p + 36, SPAN_ID_LEN);
	return true;
}

void
traceparent_write(const struct traceparent *from, struct buf *out)
{
	static const char digits[] = "0123456789abcdef";

	buf_cat(out, "00-", from->trace, "-", from->span, "-");
	buf_putc(out, digits[from->flags >> 4 & 15]);
	buf_putc(out, digits[from->flags & 15]);
}

void
trace_of_uuid(const char *uuid, char ret[TRACE_ID_LEN + 1])
{
	size_t n = 0;

	for (; *uuid && n < TRACE_ID_LEN; uuid++)
		if (*uuid != '-')
			ret[n++] = *uuid;
	ret[n] = '\0';
}

void
span_of_uuid(const char *uuid, char ret[SPAN_ID_LEN + 1])
{
	char whole[TRACE_ID_LEN + 1];

	trace_of_uuid(uuid, whole);
	memcpy(ret, whole + TRACE_ID_LEN - SPAN_ID_LEN, SPAN_ID_LEN + 1);
}

bool
trace_is_sampled(const char *trace, double ratio)
{
	uint64_t random = 0;

	if (ratio >= 1)
		return true;
	for (size_t i = TRACE_ID_LEN - RANDOM_DIGITS; i < TRACE_ID_LEN && trace[i]; i++)
		random = random << 4 | digit(trace[i]);
	return (double)random < ratio * (double)(UINT64_C(1) << (RANDOM_DIGITS * 4));
}

void
span_id_of(const char *kind, const char *id, int64_t n, char ret[SPAN_ID_LEN + 1])
{
	AUTO(buf_fini) struct buf hex = BUF_INIT;
	char number[24];
	int len = snprintf(number, sizeof(number), "%" PRId64, n);
	const struct str parts[] = {str_of(kind), STR("/"), str_of(id), STR("/"),
				    str_make(number, (size_t)len)};
	struct digest digest = digest_of_parts(DIGEST_SHA256, parts, ARRAY_LEN(parts));

	hex_encode(&hex, str_make((const char *)digest.bytes, SPAN_ID_LEN / 2));
	memcpy(ret, buf_cstr(&hex), SPAN_ID_LEN);
	ret[SPAN_ID_LEN] = '\0';
	/* All zero means that there is none. */
	if (strspn(ret, "0") == SPAN_ID_LEN)
		ret[0] = '1';
}
