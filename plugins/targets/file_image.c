/* File targets: what a change makes of a file's bytes, and how both are told. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/file.h"

#include <string.h>

#include "base/digest.h"
#include "plugins/targets/outcome.h"
#include "pure/jsondiff.h"
#include "pure/jsonpatch.h"
#include "pure/textpatch.h"

/* Longer texts are shown by their hash. */
#define SHOWN_BYTES 65536
/* Digits that a double, or 64 bits, keep whatever they are. */
#define REAL_DIGITS 15
#define INTEGER_DIGITS 18

static bool
is_null(const char *image)
{
	return !image || !strcmp(image, "null");
}

/* The text of the one member of an object, if it has this name. */
static bool
only_member(const char *image, const char *name, struct buf *out)
{
	const struct json_step step = {.name = str_of(name)};
	AUTO(json_auto_decref) json_t *tree = NULL;
	struct str raw;

	return *image == '{' && json_raw_find(str_of(image), &step, 1, &raw) &&
	       json_read(str_of(image), &tree, NULL) && json_object_size(tree) == 1 &&
	       json_raw_string(raw, out);
}

static bool
is_text(struct str content)
{
	return str_is_utf8(content) && !memchr(content.p, '\0', content.len);
}

/* --- documents ----------------------------------------------------------------------------- */

/* Would all its numbers come out of a parser as they went in? */
static bool
numbers_survive(struct str text)
{
	size_t digits = 0;
	bool in_string = false, real = false;

	for (size_t i = 0; i <= text.len; i++) {
		char c = i < text.len ? text.p[i] : ' ';

		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
			continue;
		}
		if (c >= '0' && c <= '9') {
			digits++;
			continue;
		}
		if (digits && strchr(".eE+-", c)) {
			real = true;
			continue;
		}
		if (digits > (size_t)(real ? REAL_DIGITS : INTEGER_DIGITS))
			return false;
		digits = 0;
		real = false;
		in_string = c == '"';
	}
	return true;
}

/* How a document is laid out: 0 on one line, else the blanks of one level. */
struct layout {
	size_t indent;
	bool tabs, newline; /* newline: behind the last byte */
};

static struct layout
layout_of(struct str text)
{
	struct layout layout = {.indent = 2, .newline = true};
	const char *line;

	if (!text.p)
		return layout;
	layout = (struct layout){.newline = text.len && text.p[text.len - 1] == '\n'};
	text = str_trim(text);
	line = memchr(text.p, '\n', text.len);
	if (!line)
		return layout;
	layout.tabs = line + 1 < text.p + text.len && line[1] == '\t';
	for (line++; line < text.p + text.len && *line == ' '; line++)
		layout.indent++;
	if (layout.tabs || !layout.indent)
		layout.indent = 1;
	if (layout.indent > 31)
		layout.indent = 2;
	return layout;
}

static int
on_dump(const char *bytes, size_t len, void *arg)
{
	buf_add(arg, bytes, len);
	return 0;
}

/* No string of JSON has a line end in it, so a line's first blanks are its indentation. */
static void
add_with_tabs(struct buf *out, struct str text)
{
	bool start = true;

	for (size_t i = 0; i < text.len; i++) {
		buf_putc(out, start && text.p[i] == ' ' ? '\t' : text.p[i]);
		start = text.p[i] == '\n' || (start && text.p[i] == ' ');
	}
}

static void
document_write(const json_t *value, struct layout layout, struct buf *out)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS) |
		       (layout.indent ? JSON_INDENT(layout.indent) : JSON_COMPACT);

	json_dump_callback(value, on_dump, &text, flags);
	if (layout.tabs)
		add_with_tabs(out, buf_str(&text));
	else
		buf_add_str(out, buf_str(&text));
	if (layout.newline)
		buf_putc(out, '\n');
}

static bool
document_read(struct str content, json_t **ret, struct err *err)
{
	AUTO(err_fini) struct err why = ERR_INIT;

	if (!content.p)
		return err_set(err, E_DRIFT, "there is no file that could be patched");
	if (!json_read(content, ret, &why))
		return err_set(err, E_DRIFT,
			       "what is there is no JSON, and the patch is of JSON: %s",
			       err_text(&why));
	return numbers_survive(content) ||
	       err_set(err, E_INVALID,
		       "the file has a number of more digits than a patch would keep; propose a "
		       "unified diff, or the whole file");
}

/* --- what a change makes ------------------------------------------------------------------- */

static bool
patch_json(const json_t *patch, struct str content, struct buf *out, struct err *err)
{
	AUTO(json_auto_decref) json_t *was = NULL;
	AUTO(json_auto_decref) json_t *is = NULL;

	/* A merge patch makes a document of nothing; a list of operations does not. */
	if ((content.p || json_is_array(patch)) && !document_read(content, &was, err))
		return false;
	if (json_is_array(patch) && !jsonpatch_apply(was, patch, &is, err))
		return false;
	if (!json_is_array(patch))
		is = jsondiff_merge_apply(was, patch);
	document_write(is, layout_of(content), out);
	return true;
}

