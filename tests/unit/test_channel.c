/* Channels: one record a packet, strictly read, and no descriptor that nobody asked
 * for. */
#include "wire/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"
#include "support/slow.h"

#include "base/fd.h"
#include "base/mem.h"

static int pair[2];

static int open_pair(void **state)
{
    descriptors_at_start(state);
    return fd_pair(pair, NULL);
}

static int close_pair(void **state)
{
    fd_close(&pair[0]);
    fd_close(&pair[1]);
    return descriptors_at_end(state);
}

/* Sends bytes as they are, with some descriptors. */
static void send_raw(const void *bytes, size_t length, const int *fds, size_t fd_count)
{
    struct iovec part = { .iov_base = (void *)bytes, .iov_len = length };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control;

    memset(&control, 0, sizeof control);
    if (fd_count > 0) {
        struct cmsghdr *header = &control.header;

        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof *fds);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof *fds);
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof *fds);
    }
    assert_int_equal(sendmsg(pair[1], &message, MSG_NOSIGNAL), (ssize_t)length);
}

/* The next packet is refused in these words, and nothing stays open. */
static void refused(const char *want)
{
    int before = descriptors_count(), passed = 99;
    struct record record;
    struct err err = ERR_EMPTY;

    assert_int_equal(channel_receive_fd(pair[0], &record, &passed, &err), -1);
    assert_string_equal(err.text, want);
    assert_int_equal(err.code, EBADMSG);
    assert_int_equal(passed, -1);
    assert_null(record.line);
    assert_int_equal(descriptors_count(), before);
}

static void good_one_comes(void)
{
    struct record record;
    struct err err = ERR_EMPTY;

    send_raw("ok", 2, NULL, 0);
    assert_int_equal(channel_receive(pair[0], &record, &err), 1);
    assert_true(record_is(&record, "ok"));
    record_free(&record);
}

static void records_arrive_one_by_one(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct record record;
    struct err err = ERR_EMPTY;

    (void)state;
    for (int i = 0; i < 3; i++) {
        record_begin(&out, "report");
        record_add_number(&out, "n", i);
        record_add(&out, "text", "a b\n");
        record_end(&out);
    }
    assert_int_equal(channel_send(pair[1], &out, &err), 0);
    assert_int_equal(out.length, 0);
    assert_string_equal(out.bytes, "");
    assert_int_equal(channel_send(pair[1], &out, &err), 0); /* nothing more */
    for (int i = 0; i < 3; i++) {
        int64_t n;

        assert_int_equal(channel_receive(pair[0], &record, &err), 1);
        assert_int_equal(record_number(&record, "n", i, i, &n, &err), 0);
        assert_string_equal(record_get(&record, "text"), "a b\n");
        record_free(&record);
    }
    assert_int_equal(channel_receive(pair[0], &record, &err), 0);
    assert_null(record.line);
    record_out_free(&out);
    assert_int_equal(channel_send(pair[1], &out, &err), 0); /* never begun */
}

static void both_work_on_blocking_sockets_without_waiting(void **state)
{
    struct record record;
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(fd_set_nonblock(pair[0], false), 0);
    assert_int_equal(channel_receive(pair[0], &record, &err), 0);
}

static void the_end_of_file_has_no_code(void **state)
{
    struct record record;
    struct err err = {5, ""};
    int passed = 99;

    (void)state;
    send_raw("last", 4, NULL, 0);
    fd_close(&pair[1]);
    assert_int_equal(channel_receive(pair[0], &record, &err), 1);
    record_free(&record);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(channel_receive(pair[0], &record, &err), -1);
        assert_int_equal(err.code, 0);
        assert_string_equal(err.text, "receive: the other side is gone");
    }
    assert_int_equal(channel_receive_fd(pair[0], &record, &passed, &err), -1);
    assert_int_equal(passed, -1);
}

static void a_bad_descriptor_is_an_error(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct record record;
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(channel_receive(-1, &record, &err), -1);
    assert_string_equal(err.text, "receive: Bad file descriptor");
    record_begin(&out, "x");
    record_end(&out);
    assert_int_equal(channel_send(-1, &out, &err), -1);
    assert_string_equal(err.text, "send: Bad file descriptor");
    assert_int_equal(err.code, EBADF);
    assert_int_equal(out.length, 0);
    record_out_free(&out);
}

