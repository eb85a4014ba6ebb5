/* The terminal as a screen: whole pictures out, keys in, and given back as it was. */
/* SPDX-License-Identifier: MIT */
#include "cli/tty.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/os.h"
#include "cli/text.h"

#define ENTER "\x1b[?1049h\x1b[?25l"
#define LEAVE "\x1b[0m\x1b[?25h\x1b[?1049l"
#define ESCAPE_MS 50 /* within which the rest of a key's bytes comes */

/* One process has one terminal; signal handlers need to find it. */
static struct termios before;
static volatile sig_atomic_t raw, resized;
static pid_t screen_pid; /* in the one that waits */

static const int deadly[] = {SIGHUP,  SIGTERM, SIGINT, SIGQUIT, SIGABRT,
			     SIGSEGV, SIGBUS,  SIGFPE, SIGILL,	SIGPIPE};

/* Safe in a signal handler. */
static void
give_back(void)
{
	ssize_t ignored;

	if (!raw)
		return;
	raw = 0;
	ignored = write(STDOUT_FILENO, LEAVE, sizeof(LEAVE) - 1);
	(void)ignored;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static void
on_death(int sig)
{
	give_back();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void
on_resize(int sig)
{
	(void)sig;
	resized = 1;
}

/* The one that waits hands on what it is told to die of. */
static void
on_forward(int sig)
{
	if (screen_pid > 0)
		kill(screen_pid, sig);
}

static void
handle(int sig, void (*fn)(int))
{
	struct sigaction action = {.sa_handler = fn};

	sigemptyset(&action.sa_mask);
	sigaction(sig, &action, NULL);
}

/* A change of size is heard of while we wait for a key, and not between. */
static void
resize_mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(how, &set, NULL);
}

void
tty_enter(void)
{
	struct termios now = before;
	ssize_t ignored;

	resize_mask(SIG_BLOCK);

	cfmakeraw(&now);
	now.c_cc[VMIN] = 1;
	now.c_cc[VTIME] = 0;
	raw = 1;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
	ignored = write(STDOUT_FILENO, ENTER, sizeof(ENTER) - 1);
	(void)ignored;
}

void
tty_leave(void)
{
	give_back();
	resize_mask(SIG_UNBLOCK);
}

void
tty_close(void)
{
	give_back();
}

void
tty_suspend(void)
{
	give_back();
	kill(0, SIGTSTP);
	tty_enter();
	resized = 1;
}

/* Never returns: whatever ends the screen, the terminal is as it was before this process ends. */
static void
stand_by(void)
{
	int status = 0;

	for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
		handle(deadly[i], on_forward);
	while (waitpid(screen_pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	if (WIFSIGNALED(status)) {
		raw = 1;
		give_back();
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

bool
tty_open(struct err *err)
{
	const char *term = getenv("TERM");
	pid_t parent = getpid();

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(err, E_USAGE,
			       "here is no terminal; rouse diff shows the same, rouse diff --csv "
			       "and rouse review --import decide without one");
	if (!term || !*term || !strcmp(term, "dumb"))
		return err_set(err, E_USAGE,
			       "TERM=%s: this terminal cannot move its cursor; rouse diff shows "
			       "the same",
			       term ? term : "");
	if (tcgetattr(STDIN_FILENO, &before))
		return err_errno(err, errno, "cannot ask the terminal how it is");
	screen_pid = fork();
	if (screen_pid < 0)
		return err_errno(err, errno, "cannot start");
	if (screen_pid > 0)
		stand_by();
	prctl(PR_SET_PDEATHSIG, SIGHUP);
	if (getppid() != parent)
		_exit(1);
	for (size_t i = 0; i < ARRAY_LEN(deadly); i++)
		handle(deadly[i], on_death);
	handle(SIGWINCH, on_resize);
	atexit(give_back);
	tty_enter();
	return true;
}

void
tty_size(unsigned *ret_columns, unsigned *ret_rows)
{
	struct winsize size;

	*ret_columns = 80;
	*ret_rows = 24;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		return;
	*ret_columns = size.ws_col;
	*ret_rows = size.ws_row;
}

/* --- keys ---------------------------------------------------------------------------------- */

/* The next byte; -1: none in time, -2: the terminal is gone, -3: its size is another. */
static int
byte_read(int timeout_ms)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned char byte;
	sigset_t none;
	struct timespec timeout = {timeout_ms / 1000, (long)(timeout_ms % 1000) * 1000000};
	int n;

	sigemptyset(&none);
	if (resized)
		return -3;
	n = ppoll(&fd, 1, timeout_ms < 0 ? NULL : &timeout, &none);
	if (n < 0)
		return errno == EINTR ? (resized ? -3 : -1) : -2;
	if (!n)
		return -1;
	n = (int)read(STDIN_FILENO, &byte, 1);
	if (n < 0 && errno == EINTR)
		return -1;
	return n == 1 ? byte : -2;
}

static const struct {
	const char *bytes;
	int key;
} sequences[] = {
	{"[A", KEY_UP},	      {"[B", KEY_DOWN},	      {"[C", KEY_RIGHT},   {"[D", KEY_LEFT},
	{"OA", KEY_UP},	      {"OB", KEY_DOWN},	      {"OC", KEY_RIGHT},   {"OD", KEY_LEFT},
	{"[H", KEY_HOME},     {"[F", KEY_END},	      {"OH", KEY_HOME},	   {"OF", KEY_END},
	{"[1~", KEY_HOME},    {"[4~", KEY_END},	      {"[7~", KEY_HOME},   {"[8~", KEY_END},
	{"[5~", KEY_PAGE_UP}, {"[6~", KEY_PAGE_DOWN}, {"[3~", KEY_DELETE},
};

/* Behind an ESC. */
static int
sequence_read(void)
{
	char bytes[16];
	size_t len = 0;

	for (;;) {
		int byte = byte_read(ESCAPE_MS);

		if (byte < 0)
			return len ? KEY_OTHER : KEY_ESCAPE;
		if (len == sizeof(bytes) - 1)
			return KEY_OTHER;
		bytes[len++] = (char)byte;
		/* CSI and SS3 end with a letter or a tilde. */
		if (len == 1 && (byte == '[' || byte == 'O'))
			continue;
		if (len == 1 || (byte >= 0x40 && byte <= 0x7e))
			break;
	}
	bytes[len] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(sequences); i++)
		if (!strcmp(sequences[i].bytes, bytes))
			return sequences[i].key;
	return KEY_OTHER;
}

/* The rest of a character of UTF-8. */
static int
character_read(int first)
{
	char bytes[4] = {(char)first};
	size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
	uint32_t code;

	for (size_t i = 1; i < len; i++) {
		int byte = byte_read(ESCAPE_MS);

		if (byte < 0)
			return KEY_OTHER;
		bytes[i] = (char)byte;
	}
	return len && str_utf8_next(str_make(bytes, len), &code) ? (int)code : KEY_OTHER;
}

int
tty_key(int timeout_ms)
{
	for (;;) {
		int byte = byte_read(timeout_ms);

		if (byte == -3) {
			resized = 0;
			return KEY_RESIZE;
		}
		if (byte == -2)
			return KEY_GONE;
		if (byte == -1 && timeout_ms >= 0)
			return KEY_NONE;
		if (byte == -1)
			continue;
		if (byte == KEY_ESCAPE)
			return sequence_read();
		if (byte == '\n')
			return KEY_ENTER;
		if (byte == 8)
			return KEY_BACKSPACE;
		return byte < 0x80 ? byte : character_read(byte);
	}
}

/* --- pictures ------------------------------------------------------------------------------ */

void
tty_bar(struct buf *out, unsigned columns, bool reverse, struct str text)
{
	AUTO(buf_fini) struct buf cut = BUF_INIT;
	unsigned used;

	text_cut(&cut, text, columns);
	used = text_width(buf_str(&cut));
	if (reverse)
		buf_puts(out, "\x1b[7m");
	buf_add_str(out, buf_str(&cut));
	if (reverse) {
		for (; used < columns; used++)
			buf_putc(out, ' ');
		buf_puts(out, "\x1b[0m");
	}
	buf_putc(out, '\n');
}

bool
tty_draw(struct str lines, int cursor_row, int cursor_column, struct err *err)
{
	AUTO(buf_fini) struct buf out = BUF_INIT;
	unsigned columns, rows, row = 0;
	struct str rest = lines, line;

	tty_size(&columns, &rows);
	buf_puts(&out, "\x1b[?25l\x1b[H");
	while (rest.p && row < rows) {
		rest = str_split(rest, '\n', &line);
		if (!rest.p && !line.len)
			break;
		if (row++)
			buf_puts(&out, "\r\n");
		buf_add_str(&out, line);
		buf_puts(&out, "\x1b[0m\x1b[K");
	}
	buf_puts(&out, "\x1b[J");
	if (cursor_row >= 0)
		buf_printf(&out, "\x1b[%d;%dH\x1b[?25h", cursor_row + 1, cursor_column + 1);
	return os_write_all(STDOUT_FILENO, buf_str(&out), err);
}
