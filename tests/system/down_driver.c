/*
 * One down sync, for tests:
 *
 *	down_driver CONFIGURATION SYSTEM [dry] [adopt=ADDRESS]
 *
 * Prints the record as one line of JSON; with dry, the list of changes as LDIF before it. SIGTERM
 * stops the run.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dirsync/run.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"

static atomic_bool stop;

static void on_term(int number)
{
	(void)number;
	atomic_store(&stop, true);
}

static void show(void *context, const struct run_change *change)
{
	(void)context;
	printf("# %s\n%s", change->reason, change->ldif);
}

static void say(const struct run_record *record, enum sync_word word, const struct str *adopted)
{
	struct json *object = json_new_object();
	const struct sync_outcome outcome = run_record_outcome(record);
	struct str line = STR_INIT;

	json_set_string(object, "outcome", sync_word_name(word));
	json_set_string(object, "text", str_cstr(&record->reason));
	json_set_string(object, "run", str_cstr(&record->run));
	sync_outcome_set(object, &outcome);
	json_set_int(object, "took_us", record->end_us - record->start_us);
	json_set_string(object, "adopted", str_cstr(adopted));
	json_dump(object, &line);
	printf("%s\n", str_cstr(&line));
	str_free(&line);
	json_free(&object);
}

static int take_option(struct run_options *options, const char *text)
{
	if (strcmp(text, "dry") == 0)
		options->dry_run = true;
	else if (strncmp(text, "adopt=", 6) == 0)
		options->adopt = text + 6;
	else
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct run_options options = { .change = show, .stop = &stop };
	struct run_record record;
	struct str adopted = STR_INIT;
	const char *error;
	struct config *config;
	enum sync_word word;

	config = argc < 3 ? NULL : config_load(argv[1], &error);
	if (config == NULL) {
		fprintf(stderr, "%s\n", argc < 3 ? "usage: down_driver FILE SYSTEM ..." : error);
		return EXIT_FAILURE;
	}
	options.config = config;
	options.system = argv[2];
	options.adopted = &adopted;
	for (int i = 3; i < argc; i++)
		if (take_option(&options, argv[i]) < 0)
			return EXIT_FAILURE;
	signal(SIGTERM, on_term);
	word = run_down(&options, &record);
	say(&record, word, &adopted);
	run_record_free(&record);
	str_free(&adopted);
	config_free(&config);
	return EXIT_SUCCESS;
}
