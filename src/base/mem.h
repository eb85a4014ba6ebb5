/* Memory: allocation that cannot fail for small things, and can for what input sizes. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_BASE_MEM_H
#define ROUSE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Abort with a line on standard error when memory is out (kill -9 must lose nothing anyway). */
void *mem_alloc(size_t size); /* zeroed */
void *mem_alloc_array(size_t count, size_t size);
void *mem_realloc(void *ptr, size_t size);
char *mem_strdup(const char *s);	     /* NULL gives NULL */
char *mem_memdup(const void *p, size_t len); /* a NUL is added */

/* For sizes that input decides: NULL when memory is out, the request then fails with E_FULL. */
void *mem_try_alloc(size_t size);
void *mem_try_realloc(void *ptr, size_t size);

/* Overwrites len bytes in a way that the compiler keeps: for secrets. */
void mem_zero(void *p, size_t len);

/* A variable that is destroyed when its scope ends; fn takes its address. */
#define AUTO(fn) __attribute__((cleanup(fn)))

/* Moves ownership out of an AUTO variable: yields the pointer, leaves NULL. */
#define TAKE(p)                                                                                    \
	({                                                                                         \
		__typeof__(p) take_ = (p);                                                         \
		(p) = NULL;                                                                        \
		take_;                                                                             \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define UNUSED __attribute__((unused))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

void auto_free(void *pp); /* AUTO(auto_free) char *s */
void auto_close(int *fd); /* AUTO(auto_close) int fd = -1 */

#endif
