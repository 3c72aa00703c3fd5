# docs: pages for administrators
dist_doc_DATA = README.md NEWS LICENSE docs/control.md docs/operating.md
