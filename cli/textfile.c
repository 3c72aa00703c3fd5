#include "cli/textfile.h"

#include <errno.h>
#include <string.h>

#define FILE_MOST (64U << 20)

int textfile_read(struct cli *cli, const char *path, struct str *text)
{
	bool own = strcmp(path, "-") != 0;
	FILE *file = own ? fopen(path, "r") : stdin;
	char buffer[65536];
	size_t len = 1;

	while (file != NULL && len > 0 && text->len <= FILE_MOST) {
		len = fread(buffer, 1, sizeof(buffer), file);
		str_append(text, buffer, len);
	}
	bool failed = file == NULL || ferror(file) != 0;
	int reason = errno;
	if (own && file != NULL)
		fclose(file);
	cli->subject = path;
	if (failed)
		return cli_fail(cli, CLI_FAILED, "%s: %s", path, strerror(reason));
	return text->len <= FILE_MOST ? CLI_DONE
				      : cli_fail(cli, CLI_USAGE, "%s: it is too large", path);
}
