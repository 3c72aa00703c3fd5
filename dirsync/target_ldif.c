/* An address book as one LDIF file (RFC 2849, content records). */
#include "dirsync/target_internal.h"
#include "lib/ldif.h"

static void begin(const struct target_options *options, struct str *out)
{
	(void)options;
	str_append_z(out, "version: 1\n");
}

static void record(
	const struct target_options *options, const struct person *contact, struct str *out)
{
	target_ldif_record(options, TARGET_KEEP, contact, out);
}

static void end(const struct target_options *options, uint64_t count, struct str *out)
{
	(void)options;
	ldif_put_end(out, count);
}

static struct target *open_ldif(const struct target_options *options)
{
	static const struct target_format format = { begin, record, end };

	return target_file_open(options, &format);
}

static int check(const struct config_down *settings, const char **error_r)
{
	if (target_file_check(settings, error_r) < 0)
		return -1;
	return target_check_marker(settings, error_r);
}

const struct target_kind target_ldif_kind = TARGET_FILE_KIND("ldif", check, open_ldif);
