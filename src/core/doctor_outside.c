/* Doctor: what can be seen from the outside: the machine, secrets, the configuration on disk. */
/* SPDX-License-Identifier: MIT */
#include "core/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/secret.h"
#include "io/cgroup.h"
#include "io/machine.h"
#include "pure/duration.h"

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define FILES_ASKED 65536
#define WATCHES_FEW 65536

/* --- the machine --------------------------------------------------------------------------- */

static void
size_say(uint64_t bytes, struct buf *out)
{
	if (bytes >= 10 * (uint64_t)GIB)
		buf_printf(out, "%llu GiB", (unsigned long long)(bytes / (uint64_t)GIB));
	else
		buf_printf(out, "%llu MiB", (unsigned long long)(bytes / (uint64_t)MIB));
}

static void
look_disk(const char *path, json_t *rows)
{
	AUTO(buf_fini) struct buf left = BUF_INIT, all = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	struct machine_disk disk;
	enum doctor_state state = DOCTOR_OK;

	if (!machine_disk(path, &disk, &err)) {
		doctor_say(rows, "disk", DOCTOR_FAIL, "is daemon.state_dir what it should be?",
			   "%s", err_text(&err));
		return;
	}
	if (disk.bytes_free < disk.bytes / 20 || disk.bytes_free < 256 * (uint64_t)MIB)
		state = DOCTOR_FAIL;
	else if (disk.bytes_free < disk.bytes / 10 || disk.bytes_free < (uint64_t)GIB)
		state = DOCTOR_WARN;
	size_say(disk.bytes_free, &left);
	size_say(disk.bytes, &all);
	doctor_say(rows, "disk", state,
		   state == DOCTOR_OK ? NULL
				      : "make room, or keep less: rouse help retention; rouse db "
					"vacuum gives back what was deleted",
		   "%s of %s are free for %s", buf_cstr(&left), buf_cstr(&all), path);
	if (disk.inodes && disk.inodes_free < disk.inodes / 20)
		doctor_say(rows, "disk", DOCTOR_FAIL, "look for folders with very many files",
			   "of %llu inodes %llu are free", (unsigned long long)disk.inodes,
			   (unsigned long long)disk.inodes_free);
}

static void
look_clock(json_t *rows)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	bool follows;

	if (!machine_clock(&follows, &err))
		doctor_say(rows, "clock", DOCTOR_WARN, "timedatectl says it", "%s", err_text(&err));
	else if (!follows)
		doctor_say(rows, "clock", DOCTOR_WARN,
			   "timedatectl set-ntp true; schedules follow it, and signatures with a "
			   "time are refused when it is wrong",
			   "it is not synchronised");
	else
		doctor_say(rows, "clock", DOCTOR_OK, NULL, "it is synchronised");
}

static bool
has_file_triggers(const struct conf *conf)
{
	const struct conf_section *section = NULL;

	while ((section = conf_next(conf, "trigger", section)))
		if (!strcmp(conf_str(section, "source"), "file"))
			return true;
	return false;
}

static void
look_files(json_t *rows)
{
	struct rlimit limit;
	size_t most, open;
	bool few;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	most = limit.rlim_cur < FILES_ASKED ? (size_t)limit.rlim_cur : FILES_ASKED;
	open = machine_files(most);
	few = most < 1024 || open > most / 10 * 8;
	doctor_say(rows, "descriptors", few ? DOCTOR_WARN : DOCTOR_OK,
		   few ? "raise LimitNOFILE= of the unit" : NULL, "%zu of %zu are open", open,
		   most);
}

/* Which folders found no place is the sources' to say: their health does. */
static void
look_watches(json_t *rows)
{
	int64_t watches = machine_setting("fs/inotify/max_user_watches");
	bool few = watches >= 0 && watches < WATCHES_FEW;

	doctor_say(rows, "inotify", few ? DOCTOR_WARN : DOCTOR_OK,
		   few ? "sysctl fs.inotify.max_user_watches=1048576, and a file in /etc/sysctl.d "
			 "for the next boot"
		       : NULL,
		   "%lld folders can be watched", (long long)watches);
}

static void
look_folder(const char *path, json_t *rows)
{
	struct stat st;

	if (stat(path, &st))
		doctor_say(rows, "state folder", DOCTOR_FAIL,
			   "make it, for the user that the daemon runs as", "%s is not there",
			   path);
	else if (access(path, W_OK | X_OK))
		doctor_say(rows, "state folder", DOCTOR_FAIL, "chown it to the daemon's user",
			   "%s cannot be written by user %u", path, (unsigned)geteuid());
	else if (st.st_mode & S_IWOTH)
		doctor_say(rows, "state folder", DOCTOR_FAIL, "chmod o-rwx",
			   "everybody can write into %s", path);
	else if (st.st_mode & (S_IROTH | S_IXOTH))
		doctor_say(rows, "state folder", DOCTOR_WARN, "chmod o-rwx",
			   "everybody can look into %s", path);
	else
		doctor_say(rows, "state folder", DOCTOR_OK, NULL, "%s is its owner's alone", path);
}

