/* libcurl, loaded at the first fetch. */
/* SPDX-License-Identifier: MIT */
#include "io/curl.h"

#include <dlfcn.h>
#include <string.h>

/* The name of the interface that curl.h describes; it has not changed since 2006. */
#define LIBRARY "libcurl.so.4"

struct curl_calls curl;

static bool
call_bind(void *library, const char *name, void *place, struct err *err)
{
	void *symbol = dlsym(library, name);

	if (!symbol)
		return err_set(err, E_UNAVAILABLE,
			       LIBRARY " has no %s; install libcurl4 of 7.88 or later", name);
	memcpy(place, &symbol, sizeof(symbol));
	return true;
}

bool
curl_load(struct err *err)
{
	static bool loaded;
	void *library;

	if (loaded)
		return true;
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return err_set(err, E_UNAVAILABLE, "libcurl is not there (%s); install libcurl4",
			       dlerror());
#define X(name) call_bind(library, #name, &curl.name, err) &&
	loaded = CURL_CALLS(X) true;
#undef X
	return loaded;
}
