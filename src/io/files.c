/* Files: what below a folder was written since a moment. */
/* SPDX-License-Identifier: MIT */
#include "io/files.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/mem.h"

static void
fts_shut(FTS **fts)
{
	if (*fts)
		fts_close(*fts);
}

static int
by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void
file_add(struct buf *out, const FTSENT *entry, size_t root_len)
{
	if (out->data[out->len - 1] != '[')
		buf_putc(out, ',');
	buf_puts(out, "{\"path\":");
	buf_json_cstr(out, entry->fts_path + root_len + 1);
	buf_printf(out, ",\"size\":%lld}", (long long)entry->fts_statp->st_size);
}

static bool
is_since(const struct stat *st, struct wall since)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000 >= since.ms;
}

bool
files_since(const char *root, struct wall since, size_t most, struct buf *out, struct err *err)
{
	AUTO(auto_free) char *path = mem_strdup(root);
	size_t len = strlen(path), looked = 0, found = 0;
	FTSENT *entry;

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	AUTO(fts_shut)
	FTS *fts = fts_open((char *const[]){path, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	if (!fts)
		return err_errno(err, errno, "%s cannot be read", root);
	buf_putc(out, '[');
	while (found < most && looked++ < FILES_LOOKED_MAX && (entry = fts_read(fts))) {
		if (entry->fts_level == 0 && entry->fts_info != FTS_D && entry->fts_info != FTS_DP)
			return err_errno(err, entry->fts_errno ? entry->fts_errno : ENOTDIR,
					 "%s cannot be read", root);
		if (entry->fts_info == FTS_D && entry->fts_level >= FILES_DEPTH_MAX)
			fts_set(fts, entry, FTS_SKIP);
		if (entry->fts_info != FTS_F || !S_ISREG(entry->fts_statp->st_mode) ||
		    !is_since(entry->fts_statp, since))
			continue;
		file_add(out, entry, len == 1 ? 0 : len);
		found++;
	}
	buf_putc(out, ']');
	return true;
}
