/* Addresses: which of them lie on the public internet. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_ADDRESS_H
#define ROUSE_IO_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* False for everything that is this machine, its networks, a cloud's metadata, a group, reserved,
 * or a way around that (IPv4 within IPv6); and for any other family. */
bool address_is_public(const struct sockaddr *address);

#endif
