/* SipHash-2-4, written from the paper; only spread is needed of it, not secrecy. */
/* SPDX-License-Identifier: MIT */
#include "pure/cron_hash.h"

#include "base/buf.h"

struct sip {
	uint64_t a, b, c, d;
};

static uint64_t
rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static uint64_t
read_le64(const unsigned char *p)
{
	uint64_t x = 0;

	for (int i = 7; i >= 0; i--)
		x = x << 8 | p[i];
	return x;
}

static void
sip_rounds(struct sip *s, int rounds)
{
	while (rounds--) {
		s->a += s->b;
		s->b = rotate(s->b, 13) ^ s->a;
		s->a = rotate(s->a, 32);
		s->c += s->d;
		s->d = rotate(s->d, 16) ^ s->c;
		s->a += s->d;
		s->d = rotate(s->d, 21) ^ s->a;
		s->c += s->b;
		s->b = rotate(s->b, 17) ^ s->c;
		s->c = rotate(s->c, 32);
	}
}

static void
sip_word(struct sip *s, uint64_t word)
{
	s->d ^= word;
	sip_rounds(s, 2);
	s->a ^= word;
}

uint64_t
cron_siphash(const unsigned char key[16], struct str data)
{
	uint64_t k0 = read_le64(key), k1 = read_le64(key + 8), last = (uint64_t)data.len << 56;
	struct sip s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
			k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
	size_t i = 0;

	for (; data.len - i >= 8; i += 8)
		sip_word(&s, read_le64((const unsigned char *)data.p + i));
	for (int shift = 0; i < data.len; i++, shift += 8)
		last |= (uint64_t)(unsigned char)data.p[i] << shift;
	sip_word(&s, last);
	s.c ^= 0xff;
	sip_rounds(&s, 4);
	return s.a ^ s.b ^ s.c ^ s.d;
}

uint64_t
cron_hash(struct str seed, const char *field)
{
	static const unsigned char key[16] = "rouse cron hash.";
	AUTO(buf_fini) struct buf text = BUF_INIT;

	buf_add_str(&text, seed);
	buf_putc(&text, '\0');
	buf_puts(&text, field);
	return cron_siphash(key, buf_str(&text));
}
