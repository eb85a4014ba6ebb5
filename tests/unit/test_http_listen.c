/* Listening: addresses, Unix sockets and who is at their other end, handed-over sockets, TLS, the
 * end. */
/* SPDX-License-Identifier: MIT */
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include "base/os.h"
#include "http/passed.h"
#include "tests/unit/http_rig.h"

static char dir[] = "/tmp/rouse-http-XXXXXX";

static const char *
in_dir(const char *name)
{
	static struct buf paths[4];
	static size_t next;
	struct buf *path = &paths[next++ % ARRAY_LEN(paths)];
	buf_clear(path);
	buf_printf(path, "%s/%s", dir, name);
	return buf_cstr(path);
}

static void
test_addresses(void)
{
	IT ("an address that is none says what one looks like") {
		WITH_RIG(rig_limits());
		const char *const bad[] = {
			"",	  "127.0.0.1",	     "127.0.0.1:",   "127.0.0.1:x",
			"::1:80", "127.0.0.1:65536", "127.0.0.1:-1", "no.such.host.invalid:1"};
		for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
			AUTO(err_fini) struct err err = ERR_INIT;
			CHECK(!http_listen_tcp(rig.server, bad[i], NULL, NULL, NULL, &err));
			CHECK(err.code == E_CONFIG && strlen(err_text(&err)) > 10);
		}
		rig_fini(&rig);
	}
	IT ("a port that is taken is an error, a port of 0 is chosen") {
		WITH_RIG(rig_limits());
		AUTO(err_fini) struct err err = ERR_INIT;
		AUTO(buf_fini) struct buf same = BUF_INIT;
		unsigned port = 0;
		buf_printf(&same, "127.0.0.1:%u", rig.port);
		CHECK(!http_listen_tcp(rig.server, buf_cstr(&same), NULL, NULL, NULL, &err));
		CHECK(strstr(err_text(&err), "in use") != NULL);
		CHECK(http_listen_tcp(rig.server, "localhost:0", NULL, NULL, &port, NULL));
		CHECK(port != 0 && port != rig.port);
		rig_fini(&rig);
	}
}

