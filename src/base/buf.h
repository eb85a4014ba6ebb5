/* Growing byte strings: a NUL is always kept behind the last byte, the length is known. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_BUF_H
#define ROUSE_BASE_BUF_H

#include <stdarg.h>

#include "base/mem.h"
#include "base/str.h"

struct buf {
	char *data; /* NULL while empty and never grown */
	size_t len, cap;
};

#define BUF_INIT                                                                                   \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void buf_fini(struct buf *b);
void buf_clear(struct buf *b);		      /* keeps the memory */
void buf_reserve(struct buf *b, size_t more); /* aborts when memory is out */
bool buf_try_reserve(struct buf *b,
		     size_t more); /* false when memory is out: for sizes that input decides */
void buf_add(struct buf *b, const void *p, size_t len);
void buf_add_str(struct buf *b, struct str s);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
/* Strings one behind the other: buf_cat(&b, kind, "/", name). */
#define buf_cat(b, ...) buf_cat_all((b), (const char *const[]){__VA_ARGS__, NULL})
void buf_cat_all(struct buf *b, const char *const *strings); /* up to a NULL */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_consume(struct buf *b, size_t len); /* removes len bytes at the front */
void buf_truncate(struct buf *b, size_t len);

/* s as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void buf_json_str(struct buf *b, struct str s);
/* In single quotes, as one word of a shell. */
void buf_shell_word(struct buf *b, struct str s);
/* JSON string or null for a NULL. */
void buf_json_cstr(struct buf *b, const char *s);

static inline struct str
buf_str(const struct buf *b)
{
	return (struct str){b->data ? b->data : "", b->len};
}
static inline const char *
buf_cstr(const struct buf *b)
{
	return b->data ? b->data : "";
}
/* The owned, NUL-terminated bytes; b is empty after. */
char *buf_take(struct buf *b);

#endif
