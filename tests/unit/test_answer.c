#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/answer.h"

static int take(const struct record *record, void *context, struct err *err)
{
    struct record copy = *record;

    (void)err;
    answer_take(context, &copy);
    record_free(&copy); /* what was not taken */
    *(struct record *)(uintptr_t)record = (struct record)RECORD_EMPTY;
    return 0;
}

static struct answer answer_of(const char *text)
{
    struct answer answer = ANSWER_EMPTY;
    struct err err = ERR_EMPTY;

    if (record_each(text, strlen(text), take, &answer, &err) == -1)
        fail_msg("%s", err.text);
    return answer;
}

static void places_follow_their_service(void **state)
{
    struct answer answer =
        answer_of("service name=a\nendpoints at=1 at=2\nendpoints at=3\n"
                  "service name=b\nservice name=c\nendpoints at=4\n");
    static const char *const want[] = { "1", "2", "3", NULL, NULL, "4", NULL };
    const char *const *next = want;

    (void)state;
    for (size_t i = answer_find(&answer, "service", 0); i < answer.count;
         i = answer_find(&answer, "service", i + 1)) {
        struct answer_places places = answer_places(&answer, i);

        for (; *next != NULL; next++)
            assert_string_equal(answer_next_place(&places), *next);
        assert_null(answer_next_place(&places));
        next++;
    }
    answer_free(&answer);
}

static void again_forgets_what_came_before(void **state)
{
    struct answer answer =
        answer_of("service name=old\nservice name=gone\nagain\nservice name=new\n");

    (void)state;
    assert_int_equal(answer.count, 1);
    assert_string_equal(record_get(&answer.records[0], "name"), "new");
    answer_free(&answer);
}

static void what_is_no_number_is_0(void **state)
{
    struct answer answer = answer_of("service a=7 b=-7 c=x d=99999999999999999999\n");
    const struct record *record = &answer.records[0];

    (void)state;
    assert_int_equal(answer_number(record, "a"), 7);
    assert_int_equal(answer_number(record, "b"), 0);
    assert_int_equal(answer_number(record, "c"), 0);
    assert_int_equal(answer_number(record, "d"), 0);
    assert_int_equal(answer_number(record, "e"), 0);
    answer_free(&answer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_follow_their_service),
        cmocka_unit_test(again_forgets_what_came_before),
        cmocka_unit_test(what_is_no_number_is_0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