static void
test_unix(void)
{
	IT ("a Unix socket knows its peer, has the mode it was given, and goes with its server") {
		WITH_RIG(rig_limits());
		AUTO(err_fini) struct err err = ERR_INIT;
		AUTO(client_fini) struct client local;
		struct stat st;
		CHECK(http_listen_unix(rig.server, in_dir("s"), 0660, (gid_t)-1, &err));
		CHECK(lstat(in_dir("s"), &st) == 0 && (st.st_mode & 07777) == 0660);
		client_connect_unix(&local, &rig, in_dir("s"));
		client_say(&local, GET("/x"));
		CHECK(client_await(&local, "\r\n\r\n/x"));
		CHECK(rig.peer.local && rig.peer.uid == getuid() && rig.peer.pid == getpid());
		CHECK_STR(rig.peer.address, "unix");
		rig_fini(&rig);
		CHECK(lstat(in_dir("s"), &st) < 0);
	}
	IT ("a client of a Unix socket that leaves is told of") {
		WITH_RIG(rig_limits());
		AUTO(client_fini) struct client local;
		CHECK(http_listen_unix(rig.server, in_dir("s"), 0600, (gid_t)-1, NULL));
		client_connect_unix(&local, &rig, in_dir("s"));
		client_say(&local, "GET /late HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		close(local.fd);
		local.fd = -1;
		CHECK(RIG_AWAIT(&rig, rig.gone == 1));
		rig_answer(&rig, 0);
		rig_fini(&rig);
	}
	IT ("a stale socket is replaced, a live one is not, and a file is left alone") {
		WITH_RIG(rig_limits());
		AUTO(err_fini) struct err err = ERR_INIT;
		struct sockaddr_un addr = {.sun_family = AF_UNIX};
		struct stat st;
		memcpy(addr.sun_path, in_dir("s"), strlen(in_dir("s")) + 1);
		int stale = socket(AF_UNIX, SOCK_STREAM, 0);
		CHECK(bind(stale, (struct sockaddr *)&addr, sizeof addr) == 0);
		close(stale);
		CHECK(http_listen_unix(rig.server, in_dir("s"), 0600, (gid_t)-1, &err));
		CHECK(!http_listen_unix(rig.server, in_dir("s"), 0600, (gid_t)-1, &err));
		CHECK(err.code == E_EXISTS && strstr(err_text(&err), "another process listens on"));
		CHECK(os_write_file(in_dir("file"), STR("precious"), 0600, NULL));
		CHECK(!http_listen_unix(rig.server, in_dir("file"), 0600, (gid_t)-1, &err));
		CHECK(err.code == E_EXISTS);
		CHECK(lstat(in_dir("file"), &st) == 0 && st.st_size == 8);
		rig_fini(&rig);
	}
	IT ("a path that no socket can have is refused") {
		WITH_RIG(rig_limits());
		AUTO(err_fini) struct err err = ERR_INIT;
		char path[200];
		memset(path, 'a', sizeof path);
		path[sizeof path - 1] = '\0';
		CHECK(!http_listen_unix(rig.server, path, 0600, (gid_t)-1, &err));
		CHECK(!http_listen_unix(rig.server, "", 0600, (gid_t)-1, &err));
		CHECK(!http_listen_unix(rig.server, in_dir("no/such"), 0600, (gid_t)-1, &err));
		rig_fini(&rig);
	}
	IT ("another's socket at our path is not removed") {
		WITH_RIG(rig_limits());
		struct stat st;
		CHECK(http_listen_unix(rig.server, in_dir("s"), 0600, (gid_t)-1, NULL));
		unlink(in_dir("s"));
		CHECK(os_write_file(in_dir("s"), STR("x"), 0600, NULL));
		rig_fini(&rig);
		CHECK(lstat(in_dir("s"), &st) == 0);
		unlink(in_dir("s"));
	}
}

static void
test_handed_over(void)
{
	IT ("a listening socket can be handed over, another descriptor cannot") {
		WITH_RIG(rig_limits());
		AUTO(err_fini) struct err err = ERR_INIT;
		AUTO(client_fini) struct client other;
		struct sockaddr_in addr = {.sin_family = AF_INET};
		socklen_t len = sizeof addr;
		addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(fd, 1) == 0);
		getsockname(fd, (struct sockaddr *)&addr, &len);
		CHECK(http_listen_fd(rig.server, fd, &err));
		rig.port = ntohs(addr.sin_port);
		client_connect(&other, &rig);
		client_say(&other, GET("/x"));
		CHECK(client_await(&other, "\r\n\r\n/x"));
		CHECK(!http_listen_fd(rig.server, open("/dev/null", O_RDONLY), &err));
		CHECK(err.code == E_CONFIG);
		CHECK(!http_listen_fd(rig.server, socket(AF_INET, SOCK_STREAM, 0), &err));
		rig_fini(&rig);
	}
	IT ("a server that stops answers who had connected, and whose request was on its way") {
		WITH_RIG(rig_limits());
		AUTO(client_fini) struct client kept, fresh;
		client_connect(&kept, &rig);
		client_say(&kept, GET("/1"));
		CHECK(client_await(&kept, "\r\n\r\n/1"));
		client_connect(&fresh, &rig);
		CHECK(RIG_AWAIT(&rig, http_server_counts(rig.server).accepted == 3));
		client_say(&kept, GET("/2"));
		http_server_stop_listening(rig.server);
		CHECK(!http_server_is_drained(rig.server));
		client_say(&fresh, GET("/3"));
		CHECK(client_await_eof(&kept) && client_has(&kept, "close\r\n\r\n/2"));
		CHECK(client_await_eof(&fresh) && client_has(&fresh, "close\r\n\r\n/3"));
		rig_fini(&rig);
	}
	IT ("it waits for a request that has begun, and not for who never begins one") {
		WITH_RIG(rig_limits());
		CHECK(RIG_AWAIT(&rig, http_server_counts(rig.server).accepted == 1));
		http_server_stop_listening(rig.server);
		CHECK(!http_server_is_drained(rig.server));
		CHECK(RIG_AWAIT(&rig, http_server_is_drained(rig.server)));
		client_say(&c, "GET /half HTTP/1.1\r\n");
		CHECK(RIG_AWAIT(&rig, !http_server_is_drained(rig.server)));
		client_say(&c, "Host: a\r\n\r\n");
		CHECK(client_await_eof(&c) && client_has(&c, "/half"));
		CHECK(RIG_AWAIT(&rig, http_server_is_drained(rig.server)));
		rig_fini(&rig);
	}
	IT ("a server that stops listening answers what it has, and closes") {
		WITH_RIG(rig_limits());
		AUTO(client_fini) struct client idle, late;
		client_connect(&idle, &rig);
		client_say(&idle, GET("/x"));
		CHECK(client_await(&idle, "\r\n\r\n/x"));
		client_say(&c, GET("/late"));
		CHECK(RIG_AWAIT(&rig, rig.held_count == 1));
		http_server_stop_listening(rig.server);
		CHECK(client_await_eof(&idle));
		client_connect(&late, &rig);
		CHECK(client_await_eof(&late));
		rig_answer(&rig, 0);
		CHECK(client_await_eof(&c));
		CHECK(client_has(&c, "Connection: close\r\n\r\n/late"));
		rig_fini(&rig);
	}
}

