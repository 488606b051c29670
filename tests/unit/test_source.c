/* The table's bytes: which files are read, which are refused in which words, and the
 * scan. */
#include "conf/source.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/descriptors.h"

#include "base/mem.h"

static char folder[] = "/tmp/usher-source-XXXXXX";

static const char *at(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *out = path[turn++ % 4];

    snprintf(out, sizeof(path[0]), "%s/%s", folder, name);
    return out;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");

    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static void drop(const char *name)
{
    assert_int_equal(remove(at(name)), 0);
}

static int make_folder(void **state)
{
    return mkdtemp(folder) == NULL ? -1 : descriptors_at_start(state);
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* Opens the main file; what it says is compared with folder's path taken away. */
static void refuses_main(bool is_lax, const char *name, const char *want)
{
    struct source source = { .is_lax = is_lax };
    struct mistakes mistakes = { 0 };
    const char *path = at(name), *got;

    assert_int_equal(source_open(&source, path, &mistakes), -1);
    assert_int_equal(mistakes.count, 1);
    got = mistakes.at[0] + strlen(path);
    if (strncmp(got + 2, want, strlen(want)) != 0)
        fail_msg("want: %s\ngot:  %s", want, got + 2);
    mistakes_free(&mistakes);
    source_free(&source);
}

static void e16_everything_but_a_file_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at("dir"), 0755), 0);
    assert_int_equal(mkfifo(at("fifo"), 0644), 0);
    assert_int_equal(symlink(at("fifo"), at("link")), 0);
    assert_int_equal(symlink("loop", at("loop")), 0);
    refuses_main(true, "dir", "is a directory");
    refuses_main(true, "fifo", "is a FIFO");
    refuses_main(true, "link", "is a FIFO");
    refuses_main(true, "loop", "cannot be opened: Too many levels of symbolic links");
    refuses_main(true, "none", "cannot be opened: No such file or directory");
    refuses_main(true, "../../dev/null", "is a device");
    refuses_main(true, "fifo/x", "cannot be opened: Not a directory");
    drop("loop");
    drop("link");
    drop("fifo");
    drop("dir");
}

static void an_unreadable_file_is_refused(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip();
    put("a", "");
    assert_int_equal(chmod(at("a"), 0), 0);
    refuses_main(true, "a", "cannot be opened: Permission denied");
    drop("a");
}

static void a_file_beyond_the_cap_is_refused(void **state)
{
    char *bytes = mem_new(SOURCE_MAX + 2);

    (void)state;
    memset(bytes, '\n', SOURCE_MAX + 1);
    put("large", bytes);
    refuses_main(true, "large", "too large: all files together may have 1048576 bytes");
    bytes[SOURCE_MAX] = '\0';
    put("large", bytes);
    mem_free(&bytes);
    drop("large");
}

static void all_files_together_have_a_cap(void **state)
{
    static const struct {
        size_t main, other;
        bool is_refused;
    } cases[] = {
        { SOURCE_MAX, 0, false },
        { SOURCE_MAX, 1, true },
        { SOURCE_MAX - 7, 7, false },
        { SOURCE_MAX - 7, 8, true },
    };
    char *bytes = mem_new(SOURCE_MAX + 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct source source = { .is_lax = true };
        struct mistakes mistakes = { 0 };

        memset(bytes, '\n', SOURCE_MAX);
        bytes[cases[i].main] = '\0';
        put("main", bytes);
        put("a.conf", bytes + cases[i].main - cases[i].other);
        assert_int_equal(source_open(&source, at("main"), &mistakes), 0);
        assert_int_equal(source_add_dir(&source, folder, &mistakes),
                         cases[i].is_refused ? -1 : 0);
        assert_int_equal(mistakes.count, cases[i].is_refused);
        assert_int_equal(source.file_count, cases[i].is_refused ? 1 : 2);
        mistakes_free(&mistakes);
        source_free(&source);
    }
    mem_free(&bytes);
    drop("a.conf");
    drop("main");
}

/* ---- a folder that cannot be listed, or holds too much --------------------------- */

static int entries = -1; /* that it has; -1: as it is */
static int failure; /* what comes instead of its end */

DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);

DIR *__wrap_fdopendir(int fd)
{
    if (entries != 0 || failure == 0)
        return __real_fdopendir(fd);
    errno = failure;
    return NULL;
}

struct dirent *__wrap_readdir(DIR *dir)
{
    static struct dirent entry;

