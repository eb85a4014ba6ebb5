/* Git targets: what a change does to the branch as it is now, and what it was made from. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/git_parts.h"

#include <string.h>

#include "base/digest.h"
#include "plugins/targets/file.h"
#include "plugins/targets/outcome.h"

#define CALL(w, name, ...) PLACE_CALL(&(w)->place, name, __VA_ARGS__)
/* A change that is asked for again is looked for in so many commits. */
#define COMMITS_MAX 2000
/* What a run was made from is looked for so far back, and tried so often. */
#define BASE_COMMITS 200
#define BASE_TRIES 20

const char git_key_trailer[] = "Rouse-Key: ";

/* --- keys ----------------------------------------------------------------------------------- */

void
git_key_hash(const struct git_work *w, const struct change_row *change, struct buf *out)
{
	AUTO(buf_fini) struct buf key = BUF_INIT;
	struct digest digest;

	change_key(change, w->revert, &key);
	digest = digest_of(DIGEST_SHA256, buf_str(&key));
	hex_encode(out, str_make(digest.bytes, digest.len));
}

/* The keys that a message has, each in a line of its own. */
static void
keys_collect(struct git_work *w, const char *message, const git_oid *commit, const git_oid *into)
{
	struct str rest = str_of(message), line;
	size_t skip = strlen(git_key_trailer);

	while (rest.p) {
		struct git_known *known;

		rest = str_split(rest, '\n', &line);
		if (!str_starts(line, str_of(git_key_trailer)) ||
		    line.len != skip + sizeof(known->hash) - 1)
			continue;
		w->known = mem_realloc(w->known, (w->known_count + 1) * sizeof(*w->known));
		known = &w->known[w->known_count++];
		memcpy(known->hash, line.p + skip, sizeof(known->hash) - 1);
		known->hash[sizeof(known->hash) - 1] = '\0';
		known->commit = *commit;
		known->into = *into;
	}
}

/* Which merge brought a commit to the branch; itself, where none is known. */
struct merges {
	git_oid merged[COMMITS_MAX], by[COMMITS_MAX];
	size_t count;
};

static const git_oid *
merge_of(struct git_work *w, const struct merges *merges, const git_oid *id)
{
	for (size_t i = 0; i < merges->count; i++)
		if (!CALL(w, git_oid_cmp, &merges->merged[i], id))
			return &merges->by[i];
	return id;
}

bool
git_known_read(struct git_work *w, struct err *err)
{
	AUTO(auto_free) struct merges *merges = mem_alloc(sizeof(*merges));
	git_revwalk *walk = NULL;
	git_oid id;

	free(w->known);
	w->known = NULL;
	w->known_count = 0;
	if (CALL(w, git_revwalk_new, &walk, w->place.repository))
		return git_place_failed(&w->place, "the branch cannot be walked", err);
	CALL(w, git_revwalk_push, walk, CALL(w, git_commit_id, w->place.tip));
	for (int i = 0; i < COMMITS_MAX && !CALL(w, git_revwalk_next, &id, walk); i++) {
		git_commit *commit = NULL;

		if (CALL(w, git_commit_lookup, &commit, w->place.repository, &id))
			break;
		if (CALL(w, git_commit_parentcount, commit) == 2) {
			merges->merged[merges->count] = *CALL(w, git_commit_parent_id, commit, 1);
			merges->by[merges->count++] = id;
		}
		keys_collect(w, CALL(w, git_commit_message, commit), &id, merge_of(w, merges, &id));
		CALL(w, git_commit_free, commit);
	}
	CALL(w, git_revwalk_free, walk);
	return true;
}

static const struct git_known *
known_find(const struct git_work *w, const struct change_row *change)
{
	AUTO(buf_fini) struct buf hash = BUF_INIT;

	git_key_hash(w, change, &hash);
	for (size_t i = 0; i < w->known_count; i++)
		if (!strcmp(w->known[i].hash, buf_cstr(&hash)))
			return &w->known[i];
	return NULL;
}

/* --- receipts ------------------------------------------------------------------------------- */

