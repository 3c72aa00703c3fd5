noinst_LIBRARIES += dirsync/libdirsync.a
dirsync_libdirsync_a_SOURCES = \
	dirsync/apply.h dirsync/backend.h dirsync/entry.h dirsync/guard.h dirsync/mapping.h \
	dirsync/person.h dirsync/plan.h dirsync/reconcile.h dirsync/run.h dirsync/snapshot.h \
	dirsync/source.h dirsync/target.h \
	dirsync/moves.c dirsync/moves.h \
	dirsync/person.c dirsync/person_code.c dirsync/person_value.c \
	dirsync/strings.c dirsync/strings.h
