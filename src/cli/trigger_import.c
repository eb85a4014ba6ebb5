/* rouse trigger import: the hooks of the `webhook` program as agents and triggers. */
/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <unistd.h>

#include "base/os.h"
#include "cli/hooks.h"
#include "cli/trigger_add.h"

#define HOOKS_MAX 1000
#define NAME_MAX_LEN 40
#define KEYS_MAX 24

/* Words for a program whose arguments and environment come from the request: it reads its envelope
 * and becomes the program. */
#define WRAPPER                                                                                    \
	"sh -c 'read -r e; a=$(printf %s \"$e\" | jq -r --arg c \"$0\" \".payload | .environment " \
	"+ [\\$c] + .arguments | @sh\") || exit 69; eval \"exec env $a\"' "

struct hook {
	const json_t *source;
	struct buf id;
	char name[NAME_MAX_LEN + 1];
	struct trigger_place place;
	struct hooks_rule rule;
	struct buf text, secret, secret_reference;
};

struct import {
	struct cli *cli;
	json_t *file;
	struct hook *hooks;
	size_t count;
};

static void
import_fini(struct import *import)
{
	for (size_t i = 0; i < import->count; i++) {
		struct hook *hook = &import->hooks[i];

		trigger_place_fini(&hook->place);
		hooks_rule_fini(&hook->rule);
		if (hook->secret.data)
			mem_zero(hook->secret.data, hook->secret.cap);
		buf_fini(&hook->id);
		buf_fini(&hook->text);
		buf_fini(&hook->secret);
		buf_fini(&hook->secret_reference);
	}
	free(import->hooks);
	json_decref(import->file);
}

/* --- names --------------------------------------------------------------------------------- */

static bool
name_is_taken(const struct import *import, const struct hook *hook)
{
	for (const struct hook *other = import->hooks; other < hook; other++)
		if (!strcmp(other->name, hook->name))
			return true;
	return false;
}

/* The id as a name may be written; where two ids come to the same, the later gets a number. */
static void
name_make(const struct import *import, struct hook *hook)
{
	size_t len = 0;

	for (size_t i = 0; i < hook->id.len && len < NAME_MAX_LEN - 4; i++) {
		unsigned char c = (unsigned char)tolower((unsigned char)hook->id.data[i]);
		bool alnum = c < 0x80 && isalnum(c);

		if (!alnum && !len)
			continue;
		hook->name[len++] = (char)(alnum || strchr("._-", c) ? c : '-');
	}
	if (!len)
		hook->name[len++] = 'h';
	hook->name[len] = '\0';
	for (unsigned n = 2; name_is_taken(import, hook); n++)
		snprintf(hook->name + len, sizeof(hook->name) - len, "-%u", n);
}

/* --- one hook as two sections -------------------------------------------------------------- */

/* Key and value pairs with memory of their own. */
struct pairs {
	struct conf_pair items[KEYS_MAX];
	char *values[KEYS_MAX];
	size_t count;
};

static void
pairs_fini(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++)
		free(pairs->values[i]);
}

static void
pair_put(struct pairs *pairs, const char *key, const char *value)
{
	size_t i = pairs->count++;

	pairs->values[i] = mem_strdup(value);
	pairs->items[i] = (struct conf_pair){key, pairs->values[i]};
}

/* Arguments that are written in the file need no request. */
static bool
is_static(const struct hook *hook)
{
	const json_t *arguments = json_object_get(hook->source, "pass-arguments-to-command"), *one;
	size_t i;

	json_array_foreach ((json_t *)arguments, i, one) {
		AUTO(buf_fini) struct buf source = BUF_INIT;

		hooks_text(one, "source", &source);
		if (!str_eq_cstr(buf_str(&source), "string"))
			return false;
	}
	return !json_array_size(json_object_get(hook->source, "pass-environment-to-command"));
}

