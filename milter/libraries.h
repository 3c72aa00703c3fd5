/* The versions of libraries that this was built for, and those that it runs with. */
#ifndef RESTANTE_MILTER_LIBRARIES_H
#define RESTANTE_MILTER_LIBRARIES_H

#include "lib/json.h"

/* An array of objects with `name`, `built` and `runs`. */
struct json *libraries_json(void);

#endif