static void sending_to_nobody_is_an_error_without_a_signal(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct err err = ERR_EMPTY;

    (void)state;
    fd_close(&pair[0]);
    record_begin(&out, "x");
    record_end(&out);
    assert_int_equal(channel_send(pair[1], &out, &err), -1);
    assert_int_equal(err.code, EPIPE);
    assert_string_equal(err.text, "send: Broken pipe");
    record_out_free(&out);
}

static void who_does_not_read_holds_nobody_up(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct record record;
    struct err err = ERR_EMPTY;
    int sent = 0, received = 0;

    (void)state;
    assert_int_equal(fd_set_nonblock(pair[1], false), 0); /* would wait, if it could */
    for (;; sent++) {
        record_begin(&out, "x");
        record_add_number(&out, "n", sent);
        record_end(&out);
        if (channel_send(pair[1], &out, &err) == -1)
            break;
        assert_true(sent < 100000);
    }
    assert_int_equal(err.code, EAGAIN);
    assert_int_equal(out.length, 0);
    for (; channel_receive(pair[0], &record, &err) == 1; received++)
        record_free(&record);
    assert_int_equal(received, sent);
    record_out_free(&out);
}

/* Many more than a socket takes; every record comes once, in order. */
static void what_does_not_fit_now_goes_later(void **state)
{
    enum { MANY = 5000 };
    struct record_out out = RECORD_OUT_EMPTY;
    struct record record;
    struct err err = ERR_EMPTY;
    int rounds = 0, received = 0, left = 1;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        record_begin(&out, "row");
        record_add_number(&out, "n", i);
        record_end(&out);
    }
    for (; left == 1; rounds++) {
        left = channel_send_some(pair[1], &out, &err);
        assert_int_equal(strlen(out.bytes), out.length);
        for (; channel_receive(pair[0], &record, &err) == 1; received++) {
            int64_t n;

            assert_int_equal(record_number(&record, "n", received, received, &n, &err),
                             0);
            record_free(&record);
        }
    }
    assert_int_equal(left, 0);
    assert_int_equal(received, MANY);
    assert_true(rounds > 1);
    assert_int_equal(channel_send_some(pair[1], &out, NULL), 0);
    record_out_free(&out);
    assert_int_equal(channel_send_some(pair[1], &out, NULL), 0);
}

static void sending_some_to_nobody_is_an_error(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct err err = ERR_EMPTY;

    (void)state;
    fd_close(&pair[0]);
    record_begin(&out, "x");
    record_end(&out);
    assert_int_equal(channel_send_some(pair[1], &out, &err), -1);
    assert_int_equal(err.code, EPIPE);
    assert_int_equal(out.length, 0);
    record_begin(&out, "x"); /* and without a newline */
    assert_int_equal(channel_send_some(pair[1], &out, NULL), -1);
    assert_string_equal(out.bytes, "");
    record_out_free(&out);
}

static void a_record_without_its_newline_is_sent_whole(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct record record;
    struct err err = ERR_EMPTY;

    (void)state;
    for (int i = 0; i < 2; i++) {
        record_begin(&out, "word");
        assert_int_equal(i == 0 ? channel_send(pair[1], &out, &err)
                                : channel_send_some(pair[1], &out, &err),
                         0);
        assert_int_equal(channel_receive(pair[0], &record, &err), 1);
        assert_true(record_is(&record, "word"));
        record_free(&record);
    }
    record_out_free(&out);
}

static void records_have_a_longest(void **state)
{
    char *value = mem_new(RECORD_MAX + 1);
    struct record_out out = RECORD_OUT_EMPTY;
    struct record record;
    struct err err = ERR_EMPTY;

    (void)state;
    memset(value, 'v', RECORD_MAX - 4);
    record_begin(&out, "x");
    record_add(&out, "k", value);
    record_end(&out);
    assert_int_equal(channel_send(pair[1], &out, &err), 0);
    assert_int_equal(channel_receive(pair[0], &record, &err), 1);
    assert_string_equal(record_get(&record, "k"), value);
    record_free(&record);
    value[RECORD_MAX - 4] = 'v';
    record_begin(&out, "x");
    record_add(&out, "k", value);
    record_end(&out);
    assert_int_equal(channel_send(pair[1], &out, &err), -1);
    assert_int_equal(err.code, EMSGSIZE);
    assert_string_equal(err.text, "send: Message too long");
    record_out_free(&out);
    mem_free(&value);
}

