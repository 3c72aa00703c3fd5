#define _GNU_SOURCE
#include "doctor/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

#define GROUPS_MAX 1024

bool identity_find(const char *user, struct identity *identity_r)
{
	const struct passwd *who = getpwnam(user);

	memset(identity_r, 0, sizeof(*identity_r));
	if (who == NULL)
		return false;
	identity_r->known = true;
	identity_r->name = mem_strdup(user);
	identity_r->uid = who->pw_uid;
	identity_r->gid = who->pw_gid;
	identity_r->groups = mem_grow(NULL, GROUPS_MAX, sizeof(gid_t));
	identity_r->group_count = GROUPS_MAX;
	if (getgrouplist(user, who->pw_gid, identity_r->groups, &identity_r->group_count) < 0)
		identity_r->group_count = 0;
	return true;
}

void identity_without_groups(struct identity *identity)
{
	identity->group_count = 0;
}

void identity_of(uid_t uid, gid_t gid, struct identity *identity_r)
{
	const struct passwd *who = getpwuid(uid);
	char *name = who != NULL ? mem_strdup(who->pw_name) : mem_printf("uid %u", (unsigned)uid);

	if (who == NULL || !identity_find(name, identity_r)) {
		memset(identity_r, 0, sizeof(*identity_r));
		identity_r->known = true;
		identity_r->name = name;
		name = NULL;
	}
	mem_free(&name);
	identity_r->uid = uid;
	identity_r->gid = gid;
}

void identity_free(struct identity *identity)
{
	mem_free(&identity->name);
	mem_free(&identity->groups);
	identity->known = false;
}

bool identity_in(const struct identity *identity, gid_t group)
{
	for (int i = 0; i < identity->group_count; i++)
		if (identity->groups[i] == group)
			return true;
	return identity->gid == group;
}

bool identity_may(const struct identity *identity, const struct stat *st, int mode)
{
	unsigned wanted = (unsigned)mode & 7, bits;

	if (identity->uid == 0)
		return true;
	if (identity->uid == st->st_uid)
		bits = st->st_mode >> 6;
	else if (identity_in(identity, st->st_gid))
		bits = st->st_mode >> 3;
	else
		bits = st->st_mode;
	return (bits & wanted) == wanted;
}

/* R_OK and its like are the bits of a mode. */
_Static_assert(R_OK == 4 && W_OK == 2 && X_OK == 1, "access modes are permission bits");

static bool stop(struct path_facts *facts, enum reach reach, const char *culprit)
{
	facts->reach = reach;
	facts->culprit = mem_strdup(culprit);
	return false;
}

/* One part of the way; false ends it. */
static bool step(
	const struct identity *identity, const char *path, int mode, struct path_facts *facts)
{
	if (stat(path, &facts->st) < 0)
		return stop(facts,
			errno == ENOENT || errno == ENOTDIR ? REACH_MISSING : REACH_UNSEEN, path);
	return identity_may(identity, &facts->st, mode) || stop(facts, REACH_DENIED, path);
}

void path_look(const struct identity *identity, const char *path, int mode, struct path_facts *r)
{
	char *copy = mem_strdup(path);
	bool go_on = true;

	memset(r, 0, sizeof(*r));
	for (char *slash = copy + 1; go_on && (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		go_on = step(identity, copy, X_OK, r);
		*slash = '/';
	}
	if (go_on)
		go_on = step(identity, path, mode, r);
	r->exists = stat(path, &r->st) == 0;
	mem_free(&copy);
}

void path_facts_free(struct path_facts *facts)
{
	mem_free(&facts->culprit);
}
