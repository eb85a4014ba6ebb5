/* Secrets: references in the file, bytes only while needed, zeroed after. */
/* SPDX-License-Identifier: MIT */
#include "conf/secret.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/os.h"
#include "base/uuid.h"
#include "conf/inside.h"

enum { SECRET_MAX = 64 * 1024 };

void
secrets_fini(struct secrets *secrets)
{
	for (size_t i = 0; i < secrets->count; i++) {
		mem_zero((char *)secrets->items[i].p, secrets->items[i].len);
		free((char *)secrets->items[i].p);
	}
	free(secrets->items);
	*secrets = (struct secrets)SECRETS_INIT;
}

static void
secret_buf_fini(struct buf *b)
{
	if (b->data)
		mem_zero(b->data, b->cap);
	buf_fini(b);
}

/* What is wrong whoever looks. */
static bool
file_is_sound(const struct stat *st, bool trusted, const char *path, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, E_DENIED,
			       "%s is no regular file; expected a file that holds the secret",
			       path);
	if (!trusted && st->st_mode & 0007)
		return err_set(err, E_DENIED,
			       "%s may be read, written or run by others; chmod o= %s", path, path);
	return true;
}

static bool
file_is_of_us(const struct stat *st, const char *path, struct err *err)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(
			err, E_DENIED,
			"%s belongs to user %u; expected root or the user of this process (%u)",
			path, (unsigned)st->st_uid, (unsigned)geteuid());
	return true;
}

/* Not os_read_file: what grows while it is read leaves copies behind. */
static bool
read_whole(int fd, const char *path, struct buf *ret, struct err *err)
{
	AUTO(secret_buf_fini) struct buf bytes = BUF_INIT;

	buf_reserve(&bytes, SECRET_MAX + 1);
	for (;;) {
		ssize_t n = os.read(fd, bytes.data + bytes.len, SECRET_MAX + 1 - bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "cannot read %s", path);
		bytes.len += (size_t)n;
		if (bytes.len > SECRET_MAX)
			return err_set(err, E_TOO_LARGE,
				       "%s is larger than 64 KiB; expected a secret", path);
		if (!n)
			break;
	}
	buf_reserve(ret, bytes.len);
	buf_add(ret, bytes.data, bytes.len);
	return true;
}

/* trusted: the folder guards the file (systemd's credentials), whatever its own mode. */
static bool
read_secret_file(const char *path, bool trusted, struct buf *ret, struct err *err)
{
	AUTO(auto_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, E_NOT_FOUND, "%s does not exist; create it with mode 0600",
			       path);
	if (fd < 0 && errno == EACCES)
		return err_set(err, E_DENIED, "%s cannot be read by the user of this process",
			       path);
	if (fd < 0)
		return err_errno(err, errno, "cannot open %s", path);
	if (fstat(fd, &st))
		return err_errno(err, errno, "cannot look at %s", path);
	if (!file_is_sound(&st, trusted, path, err) || (!trusted && !file_is_of_us(&st, path, err)))
		return false;
	return read_whole(fd, path, ret, err);
}

static bool
from_cred(const char *name, const char *dir UNUSED, struct buf *ret, struct err *err)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(err_fini) struct err first = ERR_INIT;

	if (strchr(name, '/') || !*name || name[0] == '.')
		return err_set(err, E_INVALID, "cred:%s: expected the name of a credential", name);
	if (folder && *folder) {
		buf_printf(&path, "%s/%s", folder, name);
		if (read_secret_file(buf_cstr(&path), true, ret, &first))
			return true;
		if (first.code != E_NOT_FOUND)
			return err_move(err, &first);
		buf_clear(&path);
	}
	buf_printf(&path, "/etc/credstore/%s", name);
	if (read_secret_file(buf_cstr(&path), false, ret, &first))
		return true;
	if (first.code != E_NOT_FOUND)
		return err_move(err, &first);
	return err_set(
		err, E_NOT_FOUND,
		"there is no credential '%s'; add LoadCredential=%s:PATH to the unit, or write %s",
		name, name, buf_cstr(&path));
}

static void
path_below(const char *name, const char *dir, struct buf *ret)
{
	if (name[0] != '/' && dir)
		buf_printf(ret, "%s/", dir);
	buf_puts(ret, name);
}

static bool
from_file(const char *name, const char *dir, struct buf *ret, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;

	path_below(name, dir, &path);
	return read_secret_file(buf_cstr(&path), false, ret, err);
}

static bool
from_env(const char *name, const char *dir UNUSED, struct buf *ret, struct err *err)
{
	const char *value = getenv(name);

	if (!value)
		return err_set(err, E_NOT_FOUND, "the environment variable %s is not set", name);
	if (strlen(value) > SECRET_MAX)
		return err_set(err, E_TOO_LARGE,
			       "the environment variable %s is larger than 64 KiB", name);
	buf_reserve(ret, strlen(value));
	buf_puts(ret, value);
	return true;
}

static bool
from_plain(const char *text, const char *dir UNUSED, struct buf *ret, struct err *err UNUSED)
{
	buf_puts(ret, text);
	return true;
}

