/* What every unit test includes first: cmocka and what its header needs. */
#ifndef RESTANTE_TESTS_UNIT_UNIT_H
#define RESTANTE_TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#endif
