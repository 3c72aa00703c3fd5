/* Templates of actions against a backend's LDAP. */
#include <string.h>
#include <strings.h>

#include "control/action_internal.h"
#include "lib/mem.h"

/* --- sessions ------------------------------------------------------------------------------- */

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static struct ldap_session *take_idle(struct actions *actions)
{
	struct ldap_session *session = NULL;
	struct idle_session *idle;

	pthread_mutex_lock(&actions->lock);
	if ((idle = actions->idle) != NULL) {
		actions->idle = idle->next;
		session = idle->session;
		mem_free(&idle);
	}
	pthread_mutex_unlock(&actions->lock);
	return session;
}

static enum part_outcome open_session(struct action_run *run)
{
	const struct config_actions *s = &run->actions->settings;
	struct ldap_options options = {
		.uri = s->uri,
		.base = s->base,
		.bind = s->bind,
		.bind_dn = or_null(s->bind_dn),
		.password_file = or_null(s->password_file),
		.starttls = s->starttls,
		.ca_file = or_null(s->ca_file),
		.cert_file = or_null(s->cert_file),
		.key_file = or_null(s->key_file),
		.timeout_us = s->timeout,
	};
	const char *error;

	run->session = ldap_session_open(&options, &error);
	return run->session != NULL ? PART_OK : action_say(run, PART_FAILED, "%s", error);
}

void action_session_put(struct action_run *run, bool broken)
{
	struct actions *actions = run->actions;
	struct idle_session *idle;

	if (run->session == NULL)
		return;
	if (broken) {
		ldap_session_close(&run->session);
		return;
	}
	idle = mem_zalloc(sizeof(*idle));
	idle->session = run->session;
	run->session = NULL;
	pthread_mutex_lock(&actions->lock);
	idle->next = actions->idle;
	actions->idle = idle;
	pthread_mutex_unlock(&actions->lock);
}

/* --- searching ------------------------------------------------------------------------------ */

struct found {
	struct action_run *run;
	const struct action_search *search;
	const char *name; /* its values are called NAME.ATTRIBUTE; NULL: they are not kept */
	unsigned count;
	struct str dn, second;
};

static void keep_values(struct found *found, const struct ldap_entry *entry)
{
	struct str name = STR_INIT;

	str_printf(&name, "%s.dn", found->name);
	action_values_add_copy(found->run, name.data, entry->dn);
	for (char *const *a = found->search->attributes; *a != NULL; a++) {
		const struct ldap_attribute *attribute = ldap_entry_attribute(entry, *a);

		if (attribute == NULL)
			attribute = ldap_entry_attribute(entry, template_canonical_name(*a));
		str_reset(&name);
		str_printf(&name, "%s.%s", found->name, *a);
		for (size_t i = 0; attribute != NULL && i < attribute->count; i++)
			action_values_add_copy(found->run, name.data, attribute->values[i]);
	}
	str_free(&name);
}

static int take_entry(void *context, const struct ldap_entry *entry)
{
	struct found *found = context;

	if (++found->count == 1) {
		str_append_z(&found->dn, entry->dn);
		if (found->name != NULL)
			keep_values(found, entry);
		return 0;
	}
	str_append_z(&found->second, entry->dn);
	return -1; /* two are enough to know */
}

static void found_free(struct found *found)
{
	str_free(&found->dn);
	str_free(&found->second);
}

/* A session that lay idle may be gone: once, another one is tried. */
static enum ldap_result search_again(struct action_run *run, const char *base,
	const struct action_search *search, const char *filter, struct found *found)
{
	enum ldap_result result;
	bool fresh = false;

	for (;;) {
		if (run->session == NULL && (run->session = take_idle(run->actions)) == NULL) {
			if (open_session(run) != PART_OK)
				return LDAP_DOWN;
			fresh = true;
		}
		result = ldap_session_search(run->session, base, search->scope, filter,
			(const char *const *)search->attributes, take_entry, found);
		if (result != LDAP_DOWN)
			return result;
		action_say(run, PART_FAILED, "%s", ldap_session_reason(run->session));
		ldap_session_close(&run->session);
		if (fresh || found->count > 0)
			return LDAP_DOWN;
	}
}

