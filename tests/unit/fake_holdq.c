#define _GNU_SOURCE
#include "tests/unit/fake_holdq.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

struct stored {
	struct holdq_message message;
	char *content;
	struct stored *next;
};

struct holdq {
	pthread_mutex_t lock;
	struct stored *first;
	uint64_t last_id;
	holdq_observer observer;
	void *context;
	char *notice, *notice_to;
	unsigned notices, failing;
	bool broken;
};

const uint8_t holdq_notices[ROUTE_UUID_BYTES];
const uint8_t holdq_redirected[ROUTE_UUID_BYTES] = { 255, 255 };

struct holdq *fake_holdq(void)
{
	struct holdq *queue = mem_zalloc(sizeof *queue);

	pthread_mutex_init(&queue->lock, NULL);
	return queue;
}

static void clear_recipient(struct holdq_held_recipient *held)
{
	mem_free(&held->address);
	mem_free(&held->params);
	mem_free(&held->last_reply);
}

static void clear_message(struct holdq_message *message)
{
	struct holdq_envelope *e = &message->envelope;

	mem_free(&e->sender);
	mem_free(&e->mail_params);
	mem_free(&e->client_name);
	mem_free(&e->client_address);
	mem_free(&e->helo);
	mem_free(&e->auth_user);
	mem_free(&e->queue_id);
	mem_free(&e->id);
	for (size_t i = 0; i < message->count; i++)
		clear_recipient(&message->recipients[i]);
	mem_free(&message->recipients);
}

static void free_stored(struct stored *stored)
{
	clear_message(&stored->message);
	mem_free(&stored->content);
	mem_free(&stored);
}

void fake_free(struct holdq **queue)
{
	struct stored *next;

	for (struct stored *s = (*queue)->first; s != NULL; s = next) {
		next = s->next;
		free_stored(s);
	}
	mem_free(&(*queue)->notice);
	mem_free(&(*queue)->notice_to);
	pthread_mutex_destroy(&(*queue)->lock);
	mem_free(queue);
}

void fake_mailbox(const char *name, uint8_t *mailbox_r)
{
	memset(mailbox_r, 0, ROUTE_UUID_BYTES);
	memcpy(mailbox_r, name, strnlen(name, ROUTE_UUID_BYTES));
}

static void copy_envelope(struct holdq_envelope *to, const struct holdq_envelope *from)
{
	to->sender = mem_strdup(from->sender);
	to->mail_params = mem_strdup(from->mail_params);
	to->client_name = mem_strdup(from->client_name);
	to->client_address = mem_strdup(from->client_address);
	to->helo = mem_strdup(from->helo);
	to->auth_user = mem_strdup(from->auth_user);
	to->queue_id = mem_strdup(from->queue_id);
	to->id = mem_strdup(from->id);
	to->arrived_us = from->arrived_us;
}

static void copy_recipient(struct holdq_held_recipient *to, const struct holdq_held_recipient *from)
{
	*to = *from;
	to->address = mem_strdup(from->address);
	to->params = mem_strdup(from->params);
	to->last_reply = mem_strdup(from->last_reply);
}

static struct stored *find(struct holdq *queue, uint64_t id)
{
	struct stored *s = queue->first;

	while (s != NULL && s->message.id != id)
		s = s->next;
	return s;
}

static void append(struct holdq *queue, struct stored *stored)
{
	struct stored **at = &queue->first;

	while (*at != NULL)
		at = &(*at)->next;
	*at = stored;
}

