/* Fakes of the kinds and of the jail: what core_rig.c drives them by; tests use core_rig.h. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_TESTS_FAKES_KINDS_H
#define ROUSE_TESTS_FAKES_KINDS_H

#include "tests/unit/core_rig.h"

extern const struct source_kind *const fake_source_kinds[];
extern const struct agent_kind *const fake_agent_kinds[];
extern const struct target_kind *const fake_target_kinds[];
extern const struct entity_kind *const fake_entity_kinds[];
extern const struct notify_kind *const fake_notify_kinds[];

/* Answers what is asked: those that wait, or the others. True: there was something. */
bool jail_answers(bool waiting);
/* The daemon ends: every question gets an answer, so that nothing leaks. */
void jail_gives_up(void);
bool calls_answer(void);
bool mails_answer(void);
/* Nobody takes what an earlier daemon sent; forget: it never was. */
void mails_give_up(bool forget);
/* No target answers any more what an earlier daemon asked. */
void calls_give_up(void);
/* What agents printed meanwhile is handed to core. */
void agents_feed(void);
void kinds_forget(void);

#endif
