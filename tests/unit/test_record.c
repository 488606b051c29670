/* Records: what is read and refused in which words, and that writing is its mirror. */
#include "wire/record.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"

/* The same numbers every time. */
static uint32_t random_state = 2463534242u;

static uint32_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static void parse(struct record *record, const char *line)
{
    struct err err = ERR_EMPTY;

    if (record_parse(record, line, strlen(line), &err) == -1)
        fail_msg("%s: %s", line, err.text);
}

static void words_and_fields_are_read(void **state)
{
    struct record record;

    (void)state;
    parse(&record,
          "service name=echo listen=tcp://127.0.0.1:7\\x20x a=b=c empty= -._9=\\x5c "
          "ends=!~");
    assert_true(record_is(&record, "service"));
    assert_false(record_is(&record, "servic"));
    assert_int_equal(record.count, 6);
    assert_string_equal(record_get(&record, "name"), "echo");
    assert_string_equal(record_get(&record, "listen"), "tcp://127.0.0.1:7 x");
    assert_string_equal(record_get(&record, "a"), "b=c");
    assert_string_equal(record_get(&record, "empty"), "");
    assert_string_equal(record_get(&record, "-._9"), "\\");
    assert_string_equal(record_get(&record, "ends"), "!~");
    assert_null(record_get(&record, "nam"));
    record_free(&record);
    assert_null(record.line);
    record_free(&record);
    assert_false(record_is(&record, "service"));
    assert_null(record_get(&record, "name"));
}

static void keys_may_come_again(void **state)
{
    struct record record;

    (void)state;
    parse(&record, "x k=1 other=9 k=2 k=3");
    assert_string_equal(record_get(&record, "k"), "1");
    assert_string_equal(record_item(&record, "k", 0), "1");
    assert_string_equal(record_item(&record, "k", 1), "2");
    assert_string_equal(record_item(&record, "k", 2), "3");
    assert_null(record_item(&record, "k", 3));
    assert_null(record_item(&record, "none", 0));
    record_free(&record);
}

/* In a copy of its exact size, so that a sanitizer sees a byte read too many. */
static int parse_exact(struct record *record, const char *bytes, size_t count,
                       struct err *err)
{
    char *exact = mem_try(count);
    int result;

    memcpy(exact, bytes, count);
    result = record_parse(record, exact, count, err);
    mem_free(&exact);
    return result;
}

static void what_is_no_record_is_refused(void **state)
{
#define LINE(text) text, sizeof text - 1
    static const struct {
        const char *line;
        size_t count;
        const char *want;
    } cases[] = {
        {LINE(""), "bad word \"\""},
        {LINE(" a=b"), "bad word \"\""},
        {LINE("Word"), "bad word \"Word\""},
        {LINE("w\xc3\xa4"), "bad word \"w\\xc3\\xa4\""},
        {LINE("word\n"), "bad word \"word\\x0a\""},
        {LINE("a=b"), "bad word \"a=b\""},
        {LINE("w\0rd"), "bad word \"w\\x00rd\""},
        {LINE("word "), "bad field \"\""},
        {LINE("word a=b "), "bad field \"\""},
        {LINE("word  a=b"), "bad field \"\""},
        {LINE("word word"), "bad field \"word\""},
        {LINE("word\ta=b"), "bad word \"word\\x09a=b\""},
        {LINE("word =b"), "bad key \"\""},
        {LINE("word A=b"), "bad key \"A\""},
        {LINE("word a b=c"), "bad field \"a\""},
        {LINE("word a\0=c"), "bad key \"a\\x00\""},
        {LINE("word a/=c"), "bad key \"a/\""},
        {LINE("word a=b\n"), "bad byte \"\\x0a\""},
        {LINE("word a=b\0"), "bad byte \"\\x00\""},
        {LINE("word a=\x7f"), "bad byte \"\\x7f\""},
        {LINE("word a=\xc3\xa4"), "bad byte \"\\xc3\""},
        {LINE("word a=b\tc"), "bad byte \"\\x09\""},
        {LINE("word a=\\"), "bad escape \"\\\\\""},
        {LINE("word a=\\x"), "bad escape \"\\\\x\""},
        {LINE("word a=\\x2"), "bad escape \"\\\\x2\""},
        {LINE("word a=\\x2 b=c"), "bad escape \"\\\\x2\""},
        {LINE("word a=\\x2g"), "bad escape \"\\\\x2g\""},
        {LINE("word a=\\xg2"), "bad escape \"\\\\xg2\""},
        {LINE("word a=\\n20abc"), "bad escape \"\\\\n20\""},
        {LINE("word a=\\n20"), "bad escape \"\\\\n20\""},
        {LINE("word a=\\\\"), "bad escape \"\\\\\\\\\""},
        {LINE("word a=\\x00"), "bad escape \"\\\\x00\""},
        {LINE("word a=\\x5C"), "bad escape \"\\\\x5C\""},
        {LINE("word a=\\x41"), "bad escape \"\\\\x41\""},
        {LINE("word a=\\x21"), "bad escape \"\\\\x21\""},
        {LINE("word a=\\x7e"), "bad escape \"\\\\x7e\""},
        {LINE("word a=\\x2\0"), "bad escape \"\\\\x2\\x00\""},
        {LINE("word a=\\x0\0"), "bad escape \"\\\\x0\\x00\""},
        {LINE("word a=\\x\0" "1"), "bad escape \"\\\\x\\x001\""},
        /* what is wrong is repeated in 63 bytes */
        {LINE("A23456789012345678901234567890123456789012345678901234567890123"),
         "bad word \"A23456789012345678901234567890123456789012345678901234567890123\""},
        {LINE("A234567890123456789012345678901234567890123456789012345678901234"),
         "bad word \"A23456789012345678901234567890123456789012345678901234567890...\""},
    };
#undef LINE

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct record record;
        struct err err = ERR_EMPTY;

        assert_int_equal(parse_exact(&record, cases[i].line, cases[i].count, &err), -1);
        assert_string_equal(err.text, cases[i].want);
        assert_null(record.line);
        assert_null(record.fields);
        assert_int_equal(record.count, 0);
    }
}

