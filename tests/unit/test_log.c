/* The log: levels, lines, the limit, and that peers cannot forge a line. */
#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

static struct {
    unsigned count;
    enum log_level level;
    char subject[32], line[LOG_LINE];
} seen;

static void remember(enum log_level level, const char *subject, const char *line)
{
    seen.count++;
    seen.level = level;
    snprintf(seen.subject, sizeof seen.subject, "%s", subject);
    snprintf(seen.line, sizeof seen.line, "%s", line);
    errno = EIO; /* a sink may do that */
}

static int capture(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    log_to(remember);
    log_set_level(LOG_INFO_);
    return 0;
}

static int release(void **state)
{
    (void)state;
    log_to(NULL);
    log_set_level(LOG_INFO_);
    clock_fake(-1);
    return 0;
}

static void levels_decide_what_is_seen(void **state)
{
    (void)state;
    for (int level = LOG_ERROR_; level <= LOG_DEBUG_; level++) {
        seen.count = 0;
        log_set_level((enum log_level)level);
        log_error("a", "x");
        log_warning("a", "x");
        log_info("a", "x");
        log_debug("a", "x");
        assert_int_equal(seen.count, level + 1);
        assert_int_equal(seen.level, level);
        for (int other = LOG_ERROR_; other <= LOG_DEBUG_; other++)
            assert_int_equal(log_wants((enum log_level)other), other <= level);
    }
}

static void a_line_arrives_with_its_level_and_subject(void **state)
{
    (void)state;
    log_warning("listener", "open endpoint=%s service=%s", "tcp://127.0.0.1:7", "echo");
    assert_int_equal(seen.level, LOG_WARNING_);
    assert_string_equal(seen.subject, "listener");
    assert_string_equal(seen.line, "open endpoint=tcp://127.0.0.1:7 service=echo");
}

static void one_call_is_one_line(void **state)
{
    (void)state;
    log_info("a", "%s", "one\ntwo\r\x1b[1m\x7f");
    assert_string_equal(seen.line, "one?two??[1m?");
}

static void e2_long_lines_are_cut(void **state)
{
    char text[2 * LOG_LINE];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("a", "%s", text);
    assert_int_equal(strlen(seen.line), LOG_LINE - 1);
}

static void errno_survives(void **state)
{
    (void)state;
    errno = EPIPE;
    log_error("a", "x");
    log_debug("a", "not wanted");
    assert_int_equal(errno, EPIPE);
}

