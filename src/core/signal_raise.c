/* Signals: what an agent says on a topic, or the end of a run, as it will be an event. */
/* SPDX-License-Identifier: MIT */
#include "core/signal.h"

#include "base/digest.h"
#include "base/json.h"
#include "base/log.h"
#include "conf/write.h"
#include "core/attempt.h"
#include "core/replay.h"

#define KEY_MAX 512
#define TYPE_MAX 200

/* What one document may hold of somebody's words, as of a request's. */
static size_t
data_max(const struct core *core)
{
	return (size_t)conf_int(conf_section(registry_conf(core->registry), "http", ""),
				"max_body");
}

static void
member(struct buf *out, const char *name, const char *value)
{
	buf_cat(out, out->len && out->data[out->len - 1] != '{' ? ",\"" : "\"", name, "\":");
	buf_json_cstr(out, value);
}

static void
member_wall(struct buf *out, const char *name, struct wall at)
{
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (wall_is_set(at))
		wall_format(at, &text);
	member(out, name, text.len ? buf_cstr(&text) : NULL);
}

/* --- emissions ----------------------------------------------------------------------------- */

/* A text or a whole number; empty: there is none. */
static bool
key_read(const json_t *line, struct buf *ret, struct err *err)
{
	const json_t *key = json_object_get(line, "key");

	if (!key || json_is_null(key))
		return true;
	if (json_is_string(key))
		buf_add(ret, json_string_value(key), json_string_length(key));
	else if (json_is_integer(key))
		json_write(ret, key);
	if (ret->len && ret->len <= KEY_MAX)
		return true;
	return err_set(err, E_INVALID,
		       "emit: expected as key a text of 1 to %d bytes or a whole number", KEY_MAX);
}

static bool
type_read(const json_t *line, const char **ret, struct err *err)
{
	const json_t *type = json_object_get(line, "event_type");
	size_t len = json_string_length(type);

	*ret = json_string_value(type);
	if (!type || json_is_null(type))
		return true;
	if (*ret && len && len <= TYPE_MAX)
		return true;
	return err_set(err, E_INVALID, "emit: expected as event_type a text of 1 to %d bytes",
		       TYPE_MAX);
}

static bool
topic_check(const char *topic, struct err *err)
{
	return (topic && conf_name_is_valid(str_of(topic))) ||
	       err_set(err, E_INVALID,
		       "emit: %.60s is no topic; expected a name of a-z, 0-9, '.', '_' and '-', at "
		       "most 40 long",
		       topic ? topic : "nothing");
}

/* The same words at the same place among the emissions of another attempt are the same. */
static void
key_make(const struct attempt *attempt, const struct signal *signal, struct buf *key)
{
	const struct str parts[] = {str_of(signal->topic), STR("\n"), str_of(signal->type),
				    STR("\n"), signal->data};
	struct digest digest = digest_of_parts(DIGEST_SHA256, parts, ARRAY_LEN(parts));

	buf_printf(key, "%s/%u/", attempt->run.id, attempt->now.emitted);
	hex_encode(key, str_make(digest.bytes, 8));
}

/* What an emission says, but for its topic, which is a member of a line and stands in the path of a
 * request. */
static bool
emission_read(const struct core *core, const json_t *said, struct signal *signal, struct buf *data,
	      struct buf *key, struct err *err)
{
	const json_t *value = json_object_get(said, "data");

	if (!topic_check(signal->topic, err) || !type_read(said, &signal->type, err) ||
	    !key_read(said, key, err))
		return false;
	if (value)
		json_write(data, value);
	else
		buf_puts(data, "null");
	signal->data = buf_str(data);
	return data->len <= data_max(core) ||
	       err_set(err, E_TOO_LARGE,
		       "emit: data of %zu bytes; a topic takes at most %zu (http.max_body)",
		       data->len, data_max(core));
}

