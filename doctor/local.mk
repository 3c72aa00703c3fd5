noinst_LIBRARIES += doctor/libdoctor.a
doctor_libdoctor_a_SOURCES = \
	doctor/check_directory.c doctor/check_host.c doctor/check_milter.c doctor/check_settings.c \
	doctor/check_systems.c \
	doctor/checks.h \
	doctor/command.c doctor/command.h \
	doctor/doctor.c doctor/doctor.h \
	doctor/facts.h \
	doctor/gather_directory.c doctor/gather_host.c doctor/gather_mta.c doctor/gather_rights.c \
	doctor/gather_settings.c doctor/gather_systems.c doctor/gather.h \
	doctor/identity.c doctor/identity.h \
	doctor/mta.h \
	doctor/postfix.c doctor/postfix_ask_domains.c doctor/postfix_ask_maps.c \
	doctor/postfix_domains.c doctor/postfix_listeners.c doctor/postfix_milters.c \
	doctor/postfix_read.c doctor/postfix.h doctor/postfix_tools.h \
	doctor/report.c doctor/report.h \
	doctor/schema.c doctor/schema.h \
	doctor/sendmail.c doctor/sendmail_checks.c doctor/sendmail_domains.c \
	doctor/sendmail_read.c doctor/sendmail.h \
	doctor/strings.c doctor/strings.h
