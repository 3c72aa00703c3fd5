#define _GNU_SOURCE
#include "tests/unit/holdq_lab.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/mem.h"
#include "tests/unit/panic.h"

static int forget(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void lab_remove_tree(const char *dir)
{
	nftw(dir, forget, 8, FTW_DEPTH | FTW_PHYS);
}

void lab_open(struct lab *lab)
{
	const char *error = "";

	lab->options.dir = lab->dir;
	lab->queue = holdq_open(&lab->options, &error);
	if (lab->queue == NULL)
		fail_msg("%s", error);
}

void lab_reopen(struct lab *lab)
{
	holdq_close(&lab->queue);
	lab_open(lab);
}

int lab_setup(void **state)
{
	struct lab *lab = mem_zalloc(sizeof(*lab));

	strcpy(lab->dir, "/tmp/hqXXXXXX");
	assert_non_null(mkdtemp(lab->dir));
	lab->options.node = "front1";
	lab->options.cache_bytes = 4 << 20;
	lab_open(lab);
	*state = lab;
	return 0;
}

int lab_teardown(void **state)
{
	struct lab *lab = *state;

	holdq_close(&lab->queue);
	lab_remove_tree(lab->dir);
	free(lab);
	return 0;
}

const uint8_t *lab_mailbox(unsigned n)
{
	static _Thread_local uint8_t uuid[4][ROUTE_UUID_BYTES];
	static _Thread_local unsigned next;
	uint8_t *out = uuid[next++ % 4];

	memset(out, 0x11, ROUTE_UUID_BYTES);
	memcpy(out + 4, &n, sizeof(n));
	return out;
}

const uint8_t *lab_digest(unsigned n)
{
	static _Thread_local uint8_t digest[32];

	memset(digest, (int)(n * 37), sizeof(digest));
	memcpy(digest, &n, sizeof(n));
	return digest;
}

void lab_fill(char *buffer, size_t len, unsigned seed)
{
	uint32_t x = seed * 2654435761U + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525U + 1013904223U;
		buffer[i] = (char)(x >> 24);
	}
}

static void fill_recipients(
	struct holdq_recipient *recipients, const unsigned *mailboxes, size_t count)
{
	static char params[] = "NOTIFY=FAILURE";

	for (size_t i = 0; i < count; i++) {
		recipients[i].address = mem_printf("u%u@example.org", mailboxes[i]);
		recipients[i].params = params;
		memcpy(recipients[i].mailbox, lab_mailbox(mailboxes[i]), ROUTE_UUID_BYTES);
	}
}

enum holdq_result lab_put(struct holdq *queue, size_t len, unsigned seed, const unsigned *mailboxes,
	size_t count, unsigned digest, uint64_t *id_r, size_t *held_r)
{
	static char sender[] = "sender@example.net", helo[] = "client.example.net", empty[] = "",
		    params[] = "BODY=8BITMIME", id[] = "id-1";
	struct holdq_envelope envelope = { sender, params, helo, empty, helo, empty, empty, id, 0 };
	struct holdq_recipient *recipients = mem_zalloc(count * sizeof(*recipients));
	struct holdq_draft *draft = holdq_draft_new(queue);
	char *data = mem_alloc(len);

	lab_fill(data, len, seed);
	fill_recipients(recipients, mailboxes, count);
	enum holdq_result result = HOLDQ_OK;
	for (size_t at = 0; at < len && result == HOLDQ_OK; at += 65535)
		result = holdq_draft_append(draft, data + at, len - at < 65535 ? len - at : 65535);
	assert_true(result != HOLDQ_OK || holdq_draft_bytes(draft) == len);
	*id_r = 0;
	*held_r = 0;
	if (result == HOLDQ_OK)
		result = holdq_commit(draft, &envelope, recipients, count,
			digest ? lab_digest(digest) : NULL, id_r, held_r);
	for (size_t i = 0; i < count; i++)
		free(recipients[i].address);
	holdq_draft_free(&draft);
	free(recipients);
	free(data);
	return result;
}

uint64_t lab_put_one(struct holdq *queue, size_t len, unsigned seed, unsigned mailbox)
{
	uint64_t id;
	size_t held;

	return lab_put(queue, len, seed, &mailbox, 1, 0, &id, &held) == HOLDQ_OK ? id : 0;
}

int lab_has(struct holdq *queue, uint64_t id, size_t len, unsigned seed)
{
	char *wanted = mem_alloc(len), *found = mem_alloc(len + 1);
	size_t at = 0, part = 0;

	lab_fill(wanted, len, seed);
	do { /* in pieces that do not fit the chunks */
		if (holdq_content(queue, id, at, found + at,
			    len + 1 - at < 50000 ? len + 1 - at : 50000, &part) != HOLDQ_OK)
			at = len + 2;
		at += part;
	} while (part > 0 && at <= len);
	int same = at == len && memcmp(wanted, found, len) == 0;
	free(wanted);
	free(found);
	return same;
}
