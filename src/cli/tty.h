/* The terminal as a screen: whole pictures out, keys in, and given back as it was, whatever kills
 * us. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_CLI_TTY_H
#define ROUSE_CLI_TTY_H

#include "base/buf.h"
#include "base/err.h"

enum tty_key {
	KEY_NONE = 0,
	/* up to 0x10ffff: the character; control keys are 1 to 31 */
	KEY_UP = 0x110000,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_HOME,
	KEY_END,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_DELETE,
	KEY_RESIZE, /* its size is another now */
	KEY_GONE,   /* the terminal is */
	KEY_OTHER
};
#define KEY_CTRL(c) ((c)&31)
#define KEY_ENTER '\r'
#define KEY_ESCAPE 27
#define KEY_BACKSPACE 127

/* Splits this process: the one that returns has the screen to itself, the other one waits for its
 * end, gives the terminal back if it could not do that itself, and ends as it did. To be called
 * before anything else is open. E_USAGE where there is no terminal, or one that cannot move its
 * cursor. */
bool tty_open(struct err *err);
/* The terminal as it was. */
void tty_close(void);
/* For another program (an editor) in between. */
void tty_leave(void);
void tty_enter(void);
/* Stops us as Ctrl-Z does, until the shell goes on with us. */
void tty_suspend(void);

/* At least 1 each. */
void tty_size(unsigned *ret_columns, unsigned *ret_rows);
/* Waits for a key. timeout_ms -1: for ever; otherwise KEY_NONE when it is over. */
int tty_key(int timeout_ms);
/* A line of our own words and strangers' (escaped), cut to the width; reverse: filled up to it. */
void tty_bar(struct buf *out, unsigned columns, bool reverse, struct str text);
/* Lines from the top, each at most as wide as the screen; the rest is cleared. The cursor is hidden
 * where cursor_row is -1. */
bool tty_draw(struct str lines, int cursor_row, int cursor_column, struct err *err);

#endif
