#define _GNU_SOURCE
#include "lib/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

static int find_group(const char *section, const char *name, gid_t *gid_r, struct str *error_r)
{
	const struct group *group = getgrnam(name);

	if (group == NULL) {
		str_printf(error_r, "%s.group: there is no group \"%s\"", section, name);
		return -1;
	}
	*gid_r = group->gr_gid;
	return 0;
}

int privileges_find(const char *section, const char *user, const char *group, struct privileges *p,
	struct str *error_r)
{
	*p = (struct privileges){ .uid = geteuid(), .gid = (gid_t)-1, .user = NULL };
	if (user != NULL && *user != '\0') {
		const struct passwd *who = getpwnam(user);
		if (who == NULL) {
			str_printf(error_r, "%s.user: there is no user \"%s\"", section, user);
			return -1;
		}
		p->uid = who->pw_uid;
		p->gid = who->pw_gid;
		p->user = mem_strdup(user);
	}
	if (group != NULL && *group != '\0')
		return find_group(section, group, &p->gid, error_r);
	return 0;
}

int privileges_folder(
	const struct privileges *p, const char *path, mode_t mode, struct str *error_r)
{
	if (mkdir(path, mode) < 0) {
		if (errno == EEXIST)
			return 0;
		str_printf(error_r, "%s: cannot make the folder: %s", path, strerror(errno));
		return -1;
	}
	if (geteuid() == 0 && p->user != NULL && chown(path, p->uid, p->gid) < 0) {
		str_printf(error_r, "%s: cannot give the folder to %s: %s", path, p->user,
			strerror(errno));
		return -1;
	}
	return 0;
}

static int become(const struct privileges *p)
{
	if (geteuid() != 0 || p->user == NULL)
		return 0;
	/* The user's further groups stay: one of them may be the MTA's, for postqueue (TRAPS 21).
	 */
	if (initgroups(p->user, p->gid) < 0 || setresgid(p->gid, p->gid, p->gid) < 0)
		return -1;
	return setresuid(p->uid, p->uid, p->uid);
}

int privileges_drop(const struct privileges *p, struct str *error_r)
{
	umask(077);
	if (become(p) < 0) {
		str_printf(error_r, "cannot become user %s: %s", p->user, strerror(errno));
		return -1;
	}
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

void privileges_free(struct privileges *p)
{
	mem_free(&p->user);
}
