/* Git targets: the changes of a run become a commit on a branch. Objects alone are written: no
 * hook, no filter and no work tree is touched. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/git.h"

#include <pthread.h>
#include <string.h>

#include "base/digest.h"
#include "base/os.h"
#include "io/beneath.h"
#include "io/git.h"
#include "io/work.h"
#include "plugins/targets/file.h"
#include "plugins/targets/outcome.h"
#include "plugins/targets/vetting.h"

#define CALL(w, name, ...) ((w)->git.name(__VA_ARGS__))
/* A change that is asked for again is looked for in so many commits. */
#define COMMITS_MAX 2000
#define REASON_BYTES 200
static const char key_trailer[] = "Rouse-Key: ";

struct git_target {
	struct vet_queue vets;
	const char *repo, *branch;
	char *mail;
	char *author; /* name */
	int64_t max_bytes;
};

static void group_vet(void *state, struct vettings *group);

static const struct conf_key keys[] = {
	{"repo", CONF_PATH, .flags = CONF_REQUIRED,
	 .help = "the repository: a bare one, or one whose work tree is on another branch"},
	{"branch", CONF_STRING, "main",
	 .help = "the branch that gets the commits; it must be there"},
	{"author", CONF_STRING, "Rouse <rouse@localhost>",
	 .help = "who the commits are by: NAME <MAIL>"},
	{"max_size", CONF_SIZE, "4M", .min = 1, .max = 64 << 20,
	 .help = "largest file; what was there before is kept with the change"},
};

static void
section_check(const struct conf_section *section, struct conf_report *report)
{
	const char *author = conf_str(section, "author"), *branch = conf_str(section, "branch");

	if (author && (!strchr(author, '<') || author[strlen(author) - 1] != '>' || *author == '<'))
		conf_complain(report, section, "author", "\"%s\": expected NAME <MAIL>", author);
	if (branch &&
	    (!*branch || *branch == '-' || strpbrk(branch, " ~^:?*[\\") || strstr(branch, "..")))
		conf_complain(report, section, "branch", "\"%s\" is no name of a branch", branch);
}

static const struct conf_table git_table = {
	.section = "target",
	.named = true,
	.selector = "kind",
	.value = "git",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = section_check,
	.help = "a target that is a branch of a git repository: an entity is a path in it",
};

static bool
target_open(struct target *target, struct conf_report *report)
{
	const struct conf_section *section = target->section;
	struct git_target *t = mem_alloc(sizeof(*t));
	const char *author = conf_str(section, "author"), *at = strchr(author, '<');

	(void)report;
	target->state = t;
	vet_queue_init(&t->vets, group_vet, NULL, t);
	t->repo = conf_str(section, "repo");
	t->branch = conf_str(section, "branch");
	t->max_bytes = conf_int(section, "max_size");
	t->author = str_dup(str_trim(str_make(author, (size_t)(at - author))));
	t->mail = str_dup(str_make(at + 1, strlen(at) - 2));
	return true;
}

static void
target_close(struct target *target)
{
	struct git_target *t = target->state;

	if (!t)
		return;
	free(t->author);
	free(t->mail);
	free(t);
	target->state = NULL;
}

static bool
target_check(struct core *core, const struct target *target, const struct change_row *change,
	     struct err *err)
{
	(void)core;
	if (!change->entity)
		return err_set(err, E_INVALID,
			       "a change of target %s needs an entity: the path of a file",
			       target->name);
	return beneath_check(change->entity, err) && file_change_check(change, err);
}

/* --- one group ----------------------------------------------------------------------------- */

struct git_job {
	const struct change_row *change;
	char *cause;
	enum target_outcome what;
	bool writes, removes;
	git_filemode_t mode;
	struct buf content, current, receipt;
	struct err err;
};

struct git_work {
	struct core *core;
	struct git_target *t;
	bool revert;
	struct git_job *jobs;
	size_t count;
	struct git git;
	git_repository *repository;
	struct vettings *vets; /* instead of jobs: what is asked about */
	struct buf known;      /* keys of commits, a line each, as hashes */
	struct err err;
	target_on_all_done *on_done;
	void *arg;
	struct core_timer *timer;
};

