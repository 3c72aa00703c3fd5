# docs: pages for administrators
EXTRA_DIST += docs/control.md docs/operating.md
