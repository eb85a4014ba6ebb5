/* The house: every room of the daemon, built in order, taken down in reverse. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HOUSE_H
#define ROUSE_HOUSE_H

#include "conf/conf.h"

/* The tables of every kind that this program knows. */
void house_schema(struct conf_schema *schema);
/* `roused -t`: loads, prints what is wrong to standard error. True when nothing is. */
bool house_check(const char *config, const char *const *extra, size_t extra_count);
/* `roused --doctor`: what can be seen from the outside (core/doctor.h), an object a line. */
void house_doctor(const char *config);

struct house;
struct heirloom;
struct passed;
struct registry;
/* What it begins with. */
/* `roused --restore FILE`: exit status. */
int house_restore(const char *config, const char *backup);
struct house_from {
	const char *rehearsal;	   /* house_new_rehearsal()'s folder; NULL */
	bool take_over;		   /* the one that runs hands over */
	struct registry *registry; /* instead of the configuration's files; NULL */
	struct heirloom *heirloom; /* goes on with this; NULL */
	struct passed *passed; /* sockets of the service manager; those that it takes are taken */
};
/* from->heirloom is taken, also on failure. */
bool house_new_from(const char *config, const struct house_from *from, struct house **ret,
		    struct err *err);
/* Builds everything up to listening. What is wrong with the configuration has been printed when err
 * is E_CONFIG. */
bool house_new(const char *config, struct house **ret, struct err *err);
/* The same, to be asked what would happen: state and socket (rouse.sock) are in folder, nobody else
 * is listened to, nothing is admitted, and only what follows a calendar is started. */
bool house_new_rehearsal(const char *config, const char *folder, struct house **ret,
			 struct err *err);
/* Runs until SIGTERM or a fatal error; returns the exit status. */
int house_run(struct house *house);
/* It has ended to hand over: frees it, and all is given to who asked. True: that one is up. False:
 * it is not, and *ret_from is what the house is built anew with. */
bool house_hands_over(const struct house *house);
bool house_give(struct house *take_house, struct house_from *ret_from, struct err *err);
void house_free(struct house *house);

#endif
