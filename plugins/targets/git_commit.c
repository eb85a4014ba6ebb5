/* Git targets: the commits that the changes of a run become. Objects and refs are written; no hook
 * and no filter runs. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/git_parts.h"

#include <string.h>

#include "base/os.h"

#define CALL(w, name, ...) PLACE_CALL(&(w)->place, name, __VA_ARGS__)
#define REASON_BYTES 200
/* Somebody else commits at the same time. */
#define TRIES 8

static bool
job_acts(const struct git_job *job)
{
	return job->writes || job->removes;
}

/* --- messages ------------------------------------------------------------------------------- */

/* Without what could begin a line of its own. */
static void
plain_add(struct buf *out, const char *text, size_t most)
{
	for (size_t i = 0; text && text[i] && i < most; i++)
		buf_putc(out, (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i]);
}

static const char *
run_name(const struct git_job *jobs)
{
	return jobs[0].change->run_id ? jobs[0].change->run_id : "?";
}

static void
cause_add(const struct git_job *jobs, struct buf *out)
{
	if (jobs[0].cause && *jobs[0].cause)
		buf_cat(out, "Rouse-Cause: ", jobs[0].cause, "\n");
}

static void
message_write(const struct git_work *w, const struct git_job *jobs, size_t count, struct buf *out)
{
	size_t done = 0;

	for (size_t i = 0; i < count; i++)
		done += job_acts(&jobs[i]);
	buf_printf(out, "%s %zu file%s of run %s\n\n", w->revert ? "Revert" : "Change", done,
		   done == 1 ? "" : "s", run_name(jobs));
	for (size_t i = 0; i < count; i++) {
		if (!job_acts(&jobs[i]))
			continue;
		buf_puts(out, "- ");
		plain_add(out, jobs[i].change->entity, SIZE_MAX);
		buf_puts(out, jobs[i].change->reason ? ": " : "");
		plain_add(out, jobs[i].change->reason, REASON_BYTES);
		buf_putc(out, '\n');
	}
	buf_putc(out, '\n');
	cause_add(jobs, out);
	for (size_t i = 0; i < count; i++) {
		if (!job_acts(&jobs[i]))
			continue;
		buf_puts(out, git_key_trailer);
		git_key_hash(w, jobs[i].change, out);
		buf_putc(out, '\n');
	}
}

/* --- commits -------------------------------------------------------------------------------- */

/* Among the files there is neither a folder of this name, nor a file of the name of its folder:
 * adding it would take those away. */
static bool
index_has_place(struct git_work *w, git_index *index, const char *path)
{
	AUTO(buf_fini) struct buf below = BUF_INIT;

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO(auto_free) char *above = str_dup(str_make(path, (size_t)(slash - path)));

		if (CALL(w, git_index_get_bypath, index, above, 0))
			return false;
	}
	buf_cat(&below, path, "/");
	return CALL(w, git_index_find_prefix, NULL, index, buf_cstr(&below)) == GIT_ENOTFOUND;
}

static bool
index_put(struct git_work *w, git_index *index, const struct git_job *job, struct str content,
	  struct err *err)
{
	git_index_entry entry = {.path = job->change->entity, .mode = job->mode};

	if (!job->removes && !index_has_place(w, index, entry.path))
		return err_set(err, E_INVALID,
			       "%s cannot be a file beside what else is on branch %s, or in this "
			       "run: one is the folder of the other",
			       entry.path, w->t->branch);
	if (job->removes ? !CALL(w, git_index_remove, index, entry.path, 0)
			 : !CALL(w, git_blob_create_from_buffer, &entry.id, w->place.repository,
				 content.p, content.len) &&
				   !CALL(w, git_index_add, index, &entry))
		return true;
	return git_place_failed(&w->place, entry.path, err);
}

