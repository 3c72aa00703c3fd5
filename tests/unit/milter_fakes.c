#include "tests/unit/milter_fakes.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "milter/events.h"

struct fake fake;

/* --- the directory -----------------------------------------------------------------------------
 */

void fake_reset(void)
{
	str_free(&fake.content);
	str_free(&fake.envelope);
	memset(&fake, 0, sizeof fake);
	fake.loaded = fake.current = fake.node_enabled = true;
	fake.flip = -1;
}

struct fake_mailbox *fake_add(const char *address, const char *physical, enum route_state state)
{
	size_t i = 0;

	while (fake.mailboxes[i].address != NULL)
		i++;
	fake.mailboxes[i] = (struct fake_mailbox){ address, physical, state, (uint8_t)(i + 1) };
	return &fake.mailboxes[i];
}

static void fill_mailbox(const struct fake_mailbox *m, struct route_facts *facts)
{
	facts->match = MATCH_FULL;
	facts->claims = 1;
	facts->uuid[0] = m->uuid;
	facts->mailbox_state = m->state;
	snprintf(facts->physical, sizeof facts->physical, "%s", m->physical);
}

bool replica_system_release(
	struct replica *replica, const char *system, struct replica_release *release_r)
{
	(void)replica, (void)system, (void)release_r;
	return false;
}

void replica_lookup(
	struct replica *replica, const struct address *address, struct route_facts *facts)
{
	(void)replica;
	if (fake.flip >= 0 && fake.lookups++ >= fake.flip_after)
		fake.mailboxes[fake.flip].state = fake.flip_state;
	memset(facts, 0, sizeof *facts);
	facts->loaded = fake.loaded;
	facts->current = fake.current;
	facts->node_enabled = fake.node_enabled;
	/* a replica may say so of a name without domain: the front door must know better */
	facts->federated = !address->has_domain || strcmp(address_domain(address), "fed.test") == 0;
	for (size_t i = 0; i < sizeof fake.mailboxes / sizeof *fake.mailboxes; i++)
		if (fake.mailboxes[i].address != NULL &&
			strcmp(fake.mailboxes[i].address, address->key) == 0)
			fill_mailbox(&fake.mailboxes[i], facts);
}

void replica_view(struct replica *replica, struct replica_view *view)
{
	(void)replica;
	memset(view, 0, sizeof *view);
	view->loaded = fake.loaded;
	view->node = NODE_ENABLED;
}

void replica_mailbox_name(struct replica *replica, const uint8_t *uuid, char *name, size_t size)
{
	(void)replica;
	(void)uuid;
	snprintf(name, size, "somebody");
}

/* --- the hold queue ----------------------------------------------------------------------------
 */

struct holdq_draft {
	struct str content;
};

struct holdq_draft *holdq_draft_new(struct holdq *queue)
{
	(void)queue;
	fake.drafts++;
	return mem_zalloc(sizeof(struct holdq_draft));
}

enum holdq_result holdq_draft_append(struct holdq_draft *draft, const void *data, size_t len)
{
	if (fake.append == HOLDQ_OK)
		str_append(&draft->content, data, len);
	return fake.append;
}

void holdq_draft_free(struct holdq_draft **draft)
{
	if (*draft == NULL)
		return;
	fake.drafts_freed++;
	str_free(&(*draft)->content);
	mem_free(draft);
}

enum holdq_result holdq_room(struct holdq *queue, const uint8_t *mailbox)
{
	(void)queue;
	(void)mailbox;
	return fake.room;
}

const char *holdq_reason(void)
{
	return "as the test wants it";
}

enum holdq_result holdq_commit(struct holdq_draft *draft, const struct holdq_envelope *envelope,
	const struct holdq_recipient *recipients, size_t count, const uint8_t *repeat,
	uint64_t *id_r, size_t *held_r)
{
	fake.commits++;
	if (fake.commit != HOLDQ_OK)
		return fake.commit;
	str_reset(&fake.content);
	str_append(&fake.content, draft->content.data, draft->content.len);
	str_reset(&fake.envelope);
	str_printf(&fake.envelope, "<%s> %s\n", envelope->sender, envelope->mail_params);
	for (size_t i = 0; i < count; i++)
		str_printf(&fake.envelope, "%d <%s> %s\n", recipients[i].mailbox[0],
			recipients[i].address, recipients[i].params);
	fake.repeatable = repeat != NULL;
	if (repeat != NULL)
		memcpy(fake.repeat, repeat, sizeof fake.repeat);
	*id_r = fake.commits;
	*held_r = count;
	return HOLDQ_OK;
}

bool holdq_has(struct holdq *queue, const uint8_t *mailbox)
{
	(void)queue;
	(void)mailbox;
	return fake.waiting != NULL;
}

enum holdq_result holdq_find_repeat(struct holdq *queue, const uint8_t *repeat,
	const struct holdq_recipient *recipients, size_t count, bool *held)
{
	(void)queue;
	fake.repeatable = repeat != NULL;
	for (size_t i = 0; i < count; i++)
		held[i] = strcmp(recipients[i].address, fake.waiting) == 0;
	return HOLDQ_OK;
}

/* --- the rest ----------------------------------------------------------------------------------
 */

void release_wake(struct release *release, const uint8_t *mailbox)
{
	(void)release;
	(void)mailbox;
}

void node_wake(struct node *node)
{
	(void)node;
}

void events_raise(enum event event)
{
	(void)event;
}

struct front *fake_front(void)
{
	struct front *f = mem_zalloc(sizeof *f);

	f->config = mem_zalloc(sizeof *f->config);
	f->config->milter.reentry_daemon_name = mem_strdup("reentry");
	f->recorded = true;
	f->decisions = decisions_new();
	f->lateness = lateness_new(0);
	lateness_configure(f->lateness, 3600000000);
	return f;
}

void fake_front_free(struct front **front)
{
	metric_names_free(&(*front)->meter.systems);
	decisions_free(&(*front)->decisions);
	lateness_free(&(*front)->lateness);
	mem_free(&(*front)->config->milter.reentry_daemon_name);
	mem_free(&(*front)->config);
	metric_names_free(&(*front)->meter.systems);
	mem_free(front);
}
