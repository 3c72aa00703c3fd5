/* What the kernel says of this process, from /proc/self. */
#ifndef RESTANTE_LIB_PROCSTAT_H
#define RESTANTE_LIB_PROCSTAT_H

#include <stdint.h>

struct procstat {
	uint64_t cpu_us; /* user and system */
	uint64_t resident_bytes;
	uint64_t descriptors, descriptors_max;
};

/* What cannot be told is 0. */
void procstat_read(struct procstat *stat_r);

#endif