static bool
command_make(struct hook *hook, struct pairs *agent, struct err *err)
{
	const json_t *arguments = json_object_get(hook->source, "pass-arguments-to-command"), *one;
	AUTO(buf_fini) struct buf command = BUF_INIT;
	AUTO(buf_fini) struct buf program = BUF_INIT;
	size_t i;

	if (!hooks_text(hook->source, "execute-command", &program) || !program.len)
		return err_set(err, E_INVALID, "hook %s has no execute-command",
			       buf_cstr(&hook->id));
	if (!is_static(hook)) {
		buf_puts(&command, WRAPPER);
		hooks_note(hook->rule.notes,
			   "its arguments come from the request: the agent takes them from its "
			   "envelope with the program jq, which has to be installed");
	}
	buf_shell_word(&command, buf_str(&program));
	json_array_foreach ((json_t *)arguments, i, one) {
		AUTO(buf_fini) struct buf name = BUF_INIT;

		if (!is_static(hook))
			break;
		hooks_text(one, "name", &name);
		buf_putc(&command, ' ');
		buf_shell_word(&command, buf_str(&name));
	}
	pair_put(agent, "command", buf_cstr(&command));
	return true;
}

static bool
agent_make(struct hook *hook, struct pairs *agent, struct err *err)
{
	AUTO(buf_fini) struct buf folder = BUF_INIT;

	pair_put(agent, "kind", "exec");
	if (!command_make(hook, agent, err))
		return false;
	pair_put(agent, "output", "text");
	pair_put(agent, "pass_env", "PATH, HOME, USER, LANG");
	pair_put(agent, "retry.attempts", "1");
	if (hooks_text(hook->source, "command-working-directory", &folder) && folder.len) {
		if (folder.data[0] == '/')
			pair_put(agent, "workdir", buf_cstr(&folder));
		else
			hooks_note(hook->rule.notes,
				   "command-working-directory %s is below the folder that webhook "
				   "was started in: set workdir",
				   buf_cstr(&folder));
	}
	return true;
}

/* One argument as jq; "" where it is not there, as the program has it. */
static void
argument_add(struct hook *hook, const json_t *argument, struct buf *out)
{
	AUTO(buf_fini) struct buf jq = BUF_INIT;

	if (hooks_argument(argument, &jq, hook->rule.notes))
		buf_printf(out, "([%s][0] // \"\")", buf_cstr(&jq));
	else
		buf_puts(out, "\"\"");
}

static void
variable_add(struct hook *hook, const json_t *argument, struct buf *out)
{
	AUTO(buf_fini) struct buf jq = BUF_INIT;
	AUTO(buf_fini) struct buf name = BUF_INIT;
	AUTO(buf_fini) struct buf quoted = BUF_INIT;

	if (!hooks_text(argument, "envname", &name) || !name.len) {
		buf_clear(&name);
		buf_puts(&name, "HOOK_");
		hooks_text(argument, "name", &name);
	}
	buf_putc(&name, '=');
	hooks_quote(buf_str(&name), &quoted);
	if (hooks_argument(argument, &jq, hook->rule.notes))
		buf_printf(out, "(%s | %s + .)", buf_cstr(&jq), buf_cstr(&quoted));
	else
		buf_puts(out, "empty");
}

static void
list_make(struct hook *hook, const char *key,
	  void (*add)(struct hook *hook, const json_t *argument, struct buf *out), struct buf *out)
{
	const json_t *list = json_object_get(hook->source, key), *one;
	size_t i;

	buf_putc(out, '[');
	json_array_foreach ((json_t *)list, i, one) {
		if (i)
			buf_puts(out, ", ");
		add(hook, one, out);
	}
	buf_putc(out, ']');
}

static void
program_put(struct hook *hook, const char *key, const struct buf *jq, struct pairs *trigger)
{
	AUTO(buf_fini) struct buf whole = BUF_INIT;

	hooks_prelude(jq, json_object_get(hook->source, "parse-parameters-as-json"), &whole,
		      hook->rule.notes);
	buf_add_str(&whole, buf_str(jq));
	pair_put(trigger, key, buf_cstr(&whole));
}

static void
payload_make(struct hook *hook, struct pairs *trigger)
{
	AUTO(buf_fini) struct buf jq = BUF_INIT;

	if (is_static(hook))
		return;
	buf_puts(&jq, "{data: .data, arguments: ");
	list_make(hook, "pass-arguments-to-command", argument_add, &jq);
	buf_puts(&jq, ", environment: ");
	list_make(hook, "pass-environment-to-command", variable_add, &jq);
	buf_putc(&jq, '}');
	program_put(hook, "payload", &jq, trigger);
}

