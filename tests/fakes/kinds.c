/* Fakes of the kinds and of the jail, for core_rig.h: they do what the test says. */
/* SPDX-License-Identifier: MIT */
#include "tests/fakes/kinds.h"

#include <assert.h>
#include <stdlib.h>

#include "io/jail.h"

#define AGENTS_MAX 2000
#define CALLS_MAX 400

enum err_code rig_start_fails;
int rig_target_auto = TARGET_DONE;
int rig_sources_started, rig_sources_stopped;

/* --- the jail: `give JSON`, `nothing`, `fail`, `wait JSON`, `broken` -------------------------- */

struct question {
	LIST_ENTRY(question) entry;
	char *program;
	jail_on_answer *on_answer;
	void *arg;
};
static LIST_HEAD(, question) questions;

struct jail *
jail_new(struct event_base *base UNUSED, const char *program_path UNUSED)
{
	return NULL;
}

void
jail_free(struct jail *jail UNUSED)
{
}

int
jail_pid(const struct jail *jail UNUSED)
{
	return 0;
}

bool
jail_check(struct jail *jail UNUSED, const char *program UNUSED, struct err *err UNUSED)
{
	return true;
}

void
jail_check_all(struct jail *jail UNUSED, const char *const *programs UNUSED, size_t count UNUSED,
	       jail_on_wrong *on_wrong UNUSED, void *arg UNUSED)
{
}

bool
jail_run(struct jail *jail UNUSED, const char *program, struct str input UNUSED,
	 jail_on_answer *on_answer, void *arg, struct err *err)
{
	struct question *question;

	if (!strcmp(program, "broken"))
		return err_set(err, E_FULL, "too much waits");
	question = mem_alloc(sizeof(*question));
	*question = (struct question){
		.program = mem_strdup(program), .on_answer = on_answer, .arg = arg};
	LIST_INSERT_HEAD(&questions, question, entry);
	return true;
}

static void
answer_give(struct question *question, const char *json)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str output = str_of(json ? json : "");

	LIST_REMOVE(question, entry);
	if (!strcmp(question->program, "fail"))
		err_set(&err, E_INVALID, "cannot index number");
	question->on_answer(question->arg, json ? &output : NULL, json ? 1 : 0, &err);
	free(question->program);
	free(question);
}

bool
jail_answers(bool waiting)
{
	struct question *question, *next;
	bool any = false;

	LIST_FOREACH_SAFE (question, &questions, entry, next) {
		if (!strncmp(question->program, "wait ", 5) != waiting)
			continue;
		answer_give(question, !strncmp(question->program, "give ", 5) || waiting
					      ? question->program + 5
					      : NULL);
		any = true;
	}
	return any;
}

/* --- agents ----------------------------------------------------------------------------------- */

static struct rig_agent agents[AGENTS_MAX];
static int agent_count;

struct rig_agent *
rig_agent(int i)
{
	return i < agent_count ? &agents[i] : NULL;
}

int
rig_agents(void)
{
	return agent_count;
}

static void
agent_feed(void *arg)
{
	struct rig_agent *agent = arg;
	struct str rest = str_make(agent->out.data + agent->fed,
				   agent->out.len - (size_t)agent->fed),
		   line;

	if (!agent->attempt)
		return;
	while (rest.len) {
		size_t before = rest.len;

		rest = str_split(rest, '\n', &line);
		agent->fed += (int64_t)(before - rest.len);
		attempt_line(agent->attempt, line, false, agent->fed);
	}
	attempt_took(agent->attempt);
}

static bool
fake_start(struct attempt *attempt, struct str envelope, struct err *err)
{
	struct rig_agent *agent;

	if (rig_start_fails) {
		enum err_code code = rig_start_fails;

		rig_start_fails = E_OK;
		return err_set(err, code, "the program does not start");
	}
	assert(agent_count < AGENTS_MAX);
	agent = &agents[agent_count++];
	*agent = (struct rig_agent){.attempt = attempt, .envelope = str_dup(envelope)};
	memcpy(agent->id, attempt->id, sizeof(agent->id));
	attempt->executor = mem_strdup("{\"fake\":1}");
	attempt->state = agent;
	return true;
}

static bool
fake_adopt(struct attempt *attempt, struct err *err)
{
	for (int i = agent_count - 1; i >= 0; i--) {
		struct rig_agent *agent = &agents[i];

		if (strcmp(agent->id, attempt->id) || agent->gone)
			continue;
		if (agent->lost)
			return err_set(err, E_IO, "no process of attempt %s any more", attempt->id);
		agent->attempt = attempt;
		agent->fed = attempt->now.offset;
		attempt->state = agent;
		return true;
	}
	return err_set(err, E_NOT_FOUND, "no process of attempt %s", attempt->id);
}

