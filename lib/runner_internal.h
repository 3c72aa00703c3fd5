/* What the files of lib/runner.h share. */
#ifndef RESTANTE_LIB_RUNNER_INTERNAL_H
#define RESTANTE_LIB_RUNNER_INTERNAL_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/words.h"

struct runner_child {
	pid_t pid;     /* also of its process group */
	int out, said; /* our ends, that do not block; -1: closed */
	int gone;      /* readable once it has ended; -1 where the kernel has none */
};

/*
 * 0, or errno; ETIME: it is too late to begin. input: -1 = /dev/null. latest_us, end_us:
 * CLOCK_BOOTTIME; begun before the one, killed by the guard at the other; 0 = none.
 */
int runner_spawn(const struct words *words, const char *const *environment, int input,
	int64_t latest_us, int64_t end_us, struct runner_child *child_r);

/* --- the guard (runner_guard.c) --------------------------------------------------------------- */

/* 0 and the socket to it, or errno. It is started, or started again, where there is none. */
int guard_hold(int *to_r);
/* By the process that becomes the program: 0, or errno. Async-signal-safe. */
int guard_watch(int to, pid_t group, int64_t end_us);
void guard_remember(pid_t group, int64_t end_us);
/* Before its process is waited for: its number may be another's then. */
void guard_forget(pid_t group);

#endif