static void
proof_make(struct hook *hook, struct pairs *trigger)
{
	const struct hooks_proof *proof = &hook->rule.proof;
	AUTO(buf_fini) struct buf prefix = BUF_INIT;
	const json_t *one;
	size_t i;

	pair_put(trigger, "verify", proof->verify ? proof->verify : "none");
	if (!proof->verify)
		return;
	if (strcmp(proof->verify, "scalr"))
		pair_put(trigger, "header", buf_cstr(&proof->header));
	if (proof->algorithm) {
		buf_printf(&prefix, "%s=", proof->algorithm);
		pair_put(trigger, "algorithm", proof->algorithm);
		pair_put(trigger, "prefix", buf_cstr(&prefix));
		pair_put(trigger, "prefix_optional", "yes");
		pair_put(trigger, "separator", ",");
	}
	json_array_foreach (proof->secrets, i, one)
		buf_printf(&hook->secret, "%s\n", json_string_value(one));
	buf_printf(&hook->secret_reference, "file:%s", hook->place.secret_path);
	pair_put(trigger, "secret", buf_cstr(&hook->secret_reference));
}

/* Those that are known here; without the key the program takes all. */
static void
methods_make(struct hook *hook, struct pairs *trigger)
{
	static const char *const known[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
	const json_t *list = json_object_get(hook->source, "http-methods"), *one;
	AUTO(buf_fini) struct buf methods = BUF_INIT;
	size_t i, size = json_array_size(list);

	for (size_t k = 0; k < ARRAY_LEN(known); k++) {
		bool wanted = !size;

		json_array_foreach ((json_t *)list, i, one)
			wanted |= json_is_string(one) &&
				  !strcasecmp(json_string_value(one), known[k]);
		if (wanted)
			buf_printf(&methods, "%s%s", methods.len ? ", " : "", known[k]);
	}
	if (!methods.len) {
		hooks_note(hook->rule.notes,
			   "http-methods: none of them is known here; POST it is");
		buf_puts(&methods, "POST");
		hook->rule.changes_who = true;
	}
	pair_put(trigger, "methods", buf_cstr(&methods));
}

static void
answer_make(struct hook *hook, struct pairs *trigger)
{
	AUTO(buf_fini) struct buf code = BUF_INIT;
	uint64_t status;

	if (hooks_bool(hook->source, "include-command-output-in-response"))
		pair_put(trigger, "respond", "wait=60s");
	if (!hooks_text(hook->source, "success-http-response-code", &code))
		return;
	if (str_to_u64(buf_str(&code), &status) && status >= 200 && status <= 299)
		pair_put(trigger, "ack", buf_cstr(&code));
	else
		hooks_note(hook->rule.notes,
			   "success-http-response-code %s: what is accepted is answered 200 to 299 "
			   "here",
			   buf_cstr(&code));
}

/* A switch that is not on. */
static bool
is_off(const json_t *value)
{
	static const char *const words[] = {"false", "no", "off", "n"};
	const char *text = json_string_value(value);

	for (size_t i = 0; text && i < ARRAY_LEN(words); i++)
		if (!strcasecmp(text, words[i]))
			return true;
	return json_is_null(value) || json_is_false(value);
}

/* What there is no place for, and keys that nobody knows. */
static void
rest_note(struct hook *hook)
{
	static const struct {
		const char *key, *note;
		bool switches_off;
	} rest[] = {
		{"id", NULL, false},
		{"execute-command", NULL, false},
		{"command-working-directory", NULL, false},
		{"pass-arguments-to-command", NULL, false},
		{"pass-environment-to-command", NULL, false},
		{"parse-parameters-as-json", NULL, false},
		{"trigger-rule", NULL, false},
		{"trigger-signature-soft-failures", NULL, false},
		{"http-methods", NULL, false},
		{"success-http-response-code", NULL, false},
		{"response-message", "the answer is JSON with the run's id", false},
		{"response-headers", "answers have no headers of their own here", false},
		{"include-command-output-in-response",
		 "the answer waits a minute for the run, and has its output as `result` in JSON",
		 false},
		{"include-command-output-in-response-on-error",
		 "a run that failed is answered with its error, not with its output", false},
		{"trigger-rule-mismatch-http-response-code",
		 "an event that the filter keeps back is answered as others are, with its outcome",
		 false},
		{"incoming-payload-content-type",
		 "the request's own content type decides how its body is read; the trigger is "
		 "switched off until you have looked at it",
		 true},
		{"pass-file-to-command",
		 "the command gets no file; what it would hold is in the data of its envelope; the "
		 "trigger is switched off until you have looked at it",
		 true},
	};
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach ((json_t *)hook->source, key, value) {
		for (i = 0; i < ARRAY_LEN(rest) && strcmp(rest[i].key, key); i++)
			;
		if (i == ARRAY_LEN(rest))
			hooks_note(hook->rule.notes, "%s: no key of a hook that is known", key);
		else if (rest[i].note && !is_off(value))
			hooks_note(hook->rule.notes, "%s: %s", key, rest[i].note);
		if (i < ARRAY_LEN(rest))
			hook->rule.changes_who |= rest[i].switches_off;
	}
}

static bool
path_make(struct hook *hook, struct pairs *trigger, struct err *err)
{
	AUTO(buf_fini) struct buf path = BUF_INIT;
	const char *id = buf_cstr(&hook->id);

	if (strpbrk(id, " ?#%;\\") || strstr(id, "..") || strstr(id, "//") || *id == '/')
		return err_set(
			err, E_INVALID,
			"hook '%s' cannot be reached under that id here; give it one without "
			"blanks, '..', '//' and ?#%%;\\",
			id);
	if (!strcmp(id, hook->name))
		return true;
	buf_printf(&path, "/hooks/%s", id);
	pair_put(trigger, "path", buf_cstr(&path));
	return true;
}

static bool
trigger_make(struct hook *hook, struct pairs *trigger, struct err *err)
{
	pair_put(trigger, "source", "webhook");
	pair_put(trigger, "agent", hook->name);
	if (!path_make(hook, trigger, err))
		return false;
	methods_make(hook, trigger);
	proof_make(hook, trigger);
	/* The program runs for every request, however alike they are. */
	pair_put(trigger, "dedupe_window", "0s");
	if (hook->rule.filter.len)
		program_put(hook, "filter", &hook->rule.filter, trigger);
	payload_make(hook, trigger);
	answer_make(hook, trigger);
	rest_note(hook);
	if (hook->rule.changes_who)
		pair_put(trigger, "enabled", "no");
	return true;
}

static bool
hook_convert(struct import *import, struct hook *hook, struct err *err)
{
	AUTO(pairs_fini) struct pairs agent = {.count = 0};
	AUTO(pairs_fini) struct pairs trigger = {.count = 0};

	if (!hooks_text(hook->source, "id", &hook->id) || !hook->id.len)
		return err_set(err, E_INVALID, "hook %zu has no id",
			       (size_t)(hook - import->hooks) + 1);
	name_make(import, hook);
	if (!trigger_place_get(import->cli, hook->name, &hook->place, err))
		return false;
	hook->rule.soft_failures = hooks_bool(hook->source, "trigger-signature-soft-failures");
	hooks_rule_convert(json_object_get(hook->source, "trigger-rule"), &hook->rule);
	buf_printf(&hook->text, "# Hook %s of the webhook program, by rouse trigger import.\n",
		   hook->name);
	if (!agent_make(hook, &agent, err) || !trigger_make(hook, &trigger, err))
		return false;
	if (!conf_format_section("agent", hook->name, agent.items, agent.count, &hook->text, err))
		return err_prefix(err, "hook %s", buf_cstr(&hook->id));
	buf_putc(&hook->text, '\n');
	return conf_format_section("trigger", hook->name, trigger.items, trigger.count, &hook->text,
				   err) ||
	       err_prefix(err, "hook %s", buf_cstr(&hook->id));
}

/* --- the verb ------------------------------------------------------------------------------ */

static bool
import_read(struct import *import, struct err *err)
{
	const char *path = cli_arg(import->cli, 0);
	AUTO(buf_fini) struct buf text = BUF_INIT;

	if (!(strcmp(path, "-")
		      ? os_read_file(path, HOOKS_FILE_MAX, &text, err)
		      : os_read_fd(STDIN_FILENO, HOOKS_FILE_MAX, "standard input", &text, err)))
		return false;
	if (!hooks_read(buf_str(&text), &import->file, err))
		return err_prefix(err, "%s", path);
	if (!json_array_size(import->file))
		return err_set(err, E_INVALID, "%s: there is no hook in it", path);
	if (json_array_size(import->file) > HOOKS_MAX)
		return err_set(err, E_INVALID, "%s: more than %d hooks", path, HOOKS_MAX);
	return true;
}

static bool
import_convert(struct import *import, struct err *err)
{
	size_t count = json_array_size(import->file);

	import->hooks = mem_alloc_array(count, sizeof(*import->hooks));
	for (size_t i = 0; i < count; i++) {
		struct hook *hook = &import->hooks[i];

		hook->source = json_array_get(import->file, i);
		hooks_rule_init(&hook->rule);
		import->count++;
		if (!hook_convert(import, hook, err))
			return false;
		for (size_t j = 0; j < i; j++)
			if (str_eq(buf_str(&hook->id), buf_str(&import->hooks[j].id)))
				return err_set(err, E_INVALID, "two hooks have the id %s",
					       buf_cstr(&hook->id));
	}
	return true;
}

static bool
refuse_existing(const struct import *import, struct err *err)
{
	for (size_t i = 0; i < import->count; i++) {
		const struct trigger_place *place = &import->hooks[i].place;

		if (!access(place->conf_path, F_OK) ||
		    (import->hooks[i].secret.len && !access(place->secret_path, F_OK)))
			return err_set(err, E_EXISTS,
				       "%s is there already; nothing is overwritten: take it away, "
				       "or give the hook another id",
				       access(place->conf_path, F_OK) ? place->secret_path
								      : place->conf_path);
	}
	return true;
}

static bool
import_write(const struct import *import, struct err *err)
{
	AUTO(auto_free)
	struct trigger_file *files = mem_alloc_array(import->count, sizeof(*files));

	for (size_t i = 0; i < import->count; i++)
		files[i] = (struct trigger_file){
			.conf_path = import->hooks[i].place.conf_path,
			.text = buf_str(&import->hooks[i].text),
			.secret_path = import->hooks[i].place.secret_path,
			.secret = buf_str(&import->hooks[i].secret),
		};
	return trigger_files_write(import->cli, &import->hooks[0].place, files, import->count, err);
}

static void
hook_report_json(struct print *out, const struct hook *hook, bool plan)
{
	AUTO(json_auto_decref) json_t *object = json_object();
	AUTO(buf_fini) struct buf line = BUF_INIT;

	json_put_str(object, "id", buf_cstr(&hook->id));
	json_put_str(object, "name", hook->name);
	json_put_str(object, "file", hook->place.conf_path);
	json_put_str(object, "secret_file", hook->secret.len ? hook->place.secret_path : NULL);
	json_object_set_new(object, "enabled", json_boolean(!hook->rule.changes_who));
	json_object_set(object, "notes", hook->rule.notes);
	json_put_str(object, "text", plan ? buf_cstr(&hook->text) : NULL);
	json_write(&line, object);
	print_json(out, buf_str(&line));
}

static void
hook_report(struct print *out, const struct hook *hook, bool plan)
{
	const json_t *note;
	size_t i;

	if (out->json) {
		hook_report_json(out, hook, plan);
		return;
	}
	if (plan) {
		print_f(out, "# %s\n", hook->place.conf_path);
		buf_add_str(&out->buf, buf_str(&hook->text));
	} else {
		print_f(out, "Hook ");
		print_text(out, buf_cstr(&hook->id));
		print_f(out, " is trigger %s%s: %s\n", hook->name,
			hook->rule.changes_who ? ", switched off" : "", hook->place.conf_path);
	}
	json_array_foreach (hook->rule.notes, i, note) {
		print_f(out, "%s", plan ? "# note: " : "  ");
		print_text(out, json_string_value(note));
		print_f(out, "\n");
	}
	if (plan)
		print_f(out, "\n");
}

bool
verb_trigger_import(struct cli *cli, struct err *err)
{
	AUTO(import_fini) struct import import = {.cli = cli};
	bool plan = cli_has(cli, "plan") || cli_has(cli, "dry-run");

	if (!import_read(&import, err) || !import_convert(&import, err) ||
	    !refuse_existing(&import, err) || (!plan && !import_write(&import, err)))
		return false;
	for (size_t i = 0; i < import.count; i++)
		hook_report(&cli->out, &import.hooks[i], plan);
	if (!plan && !cli->out.json && !import.hooks[0].place.running)
		print_f(&cli->out, "The daemon is not running; it reads them when it starts.\n");
	return true;
}