static void
hash_put(struct str content, struct buf *out)
{
	struct digest digest;

	if (!content.p) {
		buf_puts(out, "null");
		return;
	}
	digest = digest_of(DIGEST_SHA256, content);
	buf_putc(out, '"');
	hex_encode(out, str_make(digest.bytes, digest.len));
	buf_putc(out, '"');
}

/* All but the commit, and the bracket behind it. */
static void
receipt_write(struct git_job *job, struct str left, const struct git_found *found)
{
	struct str have = git_found_bytes(found);

	buf_puts(&job->receipt, "{\"sha256\":");
	hash_put(left, &job->receipt);
	buf_puts(&job->receipt, ",\"was\":");
	hash_put(have, &job->receipt);
	if (!have.p)
		return;
	buf_printf(&job->receipt, ",\"mode\":\"%o\",\"before\":", (unsigned)found->mode);
	file_image_keep(have, &job->receipt);
}

/* It was done, and nobody kept what was there before: the commit knows. */
static void
receipt_recall(struct git_work *w, struct git_job *job, const struct git_known *known)
{
	char id[GIT_OID_HEXSZ + 1];
	git_commit *commit = NULL;
	git_tree *tree = NULL, *above = NULL;
	struct git_found left = {.is = false}, was = {.is = false};

	if (!CALL(w, git_commit_lookup, &commit, w->place.repository, &known->into) &&
	    CALL(w, git_commit_parentcount, commit))
		above = git_tree_of(&w->place, CALL(w, git_commit_parent_id, commit, 0));
	tree = git_tree_of(&w->place, &known->into);
	if (tree && above &&
	    git_found_read(&w->place, tree, job->change->entity, w->t->max_bytes, &left, NULL) &&
	    git_found_read(&w->place, above, job->change->entity, w->t->max_bytes, &was, NULL)) {
		receipt_write(job, git_found_bytes(&left), &was);
		CALL(w, git_oid_tostr, id, sizeof(id), &known->commit);
		buf_printf(&job->receipt, ",\"commit\":\"%s\"}", id);
	}
	buf_fini(&left.bytes);
	buf_fini(&was.bytes);
	CALL(w, git_tree_free, tree);
	CALL(w, git_tree_free, above);
	CALL(w, git_commit_free, commit);
}

/* --- there, and back ------------------------------------------------------------------------ */

static void
drifted(struct git_job *job, const struct git_found *found)
{
	AUTO(buf_fini) struct buf shown = BUF_INIT;

	job->what = TARGET_DRIFTED;
	job->writes = job->removes = job->merged = false;
	if (!found->is)
		return;
	if (!job->view.before_mode) {
		file_image_show(git_found_bytes(found), job->view.before, &job->current);
		return;
	}
	file_image_keep(git_found_bytes(found), &shown);
	buf_printf(&job->current, "{\"$mode\":\"%o\",", (unsigned)found->mode);
	if (*buf_cstr(&shown) == '{')
		buf_puts(&job->current, buf_cstr(&shown) + 1);
	else
		buf_cat(&job->current, "\"$text\":", buf_cstr(&shown), "}");
}

/* Is it what this change left? */
static bool
is_as_left(const struct change_row *change, struct str have)
{
	AUTO(buf_fini) struct buf hash = BUF_INIT;
	struct str raw;

	hash_put(have, &hash);
	return change_image_find(change->receipt, "sha256", &raw) && str_eq(raw, buf_str(&hash));
}

static git_filemode_t
mode_before(const struct git_job *job, const struct git_found *found)
{
	AUTO(auto_free) char *text = NULL;
	struct str raw;

	if (!change_image_find(job->change->receipt, "mode", &raw))
		return found->is ? found->mode : GIT_FILEMODE_BLOB;
	text = str_dup(raw);
	return strstr(text, "755") ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
}

static bool
plan_back(struct git_job *job, const struct git_found *found)
{
	const struct change_row *change = job->change;
	AUTO(auto_free) char *before = NULL;
	struct str raw;

	if (!is_as_left(change, git_found_bytes(found))) {
		drifted(job, found);
		return true;
	}
	job->removes = !strcmp(change->op, "create");
	job->writes = !job->removes;
	job->mode = mode_before(job, found);
	if (job->removes)
		return true;
	before = change_image_find(change->receipt, "before", &raw) ? str_dup(raw)
								    : mem_strdup(job->view.before);
	return file_image_bytes(before, &job->content) ||
	       err_set(&job->err, E_STATE, "what %s was before is not known; set it back by hand",
		       change->entity);
}

