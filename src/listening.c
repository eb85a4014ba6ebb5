/* Where the daemon listens: the socket, HTTP, and what systemd passed. */
/* SPDX-License-Identifier: MIT */
#include "listening.h"

#include <grp.h>
#include <string.h>

#include "base/log.h"
#include "base/os.h"
#include "core/registry.h"
#include "http/passed.h"
#include "http/server.h"
#include "takeover.h"

static gid_t
socket_group(const struct core *core)
{
	const char *name =
		conf_str(conf_section(registry_conf(core->registry), "daemon", ""), "group");
	struct group *group = name ? getgrnam(name) : NULL;

	if (name && !group)
		log_warning(
			"group is unknown; only root and the daemon's own user may use the socket",
			"group", name);
	return group ? group->gr_gid : (gid_t)-1;
}

static bool
parent_make(const char *path, struct err *err)
{
	AUTO(auto_free) char *dir = mem_strdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return true;
	*slash = '\0';
	return os_mkdirs(dir, 0755, err);
}

static bool
tcp_listen(struct core *core, struct http_server *server, struct heirloom *heirloom,
	   struct passed *passed, json_t *where_all, struct err *err)
{
	const struct conf_section *http = conf_section(registry_conf(core->registry), "http", "");
	const char *listen = conf_str(http, "listen");
	const char *public_url = conf_str(http, "public_url"), *cert = conf_str(http, "tls_cert");
	AUTO(auto_free) char *host = NULL;
	AUTO(buf_fini) struct buf where = BUF_INIT;
	struct buf url = BUF_INIT;
	const char *key = conf_str(http, "tls_key");
	unsigned port = 0;
	char *colon;
	int fd;

	if (!listen || !strcmp(listen, "none") || !*listen || core->rehearsal) {
		core->public_url = mem_strdup(public_url ? public_url : "");
		return true;
	}
	while ((fd = heirloom_take(heirloom, listen)) >= 0)
		if (!http_listen_given(server, fd, listen, cert, key, &port, err))
			return err_prefix(err, "http.listen = %s", listen);
	if (!port && !http_listen_tcp_at(server, listen, passed, cert, key, &port, err))
		return err_prefix(err, "http.listen = %s", listen);
	host = mem_strdup(listen);
	colon = strrchr(host, ':');
	if (colon)
		*colon = '\0';
	buf_printf(&where, "%s:%u", host, port);
	json_array_append_new(where_all, json_string(buf_cstr(&where)));
	if (public_url)
		buf_puts(&url, public_url);
	else
		buf_printf(&url, "%s://%s:%u", cert ? "https" : "http", *host ? host : "127.0.0.1",
			   port);
	core->public_url = buf_take(&url);
	return true;
}

static bool
socket_listen(struct core *core, struct http_server *server, const char *path,
	      struct heirloom *heirloom, struct passed *passed, struct err *err)
{
	const char *group =
		conf_str(conf_section(registry_conf(core->registry), "daemon", ""), "group");
	int fd = heirloom_take(heirloom, path);

	if (fd >= 0)
		return http_listen_given(server, fd, path, NULL, NULL, NULL, err);
	return parent_make(path, err) &&
	       http_listen_unix_at(server, path, passed, group ? 0660 : 0600, socket_group(core),
				   err);
}

bool
listening_start(struct core *core, struct http_server *server, const char *path,
		struct heirloom *heirloom, struct passed *passed, json_t *ret_where,
		struct err *err)
{
	int fd;

	/* What the one before us had been passed has no name, either. */
	while ((fd = heirloom_take(heirloom, "")) >= 0)
		passed_add(passed, fd, "handed over");
	if (!socket_listen(core, server, path, heirloom, passed, err))
		return err_prefix(err, "socket %s (daemon.socket)", path);
	if (!tcp_listen(core, server, heirloom, passed, ret_where, err))
		return false;
	passed_close_rest(passed, server);
	return true;
}
