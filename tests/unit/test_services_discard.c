#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define USHER_BUILTIN discard
#include "../../services/discard/discard.c"
#include "support/mock_host.h"

static void everything_is_taken_and_nothing_sent(void **state)
{
    static const size_t sizes[] = { 1, 3, 4096, 65536, 1000000 };
    char *bytes = calloc(1, 1000000);
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_discard, NULL), 0);
    mock_connect(&mock);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        mock_send(&mock, bytes, sizes[i]);
        assert_int_equal(mock.in.count, 0);
    }
    assert_false(mock_is_gone(&mock));
    mock_finish(&mock);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, 0);
    mock_stop(&mock);
    free(bytes);
}

static void a_datagram_has_no_answer(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_discard, NULL), 0);
    mock_datagram(&mock, "", 0);
    assert_int_equal(mock.replies, 0);
    mock_datagram(&mock, "anybody there?", 14);
    assert_int_equal(mock.replies, 0);
    mock_stop(&mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_taken_and_nothing_sent),
        cmocka_unit_test(a_datagram_has_no_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