/* PART_OK: found says what is there. */
static enum part_outcome find_rendered(struct action_run *run, const char *base,
	const struct action_search *search, const char *filter, struct found *found)
{
	enum part_outcome outcome = action_may_go_on(run);

	if (outcome != PART_OK)
		return outcome;
	switch (search_again(run, base, search, filter, found)) {
	case LDAP_DONE:
	case LDAP_NO_ENTRY: return PART_OK;
	case LDAP_DOWN: return PART_FAILED; /* said already */
	default: return action_say(run, PART_REFUSED, "%s", ldap_session_reason(run->session));
	}
}

static enum part_outcome find(struct action_run *run, const struct action_template *template,
	const struct action_search *search, struct found *found)
{
	struct str base = STR_INIT, filter = STR_INIT;
	enum part_outcome outcome = PART_OK;
	const char *error;

	if (action_render(template, &search->base, PLACE_DN, &run->values, &base, &error) != 0 ||
		(search->filter.text != NULL &&
			action_render(template, &search->filter, PLACE_FILTER, &run->values,
				&filter, &error) != 0))
		outcome = action_say(run, PART_REFUSED, "%s", error);
	else
		outcome = find_rendered(run, str_cstr(&base), search,
			search->filter.text != NULL ? str_cstr(&filter) : "(objectClass=*)", found);
	str_free(&base);
	str_free(&filter);
	return outcome;
}

static enum part_outcome say_two(struct action_run *run, const struct action_template *template,
	const struct action_search *search, const struct found *found)
{
	return action_say(run, PART_REFUSED, "%s:%u: two entries match: %s, %s", template->name,
		search->line, str_cstr(&found->dn), str_cstr(&found->second));
}

/* --- finds and conditions ------------------------------------------------------------------- */

static bool was_found(const struct action_run *run, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < run->values.count; i++)
		if (strncasecmp(run->values.list[i].name, name, len) == 0 &&
			strcasecmp(run->values.list[i].name + len, ".dn") == 0)
			return true;
	return false;
}

static bool applies(const struct action_run *run, const struct action_lines *conditions)
{
	for (size_t i = 0; i < conditions->count; i++) {
		const struct action_line *line = &conditions->list[i];

		if (was_found(run, line->text) != (strcasecmp(line->name, "when") == 0))
			return false;
	}
	return true;
}

static enum part_outcome run_find(struct action_run *run, const struct action_template *template,
	const struct action_search *search)
{
	struct found found = { .run = run, .search = search, .name = search->find };
	enum part_outcome outcome = find(run, template, search, &found);

	if (outcome == PART_OK && found.count > 1)
		outcome = say_two(run, template, search, &found);
	found_free(&found);
	return outcome;
}

/* All of them, or those that the checks speak of. */
static enum part_outcome run_finds(
	struct action_run *run, const struct action_template *template, bool all, size_t *mark_r)
{
	enum part_outcome outcome = PART_OK;

	*mark_r = run->values.count;
	for (size_t i = 0; outcome == PART_OK && i < template->search_count; i++)
		if (template->searches[i].kind == SEARCH_FIND &&
			(all || template->searches[i].checked) &&
			applies(run, &template->searches[i].conditions))
			outcome = run_find(run, template, &template->searches[i]);
	return outcome;
}

/* --- checks --------------------------------------------------------------------------------- */

