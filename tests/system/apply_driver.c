/*
 * Applies a plan to a directory, without a source and reconciling. For the system tests and by
 * hand:
 *
 *   apply_driver URI BASE BIND_DN PASSWORD_FILE DIR [--window N] [--timeout MS]
 *                [--narrow N:WINDOW]  from the Nth operation on the window is that wide (0: stop)
 *
 * The plan comes on standard input, a word and a text per line, an empty line behind each change:
 *
 *   add|modify|expire|report DN
 *   assert FILTER     owner FILTER     id ID
 *   put|take|set ATTRIBUTE VALUE       gain KEY     give KEY
 *
 * Prints "RESULT<tab>KIND<tab>DN<tab>TEXT" for each change, at last
 * "end rc=R added=N changed=N deleted=N refused=N dropped=N most=N seconds=S<tab>ERROR": most: in
 * flight since the window was narrowed, of changes that wait for nobody.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dirsync/apply.h"
#include "lib/clock.h"
#include "lib/mem.h"

static const char *const kinds[] = { "add", "modify", "adopt", "rekey", "vanished", "returned",
	"expire", "claim", "report" };
static const char *const results[] = { "done", "changed", "taken", "refused", "dropped" };

struct driver {
	unsigned window, narrow_from, narrow_to;
	unsigned asked, ended, most;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "apply_driver: %s: %s\n", what, why);
	exit(1);
}

/* --- the plan ------------------------------------------------------------------------------- */

struct draft {
	struct plan_change change;
	struct plan_value values[64];
	char *texts[200];
	size_t text_count;
};

static const char *keep(struct draft *draft, const char *text)
{
	if (draft->text_count == sizeof(draft->texts) / sizeof(draft->texts[0]))
		die("plan", "too long a change");
	draft->texts[draft->text_count] = mem_strdup(text);
	return draft->texts[draft->text_count++];
}

static void put_value(struct draft *draft, int what, char *text)
{
	struct plan_value *value = &draft->values[draft->change.value_count++];
	char *space = strchr(text, ' ');

	if (space != NULL)
		*space = '\0';
	value->what = what == PLAN_PUT ? PLAN_PUT : what == PLAN_TAKE ? PLAN_TAKE : PLAN_SET;
	value->attribute = keep(draft, text);
	value->value = space != NULL ? keep(draft, space + 1) : NULL;
}

static bool take_kind(struct draft *draft, const char *word, const char *text)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(word, kinds[i]) == 0) {
			draft->change.kind = (enum plan_kind)i;
			draft->change.dn = keep(draft, text);
			return true;
		}
	return false;
}

static void take_line(struct draft *draft, char *line)
{
	char *text = strchrnul(line, ' ');

	if (*text == ' ')
		*text++ = '\0';
	if (take_kind(draft, line, text))
		return;
	if (strcmp(line, "assert") == 0)
		draft->change.assertion = keep(draft, text);
	else if (strcmp(line, "owner") == 0)
		draft->change.owner = keep(draft, text);
	else if (strcmp(line, "id") == 0)
		draft->change.id = keep(draft, text);
	else if (strcmp(line, "gain") == 0)
		strings_add(&draft->change.gains, text);
	else if (strcmp(line, "give") == 0)
		strings_add(&draft->change.gives, text);
	else if (strcmp(line, "put") == 0)
		put_value(draft, PLAN_PUT, text);
	else if (strcmp(line, "take") == 0)
		put_value(draft, PLAN_TAKE, text);
	else if (strcmp(line, "set") == 0)
		put_value(draft, PLAN_SET, text);
	else
		die("plan", line);
}

static void begin_draft(struct draft *draft)
{
	strings_free(&draft->change.gains);
	strings_free(&draft->change.gives);
	for (size_t i = 0; i < draft->text_count; i++)
		mem_free(&draft->texts[i]);
	draft->text_count = 0;
	draft->change = (struct plan_change){
		.assertion = "", .owner = "", .reason = "test", .id = "", .values = draft->values
	};
}

static void end_draft(struct draft *draft, struct plan *plan)
{
	const char *error;

	if (draft->change.dn != NULL && plan_put(plan, &draft->change, &error) < 0)
		die("plan", error);
	begin_draft(draft);
}

static void read_plan(struct plan *plan)
{
	struct draft draft = { .text_count = 0 };
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	begin_draft(&draft);
	while ((len = getline(&line, &size, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (len == 0)
			end_draft(&draft, plan);
		else
			take_line(&draft, line);
	}
	end_draft(&draft, plan);
	free(line);
}

/* --- applying ------------------------------------------------------------------------------- */

static unsigned allowed(void *context)
{
	struct driver *driver = context;
	unsigned flying = driver->asked - driver->ended;

	/* the first one that is asked for after the narrowing waits for those before it */
	if (driver->asked > driver->narrow_from && flying > driver->most)
		driver->most = flying;
	return driver->asked++ >= driver->narrow_from ? driver->narrow_to : driver->window;
}

static void take_result(
	void *context, const struct plan_change *change, enum apply_result result, const char *text)
{
	struct driver *driver = context;

	driver->ended++;
	printf("%s\t%s\t%s\t%s\n", results[result], kinds[change->kind], change->dn, text);
	fflush(stdout);
}

static void take_options(int argc, char **argv, struct ldap_options *ldap, struct driver *driver)
{
	static const struct option options[] = { { "window", required_argument, NULL, 'w' },
		{ "narrow", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' }, { NULL, 0, NULL, 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'w': driver->window = (unsigned)strtoul(optarg, NULL, 10); break;
		case 't': ldap->timeout_us = strtol(optarg, NULL, 10) * CLOCK_MS; break;
		case 'n':
			if (sscanf(optarg, "%u:%u", &driver->narrow_from, &driver->narrow_to) != 2)
				die("--narrow", optarg);
			break;
		default: exit(2);
		}
	if (argc - optind != 5)
		die("usage", "URI BASE BIND_DN PASSWORD_FILE DIR");
	ldap->uri = argv[optind];
	ldap->base = argv[optind + 1];
	ldap->bind = LDAP_BIND_SIMPLE;
	ldap->bind_dn = argv[optind + 2];
	ldap->password_file = argv[optind + 3];
}

int main(int argc, char **argv)
{
	struct driver driver = { .window = 16, .narrow_from = UINT32_MAX };
	struct ldap_options ldap = { .timeout_us = 0 };
	struct apply_options options = {
		.ldap = &ldap, .allowed = allowed, .result = take_result, .context = &driver
	};
	struct apply_counts counts;
	const char *error = "";
	struct plan *plan;
	int64_t began;

	take_options(argc, argv, &ldap, &driver);
	options.window = driver.window;
	if ((plan = plan_new(argv[argc - 1], &error)) == NULL)
		die("plan", error);
	read_plan(plan);
	began = clock_mono_us();
	int rc = apply_plan(&options, plan, &counts, &error);
	printf("end rc=%d added=%" PRIu64 " changed=%" PRIu64 " deleted=%" PRIu64
	       " refused=%" PRIu64 " dropped=%" PRIu64 " most=%u seconds=%.3f\t%s\n",
		rc, counts.added, counts.changed, counts.deleted, counts.refused, counts.dropped,
		driver.most, (double)(clock_mono_us() - began) / 1e6, rc < 0 ? error : "");
	plan_free(&plan);
	return 0;
}
