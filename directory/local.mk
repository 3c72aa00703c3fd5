noinst_LIBRARIES += directory/libdirectory.a
directory_libdirectory_a_SOURCES = \
	directory/bytes.c directory/bytes.h \
	directory/claims.c directory/claims.h \
	directory/consumer.c directory/consumer.h \
	directory/dn.c directory/dn.h \
	directory/doomed.c directory/doomed.h \
	directory/feed.c directory/feed_message.c directory/feed.h \
	directory/known.c directory/known.h \
	directory/loader.c directory/loader.h \
	directory/lookup.c \
	directory/recall.c directory/recall.h \
	directory/record.c directory/record_code.c directory/record.h \
	directory/refresh.c directory/refresh.h \
	directory/replica.c directory/replica_apply.c directory/replica_held.c \
	directory/replica.h directory/replica_internal.h \
	directory/store.c directory/store_change.c directory/store.h

# for tests/system: the replica alone
noinst_PROGRAMS += tests/system/replica_driver
tests_system_replica_driver_SOURCES = tests/system/replica_driver.c
tests_system_replica_driver_LDADD = directory/libdirectory.a $(LIB_LIBS)
