#include "tests/unit/unit.h"

#include "tests/unit/sync_model.h"

#include "lib/mem.h"

#define GRACE 7

enum taken { FREE, OTHERS, MOVERS };

/* An id in a sync. */
struct part {
	bool works, shown, gone, skipped, rekeyed;
	const struct source_box *source;
	struct model_trace before;
	int box; /* index, -1 none */
	bool gains[LAB_KEYS], loses[LAB_KEYS], passes[LAB_KEYS];
	enum taken taken[LAB_KEYS];
};

struct modeling {
	struct model *model;
	const struct lab *lab;
	struct model_box old[MODEL_BOXES]; /* as they were */
	int system, first[LAB_KEYS], giver[LAB_KEYS];
	bool delta;
	struct part parts[LAB_IDS];
};

static int box_of(const struct modeling *m, int id)
{
	for (int i = 0; i < m->model->count; i++)
		if (m->model->boxes[i].system == m->system && m->model->boxes[i].id == id)
			return i;
	return -1;
}

struct model_box *model_owner(struct model *model, int key)
{
	for (int i = 0; i < model->count; i++)
		if (model->boxes[i].has[key])
			return &model->boxes[i];
	return NULL;
}

static void gather(struct modeling *m)
{
	for (int id = 0; id < m->lab->next_id[m->system]; id++) {
		struct part *p = &m->parts[id];

		p->source = &m->lab->boxes[m->system][id];
		p->shown = p->source->alive && (!m->delta || p->source->dirty);
		p->gone = !p->source->alive && m->delta && p->source->dirty;
		p->before = m->model->traces[m->system][id];
		p->box = box_of(m, id);
		p->works = p->shown || p->gone || (!m->delta && (p->box >= 0 || p->before.there));
	}
}

/* --- entries that lost their mailbox --------------------------------------------------------- */

static bool is_mated(const struct modeling *m, int box)
{
	for (int id = 0; id < LAB_IDS; id++)
		if (m->parts[id].works && m->parts[id].shown && m->parts[id].box == box)
			return true;
	return false;
}

static bool made_anew(const struct modeling *m, const struct part *p, const struct model_box *box)
{
	bool moves = box->moving && m->lab->move.there && m->lab->move.kind == MOVE_OPEN;

	if (m->delta || m->parts[box->id].shown || moves || p->source->primary < 0)
		return false;
	return box->primary == p->source->primary;
}

static void mate(struct modeling *m, struct part *p)
{
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < m->model->count && p->box < 0; i++) {
			const struct model_box *box = &m->model->boxes[i];

			if (box->system != m->system || is_mated(m, i))
				continue;
			if (pass == 0 && box->id < 0 && box->physical == p->source->physical) {
				p->box = i;
				p->before = (struct model_trace){ 0 }; /* all is by hand */
			}
			if (pass == 1 && box->id >= 0 && made_anew(m, p, box)) {
				p->box = i;
				p->rekeyed = true;
				p->before = m->parts[box->id].before;
				m->parts[box->id].skipped = true;
			}
		}
}

/* --- who gains, who gives -------------------------------------------------------------------- */

static bool loses(const struct modeling *m, const struct part *p, int key)
{
	const struct model_box *box = &m->old[p->box];

	if (!box->has[key] || (p->shown && p->source->lists[key]))
		return false;
	if (!p->shown && (!m->delta || p->gone || box->gone >= 0))
		return true;
	return box->mark[key] >= 0 || (p->shown && p->before.known[key]);
}

static void weigh(struct modeling *m, struct part *p)
{
	for (int key = 0; key < LAB_KEYS; key++) {
		bool has = p->box >= 0 && m->old[p->box].has[key];

		p->gains[key] = p->shown && p->source->lists[key] && key < LAB_FEDERATED && !has;
		p->loses[key] = p->box >= 0 && loses(m, p, key);
	}
}

static void add_owners(struct modeling *m)
{
	for (int i = 0; i < m->model->count; i++) {
		const struct model_box *box = &m->model->boxes[i];
		bool has_any = false;

		for (int key = 0; key < LAB_FEDERATED; key++)
			has_any = has_any || box->has[key];
		if (box->system != m->system || box->id < 0 || m->parts[box->id].works || !has_any)
			continue;
		m->parts[box->id].works = true;
		weigh(m, &m->parts[box->id]);
	}
}

static int keeper_of(const struct modeling *m, int box)
{
	for (int id = 0; id < LAB_IDS; id++)
		if (m->parts[id].works && !m->parts[id].skipped && m->parts[id].box == box)
			return id;
	return -1;
}

