/*
 * For the one file of a program whose tests damage databases: after a panic Berkeley DB gives up
 * its memory; the sanitizer shall not count that.
 */
#ifndef RESTANTE_TESTS_UNIT_PANIC_H
#define RESTANTE_TESTS_UNIT_PANIC_H

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3";
}

#endif