static void
look_groups(const struct conf *conf, json_t *rows)
{
	const char *wanted = conf_str(conf_section(conf, "daemon", ""), "cgroup");
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(auto_free) char *base = NULL;

	if (!cgroup_find(wanted, &base, &err))
		doctor_say(rows, "control groups", DOCTOR_FAIL,
			   "mend daemon.cgroup, or set it to auto", "%s", err_text(&err));
	else if (!base)
		doctor_say(rows, "control groups", strcmp(wanted, "none") ? DOCTOR_WARN : DOCTOR_OK,
			   strcmp(wanted, "none")
				   ? "start it by systemd with Delegate=yes, as roused.service does"
				   : NULL,
			   "runs have none of their own: memory_max holds for a process, not for a "
			   "whole run");
	else
		doctor_say(rows, "control groups", DOCTOR_OK, NULL,
			   "each run has its own, below %s", base);
}

void
doctor_machine(const struct conf *conf, const char *state_dir, json_t *rows)
{
	look_folder(state_dir, rows);
	look_disk(state_dir, rows);
	look_clock(rows);
	look_files(rows);
	if (has_file_triggers(conf))
		look_watches(rows);
	look_groups(conf, rows);
}

/* --- secrets ------------------------------------------------------------------------------- */

/* "plain:" in a file that others can read. */
static bool
is_bare(const struct conf_section *section, const struct conf_setting *setting)
{
	struct stat st;

	return setting->text && !strncmp(setting->text, "plain:", 6) &&
	       !stat(conf_section_file(section), &st) && st.st_mode & S_IROTH;
}

static bool
look_secret(const struct conf_section *section, const struct conf_setting *setting, json_t *rows)
{
	AUTO(secrets_fini) struct secrets secrets = SECRETS_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	if (is_bare(section, setting)) {
		doctor_say(rows, "secrets", DOCTOR_FAIL,
			   "chmod o-r, and write it as cred:NAME or file:PATH",
			   "[%s %s] %s stands in %s, which everybody can read",
			   conf_section_kind(section), conf_section_name(section), setting->name,
			   conf_section_file(section));
		return false;
	}
	if (secrets_resolve(section, setting->name, &secrets, &err))
		return true;
	doctor_say(rows, "secrets", DOCTOR_FAIL,
		   err.code == E_DENIED ? "chown it to the daemon's user and chmod 600"
					: "rouse help secret says where secrets can lie",
		   "[%s %s] %s: %s", conf_section_kind(section), conf_section_name(section),
		   setting->name, err_text(&err));
	return false;
}

void
doctor_secrets(const struct conf *conf, json_t *rows)
{
	const struct conf_section *section = NULL;
	struct conf_setting setting;
	size_t all = 0, ill = 0;

	while ((section = conf_next(conf, NULL, section)))
		for (size_t i = 0; conf_setting(section, i, &setting); i++) {
			if (setting.type != CONF_SECRET || setting.is_default ||
			    !conf_is_set(section, setting.name))
				continue;
			all++;
			if (ill < DOCTOR_ROWS)
				ill += !look_secret(section, &setting, rows);
		}
	if (!ill)
		doctor_say(rows, "secrets", DOCTOR_OK, NULL, "%zu, each there and nobody else's",
			   all);
}

/* --- the configuration on disk ------------------------------------------------------------- */

static void
section_name(const struct conf_section *section, struct buf *out)
{
	const char *name = conf_section_name(section);

	buf_printf(out, "[%s%s%s]", conf_section_kind(section), *name ? " " : "", name);
}

/* Names of sections of `of` that `than` has not, or has otherwise; how many there are. */
static size_t
differences(const struct conf *of, const struct conf *than, bool changed, struct buf *names)
{
	const struct conf_section *section = NULL, *other;
	size_t count = 0;

	while ((section = conf_next(of, NULL, section))) {
		other = conf_section(than, conf_section_kind(section), conf_section_name(section));
		if (other &&
		    (!changed || !strcmp(conf_section_digest(section), conf_section_digest(other))))
			continue;
		if (++count > 5)
			continue;
		buf_puts(names, names->len ? ", " : "");
		section_name(section, names);
	}
	return count;
}

void
doctor_config(const struct conf_schema *schema, const struct conf *conf, json_t *rows)
{
	struct conf_report *report = conf_report_new();
	struct conf *fresh = conf_load(schema, conf_path(conf), NULL, 0, report);
	AUTO(buf_fini) struct buf names = BUF_INIT;
	size_t other;

	if (!fresh) {
		doctor_say(rows, "configuration", DOCTOR_FAIL,
			   "rouse check shows them; the next start would fail",
			   "%s has %zu errors now", conf_path(conf), conf_report_errors(report));
	} else {
		other = differences(fresh, conf, true, &names) +
			differences(conf, fresh, false, &names);
		if (other)
			doctor_say(rows, "configuration", DOCTOR_WARN, "rouse reload",
				   "on disk it is another than the one in force: %s%s",
				   buf_cstr(&names), other > 5 ? ", ..." : "");
		else
			doctor_say(rows, "configuration", DOCTOR_OK, NULL,
				   "%s is in force as it is on disk", conf_path(conf));
	}
	conf_unref(fresh);
	conf_report_free(report);
}
