#include "tests/unit/down_scene.h"

static char nothing[] = "";

struct config_down down_settings(void)
{
	static char name[] = "S2", target[] = "ldif", class[] = "inetOrgPerson", rdn[] = "cn",
		    marker[] = "employeeType=restante", container[] = "ou=contacts,dc=s2",
		    attributes[] = "sn=%{sn|cn} displayName=%{displayName} mail=%{primary}",
		    mail[] = "mail", format[] = "ldif";
	struct config_down settings = { .name = name,
		.target = target,
		.uri = nothing,
		.bind_dn = nothing,
		.password_file = nothing,
		.ca_file = nothing,
		.cert_file = nothing,
		.key_file = nothing,
		.container = container,
		.search_base = nothing,
		.search_addresses = mail,
		.object_class = class,
		.rdn = rdn,
		.marker = marker,
		.attributes = attributes,
		.after = nothing,
		.file = nothing,
		.command = nothing,
		.format = format };

	return settings;
}

void down_entry(struct contact_source *source_r, ...)
{
	static struct ldap_value values[64];
	struct ldap_stream_entry entry = { .dn = "uid=x,dc=example", .values = values };
	va_list list;
	const char *name;

	va_start(list, source_r);
	while ((name = va_arg(list, const char *)) != NULL) {
		const char *data = va_arg(list, const char *);

		values[entry.count++] = (struct ldap_value){ name, data, strlen(data) };
	}
	va_end(list);
	assert_int_equal(contact_source_read(&entry, source_r), 1);
}

void down_contact(struct person *contact_r, const char *id, ...)
{
	char text[256];
	const char *pair, *error;
	va_list list;

	person_reset(contact_r);
	str_append_z(&contact_r->id, id);
	va_start(list, id);
	while ((pair = va_arg(list, const char *)) != NULL) {
		snprintf(text, sizeof(text), "%s", pair);
		*strchr(text, '=') = '\0';
		assert_int_equal(
			person_add_attribute(contact_r, text, text + strlen(text) + 1, &error), 0);
	}
	va_end(list);
}

const char *down_file(const char *path)
{
	static char content[65536];
	FILE *file = fopen(path, "r");
	size_t len = 0;

	if (file != NULL) {
		len = fread(content, 1, sizeof(content) - 1, file);
		fclose(file);
	}
	content[len] = '\0';
	return content;
}
