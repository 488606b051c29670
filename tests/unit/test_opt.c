/* Option tables: every type read, refused in which words, printed, and read again. */
#include "base/opt.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/mem.h"

#define MANY 300 /* choices that no message can hold */

struct conf {
    bool flag;
    unsigned port, any;
    int nice;
    uint64_t size;
    int64_t pause;
    const char *name, *unset;
    int way;
    struct usher_list items;
    struct usher_address target;
    unsigned mode;
};

static const struct usher_option table[] = {
    USHER_OPTION_BOOL(struct conf, flag, "true", "A flag."),
    USHER_OPTION_UINT(struct conf, port, "7", 1, 65535, NULL, "A port."),
    USHER_OPTION_UINT(struct conf, any, NULL, 0, INT64_MAX, NULL, "As large as it gets."),
    USHER_OPTION_INT(struct conf, nice, "0", -20, 19, NULL, "Politeness."),
    USHER_OPTION_SIZE(struct conf, size, "64k", 512, 1 << 30, "A size."),
    USHER_OPTION_DURATION(struct conf, pause, "30s", 100, 7200000, "A pause."),
    USHER_OPTION_TEXT(struct conf, name, "usher", 1, 8, "A name."),
    USHER_OPTION_TEXT(struct conf, unset, NULL, 0, 1000, "A text without a default."),
    USHER_OPTION_ENUM(struct conf, way, "two", "one|two|three", "A choice."),
    USHER_OPTION_LIST(struct conf, items, "127.0.0.1, ::1", 1, 4, "A list."),
    USHER_OPTION_ADDRESS(struct conf, target, NULL, "An address."),
    {"mode", USHER_TYPE_MODE, offsetof(struct conf, mode), "0660", 0, 0777, NULL, NULL,
     "A mode."},
    USHER_OPTION_END,
};

static const struct usher_option *row_of(const char *key)
{
    const struct usher_option *row = opt_find(table, key);

    assert_non_null(row);
    return row;
}

static void preset(struct conf *conf)
{
    struct err err = ERR_EMPTY;

    memset(conf, 0, sizeof *conf);
    if (opt_preset(table, conf, &err) == -1)
        fail_msg("%s", err.text);
}

static void rows_are_found_by_key(void **state)
{
    (void)state;
    assert_ptr_equal(opt_find(table, "flag"), &table[0]);
    assert_ptr_equal(opt_find(table, "mode"), &table[ARRAY_LEN(table) - 2]);
    assert_null(opt_find(table, "Mode"));
    assert_null(opt_find(table, ""));
    assert_string_equal(opt_nearest(table, "prot"), "port");
    assert_string_equal(opt_nearest(table, "itens"), "items");
    assert_null(opt_nearest(table, "completely"));
    assert_null(opt_nearest(&table[ARRAY_LEN(table) - 1], "port"));
}

static void presets_fill_every_field(void **state)
{
    struct conf conf;

    (void)state;
    preset(&conf);
    assert_true(conf.flag);
    assert_int_equal(conf.port, 7);
    assert_int_equal(conf.any, 0);
    assert_int_equal(conf.nice, 0);
    assert_true(conf.size == 65536);
    assert_true(conf.pause == 30000);
    assert_string_equal(conf.name, "usher");
    assert_null(conf.unset);
    assert_int_equal(conf.way, 1);
    assert_int_equal(conf.items.count, 2);
    assert_string_equal(conf.items.at[0], "127.0.0.1");
    assert_string_equal(conf.items.at[1], "::1");
    assert_int_equal(conf.target.length, 0);
    assert_int_equal(conf.mode, 0660);
    for (const struct usher_option *row = table; row->key != NULL; row++)
        assert_true(opt_is_preset(row, &conf));
    opt_free(table, &conf);
    assert_null(conf.name);
    assert_int_equal(conf.items.count, 0);
    assert_null(conf.items.at);
    opt_free(table, &conf);
}

/* Where a row has no bound of its own, the largest number is not a stand-in for larger
 * ones. */
