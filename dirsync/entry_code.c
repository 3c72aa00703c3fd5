/* Entries as bytes (dirsync/code.h). */
#include "dirsync/code.h"
#include "dirsync/entry.h"

#define MAGIC       "E1"
#define DN_MAX      65536
#define TEXT_MAX    65536
#define SPELLED_MAX (64 + 1024) /* an attribute, a space, an address as somebody spelled it */

size_t entry_encode(const struct entry *entry, struct str *out)
{
	size_t begin = out->len, before;

	code_put_text(out, MAGIC);
	code_put(out, &entry->dn);
	code_put(out, &entry->uuid);
	code_put(out, &entry->csn);
	code_put(out, &entry->system);
	code_put(out, &entry->provenance);
	code_put_number(out, entry->state);
	code_put_number(out, entry->vanished_us);
	code_put_set(out, &entry->spelled);
	code_put_set(out, &entry->going);
	before = out->len - begin;
	person_encode(&entry->person, out);
	return before;
}

static bool take_all(struct code_input *in, struct entry *entry)
{
	int64_t state;

	if (!code_take_magic(in, MAGIC) || !code_take(in, DN_MAX, &entry->dn) ||
		!code_take(in, ROUTE_UUID_TEXT, &entry->uuid) ||
		!code_take(in, TEXT_MAX, &entry->csn) || !code_take(in, TEXT_MAX, &entry->system) ||
		!code_take(in, TEXT_MAX, &entry->provenance) ||
		!code_take_number(in, STATE_ACTIVE, STATE_UNKNOWN, &state) ||
		!code_take_number(in, 0, INT64_MAX, &entry->vanished_us))
		return false;
	entry->state = (enum route_state)state;
	return code_take_set(in, SPELLED_MAX, 2 * PERSON_VALUES_MAX, &entry->spelled) &&
	       code_take_set(in, ENTRY_MARK_MAX, ENTRY_MARKS_MAX, &entry->going) &&
	       person_decode(in->next, (size_t)(in->end - in->next), &entry->person) == 0;
}

int entry_decode(const void *data, size_t len, struct entry *entry_r)
{
	struct code_input in = { data, (const char *)data + len };

	entry_reset(entry_r);
	if (len > 0 && take_all(&in, entry_r))
		return 0;
	entry_reset(entry_r);
	return -1;
}
