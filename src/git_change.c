/* rouse-git: what changed where a ref moved: commits, paths, and whose doing it was. */
/* SPDX-License-Identifier: MIT */
#include "git_parts.h"

#include "base/clock.h"

#define MESSAGE_MAX 4096
#define MESSAGES_BYTES_MAX (512 << 10) /* of all commits; those behind have their subject alone */
#define NAME_MAX_BYTES 256
#define PATHS_BYTES_MAX (256 << 10)
#define HIDDEN_MAX 512 /* known refs that a new one is told apart from */
#define CAUSE_MAX 200

struct change {
	struct look *look;
	const struct ref *ref;
	git_object *old, *new; /* what they point to in the end; NULL: none, or not here */
	char old_id[GIT_OID_HEXSZ + 1], new_id[GIT_OID_HEXSZ + 1]; /* "" */
	const char *kind;
	const char *incomplete;
	struct walk walk; /* of a shallow history */
	git_oid oldest;	  /* of the commits told */
	size_t commits;
	bool more;
	bool ours; /* every one of them carries a cause */
	struct buf cause;
};

#define CALL(c, name, ...) GIT_CALL(&(c)->look->git, name, __VA_ARGS__)

static bool
is_commit(struct change *c, git_object *object)
{
	return CALL(c, git_object_type, object) == GIT_OBJECT_COMMIT;
}

static void
member(struct buf *out, const char *name, struct str value)
{
	buf_cat(out, out->len && out->data[out->len - 1] != '{' ? ",\"" : "\"", name, "\":");
	if (value.p)
		buf_json_str(out, value);
	else
		buf_puts(out, "null");
}

/* At most so many bytes, not through the middle of a character. */
static struct str
str_cut(const char *text, size_t most)
{
	struct str s = str_of(text);

	if (s.len <= most)
		return s;
	s.len = most;
	while (s.len && ((unsigned char)s.p[s.len] & 0xc0) == 0x80)
		s.len--;
	return s;
}

static void
signature_add(struct buf *out, const char *name, const git_signature *signature)
{
	AUTO(buf_fini) struct buf when = BUF_INIT;

	buf_cat(out, ",\"", name, "\":{");
	if (signature) {
		int64_t s = signature->when.time;

		if (s > -62135596800 && s < 253402300800)
			wall_format((struct wall){s * 1000}, &when);
		member(out, "name", str_cut(signature->name, NAME_MAX_BYTES));
		member(out, "email", str_cut(signature->email, NAME_MAX_BYTES));
		member(out, "date", when.len ? buf_str(&when) : STR_NONE);
	}
	buf_putc(out, '}');
}

/* --- the cause that a commit carries ------------------------------------------------------ */

/* Rouse-Cause in the last paragraph of the message, as git's trailers are. */
static bool
trailer_find(const char *message, struct buf *ret)
{
	struct str rest = str_of(message), line, found = STR_NONE;

	while (rest.p) {
		static const char name[] = "rouse-cause:";

		rest = str_split(rest, '\n', &line);
		line = str_trim(line);
		if (!line.len && str_trim(rest).len)
			found = STR_NONE;
		else if (str_starts_nocase(line, str_of(name)))
			found = str_trim(str_make(line.p + strlen(name), line.len - strlen(name)));
	}
	if (!found.len || found.len > CAUSE_MAX)
		return false;
	buf_clear(ret);
	buf_add_str(ret, found);
	return true;
}

/* --- commits -------------------------------------------------------------------------------- */

static void
commit_add(struct change *c, git_commit *commit, struct buf *out)
{
	const char *message = CALL(c, git_commit_message, commit);
	AUTO(buf_fini) struct buf cause = BUF_INIT;
	char id[GIT_OID_HEXSZ + 1];
	struct str subject;

	message = message ? message : "";
	str_split(str_trim(str_of(message)), '\n', &subject);
	if (c->commits)
		buf_putc(out, ',');
	buf_putc(out, '{');
	member(out, "id",
	       str_of(CALL(c, git_oid_tostr, id, sizeof(id), CALL(c, git_commit_id, commit))));
	signature_add(out, "author", CALL(c, git_commit_author, commit));
	subject.len = subject.len > NAME_MAX_BYTES ? NAME_MAX_BYTES : subject.len;
	member(out, "subject", subject);
	member(out, "message",
	       out->len < MESSAGES_BYTES_MAX ? str_cut(message, MESSAGE_MAX) : STR_NONE);
	buf_printf(out, ",\"parents\":%u}", CALL(c, git_commit_parentcount, commit));
	if (!trailer_find(message, &cause))
		c->ours = false;
	else if (!c->commits)
		buf_add_str(&c->cause, buf_str(&cause));
}