static bool
fake_send(struct attempt *attempt, struct str line, struct err *err)
{
	struct rig_agent *agent = attempt->state;

	(void)err;
	buf_add_str(&agent->got, line);
	buf_putc(&agent->got, '\n');
	return true;
}

static void
fake_cancel(struct attempt *attempt, const char *reason)
{
	struct rig_agent *agent = attempt->state;

	assert(agent);
	snprintf(agent->cancelled, sizeof(agent->cancelled), "%s", reason);
}

static void
fake_release(struct attempt *attempt, bool over)
{
	struct rig_agent *agent = attempt->state;

	agent->released += over;
	agent->attempt = NULL;
}

static void
fake_rewind(struct attempt *attempt)
{
	struct rig_agent *agent = attempt->state;

	agent->rewinds++;
	agent->fed = attempt->now.offset;
	agent_feed(agent);
}

static void
fake_stand(struct attempt *attempt, bool stands)
{
	struct rig_agent *agent = attempt->state;

	if (stands)
		agent->stood++;
	else
		agent->went_on++;
}

static const struct conf_table agent_table = {
	.section = "agent", .named = true, .selector = "kind", .value = "fake", .help = "a fake"};
static const struct agent_kind fake_agent = {.name = "fake",
					     .table = &agent_table,
					     .start = fake_start,
					     .adopt = fake_adopt,
					     .send = fake_send,
					     .cancel = fake_cancel,
					     .release = fake_release,
					     .stand = fake_stand,
					     .rewind = fake_rewind};
const struct agent_kind *const fake_agent_kinds[] = {&fake_agent, NULL};

void
rig_says(struct rig_agent *agent, const char *lines)
{
	buf_puts(&agent->out, lines);
	agent_feed(agent);
	rig_run();
}

void
rig_ends(struct rig_agent *agent, struct attempt_end end)
{
	rig_run();
	agent->exited = true;
	if (agent->attempt)
		attempt_exit(agent->attempt, &end);
	rig_run();
}

void
rig_exits(struct rig_agent *agent, int code)
{
	rig_ends(agent, (struct attempt_end){.exit_code = code});
}

/* --- targets ---------------------------------------------------------------------------------- */

static struct rig_call calls[CALLS_MAX];
static int call_count;

struct rig_call *
rig_call(int i)
{
	return i < call_count ? &calls[i] : NULL;
}

int
rig_calls(void)
{
	return call_count;
}

static bool
fake_check(struct core *core, const struct target *target, const struct change_row *change,
	   struct err *err)
{
	(void)core;
	if (change->after && strstr(change->after, "senseless"))
		return err_set(err, E_INVALID, "target %s cannot do this", target->name);
	return true;
}

static void
fake_apply(struct core *core, const struct target *target, const struct change_row *change,
	   bool revert, target_on_done *on_done, void *arg)
{
	(void)core;
	(void)target;
	assert(call_count < CALLS_MAX);
	calls[call_count++] = (struct rig_call){.id = mem_strdup(change->id),
						.key = mem_strdup(change->key),
						.before = mem_strdup(change->before),
						.after = mem_strdup(change->after),
						.revert = revert,
						.on_done = on_done,
						.arg = arg};
}

static void
call_answer(struct rig_call *call, enum target_outcome outcome, const char *current,
	    enum err_code code)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	assert(!call->answered);
	call->answered = true;
	if (code != E_OK)
		err_set(&err, code, "the target says no");
	call->on_done(call->arg,
		      &(struct target_result){.outcome = outcome,
					      .current = current,
					      .receipt = outcome == TARGET_DONE ? "{\"etag\":\"7\"}"
										: NULL},
		      &err);
}

void
rig_target_says(struct rig_call *call, enum target_outcome outcome, const char *current,
		enum err_code code)
{
	call_answer(call, outcome, current, code);
	rig_run();
}

bool
calls_answer(void)
{
	bool any = false;

	for (int i = 0; rig_target_auto >= 0 && i < call_count; i++) {
		if (calls[i].answered)
			continue;
		call_answer(&calls[i], (enum target_outcome)rig_target_auto, NULL,
			    rig_target_auto == TARGET_FAILED ? E_UNAVAILABLE : E_OK);
		any = true;
	}
	return any;
}

/* A target that is asked about each proposal, of kind `asked`. */
static struct rig_vet vets[CALLS_MAX];
static int vet_count;

struct rig_vet *
rig_vet(int i)
{
	return i < vet_count ? &vets[i] : NULL;
}

int
rig_vets(void)
{
	return vet_count;
}

static bool
fake_vets(const struct target *target, const struct change_row *change)
{
	(void)target;
	return strcmp(change->op, "call") != 0;
}

