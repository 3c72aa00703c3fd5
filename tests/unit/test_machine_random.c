/*
 * The state machine in a world where steps fail, the controller crashes between action and record,
 * requests come at any instant and administrators change things by hand: nothing that must never
 * happen happens, and each move comes to an end or stops with a reason.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>

#include "tests/unit/machine_scene.h"
#include "tests/unit/machine_world.h"

#define SEEDS 4000
#define BUSY  220 /* turns with trouble */
#define CALM  600 /* and without */

#define SECOND_US INT64_C(1000000)

/* What the record says; done: by step. */
struct record {
	int state;
	bool done[STEPS], mark[STEPS];
	int64_t at_us[STEPS];
	enum step work;
	bool physical, stopped, may_delete;
	unsigned waits;
	int64_t complete_us;
	enum move_request request;
	enum move_outcome outcome;
	char error[512];
};

struct sim {
	struct world world;
	struct scene scene;
	struct record durable, memory;
	/* of one life of the controller: */
	unsigned fence_csn, listed_for;
	bool fenced, drained, listed, missing, second_asked, second_empty, first_asked, first_gone;
	unsigned patience; /* turns since the fence */
	enum sync_answer syncs;
	bool calm;
	uint64_t random;
};

static unsigned chance(struct sim *sim, unsigned of)
{
	sim->random = sim->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(sim->random >> 33) % of;
}

/* --- what the machine is told ----------------------------------------------------------------- */

static void tell_move(struct sim *sim)
{
	const struct record *r = &sim->memory;
	struct scene *s = &sim->scene;

	s->move.done_count = 0;
	for (int step = STEP_TAKE; step < STEPS; step++)
		if (r->done[step]) {
			scene_done(s, step_name((enum step)step));
			s->done[s->move.done_count - 1].at_us = r->at_us[step];
		}
	for (int step = STEP_TAKE; step < STEPS; step++)
		if (r->mark[step])
			scene_mark(s, (enum step)step);
	s->move.state = r->state;
	s->move.reached_us[MOVE_COMPLETE] = r->complete_us;
	s->move.work.step = (char *)(uintptr_t)step_name(r->work);
	s->move.physical = (char *)(uintptr_t)(r->physical ? "anna@s2.test" : "");
	s->move.stopped = r->stopped;
	s->move.may_delete = r->may_delete;
	s->move.wait_count = r->waits;
	s->move.request = r->request;
	s->move.outcome = r->outcome;
	s->move.error = sim->memory.error;
}

static void tell_facts(struct sim *sim)
{
	const struct world *w = &sim->world;
	struct move_facts *f = &sim->scene.facts;

	f->mailbox_known = true;
	f->mailbox_gone = w->gone;
	f->held = w->held && !w->gone;
	f->at_target = f->on_assignee = w->at == SECOND && !w->gone;
	f->at_assignor = f->on_assignor = w->at == FIRST && !w->gone;
	f->fenced = sim->fenced && sim->fence_csn == w->csn;
	f->drained = f->fenced && sim->drained;
	f->drain_over = f->fenced && sim->patience > 4;
	f->syncs = sim->syncs;
	f->listed = sim->listed && sim->listed_for == sim->world.wanted;
	f->missing = sim->missing ? "b@example.org" : NULL;
	f->second_asked = sim->second_asked;
	f->second_empty = sim->second_empty;
	f->first_asked = sim->first_asked;
	f->first_gone = sim->first_gone ? "not there" : NULL;
}

/* --- the controller --------------------------------------------------------------------------- */

static void crash(struct sim *sim)
{
	sim->memory = sim->durable;
	sim->fenced = sim->drained = sim->listed = sim->missing = sim->second_asked = false;
	sim->first_asked = false;
	sim->syncs = SYNC_WAITS;
}

/* What a request became meanwhile is not overwritten. */
static void flush(struct sim *sim)
{
	enum move_request request = sim->durable.request;

	sim->durable = sim->memory;
	sim->durable.request = request;
}

static void fail_step(struct sim *sim, enum step step, const char *why, bool stop)
{
	snprintf(sim->memory.error, sizeof sim->memory.error, "%s: %s", step_name(step), why);
	sim->memory.stopped = stop || sim->memory.stopped;
	sim->first_asked = false;
	flush(sim);
}

