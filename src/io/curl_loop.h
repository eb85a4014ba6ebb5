/* libcurl's multi interface on the loop: it says what it waits for, libevent tells it. */
/* SPDX-License-Identifier: MIT */
#ifndef ROUSE_IO_CURL_LOOP_H
#define ROUSE_IO_CURL_LOOP_H

#include "io/curl.h"

struct event;
struct event_base;

struct curl_loop {
	struct event_base *base;
	CURLM *multi; /* NULL: not open */
	struct event *timer;
	/* A transfer is over; it may be removed from within, the loop may not be closed. */
	void (*on_done)(void *arg, CURL *easy, CURLcode code);
	void *arg;
};

/* After curl_load(). Nothing when it is open already. */
void curl_loop_open(struct curl_loop *loop, struct event_base *base,
		    void (*on_done)(void *arg, CURL *easy, CURLcode code), void *arg);
/* Its handles must have been removed. */
void curl_loop_close(struct curl_loop *loop);

#endif
