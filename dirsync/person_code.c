/* Persons as bytes (dirsync/code.h): last, and not in the digest, the spelling of the physical
 * address. */
#include <string.h>

#include "dirsync/code.h"
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

static void put_compared(const struct person *person, struct str *out)
{
	code_put_text(out, MAGIC);
	code_put(out, &person->id);
	code_put(out, &person->physical_key);
	code_put(out, &person->primary);
	code_put_set(out, &person->addresses);
	code_put_set(out, &person->foreign);
	code_put_set(out, &person->attributes);
}

void person_encode(const struct person *person, struct str *out)
{
	put_compared(person, out);
	code_put(out, &person->physical);
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

/* --- looking ------------------------------------------------------------------------------- */

/* Behind the text at p; `end` where there is none. */
static const char *behind(const char *p, const char *end)
{
	const char *nul = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;

	return nul != NULL ? nul + 1 : end;
}

static const char *behind_set(const char *p, const char *end, size_t *count_r)
{
	*count_r = 0;
	for (; p < end && *p != '\0'; ++*count_r)
		p = behind(p, end);
	return behind(p, end);
}

int person_bytes(const void *data, size_t len, struct person_bytes *bytes_r)
{
	const char *p = data, *end = p + len;
	size_t count;

	for (size_t text = 0; text < 4; text++) /* magic, id, physical key, primary */
		p = behind(p, end);
	bytes_r->lists = p;
	p = behind_set(behind_set(p, end, &bytes_r->addresses), end, &count);
	bytes_r->lists_len = (size_t)(p - bytes_r->lists);
	p = behind_set(p, end, &count);
	bytes_r->compared = (size_t)(p - (const char *)data);
	return p < end && behind(p, end) == end && end[-1] == '\0' ? 0 : -1;
}

/* --- reading -------------------------------------------------------------------------------- */

static bool take_all(struct code_input *in, struct person *person)
{
	return code_take_magic(in, MAGIC) && code_take(in, PERSON_ID_MAX, &person->id) &&
	       code_take(in, ADDRESS_MAX, &person->physical_key) &&
	       code_take(in, PRIMARY_MAX, &person->primary) &&
	       code_take_set(in, ADDRESS_MAX, PERSON_VALUES_MAX, &person->addresses) &&
	       code_take_set(in, PERSON_VALUE_MAX, PERSON_VALUES_MAX, &person->foreign) &&
	       code_take_set(in, ATTRIBUTE_MAX, PERSON_VALUES_MAX, &person->attributes) &&
	       code_take(in, ADDRESS_MAX, &person->physical) && in->next == in->end;
}

int person_decode(const void *data, size_t len, struct person *person_r)
{
	struct code_input in = { data, (const char *)data + len };

	person_reset(person_r);
	if (len > 0 && take_all(&in, person_r))
		return 0;
	person_reset(person_r);
	return -1;
}
