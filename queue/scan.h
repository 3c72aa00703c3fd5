/*
 * What has to be known of a message before it is handed on: whether it is 8-bit, and how often it
 * was. Takes the content piece by piece. Pure.
 */
#ifndef RESTANTE_QUEUE_SCAN_H
#define RESTANTE_QUEUE_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct scan {
	unsigned received; /* Received fields: each is one hop (RFC 5321 section 6.3) */
	bool header_8bit, body_8bit;
	bool in_body; /* the header has ended */
	/* of the line at hand: */
	size_t column;
	unsigned matched; /* of "received:" */
	bool only_cr;
};

#define SCAN_INIT                                                                                  \
	{                                                                                          \
		0                                                                                  \
	}

void scan_feed(struct scan *scan, const char *data, size_t len);

#endif
