/* File targets: changes become files below one folder, whole or not at all. SPEC 10. */
/* SPDX-License-Identifier: MIT */
#include "plugins/targets/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/os.h"
#include "core/echo.h"
#include "io/beneath.h"
#include "io/work.h"
#include "plugins/targets/outcome.h"

#define HASH_BYTES 32
/* A patch of a larger file is not tried when it is proposed: that holds the loop up. */
#define TRIAL_BYTES (256 * 1024)
#define FOLDER_MODE 0755

struct file_target {
	const char *root;
	mode_t mode;
	bool make_folders;
	int64_t max_bytes;
};

static void
section_check(const struct conf_section *section, struct conf_report *report)
{
	const char *mode = conf_str(section, "mode");

	if (mode && (strlen(mode) < 3 || strlen(mode) > 4 ||
		     strspn(mode, "01234567") != strlen(mode) || strtol(mode, NULL, 8) > 0777))
		conf_complain(report, section, "mode", "\"%s\" is no mode; expected one like 0644",
			      mode);
}

static const struct conf_key keys[] = {
	{"root", CONF_PATH, .flags = CONF_REQUIRED,
	 .help = "the folder that the files are below; nothing outside of it is ever touched, and "
		 "no "
		 "link is followed"},
	{"mode", CONF_STRING, "0644",
	 .help = "permissions of files that are made; others keep theirs"},
	{"make_folders", CONF_BOOL, "yes",
	 .help = "make folders on the way to a file that is created"},
	{"max_size", CONF_SIZE, "4M", .min = 1, .max = 64 << 20,
	 .help = "largest file; what was there before is kept with the change"},
};

static const struct conf_table file_table = {
	.section = "target",
	.named = true,
	.selector = "kind",
	.value = "file",
	.keys = keys,
	.count = ARRAY_LEN(keys),
	.check = section_check,
	.help = "a target that is a folder: an entity is a path in it, a change writes one file",
};

/* --- at load ------------------------------------------------------------------------------- */

static bool
target_open(struct target *target, struct conf_report *report)
{
	const struct conf_section *section = target->section;
	struct file_target *t = mem_alloc(sizeof(*t));
	struct stat st;

	target->state = t;
	t->root = conf_str(section, "root");
	t->mode = (mode_t)strtol(conf_str(section, "mode"), NULL, 8);
	t->make_folders = conf_bool(section, "make_folders");
	t->max_bytes = conf_int(section, "max_size");
	if (stat(t->root, &st) || !S_ISDIR(st.st_mode))
		conf_warn(report, section, "root", "%s is no folder (yet)", t->root);
	return true;
}

static void
target_close(struct target *target)
{
	free(target->state);
	target->state = NULL;
}

static int
root_open(const struct file_target *t, struct err *err)
{
	int fd = open(t->root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		err_errno(err, errno, "the root %s cannot be opened", t->root);
	return fd;
}

/* --- what is there ------------------------------------------------------------------------- */

struct found {
	bool is;
	struct stat st;
	struct buf bytes;
};

static struct str
found_str(const struct found *found)
{
	return found->is ? buf_str(&found->bytes) : STR_NONE;
}

/* What cannot be opened may be a fifo, or a link: it is looked at, and never followed. */
static bool
found_read(const struct file_target *t, int folder, const char *name, struct found *ret,
	   struct err *err)
{
	AUTO(auto_close)
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0 && errno == ELOOP)
		return err_set(err, E_DENIED, "%s is a link; none is followed", name);
	if (fd < 0)
		return err_errno(err, errno, "cannot read %s", name);
	if (fstat(fd, &ret->st))
		return err_errno(err, errno, "cannot look at %s", name);
	if (!S_ISREG(ret->st.st_mode))
		return err_set(err, E_INVALID, "%s is no file", name);
	ret->is = true;
	return os_read_fd(fd, (size_t)t->max_bytes, name, &ret->bytes, err);
}

