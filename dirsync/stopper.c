#define _GNU_SOURCE
#include "dirsync/stopper.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "dirsync/exits.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/runner.h"
#include "lib/sdnotify.h"

struct stopper {
	struct stopper_options options;
	pthread_t thread;
	atomic_bool over;
};

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

void stopper_block(void)
{
	sigset_t set;

	signal_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* False: the time is over. deadline_us: monotonic. */
static bool next_signal(int64_t deadline_us)
{
	sigset_t set;
	int64_t left = deadline_us - clock_mono_us();

	if (left <= 0)
		return false;
	const struct timespec patience = {
		.tv_sec = left / CLOCK_SECOND,
		.tv_nsec = left % CLOCK_SECOND * 1000,
	};
	signal_set(&set);
	sigtimedwait(&set, NULL, &patience);
	return true;
}

static void wait_for_signal(void)
{
	sigset_t set;
	int got;

	signal_set(&set);
	sigwait(&set, &got);
}

_Noreturn static void end_now(struct stopper *stopper)
{
	struct str busy = STR_INIT;

	if (stopper->options.late != NULL)
		stopper->options.late(stopper->options.context, &busy);
	log_warning("dirsync",
		"not stopped within stop_timeout, ends as it is: what is under way is left to the "
		"next run busy=\"%s\"",
		str_cstr(&busy));
	sdnotify("STATUS=ended without %s", busy.len > 0 ? busy.data : "what was under way");
	runner_kill_all();
	_exit(DIRSYNC_EXIT_FAILED);
}

static void *guard(void *context)
{
	struct stopper *stopper = context;
	const struct stopper_options *options = &stopper->options;

	pthread_setname_np(pthread_self(), "stopper");
	wait_for_signal();
	if (atomic_load(&stopper->over))
		return NULL;
	int64_t deadline_us = clock_mono_us() + options->limit(options->context);
	atomic_store(options->stop, true);
	if (options->asked != NULL)
		options->asked(options->context);
	while (next_signal(deadline_us))
		if (atomic_load(&stopper->over))
			return NULL;
	end_now(stopper);
}

struct stopper *stopper_start(const struct stopper_options *options)
{
	struct stopper *stopper = mem_zalloc(sizeof *stopper);

	stopper->options = *options;
	if (pthread_create(&stopper->thread, NULL, guard, stopper) != 0)
		mem_free(&stopper);
	return stopper;
}

void stopper_end(struct stopper **stopper)
{
	struct stopper *s = *stopper;

	if (s == NULL)
		return;
	atomic_store(&s->over, true);
	pthread_kill(s->thread, SIGTERM); /* wakes it, and nobody else */
	pthread_join(s->thread, NULL);
	mem_free(stopper);
}