static int leaving(const struct sim *sim)
{
	return sim->memory.done[STEP_BACK] || sim->memory.done[STEP_END] ? SECOND : FIRST;
}

/* As the controller claims: what it replaces and nobody saw end leaves a mark. */
static void claim(struct sim *sim, enum step step)
{
	struct record *r = &sim->memory;

	if (r->work != step && r->work != STEP_NONE && !r->done[r->work])
		r->mark[r->work] = true;
	r->work = step;
	flush(sim);
}

static void note_done(struct sim *sim, enum step step)
{
	if (!sim->memory.done[step])
		sim->memory.at_us[step] = sim->scene.now_us;
	sim->memory.done[step] = true;
}

/* Steps that wait: true once they are done. */
static bool keepers(struct sim *sim, enum step step)
{
	struct world *w = &sim->world;

	switch (step) {
	case STEP_FENCE:
		sim->second_asked = sim->first_asked = false;
		if (w->seen < w->csn)
			return false;
		sim->fenced = true;
		sim->fence_csn = w->csn;
		sim->drained = false;
		sim->patience = 0;
		return true;
	case STEP_DRAIN:
	case STEP_DRAIN_BACK:
		sim->patience++;
		sim->first_asked = false;
		sim->drained = sim->drained || w->queued[leaving(sim)] == 0;
		return false; /* a fact, nothing that is recorded */
	case STEP_ASK_SYNCS:
		sim->memory.waits = 2;
		sim->listed = false;
		sim->syncs = SYNC_WAITS;
		return true;
	case STEP_LIST:
		sim->listed = true;
		sim->listed_for = w->wanted;
		sim->missing =
			w->box[SECOND].has < w->wanted || (!sim->calm && chance(sim, 12) == 0);
		return true;
	case STEP_EMPTY:
		sim->second_asked = true;
		sim->second_empty = w->box[SECOND].mail == 0;
		return true;
	case STEP_LIST_FIRST: sim->first_gone = !w->box[FIRST].there; return true;
	default: return true;
	}
}

static void do_step(struct sim *sim, enum step step)
{
	const struct move_facts *f = &sim->scene.facts;
	unsigned luck = sim->calm ? 99 : chance(sim, 20);
	bool asks = step == STEP_EMPTY;

	if (step == STEP_SWAP_BACK && (!f->first_asked || f->first_gone != NULL))
		fail_msg("swapped back to a mailbox that may be gone");
	if (f->fenced && step == STEP_SWAP)
		sim->memory.done[STEP_DRAIN] = f->drained;
	if (f->fenced && step == STEP_SWAP_BACK)
		sim->memory.done[STEP_DRAIN_BACK] = f->drained;
	if (step_claimed(step))
		claim(sim, step);
	if (luck == 0) {
		crash(sim);
		return;
	}
	if (luck == 1 || luck == 2) {
		fail_step(sim, step, "not reached", false);
		return;
	}
	/* a check finds what was made before, so that is not refused */
	if (luck == 3 && step_claimed(step) &&
		!(step == STEP_CREATE && sim->world.box[SECOND].there)) {
		if (chance(sim, 2) == 0) /* and did it all the same */
			world_step(&sim->world, step, f->fenced, f->drained);
		fail_step(sim, step, "refused", true);
		return;
	}
	world_step(&sim->world, step, f->fenced, f->drained);
	if (luck == 4) {
		crash(sim);
		return;
	}
	if (luck == 5) {
		fail_step(sim, step, "unclear", false);
		return;
	}
	if (!keepers(sim, step))
		return;
	if (step == STEP_DELETE_SECOND && sim->world.box[SECOND].there) {
		sim->second_asked = true; /* it found mail */
		sim->second_empty = false;
		return;
	}
	if (step == STEP_CREATE)
		sim->memory.physical = true;
	if (step == STEP_CREATE && sim->world.box[SECOND].closed)
		note_done(sim, STEP_FOUND); /* by an earlier move: it was there */
	if (step == STEP_TAKE)
		sim->memory.state = MOVE_RECORDED;
	note_done(sim, step);
	sim->second_asked = asks;
	sim->first_asked = step == STEP_LIST_FIRST || (asks && sim->first_asked);
	if (!sim->memory.done[STEP_END])
		sim->memory.error[0] = '\0';
}

