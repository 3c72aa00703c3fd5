/*
 * Keeps the lease of a run: renews it in a thread of its own, passes a wish to stop on, and sees
 * whether a move stands between hold and swap.
 */
#ifndef RESTANTE_DIRSYNC_KEEPER_H
#define RESTANTE_DIRSYNC_KEEPER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "dirsync/backend.h"

struct keeper;

struct keeper_options {
	const struct ldap_options *ldap; /* of write_uri */
	const char *system;
	enum sync_direction direction;
	/* Of the lease that was taken just now. They are the keeper's until keeper_stop. */
	struct backend *backend;
	struct lease_watch *watch;
	const char *holder;
	int64_t length_us;       /* of the lease */
	const atomic_bool *from; /* who wants the run to stop; NULL = nobody */
	atomic_bool *stop;       /* set when it says so, and when the lease is lost */
};

/* NULL: no thread could be made. */
struct keeper *keeper_start(const struct keeper_options *options);
void keeper_stop(struct keeper **keeper);
bool keeper_lost(const struct keeper *keeper);     /* the lease is somebody else's */
bool keeper_pressing(const struct keeper *keeper); /* a move is between hold and swap */

/*
 * While much is written the epoch is looked at a hundred times a second: who raises it has held a
 * mailbox and waits for the front doors, and each write before his makes him wait longer. The
 * instant (clock_mono_us) until which nothing should be written, a tenth of a second after that; as
 * long as that again is free for writing, however often it is raised. 0: nobody has raised it.
 */
void keeper_watch(struct keeper *keeper, bool on);
int64_t keeper_give_way(const struct keeper *keeper);

#endif
