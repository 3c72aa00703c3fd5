/* Dot stuffing (RFC 5321 section 4.5.2), for content that comes in pieces. Pure. */
#ifndef RESTANTE_QUEUE_DOT_H
#define RESTANTE_QUEUE_DOT_H

#include <stddef.h>

#include "lib/str.h"

struct dot {
	char last[2]; /* the last two bytes of the content so far; at its start as after a line end
		       */
};

#define DOT_INIT                                                                                   \
	{                                                                                          \
		{                                                                                  \
			'\r', '\n'                                                                 \
		}                                                                                  \
	}

void dot_stuff(struct dot *dot, const char *data, size_t len, struct str *out);
/* The line with the dot; before it a line end where the content has none. */
void dot_end(const struct dot *dot, struct str *out);

#endif
