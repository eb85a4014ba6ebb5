/* The hash behind H: SipHash-2-4 with a fixed public key, the same on every machine for ever. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_PURE_CRON_HASH_H
#define ROUSE_PURE_CRON_HASH_H

#include "base/str.h"

/* Aumasson and Bernstein's SipHash-2-4, 64 bits. key: 16 bytes. */
uint64_t cron_siphash(const unsigned char key[16], struct str data);

/* Of seed NUL field. */
uint64_t cron_hash(struct str seed, const char *field);

#endif
