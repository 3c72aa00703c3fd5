# manual pages, mdoc
dist_man_MANS += man/restante.1 man/restante-actions.5 man/restante-schema.5 man/restante.conf.5 man/restante.7 \
	man/restante-control.8 man/restante-dirsync.8 man/restante-milter.8
