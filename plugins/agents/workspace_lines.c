/* Workspaces: what was left in one, as lines of the protocol: a change for each file, a sentence
 * for what can be none. */
/* SPDX-License-Identifier: MIT */
#include "plugins/agents/workspace_left.h"

#include <stdlib.h>

#include "base/digest.h"

#define CALL(left, name, ...) GIT_CALL(&(left)->base.git, name, __VA_ARGS__)
#define CHANGES_MAX 5000
#define CHANGES_BYTES (64 << 20)
#define SAID_MAX 100

/* --- what is said ----------------------------------------------------------------------------- */

static void
log_add(struct left *left, const char *level, const char *text)
{
	json_t *line = json_object();

	json_put_str(line, "type", "log");
	json_put_str(line, "level", level);
	json_put_str(line, "text", text);
	json_array_append_new(left->logs, line);
}

/* A file that can be no change. */
void
left_say(struct left *left, const char *path, const char *fmt, ...)
{
	AUTO(buf_fini) struct buf text = BUF_INIT, json = BUF_INIT, clean = BUF_INIT;
	va_list ap;

	if (left->said++ >= SAID_MAX)
		return;
	buf_json_cstr(&json, path); /* what is no UTF-8 is replaced */
	json_raw_string(buf_str(&json), &clean);
	buf_cat(&text, "workspace: ", buf_cstr(&clean), " ");
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	log_add(left, "warning", buf_cstr(&text));
}

/* --- what changed ----------------------------------------------------------------------------- */

static const char *
mode_name(git_filemode_t mode)
{
	return mode == GIT_FILEMODE_BLOB_EXECUTABLE ? "755" : "644";
}

static bool
is_text(struct str content)
{
	return str_is_utf8(content) && !memchr(content.p, '\0', content.len);
}

/* Content as a target of kind git takes it; mode 0: it is not said. */
static json_t *
image_of(struct str content, git_filemode_t mode)
{
	AUTO(buf_fini) struct buf coded = BUF_INIT;
	json_t *value, *image;
	bool text = is_text(content);

	if (!text)
		base64_encode(&coded, content);
	value = json_stringn(text ? content.p : buf_cstr(&coded), text ? content.len : coded.len);
	if (text && !mode)
		return value;
	image = json_object();
	if (mode)
		json_put_str(image, "$mode", mode_name(mode));
	json_object_set_new(image, text ? "$text" : "$base64", value);
	return image;
}

static struct item *
item_add(struct left *left, const char *path, const char *op, const git_oid *id, size_t bytes)
{
	struct item *item;

	left->change_bytes += (int64_t)bytes;
	if (left->count == CHANGES_MAX || left->change_bytes > CHANGES_BYTES) {
		err_set(left->err, E_TOO_LARGE,
			"it left more than %d changed files, or %d bytes of them, in its "
			"workspace; "
			"none of them is staged",
			CHANGES_MAX, CHANGES_BYTES);
		return NULL;
	}
	left->items = mem_realloc(left->items, (left->count + 1) * sizeof(*left->items));
	item = &left->items[left->count++];
	*item = (struct item){.path = mem_strdup(path), .op = op, .id = *id, .line = json_object()};
	json_put_str(item->line, "type", "change");
	json_put_str(item->line, "target", json_str(left->note, "target"));
	json_put_str(item->line, "entity", path);
	json_put_str(item->line, "op", op);
	return item;
}

static void
reason_set(struct item *item, const char *what, struct str content)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	buf_cat(&text, what, " in the workspace");
	if (content.p && !is_text(content))
		buf_printf(&text, "; binary, %zu bytes", content.len);
	json_put_str(item->line, "reason", buf_cstr(&text));
}

/* What the repository has. False: it cannot be read; then also left->err. */
static bool
before_read(struct left *left, const struct workspace_file *file, struct buf *out)
{
	git_blob *blob = NULL;

	if (CALL(left, git_blob_lookup, &blob, left->base.repository, &file->id))
		return workspace_base_failed(&left->base, file->path, left->err);
	buf_add(out, CALL(left, git_blob_rawcontent, blob),
		(size_t)CALL(left, git_blob_rawsize, blob));
	CALL(left, git_blob_free, blob);
	return true;
}