static void
fake_vet(struct core *core, const struct target *target, const struct change_row *change,
	 int64_t timeout_ms, target_on_vetted *on_vetted, void *arg)
{
	(void)core;
	(void)target;
	(void)timeout_ms;
	assert(vet_count < CALLS_MAX);
	vets[vet_count++] = (struct rig_vet){
		.entity = mem_strdup(change->entity), .on_vetted = on_vetted, .arg = arg};
}

void
rig_vet_says(struct rig_vet *vet, enum vet_verdict verdict, const char *why)
{
	AUTO(err_fini) struct err err = ERR_INIT;

	assert(!vet->answered);
	vet->answered = true;
	if (why)
		err_set(&err, E_INVALID, "%s", why);
	vet->on_vetted(vet->arg, verdict, &err);
	rig_run();
}

static const struct conf_table asked_table = {
	.section = "target", .named = true, .selector = "kind", .value = "asked", .help = "a fake"};
static const struct target_kind asked_target = {.name = "asked",
						.table = &asked_table,
						.check = fake_check,
						.vets = fake_vets,
						.vet = fake_vet,
						.apply = fake_apply};
static const struct conf_table target_table = {
	.section = "target", .named = true, .selector = "kind", .value = "fake", .help = "a fake"};
static const struct target_kind fake_target = {
	.name = "fake", .table = &target_table, .check = fake_check, .apply = fake_apply};
const struct target_kind *const fake_target_kinds[] = {&fake_target, &asked_target, NULL};

/* --- entities --------------------------------------------------------------------------------- */

#define ENTITIES_PAGE 4

/* list:N[!BAD]: entities e1 to eN, some a page; BAD cannot be read, unless rig_entities_mended. */
bool rig_entities_mended;

struct entity_reader {
	struct core *core;
	uint64_t at, count, bad; /* at: given so far; bad 0: none */
	struct entity_page page;
	struct core_timer *timer;
	entities_on_page *on_page;
	void *arg;
};

static void
list_check(const struct entities_place *place, struct conf_report *report)
{
	(void)place;
	(void)report;
}

static bool
list_open(struct core *core, const struct entities_place *place, struct str cursor,
	  struct entity_reader **ret, struct err *err)
{
	struct str count, bad = str_split(str_of(place->rest), '!', &count);
	struct entity_reader *reader = mem_alloc(sizeof(*reader));

	(void)err;
	reader->core = core;
	str_to_u64(count, &reader->count);
	if (bad.p)
		str_to_u64(bad, &reader->bad);
	if (cursor.p)
		str_to_u64(cursor, &reader->at);
	entity_page_init(&reader->page);
	*ret = reader;
	return true;
}

static void
list_give(void *arg)
{
	struct entity_reader *reader = arg;
	struct entity_page *page = &reader->page;

	entity_page_fini(page);
	entity_page_init(page);
	while (reader->at < reader->count && page->count < ENTITIES_PAGE) {
		AUTO(buf_fini) struct buf key = BUF_INIT, data = BUF_INIT;

		if (reader->at + 1 == reader->bad && !rig_entities_mended) {
			err_set(&page->err, E_INVALID, "number %d is broken", (int)reader->bad);
			break;
		}
		buf_printf(&key, "e%d", (int)++reader->at);
		buf_printf(&data, "{\"id\":\"%s\"}", buf_cstr(&key));
		entity_page_add(page, buf_str(&key), buf_str(&data), reader->at);
	}
	page->end = reader->at == reader->count;
	buf_printf(&page->cursor, "%d", (int)reader->at);
	reader->on_page(reader->arg, page);
}

static void
list_read(struct entity_reader *reader, entities_on_page *on_page, void *arg)
{
	reader->on_page = on_page;
	reader->arg = arg;
	core_timer_arm(reader->core, &reader->timer, 0, list_give, reader);
}

static void
list_close(struct entity_reader *reader)
{
	entity_page_fini(&reader->page);
	core_timer_free(reader->timer);
	free(reader);
}

static const struct entity_kind list_entities = {.name = "list",
						 .unit = "number",
						 .resumes = true,
						 .check = list_check,
						 .open = list_open,
						 .read = list_read,
						 .close = list_close};
const struct entity_kind *const fake_entity_kinds[] = {&list_entities, NULL};

/* --- notifications ---------------------------------------------------------------------------- */

bool rig_mail_auto = true;
int rig_mail_fails;
static struct rig_mail mails[4096];
static int mail_count;

struct rig_mail *
rig_mail(int i)
{
	return i < mail_count ? &mails[i] : NULL;
}

int
rig_mails(void)
{
	return mail_count;
}

