/*
 * Addresses that the reports say another one has, and that nobody has any more. Neither a delta nor
 * a drop folder without a new file shows who claims them, so the run reads everything.
 */
#define _GNU_SOURCE
#include "dirsync/up.h"

#include <string.h>

#include "lib/address.h"
#include "lib/log.h"
#include "lib/mailbox.h"

struct freed {
	struct up *up;
	struct strings claimed, owned;
	bool free;
	bool failed;
};

static const char *const attributes[] = { "mailLocalAddress", "restanteAddressUTF8", NULL };

static int take_owned(void *context, const struct ldap_entry *raw)
{
	struct freed *f = context;
	struct address address;
	const char *error;

	for (const char *const *name = attributes; *name != NULL; name++) {
		const struct ldap_attribute *found = ldap_entry_attribute(raw, *name);
		for (size_t i = 0; found != NULL && i < found->count; i++)
			if (address_parse(found->values[i], &address, &error) == 0)
				strings_add(&f->owned, address.key);
	}
	return 0;
}

/* Those claimed until now. */
static void ask(struct freed *f)
{
	struct up *up = f->up;
	struct str filter = STR_INIT;
	struct address address;
	const char *error;

	if (f->claimed.count == 0 || f->free || f->failed)
		return;
	str_append_z(&filter, "(|");
	for (const char *k = strings_first(&f->claimed); k != NULL;
		k = strings_next(&f->claimed, k))
		if (address_parse(k, &address, &error) == 0)
			mailbox_filter(&address, &filter);
	str_append_c(&filter, ')');
	f->failed = ldap_session_search(up->session, up->ldap.base, LDAP_SUB, filter.data,
			    attributes, take_owned, f) != LDAP_DONE;
	str_free(&filter);
	for (const char *k = strings_first(&f->claimed); k != NULL && !f->failed;
		k = strings_next(&f->claimed, k))
		f->free = f->free || !strings_has(&f->owned, k);
	strings_reset(&f->claimed);
	strings_reset(&f->owned);
}

static int take_claim(void *context, struct json *report)
{
	struct freed *f = context;
	const char *kind = json_get_string(report, "kind"),
		   *key = json_get_string(report, "address");
	struct address address;
	const char *error;

	if (kind != NULL && strcmp(kind, "conflict") == 0 && key != NULL &&
		address_parse(key, &address, &error) == 0)
		strings_add(&f->claimed, address.key);
	json_free(&report);
	if (f->claimed.count == UP_BATCH)
		ask(f);
	return 0;
}

int up_freed(struct up *up)
{
	struct freed f = { .up = up };

	if (up->again)
		return 0;
	reports_read(up->config->dirsync.state_dir, up->options->system, SYNC_UP, take_claim, &f);
	ask(&f);
	strings_free(&f.claimed);
	strings_free(&f.owned);
	if (f.failed)
		return up_fail(up, "who has the addresses that are in conflict: %s",
			ldap_session_reason(up->session));
	if (f.free) {
		log_info("sync",
			"an address that was in conflict is free: the run is full system=%s",
			up->options->system);
		up->full = up->again = true;
	}
	return 0;
}