/* *ret_folder -1: the folder is not there either. */
static bool
path_look(const struct file_target *t, int root, const char *path, int *ret_folder,
	  const char **ret_name, struct found *ret, struct err *err)
{
	AUTO(err_fini) struct err none = ERR_INIT;

	*ret_folder = beneath_parent(root, path, false, 0, ret_name, &none);
	if (*ret_folder < 0)
		return none.code == E_NOT_FOUND || err_move(err, &none);
	return found_read(t, *ret_folder, *ret_name, ret, err);
}

/* --- at a proposal ------------------------------------------------------------------------- */

/* Is it there as the op needs it, and does the patch fit? What cannot be seen now, applying will
 * see. */
static bool
proposal_look(const struct file_target *t, const struct change_row *change, struct err *err)
{
	AUTO(auto_close) int root = root_open(t, err);
	AUTO(auto_close) int folder = -1;
	AUTO(buf_fini) struct buf made = BUF_INIT;
	struct found found = {.is = false};
	const char *name;
	bool ok = root >= 0 && path_look(t, root, change->entity, &folder, &name, &found, err),
	     create = !strcmp(change->op, "create");

	if (ok && create && found.is)
		ok = err_set(err, E_EXISTS, "%s is there already; propose an update",
			     change->entity);
	else if (ok && !create && !found.is)
		ok = err_set(err, E_NOT_FOUND, "%s is not there; %s", change->entity,
			     strcmp(change->op, "delete") ? "propose a create"
							  : "nothing is to be deleted");
	else if (ok && !change->after && change->patch && found.bytes.len <= TRIAL_BYTES)
		ok = file_content_make(change, found_str(&found), &made, err);
	buf_fini(&found.bytes);
	return ok;
}

static bool
target_check(struct core *core, const struct target *target, const struct change_row *change,
	     struct err *err)
{
	const struct file_target *t = target->state;

	(void)core;
	if (!change->entity)
		return err_set(err, E_INVALID,
			       "a change of target %s needs an entity: the path of a file below %s",
			       change->target, t->root);
	return beneath_check(change->entity, err) && file_change_check(change, err) &&
	       proposal_look(t, change, err);
}

/* --- applying ------------------------------------------------------------------------------ */

/* First a thread looks and writes what is to be beside it; then, on disk, whose it will be and what
 * it was; then it takes its place. */
struct file_job {
	struct outcome outcome;
	const struct file_target *t;
	const struct change_row *change;
	bool revert;

	int folder; /* -1 */
	const char *name;
	struct found found;
	bool writes, removes;
	struct buf content; /* that is to be there */
	struct buf temp;    /* its name until then; "": none */
	struct buf path;    /* as watchers know it */
	mode_t mode;
};

static void
job_end(void *arg)
{
	struct file_job *job = arg;

	outcome_give(&job->outcome);
	outcome_fini(&job->outcome);
	if (job->folder >= 0)
		close(job->folder);
	buf_fini(&job->found.bytes);
	buf_fini(&job->content);
	buf_fini(&job->temp);
	buf_fini(&job->path);
	free(job);
}

static void
hash_hex(struct str content, struct buf *out)
{
	struct digest digest = digest_of(DIGEST_SHA256, content);

	hex_encode(out, str_make(digest.bytes, digest.len));
}

/* Is content (p NULL: nothing) what a member of the receipt tells the hash of? False when it tells
 * nothing. */
static bool
receipt_is(const struct change_row *change, const char *member, struct str content)
{
	AUTO(buf_fini) struct buf hash = BUF_INIT, want = BUF_INIT;
	struct str raw;

	if (!change_image_find(change->receipt, member, &raw))
		return false;
	if (str_eq_cstr(raw, "null") || !content.p)
		return str_eq_cstr(raw, "null") && !content.p;
	hash_hex(content, &hash);
	return json_raw_string(raw, &want) && str_eq(buf_str(&want), buf_str(&hash));
}

