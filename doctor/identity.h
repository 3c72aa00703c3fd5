/* Whose rights are asked about: the account of restante-milter, or that of the MTA. */
#ifndef RESTANTE_DOCTOR_IDENTITY_H
#define RESTANTE_DOCTOR_IDENTITY_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

struct identity {
	bool known;
	char *name;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* further ones */
	int group_count;
};

/* The account with the groups that it has in the group file. False: there is none. */
bool identity_find(const char *user, struct identity *identity_r);
/* As a daemon that sets no further groups. */
void identity_without_groups(struct identity *identity);
void identity_of(uid_t uid, gid_t gid, struct identity *identity_r);
void identity_free(struct identity *identity);

bool identity_in(const struct identity *identity, gid_t group);
/* mode: R_OK, W_OK, X_OK together. Pure; root may everything. */
bool identity_may(const struct identity *identity, const struct stat *st, int mode);

enum reach { REACH_YES, REACH_MISSING, REACH_DENIED, REACH_UNSEEN };

struct path_facts {
	enum reach reach;
	char *culprit; /* where it ends: missing, denied or not to be seen by us */
	bool exists;
	struct stat st; /* where exists */
};

/* Whether the identity gets to the path and may do that with it: all folders above searched. */
void path_look(const struct identity *identity, const char *path, int mode, struct path_facts *r);
void path_facts_free(struct path_facts *facts);

#endif