static void a_duration_beyond_all_numbers_is_refused(void **state)
{
    static const struct usher_option row =
        USHER_OPTION_DURATION(struct conf, pause, NULL, 0, INT64_MAX, "Any pause.");
    struct conf conf = { .pause = 5 };
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(opt_set(&row, &conf, "9223372036854775807ms", &err), 0);
    assert_true(conf.pause == INT64_MAX);
    assert_int_equal(opt_set(&row, &conf, "77777777777777777772h", &err), -1);
    assert_non_null(strstr(err.text, "77777777777777777772h is above"));
}

/* What goes in, what comes out of it: the same again, read once more. */
static void good_values_are_read_and_printed(void **state)
{
    static const struct {
        const char *key, *text, *want;
    } cases[] = {
        {"flag", "true", "true"},
        {"flag", "false", "false"},
        {"port", "1", "1"},
        {"port", "65535", "65535"},
        {"any", "4294967295", "4294967295"},
        {"nice", "-20", "-20"},
        {"nice", "19", "19"},
        {"nice", "0", "0"},
        {"size", "512", "512"},
        {"size", "1024", "1k"},
        {"size", "1G", "1G"},
        {"size", "none", "none"},
        {"size", "unlimited", "unlimited"},
        {"pause", "100ms", "100ms"},
        {"pause", "1000ms", "1s"},
        {"pause", "120m", "2h"},
        {"pause", "none", "none"},
        {"name", "x", "x"},
        {"name", "12345678", "12345678"},
        {"name", "a b\n\\", "a b\n\\"},
        {"unset", "", ""},
        {"way", "one", "one"},
        {"way", "three", "three"},
        {"target", "127.0.0.1:7", "127.0.0.1:7"},
        {"target", "[::ffff:127.0.0.1]:7", "127.0.0.1:7"},
        {"target", "[2001:DB8::1]:65535", "[2001:db8::1]:65535"},
        {"mode", "0", "0000"},
        {"mode", "022", "0022"},
        {"mode", "0777", "0777"},
    };
    struct conf conf;

    (void)state;
    preset(&conf);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct usher_option *row = row_of(cases[i].key);
        struct err err = ERR_EMPTY;
        char out[ADDR_TEXT];

        if (opt_set(row, &conf, cases[i].text, &err) == -1)
            fail_msg("%s: %s", cases[i].key, err.text);
        assert_string_equal(opt_text(row, &conf, 0, out, sizeof out), cases[i].want);
        assert_int_equal(opt_set(row, &conf, cases[i].want, &err), 0);
        assert_string_equal(opt_text(row, &conf, 0, out, sizeof out), cases[i].want);
    }
    opt_free(table, &conf);
}