static bool
said(struct git_work *w, const char *what, struct err *err)
{
	return err_set(err, E_UNAVAILABLE, "%s: %s: %s", w->t->repo, what, git_said(&w->git));
}

static void
key_hash(const struct git_work *w, const struct change_row *change, struct buf *out)
{
	AUTO(buf_fini) struct buf key = BUF_INIT;
	struct digest digest;

	change_key(change, w->revert, &key);
	digest = digest_of(DIGEST_SHA256, buf_str(&key));
	hex_encode(out, str_make(digest.bytes, digest.len));
}

/* The keys that a message has, each in a line of its own. */
static void
keys_collect(const char *message, struct buf *out)
{
	struct str rest = str_of(message), line;

	while (rest.p) {
		rest = str_split(rest, '\n', &line);
		if (!str_starts(line, str_of(key_trailer)))
			continue;
		buf_add_str(out,
			    str_make(line.p + strlen(key_trailer), line.len - strlen(key_trailer)));
		buf_putc(out, '\n');
	}
}

static bool
known_read(struct git_work *w, const git_oid *tip, struct err *err)
{
	git_revwalk *walk = NULL;
	git_oid id;

	if (CALL(w, git_revwalk_new, &walk, w->repository))
		return said(w, "cannot be walked", err);
	CALL(w, git_revwalk_push, walk, tip);
	for (int i = 0; i < COMMITS_MAX && !CALL(w, git_revwalk_next, &id, walk); i++) {
		git_commit *commit = NULL;

		if (CALL(w, git_commit_lookup, &commit, w->repository, &id))
			break;
		keys_collect(CALL(w, git_commit_message, commit), &w->known);
		CALL(w, git_commit_free, commit);
	}
	CALL(w, git_revwalk_free, walk);
	return true;
}

static bool
is_known(const struct git_work *w, const struct change_row *change)
{
	AUTO(buf_fini) struct buf line = BUF_INIT;

	key_hash(w, change, &line);
	buf_putc(&line, '\n');
	return w->known.len && strstr(buf_cstr(&w->known), buf_cstr(&line));
}

/* --- one change ---------------------------------------------------------------------------- */

struct found {
	bool is;
	git_filemode_t mode;
	struct buf bytes;
};

static bool
found_read(struct git_work *w, const git_tree *tree, const char *path, struct found *ret,
	   struct err *err)
{
	git_tree_entry *entry = NULL;
	git_object *object = NULL;
	int code = CALL(w, git_tree_entry_bypath, &entry, tree, path);
	bool ok = true;

	if (code == GIT_ENOTFOUND)
		return true;
	if (code)
		return said(w, path, err);
	ret->mode = CALL(w, git_tree_entry_filemode, entry);
	if (ret->mode != GIT_FILEMODE_BLOB && ret->mode != GIT_FILEMODE_BLOB_EXECUTABLE) {
		ok = err_set(err, E_INVALID, "%s is no file", path);
	} else if (CALL(w, git_tree_entry_to_object, &object, w->repository, entry)) {
		ok = said(w, path, err);
	} else if (CALL(w, git_blob_rawsize, (git_blob *)object) > (uint64_t)w->t->max_bytes) {
		ok = err_set(err, E_TOO_LARGE, "%s has more than %lld bytes (max_size)", path,
			     (long long)w->t->max_bytes);
	} else {
		ret->is = true;
		buf_add(&ret->bytes, CALL(w, git_blob_rawcontent, (git_blob *)object),
			(size_t)CALL(w, git_blob_rawsize, (git_blob *)object));
	}
	CALL(w, git_object_free, object);
	CALL(w, git_tree_entry_free, entry);
	return ok;
}

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

/* Is it what this change left? */
static bool
is_as_left(const struct change_row *change, struct str have)
{
	AUTO(buf_fini) struct buf hash = BUF_INIT;
	struct str raw;

	hash_put(have, &hash);
	return change_image_find(change->receipt, "sha256", &raw) && str_eq(raw, buf_str(&hash));
}

static void
drifted(struct git_job *job, const struct found *found)
{
	job->what = TARGET_DRIFTED;
	job->writes = job->removes = false;
	if (found->is)
		file_image_show(buf_str(&found->bytes), job->change->before, &job->current);
}

