noinst_LIBRARIES += queue/libqueue.a
queue_libqueue_a_SOURCES = \
	queue/holdq.c queue/holdq.h \
	queue/release.c queue/release.h
