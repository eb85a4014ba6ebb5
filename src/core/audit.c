/* The audit log: every decision and every administrative act, with its answer. SPEC 13. */
/* SPDX-License-Identifier: MIT */
#include "core/audit.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/log.h"
#include "core/metrics.h"
#include "core/rate.h"
#include "store/audit.h"

/* Of what was said; a decision's reason fits. */
#define REQUEST_BYTES 2048
#define ERROR_BYTES 512
/* Refusals that are written down a minute. */
#define REFUSED_A_MINUTE 60

/* At most so many bytes, whole characters; nothing of what is no text. */
static void
cut(struct str text, size_t most, struct buf *out)
{
	struct str rest = text;

	if (!str_is_utf8(text) || memchr(text.p, '\0', text.len))
		return;
	while (rest.len) {
		size_t step = str_utf8_next(rest, NULL);

		if ((size_t)(rest.p - text.p) + step > most) {
			buf_puts(out, "…");
			return;
		}
		buf_add(out, rest.p, step);
		rest = str_make(rest.p + step, rest.len - step);
	}
}

static int64_t
row_write(struct core *core, const struct audit_act *act, int status, const char *error)
{
	AUTO(buf_fini) struct buf request = BUF_INIT, words = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;
	int64_t seq = 0;

	if (act->request.len)
		cut(act->request, REQUEST_BYTES, &request);
	if (error)
		cut(str_of(error), ERROR_BYTES, &words);
	if (audit_insert(
		    core->store,
		    &(struct audit_row){.at = core_wall(core),
					.who = (char *)act->who,
					.via = (char *)act->via,
					.act = (char *)act->act,
					.object = (char *)act->object,
					.scope = (char *)act->scope,
					.request = request.len ? (char *)buf_cstr(&request) : NULL,
					.status = status,
					.error = words.len ? (char *)buf_cstr(&words) : NULL},
		    &seq, &err))
		return seq;
	log_warning("audit log not written", "by", act->who, "from", act->via, "act", act->act,
		    "object", act->object, "error", err_text(&err));
	return 0;
}

static void
row_log(const struct audit_act *act, int status, const char *error)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", status);
	log_info("act", "by", act->who, "from", act->via, "act", act->act, "object", act->object,
		 "status", status ? number : NULL, "error", error);
}

int64_t
audit_begin(struct core *core, const struct audit_act *act)
{
	return row_write(core, act, 0, NULL);
}

void
audit_end(struct core *core, int64_t seq, const struct audit_act *act, int status,
	  const char *error)
{
	AUTO(buf_fini) struct buf words = BUF_INIT;
	AUTO(err_fini) struct err err = ERR_INIT;

	row_log(act, status, error);
	if (error)
		cut(str_of(error), ERROR_BYTES, &words);
	/* A turn that failed took the row with it, and the act. */
	if (seq && (status || words.len) &&
	    !audit_answer(core->store, seq, status, words.len ? buf_cstr(&words) : NULL, &err) &&
	    err.code != E_NOT_FOUND)
		log_warning("audit log not written", "by", act->who, "act", act->act, "error",
			    err_text(&err));
}

void
audit_note(struct core *core, const struct audit_act *act, int status, const char *error)
{
	row_log(act, status, error);
	row_write(core, act, status, error);
}

void
audit_refused(struct core *core, const struct audit_act *act, int status, const char *error)
{
	AUTO(buf_fini) struct buf words = BUF_INIT;
	int64_t wait_ms;

	metrics_count(core->metrics, "rouse_refused_total", "scope", act->scope ? act->scope : "",
		      "status", status == 401 ? "401" : "403", 1);
	if (!rate_take(core, "audit:refused", REFUSED_A_MINUTE, 60000, &wait_ms)) {
		core->refused_unsaid++;
		return;
	}
	buf_puts(&words, error);
	if (core->refused_unsaid)
		buf_printf(&words, " (and %llu more were refused before)",
			   (unsigned long long)core->refused_unsaid);
	core->refused_unsaid = 0;
	audit_note(core, act, status, buf_cstr(&words));
}
