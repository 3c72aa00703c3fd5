#include "tests/unit/machine_world.h"

#include <string.h>

void world_begin(struct world *w)
{
	memset(w, 0, sizeof *w);
	w->box[FIRST] = (struct world_mailbox){ .there = true, .addresses = true };
	w->box[SECOND].contact = true;
	w->csn = w->seen = 1;
}

static void blame(struct world *w, const char *fault)
{
	if (w->fault == NULL)
		w->fault = fault;
}

/* --- mail ------------------------------------------------------------------------------------- */

static void rest_in(struct world *w, int to)
{
	w->box[to].mail++;
	if (w->touched)
		return;
	if (to == FIRST && w->at == SECOND && !w->held)
		blame(w, "mail rests in the old mailbox after the swap");
	if (to == SECOND && w->at == FIRST && !w->held && !w->bare)
		blame(w, "mail rests in the second mailbox, where nobody reads");
}

void world_deliver(struct world *w, int to)
{
	if (to == SECOND && w->box[SECOND].there && w->box[SECOND].redirects)
		to = FIRST;
	if (to == FIRST && w->box[FIRST].there && w->box[FIRST].redirects) {
		w->relayed[0]++;
		if (w->box[SECOND].there && w->box[SECOND].redirects)
			blame(w, "redirections form a loop");
		return;
	}
	if (to == ELSEWHERE)
		w->sent--; /* not ours any more */
	else if (to == FIRST && w->lost)
		w->sent--;
	else if (!w->box[to].there)
		blame(w, "mail is lost: its mailbox was deleted");
	else
		rest_in(w, to);
}

void world_mail(struct world *w)
{
	if (w->gone)
		return;
	w->sent++;
	if (w->seen_held)
		w->kept++;
	else
		w->queued[w->seen_at]++;
}

void world_mail_there(struct world *w)
{
	if (w->gone || !w->box[SECOND].there || !w->box[SECOND].addresses)
		return;
	w->sent++;
	world_deliver(w, SECOND);
}

void world_read(struct world *w)
{
	w->sent -= w->box[SECOND].mail;
	w->box[SECOND].mail = 0;
}

void world_lose_first(struct world *w)
{
	w->lost = true;
	w->box[FIRST].there = w->box[FIRST].redirects = w->box[FIRST].closed = false;
}

void world_relay(struct world *w)
{
	unsigned old = w->relayed[1];

	w->relayed[1] = w->relayed[0];
	w->relayed[0] = 0;
	for (; old > 0; old--)
		world_deliver(w, SECOND);
}

void world_see(struct world *w)
{
	if (w->gone)
		return;
	w->seen = w->csn;
	w->seen_at = w->at;
	w->seen_held = w->held;
	if (w->held)
		return;
	w->queued[w->at] += w->kept;
	w->kept = 0;
}

void world_settle(struct world *w)
{
	world_see(w);
	for (int to = FIRST; to <= ELSEWHERE; to++)
		for (; w->queued[to] > 0; w->queued[to]--)
			world_deliver(w, to);
	world_relay(w);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void redirect(struct world *w, int from)
{
	if (w->box[!from].redirects)
		blame(w, "a redirection is set while the opposite one stands");
	if (!w->box[from].there && !w->lost)
		blame(w, "a mailbox that is not there is redirected");
	w->box[from].redirects = w->box[from].there;
}

/* As the directory asserts it: held, and not touched since. */
static void swap(struct world *w, int to, bool fenced, bool drained)
{
	if (w->at == to)
		return;
	if (!fenced)
		blame(w, "a swap without a fence");
	if (!drained && !w->box[!to].redirects)
		blame(w, "a swap with mail in a queue that nothing catches");
	if (w->seen < w->csn || !w->seen_held)
		blame(w, "a swap that a front door did not see coming");
	if (!w->held || w->at == ELSEWHERE)
		return; /* refused */
	if (to == SECOND && !w->touched && !w->box[SECOND].addresses)
		blame(w, "a swap to a mailbox without its addresses");
	if (to == SECOND && w->box[SECOND].has < w->wanted)
		blame(w, "a swap to a mailbox that lacks an address");
	w->at = to;
	w->held = false;
	w->csn++;
}

static void set_held(struct world *w, bool held)
{
	if (w->gone || w->held == held)
		return;
	w->held = held;
	w->csn++;
}

static void delete (struct world *w, int which)
{
	if (w->at == which && !w->gone)
		blame(w, "the mailbox that is in use is deleted");
	if (which == SECOND && w->box[SECOND].mail > 0) /* the step itself looks right before */
		return;
	if (w->queued[which] > 0 && !w->touched)
		blame(w, "a mailbox is deleted that mail is under way to");
	w->box[which].there = w->box[which].redirects = false;
}

void world_step(struct world *w, enum step step, bool fenced, bool drained)
{
	struct world_mailbox *first = &w->box[FIRST], *second = &w->box[SECOND];

	switch (step) {
	case STEP_CREATE: second->there = true; break;
	case STEP_REDIRECT_SECOND:
	case STEP_REDIRECT_BACK: redirect(w, SECOND); break;
	case STEP_UNREDIRECT_SECOND:
	case STEP_UNREDIRECT_AGAIN: second->redirects = false; break;
	case STEP_REDIRECT_FIRST: redirect(w, FIRST); break;
	case STEP_UNREDIRECT_FIRST: first->redirects = false; break;
	case STEP_ADDRESSES:
		second->addresses = true;
		second->has = w->wanted;
		second->contact = false;
		break;
	case STEP_UNADDRESS:
		second->addresses = false;
		second->contact = true;
		break;
	case STEP_HOLD:
		if (!second->addresses && !w->touched)
			blame(w, "held before the second mailbox has its addresses");
		set_held(w, true);
		break;
	case STEP_HOLD_BACK: set_held(w, true); break;
	case STEP_UNHOLD: set_held(w, false); break;
	case STEP_SWAP: swap(w, SECOND, fenced, drained); break;
	case STEP_SWAP_BACK: swap(w, FIRST, fenced, drained); break;
	case STEP_CLOSE: first->closed = first->there; break;
	case STEP_OPEN: first->closed = false; break;
	case STEP_OPEN_SECOND: second->closed = false; break;
	case STEP_DELETE_OLD: delete (w, FIRST); break;
	case STEP_DELETE_SECOND: delete (w, SECOND); break;
	case STEP_CONTACT: first->contact = true; break;
	default: break;
	}
}
