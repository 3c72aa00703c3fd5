/* The page of metrics of this front door; docs/metrics.md explains each. */
#ifndef RESTANTE_MILTER_EXPOSITION_H
#define RESTANTE_MILTER_EXPOSITION_H

#include "lib/str.h"
#include "milter/front.h"

/* A metrics_writer; context is the front. From any thread, while the stores are open. */
void exposition_write(void *front, struct str *page);

/* By config_lock's holder: begins, ends or moves the server as the settings say. A port that cannot
 * be had is an error in the log, and never a reason not to take mail. */
void exposition_configure(struct front *front);
void exposition_stop(struct front *front);

#endif