/* A listening socket at an address of this family; *ret_port 0: one is chosen. */
static int
listening_at(int family, const char *address, bool only_v6, unsigned *port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port)};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), only = only_v6;
	socklen_t len = sizeof v6;
	inet_pton(family, address,
		  family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
	if (bind(fd, family == AF_INET ? (void *)&v4 : (void *)&v6,
		 family == AF_INET ? sizeof v4 : sizeof v6) ||
	    listen(fd, 8)) {
		close(fd);
		return -1;
	}
	getsockname(fd, (void *)&v6, &len); /* the port stands at the same place in both */
	*port = ntohs(v6.sin6_port);
	return fd;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void
listen_passed(struct rig *rig, struct passed *passed, const char *host, unsigned port,
	      bool expected)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	AUTO(buf_fini) struct buf where = BUF_INIT;
	unsigned got = 0;
	buf_printf(&where, "%s:%u", host, port);
	CHECK(http_listen_tcp_at(rig->server, buf_cstr(&where), passed, NULL, NULL, &got, &err) ==
	      expected);
	CHECK(!expected || got == port);
}

static void
test_passed(void)
{
	IT ("of passed sockets the one at the address is taken, whatever their order") {
		WITH_RIG(rig_limits());
		AUTO(passed_fini) struct passed passed = {.count = 0};
		AUTO(client_fini) struct client other;
		unsigned port = 0, strange = 0;
		int wanted = listening_at(AF_INET, "127.0.0.1", false, &port),
		    stranger = listening_at(AF_INET, "127.0.0.1", false, &strange);
		passed_add(&passed, open("/dev/null", O_RDONLY), "null");
		passed_add(&passed, stranger, NULL);
		passed_add(&passed, socket(AF_INET, SOCK_DGRAM, 0), "udp");
		passed_add(&passed, wanted, "roused.socket");
		listen_passed(&rig, &passed, "127.0.0.1", port, true);
		CHECK(passed.all[3].taken && !passed.all[0].taken && !passed.all[1].taken);
		CHECK(fcntl(wanted, F_GETFD) == FD_CLOEXEC && fcntl(wanted, F_GETFL) & O_NONBLOCK);
		rig.port = port;
		client_connect(&other, &rig);
		client_say(&other, GET("/x"));
		CHECK(client_await(&other, "\r\n\r\n/x"));
		passed_close_rest(&passed, rig.server);
		CHECK(!is_open(stranger) && is_open(wanted));
		rig_fini(&rig);
	}
	IT ("an address that was not passed is opened, also where others were") {
		WITH_RIG(rig_limits());
		AUTO(passed_fini) struct passed passed = {.count = 0};
		unsigned port = 0, strange = 0;
		close(listening_at(AF_INET, "127.0.0.1", false, &port));
		passed_add(&passed, listening_at(AF_INET, "127.0.0.1", false, &strange), NULL);
		passed_add(&passed, listening_at(AF_INET, "127.0.0.2", false, &port), NULL);
		listen_passed(&rig, &passed, "127.0.0.1", port, true);
		CHECK(!passed.all[0].taken && !passed.all[1].taken);
		listen_passed(&rig, NULL, "127.0.0.3", port, true);
		rig_fini(&rig);
	}
	IT ("a socket for all addresses is not one for this one") {
		WITH_RIG(rig_limits());
		AUTO(passed_fini) struct passed passed = {.count = 0};
		unsigned port = 0;
		passed_add(&passed, listening_at(AF_INET, "0.0.0.0", false, &port), NULL);
		listen_passed(&rig, &passed, "127.0.0.1", port, false);
		CHECK(!passed.all[0].taken);
		listen_passed(&rig, &passed, "0.0.0.0", port, true);
		CHECK(passed.all[0].taken);
		rig_fini(&rig);
	}
	IT ("[::] that takes IPv4 as well stands for all addresses, once") {
		WITH_RIG(rig_limits());
		AUTO(passed_fini) struct passed passed = {.count = 0};
		AUTO(client_fini) struct client other;
		unsigned port = 0;
		int fd = listening_at(AF_INET6, "::", false, &port);
		if (fd >= 0) {
			passed_add(&passed, fd, NULL);
			listen_passed(&rig, &passed, "", port, true);
			CHECK(passed.all[0].taken);
			rig.port = port;
			client_connect(&other, &rig);
			client_say(&other, GET("/x"));
			CHECK(client_await(&other, "\r\n\r\n/x"));
			CHECK_STR(rig.peer.address, "127.0.0.1");
		}
		rig_fini(&rig);
	}
	IT ("[::] for IPv6 alone leaves 0.0.0.0 to be opened") {
		WITH_RIG(rig_limits());
		AUTO(passed_fini) struct passed passed = {.count = 0};
		AUTO(client_fini) struct client other;
		unsigned port = 0;
		int fd = listening_at(AF_INET6, "::", true, &port);
		if (fd >= 0) {
			passed_add(&passed, fd, NULL);
			listen_passed(&rig, &passed, "", port, true);
			CHECK(passed.all[0].taken);
			rig.port = port;
			client_connect(&other, &rig);
			client_say(&other, GET("/x"));
			CHECK(client_await(&other, "\r\n\r\n/x"));
		}
		rig_fini(&rig);
	}
	IT ("an IPv4 address within IPv6 is that address") {
		WITH_RIG(rig_limits());
		AUTO(passed_fini) struct passed passed = {.count = 0};
		unsigned port = 0;
		int fd = listening_at(AF_INET6, "::ffff:127.0.0.1", false, &port);
		if (fd >= 0) {
			passed_add(&passed, fd, NULL);
			listen_passed(&rig, &passed, "127.0.0.1", port, true);
			CHECK(passed.all[0].taken);
		}
		rig_fini(&rig);
	}
	IT ("a passed Unix socket is given the rights that it would have had, and its file stays") {
		WITH_RIG(rig_limits());
		AUTO(passed_fini) struct passed passed = {.count = 0};
		AUTO(client_fini) struct client local;
		struct sockaddr_un addr = {.sun_family = AF_UNIX};
		struct stat st;
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		memcpy(addr.sun_path, in_dir("p"), strlen(in_dir("p")) + 1);
		CHECK(!bind(fd, (struct sockaddr *)&addr, sizeof addr) && !listen(fd, 8));
		CHECK(!chmod(in_dir("p"), 0666));
		CHECK(!symlink(dir, in_dir("link")));
		passed_add(&passed, fd, NULL);
		CHECK(http_listen_unix_at(rig.server, in_dir("q"), &passed, 0600, (gid_t)-1, NULL));
		CHECK(!passed.all[0].taken);
		CHECK(http_listen_unix_at(rig.server, in_dir("link/p"), &passed, 0660, (gid_t)-1,
					  NULL));
		CHECK(passed.all[0].taken);
		CHECK(!lstat(in_dir("p"), &st) && (st.st_mode & 07777) == 0660);
		client_connect_unix(&local, &rig, in_dir("p"));
		client_say(&local, GET("/x"));
		CHECK(client_await(&local, "\r\n\r\n/x"));
		CHECK(rig.peer.local && rig.peer.pid == getpid());
		rig_fini(&rig);
		CHECK(!lstat(in_dir("p"), &st) && lstat(in_dir("q"), &st) < 0);
		unlink(in_dir("p"));
	}
	IT ("a Unix socket whose file is gone, or is another's by now, is no way in") {
		WITH_RIG(rig_limits());
		AUTO(passed_fini) struct passed passed = {.count = 0};
		AUTO(err_fini) struct err err = ERR_INIT;
		struct sockaddr_un addr = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		memcpy(addr.sun_path, in_dir("gone"), strlen(in_dir("gone")) + 1);
		CHECK(!bind(fd, (struct sockaddr *)&addr, sizeof addr) && !listen(fd, 8));
		unlink(in_dir("gone"));
		passed_add(&passed, fd, NULL);
		CHECK(!http_listen_unix_at(rig.server, in_dir("gone"), &passed, 0600, (gid_t)-1,
					   &err));
		CHECK(strstr(err_text(&err), "is not there") != NULL);
		rig_fini(&rig);
	}
	IT ("more sockets than can be are closed, not kept") {
		AUTO(passed_fini) struct passed passed = {.count = 0};
		int last = -1;
		for (int i = 0; i <= PASSED_MAX; i++)
			passed_add(&passed, last = open("/dev/null", O_RDONLY), NULL);
		CHECK_INT(passed.count, PASSED_MAX);
		CHECK(!is_open(last));
	}
}

