/*
 * Persons as bytes: "P1", id, key of the physical address, primary, the three sets, each text ended
 * by a NUL and each set by an empty one; last, and not in the digest, the spelling of the physical
 * address.
 */
#include <string.h>

#include "dirsync/person.h"
#include "lib/digest.h"

#define MAGIC         "P1"
#define PRIMARY_MAX   (ADDRESS_MAX + 256) /* with the domain as A-labels */
#define ATTRIBUTE_MAX (PERSON_NAME_MAX + 1 + PERSON_VALUE_MAX)

static bool same(const struct str *a, const struct str *b)
{
	return a->len == b->len && memcmp(str_cstr(a), str_cstr(b), a->len) == 0;
}

bool person_same(const struct person *a, const struct person *b)
{
	return same(&a->id, &b->id) && same(&a->physical_key, &b->physical_key) &&
	       same(&a->primary, &b->primary) && strings_equal(&a->addresses, &b->addresses) &&
	       strings_equal(&a->foreign, &b->foreign) &&
	       strings_equal(&a->attributes, &b->attributes);
}

static void put(struct str *out, const struct str *text)
{
	str_append(out, str_cstr(text), text->len + 1);
}

static void put_set(struct str *out, const struct strings *set)
{
	str_append(out, str_cstr(&set->bytes), set->bytes.len);
	str_append_c(out, '\0');
}

static void put_compared(const struct person *person, struct str *out)
{
	str_append(out, MAGIC, sizeof MAGIC);
	put(out, &person->id);
	put(out, &person->physical_key);
	put(out, &person->primary);
	put_set(out, &person->addresses);
	put_set(out, &person->foreign);
	put_set(out, &person->attributes);
}

void person_encode(const struct person *person, struct str *out)
{
	put_compared(person, out);
	put(out, &person->physical);
}

void person_digest(const struct person *person, uint8_t digest_r[PERSON_DIGEST_SIZE])
{
	struct digest *digest = digest_begin();
	struct str bytes = STR_INIT;
	uint8_t whole[DIGEST_BYTES];

	put_compared(person, &bytes);
	digest_add(digest, bytes.data, bytes.len);
	digest_end(&digest, whole);
	memcpy(digest_r, whole, PERSON_DIGEST_SIZE);
	str_free(&bytes);
}

/* --- reading -------------------------------------------------------------------------------- */

struct input {
	const char *next, *end;
};

/* The next text; NULL where it does not end. */
static const char *take(struct input *in, size_t *len_r)
{
	const char *text = in->next;
	const char *nul = memchr(text, '\0', (size_t)(in->end - text));

	if (nul == NULL)
		return NULL;
	*len_r = (size_t)(nul - text);
	in->next = nul + 1;
	return text;
}

static bool take_str(struct input *in, size_t most, struct str *out)
{
	size_t len;
	const char *text = take(in, &len);

	if (text == NULL || len > most)
		return false;
	str_append(out, text, len);
	return true;
}

/* Sorted, none twice: strings are what strings_add makes. */
static bool take_set(struct input *in, size_t most, struct strings *out)
{
	const char *text, *before = NULL, *begin = in->next;
	size_t len;

	while ((text = take(in, &len)) != NULL && len > 0) {
		if (len > most || (before != NULL && strcmp(before, text) >= 0))
			return false;
		before = text;
		out->count++;
	}
	if (text == NULL || out->count > PERSON_VALUES_MAX)
		return false;
	str_append(&out->bytes, begin, (size_t)(text - begin));
	return true;
}

static bool take_all(struct input *in, struct person *person)
{
	size_t len;
	const char *magic = take(in, &len);

	return magic != NULL && strcmp(magic, MAGIC) == 0 &&
	       take_str(in, PERSON_ID_MAX, &person->id) &&
	       take_str(in, ADDRESS_MAX, &person->physical_key) &&
	       take_str(in, PRIMARY_MAX, &person->primary) &&
	       take_set(in, ADDRESS_MAX, &person->addresses) &&
	       take_set(in, PERSON_VALUE_MAX, &person->foreign) &&
	       take_set(in, ATTRIBUTE_MAX, &person->attributes) &&
	       take_str(in, ADDRESS_MAX, &person->physical) && in->next == in->end;
}

int person_decode(const void *data, size_t len, struct person *person_r)
{
	struct input in = { data, (const char *)data + len };

	person_reset(person_r);
	if (len > 0 && take_all(&in, person_r))
		return 0;
	person_reset(person_r);
	return -1;
}
