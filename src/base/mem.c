/* Memory: allocation that cannot fail for small things, and can for what input sizes. */
/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void
mem_abort(void)
{
	static const char line[] = "out of memory: stopping; nothing that was committed is lost\n";
	ssize_t n UNUSED = write(STDERR_FILENO, line, sizeof(line) - 1);
	abort();
}

void *
mem_try_alloc(size_t size)
{
	return calloc(1, size ? size : 1);
}

void *
mem_try_realloc(void *ptr, size_t size)
{
	return realloc(ptr, size ? size : 1);
}

void *
mem_alloc(size_t size)
{
	void *p = mem_try_alloc(size);
	if (!p)
		mem_abort();
	return p;
}

void *
mem_alloc_array(size_t count, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(count, size, &total))
		mem_abort();
	return mem_alloc(total);
}

void *
mem_realloc(void *ptr, size_t size)
{
	void *p = mem_try_realloc(ptr, size);
	if (!p)
		mem_abort();
	return p;
}

char *
mem_memdup(const void *p, size_t len)
{
	if (len == SIZE_MAX)
		mem_abort();
	char *copy = malloc(len + 1);
	if (!copy)
		mem_abort();
	if (len)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}

char *
mem_strdup(const char *s)
{
	return s ? mem_memdup(s, strlen(s)) : NULL;
}

void
mem_zero(void *p, size_t len)
{
	if (len)
		explicit_bzero(p, len);
}

void
auto_free(void *pp)
{
	void *p;
	memcpy(&p, pp, sizeof(p));
	free(p);
}

void
auto_close(int *fd)
{
	if (*fd < 0)
		return;
	int saved = errno;
	close(*fd);
	errno = saved;
}
