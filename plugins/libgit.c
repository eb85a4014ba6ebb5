/* libgit2, for plugins: loaded with the first that asks, and kept. */
/* SPDX-License-Identifier: MIT */
#include "plugins/libgit.h"

#include <pthread.h>

/* Kept, since what it holds for a thread is freed when that ends, and must not be gone by then. */
static struct {
	pthread_mutex_t lock;
	struct git git;
	bool ready;
} library = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool
library_load(struct err *err)
{
	if (library.ready)
		return true;
	if (!git_load(&library.git, err)) {
		git_unload(&library.git);
		return false;
	}
	if (GIT_CALL(&library.git, git_libgit2_init) < 0)
		return err_set(err, E_UNAVAILABLE, "libgit2 does not start: %s",
			       git_said(&library.git));
	GIT_CALL(&library.git, git_libgit2_opts, GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	return library.ready = true;
}

bool
libgit_get(struct git *ret, struct err *err)
{
	bool ok;

	pthread_mutex_lock(&library.lock);
	ok = library_load(err);
	*ret = library.git;
	/* Others of this process may have set it otherwise. */
	if (ok)
		git_confine(&library.git, true);
	pthread_mutex_unlock(&library.lock);
	return ok;
}
