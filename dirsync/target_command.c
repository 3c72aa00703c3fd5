/*
 * A program that takes the changes on its standard input, once they are complete: as LDIF change
 * records (RFC 2849), or as CSV whose first column says add, change or delete and whose second is
 * the federation's id; a line that is changed or added has all attributes. Nothing counts unless it
 * ends with status 0 within time_limit; the next run gives it the same changes again then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "dirsync/target_internal.h"
#include "lib/ldif.h"
#include "lib/mem.h"

struct target {
	struct target_options options;
	const struct target_sink *sink;
	char *path;
	struct outfile *file; /* NULL between runs */
	uint64_t count;
	struct str text;
};

static int check(const struct config_down *settings, const char **error_r)
{
	if (target_need(settings, "command", settings->command,
		    "name the program that takes the changes", error_r) < 0)
		return -1;
	return target_check_marker(settings, error_r);
}

static struct target *open_target(const struct target_options *options)
{
	struct target *target = mem_zalloc(sizeof(*target));

	target->options = *options;
	target->path = mem_printf("%s/%s.changes", options->dir, options->settings->name);
	return target;
}

static void close_target(struct target **target)
{
	if (*target == NULL)
		return;
	outfile_drop(&(*target)->file);
	str_free(&(*target)->text);
	mem_free(&(*target)->path);
	mem_free(target);
}

static bool is_csv(const struct target *target)
{
	return strcmp(target->options.settings->format, "csv") == 0;
}

static int write_text(struct target *target, const char **error_r)
{
	int result = outfile_write(target->file, target->text.data, target->text.len, error_r);

	str_reset(&target->text);
	return result;
}

static int begin(struct target *target, const struct target_sink *sink, const char **error_r)
{
	target->sink = sink;
	target->count = 0;
	outfile_drop(&target->file);
	target->file = outfile_open(target->path, error_r);
	if (target->file == NULL)
		return -1;
	if (!is_csv(target)) {
		str_append_z(&target->text, "version: 1\n");
		return write_text(target, error_r);
	}
	target_csv_field(&target->text, true, "operation");
	target_csv_field(&target->text, false, "id");
	for (const char *const *n = contact_form_names(target->options.form); *n != NULL; n++)
		target_csv_field(&target->text, false, *n);
	target_csv_end(&target->text);
	return write_text(target, error_r);
}

static void put_csv(struct target *target, enum target_verb verb, const struct person *contact)
{
	static const char *const verbs[] = { "delete", "change", "add", "" };

	target_csv_field(&target->text, true, verbs[verb]);
	target_csv_field(&target->text, false, str_cstr(&contact->id));
	for (const char *const *n = contact_form_names(target->options.form); *n != NULL; n++)
		target_csv_values(&target->text, contact, *n);
	target_csv_end(&target->text);
}

static int put(struct target *target, enum target_verb verb, const struct person *contact,
	bool adopt, const char **error_r)
{
	(void)adopt; /* the program knows what is foreign */
	target->count++;
	if (is_csv(target))
		put_csv(target, verb, contact);
	else
		target_ldif_record(&target->options, verb, contact, &target->text);
	if (write_text(target, error_r) < 0)
		return -1;
	target->sink->result(
		target->sink->context, verb, str_cstr(&contact->id), TARGET_DONE, &target_no_note);
	return 0;
}

static void abort_run(struct target *target)
{
	outfile_drop(&target->file);
	str_reset(&target->text);
}

static int end(struct target *target, const char **error_r)
{
	int input, result;

	if (target->count == 0) {
		abort_run(target);
		return 0;
	}
	if (!is_csv(target))
		ldif_put_end(&target->text, target->count);
	if (write_text(target, error_r) < 0 || outfile_commit(&target->file, error_r) < 0)
		return -1;
	input = open(target->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (input < 0)
		return target_fail(
			error_r, "%s: cannot be read: %s", target->path, strerror(errno));
	result = target_run(&target->options, "command", target->options.settings->command, input,
		"the next run gives it the same changes again", error_r);
	close(input);
	unlink(target->path);
	return result;
}

const struct target_kind target_command_kind = { .name = "command",
	.check = check,
	.open = open_target,
	.close = close_target,
	.begin = begin,
	.put = put,
	.end = end,
	.abort = abort_run };
