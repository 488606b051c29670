#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>

/* The people of this test are not those of this machine. */
static struct passwd *test_getpwnam(const char *name);
#define getpwnam      test_getpwnam
#define USHER_BUILTIN finger
#include "../../services/finger/finger.c"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char home[] = "/tmp/usher-finger-XXXXXX";
static char utmp[64];
static struct passwd alice = {.pw_name = (char *)(uintptr_t) "alice",
                              .pw_gecos = (char *)(uintptr_t) "& Liddell,Room 1,555",
                              .pw_dir = home,
                              .pw_shell = (char *)(uintptr_t) "/bin/sh"};

static struct passwd *test_getpwnam(const char *name)
{
    static struct passwd somebody;

    if (strcmp(name, "alice") == 0)
        return &alice;
    if (name[0] != 'b' && strlen(name) < 32)
        return NULL;
    somebody = (struct passwd){ .pw_name = (char *)(uintptr_t)name, .pw_uid = 70000 };
    return &somebody;
}

/* ---- queries ------------------------------------------------------------------- */

static const struct {
    const char *line;
    enum finger_kind kind;
    bool is_long;
    const char *name;
} queries[] = {
    {"\r\n", FINGER_EVERYBODY, false, ""},
    {"\n", FINGER_EVERYBODY, false, ""},
    {"/W\r\n", FINGER_EVERYBODY, true, ""},
    {"/w  \r\n", FINGER_EVERYBODY, true, ""},
    {"alice\r\n", FINGER_PERSON, false, "alice"},
    {"alice\n", FINGER_PERSON, false, "alice"},
    {" \talice \t\r\n", FINGER_PERSON, false, "alice"},
    {"/W alice\r\n", FINGER_PERSON, true, "alice"},
    {"/w\talice\r\n", FINGER_PERSON, true, "alice"},
    {"_a-b.C9\r\n", FINGER_PERSON, false, "_a-b.C9"},
    {"0\r\n", FINGER_PERSON, false, "0"},
    {"abcdefghijklmnopqrstuvwxyz012345\r\n", FINGER_PERSON, false,
     "abcdefghijklmnopqrstuvwxyz012345"},
    {"abcdefghijklmnopqrstuvwxyz0123456\r\n", FINGER_NOBODY, false, ""},
    {"/Walice\r\n", FINGER_NOBODY, false, ""},
    {"/X alice\r\n", FINGER_NOBODY, false, ""},
    {"alice bob\r\n", FINGER_NOBODY, false, ""},
    {"al\rice\r\n", FINGER_NOBODY, false, ""},
    {"alice\r\r\n", FINGER_NOBODY, false, ""},
    {"@\r\n", FINGER_ELSEWHERE, false, ""},
    {"/W @host\r\n", FINGER_ELSEWHERE, true, ""},
    {"alice@host\r\n", FINGER_ELSEWHERE, false, ""},
    {"a b@host\r\n", FINGER_ELSEWHERE, false, ""},
};

static void expect_query(const char *bytes, size_t count, size_t i)
{
    struct finger_query query;

    assert_true(finger_query_parse(bytes, count, &query));
    assert_int_equal(query.kind, queries[i].kind);
    assert_int_equal(query.is_long, queries[i].is_long);
    assert_string_equal(query.name, queries[i].name);
}

static void queries_are_what_rfc_1288_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(queries); i++) {
        size_t length = strlen(queries[i].line);
        char more[600];

        expect_query(queries[i].line, length, i);
        memset(more, 'x', sizeof(more)); /* whatever came behind the line */
        memcpy(more, queries[i].line, length);
        expect_query(more, sizeof(more), i);
    }
}

/* E4: only the end of the line makes a query, however the bytes came. */
static void a_query_is_not_there_before_its_last_byte(void **state)
{
    struct finger_query query;

    (void)state;
    for (size_t i = 0; i < COUNT(queries); i++)
        for (size_t count = 0; count < strlen(queries[i].line); count++)
            assert_false(finger_query_parse(queries[i].line, count, &query));
}

static void e1_a_query_has_512_bytes_at_most(void **state)
{
    static char bytes[65536];
    struct finger_query query;

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    assert_false(finger_query_parse(bytes, FINGER_QUERY_MAX - 1, &query));
    assert_true(finger_query_parse(bytes, FINGER_QUERY_MAX, &query));
    assert_int_equal(query.kind, FINGER_ENDLESS);
    bytes[FINGER_QUERY_MAX] = '\n'; /* one byte too late */
    assert_true(finger_query_parse(bytes, sizeof(bytes), &query));
    assert_int_equal(query.kind, FINGER_ENDLESS);
    bytes[FINGER_QUERY_MAX - 1] = '\n';
    assert_true(finger_query_parse(bytes, sizeof(bytes), &query));
    assert_int_equal(query.kind, FINGER_NOBODY);
}

