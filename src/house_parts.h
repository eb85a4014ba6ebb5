/* The house: what the room that builds it shares with the one that loads its configuration. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_HOUSE_PARTS_H
#define ROUSE_HOUSE_PARTS_H

#include "api/api.h"
#include "house.h"
#include "model/model.h"

struct house {
	struct core core;
	struct conf_schema schema;
	char *config, *state_dir, *spool_root, *shim_path, *git_path, *mime_path, *socket;
	struct api *api;
	struct model *model;
	struct api_host host;
	json_t *listening;
	struct event *signals[4], *interrupt;
	struct core_timer *idle, *repeats, *watchdog, *drain;
	uint64_t idle_commits;
	struct mono drain_since;
	char *rehearsal;	   /* folder; NULL: this is no rehearsal */
	struct takeover *takeover; /* where it is asked to hand over; NULL */
	struct heirloom *heirloom; /* of the one before; NULL */
	int old;		   /* who waits to hear that this one is up; -1 */
	pid_t successor;	   /* who asked for that */
	struct core_timer *hand;
	struct mono hand_since;
	bool hands_over;
	bool stop, idling, repeating;
	int status;
};

/* --- house_hand.c --- */

/* Can be asked to hand over from here on; where it cannot, that is logged. */
void house_hand_listen(struct house *house);

/* --- house_conf.c --- */

/* Where a program of ours lies; owned. */
char *house_helper(const char *name);
/* Loads a generation. What is wrong goes to ret_report, a line each; NULL when there was an error.
 */
struct registry *house_load(struct house *house, struct buf *ret_report, struct err *err);
/* An api_host's reload: the new generation, or the old one goes on. ret_answer may be NULL. */
bool house_reload(void *arg, json_t *ret_answer, struct err *err);
void house_log_setup(const struct conf *conf);
struct http_limits house_http_limits(const struct conf *conf);

#endif
