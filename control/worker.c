/* Threads that take what is due. */
#define _GNU_SOURCE
#include "control/run.h"
#include "lib/clock.h"
#include "lib/mem.h"

#define IDLE (60 * CLOCK_SECOND)

/* What was done is recorded before the end. */
static void finish(struct worker *w)
{
	struct task *task;
	bool gone;

	while ((task = store_take_left(w->control->store)) != NULL) {
		int64_t due_us = run_task(w, task, &gone);
		store_give(w->control->store, task, due_us, gone);
	}
}

static void *work(void *context)
{
	struct worker w = { .control = context };

	pthread_setname_np(pthread_self(), "worker");
	while (!atomic_load(&w.control->stopping)) {
		struct task *task = store_take(w.control->store, &w.control->stopping, IDLE);
		bool gone;

		if (task == NULL) {
			/* a connection that nobody uses is closed by some server some day */
			ldap_session_close(&w.session);
			continue;
		}
		int64_t due_us = run_task(&w, task, &gone);
		store_give(w.control->store, task, due_us, gone);
	}
	finish(&w);
	ldap_session_close(&w.session);
	return NULL;
}

int workers_start(struct control *c)
{
	size_t wanted = (size_t)c->settings->config->control.workers;

	c->workers = mem_zalloc(wanted * sizeof *c->workers);
	for (c->worker_count = 0; c->worker_count < wanted; c->worker_count++)
		if (pthread_create(&c->workers[c->worker_count], NULL, work, c) != 0)
			return -1;
	return 0;
}

void workers_stop(struct control *c)
{
	if (c->store != NULL)
		store_stop(c->store);
	for (size_t i = 0; i < c->worker_count; i++)
		pthread_join(c->workers[i], NULL);
	c->worker_count = 0;
	mem_free(&c->workers);
}
