#include "milter/queued.h"

#include "milter/listing.h"

/*
 * A queue file that the MTA moves while its queue is being listed may be in neither place when the
 * listing looks there: Postfix shows `active` before `incoming`, and files go from the second to
 * the first. What one listing misses for that reason is at rest when the next one begins.
 */
#define LISTINGS 2

static const char unreadable[] = "the replica cannot be read";

static int fail(struct str *error_r, const char *reason)
{
	str_reset(error_r);
	str_append_z(error_r, reason);
	return -1;
}

/* --- whom recipients reach ------------------------------------------------------------------- */

struct filter {
	const struct physical_set *recipients;
	struct physical_set *found;
};

static int filter_one(void *context, const uint8_t *uuid, const char *physical)
{
	const struct filter *filter = context;

	(void)uuid;
	if (*physical != '\0' && physical_set_mark(filter->recipients, physical, "", NULL))
		physical_set_add(filter->found, physical);
	return 0;
}

/* Recipients are few and mailboxes many: where there are none, nothing is read. */
static int reached(const struct queued *q, const struct physical_set *recipients,
	struct physical_set **found_r, struct str *error_r)
{
	struct filter filter = { recipients, physical_set_new() };
	int done = 0;

	if (!physical_set_is_empty(recipients))
		done = q->each(q->replica, filter_one, &filter);
	physical_set_finish(filter.found);
	*found_r = filter.found;
	if (done == 0)
		return 0;
	physical_set_free(found_r);
	return fail(error_r, unreadable);
}

static int stop_at_once(void *context, const uint8_t *uuid, const char *physical)
{
	(void)context;
	(void)uuid;
	(void)physical;
	return 1;
}

/* --- the look -------------------------------------------------------------------------------- */

static int wait_for_commits(const struct queued *q, struct str *error_r)
{
	struct physical_set *late = physical_set_new(), *concerned;
	bool done = true;

	lateness_collect(q->lateness, late, q->delimiters);
	physical_set_finish(late);
	int result = reached(q, late, &concerned, error_r);
	if (result == 0)
		done = lateness_wait(q->lateness, concerned, q->delimiters);
	physical_set_free(&late);
	physical_set_free(&concerned);
	return done ? result : fail(error_r, "");
}

struct recipients {
	struct physical_set *set;
	const char *delimiters;
};

static void see_recipient(void *context, const char *recipient, bool cut)
{
	const struct recipients *recipients = context;

	if (cut)
		physical_set_add_cut(recipients->set, recipient, recipients->delimiters);
	else
		physical_set_add_recipient(recipients->set, recipient, recipients->delimiters);
}

static int list(const struct queued *q, struct physical_set *queue, struct str *error_r)
{
	struct recipients recipients = { queue, q->delimiters };

	for (int i = 0; i < LISTINGS; i++)
		if (listing_run(q->command, q->timeout_us, q->cancelled, see_recipient, &recipients,
			    error_r) < 0) {
			str_append_z(error_r, "; see milter.queue_list in restante.conf");
			return -1;
		}
	physical_set_finish(queue);
	return 0;
}

static int list_and_compare(
	const struct queued *q, struct physical_set **found_r, struct str *error_r)
{
	struct physical_set *queue = physical_set_new();
	int result = list(q, queue, error_r);

	if (result == 0)
		result = reached(q, queue, found_r, error_r);
	physical_set_free(&queue);
	return result;
}

int queued_find(const struct queued *q, struct physical_set **found_r, struct str *error_r)
{
	int anybody = q->each(q->replica, stop_at_once, NULL);

	*found_r = NULL;
	if (anybody < 0)
		return fail(error_r, unreadable);
	if (anybody == 0) {
		*found_r = physical_set_new();
		return 0;
	}
	return wait_for_commits(q, error_r) < 0 ? -1 : list_and_compare(q, found_r, error_r);
}
