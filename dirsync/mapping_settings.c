/* The settings of up NAME {} that make a mapping: names, lists, templates. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "dirsync/mapping_internal.h"
#include "lib/mem.h"

#define ERROR_MAX 500

static _Thread_local char error_text[ERROR_MAX];

struct reading {
	struct mapping *mapping;
	const struct config_up *up;
	const char *key; /* of the setting that is read */
};

static int fault(const struct reading *r, const char *format, const char *text)
{
	int n = snprintf(error_text, sizeof error_text, "up %s.%s: ", r->up->name, r->key);

	if (n > 0 && n < ERROR_MAX)
		snprintf(error_text + n, sizeof error_text - (size_t)n, format, text);
	return -1;
}

/* --- names of the source -------------------------------------------------------------------- */

/* The one pointer by which a name is known. */
static const char *intern(struct mapping *m, const char *name)
{
	for (size_t i = 0; i < m->name_count; i++)
		if (template_same_name(m->names[i], name))
			return m->names[i];
	m->names = mem_grow(m->names, m->name_count + 2, sizeof m->names[0]);
	m->canonical = mem_grow(m->canonical, m->name_count + 1, sizeof m->canonical[0]);
	m->names[m->name_count] = mem_strdup(name);
	m->canonical[m->name_count] = template_canonical_name(m->names[m->name_count]);
	m->names[++m->name_count] = NULL;
	return m->names[m->name_count - 1];
}

static void intern_one(void *context, const char *name)
{
	intern(context, name);
}

static void add_field(struct mapping *m, enum field_kind kind, const char *name)
{
	m->fields = mem_grow(m->fields, m->field_count + 1, sizeof m->fields[0]);
	m->fields[m->field_count++] = (struct field){ kind, intern(m, name) };
}

/* The next word at *p, to be freed; NULL at the end. */
static char *next_word(const char **p)
{
	const char *word = *p + strspn(*p, " \t\n");
	size_t len = strcspn(word, " \t\n");

	*p = word + len;
	return len > 0 ? mem_strndup(word, len) : NULL;
}

static int read_names(struct reading *r, const char *key, const char *value, enum field_kind kind)
{
	char *word;
	int result = 0;

	r->key = key;
	while (result == 0 && (word = next_word(&value)) != NULL) {
		if (strpbrk(word, "%=,{}|\"") != NULL || strlen(word) > PERSON_NAME_MAX)
			result = fault(
				r, "\"%s\" is no name; give names, a space between them", word);
		else
			add_field(r->mapping, kind, word);
		mem_free(&word);
	}
	return result;
}

/* --- attributes of the directory ------------------------------------------------------------ */

/* What Restante writes by itself, or what makes an entry. */
static const char *reserved(const char *name)
{
	static const char *const names[] = { "objectClass", "mailLocalAddress",
		"mailRoutingAddress", "entryUUID", "entryCSN", "userPassword",
		"structuralObjectClass", "creatorsName", "createTimestamp", "modifiersName",
		"modifyTimestamp" };

	if (template_same_name(name, "mail"))
		return "it is made of the primary address";
	if (strncasecmp(name, "restante", 8) == 0)
		return "Restante writes it by itself";
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcasecmp(name, names[i]) == 0)
			return "it is not for a source to say";
	return NULL;
}

