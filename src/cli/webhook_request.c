/* Webhook requests as the command line names them, for verify and sign. */
/* SPDX-License-Identifier: MIT */
#include "cli/webhook.h"

#include <ctype.h>
#include <stdlib.h>

void
webhook_request_fini(struct webhook_request *request)
{
	for (size_t i = 0; i < request->count; i++) {
		free(request->headers[i].name);
		free(request->headers[i].value);
	}
	free(request->headers);
	buf_fini(&request->body);
	*request = (struct webhook_request)WEBHOOK_REQUEST_INIT;
}

void
webhook_header_add(struct webhook_request *request, struct str name, struct str value)
{
	struct webhook_header *header;

	request->headers = mem_realloc(request->headers, (request->count + 1) * sizeof(*header));
	header = &request->headers[request->count++];
	header->name = str_dup(name);
	header->value = str_dup(value);
	header->len = value.len;
	for (char *p = header->name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
}

struct str
webhook_header_find(void *arg, const char *name, size_t index)
{
	const struct webhook_request *request = arg;

	for (size_t i = 0; i < request->count; i++)
		if (!strcmp(request->headers[i].name, name) && !index--)
			return str_make(request->headers[i].value, request->headers[i].len);
	return STR_NONE;
}
