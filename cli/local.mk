bin_PROGRAMS += restante
restante_SOURCES = cli/main.c
restante_LDADD = $(LIB_LIBS)
