/* Git targets: a repository, looked at: by the loop when something is proposed, by a thread when it
 * is applied. Objects and refs are read, and no configuration but the repository's own. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/git_parts.h"

#include <string.h>

#include "io/beneath.h"
#include "plugins/libgit.h"
#include "plugins/targets/file.h"

#define CALL PLACE_CALL
/* The loop reads no more for one proposal. */
#define LOOK_BYTES (1 << 20)
/* A proposal may be made from what the branch held so many commits ago. */
#define LOOK_COMMITS 100
#define LOOK_READS 20

bool
git_place_failed(const struct git_place *place, const char *what, struct err *err)
{
	return err_set(err, E_UNAVAILABLE, "%s: %s: %s", place->t->repo, what,
		       git_said(&place->git));
}

static void
tip_forget(struct git_place *place)
{
	CALL(place, git_tree_free, place->tree);
	CALL(place, git_commit_free, place->tip);
	place->tree = NULL;
	place->tip = NULL;
}

bool
git_place_set(struct git_place *place, const git_oid *id, struct err *err)
{
	git_oid kept = *id;

	tip_forget(place);
	return (!CALL(place, git_commit_lookup, &place->tip, place->repository, &kept) &&
		!CALL(place, git_commit_tree, &place->tree, place->tip)) ||
	       git_place_failed(place, "the branch cannot be read", err);
}

void
git_remote_ref(const struct git_target *t, struct buf *out)
{
	buf_cat(out, "refs/rouse/push/", t->name);
}

/* Which of both is ahead; they may have gone apart. */
static bool
tip_choose(struct git_place *place, git_oid *ret, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	git_oid remote;

	*ret = place->local;
	if (!place->t->push)
		return true;
	git_remote_ref(place->t, &name);
	if (CALL(place, git_reference_name_to_id, &remote, place->repository, buf_cstr(&name)) ||
	    !CALL(place, git_oid_cmp, &remote, &place->local) ||
	    CALL(place, git_graph_descendant_of, place->repository, &place->local, &remote) == 1)
		return true;
	*ret = remote;
	return CALL(place, git_graph_descendant_of, place->repository, &remote, &place->local) ==
		       1 ||
	       err_set(err, E_STATE,
		       "branch %s of %s and that of %s (push) have gone apart; merge one into the "
		       "other by hand, then rouse apply",
		       place->t->branch, place->t->repo, place->t->push);
}

bool
git_place_tip(struct git_place *place, struct err *err)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	git_reference *ref = NULL, *real = NULL;
	git_oid tip;
	bool ok;

	buf_clear(&place->ref);
	buf_cat(&name, "refs/heads/", place->t->branch);
	if (CALL(place, git_reference_lookup, &ref, place->repository, buf_cstr(&name)))
		return err_set(err, E_NOT_FOUND, "%s has no branch %s; make it, or name another",
			       place->t->repo, place->t->branch);
	ok = !CALL(place, git_reference_resolve, &real, ref);
	if (ok) {
		place->local = *CALL(place, git_reference_target, real);
		buf_puts(&place->ref, CALL(place, git_reference_name, real));
		ok = tip_choose(place, &tip, err) && git_place_set(place, &tip, err);
	} else {
		git_place_failed(place, "the branch cannot be read", err);
	}
	CALL(place, git_reference_free, real);
	CALL(place, git_reference_free, ref);
	return ok;
}

bool
git_place_open(struct git_place *place, const struct git_target *t, struct err *err)
{
	*place = (struct git_place){.t = t, .ref = BUF_INIT};
	if (!libgit_get(&place->git, err))
		return false;
	if (CALL(place, git_repository_open_ext, &place->repository, t->repo,
		 GIT_REPOSITORY_OPEN_NO_SEARCH, NULL))
		return git_place_failed(place, "the repository cannot be opened", err);
	return git_place_tip(place, err);
}

void
git_place_close(struct git_place *place)
{
	if (place->repository) {
		tip_forget(place);
		CALL(place, git_repository_free, place->repository);
	}
	buf_fini(&place->ref);
	*place = (struct git_place){.ref = BUF_INIT};
}

/* --- files of a commit ---------------------------------------------------------------------- */

