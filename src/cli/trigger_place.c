/* Where a trigger's files lie, and whose they are. */
/* SPDX-License-Identifier: MIT */
#include "cli/trigger_add.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/uuid.h"

void
trigger_place_fini(struct trigger_place *place)
{
	free(place->config);
	free(place->dir);
	free(place->conf_path);
	free(place->secret_path);
	*place = (struct trigger_place)TRIGGER_PLACE_INIT;
}

static char *
path_of(const char *dir, const char *below, const char *name, const char *ending)
{
	struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s/%s%s", dir, below, name, ending);
	return buf_take(&path);
}

static char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : mem_memdup(path, (size_t)(slash - path));
}

/* The daemon's word on itself; false with E_OK in err: it is not running. */
static bool
from_daemon(struct cli *cli, struct trigger_place *place, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	struct err why = ERR_INIT;
	int64_t uid;

	if (!cli_get(cli, &reply, &why, "/v1/status")) {
		if (why.code == E_UNAVAILABLE) {
			err_fini(&why);
			return false;
		}
		return err_move(err, &why);
	}
	uid = json_int(reply.json, "uid", -1);
	if (!json_str(reply.json, "config") || !json_str(reply.json, "config_dir") || uid < 0)
		return err_set(err, E_CORRUPT,
			       "the daemon does not say where its configuration lies");
	place->config = mem_strdup(json_str(reply.json, "config"));
	place->dir = mem_strdup(json_str(reply.json, "config_dir"));
	place->uid = (uid_t)uid;
	place->running = true;
	return true;
}

/* Without a daemon: the packaged user where root asks, else whoever we are. */
static void
from_file(struct cli *cli, struct trigger_place *place)
{
	const struct passwd *user = geteuid() ? NULL : getpwnam("rouse");

	place->config = realpath(cli_config(cli), NULL);
	if (!place->config)
		place->config = mem_strdup(cli_config(cli));
	place->dir = folder_of(place->config);
	place->uid = user ? user->pw_uid : geteuid();
}

bool
trigger_place_get(struct cli *cli, const char *name, struct trigger_place *ret, struct err *err)
{
	const struct passwd *user;
	struct err why = ERR_INIT;

	if (!conf_name_is_valid(str_of(name)))
		return err_set(err, E_USAGE,
			       "%s cannot be a trigger's name: a-z, 0-9, '.', '_' and '-', at most "
			       "40, beginning "
			       "with a letter or digit",
			       name);
	if (cli_is_remote(cli))
		return err_set(err, E_USAGE,
			       "this writes files beside the daemon's configuration: do it on its "
			       "machine, "
			       "over its socket");
	if (!from_daemon(cli, ret, &why)) {
		if (why.code != E_OK)
			return err_move(err, &why);
		from_file(cli, ret);
	}
	user = getpwuid(ret->uid);
	ret->gid = user ? user->pw_gid : getegid();
	if (access(ret->config, F_OK))
		return err_errno(err, errno, "the configuration %s%s", ret->config,
				 ret->running ? " is on another machine, or not yours to see"
					      : "; name it with -c");
	if (geteuid() && geteuid() != ret->uid)
		return err_set(err, E_DENIED,
			       "the daemon runs as %s, who must be able to read what is written "
			       "here: do this "
			       "as root, or as %s",
			       user ? user->pw_name : "another user",
			       user ? user->pw_name : "that user");
	ret->conf_path = path_of(ret->dir, "triggers.d", name, ".conf");
	ret->secret_path = path_of(ret->dir, "secrets", name, ".secret");
	return true;
}

bool
trigger_secret_make(const struct signature_scheme *scheme, struct buf *out, struct err *err)
{
	unsigned char key[32];
	struct str bytes = str_make(key, sizeof(key));

	if (scheme->method == SIGNATURE_ED25519)
		return err_set(
			err, E_USAGE,
			"%s is signed with a key pair: give the sender's public key with --set "
			"secret=file:PATH",
			scheme->name);
	entropy_fill(key, sizeof(key));
	if (scheme->method == SIGNATURE_BASIC)
		buf_puts(out, "rouse:");
	if (scheme->key == SIGNATURE_KEY_BASE64) {
		buf_puts(out, scheme->key_prefix ? scheme->key_prefix : "");
		base64_encode(out, bytes);
	} else {
		hex_encode(out, bytes);
	}
	buf_putc(out, '\n');
	mem_zero(key, sizeof(key));
	return true;
}
