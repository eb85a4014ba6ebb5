/* The endpoint of models: what agents are told of it, whose a request is, what it may ask. */
/* SPDX-License-Identifier: MIT */
#include "core/endpoint.h"

#include <unistd.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/os.h"
#include "base/uuid.h"
#include "core/agent.h"
#include "core/meter.h"

#define FILE_MAX 4096
#define SECRET_BYTES 32
/* Looks like the keys that programs look for. */
#define KEY_PREFIX "sk-rouse-"
#define MAC_BYTES 16

bool
endpoint_is_wanted(const struct registry *registry)
{
	for (size_t i = 0; i < registry_agent_count(registry); i++)
		if (registry_agent_at(registry, i)->proxied)
			return true;
	return false;
}

/* --- the file ------------------------------------------------------------------------------ */

static bool
file_read(struct endpoint *endpoint, struct err *err)
{
	AUTO(json_auto_decref) json_t *object = NULL;
	AUTO(buf_fini) struct buf text = BUF_INIT;
	const char *secret;

	if (!os_read_file(buf_cstr(&endpoint->path), FILE_MAX, &text, err))
		return false;
	if (json_read(buf_str(&text), &object, err)) {
		int64_t port = json_int(object, "port", 0);

		endpoint->port = port > 0 && port < 65536 ? (unsigned)port : 0;
		secret = json_str(object, "secret");
		if (secret && hex_decode(str_of(secret), &endpoint->secret) &&
		    endpoint->secret.len == SECRET_BYTES)
			return true;
		err_set(err, E_CORRUPT, "no secret of %d bytes", SECRET_BYTES);
	}
	buf_clear(&endpoint->secret);
	return err_prefix(err,
			  "%s cannot be read; remove it (runs that ask models now will be refused)",
			  buf_cstr(&endpoint->path));
}

static bool
file_write(struct endpoint *endpoint, struct err *err)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;
	bool ok;

	buf_reserve(&text, 256); /* no copy of the secret is left behind by growing */
	buf_printf(&text, "{\"port\":%u,\"secret\":\"", endpoint->port);
	hex_encode(&text, buf_str(&endpoint->secret));
	buf_puts(&text, "\"}\n");
	ok = os_write_file(buf_cstr(&endpoint->path), buf_str(&text), 0600, err);
	mem_zero(text.data, text.len);
	return ok;
}

bool
endpoint_open(struct core *core, struct err *err)
{
	struct endpoint *endpoint;
	unsigned char bytes[SECRET_BYTES];

	if (core->endpoint)
		return true;
	endpoint = mem_alloc(sizeof(*endpoint));
	buf_cat(&endpoint->path, core->state_dir, "/endpoint.json");
	core->endpoint = endpoint;
	if (!access(buf_cstr(&endpoint->path), F_OK)) {
		if (file_read(endpoint, err))
			return true;
		endpoint_close(core);
		return false;
	}
	entropy_fill(bytes, sizeof(bytes));
	buf_add(&endpoint->secret, bytes, sizeof(bytes));
	mem_zero(bytes, sizeof(bytes));
	return true;
}

bool
endpoint_listens(struct core *core, const char *host, unsigned port, struct err *err)
{
	struct endpoint *endpoint = core->endpoint;
	struct buf url = BUF_INIT;

	buf_printf(&url, "http://%s:%u", host, port);
	free(endpoint->url);
	endpoint->url = buf_take(&url);
	endpoint->port = port;
	return file_write(endpoint, err);
}

void
endpoint_close(struct core *core)
{
	struct endpoint *endpoint = core->endpoint;

	core->endpoint = NULL;
	if (!endpoint)
		return;
	mem_zero(endpoint->secret.data, endpoint->secret.len);
	buf_fini(&endpoint->secret);
	buf_fini(&endpoint->path);
	free(endpoint->url);
	free(endpoint);
}

/* --- keys ---------------------------------------------------------------------------------- */

static void
key_of(const struct endpoint *endpoint, const char *id, struct buf *out)
{
	const struct str part = str_of(id);
	struct digest mac = digest_hmac(DIGEST_SHA256, buf_str(&endpoint->secret), &part, 1);

	buf_cat(out, KEY_PREFIX, id, "-");
	hex_encode(out, str_make(mac.bytes, MAC_BYTES));
}

bool
endpoint_access(const struct attempt *attempt, struct buf *ret_url, struct buf *ret_key,
		struct err *err)
{
	const struct endpoint *endpoint = attempt->core->endpoint;

