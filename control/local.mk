noinst_LIBRARIES += control/libcontrol.a
# decisions
control_libcontrol_a_SOURCES = \
	control/machine.c control/machine_backward.c control/machine_finished.c \
	control/machine_forward.c control/machine_scenario.c \
	control/machine.h control/machine_internal.h
# what differs per backend
control_libcontrol_a_SOURCES += \
	control/action.c control/action_command.c control/action_ldap.c control/action_name.c \
	control/action_output.c control/action_parse.c control/action_render.c \
	control/action_settings.c control/action_template.c control/action_values.c \
	control/action.h control/action_internal.h control/action_output.h \
	control/action_template.h
