noinst_LIBRARIES += directory/libdirectory.a
directory_libdirectory_a_SOURCES = \
	directory/consumer.c directory/consumer.h \
	directory/replica.c directory/replica.h