/* The tree of `on` with what the jobs do; own: of what they were made from, not of the branch. */
static bool
tree_make(struct git_work *w, const git_tree *on, struct git_job *jobs, size_t count, bool own,
	  git_tree **ret, struct err *err)
{
	git_index *index = NULL;
	git_oid id;
	bool ok = (!CALL(w, git_index_new, &index) && !CALL(w, git_index_read_tree, index, on)) ||
		  git_place_failed(&w->place, "the branch cannot be read", err);

	/* What goes makes room. */
	for (int adds = 0; adds <= 1; adds++)
		for (size_t i = 0; ok && i < count; i++)
			if (job_acts(&jobs[i]) && jobs[i].writes == adds)
				ok = index_put(w, index, &jobs[i],
					       buf_str(own ? &jobs[i].own : &jobs[i].content), err);
	ok = ok && ((!CALL(w, git_index_write_tree_to, &id, index, w->place.repository) &&
		     !CALL(w, git_tree_lookup, ret, w->place.repository, &id)) ||
		    git_place_failed(&w->place, "the files cannot be written", err));
	CALL(w, git_index_free, index);
	return ok;
}

static bool
commit_write(struct git_work *w, const struct buf *message, const git_tree *tree,
	     const git_oid *parents, size_t count, git_oid *ret, struct err *err)
{
	git_commit *commits[2] = {NULL, NULL};
	git_signature *by = NULL;
	bool ok = !CALL(w, git_signature_now, &by, w->t->author, w->t->mail);

	for (size_t i = 0; ok && i < count; i++)
		ok = !CALL(w, git_commit_lookup, &commits[i], w->place.repository, &parents[i]);
	ok = ok && !CALL(w, git_commit_create, ret, w->place.repository, NULL, by, by, NULL,
			 buf_cstr(message), tree, count, (const git_commit **)commits);
	for (size_t i = 0; i < count; i++)
		CALL(w, git_commit_free, commits[i]);
	CALL(w, git_signature_free, by);
	return ok || git_place_failed(&w->place, "the commit cannot be made", err);
}

/* What they change, on what they were made from. */
static bool
run_commit(struct git_work *w, struct git_job *jobs, size_t count, const git_oid *base, bool own,
	   git_oid *ret, struct err *err)
{
	AUTO(buf_fini) struct buf message = BUF_INIT;
	git_tree *on = git_tree_of(&w->place, base), *tree = NULL;
	bool ok;

	message_write(w, jobs, count, &message);
	ok = (on || git_place_failed(&w->place, "a commit cannot be read", err)) &&
	     tree_make(w, on, jobs, count, own, &tree, err) &&
	     commit_write(w, &message, tree, base, 1, ret, err);
	CALL(w, git_tree_free, tree);
	CALL(w, git_tree_free, on);
	return ok;
}

/* Both what the branch has meanwhile, and what the run's commit does. */
static bool
merge_commit(struct git_work *w, struct git_job *jobs, size_t count, const git_oid *commit,
	     git_oid *ret, struct err *err)
{
	AUTO(buf_fini) struct buf message = BUF_INIT;
	const git_oid parents[] = {*CALL(w, git_commit_id, w->place.tip), *commit};
	git_tree *tree = NULL;
	bool ok;

	buf_printf(&message, "Merge the changes of run %s\n\n", run_name(jobs));
	cause_add(jobs, &message);
	ok = tree_make(w, w->place.tree, jobs, count, false, &tree, err) &&
	     commit_write(w, &message, tree, parents, 2, ret, err);
	CALL(w, git_tree_free, tree);
	return ok;
}

/* --- refs ----------------------------------------------------------------------------------- */

static bool
run_branch_set(struct git_work *w, struct git_job *jobs, const git_oid *commit, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	git_reference *ref = NULL;
	bool ok;

	if (!w->t->run_branch || w->revert || !jobs[0].change->run_id)
		return true;
	buf_cat(&name, "refs/heads/" GIT_RUN_BRANCHES, jobs[0].change->run_id);
	ok = !CALL(w, git_reference_create, &ref, w->place.repository, buf_cstr(&name), commit, 1,
		   "rouse: changes of a run");
	CALL(w, git_reference_free, ref);
	return ok || git_place_failed(&w->place, "the run's branch cannot be made", err);
}

