# Fuzz targets, one per parser of outside bytes. `make fuzz` builds them in fuzz/ below the build
# directory with clang, libFuzzer and sanitizers and runs each from its corpus for FUZZ_SECONDS; it
# needs the Debian packages clang-14 and libclang-rt-14-dev (others: FUZZ_CC=clang-16). `make check`
# needs neither: it links each with replay.c and runs the files of its corpus once.
# A new target is a row in each of these two lists, its three lines below, and a corpus.
fuzz_programs = tests/fuzz/fuzz_address tests/fuzz/fuzz_xtext tests/fuzz/fuzz_reply \
	tests/fuzz/fuzz_dot tests/fuzz/fuzz_cookie tests/fuzz/fuzz_sync tests/fuzz/fuzz_params \
	tests/fuzz/fuzz_record tests/fuzz/fuzz_held tests/fuzz/fuzz_mtaqueue tests/fuzz/fuzz_json \
	tests/fuzz/fuzz_control tests/fuzz/fuzz_config tests/fuzz/fuzz_notice tests/fuzz/fuzz_term \
	tests/fuzz/fuzz_logline tests/fuzz/fuzz_csv tests/fuzz/fuzz_endpoint tests/fuzz/fuzz_dn \
	tests/fuzz/fuzz_when tests/fuzz/fuzz_person tests/fuzz/fuzz_entry tests/fuzz/fuzz_mapping \
	tests/fuzz/fuzz_source tests/fuzz/fuzz_ldif tests/fuzz/fuzz_csvstream \
	tests/fuzz/fuzz_actiontemplate \
	tests/fuzz/fuzz_actionoutput \
	tests/fuzz/fuzz_tlv
replay_programs = tests/fuzz/replay_address tests/fuzz/replay_xtext tests/fuzz/replay_reply \
	tests/fuzz/replay_dot tests/fuzz/replay_cookie tests/fuzz/replay_sync tests/fuzz/replay_params \
	tests/fuzz/replay_record tests/fuzz/replay_held tests/fuzz/replay_mtaqueue \
	tests/fuzz/replay_json tests/fuzz/replay_control tests/fuzz/replay_config \
	tests/fuzz/replay_notice tests/fuzz/replay_term tests/fuzz/replay_logline \
	tests/fuzz/replay_csv tests/fuzz/replay_endpoint tests/fuzz/replay_dn tests/fuzz/replay_when \
	tests/fuzz/replay_person tests/fuzz/replay_entry tests/fuzz/replay_mapping \
	tests/fuzz/replay_source tests/fuzz/replay_ldif tests/fuzz/replay_csvstream \
	tests/fuzz/replay_actiontemplate \
	tests/fuzz/replay_actionoutput \
	tests/fuzz/replay_tlv

EXTRA_PROGRAMS += $(fuzz_programs)
check_PROGRAMS += $(replay_programs)
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
replay_sources = tests/fuzz/replay.c tests/fuzz/fuzz.h
replay_cppflags = $(AM_CPPFLAGS) -DFUZZ_SOURCE='"$(abs_top_srcdir)"'

tests_fuzz_fuzz_address_SOURCES = tests/fuzz/fuzz_address.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_address_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_address_LDADD = $(LIB_LIBS)
tests_fuzz_replay_address_SOURCES = tests/fuzz/fuzz_address.c $(replay_sources)
tests_fuzz_replay_address_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_address_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_xtext_SOURCES = tests/fuzz/fuzz_xtext.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_xtext_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_xtext_LDADD = milter/libfront.a $(LIB_LIBS)
tests_fuzz_replay_xtext_SOURCES = tests/fuzz/fuzz_xtext.c $(replay_sources)
tests_fuzz_replay_xtext_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_xtext_LDADD = milter/libfront.a $(LIB_LIBS)

tests_fuzz_fuzz_reply_SOURCES = tests/fuzz/fuzz_reply.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_reply_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_reply_LDADD = queue/libqueue.a $(LIB_LIBS)
tests_fuzz_replay_reply_SOURCES = tests/fuzz/fuzz_reply.c $(replay_sources)
tests_fuzz_replay_reply_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_reply_LDADD = queue/libqueue.a $(LIB_LIBS)

tests_fuzz_fuzz_dot_SOURCES = tests/fuzz/fuzz_dot.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_dot_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_dot_LDADD = queue/libqueue.a $(LIB_LIBS)
tests_fuzz_replay_dot_SOURCES = tests/fuzz/fuzz_dot.c $(replay_sources)
tests_fuzz_replay_dot_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_dot_LDADD = queue/libqueue.a $(LIB_LIBS)