static bool
plan_back(struct git_job *job, const struct found *found, struct str have)
{
	const struct change_row *change = job->change;
	AUTO(auto_free) char *before = NULL;
	struct str raw;

	if (!is_as_left(change, have)) {
		drifted(job, found);
		return true;
	}
	job->removes = !strcmp(change->op, "create");
	job->writes = !job->removes;
	if (job->removes)
		return true;
	before = change_image_find(change->receipt, "before", &raw) ? str_dup(raw)
								    : mem_strdup(change->before);
	return file_image_bytes(before, &job->content) ||
	       err_set(&job->err, E_STATE, "what %s was before is not known; set it back by hand",
		       change->entity);
}

static bool
plan_there(struct git_job *job, const struct found *found, struct str have)
{
	const struct change_row *change = job->change;
	bool create = !strcmp(change->op, "create");

	if (create ? found->is : !found->is || file_image_drifted(change->before, have)) {
		drifted(job, found);
		return true;
	}
	job->removes = !strcmp(change->op, "delete");
	job->writes = !job->removes;
	if (job->removes || file_content_make(change, have, &job->content, &job->err))
		return true;
	if (job->err.code != E_DRIFT)
		return false;
	err_fini(&job->err);
	job->err = (struct err)ERR_INIT;
	drifted(job, found);
	return true;
}

static void
receipt_write(struct git_job *job, struct str have)
{
	buf_puts(&job->receipt, "{\"sha256\":");
	hash_put(job->removes ? STR_NONE : buf_str(&job->content), &job->receipt);
	buf_puts(&job->receipt, ",\"was\":");
	hash_put(have, &job->receipt);
	if (have.p) {
		buf_puts(&job->receipt, ",\"before\":");
		file_image_keep(have, &job->receipt);
	}
}

/* Into the index; false: job->err. */
static bool
job_plan(struct git_work *w, struct git_job *job, const git_tree *tree, git_index *index)
{
	const char *path = job->change->entity;
	struct found found = {.mode = GIT_FILEMODE_BLOB};
	git_index_entry entry = {.path = path};
	struct str have;
	bool ok;

	if (!path || !beneath_check(path, &job->err))
		return false;
	if (is_known(w, job->change)) {
		job->what = TARGET_ALREADY;
		return true;
	}
	ok = found_read(w, tree, path, &found, &job->err);
	have = found.is ? buf_str(&found.bytes) : STR_NONE;
	ok = ok && (w->revert ? plan_back(job, &found, have) : plan_there(job, &found, have));
	if (ok && (job->writes || job->removes))
		receipt_write(job, have);
	buf_fini(&found.bytes);
	entry.mode = found.mode;
	if (ok && job->removes)
		ok = !CALL(w, git_index_remove, index, path, 0) || said(w, path, &job->err);
	if (ok && job->writes)
		ok = (!CALL(w, git_blob_create_from_buffer, &entry.id, w->repository,
			    buf_cstr(&job->content), job->content.len) &&
		      !CALL(w, git_index_add, index, &entry)) ||
		     said(w, path, &job->err);
	return ok;
}

/* --- a commit ------------------------------------------------------------------------------ */

/* Without what could begin a line of its own. */
static void
plain_add(struct buf *out, const char *text, size_t most)
{
	for (size_t i = 0; text && text[i] && i < most; i++)
		buf_putc(out, (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i]);
}

static void
message_write(const struct git_work *w, const struct git_job *jobs, size_t count, struct buf *out)
{
	size_t done = 0;

	for (size_t i = 0; i < count; i++)
		done += jobs[i].writes || jobs[i].removes;
	buf_printf(out, "%s %zu file%s of run %s\n\n", w->revert ? "Revert" : "Change", done,
		   done == 1 ? "" : "s", jobs[0].change->run_id ? jobs[0].change->run_id : "?");
	for (size_t i = 0; i < count; i++) {
		if (!jobs[i].writes && !jobs[i].removes)
			continue;
		buf_puts(out, "- ");
		plain_add(out, jobs[i].change->entity, SIZE_MAX);
		buf_puts(out, jobs[i].change->reason ? ": " : "");
		plain_add(out, jobs[i].change->reason, REASON_BYTES);
		buf_putc(out, '\n');
	}
	buf_putc(out, '\n');
	if (jobs[0].cause && *jobs[0].cause)
		buf_cat(out, "Rouse-Cause: ", jobs[0].cause, "\n");
	for (size_t i = 0; i < count; i++) {
		if (!jobs[i].writes && !jobs[i].removes)
			continue;
		buf_puts(out, key_trailer);
		key_hash(w, jobs[i].change, out);
		buf_putc(out, '\n');
	}
}

