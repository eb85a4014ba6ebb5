/* Fuzz target: X-Forwarded-For of strangers, and the networks of a configuration. */
/* SPDX-License-Identifier: MIT */
#include "http/proxies.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str
value(const void *arg, size_t index)
{
	struct str rest = *(const struct str *)arg, one = STR_NONE;

	for (size_t i = 0; i <= index; i++) {
		if (!rest.p)
			return STR_NONE;
		rest = str_split(rest, '\n', &one);
	}
	return one;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const trusted[] = {"127.0.0.1", "10.0.0.0/8", "::1"};
	struct str text = str_make(data, size);
	struct proxies *proxies = NULL;
	struct network network;
	struct in6_addr address;
	char client[PROXIES_TEXT];

	network_parse(text, &network, NULL);
	if (!proxies_new(trusted, 3, &proxies, NULL))
		return 0;
	proxies_client(proxies, "127.0.0.1", value, &text, client);
	assert(address_parse(str_of(client), &address));
	proxies_free(proxies);
	return 0;
}