bool
signal_emit(struct attempt *attempt, const json_t *line, struct err *err)
{
	AUTO(buf_fini) struct buf data = BUF_INIT;
	AUTO(buf_fini) struct buf key = BUF_INIT;
	AUTO(buf_fini) struct buf extension = BUF_INIT;
	struct signal signal = {.topic = json_str(line, "topic"), .run = &attempt->run};
	unsigned heard = 0;

	if (!emission_read(attempt->core, line, &signal, &data, &key, err))
		return false;
	if (!attempt->core->listeners)
		return true;
	if (!key.len)
		key_make(attempt, &signal, &key);
	signal.key = buf_str(&key);
	member(&extension, "topic", signal.topic);
	member(&extension, "run", attempt->run.id);
	member(&extension, "agent", attempt->run.agent);
	member_wall(&extension, "emitted", core_wall(attempt->core));
	signal.extension = buf_str(&extension);
	if (!signal_raise(attempt->core, &signal, &heard, err))
		return false;
	if (!heard)
		log_debug("nobody hears this topic", "topic", signal.topic, "run", attempt->run.id);
	return true;
}

bool
signal_say(struct core *core, const char *topic, const json_t *said, const char *by,
	   unsigned *ret_heard, struct err *err)
{
	AUTO(buf_fini) struct buf data = BUF_INIT;
	AUTO(buf_fini) struct buf key = BUF_INIT;
	AUTO(buf_fini) struct buf extension = BUF_INIT;
	struct signal signal = {.topic = topic};

	if (!emission_read(core, said, &signal, &data, &key, err))
		return false;
	signal.key = buf_str(&key);
	member(&extension, "topic", topic);
	member(&extension, "emitted_by", by);
	member_wall(&extension, "emitted", core_wall(core));
	signal.extension = buf_str(&extension);
	if (!turn_savepoint(core->store, err))
		return false;
	if (signal_raise(core, &signal, ret_heard, err)) {
		turn_release(core->store);
		return true;
	}
	turn_undo(core->store);
	return false;
}

/* --- ends ---------------------------------------------------------------------------------- */

static void
result_build(const struct core *core, const char *result, struct buf *out)
{
	size_t len = result ? strlen(result) : 0;

	if (len > data_max(core))
		buf_printf(out, ",\"result\":null,\"result_bytes\":%zu", len);
	else
		buf_cat(out, ",\"result\":", result ? result : "null");
}

bool
signal_ended(struct core *core, const struct run_row *run, const char *status, const char *reason,
	     const char *error, const char *result, struct err *err)
{
	AUTO(buf_fini) struct buf data = BUF_INIT;
	AUTO(buf_fini) struct buf key = BUF_INIT;
	AUTO(buf_fini) struct buf extension = BUF_INIT;
	struct signal signal = {
		.trigger = run->trigger, .agent = run->agent, .status = status, .run = run};
	unsigned heard;

	/* Nothing follows from what is only compared. */
	if (!core->listeners || replay_is(run->batch))
		return true;
	buf_putc(&data, '{');
	member(&data, "run_id", run->id);
	member(&data, "status", status);
	member(&data, "reason", reason);
	member(&data, "error", error);
	member(&data, "agent", run->agent);
	member(&data, "trigger", run->trigger && *run->trigger ? run->trigger : NULL);
	member(&data, "intent", run->intent);
	member(&data, "entity", run->entity);
	member(&data, "event_id", run->event_id);
	member_wall(&data, "created", run->created);
	member_wall(&data, "ended", core_wall(core));
	buf_printf(&data, ",\"attempts\":%d", run->attempts);
	result_build(core, result, &data);
	buf_putc(&data, '}');
	buf_printf(&key, "%s.%d", run->id, run->attempts);
	member(&extension, "run", run->id);
	member(&extension, "agent", run->agent);
	signal.data = buf_str(&data);
	signal.key = buf_str(&key);
	signal.extension = buf_str(&extension);
	return signal_raise(core, &signal, &heard, err);
}
