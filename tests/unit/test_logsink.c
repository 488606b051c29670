#include "master/logsink.h"

#include <fcntl.h>
#include <regex.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/mem.h"

#define TIME "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z"

static char folder[] = "/tmp/test_logsinkXXXXXX";
static char path[64], moved[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(moved, sizeof(moved), "%s/log.1", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int forget(void **state)
{
    (void)state;
    logsink_close();
    remove(path);
    remove(moved);
    return 0;
}

static void read_file(const char *from, char *out, size_t room)
{
    FILE *file = fopen(from, "re");

    assert_non_null(file);
    out[fread(out, 1, room - 1, file)] = '\0';
    fclose(file);
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    int result;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    result = regexec(&regex, text, 0, NULL, 0);
    regfree(&regex);
    if (result != 0)
        fail_msg("\"%s\" does not match %s", text, pattern);
}

static const struct {
    bool as_json;
    enum log_level level;
    const char *subject, *line, *want;
} lines[] = {
    { false, LOG_INFO_, "echo", "open endpoint=x",
      "^" TIME " info echo\\[77\\]: open endpoint=x\n$" },
    { false, LOG_ERROR_, "pool", "a \\x00 b",
      "^" TIME " error pool\\[77\\]: a \\\\x00 b\n$" },
    { true, LOG_WARNING_, "echo", "say \"hi\" \\x41",
      "^\\{\"time\":\"" TIME "\",\"level\":\"warning\",\"subject\":\"echo\",\"pid\":77,"
      "\"text\":\"say \\\\\"hi\\\\\" \\\\\\\\x41\"\\}\n$" },
    { true, LOG_DEBUG_, "x", "tab\tend", "\"text\":\"tab\\\\u0009end\"\\}\n$" },
};

static void lines_are_text_or_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct err err = ERR_EMPTY;
        char text[512];

        remove(path);
        assert_int_equal(logsink_open(path, lines[i].as_json, &err), 0);
        assert_false(logsink_is_stderr());
        logsink_write(lines[i].level, lines[i].subject, lines[i].line, 77);
        read_file(path, text, sizeof(text));
        assert_matches(text, lines[i].want);
    }
}

static void our_own_lines_come_here_with_our_pid(void **state)
{
    char text[512], want[128];

    (void)state;
    assert_int_equal(logsink_open(path, false, NULL), 0);
    log_info("usherd", "start n=%d", 7);
    read_file(path, text, sizeof(text));
    snprintf(want, sizeof(want), " info usherd\\[%ld\\]: start n=7\n$", (long)getpid());
    assert_matches(text, want);
}

