/* Checking jq programs, of a configuration that waits for it: many in one go. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_JAIL_CHECK_H
#define ROUSE_IO_JAIL_CHECK_H

#include "io/jail.h"

struct jail_checker *jail_checker_new(struct event_base *base, const char *program_path);
void jail_checker_free(struct jail_checker *checker);
/* As jail_check() and jail_check_all(). */
bool jail_checker_one(struct jail_checker *checker, const char *program, struct err *err);
void jail_checker_all(struct jail_checker *checker, const char *const *programs, size_t count,
		      jail_on_wrong *on_wrong, void *arg);

/* The program in a form that compiles exactly where it does, and that others share which only
 * differ in what their numbers and strings say. False: it has none, because a bracket, a string or
 * a comment does not end inside of it (then it could not stand in parentheses, as one of several),
 * or because it is a module. */
bool jail_program_form(struct str program, struct buf *ret);

#endif