static void c9_packets_that_are_no_records_are_skipped(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *want;
    } cases[] = {
        {"Bad", 3, "receive: bad word \"Bad\""},
        {"ok\n", 3, "receive: bad word \"ok\\x0a\""},
        {"ok\0", 3, "receive: bad word \"ok\\x00\""},
        {"ok ", 3, "receive: bad field \"\""},
        {"ok a=\\x", 7, "receive: bad escape \"\\\\x\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        send_raw(cases[i].bytes, cases[i].count, NULL, 0);
        refused(cases[i].want);
        good_one_comes();
    }
}

static void packets_that_are_too_long_are_skipped(void **state)
{
    char *bytes = mem_new(RECORD_MAX + 1);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    memset(bytes, 'x', RECORD_MAX + 1);
    send_raw(bytes, RECORD_MAX + 1, NULL, 0);
    refused("receive: the packet is too long");
    good_one_comes();
    send_raw(bytes, RECORD_MAX + 1, &null, 1);
    refused("receive: the packet is too long");
    good_one_comes();
    fd_close(&null);
    mem_free(&bytes);
}

static void an_empty_packet_looks_like_the_end(void **state)
{
    struct record record;
    struct err err = {5, ""};

    (void)state;
    send_raw("", 0, NULL, 0);
    assert_int_equal(channel_receive(pair[0], &record, &err), -1);
    assert_int_equal(err.code, 0);
}

static bool same_file(int a, int b)
{
    struct stat left, right;

    return fstat(a, &left) == 0 && fstat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

static void a_descriptor_goes_with_the_first_record(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct record record;
    struct err err = ERR_EMPTY;
    int sent = open("/dev/null", O_RDONLY | O_CLOEXEC), got = 99, none = 99;

    (void)state;
    record_begin(&out, "first");
    record_end(&out);
    record_begin(&out, "second");
    record_end(&out);
    assert_int_equal(channel_send_fd(pair[1], &out, sent, &err), 0);
    assert_int_equal(channel_receive_fd(pair[0], &record, &got, &err), 1);
    assert_true(record_is(&record, "first"));
    record_free(&record);
    assert_true(got > 2 && got != sent);
    assert_true(same_file(got, sent));
    assert_int_equal(fcntl(got, F_GETFD), FD_CLOEXEC);
    assert_int_equal(channel_receive_fd(pair[0], &record, &none, &err), 1);
    assert_true(record_is(&record, "second"));
    assert_int_equal(none, -1);
    record_free(&record);
    none = 99;
    assert_int_equal(channel_receive_fd(pair[0], &record, &none, &err), 0);
    assert_int_equal(none, -1);
    fd_close(&got);
    fd_close(&sent);
    record_out_free(&out);
}

static void a_bad_record_takes_its_descriptor_along(void **state)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    send_raw("Bad", 3, &null, 1);
    refused("receive: bad word \"Bad\"");
    fd_close(&null);
}

static void an_empty_packet_takes_its_descriptor_along(void **state)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC), passed = 99;
    int before = descriptors_count();
    struct record record;
    struct err err = {5, ""};

    (void)state;
    send_raw("", 0, &null, 1);
    assert_int_equal(channel_receive_fd(pair[0], &record, &passed, &err), -1);
    assert_int_equal(err.code, 0);
    assert_int_equal(passed, -1);
    assert_int_equal(descriptors_count(), before);
    fd_close(&null);
}

