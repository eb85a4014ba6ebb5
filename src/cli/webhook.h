/* Webhook requests as the command line names them, for verify and sign. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_WEBHOOK_H
#define ROUSE_CLI_WEBHOOK_H

#include "pure/signature.h"

struct webhook_header {
	char *name; /* lower case */
	char *value;
	size_t len; /* of value */
};

struct webhook_request {
	struct webhook_header *headers;
	size_t count;
	struct buf body;
};
#define WEBHOOK_REQUEST_INIT                                                                       \
	{                                                                                          \
		NULL, 0, BUF_INIT                                                                  \
	}
void webhook_request_fini(struct webhook_request *request);
void webhook_header_add(struct webhook_request *request, struct str name, struct str value);
/* For signature_request: arg is a struct webhook_request. */
struct str webhook_header_find(void *arg, const char *name, size_t index);

#endif