static void share_out(struct modeling *m, int key)
{
	struct model_box *owner = model_owner(m->model, key);
	int keeper = owner != NULL ? keeper_of(m, (int)(owner - m->model->boxes)) : -1;
	bool gives = keeper >= 0 && m->parts[keeper].loses[key];

	m->first[key] = m->giver[key] = -1;
	for (int id = 0; id < LAB_IDS; id++) {
		struct part *p = &m->parts[id];

		if (!p->works || p->skipped || !p->gains[key])
			continue;
		if (owner != NULL && !gives)
			p->taken[key] = owner->moving && m->lab->move.there ? MOVERS : OTHERS;
		else if (m->first[key] < 0)
			m->first[key] = id;
		else
			p->taken[key] = OTHERS;
	}
	if (m->first[key] >= 0 && gives)
		m->giver[key] = keeper;
}

/* --- moves ----------------------------------------------------------------------------------- */

static bool concerns(const struct modeling *m, int id)
{
	const struct lab_move *move = &m->lab->move;
	const struct part *p = &m->parts[id];

	if (!move->there)
		return false;
	for (int key = 0; key < LAB_KEYS; key++)
		if (p->taken[key] == MOVERS)
			return true;
	if (move->from == m->system && move->old_id == id)
		return true;
	return move->to == m->system &&
	       (m->model->move_id == id ||
		       (p->shown && m->model->move_physical == p->source->physical));
}

/* Its own mailbox moves. */
static bool moves(const struct modeling *m, int id)
{
	const struct lab_move *move = &m->lab->move;

	return m->old[m->parts[id].box].moving && move->there && move->kind == MOVE_OPEN;
}

/* Its primary address, or without one all that it lists, is the moving mailbox's. */
static bool is_by_name(const struct modeling *m, int id)
{
	const struct part *p = &m->parts[id];
	bool lists = false;

	if (!p->shown)
		return false;
	if (p->source->primary >= 0)
		return p->taken[p->source->primary] == MOVERS;
	for (int key = 0; key < LAB_KEYS; key++) {
		if (!p->source->lists[key])
			continue;
		if (p->taken[key] != MOVERS)
			return false;
		lists = true;
	}
	return lists;
}

static bool is_second(const struct modeling *m, int id)
{
	const struct model *model = m->model;

	if (!concerns(m, id) || m->lab->move.kind != MOVE_OPEN || m->lab->move.to != m->system)
		return false;
	if (model->move_id < 0 && model->move_physical < 0)
		return is_by_name(m, id);
	return model->move_id == id ||
	       (m->parts[id].shown && model->move_physical == m->parts[id].source->physical);
}

static bool is_old(const struct modeling *m, int id)
{
	const struct lab_move *move = &m->lab->move;

	return concerns(m, id) && move->from == m->system && move->old_id == id;
}

static bool takes(const struct modeling *m, int id)
{
	const struct part *p = &m->parts[id];
	int primary = p->source->primary;

	if (p->box >= 0)
		return true;
	if (is_second(m, id) || is_old(m, id))
		return false;
	if (primary >= 0 && p->taken[primary] != FREE)
		return false;
	if (primary >= 0 && primary < LAB_FEDERATED)
		return true;
	for (int key = 0; key < LAB_FEDERATED; key++)
		if (p->source->lists[key] && p->taken[key] == FREE)
			return true;
	return false;
}

/* --- what becomes of them -------------------------------------------------------------------- */

static bool due(const struct modeling *m, int day, int pulls)
{
	return !m->delta && pulls >= 2 && m->lab->day - day >= GRACE;
}

/* Nobody holds it, and it does not move. */
static bool is_free(const struct modeling *m, int id)
{
	return strcmp(m->old[m->parts[id].box].state, "holding") != 0 && !moves(m, id);
}

/* An address that is not listed: true when it goes now. */
static bool goes(struct modeling *m, int id, struct model_trace *after, int key)
{
	struct part *p = &m->parts[id];
	struct model_box *box = &m->model->boxes[p->box];
	int pulls = p->before.lacking[key] + !m->delta;

	after->known[key] = true;
	if (p->passes[key])
		return true;
	after->lacking[key] = pulls;
	if (box->mark[key] < 0) {
		box->mark[key] = m->lab->day;
		return false;
	}
	return due(m, box->mark[key], pulls) && is_free(m, id);
}

static void settle_addresses(struct modeling *m, int id, struct model_trace *after)
{
	struct part *p = &m->parts[id];
	struct model_box *box = &m->model->boxes[p->box], *old = &m->old[p->box];

	for (int key = 0; key < LAB_KEYS; key++) {
		if (p->source->lists[key]) {
			after->known[key] = true;
			box->mark[key] = -1;
			box->has[key] = old->has[key] || (p->gains[key] && p->taken[key] == FREE);
		} else if (old->has[key] && (old->mark[key] >= 0 || p->before.known[key]) &&
			   goes(m, id, after, key)) {
			box->has[key] = false;
			box->mark[key] = -1;
			if (box->primary == key)
				box->primary = -1;
		} else if (!old->has[key]) {
			box->mark[key] = -1;
		}
	}
}