    if (entries == -1)
        return __real_readdir(dir);
    if (entries == 0) {
        errno = failure;
        return NULL;
    }
    snprintf(entry.d_name, sizeof(entry.d_name), "%d.conf", entries--);
    return &entry;
}

/* The names are made up: each is one mistake more, if it comes to that. */
static void a_folder_is_read_whole_or_refused(void **state)
{
    static const struct {
        int entries, failure;
        size_t mistakes;
        const char *want;
    } cases[] = {
        { 0, 0, 0, NULL },
        { 0, EIO, 1, ": cannot be read: Input/output error" },
        { 1, EIO, 1, ": cannot be read: Input/output error" },
        { 4096, 0, MISTAKES_MAX + 1, "/1.conf: cannot be opened" },
        { 4097, 0, 1, ": has more than 4096 files" },
        { 10000, 0, 1, ": has more than 4096 files" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct source source = { .is_lax = true };
        struct mistakes mistakes = { 0 };

        entries = cases[i].entries;
        failure = cases[i].failure;
        assert_int_equal(source_add_dir(&source, folder, &mistakes),
                         cases[i].mistakes > 0 ? -1 : 0);
        assert_int_equal(mistakes.count, cases[i].mistakes);
        if (cases[i].want != NULL)
            assert_non_null(strstr(mistakes.at[0], cases[i].want));
        mistakes_free(&mistakes);
        source_free(&source);
    }
    entries = -1;
}

static void one_bad_file_is_enough(void **state)
{
    struct source source = { .is_lax = true };
    struct mistakes mistakes = { 0 };

    (void)state;
    put("a.conf", "");
    put("b.conf", "a = 007;");
    put("c.conf", "");
    assert_int_equal(source_add_dir(&source, folder, &mistakes), -1);
    assert_int_equal(mistakes.count, 1);
    assert_int_equal(source.file_count, 3);
    mistakes_free(&mistakes);
    source_free(&source);
    drop("a.conf");
    drop("b.conf");
    drop("c.conf");
}

static void rows_files_are_read_in_byte_order(void **state)
{
    static const char *const names[] = { "b.conf",  "a.conf",     "B.conf",
                                         "a.conf~", "c.conf.bak", ".d.conf",
                                         "README",  ".conf",      "e" };
    struct source source = { .is_lax = true };
    struct mistakes mistakes = { 0 };

    (void)state;
    put("main", "");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        put(names[i], "# rows\n");
    assert_int_equal(source_open(&source, at("main"), &mistakes), 0);
    assert_int_equal(source_add_dir(&source, folder, &mistakes), 0);
    assert_int_equal(source.file_count, 4);
    assert_non_null(strstr(source.files[1].name, "B.conf"));
    assert_non_null(strstr(source.files[2].name, "a.conf"));
    assert_non_null(strstr(source.files[3].name, "b.conf"));
    assert_string_equal(source.files[3].bytes, "# rows\n");
    assert_int_equal(source.files[3].length, 7);
    source_free(&source);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        drop(names[i]);
    drop("main");
}

static void names_are_shown_beside_the_main_file(void **state)
{
    struct source source = { .is_lax = true };
    struct mistakes mistakes = { 0 };

    (void)state;
    put("main", "");
    assert_int_equal(mkdir(at("rows"), 0755), 0);
    put("rows/a.conf", "");
    assert_int_equal(source_open(&source, at("main"), &mistakes), 0);
    assert_int_equal(source_add_dir(&source, at("rows"), &mistakes), 0);
    assert_string_equal(source.files[1].name, "rows/a.conf");
    source_free(&source);
    drop("rows/a.conf");
    drop("rows");
    drop("main");
}

static void a_missing_folder_is_noted_only(void **state)
{
    struct source source = { .is_lax = true };
    struct mistakes mistakes = { 0 };

    (void)state;
    assert_int_equal(source_add_dir(&source, at("none"), &mistakes), 0);
    assert_true(source.is_dir_missing);
    assert_int_equal(mistakes.count, 0);
    source_free(&source);
}

/* ---- as root --------------------------------------------------------------------- */

static void c21_root_reads_what_is_its_own_alone(void **state)
{
    struct source source = { 0 };
    struct mistakes mistakes = { 0 };

    (void)state;
    if (geteuid() != 0)
        skip();
    put("a", "");
    assert_int_equal(symlink(at("a"), at("link")), 0);
    assert_int_equal(source_open(&source, at("a"), &mistakes), 0);
    assert_int_equal(source_open(&source, at("link"), &mistakes), 0);
    assert_int_equal(source_open(&source, at("./..//usher-source-none/../a"), &mistakes),
                     -1);
    mistakes_free(&mistakes);
    source_free(&source);

    assert_int_equal(chmod(at("a"), 0664), 0);
    refuses_main(false, "a", "may be written by others; usherd, run by root");
    assert_int_equal(chmod(at("a"), 0646), 0);
    refuses_main(false, "link", "may be written by others; usherd, run by root");
    assert_int_equal(chmod(at("a"), 0644), 0);
    assert_int_equal(lchown(at("link"), 65534, 65534), 0);
    refuses_main(false, "link", "the link /tmp/usher-source-");
    assert_int_equal(chown(at("a"), 65534, 0), 0);
    refuses_main(false, "a", "does not belong to root; usherd, run by root");
    assert_int_equal(chown(at("a"), 0, 0), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    refuses_main(false, "a", "the folder /tmp/usher-source-");
    assert_int_equal(chmod(folder, 01777), 0);
    refuses_main(false, "a", "the folder /tmp/usher-source-");
    assert_int_equal(chmod(folder, 0700), 0);
    drop("link");
    drop("a");
}

static void root_refuses_rows_in_a_folder_of_others(void **state)
{
    struct source source = { 0 };
    struct mistakes mistakes = { 0 };

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(mkdir(at("rows"), 0700), 0);
    assert_int_equal(chmod(at("rows"), 0770), 0);
    assert_int_equal(source_add_dir(&source, at("rows"), &mistakes), -1);
    assert_int_equal(mistakes.count, 1);
    assert_non_null(strstr(mistakes.at[0], "may be written by others"));
    mistakes_free(&mistakes);
    assert_int_equal(chmod(at("rows"), 0700), 0);
    assert_int_equal(source_add_dir(&source, at("rows"), &mistakes), 0);
    source_free(&source);
    drop("rows");
}

/* ---- the scan -------------------------------------------------------------------- */

static const struct {
    const char *text, *want; /* NULL: nothing is wrong */
} scans[] = {
    { "", NULL },
    { "a = 5; b : 0x10, c = -5 d = +7 e = 0 f = 10L g = 0xFFL", NULL },
    { "a = 1.5; b = -.5; c = 1.e5; d = 1.0e-5", NULL },
    { "a = 2147483647; b = -2147483648; c = 0x7fffffff; d = 0x0000000000001", NULL },
    { "a = \"@include \\\"x\\\" /* 007 # 99999999999\";", NULL },
    { "# @include \"x\" 007\n// 007 \"\n/* 007 \" @include */", NULL },
    { "a = 007", "t:1: a: 007 begins with 0; file modes are texts: write \"007\"" },
    { "a = -01", "t:1: a: -01 begins with 0; file modes are texts: write \"-01\"" },
    { "a = 2147483648", "t:1: a: 2147483648 is outside 32 bits" },
    { "a = 99999999999999999999999999",
      "t:1: a: 99999999999999999999999999 is outside 32 bits" },
    { "a = 4294967296L", "t:1: a: 4294967296L is outside 32 bits" },
    { "a = 0x80000000", "t:1: a: 0x80000000 is outside 32 bits" },
    { "a = 5LLL", "t:1: a: 5LLL is no number; a text needs quotes" },
    { "a = 0x", "t:1: a: 0x is no number; a text needs quotes" },
    { "a = 1.2.3.4\n", "t:1: a: 1.2.3.4 is no number; a text needs quotes" },
    { "a\n=\n\"x\ny\"", "t:3: the text is not closed on its line" },
    { "a = \"x\\", "t:1: the text is not closed on its line" },
    { "a = \"x\\\"\n", "t:1: the text is not closed on its line" },
    { "\n/* x\n\n", "t:2: the comment is not closed" },
    { "/*/", "t:1: the comment is not closed" },
    { "a = \"\\x00\"", "t:1: \\x00 would end the text" },
    { "a = 5;\n  @include \"x\"",
      "t:2: @include is not supported; files of services_dir are "
      "read by themselves" },
    { "a = '5'", "t:1: a character that has no meaning here" },
    { "\xef\xbb\xbf"
      "a = 5",
      "t:1: a byte order mark: save the file as UTF-8 without one" },
    { "a\xc3\xa9 = 5", "t:1: bytes outside ASCII stand in texts and comments only" },
};

static void e16_the_scan_finds_what_libconfig_gets_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scans); i++) {
        char name[] = "t";
        char *bytes = mem_text(scans[i].text);
        struct source_file file = { name, bytes, strlen(bytes), false };
        struct mistakes mistakes = { 0 };
        int result = source_scan(&file, &mistakes);

        if (result != (scans[i].want == NULL ? 0 : -1)
            || (result == -1 && strcmp(mistakes.at[0], scans[i].want) != 0))
            fail_msg("%s\nwant: %s\ngot:  %s", scans[i].text,
                     scans[i].want != NULL ? scans[i].want : "nothing",
                     mistakes.count > 0 ? mistakes.at[0] : "nothing");
        mistakes_free(&mistakes);
        mem_free(&bytes);
    }
}