static void e18_bad_values_are_refused_in_these_words(void **state)
{
    static const struct {
        const char *key, *text, *want;
    } cases[] = {
        {"flag", "yes", "\"yes\" is neither true nor false"},
        {"port", "70000", "70000 is above 65535"},
        {"port", "0", "0 is below 1"},
        {"port", "-1", "-1 is below 1"},
        {"port", "4294967303", "4294967303 is above 65535"},
        {"port", "18446744073709551623", "18446744073709551623 is above 65535"},
        {"port", "-18446744073709551609", "-18446744073709551609 is below 1"},
        {"port", "x", "\"x\" is not a number"},
        {"port", "", "\"\" is not a number"},
        {"port", "007", "\"007\" is not a number"},
        {"port", "0x7", "\"0x7\" is not a number"},
        {"port", "7\n", "\"7\\x0a\" is not a number"},
        {"any", "4294967296", "4294967296 is above 4294967295"},
        {"any", "-1", "-1 is below 0"},
        {"nice", "20", "20 is above 19"},
        {"nice", "-21", "-21 is below -20"},
        {"nice", "4294967295", "4294967295 is above 19"},
        {"size", "511", "511 is below 512"},
        {"size", "2G", "2G is above 1G"},
        {"size", "18446744073709551615", "18446744073709551615 is above 1G"},
        {"size", "18446744073709551616", "18446744073709551616 is above 1G"},
        {"size", "17179869184000000G", "17179869184000000G is above 1G"},
        {"size", "1K", "\"1K\" is not a size (512, 64k, 1M, 2G, none, unlimited)"},
        {"size", "-1", "\"-1\" is not a size (512, 64k, 1M, 2G, none, unlimited)"},
        {"pause", "30", "30: a duration needs a unit (ms, s, m, h)"},
        {"pause", "0", "0: a duration needs a unit (ms, s, m, h)"},
        {"pause", "5h", "5h is above 2h"},
        {"pause", "50ms", "50ms is below 100ms"},
        {"pause", "9223372036854775808ms", "9223372036854775808ms is above 2h"},
        {"pause", "1 s", "\"1 s\" is not a duration (500ms, 30s, 5m, 2h, none)"},
        {"pause", "-1s", "\"-1s\" is not a duration (500ms, 30s, 5m, 2h, none)"},
        {"pause", "never", "\"never\" is not a duration (500ms, 30s, 5m, 2h, none)"},
        {"name", "", "may not be empty"},
        {"name", "123456789", "9 bytes are above 8"},
        {"way", "x", "\"x\" is not one of: one, two, three"},
        {"way", "", "\"\" is not one of: one, two, three"},
        {"way", "one|two", "\"one|two\" is not one of: one, two, three"},
        {"way", "ones", "\"ones\" is not one of: one, two, three"},
        {"target", "localhost:7", "\"localhost\" is not an address"},
        {"target", "127.0.0.1", "\"127.0.0.1\" is not ADDRESS:PORT"},
        {"mode", "660", "\"660\" is not a mode (0660)"},
        {"mode", "01777", "01777 is above 0777"},
    };
    struct conf conf;

    (void)state;
    preset(&conf);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_EMPTY;

        assert_int_equal(opt_set(row_of(cases[i].key), &conf, cases[i].text, &err), -1);
        assert_string_equal(err.text, cases[i].want);
        assert_true(opt_is_preset(row_of(cases[i].key), &conf)); /* it stays as it was */
    }
    opt_free(table, &conf);
}

static void other_rows_have_other_bounds(void **state)
{
#define ROW(type, min, max)                                                              \
    {                                                                                    \
        "k", type, 0, NULL, min, max, NULL, NULL, ""                                     \
    }
    static const struct {
        struct usher_option row;
        const char *text, *want; /* want NULL: good */
    } cases[] = {
        {ROW(USHER_TYPE_TEXT, 3, 5), "ab", "2 bytes are below 3"},
        {ROW(USHER_TYPE_TEXT, 3, 5), "abc", NULL},
        {ROW(USHER_TYPE_MODE, 0, 0), "07777", NULL},
        {ROW(USHER_TYPE_MODE, 0600, 0777), "0400", "0400 is below 0600"},
        {ROW(USHER_TYPE_INT, INT64_MIN, INT64_MAX), "2147483648",
         "2147483648 is above 2147483647"},
        {ROW(USHER_TYPE_INT, INT64_MIN, INT64_MAX), "-2147483649",
         "-2147483649 is below -2147483648"},
        {ROW(USHER_TYPE_INT, INT64_MIN, INT64_MAX), "-2147483648", NULL},
        {ROW(USHER_TYPE_UINT, -5, 9), "-1", "-1 is below 0"},
        {ROW(USHER_TYPE_ENUM, 0, 0), "x", "\"x\" is not one of: "},
        {ROW(USHER_TYPE_LIST, 0, 0), "x", "more than 0 items"},
        {ROW((enum usher_type)77, 0, 0), "x", "an option of unknown type 77"},
    };
#undef ROW

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_list room = { 0, NULL }; /* large and aligned enough for each */
        struct err err = ERR_EMPTY;
        int result = opt_set(&cases[i].row, &room, cases[i].text, &err);

        assert_int_equal(result, cases[i].want == NULL ? 0 : -1);
        assert_string_equal(err.text, cases[i].want == NULL ? "" : cases[i].want);
        opt_clear(&cases[i].row, &room);
    }
}

static void long_values_and_many_choices_are_cut_in_messages(void **state)
{
    char choices[8 * MANY] = "c0", text[1000];
    struct usher_option row = {"e", USHER_TYPE_ENUM, 0, NULL, 0, 0, NULL, choices, ""};
    struct err err = ERR_EMPTY;
    int way = 0;

    (void)state;
    for (int i = 1; i < MANY; i++)
        snprintf(choices + strlen(choices), sizeof choices - strlen(choices), "|c%d", i);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(opt_set(&row, &way, text, &err), -1);
    assert_int_equal(strlen(err.text), ERR_TEXT - 1);
    assert_non_null(strstr(err.text, "xxx...\" is not one of: c0, c1, c2, "));
    assert_int_equal(opt_set(&row, &way, "c299", &err), 0);
    assert_int_equal(way, 299);
}