static void e7_a_name_is_no_path_and_no_command(void **state)
{
    static const char *const names[] = {
        "/etc/passwd", "../alice", "..",           ".",           "-l",
        "--help",      "alice;id", "`id`",         "$(id)",       "$HOME",
        "alice|cat",   "'alice'",  "\"alice\"",    "alice\\",     "~alice",
        "*",           "a?",       "alice\x1b[2J", "caf\xc3\xa9", "\xff",
        "alice%n",     "a&b",      "a\x7f",        "a,b",         "a:b",
    };
    char line[64];

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct finger_query query;
        int length = snprintf(line, sizeof(line), "%s\r\n", names[i]);

        assert_true(finger_query_parse(line, (size_t)length, &query));
        assert_int_equal(query.kind, FINGER_NOBODY);
    }
    for (int byte = 0; byte < 256; byte++) { /* every byte, NUL too */
        struct finger_query query;
        bool may = byte != 0 && strchr("_-.", byte) != NULL;

        may = may || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
              (byte >= 'A' && byte <= 'Z');
        if (byte == '\n' || byte == '@')
            continue;
        memcpy(line, "a b\r\n", 5);
        line[1] = (char)byte;
        assert_true(finger_query_parse(line, 5, &query));
        assert_int_equal(query.kind, may ? FINGER_PERSON : FINGER_NOBODY);
    }
}

/* ---- a whole exchange ---------------------------------------------------------- */

static int64_t clock_now, clock_step;

static int64_t test_clock(void)
{
    clock_now += clock_step;
    return clock_now;
}

static const struct usher_host host = { .size = sizeof(host), .clock_ms = test_clock };
static const struct finger_conf least = { .max_uid = UINT32_MAX };
static char heard[65536];

/* Sends a query in parts, one packet each, ends, and reads what comes: into heard. */
static int ask(const struct finger_conf *conf, const char *const *parts,
               const size_t *sizes)
{
    struct usher_instance service = {
        .size = sizeof(service), .host = &host, .name = "finger", .conf = conf};
    struct usher_run run = { .size = sizeof(run), .service = &service };
    size_t count = 0;
    ssize_t part;
    int pair[2], result;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    for (size_t i = 0; parts[i] != NULL; i++)
        if (sizes[i] > 0)
            assert_int_equal(send(pair[0], parts[i], sizes[i], 0), sizes[i]);
    shutdown(pair[0], SHUT_WR);
    run.fd = pair[1];
    result = finger_run(&run);
    close(pair[1]);
    while ((part = recv(pair[0], heard + count, sizeof(heard) - 1 - count, 0)) > 0)
        count += (size_t)part;
    heard[count] = '\0';
    close(pair[0]);
    return result;
}

static int ask_line(const struct finger_conf *conf, const char *line)
{
    const char *parts[] = { line, NULL };
    size_t sizes[] = { strlen(line) };

    return ask(conf, parts, sizes);
}

static void expect(const struct finger_conf *conf, const char *line, const char *want)
{
    assert_int_equal(ask_line(conf, line), 0);
    assert_string_equal(heard, want);
}

/* Never through a link that a failed test left behind. */
static void write_file(const char *name, const void *bytes, size_t count)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", home, name);
    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    assert_true(fd != -1);
    assert_int_equal(write(fd, bytes, count), count);
    close(fd);
}

static void remove_file(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", home, name);
    unlink(path);
}

static void e4_every_split_has_the_same_answer(void **state)
{
    static const char line[] = "/W alice\r\n";
    size_t length = strlen(line);

    (void)state;
    for (size_t second = 0; second <= length; second++)
        for (size_t first = 0; first <= second; first++) {
            const char *parts[] = {line, line + first, line + second, NULL};
            size_t sizes[] = { first, second - first, length - second };

            assert_int_equal(ask(&least, parts, sizes), 0);
            assert_string_equal(heard, "Login: alice\r\n");
        }
}

/* E5: what comes behind the line is no second query. */
static void e5_the_tail_of_a_query_never_acts(void **state)
{
    char line[600];

    (void)state;
    expect(&least, "alice\r\nbob\r\n", "Login: alice\r\n");
    memset(line, 'x', sizeof(line));
    memcpy(line + 512, "\r\nalice\r\n", 10); /* its NUL too */
    expect(&least, line, "The query is too long.\r\n");
}