/* Scans text; is_bad_out: whether it must not be parsed. */
static int scan(const char *text, struct mistakes *mistakes, bool *is_bad_out)
{
    char name[] = "t";
    char *bytes = mem_text(text);
    struct source_file file = { name, bytes, strlen(bytes), false };
    int result = source_scan(&file, mistakes);

    *is_bad_out = file.is_bad;
    mem_free(&bytes);
    return result;
}

#define OPEN16 "[{(([{(([{(([{(("

static void what_stands_too_deep_is_not_parsed(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {
        { OPEN16, true },
        { OPEN16 "[", false },
        { OPEN16 "{", false },
        { OPEN16 "(", false },
        { OPEN16 "] [ } { ) (", true },
        { OPEN16 "] [ } { ) ( (", false },
        { "] } )" OPEN16, true }, /* libconfig says that they close nothing */
        { "] } )" OPEN16 "[", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mistakes mistakes = { 0 };
        bool is_bad;

        assert_int_equal(scan(cases[i].text, &mistakes, &is_bad),
                         cases[i].is_good ? 0 : -1);
        assert_int_equal(is_bad, !cases[i].is_good);
        assert_int_equal(mistakes.count, !cases[i].is_good);
        if (!cases[i].is_good)
            assert_string_equal(mistakes.at[0],
                                "t:1: groups and lists stand more than 16 deep");
        mistakes_free(&mistakes);
    }
}

static void a_file_of_mistakes_is_left_at_the_twentieth(void **state)
{
    char text[21 * 8 + 1] = "";

    (void)state;
    for (unsigned count = 1; count <= 21; count++) {
        struct mistakes mistakes = { 0 };
        bool is_bad;

        snprintf(text + strlen(text), 9, "k%02u=%03u\n", count, count);
        assert_int_equal(scan(text, &mistakes, &is_bad), -1);
        assert_int_equal(mistakes.count, count < 20 ? count : 20);
        assert_int_equal(is_bad, count >= 20);
        mistakes_free(&mistakes);
    }
}

/* want: how much of each is repeated. */
static void long_names_and_numbers_are_shown_in_part(void **state)
{
    static const struct {
        int key, number, shown_key, shown_number;
    } cases[] = {
        { 1, 39, 1, 39 },   { 1, 40, 1, 40 },   { 1, 41, 1, 40 },
        { 62, 12, 62, 12 }, { 63, 12, 63, 12 }, { 64, 12, 63, 12 },
        { 65, 12, 63, 12 }, { 200, 60, 63, 40 },
    };
    char key[256], number[64], text[400], want[300];

    (void)state;
    memset(key, 'k', sizeof(key));
    memset(number, '9', sizeof(number));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mistakes mistakes = { 0 };
        bool is_bad;

        snprintf(text, sizeof(text), "%.*s = %.*s;", cases[i].key, key, cases[i].number,
                 number);
        snprintf(want, sizeof(want), "t:1: %.*s: %.*s is outside 32 bits",
                 cases[i].shown_key, key, cases[i].shown_number, number);
        assert_int_equal(scan(text, &mistakes, &is_bad), -1);
        assert_string_equal(mistakes.at[0], want);
        assert_false(is_bad);
        mistakes_free(&mistakes);
    }
}

