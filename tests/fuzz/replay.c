/*
 * The main of a fuzz target where there is no fuzzer: replay_NAME runs each file of
 * tests/fuzz/corpus/NAME once, or the files that are its arguments.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

/* A file takes milliseconds: a parser that never ends must not keep `make check` waiting. */
#define SECONDS_PER_FILE 60

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct str content = STR_INIT;
	char piece[4096];
	size_t got;

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	fprintf(stderr, "%s\n", path); /* the last one named is the one that crashed */
	while ((got = fread(piece, 1, sizeof piece, file)) > 0)
		str_append(&content, piece, got);
	fclose(file);
	/* in memory of its exact size */
	char *exact = fuzz_string(str_cstr(&content), content.len);
	uint8_t *data = realloc(exact, content.len ? content.len : 1);
	alarm(SECONDS_PER_FILE);
	LLVMFuzzerTestOneInput(data, content.len);
	alarm(0);
	free(data);
	str_free(&content);
	return 0;
}

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* How many files there were, -1 where one could not be read. */
static int replay_folder(const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_file, alphasort), failed = 0;

	if (count < 0) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return -1;
	}
	for (int i = 0; i < count; i++) {
		struct str path = STR_INIT;
		str_printf(&path, "%s/%s", folder, entries[i]->d_name);
		failed |= replay(str_cstr(&path));
		str_free(&path);
		free(entries[i]);
	}
	free(entries);
	return failed ? -1 : count;
}

static int replay_corpus(const char *program)
{
	const char *name = strstr(program, "replay_"), *top = getenv("srcdir");
	struct str folder = STR_INIT;

	if (name == NULL)
		return -1;
	str_printf(&folder, "%s/tests/fuzz/corpus/%s", top ? top : FUZZ_SOURCE,
		name + strlen("replay_"));
	int count = replay_folder(str_cstr(&folder));
	str_free(&folder);
	return count;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? argc - 1 : replay_corpus(program_invocation_short_name);

	for (int i = 1; i < argc; i++)
		if (replay(argv[i]) < 0)
			return 1;
	if (count <= 0) {
		fprintf(stderr, "%s: nothing was run\n", program_invocation_short_name);
		return 1;
	}
	printf("[  PASSED  ] %d test(s).\n", count);
	return 0;
}