static enum part_outcome tell_one(struct action_run *run, const struct action_template *template,
	const struct action_line *line, void (*tell)(struct action_run *run, const char *text))
{
	struct str text = STR_INIT;
	enum part_outcome outcome = PART_OK;
	const char *error;

	if (line->text == NULL)
		return PART_OK;
	if (action_render(template, line, PLACE_VALUE, &run->values, &text, &error) != 0)
		outcome = action_say(run, PART_REFUSED, "%s", error);
	else
		tell(run, str_cstr(&text));
	str_free(&text);
	return outcome;
}

static enum part_outcome tell_addresses(struct action_run *run,
	const struct action_template *template, const struct action_lines *lines)
{
	enum part_outcome outcome = PART_OK;
	const char *error;

	if (lines->count > 0)
		action_tell_address(run, NULL);
	for (size_t i = 0; outcome == PART_OK && i < lines->count; i++) {
		char **list = NULL;
		size_t count = 0;

		if (action_render_values(
			    template, &lines->list[i], &run->values, &list, &count, &error) != 0)
			outcome = action_say(run, PART_REFUSED, "%s", error);
		for (size_t v = 0; v < count; v++) {
			if (outcome == PART_OK)
				action_tell_address(run, list[v]);
			mem_free(&list[v]);
		}
		mem_free(&list);
	}
	return outcome;
}

static enum part_outcome tell(struct action_run *run, const struct action_template *template,
	const struct action_search *search)
{
	enum part_outcome outcome;

	outcome = tell_one(run, template, &search->physical, action_tell_physical);
	if (outcome == PART_OK)
		outcome = tell_one(run, template, &search->source_id, action_tell_source_id);
	if (outcome == PART_OK)
		outcome = tell_addresses(run, template, &search->addresses);
	return outcome;
}

static bool tells(const struct action_search *search)
{
	return search->physical.text != NULL || search->source_id.text != NULL ||
	       search->addresses.count > 0;
}

static enum part_outcome run_check(struct action_run *run, const struct action_template *template,
	const struct action_search *search)
{
	struct found found = { .run = run, .search = search };
	size_t mark = run->values.count;
	enum part_outcome outcome;

	found.name = tells(search) ? "entry" : NULL;
	outcome = find(run, template, search, &found);
	if (outcome == PART_OK && search->absent && found.count > 0)
		outcome = action_say(run, PART_NOT, "%s:%u: there is still %s", template->name,
			search->line, str_cstr(&found.dn));
	else if (outcome == PART_OK && !search->absent && found.count == 0)
		outcome = action_say(run, PART_NOT, "%s:%u: no entry is as this check wants it",
			template->name, search->line);
	else if (outcome == PART_OK && found.count > 1 && tells(search))
		outcome = say_two(run, template, search, &found);
	else if (outcome == PART_OK)
		outcome = tell(run, template, search);
	run->values.count = mark;
	found_free(&found);
	return outcome;
}

static enum part_outcome run_checks(struct action_run *run, const struct action_template *template)
{
	enum part_outcome outcome = PART_OK;

	for (size_t i = 0; outcome == PART_OK && i < template->search_count; i++)
		if (template->searches[i].kind == SEARCH_CHECK &&
			applies(run, &template->searches[i].conditions))
			outcome = run_check(run, template, &template->searches[i]);
	return outcome;
}

enum part_outcome action_ldap_check(struct action_run *run, const struct action_template *template)
{
	size_t mark;
	enum part_outcome outcome = run_finds(run, template, false, &mark);

	if (outcome == PART_OK)
		outcome = run_checks(run, template);
	if (outcome == PART_OK)
		action_say(run, PART_OK, "%s", ""); /* what an earlier check said */
	run->values.count = mark;
	return outcome;
}

/* --- refusals ------------------------------------------------------------------------------- */

