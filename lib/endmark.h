/*
 * The line "# end COUNT" behind a stream of records: it tells whoever reads that nothing is
 * missing, even where the stream was cut off between two of them. Pure.
 */
#ifndef RESTANTE_LIB_ENDMARK_H
#define RESTANTE_LIB_ENDMARK_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the line, without its end, is one. */
bool endmark_read(const char *line, uint64_t *count_r);

#endif
