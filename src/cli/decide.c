/* rouse approve, reject, edit: decisions about proposed changes. */
/* SPDX-License-Identifier: MIT */
#include "cli/change.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"
#include "cli/diff.h"
#include "cli/look.h"
#include "cli/review.h"
#include "cli/run.h"
#include "cli/text.h"

#define EDIT_MAX (64 << 20)

extern char **environ;

struct decision {
	const char *verb; /* "approve", of the route */
	const char *done; /* "approved" */
};

static const struct decision approval = {"approve", "approved"};
static const struct decision rejection = {"reject", "rejected"};

static json_t *
decision_body(const struct cli *cli, const char *digest)
{
	json_t *body = json_object();

	json_put_str(body, "reason", cli_opt(cli, "reason"));
	if (digest && *digest)
		json_put_str(body, "digest", digest);
	return body;
}

/* Which changes are meant: a word of the command line (NULL: everything that is proposed). */
static json_t *
meant(const struct cli *cli, const struct decision *decision, const char *word)
{
	json_t *body = decision_body(cli, NULL);

	json_put_str(body, "decision", decision->verb);
	json_put_str(body, "of", word);
	json_put_str(body, "where", cli_opt(cli, "where"));
	json_put_str(body, "entity", cli_opt(cli, "entity"));
	json_put_str(body, "group", cli_opt(cli, "group"));
	if (!word)
		json_object_set_new(body, "all", json_true());
	return body;
}

static void
put_skipped(const json_t *why)
{
	for (size_t i = 0; i < json_array_size(why); i++) {
		const json_t *one = json_array_get(why, i);
		AUTO(buf_fini) struct buf safe = BUF_INIT;

		text_escape(&safe, str_of(json_str(one, "why")));
		cli_note("%s: %s", json_str(one, "id") ? json_str(one, "id") : "?",
			 buf_cstr(&safe));
	}
}

static void
put_decided(struct cli *cli, const struct decision *decision, const json_t *look,
	    const json_t *answer)
{
	const char *batch = json_str(look, "batch"), *run = json_str(look, "run");
	int64_t changed = json_int(answer, "changed", 0), pending = json_int(answer, "pending", 0);
	int64_t skipped = json_int(answer, "skipped", 0) + json_int(answer, "passed", 0);

	print_f(&cli->out, "%s %lld change%s", decision->done, (long long)changed,
		changed == 1 ? "" : "s");
	if (batch || run) {
		print_f(&cli->out, " of %s ", batch ? "batch" : "run");
		print_text(&cli->out, batch ? batch : run);
	}
	if (skipped)
		print_f(&cli->out, ", skipped %lld", (long long)skipped);
	print_f(&cli->out, "\n");
	if (pending)
		print_f(&cli->out, "%lld of them wait for another person's approval\n",
			(long long)pending);
}

/* Nothing of it is proposed (any more): as a change that is decided, refused. */
static bool
nothing_decided(const struct decision *decision, const json_t *look, const char *word,
		struct err *err)
{
	const json_t *status = json_object_get(look, "status");
	AUTO(buf_fini) struct buf counts = BUF_INIT;
	const char *name;
	json_t *n;

	if (json_str(look, "batch") && !strncmp(json_str(look, "batch"), "replay:", 7))
		return err_set(err, E_STATE,
			       "what replay %s proposed is only there to be compared, and is never "
			       "%s; rouse replay %s --diff shows the comparison",
			       word, decision->done, word);
	json_object_foreach ((json_t *)status, name, n)
		buf_printf(&counts, "%s%lld %s", counts.len ? ", " : ": ",
			   (long long)json_integer_value(n), name);
	return err_set(err, E_STATE, "nothing of %s%s is proposed, so nothing was %s%s",
		       json_str(look, "run") ? "run " : "", word, decision->done,
		       buf_cstr(&counts));
}

