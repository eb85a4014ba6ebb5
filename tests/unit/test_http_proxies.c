/* Proxies: who is believed, and who the client behind a chain of them is. */
/* SPDX-License-Identifier: MIT */
#include "http/proxies.h"

#include <stdlib.h>

#include "tests/unit/tap.h"

struct chain {
	const char *fields[4];
};

static struct str
chain_value(const void *arg, size_t index)
{
	const struct chain *chain = arg;

	return index < ARRAY_LEN(chain->fields) ? str_of(chain->fields[index]) : STR_NONE;
}

static const char *
client(const char *peer, struct chain chain)
{
	static const char *const trusted[] = {"10.0.0.0/8", "127.0.0.1", "2001:db8:1::/48"};
	static char text[PROXIES_TEXT];
	struct proxies *proxies = NULL;

	if (!proxies_new(trusted, ARRAY_LEN(trusted), &proxies, NULL))
		return "?";
	proxies_client(proxies, peer, chain_value, &chain, text);
	proxies_free(proxies);
	return text;
}

static bool
takes(const char *text)
{
	struct network network;

	return network_parse(str_of(text), &network, NULL);
}

static void
networks(void)
{
	IT ("addresses and networks of both kinds are read") {
		CHECK(takes("192.0.2.7") && takes("10.0.0.0/8") && takes("0.0.0.0/0") &&
		      takes("::1") && takes("2001:db8::/32") && takes("::/0") &&
		      takes("255.255.255.255/32"));
	}
	IT ("what is none is refused") {
		CHECK(!takes("") && !takes("localhost") && !takes("10.0.0.0/33") &&
		      !takes("10.0.0/8") && !takes("::/129") && !takes("10.0.0.0/") &&
		      !takes("10.0.0.0/-1") && !takes("10.0.0.0/8/8") && !takes("1.2.3.4:80") &&
		      !takes("10.0.0.0/ 8") && !takes("010.0.0.1") && !takes("[::1]"));
	}
	IT ("bits beyond the network are refused: somebody meant something else") {
		CHECK(!takes("10.0.0.1/8") && !takes("2001:db8::1/32"));
	}
	IT ("a network has what begins with its bits, and nothing else") {
		struct network network;
		struct in6_addr in, out;

		CHECK(network_parse(STR("192.168.4.0/22"), &network, NULL) &&
		      address_parse(STR("192.168.7.255"), &in) &&
		      address_parse(STR("192.168.8.0"), &out) && network_has(&network, &in) &&
		      !network_has(&network, &out));
	}
}

static void
chains(void)
{
	IT ("a peer that is not trusted is the client, whatever it says") {
		CHECK_STR(client("203.0.113.9", (struct chain){{"1.2.3.4"}}), "203.0.113.9");
		CHECK_STR(client("unix", (struct chain){{"1.2.3.4"}}), "unix");
	}
	IT ("behind a trusted proxy the client is whom it names") {
		CHECK_STR(client("127.0.0.1", (struct chain){{"203.0.113.9"}}), "203.0.113.9");
		CHECK_STR(client("127.0.0.1", (struct chain){{"2001:db8::9"}}), "2001:db8::9");
	}
	IT ("what the client claims before the proxies' part is not believed") {
		CHECK_STR(client("10.0.0.1", (struct chain){{"1.1.1.1, 203.0.113.9, 10.2.3.4"}}),
			  "203.0.113.9");
		CHECK_STR(client("10.0.0.1", (struct chain){{"1.1.1.1", "203.0.113.9,10.2.3.4"}}),
			  "203.0.113.9");
	}
	IT ("a chain of trusted ones alone ends in its first") {
		CHECK_STR(client("10.0.0.1", (struct chain){{"10.0.0.3, 10.0.0.2"}}), "10.0.0.3");
		CHECK_STR(client("10.0.0.1", (struct chain){{NULL}}), "10.0.0.1");
	}
	IT ("ports and brackets are taken off") {
		CHECK_STR(client("10.0.0.1", (struct chain){{"203.0.113.9:4711"}}), "203.0.113.9");
		CHECK_STR(client("10.0.0.1", (struct chain){{"[2001:db8::9]:80"}}), "2001:db8::9");
		CHECK_STR(client("10.0.0.1", (struct chain){{" ::ffff:203.0.113.9 "}}),
			  "203.0.113.9");
	}
	IT ("what is no address ends the walk at the last that was one") {
		CHECK_STR(client("10.0.0.1", (struct chain){{"unknown, 10.0.0.2"}}), "10.0.0.2");
		CHECK_STR(client("10.0.0.1", (struct chain){{"<script>"}}), "10.0.0.1");
		CHECK_STR(client("10.0.0.1", (struct chain){{"203.0.113.9,"}}), "10.0.0.1");
		CHECK_STR(client("10.0.0.1", (struct chain){{"[::1"}}), "10.0.0.1");
		CHECK_STR(client("10.0.0.1", (struct chain){{""}}), "10.0.0.1");
		CHECK_STR(client("10.0.0.1", (struct chain){{",,,,"}}), "10.0.0.1");
	}
	IT ("an endless chain is not followed to its end") {
		AUTO(auto_free) char *text = mem_alloc(100000);

		for (size_t i = 0; i + 9 < 99999; i += 9)
			memcpy(text + i, "10.0.0.2,", 9);
		CHECK_STR(client("10.0.0.1", (struct chain){{text}}), "10.0.0.1");
	}
}

int
main(void)
{
	networks();
	chains();
	return tap_done();
}
