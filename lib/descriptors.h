/* Descriptors: 0 to 2, which a caller may have closed, and the limit of all. */
#ifndef RESTANTE_LIB_DESCRIPTORS_H
#define RESTANTE_LIB_DESCRIPTORS_H

/*
 * Opens /dev/null on each of 0, 1 and 2 that is closed; call it first of all. Otherwise the next
 * file or socket, a database even, would be what stdio writes to. Ends the process with 71
 * (EX_OSERR of sysexits.h) where that cannot be done: there is nobody to tell.
 */
void descriptors_guard(void);

/* Raises the limit of this process as far as it may. */
void descriptors_raise(void);

/*
 * How many clients may be connected under the present limit, so that databases, the release and
 * the directory have what they need: a database that cannot open a file of its own is broken.
 */
unsigned descriptors_for_clients(void);

#endif
