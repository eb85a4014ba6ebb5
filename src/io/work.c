/* Work: a few threads for libraries that block; results come back as events of the loop. */
/* SPDX-License-Identifier: MIT */
#include "io/work.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"

/* A thread that had nothing to do for so long ends. */
#define IDLE_S 10

struct job {
	void (*run)(void *arg);
	void (*done)(void *arg);
	void *arg;
	STAILQ_ENTRY(job) entry;
};

STAILQ_HEAD(jobs, job);

struct work_pool {
	pthread_mutex_t lock;
	pthread_cond_t more, ended; /* something to do; a thread has gone */
	struct jobs waiting, done;
	unsigned threads, max_threads, idle;
	unsigned count, max_waiting;
	bool stopping;
	int fd; /* counts what is done, for the loop */
	struct event *event;
};

/* Waits for a job. NULL: nothing came for a while, or the pool ends. Called with the lock held. */
static struct job *
job_take(struct work_pool *pool)
{
	struct timespec until;
	struct job *job;
	int failed = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_S;
	pool->idle++;
	while (STAILQ_EMPTY(&pool->waiting) && !pool->stopping && !failed)
		failed = pthread_cond_timedwait(&pool->more, &pool->lock, &until);
	pool->idle--;
	job = STAILQ_FIRST(&pool->waiting);
	if (!job || pool->stopping)
		return NULL;
	STAILQ_REMOVE_HEAD(&pool->waiting, entry);
	pool->count--;
	return job;
}

static void *
thread_main(void *arg)
{
	struct work_pool *pool = arg;
	const uint64_t one = 1;
	struct job *job;

	pthread_mutex_lock(&pool->lock);
	while ((job = job_take(pool))) {
		pthread_mutex_unlock(&pool->lock);
		job->run(job->arg);
		pthread_mutex_lock(&pool->lock);
		STAILQ_INSERT_TAIL(&pool->done, job, entry);
		(void)!write(pool->fd, &one, sizeof(one));
	}
	pool->threads--;
	pthread_cond_signal(&pool->ended);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void
on_done(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct work_pool *pool = arg;
	struct jobs done = STAILQ_HEAD_INITIALIZER(done);
	struct job *job;
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
	pthread_mutex_lock(&pool->lock);
	STAILQ_CONCAT(&done, &pool->done);
	pthread_mutex_unlock(&pool->lock);
	while ((job = STAILQ_FIRST(&done))) {
		STAILQ_REMOVE_HEAD(&done, entry);
		job->done(job->arg);
		free(job);
	}
}

struct work_pool *
work_pool_new(struct event_base *base, unsigned threads, unsigned max_waiting)
{
	struct work_pool *pool = mem_alloc(sizeof(*pool));
	pthread_condattr_t monotonic;

	STAILQ_INIT(&pool->waiting);
	STAILQ_INIT(&pool->done);
	pool->max_threads = threads;
	pool->max_waiting = max_waiting;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->more, &monotonic);
	pthread_cond_init(&pool->ended, NULL);
	pthread_condattr_destroy(&monotonic);
	pool->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	pool->event = event_new(base, pool->fd, EV_READ | EV_PERSIST, on_done, pool);
	event_add(pool->event, NULL);
	return pool;
}

static void
jobs_free(struct jobs *jobs)
{
	struct job *job;

	while ((job = STAILQ_FIRST(jobs))) {
		STAILQ_REMOVE_HEAD(jobs, entry);
		free(job);
	}
}

void
work_pool_stop(struct work_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->more);
	while (pool->threads)
		pthread_cond_wait(&pool->ended, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}

void
work_pool_free(struct work_pool *pool)
{
	if (!pool)
		return;
	work_pool_stop(pool);
	event_free(pool->event);
	close(pool->fd);
	jobs_free(&pool->waiting);
	jobs_free(&pool->done);
	pthread_cond_destroy(&pool->more);
	pthread_cond_destroy(&pool->ended);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* Signals are the loop's; a thread gets none. Called with the lock held. */
static bool
thread_start(struct work_pool *pool, struct err *err)
{
	pthread_attr_t detached;
	sigset_t all, before;
	pthread_t thread;
	int failed;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread, &detached, thread_main, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&detached);
	if (failed)
		return err_errno(err, failed, "cannot start a thread");
	pool->threads++;
	return true;
}

bool
work_submit(struct work_pool *pool, void (*run)(void *arg), void (*done)(void *arg), void *arg,
	    struct err *err)
{
	struct job *job = NULL;
	bool ok = true;

	pthread_mutex_lock(&pool->lock);
	if (pool->stopping)
		ok = err_set(err, E_UNAVAILABLE, "the daemon is stopping");
	else if (pool->count >= pool->max_waiting)
		ok = err_set(err, E_FULL, "%u jobs wait already; try again in a moment",
			     pool->count);
	else if (pool->idle <= pool->count && pool->threads < pool->max_threads)
		ok = thread_start(pool, err) || pool->threads > 0;
	if (ok) {
		job = mem_alloc(sizeof(*job));
		*job = (struct job){.run = run, .done = done, .arg = arg};
		STAILQ_INSERT_TAIL(&pool->waiting, job, entry);
		pool->count++;
		pthread_cond_signal(&pool->more);
	}
	pthread_mutex_unlock(&pool->lock);
	return ok;
}
