/* TLS for accepted connections: OpenSSL over a non-blocking descriptor. */
/* SPDX-License-Identifier: MIT */
#include "http/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct tls_context {
	SSL_CTX *ctx;
};

struct tls_conn {
	SSL *ssl;
	bool broken; /* after a fatal error nothing may be sent, no goodbye either */
	bool read_wants_write;
	bool said_goodbye;
};

/* Only HTTP/1.1 is spoken; a client that offers nothing of that kind goes on without ALPN. */
static int
on_alpn(UNUSED SSL *ssl, const unsigned char **ret, unsigned char *ret_len, const unsigned char *in,
	unsigned in_len, UNUSED void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;
	if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof ours - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool
fail(struct err *err, const char *key, const char *path, const char *advice)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);
	if (ERR_SYSTEM_ERROR(code))
		reason = strerror(ERR_GET_REASON(code));
	err_set(err, E_CONFIG, "%s %s: %s; %s", key, path, reason ? reason : "unknown TLS error",
		advice);
	ERR_clear_error();
	return false;
}

static bool
load_files(SSL_CTX *ctx, const char *cert, const char *key, struct err *err)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return fail(err, "tls_cert", cert,
			    "a PEM file with the certificate and its chain is needed");
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return fail(err, "tls_key", key,
			    "a PEM file with the certificate's own private key, without a "
			    "passphrase, is needed");
	if (SSL_CTX_check_private_key(ctx) != 1)
		return fail(err, "tls_key", key, "it must be the key of tls_cert");
	return true;
}

/* A key that asks for a passphrase fails instead of asking the terminal. */
static int
no_passphrase(UNUSED char *buf, UNUSED int size, UNUSED int rwflag, UNUSED void *arg)
{
	return -1;
}

struct tls_context *
tls_context_new(const char *cert, const char *key, struct err *err)
{
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (!ctx) {
		fail(err, "tls_cert", cert, "TLS cannot be started");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	if (!load_files(ctx, cert, key, err)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* OpenSSL writes with write(2); a client that left must not end the process. */
	signal(SIGPIPE, SIG_IGN);
	struct tls_context *tls = mem_alloc(sizeof *tls);
	tls->ctx = ctx;
	return tls;
}

void
tls_context_free(struct tls_context *ctx)
{
	if (!ctx)
		return;
	SSL_CTX_free(ctx->ctx);
	free(ctx);
}

bool
tls_certificate_left(const char *cert, int64_t *ret_s, struct err *err)
{
	BIO *file = BIO_new_file(cert, "r");
	X509 *x509 = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
	int days, seconds;
	bool ok = x509 && ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x509));

	X509_free(x509);
	BIO_free(file);
	ERR_clear_error();
	if (!ok)
		return err_set(err, E_CONFIG, "%s holds no certificate that can be read", cert);
	*ret_s = (int64_t)days * 86400 + seconds;
	return true;
}

struct tls_conn *
tls_conn_new(struct tls_context *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx->ctx);
	if (!ssl || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ERR_clear_error();
		return NULL;
	}
	SSL_set_accept_state(ssl);
	struct tls_conn *tls = mem_alloc(sizeof *tls);
	tls->ssl = ssl;
	return tls;
}

void
tls_conn_free(struct tls_conn *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	free(tls);
}

/* What an OpenSSL call that returned rc <= 0 means in the words of read() and send(). */
static ssize_t
translate(struct tls_conn *tls, int rc, bool reading)
{
	int saved = errno;
	int why = SSL_get_error(tls->ssl, rc);
	ERR_clear_error();
	errno = EAGAIN;
	switch (why) {
	case SSL_ERROR_WANT_READ:
		return -1;
	case SSL_ERROR_WANT_WRITE:
		tls->read_wants_write = reading;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		errno = EPIPE;
		return reading ? 0 : -1;
	default:
		tls->broken = true;
		errno = why == SSL_ERROR_SYSCALL && saved ? saved : EPROTO;
		return -1;
	}
}

static int
clamp(size_t len)
{
	return len > INT_MAX ? INT_MAX : (int)len;
}

ssize_t
tls_read(struct tls_conn *tls, void *p, size_t len)
{
	tls->read_wants_write = false;
	errno = 0;
	int rc = SSL_read(tls->ssl, p, clamp(len));
	return rc > 0 ? rc : translate(tls, rc, true);
}

ssize_t
tls_write(struct tls_conn *tls, const void *p, size_t len)
{
	errno = 0;
	int rc = SSL_write(tls->ssl, p, clamp(len));
	return rc > 0 ? rc : translate(tls, rc, false);
}

bool
tls_read_wants_write(const struct tls_conn *tls)
{
	return tls->read_wants_write;
}

void
tls_goodbye(struct tls_conn *tls)
{
	if (tls->broken || tls->said_goodbye || !SSL_is_init_finished(tls->ssl))
		return;
	tls->said_goodbye = true;
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
}
