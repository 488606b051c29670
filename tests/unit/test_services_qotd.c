#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#define USHER_BUILTIN qotd
#include "../../services/qotd/qotd.c"
#include "support/mock_host.h"

static void make_file(char *path, const char *text, size_t count)
{
    int fd;

    memcpy(path, "/tmp/usher-qotd-XXXXXX", 23);
    fd = mkstemp(path);
    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, text, count), (ssize_t)count);
    close(fd);
}

/* Starts with a file that holds the text; -1: it was refused. */
static int start_with(struct mock *mock, const char *text, size_t count)
{
    static struct qotd_conf conf;
    static char path[32];
    int result;

    make_file(path, text, count);
    conf.file = path;
    result = mock_start(mock, &usher_service_qotd, &conf);
    unlink(path);
    return result;
}

static void a13_quotes_are_made_ready_as_the_rfc_wants_them(void **state)
{
    static const struct {
        const char *file;
        const char *want[4]; /* all quotes, in their order */
    } cases[] = {
        { "one\n", { "one\r\n" } },
        { "one", { "one\r\n" } },
        { "one\n%\ntwo\n%\nthree\n", { "one\r\n", "two\r\n", "three\r\n" } },
        { "%\n%\none\n%\n%\ntwo\n%\n", { "one\r\n", "two\r\n" } },
        { "one\r\n%\r\ntwo\r\n", { "one\r\n", "two\r\n" } },
        { "a line\n\nand another\n", { "a line\r\n\r\nand another\r\n" } },
        { "one\n%\n\n \n\t\n%\ntwo\n%\n\n", { "one\r\n", "two\r\n" } },
        { "%%\n50% of it\n% \n", { "%%\r\n50% of it\r\n% \r\n" } },
        { "\ttab\a\033[1mbold\177 \303\274ber\n", { " tab[1mbold ber\r\n" } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct quotes *qotd;
        struct mock mock;
        size_t n;

        assert_int_equal(start_with(&mock, cases[i].file, strlen(cases[i].file)), 0);
        qotd = mock.instance.state;
        for (n = 0; n < 4 && cases[i].want[n] != NULL; n++) {
            assert_true(n < qotd->count);
            assert_int_equal(qotd->all[n].count, strlen(cases[i].want[n]));
            assert_memory_equal(qotd->text + qotd->all[n].at, cases[i].want[n],
                                qotd->all[n].count);
        }
        assert_int_equal(qotd->count, n);
        mock_stop(&mock);
    }
}

static void a_nul_byte_is_left_out_too(void **state)
{
    struct mock mock;

    (void)state;
    assert_int_equal(start_with(&mock, "a\0b\n", 4), 0);
    mock_connect(&mock);
    assert_string_equal(mock.out.at, "ab\r\n");
    mock_stop(&mock);
}

static void e1_a_quote_has_at_most_511_bytes(void **state)
{
    char text[1200];
    struct mock mock;

    (void)state;
    for (size_t length = 507; length <= 515; length++) {
        memset(text, 'x', length);
        memcpy(text + length, "\n%\nshort\n", 9);
        assert_int_equal(start_with(&mock, text, length + 9), 0);
        assert_int_equal(((struct quotes *)mock.instance.state)->count,
                         length + 2 <= 511 ? 2 : 1);
        assert_int_equal(mock.logs, length + 2 <= 511 ? 0 : 1);
        if (length + 2 > 511)
            assert_non_null(strstr(mock.log, "left out 1 quotes, of 512 bytes or more"));
        mock_stop(&mock);
    }
}

static void e10_a_file_that_is_none_is_refused(void **state)
{
    char fifo[] = "/tmp/usher-qotd-fifo-XXXXXX";
    struct {
        const char *path, *want;
    } cases[] = {
        { "/nowhere/at/all", "/nowhere/at/all: No such file or directory" },
        { "/tmp", "/tmp: not a regular file" },
        { "/dev/zero", "/dev/zero: not a regular file" },
        { fifo, "not a regular file" },
        { "/dev/null", "/dev/null: not a regular file" },
    };

    (void)state;
    assert_non_null(mkdtemp(fifo));
    rmdir(fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct qotd_conf conf = { cases[i].path };
        struct mock mock;

        assert_int_equal(mock_start(&mock, &usher_service_qotd, &conf), -1);
        assert_int_equal(mock.log_level, USHER_ERROR);
        assert_non_null(strstr(mock.log, cases[i].want));
    }
    unlink(fifo);
}

static void e10_a_file_has_at_most_a_mebibyte_and_at_least_a_quote(void **state)
{
    char *text = malloc(QUOTES_FILE_MAX + 1);
    struct mock mock;

    (void)state;
    for (size_t i = 0; i <= QUOTES_FILE_MAX; i++)
        text[i] = "wit\n%\n"[i % 6];
    assert_int_equal(start_with(&mock, text, QUOTES_FILE_MAX), 0);
    assert_int_equal(((struct quotes *)mock.instance.state)->count,
                     (QUOTES_FILE_MAX + 5) / 6);
    mock_stop(&mock);
    assert_int_equal(start_with(&mock, text, QUOTES_FILE_MAX + 1), -1);
    assert_non_null(strstr(mock.log, "above 1 MiB"));
    assert_int_equal(start_with(&mock, "", 0), -1);
    assert_non_null(strstr(mock.log, "has no quote"));
    assert_int_equal(start_with(&mock, "%\n%\n", 4), -1);
    memset(text, '%', QUOTES_FILE_MAX);
    assert_int_equal(start_with(&mock, text, QUOTES_FILE_MAX), -1);
    memset(text, '\n', QUOTES_FILE_MAX);
    assert_int_equal(start_with(&mock, text, QUOTES_FILE_MAX), -1);
    free(text);
}

static void own_quotes_are_good_ones_and_all_of_them_are_told(void **state)
{
    struct qotd_conf conf = { NULL };
    unsigned told[32] = { 0 };
    const struct quotes *qotd;
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_qotd, &conf), 0);
    qotd = mock.instance.state;
    assert_int_equal(mock.logs, 0);
    assert_in_range(qotd->count, 5, 32);
    for (int i = 0; i < 5000; i++) {
        size_t n = 0;

        mock_connect(&mock);
        assert_int_equal(mock.reason, USHER_GONE_ENDED);
        while (n < qotd->count
               && (qotd->all[n].count != mock.out.count
                   || memcmp(qotd->text + qotd->all[n].at, mock.out.at, mock.out.count)
                          != 0))
            n++;
        assert_true(n < qotd->count);
        told[n]++;
    }
    for (size_t n = 0; n < qotd->count; n++)
        assert_true(told[n] > 0);
    mock_datagram(&mock, "", 0);
    assert_int_equal(mock.replies, 1);
    assert_in_range(mock.reply_count, 3, 511);
    mock_stop(&mock);
}

static void check_wants_an_absolute_path(void **state)
{
    static const struct {
        const char *file;
        int want;
    } cases[] = { { NULL, 0 }, { "/a", 0 }, { "a", -1 }, { "../a", -1 }, { " /a", -1 } };
    char error[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct qotd_conf conf = { cases[i].file };

        assert_int_equal(qotd_check(&conf, error, sizeof(error)), cases[i].want);
        if (cases[i].want == -1)
            assert_string_equal(error, "file: must be an absolute path");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a13_quotes_are_made_ready_as_the_rfc_wants_them),
        cmocka_unit_test(a_nul_byte_is_left_out_too),
        cmocka_unit_test(e1_a_quote_has_at_most_511_bytes),
        cmocka_unit_test(e10_a_file_that_is_none_is_refused),
        cmocka_unit_test(e10_a_file_has_at_most_a_mebibyte_and_at_least_a_quote),
        cmocka_unit_test(own_quotes_are_good_ones_and_all_of_them_are_told),
        cmocka_unit_test(check_wants_an_absolute_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