static void level_names_are_read_and_printed(void **state)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    static const char *const bad[] = {"", "Info", "warn", "info ", "infos"};
    enum log_level level = LOG_INFO_;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(log_level_parse(names[i], &level), 0);
        assert_int_equal(level, i);
        assert_string_equal(log_level_name(level), names[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(log_level_parse(bad[i], &level), -1);
    assert_int_equal(level, LOG_DEBUG_);
    assert_string_equal(log_level_name((enum log_level)99), "unknown");
}

/* What a child that does this writes to its stderr, and how it ends. */
static int said_by(void (*does)(void), char *words, size_t room)
{
    size_t length = 0;
    int pair[2], status;
    ssize_t count;
    pid_t child;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        dup2(pair[1], STDERR_FILENO);
        log_to(NULL);
        does();
        _exit(0);
    }
    close(pair[1]);
    while (length < room - 1 &&
           (count = read(pair[0], words + length, room - 1 - length)) > 0)
        length += (size_t)count;
    words[length] = '\0';
    close(pair[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void say_two(void)
{
    log_error("boot", "fail what=%d", 7);
    log_info("echo", "start");
}

static void say_much(void)
{
    char text[LOG_LINE], subject[512];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memset(subject, 's', sizeof subject - 1);
    subject[sizeof subject - 1] = '\0';
    log_info(subject, "%s", text);
}

static void say_to_nobody(void)
{
    close(STDERR_FILENO);
    log_error("a", "x");
}

static void panic(void)
{
    const struct rlimit none = { 0, 0 };

    /* A sanitizer or valgrind would report it; no core either. */
    signal(SIGABRT, SIG_DFL);
    setrlimit(RLIMIT_CORE, &none);
    log_panic("page", "fail reason=%s", "odd");
}

static void without_a_sink_lines_go_to_stderr(void **state)
{
    char words[4 * LOG_LINE];

    (void)state;
    assert_int_equal(said_by(say_two, words, sizeof words), 0);
    assert_string_equal(words, "error boot: fail what=7\ninfo echo: start\n");
    assert_int_equal(said_by(say_much, words, sizeof words), 0);
    assert_memory_equal(words, "info sss", 8);
    assert_ptr_equal(strchr(words, '\n'), words + strlen(words) - 1);
    assert_int_equal(said_by(say_to_nobody, words, sizeof words), 0);
    assert_string_equal(words, "");
}

static void a_panic_says_why_and_aborts(void **state)
{
    char words[4 * LOG_LINE];
    int status = said_by(panic, words, sizeof words);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_memory_equal(words, "error page: fail reason=odd\n", 28);
}

static void b22_a_limit_lets_one_a_second_through(void **state)
{
    static const struct {
        int64_t at_ms;
        bool passes;
        unsigned long left_out;
    } calls[] = {
        {0, true, 0},     {1, false, 0},   {999, false, 0}, {1000, true, 2},
        {1999, false, 0}, {5000, true, 1}, {6000, true, 0}, {6500, false, 0},
    };
    struct log_limit limit = { 0, 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        unsigned long left_out = 0;

        clock_fake(calls[i].at_ms);
        assert_int_equal(log_limit(&limit, &left_out), calls[i].passes);
        assert_int_equal(left_out, calls[i].left_out);
    }
    clock_fake(7500);
    assert_true(log_limit(&limit, NULL));
}

static void b22_a_budget_is_spent_once_a_second(void **state)
{
    struct log_budget budget = { 0 };
    unsigned long left_out;

    (void)state;
    clock_fake(5000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(log_spend(&budget, 3, &left_out), i < 3);
    assert_int_equal(left_out, 0);
    clock_fake(5999);
    assert_false(log_spend(&budget, 3, &left_out));
    clock_fake(6000);
    assert_true(log_spend(&budget, 3, &left_out));
    assert_int_equal(left_out, 8);
    assert_true(log_spend(&budget, 3, &left_out));
    assert_int_equal(left_out, 0);
    clock_fake(-1);
}

static void e12_escaping_makes_one_printable_line(void **state)
{
    static const struct {
        const char *bytes, *want;
        size_t count, room;
    } cases[] = {
        {"abc", "abc", 3, 32},
        {"a b~", "a b~", 4, 32},
        {"a\\b", "a\\\\b", 3, 32},
        {"a\nb", "a\\x0ab", 3, 32},
        {"\0\x7f\xff\x1b", "\\x00\\x7f\\xff\\x1b", 4, 32},
        {"", "", 0, 32},
        {"abcdef", "abcdef", 6, 7},
        {"abcdef", "ab...", 6, 6},
        {"abcdefgh", "a...", 8, 5},
        {"abcdefgh", "...", 8, 4},
        {"abcdefgh", "..", 8, 3},
        {"abcdefgh", ".", 8, 2},
        {"abcdefgh", "", 8, 1},
        {"ab\n\n", "ab\\x0a...", 4, 10},
        {"ab\n\n", "ab...", 4, 9},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[32];

        assert_ptr_equal(log_escape(out, cases[i].room, cases[i].bytes, cases[i].count),
                         out);
        assert_string_equal(out, cases[i].want);
    }
    assert_null(log_escape(NULL, 0, "a", 1));
}

static void e12_what_stands_between_quotes_does_not_end_them(void **state)
{
    static const char text[] = "a\" peer=10.0.0.1 \\\"";
    char out[64];

    (void)state;
    assert_ptr_equal(log_escape_quoted(out, sizeof out, text, strlen(text)), out);
    assert_string_equal(out, "a\\x22 peer=10.0.0.1 \\\\\\x22");
    log_escape(out, sizeof out, text, strlen(text));
    assert_string_equal(out, "a\" peer=10.0.0.1 \\\\\"");
}

static void e12_escaped_random_bytes_are_printable_and_fit(void **state)
{
    uint32_t random = 12345;

    (void)state;
    for (int i = 0; i < 5000; i++) {
        unsigned char bytes[40];
        char *out;
        size_t room;

        for (size_t n = 0; n < sizeof bytes; n++) {
            random = random * 1664525u + 1013904223u;
            bytes[n] = (unsigned char)(random >> 24);
        }
        room = 1 + random % 200;
        out = mem_new(room); /* so that a sanitizer sees one byte too many */
        log_escape(out, room, bytes, sizeof bytes);
        assert_true(strlen(out) < room);
        for (const char *at = out; *at != '\0'; at++)
            assert_true(*at >= 0x20 && *at <= 0x7e);
        mem_free(&out);
    }
}

#define CAPTURED(name) cmocka_unit_test_setup_teardown(name, capture, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(levels_decide_what_is_seen),
        CAPTURED(a_line_arrives_with_its_level_and_subject),
        CAPTURED(one_call_is_one_line),
        CAPTURED(e2_long_lines_are_cut),
        CAPTURED(errno_survives),
        CAPTURED(level_names_are_read_and_printed),
        CAPTURED(without_a_sink_lines_go_to_stderr),
        CAPTURED(a_panic_says_why_and_aborts),
        CAPTURED(b22_a_limit_lets_one_a_second_through),
        CAPTURED(b22_a_budget_is_spent_once_a_second),
        CAPTURED(e12_escaping_makes_one_printable_line),
        CAPTURED(e12_what_stands_between_quotes_does_not_end_them),
        CAPTURED(e12_escaped_random_bytes_are_printable_and_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