bool
left_created(struct left *left, const char *path, git_filemode_t mode, const git_oid *id,
	     struct str content)
{
	struct item *item = item_add(left, path, "create", id, content.len);

	if (!item)
		return false;
	json_object_set_new(item->line, "before", json_null());
	json_object_set_new(
		item->line, "after",
		image_of(content, mode == GIT_FILEMODE_BLOB_EXECUTABLE ? mode : (git_filemode_t)0));
	reason_set(item, "created", content);
	return true;
}

static json_t *
mode_image(git_filemode_t mode)
{
	json_t *image = json_object();

	json_put_str(image, "$mode", mode_name(mode));
	return image;
}

bool
left_changed(struct left *left, const struct workspace_file *file, git_filemode_t mode,
	     const git_oid *id, struct str content)
{
	AUTO(buf_fini) struct buf before = BUF_INIT;
	bool moved = mode != file->mode, same = !CALL(left, git_oid_cmp, id, &file->id);
	git_filemode_t none = (git_filemode_t)0;
	struct item *item;

	if (!same && file->bytes > left->file_max) {
		left_say(left, file->path,
			 "had %lld bytes; a change may have %lld of them (max_size): not proposed",
			 (long long)file->bytes, (long long)left->file_max);
		return true;
	}
	if (!same && !before_read(left, file, &before))
		return false;
	item = item_add(left, file->path, "update", id, content.len + before.len);
	if (!item)
		return false;
	json_object_set_new(item->line, "before",
			    same ? mode_image(file->mode)
				 : image_of(buf_str(&before), moved ? file->mode : none));
	json_object_set_new(item->line, "after",
			    same ? mode_image(mode) : image_of(content, moved ? mode : none));
	reason_set(item, same ? "mode changed" : "changed", same ? STR_NONE : content);
	return true;
}

bool
left_deleted(struct left *left, const struct workspace_file *file)
{
	AUTO(buf_fini) struct buf before = BUF_INIT;
	struct item *item;

	if (file->bytes > left->file_max) {
		left_say(left, file->path,
			 "is gone and had %lld bytes; a change may have %lld of them (max_size): "
			 "not "
			 "proposed",
			 (long long)file->bytes, (long long)left->file_max);
		return true;
	}
	if (!before_read(left, file, &before))
		return false;
	item = item_add(left, file->path, "delete", &file->id, before.len);
	if (!item)
		return false;
	json_object_set_new(item->line, "before", image_of(buf_str(&before), (git_filemode_t)0));
	reason_set(item, "deleted", buf_str(&before));
	return true;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* A file that is there under another name. */
static void
renames_find(struct left *left)
{
	for (size_t i = 0; i < left->count; i++) {
		struct item *item = &left->items[i];

		for (size_t j = 0; !strcmp(item->op, "create") && j < left->count; j++) {
			AUTO(buf_fini) struct buf text = BUF_INIT;

			if (strcmp(left->items[j].op, "delete") ||
			    CALL(left, git_oid_cmp, &item->id, &left->items[j].id))
				continue;
			buf_cat(&text, "renamed in the workspace, from ", left->items[j].path);
			json_put_str(item->line, "reason", buf_cstr(&text));
			break;
		}
	}
}

/* What goes makes room for what comes. */
static int
by_order(const void *a, const void *b)
{
	const struct item *one = a, *two = b;
	int gone = !strcmp(two->op, "delete") - !strcmp(one->op, "delete");

	return gone ? gone : strcmp(one->path, two->path);
}

json_t *
left_lines(struct left *left)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	json_t *lines = json_array();

	if (left->count)
		qsort(left->items, left->count, sizeof(*left->items), by_order);
	renames_find(left);
	if (left->said > SAID_MAX) {
		buf_printf(&text, "workspace: %zu more cannot be proposed", left->said - SAID_MAX);
		log_add(left, "warning", buf_cstr(&text));
		buf_clear(&text);
	}
	buf_printf(&text, "workspace: %zu changed file%s, made from commit %s", left->count,
		   left->count == 1 ? "" : "s", json_str(left->note, "commit"));
	log_add(left, "info", buf_cstr(&text));
	json_array_extend(lines, left->logs);
	for (size_t i = 0; i < left->count; i++)
		json_array_append(lines, left->items[i].line);
	return lines;
}
