/* The endpoint of models: the listener, what it has paths for, whose a request is. */
/* SPDX-License-Identifier: MIT */
#include "model/inside.h"

#include "base/log.h"
#include "core/endpoint.h"
#include "core/meter.h"

#define BODY_MAX (32 << 20)
#define HEADER_MAX (64 << 10)
#define CONNECTIONS_MAX 1024
#define IDLE_MS 300000

static const struct path_row {
	const char *path;
	enum model_dialect dialect;
} paths[] = {
	{"/v1/messages", MODEL_MESSAGES},     {"/v1/messages/count_tokens", MODEL_COUNT},
	{"/v1/chat/completions", MODEL_CHAT}, {"/v1/responses", MODEL_RESPONSES},
	{"/v1/embeddings", MODEL_EMBEDDINGS},
};

static const struct path_row *
path_find(const struct http_request *req)
{
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (str_eq_cstr(http_path(req), paths[i].path))
			return &paths[i];
	return NULL;
}

/* As either API has it. */
static struct str
key_of(const struct http_request *req)
{
	struct str key = http_header(req, "x-api-key", 0);
	struct str bearer = http_header(req, "authorization", 0);

	if (key.len)
		return str_trim(key);
	return str_starts_nocase(bearer, STR("Bearer "))
		       ? str_trim(str_make(bearer.p + 7, bearer.len - 7))
		       : STR_NONE;
}

static bool
is_look(const struct http_request *req, const char *method, const char *path)
{
	return str_eq_cstr(http_method(req), method) && str_eq_cstr(http_path(req), path);
}

/* Who has no key is not listened to. */
static bool
on_head(void *arg, struct http_request *req, size_t *ret_max_body, struct err *err)
{
	struct model *model = arg;
	struct attempt *attempt;

	*ret_max_body = BODY_MAX;
	if (is_look(req, "HEAD", "/"))
		return true;
	if (!endpoint_attempt(model->core, key_of(req), &attempt, err)) {
		/* Known, and over: its program should go, and not ask again. */
		if (err->code == E_STATE)
			err->code = E_DENIED;
		return false;
	}
	if (is_look(req, "GET", "/v1/models"))
		return true;
	if (!path_find(req))
		return err_set(
			err, E_NOT_FOUND,
			"this endpoint has /v1/messages, /v1/messages/count_tokens, "
			"/v1/chat/completions, /v1/responses, /v1/embeddings and /v1/models; "
			"%.*s is none of them",
			(int)(http_path(req).len < 200 ? http_path(req).len : 200),
			http_path(req).p);
	if (str_eq_cstr(http_method(req), "POST"))
		return true;
	http_add_header(req, "Allow", "POST");
	return err_set(err, E_METHOD, "%.*s: expected POST", STR_ARG(http_path(req)));
}

/* What both APIs' libraries take for their list. */
static void
models_reply(struct http_request *req, const struct attempt *attempt)
{
	const struct conf *conf = registry_conf(attempt->registry);
	AUTO(json_auto_decref) json_t *answer = json_object();
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const struct conf_section *section;
	json_t *data = json_array();

	for (size_t i = 0; (section = endpoint_model_at(attempt->agent, conf, i)); i++) {
		json_t *item = json_object();

		json_put_str(item, "id", conf_section_name(section));
		json_put_str(item, "object", "model");
		json_put_str(item, "type", "model");
		json_put_str(item, "display_name", conf_section_name(section));
		json_object_set_new(item, "created", json_integer(0));
		json_put_wall(item, "created_at", 0);
		json_put_str(item, "owned_by", "rouse");
		json_array_append_new(data, item);
	}
	json_put_str(answer, "object", "list");
	json_object_set_new(answer, "data", data);
	json_object_set_new(answer, "has_more", json_false());
	json_write(&text, answer);
	http_reply_json(req, 200, buf_str(&text));
}

