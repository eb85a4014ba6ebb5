/* rouse-git: commits of a history that may be cut off: where a parent is not here, or the
 * repository says that it ends, there is its border, and nothing wrong. libgit2 walks whole
 * histories; 1.5 knows no others. */
/* SPDX-License-Identifier: MIT */
#include "git_parts.h"

#include "base/os.h"

/* Commits looked at; beyond, the border is where we stopped. */
#define VISIT_MAX 100000
/* Hidden commits that are still looked at when no other waits: clocks of their authors differ. */
#define SLACK 8
#define BORDERS_BYTES_MAX (16 << 20)

struct node {
	git_oid id;
	int64_t time;
	struct node **parents;
	size_t parent_count;
	bool hidden, waits, border;
	UT_hash_handle hh;
};

struct walker {
	struct look *look;
	struct node *nodes;
	struct node **heap; /* the newest first */
	size_t waiting, room;
	size_t open;	     /* of those, not hidden */
	struct node **order; /* as they were visited */
	size_t visited, order_room;
	struct buf borders; /* lines of the file shallow */
};

#define CALL(w, name, ...) GIT_CALL(&(w)->look->git, name, __VA_ARGS__)

bool
walk_is_needed(const struct look *look)
{
	return look->repository &&
	       GIT_CALL(&look->git, git_repository_is_shallow, look->repository) > 0;
}

void
walk_fini(struct walk *walk)
{
	free(walk->ids);
	*walk = (struct walk){0};
}

/* --- those that wait ------------------------------------------------------------------------- */

static void
heap_push(struct walker *w, struct node *node)
{
	size_t i = w->waiting++;

	if (w->waiting > w->room) {
		w->room = w->room ? w->room * 2 : 256;
		w->heap = mem_realloc(w->heap, w->room * sizeof(struct node *));
	}
	for (; i && w->heap[(i - 1) / 2]->time < node->time; i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = node;
	node->waits = true;
	w->open += !node->hidden;
}

static struct node *
heap_pop(struct walker *w)
{
	struct node *first = w->heap[0], *last = w->heap[--w->waiting];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < w->waiting) {
		if (child + 1 < w->waiting && w->heap[child + 1]->time > w->heap[child]->time)
			child++;
		if (w->heap[child]->time <= last->time)
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	first->waits = false;
	w->open -= !first->hidden;
	return first;
}

/* --- commits --------------------------------------------------------------------------------- */

/* NULL: it is not here, or no commit. */
static struct node *
node_find(struct walker *w, const git_oid *id, git_commit **ret_commit)
{
	git_commit *commit = NULL;
	struct node *node;

	*ret_commit = NULL;
	HASH_FIND(hh, w->nodes, id, sizeof(*id), node);
	if (node)
		return node;
	if (CALL(w, git_commit_lookup, &commit, w->look->repository, id))
		return NULL;
	node = mem_alloc(sizeof(*node));
	node->id = *id;
	node->time = CALL(w, git_commit_time, commit);
	HASH_ADD(hh, w->nodes, id, sizeof(node->id), node);
	*ret_commit = commit;
	return node;
}

static struct node *
node_note(struct walker *w, const git_oid *id, bool hidden)
{
	git_commit *commit;
	struct node *node = node_find(w, id, &commit);

	if (commit) {
		node->hidden = hidden;
		heap_push(w, node);
		CALL(w, git_commit_free, commit);
	}
	return node;
}

/* With all that it leads to, as far as that was visited. */
static void
node_hide(struct walker *w, struct node *start)
{
	AUTO(auto_free) struct node **stack = mem_alloc(sizeof(struct node *));
	size_t depth = 1, room = 1;

	stack[0] = start;
	while (depth) {
		struct node *node = stack[--depth];

		if (node->hidden)
			continue;
		node->hidden = true;
		w->open -= node->waits;
		if (depth + node->parent_count > room) {
			room = 2 * (depth + node->parent_count);
			stack = mem_realloc(stack, room * sizeof(struct node *));
		}
		for (size_t i = 0; i < node->parent_count; i++)
			stack[depth++] = node->parents[i];
	}
}

static bool
is_said_border(const struct walker *w, const git_oid *id)
{
	char text[GIT_OID_HEXSZ + 1];

	CALL(w, git_oid_tostr, text, sizeof(text), id);
	return w->borders.len && strstr(buf_cstr(&w->borders), text);
}

static void
node_visit(struct walker *w, struct node *node)
{
	git_commit *commit = NULL;
	unsigned count;

	if (CALL(w, git_commit_lookup, &commit, w->look->repository, &node->id)) {
		node->border = true;
		return;
	}
	count = CALL(w, git_commit_parentcount, commit);
	/* A later libgit2 hides the parents of those that the repository says it ends with. */
	node->border = !count && is_said_border(w, &node->id);
	node->parents = mem_alloc_array(count + 1, sizeof(struct node *));
	for (unsigned i = 0; i < count; i++) {
		const git_oid *id = CALL(w, git_commit_parent_id, commit, i);
		struct node *parent = node_note(w, id, node->hidden);

		if (!parent) {
			node->border = true;
			continue;
		}
		node->parents[node->parent_count++] = parent;
		if (node->hidden)
			node_hide(w, parent);
	}
	CALL(w, git_commit_free, commit);
}

/* --- the walk -------------------------------------------------------------------------------- */

static void
borders_read(struct walker *w)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	buf_cat(&path, CALL(w, git_repository_commondir, w->look->repository), "shallow");
	if (!os_read_file(buf_cstr(&path), BORDERS_BYTES_MAX, &w->borders, NULL))
		buf_clear(&w->borders);
}

static void
walk_through(struct walker *w)
{
	unsigned slack = SLACK;

	while (w->waiting && w->visited < VISIT_MAX && (w->open || slack--)) {
		struct node *node = heap_pop(w);

		node_visit(w, node);
		if (w->visited == w->order_room) {
			w->order_room = w->order_room ? w->order_room * 2 : 256;
			w->order = mem_realloc(w->order, w->order_room * sizeof(struct node *));
		}
		w->order[w->visited++] = node;
	}
}

static void
walk_collect(const struct walker *w, const struct node *old, size_t most, struct walk *ret)
{
	*ret = (struct walk){.ids = mem_alloc_array(most + 1, sizeof(git_oid)),
			     .border = w->open > 0};
	for (size_t i = 0; i < w->visited; i++) {
		const struct node *node = w->order[i];

		if (node->hidden)
			continue;
		ret->border |= node->border;
		for (size_t k = 0; k < node->parent_count; k++)
			ret->reached |= node->parents[k] == old;
		if (ret->count < most)
			ret->ids[ret->count++] = node->id;
		else
			ret->more = true;
	}
}

void
walk_commits(struct look *look, const git_oid *start, const git_oid *hidden, size_t count,
	     size_t most, struct walk *ret)
{
	struct walker w = {.look = look, .borders = BUF_INIT};
	struct node *old = NULL, *node, *next;

	borders_read(&w);
	for (size_t i = 0; i < count; i++) {
		node = node_note(&w, &hidden[i], true);
		old = i ? old : node;
	}
	node_note(&w, start, false);
	walk_through(&w);
	walk_collect(&w, count ? old : NULL, most, ret);
	ret->reached = old && (ret->reached || !memcmp(&old->id, start, sizeof(*start)));
	HASH_ITER (hh, w.nodes, node, next) {
		HASH_DEL(w.nodes, node);
		free(node->parents);
		free(node);
	}
	free(w.heap);
	free(w.order);
	buf_fini(&w.borders);
}
