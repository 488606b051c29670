/* The table as it is written: entries with their lines, and a grammar check that
 * libconfig shares. */
#include "conf/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/slow.h"

#include "base/mem.h"
#include "base/str.h"

struct reading {
    struct source_file file;
    struct table table;
    struct mistakes mistakes;
    int result;
};

static char name[] = "t.conf";

static void read_text(struct reading *reading, const char *text, bool is_main)
{
    memset(reading, 0, sizeof(*reading));
    reading->file.name = name;
    reading->file.bytes = mem_text(text);
    reading->file.length = strlen(text);
    reading->result = source_scan(&reading->file, &reading->mistakes);
    if (!reading->file.is_bad
        && table_add(&reading->table, &reading->file, is_main, &reading->mistakes) == -1)
        reading->result = -1;
}

static void done(struct reading *reading)
{
    table_free(&reading->table);
    mistakes_free(&reading->mistakes);
    mem_free(&reading->file.bytes);
}

static const char good[] = "# comment\n"
                           "port_offset = 0x10; // another\n"
                           "log = {\n"
                           "  level = \"in\" \"fo\";\n"
                           "};\n"
                           "bind = [ \"a\",\n"
                           "         \"b\" ];\n"
                           "defaults = { wait = TRUE; };\n"
                           "services: {\n"
                           "  echo: {\n"
                           "    /* a\n"
                           "       comment */\n"
                           "    listen = ( \"x\\x41\\\"\", 5, 1.5,\n"
                           "               [ 1, 2 ], { a = \"b\"; },\n"
                           "      false );\n"
                           "    options = { limits: { deep = -5 } }\n"
                           "  }\n"
                           "}\n";

static void check_entry(const struct table_row *row, const char *key, unsigned line,
                        enum table_kind kind)
{
    const struct table_entry *entry = table_find(row, key);

    assert_non_null(entry);
    assert_int_equal(entry->line, line);
    assert_int_equal(entry->kind, kind);
    assert_string_equal(entry->file, "t.conf");
}

static void check_value(const struct table_row *row, const char *key, size_t item,
                        const struct table_value *want)
{
    const struct table_value *got = &table_find(row, key)->values[item];

    assert_int_equal(got->kind, want->kind);
    assert_int_equal(got->line, want->line);
    if (want->text == NULL)
        assert_null(got->text);
    else
        assert_string_equal(got->text, want->text);
}

#define VALUE(row, key, item, kind, text, line)                                          \
    do {                                                                                 \
        char copy[] = text;                                                              \
        struct table_value want = { kind, copy, line, false };                           \
        check_value(row, key, item, &want);                                              \
    } while (0)

static void keys_and_values_keep_their_lines(void **state)
{
    struct reading got;
    const struct table_row *echo;

    (void)state;
    read_text(&got, good, true);
    assert_int_equal(got.result, 0);
    check_entry(&got.table.globals, "port_offset", 2, TABLE_NUMBER);
    check_entry(&got.table.globals, "log", 3, TABLE_GROUP);
    check_entry(&got.table.globals, "log.level", 4, TABLE_TEXT);
    check_entry(&got.table.globals, "bind", 6, TABLE_LIST);
    check_entry(&got.table.defaults, "wait", 8, TABLE_BOOL);
    VALUE(&got.table.globals, "port_offset", 0, TABLE_NUMBER, "16", 2);
    VALUE(&got.table.globals, "log.level", 0, TABLE_TEXT, "info", 4);
    VALUE(&got.table.globals, "bind", 0, TABLE_TEXT, "a", 6);
    VALUE(&got.table.globals, "bind", 1, TABLE_TEXT, "b", 7);
    VALUE(&got.table.defaults, "wait", 0, TABLE_BOOL, "true", 8);

    assert_int_equal(got.table.row_count, 1);
    echo = &got.table.rows[0];
    assert_string_equal(echo->name, "echo");
    assert_int_equal(echo->line, 10);
    check_entry(echo, "listen", 13, TABLE_LIST);
    assert_int_equal(table_find(echo, "listen")->value_count, 6);
    VALUE(echo, "listen", 0, TABLE_TEXT, "xA\"", 13);
    VALUE(echo, "listen", 1, TABLE_NUMBER, "5", 13);
    VALUE(echo, "listen", 2, TABLE_FRACTION, "1.5", 13);
    assert_int_equal(table_find(echo, "listen")->values[3].kind, TABLE_LIST);
    assert_int_equal(table_find(echo, "listen")->values[4].kind, TABLE_GROUP);
    VALUE(echo, "listen", 5, TABLE_BOOL, "false", 15);
    check_entry(echo, "options.limits", 16, TABLE_GROUP);
    VALUE(echo, "options.limits.deep", 0, TABLE_NUMBER, "-5", 16);
    assert_null(table_find(echo, "nothing"));
    done(&got);
}