static void unturn(struct sim *sim)
{
	struct record *r = &sim->memory;
	bool undone[STEPS];

	for (int step = STEP_TAKE; step < STEPS; step++)
		undone[step] = step_unturned(&sim->scene.move, (enum step)step);
	for (int step = STEP_TAKE; step < STEPS; step++)
		if (undone[step])
			r->done[step] = r->mark[step] = false;
	r->work = STEP_NONE;
}

static void answer(struct sim *sim, const struct move_decision *d)
{
	struct record *r = &sim->memory;

	r->request = sim->durable.request = MOVE_ASKED_NOTHING;
	sim->listed = false;
	if (d->step != STEP_BACK && d->step != STEP_LEAVE_MAIL)
		sim->first_asked = sim->second_asked = false;
	switch (d->step) {
	case STEP_RESUME: break;
	case STEP_DECLINE:
		if (r->outcome == MOVE_OPEN_OR_DONE || r->error[0] == '\0')
			snprintf(r->error, sizeof r->error, "%s", d->text);
		r->stopped = r->stopped || d->stops;
		break;
	case STEP_UNTURN:
		snprintf(r->error, sizeof r->error, "%s", d->text);
		r->stopped = d->stops;
		unturn(sim);
		break;
	case STEP_END:
		snprintf(r->error, sizeof r->error, "%s", d->text);
		r->stopped = false;
		r->done[STEP_END] = true;
		break;
	default:
		r->stopped = false;
		if (!r->done[STEP_END]) /* its reason stays */
			r->error[0] = '\0';
		if (d->step == STEP_LEAVE_MAIL)
			r->done[STEP_LEAVE_MAIL] = sim->world.left_mail = true;
		if (d->step != STEP_RETRY)
			r->done[STEP_BACK] = true;
		break;
	}
	if (d->state != 0)
		r->state = d->state;
	flush(sim);
}

/* True: it goes on by itself. */
static bool turn(struct sim *sim)
{
	struct move_decision *d = &sim->scene.decision;
	struct record *r = &sim->memory;

	r->request = sim->durable.request;
	r->may_delete = sim->durable.may_delete;
	sim->scene.now_us += SECOND_US;
	tell_move(sim);
	tell_facts(sim);
	scene_decide(&sim->scene);
	switch (d->verdict) {
	case MOVE_DO: do_step(sim, d->step); return true;
	case MOVE_LOOK: fail_msg("it looks again and again"); return false;
	case MOVE_WAIT:
		if (d->trouble)
			snprintf(r->error, sizeof r->error, "%s", d->text);
		flush(sim);
		return false;
	case MOVE_STOP:
		if (d->text[0] == '\0')
			fail_msg("it stopped without a reason");
		snprintf(r->error, sizeof r->error, "%s", d->text);
		r->stopped = true;
		flush(sim);
		return false;
	case MOVE_ENTER:
		assert_true(d->state > r->state);
		r->state = d->state;
		if (d->state == MOVE_COMPLETE)
			r->complete_us = sim->scene.now_us;
		return true;
	case MOVE_ANSWER: answer(sim, d); return true;
	case MOVE_OVER:
		r->outcome = d->outcome;
		snprintf(r->error, sizeof r->error, "%s", d->text);
		r->done[STEP_OUTCOME] = true;
		flush(sim);
		return true;
	case MOVE_IDLE: flush(sim); return false;
	}
	return false;
}

/* --- everybody else --------------------------------------------------------------------------- */

static void by_hand(struct sim *sim)
{
	struct world *w = &sim->world;

	w->touched = true;
	switch (chance(sim, 5)) {
	case 0: w->held = false; break;
	case 1: w->held = true; break;
	case 3: /* whose mailbox that was has another one */
		if (w->at == SECOND)
			world_lose_first(w);
		return;
	case 2: /* `restante swap`, which looks after its fence */
		if (sim->memory.state != MOVE_FENCED || w->at != FIRST || !w->seen_held ||
			sim->memory.outcome != MOVE_OPEN_OR_DONE)
			break;
		w->at = SECOND;
		w->held = false;
		break;
	default: w->gone = true; break;
	}
	w->csn++;
}

