#include "master/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"

#define DEADLINE_MS 10000

/* The service manager's end, and a loop of our own. */
struct fixture {
    char folder[32], path[64];
    int manager;
    struct loop loop;
    struct notify notify;
    struct watch watch, deadline;
    int heard;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(sizeof(*f));
    struct usher_address addr;

    f->notify = (struct notify)NOTIFY_EMPTY;
    snprintf(f->folder, sizeof(f->folder), "/tmp/test_notifyXXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/notify", f->folder);
    f->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (addr_parse_unix(f->path, &addr, NULL) == -1
        || bind(f->manager, (struct sockaddr *)&addr.storage, addr.length) == -1)
        return -1;
    *state = f;
    return loop_open(&f->loop, LOOP_AUTO, NULL);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    notify_close(&f->notify);
    loop_close(&f->loop);
    fd_close(&f->manager);
    unlink(f->path);
    rmdir(f->folder);
    mem_free(&f);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return 0;
}

static void open_with(struct fixture *f, const char *usec, const char *pid)
{
    struct err err = ERR_EMPTY;

    setenv("NOTIFY_SOCKET", f->path, 1);
    if (usec != NULL)
        setenv("WATCHDOG_USEC", usec, 1);
    if (pid != NULL)
        setenv("WATCHDOG_PID", pid, 1);
    if (notify_open(&f->notify, &f->loop, &err) == -1)
        fail_msg("%s", err.text);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
}

static void assert_told(const struct fixture *f, const char *want)
{
    char text[512] = "";

    assert_true(recv(f->manager, text, sizeof(text) - 1, 0) > 0);
    assert_string_equal(text, want);
}

static void every_message_is_one_datagram(void **state)
{
    struct fixture *f = *state;
    char want[64], text[128] = "";
    long long usec, before;

    open_with(f, NULL, NULL);
    notify_ready(&f->notify);
    snprintf(want, sizeof(want), "READY=1\nMAINPID=%ld", (long)getpid());
    assert_told(f, want);
    notify_stopping(&f->notify);
    assert_told(f, "STOPPING=1");
    notify_status(&f->notify, "%d services", 3);
    assert_told(f, "STATUS=3 services");
    before = clock_us();
    notify_reloading(&f->notify);
    assert_true(recv(f->manager, text, sizeof(text) - 1, 0) > 0);
    assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld", &usec), 1);
    assert_true(usec >= before && usec <= clock_us());
}

static void without_a_manager_nothing_is_sent(void **state)
{
    struct fixture *f = *state;
    char byte;

    assert_int_equal(notify_open(&f->notify, &f->loop, NULL), 0);
    notify_ready(&f->notify);
    notify_stopping(&f->notify);
    assert_int_equal(recv(f->manager, &byte, 1, 0), -1);
    assert_int_equal(f->notify.fd, -1);
}

static void a_manager_that_does_not_read_blocks_nobody(void **state)
{
    struct fixture *f = *state;

    open_with(f, NULL, NULL);
    for (int i = 0; i < 10000; i++)
        notify_stopping(&f->notify);
    assert_told(f, "STOPPING=1");
}

static void on_message(int fd, short what, void *context)
{
    struct fixture *f = context;
    char text[64] = "";

    (void)what;
    if (recv(fd, text, sizeof(text) - 1, 0) > 0 && strcmp(text, "WATCHDOG=1") == 0)
        f->heard++;
    if (f->heard == 3)
        loop_stop(&f->loop);
}

static void on_deadline(int fd, short what, void *context)
{
    struct fixture *f = context;

    (void)fd;
    (void)what;
    loop_stop(&f->loop);
}

static void the_watchdog_is_fed_again_and_again(void **state)
{
    struct fixture *f = *state;
    char pid[24];

    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    open_with(f, "20000", pid);
    assert_int_equal(f->notify.watchdog_ms, 10);
    watch_init(&f->watch, f->manager, LOOP_READ, on_message, f);
    timer_init(&f->deadline, on_deadline, f);
    assert_int_equal(watch_start(&f->loop, &f->watch, NULL), 0);
    timer_start(&f->loop, &f->deadline, DEADLINE_MS);
    assert_int_equal(loop_run(&f->loop, NULL), 0);
    assert_int_equal(f->heard, 3);
    watch_stop(&f->loop, &f->watch);
    timer_stop(&f->loop, &f->deadline);
    notify_close(&f->notify);
    assert_false(timer_is_on(&f->loop, &f->notify.timer));
}

static const struct {
    const char *usec, *pid; /* pid NULL: not set */
    int want;
} watchdogs[] = {
    { "2000", NULL, 1 }, { "30000000", NULL, 15000 }, { "1999", NULL, 0 },
    { "0", NULL, 0 },    { "-5", NULL, 0 },           { "soon", NULL, 0 },
    { "20000", "1", 0 }, { "20000", "x", 0 },
};

static void the_watchdog_is_only_ours_when_it_says_so(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(watchdogs); i++) {
        open_with(f, watchdogs[i].usec, watchdogs[i].pid);
        assert_int_equal(f->notify.watchdog_ms, watchdogs[i].want);
        assert_int_equal(timer_is_on(&f->loop, &f->notify.timer), watchdogs[i].want > 0);
        notify_close(&f->notify);
    }
}

static void a_wrong_path_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_EMPTY;
    char path[300];

    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    setenv("NOTIFY_SOCKET", path, 1);
    assert_int_equal(notify_open(&f->notify, &f->loop, &err), -1);
    assert_int_equal(strncmp(err.text, "NOTIFY_SOCKET: ", 15), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_message_is_one_datagram),
        TEST(without_a_manager_nothing_is_sent),
        TEST(a_manager_that_does_not_read_blocks_nobody),
        TEST(the_watchdog_is_fed_again_and_again),
        TEST(the_watchdog_is_only_ours_when_it_says_so),
        TEST(a_wrong_path_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