/* Where a ref is new, what any other known one has is not. The next of those; NULL: no more. */
static const struct ref *
known_next(struct change *c, const struct ref *ref, git_oid *ret)
{
	while (ref && (!ref->known[0] || CALL(c, git_oid_fromstr, ret, ref->known)))
		ref = ref->hh.next;
	return ref;
}

static void
hide_known(struct change *c, git_revwalk *walk)
{
	const struct ref *ref = c->look->refs;
	size_t hidden = 0;
	git_oid id;

	while (hidden < HIDDEN_MAX && (ref = known_next(c, ref, &id))) {
		hidden += !CALL(c, git_revwalk_hide, walk, &id);
		ref = ref->hh.next;
	}
}

/* The same of a history that is cut off. */
static void
shallow_walk(struct change *c)
{
	AUTO(auto_free) git_oid *hidden = mem_alloc_array(HIDDEN_MAX, sizeof(git_oid));
	const struct ref *ref = c->look->refs;
	size_t count = 0;

	if (c->old)
		hidden[count++] = *CALL(c, git_object_id, c->old);
	while (!c->old && count < HIDDEN_MAX && (ref = known_next(c, ref, &hidden[count]))) {
		count++;
		ref = ref->hh.next;
	}
	walk_commits(c->look, CALL(c, git_object_id, c->new), hidden, count,
		     (size_t)c->look->request.commits_max, &c->walk);
}

static bool
shallow_add(struct change *c, struct buf *out)
{
	git_commit *commit;

	for (size_t i = 0; i < c->walk.count; i++) {
		commit = NULL;
		if (CALL(c, git_commit_lookup, &commit, c->look->repository, &c->walk.ids[i]))
			return false;
		commit_add(c, commit, out);
		CALL(c, git_commit_free, commit);
		c->oldest = c->walk.ids[i];
		c->commits++;
	}
	c->more = c->walk.more || c->walk.border;
	return true;
}

static bool
commits_walk(struct change *c, git_revwalk *walk, struct buf *out)
{
	git_oid id;
	int code;

	if (CALL(c, git_revwalk_push, walk, CALL(c, git_object_id, c->new)))
		return false;
	if (c->old)
		CALL(c, git_revwalk_hide, walk, CALL(c, git_object_id, c->old));
	else
		hide_known(c, walk);
	while (!(code = CALL(c, git_revwalk_next, &id, walk))) {
		git_commit *commit = NULL;

		if (c->commits >= (size_t)c->look->request.commits_max) {
			c->more = true;
			return true;
		}
		if (CALL(c, git_commit_lookup, &commit, c->look->repository, &id))
			return false;
		commit_add(c, commit, out);
		CALL(c, git_commit_free, commit);
		c->oldest = id;
		c->commits++;
	}
	return code == GIT_ITEROVER;
}

static void
commits_add(struct change *c, struct buf *out)
{
	AUTO(buf_fini) struct buf list = BUF_INIT;
	git_revwalk *walk = NULL;

	c->ours = true;
	buf_puts(out, ",\"commits\":[");
	if (c->new &&is_commit(c, c->new) && c->look->shallow) {
		if (!shallow_add(c, &list))
			c->incomplete = "the history cannot be read";
	} else if (c->new &&is_commit(c, c->new)) {
		if (CALL(c, git_revwalk_new, &walk, c->look->repository) ||
		    !commits_walk(c, walk, &list))
			c->incomplete = "the history cannot be read";
		CALL(c, git_revwalk_free, walk);
	}
	buf_add_str(out, buf_str(&list));
	buf_printf(out, "],\"commits_more\":%s", c->more ? "true" : "false");
	if (!c->commits || c->more || c->incomplete)
		c->ours = false;
}

