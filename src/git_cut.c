/* rouse-git: a history that is cut off: as much of it into the cache as an event needs. */
/* SPDX-License-Identifier: MIT */
#include "git_parts.h"

#include <unistd.h>

#include "base/os.h"

/* One commit more than are told: the next begins behind it. Where that does not lead to what is
 * known, it is asked for once more, so many times as deep. */
#define DEEPER 10
/* After so many failures of git one after another libgit2 is to try. */
#define FAILURES_MAX 2

/* --- what went wrong before ------------------------------------------------------------------ */

/* Files of the cache. BROKEN is there while git fetches: what it was killed over is not to be built
 * upon. FAILURES: how often it did not come to its end, in a row. */
enum file { BROKEN, FAILURES };

static void
file_path(const struct look *look, enum file file, struct buf *out)
{
	static const char *const names[] = {[BROKEN] = "/fetching", [FAILURES] = "/failures"};

	buf_cat(out, look->request.cache, names[file]);
}

static void
file_remove(const struct look *look, enum file file)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	file_path(look, file, &path);
	unlink(buf_cstr(&path));
}

static int64_t
failures(const struct look *look)
{
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;
	int64_t count = 0;

	file_path(look, FAILURES, &path);
	if (os_read_file(buf_cstr(&path), 32, &text, NULL) && !str_to_i64(buf_str(&text), &count))
		count = 0;
	return count;
}

bool
cut_is_possible(const struct look *look)
{
	return look->courier && failures(look) < FAILURES_MAX;
}

bool
cut_was_broken(const struct look *look)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	file_path(look, BROKEN, &path);
	return !access(buf_cstr(&path), F_OK);
}

void
cut_is_mended(const struct look *look)
{
	file_remove(look, BROKEN);
}

void
cut_forget(const struct look *look)
{
	file_remove(look, BROKEN);
	file_remove(look, FAILURES);
}

static bool
files_write(const struct look *look, struct err *err)
{
	AUTO(buf_fini) struct buf broken = BUF_INIT, count = BUF_INIT, text = BUF_INIT;

	file_path(look, BROKEN, &broken);
	file_path(look, FAILURES, &count);
	buf_printf(&text, "%lld", (long long)failures(look) + 1);
	return os_write_file(buf_cstr(&broken), STR(""), 0600, err) &&
	       os_write_file(buf_cstr(&count), buf_str(&text), 0600, err);
}

static bool
fetch(struct look *look, unsigned depth, bool keep, const char *const *ids, size_t count,
      struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;

	if (!count)
		return true;
	if (!files_write(look, err))
		return false;
	/* Those that were refused have left nothing behind. */
	if (courier_fetch(look->courier, depth, keep, ids, count, &why) || why.code == E_INVALID ||
	    why.code == E_NOT_FOUND)
		cut_forget(look);
	return why.code == E_OK || err_move(err, &why);
}

/* --- what is needed -------------------------------------------------------------------------- */

/* The commit that an id leads to; NULL: none, or not here. */
static git_object *
commit_find(struct look *look, const char *id)
{
	const struct git *git = &look->git;
	git_object *object = NULL, *commit = NULL;
	git_oid oid;

	if (GIT_CALL(git, git_oid_fromstr, &oid, id) ||
	    GIT_CALL(git, git_object_lookup, &object, look->repository, &oid, GIT_OBJECT_ANY))
		return NULL;
	if (GIT_CALL(git, git_object_peel, &commit, object, GIT_OBJECT_COMMIT))
		commit = NULL;
	GIT_CALL(git, git_object_free, object);
	return commit;
}

/* Does the ref's new commit lead to its old one, as far as they are here? ret_old: the old one is.
 * ret_cut: it may do so behind the border. */
static bool
leads_back(struct look *look, const struct ref *ref, bool *ret_old, bool *ret_cut)
{
	const struct git *git = &look->git;
	git_object *old = commit_find(look, ref->known), *new = commit_find(look, ref->found);
	struct walk walk = {0};

	if (new)
		walk_commits(look, GIT_CALL(git, git_object_id, new),
			     old ? GIT_CALL(git, git_object_id, old) : NULL, old != NULL, 0, &walk);
	*ret_old = old != NULL;
	*ret_cut = walk.border;
	GIT_CALL(git, git_object_free, old);
	GIT_CALL(git, git_object_free, new);
	walk_fini(&walk);
	return walk.reached || !new;
}

/* Of refs that were moved, perhaps by force: what they were before, and more of what they are now.
 * It betters the event, and no more: without it, that says what is missing. */
static void
fetch_behind(struct look *look, struct ref *const *refs, size_t count)
{
	unsigned depth = (unsigned)look->request.commits_max + 1;
	AUTO(auto_free) const char **news = mem_alloc_array(2 * count + 1, sizeof(char *));
	AUTO(auto_free) const char **olds = mem_alloc_array(count + 1, sizeof(char *));
	AUTO(err_fini) struct err err = ERR_INIT;
	size_t new_count = 0, old_count = 0;

	for (size_t i = 0; i < count; i++) {
		bool has_old, cut;

		if (!refs[i]->known[0] || !refs[i]->found[0] ||
		    leads_back(look, refs[i], &has_old, &cut))
			continue;
		if (cut)
			news[new_count++] = refs[i]->found;
		if (!has_old)
			olds[old_count++] = refs[i]->known;
	}
	depth *= new_count ? DEEPER : 1;
	memcpy(news + new_count, olds, old_count * sizeof(*olds));
	/* The server may not have the old ones any more, or not give them. */
	if (!fetch(look, depth, false, news, new_count + old_count, &err) &&
	    err.code == E_NOT_FOUND)
		fetch(look, depth, false, news, new_count, NULL);
}

bool
cut_fetch(struct look *look, struct ref *const *refs, size_t count, struct err *err)
{
	AUTO(auto_free) const char **ids = mem_alloc_array(count + 1, sizeof(char *));
	size_t wanted = 0;

	for (size_t i = 0; i < count; i++)
		if (refs[i]->found[0])
			ids[wanted++] = refs[i]->found;
	if (!fetch(look, (unsigned)look->request.commits_max + 1, true, ids, wanted, err))
		return false;
	fetch_behind(look, refs, count);
	return true;
}
