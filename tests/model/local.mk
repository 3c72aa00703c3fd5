# The models and who checks them; make model takes some minutes (tests/model/run --quick: seconds).
model:
	@top='$(abs_top_srcdir)' && . "$$top/tests/lab/packages.sh" && \
		packages_need '$(abs_builddir)' $$packages_model && \
		/usr/bin/python3 -B "$$top/tests/model/run" --dir model $(MODEL_ONLY)
.PHONY: model

EXTRA_DIST += tests/model/run tests/model/checks.py tests/model/fence.pml tests/model/lease.pml
