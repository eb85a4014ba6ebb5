/* libcurl, loaded at the first fetch: with all that it pulls in (TLS, Kerberos, LDAP, ...) it would
 * cost a daemon that fetches nothing four megabytes. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_CURL_H
#define ROUSE_IO_CURL_H

/* Its checking macros do not know calls through a pointer. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/err.h"

#define CURL_CALLS(X)                                                                              \
	X(curl_global_init)                                                                        \
	X(curl_global_cleanup)                                                                     \
	X(curl_easy_init)                                                                          \
	X(curl_easy_cleanup)                                                                       \
	X(curl_easy_pause)                                                                         \
	X(curl_easy_setopt)                                                                        \
	X(curl_easy_getinfo)                                                                       \
	X(curl_easy_header)                                                                        \
	X(curl_easy_strerror)                                                                      \
	X(curl_easy_perform)                                                                       \
	X(curl_easy_send)                                                                          \
	X(curl_easy_recv)                                                                          \
	X(curl_multi_init)                                                                         \
	X(curl_multi_cleanup)                                                                      \
	X(curl_multi_setopt)                                                                       \
	X(curl_multi_assign)                                                                       \
	X(curl_multi_add_handle)                                                                   \
	X(curl_multi_remove_handle)                                                                \
	X(curl_multi_info_read)                                                                    \
	X(curl_multi_socket_action)                                                                \
	X(curl_slist_append)                                                                       \
	X(curl_slist_free_all)

/* Without the macros of these names, which curl.h lays over the functions. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

struct curl_calls {
#define X(name) __typeof__(name) *name;
	CURL_CALLS(X)
#undef X
};
/* Usable after curl_load(). */
extern struct curl_calls curl;

/* Once; stays loaded. E_UNAVAILABLE: it is not there, or too old. */
bool curl_load(struct err *err);

#endif