static bool
commit_make(struct git_work *w, struct git_job *jobs, size_t count, git_commit *parent,
	    git_index *index, git_oid *ret, struct err *err)
{
	AUTO(buf_fini) struct buf ref = BUF_INIT, message = BUF_INIT;
	const git_commit *parents[] = {parent};
	git_signature *by = NULL;
	git_tree *tree = NULL;
	git_oid id;
	bool ok;

	buf_cat(&ref, "refs/heads/", w->t->branch);
	message_write(w, jobs, count, &message);
	ok = !CALL(w, git_index_write_tree_to, &id, index, w->repository) &&
	     !CALL(w, git_tree_lookup, &tree, w->repository, &id) &&
	     !CALL(w, git_signature_now, &by, w->t->author, w->t->mail);
	crash_point("git-before-commit");
	/* Refused when the branch has moved on meanwhile: then it is tried again. */
	ok = ok && !CALL(w, git_commit_create, ret, w->repository, buf_cstr(&ref), by, by, NULL,
			 buf_cstr(&message), tree, 1, parents);
	if (!ok)
		said(w, "the commit cannot be made", err);
	else
		crash_point("git-after-commit");
	CALL(w, git_signature_free, by);
	CALL(w, git_tree_free, tree);
	return ok;
}

static void
jobs_done(struct git_work *w, struct git_job *jobs, size_t count, const git_oid *commit)
{
	char id[GIT_OID_HEXSZ + 1];

	CALL(w, git_oid_tostr, id, sizeof(id), commit);
	for (size_t i = 0; i < count; i++)
		if (jobs[i].writes || jobs[i].removes) {
			jobs[i].what = TARGET_DONE;
			buf_printf(&jobs[i].receipt, ",\"commit\":\"%s\"}", id);
		}
}

static void
jobs_fail(struct git_job *jobs, size_t count, const struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (jobs[i].what == TARGET_DRIFTED || jobs[i].what == TARGET_ALREADY ||
		    jobs[i].err.code != E_OK)
			continue;
		buf_clear(&jobs[i].receipt);
		err_set(&jobs[i].err, err->code, "%s", err_text(err));
	}
}

/* A work tree on this branch would show all of it as undone by hand. */
static bool
branch_is_free(struct git_work *w, const char *ref, struct err *err)
{
	git_reference *head = NULL;
	bool taken;

	if (CALL(w, git_repository_is_bare, w->repository) ||
	    CALL(w, git_reference_lookup, &head, w->repository, "HEAD"))
		return true;
	taken = CALL(w, git_reference_symbolic_target, head) &&
		!strcmp(CALL(w, git_reference_symbolic_target, head), ref);
	CALL(w, git_reference_free, head);
	return !taken || err_set(err, E_STATE,
				 "branch %s is checked out in %s; name another branch, or a bare "
				 "repository",
				 w->t->branch, w->t->repo);
}

/* Where the branch is now. */
static bool
branch_find(struct git_work *w, const char *ref, git_oid *ret, struct err *err)
{
	return !CALL(w, git_reference_name_to_id, ret, w->repository, ref) ||
	       err_set(err, E_NOT_FOUND, "%s has no branch %s", w->t->repo, w->t->branch);
}

