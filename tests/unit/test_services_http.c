#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../services/http/files.h"
#include "../../services/http/path.h"
#include "../../services/http/range.h"
#include "support/mock_host.h"

extern const struct usher_service usher_service_http;

struct http_conf { /* as in http.c: the options say so */
    const char *root;
    const char *index;
    int64_t timeout;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- paths ------------------------------------------------------------------------- */

static void targets_become_paths(void **state)
{
    static const struct {
        const char *target, *path;
    } cases[] = {
        { "/", "" },
        { "/a", "a" },
        { "/a/", "a/" },
        { "/a/b.c", "a/b.c" },
        { "/a%20b", "a b" },
        { "/%61/%62", "a/b" },
        { "/a..b/c.", "a..b/c." },
        { "/%c3%a4", "\xc3\xa4" },
        { "/%25", "%" },
        { "/a%3fb?c=/../d", "a?b" },
        { "http://host/a", "a" },
        { "HTTP://host", "" },
        { "http://host:80/", "" },
        { "http://host?a=/b", "" },
        { "http://host/dir?a=/b", "dir" },
        { "", NULL },
        { "a", NULL },
        { "*", NULL },
        { "//", NULL },
        { "/a//b", NULL },
        { "//a", NULL },
        { "/.", NULL },
        { "/..", NULL },
        { "/a/..", NULL },
        { "/../a", NULL },
        { "/%2e%2e/a", NULL },
        { "/.%2e/a", NULL },
        { "/.hidden", NULL },
        { "/a%2fb", NULL },
        { "/%2f", NULL },
        { "/a%00b", NULL },
        { "/%", NULL },
        { "/%a", NULL },
        { "/%ag", NULL },
        { "/a\tb", NULL },
        { "/%0d%0a", NULL },
        { "/%7f", NULL },
        { "https://host/a", NULL },
    };
    char path[HTTP_PATH_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool is_good = http_path(cases[i].target, path, sizeof(path));

        if (is_good != (cases[i].path != NULL))
            fail_msg("%s", cases[i].target);
        if (is_good)
            assert_string_equal(path, cases[i].path);
    }
}

static void e1_a_path_has_a_length(void **state)
{
    char path[6];

    (void)state;
    assert_true(http_path("/12345", path, sizeof(path)));
    assert_string_equal(path, "12345");
    assert_false(http_path("/123456", path, sizeof(path)));
    assert_false(http_path("/1234/%35", path, sizeof(path)));
}

/* ---- ranges and dates -------------------------------------------------------------- */

static void ranges_lie_within_the_file(void **state)
{
    static const struct {
        const char *text;
        uint64_t size;
        enum range_kind kind;
        uint64_t first, count;
    } cases[] = {
        { "bytes=0-0", 10, RANGE_PART, 0, 1 },
        { "bytes=2-4", 10, RANGE_PART, 2, 3 },
        { "BYTES=9-", 10, RANGE_PART, 9, 1 },
        { "bytes=9- \t", 10, RANGE_PART, 9, 1 },
        { "bytes=-3", 10, RANGE_PART, 7, 3 },
        { "bytes=-30", 10, RANGE_PART, 0, 10 },
        { "bytes=5-99999999999999999999999", 10, RANGE_PART, 5, 5 },
        { "bytes=10-", 10, RANGE_BEYOND, 0, 0 },
        { "bytes=0-", 0, RANGE_BEYOND, 0, 0 },
        { "bytes=-0", 10, RANGE_BEYOND, 0, 0 },
        { "bytes=99999999999999999999999-", 10, RANGE_BEYOND, 0, 0 },
        { "bytes=4-2", 10, RANGE_NONE, 0, 0 },
        { "bytes=0-1,3-4", 10, RANGE_NONE, 0, 0 },
        { "bytes=-", 10, RANGE_NONE, 0, 0 },
        { "bytes=", 10, RANGE_NONE, 0, 0 },
        { "bytes=+1-2", 10, RANGE_NONE, 0, 0 },
        { "lines=1-2", 10, RANGE_NONE, 0, 0 },
        { "", 10, RANGE_NONE, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t first, count;

        if (http_range(cases[i].text, cases[i].size, &first, &count) != cases[i].kind)
            fail_msg("%s", cases[i].text);
        if (cases[i].kind == RANGE_PART) {
            assert_int_equal(first, cases[i].first);
            assert_int_equal(count, cases[i].count);
        }
    }
}

static void dates_go_both_ways(void **state)
{
    static const time_t times[] = { 0, 784111777, 1795999999, 2147483648, 4102444800 };
    char text[HTTP_DATE];
    time_t at;

    (void)state;
    for (size_t i = 0; i < COUNT(times); i++) {
        http_date(times[i], text);
        assert_true(http_date_read(text, &at));
        assert_true(at == times[i]);
    }
    http_date(784111777, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_true(http_date_read("Sunday, 06-Nov-94 08:49:37 GMT", &at));
    assert_int_equal(at, 784111777);
    assert_true(http_date_read("Sun Nov  6 08:49:37 1994", &at));
    assert_int_equal(at, 784111777);
    assert_false(http_date_read("yesterday", &at));
    assert_false(http_date_read("Sun, 06 Nov 1994 08:49:37 GMT and more", &at));
    assert_false(http_date_read("", &at));
}

/* ---- files ------------------------------------------------------------------------- */

static char folder[] = "/tmp/test-http-XXXXXX";

static void put(int at, const char *name, const char *text)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int make_folder(void **state)
{
    int at;

    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    at = open(folder, O_PATH | O_CLOEXEC);
    put(at, "outside", "SECRET");
    mkdirat(at, "www", 0755);
    mkdirat(at, "www/sub", 0755);
    mkdirat(at, "www/empty", 0755);
    put(at, "www/index.html", "main");
    put(at, "www/sub/index.html", "sub");
    put(at, "www/a.txt", "0123456789");
    if (symlinkat("../outside", at, "www/out") == -1 ||
        symlinkat("/etc", at, "www/etc") == -1 ||
        symlinkat("a.txt", at, "www/in") == -1 || mkfifoat(at, "www/pipe", 0644) == -1)
        return -1;
    close(at);
    return 0;
}

static int remove_folder(void **state)
{
    static const char *const names[] = { "outside",        "www/sub/index.html",
                                         "www/index.html", "www/a.txt",
                                         "www/out",        "www/etc",
                                         "www/in",         "www/pipe" };
    static const char *const folders[] = { "www/sub", "www/empty", "www" };
    int at = open(folder, O_PATH | O_CLOEXEC);

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        unlinkat(at, names[i], 0);
    for (size_t i = 0; i < COUNT(folders); i++)
        unlinkat(at, folders[i], AT_REMOVEDIR);
    close(at);
    return rmdir(folder);
}

/* Older kernels, and valgrind's idea of one, do not: there no link at all is followed. */
static bool knows_openat2(void)
{
    return syscall(SYS_openat2, -1, NULL, NULL, (size_t)0) != -1 || errno != ENOSYS;
}

static void files_are_opened_beneath_the_folder(void **state)
{
    static const struct {
        const char *path;
        enum file_result result;
    } cases[] = {
        { "", FILE_FOUND },           { "a.txt", FILE_FOUND },
        { "sub/", FILE_FOUND },
        { "sub", FILE_IS_FOLDER },    { "empty/", FILE_DENIED },
        { "pipe", FILE_DENIED },      { "out", FILE_MISSING },
        { "etc/passwd", FILE_MISSING }, { "etc/", FILE_MISSING },
        { "../outside", FILE_MISSING }, { "/etc/passwd", FILE_MISSING },
        { "sub/../../outside", FILE_MISSING }, { "nothing", FILE_MISSING },
        { "a.txt/", FILE_MISSING },   { "nothing/", FILE_MISSING },
    };
    char www[64];
    int root;

    (void)state;
    snprintf(www, sizeof(www), "%s/www", folder);
    root = open(www, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct file file = { .fd = -1 };

        if (file_open(root, cases[i].path, "index.html", &file) != cases[i].result)
            fail_msg("\"%s\"", cases[i].path);
        if (cases[i].result == FILE_FOUND)
            close(file.fd);
    }
    close(root);
}

static void a_link_that_stays_below_is_followed(void **state)
{
    struct file file = { .fd = -1 };
    enum file_result want = knows_openat2() ? FILE_FOUND : FILE_MISSING;
    char www[64];
    int root;

    (void)state;
    snprintf(www, sizeof(www), "%s/www", folder);
    root = open(www, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(file_open(root, "in", "index.html", &file), want);
    if (file.fd != -1)
        close(file.fd);
    close(root);
}

/* ---- the service ------------------------------------------------------------------- */

/* A client's end of a connection that the service was given. */
static int call(struct mock *mock)
{
    int pair[2];

    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    mock->take_fd = pair[0];
    mock_connect(mock);
    return pair[1];
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Everything until the end of the connection. */
static void hear(struct mock *mock, int fd, char *out, size_t room)
{
    size_t count = 0;
    ssize_t got = -1;

    for (int turns = 0; turns < 1000 && got != 0; turns++) {
        mock_turn(mock, 10);
        got = recv(fd, out + count, room - 1 - count, 0);
        if (got > 0)
            count += (size_t)got;
        else if (got == -1)
            assert_int_equal(errno, EAGAIN);
    }
    assert_int_equal(got, 0);
    out[count] = '\0';
}

static void a_request_is_answered_and_the_connection_given_back(void **state)
{
    struct http_conf conf = { .index = "index.html", .timeout = 30000 };
    char www[64], answer[4096];
    struct mock mock;
    int client;

    (void)state;
    snprintf(www, sizeof(www), "%s/www", folder);
    conf.root = www;
    assert_int_equal(mock_start(&mock, &usher_service_http, &conf), 0);
    for (int i = 0; i < 3; i++) {
        client = call(&mock);
        mock_expire(&mock); /* it may have finished without a word: it has not */
        assert_int_equal(mock.timer_ms, 30000 - 50);
        say(client, "GET /a.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=3-5\r\n\r\n"
                    "GET /../outside HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        hear(&mock, client, answer, sizeof(answer));
        assert_non_null(strstr(answer, "HTTP/1.1 206 "));
        assert_non_null(strstr(answer, "\r\n\r\n345"));
        assert_non_null(strstr(answer, "HTTP/1.1 404 "));
        assert_null(strstr(answer, "SECRET"));
        for (int turns = 0; turns < 1000 && !mock_is_gone(&mock); turns++)
            mock_turn(&mock, 10);
        assert_true(mock_is_gone(&mock));
        close(client);
    }
    mock_stop(&mock);
}

static void a_request_that_does_not_come_ends_the_connection(void **state)
{
    static const struct http_conf conf = { .root = "", .index = "x", .timeout = 2000 };
    struct mock mock;
    int client;
    char byte;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_http, &conf), 0);
    client = call(&mock);
    say(client, "GET / HTTP/1.1\r\nHo");
    mock_turn(&mock, 10);
    mock_expire(&mock);
    mock_turn(&mock, 10);
    assert_false(mock_is_gone(&mock));
    mock_expire(&mock);
    for (int turns = 0; turns < 1000 && !mock_is_gone(&mock); turns++)
        mock_turn(&mock, 10);
    assert_true(mock_is_gone(&mock));
    assert_int_equal(recv(client, &byte, 1, 0), 0);
    close(client);
    mock_stop(&mock);
}

static void who_finishes_without_a_request_is_gone_soon(void **state)
{
    static const struct http_conf conf = { .root = "", .index = "x", .timeout = 3600000 };
    struct mock mock;
    int client;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_http, &conf), 0);
    client = call(&mock);
    say(client, "GET / HTTP/1.1\r\nHo");
    shutdown(client, SHUT_WR);
    mock_turn(&mock, 10);
    if (!mock_is_gone(&mock))
        mock_expire(&mock);
    for (int turns = 0; turns < 1000 && !mock_is_gone(&mock); turns++)
        mock_turn(&mock, 10);
    assert_true(mock_is_gone(&mock));
    close(client);
    mock_stop(&mock);
}

static void who_finishes_later_is_found_without_a_timeout(void **state)
{
    static const struct http_conf conf = { .root = "", .index = "x", .timeout = -1 };
    struct mock mock;
    int client;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_http, &conf), 0);
    client = call(&mock);
    say(client, "GET / HTTP/1.1\r\n");
    mock_turn(&mock, 10);
    mock_expire(&mock);
    say(client, "Ho"); /* the library reads this, and misses what came with it */
    shutdown(client, SHUT_WR);
    mock_turn(&mock, 10);
    if (!mock_is_gone(&mock)) {
        assert_int_not_equal(mock.timer_ms, -1);
        mock_expire(&mock);
    }
    for (int turns = 0; turns < 1000 && !mock_is_gone(&mock); turns++)
        mock_turn(&mock, 10);
    assert_true(mock_is_gone(&mock));
    close(client);
    mock_stop(&mock);
}

static void a_root_that_is_not_there_is_said(void **state)
{
    static const struct http_conf conf = { .root = "/nowhere/at/all", .index = "x",
                                           .timeout = 1000 };
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_http, &conf), -1);
    assert_int_equal(mock.logs, 1);
    assert_int_equal(mock.log_level, USHER_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_become_paths),
        cmocka_unit_test(e1_a_path_has_a_length),
        cmocka_unit_test(ranges_lie_within_the_file),
        cmocka_unit_test(dates_go_both_ways),
        cmocka_unit_test(files_are_opened_beneath_the_folder),
        cmocka_unit_test(a_link_that_stays_below_is_followed),
        cmocka_unit_test(a_request_is_answered_and_the_connection_given_back),
        cmocka_unit_test(a_request_that_does_not_come_ends_the_connection),
        cmocka_unit_test(who_finishes_without_a_request_is_gone_soon),
        cmocka_unit_test(who_finishes_later_is_found_without_a_timeout),
        cmocka_unit_test(a_root_that_is_not_there_is_said),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
