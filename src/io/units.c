/* Units of systemd: the manager is asked, it makes a job of it, and says how that ended. */
/* SPDX-License-Identifier: MIT */
#include "io/units.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/list.h"
#include "io/bus.h"

enum {
	/* Calls and jobs that are on their way at once; the others wait for these. dbus-daemon lets
	 * a connection wait for 128 answers, and who starts hundreds at a time starts none in
	 * time. */
	FLYING_MAX = 48,
	ANSWER_MS = 25000, /* to become a job: polkit is asked meanwhile, and may have to start */
	JOB_MS = 120000,   /* beyond every TimeoutStartSec= and TimeoutStopSec= of ours */
	QUIET_MS = 15000,  /* then the connection ends */
	STOP_US = 2000000, /* a shim that is told to end has ended its agent before */
};

#define MANAGER "org.freedesktop.systemd1.Manager"

/* One thing asked of the manager. */
struct op {
	TAILQ_ENTRY(op) entry;
	struct units *units;
	struct buf message; /* until it is sent */
	char *unit;
	char *job; /* path of it; NULL until the manager has made one */
	bool ends; /* it is to be over: not there is done */
	struct event *timer;
	units_on_done *on_done;
	void *arg;
};

struct units {
	struct event_base *base;
	bool user;
	struct bus *bus; /* NULL: not connected */
	struct event *quiet;
	TAILQ_HEAD(, op) ops, waiting; /* asked; not asked yet */
	size_t flying;		       /* how many of ops */
};

/* --- how it ended ---------------------------------------------------------------------------- */

/* Taken out of its list. */
static void
op_free(struct op *op)
{
	event_free(op->timer);
	buf_fini(&op->message);
	free(op->unit);
	free(op->job);
	free(op);
}

static void
quiet_soon(struct units *units)
{
	static const struct timeval time = {QUIET_MS / 1000, 0};

	if (TAILQ_EMPTY(&units->ops) && TAILQ_EMPTY(&units->waiting))
		evtimer_add(units->quiet, &time);
}

static void units_pump(struct units *units);

static void
op_done(struct op *op, const struct err *err)
{
	struct units *units = op->units;
	units_on_done *on_done = op->on_done;
	void *arg = op->arg;

	TAILQ_REMOVE(&units->ops, op, entry);
	units->flying--;
	op_free(op);
	on_done(arg, err);
	units_pump(units);
	quiet_soon(units);
}

static void
op_on_timeout(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct op *op = arg;
	AUTO(err_fini) struct err err = ERR_INIT;

	err_set(&err, E_TIMEOUT, "systemd has not done its job for %s within %d s", op->unit,
		JOB_MS / 1000);
	op_done(op, &err);
}

/* Names of errors: D-Bus specification, sd-bus-errors(3), bus-common-errors.h. */
static const struct {
	const char *name;
	enum err_code code;
	const char *hint;
} errors[] = {
	{"org.freedesktop.DBus.Error.AccessDenied", E_DENIED,
	 "; is polkit there, and its rule for rouse (polkit-1/rules.d/50-rouse.rules)?"},
	{"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", E_DENIED,
	 "; is polkit there, and its rule for rouse (polkit-1/rules.d/50-rouse.rules)?"},
	{"org.freedesktop.PolicyKit1.Error.Failed", E_DENIED, ""},
	{"org.freedesktop.systemd1.NoSuchUnit", E_NOT_FOUND, ""},
	{"org.freedesktop.systemd1.LoadFailed", E_NOT_FOUND, ""},
	{"org.freedesktop.systemd1.BadUnitSetting", E_NOT_FOUND, ""},
	{"org.freedesktop.systemd1.UnitMasked", E_NOT_FOUND, "; it is masked"},
	{"org.freedesktop.systemd1.NotFound", E_NOT_FOUND, ""},
};

static void
reply_error(const struct op *op, const struct dbus_message *reply, struct err *err)
{
	struct str text = STR("");
	const char *hint = "";
	enum err_code code = E_UNAVAILABLE;
	size_t at = 0;

	if (str_starts(reply->signature, STR("s")))
		dbus_take_str(reply->body, &at, &text);
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		if (!str_eq_cstr(reply->error_name, errors[i].name))
			continue;
		code = errors[i].code;
		hint = errors[i].hint;
	}
	err_set(err, code, "systemd refuses %s: %.*s%s", op->unit,
		(int)(text.len < 300 ? text.len : 300), text.len ? text.p : "", hint);
}

static void
op_on_reply(void *arg, const struct dbus_message *reply, const struct err *err)
{
	struct op *op = arg;
	AUTO(err_fini) struct err why = ERR_INIT;
	struct timeval time = {JOB_MS / 1000, 0};
	struct str job;
	size_t at = 0;

	if (!reply) {
		op_done(op, err);
		return;
	}
	if (reply->type == DBUS_ERROR)
		reply_error(op, reply, &why);
	else if (!str_eq_cstr(reply->signature, "o") || !dbus_take_str(reply->body, &at, &job))
		err_set(&why, E_UNAVAILABLE, "systemd answers with something else than a job");
	if (op->ends && why.code == E_NOT_FOUND)
		err_fini(&why);
	else if (why.code == E_OK) {
		op->job = str_dup(job);
		evtimer_add(op->timer, &time);
		return;
	}
	op_done(op, &why);
}

