#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/opt.h"
#include "wire/descriptor.h"

struct all_conf {
    bool loud;
    unsigned count;
    uint64_t room;
    int64_t pause;
    const char *text;
    int kind;
    struct usher_list names;
    struct usher_address to;
    int level;
    unsigned mode;
};

static const struct usher_option all_options[] = {
    USHER_OPTION_BOOL(struct all_conf, loud, "true", "Loud, or not."),
    USHER_OPTION_UINT(struct all_conf, count, "7", 1, 4294967295, "things", "How many."),
    USHER_OPTION_SIZE(struct all_conf, room, "64k", 1, 1048576, "Room, with \\ and \"."),
    USHER_OPTION_DURATION(struct all_conf, pause, "none", -1, 60000, "Wait."),
    USHER_OPTION_TEXT(struct all_conf, text, "a, b\x01\xff = c", 0, 20,
                      "Some text, commas."),
    USHER_OPTION_ENUM(struct all_conf, kind, "two", "one|two|three", "Which."),
    USHER_OPTION_LIST(struct all_conf, names, NULL, 0, 9, "Names."),
    USHER_OPTION_ADDRESS(struct all_conf, to, "127.0.0.1:7", "Where to."),
    USHER_OPTION_INT(struct all_conf, level, "-3", -5, 5, NULL, ""),
    {"mode", USHER_TYPE_MODE, offsetof(struct all_conf, mode), "0660", 0, 4095, NULL,
     NULL, "A mode."},
    USHER_OPTION_END};

static size_t use_all(struct usher_conn *conn, const void *bytes, size_t count)
{
    (void)conn;
    (void)bytes;
    return count;
}

static const struct usher_service all = {
    USHER_SERVICE_HEADER,
    .name = "all-1",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .needs = USHER_NEEDS_FILES,
    .sentence = "Has every type, and a space.",
    .options = all_options,
    .conf_size = sizeof(struct all_conf),
    .data = use_all,
};

static void parse_line(const char *line, struct record *record)
{
    struct err err = ERR_EMPTY;

    if (record_parse(record, line, strcspn(line, "\n"), &err) == -1)
        fail_msg("%s: %s", line, err.text);
}

static int parse(const char *line, struct descriptor *out, struct err *err)
{
    struct record record;
    int result;

    parse_line(line, &record);
    result = descriptor_parse(out, &record, err);
    record_free(&record);
    return result;
}

static void assert_same_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        assert_ptr_equal(a, b);
    else
        assert_string_equal(a, b);
}

static void comes_back_as_it_was(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct descriptor got;
    struct err err = ERR_EMPTY;

    (void)state;
    descriptor_print(&out, &all, "/usr/lib/usher/all-1.so");
    assert_int_equal(parse(out.bytes, &got, &err), 0);
    assert_string_equal(got.name, all.name);
    assert_string_equal(got.path, "/usr/lib/usher/all-1.so");
    assert_string_equal(got.sentence, all.sentence);
    assert_int_equal(got.shapes, all.shapes);
    assert_int_equal(got.needs, all.needs);
    assert_true(got.has_callbacks);
    assert_false(got.has_run);
    for (size_t i = 0; i < ARRAY_LEN(all_options); i++) {
        const struct usher_option *is = &got.options[i], *was = &all_options[i];

        assert_same_text(is->key, was->key);
        assert_int_equal(is->type, was->type);
        assert_true(is->min == was->min && is->max == was->max);
        assert_same_text(is->preset, was->preset);
        assert_same_text(is->unit, was->unit);
        assert_same_text(is->choices, was->choices);
        assert_same_text(is->help, was->help);
    }
    record_out_free(&out);
    descriptor_free(&got);
}

static void a_struct_of_its_own_can_be_filled(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct descriptor got;
    struct err err = ERR_EMPTY;
    char text[64];
    void *conf;

    (void)state;
    descriptor_print(&out, &all, "built-in");
    assert_int_equal(parse(out.bytes, &got, &err), 0);
    conf = mem_new(descriptor_conf_size(&got));
    assert_int_equal(opt_preset(got.options, conf, &err), 0);
    assert_int_equal(opt_set(opt_find(got.options, "count"), conf, "9", &err), 0);
    assert_string_equal(
        opt_text(opt_find(got.options, "count"), conf, 0, text, sizeof(text)), "9");
    assert_string_equal(
        opt_text(opt_find(got.options, "kind"), conf, 0, text, sizeof(text)), "two");
    opt_free(got.options, conf);
    mem_free(&conf);
    record_out_free(&out);
    descriptor_free(&got);
}

#define HEAD "descriptor name=x path=/x.so shapes=1 needs=0 callbacks=1 run=0"
#define ROW  " option=a type=uint min=0 max=9"

