# Unit tests (cmocka): one program per module, each listed in the fragment of its folder.
TEST_LIBS = $(LIB_LIBS) $(CMOCKA_LIBS)
if HAVE_CMOCKA
include tests/unit/lib.mk
include tests/unit/directory.mk
include tests/unit/queue.mk
include tests/unit/milter.mk
include tests/unit/dirsync.mk
include tests/unit/cli.mk
include tests/unit/doctor.mk
include tests/unit/down.mk
include tests/unit/control.mk
else
check-local:
	@echo "make check needs cmocka: apt-get install libcmocka-dev, then configure again" >&2; exit 1
endif
include tests/bench/local.mk
include tests/fuzz/local.mk
include tests/model/local.mk
TESTS += $(check_PROGRAMS)
EXTRA_DIST += tests/check.py tests/check_tree.py tests/tsan.supp tests/system/clock_jump.c

# By kind, not by folder: a folder named in EXTRA_DIST would bring along what was built in it.
dist-hook:
	cd $(srcdir) && find tests/lab tests/system tests/fuzz/corpus -name '*.py' -o -name '*.sh' -o -path 'tests/lab/*.c' -o -type f -path '*/corpus/*' | \
	while read -r file; do \
		mkdir -p "$(abs_builddir)/$(distdir)/$${file%/*}" && cp -p "$$file" "$(abs_builddir)/$(distdir)/$$file" || exit 1; \
	done
