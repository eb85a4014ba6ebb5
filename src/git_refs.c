/* rouse-git: the refs of a local repository. */
/* SPDX-License-Identifier: MIT */
#include "git_parts.h"

#include "pure/glob.h"

/* Names that git itself forbids are somebody's mischief: lines of our answer end at line ends. */
static bool
name_is_fit(struct str name)
{
	if (!str_starts(name, STR("refs/")) || name.len > REF_MAX || str_ends(name, STR("^{}")))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] <= ' ' || strchr("\x7f~^:?*[\\", name.p[i]))
			return false;
	return true;
}

/* A pattern that does not say refs/ is of branches. The last that matches decides; one with '!' at
 * its front takes names out. */
bool
ref_is_wanted(const struct look *look, struct str name)
{
	const json_t *patterns = json_object_get(look->request.head, "refs"), *item;
	bool wanted = false;
	size_t i;

	if (!name_is_fit(name))
		return false;
	json_array_foreach (patterns, i, item) {
		AUTO(buf_fini) struct buf whole = BUF_INIT;
		const char *pattern = json_string_value(item);
		bool out = *pattern == '!';

		pattern += out;
		buf_cat(&whole, strncmp(pattern, "refs/", 5) ? "refs/heads/" : "", pattern);
		if (glob_match(buf_str(&whole), name))
			wanted = !out;
	}
	return wanted;
}

struct ref *
ref_note(struct look *look, struct str name)
{
	struct ref *ref;

	HASH_FIND(hh, look->refs, name.p, name.len, ref);
	if (ref)
		return ref;
	ref = mem_alloc(sizeof(*ref));
	ref->name = str_dup(name);
	HASH_ADD_KEYPTR(hh, look->refs, ref->name, name.len, ref);
	return ref;
}

void
refs_free(struct look *look)
{
	struct ref *ref, *next;

	HASH_ITER (hh, look->refs, ref, next) {
		HASH_DEL(look->refs, ref);
		free(ref->name);
		free(ref);
	}
}

/* Takes a reference; a symbolic one is what it leads to. */
static void
reference_note(struct look *look, git_reference *take_reference)
{
	const struct git *git = &look->git;
	const char *name = GIT_CALL(git, git_reference_name, take_reference);
	git_reference *resolved = NULL;
	struct ref *ref;

	if (!ref_is_wanted(look, str_of(name))) {
		GIT_CALL(git, git_reference_free, take_reference);
		return;
	}
	ref = ref_note(look, str_of(name));
	if (GIT_CALL(git, git_reference_resolve, &resolved, take_reference))
		ref->unreadable = true;
	else
		GIT_CALL(git, git_oid_tostr, ref->found, sizeof(ref->found),
			 GIT_CALL(git, git_reference_target, resolved));
	GIT_CALL(git, git_reference_free, resolved);
	GIT_CALL(git, git_reference_free, take_reference);
}

/* The list leaves out what it cannot read, and may miss what is moved into packed-refs meanwhile:
 * only one that is asked for by its name, and is not there, is gone. */
static void
refs_check_gone(struct look *look)
{
	const struct git *git = &look->git;
	struct ref *ref, *next;

	HASH_ITER (hh, look->refs, ref, next) {
		git_reference *reference = NULL;
		int code;

		if (ref->found[0] || ref->unreadable)
			continue;
		code = GIT_CALL(git, git_reference_lookup, &reference, look->repository, ref->name);
		if (!code)
			reference_note(look, reference);
		else if (code != GIT_ENOTFOUND)
			ref->unreadable = true;
	}
}

bool
refs_list_local(struct look *look, struct err *err)
{
	const struct git *git = &look->git;
	git_reference_iterator *iterator = NULL;
	git_reference *reference = NULL;
	int code;

	if (GIT_CALL(git, git_repository_open_ext, &look->repository, look->request.repo,
		     GIT_REPOSITORY_OPEN_NO_SEARCH, NULL))
		return git_failed(look, err, "cannot open the repository");
	if (GIT_CALL(git, git_reference_iterator_new, &iterator, look->repository))
		return git_failed(look, err, "cannot list the refs");
	while (!(code = GIT_CALL(git, git_reference_next, &reference, iterator)))
		reference_note(look, reference);
	GIT_CALL(git, git_reference_iterator_free, iterator);
	if (code != GIT_ITEROVER)
		return git_failed(look, err, "cannot list the refs");
	refs_check_gone(look);
	return true;
}