static void e8_nothing_is_forwarded(void **state)
{
    char line[1100];

    (void)state;
    for (int ats = 1; ats <= 1000; ats += ats < 10 ? 1 : 37) {
        memset(line, '@', (size_t)ats);
        memcpy(line + ats, "\r\n", 3);
        expect(&least, line,
               ats <= 510 ? "Queries are not forwarded.\r\n"
                          : "The query is too long.\r\n");
    }
}

static void e9_guessing_tells_nothing(void **state)
{
    struct finger_conf people = { .min_uid = 1000, .max_uid = 60000 };
    uid_t uid = alice.pw_uid;

    (void)state;
    expect(&least, "\r\n", "Please supply a username\r\n");
    expect(&least, "/W\r\n", "Please supply a username\r\n");
    expect(&least, "0\r\n", "0: no such user.\r\n");
    expect(&least, "al\r\n", "al: no such user.\r\n");
    expect(&least, "Alice\r\n", "Alice: no such user.\r\n");
    expect(&least, "Liddell\r\n", "Liddell: no such user.\r\n");
    expect(&least, ".\r\n", "That is not a user name.\r\n");
    expect(&least, "*\r\n", "That is not a user name.\r\n");
    alice.pw_uid = 999; /* an account of the system looks as one that is not there */
    expect(&people, "alice\r\n", "alice: no such user.\r\n");
    alice.pw_uid = 60001;
    expect(&people, "alice\r\n", "alice: no such user.\r\n");
    alice.pw_uid = 1000;
    expect(&people, "alice\r\n", "Login: alice\r\n");
    alice.pw_uid = uid;
}

static void who_left_a_nofinger_file_is_not_there(void **state)
{
    (void)state;
    write_file(".nofinger", "", 0);
    expect(&least, "alice\r\n", "alice: no such user.\r\n");
    remove_file(".nofinger");
    expect(&least, "alice\r\n", "Login: alice\r\n");
}

static void who_lets_nobody_look_is_not_there(void **state)
{
    char *place = alice.pw_dir;
    char loop[128];

    (void)state;
    snprintf(loop, sizeof(loop), "%s/loop", home); /* root may look anywhere, but not
                                                      behind this */
    assert_int_equal(symlink(loop, loop), 0);
    alice.pw_dir = loop;
    expect(&least, "alice\r\n", "alice: no such user.\r\n");
    remove_file("loop");
    expect(&least, "alice\r\n", "Login: alice\r\n"); /* whoever has no home can be told
                                                        of */
    alice.pw_dir = place;
}

static void e13_a_peer_may_leave_at_every_byte(void **state)
{
    static const char line[] = "/W alice\r\n";

    (void)state;
    for (size_t cut = 0; cut + 1 < strlen(line); cut++) {
        const char *parts[] = { line, NULL };

        assert_int_equal(ask(&least, parts, &cut), -1);
        assert_string_equal(heard, "");
    }
}

static void a_silent_peer_is_left_after_a_while(void **state)
{
    struct usher_instance service = {
        .size = sizeof(service), .host = &host, .name = "finger", .conf = &least};
    struct usher_run run = { .size = sizeof(run), .service = &service };
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(send(pair[0], "ali", 3, 0), 3);
    run.fd = pair[1];
    clock_step = TALK_QUERY_MS - 1; /* so poll() waits for a millisecond */
    assert_int_equal(finger_run(&run), -1);
    clock_step = 0;
    close(pair[0]);
    close(pair[1]);
}

/* ---- what is told -------------------------------------------------------------- */

static const char *const all_words[] = {"name", "shell", "home", "plan", "project"};
static const char *const plan_word[] = {"plan"};
static const struct finger_conf all = {.max_uid = UINT32_MAX, .tell = {5, all_words}};
static const struct finger_conf plan_only = {.max_uid = UINT32_MAX,
                                             .tell = {1, plan_word}};

static void tell_says_what_is_told(void **state)
{
    char want[512];

    (void)state;
    snprintf(want, sizeof(want),
             "Login: alice\r\nName: Alice Liddell\r\nDirectory: %s\r\nShell: /bin/sh\r\n"
             "No plan.\r\n",
             home);
    expect(&all, "alice\r\n", want);
    write_file(".plan", "one\ntwo", 7);
    write_file(".project", "first\nsecond\n", 13);
    snprintf(want, sizeof(want),
             "Login: alice\r\nName: Alice Liddell\r\nDirectory: %s\r\nShell: /bin/sh\r\n"
             "Project: first\r\nPlan:\r\none\r\ntwo\r\n",
             home);
    expect(&all, "alice\r\n", want);
    expect(&least, "alice\r\n", "Login: alice\r\n");
    remove_file(".plan");
    remove_file(".project");
}

