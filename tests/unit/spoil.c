#define _GNU_SOURCE
#include "tests/unit/spoil.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/unit/unit.h"

void spoil(const char *dir, const char *file, off_t from, size_t bytes)
{
	char *path = mem_printf("%s/%s", dir, file), *junk = mem_alloc(bytes);

	memset(junk, 0x5a, bytes);
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, junk, bytes, from), bytes);
	close(fd);
	mem_free(&path);
	mem_free(&junk);
}