/* What the daemon shows now is what is decided about: its digest goes along. */
static bool
decide_many(struct cli *cli, const struct decision *decision, const char *word, const json_t *look,
	    struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = meant(cli, decision, word);
	const char *digest = cli_opt(cli, "digest");
	bool some = cli_opt(cli, "where") || cli_opt(cli, "entity");

	json_put_str(body, "digest", digest ? digest : json_str(look, "digest"));
	if (!look_post(cli, "/v1/decide", body, &reply, err))
		return false;
	put_skipped(json_object_get(reply.json, "why"));
	if (!json_int(reply.json, "changed", 0)) {
		if (word && !some)
			return nothing_decided(decision, look, word, err);
		cli_note("Nothing of it is proposed.");
	}
	if (cli_json(cli, &reply))
		return true;
	if (json_int(reply.json, "changed", 0))
		put_decided(cli, decision, look, reply.json);
	if (json_int(reply.json, "skipped", 0))
		return err_set(err, E_STATE, "%lld were not %s; why is said above",
			       (long long)json_int(reply.json, "skipped", 0), decision->done);
	return true;
}

static bool
decide_change(struct cli *cli, const struct decision *decision, const json_t *change,
	      struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = decision_body(cli, json_str(change, "digest"));
	const char *id = json_str(change, "id");

	if (!id)
		return err_set(err, E_CORRUPT, "the daemon showed a change without an id");
	if (!cli_post(cli, body, &reply, err, "/v1/changes/%s/%s", id, decision->verb))
		return false;
	if (cli_json(cli, &reply))
		return true;
	print_f(&cli->out, "%s ", decision->done);
	print_text(&cli->out, id);
	print_f(&cli->out, " ");
	print_text(&cli->out, json_str(change, "entity"));
	print_f(&cli->out, "\n");
	if (!strcmp(decision->verb, "approve") && !strcmp(change_status(reply.json), "proposed"))
		print_f(&cli->out, "it waits for another person's approval\n");
	return true;
}

/* All that the latest sample speaks for: the daemon knows whether it does. */
static bool
decide_sampled(struct cli *cli, const struct decision *decision, const char *word, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = meant(cli, decision, word);

	if (!word)
		return err_set(err, E_USAGE, "--sampled is of a batch or a run; name one");
	json_object_set_new(body, "sampled", json_true());
	if (!look_post(cli, "/v1/decide", body, &reply, err))
		return false;
	put_skipped(json_object_get(reply.json, "why"));
	if (!cli_json(cli, &reply))
		print_f(&cli->out, "approved %lld changes, as the sample speaks for them\n",
			(long long)json_int(reply.json, "changed", 0));
	return true;
}

static bool
decide_word(struct cli *cli, const struct decision *decision, const char *word, struct err *err)
{
	AUTO(client_reply_fini) struct client_reply look = CLIENT_REPLY_INIT;
	const char *digest = cli_opt(cli, "digest");
	bool some = cli_opt(cli, "where") || cli_opt(cli, "entity"), plan = cli_has(cli, "plan");

	if (cli_has(cli, "sampled"))
		return decide_sampled(cli, decision, word, err);
	if (!look_get(cli, word, plan ? "proposed" : NULL, plan ? 20 : 1, &look, err))
		return false;
	if (plan && !json_int(look.json, "total", 0)) {
		print_f(&cli->out, "Nothing of it is proposed, so nothing would be %s.\n",
			decision->done);
		return true;
	}
	if (plan) {
		print_f(&cli->out, "Would be %s, of what is proposed:\n", decision->done);
		look_print(&cli->out, look.json);
		return true;
	}
	if (word && !some && !json_str(look.json, "batch") && !json_str(look.json, "run")) {
		AUTO(client_reply_fini) struct client_reply one = CLIENT_REPLY_INIT;

		if (digest)
			return err_set(err, E_USAGE,
				       "--digest is for batches and runs; %s is one change", word);
		return cli_get(cli, &one, err, "/v1/changes/%s", word) &&
		       decide_change(cli, decision, one.json, err);
	}
	return decide_many(cli, decision, word, look.json, err);
}

/* --all without a name: whatever is proposed. */
static bool
decide_all(struct cli *cli, const struct decision *decision, struct err *err)
{
	if (cli_has(cli, "digest"))
		return err_set(err, E_USAGE, "--digest is for a batch or a run by name");
	return decide_word(cli, decision, NULL, err);
}

static bool
approve_word(struct cli *cli, const char *word, struct err *err)
{
	return decide_word(cli, &approval, word, err);
}

