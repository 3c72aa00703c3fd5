#include "doctor/doctor.h"

#include <string.h>

#include "doctor/mta.h"
#include "lib/mem.h"

static const struct doctor_check *const tables[] = { doctor_host_checks, doctor_directory_checks,
	doctor_settings_checks, doctor_rights_checks, doctor_systems_checks, doctor_milter_checks,
	doctor_mta_checks };

#define TABLES (sizeof(tables) / sizeof(tables[0]))

/* --- choosing ------------------------------------------------------------------------------- */

static bool fits(const char *name, const char *id)
{
	size_t len = strlen(name);

	return strncmp(name, id, len) == 0 && (id[len] == '\0' || id[len] == '.');
}

static bool any_fits(const struct strings *names, const char *id)
{
	for (size_t i = 0; i < names->count; i++)
		if (fits(names->items[i], id))
			return true;
	return false;
}

bool doctor_is_chosen(const struct doctor_choice *choice, const char *id)
{
	return (choice->only.count == 0 || any_fits(&choice->only, id)) &&
	       !any_fits(&choice->skip, id);
}

/* --- listing -------------------------------------------------------------------------------- */

static bool has_id(const struct doctor_check *table, const char *id)
{
	for (; table->id != NULL; table++)
		if (strcmp(table->id, id) == 0)
			return true;
	return false;
}

/* MTAs share ids: the first that has one stands for it. */
static bool listed_before(size_t mta, const char *id)
{
	for (size_t i = 0; i < mta; i++)
		if (has_id(mta_at(i)->checks, id))
			return true;
	return false;
}

void doctor_list(doctor_list_callback callback, void *context)
{
	for (size_t i = 0; i < TABLES; i++)
		for (const struct doctor_check *check = tables[i]; check->id != NULL; check++)
			callback(context, check);
	for (size_t i = 0; mta_at(i) != NULL; i++)
		for (const struct doctor_check *c = mta_at(i)->checks; c->id != NULL; c++)
			if (!listed_before(i, c->id))
				callback(context, c);
}

struct knowing {
	const char *name;
	bool found;
};

static void compare(void *context, const struct doctor_check *check)
{
	struct knowing *knowing = context;

	knowing->found = knowing->found || fits(knowing->name, check->id);
}

bool doctor_knows(const char *name)
{
	struct knowing knowing = { name, false };

	doctor_list(compare, &knowing);
	return knowing.found;
}

/* --- gathering ------------------------------------------------------------------------------ */

struct wanting {
	const struct doctor_choice *choice;
	unsigned needs;
};

static void add_needs(void *context, const struct doctor_check *check)
{
	struct wanting *wanting = context;

	if (doctor_is_chosen(wanting->choice, check->id))
		wanting->needs |= check->needs;
}

static unsigned needs_of(const struct doctor_choice *choice)
{
	struct wanting wanting = { choice, 0 };

	doctor_list(add_needs, &wanting);
	if ((wanting.needs & (NEED_SETTINGS | NEED_FEDERATION)) != 0)
		wanting.needs |= NEED_DIRECTORY;
	return wanting.needs | NEED_CONFIG;
}

#define FROM_DIRECTORY (NEED_DIRECTORY | NEED_SETTINGS | NEED_FEDERATION | WANT_DIRECTORY)

void doctor_gather(struct facts *facts, const struct gather_options *options,
	const struct doctor_choice *choice)
{
	unsigned needs = needs_of(choice);

	if (facts->config == NULL)
		return;
	gather_host(facts);
	if ((needs & FROM_DIRECTORY) != 0)
		gather_directory(facts, options);
	if ((needs & WANT_SYSTEMS) != 0)
		gather_systems(facts);
	if ((needs & (NEED_MTA | WANT_MTA)) != 0)
		gather_mta(facts, options);
}

/* --- running -------------------------------------------------------------------------------- */

static unsigned what_there_is(const struct facts *facts)
{
	unsigned there = WANT_DIRECTORY | WANT_MTA | WANT_SYSTEMS;

	there |= facts->config != NULL ? NEED_CONFIG : 0;
	there |= facts->directory.state == DIRECTORY_OPEN && facts->directory.reader_count > 0
			 ? NEED_DIRECTORY
			 : 0;
	there |= facts->directory.settings.seen ? NEED_SETTINGS : 0;
	there |= facts->directory.federation != NULL ? NEED_FEDERATION : 0;
	there |= facts->status != NULL ? NEED_MILTER : 0;
	there |= facts->mta_facts != NULL ? NEED_MTA : 0;
	return there;
}