static void lists_grow_item_by_item(void **state)
{
    const struct usher_option *row = row_of("items");
    struct err err = ERR_EMPTY;
    struct conf conf;
    char out[ADDR_TEXT];

    (void)state;
    preset(&conf);
    opt_clear(row, &conf);
    assert_int_equal(conf.items.count, 0);
    assert_null(opt_text(row, &conf, 0, out, sizeof out));
    assert_int_equal(opt_check(row, &conf, &err), -1);
    assert_string_equal(err.text, "0 items are below 1");
    assert_int_equal(opt_set(row, &conf, "a", &err), 0);
    assert_int_equal(opt_check(row, &conf, &err), 0);
    assert_int_equal(opt_set(row, &conf, "", &err), 0);
    assert_int_equal(opt_set(row, &conf, "c, d", &err), 0);
    assert_int_equal(opt_set(row, &conf, conf.items.at[0], &err), 0);
    assert_string_equal(opt_text(row, &conf, 0, out, sizeof out), "a");
    assert_string_equal(opt_text(row, &conf, 1, out, sizeof out), "");
    assert_string_equal(opt_text(row, &conf, 2, out, sizeof out), "c, d");
    assert_string_equal(opt_text(row, &conf, 3, out, sizeof out), "a");
    assert_null(opt_text(row, &conf, 4, out, sizeof out));
    assert_int_equal(opt_set(row, &conf, "e", &err), -1);
    assert_string_equal(err.text, "more than 4 items");
    assert_int_equal(conf.items.count, 4);
    assert_int_equal(opt_check(row_of("port"), &conf, &err), 0);
    opt_free(table, &conf);
}

static void a_text_may_be_set_to_itself(void **state)
{
    struct err err = ERR_EMPTY;
    struct conf conf;

    (void)state;
    preset(&conf);
    assert_int_equal(opt_set(row_of("name"), &conf, conf.name, &err), 0);
    assert_string_equal(conf.name, "usher");
    assert_int_equal(opt_set(row_of("name"), &conf, conf.name + 2, &err), 0);
    assert_string_equal(conf.name, "her");
    opt_free(table, &conf);
}

static void list_presets_have_commas(void **state)
{
    static const struct {
        const char *preset, *items[4];
    } cases[] = {
        {"", {NULL}},        {"  ", {NULL}},          {"a", {"a"}},
        {"a,b", {"a", "b"}}, {" a , b ", {"a", "b"}}, {"a,,b", {"a", "", "b"}},
        {"a b", {"a b"}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_option rows[] = {
            {"l", USHER_TYPE_LIST, 0, cases[i].preset, 0, 9, NULL, NULL, ""},
            USHER_OPTION_END,
        };
        struct usher_list list = { 0, NULL };
        size_t count = 0;

        assert_int_equal(opt_preset(rows, &list, NULL), 0);
        for (; cases[i].items[count] != NULL; count++)
            assert_string_equal(list.at[count], cases[i].items[count]);
        assert_int_equal(list.count, count);
        assert_true(opt_is_preset(rows, &list));
        opt_free(rows, &list);
    }
}

static void presets_that_break_their_row_are_refused(void **state)
{
    static char long_item[2000];
    static const struct {
        struct usher_option row;
        const char *want;
    } cases[] = {
        {{"port", USHER_TYPE_UINT, 0, "70000", 1, 65535, NULL, NULL, ""},
         "the default of port: 70000 is above 65535"},
        {{"way", USHER_TYPE_ENUM, 0, "x", 0, 0, NULL, "a|b", ""},
         "the default of way: \"x\" is not one of: a, b"},
        {{"l", USHER_TYPE_LIST, 0, "a,b,c", 0, 2, NULL, NULL, ""},
         "the default of l: more than 2 items"},
        {{"l", USHER_TYPE_LIST, 0, long_item, 0, 2, NULL, NULL, ""},
         "the default of l: an item of 1999 bytes is above 1023"},
        {{"odd", (enum usher_type)77, 0, NULL, 0, 0, NULL, NULL, ""},
         "the default of odd: an option of unknown type 77"},
    };

    (void)state;
    memset(long_item, 'x', sizeof long_item - 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct usher_option rows[] = { cases[i].row, USHER_OPTION_END };
        struct usher_list room = { 0, NULL };
        struct err err = ERR_EMPTY;

        assert_int_equal(opt_preset(rows, &room, &err), -1);
        assert_string_equal(err.text, cases[i].want);
        assert_false(opt_is_preset(rows, &room) && cases[i].row.preset != NULL);
        opt_free(rows, &room);
    }
}

static void unset_fields_have_no_text(void **state)
{
    static const char *const keys[] = {"any", "unset", "target"};
    static const char *const values[] = {"5", "x", "[::1]:7"};
    struct err err = ERR_EMPTY;
    struct conf conf;
    char out[ADDR_TEXT];

    (void)state;
    preset(&conf);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct usher_option *row = row_of(keys[i]);

        assert_null(opt_text(row, &conf, 0, out, sizeof out));
        assert_int_equal(opt_set(row, &conf, values[i], &err), 0);
        assert_string_equal(opt_text(row, &conf, 0, out, sizeof out), values[i]);
        assert_false(opt_is_preset(row, &conf));
        opt_clear(row, &conf);
        assert_null(opt_text(row, &conf, 0, out, sizeof out));
        assert_true(opt_is_preset(row, &conf));
    }
    opt_free(table, &conf);
}