static bool
reject_word(struct cli *cli, const char *word, struct err *err)
{
	return decide_word(cli, &rejection, word, err);
}

static bool
decide(struct cli *cli, const struct decision *decision,
       bool (*each)(struct cli *, const char *, struct err *), struct err *err)
{
	if (cli_arg(cli, 0))
		return cli_each(cli, each, err);
	if (cli_has(cli, "all"))
		return decide_all(cli, decision, err);
	return err_set(err, E_USAGE,
		       "name batches, runs or changes, or say --all for everything that is "
		       "proposed; rouse inbox "
		       "lists them");
}

bool
verb_approve(struct cli *cli, struct err *err)
{
	return decide(cli, &approval, approve_word, err);
}

bool
verb_reject(struct cli *cli, struct err *err)
{
	return decide(cli, &rejection, reject_word, err);
}

/* The user's editor may be a command with arguments, so a shell takes it apart, as git does. */
static bool
editor_run(const char *path, struct err *err)
{
	const char *editor = getenv("VISUAL");
	AUTO(buf_fini) struct buf command = BUF_INIT;
	pid_t pid;
	int status, why;

	if (!editor || !*editor)
		editor = getenv("EDITOR");
	if (!editor || !*editor)
		editor = "vi";
	buf_printf(&command, "%s \"$@\"", editor);
	{
		const char *const argv[] = {"sh", "-c", buf_cstr(&command), editor, path, NULL};

		why = posix_spawn(&pid, "/bin/sh", NULL, NULL, (char *const *)argv, environ);
	}
	if (why)
		return err_errno(err, why, "cannot start %s", editor);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(err, errno, "waiting for %s", editor);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(err, E_INVALID, "%s failed; nothing was changed", editor);
	return true;
}

/* What the change would make, as the user leaves it in the editor. */
bool
edit_by_hand(const json_t *after, json_t **ret, struct err *err)
{
	const char *folder = getenv("TMPDIR");
	AUTO(buf_fini) struct buf path = BUF_INIT, text = BUF_INIT;
	AUTO(auto_close) int fd = -1;
	bool ok;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(err, E_USAGE, "here is no terminal for an editor; say --data FILE");
	buf_printf(&path, "%s/rouse-edit-XXXXXX.json", folder && *folder ? folder : "/tmp");
	fd = mkstemps(path.data, 5);
	if (fd < 0)
		return err_errno(err, errno, "cannot make %s", buf_cstr(&path));
	json_write_pretty(&text, after);
	buf_putc(&text, '\n');
	ok = os_write_all(fd, buf_str(&text), err) && editor_run(buf_cstr(&path), err);
	buf_clear(&text);
	ok = ok && os_read_file(buf_cstr(&path), EDIT_MAX, &text, err) &&
	     json_read(buf_str(&text), ret, err);
	unlink(buf_cstr(&path));
	return ok;
}

bool
verb_edit(struct cli *cli, struct err *err)
{
	AUTO(client_reply_fini)
	struct client_reply now = CLIENT_REPLY_INIT, reply = CLIENT_REPLY_INIT;
	AUTO(json_auto_decref) json_t *body = json_object();
	AUTO(json_auto_decref) json_t *after = NULL;
	const char *from = cli_opt(cli, "data");
	const json_t *before;

	if (!cli_get(cli, &now, err, "/v1/changes/%s", cli_arg(cli, 0)))
		return false;
	if (!change_is(now.json, "proposed"))
		return err_set(err, E_STATE, "change %s is %s; only a proposed one can be edited",
			       cli_arg(cli, 0), change_status(now.json));
	before = json_object_get(now.json, "after");
	if (from ? !cli_data_json("--data", from, &after, err)
		 : !edit_by_hand(before ? before : json_null(), &after, err))
		return false;
	if (json_equal(before, after)) {
		cli_note("It is as it was; nothing was changed.");
		return true;
	}
	json_object_set(body, "after", after);
	json_put_str(body, "reason", cli_opt(cli, "reason"));
	if (!cli_post(cli, body, &reply, err, "/v1/changes/%s/edit", cli_arg(cli, 0)))
		return false;
	if (cli_json(cli, &reply))
		return true;
	diff_print_fields(&cli->out, reply.json);
	return true;
}