static bool
fake_notify_send(struct core *core, const struct conf_section *section,
		 const struct notify_message *message, struct notify_job *job, struct err *err)
{
	struct rig_mail *mail = &mails[mail_count];

	(void)core;
	(void)section;
	if (rig_mail_fails) {
		rig_mail_fails--;
		return err_set(err, E_UNAVAILABLE, "no line out");
	}
	if (mail_count + 1 == (int)ARRAY_LEN(mails))
		abort();
	mail_count++;
	*mail = (struct rig_mail){.id = mem_strdup(message->id),
				  .notify = mem_strdup(message->notify),
				  .event = mem_strdup(message->event),
				  .subject = mem_strdup(message->subject),
				  .text = str_dup(message->text),
				  .json = str_dup(message->json),
				  .attempt = message->attempt,
				  .job = job};
	return true;
}

void
rig_mail_says(struct rig_mail *mail, struct notify_result result, const char *error)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct notify_job *job = mail->job;

	mail->job = NULL;
	if (!result.sent)
		err_set(&err, E_UNAVAILABLE, "%s", error);
	notify_done(job, &result, &err);
	rig_run();
}

bool
mails_answer(void)
{
	for (int i = 0; rig_mail_auto && i < mail_count; i++) {
		AUTO(err_fini) struct err err = ERR_INIT;
		struct notify_job *job = mails[i].job;

		if (!job)
			continue;
		mails[i].job = NULL;
		notify_done(job, &(struct notify_result){.sent = true}, &err);
		return true;
	}
	return false;
}

void
mails_give_up(bool forget)
{
	for (int i = 0; i < mail_count; i++) {
		struct rig_mail *mail = &mails[i];

		mail->job = NULL;
		if (!forget)
			continue;
		free(mail->id);
		free(mail->notify);
		free(mail->event);
		free(mail->subject);
		free(mail->text);
		free(mail->json);
	}
	if (forget)
		mail_count = 0;
}

static const struct conf_table notify_fake_table = {
	.section = "notify", .named = true, .selector = "kind", .value = "fake", .help = "a fake"};
static const struct notify_kind fake_notify = {
	.name = "fake", .table = &notify_fake_table, .send = fake_notify_send};
const struct notify_kind *const fake_notify_kinds[] = {&fake_notify, NULL};

/* --- sources ---------------------------------------------------------------------------------- */

static const struct source_kind fake_source, fake_cron;

static struct source *
source_begin(struct core *core, const struct trigger *trigger, struct err *err)
{
	struct source *source;

	if (!strcmp(trigger->name, "no-start")) {
		err_set(err, E_IO, "cannot be watched");
		return NULL;
	}
	source = mem_alloc(sizeof(*source));
	source_init(source, core, trigger->kind, trigger->name);
	rig_sources_started++;
	return source;
}

static void
source_end(struct source *source)
{
	source_fini(source);
	free(source);
	rig_sources_stopped++;
}

static const struct conf_key source_keys[] = {{"path", CONF_STRING, .help = "anything"}};
static const struct conf_table source_table = {.section = "trigger",
					       .named = true,
					       .selector = "source",
					       .value = "fake",
					       .keys = source_keys,
					       .count = 1,
					       .help = "a fake"};
static const struct conf_table cron_table = {.section = "trigger",
					     .named = true,
					     .selector = "source",
					     .value = "cron",
					     .keys = source_keys,
					     .count = 1,
					     .help = "a fake"};
static const struct conf_table *const source_tables[] = {&source_table, NULL};
static const struct conf_table *const cron_tables[] = {&cron_table, NULL};
static const struct source_kind fake_source = {.name = "fake",
					       .tables = source_tables,
					       .trust = TRUST_AUTHENTICATED,
					       .start = source_begin,
					       .stop = source_end};
static const struct source_kind fake_cron = {.name = "cron",
					     .tables = cron_tables,
					     .trust = TRUST_TRUSTED,
					     .start = source_begin,
					     .stop = source_end};
const struct source_kind *const fake_source_kinds[] = {&fake_source, &fake_cron, NULL};

void
jail_gives_up(void)
{
	while (!LIST_EMPTY(&questions))
		answer_give(LIST_FIRST(&questions), "null");
}

void
agents_feed(void)
{
	for (int i = 0; i < agent_count; i++)
		agent_feed(&agents[i]);
}

void
calls_give_up(void)
{
	for (int i = 0; i < call_count; i++)
		calls[i].answered = true;
	for (int i = 0; i < vet_count; i++)
		vets[i].answered = true;
}

void
kinds_forget(void)
{
	while (vet_count)
		free(vets[--vet_count].entity);
	for (int i = 0; i < agent_count; i++) {
		free(agents[i].envelope);
		buf_fini(&agents[i].out);
		buf_fini(&agents[i].got);
	}
	agent_count = 0;
	for (int i = 0; i < call_count; i++) {
		free(calls[i].id);
		free(calls[i].key);
		free(calls[i].before);
		free(calls[i].after);
	}
	call_count = 0;
}