static void lines_have_a_longest(void **state)
{
    char *line = mem_new(RECORD_MAX + 2);
    struct record record;
    struct err err = ERR_EMPTY;

    (void)state;
    memset(line, 'x', RECORD_MAX + 1);
    memcpy(line, "w k=", 4);
    assert_int_equal(parse_exact(&record, line, RECORD_MAX, &err), 0);
    assert_int_equal(strlen(record_get(&record, "k")), RECORD_MAX - 4);
    record_free(&record);
    assert_int_equal(parse_exact(&record, line, RECORD_MAX + 1, &err), -1);
    assert_string_equal(err.text, "a line of 65537 bytes is above 65536");
    mem_free(&line);
}

static void fields_have_a_most(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    struct record record;
    struct err err = ERR_EMPTY;

    (void)state;
    record_begin(&out, "w");
    for (int i = 0; i < RECORD_FIELDS; i++)
        record_add_number(&out, "k", i);
    assert_int_equal(parse_exact(&record, out.bytes, out.length, &err), 0);
    assert_int_equal(record.count, RECORD_FIELDS);
    assert_string_equal(record_item(&record, "k", RECORD_FIELDS - 1), "1023");
    record_free(&record);
    record_add(&out, "k", "");
    assert_int_equal(parse_exact(&record, out.bytes, out.length, &err), -1);
    assert_string_equal(err.text, "more than 1024 fields");
    record_out_free(&out);
}

static void numbers_are_read_within_their_range(void **state)
{
    static const struct {
        const char *key, *want; /* want NULL: good */
        int64_t min, max, number;
    } cases[] = {
        {"n", NULL, 0, 65535, 65535},
        {"m", NULL, -5, 5, -5},
        {"n", NULL, 65535, 65535, 65535},
        {"n", "n: \"65535\" is not a number from 0 to 65534", 0, 65534, 0},
        {"n", "n: \"65535\" is not a number from 0 to 9", 0, 9, 0},
        {"n", "n: \"65535\" is not a number from 65536 to 65537", 65536, 65537, 0},
        {"m", "m: \"-5\" is not a number from 0 to 9", 0, 9, 0},
        {"x", "x: \"1\\x0a\" is not a number from 0 to 9", 0, 9, 0},
        {"e", "e: \"\" is not a number from 0 to 9", 0, 9, 0},
        {"no", "no is missing", 0, 9, 0},
    };
    struct record record;

    (void)state;
    parse(&record, "w n=65535 m=-5 x=1\\x0a e=");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = ERR_EMPTY;
        int64_t number = 99;
        int result = record_number(&record, cases[i].key, cases[i].min, cases[i].max,
                                   &number, &err);

        assert_int_equal(result, cases[i].want == NULL ? 0 : -1);
        assert_true(number == (cases[i].want == NULL ? cases[i].number : 99));
        assert_string_equal(err.text, cases[i].want == NULL ? "" : cases[i].want);
    }
    record_free(&record);
}

static void records_are_written(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;

    (void)state;
    record_begin(&out, "service");
    record_add(&out, "name", "a b\\c\n\x7f\xc3=");
    record_add(&out, "ends", "!~");
    record_add(&out, "unset", NULL);
    record_add(&out, "empty", "");
    record_add_number(&out, "low", INT64_MIN);
    record_add_print(&out, "pid", "%d-%s", 7, "x y");
    record_end(&out);
    record_begin(&out, "end");
    record_end(&out);
    assert_string_equal(out.bytes, "service name=a\\x20b\\x5cc\\x0a\\x7f\\xc3= ends=!~ "
                                   "empty= low=-9223372036854775808 "
                                   "pid=7-x\\x20y\nend\n");
    assert_int_equal(out.length, strlen(out.bytes));
    record_out_free(&out);
    assert_null(out.bytes);
    record_out_free(&out);
}