git_tree *
git_tree_of(struct git_place *place, const git_oid *id)
{
	git_commit *commit = NULL;
	git_tree *tree = NULL;

	if (CALL(place, git_commit_lookup, &commit, place->repository, id))
		return NULL;
	if (CALL(place, git_commit_tree, &tree, commit))
		tree = NULL;
	CALL(place, git_commit_free, commit);
	return tree;
}

static const char *
kind_of(git_filemode_t mode)
{
	return mode == GIT_FILEMODE_LINK     ? "a symbolic link"
	       : mode == GIT_FILEMODE_COMMIT ? "a submodule"
	       : mode == GIT_FILEMODE_TREE   ? "a folder"
					     : "a file";
}

/* Are all that the path leads through folders, or not there? */
static bool
way_check(struct git_place *place, const git_tree *tree, const char *path, struct err *err)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		AUTO(auto_free) char *above = str_dup(str_make(path, (size_t)(slash - path)));
		git_tree_entry *entry = NULL;
		git_filemode_t mode;

		if (CALL(place, git_tree_entry_bypath, &entry, tree, above))
			return true;
		mode = CALL(place, git_tree_entry_filemode, entry);
		CALL(place, git_tree_entry_free, entry);
		if (mode != GIT_FILEMODE_TREE)
			return err_set(err, E_INVALID, "%s cannot be: %s is %s on branch %s", path,
				       above, kind_of(mode), place->t->branch);
	}
	return true;
}

static bool
blob_read(struct git_place *place, const git_tree_entry *entry, const char *path, int64_t max,
	  struct git_found *ret, struct err *err)
{
	git_object *object = NULL;
	bool ok = true;

	if (CALL(place, git_tree_entry_to_object, &object, place->repository, entry)) {
		ok = git_place_failed(place, path, err);
	} else if (CALL(place, git_blob_rawsize, (git_blob *)object) > (uint64_t)max) {
		ok = err_set(err, E_TOO_LARGE, "%s has more than %lld bytes (max_size)", path,
			     (long long)max);
	} else {
		ret->is = true;
		buf_add(&ret->bytes, CALL(place, git_blob_rawcontent, (git_blob *)object),
			(size_t)CALL(place, git_blob_rawsize, (git_blob *)object));
	}
	CALL(place, git_object_free, object);
	return ok;
}

bool
git_found_read(struct git_place *place, const git_tree *tree, const char *path, int64_t max,
	       struct git_found *ret, struct err *err)
{
	git_tree_entry *entry = NULL;
	int code = CALL(place, git_tree_entry_bypath, &entry, tree, path);
	bool ok;

	if (code == GIT_ENOTFOUND)
		return way_check(place, tree, path, err);
	if (code)
		return git_place_failed(place, path, err);
	ret->mode = CALL(place, git_tree_entry_filemode, entry);
	ok = ret->mode == GIT_FILEMODE_BLOB || ret->mode == GIT_FILEMODE_BLOB_EXECUTABLE
		     ? blob_read(place, entry, path, max, ret, err)
		     : err_set(err, E_INVALID,
			       "%s is %s on branch %s, and no file; expected the path of a file",
			       path, kind_of(ret->mode), place->t->branch);
	CALL(place, git_tree_entry_free, entry);
	return ok;
}

struct str
git_found_bytes(const struct git_found *found)
{
	return found->is ? buf_str(&found->bytes) : STR_NONE;
}

/* --- what a change says --------------------------------------------------------------------- */

static bool
mode_parse(const char *text, git_filemode_t *ret)
{
	static const struct {
		const char *name;
		git_filemode_t mode;
	} known[] = {{"100644", GIT_FILEMODE_BLOB},
		     {"644", GIT_FILEMODE_BLOB},
		     {"100755", GIT_FILEMODE_BLOB_EXECUTABLE},
		     {"755", GIT_FILEMODE_BLOB_EXECUTABLE}};

	for (size_t i = 0; text && i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i].name, text))
			continue;
		*ret = known[i].mode;
		return true;
	}
	return false;
}