static enum part_outcome run_refusal(struct action_run *run, const struct action_template *template,
	const struct action_search *search)
{
	struct found found = { .run = run, .search = search };
	enum part_outcome outcome = find(run, template, search, &found);
	struct str text = STR_INIT;
	const char *error;

	if (outcome == PART_OK && (found.count > 0) != search->absent) {
		outcome = PART_REFUSED;
		if (action_render(
			    template, &search->text, PLACE_VALUE, &run->values, &text, &error) == 0)
			error = str_cstr(&text);
		action_say(run, outcome, "%s%s%s", error, found.count > 0 ? ": " : "",
			str_cstr(&found.dn));
	}
	str_free(&text);
	found_free(&found);
	return outcome;
}

static enum part_outcome run_refusals(
	struct action_run *run, const struct action_template *template)
{
	enum part_outcome outcome = PART_OK;

	for (size_t i = 0; outcome == PART_OK && i < template->search_count; i++)
		if (template->searches[i].kind == SEARCH_REFUSE &&
			applies(run, &template->searches[i].conditions))
			outcome = run_refusal(run, template, &template->searches[i]);
	return outcome;
}

/* --- writing -------------------------------------------------------------------------------- */

static enum ldap_result send_one(struct action_run *run, const struct action_write *write)
{
	struct ldap_session *session = run->session;
	enum ldap_result result = LDAP_DONE;

	switch (write->kind) {
	case RECORD_ADD: return ldap_session_add(session, write->dn, write->changes, write->count);
	case RECORD_MODIFY:
		return write->count == 0 ? LDAP_DONE
					 : ldap_session_modify(session, write->dn, write->changes,
						   write->count, NULL, NULL, 0);
	case RECORD_DELETE:
		result = ldap_session_delete(session, write->dn, NULL);
		return result == LDAP_NO_ENTRY ? LDAP_DONE : result; /* gone is gone */
	case RECORD_RENAME:
		return ldap_session_rename(
			session, write->dn, write->rdn, write->parent, write->keep_old);
	}
	return result;
}

static enum part_outcome send(struct action_run *run, const struct action_template *template,
	const struct action_record *record, const struct action_write *write)
{
	enum part_outcome outcome = action_may_go_on(run);
	enum ldap_result result;

	if (outcome != PART_OK)
		return outcome;
	result = send_one(run, write);
	if (result == LDAP_DONE)
		return PART_OK;
	outcome = result == LDAP_DOWN ? PART_FAILED : PART_REFUSED;
	action_say(run, outcome, "%s:%u: %s", template->name, record->line,
		ldap_session_reason(run->session));
	if (result == LDAP_DOWN)
		ldap_session_close(&run->session);
	return outcome;
}

/* All of them are made before the first is sent: what is missing is told with nothing written. */
static enum part_outcome make_writes(
	struct action_run *run, const struct action_template *template, struct action_write *writes)
{
	const char *error;

	for (size_t i = 0; i < template->record_count; i++)
		if (applies(run, &template->records[i].conditions) &&
			action_render_record(template, &template->records[i], &run->values,
				&writes[i], &error) != 0)
			return action_say(run, PART_REFUSED, "%s", error);
	return PART_OK;
}

static enum part_outcome write_all(struct action_run *run, const struct action_template *template)
{
	struct action_write *writes =
		mem_zalloc((template->record_count + 1) * sizeof(struct action_write));
	enum part_outcome outcome = make_writes(run, template, writes);

	for (size_t i = 0; outcome == PART_OK && i < template->record_count; i++)
		if (writes[i].dn != NULL)
			outcome = send(run, template, &template->records[i], &writes[i]);
	for (size_t i = 0; i < template->record_count; i++)
		action_write_free(&writes[i]);
	mem_free(&writes);
	return outcome;
}

enum part_outcome action_ldap_do(struct action_run *run, const struct action_template *template)
{
	size_t mark;
	enum part_outcome outcome = run_finds(run, template, true, &mark);

	if (outcome == PART_OK)
		outcome = run_refusals(run, template);
	if (outcome == PART_OK)
		outcome = write_all(run, template);
	run->values.count = mark;
	return outcome;
}
