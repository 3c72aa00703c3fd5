/*
 * Persons out of a stream of bytes, LDIF (lib/ldif.h) or CSV (lib/csv_stream.h), for the connectors
 * of files and programs. What is wrong with the stream ends it: nothing of it may be used then.
 * What is wrong with one entry is told to the sink, and the rest goes on.
 *
 * CSV: each name of the mapping must be a column; several columns may have one name. In every
 * column but that of the id, `value_separator` stands between values.
 */
#ifndef RESTANTE_DIRSYNC_INTAKE_H
#define RESTANTE_DIRSYNC_INTAKE_H

#include <stdint.h>

#include "dirsync/mapping.h"
#include "dirsync/source.h"

struct intake;

struct intake_options {
	const struct config_up *settings;
	const struct mapping *mapping;
	const struct source_sink *sink;
	bool csv;         /* else LDIF */
	const char *name; /* of the stream: "NAME:LINE" is the place of a person */
	const char
		*marker; /* "NAME=VALUE": what has it was written by a down sync, is passed over */
};

struct intake *intake_new(const struct intake_options *options);
void intake_free(struct intake **intake);
/* The next bytes, cut anywhere: 0; -1: nothing more can be read, intake_reason says why. */
int intake_feed(struct intake *intake, const char *data, size_t len);
/* There is no more: 0: it was complete; -1 as above. */
int intake_end(struct intake *intake);
const char *intake_reason(const struct intake *intake); /* "NAME:LINE: what is wrong; remedy" */
bool intake_stopped(const struct intake *intake);       /* the sink wanted no more */
uint64_t intake_persons(const struct intake *intake);
uint64_t intake_refused(const struct intake *intake);

#endif