static bool
patch_apply(const char *text, struct str content, struct buf *out, struct err *err)
{
	AUTO(json_auto_decref) json_t *patch = NULL;
	AUTO(buf_fini) struct buf diff = BUF_INIT;

	if (*text != '"')
		return json_read(str_of(text), &patch, err) && patch_json(patch, content, out, err);
	return json_raw_string(str_of(text), &diff) &&
	       textpatch_apply(content.p ? content : STR(""), buf_str(&diff), out, err);
}

bool
file_image_bytes(const char *image, struct buf *out)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	AUTO(json_auto_decref) json_t *tree = NULL;

	if (is_null(image))
		return false;
	if (*image == '"')
		return json_raw_string(str_of(image), out);
	if (only_member(image, "$base64", &text))
		return base64_decode(buf_str(&text), out);
	if (only_member(image, "$sha256", &text) || !json_read(str_of(image), &tree, NULL))
		return false;
	document_write(tree, layout_of(STR_NONE), out);
	return true;
}

bool
file_content_make(const struct change_row *change, struct str content, struct buf *out,
		  struct err *err)
{
	if (is_null(change->after))
		return patch_apply(change->patch, content, out, err);
	return file_image_bytes(change->after, out) ||
	       err_set(err, E_INVALID, "after is no content of a file");
}

/* --- images -------------------------------------------------------------------------------- */

static void
hash_hex(struct str content, struct buf *out)
{
	struct digest digest = digest_of(DIGEST_SHA256, content);

	hex_encode(out, str_make(digest.bytes, digest.len));
}

bool
file_image_drifted(const char *image, struct str content)
{
	AUTO(buf_fini) struct buf hash = BUF_INIT, want = BUF_INIT;
	AUTO(auto_free) char *text = NULL;

	if (!image)
		return false;
	if (is_null(image) || !content.p)
		return is_null(image) != !content.p;
	if (only_member(image, "$sha256", &want)) {
		hash_hex(content, &hash);
		return !str_eq_nocase(buf_str(&hash), buf_str(&want));
	}
	if (*image == '"' || only_member(image, "$base64", &want)) {
		buf_clear(&want);
		return !file_image_bytes(image, &want) || !str_eq(buf_str(&want), content);
	}
	text = str_dup(content);
	return change_drifted(image, text);
}

void
file_image_show(struct str content, const char *like, struct buf *out)
{
	bool json = like && *like != '"' && !strstr(like, "\"$base64\"");

	if (json && content.len <= SHOWN_BYTES && json_check(content, NULL)) {
		buf_add_str(out, str_trim(content));
		return;
	}
	if (content.len <= SHOWN_BYTES && is_text(content)) {
		buf_json_str(out, content);
		return;
	}
	buf_puts(out, "{\"$sha256\":\"");
	hash_hex(content, out);
	buf_printf(out, "\",\"bytes\":%zu}", content.len);
}

void
file_image_keep(struct str content, struct buf *out)
{
	if (is_text(content)) {
		buf_json_str(out, content);
		return;
	}
	buf_puts(out, "{\"$base64\":\"");
	base64_encode(out, content);
	buf_puts(out, "\"}");
}

/* --- proposals ----------------------------------------------------------------------------- */

static bool
patch_check(const char *text, struct err *err)
{
	AUTO(json_auto_decref) json_t *patch = NULL;
	AUTO(buf_fini) struct buf diff = BUF_INIT;

	if (*text == '"')
		return (json_raw_string(str_of(text), &diff) &&
			textpatch_check(buf_str(&diff), err)) ||
		       err_prefix(err, "patch");
	if (!json_read(str_of(text), &patch, err))
		return err_prefix(err, "patch");
	if (json_is_array(patch))
		return jsonpatch_check(patch, err) || err_prefix(err, "patch");
	return json_is_object(patch) ||
	       err_set(err, E_INVALID,
		       "patch is neither an object (merge patch), a list (JSON patch) nor a text "
		       "(unified diff)");
}

static bool
after_check(const char *image, struct err *err)
{
	AUTO(buf_fini) struct buf bytes = BUF_INIT;

	return file_image_bytes(image, &bytes) ||
	       err_set(err, E_INVALID,
		       "after is no content; expected a text, {\"$base64\":\"…\"} or a JSON "
		       "document");
}

bool
file_change_check(const struct change_row *change, struct err *err)
{
	bool has_after = !is_null(change->after), has_patch = !is_null(change->patch);

	if (!strcmp(change->op, "call"))
		return err_set(
			err, E_INVALID,
			"target %s holds files: it takes create, update and delete, not call",
			change->target);
	if (!strcmp(change->op, "delete"))
		return !(has_after || has_patch) ||
		       err_set(err, E_INVALID, "a delete has neither after nor patch");
	if (has_after == has_patch)
		return err_set(err, E_INVALID, "%s needs %s: after (the whole file) or patch",
			       change->op, has_after ? "one of them" : "what to write");
	return has_after ? after_check(change->after, err) : patch_check(change->patch, err);
}