static bool
drifted(struct file_job *job, const char *like)
{
	job->outcome.what = TARGET_DRIFTED;
	if (job->found.is)
		file_image_show(found_str(&job->found), like, &job->outcome.current);
	return true;
}

static bool
already(struct file_job *job)
{
	job->outcome.what = TARGET_ALREADY;
	if (job->change->receipt && !job->revert)
		buf_puts(&job->outcome.receipt, job->change->receipt);
	return true;
}

/* What is to be there instead of what was found. False with no error: nothing is to be done. */
static bool
forward_plan(struct file_job *job, struct err *err)
{
	const struct change_row *change = job->change;
	struct str have = found_str(&job->found);
	bool known = change_image_find(change->receipt, "sha256", &(struct str){0});
	bool create = !strcmp(change->op, "create");

	if (known && receipt_is(change, "sha256", have))
		return !already(job);
	/* It was begun: what is there is neither what was then nor what was to be. */
	if (known && change->attempts > 0 && !receipt_is(change, "was", have))
		return !drifted(job, change->before);
	if (create ? job->found.is : !job->found.is || file_image_drifted(change->before, have))
		return !drifted(job, change->before);
	if (!strcmp(change->op, "delete")) {
		job->removes = true;
		return true;
	}
	job->writes = true;
	return file_content_make(change, have, &job->content, err);
}

static bool
image_put(struct file_job *job, const char *image)
{
	job->writes = true;
	return file_image_bytes(image, &job->content);
}

static bool
backward_plan(struct file_job *job, struct err *err)
{
	const struct change_row *change = job->change;
	AUTO(auto_free) char *before = NULL;
	struct str have = found_str(&job->found), raw;
	bool created = !strcmp(change->op, "create"), was = false;

	if (created) {
		job->removes = true;
	} else {
		before = change_image_find(change->receipt, "before", &raw)
				 ? str_dup(raw)
				 : mem_strdup(change->before);
		if (!image_put(job, before))
			return err_set(err, E_STATE,
				       "what %s was before is not known; set it back by hand",
				       change->entity);
		was = job->found.is && str_eq(have, buf_str(&job->content));
	}
	if (change->attempts > 0 && (created ? !job->found.is : was))
		return !already(job);
	return receipt_is(change, "sha256", have) || !drifted(job, change->after);
}

/* What was, and what will be: by these a second application is known, and undone. */
static void
receipt_write(struct file_job *job)
{
	struct buf *receipt = &job->outcome.receipt;
	struct str have = found_str(&job->found);

	buf_puts(receipt, "{\"sha256\":");
	if (job->removes) {
		buf_puts(receipt, "null");
	} else {
		buf_putc(receipt, '"');
		hash_hex(buf_str(&job->content), receipt);
		buf_putc(receipt, '"');
	}
	buf_puts(receipt, ",\"was\":");
	if (!have.p) {
		buf_puts(receipt, "null}");
		return;
	}
	buf_putc(receipt, '"');
	hash_hex(have, receipt);
	buf_printf(receipt, "\",\"mode\":\"%04o\",\"before\":", job->found.st.st_mode & 0777);
	file_image_keep(have, receipt);
	buf_putc(receipt, '}');
}

/* The mode of what is there; of what was deleted as the receipt kept it. */
static mode_t
mode_of(const struct file_job *job)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	struct str raw;

	if (job->found.is)
		return job->found.st.st_mode & 0777;
	if (job->revert && change_image_find(job->change->receipt, "mode", &raw) &&
	    json_raw_string(raw, &text))
		return (mode_t)strtol(buf_cstr(&text), NULL, 8) & 0777;
	return job->t->mode;
}

/* Beside its place, so that it can be moved there at once; of a name that a second attempt finds
 * again, and that watchers leave out. */
