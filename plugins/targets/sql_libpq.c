/* SQL targets: libpq, loaded when a target first needs it. */
/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#ifdef HAVE_LIBPQ

#include "plugins/targets/sql_libpq.h"

#include <dlfcn.h>
#include <string.h>

struct libpq pq = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool
symbol_bind(const char *name, void *place, struct err *err)
{
	void *symbol = dlsym(pq.library, name);

	if (!symbol)
		return err_set(err, E_UNAVAILABLE, "libpq has no %s; install libpq5", name);
	memcpy(place, &symbol, sizeof(symbol));
	return true;
}

static bool
library_bind(struct err *err)
{
	pq.library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
	if (!pq.library)
		return err_set(err, E_UNAVAILABLE, "libpq is not there (%s); install libpq5",
			       dlerror());
#define X(name) symbol_bind(#name, &pq.name, err) &&
	return PQ_CALLS(X) true;
#undef X
}

bool
libpq_load(struct err *err)
{
	bool ok;

	pthread_mutex_lock(&pq.lock);
	ok = pq.library || library_bind(err);
	if (!ok && pq.library) {
		dlclose(pq.library);
		pq.library = NULL;
	}
	pthread_mutex_unlock(&pq.lock);
	return ok;
}

#endif
