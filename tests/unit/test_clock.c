/* The clocks: forward only, alike, and what a test says they show. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_real_clock_never_goes_back(void **state)
{
    int64_t before = clock_us();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_us();

        assert_true(now >= before);
        before = now;
    }
}

static void both_clocks_show_the_same_time(void **state)
{
    int64_t first = clock_us(), ms = clock_ms(), last = clock_us();

    (void)state;
    assert_true(first / 1000 <= ms);
    assert_true(ms <= last / 1000);
}

static void a_faked_clock_stands_still_until_it_is_let_go(void **state)
{
    static const int64_t times[] = {0, 1, 86400000, INT64_C(1) << 40};

    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        clock_fake(times[i]);
        assert_true(clock_ms() == times[i]);
        assert_true(clock_us() == times[i] * 1000);
    }
    clock_fake(-1);
    assert_true(clock_ms() < times[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_real_clock_never_goes_back),
        cmocka_unit_test(both_clocks_show_the_same_time),
        cmocka_unit_test(a_faked_clock_stands_still_until_it_is_let_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
