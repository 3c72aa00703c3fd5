/* LDAP sources: mailboxes that a delta is to show whether they have changed or not, by their ids.
 */
#include <string.h>

#include "dirsync/source_ldap_internal.h"

#define AT_ONCE 100 /* ids in one search */

/* As hexadecimal (mapping_id). */
static void put_bytes(const char *id, struct str *out)
{
	for (; id[0] != '\0' && id[1] != '\0'; id += 2)
		str_printf(out, "\\%.2s", id);
}

static void put_term(const struct ldap_pull *pull, const char *id, struct str *out)
{
	str_printf(out, "(%s=", pull->settings->id);
	if (mapping_is_binary_id(pull->settings->id))
		put_bytes(id, out);
	else
		ldap_filter_escape(id, out);
	str_append_c(out, ')');
}

void ldap_pull_ids(struct ldap_pull *pull)
{
	const struct source_request *request = pull->request;
	struct str condition = STR_INIT;
	bool going = true;

	/* the mark is made, and what is shown here is no change */
	pull->dated = pull->by_uuid = false;
	for (size_t i = 0; i < request->id_count && going; i += AT_ONCE) {
		str_reset(&condition);
		str_append_z(&condition, "(|");
		for (size_t n = i; n < i + AT_ONCE && n < request->id_count; n++)
			put_term(pull, request->ids[n], &condition);
		str_append_c(&condition, ')');
		going = ldap_pull_search(pull, str_cstr(&condition));
	}
	str_free(&condition);
}
