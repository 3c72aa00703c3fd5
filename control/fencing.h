/*
 * The keeper of fences: one thread waits for the front doors' acknowledgements for all moves
 * together. One epoch serves all holds written before it; each look reads the nodes once.
 */
#ifndef RESTANTE_CONTROL_FENCING_H
#define RESTANTE_CONTROL_FENCING_H

#include <stddef.h>
#include <stdint.h>

struct control;
struct fencing;

struct fencing *fencing_start(struct control *control);
void fencing_stop(struct fencing **fencing);

/*
 * For the move of that uuid: a fence for the hold of that entryCSN, and the drain of that physical
 * address. What is kept of it is set and it is woken: fenced, then drained. Asked again for the
 * same it goes on; for another version it begins anew.
 */
void fencing_want(
	struct fencing *fencing, const uint8_t *uuid, const char *csn, const char *physical);
/* It needs none any more. */
void fencing_forget(struct fencing *fencing, const uint8_t *uuid);
/* How many moves it has. */
size_t fencing_count(struct fencing *fencing);

#endif
