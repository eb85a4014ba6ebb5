/* Proxies: addresses whose X-Forwarded-* is believed, and who the client behind them is. */
/* SPDX-License-Identifier: MIT */
#include "http/proxies.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Dotted quads and colons; *ret_bits is how many of the 128 an address of its kind has for itself.
 */
static bool
numeric(struct str text, struct in6_addr *ret, unsigned *ret_bits)
{
	char copy[INET6_ADDRSTRLEN];
	struct in_addr v4;

	if (!text.len || text.len >= sizeof(copy) || memchr(text.p, '\0', text.len))
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, &v4) == 1) {
		*ret = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
		memcpy(ret->s6_addr + 12, &v4, sizeof(v4));
		*ret_bits = 32;
		return true;
	}
	*ret_bits = 128;
	return inet_pton(AF_INET6, copy, ret) == 1;
}

static bool
bit_of(const struct in6_addr *address, unsigned n)
{
	return address->s6_addr[n / 8] >> (7 - n % 8) & 1;
}

bool
network_parse(struct str text, struct network *ret, struct err *err)
{
	struct str head, rest = str_split(text, '/', &head);
	struct network network;
	unsigned own;
	uint64_t bits;

	if (!numeric(head, &network.address, &own))
		return err_set(err, E_INVALID,
			       "%.*s is no address; expected 192.0.2.7, 10.0.0.0/8 or "
			       "2001:db8::/32",
			       STR_ARG(text));
	bits = own;
	if (rest.p && (!str_to_u64(rest, &bits) || bits > own))
		return err_set(err, E_INVALID, "%.*s: 0 to %u bits are expected behind the slash",
			       STR_ARG(text), own);
	network.bits = 128 - own + (unsigned)bits;
	for (unsigned n = network.bits; n < 128; n++)
		if (bit_of(&network.address, n))
			return err_set(err, E_INVALID,
				       "%.*s: the address has bits beyond the %u of its network; "
				       "is it an address, or are there more bits?",
				       STR_ARG(text), (unsigned)bits);
	*ret = network;
	return true;
}

bool
network_has(const struct network *network, const struct in6_addr *address)
{
	unsigned bytes = network->bits / 8, bits = network->bits % 8;

	if (memcmp(address, &network->address, bytes))
		return false;
	return !bits ||
	       !((address->s6_addr[bytes] ^ network->address.s6_addr[bytes]) >> (8 - bits));
}

bool
address_parse(struct str text, struct in6_addr *ret)
{
	const char *colon, *close;
	unsigned own;

	text = str_trim(text);
	if (numeric(text, ret, &own))
		return true;
	if (text.len && text.p[0] == '[') {
		close = memchr(text.p, ']', text.len);
		return close &&
		       numeric(str_make(text.p + 1, (size_t)(close - text.p) - 1), ret, &own);
	}
	colon = text.len ? memchr(text.p, ':', text.len) : NULL;
	return colon && numeric(str_make(text.p, (size_t)(colon - text.p)), ret, &own) && own == 32;
}

bool
proxies_new(const char *const *items, size_t count, struct proxies **ret, struct err *err)
{
	struct proxies *proxies;

	*ret = NULL;
	if (!count)
		return true;
	proxies = mem_alloc(sizeof(*proxies));
	proxies->items = mem_alloc_array(count, sizeof(*proxies->items));
	for (; proxies->count < count; proxies->count++) {
		if (network_parse(str_of(items[proxies->count]), &proxies->items[proxies->count],
				  err))
			continue;
		proxies_free(proxies);
		return false;
	}
	*ret = proxies;
	return true;
}

void
proxies_free(struct proxies *proxies)
{
	if (!proxies)
		return;
	free(proxies->items);
	free(proxies);
}

static bool
has_address(const struct proxies *proxies, const struct in6_addr *address)
{
	for (size_t i = 0; i < proxies->count; i++)
		if (network_has(&proxies->items[i], address))
			return true;
	return false;
}

bool
proxies_have(const struct proxies *proxies, const char *address)
{
	struct in6_addr parsed;
	unsigned own;

	return proxies && numeric(str_of(address), &parsed, &own) && has_address(proxies, &parsed);
}

static void
address_print(const struct in6_addr *address, char ret[PROXIES_TEXT])
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(address);

	inet_ntop(v4 ? AF_INET : AF_INET6, address->s6_addr + (v4 ? 12 : 0), ret, PROXIES_TEXT);
}

/* The last item of list; *list is what stands before it, p NULL when that was all. */
static struct str
last_item(struct str *list)
{
	const char *comma = list->len ? memrchr(list->p, ',', list->len) : NULL;
	struct str item = *list;

	if (!comma) {
		*list = STR_NONE;
		return item;
	}
	item = str_make(comma + 1, (size_t)(list->p + list->len - comma) - 1);
	list->len = (size_t)(comma - list->p);
	return item;
}

void
proxies_client(const struct proxies *proxies, const char *peer,
	       struct str (*value)(const void *arg, size_t index), const void *arg,
	       char ret[PROXIES_TEXT])
{
	struct in6_addr hop;
	struct str list;
	size_t fields = 0, hops = 0;

	memccpy(ret, peer, '\0', PROXIES_TEXT - 1);
	ret[PROXIES_TEXT - 1] = '\0';
	if (!proxies_have(proxies, peer))
		return;
	while (value(arg, fields).p)
		fields++;
	while (fields--) {
		list = value(arg, fields);
		while (list.p) {
			if (hops++ == PROXIES_CHAIN || !address_parse(last_item(&list), &hop))
				return;
			address_print(&hop, ret);
			if (!has_address(proxies, &hop))
				return;
		}
	}
}
