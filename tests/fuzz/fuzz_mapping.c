/*
 * From settings and the values of a source to persons (dirsync/mapping). The first three lines are
 * the template of the physical address, the attributes, the names of addresses; then a line for
 * each value, "name=value". A usable person has an id, an address and a physical address, and is
 * told of nothing twice over; what is refused is told in one line.
 */
#include "dirsync/mapping.h"
#include "tests/fuzz/fuzz.h"

#define VALUES 100

struct told {
	unsigned count;
};

static int refused(void *context, const char *place, const char *reason)
{
	struct told *told = context;

	FUZZ_CHECK(strcmp(place, "line 1") == 0);
	FUZZ_CHECK(*reason != '\0' && strchr(reason, '\n') == NULL);
	return ++told->count < 50 ? 0 : -1;
}

static void check(const struct mapping *mapping, const struct template_value *values, size_t count)
{
	struct person person = PERSON_INIT, again = PERSON_INIT;
	struct told told = { 0 };
	struct str bytes = STR_INIT;
	int result = mapping_apply(mapping, "line 1", values, count, &person, refused, &told);

	FUZZ_CHECK(result > 0 || told.count > 0);
	if (result > 0) {
		FUZZ_CHECK(person.id.len > 0 && person.physical.len > 0);
		FUZZ_CHECK(person.addresses.count > 0);
		person_encode(&person, &bytes);
		FUZZ_CHECK(person_decode(bytes.data, bytes.len, &again) == 0);
		FUZZ_CHECK(person_same(&person, &again));
	}
	person_free(&person);
	person_free(&again);
	str_free(&bytes);
}

static void run(struct fuzz_input *in, const struct mapping *mapping)
{
	struct template_value values[VALUES];
	char *lines[VALUES];
	size_t count = 0, used = 0;

	while (in->left > 0 && count < VALUES) {
		char *line = fuzz_line(in), *equals = strchr(line, '=');
		lines[count++] = line;
		if (equals == NULL)
			continue;
		*equals = '\0';
		values[used++] = (struct template_value){ line, equals + 1, strlen(equals + 1) };
	}
	check(mapping, values, used);
	for (size_t i = 0; i < count; i++)
		free(lines[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[] = "S1", id[] = "id", primary[] = "mail", proxy[] = "proxy",
		    foreign[] = "foreign", once[] = "description=%{note|info:lower}";
	struct fuzz_input in = { data, size };
	struct config_up up = { .name = name,
		.id = id,
		.primary = primary,
		.proxy_addresses = proxy,
		.foreign = foreign,
		.attributes_once = once };
	struct mapping *mapping;
	const char *error = NULL;

	up.physical = fuzz_line(&in);
	up.attributes = fuzz_line(&in);
	up.addresses = fuzz_line(&in);
	mapping = mapping_new(&up, &error);
	if (mapping != NULL)
		run(&in, mapping);
	else
		FUZZ_CHECK(strncmp(error, "up S1.", 6) == 0);
	mapping_free(&mapping);
	free(up.physical);
	free(up.attributes);
	free(up.addresses);
	return 0;
}
