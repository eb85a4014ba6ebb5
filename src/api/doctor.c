/* The daemon over HTTP: what is wrong with it, and what to do. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "core/doctor.h"
#include "core/registry.h"
#include "http/tls.h"

#define CERT_WARN_S (21 * 86400)

static void
look_certificate(const struct conf *conf, json_t *rows)
{
	const char *cert = conf_str(conf_section(conf, "http", ""), "tls_cert");
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t left;

	if (!cert)
		return;
	if (!tls_certificate_left(cert, &left, &err))
		doctor_say(rows, "certificate", DOCTOR_FAIL, "look at http.tls_cert", "%s",
			   err_text(&err));
	else if (left < 0)
		doctor_say(rows, "certificate", DOCTOR_FAIL, "renew it, then rouse reload",
			   "%s has expired", cert);
	else if (left < CERT_WARN_S)
		doctor_say(rows, "certificate", DOCTOR_WARN, "renew it, then rouse reload",
			   "%s ends within %lld days", cert, (long long)(left + 86399) / 86400);
	else
		doctor_say(rows, "certificate", DOCTOR_OK, NULL, "%s is good for %lld days", cert,
			   (long long)left / 86400);
}

/* Takes as long as a reload: it reads the same files. */
static void
on_doctor(void *arg, struct http_request *req, const struct route_match *match)
{
	struct api *api = arg;
	const struct conf *conf = registry_conf(api->core->registry);
	json_t *answer = json_object(), *rows = json_array();

	(void)match;
	doctor_config(api->host->schema, conf, rows);
	doctor_secrets(conf, rows);
	look_certificate(conf, rows);
	doctor_machine(conf, api->core->state_dir, rows);
	doctor_core(api->core, rows);
	json_object_set_new(answer, "items", rows);
	json_object_set_new(answer, "next", json_null());
	api_reply(req, 200, answer);
}

static const struct route routes[] = {
	{"GET", "/v1/doctor", "admin", "what is wrong, and what to do", on_doctor},
};

void
api_doctor_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
