/* What the files of lib/runner.h share. */
#ifndef RESTANTE_LIB_RUNNER_INTERNAL_H
#define RESTANTE_LIB_RUNNER_INTERNAL_H

#include <sys/types.h>

#include "lib/words.h"

struct runner_child {
	pid_t pid;     /* also of its process group */
	int out, said; /* our ends, that do not block; -1: closed */
	int gone;      /* readable once it has ended; -1 where the kernel has none */
};

/* 0, or errno. input: -1 = /dev/null. */
int runner_spawn(const struct words *words, const char *const *environment, int input,
	struct runner_child *child_r);

#endif
