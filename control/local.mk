noinst_LIBRARIES += control/libcontrol.a
# decisions
control_libcontrol_a_SOURCES = \
	control/machine.c control/machine_backward.c control/machine_finished.c \
	control/machine_forward.c \
	control/machine.h control/machine_internal.h
# what differs per backend
control_libcontrol_a_SOURCES += \
	control/action.c control/action_command.c control/action_ldap.c control/action_name.c \
	control/action_needed.c \
	control/action_output.c control/action_parse.c control/action_render.c \
	control/action_secret.c control/action_settings.c control/action_template.c control/action_values.c \
	control/action.h control/action_internal.h control/action_output.h \
	control/action_template.h
# the daemon
control_libcontrol_a_SOURCES += \
	control/commands.c control/control.c control/control.h control/exposition.c \
	control/facts.c control/facts.h control/fencing.c control/fencing.h \
	control/follow.c control/follow.h control/leader.c control/leader.h control/leave.c control/look.c \
	control/orphan.c \
	control/record.c control/record.h control/run.c control/run.h \
	control/run_claim.c control/run_internal.h \
	control/rounds.c control/rounds.h control/settings.c control/start.c control/start.h \
	control/step_action.c control/step_directory.c control/store.c control/store_refresh.c control/store_slots.c control/store_view.c control/store.h control/store_internal.h \
	control/syncing.c control/syncing.h control/systems.c control/systems.h control/worker.c

sbin_PROGRAMS += restante-control
restante_control_SOURCES = control/main.c
restante_control_LDADD = control/libcontrol.a $(LIB_LIBS)
noinst_PROGRAMS += tests/system/action_driver
tests_system_action_driver_SOURCES = tests/system/action_driver.c
tests_system_action_driver_LDADD = control/libcontrol.a $(LIB_LIBS)