/* {"$mode":"755"} alone, or beside "$text", "$base64" or "$sha256". Of any other image a copy. */
static bool
image_split(const char *image, char **ret_content, git_filemode_t *ret_mode, struct err *err)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	const char *text;

	*ret_content = mem_strdup(image);
	if (!image || !strstr(image, "\"$mode\"") || !json_read(str_of(image), &object, NULL) ||
	    !json_object_get(object, "$mode"))
		return true;
	free(*ret_content);
	*ret_content = NULL;
	text = json_str(object, "$text");
	if (!mode_parse(json_str(object, "$mode"), ret_mode) || json_object_size(object) > 2 ||
	    (json_object_size(object) == 2 && !text && !json_str(object, "$base64") &&
	     !json_str(object, "$sha256")))
		return err_set(err, E_INVALID,
			       "an image with a $mode is {\"$mode\":\"644\"} or "
			       "{\"$mode\":\"755\"}, alone or with one of $text and $base64");
	json_object_del(object, "$mode");
	if (json_object_size(object)) {
		struct buf content = BUF_INIT;

		if (text)
			buf_json_cstr(&content, text);
		else
			json_write(&content, object);
		*ret_content = buf_take(&content);
	}
	return true;
}

bool
git_view_init(struct git_view *view, const struct change_row *change, struct err *err)
{
	*view = (struct git_view){.row = *change};
	if (!image_split(change->before, &view->before, &view->before_mode, err) ||
	    !image_split(change->after, &view->after, &view->after_mode, err))
		return false;
	view->row.before = view->before;
	view->row.after = view->after;
	view->keeps = view->after_mode && !view->after;
	return !view->keeps || !strcmp(change->op, "update") ||
	       err_set(err, E_INVALID, "a mode alone is an update; a %s has content", change->op);
}

void
git_view_fini(struct git_view *view)
{
	free(view->before);
	free(view->after);
	view->before = view->after = NULL;
}

bool
git_view_drifted(const struct git_view *view, const struct git_found *found)
{
	if (!strcmp(view->row.op, "create"))
		return found->is;
	return !found->is || file_image_drifted(view->before, git_found_bytes(found)) ||
	       (view->before_mode && view->before_mode != found->mode);
}

bool
git_view_make(const struct git_view *view, const struct git_found *found, struct buf *out,
	      struct err *err)
{
	if (!view->keeps)
		return file_content_make(&view->row, git_found_bytes(found), out, err);
	buf_add_str(out, buf_str(&found->bytes));
	return true;
}

/* --- proposals ------------------------------------------------------------------------------ */

/* What some file system takes for ".git": git(1) protects the same (core.protectHFS, protectNTFS).
 */
static bool
part_is_git(struct str part)
{
	AUTO(buf_fini) struct buf plain = BUF_INIT;

	while (part.len) {
		uint32_t code = 0;
		size_t n = str_utf8_next(part, &code);
		bool ignorable = (code >= 0x200c && code <= 0x200f) ||
				 (code >= 0x202a && code <= 0x202e) ||
				 (code >= 0x206a && code <= 0x206f) || code == 0xfeff;

		if (!n)
			return false;
		if (!ignorable)
			buf_add(&plain, part.p, n);
		part.p += n;
		part.len -= n;
	}
	part = buf_str(&plain);
	for (size_t i = 0; i < part.len; i++)
		if (part.p[i] == ':' || part.p[i] == '\\')
			part.len = i;
	while (part.len && (part.p[part.len - 1] == '.' || part.p[part.len - 1] == ' '))
		part.len--;
	return str_eq_nocase(part, STR(".git")) || str_eq_nocase(part, STR("git~1"));
}

bool
git_path_check(const char *path, struct err *err)
{
	struct str rest = str_of(path), part;

	if (!str_is_utf8(rest))
		return err_set(err, E_INVALID, "the path is not UTF-8");
	if (!beneath_check(path, err))
		return false;
	while (rest.p) {
		rest = str_split(rest, '/', &part);
		if (part_is_git(part))
			return err_set(err, E_INVALID,
				       "%s lies in a repository's own folder; that is git's to "
				       "write",
				       path);
	}
	return true;
}