/* The lock is held. */
static uint64_t add(struct holdq *queue, const uint8_t *mailbox, const char *sender,
	const char *mail_params, const char *recipients, const char *rcpt_params,
	const char *content)
{
	struct stored *s = mem_zalloc(sizeof *s);
	char id[32], *list = mem_strdup(recipients), *save = NULL;

	s->message.id = ++queue->last_id;
	snprintf(id, sizeof id, "M%llu", (unsigned long long)s->message.id);
	struct holdq_envelope envelope = { .sender = (char *)sender,
		.mail_params = (char *)mail_params,
		.client_name = (char *)"client.example",
		.client_address = (char *)"192.0.2.1",
		.helo = (char *)"helo.example",
		.auth_user = (char *)"",
		.queue_id = (char *)"Q1",
		.id = id,
		.arrived_us = clock_wall_us() };
	copy_envelope(&s->message.envelope, &envelope);
	s->content = mem_strdup(content);
	s->message.bytes = strlen(content);
	for (char *word = strtok_r(list, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		size_t n = s->message.count++;
		s->message.recipients =
			mem_grow(s->message.recipients, n + 1, sizeof *s->message.recipients);
		struct holdq_held_recipient held = { .number = (uint32_t)n,
			.address = word,
			.params = (char *)rcpt_params,
			.last_reply = (char *)"" };
		memcpy(held.mailbox, mailbox, ROUTE_UUID_BYTES);
		copy_recipient(&s->message.recipients[n], &held);
	}
	mem_free(&list);
	append(queue, s);
	return s->message.id;
}

static void tell(struct holdq *queue, const uint8_t *mailbox)
{
	if (queue->observer != NULL)
		queue->observer(queue->context, mailbox);
}

uint64_t fake_add(struct holdq *queue, const char *mailbox, const char *sender,
	const char *mail_params, const char *recipients, const char *rcpt_params,
	const char *content)
{
	uint8_t uuid[ROUTE_UUID_BYTES];

	fake_mailbox(mailbox, uuid);
	pthread_mutex_lock(&queue->lock);
	uint64_t id = add(queue, uuid, sender, mail_params, recipients, rcpt_params, content);
	tell(queue, uuid);
	pthread_mutex_unlock(&queue->lock);
	return id;
}

void fake_params(struct holdq *queue, uint64_t id, size_t recipient, const char *params)
{
	pthread_mutex_lock(&queue->lock);
	char **at = &find(queue, id)->message.recipients[recipient].params;
	mem_free(at);
	*at = mem_strdup(params);
	pthread_mutex_unlock(&queue->lock);
}

void fake_age(struct holdq *queue, uint64_t id, int64_t arrived_us)
{
	pthread_mutex_lock(&queue->lock);
	find(queue, id)->message.envelope.arrived_us = arrived_us;
	pthread_mutex_unlock(&queue->lock);
}

static bool matches(const uint8_t *mailbox, const char *name)
{
	uint8_t uuid[ROUTE_UUID_BYTES];

	if (name == NULL)
		return true;
	fake_mailbox(name, uuid);
	return memcmp(mailbox, uuid, sizeof uuid) == 0;
}

size_t fake_count(struct holdq *queue, const char *mailbox)
{
	size_t count = 0;

	pthread_mutex_lock(&queue->lock);
	for (struct stored *s = queue->first; s != NULL; s = s->next)
		for (size_t i = 0; i < s->message.count; i++)
			count += matches(s->message.recipients[i].mailbox, mailbox);
	pthread_mutex_unlock(&queue->lock);
	return count;
}

size_t fake_messages(struct holdq *queue)
{
	size_t count = 0;

	pthread_mutex_lock(&queue->lock);
	for (struct stored *s = queue->first; s != NULL; s = s->next)
		count++;
	pthread_mutex_unlock(&queue->lock);
	return count;
}

const char *fake_notice(struct holdq *queue, const char **recipient_r)
{
	pthread_mutex_lock(&queue->lock);
	const char *text = queue->notice ? queue->notice : "";
	if (recipient_r != NULL)
		*recipient_r = queue->notice_to ? queue->notice_to : "";
	pthread_mutex_unlock(&queue->lock);
	return text;
}

unsigned fake_notices(struct holdq *queue)
{
	pthread_mutex_lock(&queue->lock);
	unsigned count = queue->notices;
	pthread_mutex_unlock(&queue->lock);
	return count;
}

uint32_t fake_attempts(struct holdq *queue, uint64_t id)
{
	pthread_mutex_lock(&queue->lock);
	struct stored *s = find(queue, id);
	uint32_t attempts = s ? s->message.recipients[0].attempts : 0;
	pthread_mutex_unlock(&queue->lock);
	return attempts;
}

void fake_fail_removals(struct holdq *queue, unsigned count)
{
	pthread_mutex_lock(&queue->lock);
	queue->failing = count;
	pthread_mutex_unlock(&queue->lock);
}

void fake_break(struct holdq *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->broken = true;
	pthread_mutex_unlock(&queue->lock);
}

/* --- the contract ------------------------------------------------------------------------ */

const char *holdq_reason(void)
{
	return "as the test wants it";
}

enum holdq_result holdq_read(struct holdq *queue, uint64_t id, struct holdq_message **message_r)
{
	pthread_mutex_lock(&queue->lock);
	struct stored *s = find(queue, id);
	if (s != NULL) {
		struct holdq_message *copy = mem_zalloc(sizeof *copy);
		*copy = s->message;
		copy_envelope(&copy->envelope, &s->message.envelope);
		copy->recipients = mem_zalloc((copy->count + 1) * sizeof *copy->recipients);
		for (size_t i = 0; i < copy->count; i++)
			copy_recipient(&copy->recipients[i], &s->message.recipients[i]);
		*message_r = copy;
	}
	pthread_mutex_unlock(&queue->lock);
	return s ? HOLDQ_OK : HOLDQ_GONE;
}

void holdq_message_free(struct holdq_message **message)
{
	if (*message == NULL)
		return;
	clear_message(*message);
	mem_free(message);
}

enum holdq_result holdq_content(
	struct holdq *queue, uint64_t id, uint64_t offset, void *buffer, size_t size, size_t *len_r)
{
	pthread_mutex_lock(&queue->lock);
	struct stored *s = find(queue, id);
	*len_r = 0;
	if (s != NULL && offset < s->message.bytes) {
		*len_r = s->message.bytes - offset < size ? s->message.bytes - offset : size;
		memcpy(buffer, s->content + offset, *len_r);
	}
	pthread_mutex_unlock(&queue->lock);
	return s ? HOLDQ_OK : HOLDQ_GONE;
}

static bool has(const struct stored *s, const uint8_t *mailbox)
{
	for (size_t i = 0; i < s->message.count; i++)
		if (memcmp(s->message.recipients[i].mailbox, mailbox, ROUTE_UUID_BYTES) == 0)
			return true;
	return false;
}

static size_t list_ids(
	struct holdq *queue, const uint8_t *mailbox, uint64_t after, uint64_t *ids_r, size_t max)
{
	size_t count = 0;

	pthread_mutex_lock(&queue->lock);
	for (struct stored *s = queue->first; s != NULL && count < max; s = s->next)
		if (s->message.id > after && (mailbox == NULL || has(s, mailbox)))
			ids_r[count++] = s->message.id;
	pthread_mutex_unlock(&queue->lock);
	return count;
}

size_t holdq_ids(
	struct holdq *queue, const uint8_t *mailbox, uint64_t after, uint64_t *ids_r, size_t max)
{
	return list_ids(queue, mailbox, after, ids_r, max);
}

size_t holdq_all_ids(struct holdq *queue, uint64_t after, uint64_t *ids_r, size_t max)
{
	return list_ids(queue, NULL, after, ids_r, max);
}

/* Names a mailbox once per recipient: more often than the real one, which harms nobody. */
enum holdq_result holdq_each_mailbox(
	struct holdq *queue, holdq_mailbox_callback callback, void *context)
{
	pthread_mutex_lock(&queue->lock);
	for (struct stored *s = queue->first; s != NULL; s = s->next)
		for (size_t i = 0; i < s->message.count; i++) {
			struct holdq_mailbox mailbox = { .recipients = 1 };
			memcpy(mailbox.mailbox, s->message.recipients[i].mailbox, ROUTE_UUID_BYTES);
			callback(context, &mailbox);
		}
	pthread_mutex_unlock(&queue->lock);
	return HOLDQ_OK;
}

static void store_notice(struct holdq *queue, const struct holdq_notice *notice)
{
	if (notice == NULL)
		return;
	mem_free(&queue->notice);
	mem_free(&queue->notice_to);
	queue->notice = mem_strndup(notice->content, notice->bytes);
	queue->notice_to = mem_strdup(notice->recipient);
	queue->notices++;
	add(queue, holdq_notices, "", notice->mail_params, notice->recipient, "", queue->notice);
	tell(queue, holdq_notices);
}

static bool take_off(struct stored *s, uint32_t number)
{
	for (size_t i = 0; i < s->message.count; i++) {
		if (s->message.recipients[i].number != number)
			continue;
		clear_recipient(&s->message.recipients[i]);
		s->message.count--;
		memmove(&s->message.recipients[i], &s->message.recipients[i + 1],
			(s->message.count - i) * sizeof *s->message.recipients);
		return true;
	}
	return false;
}

static void drop_empty(struct holdq *queue, struct stored *stored)
{
	struct stored **at = &queue->first;

	if (stored->message.count > 0)
		return;
	while (*at != stored)
		at = &(*at)->next;
	*at = stored->next;
	free_stored(stored);
}

enum holdq_result holdq_remove(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const struct holdq_notice *notice)
{
	enum holdq_result result = HOLDQ_OK;

	pthread_mutex_lock(&queue->lock);
	struct stored *s = find(queue, id);
	if (queue->broken) {
		result = HOLDQ_BROKEN;
	} else if (queue->failing > 0) {
		queue->failing--;
		result = HOLDQ_FAILED;
	} else if (s == NULL) {
		result = HOLDQ_GONE;
	} else {
		for (size_t i = 0; i < count; i++)
			if (!take_off(s, numbers[i]))
				result = HOLDQ_GONE;
		drop_empty(queue, s);
		store_notice(queue, notice);
	}
	pthread_mutex_unlock(&queue->lock);
	return result;
}

enum holdq_result holdq_handed_over(
	struct holdq *queue, uint64_t id, const uint32_t *numbers, size_t count)
{
	return holdq_remove(queue, id, numbers, count, NULL);
}

enum holdq_result holdq_update(struct holdq *queue, uint64_t id,
	const struct holdq_held_recipient *recipient, const struct holdq_notice *notice)
{
	bool done = false;

	pthread_mutex_lock(&queue->lock);
	struct stored *s = find(queue, id);
	for (size_t i = 0; s != NULL && i < s->message.count; i++) {
		struct holdq_held_recipient *held = &s->message.recipients[i];
		if (held->number != recipient->number)
			continue;
		clear_recipient(held);
		copy_recipient(held, recipient);
		done = true;
	}
	if (done)
		store_notice(queue, notice);
	pthread_mutex_unlock(&queue->lock);
	return done ? HOLDQ_OK : HOLDQ_GONE;
}

enum holdq_result holdq_tell(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const struct holdq_notice *notice)
{
	bool done = false, full = false;

	pthread_mutex_lock(&queue->lock);
	struct stored *s = find(queue, id);
	if (queue->failing > 0) {
		queue->failing--;
		full = true;
		s = NULL;
	}
	for (size_t i = 0; s != NULL && i < s->message.count; i++)
		for (size_t n = 0; n < count; n++) {
			if (s->message.recipients[i].number != numbers[n])
				continue;
			s->message.recipients[i].delay_told = true;
			done = true;
		}
	if (done)
		store_notice(queue, notice);
	pthread_mutex_unlock(&queue->lock);
	return done ? HOLDQ_OK : full ? HOLDQ_FULL : HOLDQ_GONE;
}

static bool rehome(struct stored *s, uint32_t number, const uint8_t *mailbox, const char *address)
{
	for (size_t i = 0; s != NULL && i < s->message.count; i++) {
		struct holdq_held_recipient *held = &s->message.recipients[i];
		if (held->number != number)
			continue;
		memcpy(held->mailbox, mailbox, ROUTE_UUID_BYTES);
		if (address != NULL) {
			mem_free(&held->address);
			held->address = mem_strdup(address);
		}
		return true;
	}
	return false;
}

enum holdq_result holdq_readdress(struct holdq *queue, uint64_t id, const uint32_t *numbers,
	size_t count, const uint8_t *mailbox, const char *address)
{
	bool done = false;

	pthread_mutex_lock(&queue->lock);
	for (size_t i = 0; i < count; i++)
		done = rehome(find(queue, id), numbers[i], mailbox, address) || done;
	pthread_mutex_unlock(&queue->lock);
	return done ? HOLDQ_OK : HOLDQ_GONE;
}

enum holdq_result holdq_rehome(
	struct holdq *queue, uint64_t id, uint32_t number, const uint8_t *mailbox)
{
	return holdq_readdress(queue, id, &number, 1, mailbox, NULL);
}

void holdq_observe(struct holdq *queue, holdq_observer observer, void *context)
{
	pthread_mutex_lock(&queue->lock);
	queue->observer = observer;
	queue->context = context;
	pthread_mutex_unlock(&queue->lock);
}