static void
write_key_pair(const char *cert, const char *key)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();
	X509_NAME *name = X509_get_subject_name(x509);
	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
	X509_gmtime_adj(X509_getm_notBefore(x509), -60);
	X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
				   -1, 0);
	X509_set_issuer_name(x509, name);
	X509_set_pubkey(x509, pkey);
	X509_sign(x509, pkey, EVP_sha256());
	FILE *f = fopen(cert, "w");
	PEM_write_X509(f, x509);
	fclose(f);
	f = fopen(key, "w");
	PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x509);
	EVP_PKEY_free(pkey);
}

/* Reads until the text came or the other side ended; the loop runs meanwhile. */
static bool
tls_await(struct rig *rig, SSL *ssl, struct buf *got, const char *text)
{
	char bytes[4096];
	int64_t until = rig_now() + RIG_PATIENCE_MS;
	while (rig_now() < until && !strstr(buf_cstr(got), text)) {
		int n = SSL_read(ssl, bytes, sizeof bytes);
		if (n > 0)
			buf_add(got, bytes, (size_t)n);
		else if (SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
			break;
		else
			rig_turn(rig, 5);
	}
	return strstr(buf_cstr(got), text) != NULL;
}

static void
tls_say(struct rig *rig, SSL *ssl, const char *text)
{
	int64_t until = rig_now() + RIG_PATIENCE_MS;
	while (SSL_write(ssl, text, (int)strlen(text)) <= 0 && rig_now() < until)
		rig_turn(rig, 5);
}

static void
tls_check_versions(struct rig *rig, SSL_CTX *ctx, int version, bool works)
{
	AUTO(client_fini) struct client c;
	AUTO(buf_fini) struct buf got = BUF_INIT;
	client_connect(&c, rig);
	SSL *ssl = SSL_new(ctx);
	SSL_set_min_proto_version(ssl, version);
	SSL_set_max_proto_version(ssl, version);
	SSL_set_fd(ssl, c.fd);
	SSL_set_connect_state(ssl);
	unsigned before = rig->requests;
	int64_t until = rig_now() + (works ? RIG_PATIENCE_MS : 300);
	while (SSL_do_handshake(ssl) != 1 && rig_now() < until)
		rig_turn(rig, 5);
	if (works) {
		tls_say(rig, ssl, GET("/x") POST("/y", "3", "abc"));
		CHECK(tls_await(rig, ssl, &got, "\r\n\r\n/y"));
		CHECK(rig->peer.tls);
		tls_say(rig, ssl, GET("/late") GET("/ \r\n"));
		CHECK(RIG_AWAIT(rig, rig->held_count == 1));
		rig_answer(rig, 0);
		rig->held_count = 0;
		CHECK(tls_await(rig, ssl, &got, "\"code\":\"bad_request\""));
	} else {
		CHECK(rig->requests == before && !SSL_is_init_finished(ssl));
	}
	SSL_free(ssl);
}

static void
test_tls(void)
{
	IT ("TLS 1.2 and 1.3 are spoken, older ones and plain HTTP are not") {
		WITH_RIG(rig_limits());
		AUTO(err_fini) struct err err = ERR_INIT;
		AUTO(client_fini) struct client plain;
		write_key_pair(in_dir("cert"), in_dir("key"));
		CHECK(http_listen_tcp(rig.server, "127.0.0.1:0", in_dir("cert"), in_dir("key"),
				      &rig.port, &err));
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_set_security_level(ctx, 0);
		tls_check_versions(&rig, ctx, TLS1_3_VERSION, true);
		tls_check_versions(&rig, ctx, TLS1_2_VERSION, true);
		tls_check_versions(&rig, ctx, TLS1_1_VERSION, false);
		client_connect(&plain, &rig);
		client_say(&plain, GET("/plain"));
		CHECK(client_await_eof(&plain));
		CHECK(!strstr(buf_cstr(&rig.seen), "/plain"));
		SSL_CTX_free(ctx);
		rig_fini(&rig);
	}
	IT ("certificates are read again when they were renewed, and kept when that fails") {
		WITH_RIG(rig_limits());
		AUTO(err_fini) struct err err = ERR_INIT;
		write_key_pair(in_dir("cert"), in_dir("key"));
		CHECK(http_listen_tcp(rig.server, "127.0.0.1:0", in_dir("cert"), in_dir("key"),
				      &rig.port, &err));
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		write_key_pair(in_dir("cert"), in_dir("key"));
		CHECK(http_server_reload_tls(rig.server, &err));
		tls_check_versions(&rig, ctx, TLS1_3_VERSION, true);
		unlink(in_dir("key"));
		CHECK(!http_server_reload_tls(rig.server, &err));
		CHECK(strstr(err_text(&err), "tls_key") != NULL);
		tls_check_versions(&rig, ctx, TLS1_3_VERSION, true);
		SSL_CTX_free(ctx);
		rig_fini(&rig);
	}
	IT ("certificates that cannot be used say which file, and why") {
		WITH_RIG(rig_limits());
		AUTO(err_fini) struct err err = ERR_INIT;
		write_key_pair(in_dir("cert"), in_dir("key"));
		write_key_pair(in_dir("cert2"), in_dir("key2"));
		os_write_file(in_dir("junk"), STR("no PEM"), 0600, NULL);
		CHECK(!http_listen_tcp(rig.server, "127.0.0.1:0", in_dir("none"), in_dir("key"),
				       NULL, &err));
		CHECK(strstr(err_text(&err), "/none: No such file") != NULL);
		CHECK(!http_listen_tcp(rig.server, "127.0.0.1:0", in_dir("junk"), in_dir("key"),
				       NULL, &err));
		CHECK(strstr(err_text(&err), "tls_cert") && strstr(err_text(&err), "PEM"));
		CHECK(!http_listen_tcp(rig.server, "127.0.0.1:0", in_dir("cert"), in_dir("junk"),
				       NULL, &err));
		CHECK(strstr(err_text(&err), "tls_key") != NULL);
		CHECK(!http_listen_tcp(rig.server, "127.0.0.1:0", in_dir("cert"), in_dir("key2"),
				       NULL, &err));
		CHECK(strstr(err_text(&err), "mismatch") != NULL);
		CHECK(!http_listen_tcp(rig.server, "127.0.0.1:0", in_dir("cert"), NULL, NULL,
				       &err));
		CHECK(strstr(err_text(&err), "tls_key is missing") != NULL);
		rig_fini(&rig);
	}
}

int
main(void)
{
	if (!mkdtemp(dir))
		return 99;
	test_addresses();
	test_unix();
	test_handed_over();
	test_passed();
	test_tls();
	os_remove_tree(dir, NULL);
	return tap_done();
}
