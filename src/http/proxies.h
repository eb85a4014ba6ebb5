/* Proxies: addresses whose X-Forwarded-* is believed, and who the client behind them is. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HTTP_PROXIES_H
#define ROUSE_HTTP_PROXIES_H

#include <netinet/in.h>

#include "base/err.h"
#include "base/str.h"

#define PROXIES_TEXT 64	 /* an address as text, with its NUL */
#define PROXIES_CHAIN 32 /* hops that are followed; a longer chain is somebody's game */

/* An address or a network: IPv4 as ::ffff:a.b.c.d, so that both are one kind. */
struct network {
	struct in6_addr address;
	unsigned bits; /* of 128 */
};

/* "192.0.2.7", "10.0.0.0/8", "2001:db8::/32". E_INVALID; what stands behind the bits must be 0. */
bool network_parse(struct str text, struct network *ret, struct err *err);
bool network_has(const struct network *network, const struct in6_addr *address);
/* A numeric address as X-Forwarded-For has it: with or without a port, IPv6 with or without its
 * brackets. */
bool address_parse(struct str text, struct in6_addr *ret);

struct proxies {
	struct network *items;
	size_t count;
};
/* NULL when there are none; E_INVALID names the item. */
bool proxies_new(const char *const *items, size_t count, struct proxies **ret, struct err *err);
void proxies_free(struct proxies *proxies);
bool proxies_have(const struct proxies *proxies, const char *address);

/* Who is at the other end of a chain that ends at peer: from the right, the first address that is
 * no trusted proxy, or the last one before something that is no address. value(arg, i) is the i-th
 * X-Forwarded-For field, p NULL behind the last. */
void proxies_client(const struct proxies *proxies, const char *peer,
		    struct str (*value)(const void *arg, size_t index), const void *arg,
		    char ret[PROXIES_TEXT]);

#endif
