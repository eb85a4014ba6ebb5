/* Addresses: which of them lie on the public internet. */
/* SPDX-License-Identifier: MIT */
#include "io/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

/* IANA's registry of special-purpose addresses (RFC 6890 and its updates), multicast, reserved. */
static const struct {
	uint32_t network;
	unsigned bits;
} special4[] = {
	{0x00000000, 8},  /* this network */
	{0x0a000000, 8},  /* private */
	{0x64400000, 10}, /* carrier-grade NAT; 100.100.100.200 is a metadata service */
	{0x7f000000, 8},  /* loopback */
	{0xa83f8110, 32}, /* 168.63.129.16: Azure's host */
	{0xa9fe0000, 16}, /* link-local; 169.254.169.254 is a metadata service */
	{0xac100000, 12}, /* private */
	{0xc0000000, 24}, /* protocol assignments */
	{0xc0000200, 24}, /* documentation */
	{0xc0586300, 24}, /* 6to4 relays */
	{0xc0a80000, 16}, /* private */
	{0xc6120000, 15}, /* benchmarks */
	{0xc6336400, 24}, /* documentation */
	{0xcb007100, 24}, /* documentation */
	{0xe0000000, 3},  /* multicast, reserved, broadcast */
};

struct range6 {
	uint8_t prefix[16];
	unsigned bits;
};

/* What is special within 2000::/3, outside of which nothing is public. */
static const struct range6 special6[] = {
	{{0x20, 0x01}, 23},		/* 2001::/23: Teredo, benchmarks, ORCHID */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
	{{0x20, 0x02}, 16},		/* 6to4: IPv4 within */
	{{0x3f, 0xff}, 20},		/* documentation */
};
static const struct range6 unicast6 = {{0x20}, 3};
/* IPv4 in the last four bytes, as an IPv6-only network reaches it. */
static const struct range6 nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};

static bool
public4(uint32_t address)
{
	for (size_t i = 0; i < ARRAY_LEN(special4); i++)
		if ((address ^ special4[i].network) >> (32 - special4[i].bits) == 0)
			return false;
	return true;
}

static bool
in_range6(const uint8_t *address, const struct range6 *range)
{
	unsigned bytes = range->bits / 8, bits = range->bits % 8;
	if (memcmp(address, range->prefix, bytes))
		return false;
	return !bits || !((address[bytes] ^ range->prefix[bytes]) >> (8 - bits));
}

static bool
public6(const uint8_t *address)
{
	uint32_t inner;
	if (in_range6(address, &nat64)) {
		memcpy(&inner, address + 12, sizeof(inner));
		return public4(ntohl(inner));
	}
	for (size_t i = 0; i < ARRAY_LEN(special6); i++)
		if (in_range6(address, &special6[i]))
			return false;
	return in_range6(address, &unicast6);
}

bool
address_is_public(const struct sockaddr *address)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	if (address->sa_family == AF_INET) {
		memcpy(&in4, address, sizeof(in4));
		return public4(ntohl(in4.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof(in6));
		return public6(in6.sin6_addr.s6_addr);
	}
	return false;
}
