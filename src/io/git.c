/* libgit2, loaded when it is needed. */
/* SPDX-License-Identifier: MIT */
#include "io/git.h"

#include <dlfcn.h>
#include <string.h>

#include "base/mem.h"

static bool
git_bind(struct git *git, const char *name, void *place, struct err *err)
{
	void *symbol = dlsym(git->library, name);

	if (!symbol)
		return err_set(err, E_UNAVAILABLE,
			       "libgit2 has no %s; install libgit2-" LIBGIT2_SOVERSION, name);
	memcpy(place, &symbol, sizeof(symbol));
	return true;
}

/* Looked for by the name of the interface that git2.h describes: no other would fit. */
bool
git_load(struct git *git, struct err *err)
{
	git->library = dlopen("libgit2.so." LIBGIT2_SOVERSION, RTLD_NOW | RTLD_LOCAL);
	if (!git->library)
		return err_set(err, E_UNAVAILABLE,
			       "libgit2 is not there (%s); install libgit2-" LIBGIT2_SOVERSION,
			       dlerror());
#define X(name) git_bind(git, #name, &git->name, err) &&
	return GIT_CALLS(X) true;
#undef X
}

void
git_unload(struct git *git)
{
	if (git->library)
		dlclose(git->library);
}

void
git_confine(const struct git *git, bool any_owner)
{
	static const int levels[] = {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
				     GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL};

	/* Others may be reading these: they are written once. */
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		git_buf path = {0};

		if (GIT_CALL(git, git_libgit2_opts, GIT_OPT_GET_SEARCH_PATH, levels[i], &path) ||
		    path.size)
			GIT_CALL(git, git_libgit2_opts, GIT_OPT_SET_SEARCH_PATH, levels[i], "");
		GIT_CALL(git, git_buf_dispose, &path);
	}
	GIT_CALL(git, git_libgit2_opts, GIT_OPT_SET_OWNER_VALIDATION, any_owner ? 0 : 1);
}

const char *
git_said(const struct git *git)
{
	const git_error *last = GIT_CALL(git, git_error_last);

	return last && last->message && *last->message ? last->message : "no reason given";
}