/* The check that says why something needed is not there. */
static bool explains(const char *id, unsigned missing)
{
	static const struct {
		const char *id;
		unsigned need;
	} reasons[] = { { "config.parses", NEED_CONFIG }, { "directory.reach", NEED_DIRECTORY },
		{ "config.password", NEED_DIRECTORY }, { "directory.settings", NEED_SETTINGS },
		{ "federation.entry", NEED_FEDERATION }, { "milter.answers", NEED_MILTER },
		{ "mta.seen", NEED_MTA } };

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reasons[i].id, id) == 0)
			return (reasons[i].need & missing) != 0;
	return false;
}

/* What was not asked for is looked at all the same where it keeps another check from being made. */
static bool is_wanted(const struct doctor_choice *choice, const char *id, unsigned missing)
{
	return doctor_is_chosen(choice, id) ||
	       (explains(id, missing) && !any_fits(&choice->skip, id));
}

void doctor_run(const struct facts *facts, const struct doctor_choice *choice,
	struct doctor_report *report, doctor_callback callback, void *context)
{
	unsigned there = what_there_is(facts), missing = needs_of(choice) & ~there;

	for (size_t i = 0; i <= TABLES; i++) {
		const struct doctor_check *check = i < TABLES           ? tables[i]
						   : facts->mta != NULL ? facts->mta->checks
									: NULL;

		for (; check != NULL && check->id != NULL; check++) {
			bool can = (check->needs & ~there) == 0;
			size_t first = report->count;

			if (!is_wanted(choice, check->id, missing))
				continue;
			report->check = check->id;
			if (can)
				check->run(facts, report);
			callback(context, check, can ? DOCTOR_RAN : DOCTOR_NOT_LOOKED_AT, report,
				first);
		}
	}
}

/* --- the end -------------------------------------------------------------------------------- */

static void free_host(struct host_facts *host)
{
	for (size_t i = 0; i < PLACE_COUNT; i++)
		path_facts_free(&host->places[i].at);
	path_facts_free(&host->administrator);
	for (size_t i = 0; i < host->system_count; i++) {
		path_facts_free(&host->systems[i].password);
		path_facts_free(&host->systems[i].ca);
		mem_free(&host->systems[i].fault);
	}
	mem_free(&host->systems);
	mem_free(&host->password_fault);
	mem_free(&host->administrator_fault);
}

static void free_rights(struct rights *rights)
{
	strings_free(&rights->unread);
	strings_free(&rights->missing);
	strings_free(&rights->excess);
	strings_free(&rights->administrator);
	strings_free(&rights->unclear);
	mem_free(&rights->read_only_reason);
}

static void free_settings(struct settings *settings)
{
	mem_free(&settings->session_log);
	mem_free(&settings->checkpoint);
	strings_free(&settings->unique_uris);
	strings_free(&settings->indexes);
}

static void free_lists(struct directory_facts *d)
{
	strings_free(&d->controls);
	strings_free(&d->attribute_types);
	strings_free(&d->object_classes);
	strings_free(&d->mailboxes);
	strings_free(&d->addresses);
	strings_free(&d->systems);
	strings_free(&d->nodes);
	for (size_t i = 0; i < d->reader_count; i++) {
		mem_free(&d->readers[i].uri);
		mem_free(&d->readers[i].error);
		strings_free(&d->readers[i].level);
	}
	mem_free(&d->readers);
	for (size_t i = 0; i < d->backend_count; i++) {
		mem_free(&d->backends[i].name);
		mem_free(&d->backends[i].address);
		mem_free(&d->backends[i].protocol);
		mem_free(&d->backends[i].tls);
		mem_free(&d->backends[i].listener);
		mem_free(&d->backends[i].trouble);
	}
	mem_free(&d->backends);
	for (size_t i = 0; i < d->clock_count; i++)
		mem_free(&d->clocks[i].name);
	mem_free(&d->clocks);
}

static void free_directory(struct directory_facts *d)
{
	free_lists(d);
	free_rights(&d->rights);
	free_settings(&d->settings);
	federation_free(&d->federation);
	mem_free(&d->reason);
	mem_free(&d->suffix);
	mem_free(&d->administrator_reason);
	mem_free(&d->sync_reason);
	mem_free(&d->limited_reason);
	mem_free(&d->federation_reason);
	mem_free(&d->node_dn);
	mem_free(&d->node_state);
}

void facts_free(struct facts *facts)
{
	free_host(&facts->host);
	free_directory(&facts->directory);
	if (facts->mta_facts != NULL)
		facts->mta->free(facts->mta_facts);
	mem_free(&facts->mta_error);
	mem_free(&facts->common.listing);
	mem_free(&facts->common.released);
	identity_free(&facts->milter);
}
