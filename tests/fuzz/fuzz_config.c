/* restante.conf (lib/config): what was read and dumped is read as the same. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "lib/config.h"
#include "tests/fuzz/fuzz.h"

static struct config *load(const void *data, size_t size, const char **error_r)
{
	int fd = memfd_create("restante.conf", MFD_CLOEXEC);
	char path[64];

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	struct config *config = config_load(path, error_r);
	close(fd);
	return config;
}

static void dump(const struct config *config, struct str *out)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	FUZZ_CHECK(stream != NULL);
	config_dump(config, NULL, stream);
	fclose(stream);
	str_append(out, text, size);
	free(text);
}

/* Nothing differs that a reload would have to tell. */
static void check_reload(struct config *running, struct config *fresh)
{
	struct str unchanged = STR_INIT;

	config_reload(running, fresh, &unchanged);
	FUZZ_CHECK(unchanged.len == 0);
	str_free(&unchanged);
}

static void check_round(struct config *config)
{
	struct str once = STR_INIT, twice = STR_INIT;
	const char *error = "";

	dump(config, &once);
	struct config *again = load(str_cstr(&once), once.len, &error);
	if (again == NULL)
		fprintf(stderr, "%s\n%s\n", str_cstr(&once), error);
	FUZZ_CHECK(again != NULL);
	dump(again, &twice);
	FUZZ_CHECK(fuzz_same(&once, &twice));
	check_reload(config, again);
	config_free(&again);
	str_free(&once);
	str_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error = NULL;
	struct config *config = load(data, size, &error);

	if (config == NULL) {
		/* one line that names the file */
		FUZZ_CHECK(error != NULL && strncmp(error, "/proc/self/fd/", 14) == 0);
		FUZZ_CHECK(strpbrk(error, "\r\n") == NULL);
		return 0;
	}
	check_round(config);
	config_free(&config);
	return 0;
}
