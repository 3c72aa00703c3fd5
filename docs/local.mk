# docs: pages for administrators; tests.md is for those who change the code
dist_doc_DATA = README.md NEWS LICENSE docs/actions.md docs/connectors.md docs/control.md docs/doctor.md \
	docs/first-wave.md docs/metrics.md docs/moves.md docs/notices.md docs/operating.md docs/routing.md docs/sync.md
EXTRA_DIST += docs/tests.md docs/bench.md docs/design.md docs/model.md