static void settle_present(struct modeling *m, int id, struct model_trace *after)
{
	struct part *p = &m->parts[id];
	struct model_box *box = &m->model->boxes[p->box];

	box->id = id;
	box->gone = -1;
	settle_addresses(m, id, after);
	if (p->source->primary >= 0 && box->has[p->source->primary])
		box->primary = p->source->primary;
	if (!moves(m, id) && (strcmp(box->state, "-") == 0 || strcmp(box->state, "active") == 0))
		box->physical = p->source->physical;
	box->name = p->source->name;
	after->there = true;
}

/* Gone in a complete pull. */
static void unclaim(struct modeling *m, int id)
{
	if (!m->delta && is_second(m, id) && m->model->move_id == id)
		memset(m->model->claims, 0, sizeof m->model->claims);
}

static void settle_absent(struct modeling *m, int id, struct model_trace *after)
{
	struct part *p = &m->parts[id];
	struct model_box *box = &m->model->boxes[p->box];
	*after = p->before;
	after->there = true;
	for (int key = 0; key < LAB_KEYS; key++)
		if (p->passes[key]) {
			box->has[key] = false;
			box->mark[key] = -1;
		}
	if (m->delta && !p->gone)
		return;
	after->missing += !m->delta;
	unclaim(m, id);
	if (box->gone < 0)
		box->gone = m->lab->day;
	else if (due(m, box->gone, after->missing) && is_free(m, id))
		box->system = -1; /* deleted */
}

static void claim(struct modeling *m, int id)
{
	struct part *p = &m->parts[id];

	for (int key = 0; key < LAB_KEYS; key++)
		m->model->claims[key] =
			p->source->lists[key] && key < LAB_FEDERATED && p->taken[key] != OTHERS;
	if (m->model->move_id < 0)
		m->model->move_id = id;
	if (m->model->move_physical < 0)
		m->model->move_physical = p->source->physical;
}

static void add(struct modeling *m, int id)
{
	struct part *p = &m->parts[id];
	struct model_box *box = &m->model->boxes[m->model->count++];

	assert_true(m->model->count <= MODEL_BOXES);
	*box = (struct model_box){ .system = m->system,
		.id = id,
		.state = "-",
		.physical = p->source->physical,
		.primary = -1,
		.name = p->source->name,
		.gone = -1 };
	for (int key = 0; key < LAB_KEYS; key++) {
		box->mark[key] = -1;
		box->has[key] = p->gains[key] && p->taken[key] == FREE;
		if (box->has[key] && key == p->source->primary)
			box->primary = key;
	}
}

static void settle_without(struct modeling *m, int id, struct model_trace *after)
{
	struct part *p = &m->parts[id];

	if (!p->shown) {
		unclaim(m, id);
		return;
	}
	after->there = true;
	memcpy(after->known, p->source->lists, sizeof after->known);
	if (is_second(m, id))
		claim(m, id);
	else if (!is_old(m, id) && takes(m, id))
		add(m, id);
}

static void settle(struct modeling *m, int id)
{
	struct model_trace after = { .there = false };
	struct part *p = &m->parts[id];

	if (p->skipped)
		m->model->traces[m->system][id] = after;
	if (!p->works || p->skipped)
		return;
	if (p->box < 0)
		settle_without(m, id, &after);
	else if (p->shown)
		settle_present(m, id, &after);
	else
		settle_absent(m, id, &after);
	m->model->traces[m->system][id] = after;
}

static void sweep(struct model *model)
{
	int kept = 0;

	for (int i = 0; i < model->count; i++)
		if (model->boxes[i].system >= 0)
			model->boxes[kept++] = model->boxes[i];
	model->count = kept;
}

void model_sync(struct model *model, const struct lab *lab, int system, bool delta)
{
	struct modeling *m = mem_zalloc(sizeof *m);

	*m = (struct modeling){ .model = model, .lab = lab, .system = system, .delta = delta };
	memcpy(m->old, model->boxes, sizeof m->old);
	for (int id = 0; id < LAB_IDS; id++)
		m->parts[id].box = -1;
	gather(m);
	for (int id = 0; id < LAB_IDS; id++)
		if (m->parts[id].shown && m->parts[id].box < 0)
			mate(m, &m->parts[id]);
	for (int id = 0; id < LAB_IDS; id++)
		if (m->parts[id].works && !m->parts[id].skipped)
			weigh(m, &m->parts[id]);
	if (delta)
		add_owners(m);
	for (int key = 0; key < LAB_FEDERATED; key++)
		share_out(m, key);
	for (int key = 0; key < LAB_FEDERATED; key++)
		if (m->giver[key] >= 0 && takes(m, m->first[key]))
			m->parts[m->giver[key]].passes[key] = true;
	for (int id = 0; id < LAB_IDS; id++)
		settle(m, id);
	sweep(model);
	mem_free(&m);
}
