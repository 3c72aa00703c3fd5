# bench programs: EXTRA_PROGRAMS, built by `make bench`
