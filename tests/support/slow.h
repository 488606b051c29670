/*
 * Whether this run is many times slower than usual (a sanitizer, valgrind): then a test
 * that goes through thousands of cases goes through fewer.
 */
#ifndef TESTS_SUPPORT_SLOW_H
#define TESTS_SUPPORT_SLOW_H

#include <stdbool.h>
#include <stdlib.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_ADDRESS_SANITIZER
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITH_ADDRESS_SANITIZER
#endif

static inline bool is_slow(void)
{
#ifdef WITH_ADDRESS_SANITIZER
    return true;
#else
    return getenv("USHER_TEST_SLOW") != NULL; /* tests/support/valgrind.sh */
#endif
}

/* As many as these, or a tenth. */
static inline unsigned slow_count(unsigned count)
{
    return is_slow() ? count / 10 : count;
}

#endif
