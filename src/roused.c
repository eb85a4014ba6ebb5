/* roused: the daemon. Flags, then the house. */
/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "base/log.h"
#include "core/registry.h"
#include "house.h"
#include "http/passed.h"
#include "systemd.h"

#define DEFAULT_CONFIG SYSCONFDIR "/rouse/rouse.conf"

static const char usage[] =
	"usage: roused [-c FILE] [-t [FILE...]] [--doctor] [--keys [KEY]] [--keys-json] "
	"[--keys-man] [--take-over] [--restore FILE] [--rehearse DIR] [--version]\n"
	"\n"
	"  -c, --config FILE  configuration (default " DEFAULT_CONFIG ")\n"
	"  -t, --check        check the configuration (and further section "
	"files: would they load?), exit 1 when it is wrong\n"
	"      --doctor       what a daemon with this configuration would lack, a JSON object a "
	"line\n"
	"      --keys [KEY]   what a key, a section, or every key means\n"
	"      --keys-json    the same, an object a line\n"
	"      --keys-man     the same, as roff\n"
	"      --restore FILE put a backup in the place of the database, while no roused runs; "
	"what was there stays "
	"beside it\n"
	"      --take-over    go on where the roused that runs stops, and nobody notices; it goes "
	"on "
	"itself when this one cannot start\n"
	"      --rehearse DIR only answer what would happen, at DIR/rouse.sock, "
	"with no effect\n"
	"      --version      print the version\n"
	"\n"
	"Runs in the foreground, logs to standard error or the journal. "
	"SIGTERM drains and stops, SIGHUP reloads,\n"
	"SIGUSR1 logs the state.\n";

enum {
	OPT_KEYS = 256,
	OPT_KEYS_JSON,
	OPT_KEYS_MAN,
	OPT_DOCTOR,
	OPT_REHEARSE,
	OPT_TAKE_OVER,
	OPT_RESTORE,
	OPT_VERSION,
	OPT_HELP
};

static const struct option options[] = {
	{"config", required_argument, NULL, 'c'},
	{"check", no_argument, NULL, 't'},
	{"doctor", no_argument, NULL, OPT_DOCTOR},
	{"keys", no_argument, NULL, OPT_KEYS},
	{"keys-json", no_argument, NULL, OPT_KEYS_JSON},
	{"keys-man", no_argument, NULL, OPT_KEYS_MAN},
	{"rehearse", required_argument, NULL, OPT_REHEARSE},
	{"take-over", no_argument, NULL, OPT_TAKE_OVER},
	{"restore", required_argument, NULL, OPT_RESTORE},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static int
keys_print(int how, const char *what)
{
	struct conf_schema schema = {.count = 0};
	AUTO(buf_fini) struct buf out = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	house_schema(&schema);
	if (how == OPT_KEYS_JSON) {
		conf_schema_json(&schema, &out);
	} else if (how == OPT_KEYS_MAN) {
		conf_schema_man(&schema, &out);
	} else if (!conf_schema_help(&schema, what, &out, &err)) {
		fprintf(stderr, "roused: %s\n", err_text(&err));
		return err_exit(err.code);
	}
	fwrite(buf_cstr(&out), 1, out.len, stdout);
	return fflush(stdout) ? 1 : 0;
}

/* Descriptors 0 to 2 exist, whatever started us: a log must not go into a database. */
static void
std_open(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

static void
process_setup(void)
{
	struct rlimit core = {0, 0}, files;

	std_open();
	umask(077);
	/* A reload that is asked for while this starts reads what the start reads. */
	signal(SIGHUP, SIG_IGN);
	/* No core dump with secrets in it; orphans of a dead shim come to us; nobody may ptrace us.
	 */
	setrlimit(RLIMIT_CORE, &core);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_DUMPABLE, 0);
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static void
on_passed(void *arg, int take_fd, const char *name)
{
	passed_add(arg, take_fd, name);
}

static int
daemon_run(const char *config, const char *rehearsal, bool take_over)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(passed_fini) struct passed passed = {.count = 0};
	struct house_from from = {
		.rehearsal = rehearsal, .take_over = take_over, .passed = &passed};
	struct house *house;
	int status;

	process_setup();
	systemd_listen_fds(on_passed, &passed);
	for (;;) {
		bool built = house_new_from(config, &from, &house, &err);

		registry_unref(from.registry);
		if (!built) {
			fprintf(stderr, "roused: %s\n", err_text(&err));
			return err.code == E_CONFIG || err.code == E_USAGE ? 78 : 1;
		}
		status = house_run(house);
		if (!house_hands_over(house))
			break;
		if (house_give(house, &from, &err)) {
			log_info("handed over; this one has ended");
			return 0;
		}
		log_error("the roused that was to take over did not come up; this one goes on",
			  "error", err_text(&err));
		err_fini(&err);
	}
	house_free(house);
	return status;
}

int
main(int argc, char **argv)
{
	const char *config = DEFAULT_CONFIG, *rehearsal = NULL, *restore = NULL;
	bool take_over = false;
	int c, mode = 0;

	while ((c = getopt_long(argc, argv, "c:th", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 't':
		case OPT_DOCTOR:
		case OPT_KEYS:
		case OPT_KEYS_JSON:
		case OPT_KEYS_MAN:
			mode = c;
			break;
		case OPT_REHEARSE:
			rehearsal = optarg;
			break;
		case OPT_RESTORE:
			restore = optarg;
			break;
		case OPT_TAKE_OVER:
			take_over = true;
			break;
		case OPT_VERSION:
			puts("roused " PACKAGE_VERSION);
			return 0;
		case 'h':
		case OPT_HELP:
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (mode == 't')
		return house_check(config, (const char *const *)argv + optind,
				   (size_t)(argc - optind))
			       ? 0
			       : 1;
	if (restore)
		return house_restore(config, restore);
	if (mode == OPT_DOCTOR) {
		house_doctor(config);
		return fflush(stdout) ? 1 : 0;
	}
	if (mode)
		return keys_print(mode, argv[optind]);
	if (optind < argc) {
		fprintf(stderr, "roused: unexpected argument %s\n%s", argv[optind], usage);
		return 2;
	}
	return daemon_run(config, rehearsal, take_over);
}
