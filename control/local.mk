noinst_LIBRARIES += control/libcontrol.a
# decisions
control_libcontrol_a_SOURCES = \
	control/machine.c control/machine_backward.c control/machine_finished.c \
	control/machine_forward.c control/machine_scenario.c \
	control/machine.h control/machine_internal.h
# what differs per backend
control_libcontrol_a_SOURCES += \
	control/action_name.c control/action.h