static void
on_request(void *arg, struct http_request *req)
{
	struct model *model = arg;
	const struct path_row *row = path_find(req);
	AUTO(err_fini) struct err err = ERR_INIT;
	struct attempt *attempt;

	if (is_look(req, "HEAD", "/"))
		http_reply(req, 200, "text/plain", STR(""));
	else if (!endpoint_attempt(model->core, key_of(req), &attempt, &err))
		words_reply(req, row ? row->dialect : MODEL_CHAT, WORDS_KEY, err_text(&err), 0);
	else if (row)
		call_start(model, req, row->dialect, attempt);
	else
		models_reply(req, attempt);
}

/* --- listening ----------------------------------------------------------------------------- */

struct model *
model_new(struct core *core)
{
	struct model *model = mem_alloc(sizeof(*model));

	model->core = core;
	LIST_INIT(&model->calls);
	return model;
}

/* Its port is the agents' address, also of those that an earlier daemon started. */
static bool
listen_again(struct model *model, const char *host, const char *port, unsigned *ret_port,
	     struct err *err)
{
	unsigned before = model->core->endpoint->port;
	AUTO(err_fini) struct err why = ERR_INIT;
	AUTO(buf_fini) struct buf where = BUF_INIT;

	if (!strcmp(port, "0") && before) {
		buf_printf(&where, "%s:%u", host, before);
		if (http_listen_tcp(model->server, buf_cstr(&where), NULL, NULL, ret_port, &why))
			return true;
		log_warning(
			"the port that agents ask models at is taken; another is used, and runs "
			"that go on cannot ask any more",
			"error", err_text(&why));
	}
	buf_clear(&where);
	buf_cat(&where, host, ":", port);
	return http_listen_tcp(model->server, buf_cstr(&where), NULL, NULL, ret_port, err);
}

static bool
listen_begin(struct model *model, const char *listen, struct err *err)
{
	const struct http_limits limits = {.max_header = HEADER_MAX,
					   .max_body = BODY_MAX,
					   .header_timeout_ms = 10000,
					   .body_timeout_ms = 60000,
					   .idle_timeout_ms = IDLE_MS,
					   .max_connections = CONNECTIONS_MAX};
	const struct http_handler handler = {
		.on_head = on_head, .on_request = on_request, .arg = model};
	const char *colon = strrchr(listen, ':');
	AUTO(auto_free) char *host = str_dup(str_make(listen, (size_t)(colon - listen)));
	unsigned port;

	if (!endpoint_open(model->core, err))
		return false;
	model->server = http_server_new(model->core->base, &limits, &handler);
	if (listen_again(model, host, colon + 1, &port, err) &&
	    endpoint_listens(model->core, host, port, err)) {
		log_info("agents ask models here", "url", model->core->endpoint->url);
		return true;
	}
	http_server_free(model->server);
	model->server = NULL;
	endpoint_close(model->core);
	return false;
}

void
model_configured(struct model *model)
{
	const struct registry *registry = model->core->registry;
	const char *listen =
		conf_str(conf_section(registry_conf(registry), "daemon", ""), "model_listen");
	AUTO(err_fini) struct err err = ERR_INIT;

	if (model->server || model->core->rehearsal || !endpoint_is_wanted(registry))
		return;
	if (!strcmp(listen, "none"))
		err_set(&err, E_CONFIG, "daemon.model_listen is none");
	else if (listen_begin(model, listen, &err))
		return;
	log_error("agents with meter = proxy cannot ask models", "error", err_text(&err));
}

unsigned
model_in_flight(const struct model *model)
{
	return model ? model->count : 0;
}

void
model_stop(struct model *model)
{
	if (model)
		calls_stop(model, "the daemon stops; try again");
}

void
model_free(struct model *model)
{
	if (!model)
		return;
	calls_free(model);
	if (model->server)
		http_server_free(model->server);
	endpoint_close(model->core);
	free(model);
}
