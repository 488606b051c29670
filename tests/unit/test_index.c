#include "base/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

#define MANY 5000

static size_t count_of(const struct index *index, uint64_t key)
{
    size_t cursor = INDEX_END, count = 0;

    while (index_next(index, key, &cursor) != INDEX_END)
        count++;
    return count;
}

static void an_empty_index_finds_nothing(void **state)
{
    struct index index = { 0 };

    (void)state;
    assert_int_equal(count_of(&index, 7), 0);
    index_clear(&index);
}

static void every_place_is_found_by_its_key(void **state)
{
    struct index index = { 0 };
    size_t cursor;

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        index_add(&index, i / 2, i);
    for (size_t i = 0; i < MANY; i += 2) {
        cursor = INDEX_END;
        /* the newest first */
        assert_int_equal(index_next(&index, i / 2, &cursor), i + 1);
        assert_int_equal(index_next(&index, i / 2, &cursor), i);
        assert_int_equal(index_next(&index, i / 2, &cursor), INDEX_END);
    }
    assert_int_equal(count_of(&index, MANY), 0);
    index_clear(&index);
}

static void the_last_are_given_up_first(void **state)
{
    struct index index = { 0 };

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        index_add(&index, i % 3, i);
    for (size_t left = MANY; left > 0; left--) {
        size_t cursor = INDEX_END;

        assert_int_equal(index_next(&index, (left - 1) % 3, &cursor), left - 1);
        index_drop_last(&index);
    }
    assert_int_equal(count_of(&index, 0), 0);
    index_add(&index, 1, 42);
    assert_int_equal(count_of(&index, 1), 1);
    index_clear(&index);
}

static void keys_differ_by_every_byte_and_by_what_came_before(void **state)
{
    (void)state;
    assert_true(index_key(0, "ab", 2) == index_key(0, "ab", 2));
    assert_true(index_key(0, "ab", 2) != index_key(0, "ba", 2));
    assert_true(index_key(1, "ab", 2) != index_key(2, "ab", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_index_finds_nothing),
        cmocka_unit_test(every_place_is_found_by_its_key),
        cmocka_unit_test(the_last_are_given_up_first),
        cmocka_unit_test(keys_differ_by_every_byte_and_by_what_came_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