/* The way back along first parents. */
static git_commit *
commit_before(struct git_place *place, git_commit *take_commit)
{
	git_commit *parent = NULL;

	if (CALL(place, git_commit_parentcount, take_commit))
		CALL(place, git_commit_lookup, &parent, place->repository,
		     CALL(place, git_commit_parent_id, take_commit, 0));
	CALL(place, git_commit_free, take_commit);
	return parent;
}

/* Did the branch hold what the change was made from, some commits ago? Into *ret what it held. */
static bool
was_held(struct git_place *place, const struct git_view *view, struct git_found *ret)
{
	git_commit *commit = NULL;
	git_oid seen = {0};
	bool held = false;
	int reads = 0;

	CALL(place, git_commit_lookup, &commit, place->repository,
	     CALL(place, git_commit_id, place->tip));
	for (int i = 0; commit && !held && i < LOOK_COMMITS && reads < LOOK_READS; i++) {
		git_tree_entry *entry = NULL;
		git_tree *tree = NULL;

		if (!CALL(place, git_commit_tree, &tree, commit) &&
		    !CALL(place, git_tree_entry_bypath, &entry, tree, view->row.entity) &&
		    CALL(place, git_oid_cmp, &seen, CALL(place, git_tree_entry_id, entry))) {
			seen = *CALL(place, git_tree_entry_id, entry);
			buf_clear(&ret->bytes);
			ret->is = false;
			reads++;
			held = git_found_read(place, tree, view->row.entity, LOOK_BYTES, ret,
					      NULL) &&
			       !git_view_drifted(view, ret);
		}
		CALL(place, git_tree_entry_free, entry);
		CALL(place, git_tree_free, tree);
		commit = commit_before(place, commit);
	}
	CALL(place, git_commit_free, commit);
	return held;
}

static bool
images_check(struct git_place *place, const struct git_view *view, struct git_found *found,
	     struct err *err)
{
	const char *path = view->row.entity, *branch = place->t->branch;
	bool create = !strcmp(view->row.op, "create");
	AUTO(buf_fini) struct buf made = BUF_INIT;

	if (create && found->is)
		return err_set(err, E_DRIFT, "%s is there on branch %s; a create makes what is not",
			       path, branch);
	if (!create && !found->is)
		return err_set(err, E_DRIFT, "there is no %s on branch %s that could be %s", path,
			       branch, strcmp(view->row.op, "delete") ? "updated" : "deleted");
	if (git_view_drifted(view, found) && !was_held(place, view, found))
		return err_set(err, E_DRIFT,
			       "before is not what branch %s holds of %s, nor what it held in its "
			       "last %d commits",
			       branch, path, LOOK_COMMITS);
	if (!strcmp(view->row.op, "delete"))
		return true;
	if (!git_view_make(view, found, &made, err))
		return err_prefix(err, "%s on branch %s", path, branch);
	return made.len <= (size_t)place->t->max_bytes ||
	       err_set(err, E_TOO_LARGE, "%s would have %zu bytes; at most %lld can be (max_size)",
		       path, made.len, (long long)place->t->max_bytes);
}

/* What cannot be looked at now is nobody's fault, and said when it is applied. */
static bool
repository_check(const struct git_target *t, const struct git_view *view, struct err *err)
{
	struct git_place place;
	struct git_found found = {.is = false};
	AUTO(err_fini) struct err why = ERR_INIT;
	bool ok;

	if (!git_place_open(&place, t, NULL)) {
		git_place_close(&place);
		return true;
	}
	ok = git_found_read(&place, place.tree, view->row.entity, LOOK_BYTES, &found, &why);
	if (ok)
		ok = images_check(&place, view, &found, err);
	else if (why.code != E_INVALID)
		ok = true;
	else
		err_move(err, &why);
	buf_fini(&found.bytes);
	git_place_close(&place);
	return ok;
}

bool
git_change_check(const struct target *target, const struct change_row *change, struct err *err)
{
	struct git_view view;
	bool ok;

	if (!change->entity)
		return err_set(err, E_INVALID,
			       "a change of target %s needs an entity: the path of a file",
			       target->name);
	if (!git_path_check(change->entity, err) || !file_change_check(change, err))
		return false;
	ok = git_view_init(&view, change, err) && repository_check(target->state, &view, err);
	git_view_fini(&view);
	return ok;
}
