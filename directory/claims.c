#include "directory/claims.h"

#include <string.h>

#include "directory/bytes.h"

#define ITEM_CLAIM     'C'
#define ITEM_TOMBSTONE 'T'

struct item {
	char type;
	struct claim claim; /* system and physical are left out where only the uuid counts */
	struct tombstone tombstone;
	const uint8_t *start, *end;
};

static enum physical_fault fault_of(uint64_t number)
{
	return number > PHYSICAL_SEVERAL ? PHYSICAL_MALFORMED : (enum physical_fault)number;
}

static void read_claim(struct bytes *in, struct claim *claim)
{
	const uint8_t *uuid = bytes_take(in, ROUTE_UUID_BYTES);
	uint64_t state = bytes_number(in, 1);

	if (uuid != NULL)
		memcpy(claim->uuid, uuid, ROUTE_UUID_BYTES);
	claim->state = state > STATE_UNKNOWN ? STATE_UNKNOWN : (enum route_state)state;
	claim->fault = fault_of(bytes_number(in, 1));
	bytes_text(in, bytes_number(in, 1), claim->system, sizeof(claim->system));
	bytes_text(in, bytes_number(in, 2), claim->physical, sizeof(claim->physical));
}

/* 1, 0 at the end, -1 where the bytes are bad. */
static int next_item(struct bytes *in, struct item *item)
{
	if (in->len == 0)
		return 0;
	item->start = in->data;
	item->type = (char)bytes_number(in, 1);
	if (item->type == ITEM_CLAIM) {
		read_claim(in, &item->claim);
	} else if (item->type == ITEM_TOMBSTONE) {
		item->tombstone.wall_us = (int64_t)bytes_number(in, 8);
		item->tombstone.mono_us = (int64_t)bytes_number(in, 8);
		item->tombstone.process = bytes_number(in, 8);
	} else {
		in->bad = true;
	}
	item->end = in->data;
	return in->bad ? -1 : 1;
}

int claims_read(const void *value, size_t len, struct claims *claims_r)
{
	struct bytes in = { .data = value, .len = len };
	struct item item;
	int got;

	claims_r->count = 0;
	claims_r->buried = false;
	while ((got = next_item(&in, &item)) == 1) {
		if (item.type == ITEM_TOMBSTONE) {
			claims_r->tombstone = item.tombstone;
			claims_r->buried = true;
		} else if (claims_r->count++ == 0) {
			claims_r->first = item.claim;
		}
	}
	if (claims_r->count > 0)
		claims_r->buried = false;
	return got;
}

void claims_encode(const struct record *mailbox, struct str *out)
{
	size_t system = strlen(mailbox->name), physical = strlen(mailbox->physical);

	str_append_c(out, ITEM_CLAIM);
	str_append(out, mailbox->uuid, ROUTE_UUID_BYTES);
	bytes_put(out, (uint64_t)mailbox->state, 1);
	bytes_put(out, (uint64_t)mailbox->fault, 1);
	bytes_put(out, system, 1);
	str_append(out, mailbox->name, system);
	bytes_put(out, physical, 2);
	str_append(out, mailbox->physical, physical);
}

int claims_replace(const void *value, size_t len, const uint8_t *uuid, const struct record *mailbox,
	struct str *out)
{
	struct bytes in = { .data = value, .len = len };
	struct item item;
	int got, count = 0;

	str_reset(out);
	while ((got = next_item(&in, &item)) == 1) {
		if (item.type != ITEM_CLAIM || memcmp(item.claim.uuid, uuid, ROUTE_UUID_BYTES) == 0)
			continue;
		str_append(out, item.start, (size_t)(item.end - item.start));
		count++;
	}
	if (got < 0)
		return -1;
	if (mailbox != NULL) {
		claims_encode(mailbox, out);
		count++;
	}
	return count;
}

void claims_bury(const struct tombstone *tombstone, struct str *out)
{
	str_append_c(out, ITEM_TOMBSTONE);
	bytes_put(out, (uint64_t)tombstone->wall_us, 8);
	bytes_put(out, (uint64_t)tombstone->mono_us, 8);
	bytes_put(out, tombstone->process, 8);
}

bool tombstone_alive(const struct tombstone *tombstone, const struct tombstone_clock *clock)
{
	if (tombstone->process == clock->process)
		return clock->mono_us - tombstone->mono_us < clock->grace_us;
	return clock->wall_us - tombstone->wall_us < clock->grace_us &&
	       clock->mono_us - clock->start_mono_us < clock->grace_us;
}