static void e10_control_bytes_of_people_are_left_out(void **state)
{
    static const char plan[] = "\x1b]0;evil\x07"
                               "a\tb\r\nna\xc3\xafve\0x\x7f\x80\n";
    char *gecos = alice.pw_gecos;
    char name[] = "Al\x1b[2J\nice\xff,x";

    (void)state;
    write_file(".plan", plan, sizeof(plan) - 1);
    expect(&plan_only, "alice\r\n", "Login: alice\r\nPlan:\r\n]0;evila\tb\r\nna?vex\r\n");
    remove_file(".plan");
    alice.pw_gecos = name;
    assert_int_equal(ask_line(&all, "alice\r\n"), 0);
    assert_non_null(strstr(heard, "\r\nName: Al[2Jice?\r\n"));
    alice.pw_gecos = gecos;
}

static void expect_no_plan(void)
{
    expect(&plan_only, "alice\r\n", "Login: alice\r\nNo plan.\r\n");
    remove_file(".plan");
}

static void e10_only_the_persons_own_regular_file_is_told(void **state)
{
    char path[128];
    uid_t uid = alice.pw_uid;
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/.plan", home);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect(&plan_only, "alice\r\n", "Login: alice\r\nNo plan.\r\n");
    fd = open(path, O_RDWR | O_CLOEXEC); /* one that has something to say */
    assert_int_equal(write(fd, "words\n", 6), 6);
    expect_no_plan();
    close(fd);
    write_file("secret", "words\n", 6);
    assert_int_equal(symlink("secret", path), 0);
    expect_no_plan();
    remove_file("secret");
    assert_int_equal(symlink("/dev/zero", path), 0);
    expect_no_plan();
    assert_int_equal(mkdir(path, 0700), 0);
    expect(&plan_only, "alice\r\n", "Login: alice\r\nNo plan.\r\n");
    rmdir(path);
    write_file(".plan", "not hers\n", 9);
    alice.pw_uid = uid + 1;
    expect_no_plan();
    alice.pw_uid = uid;
    write_file(".plan", "", 0);
    expect_no_plan();
    alice.pw_dir = (char *)(uintptr_t) "relative";
    expect(&plan_only, "alice\r\n", "Login: alice\r\nNo plan.\r\n");
    alice.pw_dir = home;
}

static void e10_a_large_plan_is_cut(void **state)
{
    static char bytes[3 * PERSON_PLAN_MAX];
    char path[128];

    (void)state;
    memset(bytes, 'p', sizeof(bytes));
    write_file(".plan", bytes, sizeof(bytes));
    assert_int_equal(ask_line(&plan_only, "alice\r\n"), 0);
    assert_int_equal(strlen(heard),
                     strlen("Login: alice\r\nPlan:\r\n") + PERSON_PLAN_MAX + 2);
    memset(bytes, '\n', sizeof(bytes)); /* each becomes two */
    write_file(".plan", bytes, sizeof(bytes));
    assert_int_equal(ask_line(&all, "alice\r\n"), 0);
    assert_true(strlen(heard) < ANSWER_MAX && strlen(heard) > 2 * PERSON_PLAN_MAX);
    snprintf(path, sizeof(path), "%s/.plan", home);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(truncate(path, (off_t)1 << 30), 0); /* 1 GiB of nothing */
    expect(&plan_only, "alice\r\n", "Login: alice\r\nPlan:\r\n\r\n");
    remove_file(".plan");
}

static void a_text_that_is_cut_still_has_ends_of_lines(void **state)
{
    char bytes[16];

    (void)state;
    for (size_t room = 2; room <= sizeof(bytes); room++) {
        struct text text = text_in(bytes, room);

        text_add(&text, "0123456789abcdef", 16);
        text_end_line(&text);
        assert_int_equal(text.count, room);
        assert_true(text.is_full);
        assert_memory_equal(bytes + room - 2, "\r\n", 2);
        text_add_lines(&text, "more\n", 5);
        assert_int_equal(text.count, room);
    }
}

/* ---- who is on ----------------------------------------------------------------- */