static void ask(struct sim *sim)
{
	static const enum move_request requests[] = { MOVE_ASKED_PAUSE, MOVE_ASKED_RESUME,
		MOVE_ASKED_RETRY, MOVE_ASKED_RETRY, MOVE_ASKED_CANCEL, MOVE_ASKED_ROLLBACK,
		MOVE_ASKED_ROLLBACK_LEAVE_MAIL, MOVE_ASKED_UNKNOWN };

	sim->durable.request = requests[chance(sim, COUNT(requests))];
}

/* What an administrator may write into the settings, and the system's entry, at any time. */
static void set(struct sim *sim)
{
	struct scene *s = &sim->scene;

	s->scenario.redirect = chance(sim, 4) != 0;
	s->scenario.close = chance(sim, 2);
	s->facts.assignor_redirects = chance(sim, 4) != 0;
	s->facts.assignee_redirects = chance(sim, 4) != 0;
	if (!s->scenario.redirect || !s->facts.assignee_redirects)
		sim->world.bare = true;
}

static void others(struct sim *sim)
{
	struct world *w = &sim->world;

	if (chance(sim, 40) == 0)
		set(sim);
	if (chance(sim, 12) == 0)
		world_mail_there(w);
	if (chance(sim, 3) == 0)
		world_read(w);
	world_relay(w);
	if (chance(sim, 2) == 0)
		world_mail(w);
	if (chance(sim, 3) == 0)
		world_see(w);
	for (int to = FIRST; to <= ELSEWHERE; to++)
		if (w->queued[to] > 0 && chance(sim, 3) == 0) {
			w->queued[to]--;
			world_deliver(w, to);
		}
	if (sim->syncs == SYNC_WAITS && sim->memory.waits > 0 && chance(sim, 4) == 0)
		sim->syncs = chance(sim, 6) == 0 ? SYNC_REFUSED : SYNC_ANSWERED;
	if (chance(sim, 150) == 0 && !w->gone) { /* DIR gets another address, */
		w->wanted++;
		w->csn++;
	}
	if (chance(sim, 20) == 0) /* and the second mailbox as well */
		w->box[SECOND].has = w->wanted;
	if (chance(sim, 60) == 0)
		crash(sim);
	if (chance(sim, 70) == 0)
		ask(sim);
	if (chance(sim, 800) == 0)
		by_hand(sim);
}

/* --- a run ------------------------------------------------------------------------------------ */

static void begin(struct sim *sim, uint64_t seed)
{
	memset(sim, 0, sizeof *sim);
	sim->random = seed * UINT64_C(2654435761) + 1;
	world_begin(&sim->world);
	sim->world.box[SECOND].closed = chance(sim, 2); /* by an earlier move */
	scene_set(&sim->scene, MOVE_NEW, "");
	sim->scene.move.reached_us[MOVE_SWAPPED] = SCENE_NOW;
	sim->scene.move.instant_us = 0;
	sim->scene.scenario.create = 0;
	set(sim);
	sim->scene.scenario.drain = 4 * SECOND_US;
	if (chance(sim, 3) == 0)
		sim->scene.scenario.delete = 0;
	sim->scene.facts.action_absent[STEP_EMPTY] = chance(sim, 10) == 0;
	sim->durable.state = sim->memory.state = MOVE_NEW;
	sim->durable.may_delete = chance(sim, 2);
	crash(sim);
}

static void calm_down(struct sim *sim)
{
	int quiet = 0, asked = 0;

	sim->calm = true;
	for (int i = 0; i < CALM && quiet < 8; i++) {
		world_see(&sim->world);
		world_settle(&sim->world);
		/* an administrator looks after it */
		if ((sim->durable.request == MOVE_ASKED_PAUSE || sim->durable.stopped) &&
			asked++ < 6)
			sim->durable.request = asked < 4 && !sim->world.gone
						       ? MOVE_ASKED_RETRY
						       : MOVE_ASKED_ROLLBACK_LEAVE_MAIL;
		if (strstr(sim->durable.error, "on hold already") != NULL && sim->world.held) {
			sim->world.held = false;
			sim->world.csn++;
		}
		if (strstr(sim->durable.error, "add what is missing") != NULL)
			sim->world.box[SECOND].has = sim->world.wanted;
		if (sim->syncs == SYNC_WAITS)
			sim->syncs = SYNC_ANSWERED;
		quiet = turn(sim) ? 0 : quiet + 1;
	}
	if (quiet < 8)
		fail_msg("it does not come to rest: state %d, %s", sim->memory.state,
			scene_decide(&sim->scene));
}

