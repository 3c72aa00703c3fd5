#include "queue/relay.h"

#include "queue/retry.h"

bool relay_is_open(const struct relay *relay, int64_t now_us)
{
	return !relay->trouble || (!relay->probing && now_us >= relay->next_us);
}

bool relay_enter(struct relay *relay, int64_t now_us, bool *probe_r)
{
	*probe_r = false;
	if (!relay_is_open(relay, now_us))
		return false;
	*probe_r = relay->probing = relay->trouble;
	return true;
}

void relay_let_go(struct relay *relay)
{
	relay->probing = false;
}

bool relay_fine(struct relay *relay, int64_t now_us)
{
	bool ended = relay->trouble;

	if (ended)
		relay->past_us += now_us - relay->since_us;
	relay->trouble = relay->probing = false;
	relay->failures = 0;
	relay->suspect_count = 0;
	return ended;
}

bool relay_failed(struct relay *relay, int64_t now_us, int64_t retry_min_us, int64_t retry_max_us)
{
	bool began = !relay->trouble;

	/* Workers that were in the middle of something when trouble began do not lengthen it. */
	if (!began && !relay->probing)
		return false;
	if (began)
		relay->since_us = now_us;
	relay->trouble = true;
	relay->probing = false;
	relay->failures++;
	relay->next_us = now_us + retry_delay(retry_min_us, retry_max_us, relay->failures);
	return began;
}

bool relay_suspect(struct relay *relay, uint64_t key)
{
	for (unsigned i = 0; i < relay->suspect_count; i++)
		if (relay->suspects[i] == key)
			return relay->suspect_count == RELAY_SUSPECTS;
	if (relay->suspect_count < RELAY_SUSPECTS)
		relay->suspects[relay->suspect_count++] = key;
	return relay->suspect_count == RELAY_SUSPECTS;
}

void relay_try_now(struct relay *relay, int64_t now_us)
{
	if (relay->next_us > now_us)
		relay->next_us = now_us;
	relay->failures = 0;
}

int64_t relay_clock(const struct relay *relay, int64_t now_us)
{
	return relay->past_us + (relay->trouble ? now_us - relay->since_us : 0);
}
