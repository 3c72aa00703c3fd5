/* Names, and the directory as text. */
#include "tests/unit/unit.h"

#include "tests/unit/reconcile_lab.h"
#include "tests/unit/sync_lab.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/when.h"

/* --- names ----------------------------------------------------------------------------------- */

static char *next_text(void)
{
	static char texts[10][64];
	static int at;

	return texts[at = (at + 1) % 10];
}

const char *lab_system(int system)
{
	static const char *const names[] = { "S1", "S2", "S3" };

	return names[system];
}

const char *lab_key(int key)
{
	char *text = next_text();

	snprintf(text, 64, "k%d@%s", key, key < LAB_FEDERATED ? "example.org" : "elsewhere.test");
	return text;
}

const char *lab_id(int id)
{
	char *text = next_text();

	snprintf(text, 64, "m%03d", id);
	return text;
}

const char *lab_physical(int physical)
{
	char *text = next_text();

	snprintf(text, 64, "p%d@s.lab", physical);
	return text;
}

int lab_number(const char *text, char sign)
{
	return text != NULL && text[0] == sign ? atoi(text + 1) : -1;
}

/* --- the whole ------------------------------------------------------------------------------- */

void lab_begin(struct lab *lab)
{
	memset(lab, 0, sizeof *lab);
	lab->policy = lab_policy();
}

void lab_end(struct lab *lab)
{
	for (int system = 0; system < LAB_SYSTEMS; system++)
		for (int id = 0; id < LAB_IDS; id++)
			trace_free(&lab->traces[system][id]);
	memory_free(&lab->dir);
	reconcile_policy_free(&lab->policy);
}

static long day_of(const char *instant)
{
	return (long)((when_generalized_us(instant) - LAB_NOW) / LAB_DAY);
}

static const char *text_of(const struct memory_entry *entry, const char *name)
{
	const char *value = memory_get(entry, name);

	return value != NULL ? value : "-";
}

static void render(const struct memory_entry *entry, struct strings *lines)
{
	const char *gone = memory_get(entry, "restanteVanishedSince");
	struct strings sorted = STRINGS_INIT;
	struct str line = STR_INIT, one = STR_INIT;

	for (size_t i = 0; i < entry->count; i++) {
		const char *value = entry->values[i].value, *space = strrchr(value, ' ');

		str_reset(&one);
		if (strcasecmp(entry->values[i].name, "mailLocalAddress") == 0)
			str_printf(&one, " %s", value);
		else if (strcasecmp(entry->values[i].name, "restanteVanishingAddress") == 0)
			str_printf(
				&one, "~%.*s:%ld", (int)(space - value), value, day_of(space + 1));
		else
			continue;
		strings_add(&sorted, str_cstr(&one));
	}
	str_printf(&line, "%s %s %s %s %s %s gone=%ld", text_of(entry, "restanteSystem"),
		text_of(entry, "restanteSourceId"), text_of(entry, "restanteState"),
		text_of(entry, "mailRoutingAddress"), text_of(entry, "mail"), text_of(entry, "cn"),
		gone != NULL ? day_of(gone) : -1);
	for (const char *t = strings_first(&sorted); t != NULL; t = strings_next(&sorted, t))
		str_append_z(&line, t);
	strings_add(lines, str_cstr(&line));
	strings_free(&sorted);
	str_free(&line);
	str_free(&one);
}

void lab_render(const struct lab *lab, struct strings *lines_r)
{
	strings_reset(lines_r);
	for (size_t i = 0; i < lab->dir.count; i++)
		if (memory_get(lab->dir.entries[i], "restanteSystem") != NULL)
			render(lab->dir.entries[i], lines_r);
}