static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *line, *want;
    } refused[] = {
        {"good", "not a descriptor"},
        {"descriptor name=X path=/x.so shapes=1 needs=0 callbacks=1 run=0", "name: "},
        {"descriptor path=/x.so shapes=1 needs=0 callbacks=1 run=0", "name: "},
        {"descriptor name=x path=x.so shapes=1 needs=0 callbacks=1 run=0", "path: "},
        {"descriptor name=x path=/x.so shapes=0 needs=0 callbacks=1 run=0", "shapes"},
        {"descriptor name=x path=/x.so shapes=4 needs=0 callbacks=1 run=0", "shapes"},
        {"descriptor name=x path=/x.so shapes=1 callbacks=1 run=0", "needs"},
        {"descriptor name=x path=/x.so shapes=1 needs=0 callbacks=2 run=0", "callbacks"},
        {HEAD " wing=1", "wing: not expected here"},
        {HEAD ROW " wing=1", "wing: not expected here"},
        {HEAD ROW " help=a help=b", "help: not expected here"},
        {HEAD " option=A type=uint min=0 max=9", "option 1: its key is not of [a-z0-9_]"},
        {HEAD " option=a type=what min=0 max=9", "unknown type what"},
        {HEAD " option=a type=uint min=x max=9", "min: not a number"},
        {HEAD " option=a type=uint min=9 max=0", "option a: its min is above its max"},
        {HEAD " option=a type=uint min=-1 max=0", "option a: its range is wider"},
        {HEAD " option=a type=enum min=0 max=0", "option a: it has no choices"},
        {HEAD ROW ROW, "option a: it is there twice"},
        {HEAD ROW " preset=10", "the default of a"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct descriptor got;
        struct err err = ERR_EMPTY;

        assert_int_equal(parse(refused[i].line, &got, &err), -1);
        if (strstr(err.text, refused[i].want) == NULL)
            fail_msg("%s: got \"%s\"", refused[i].line, err.text);
        assert_null(got.name);
        assert_null(got.options);
    }
}

static void names_are_plain_words(void **state)
{
    char longest[DESCRIPTOR_NAME + 2];

    (void)state;
    assert_true(descriptor_is_name("a-b_9"));
    assert_false(descriptor_is_name(NULL));
    assert_false(descriptor_is_name(""));
    assert_false(descriptor_is_name("../x"));
    assert_false(descriptor_is_name("a.b"));
    assert_false(descriptor_is_key("a-b"));
    memset(longest, 'a', sizeof(longest));
    longest[DESCRIPTOR_NAME + 1] = '\0';
    assert_false(descriptor_is_name(longest));
    longest[DESCRIPTOR_NAME] = '\0';
    assert_true(descriptor_is_name(longest));
}

static void more_options_than_fit_are_refused(void **state)
{
    struct usher_option rows[DESCRIPTOR_OPTIONS + 2];
    char keys[DESCRIPTOR_OPTIONS + 1][8];
    struct err err = ERR_EMPTY;

    (void)state;
    memset(rows, 0, sizeof(rows));
    for (size_t i = 0; i <= DESCRIPTOR_OPTIONS; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        rows[i] = (struct usher_option){ .key = keys[i], .offset = i, .max = 1 };
    }
    assert_int_equal(descriptor_check_options(rows, DESCRIPTOR_OPTIONS + 1, &err), -1);
    rows[DESCRIPTOR_OPTIONS].key = NULL;
    assert_int_equal(descriptor_check_options(rows, DESCRIPTOR_OPTIONS + 1, &err), 0);
}

/* What a plugin's table may not say of its struct, and would be written past its end. */
static void fields_lie_within_the_struct_apart_and_aligned(void **state)
{
    struct usher_option rows[3] = {
        { .key = "a", .type = USHER_TYPE_UINT, .offset = 0, .max = 9, .preset = "1" },
        { .key = "b", .type = USHER_TYPE_SIZE, .offset = 8, .max = 9, .preset = "1" },
    };
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(descriptor_check_options(rows, 16, &err), 0);
    for (size_t size = 0; size < 16; size++)
        assert_int_equal(descriptor_check_options(rows, size, &err), -1);
    assert_non_null(strstr(err.text, "beyond conf_size"));
    for (size_t offset = 9; offset < 16; offset++) {
        if (offset % _Alignof(uint64_t) == 0)
            continue;
        rows[1].offset = offset;
        assert_int_equal(descriptor_check_options(rows, 64, &err), -1);
        assert_non_null(strstr(err.text, "not aligned"));
    }
    rows[1].offset = 0;
    assert_int_equal(descriptor_check_options(rows, 64, &err), -1);
    assert_non_null(strstr(err.text, "overlaps"));
    rows[1].offset = 8;
    rows[0].offset = 12; /* in the last half of the other */
    assert_int_equal(descriptor_check_options(rows, 64, &err), -1);
    assert_non_null(strstr(err.text, "overlaps"));
    rows[0].offset = 16;
    assert_int_equal(descriptor_check_options(rows, 64, &err), 0);
    rows[1].type = USHER_TYPE_BOOL;
    rows[1].preset = "true";
    for (size_t offset = 16; offset < 20; offset++) { /* each byte of the first */
        rows[1].offset = offset;
        assert_int_equal(descriptor_check_options(rows, 64, &err), -1);
        assert_non_null(strstr(err.text, "overlaps"));
    }
    for (size_t offset = 15; offset <= 20; offset += 5) { /* before and behind it */
        rows[1].offset = offset;
        assert_int_equal(descriptor_check_options(rows, 64, &err), 0);
    }
    rows[0].type = (enum usher_type)(USHER_TYPE_INT + 1);
    assert_int_equal(descriptor_check_options(rows, 64, &err), -1);
    assert_non_null(strstr(err.text, "unknown"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(a_struct_of_its_own_can_be_filled),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(names_are_plain_words),
        cmocka_unit_test(more_options_than_fit_are_refused),
        cmocka_unit_test(fields_lie_within_the_struct_apart_and_aligned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
