/* Descriptors 0 to 2, which a caller may have closed. */
#ifndef RESTANTE_LIB_DESCRIPTORS_H
#define RESTANTE_LIB_DESCRIPTORS_H

/*
 * Opens /dev/null on each of 0, 1 and 2 that is closed; call it first of all. Otherwise the next
 * file or socket, a database even, would be what stdio writes to. Ends the process with 71
 * (EX_OSERR of sysexits.h) where that cannot be done: there is nobody to tell.
 */
void descriptors_guard(void);

#endif
