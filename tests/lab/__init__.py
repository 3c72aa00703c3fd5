"""A private mail lab on loopback: slapd, Postfix, Dovecot backends, restante-milter."""