static bool
temp_write(struct file_job *job, struct err *err)
{
	AUTO(auto_close) int fd = -1;

	buf_printf(&job->temp, ".rouse-%s%s.part", job->change->id, job->revert ? "-back" : "");
	unlinkat(job->folder, buf_cstr(&job->temp), 0);
	fd = openat(job->folder, buf_cstr(&job->temp),
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		buf_clear(&job->temp);
		return err_errno(err, errno, "cannot write beside %s", job->change->entity);
	}
	if (!os_write_all(fd, buf_str(&job->content), err))
		return err_prefix(err, "%s", job->change->entity);
	/* Only root may give files away; who else can write here gets his own. */
	if (job->found.is &&
	    (job->found.st.st_uid != geteuid() || job->found.st.st_gid != getegid()))
		(void)!fchown(fd, job->found.st.st_uid, job->found.st.st_gid);
	if (fchmod(fd, mode_of(job)) || os.fsync(fd))
		return err_errno(err, errno, "%s cannot be kept", job->change->entity);
	return true;
}

static bool
content_prepare(struct file_job *job, int root, struct err *err)
{
	if (!job->writes)
		return true;
	if (job->content.len > (size_t)job->t->max_bytes)
		return err_set(err, E_TOO_LARGE, "%s would have %zu bytes; max_size is %lld",
			       job->change->entity, job->content.len, (long long)job->t->max_bytes);
	if (job->folder < 0)
		job->folder = beneath_parent(root, job->change->entity, job->t->make_folders,
					     FOLDER_MODE, &job->name, err);
	return job->folder >= 0 && temp_write(job, err);
}

/* Where it lies, without links: as a watcher tells it. */
static bool
path_real(struct file_job *job, struct err *err)
{
	AUTO(auto_free) char *real = realpath(job->t->root, NULL);

	if (!real)
		return err_errno(err, errno, "the root %s cannot be found", job->t->root);
	buf_cat(&job->path, strcmp(real, "/") ? real : "", "/", job->change->entity);
	return true;
}

/* In a thread. */
static void
job_look(void *arg)
{
	struct file_job *job = arg;
	struct err *err = &job->outcome.err;
	AUTO(auto_close) int root = root_open(job->t, err);
	bool todo;

	if (root < 0 || !beneath_check(job->change->entity ? job->change->entity : "", err) ||
	    !path_real(job, err) ||
	    !path_look(job->t, root, job->change->entity, &job->folder, &job->name, &job->found,
		       err))
		return;
	todo = job->revert ? backward_plan(job, err) : forward_plan(job, err);
	if (err->code == E_DRIFT) {
		err_fini(err);
		*err = (struct err)ERR_INIT;
		drifted(job, job->change->before);
	}
	if (todo) {
		receipt_write(job);
		content_prepare(job, root, err);
	} else {
		job->writes = job->removes = false;
	}
}

/* --- taking its place ---------------------------------------------------------------------- */

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Somebody may have been there since the look. */
static bool
is_as_found(struct file_job *job, bool *ret_same, struct err *err)
{
	struct stat now;
	bool is = !fstatat(job->folder, job->name, &now, AT_SYMLINK_NOFOLLOW);

	if (!is && errno != ENOENT)
		return err_errno(err, errno, "cannot look at %s", job->change->entity);
	*ret_same = is == job->found.is && (!is || same_file(&now, &job->found.st));
	if (*ret_same)
		return true;
	buf_clear(&job->found.bytes);
	job->found.is = false;
	if (!found_read(job->t, job->folder, job->name, &job->found, err))
		return false;
	buf_clear(&job->outcome.receipt);
	return drifted(job, job->change->before);
}