static void c10_descriptors_nobody_asked_for_never_arrive(void **state)
{
    int nulls[3], before;
    struct record record;
    struct err err = ERR_EMPTY;

    (void)state;
    for (int i = 0; i < 3; i++)
        nulls[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    before = descriptors_count();
    for (size_t count = 1; count <= 3; count++) {
        send_raw("ok", 2, nulls, count);
        assert_int_equal(channel_receive(pair[0], &record, &err), 1);
        record_free(&record);
        assert_int_equal(descriptors_count(), before);
    }
    for (size_t count = 2; count <= 3; count++) {
        send_raw("ok", 2, nulls, count);
        refused("receive: a descriptor was lost");
        good_one_comes();
    }
    for (int i = 0; i < 3; i++)
        fd_close(&nulls[i]);
}

static void a_descriptor_without_a_place_is_an_error(void **state)
{
    struct rlimit all, few;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    few = all;
    few.rlim_cur = 0;
    send_raw("ok", 2, &null, 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    refused("receive: a descriptor was lost");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    good_one_comes();
    fd_close(&null);
}

/* One who says something and goes at once, as usherd does to usherctl. */
static void say_and_go(int start[2], int fds[][2], size_t count)
{
    struct record_out out = RECORD_OUT_EMPTY;

    close(start[1]); /* with the other end of it we go, too */
    record_begin(&out, "bye");
    record_end(&out);
    for (size_t i = 0; i < count; i++) {
        char go;

        if (read(start[0], &go, 1) != 1)
            _exit(1);
        (void)!write(fds[i][1], out.bytes, out.length - 1);
        close(fds[i][1]);
    }
    record_out_free(&out);
    _exit(0);
}

/* The other side looks again and again meanwhile: the last packet and the end come
 * between two looks of the kernel's own. */
static void the_last_packet_comes_before_the_end(void **state)
{
    static int fds[200][2];
    const unsigned rounds = is_slow() ? 2 : 50;

    (void)state;
    for (unsigned round = 0; round < rounds; round++) {
        int start[2], status;
        pid_t pid;

        assert_int_equal(pipe2(start, O_CLOEXEC), 0);
        for (size_t i = 0; i < ARRAY_LEN(fds); i++)
            assert_int_equal(fd_pair(fds[i], NULL), 0);
        pid = fork();
        assert_int_not_equal(pid, -1);
        if (pid == 0)
            say_and_go(start, fds, ARRAY_LEN(fds));
        for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
            struct record record;
            struct err err = ERR_EMPTY;
            int got;

            close(fds[i][1]);
            assert_int_equal(write(start[1], "g", 1), 1);
            while ((got = channel_receive(fds[i][0], &record, &err)) == 0)
                continue;
            if (got == -1)
                fail_msg("round %u, pair %zu: %s", round, i, err.text);
            record_free(&record);
            close(fds[i][0]);
        }
        close(start[0]);
        close(start[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

#define PAIRED(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIRED(records_arrive_one_by_one),
        PAIRED(both_work_on_blocking_sockets_without_waiting),
        PAIRED(the_end_of_file_has_no_code),
        PAIRED(a_bad_descriptor_is_an_error),
        PAIRED(sending_to_nobody_is_an_error_without_a_signal),
        PAIRED(who_does_not_read_holds_nobody_up),
        PAIRED(what_does_not_fit_now_goes_later),
        PAIRED(sending_some_to_nobody_is_an_error),
        PAIRED(a_record_without_its_newline_is_sent_whole),
        PAIRED(records_have_a_longest),
        PAIRED(c9_packets_that_are_no_records_are_skipped),
        PAIRED(packets_that_are_too_long_are_skipped),
        PAIRED(an_empty_packet_looks_like_the_end),
        PAIRED(a_descriptor_goes_with_the_first_record),
        PAIRED(a_bad_record_takes_its_descriptor_along),
        PAIRED(an_empty_packet_takes_its_descriptor_along),
        PAIRED(c10_descriptors_nobody_asked_for_never_arrive),
        cmocka_unit_test(the_last_packet_comes_before_the_end),
        PAIRED(a_descriptor_without_a_place_is_an_error), /* last: may be left out */
    };
    size_t count = ARRAY_LEN(tests);

    if (!descriptors_have_a_limit()) {
        print_message("# left out: the limit of descriptors is not kept here\n");
        count--;
    }
    return _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
}
