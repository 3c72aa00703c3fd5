# Unit tests (cmocka): one program per module, each listed in the fragment of its folder.
TEST_LIBS = $(LIB_LIBS) $(CMOCKA_LIBS)
if HAVE_CMOCKA
include tests/unit/lib.mk
include tests/unit/directory.mk
include tests/unit/queue.mk
include tests/unit/milter.mk
include tests/unit/cli.mk
endif
include tests/bench/local.mk
TESTS += $(check_PROGRAMS)
EXTRA_DIST += tests/lab tests/system tests/check.py tests/check_tree.py

dist-hook:
	find $(distdir)/tests -name __pycache__ -prune -exec rm -rf {} +