/* A merge of lines that makes nonsense of a document is none. */
static bool
is_still_json(struct str base, struct str ours, struct str theirs, struct str merged)
{
	return !json_check(base, NULL) || !json_check(ours, NULL) || !json_check(theirs, NULL) ||
	       json_check(merged, NULL);
}

static bool
lines_merge(struct git_work *w, struct str base, struct str ours, struct str theirs,
	    struct buf *out)
{
	git_merge_file_input sides[3] = {GIT_MERGE_FILE_INPUT_INIT, GIT_MERGE_FILE_INPUT_INIT,
					 GIT_MERGE_FILE_INPUT_INIT};
	const struct str texts[3] = {base, ours, theirs};
	git_merge_file_result result = {0};
	bool clean;

	for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
		if (memchr(texts[i].p, '\0', texts[i].len))
			return false;
		sides[i].ptr = texts[i].p;
		sides[i].size = texts[i].len;
	}
	if (CALL(w, git_merge_file, &result, &sides[0], &sides[1], &sides[2], NULL))
		return false;
	clean = result.automergeable &&
		is_still_json(base, ours, theirs, str_make(result.ptr, result.len));
	if (clean)
		buf_add(out, result.ptr, result.len);
	CALL(w, git_merge_file_result_free, &result);
	return clean;
}

/* The next commit of the way back along first parents; NULL at its end. */
static git_commit *
commit_next(struct git_work *w, git_commit *take_commit)
{
	git_commit *parent = NULL;

	if (CALL(w, git_commit_parentcount, take_commit))
		CALL(w, git_commit_lookup, &parent, w->place.repository,
		     CALL(w, git_commit_parent_id, take_commit, 0));
	CALL(w, git_commit_free, take_commit);
	return parent;
}

static git_commit *
commit_first(struct git_work *w)
{
	git_commit *commit = NULL;

	CALL(w, git_commit_lookup, &commit, w->place.repository,
	     CALL(w, git_commit_id, w->place.tip));
	return commit;
}

/* Did this commit hold what the change was made from? */
static bool
commit_holds(struct git_work *w, const git_oid *id, const struct git_job *job,
	     struct git_found *ret)
{
	git_tree *tree = git_tree_of(&w->place, id);
	bool holds;

	ret->is = false;
	buf_clear(&ret->bytes);
	holds = tree &&
		git_found_read(&w->place, tree, job->change->entity, w->t->max_bytes, ret, NULL) &&
		!git_view_drifted(&job->view, ret);
	CALL(w, git_tree_free, tree);
	return holds;
}

/* Somebody else changed the file: where the lines allow it, both changes stand. */
static bool
plan_merge(struct git_work *w, struct git_job *job, const struct git_found *found)
{
	struct git_found base = {.is = false};
	AUTO(buf_fini) struct buf theirs = BUF_INIT;
	git_commit *commit = NULL;
	bool clean = false;

	if (!w->t->lines || strcmp(job->change->op, "update") || !found->is || !job->view.before ||
	    job->view.keeps)
		return false;
	commit = commit_first(w);
	for (int i = 0; commit && !clean && i < BASE_COMMITS; i++) {
		if (commit_holds(w, CALL(w, git_commit_id, commit), job, &base)) {
			clean = git_view_make(&job->view, &base, &theirs, NULL) &&
				lines_merge(w, buf_str(&base.bytes), buf_str(&found->bytes),
					    buf_str(&theirs), &job->content);
			break;
		}
		commit = commit_next(w, commit);
	}
	CALL(w, git_commit_free, commit);
	buf_fini(&base.bytes);
	job->writes = job->merged = clean;
	return clean;
}

