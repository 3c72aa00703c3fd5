/* How the tables behind restante.conf are written: lib/config_table.c and those it is divided into.
 */
#ifndef RESTANTE_LIB_CONFIG_KEY_H
#define RESTANTE_LIB_CONFIG_KEY_H

#include "lib/clock.h"
#include "lib/config_table.h"

/* clang-format off */
#define MS(n)      ((n)*CLOCK_MS)
#define SECONDS(n) ((n)*CLOCK_SECOND)
#define MINUTES(n) SECONDS((n)*60)
#define HOURS(n)   MINUTES((n)*60)
#define DAYS(n)    HOURS((n)*24)
#define KIB(n)     (INT64_C(n) << 10)
#define TIB(n)     (INT64_C(n) << 40)

#define KEY(section, field, kind, value)                                                           \
	.name = #field, .type = CONFIG_##kind, .fallback = (value),                                \
	.offset = offsetof(struct config_##section, field)

#define SECTION(section, text) \
	{ .name = #section, .help = (text), .offset = offsetof(struct config, section), \
	  .keys = section##_keys, .count = sizeof section##_keys / sizeof section##_keys[0] }

/* A list, each with a title that `judge` takes. */
#define TITLED(section, list, judge, text) \
	{ .name = #section, .help = (text), .offset = offsetof(struct config, list), \
	  .titled = sizeof(struct config_##section), .check = (judge), \
	  .keys = section##_keys, .count = sizeof section##_keys / sizeof section##_keys[0] }
/* How to talk to an LDAP server; reload: whether one takes them over. */
#define LDAP_CLIENT_KEYS(section, reload) \
	{ KEY(section, bind, CHOICE, "anonymous"), .choices = config_bind_names, .reloadable = (reload), \
	  .help = "how to bind; external takes the identity of the ldapi:// peer or of the certificate" }, \
	{ KEY(section, bind_dn, STRING, ""), .reloadable = (reload), \
	  .help = "DN of a simple bind" }, \
	{ KEY(section, password_file, STRING, ""), .check = config_check_file, .reloadable = (reload), \
	  .help = "file whose first line is the password of a simple bind; no one else may read it" }, \
	{ KEY(section, starttls, BOOL, "false"), .reloadable = (reload), \
	  .help = "StartTLS on ldap:// connections" }, \
	{ KEY(section, ca_file, STRING, ""), .check = config_check_file, .derived = "the system's", \
	  .reloadable = (reload), .help = "certificates (PEM) that servers are checked against" }, \
	{ KEY(section, cert_file, STRING, ""), .check = config_check_file, .reloadable = (reload), \
	  .help = "client certificate (PEM)" }, \
	{ KEY(section, key_file, STRING, ""), .check = config_check_file, .reloadable = (reload), \
	  .help = "its private key (PEM)" }

/* clang-format on */

extern const char *const config_bind_names[];

/* Those of restante-control(8). */
#define CONFIG_CONTROL_SECTIONS 3
extern const struct config_section config_control_sections[CONFIG_CONTROL_SECTIONS];

#endif
