/* What LDAP servers say of their attributes, and marks (lib/ldap_stream_entry,
 * dirsync/source_mark): a range goes on, a mark that was understood is written as itself. */
#include "dirsync/source_mark.h"
#include "lib/ldap_stream_internal.h"
#include "tests/fuzz/fuzz.h"

static void check_range(const uint8_t *data, size_t size)
{
	size_t bare = size + 1;
	long end = stream_range_end((const char *)data, size, &bare);

	FUZZ_CHECK(bare <= size && memchr(data, ';', bare) == NULL);
	FUZZ_CHECK(bare == size || data[bare] == ';');
	FUZZ_CHECK(end >= -2);
	FUZZ_CHECK(end == -1 || bare < size);
}

static void check_usn(const char *text)
{
	struct usn_mark mark, again;
	struct str rest = STR_INIT;
	const char *why = "";

	if (usn_mark_read(text, &mark) == 0) {
		usn_mark_write(&mark, &rest);
		FUZZ_CHECK(usn_mark_read(str_cstr(&rest), &again) == 0);
		FUZZ_CHECK(usn_mark_holds(&mark, &again, &why));
		usn_mark_free(&again);
	}
	usn_mark_free(&mark);
	str_free(&rest);
}

static void check_line(const char *text)
{
	struct str mark = STR_INIT;

	source_mark("syncrepl", "0123456789abcdef", text, &mark);
	if (mark.len > 0)
		FUZZ_CHECK(strcmp(source_mark_rest(mark.data, "syncrepl", "0123456789abcdef"),
				   text) == 0);
	str_free(&mark);
}

static void check_context(const char *text)
{
	const char *const contexts[] = { "DC=lab", text, NULL };
	const char *found = naming_context_of(contexts, text);

	FUZZ_CHECK(found == NULL || found == contexts[0] || found == contexts[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	int64_t since;

	if (size > 0)
		check_range(data, size);
	check_usn(text);
	check_line(text);
	check_context(text);
	if (time_mark_read(text, "ldap://s1", 0, &since) == 0)
		FUZZ_CHECK(since > 0);
	free(text);
	return 0;
}
