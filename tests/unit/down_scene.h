/* What tests of down syncs share: settings, and contacts made of a few values. */
#ifndef RESTANTE_TESTS_UNIT_DOWN_SCENE_H
#define RESTANTE_TESTS_UNIT_DOWN_SCENE_H

#include "dirsync/target.h"
#include "tests/unit/unit.h"

/* Settings of down S2 {} with all strings set; change what the test is about. */
struct config_down down_settings(void);

/* An entry of the directory: name, value, name, value, ..., NULL. */
void down_entry(struct contact_source *source_r, ...) __attribute__((sentinel));
/* A contact: id, then "name=value", ..., NULL. */
void down_contact(struct person *contact_r, const char *id, ...) __attribute__((sentinel));

/* All of a file, "" where there is none. */
const char *down_file(const char *path);

#endif
