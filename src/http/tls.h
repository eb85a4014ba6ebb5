/* TLS for accepted connections: OpenSSL over a non-blocking descriptor. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_TLS_H
#define ROUSE_HTTP_TLS_H

#include <sys/types.h>

#include "base/err.h"

struct tls_context;
struct tls_conn;

/* TLS 1.2 and later with a certificate chain and its key, PEM files. E_CONFIG says which file and
 * why. */
struct tls_context *tls_context_new(const char *cert, const char *key, struct err *err);
void tls_context_free(struct tls_context *ctx); /* connections of it go on */
/* When the first certificate of a PEM file ends, in seconds from now; negative: it has. E_CONFIG.
 */
bool tls_certificate_left(const char *cert, int64_t *ret_s, struct err *err);

/* fd stays the caller's. NULL: out of memory. */
struct tls_conn *tls_conn_new(struct tls_context *ctx, int fd);
void tls_conn_free(struct tls_conn *tls);
/* As read() and send(): bytes, 0 at the end, -1 with errno EAGAIN or what ended the connection.
 * The handshake happens inside. */
ssize_t tls_read(struct tls_conn *tls, void *p, size_t len);
ssize_t tls_write(struct tls_conn *tls, const void *p, size_t len);
/* The last tls_read() waits for the descriptor to take bytes. */
bool tls_read_wants_write(const struct tls_conn *tls);
void tls_goodbye(struct tls_conn *tls); /* close_notify, once, without waiting */

#endif