static const struct {
	const char *prefix;
	bool (*read)(const char *rest, const char *dir, struct buf *ret, struct err *err);
} kinds[] = {
	{"cred:", from_cred}, {"file:", from_file}, {"env:", from_env}, {"plain:", from_plain}};

static void
drop_line_end(struct buf *b)
{
	if (b->len && b->data[b->len - 1] == '\n')
		b->len--;
	if (b->len && b->data[b->len - 1] == '\r')
		b->len--;
	if (b->data)
		b->data[b->len] = '\0';
}

bool
secret_resolve_one(const char *reference, const char *dir, struct buf *ret, struct err *err)
{
	AUTO(secret_buf_fini) struct buf bytes = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t n = strlen(kinds[i].prefix);

		if (strncmp(reference, kinds[i].prefix, n))
			continue;
		if (!kinds[i].read(reference + n, dir, &bytes, err))
			return false;
		drop_line_end(&bytes);
		if (!bytes.len)
			return err_set(err, E_INVALID, "the secret of %s is empty; fill it in",
				       kinds[i].read == from_plain ? "plain:" : reference);
		buf_reserve(ret, bytes.len);
		buf_add(ret, bytes.data, bytes.len);
		return true;
	}
	return err_set(err, E_INVALID,
		       "no reference to a secret (not shown); expected cred:NAME, file:PATH, "
		       "env:NAME or plain:TEXT");
}

static void
secrets_add(struct secrets *secrets, struct str bytes)
{
	secrets->items =
		mem_realloc(secrets->items, (secrets->count + 1) * sizeof(*secrets->items));
	secrets->items[secrets->count++] = str_make(mem_memdup(bytes.p, bytes.len), bytes.len);
}

static void
secrets_add_lines(struct secrets *secrets, struct str bytes)
{
	struct str line;

	while (bytes.p) {
		bytes = str_split(bytes, '\n', &line);
		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		if (line.len)
			secrets_add(secrets, line);
	}
}

bool
secrets_resolve(const struct conf_section *section, const char *key, struct secrets *ret,
		struct err *err)
{
	const struct conf_key *row = NULL;
	const struct conf_value *value = section_value(section, key, &row);
	AUTO(secrets_fini) struct secrets secrets = SECRETS_INIT;

	assert(row && row->type == CONF_SECRET && "the key is no secret of this section");

	for (size_t i = 0; value && i < value->item_count; i++) {
		AUTO(secret_buf_fini) struct buf bytes = BUF_INIT;

		if (!secret_resolve_one(value->items[i], value->dir, &bytes, err)) {
			AUTO(buf_fini) struct buf label = BUF_INIT;

			section_label(section, &label);
			return err_prefix(err, "%s %s", buf_cstr(&label), key);
		}
		if (row->flags & CONF_MANY)
			secrets_add_lines(&secrets, buf_str(&bytes));
		else
			secrets_add(&secrets, buf_str(&bytes));
	}
	if (!secrets.count)
		return err_set(err, value ? E_INVALID : E_NOT_FOUND, "[%s %s] %s: %s",
			       section->kind->name, section->name, key,
			       value ? "there is no secret in it"
				     : "no secret is configured; set it");
	*ret = secrets;
	secrets = (struct secrets)SECRETS_INIT;
	return true;
}

/* --- for whoever loads a configuration --- */

void
secret_files_check(const struct conf_section *section, const struct conf_key *row,
		   const struct conf_value *value, struct conf_report *report)
{
	if (row->type != CONF_SECRET || value->bad)
		return;
	for (size_t i = 0; i < value->item_count; i++) {
		AUTO(buf_fini) struct buf path = BUF_INIT;
		AUTO(err_fini) struct err err = ERR_INIT;
		struct stat st;

		if (strncmp(value->items[i], "file:", 5))
			continue;
		path_below(value->items[i] + 5, value->dir, &path);
		if (stat(buf_cstr(&path), &st)) {
			if (errno == ENOENT || errno == ENOTDIR)
				conf_warn(report, section, value->name,
					  "%s does not exist; create it with mode 0600",
					  buf_cstr(&path));
			continue;
		}
		if (!file_is_sound(&st, false, buf_cstr(&path), &err))
			report_key(report, section, value->name, value->file, value->line, "%s",
				   err_text(&err));
	}
}

/* The key makes the hash of a weak secret worth nothing to who comes by it. */
void
secret_print_now(const struct conf_value *value, struct buf *out)
{
	static unsigned char key[32];
	static bool made;

	if (!made)
		entropy_fill(key, sizeof(key));
	made = true;
	for (size_t i = 0; i < value->item_count; i++) {
		AUTO(secret_buf_fini) struct buf bytes = BUF_INIT;
		AUTO(err_fini) struct err err = ERR_INIT;
		bool ok = secret_resolve_one(value->items[i], value->dir, &bytes, &err);
		struct str parts[] = {str_make((const char *)key, sizeof(key)), buf_str(&bytes)};
		struct digest digest = digest_of_parts(DIGEST_SHA256, parts, ARRAY_LEN(parts));

		buf_printf(out, "%c%d:", 0, ok ? 0 : (int)err.code);
		hex_encode(out, str_make(digest.bytes, digest.len));
	}
}
