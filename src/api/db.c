/* The database over HTTP: copied, checked, packed, while the daemon runs. */
/* SPDX-License-Identifier: MIT */
#include "api/inside.h"
#include "base/log.h"
#include "io/work.h"

/* It needs a moment in which no turn is open: looked for this often, this far apart. */
#define VACUUM_TRIES 500
#define VACUUM_WAIT_MS 10

/* One request that takes long. The thread has path to store, the loop the rest. */
struct job {
	struct api *api;
	struct http_request *req;
	const char *what; /* for the log */
	char *path;
	struct mono begun;
	struct core_timer *timer;
	int tries;

	bool ok;
	struct err err;
	struct buf findings;
	int64_t bytes;
};

static struct job *
job_new(struct api *api, struct http_request *req, const char *what)
{
	struct job *job = mem_alloc(sizeof(*job));

	job->api = api;
	job->req = req;
	job->what = what;
	job->begun = clock_mono(api->core->clock);
	return job;
}

static void
job_free(struct job *job)
{
	core_timer_free(job->timer);
	err_fini(&job->err);
	buf_fini(&job->findings);
	free(job->path);
	free(job);
}

/* takes the answer; NULL: the job's error. */
static void
job_reply(struct job *job, json_t *take_answer)
{
	int64_t ms = clock_mono(job->api->core->clock).ms - job->begun.ms;

	if (take_answer) {
		json_object_set_new(take_answer, "ms", json_integer(ms));
		log_info("database looked after", "what", job->what, "path", job->path);
		api_reply(job->req, 200, take_answer);
	} else {
		log_error("database not looked after", "what", job->what, "path", job->path,
			  "error", err_text(&job->err));
		http_reply_error(job->req, &job->err);
	}
	job_free(job);
}

static void
job_submit(struct job *job, void (*run)(void *arg), void (*done)(void *arg))
{
	if (!work_submit(job->api->core->work, run, done, job, &job->err))
		job_reply(job, NULL);
}

/* --- backup -------------------------------------------------------------------------------- */

static void
backup_run(void *arg)
{
	struct job *job = arg;

	job->ok =
		store_backup(job->api->core->store, job->path, NULL, NULL, &job->bytes, &job->err);
}

static void
backup_done(void *arg)
{
	struct job *job = arg;
	json_t *answer = NULL;

	if (job->ok) {
		answer = json_object();
		json_put_str(answer, "path", job->path);
		json_object_set_new(answer, "bytes", json_integer(job->bytes));
	}
	job_reply(job, answer);
}

static void
on_backup(void *arg, struct http_request *req, const struct route_match *match)
{
	AUTO(json_auto_decref) json_t *body = NULL;
	AUTO(err_fini) struct err err = ERR_INIT;
	const char *path;
	struct job *job;

	(void)match;
	if (!api_body(req, &body, &err)) {
		http_reply_error(req, &err);
		return;
	}
	path = json_str(body, "path");
	if (!path || *path != '/') {
		err_set(&err, E_INVALID,
			"backup without an absolute path; expected {\"path\": \"/srv/rouse.db\"}");
		http_reply_error(req, &err);
		return;
	}
	job = job_new(arg, req, "backup");
	job->path = mem_strdup(path);
	job_submit(job, backup_run, backup_done);
}

/* --- check --------------------------------------------------------------------------------- */

static void
check_run(void *arg)
{
	struct job *job = arg;

	job->ok = store_check(job->api->core->store, &job->findings, &job->err);
}

/* Findings are an answer; an error is a check that could not be made. */
static void
check_done(void *arg)
{
	struct job *job = arg;
	struct str rest = buf_str(&job->findings), line;
	json_t *details, *answer;

	if (!job->ok && !job->findings.len && job->err.code != E_OK && job->err.code != E_CORRUPT) {
		job_reply(job, NULL);
		return;
	}
	details = json_array();
	if (!job->ok && !job->findings.len)
		json_array_append_new(details, json_string(err_text(&job->err)));
	while (rest.p && rest.len) {
		rest = str_split(rest, '\n', &line);
		if (line.len)
			json_array_append_new(details, json_stringn(line.p, line.len));
	}
	answer = json_object();
	json_object_set_new(answer, "ok", json_boolean(job->ok));
	json_object_set_new(answer, "details", details);
	job_reply(job, answer);
}

static void
on_check(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)match;
	job_submit(job_new(arg, req, "check"), check_run, check_done);
}

/* --- vacuum -------------------------------------------------------------------------------- */

/* Rewrites the file that the loop writes to: no thread may, so everything waits meanwhile. */
static void
vacuum_try(void *arg)
{
	struct job *job = arg;
	struct core *core = job->api->core;
	json_t *answer;

	err_fini(&job->err);
	job->err = (struct err)ERR_INIT;
	if (store_vacuum(core->store, &job->err)) {
		answer = json_object();
		json_object_set_new(answer, "ok", json_true());
		json_object_set_new(answer, "bytes",
				    json_integer(store_stats(core->store).file_bytes));
		job_reply(job, answer);
	} else if (job->err.code == E_STATE && ++job->tries < VACUUM_TRIES) {
		core_timer_arm(core, &job->timer, VACUUM_WAIT_MS, vacuum_try, job);
	} else {
		job_reply(job, NULL);
	}
}

static void
on_vacuum(void *arg, struct http_request *req, const struct route_match *match)
{
	(void)match;
	vacuum_try(job_new(arg, req, "vacuum"));
}

static const struct route routes[] = {
	{"POST", "/v1/db/backup", "admin", "copy the database to a new file", on_backup},
	{"POST", "/v1/db/check", "admin", "is the database sound", on_check},
	{"POST", "/v1/db/vacuum", "admin", "give unused space back; all else waits", on_vacuum},
};

void
api_db_routes(struct api *api)
{
	router_add(api->router, routes, ARRAY_LEN(routes), api);
}