static void the_longest_line_is_one_line(void **state)
{
    static char line[4 * LOG_LINE];
    char text[4 * LOG_LINE];

    (void)state;
    memset(line, '"', sizeof(line) - 1);
    assert_int_equal(logsink_open(path, true, NULL), 0);
    logsink_write(LOG_INFO_, "x", line, 1);
    read_file(path, text, sizeof(text));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void a_rotated_file_is_let_go(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(logsink_open(path, false, NULL), 0);
    logsink_write(LOG_INFO_, "x", "first", 1);
    assert_int_equal(rename(path, moved), 0);
    logsink_write(LOG_INFO_, "x", "second", 1);
    assert_int_equal(logsink_reopen(NULL), 0);
    logsink_write(LOG_INFO_, "x", "third", 1);
    read_file(moved, text, sizeof(text));
    assert_matches(text, "first\n.*second\n$");
    read_file(path, text, sizeof(text));
    assert_matches(text, "^[^\n]*third\n$");
}

static void make_fifo(void)
{
    assert_int_equal(mkfifo(moved, 0600), 0);
}

static void make_link(void)
{
    assert_int_equal(symlink("log", moved), 0);
}

static void make_directory(void)
{
    assert_int_equal(mkdir(moved, 0700), 0);
}

static void make_nothing_in_a_missing_folder(void)
{
}

static const struct {
    void (*make)(void);
    const char *want;
} wrong[] = {
    { make_fifo, "No such device or address" },
    { make_link, "Too many levels of symbolic links" },
    { make_directory, "Is a directory" },
    { make_nothing_in_a_missing_folder, "No such file or directory" },
};

static void f9_what_is_no_file_is_refused_and_the_old_sink_goes_on(void **state)
{
    char text[512], missing[80];

    (void)state;
    snprintf(missing, sizeof(missing), "%s/no/log", folder);
    assert_int_equal(logsink_open(path, false, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        bool is_missing = wrong[i].make == make_nothing_in_a_missing_folder;
        struct err err = ERR_EMPTY;

        wrong[i].make();
        assert_int_equal(logsink_open(is_missing ? missing : moved, false, &err), -1);
        assert_non_null(strstr(err.text, wrong[i].want));
        remove(moved);
    }
    logsink_write(LOG_INFO_, "x", "still here", 1);
    read_file(path, text, sizeof(text));
    assert_matches(text, "still here\n$");
}

/* Standard error is a pipe that nobody reads, for the length of one test. */
struct stuck {
    int saved, reader;
    size_t filling;
};

static void fill(struct stuck *stuck)
{
    static const char junk[4096];
    int ends[2];

    fflush(stderr);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    stuck->reader = ends[0];
    stuck->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    fd_close(&ends[1]);
    stuck->filling = 0;
    for (ssize_t count; (count = write(STDERR_FILENO, junk, sizeof(junk))) > 0;)
        stuck->filling += (size_t)count;
}

/* Reads all that is there: the junk first, then lines. */
static void empty(struct stuck *stuck, char *out, size_t room)
{
    char bytes[4096];
    size_t skip = stuck->filling, length = 0;
    ssize_t count;

    while ((count = read(stuck->reader, bytes, sizeof(bytes))) > 0) {
        size_t junk = skip < (size_t)count ? skip : (size_t)count;

        skip -= junk;
        for (size_t i = junk; i < (size_t)count && length + 1 < room; i++)
            out[length++] = bytes[i];
    }
    out[length] = '\0';
    stuck->filling = 0;
}

static void restore(struct stuck *stuck)
{
    assert_int_equal(dup2(stuck->saved, STDERR_FILENO), STDERR_FILENO);
    fd_close(&stuck->saved);
    fd_close(&stuck->reader);
}

static void f17_a_sink_that_is_full_drops_counts_and_tells(void **state)
{
    unsigned long before = logsink_dropped(), dropped;
    struct stuck stuck;
    char text[2048];

    (void)state;
    fill(&stuck);
    assert_int_equal(logsink_open("stderr", false, NULL), 0);
    logsink_write(LOG_INFO_, "x", "lost", 1);
    logsink_write(LOG_INFO_, "x", "lost too", 1);
    logsink_add_dropped(5);
    dropped = logsink_dropped() - before;
    empty(&stuck, text, sizeof(text));
    logsink_write(LOG_INFO_, "x", "back", 1);
    logsink_write(LOG_INFO_, "x", "and on", 1);
    empty(&stuck, text, sizeof(text));
    restore(&stuck);
    assert_int_equal(dropped, 7);
    assert_null(strstr(text, "lost"));
    assert_matches(text, "^[^\n]* warning log\\[[0-9]+\\]: fail dropped=7 [^\n]*\n"
                         "[^\n]*: back\n[^\n]*: and on\n$");
}

/* Lines do not end where its room does, and it says that it has some until the last
 * byte. */
static void a_terminal_that_nobody_reads_holds_nobody_up(void **state)
{
    unsigned long before = logsink_dropped(), dropped;
    int keyboard = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int screen, saved;
    char text[4096];

    (void)state;
    if (keyboard == -1)
        skip();
    assert_int_equal(grantpt(keyboard) | unlockpt(keyboard), 0);
    screen = open(ptsname(keyboard), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_not_equal(screen, -1);
    fflush(stderr);
    saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(dup2(screen, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(logsink_open("stderr", false, NULL), 0);
    alarm(20);
    for (int i = 0; i < 2000; i++)
        logsink_write(LOG_INFO_, "x", "a line of which many fill a terminal", 1);
    alarm(0);
    dropped = logsink_dropped() - before;
    while (read(keyboard, text, sizeof(text)) > 0)
        continue;
    logsink_write(LOG_INFO_, "x", "back", 1); /* after how many are missing */
    assert_int_equal(logsink_dropped() - before, dropped);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    fd_close(&saved);
    fd_close(&screen);
    fd_close(&keyboard);
    assert_in_range(dropped, 1, 1999);
}

/* ---- syslog: a /dev of our own, with our own log daemon in it ---- */

static bool write_file(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    bool is_written = fd != -1 && fd_write_all(fd, text, strlen(text)) == 0;

    fd_close(&fd);
    return is_written;
}

/* An ordinary user is root in a namespace of users that is his own. */
static bool leave_namespaces(void)
{
    char uids[32], gids[32];

    if (geteuid() == 0)
        return unshare(CLONE_NEWNS) == 0;
    snprintf(uids, sizeof(uids), "0 %u 1", geteuid());
    snprintf(gids, sizeof(gids), "0 %u 1", getegid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", uids) &&
           write_file("/proc/self/gid_map", gids);
}

/* For the rest of the process: these tests are the last. */
static bool make_own_dev(void)
{
    static enum { UNTRIED, MADE, REFUSED } dev;

    if (dev == UNTRIED)
        dev = leave_namespaces() &&
                      mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
                      mount("none", "/dev", "tmpfs", 0, NULL) == 0
                  ? MADE
                  : REFUSED;
    return dev == MADE;
}

static int start_log_daemon(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)unlink(addr.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void assert_hears(int daemon, const char *pattern)
{
    char text[2 * LOG_LINE] = "";

    assert_int_not_equal(recv(daemon, text, sizeof(text) - 1, 0), -1);
    assert_matches(text, pattern);
}

#define SYSLOG_TIME "[A-Z][a-z]{2} [ 1-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}"

static void syslog_gets_level_time_and_pid(void **state)
{
    static const struct {
        enum log_level level;
        const char *want;
    } levels[] = {
        { LOG_ERROR_, "^<27>" SYSLOG_TIME " usherd\\[77\\]: echo: open a=\"b\"$" },
        { LOG_WARNING_, "^<28>" },
        { LOG_INFO_, "^<30>" },
        { LOG_DEBUG_, "^<31>" },
    };
    int daemon;

    (void)state;
    if (!make_own_dev())
        skip();
    daemon = start_log_daemon();
    assert_int_equal(logsink_open("syslog", false, NULL), 0);
    assert_false(logsink_is_stderr());
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        logsink_write(levels[i].level, "echo", "open a=\"b\"", 77);
        assert_hears(daemon, levels[i].want);
    }
    fd_close(&daemon);
}

static void a_log_daemon_that_was_started_again_gets_the_next_line(void **state)
{
    unsigned long before = logsink_dropped();
    int daemon;

    (void)state;
    if (!make_own_dev())
        skip();
    daemon = start_log_daemon();
    assert_int_equal(logsink_open("syslog", false, NULL), 0);
    logsink_write(LOG_INFO_, "x", "first", 1);
    assert_hears(daemon, ": first$");
    fd_close(&daemon);
    daemon = start_log_daemon();
    logsink_write(LOG_INFO_, "x", "second", 1);
    assert_hears(daemon, ": second$");
    assert_int_equal(logsink_dropped(), before);
    fd_close(&daemon);
}

static void lines_that_no_log_daemon_heard_are_counted_and_told(void **state)
{
    unsigned long before = logsink_dropped();
    int daemon;

    (void)state;
    if (!make_own_dev())
        skip();
    (void)unlink("/dev/log");
    assert_int_equal(logsink_open("syslog", false, NULL), 0);
    logsink_write(LOG_INFO_, "x", "lost", 1);
    logsink_write(LOG_INFO_, "x", "lost too", 1);
    assert_int_equal(logsink_dropped() - before, 2);
    daemon = start_log_daemon();
    logsink_write(LOG_INFO_, "x", "back", 1);
    assert_hears(daemon, "^<28>.*: log: fail dropped=2 ");
    assert_hears(daemon, ": back$");
    fd_close(&daemon);
}

static void a_log_daemon_that_does_not_read_holds_nobody_up(void **state)
{
    unsigned long before = logsink_dropped(), dropped;
    char text[64], want[64];
    int daemon;

    (void)state;
    if (!make_own_dev())
        skip();
    daemon = start_log_daemon();
    assert_int_equal(logsink_open("syslog", false, NULL), 0);
    alarm(20);
    while (logsink_dropped() == before)
        logsink_write(LOG_INFO_, "x", "on and on", 1);
    alarm(0);
    dropped = logsink_dropped() - before;
    while (recv(daemon, text, sizeof(text), 0) != -1)
        continue;
    logsink_write(LOG_INFO_, "x", "back", 1);
    snprintf(want, sizeof(want), ": log: fail dropped=%lu ", dropped);
    assert_hears(daemon, want);
    assert_hears(daemon, ": back$");
    fd_close(&daemon);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_text_or_json),
        TEST(our_own_lines_come_here_with_our_pid),
        TEST(the_longest_line_is_one_line),
        TEST(a_rotated_file_is_let_go),
        TEST(f9_what_is_no_file_is_refused_and_the_old_sink_goes_on),
        TEST(f17_a_sink_that_is_full_drops_counts_and_tells),
        TEST(a_terminal_that_nobody_reads_holds_nobody_up),
        TEST(syslog_gets_level_time_and_pid),
        TEST(a_log_daemon_that_was_started_again_gets_the_next_line),
        TEST(lines_that_no_log_daemon_heard_are_counted_and_told),
        TEST(a_log_daemon_that_does_not_read_holds_nobody_up),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
