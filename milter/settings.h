/* The configuration as the parts want it. Strings point into the configuration. */
#ifndef RESTANTE_MILTER_SETTINGS_H
#define RESTANTE_MILTER_SETTINGS_H

#include "directory/replica.h"
#include "lib/config.h"
#include "queue/holdq.h"
#include "queue/release.h"

struct replica_options settings_replica(const struct config *config);
struct holdq_options settings_holdq(const struct config *config);
/* Ends with settings_release_free; strings stay those of the configuration. */
struct release_options settings_release(const struct config *config);
void settings_release_free(struct release_options *options);
/* enum release_tls of its name, -1 where it is none. */
int settings_tls_mode(const char *text);

/* Level and target of the log, which is opened anew; -1: the old one stays, with a reason. */
int settings_log(const struct config_log *log, const char **error_r);

#endif