/* However much comes at once, there is room for the NUL. */
static void a_record_grows_by_doubling(void **state)
{
    struct record_out out = RECORD_OUT_EMPTY;
    char word[1200];

    (void)state;
    for (size_t step = 1; step < 1100; step += 7) {
        memset(word, 'w', sizeof(word));
        word[step] = '\0';
        while (out.length < 2000) {
            size_t room = 256;

            record_begin(&out, word);
            while (room <= out.length)
                room *= 2;
            assert_int_equal(out.room, room);
            assert_int_equal(out.bytes[out.length], '\0');
        }
        record_out_free(&out);
    }
}

static void quiet(enum log_level level, const char *subject, const char *line)
{
    (void)level;
    (void)subject;
    (void)line;
}

static void a_bad_name_of_our_own_is_a_panic(void **state)
{
    static const char *const names[] = {"", "A", "a b", "a=", "a\n"};

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(names); i++) {
        int status;
        pid_t child = fork();

        assert_int_not_equal(child, -1);
        if (child == 0) {
            struct record_out out = RECORD_OUT_EMPTY;
            const struct rlimit none = { 0, 0 };

            signal(SIGABRT, SIG_DFL);
            setrlimit(RLIMIT_CORE, &none);
            log_to(quiet);
            if (i < ARRAY_LEN(names))
                record_begin(&out, names[i]);
            else
                record_add(&out, names[i - ARRAY_LEN(names)], "");
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

static void every_written_record_is_read_again(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct record_out out = RECORD_OUT_EMPTY;
        struct record record;
        struct err err = ERR_EMPTY;
        char values[8][40];
        size_t count = random_number() % ARRAY_LEN(values);

        record_begin(&out, "w");
        for (size_t i = 0; i < count; i++) {
            size_t length = random_number() % (sizeof values[i] - 1);

            for (size_t n = 0; n < length; n++)
                values[i][n] = (char)(1 + random_number() % 255);
            values[i][length] = '\0';
            record_add(&out, i % 2 == 0 ? "even" : "odd", values[i]);
        }
        assert_int_equal(parse_exact(&record, out.bytes, out.length, &err), 0);
        assert_int_equal(record.count, count);
        for (size_t i = 0; i < count; i++)
            assert_string_equal(record_item(&record, i % 2 == 0 ? "even" : "odd", i / 2),
                                values[i]);
        record_free(&record);
        record_out_free(&out);
    }
}

/* What the parser takes has one text: written again it is the same, byte for byte. */
static void every_accepted_line_is_written_back_alike(void **state)
{
    static const char letters[] = "ab=\\x2005c \n-A\x80";
    int accepted = 0;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        char line[12];
        size_t length = random_number() % sizeof line;
        struct record record;
        struct record_out out = RECORD_OUT_EMPTY;

        for (size_t n = 0; n < length; n++)
            line[n] = letters[random_number() % sizeof letters]; /* its NUL too */
        if (record_parse(&record, line, length, NULL) == -1)
            continue;
        accepted++;
        record_begin(&out, record.word);
        for (size_t i = 0; i < record.count; i++)
            record_add(&out, record.fields[i].key, record.fields[i].value);
        assert_int_equal(out.length, length);
        assert_memory_equal(out.bytes, line, length);
        record_out_free(&out);
        record_free(&record);
    }
    assert_true(accepted > 100);
}

struct seen {
    char words[64];
    int stop_at;
};

static int note_word(const struct record *record, void *context, struct err *err)
{
    struct seen *seen = context;

    strncat(seen->words, record->word, sizeof seen->words - strlen(seen->words) - 1);
    if (--seen->stop_at == 0)
        return err_set(err, "enough");
    return 0;
}

static void every_line_is_given_in_order(void **state)
{
    static const struct {
        const char *text, *words, *want;
        int stop_at, result;
    } cases[] = {
        {"", "", "", 0, 0},
        {"a\n", "a", "", 0, 0},
        {"a k=v\nb\nc k=\n", "abc", "", 0, 0},
        {"a\nb\nc\n", "ab", "enough", 2, -1},
        {"a\nB\nc\n", "a", "line 2: bad word \"B\"", 0, -1},
        {"a\n\nc\n", "a", "line 2: bad word \"\"", 0, -1},
        {"a\r\n", "", "line 1: bad word \"a\\x0d\"", 0, -1},
        {"a\nb", "a", "line 2: cut off", 0, -1},
        {"\n", "", "line 1: bad word \"\"", 0, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen = {"", cases[i].stop_at};
        struct err err = ERR_EMPTY;
        int result =
            record_each(cases[i].text, strlen(cases[i].text), note_word, &seen, &err);

        assert_int_equal(result, cases[i].result);
        assert_string_equal(seen.words, cases[i].words);
        assert_string_equal(err.text, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_fields_are_read),
        cmocka_unit_test(keys_may_come_again),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(lines_have_a_longest),
        cmocka_unit_test(fields_have_a_most),
        cmocka_unit_test(numbers_are_read_within_their_range),
        cmocka_unit_test(records_are_written),
        cmocka_unit_test(a_record_grows_by_doubling),
        cmocka_unit_test(a_bad_name_of_our_own_is_a_panic),
        cmocka_unit_test(every_written_record_is_read_again),
        cmocka_unit_test(every_accepted_line_is_written_back_alike),
        cmocka_unit_test(every_line_is_given_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