/* JobRemoved(u id, o job, s unit, s result); whose job it was hears it without Subscribe(). */
static void
units_on_signal(void *arg, const struct dbus_message *signal)
{
	struct units *units = arg;
	AUTO(err_fini) struct err why = ERR_INIT;
	struct str job, unit, result;
	struct op *op;
	uint32_t id;
	size_t at = 0;

	if (!str_eq_cstr(signal->member, "JobRemoved") || !str_eq_cstr(signal->signature, "uoss") ||
	    !dbus_take_u32(signal->body, &at, &id) || !dbus_take_str(signal->body, &at, &job) ||
	    !dbus_take_str(signal->body, &at, &unit) || !dbus_take_str(signal->body, &at, &result))
		return;
	TAILQ_FOREACH (op, &units->ops, entry)
		if (op->job && str_eq_cstr(job, op->job))
			break;
	if (!op)
		return;
	if (!str_eq_cstr(result, "done") && !op->ends)
		err_set(&why, E_STATE,
			"%s did not start (%.*s); `journalctl -u %s` says why, if its user may "
			"know",
			op->unit, STR_ARG(result), op->unit);
	op_done(op, &why);
}

static void
units_on_end(void *arg, const struct err *err)
{
	struct units *units = arg;
	struct op *op;

	bus_free(units->bus);
	units->bus = NULL;
	/* Those whose jobs go on without us; what is asked meanwhile has no job yet. */
	do {
		TAILQ_FOREACH (op, &units->ops, entry)
			if (op->job)
				break;
		if (op)
			op_done(op, err);
	} while (op);
	units_pump(units);
}

/* --- asking ---------------------------------------------------------------------------------- */

static void
units_on_quiet(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct units *units = arg;

	if (!TAILQ_EMPTY(&units->ops) || !TAILQ_EMPTY(&units->waiting))
		return;
	bus_free(units->bus);
	units->bus = NULL;
}

static bool
connect_bus(struct units *units, struct err *err)
{
	AUTO(buf_fini) struct buf address = BUF_INIT, match = BUF_INIT;

	if (units->bus)
		return true;
	if (!bus_address(units->user, &address, err))
		return false;
	units->bus = bus_open(units->base, buf_cstr(&address), units_on_signal, units_on_end, units,
			      err);
	if (!units->bus)
		return false;
	bus_begin(&match, &(struct dbus_call){.destination = "org.freedesktop.DBus",
					      .path = "/org/freedesktop/DBus",
					      .interface = "org.freedesktop.DBus",
					      .member = "AddMatch",
					      .signature = "s"});
	dbus_put_str(&match, "type='signal',sender='org.freedesktop.systemd1',"
			     "path='/org/freedesktop/systemd1',interface='" MANAGER "',"
			     "member='JobRemoved'");
	return bus_send(units->bus, &match, ANSWER_MS, NULL, NULL, err);
}

static void
call_begin(struct buf *message, const char *member, const char *signature)
{
	bus_begin(message, &(struct dbus_call){.destination = "org.freedesktop.systemd1",
					       .path = "/org/freedesktop/systemd1",
					       .interface = MANAGER,
					       .member = member,
					       .signature = signature});
}

static bool
op_fly(struct op *op, struct err *err)
{
	struct units *units = op->units;

	if (!connect_bus(units, err) ||
	    !bus_send(units->bus, &op->message, ANSWER_MS, op_on_reply, op, err))
		return false;
	buf_fini(&op->message);
	TAILQ_INSERT_TAIL(&units->ops, op, entry);
	units->flying++;
	return true;
}

/* Those that wait for others, as long as there is room. */
static void
units_pump(struct units *units)
{
	struct op *op;

	while (units->flying < FLYING_MAX && (op = TAILQ_FIRST(&units->waiting))) {
		AUTO(err_fini) struct err err = ERR_INIT;
		units_on_done *on_done = op->on_done;
		void *arg = op->arg;

		TAILQ_REMOVE(&units->waiting, op, entry);
		if (op_fly(op, &err))
			continue;
		op_free(op);
		on_done(arg, &err);
	}
}

static bool
op_send(struct units *units, const char *unit, bool ends, struct buf *message,
	units_on_done *on_done, void *arg, struct err *err)
{
	struct op *op = mem_alloc(sizeof(*op));

	*op = (struct op){.units = units, .ends = ends, .on_done = on_done, .arg = arg};
	op->unit = mem_strdup(unit);
	op->timer = evtimer_new(units->base, op_on_timeout, op);
	op->message = *message;
	*message = (struct buf)BUF_INIT;
	evtimer_del(units->quiet);
	if (units->flying >= FLYING_MAX) {
		TAILQ_INSERT_TAIL(&units->waiting, op, entry);
		return true;
	}
	if (op_fly(op, err))
		return true;
	op_free(op);
	return false;
}