/* The changes of one run. */
static bool
run_do(struct git_work *w, struct git_job *jobs, size_t count, struct err *err)
{
	AUTO(buf_fini) struct buf ref = BUF_INIT;
	git_commit *tip = NULL;
	git_index *index = NULL;
	git_tree *tree = NULL;
	git_oid id;
	size_t todo = 0;
	bool ok;

	buf_cat(&ref, "refs/heads/", w->t->branch);
	if (!branch_find(w, buf_cstr(&ref), &id, err) || !branch_is_free(w, buf_cstr(&ref), err))
		return false;
	buf_clear(&w->known);
	ok = known_read(w, &id, err) &&
	     ((!CALL(w, git_commit_lookup, &tip, w->repository, &id) &&
	       !CALL(w, git_commit_tree, &tree, tip) && !CALL(w, git_index_new, &index) &&
	       !CALL(w, git_index_read_tree, index, tree)) ||
	      said(w, "the branch cannot be read", err));
	for (size_t i = 0; ok && i < count; i++)
		if (job_plan(w, &jobs[i], tree, index))
			todo += jobs[i].writes || jobs[i].removes;
		else
			jobs[i].writes = jobs[i].removes = false;
	ok = ok && (!todo || commit_make(w, jobs, count, tip, index, &id, err));
	if (ok && todo)
		jobs_done(w, jobs, count, &id);
	CALL(w, git_index_free, index);
	CALL(w, git_tree_free, tree);
	CALL(w, git_commit_free, tip);
	return ok;
}

static void
runs_do(struct git_work *w)
{
	size_t from = 0;

	for (size_t i = 1; i <= w->count; i++) {
		AUTO(err_fini) struct err err = ERR_INIT;

		if (i < w->count && w->jobs[i].change->run == w->jobs[from].change->run)
			continue;
		if (!run_do(w, &w->jobs[from], i - from, &err))
			jobs_fail(&w->jobs[from], i - from, &err);
		from = i;
	}
}

/* Loaded with the first change and kept: what it holds for a thread is freed when that ends, and
 * must not be gone by then. One group after the other, of all targets. */
static struct {
	pthread_mutex_t lock;
	struct git git;
	bool ready;
} library = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool
library_ready(struct git_work *w)
{
	if (!library.ready) {
		if (!git_load(&library.git, &w->err)) {
			git_unload(&library.git);
			return false;
		}
		library.ready = library.git.git_libgit2_init() >= 0;
	}
	w->git = library.git;
	return library.ready || said(w, "libgit2 does not start", &w->err);
}

