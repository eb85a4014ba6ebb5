/* Tokens: a command of the operator's prints one, in its own time. */
/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/os.h"
#include "io/proc.h"
#include "triggers/imap/mailbox.h"

#define TOKEN_MAX 16384
#define TOKEN_S 30

struct token {
	struct proc *proc;
	struct event *read, *limit;
	int fd;
	struct buf out;
	bool eof, exited, late;
	int status;
	token_on_done *on_done;
	void *arg;
};

void
token_cancel(struct token *token)
{
	if (!token)
		return;
	if (token->proc && !token->exited)
		proc_signal(token->proc, SIGKILL);
	proc_free(token->proc);
	if (token->read)
		event_free(token->read);
	if (token->limit)
		event_free(token->limit);
	if (token->fd >= 0)
		close(token->fd);
	if (token->out.data)
		mem_zero(token->out.data, token->out.cap);
	buf_fini(&token->out);
	free(token);
}

static void
token_end(struct token *token)
{
	AUTO(err_fini) struct err err = ERR_INIT;
	struct str text = str_trim(buf_str(&token->out));

	if (!token->eof || !token->exited)
		return;
	if (token->late)
		err_set(&err, E_TIMEOUT, "oauth_command prints no token within %d s", TOKEN_S);
	else if (!WIFEXITED(token->status) || WEXITSTATUS(token->status))
		err_set(&err, E_UNAVAILABLE, "oauth_command fails (status %d)",
			WIFEXITED(token->status) ? WEXITSTATUS(token->status) : token->status);
	else if (!text.len || token->out.len > TOKEN_MAX || memchr(text.p, '\n', text.len) ||
		 memchr(text.p, '\0', text.len))
		err_set(&err, E_INVALID, "oauth_command must print a token, on one line");
	token->on_done(token->arg, text, &err);
	token_cancel(token);
}

static void
on_exit_(void *arg, int wait_status)
{
	struct token *token = arg;

	token->exited = true;
	token->status = wait_status;
	token_end(token);
}

static void
on_readable(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct token *token = arg;
	ssize_t n;

	buf_reserve(&token->out, TOKEN_MAX + 2);
	n = read(fd, token->out.data + token->out.len, TOKEN_MAX + 1 - token->out.len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		token->out.len += (size_t)n;
		if (token->out.len <= TOKEN_MAX)
			return;
		proc_signal(token->proc, SIGKILL);
	}
	event_del(token->read);
	token->eof = true;
	token_end(token);
}

/* What it has started may hold the pipe: that is waited for no longer either. */
static void
on_late(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct token *token = arg;

	token->late = token->eof = true;
	event_del(token->read);
	if (!token->exited)
		proc_signal(token->proc, SIGKILL);
	token_end(token);
}

struct token *
token_start(struct event_base *base, const char *command, token_on_done *on_done, void *arg,
	    struct err *err)
{
	struct token *token = mem_alloc(sizeof(*token));
	struct timeval limit = {TOKEN_S, 0};
	char **words = NULL;
	char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
	const char *const env[] = {path, NULL};
	int pipe_fds[2];

	token->fd = -1;
	token->on_done = on_done;
	token->arg = arg;
	if (!proc_split(command, &words, err)) {
		token_cancel(token);
		return NULL;
	}
	if (pipe2(pipe_fds, O_CLOEXEC)) {
		err_errno(err, errno, "cannot make a pipe");
		proc_words_free(words);
		token_cancel(token);
		return NULL;
	}
	token->fd = pipe_fds[0];
	os_nonblock(token->fd, true);
	token->proc = proc_spawn(base,
				 &(struct proc_spec){.argv = (const char *const *)words,
						     .envp = env,
						     .stdin_fd = -1,
						     .stdout_fd = pipe_fds[1],
						     .stderr_fd = -1,
						     .new_session = true},
				 on_exit_, token, err);
	close(pipe_fds[1]);
	proc_words_free(words);
	if (!token->proc) {
		err_prefix(err, "oauth_command");
		token_cancel(token);
		return NULL;
	}
	token->read = event_new(base, token->fd, EV_READ | EV_PERSIST, on_readable, token);
	token->limit = evtimer_new(base, on_late, token);
	if (!token->read || !token->limit || event_add(token->read, NULL) ||
	    event_add(token->limit, &limit))
		abort(); /* out of memory */
	return token;
}
