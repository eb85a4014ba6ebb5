/* New files of the configuration: there as a whole or not at all. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "cli/trigger_add.h"

/* What has been made so far, so that it can be unmade. */
struct undo {
	char **paths; /* files to unlink, folders to remove; the last first */
	size_t count;
	bool keep;
};

static void
undo_fini(struct undo *undo)
{
	for (size_t i = undo->count; i > 0; i--) {
		if (!undo->keep && unlink(undo->paths[i - 1]) && errno == EISDIR)
			rmdir(undo->paths[i - 1]);
		free(undo->paths[i - 1]);
	}
	free(undo->paths);
}

static void
undo_add(struct undo *undo, const char *path)
{
	undo->paths = mem_realloc(undo->paths, (undo->count + 1) * sizeof(*undo->paths));
	undo->paths[undo->count++] = mem_strdup(path);
}

/* A new folder belongs to whom the file will; one that is there stays as it is. */
static bool
folder_make(struct undo *undo, const struct trigger_place *place, const char *path, mode_t mode,
	    uid_t owner, struct err *err)
{
	if (!mkdir(path, mode)) {
		undo_add(undo, path);
		if (!geteuid() && chown(path, owner, place->gid))
			return err_errno(err, errno, "cannot give %s to the daemon", path);
		return true;
	}
	return errno == EEXIST || err_errno(err, errno, "cannot make the folder %s", path);
}

static bool
file_make(struct undo *undo, const struct trigger_place *place, const char *path, struct str text,
	  mode_t mode, uid_t owner, struct err *err)
{
	AUTO(auto_close)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, errno, "cannot make %s", path);
	undo_add(undo, path);
	if (!os_write_all(fd, text, err))
		return false;
	if ((!geteuid() && fchown(fd, owner, place->gid)) || fchmod(fd, mode) || fsync(fd))
		return err_errno(err, errno, "cannot give %s to the daemon", path);
	return true;
}

bool
trigger_reload(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	const json_t *errors;

	if (cli_post(cli, NULL, &reply, err, "/v1/reload"))
		return true;
	errors = json_object_get(reply.json, "errors");
	for (size_t i = 0; i < json_array_size(errors); i++)
		if (json_is_string(json_array_get(errors, i)))
			cli_note("%s", json_string_value(json_array_get(errors, i)));
	return false;
}

/* The words for roused -t, with each path's file beside it; owned. */
struct trial {
	char **args;
	size_t count;
};

static void
trial_fini(struct trial *trial)
{
	for (size_t i = 3; i < trial->count; i++)
		free(trial->args[i]);
	free(trial->args);
}

static bool
files_make(struct undo *undo, const struct trigger_place *place, const struct trigger_file *files,
	   size_t count, struct trial *trial, struct err *err)
{
	AUTO(buf_fini) struct buf triggers = BUF_INIT;
	AUTO(buf_fini) struct buf secrets = BUF_INIT;

	buf_printf(&triggers, "%s/triggers.d", place->dir);
	buf_printf(&secrets, "%s/secrets", place->dir);
	for (size_t i = 0; i < count; i++) {
		struct buf fresh = BUF_INIT;

		if (files[i].secret.len &&
		    (!folder_make(undo, place, buf_cstr(&secrets), 0700, place->uid, err) ||
		     !file_make(undo, place, files[i].secret_path, files[i].secret, 0600,
				place->uid, err)))
			return false;
		if (!files[i].conf_path)
			continue;
		buf_printf(&fresh, "%s.new", files[i].conf_path);
		trial->args[trial->count++] = fresh.data;
		/* A .new that was left behind when its writer was killed is nobody's. */
		unlink(buf_cstr(&fresh));
		if (!folder_make(undo, place, buf_cstr(&triggers), 0755, 0, err) ||
		    !file_make(undo, place, buf_cstr(&fresh), files[i].text, 0640, geteuid(), err))
			return false;
	}
	return true;
}

bool
trigger_files_write(struct cli *cli, const struct trigger_place *place,
		    const struct trigger_file *files, size_t count, struct err *err)
{
	AUTO(undo_fini) struct undo undo = {.keep = false};
	AUTO(trial_fini) struct trial trial = {mem_alloc_array(count + 4, sizeof(char *)), 3};
	AUTO(buf_fini) struct buf said = BUF_INIT;

	trial.args[0] = (char *)"-t";
	trial.args[1] = (char *)"-c";
	trial.args[2] = place->config;
	if (!files_make(&undo, place, files, count, &trial, err) ||
	    !cli_roused_try((const char *const *)trial.args, place->uid, &said, err))
		return false;
	for (size_t i = 0, fresh = 3; i < count; i++) {
		if (!files[i].conf_path)
			continue;
		if (renameat2(AT_FDCWD, trial.args[fresh++], AT_FDCWD, files[i].conf_path,
			      RENAME_NOREPLACE))
			return err_errno(err, errno, "cannot make %s", files[i].conf_path);
		undo_add(&undo, files[i].conf_path);
	}
	if (place->running && !trigger_reload(cli, err))
		return false;
	undo.keep = true;
	return true;
}