static bool is_single(const char *name)
{
	static const char *const names[] = { "displayname", "employeenumber", "preferredlanguage",
		"c", "uidnumber", "gidnumber", "homedirectory", "loginshell", "gecos", "mailhost" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool is_known(const struct mapping *m, const char *directory)
{
	for (size_t i = 0; i < m->attribute_count; i++)
		if (strcmp(m->attributes[i].directory, directory) == 0)
			return true;
	return false;
}

static void add_attribute(struct mapping *m, const char *directory, const char *source, bool once)
{
	struct attribute *a;

	m->attributes = mem_grow(m->attributes, m->attribute_count + 1, sizeof m->attributes[0]);
	a = &m->attributes[m->attribute_count++];
	*a = (struct attribute){ .directory = mem_strdup(directory), .once = once };
	a->single = is_single(directory);
	if (strchr(source, '%') != NULL)
		a->template = mem_strdup(source);
	else
		a->source = intern(m, source);
	m->directory_names =
		mem_grow(m->directory_names, m->attribute_count + 1, sizeof m->directory_names[0]);
	m->directory_names[m->attribute_count - 1] = a->directory;
	m->directory_names[m->attribute_count] = NULL;
}

static bool is_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t len = strlen(text);

	return len > 0 && len <= PERSON_NAME_MAX && strspn(text, letters) == len;
}

/* The name of the directory's attribute as it is compared. */
static void lower_name(const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s", template_canonical_name(name));
	for (; *out != '\0'; out++)
		if (*out >= 'A' && *out <= 'Z')
			*out |= 0x20;
}

static int refuse_directory(const struct reading *r, const char *name)
{
	const char *why = reserved(name);
	struct str text = STR_INIT;

	if (!is_name(name))
		return fault(r, "\"%s\" is no attribute of the directory", name);
	if (is_known(r->mapping, name))
		return fault(r, "\"%s\" is filled twice; keep one", name);
	if (why == NULL)
		return 0;
	str_printf(&text, "\"%s\" must not be in it: %s; remove it", name, why);
	fault(r, "%s", str_cstr(&text));
	str_free(&text);
	return -1;
}

static int read_pair(struct reading *r, char *word, bool once)
{
	char directory[PERSON_NAME_MAX + 2];
	char *source = strchr(word, '=');
	const char *error;

	if (source == NULL || source[1] == '\0')
		return fault(r, "\"%s\" is no DIRECTORY=SOURCE", word);
	*source++ = '\0';
	lower_name(word, directory, sizeof directory);
	if (refuse_directory(r, directory) < 0)
		return -1;
	if (template_names(source, intern_one, r->mapping, &error) < 0)
		return fault(r, "%s", error);
	add_attribute(r->mapping, directory, source, once);
	return 0;
}

static int read_pairs(struct reading *r, const char *key, const char *value, bool once)
{
	char *word;
	int result = 0;

	r->key = key;
	while (result == 0 && (word = next_word(&value)) != NULL) {
		result = read_pair(r, word, once);
		mem_free(&word);
	}
	return result;
}

/* --- all of it ------------------------------------------------------------------------------ */

static int read_id(struct reading *r)
{
	if (read_names(r, "id", r->up->id, FIELD_ID) < 0)
		return -1;
	if (r->mapping->field_count != 1)
		return fault(r, "must be one name of an attribute or column%s", "");
	return 0;
}

static int read_physical(struct reading *r)
{
	const char *error;

	r->key = "physical";
	if (strchr(r->up->physical, '%') == NULL)
		return fault(r,
			"\"%s\" is the same for all; give a template such as "
			"\"%%{uid}@s1.internal\"",
			r->up->physical);
	if (template_names(r->up->physical, intern_one, r->mapping, &error) < 0)
		return fault(r, "%s", error);
	return 0;
}

static int read_all(struct reading *r)
{
	const struct config_up *up = r->up;

	/* The order is that in which a person is filled: the first primary address stays. */
	if (read_id(r) < 0 || read_names(r, "primary", up->primary, FIELD_PRIMARY) < 0 ||
		read_names(r, "proxy_addresses", up->proxy_addresses, FIELD_PROXY) < 0 ||
		read_names(r, "addresses", up->addresses, FIELD_ADDRESS) < 0 ||
		read_names(r, "foreign", up->foreign, FIELD_FOREIGN) < 0)
		return -1;
	return read_physical(r) < 0 || read_pairs(r, "attributes", up->attributes, false) < 0 ||
			       read_pairs(r, "attributes_once", up->attributes_once, true) < 0
		       ? -1
		       : 0;
}

struct mapping *mapping_new(const struct config_up *settings, const char **error_r)
{
	struct mapping *mapping = mem_zalloc(sizeof *mapping);
	struct reading r = { mapping, settings, "" };

	mapping->physical = settings->physical;
	mapping->directory_names = mem_zalloc(sizeof mapping->directory_names[0]);
	if (read_all(&r) < 0) {
		*error_r = error_text;
		mapping_free(&mapping);
		return NULL;
	}
	return mapping;
}

void mapping_free(struct mapping **mapping)
{
	struct mapping *m = *mapping;

	if (m == NULL)
		return;
	for (size_t i = 0; i < m->name_count; i++)
		mem_free(&m->names[i]);
	for (size_t i = 0; i < m->attribute_count; i++) {
		mem_free(&m->attributes[i].directory);
		mem_free(&m->attributes[i].template);
	}
	mem_free(&m->names);
	mem_free(&m->canonical);
	mem_free(&m->directory_names);
	mem_free(&m->fields);
	mem_free(&m->attributes);
	mem_free(mapping);
}

const char *const *mapping_names(const struct mapping *mapping)
{
	return (const char *const *)mapping->names;
}

const char *const *mapping_directory_names(const struct mapping *mapping)
{
	return (const char *const *)mapping->directory_names;
}

bool mapping_is_once(const struct mapping *mapping, const char *name)
{
	for (size_t i = 0; i < mapping->attribute_count; i++)
		if (strcmp(mapping->attributes[i].directory, name) == 0)
			return mapping->attributes[i].once;
	return false;
}