static void a_text_may_not_hold_a_nul(void **state)
{
    char name[] = "t", bytes[] = "a = \"x\0y\";";
    struct source_file file = { name, bytes, sizeof(bytes) - 1, false };
    struct mistakes mistakes = { 0 };

    (void)state;
    assert_int_equal(source_scan(&file, &mistakes), -1);
    assert_string_equal(mistakes.at[0], "t:1: a NUL byte in a text");
    assert_int_equal(mistakes.count, 1);
    mistakes_free(&mistakes);
}

static void a_comment_may_not_hide_a_nul(void **state)
{
    char name[] = "t", bytes[] = "a = 5;\n# x\0y\nb = 007;", other[] = "/*\n\0*/ b = 5;";
    struct source_file file = { name, bytes, sizeof(bytes) - 1, false };
    struct mistakes mistakes = { 0 };

    (void)state;
    assert_int_equal(source_scan(&file, &mistakes), -1);
    assert_true(file.is_bad);
    mistakes_free(&mistakes);
    file = (struct source_file){ name, other, sizeof(other) - 1, false };
    assert_int_equal(source_scan(&file, &mistakes), -1);
    assert_true(file.is_bad);
    assert_string_equal(mistakes.at[0], "t:2: a NUL byte");
    mistakes_free(&mistakes);
}

