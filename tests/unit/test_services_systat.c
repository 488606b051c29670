#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>
#include <utmpx.h>

#define USHER_BUILTIN systat
#include "../../services/systat/systat.c"
#include "support/mock_host.h"

static char utmp[] = "/tmp/usher-systat-XXXXXX";
static const struct systat_conf names = { 0 };
static const struct systat_conf terminals = { .terminal = true };
static const struct systat_conf times = { .since = true };
static const struct systat_conf both = { .terminal = true, .since = true };

static uint32_t began = 1795259280; /* each entry */

static void put_entry(short type, const char *user, const char *terminal)
{
    struct utmpx entry = { .ut_type = type, .ut_tv.tv_sec = (int32_t)began };
    int fd = open(utmp, O_WRONLY | O_APPEND | O_CLOEXEC);

    memcpy(entry.ut_user, user, strnlen(user, sizeof(entry.ut_user)));
    memcpy(entry.ut_line, terminal, strnlen(terminal, sizeof(entry.ut_line)));
    assert_true(fd != -1);
    assert_int_equal(write(fd, &entry, sizeof(entry)), sizeof(entry));
    close(fd);
}

static int nobody_is_there(void **state)
{
    (void)state;
    return truncate(utmp, 0);
}

/* What came over a connection, and whether a datagram has the same. */
static void expect(const struct systat_conf *conf, const char *want)
{
    struct mock mock;

    assert_int_equal(mock_start(&mock, &usher_service_systat, conf), 0);
    mock_connect(&mock);
    assert_true(mock_is_gone(&mock));
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, strlen(want));
    if (mock.out.count > 0)
        assert_string_equal(mock.out.at, want);
    mock_datagram(&mock, "who?", 4);
    assert_int_equal(mock.replies, 1);
    assert_int_equal(mock.reply_count, strlen(want));
    assert_memory_equal(mock.reply, want, strlen(want));
    mock_stop(&mock);
}

static void nobody_is_an_empty_list(void **state)
{
    (void)state;
    expect(&names, "");
    expect(&both, "");
    put_entry(DEAD_PROCESS, "alice", "pts/0");
    put_entry(LOGIN_PROCESS, "LOGIN", "tty1");
    put_entry(BOOT_TIME, "reboot", "~");
    put_entry(USER_PROCESS, "", "tty2");
    expect(&names, "");
}

static void users_are_named_once_and_sessions_where_asked(void **state)
{
    (void)state;
    put_entry(USER_PROCESS, "alice", "pts/0");
    put_entry(USER_PROCESS, "bob", "tty1");
    put_entry(USER_PROCESS, "alice", "pts/1");
    expect(&names, "alice\r\nbob\r\n");
    expect(&terminals, "alice            pts/0\r\nbob              tty1\r\n"
                       "alice            pts/1\r\n");
    expect(&times, "alice            Nov 21 11:08\r\nbob              Nov 21 11:08\r\n"
                   "alice            Nov 21 11:08\r\n");
    expect(&both, "alice            pts/0        Nov 21 11:08\r\n"
                  "bob              tty1         Nov 21 11:08\r\n"
                  "alice            pts/1        Nov 21 11:08\r\n");
}

/* Their seconds have 32 bits. */
static void f16_sessions_go_on_after_january_2038(void **state)
{
    (void)state;
    began = 2200000000; /* 2039-09-18 23:06:40 UTC */
    put_entry(USER_PROCESS, "alice", "pts/0");
    began = 1795259280;
    expect(&times, "alice            Sep 18 23:06\r\n");
}

static void e12_only_printable_bytes_are_sent(void **state)
{
    char bytes[256];

    (void)state;
    put_entry(USER_PROCESS, "a\x1b[1m\r\nb\xc3\xa9\x7f\x9b", "p\nt");
    expect(&names, "a[1mb?\r\n");
    expect(&terminals, "a[1mb?           pt\r\n");
    nobody_is_there(state);
    for (int byte = 1; byte < 256; byte++) {
        snprintf(bytes, sizeof(bytes), "u%c%c", byte, byte);
        put_entry(USER_PROCESS, bytes, "t");
        if (byte % 64 == 0 || byte == 255) {
            struct mock mock;

            assert_int_equal(mock_start(&mock, &usher_service_systat, &both), 0);
            mock_connect(&mock);
            for (size_t i = 0; i < mock.out.count; i++)
                assert_true((mock.out.at[i] >= ' ' && mock.out.at[i] < 0x7f) ||
                            mock.out.at[i] == '\r' || mock.out.at[i] == '\n');
            mock_stop(&mock);
        }
    }
}

/* A line is never split over datagrams, and one datagram is all there is. */
static void a_datagram_has_whole_lines(void **state)
{
    char user[64];
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_systat, &both), 0);
    for (int i = 0; i < 400; i++) {
        snprintf(user, sizeof(user), "%0*d", 1 + i % 40, i);
        put_entry(USER_PROCESS, user, "01234567890123456789");
        if (i > 40 && i < 390)
            continue;
        mock_datagram(&mock, "", 0);
        assert_true(mock.reply_count <= DATAGRAM_MAX && mock.reply_count > 0);
        assert_memory_equal(mock.reply + mock.reply_count - 2, "\r\n", 2);
    }
    mock_connect(&mock);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_memory_equal(mock.out.at, mock.reply, mock.reply_count);
    assert_true(mock.out.count > SESSIONS_MAX * 50 &&
                mock.out.count < SESSIONS_MAX * SESSION_LINE_MAX);
    mock_stop(&mock);
}

static int make_utmp(void **state)
{
    int fd = mkostemp(utmp, O_CLOEXEC);

    (void)state;
    setenv("TZ", "UTC", 1);
    return fd == -1 || close(fd) == -1 ? -1 : utmpxname(utmp);
}

static int remove_utmp(void **state)
{
    (void)state;
    return unlink(utmp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_is_an_empty_list, nobody_is_there),
        cmocka_unit_test_setup(users_are_named_once_and_sessions_where_asked,
                               nobody_is_there),
        cmocka_unit_test_setup(f16_sessions_go_on_after_january_2038, nobody_is_there),
        cmocka_unit_test_setup(e12_only_printable_bytes_are_sent, nobody_is_there),
        cmocka_unit_test_setup(a_datagram_has_whole_lines, nobody_is_there),
    };

    return cmocka_run_group_tests(tests, make_utmp, remove_utmp);
}