static bool
repository_do(struct git_work *w, void (*go)(struct git_work *w))
{
	bool ok;

	git_confine(&w->git, true);
	CALL(w, git_libgit2_opts, GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	ok = !CALL(w, git_repository_open_ext, &w->repository, w->t->repo,
		   GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) ||
	     said(w, "cannot be opened", &w->err);
	if (ok)
		go(w);
	CALL(w, git_repository_free, w->repository);
	return ok;
}

/* In a thread. */
static void
work_run(void *arg)
{
	struct git_work *w = arg;

	pthread_mutex_lock(&library.lock);
	if (!library_ready(w) || !repository_do(w, runs_do))
		jobs_fail(w->jobs, w->count, &w->err);
	pthread_mutex_unlock(&library.lock);
}

static void
work_on_done(void *arg)
{
	struct git_work *w = arg;
	AUTO(auto_free)
	struct target_result *results = mem_alloc_array(w->count, sizeof(*results));
	AUTO(auto_free) struct err *errs = mem_alloc_array(w->count, sizeof(*errs));

	for (size_t i = 0; i < w->count; i++) {
		struct git_job *job = &w->jobs[i];

		results[i] = (struct target_result){
			.outcome = job->what,
			.current = job->current.len ? buf_cstr(&job->current) : NULL,
			.receipt = job->what == TARGET_DONE ? buf_cstr(&job->receipt) : NULL};
		errs[i] = job->err;
	}
	w->on_done(w->arg, results, errs);
	for (size_t i = 0; i < w->count; i++) {
		buf_fini(&w->jobs[i].content);
		buf_fini(&w->jobs[i].current);
		buf_fini(&w->jobs[i].receipt);
		err_fini(&w->jobs[i].err);
		free(w->jobs[i].cause);
	}
	buf_fini(&w->known);
	err_fini(&w->err);
	core_timer_free(w->timer);
	free(w->jobs);
	free(w);
}

static void
target_apply_many(struct core *core, const struct target *target,
		  const struct change_row *const *changes, size_t count, bool revert,
		  target_on_all_done *on_done, void *arg)
{
	struct git_work *w = mem_alloc(sizeof(*w));

	*w = (struct git_work){.core = core,
			       .t = target->state,
			       .revert = revert,
			       .count = count,
			       .on_done = on_done,
			       .arg = arg};
	w->jobs = mem_alloc_array(count, sizeof(*w->jobs));
	for (size_t i = 0; i < count; i++) {
		struct buf cause = BUF_INIT;

		w->jobs[i].change = changes[i];
		w->jobs[i].what = TARGET_FAILED;
		if (!i || changes[i]->run != changes[i - 1]->run)
			change_cause(core, changes[i], &cause);
		w->jobs[i].cause = buf_take(&cause);
	}
	if (work_submit(core->work, work_run, work_on_done, w, &w->err))
		return;
	jobs_fail(w->jobs, count, &w->err);
	core_timer_arm(core, &w->timer, 0, work_on_done, w);
}

/* --- at a proposal ------------------------------------------------------------------------- */

/* Is it there as the op needs it, and does the patch fit? */
static bool
proposal_fits(struct git_work *w, const git_tree *tree, const struct change_row *change,
	      struct err *err)
{
	AUTO(buf_fini) struct buf made = BUF_INIT;
	struct found found = {.mode = GIT_FILEMODE_BLOB};
	bool create = !strcmp(change->op, "create");
	bool ok = found_read(w, tree, change->entity, &found, err);

	if (ok && create && found.is)
		ok = err_set(err, E_EXISTS, "%s is on branch %s already; propose an update",
			     change->entity, w->t->branch);
	else if (ok && !create && !found.is)
		ok = err_set(err, E_NOT_FOUND, "%s is not on branch %s; %s", change->entity,
			     w->t->branch,
			     strcmp(change->op, "delete") ? "propose a create"
							  : "nothing is to be deleted");
	else if (ok && !change->after && change->patch)
		ok = file_content_make(change, found.is ? buf_str(&found.bytes) : STR_NONE, &made,
				       err);
	buf_fini(&found.bytes);
	return ok;
}

static void
proposals_look(struct git_work *w)
{
	AUTO(buf_fini) struct buf ref = BUF_INIT;
	git_commit *tip = NULL;
	git_tree *tree = NULL;
	struct vetting *vetting;
	git_oid id;

	buf_cat(&ref, "refs/heads/", w->t->branch);
	if (branch_find(w, buf_cstr(&ref), &id, &w->err) &&
	    (CALL(w, git_commit_lookup, &tip, w->repository, &id) ||
	     CALL(w, git_commit_tree, &tree, tip)))
		said(w, "the branch cannot be read", &w->err);
	STAILQ_FOREACH (vetting, w->vets, next) {
		if (!tree)
			break;
		if (proposal_fits(w, tree, vetting->change, &vetting->err))
			vetting->verdict = VET_FITS;
		else if (!err_again(vetting->err.code))
			vetting->verdict = VET_REFUSED;
	}
	CALL(w, git_tree_free, tree);
	CALL(w, git_commit_free, tip);
}

/* In a thread. */
static void
group_vet(void *state, struct vettings *group)
{
	struct git_work w = {.t = state, .vets = group};
	struct vetting *vetting;

	pthread_mutex_lock(&library.lock);
	if (library_ready(&w))
		repository_do(&w, proposals_look);
	pthread_mutex_unlock(&library.lock);
	STAILQ_FOREACH (vetting, group, next)
		if (vetting->verdict == VET_UNKNOWN && vetting->err.code == E_OK)
			err_set(&vetting->err, w.err.code, "%s", err_text(&w.err));
	err_fini(&w.err);
}

/* What a proposal brings whole may be seen at once; whether it is there is seen in a thread. */
static bool
target_vets(const struct target *target, const struct change_row *change)
{
	(void)target;
	(void)change;
	return true;
}

static void
target_vet(struct core *core, const struct target *target, const struct change_row *change,
	   int64_t timeout_ms, target_on_vetted *on_vetted, void *arg)
{
	struct git_target *t = target->state;

	vet_queue_add(&t->vets, vetting_new(core, target, change, timeout_ms, on_vetted, arg));
}

const struct target_kind git_target_kind = {
	.name = "git",
	.table = &git_table,
	.open = target_open,
	.close = target_close,
	.check = target_check,
	.vets = target_vets,
	.vet = target_vet,
	.apply_many = target_apply_many,
};
