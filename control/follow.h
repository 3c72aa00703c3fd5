/* Follows ou=moves (RFC 4533) into the store: changes are seen within a second. */
#ifndef RESTANTE_CONTROL_FOLLOW_H
#define RESTANTE_CONTROL_FOLLOW_H

#include <stdbool.h>

struct control;
struct follow;

struct follow *follow_start(struct control *control);
void follow_stop(struct follow **follow);
/* Whether all records were read. Until then nothing is done. */
bool follow_loaded(struct follow *follow);
/* The directory could not be read when it was tried last. */
bool follow_troubled(struct follow *follow);

#endif