static void a_file_of_rows_holds_services_only(void **state)
{
    struct reading got;

    (void)state;
    read_text(&got, "a: { x = 1; }; services: { y = 2; };\n\nb = { };", false);
    assert_int_equal(got.result, 0);
    assert_int_equal(got.table.row_count, 3);
    assert_string_equal(got.table.rows[1].name, "services");
    assert_int_equal(got.table.rows[2].line, 3);
    assert_int_equal(got.table.globals.entry_count, 0);
    done(&got);
}

static void a_name_that_comes_again_names_both_places(void **state)
{
    char first[] = "\na: { };", second[] = "a: { };\nb: { };", other[] = "u.conf";
    struct source_file files[] = { { name, first, sizeof(first) - 1, false },
                                   { other, second, sizeof(second) - 1, false } };
    struct mistakes mistakes = { 0 };
    struct table table = { 0 };

    (void)state;
    assert_int_equal(table_add(&table, &files[0], false, &mistakes), 0);
    assert_int_equal(table_add(&table, &files[1], false, &mistakes), -1);
    assert_int_equal(mistakes.count, 1);
    assert_string_equal(mistakes.at[0],
                        "u.conf:1: a: a service of this name stands in t.conf:2");
    assert_int_equal(table.row_count, 2);
    table_free(&table);
    mistakes_free(&mistakes);
}

/* The scan says what is wrong with a number once; what stands beside it is kept. */
static void a_refused_number_hides_nothing_beside_it(void **state)
{
    struct reading got;
    const struct table_row *row;

    (void)state;
    read_text(&got, "a: { b = 5; c = 0660; d = ( 99999999999L, 5s, \"x\" ); e = 6; };",
              false);
    assert_int_equal(got.result, -1);
    assert_int_equal(got.mistakes.count, 3);
    assert_int_equal(got.table.row_count, 1);
    row = &got.table.rows[0];
    VALUE(row, "b", 0, TABLE_NUMBER, "5", 1);
    VALUE(row, "d", 2, TABLE_TEXT, "x", 1);
    VALUE(row, "e", 0, TABLE_NUMBER, "6", 1);
    assert_false(table_find(row, "b")->values[0].is_refused);
    assert_true(table_find(row, "c")->values[0].is_refused);
    assert_true(table_find(row, "d")->values[0].is_refused);
    assert_true(table_find(row, "d")->values[1].is_refused);
    assert_false(table_find(row, "d")->values[2].is_refused);
    assert_false(table_find(row, "e")->values[0].is_refused);
    done(&got);
}

/* No value can stand in the number's place there, and more words would be about it. */
static void what_cannot_be_mended_is_said_once(void **state)
{
    static const char *const texts[] = { "a = [ 5, 007 ];", "5s = 3;", "a = 5s 5s;",
                                         "a = \"x;\n", "@include \"x\"\na = 5;",
                                         "a = ( 5, 007 5s );", "/* a = 5;" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct reading got;
        size_t said;

        read_text(&got, texts[i], true);
        said = got.mistakes.count;
        assert_int_equal(got.result, -1);
        for (size_t j = 0; j < said; j++)
            assert_null(strstr(got.mistakes.at[j], "syntax error"));
        assert_null(got.table.globals.file);
        done(&got);
    }
}

