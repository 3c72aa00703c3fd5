/*
 * What stands under one access address: the mailboxes that claim it, each with all that a lookup
 * needs, or a tombstone where the last claim went. Pure functions on the stored value.
 */
#ifndef RESTANTE_DIRECTORY_CLAIMS_H
#define RESTANTE_DIRECTORY_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "directory/record.h"
#include "lib/str.h"

struct claim {
	uint8_t uuid[ROUTE_UUID_BYTES];
	enum route_state state;
	enum physical_fault fault;
	char system[ROUTE_SYSTEM_MAX + 1];
	char physical[ADDRESS_MAX + 1];
};

struct tombstone {
	int64_t wall_us;
	int64_t mono_us;
	uint64_t process; /* mono_us means something to that process only */
};

struct claims {
	unsigned count;     /* distinct mailboxes */
	struct claim first; /* where count > 0 */
	bool buried;        /* a tombstone, and no claim */
	struct tombstone tombstone;
};

/* -1 where the bytes are no such value. */
int claims_read(const void *value, size_t len, struct claims *claims_r);

/* One claim of a mailbox, to be appended to a value (or to be one). */
void claims_encode(const struct record *mailbox, struct str *out);

/*
 * out = value with everything of that mailbox taken out (and tombstones, too) and, unless
 * mailbox is NULL, its claim put in. The number of claims in out; -1 where the bytes are bad.
 */
int claims_replace(const void *value, size_t len, const uint8_t *uuid, const struct record *mailbox,
	struct str *out);

struct tombstone_clock {
	int64_t wall_us, mono_us; /* now */
	int64_t start_mono_us;    /* when this process opened the replica */
	uint64_t process;
	int64_t grace_us;
};
/*
 * Our own tombstones are judged by the monotonic clock. For those of an earlier process there is
 * only the wall clock; should it have been turned, they last no longer than the grace after our
 * start.
 */
bool tombstone_alive(const struct tombstone *tombstone, const struct tombstone_clock *clock);

void claims_bury(const struct tombstone *tombstone, struct str *out);

#endif
