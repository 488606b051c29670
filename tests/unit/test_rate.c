#include "flow/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define YEAR_MS (INT64_C(365) * 24 * 3600 * 1000)

static const struct admission_rate fifty = { 50, 1000, 50 };
static const struct admission_rate slow = { 600, 60000, 3 };

/* Callers let in at this moment. */
static unsigned take_all(struct bucket *bucket, const struct admission_rate *rate,
                         unsigned shares, int64_t now_ms)
{
    unsigned count = 0;

    while (count < 100000 && rate_allows(bucket, rate, shares, now_ms)) {
        rate_spend(bucket, rate, shares);
        count++;
    }
    return count;
}

static void no_rate_is_no_limit(void **state)
{
    struct admission_rate none = { 0 };
    struct bucket bucket = { 0 };

    (void)state;
    assert_int_equal(take_all(&bucket, &none, 1, 5), 100000);
    assert_int_equal(bucket.spent, 0);
}

static void a_fresh_bucket_is_full_whatever_the_time(void **state)
{
    static const int64_t times[] = { 0, 1, 12345, YEAR_MS * 50 };

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct bucket bucket = { 0 };

        assert_int_equal(take_all(&bucket, &fifty, 1, times[i]), 50);
    }
}

static void it_fills_as_time_passes_and_not_beyond_its_burst(void **state)
{
    struct bucket bucket = { 0 };

    (void)state;
    assert_int_equal(take_all(&bucket, &slow, 1, 1000), 3);
    assert_int_equal(rate_wait_ms(&bucket, &slow, 1), 100);
    assert_int_equal(take_all(&bucket, &slow, 1, 1099), 0);
    assert_int_equal(rate_wait_ms(&bucket, &slow, 1), 1);
    assert_int_equal(take_all(&bucket, &slow, 1, 1100), 1);
    assert_int_equal(take_all(&bucket, &slow, 1, 1250), 1);
    assert_int_equal(take_all(&bucket, &slow, 1, 1300), 1); /* the half was not lost */
    assert_int_equal(take_all(&bucket, &slow, 1, 999999), 3);
}

/* 7 a second do not divide a second evenly. */
static void f15_nothing_drifts_and_nothing_overflows_in_years(void **state)
{
    struct admission_rate seven = { 7, 1000, 7 },
                          huge = { 1000000000, 86400000, 1000000000 };
    struct bucket bucket = { 0 }, large = { 0 };
    uint64_t count = 0;

    (void)state;
    for (int64_t now_ms = 0; now_ms < 1000000; now_ms += 3)
        count += take_all(&bucket, &seven, 1, now_ms);
    assert_in_range(count, 7000 + 7 - 1, 7000 + 7);

    for (int64_t now_ms = YEAR_MS; now_ms <= YEAR_MS * 200; now_ms += YEAR_MS * 20) {
        assert_int_equal(take_all(&bucket, &seven, 1, now_ms), 7);
        for (int i = 0; i < 1000; i++) {
            assert_true(rate_allows(&large, &huge, 256, now_ms));
            rate_spend(&large, &huge, 256);
        }
    }
}

static void a_clock_that_goes_back_gives_nothing(void **state)
{
    struct bucket bucket = { 0 };

    (void)state;
    assert_int_equal(take_all(&bucket, &fifty, 1, 100000), 50);
    assert_int_equal(take_all(&bucket, &fifty, 1, 0), 0);
    assert_int_equal(take_all(&bucket, &fifty, 1, 20), 1);
}

static void workers_share_it_evenly_and_none_starves(void **state)
{
    struct admission_rate one = { 1, 1000, 1 };
    struct bucket bucket = { 0 }, lone = { 0 };

    (void)state;
    assert_int_equal(take_all(&bucket, &fifty, 4, 1000), 12);
    assert_int_equal(take_all(&bucket, &fifty, 4, 1080), 1); /* 20 ms * 4 */
    assert_int_equal(take_all(&lone, &one, 4, 1000), 1); /* a quarter of one is one,
                                                            ... */
    assert_int_equal(take_all(&lone, &one, 4, 4999), 0); /* ... four times as seldom */
    assert_int_equal(take_all(&lone, &one, 4, 5000), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(a_fresh_bucket_is_full_whatever_the_time),
        cmocka_unit_test(it_fills_as_time_passes_and_not_beyond_its_burst),
        cmocka_unit_test(f15_nothing_drifts_and_nothing_overflows_in_years),
        cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
        cmocka_unit_test(workers_share_it_evenly_and_none_starves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