static void log_in(const char *user, const char *terminal)
{
    struct utmpx entry = { .ut_type = USER_PROCESS, .ut_tv.tv_sec = 1795259280 };
    int fd = open(utmp, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    memcpy(entry.ut_user, user, strnlen(user, sizeof(entry.ut_user)));
    memcpy(entry.ut_line, terminal, strnlen(terminal, sizeof(entry.ut_line)));
    assert_true(fd != -1);
    assert_int_equal(write(fd, &entry, sizeof(entry)), sizeof(entry));
    close(fd);
}

static void who_is_on_is_told_where_the_row_says_so(void **state)
{
    static const char *const names[] = {"name"};
    struct finger_conf list = { .list = true, .max_uid = UINT32_MAX };
    struct finger_conf named = {.list = true, .max_uid = UINT32_MAX, .tell = {1, names}};

    (void)state;
    expect(&list, "\r\n", "No one logged on.\r\n");
    log_in("alice", "pts/0");
    log_in("b\x1b[1mb\nLogin: root", "tty\r1");
    expect(&list, "\r\n", "alice\r\nb[1mbLogin: root\r\n");
    expect(&named, "\r\n", "alice  Alice Liddell\r\nb[1mbLogin: root  \r\n");
    expect(&list, "/W\r\n",
           "alice            pts/0        Nov 21 11:08\r\n"
           "b[1mbLogin: root tty1         Nov 21 11:08\r\n");
    expect(&least, "\r\n", "Please supply a username\r\n");
    write_file(".nofinger", "", 0);
    expect(&list, "\r\n", "b[1mbLogin: root\r\n");
    remove_file(".nofinger");
    list.max_uid = 69999; /* whom a question does not find, the list does not tell of */
    log_in("carol", "pts/1");
    expect(&list, "\r\n", "alice\r\n");
    list.max_uid = UINT32_MAX;
    for (int i = 0; i < 300; i++)
        log_in("abcdefghijklmnopqrstuvwxyz0123456789",
               "0123456789012345678901234567890123456789");
    assert_int_equal(ask_line(&list, "/W\r\n"), 0);
    assert_true(strlen(heard) < ANSWER_MAX);
    assert_string_equal(heard + strlen(heard) - 2, "\r\n");
    unlink(utmp);
}

static void check_says_what_is_wrong(void **state)
{
    static const char *const wrong[] = {"plan", "mail"};
    struct finger_conf conf = {.max_uid = UINT32_MAX, .tell = {2, wrong}};
    char error[128];

    (void)state;
    assert_int_equal(finger_check(&all, error, sizeof(error)), 0);
    assert_int_equal(finger_check(&conf, error, sizeof(error)), -1);
    assert_string_equal(error,
                        "tell: \"mail\" is none of name, shell, home, plan, project");
    conf = (struct finger_conf){ .min_uid = 2, .max_uid = 1 };
    assert_int_equal(finger_check(&conf, error, sizeof(error)), -1);
    assert_string_equal(error, "min_uid: 2 is above max_uid, 1");
}

static int make_home(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    if (mkdtemp(home) == NULL)
        return -1;
    alice.pw_uid = geteuid();
    snprintf(utmp, sizeof(utmp), "%s/utmp", home);
    return utmpxname(utmp);
}

static int remove_home(void **state)
{
    (void)state;
    return rmdir(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_what_rfc_1288_says),
        cmocka_unit_test(a_query_is_not_there_before_its_last_byte),
        cmocka_unit_test(e1_a_query_has_512_bytes_at_most),
        cmocka_unit_test(e7_a_name_is_no_path_and_no_command),
        cmocka_unit_test(e4_every_split_has_the_same_answer),
        cmocka_unit_test(e5_the_tail_of_a_query_never_acts),
        cmocka_unit_test(e8_nothing_is_forwarded),
        cmocka_unit_test(e9_guessing_tells_nothing),
        cmocka_unit_test(who_left_a_nofinger_file_is_not_there),
        cmocka_unit_test(who_lets_nobody_look_is_not_there),
        cmocka_unit_test(e13_a_peer_may_leave_at_every_byte),
        cmocka_unit_test(a_silent_peer_is_left_after_a_while),
        cmocka_unit_test(tell_says_what_is_told),
        cmocka_unit_test(e10_control_bytes_of_people_are_left_out),
        cmocka_unit_test(e10_only_the_persons_own_regular_file_is_told),
        cmocka_unit_test(e10_a_large_plan_is_cut),
        cmocka_unit_test(a_text_that_is_cut_still_has_ends_of_lines),
        cmocka_unit_test(who_is_on_is_told_where_the_row_says_so),
        cmocka_unit_test(check_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, make_home, remove_home);
}
