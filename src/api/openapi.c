/* The OpenAPI document, printed from the route tables. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"

/* "/v1/runs/{id}/events" has {"name":"id","in":"path",…}; the dots of "{path...}" are ours alone.
 */
static json_t *
parameters_of(const char *pattern, struct buf *path)
{
	json_t *list = json_array();
	struct str rest = str_of(pattern);

	while (rest.p && rest.len) {
		struct str before, name;
		bool has_name = memchr(rest.p, '{', rest.len) != NULL;
		json_t *parameter;

		rest = str_split(rest, '{', &before);
		buf_add_str(path, before);
		if (!has_name)
			break;
		rest = str_split(rest, '}', &name);
		if (str_ends(name, STR("...")))
			name.len -= 3;
		buf_printf(path, "{%.*s}", STR_ARG(name));
		parameter = json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name", name.p, name.len, "in",
				      "path", "required", 1, "schema", "type", "string");
		json_array_append_new(list, parameter);
	}
	return list;
}

static json_t *
query_parameter(const char *name, const char *type, const char *what)
{
	return json_pack("{s:s, s:s, s:s, s:{s:s}}", "name", name, "in", "query", "description",
			 what, "schema", "type", type);
}

/* Those that api_list_begin() takes. */
static void
paging_add(json_t *parameters)
{
	json_array_append_new(parameters, query_parameter("limit", "integer", "at most so many"));
	json_array_append_new(parameters,
			      query_parameter("after", "string", "go on behind this cursor"));
	json_array_append_new(parameters,
			      query_parameter("since", "string", "not older than this instant"));
}

static const char *const lists[] = {"/v1/runs",	    "/v1/events", "/v1/changes", "/v1/gates",
				    "/v1/sessions", "/v1/dlq",	  "/v1/batches"};

static bool
is_list(const struct route *route)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		if (!strcmp(route->method, "GET") && !strcmp(route->pattern, lists[i]))
			return true;
	return false;
}

/* "GET /v1/runs/{id}/events" is getV1RunsIdEvents. */
static void
operation_id(const struct route *route, struct buf *out)
{
	bool upper = false;

	for (const char *c = route->method; *c; c++)
		buf_putc(out, (char)(*c | 0x20));
	for (const char *c = route->pattern; *c; c++) {
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			      (*c >= '0' && *c <= '9');

		if (letter)
			buf_putc(out, upper && *c >= 'a' ? (char)(*c & ~0x20) : *c);
		upper = !letter;
	}
}

static json_t *
operation_of(const struct route *route, json_t *take_parameters)
{
	json_t *operation = json_object(), *responses;
	AUTO(buf_fini) struct buf id = BUF_INIT;

	operation_id(route, &id);
	json_put_str(operation, "operationId", buf_cstr(&id));
	json_put_str(operation, "summary", route->summary);
	if (is_list(route))
		paging_add(take_parameters);
	if (json_array_size(take_parameters))
		json_object_set(operation, "parameters", take_parameters);
	json_decref(take_parameters);
	if (!strcmp(route->method, "POST"))
		json_object_set_new(operation, "requestBody",
				    json_pack("{s:b, s:{s:{s:{}}}}", "required", 0, "content",
					      "application/json", "schema"));
	json_object_set_new(operation, "security",
			    route->scope ? json_pack("[{s:[s]}]", "token", route->scope)
					 : json_array());
	responses = json_pack("{s:{s:s}, s:{s:s}}", "2XX", "description", "done", "default", "$ref",
			      "#/components/responses/problem");
	json_object_set_new(operation, "responses", responses);
	return operation;
}

static void
route_add(void *arg, const struct route *route)
{
	json_t *paths = arg, *item;
	AUTO(buf_fini) struct buf path = BUF_INIT;
	AUTO(buf_fini) struct buf method = BUF_INIT;
	json_t *parameters = parameters_of(route->pattern, &path);

	item = json_object_get(paths, buf_cstr(&path));
	if (!item) {
		item = json_object();
		json_object_set_new(paths, buf_cstr(&path), item);
	}
	for (const char *c = route->method; *c; c++)
		buf_putc(&method, (char)(*c | 0x20));
	json_object_set_new(item, buf_cstr(&method), operation_of(route, parameters));
}

static json_t *
components(void)
{
	json_t *problem = json_pack("{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}}",
				    "type", "object", "properties", "type", "type", "string",
				    "title", "type", "string", "status", "type", "integer",
				    "detail", "type", "string", "code", "type", "string");
	json_t *response = json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", "what went wrong",
				     "content", "application/problem+json", "schema", "$ref",
				     "#/components/schemas/problem");
	json_t *scheme =
		json_pack("{s:s, s:s, s:s}", "type", "http", "scheme", "bearer", "description",
			  "over TCP; the Unix socket needs none. rouse token create "
			  "makes one; the word beside it is the scope that is needed");

	return json_pack("{s:{s:o}, s:{s:o}, s:{s:o}}", "schemas", "problem", problem, "responses",
			 "problem", response, "securitySchemes", "token", scheme);
}

static void
on_openapi(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	json_t *document = json_object(), *paths = json_object();

	(void)match;
	json_put_str(document, "openapi", "3.1.0");
	json_object_set_new(document, "info",
			    json_pack("{s:s, s:s}", "title", "Rouse", "version",
				      api->core->version ? api->core->version : ""));
	if (api->core->public_url && *api->core->public_url)
		json_object_set_new(document, "servers",
				    json_pack("[{s:s}]", "url", api->core->public_url));
	router_each(api->router, route_add, paths);
	json_object_set_new(document, "paths", paths);
	json_object_set_new(document, "components", components());
	api_reply(req, 200, document);
}

static const struct route routes[] = {
	{"GET", "/v1/openapi.json", "read", "this document", on_openapi},
};

void
api_openapi_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
