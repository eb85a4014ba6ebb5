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
#include "cli/run.h"

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

/* A run of which nothing is proposed (any more): as a change that is decided, refused. */
static bool
nothing_decided(const struct decision *decision, const struct change_set *set, struct err *err)
{
	AUTO(buf_fini) struct buf counts = BUF_INIT;

	change_count_text(set->items, &counts);
	return err_set(err, E_STATE, "nothing of run %s is proposed, so nothing was %s%s%s",
		       set->run, decision->done, counts.len ? ": " : "", buf_cstr(&counts));
}

static bool
decide_run(struct cli *cli, const struct decision *decision, const struct change_set *set,
	   struct err *err)
{
	AUTO(client_reply_fini) struct client_reply reply = CLIENT_REPLY_INIT;
	const char *digest = cli_opt(cli, "digest");
	AUTO(json_auto_decref) json_t *body = decision_body(cli, digest ? digest : set->digest);
	int64_t changed, skipped;

	if (!cli_post(cli, body, &reply, err, "/v1/runs/%s/%s", set->run, decision->verb))
		return false;
	changed = json_int(reply.json, "changed", -1);
	skipped = json_int(reply.json, "skipped", 0);
	if (changed < 0)
		return err_set(err, E_CORRUPT, "the daemon did not say how many changes it %s",
			       decision->done);
	if (!changed)
		return nothing_decided(decision, set, err);
	if (cli_json(cli, &reply))
		return true;
	print_f(&cli->out, "%s %lld change%s of run ", decision->done, (long long)changed,
		changed == 1 ? "" : "s");
	print_text(&cli->out, set->run);
	if (skipped)
		print_f(&cli->out, ", skipped %lld", (long long)skipped);
	print_f(&cli->out, "\n");
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
	return true;
}

static bool
plan(struct cli *cli, const struct decision *decision, const json_t *items)
{
	const json_t *change;
	size_t i;

	if (cli->out.json) {
		json_array_foreach (items, i, change) {
			AUTO(buf_fini) struct buf line = BUF_INIT;

			json_write(&line, change);
			print_json(&cli->out, buf_str(&line));
		}
		return true;
	}
	print_f(&cli->out, "Would be %s:\n", decision->done);
	diff_print(&cli->out, items, &(struct diff_options){.each = 10});
	return true;
}

/* Proposed changes, one by one, each under the digest that we were shown. */
static bool
decide_items(struct cli *cli, const struct decision *decision, const json_t *items, struct err *err)
{
	size_t i, refused = 0;
	const json_t *change;

	json_array_foreach (items, i, change) {
		struct err why = ERR_INIT;

		if (!decide_change(cli, decision, change, &why)) {
			if (why.code == E_UNAVAILABLE)
				return err_move(err, &why);
			err_prefix(&why, "%s",
				   json_str(change, "id") ? json_str(change, "id") : "?");
			cli_complain(&why);
			err_fini(&why);
			refused++;
		}
		if (!print_flush(&cli->out, err))
			return false;
	}
	if (!json_array_size(items))
		cli_note("Nothing of it is proposed.");
	if (refused)
		return err_set(err, E_STATE, "%zu of %zu were not %s; why is said above", refused,
			       json_array_size(items), decision->done);
	return true;
}

static bool
decide_word(struct cli *cli, const struct decision *decision, const char *word, struct err *err)
{
	AUTO(change_set_fini) struct change_set set = CHANGE_SET_INIT;
	AUTO(json_auto_decref) json_t *open = NULL;
	const char *where = cli_opt(cli, "where"), *digest = cli_opt(cli, "digest");

	if (!change_set_get(cli, word, &set, err))
		return false;
	if (digest && !set.run)
		return err_set(err, E_USAGE, "--digest is for runs; %s is one change", word);
	open = change_pick(set.items, "proposed");
	if (where && !change_keep_where(open, where, err))
		return false;
	if (cli_has(cli, "plan"))
		return plan(cli, decision, open);
	if (where && digest && strcmp(digest, set.digest ? set.digest : ""))
		return err_set(
			err, E_STATE,
			"the changes of run %s are not what was shown any more; look at them "
			"again: rouse diff %s",
			word, word);
	if (where)
		return decide_items(cli, decision, open, err);
	return set.run ? decide_run(cli, decision, &set, err)
		       : decide_change(cli, decision, json_array_get(set.items, 0), err);
}

/* --all without a name: whatever is proposed. */
static bool
decide_all(struct cli *cli, const struct decision *decision, struct err *err)
{
	AUTO(json_auto_decref) json_t *items = NULL;

	if (cli_has(cli, "digest"))
		return err_set(err, E_USAGE, "--digest is for a run by name");
	if (!cli_fetch_all(cli, "/v1/changes?status=proposed", CHANGE_MOST, &items, err))
		return false;
	if (cli_opt(cli, "where") && !change_keep_where(items, cli_opt(cli, "where"), err))
		return false;
	return cli_has(cli, "plan") ? plan(cli, decision, items)
				    : decide_items(cli, decision, items, err);
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
	return err_set(
		err, E_USAGE,
		"name runs or changes, or say --all for everything that is proposed; rouse inbox "
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
static bool
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
