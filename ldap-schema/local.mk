# ldap-schema: data files that are installed or shipped