/* StartUnit and StopUnit: a name and how other jobs for it are met. */
static bool
op_of_unit(struct units *units, const char *member, const char *unit, const char *mode, bool ends,
	   units_on_done *on_done, void *arg, struct err *err)
{
	AUTO(buf_fini) struct buf message = BUF_INIT;

	if (!connect_bus(units, err))
		return false;
	call_begin(&message, member, "ss");
	dbus_put_str(&message, unit);
	dbus_put_str(&message, mode);
	return op_send(units, unit, ends, &message, on_done, arg, err);
}

bool
units_probe(struct units *units, const char *unit, units_on_done *on_done, void *arg,
	    struct err *err)
{
	return op_of_unit(units, "StopUnit", unit, "fail", false, on_done, arg, err);
}

bool
units_start(struct units *units, const char *unit, units_on_done *on_done, void *arg,
	    struct err *err)
{
	return op_of_unit(units, "StartUnit", unit, "fail", false, on_done, arg, err);
}

bool
units_end(struct units *units, const char *unit, units_on_done *on_done, void *arg, struct err *err)
{
	return op_of_unit(units, "StopUnit", unit, "replace", true, on_done, arg, err);
}

/* --- a unit of the moment: properties, each a name and a variant ------------------------------ */

static void
property_str(struct buf *out, const char *name, const char *value)
{
	dbus_put_struct(out);
	dbus_put_str(out, name);
	dbus_put_signature(out, "s");
	dbus_put_str(out, value);
}

static void
property_bool(struct buf *out, const char *name, bool value)
{
	dbus_put_struct(out);
	dbus_put_str(out, name);
	dbus_put_signature(out, "b");
	dbus_put_bool(out, value);
}

static void
property_u64(struct buf *out, const char *name, uint64_t value)
{
	dbus_put_struct(out);
	dbus_put_str(out, name);
	dbus_put_signature(out, "t");
	dbus_put_u64(out, value);
}

/* A list of commands: the program, its words, whether it may fail. */
static void
property_command(struct buf *out, const char *const *argv)
{
	struct dbus_array commands, words;

	dbus_put_struct(out);
	dbus_put_str(out, "ExecStart");
	dbus_put_signature(out, "a(sasb)");
	commands = dbus_array_begin(out, 8);
	dbus_put_struct(out);
	dbus_put_str(out, argv[0]);
	words = dbus_array_begin(out, 4);
	for (size_t i = 0; argv[i]; i++)
		dbus_put_str(out, argv[i]);
	dbus_array_end(out, &words);
	dbus_put_bool(out, false);
	dbus_array_end(out, &commands);
}

bool
units_start_new(struct units *units, const char *unit, const char *slice, const char *const *argv,
		units_on_done *on_done, void *arg, struct err *err)
{
	static const struct {
		const char *name, *value;
	} texts[] = {
		{"Description", "a run of a Rouse agent"},
		{"Type", "notify"},
		{"NotifyAccess", "main"},
		{"CollectMode", "inactive-or-failed"},
		{"KillMode", "control-group"},
		{"OOMPolicy", "continue"},
	};
	AUTO(buf_fini) struct buf message = BUF_INIT;
	struct dbus_array properties, others;

	if (!connect_bus(units, err))
		return false;
	call_begin(&message, "StartTransientUnit", "ssa(sv)a(sa(sv))");
	dbus_put_str(&message, unit);
	dbus_put_str(&message, "fail");
	properties = dbus_array_begin(&message, 8);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		property_str(&message, texts[i].name, texts[i].value);
	property_str(&message, "Slice", slice);
	property_bool(&message, "Delegate", true);
	property_u64(&message, "TimeoutStopUSec", STOP_US);
	property_command(&message, argv);
	dbus_array_end(&message, &properties);
	others = dbus_array_begin(&message, 8);
	dbus_array_end(&message, &others);
	return op_send(units, unit, false, &message, on_done, arg, err);
}

/* --- its life -------------------------------------------------------------------------------- */

struct units *
units_new(struct event_base *base, bool user)
{
	struct units *units = mem_alloc(sizeof(*units));

	units->base = base;
	units->user = user;
	units->quiet = evtimer_new(base, units_on_quiet, units);
	TAILQ_INIT(&units->ops);
	TAILQ_INIT(&units->waiting);
	return units;
}

void
units_free(struct units *units)
{
	struct op *op, *next;

	if (!units)
		return;
	bus_free(units->bus);
	for (op = TAILQ_FIRST(&units->ops); op; op = next) {
		next = TAILQ_NEXT(op, entry);
		op_free(op);
	}
	for (op = TAILQ_FIRST(&units->waiting); op; op = next) {
		next = TAILQ_NEXT(op, entry);
		op_free(op);
	}
	event_free(units->quiet);
	free(units);
}
