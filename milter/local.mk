noinst_LIBRARIES += milter/libfront.a
milter_libfront_a_SOURCES = \
	milter/front.c milter/front.h

sbin_PROGRAMS += restante-milter
restante_milter_SOURCES = milter/main.c
restante_milter_LDADD = milter/libfront.a directory/libdirectory.a queue/libqueue.a \
	$(LIB_LIBS) $(MILTER_LIBS)
