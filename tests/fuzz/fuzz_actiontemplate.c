/* Templates of actions (control/action_template): reading never fails without a reason; rendering
 * what was read never writes more records than there are, and values put into a filter or DN do not
 * leave their place. The input up to a NUL is a value, what follows it the template. */
#include "control/action_template.h"
#include "tests/fuzz/fuzz.h"

static void ignore(void *context, const char *name)
{
	(void)context;
	FUZZ_CHECK(strchr(name, '.') == NULL);
}

static void render(const struct action_template *t, const struct action_line *line,
	enum action_place place, const struct action_values *values)
{
	struct str out = STR_INIT;
	const char *error = NULL;

	if (line->text != NULL && action_render(t, line, place, values, &out, &error) != 0)
		FUZZ_CHECK(error != NULL && error[0] != '\0');
	str_free(&out);
}

static void render_records(const struct action_template *t, const struct action_values *values)
{
	for (size_t i = 0; i < t->record_count; i++) {
		struct action_write write;
		const char *error = NULL;

		if (action_render_record(t, &t->records[i], values, &write, &error) != 0) {
			FUZZ_CHECK(error != NULL && error[0] != '\0');
			continue;
		}
		FUZZ_CHECK(write.dn != NULL);
		for (size_t c = 0; c < write.count; c++)
			FUZZ_CHECK(write.changes[c].values == NULL ||
				   write.changes[c].values[0] != NULL);
		action_write_free(&write);
	}
}

/* Whatever the value is, a filter has as many items as its template. */
static void check_filter(const char *value)
{
	static const char text[] = "check: present\nbase: ou=%{id},%{base}\n"
				   "filter: (&(a=%{id})(b=%{id*}))\n";
	struct template_value list[] = { { "base", "dc=x", 4 }, { "id", value, strlen(value) } };
	const struct action_values values = { list, 2, 1 };
	const char *error = NULL;
	struct action_template *t = action_template_parse("t", text, strlen(text), &error);
	struct str out = STR_INIT;
	size_t open = 0;

	FUZZ_CHECK(t != NULL);
	if (action_render(t, &t->searches[0].filter, PLACE_FILTER, &values, &out, &error) == 0) {
		for (size_t i = 0; i < out.len; i++) {
			open += out.data[i] == '(';
			FUZZ_CHECK(out.data[i] != '*');
		}
		FUZZ_CHECK(open == 3);
	} else {
		FUZZ_CHECK(value[0] == '\0');
	}
	str_free(&out);
	action_template_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
	size_t len = nul != NULL ? (size_t)(nul - data) : 0;
	char *value = fuzz_string(in.data, len), *text;
	struct action_template *t;
	const char *error = NULL;

	len += nul != NULL;
	text = fuzz_string(data + len, size - len);
	struct template_value list[] = { { "base", "dc=x", 4 }, { "id", value, strlen(value) },
		{ "addresses", value, strlen(value) }, { "account.dn", "uid=a,dc=x", 10 } };
	const struct action_values values = { list, 4, 1 };
	check_filter(value);
	t = action_template_parse("t.ldif", text, size - len, &error);
	FUZZ_CHECK(t != NULL || strncmp(error, "t.ldif:", 7) == 0);
	for (size_t i = 0; t != NULL && i < t->search_count; i++) {
		FUZZ_CHECK(t->searches[i].attributes != NULL);
		render(t, &t->searches[i].base, PLACE_DN, &values);
		render(t, &t->searches[i].filter, PLACE_FILTER, &values);
		render(t, &t->searches[i].text, PLACE_VALUE, &values);
	}
	if (t != NULL) {
		render_records(t, &values);
		action_template_each_name(t, ignore, NULL);
	}
	action_template_free(&t);
	free(text);
	free(value);
	return 0;
}