/* E_CONFLICT: the branch is not any more where it was. */
static bool
branch_move(struct git_work *w, const git_oid *to, struct err *err)
{
	git_reference *ref = NULL;
	int code;

	code = CALL(w, git_reference_create_matching, &ref, w->place.repository,
		    buf_cstr(&w->place.ref), to, 1, &w->place.local, "rouse: changes of a run");
	CALL(w, git_reference_free, ref);
	if (code == GIT_EMODIFIED)
		return err_set(err, E_CONFLICT, "branch %s of %s moves all the time; tried again",
			       w->t->branch, w->t->repo);
	if (code == GIT_ELOCKED)
		return err_set(err, E_UNAVAILABLE,
			       "branch %s of %s is locked by another program (its .lock file is "
			       "there); tried again",
			       w->t->branch, w->t->repo);
	return !code || git_place_failed(&w->place, "the branch cannot be moved", err);
}

/* Where it goes: the branch, or what is pushed first. */
static bool
head_set(struct git_work *w, const git_oid *to, struct err *err)
{
	if (!w->t->push)
		return branch_move(w, to, err);
	w->made = true;
	w->head = *to;
	return git_place_set(&w->place, to, err);
}

bool
git_branch_follow(struct git_work *w, struct err *err)
{
	const git_oid *to = w->made ? &w->head : CALL(w, git_commit_id, w->place.tip);
	bool ok;

	if (!CALL(w, git_oid_cmp, to, &w->place.local))
		return true;
	ok = git_tree_find(w, err) && git_lock_note(w, NULL, err) && branch_move(w, to, err);
	git_lock_done(w);
	return ok;
}

/* --- one run -------------------------------------------------------------------------------- */

static void
jobs_done(struct git_work *w, struct git_job *jobs, size_t count, const git_oid *commit)
{
	char id[GIT_OID_HEXSZ + 1];

	CALL(w, git_oid_tostr, id, sizeof(id), commit);
	for (size_t i = 0; i < count; i++)
		if (job_acts(&jobs[i])) {
			jobs[i].what = TARGET_DONE;
			buf_printf(&jobs[i].receipt, ",\"commit\":\"%s\"}", id);
		}
}

static bool
jobs_write(struct git_work *w, struct git_job *jobs, size_t count, struct err *err)
{
	const git_oid *tip = CALL(w, git_commit_id, w->place.tip);
	git_oid base = *tip, commit, head;
	bool own;

	if (!w->revert)
		git_base_find(w, jobs, count, &base);
	own = CALL(w, git_oid_cmp, &base, tip) != 0;
	if (!run_commit(w, jobs, count, &base, own, &commit, err))
		return false;
	head = commit;
	if (own && !merge_commit(w, jobs, count, &commit, &head, err))
		return false;
	if (!git_lock_note(w, jobs, err))
		return false;
	if (!git_tree_follow(w, jobs, count, err)) {
		git_lock_done(w);
		return false;
	}
	crash_point("git-before-commit");
	if (!run_branch_set(w, jobs, &commit, err) || !head_set(w, &head, err)) {
		git_tree_restore(w, jobs, count);
		git_lock_done(w);
		return false;
	}
	crash_point("git-after-commit");
	git_lock_done(w);
	jobs_done(w, jobs, count, &commit);
	return true;
}

static bool
run_try(struct git_work *w, struct git_job *jobs, size_t count, struct err *err)
{
	size_t todo = 0;

	if ((!w->made && !git_place_tip(&w->place, err)) || !git_tree_find(w, err) ||
	    !git_known_read(w, err))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct git_job *job = &jobs[i];

		err_fini(&job->err);
		job->err = (struct err)ERR_INIT;
		if (!git_job_plan(w, job))
			job->writes = job->removes = false;
	}
	if (!git_tree_check(w, jobs, count, err))
		return false;
	for (size_t i = 0; i < count; i++)
		todo += job_acts(&jobs[i]);
	return !todo || jobs_write(w, jobs, count, err);
}

bool
git_run_do(struct git_work *w, struct git_job *jobs, size_t count, struct err *err)
{
	for (int i = 0;; i++) {
		AUTO(err_fini) struct err why = ERR_INIT;

		if (run_try(w, jobs, count, &why))
			return true;
		if (why.code == E_CONFLICT && i + 1 < TRIES)
			continue;
		return why.code == E_CONFLICT ? err_set(err, E_UNAVAILABLE, "%s", err_text(&why))
					      : err_move(err, &why);
	}
}