/* --- paths ---------------------------------------------------------------------------------- */

static git_tree *
tree_of(struct change *c, git_object *object)
{
	git_object *tree = NULL;

	if (object && CALL(c, git_object_peel, &tree, object, GIT_OBJECT_TREE))
		return NULL;
	return (git_tree *)tree;
}

/* What the paths are compared with: the old commit, or where the told commits begin. */
static bool
base_find(struct change *c, git_object **ret)
{
	git_commit *oldest = NULL;
	const git_oid *parent;
	bool ok = true;

	*ret = NULL;
	if (c->old)
		return !CALL(c, git_object_lookup, ret, c->look->repository,
			     CALL(c, git_object_id, c->old), GIT_OBJECT_ANY);
	if (!c->commits || c->more ||
	    CALL(c, git_commit_lookup, &oldest, c->look->repository, &c->oldest))
		return false;
	parent = CALL(c, git_commit_parent_id, oldest, 0);
	if (parent)
		ok = !CALL(c, git_object_lookup, ret, c->look->repository, parent, GIT_OBJECT_ANY);
	CALL(c, git_commit_free, oldest);
	return ok;
}

static void
diff_add(struct change *c, git_diff *diff, struct buf *out)
{
	size_t count = CALL(c, git_diff_num_deltas, diff), bytes = 0, i;

	for (i = 0; i < count && i < (size_t)c->look->request.paths_max; i++) {
		const git_diff_delta *delta = CALL(c, git_diff_get_delta, diff, i);
		const char *path =
			delta->new_file.path ? delta->new_file.path : delta->old_file.path;

		bytes += strlen(path);
		if (bytes > PATHS_BYTES_MAX)
			break;
		if (i)
			buf_putc(out, ',');
		buf_json_str(out, str_of(path));
	}
	buf_printf(out, "],\"paths_total\":%zu,\"paths_more\":%s", count,
		   i < count ? "true" : "false");
}

static void
paths_add(struct change *c, struct buf *out)
{
	git_object *base = NULL;
	git_tree *from = NULL, *to = NULL;
	git_diff *diff = NULL;

	buf_puts(out, ",\"paths\":[");
	if (c->new &&base_find(c, &base)) {
		from = tree_of(c, base);
		to = tree_of(c, c->new);
	}
	if (to && (from || !base) &&
	    !CALL(c, git_diff_tree_to_tree, &diff, c->look->repository, from, to, NULL)) {
		diff_add(c, diff, out);
	} else {
		buf_printf(out, "],\"paths_total\":null,\"paths_more\":%s",
			   c->new ? "true" : "false");
		if (to)
			c->incomplete = "the trees cannot be read";
	}
	CALL(c, git_diff_free, diff);
	CALL(c, git_tree_free, from);
	CALL(c, git_tree_free, to);
	CALL(c, git_object_free, base);
}

/* --- the whole ------------------------------------------------------------------------------ */

/* What an id leads to: the commit (or tree, or blob) behind a tag. */
static git_object *
object_find(struct change *c, const char *id, char *ret_id, git_object **ret_tag)
{
	git_object *object = NULL, *peeled = NULL;
	git_oid oid;

	if (!*id || !c->look->repository || c->incomplete || CALL(c, git_oid_fromstr, &oid, id))
		return NULL;
	if (CALL(c, git_object_lookup, &object, c->look->repository, &oid, GIT_OBJECT_ANY))
		return NULL;
	if (CALL(c, git_object_type, object) != GIT_OBJECT_TAG)
		return object;
	if (!CALL(c, git_object_peel, &peeled, object, GIT_OBJECT_ANY))
		CALL(c, git_oid_tostr, ret_id, GIT_OID_HEXSZ + 1, CALL(c, git_object_id, peeled));
	if (ret_tag)
		*ret_tag = object;
	else
		CALL(c, git_object_free, object);
	return peeled;
}

