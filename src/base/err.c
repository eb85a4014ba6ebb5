/* Errors: one code from one table, and a sentence that helps its reader. */
/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const struct {
	const char *name;
	int http, exit;
	bool again;
} err_table[] = {
#define X(code, name, http, exit, again) [code] = {name, http, exit, again},
	ERR_TABLE(X)
#undef X
};

_Static_assert(ARRAY_LEN(err_table) == ERR_CODES, "every code has its row");

/* Where several codes share a status, the one that a reader of the status alone should see. */
static const struct {
	int http;
	enum err_code code;
} err_of_http[] = {
	{400, E_INVALID},  {409, E_STATE},	 {422, E_MAPPING},     {429, E_RATE},
	{500, E_INTERNAL}, {502, E_UNAVAILABLE}, {503, E_UNAVAILABLE},
};

void
err_fini(struct err *err)
{
	if (!err)
		return;
	free(err->text);
	*err = (struct err)ERR_INIT;
}

static char *
err_vformat(const char *fmt, va_list ap)
{
	struct buf b = BUF_INIT;
	buf_vprintf(&b, fmt, ap);
	return buf_take(&b);
}

/* The old sentence is freed last: it may be among the arguments of the new one. */
static void
err_replace(struct err *err, enum err_code code, char *take_text)
{
	free(err->text);
	err->code = code;
	err->text = take_text;
	err->again_ms = 0;
}

bool
err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	if (!err)
		return false;
	int saved = errno;
	va_list ap;
	va_start(ap, fmt);
	char *text = err_vformat(fmt, ap);
	va_end(ap);
	err_replace(err, code, text);
	errno = saved;
	return false;
}

bool
err_errno(struct err *err, int errnum, const char *fmt, ...)
{
	if (err) {
		struct buf b = BUF_INIT;
		va_list ap;
		va_start(ap, fmt);
		buf_vprintf(&b, fmt, ap);
		va_end(ap);
		const char *why = strerrordesc_np(errnum);
		if (why)
			buf_printf(&b, ": %s", why);
		else
			buf_printf(&b, ": error %d", errnum);
		bool full = errnum == ENOSPC || errnum == ENOMEM || errnum == EDQUOT;
		err_replace(err, full ? E_FULL : E_IO, buf_take(&b));
	}
	/* So that a caller may still ask which it was. */
	errno = errnum;
	return false;
}

bool
err_prefix(struct err *err, const char *fmt, ...)
{
	if (!err)
		return false;
	int saved = errno;
	struct buf b = BUF_INIT;
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	buf_puts(&b, ": ");
	buf_puts(&b, err_text(err));
	int64_t again_ms = err->again_ms;
	err_replace(err, err->code, buf_take(&b));
	err->again_ms = again_ms;
	errno = saved;
	return false;
}

bool
err_move(struct err *dst, struct err *src)
{
	if (dst == src)
		return false;
	if (!dst) {
		err_fini(src);
		return false;
	}
	err_replace(dst, src->code, src->text);
	dst->again_ms = src->again_ms;
	*src = (struct err)ERR_INIT;
	return false;
}

const char *
err_text(const struct err *err)
{
	if (!err)
		return "no reason was kept";
	return err->text ? err->text : err_name(err->code);
}

static enum err_code
err_known(enum err_code code)
{
	return (unsigned)code < ERR_CODES ? code : E_INTERNAL;
}

const char *
err_name(enum err_code code)
{
	return err_table[err_known(code)].name;
}

int
err_http(enum err_code code)
{
	return err_table[err_known(code)].http;
}

int
err_exit(enum err_code code)
{
	return err_table[err_known(code)].exit;
}

bool
err_again(enum err_code code)
{
	return err_table[err_known(code)].again;
}

enum err_code
err_from_http(int status)
{
	if (status >= 200 && status < 300)
		return E_OK;
	for (size_t i = 0; i < ARRAY_LEN(err_of_http); i++)
		if (err_of_http[i].http == status)
			return err_of_http[i].code;
	for (size_t i = 0; i < ARRAY_LEN(err_table); i++)
		if (err_table[i].http == status)
			return (enum err_code)i;
	return status >= 400 && status < 500 ? E_INVALID : E_INTERNAL;
}

enum err_code
err_from_name(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_LEN(err_table); i++)
		if (!strcmp(err_table[i].name, name))
			return (enum err_code)i;
	return E_INTERNAL;
}
