/* Address books that are files, made anew as a whole. */
#include <string.h>

#include "dirsync/target_internal.h"
#include "lib/mem.h"

struct target {
	struct target_options options;
	const struct target_format *format;
	const struct target_sink *sink;
	struct outfile *file; /* NULL between runs */
	struct str text;
	uint64_t count;
};

struct target *target_file_open(
	const struct target_options *options, const struct target_format *format)
{
	struct target *target = mem_zalloc(sizeof(*target));

	target->options = *options;
	target->format = format;
	return target;
}

void target_file_close(struct target **target)
{
	if (*target == NULL)
		return;
	outfile_drop(&(*target)->file);
	str_free(&(*target)->text);
	mem_free(target);
}

int target_file_check(const struct config_down *settings, const char **error_r)
{
	return target_need(
		settings, "file", settings->file, "name the file to be written", error_r);
}

static int write_text(struct target *target, const char **error_r)
{
	int result = outfile_write(target->file, target->text.data, target->text.len, error_r);

	str_reset(&target->text);
	return result;
}

int target_file_begin(struct target *target, const struct target_sink *sink, const char **error_r)
{
	target->sink = sink;
	target->count = 0;
	outfile_drop(&target->file);
	target->file = outfile_open(target->options.settings->file, error_r);
	if (target->file == NULL)
		return -1;
	if (target->format->begin != NULL)
		target->format->begin(&target->options, &target->text);
	return write_text(target, error_r);
}

int target_file_put(struct target *target, enum target_verb verb, const struct person *contact,
	bool adopt, const char **error_r)
{
	(void)adopt; /* everything in the file is ours */
	target->count++;
	target->format->record(&target->options, contact, &target->text);
	if (write_text(target, error_r) < 0)
		return -1;
	if (verb != TARGET_KEEP)
		target->sink->result(target->sink->context, verb, str_cstr(&contact->id),
			TARGET_DONE, &target_no_note);
	return 0;
}

int target_file_end(struct target *target, const char **error_r)
{
	if (target->format->end != NULL)
		target->format->end(&target->options, target->count, &target->text);
	if (write_text(target, error_r) < 0)
		return -1;
	return outfile_commit(&target->file, error_r);
}

void target_file_abort(struct target *target)
{
	outfile_drop(&target->file);
	str_reset(&target->text);
}

void target_file_seal(struct target *target, struct str *seal_r)
{
	outfile_seal(target->options.settings->file, seal_r);
}