static void check_count(const char *open, const char *item, unsigned count,
                        const char *want)
{
    size_t room = 16 * (size_t)count + 64, used;
    char *text = mem_new(room);
    struct reading got;

    used = (size_t)snprintf(text, room, "%s", open);
    for (unsigned i = 0; i < count; i++)
        used +=
            (size_t)(item[0] == 'k' ? snprintf(text + used, room - used, " k%u = 1;", i)
                                    : snprintf(text + used, room - used, " %s,", item));
    read_text(&got, text, true);
    assert_int_equal(got.mistakes.count, 1);
    assert_string_equal(got.mistakes.at[0], want);
    done(&got);
    mem_free(&text);
}

/* As many as fit, in a group that is not closed, and one more. */
static void keys_and_items_are_bounded(void **state)
{
    (void)state;
    check_count("g: {", "k", 512, "t.conf:1: syntax error: \"{\" is not closed");
    check_count("g: {", "k", 513, "t.conf:1: more than 512 keys in a group");
    if (is_slow()) /* libconfig lengthens its list item by item */
        return;
    check_count("g = (", "1", 1 << 17, "t.conf:1: syntax error: \"(\" is not closed");
    check_count("g = (", "1", (1 << 17) + 1,
                "t.conf:1: more than 131072 items in a list");
}

static void kinds_have_names(void **state)
{
    (void)state;
    assert_string_equal(table_kind_name(TABLE_TEXT), "a text");
    assert_string_equal(table_kind_name(TABLE_GROUP), "a group");
}

/* ---- what the grammar check lets through, libconfig takes ------------------------ */

static uint32_t random_state = 2463534242u;

static uint32_t random_number(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

/* Our own words say where a file is wrong; libconfig's would stand alone. */
static void check_agreement(const char *text)
{
    static const char *const theirs[] = { ": syntax error", ": duplicate setting name",
                                          ": mismatched element type in array" };
    struct reading got;

    read_text(&got, text, random_number(2) == 0);
    assert_int_equal(got.result == -1, got.mistakes.count > 0);
    for (size_t i = 0; i < got.mistakes.count; i++)
        for (size_t j = 0; j < ARRAY_LEN(theirs); j++) {
            size_t length = strlen(got.mistakes.at[i]), tail = strlen(theirs[j]);

            if (length >= tail
                && strcmp(got.mistakes.at[i] + length - tail, theirs[j]) == 0)
                fail_msg("%s\nlibconfig alone says: %s", text, got.mistakes.at[i]);
        }
    done(&got);
}

static void every_changed_byte_is_taken_or_refused(void **state)
{
    static const char bytes[] = "\"{}[]()=:;,#/*\\ \n@0a-.";
    char text[sizeof(good)];

    (void)state;
    for (size_t i = 0; i < sizeof(good) - 1; i++) {
        for (size_t j = 0; j < sizeof(bytes) - 1; j++) {
            memcpy(text, good, sizeof(good));
            text[i] = bytes[j];
            check_agreement(text);
        }
        memcpy(text, good, i);
        memcpy(text + i, good + i + 1, sizeof(good) - i - 1);
        check_agreement(text);
        text[i] = '\0';
        check_agreement(text);
    }
}

static void every_row_of_words_is_taken_or_refused(void **state)
{
    static const char *const words[] = {
        "a",   "b",     "c",        "=",    "=",     "=",  ":",     ";",     ";",    ",",
        "{",   "}",     "[",        "]",    "(",     ")",  "5",     "-5",    "0x1F", "5L",
        "1.5", "\"x\"", "\"y\\n\"", "true", "False", "\n", "# z\n", "/* */", "a*-_",
        "007", "5s",    "99999999999",
    };

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[512];
        struct str out;

        str_init(&out, text, sizeof(text));
        for (uint32_t i = 0, count = 1 + random_number(24); i < count; i++)
            str_add(&out, "%s ", words[random_number((uint32_t)ARRAY_LEN(words))]);
        check_agreement(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_values_keep_their_lines),
        cmocka_unit_test(a_file_of_rows_holds_services_only),
        cmocka_unit_test(a_name_that_comes_again_names_both_places),
        cmocka_unit_test(a_refused_number_hides_nothing_beside_it),
        cmocka_unit_test(what_cannot_be_mended_is_said_once),
        cmocka_unit_test(keys_and_items_are_bounded),
        cmocka_unit_test(kinds_have_names),
        cmocka_unit_test(every_changed_byte_is_taken_or_refused),
        cmocka_unit_test(every_row_of_words_is_taken_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