static void odd_fields_and_rows_have_no_text(void **state)
{
    const struct usher_option *way = row_of("way");
    struct usher_option odd = {"odd", (enum usher_type)77, 0, "x", 0, 0, NULL, NULL, ""};
    struct conf conf;
    char out[ADDR_TEXT];

    (void)state;
    preset(&conf);
    conf.way = 3;
    assert_null(opt_text(way, &conf, 0, out, sizeof out));
    conf.way = -1;
    assert_null(opt_text(way, &conf, 0, out, sizeof out));
    assert_null(opt_text(&odd, &conf, 0, out, sizeof out));
    assert_false(opt_is_preset(&odd, &conf));
    opt_clear(&odd, &conf);
    assert_true(conf.flag);
    opt_free(table, &conf);
}

static void changed_fields_are_not_preset(void **state)
{
    static const struct {
        const char *key, *text;
    } cases[] = {
        {"flag", "false"}, {"port", "8"},    {"nice", "1"}, {"size", "65537"},
        {"pause", "31s"},  {"name", "x"},    {"unset", ""}, {"way", "one"},
        {"items", "x"},    {"mode", "0600"}, {"any", "1"},  {"target", "[::1]:1"},
    };
    struct conf conf;

    (void)state;
    preset(&conf);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct usher_option *row = row_of(cases[i].key);

        assert_int_equal(opt_set(row, &conf, cases[i].text, NULL), 0);
        assert_false(opt_is_preset(row, &conf));
    }
    opt_clear(row_of("items"), &conf);
    opt_set(row_of("items"), &conf, "127.0.0.1", NULL);
    opt_set(row_of("items"), &conf, "::2", NULL);
    assert_false(opt_is_preset(row_of("items"), &conf));
    opt_free(table, &conf);
}

