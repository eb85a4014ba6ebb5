/* Attachments: files beside the events whose mail they came with. */
/* SPDX-License-Identifier: MIT */
#include "triggers/imap/attachments.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/os.h"

#define NAME_BYTES 100

static bool
is_safe(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '.' || c == '-' || c == '_';
}

/* Long names keep their ending, by which people and programs know what it is. */
static struct str
ending_of(struct str name)
{
	const char *dot = memrchr(name.p, '.', name.len);
	size_t len = dot ? (size_t)(name.p + name.len - dot) : 0;

	return len && len <= 12 ? str_make(dot, len) : str_make(name.p + name.len, 0);
}

void
attachment_name(struct str raw, struct buf *out)
{
	AUTO(buf_fini) struct buf name = BUF_INIT;
	size_t begin = 0;
	struct str ending;

	for (size_t i = 0; i < raw.len; i++)
		if (raw.p[i] == '/' || raw.p[i] == '\\' || raw.p[i] == ':')
			begin = i + 1;
	for (size_t i = begin; i < raw.len; i++) {
		/* One for each character, not for each of its bytes. */
		if (((unsigned char)raw.p[i] & 0xc0) == 0x80)
			continue;
		if (name.len || (raw.p[i] != '.' && raw.p[i] != '-'))
			buf_putc(&name, is_safe(raw.p[i]) ? raw.p[i] : '_');
	}
	while (name.len && name.data[name.len - 1] == '.')
		buf_truncate(&name, name.len - 1);
	if (!name.len)
		buf_puts(&name, "attachment");
	ending = ending_of(buf_str(&name));
	if (name.len <= NAME_BYTES) {
		buf_add_str(out, buf_str(&name));
		return;
	}
	buf_add(out, name.data, NAME_BYTES - ending.len);
	buf_add_str(out, ending);
}

/* The entry of a new folder is its parent's. */
static bool
folder_sync(const char *folder, struct err *err)
{
	AUTO(buf_fini) struct buf parent = BUF_INIT;
	AUTO(auto_close) int fd = -1;

	buf_puts(&parent, folder);
	buf_truncate(&parent, (size_t)(strrchr(folder, '/') - folder));
	fd = open(buf_cstr(&parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || os.fsync(fd))
		return err_errno(err, errno, "cannot keep the folder %s", folder);
	return true;
}

bool
attachments_write(const char *folder, const char *const *names, const struct str *bytes,
		  size_t count, struct err *err)
{
	if (!os_mkdirs(folder, 0700, err))
		return false;
	for (size_t i = 0; i < count; i++) {
		AUTO(buf_fini) struct buf path = BUF_INIT;

		buf_cat(&path, folder, "/", names[i]);
		if (!os_write_file(buf_cstr(&path), bytes[i], 0600, err))
			return false;
	}
	return folder_sync(folder, err);
}
