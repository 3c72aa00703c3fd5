# The schema in both forms is installed; the examples are documentation.
schemadir = $(pkgdatadir)/ldap-schema
dist_schema_DATA = ldap-schema/restante.schema ldap-schema/restante.ldif
ldapexampledir = $(docdir)/ldap-schema
dist_ldapexample_DATA = ldap-schema/slapd.conf.example ldap-schema/slapd-config.ldif.example \
	ldap-schema/slapd-replica.conf.example ldap-schema/sample.ldif