static void types_have_names(void **state)
{
    static const struct {
        enum usher_type type;
        const char *want;
    } cases[] = {
        {USHER_TYPE_BOOL, "boolean"},      {USHER_TYPE_UINT, "number"},
        {USHER_TYPE_INT, "number"},        {USHER_TYPE_SIZE, "size"},
        {USHER_TYPE_DURATION, "duration"}, {USHER_TYPE_TEXT, "text"},
        {USHER_TYPE_ENUM, "choice"},       {USHER_TYPE_LIST, "list"},
        {USHER_TYPE_ADDRESS, "address"},   {USHER_TYPE_MODE, "mode"},
        {(enum usher_type)77, "unknown"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(opt_type_name(cases[i].type), cases[i].want);
}

/* ---- properties -----------------------------------------------------------------------
 */

static uint32_t random_state = 19937;

static uint32_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* A text that has a chance: letters of numbers, units and choices, and any bytes for
 * texts. */
static void random_text(char *out, size_t room)
{
    static const char letters[] = "0123456789012345kMGmshonetwr-[]:.";
    size_t length = random_number() % room;

    for (size_t i = 0; i < length; i++)
        out[i] = random_number() % 8 == 0
                     ? (char)(1 + random_number() % 255)
                     : letters[random_number() % (sizeof letters - 1)];
    out[length] = '\0';
}

static void copy_by_text(const struct conf *from, struct conf *to)
{
    memset(to, 0, sizeof *to);
    for (const struct usher_option *row = table; row->key != NULL; row++) {
        const char *text;
        char out[ADDR_TEXT];

        for (size_t item = 0; (text = opt_text(row, from, item, out, sizeof out)) != NULL;
             item++) {
            struct err err = ERR_EMPTY;

            if (opt_set(row, to, text, &err) == -1)
                fail_msg("%s: %s", row->key, err.text);
            if (row->type != USHER_TYPE_LIST)
                break;
        }
    }
}

static void assert_same(const struct conf *a, const struct conf *b)
{
    for (const struct usher_option *row = table; row->key != NULL; row++)
        for (size_t item = 0; item < 5; item++) {
            char out_a[ADDR_TEXT], out_b[ADDR_TEXT];
            const char *text_a = opt_text(row, a, item, out_a, sizeof out_a);
            const char *text_b = opt_text(row, b, item, out_b, sizeof out_b);

            if (text_a == NULL || text_b == NULL)
                assert_ptr_equal(text_a, text_b);
            else
                assert_string_equal(text_a, text_b);
        }
    assert_true(a->size == b->size && a->pause == b->pause && a->port == b->port);
    assert_true(a->any == b->any && a->nice == b->nice && a->way == b->way);
    assert_true(a->flag == b->flag && a->mode == b->mode);
    assert_true(addr_equal(&a->target, &b->target));
}

static void a_struct_survives_the_way_through_texts(void **state)
{
    static const char *const good[][2] = {
        {"flag", "false"}, {"port", "4711"},      {"any", "0"},
        {"size", "none"},  {"size", "unlimited"}, {"pause", "none"},
        {"way", "three"},  {"target", "[::1]:5"}, {"target", "1.2.3.4:0"},
        {"mode", "0"},     {"nice", "-20"},
    };
    int accepted = 0;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct conf conf, copy;

        preset(&conf);
        opt_clear(row_of("items"), &conf);
        for (int i = 0; i < 12; i++) {
            const struct usher_option *row =
                &table[random_number() % (ARRAY_LEN(table) - 1)];
            char text[12];

            random_text(text, sizeof text);
            accepted += opt_set(row, &conf, text, NULL) == 0;
        }
        if (round % 2 == 0) {
            const char *const *pair = good[random_number() % ARRAY_LEN(good)];

            assert_int_equal(opt_set(row_of(pair[0]), &conf, pair[1], NULL), 0);
        }
        copy_by_text(&conf, &copy);
        assert_same(&conf, &copy);
        opt_free(table, &conf);
        opt_free(table, &copy);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_by_key),
        cmocka_unit_test(presets_fill_every_field),
        cmocka_unit_test(a_duration_beyond_all_numbers_is_refused),
        cmocka_unit_test(good_values_are_read_and_printed),
        cmocka_unit_test(e18_bad_values_are_refused_in_these_words),
        cmocka_unit_test(other_rows_have_other_bounds),
        cmocka_unit_test(long_values_and_many_choices_are_cut_in_messages),
        cmocka_unit_test(lists_grow_item_by_item),
        cmocka_unit_test(a_text_may_be_set_to_itself),
        cmocka_unit_test(list_presets_have_commas),
        cmocka_unit_test(presets_that_break_their_row_are_refused),
        cmocka_unit_test(unset_fields_have_no_text),
        cmocka_unit_test(odd_fields_and_rows_have_no_text),
        cmocka_unit_test(changed_fields_are_not_preset),
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(a_struct_survives_the_way_through_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