static void
shallow_kind(struct change *c)
{
	if ((c->old && c->walk.reached) || !strcmp(c->old_id, c->new_id))
		return;
	if (!c->walk.border)
		c->kind = "forced";
	else
		c->incomplete = "only the newest part of the history was fetched, and the old "
				"commit is not in it: it may have been moved by force";
}

static void
kind_find(struct change *c)
{
	bool commits = c->old && c->new &&is_commit(c, c->old) && is_commit(c, c->new);
	int ahead;

	c->kind = !c->ref->known[0] ? "new" : !c->ref->found[0] ? "deleted" : "moved";
	if (c->look->shallow && c->new &&is_commit(c, c->new))
		shallow_walk(c);
	if (!c->ref->known[0] || !c->ref->found[0])
		return;
	if (c->look->shallow && c->new &&is_commit(c, c->new)) {
		shallow_kind(c);
		return;
	}
	/* All that leads to the new one is here: an old one that is not does not lead there. */
	if (c->new && !c->old && is_commit(c, c->new)) {
		c->kind = "forced";
		return;
	}
	if (!commits || !strcmp(c->old_id, c->new_id))
		return;
	ahead = CALL(c, git_graph_descendant_of, c->look->repository,
		     CALL(c, git_object_id, c->new), CALL(c, git_object_id, c->old));
	if (ahead < 0)
		c->incomplete = "the history cannot be read";
	else if (!ahead)
		c->kind = "forced";
}

static void
tag_add(struct change *c, git_object *object, struct buf *out)
{
	git_tag *tag = (git_tag *)object;

	buf_puts(out, ",\"tag\":{");
	member(out, "id", str_of(c->ref->found));
	member(out, "name", str_cut(CALL(c, git_tag_name, tag), NAME_MAX_BYTES));
	member(out, "message", str_cut(CALL(c, git_tag_message, tag), MESSAGE_MAX));
	signature_add(out, "tagger", CALL(c, git_tag_tagger, tag));
	buf_putc(out, '}');
}

static void
ref_add(struct change *c, struct buf *out)
{
	struct str name = str_of(c->ref->name);
	static const struct {
		const char *prefix, *type;
	} types[] = {{"refs/heads/", "branch"}, {"refs/tags/", "tag"}, {"refs/", "other"}};
	size_t i = 0;

	while (!str_starts(name, str_of(types[i].prefix)))
		i++;
	member(out, "ref", name);
	member(out, "type", str_of(types[i].type));
	member(out, "name",
	       str_make(name.p + strlen(types[i].prefix), name.len - strlen(types[i].prefix)));
}

void
change_build(struct look *look, const struct ref *ref, struct buf *data, struct buf *cause)
{
	struct change c = {.look = look, .ref = ref, .incomplete = look->incomplete};
	git_object *tag = NULL;

	memcpy(c.old_id, ref->known, sizeof(c.old_id));
	memcpy(c.new_id, ref->peeled[0] ? ref->peeled : ref->found, sizeof(c.new_id));
	c.old = object_find(&c, ref->known, c.old_id, NULL);
	c.new = object_find(&c, ref->found, c.new_id, &tag);
	if (ref->found[0] && !c.new && !c.incomplete)
		c.incomplete = "what the ref points to cannot be read";
	kind_find(&c);
	buf_putc(data, '{');
	member(data, "repo", str_of(look->request.repo));
	ref_add(&c, data);
	member(data, "kind", str_of(c.kind));
	member(data, "old", c.old_id[0] ? str_of(c.old_id) : STR_NONE);
	member(data, "new", c.new_id[0] ? str_of(c.new_id) : STR_NONE);
	if (tag)
		tag_add(&c, tag, data);
	commits_add(&c, data);
	paths_add(&c, data);
	member(data, "incomplete", str_of(c.incomplete));
	buf_putc(data, '}');
	if (c.ours)
		buf_add_str(cause, buf_str(&c.cause));
	walk_fini(&c.walk);
	buf_fini(&c.cause);
	GIT_CALL(&look->git, git_object_free, c.old);
	GIT_CALL(&look->git, git_object_free, c.new);
	GIT_CALL(&look->git, git_object_free, tag);
}
