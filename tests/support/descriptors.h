/* Of the test's own process: what it has open, and whether a limit of that is kept. */
#ifndef SUPPORT_DESCRIPTORS_H
#define SUPPORT_DESCRIPTORS_H

#include <stdbool.h>

/* Needs none itself. */
int descriptors_count(void);

/* Set-up and teardown of a test or a group: as many are open then as before. */
int descriptors_at_start(void **state);
int descriptors_at_end(void **state);

/* The same as a group's last test. */
void no_descriptor_is_left(void **state);

/* false: valgrind, which only pretends to set the limit; what needs it is left out there.
 * (skip() will not do: cmocka 1.1 writes "not ok" before its SKIP, which counts as a
 * failure.) */
bool descriptors_have_a_limit(void);

#endif
