/* Tests: what blocks runs on threads, and comes back as events. */
/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

#include <event2/event.h>

#include "io/work.h"
#include "tests/unit/tap.h"

static struct event_base *base;
static struct work_pool *pool;
static pthread_t loop;
static sem_t gate;

struct piece {
	int ran, told;
	bool elsewhere, blocked, again;
};

static void
run_quick(void *arg)
{
	struct piece *piece = arg;
	sigset_t set;
	piece->ran++;
	piece->elsewhere = !pthread_equal(pthread_self(), loop);
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	piece->blocked = sigismember(&set, SIGTERM);
}

static void
run_gated(void *arg)
{
	sem_wait(&gate);
	run_quick(arg);
}

static void
done(void *arg)
{
	struct piece *piece = arg;
	piece->told += pthread_equal(pthread_self(), loop) ? 1 : 100;
	if (piece->again) {
		piece->again = false;
		work_submit(pool, run_quick, done, piece, NULL);
	}
}

static void
wait_told(const struct piece *piece, int times)
{
	while (piece->told < times)
		event_base_loop(base, EVLOOP_ONCE);
}

int
main(void)
{
	struct piece pieces[100] = {{0}};
	base = event_base_new();
	loop = pthread_self();
	sem_init(&gate, 0, 0);
	pool = work_pool_new(base, 2, 5);
	IT ("runs on another thread without signals, and tells in the loop, never from within") {
		CHECK(work_submit(pool, run_quick, done, &pieces[0], NULL));
		CHECK_INT(pieces[0].told, 0);
		wait_told(&pieces[0], 1);
		CHECK_INT(pieces[0].ran, 1);
		CHECK_INT(pieces[0].told, 1);
		CHECK(pieces[0].elsewhere && pieces[0].blocked);
	}
	IT ("takes more from the one who is told") {
		pieces[1].again = true;
		CHECK(work_submit(pool, run_quick, done, &pieces[1], NULL));
		wait_told(&pieces[1], 2);
		CHECK_INT(pieces[1].ran, 2);
	}
	IT ("refuses when too many wait, and serves all that it took") {
		struct err err = ERR_INIT;
		int taken = 0;
		for (int i = 10; i < 40; i++)
			taken += work_submit(pool, run_gated, done, &pieces[i], &err);
		CHECK(taken >= 5 && taken <= 7); /* two may run already */
		CHECK_INT(err.code, E_FULL);
		err_fini(&err);
		for (int i = 0; i < taken; i++)
			sem_post(&gate);
		int told = 0;
		while (told < taken) {
			event_base_loop(base, EVLOOP_ONCE);
			told = 0;
			for (int i = 10; i < 40; i++)
				told += pieces[i].told;
		}
		CHECK_INT(told, taken);
	}
	IT ("waits at its end for what runs, and tells of nothing") {
		CHECK(work_submit(pool, run_gated, done, &pieces[50], NULL));
		CHECK(work_submit(pool, run_gated, done, &pieces[51], NULL));
		CHECK(work_submit(pool, run_gated, done, &pieces[52], NULL));
		for (int i = 0; i < 3; i++)
			sem_post(&gate);
		work_pool_free(pool);
		event_base_loop(base, EVLOOP_NONBLOCK);
		CHECK_INT(pieces[50].told + pieces[51].told + pieces[52].told, 0);
		work_pool_free(NULL);
	}
	event_base_free(base);
	sem_destroy(&gate);
	return tap_done();
}