tests_fuzz_fuzz_cookie_SOURCES = tests/fuzz/fuzz_cookie.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_cookie_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_cookie_LDADD = $(LIB_LIBS)
tests_fuzz_replay_cookie_SOURCES = tests/fuzz/fuzz_cookie.c $(replay_sources)
tests_fuzz_replay_cookie_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_cookie_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_sync_SOURCES = tests/fuzz/fuzz_sync.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_sync_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_sync_LDADD = $(LIB_LIBS)
tests_fuzz_replay_sync_SOURCES = tests/fuzz/fuzz_sync.c $(replay_sources)
tests_fuzz_replay_sync_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_sync_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_params_SOURCES = tests/fuzz/fuzz_params.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_params_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_params_LDADD = milter/libfront.a queue/libqueue.a $(LIB_LIBS)
tests_fuzz_replay_params_SOURCES = tests/fuzz/fuzz_params.c $(replay_sources)
tests_fuzz_replay_params_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_params_LDADD = milter/libfront.a queue/libqueue.a $(LIB_LIBS)

tests_fuzz_fuzz_record_SOURCES = tests/fuzz/fuzz_record.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_record_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_record_LDADD = directory/libdirectory.a $(LIB_LIBS)
tests_fuzz_replay_record_SOURCES = tests/fuzz/fuzz_record.c $(replay_sources)
tests_fuzz_replay_record_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_record_LDADD = directory/libdirectory.a $(LIB_LIBS)

tests_fuzz_fuzz_held_SOURCES = tests/fuzz/fuzz_held.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_held_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_held_LDADD = queue/libqueue.a $(LIB_LIBS)
tests_fuzz_replay_held_SOURCES = tests/fuzz/fuzz_held.c $(replay_sources)
tests_fuzz_replay_held_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_held_LDADD = queue/libqueue.a $(LIB_LIBS)

tests_fuzz_fuzz_mtaqueue_SOURCES = tests/fuzz/fuzz_mtaqueue.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_mtaqueue_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_mtaqueue_LDADD = milter/libfront.a $(LIB_LIBS)
tests_fuzz_replay_mtaqueue_SOURCES = tests/fuzz/fuzz_mtaqueue.c $(replay_sources)
tests_fuzz_replay_mtaqueue_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_mtaqueue_LDADD = milter/libfront.a $(LIB_LIBS)

tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_json_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_json_LDADD = $(LIB_LIBS)
tests_fuzz_replay_json_SOURCES = tests/fuzz/fuzz_json.c $(replay_sources)
tests_fuzz_replay_json_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_json_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz_control.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_control_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_control_LDADD = $(LIB_LIBS)
tests_fuzz_replay_control_SOURCES = tests/fuzz/fuzz_control.c $(replay_sources)
tests_fuzz_replay_control_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_control_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_config_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_config_LDADD = $(LIB_LIBS)
tests_fuzz_replay_config_SOURCES = tests/fuzz/fuzz_config.c $(replay_sources)
tests_fuzz_replay_config_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_config_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_notice_SOURCES = tests/fuzz/fuzz_notice.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_notice_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_notice_LDADD = queue/libqueue.a $(LIB_LIBS)
tests_fuzz_replay_notice_SOURCES = tests/fuzz/fuzz_notice.c $(replay_sources)
tests_fuzz_replay_notice_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_notice_LDADD = queue/libqueue.a $(LIB_LIBS)

tests_fuzz_fuzz_term_SOURCES = tests/fuzz/fuzz_term.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_term_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_term_LDADD = cli/libcli.a $(LIB_LIBS)
tests_fuzz_replay_term_SOURCES = tests/fuzz/fuzz_term.c $(replay_sources)
tests_fuzz_replay_term_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_term_LDADD = cli/libcli.a $(LIB_LIBS)

tests_fuzz_fuzz_logline_SOURCES = tests/fuzz/fuzz_logline.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_logline_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_logline_LDADD = cli/libcli.a $(LIB_LIBS)
tests_fuzz_replay_logline_SOURCES = tests/fuzz/fuzz_logline.c $(replay_sources)
tests_fuzz_replay_logline_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_logline_LDADD = cli/libcli.a $(LIB_LIBS)

tests_fuzz_fuzz_csv_SOURCES = tests/fuzz/fuzz_csv.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_csv_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_csv_LDADD = $(LIB_LIBS)
tests_fuzz_replay_csv_SOURCES = tests/fuzz/fuzz_csv.c $(replay_sources)
tests_fuzz_replay_csv_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_csv_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_endpoint_SOURCES = tests/fuzz/fuzz_endpoint.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_endpoint_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_endpoint_LDADD = queue/libqueue.a $(LIB_LIBS)
tests_fuzz_replay_endpoint_SOURCES = tests/fuzz/fuzz_endpoint.c $(replay_sources)
tests_fuzz_replay_endpoint_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_endpoint_LDADD = queue/libqueue.a $(LIB_LIBS)