static bool
plan_there(struct git_work *w, struct git_job *job, const struct git_found *found)
{
	const struct change_row *change = job->change;

	job->mode = job->view.after_mode ? job->view.after_mode
		    : found->is		 ? found->mode
					 : GIT_FILEMODE_BLOB;
	if (git_view_drifted(&job->view, found)) {
		if (!plan_merge(w, job, found))
			drifted(job, found);
		return true;
	}
	job->removes = !strcmp(change->op, "delete");
	job->writes = !job->removes;
	if (job->removes || git_view_make(&job->view, found, &job->content, &job->err))
		return true;
	if (job->err.code != E_DRIFT)
		return false;
	err_fini(&job->err);
	job->err = (struct err)ERR_INIT;
	drifted(job, found);
	return true;
}

static bool
job_plan(struct git_work *w, struct git_job *job, struct git_found *found)
{
	const char *path = job->change->entity;

	if (!path || !git_path_check(path, &job->err) ||
	    !git_found_read(&w->place, w->place.tree, path, w->t->max_bytes, found, &job->err) ||
	    !(w->revert ? plan_back(job, found) : plan_there(w, job, found)))
		return false;
	if (job->writes && job->content.len > (size_t)w->t->max_bytes)
		return err_set(&job->err, E_TOO_LARGE,
			       "%s would have %zu bytes; at most %lld can be (max_size)", path,
			       job->content.len, (long long)w->t->max_bytes);
	if (job->writes || job->removes)
		receipt_write(job, job->removes ? STR_NONE : buf_str(&job->content), found);
	return true;
}

bool
git_job_plan(struct git_work *w, struct git_job *job)
{
	const struct git_known *known = known_find(w, job->change);
	struct git_found found = {.is = false};
	bool ok;

	buf_clear(&job->content);
	buf_clear(&job->own);
	buf_clear(&job->current);
	buf_clear(&job->receipt);
	job->writes = job->removes = job->merged = false;
	job->what = TARGET_FAILED;
	git_view_fini(&job->view);
	if (!git_view_init(&job->view, job->change, &job->err))
		return false;
	if (known) {
		job->what = TARGET_ALREADY;
		if (!w->revert)
			receipt_recall(w, job, known);
		return true;
	}
	ok = job_plan(w, job, &found);
	buf_fini(&found.bytes);
	return ok;
}

void
git_job_fini(struct git_job *job)
{
	git_view_fini(&job->view);
	buf_fini(&job->content);
	buf_fini(&job->own);
	buf_fini(&job->current);
	buf_fini(&job->receipt);
	err_fini(&job->err);
	free(job->cause);
}

/* --- what a run was made from --------------------------------------------------------------- */

static bool
base_holds(struct git_work *w, struct git_job *jobs, size_t count, const git_oid *id)
{
	struct git_found found = {.is = false};
	bool holds = true;

	for (size_t i = 0; holds && i < count; i++) {
		struct git_job *job = &jobs[i];

		if (!job->writes && !job->removes)
			continue;
		buf_clear(&job->own);
		holds = commit_holds(w, id, job, &found) &&
			(job->removes || git_view_make(&job->view, &found, &job->own, NULL));
	}
	buf_fini(&found.bytes);
	return holds;
}

/* When the first of them was proposed, in the seconds of commits. */
static int64_t
first_proposed(const struct git_job *jobs, size_t count)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < count; i++)
		if ((jobs[i].writes || jobs[i].removes) && jobs[i].change->created.ms < first)
			first = jobs[i].change->created.ms;
	return first / 1000;
}

void
git_base_find(struct git_work *w, struct git_job *jobs, size_t count, git_oid *ret)
{
	int64_t before = first_proposed(jobs, count);
	git_commit *commit = commit_first(w);
	bool holds = false;
	int tries = 0;

	*ret = *CALL(w, git_commit_id, w->place.tip);
	for (int i = 0; commit && !holds && i < BASE_COMMITS && tries < BASE_TRIES; i++) {
		if (CALL(w, git_commit_time, commit) <= before) {
			tries++;
			holds = base_holds(w, jobs, count, CALL(w, git_commit_id, commit));
		}
		if (holds)
			*ret = *CALL(w, git_commit_id, commit);
		else
			commit = commit_next(w, commit);
	}
	CALL(w, git_commit_free, commit);
}