static void mistakes_are_bounded_printable_and_said_once(void **state)
{
    struct mistakes mistakes = { 0 };

    (void)state;
    mistake_add(&mistakes, "t", 5, "a\nb\x1b");
    mistake_add(&mistakes, "t", 5, "a\nb\x1b");
    mistake_add(&mistakes, "t", 0, "c \xc3\xa4");
    mistake_add(&mistakes, NULL, 0, "d \x91");
    assert_int_equal(mistakes.count, 3);
    assert_string_equal(mistakes.at[0], "t:5: a\\x0ab\\x1b");
    assert_string_equal(mistakes.at[1], "t: c \xc3\xa4");
    assert_string_equal(mistakes.at[2], "d \\x91");
    for (unsigned i = 0; i < 2 * MISTAKES_MAX; i++) {
        mistake_add(&mistakes, "t", i, "x");
        mistake_warn(&mistakes, "t", i, "x");
    }
    assert_int_equal(mistakes.count, MISTAKES_MAX + 1);
    assert_int_equal(mistakes.warning_count, MISTAKES_MAX);
    assert_string_equal(mistakes.at[MISTAKES_MAX], "and more mistakes");
    mistakes_free(&mistakes);
    mistakes_free(&mistakes);
}

/* Even where every byte is escaped. */
static void a_long_mistake_is_cut_whole(void **state)
{
    struct mistakes mistakes = { 0 };
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    mistake_add(&mistakes, NULL, 0, "%s", text);
    mistake_add(&mistakes, text + 1000, 5, "%s", text);
    memset(text, '\x1b', sizeof(text) - 1);
    mistake_add(&mistakes, NULL, 0, "%s", text);
    mistake_add(&mistakes, text + 1000, 0, "%s", text);
    assert_int_equal(strlen(mistakes.at[0]), 1023);
    assert_int_equal(strlen(mistakes.at[1]), 1399);
    assert_int_equal(strlen(mistakes.at[2]), 4 * 1023);
    assert_int_equal(strlen(mistakes.at[3]), 4 * 1397 + strlen(": "));
    mistakes_free(&mistakes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e16_everything_but_a_file_is_refused),
        cmocka_unit_test(an_unreadable_file_is_refused),
        cmocka_unit_test(a_file_beyond_the_cap_is_refused),
        cmocka_unit_test(all_files_together_have_a_cap),
        cmocka_unit_test(a_folder_is_read_whole_or_refused),
        cmocka_unit_test(one_bad_file_is_enough),
        cmocka_unit_test(rows_files_are_read_in_byte_order),
        cmocka_unit_test(names_are_shown_beside_the_main_file),
        cmocka_unit_test(a_missing_folder_is_noted_only),
        cmocka_unit_test(c21_root_reads_what_is_its_own_alone),
        cmocka_unit_test(root_refuses_rows_in_a_folder_of_others),
        cmocka_unit_test(e16_the_scan_finds_what_libconfig_gets_wrong),
        cmocka_unit_test(what_stands_too_deep_is_not_parsed),
        cmocka_unit_test(a_file_of_mistakes_is_left_at_the_twentieth),
        cmocka_unit_test(long_names_and_numbers_are_shown_in_part),
        cmocka_unit_test(a_text_may_not_hold_a_nul),
        cmocka_unit_test(a_comment_may_not_hide_a_nul),
        cmocka_unit_test(mistakes_are_bounded_printable_and_said_once),
        cmocka_unit_test(a_long_mistake_is_cut_whole),
        cmocka_unit_test(no_descriptor_is_left),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