/* --- how it must be at the end ---------------------------------------------------------------- */

static const char *judge_back(const struct sim *sim)
{
	const struct world *w = &sim->world;
	bool stays = strstr(sim->durable.error, "was not deleted") != NULL;

	if (!w->touched && (w->at != FIRST || w->held))
		return "the mailbox is not where it was";
	if (w->box[FIRST].redirects || w->box[FIRST].closed || w->box[FIRST].there == w->lost)
		return "the old mailbox is not as it was";
	if (w->box[SECOND].there != stays)
		return stays ? "a second mailbox that is gone is reported"
			     : "a second mailbox is left without a word";
	if (stays && w->box[SECOND].addresses)
		return "the second mailbox has addresses still";
	if (w->box[SECOND].mail > 0 && !stays)
		return "mail went with the second mailbox";
	if (w->box[SECOND].mail > 0 && !w->left_mail && !w->touched &&
		sim->durable.state >= MOVE_SWAPPED && sim->durable.done[STEP_EMPTY] == false)
		return "mail was left in the second mailbox without a word";
	return NULL;
}

static const char *judge_there(const struct sim *sim)
{
	const struct world *w = &sim->world;

	if (!w->touched && (w->at != SECOND || w->held))
		return "the mailbox is not at the second one";
	if (w->box[SECOND].redirects || !w->box[SECOND].there || !w->box[SECOND].addresses)
		return "the second mailbox is not ready";
	if (w->box[SECOND].closed && !w->touched)
		return "the second mailbox is closed to its user";
	if (sim->durable.state == MOVE_DELETED && (w->box[FIRST].there || !w->box[FIRST].contact))
		return "the old mailbox was not deleted";
	return NULL;
}

static const char *judge(const struct sim *sim)
{
	const struct world *w = &sim->world;
	const struct record *r = &sim->durable;

	if (w->fault != NULL)
		return w->fault;
	if (!w->gone && w->sent != w->box[FIRST].mail + w->box[SECOND].mail + w->kept +
					   w->relayed[0] + w->relayed[1])
		return "mail is lost";
	if (w->kept > 0 && !w->touched)
		return "mail is held for ever";
	if (r->outcome == MOVE_CANCELLED || r->outcome == MOVE_ROLLED_BACK ||
		(r->outcome == MOVE_ENDED && r->state >= 0 && !w->touched))
		return judge_back(sim);
	if (r->outcome == MOVE_ENDED)
		return r->error[0] != '\0' ? NULL : "it ended without a reason";
	if (r->state >= MOVE_COMPLETE)
		return judge_there(sim);
	if (r->stopped && r->error[0] != '\0' && w->touched)
		return NULL;
	return "it neither ended nor stopped";
}

static void test_random(void **state)
{
	static struct sim sim;
	unsigned outcomes[8] = { 0 }, deleted = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		begin(&sim, seed);
		for (int i = 0; i < BUSY && sim.world.fault == NULL; i++) {
			others(&sim);
			turn(&sim);
		}
		if (sim.world.fault == NULL)
			calm_down(&sim);
		const char *fault = judge(&sim);
		if (fault != NULL)
			fail_msg("seed %d: %s (state %d, outcome %s, error %s)", (int)seed, fault,
				sim.durable.state, move_outcome_name(sim.durable.outcome),
				sim.durable.error);
		outcomes[sim.durable.outcome]++;
		deleted += sim.durable.state == MOVE_DELETED;
	}
	/* all ends are met */
	assert_true(outcomes[MOVE_OPEN_OR_DONE] > SEEDS / 20);
	assert_true(outcomes[MOVE_CANCELLED] > SEEDS / 50);
	assert_true(outcomes[MOVE_ROLLED_BACK] > SEEDS / 50);
	assert_true(outcomes[MOVE_ENDED] > 0);
	assert_true(deleted > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
