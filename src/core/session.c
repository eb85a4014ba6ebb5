/* Sessions: runs that continue one another, as the turns of a conversation. SPEC 2, 5. */
/* SPDX-License-Identifier: MIT */
#include "core/session.h"

#include "base/log.h"
#include "base/uuid.h"
#include "core/agent.h"
#include "core/put.h"
#include "store/changes.h"

bool
session_name_check(struct str name, struct err *err)
{
	bool plain = name.len > 0 && name.len <= SESSION_NAME_MAX && str_is_utf8(name);

	for (size_t i = 0; plain && i < name.len; i++)
		plain = (unsigned char)name.p[i] >= ' ' && name.p[i] != 0x7f;
	return plain || err_set(err, E_INVALID,
				"no name of a session; expected 1 to %d bytes of UTF-8 without "
				"control characters, and this has %zu bytes",
				SESSION_NAME_MAX, name.len);
}

bool
session_join(struct core *core, struct run_row *row, struct wall now, struct buf *id,
	     struct err *err)
{
	struct uuid fresh;

	if (!row->session_name)
		return true;
	fresh = uuid_v7(now);
	if (!sessions_turn(core->store, row->agent, row->tenant, row->session_name, fresh.text,
			   row->seq, now, id, &row->turn, err))
		return false;
	row->session = (char *)buf_cstr(id);
	return true;
}

static void
recall(struct core *core, struct run_row *run, bool checkpoint)
{
	AUTO(session_row_fini) struct session_row session = {0};
	AUTO(err_fini) struct err err = ERR_INIT;

	if (!run->session)
		return;
	if (!sessions_get(core->store, run->session, &session, &err)) {
		if (err.code != E_NOT_FOUND)
			log_error("session cannot be read", "run", run->id, "error",
				  err_text(&err));
		return;
	}
	free(run->session_name);
	run->session_name = TAKE(session.name);
	if (checkpoint && !run->checkpoint)
		run->checkpoint = TAKE(session.checkpoint);
}

void
session_name_recall(struct core *core, struct run_row *run)
{
	recall(core, run, false);
}

void
session_recall(struct core *core, struct run_row *run)
{
	recall(core, run, true);
}

bool
session_turned(struct core *core, const struct run_row *run, const char *checkpoint,
	       struct err *err)
{
	return !run->session ||
	       sessions_turned(core->store, run->session, checkpoint, core_wall(core), err);
}

void
sessions_dismiss(struct core *core, const char *session, const char *why)
{
	const struct registry *registry = core->registry;
	const struct agent_kind *last = NULL;

	/* Each kind once would do; twice does no harm. */
	for (size_t i = 0; i < registry_agent_count(registry); i++) {
		const struct agent_kind *kind = registry_agent_at(registry, i)->kind;

		if (kind != last && kind->dismiss)
			kind->dismiss(core, session, why);
		last = kind;
	}
}

struct dismissal {
	struct core *core;
	char id[40];
};

/* What it was for is over, on disk. */
static void
on_ended(void *arg, const struct err *err)
{
	struct dismissal *dismissal = arg;

	if (err->code == E_OK)
		sessions_dismiss(dismissal->core, dismissal->id, "its session was ended");
	free(dismissal);
}

static bool
end_rows(struct core *core, const struct session_row *session, const char *by, struct err *err)
{
	AUTO(buf_fini) struct buf what = BUF_INIT;

	buf_cat(&what, "session ", session->name);
	return sessions_end(core->store, session, core_wall(core), err) &&
	       decisions_add(core->store, "agent", session->agent, "end", by, buf_cstr(&what), NULL,
			     core_wall(core), err);
}

bool
session_end(struct core *core, const char *id, const char *by, struct err *err)
{
	AUTO(session_row_fini) struct session_row session = {0};
	struct dismissal *dismissal;

	if (!sessions_get(core->store, id, &session, err) || !turn_savepoint(core->store, err))
		return false;
	if (!end_rows(core, &session, by, err)) {
		turn_undo(core->store);
		return false;
	}
	turn_release(core->store);
	dismissal = mem_alloc(sizeof(*dismissal));
	dismissal->core = core;
	snprintf(dismissal->id, sizeof(dismissal->id), "%s", session.id);
	turn_after(core->store, on_ended, dismissal);
	log_info("session ends", "session", session.id, "agent", session.agent, "by", by);
	return true;
}

json_t *
session_object(struct core *core, const struct session_row *session, bool full)
{
	const struct agent *agent = registry_agent(core->registry, session->agent);
	json_t *object = json_object(), *process = NULL;

	json_put_str(object, "id", session->id);
	json_put_str(object, "agent", session->agent);
	put_or_null(object, "tenant", session->tenant);
	json_put_str(object, "name", session->name);
	json_put_str(object, "state",
		     wall_is_set(session->ended) ? "ended"
		     : session->open		 ? "open"
						 : "idle");
	json_object_set_new(object, "turns", json_integer(session->turns));
	json_object_set_new(object, "waiting", json_integer(session->open));
	put_or_null(object, "run", session->run_id);
	put_or_null(object, "run_status", session->run_status);
	json_put_wall(object, "created", session->created.ms);
	json_put_wall(object, "used", session->used.ms);
	json_put_wall(object, "ended", session->ended.ms);
	if (agent && agent->kind->keeps)
		process = agent->kind->keeps(core, session->id);
	json_object_set_new(object, "process", process ? process : json_null());
	if (full)
		put_json_text(object, "checkpoint", session->checkpoint);
	return object;
}