tests_fuzz_fuzz_dn_SOURCES = tests/fuzz/fuzz_dn.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_dn_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_dn_LDADD = directory/libdirectory.a $(LIB_LIBS)
tests_fuzz_replay_dn_SOURCES = tests/fuzz/fuzz_dn.c $(replay_sources)
tests_fuzz_replay_dn_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_dn_LDADD = directory/libdirectory.a $(LIB_LIBS)

tests_fuzz_fuzz_when_SOURCES = tests/fuzz/fuzz_when.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_when_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_when_LDADD = $(LIB_LIBS)
tests_fuzz_replay_when_SOURCES = tests/fuzz/fuzz_when.c $(replay_sources)
tests_fuzz_replay_when_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_when_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_person_SOURCES = tests/fuzz/fuzz_person.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_person_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_person_LDADD = dirsync/libdirsync.a $(LIB_LIBS)
tests_fuzz_replay_person_SOURCES = tests/fuzz/fuzz_person.c $(replay_sources)
tests_fuzz_replay_person_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_person_LDADD = dirsync/libdirsync.a $(LIB_LIBS)

tests_fuzz_fuzz_entry_SOURCES = tests/fuzz/fuzz_entry.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_entry_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_entry_LDADD = dirsync/libdirsync.a $(LIB_LIBS)
tests_fuzz_replay_entry_SOURCES = tests/fuzz/fuzz_entry.c $(replay_sources)
tests_fuzz_replay_entry_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_entry_LDADD = dirsync/libdirsync.a $(LIB_LIBS)

tests_fuzz_fuzz_mapping_SOURCES = tests/fuzz/fuzz_mapping.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_mapping_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_mapping_LDADD = dirsync/libdirsync.a $(LIB_LIBS)
tests_fuzz_replay_mapping_SOURCES = tests/fuzz/fuzz_mapping.c $(replay_sources)
tests_fuzz_replay_mapping_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_mapping_LDADD = dirsync/libdirsync.a $(LIB_LIBS)

tests_fuzz_fuzz_source_SOURCES = tests/fuzz/fuzz_source.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_source_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_source_LDADD = dirsync/libdirsync.a $(LIB_LIBS)
tests_fuzz_replay_source_SOURCES = tests/fuzz/fuzz_source.c $(replay_sources)
tests_fuzz_replay_source_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_source_LDADD = dirsync/libdirsync.a $(LIB_LIBS)

tests_fuzz_fuzz_ldif_SOURCES = tests/fuzz/fuzz_ldif.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_ldif_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_ldif_LDADD = $(LIB_LIBS)
tests_fuzz_replay_ldif_SOURCES = tests/fuzz/fuzz_ldif.c $(replay_sources)
tests_fuzz_replay_ldif_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_ldif_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_tlv_SOURCES = tests/fuzz/fuzz_tlv.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_tlv_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_tlv_LDADD = $(LIB_LIBS)
tests_fuzz_replay_tlv_SOURCES = tests/fuzz/fuzz_tlv.c $(replay_sources)
tests_fuzz_replay_tlv_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_tlv_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_csvstream_SOURCES = tests/fuzz/fuzz_csvstream.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_csvstream_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_csvstream_LDADD = $(LIB_LIBS)
tests_fuzz_replay_csvstream_SOURCES = tests/fuzz/fuzz_csvstream.c $(replay_sources)
tests_fuzz_replay_csvstream_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_csvstream_LDADD = $(LIB_LIBS)

tests_fuzz_fuzz_actiontemplate_SOURCES = tests/fuzz/fuzz_actiontemplate.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_actiontemplate_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_actiontemplate_LDADD = control/libcontrol.a $(LIB_LIBS)
tests_fuzz_replay_actiontemplate_SOURCES = tests/fuzz/fuzz_actiontemplate.c $(replay_sources)
tests_fuzz_replay_actiontemplate_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_actiontemplate_LDADD = control/libcontrol.a $(LIB_LIBS)

tests_fuzz_fuzz_actionoutput_SOURCES = tests/fuzz/fuzz_actionoutput.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_actionoutput_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_actionoutput_LDADD = control/libcontrol.a $(LIB_LIBS)
tests_fuzz_replay_actionoutput_SOURCES = tests/fuzz/fuzz_actionoutput.c $(replay_sources)
tests_fuzz_replay_actionoutput_CPPFLAGS = $(replay_cppflags)
tests_fuzz_replay_actionoutput_LDADD = control/libcontrol.a $(LIB_LIBS)

FUZZ_CC = clang-14
FUZZ_SECONDS = 60
fuzz:
	@FUZZ_CC='$(FUZZ_CC)' FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_ONLY='$(FUZZ_ONLY)' \
		$(srcdir)/tests/fuzz/run '$(abs_top_srcdir)' fuzz $(fuzz_programs)
.PHONY: fuzz

EXTRA_DIST += tests/fuzz/run
