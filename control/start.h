/* What restante-control does first: settings, user, log. */
#ifndef RESTANTE_CONTROL_START_H
#define RESTANTE_CONTROL_START_H

#include "control/control.h"

#define CONTROL_IDENT "restante-control"

/* NULL after the reason was appended: what nothing can be done without is there. */
struct config *start_config(const char *path, struct str *error_r);
/* Every section judged; a line to `out` for each thing that is wrong. */
bool start_check(const struct config *config, FILE *out);
/* Becomes the user of control {}; gid_r is that of the socket. */
int start_privileges(const struct config *config, gid_t *gid_r, struct str *error_r);
int start_log(const struct config_log *log, struct str *error_r);

#endif