	if (!endpoint || !endpoint->url)
		return err_set(err, E_UNAVAILABLE,
			       "agent %s asks models through the daemon (meter = proxy), which "
			       "does not listen for that; the log says why",
			       attempt->agent->name);
	buf_puts(ret_url, endpoint->url);
	key_of(endpoint, attempt->id, ret_key);
	return true;
}

bool
endpoint_attempt(struct core *core, struct str key, struct attempt **ret, struct err *err)
{
	AUTO(buf_fini) struct buf wanted = BUF_INIT;
	AUTO(auto_free) char *id = NULL;
	size_t around = sizeof(KEY_PREFIX) - 1 + 1 + 2 * MAC_BYTES;

	*ret = NULL;
	if (key.len > around && key.len < around + sizeof((*ret)->id) &&
	    str_starts(key, STR(KEY_PREFIX))) {
		id = str_dup(str_make(key.p + sizeof(KEY_PREFIX) - 1, key.len - around));
		key_of(core->endpoint, id, &wanted);
	}
	if (!id || !digest_equal(key.p, key.len, wanted.data, wanted.len))
		return err_set(err, E_UNAUTHORIZED,
			       "this key is no run's; the one in ANTHROPIC_API_KEY and "
			       "OPENAI_API_KEY of the run's own environment opens this endpoint");
	*ret = attempt_find(core, id);
	if (*ret && (*ret)->agent && !(*ret)->ending && (*ret)->agent->proxied)
		return true;
	*ret = NULL;
	return err_set(err, E_STATE, "attempt %s is over; its key opens nothing any more", id);
}

/* --- models -------------------------------------------------------------------------------- */

static bool
may_ask(const struct agent *agent, const struct conf_section *model)
{
	const char *const *names;
	size_t count = conf_list(agent->section, "models", &names);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], conf_section_name(model)))
			return true;
	return !count;
}

const struct conf_section *
endpoint_model_at(const struct agent *agent, const struct conf *conf, size_t i)
{
	for (const struct conf_section *model = conf_next(conf, "model", NULL); model;
	     model = conf_next(conf, "model", model))
		if (conf_str(model, "url") && may_ask(agent, model) && !i--)
			return model;
	return NULL;
}

bool
endpoint_model(const struct attempt *attempt, const char *name, const struct conf_section **ret,
	       struct err *err)
{
	const struct conf_section *model = meter_model(registry_conf(attempt->registry), name);

	*ret = model;
	if (!model)
		return err_set(err, E_NOT_FOUND,
			       "model %s is not configured; add [model NAME] with its url, key and "
			       "prices",
			       name);
	if (!conf_str(model, "url"))
		return err_set(err, E_NOT_FOUND, "[model %s] has no url where it could be asked",
			       conf_section_name(model));
	if (!may_ask(attempt->agent, model))
		return err_set(err, E_NOT_FOUND,
			       "agent %s may not ask [model %s]; name it in its models",
			       attempt->agent->name, conf_section_name(model));
	if (attempt->run.limits.cost_uusd >= 0 && !meter_is_priced(model))
		return err_set(err, E_NOT_FOUND,
			       "[model %s] has no price, and the run has a cost limit; set its "
			       "input_price and output_price (0 where it costs nothing)",
			       conf_section_name(model));
	return true;
}

void
endpoint_check(const struct agent *agent, const struct conf *conf, struct conf_report *report)
{
	const struct conf_section *model;
	const char *const *names;
	size_t count = conf_list(agent->section, "models", &names), i = 0;

	if (count && !agent->proxied)
		conf_complain(report, agent->section, "models",
			      "stands for what is asked with meter = proxy; set that too");
	if (!agent->proxied)
		return;
	if (agent->kind && !agent->kind->is_program)
		conf_complain(report, agent->section, "meter",
			      "proxy is for agents that are started here (kind = exec): only they "
			      "can be given an endpoint");
	for (size_t n = 0; n < count; n++) {
		model = conf_section(conf, "model", names[n]);
		if (model && !conf_str(model, "url"))
			conf_complain(report, agent->section, "models",
				      "[model %s] has no url where it could be asked", names[n]);
	}
	for (; (model = endpoint_model_at(agent, conf, i)); i++)
		if (agent->limits.cost_uusd >= 0 && !meter_is_priced(model))
			conf_complain(report, agent->section, "meter",
				      "the cost of a run is limited (budget.cost), and [model %s] "
				      "has no price; set its input_price and output_price (0 where "
				      "it costs nothing)",
				      conf_section_name(model));
	if (!i)
		conf_complain(report, agent->section, "meter",
			      "proxy, and there is no model that it could ask; add [model NAME] "
			      "with url, key and prices");
}