static bool
place_take(struct file_job *job, bool *ret_raced, struct err *err)
{
	const char *temp = buf_cstr(&job->temp);
	int rc;

	*ret_raced = false;
	if (job->removes)
		rc = unlinkat(job->folder, job->name, 0);
	else if (job->found.is)
		rc = renameat(job->folder, temp, job->folder, job->name);
	else
		rc = renameat2(job->folder, temp, job->folder, job->name, RENAME_NOREPLACE);
	if (rc && !job->found.is && (errno == EINVAL || errno == ENOSYS)) {
		/* This file system knows no such thing; a second name does the same. */
		rc = linkat(job->folder, temp, job->folder, job->name, 0);
		if (!rc)
			unlinkat(job->folder, temp, 0);
	}
	if (rc && errno == EEXIST) {
		*ret_raced = true;
		return true;
	}
	return !rc || err_errno(err, errno, "cannot %s %s", job->removes ? "delete" : "replace",
				job->change->entity);
}

/* In a thread. */
static void
job_place(void *arg)
{
	struct file_job *job = arg;
	struct err *err = &job->outcome.err;
	bool same, raced;

	crash_point("file-before-place");
	if (!is_as_found(job, &same, err) || !same)
		return;
	if (!place_take(job, &raced, err))
		return;
	if (raced) {
		is_as_found(job, &same, err);
		return;
	}
	buf_clear(&job->temp);
	crash_point("file-after-place");
	/* It is there, and a power cut may still undo it: asked again, it is found or done. */
	if (os.fsync(job->folder)) {
		err_errno(err, errno, "the folder of %s cannot be kept", job->change->entity);
		return;
	}
	job->outcome.what = TARGET_DONE;
	if (job->revert)
		buf_clear(&job->outcome.receipt);
}

static void
temp_drop(struct file_job *job)
{
	if (job->temp.len)
		unlinkat(job->folder, buf_cstr(&job->temp), 0);
}

static void
job_on_placed(void *arg)
{
	struct file_job *job = arg;

	temp_drop(job);
	if (job->outcome.what == TARGET_FAILED)
		buf_clear(&job->outcome.receipt);
	job_end(job);
}

static void
job_on_noted(void *arg, const struct err *err)
{
	struct file_job *job = arg;

	if (err->code != E_OK)
		outcome_fail(&job->outcome, err->code, "%s", err_text(err));
	else if (work_submit(job->outcome.core->work, job_place, job_on_placed, job,
			     &job->outcome.err))
		return;
	job_on_placed(job);
}

/* Whose the content is that will be there, and what was: on disk before it is. */
static bool
job_note(struct file_job *job, struct err *err)
{
	struct core *core = job->outcome.core;
	struct digest digest = {.len = HASH_BYTES}; /* zeros: nothing */
	AUTO(buf_fini) struct buf cause = BUF_INIT;

	if (!job->removes)
		digest = digest_of(DIGEST_SHA256, buf_str(&job->content));
	change_cause(core, job->change, &cause);
	return echo_note(core, buf_cstr(&job->path), str_make(digest.bytes, HASH_BYTES),
			 buf_str(&cause), err) &&
	       (job->revert ||
		change_intend(core, job->change, buf_cstr(&job->outcome.receipt), err));
}

static void
job_on_looked(void *arg)
{
	struct file_job *job = arg;

	if (job->outcome.err.code != E_OK || !(job->writes || job->removes) ||
	    !job_note(job, &job->outcome.err)) {
		job_on_placed(job);
		return;
	}
	turn_after(job->outcome.core->store, job_on_noted, job);
}

static void
target_apply(struct core *core, const struct target *target, const struct change_row *change,
	     bool revert, target_on_done *on_done, void *arg)
{
	struct file_job *job = mem_alloc(sizeof(*job));

	outcome_init(&job->outcome, core, on_done, arg);
	job->t = target->state;
	job->change = change;
	job->revert = revert;
	job->folder = -1;
	if (!work_submit(core->work, job_look, job_on_looked, job, &job->outcome.err))
		outcome_later(&job->outcome, job_end, job);
}

const struct target_kind file_target_kind = {
	.name = "file",
	.table = &file_table,
	.open = target_open,
	.close = target_close,
	.check = target_check,
	.apply = target_apply,
};
