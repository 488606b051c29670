#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define USHER_BUILTIN framed
#include "../../services/framed/framed.c"
#include "support/mock_host.h"

static const struct framed_conf echo = { .framing = FRAMING_DIGITS, .reply = REPLY_ECHO };
static const struct framed_conf upper = { .framing = FRAMING_DIGITS,
                                          .reply = REPLY_UPPERCASE };
static const struct framed_conf text = { .framing = FRAMING_DIGITS,
                                         .reply = REPLY_TEXT,
                                         .text = "thanks" };
static const struct framed_conf once = { .framing = FRAMING_DIGITS,
                                         .reply = REPLY_ECHO,
                                         .close = CLOSE_REPLY };
static const struct framed_conf bye = { .framing = FRAMING_FIXED,
                                        .size = 16,
                                        .reply = REPLY_TEXT,
                                        .text = "BYE BYE CLIENT...",
                                        .close = CLOSE_REPLY };
static const struct framed_conf fixed = { .framing = FRAMING_FIXED,
                                          .size = 4,
                                          .reply = REPLY_UPPERCASE };

static const struct {
    const struct framed_conf *conf;
    const char *in, *out;
    const char *log; /* the last line; "": none */
} streams[] = {
    { &echo, "000", "000", "" },
    { &echo, "003abc", "003abc", "" },
    { &echo, "003abc000010helloworld", "003abc000010helloworld", "" },
    { &upper, "003aBc005h3llo", "003ABC005H3LLO", "" },
    { &text, "003abc000", "006thanks006thanks", "" },
    { &once, "003abc003def", "003abc", "" },
    { &fixed, "abcdefgh", "ABCDEFGH", "" },
    { &bye, "Hello!! Server!!", "BYE BYE CLIENT..", "" },
    { &echo, "003abcx12", "003abc034error: length is not three digits\n",
      "bad length \"x12\"" },
    { &echo, "256", "027error: length is above 255\n", "bad length \"256\"" },
    { &echo, "-01", "034error: length is not three digits\n", "bad length \"-01\"" },
    { &echo, "00", "", "message cut off: 2 of 3 bytes of a length had come" },
    { &echo, "010", "", "message cut off: 0 of 10 bytes had come" },
    { &echo, "001a010abc", "001a", "message cut off: 3 of 10 bytes had come" },
    { &bye, "Hello", "", "message cut off: 5 of 16 bytes had come" },
    { &bye, "", "", "message cut off: 0 of 16 bytes had come" },
    { &fixed, "", "", "" },
    { &fixed, "abcdef", "ABCD", "message cut off: 2 of 4 bytes had come" },
};

static void run_stream(size_t i, size_t first, size_t second)
{
    const char *in = streams[i].in;
    size_t cuts[] = { 0, first, second, strlen(in) };
    struct mock mock;

    assert_int_equal(mock_start(&mock, &usher_service_framed, streams[i].conf), 0);
    mock_connect(&mock);
    for (int part = 0; part < 3; part++)
        if (cuts[part] < cuts[part + 1] && !mock_is_gone(&mock))
            mock_send(&mock, in + cuts[part], cuts[part + 1] - cuts[part]);
    if (!mock_is_gone(&mock))
        mock_finish(&mock);
    assert_true(mock_is_gone(&mock));
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, strlen(streams[i].out));
    if (mock.out.count > 0)
        assert_string_equal(mock.out.at, streams[i].out);
    assert_string_equal(mock.log, streams[i].log);
    assert_int_equal(mock.logs, streams[i].log[0] != '\0');
    mock_stop(&mock);
}

static void e4_streams_are_answered_in_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
        for (size_t second = 0; second <= strlen(streams[i].in); second++)
            for (size_t first = 0; first <= second; first++)
                run_stream(i, first, second);
}

static void error_lines_are_framed(void **state)
{
    const char *const lines[] = { framed_fault(&echo, "x12", 3),
                                  framed_fault(&echo, "256", 3) };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(framed_whole(&echo, lines[i], strlen(lines[i])),
                         strlen(lines[i]));
        assert_int_equal(lines[i][strlen(lines[i]) - 1], '\n');
    }
}

/* What the three bytes say, by another way than the service's; -1: nothing good. */
static int value_of(const unsigned char *head)
{
    int value = 0;

    for (int i = 0; i < 3; i++) {
        if (head[i] - '0' < 0 || head[i] - '0' > 9)
            return -1;
        value = value * 10 + head[i] - '0';
    }
    return value <= 255 ? value : -1;
}

static void expect_header(struct mock *mock, const unsigned char *head)
{
    const struct framed_conn *mine = mock->conn.mine;
    int value = value_of(head);
    size_t used;

    mock->out.count = 0;
    mock->logs = 0;
    mock->has_ended = false;
    used = framed_data(&mock->conn, head, 3);
    if (value == -1)
        assert_true(mock->has_ended && mock->logs == 1 && mock->out.count > 3
                    && used == 3);
    else if (value == 0)
        assert_true(!mock->has_ended && mock->out.count == 3 && used == 3);
    else
        assert_true(!mock->has_ended && mock->out.count == 0 && used == 0
                    && mine->have == 3 && mine->want == 3 + (unsigned)value);
}

/* All 16.7 million headers are a length, or are refused once. Valgrind takes its
 * samples. */
static void e15_every_three_bytes_are_a_length_or_refused(void **state)
{
    const char *preload = getenv("LD_PRELOAD");
    unsigned step = preload != NULL && strstr(preload, "vgpreload") != NULL ? 239 : 1;
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_framed, &echo), 0);
    mock_connect(&mock);
    mock.is_quiet = true;
    for (unsigned n = 0; n < 1u << 24; n += step) {
        unsigned char head[3] = { (unsigned char)(n >> 16), (unsigned char)(n >> 8),
                                  (unsigned char)n };

        expect_header(&mock, head);
    }
    mock_stop(&mock);
}

static void every_length_comes_back(void **state)
{
    char message[3 + 255 + 1];
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_framed, &echo), 0);
    for (int length = 0; length <= 255; length++) {
        size_t size = (size_t)(3 + length);

        snprintf(message, sizeof(message), "%03d", length);
        memset(message + 3, length, (size_t)length);
        mock_connect(&mock);
        for (size_t i = 0; i < size; i++)
            mock_send(&mock, message + i, 1);
        assert_int_equal(mock.out.count, size);
        assert_memory_equal(mock.out.at, message, size);
        mock_datagram(&mock, message, size);
        assert_int_equal(mock.reply_count, size);
        assert_memory_equal(mock.reply, message, size);
        mock_finish(&mock);
    }
    mock_stop(&mock);
}

static void e13_a_message_cut_off_at_each_byte_is_logged(void **state)
{
    char message[3 + 255], want[64];
    struct mock mock;

    (void)state;
    memcpy(message, "255", 3);
    memset(message + 3, 'x', 255);
    assert_int_equal(mock_start(&mock, &usher_service_framed, &echo), 0);
    for (size_t cut = 0; cut < sizeof(message); cut++) {
        mock.log[0] = '\0';
        mock_connect(&mock);
        if (cut > 0)
            mock_send(&mock, message, cut);
        if (cut % 2 == 0)
            mock_finish(&mock);
        else
            mock_reset(&mock);
        want[0] = '\0';
        if (cut > 0 && cut < 3)
            snprintf(want, sizeof(want),
                     "message cut off: %zu of 3 bytes of a length had come", cut);
        else if (cut >= 3)
            snprintf(want, sizeof(want), "message cut off: %zu of 255 bytes had come",
                     cut - 3);
        assert_string_equal(mock.log, want);
        assert_true(mock_is_gone(&mock));
    }
    mock_stop(&mock);
}

static void lengths_with_a_nul_are_in_the_log_too(void **state)
{
    static const struct {
        const char *bytes, *log;
    } cases[] = {
        { "\0\0\0", "bad length of bytes 00 00 00" },
        { "1\0\xff", "bad length of bytes 31 00 ff" },
        { "\n\x1b\\", "bad length \"\n\x1b\\\"" }, /* the host escapes */
    };
    struct mock mock;

    (void)state;
    assert_int_equal(mock_start(&mock, &usher_service_framed, &echo), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mock_connect(&mock);
        mock_send(&mock, cases[i].bytes, 3);
        assert_string_equal(mock.log, cases[i].log);
        assert_true(mock_is_gone(&mock));
    }
    mock_stop(&mock);
}

/* 20 000 short requests with long answers, from a peer that reads little. */
static void answers_wait_for_a_slow_reader(void **state)
{
    size_t requests = 20000;
    char *bytes = malloc(requests * 3);
    struct framed_conf conf = text;
    char long_text[201];
    struct mock mock;

    (void)state;
    memset(long_text, 'z', 200);
    long_text[200] = '\0';
    conf.text = long_text;
    memset(bytes, '0', requests * 3);
    assert_int_equal(mock_start(&mock, &usher_service_framed, &conf), 0);
    mock_connect(&mock);
    mock.window = 5000;
    mock_send(&mock, bytes, requests * 3);
    mock_finish(&mock);
    while (!mock_is_gone(&mock))
        mock_read(&mock, 40000);
    assert_int_equal(mock.reason, USHER_GONE_ENDED);
    assert_int_equal(mock.out.count, requests * 203);
    assert_memory_equal(mock.out.at + (requests - 1) * 203, "200zzz", 6);
    assert_int_equal(mock.logs, 0);
    mock_stop(&mock);
    free(bytes);
}

static void a_datagram_is_one_message_or_dropped(void **state)
{
    static const struct {
        const struct framed_conf *conf;
        const char *in;
        const char *out; /* NULL: dropped */
    } cases[] = {
        { &echo, "003abc", "003abc" }, { &upper, "003abc", "003ABC" },
        { &echo, "000", "000" },       { &text, "003abc", "006thanks" },
        { &fixed, "abcd", "ABCD" },    { &echo, "", NULL },
        { &echo, "00", NULL },         { &echo, "003ab", NULL },
        { &echo, "003abcd", NULL },    { &echo, "003abc003abc", NULL },
        { &echo, "abc", NULL },        { &echo, "256", NULL },
        { &fixed, "abc", NULL },       { &fixed, "abcde", NULL },
    };
    struct mock mock;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *out = cases[i].out;

        assert_int_equal(mock_start(&mock, &usher_service_framed, cases[i].conf), 0);
        mock_datagram(&mock, cases[i].in, strlen(cases[i].in));
        assert_int_equal(mock.replies, out != NULL);
        if (out != NULL)
            assert_memory_equal(mock.reply, out, mock.reply_count);
        assert_int_equal(mock.reply_count, out != NULL ? strlen(out) : 0);
        assert_int_equal(((struct framed *)mock.instance.state)->dropped, out == NULL);
        if (out == NULL)
            assert_int_equal(mock.log_level, USHER_DEBUG);
        mock_stop(&mock);
    }
}

static void check_says_what_is_wrong(void **state)
{
    static char long_text[258];
    static const struct {
        struct framed_conf conf;
        const char *want; /* NULL: good */
    } cases[] = {
        { { FRAMING_DIGITS, 0, REPLY_ECHO, NULL, 0 }, NULL },
        { { FRAMING_FIXED, 16, REPLY_TEXT, "BYE BYE CLIENT...", 0 }, NULL },
        { { FRAMING_DIGITS, 0, REPLY_TEXT, "", 0 }, NULL },
        { { FRAMING_FIXED, 0, REPLY_ECHO, NULL, 0 }, "framing \"fixed\" needs size" },
        { { FRAMING_DIGITS, 16, REPLY_ECHO, NULL, 0 },
          "size is for framing \"fixed\" only" },
        { { FRAMING_DIGITS, 0, REPLY_TEXT, NULL, 0 }, "reply \"text\" needs text" },
        { { FRAMING_DIGITS, 0, REPLY_ECHO, "hi", 0 }, "text is for reply \"text\" only" },
        { { FRAMING_DIGITS, 0, REPLY_TEXT, long_text, 0 },
          "text: 256 bytes are above 255, all that three digits can say" },
        { { FRAMING_FIXED, 16, REPLY_TEXT, "BYE", 0 },
          "text: 3 bytes are below size, 16" },
    };
    char error[128];

    (void)state;
    memset(long_text, 'x', 256);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int result = framed_check(&cases[i].conf, error, sizeof(error));

        assert_int_equal(result, cases[i].want == NULL ? 0 : -1);
        if (cases[i].want != NULL)
            assert_string_equal(error, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e4_streams_are_answered_in_every_split),
        cmocka_unit_test(error_lines_are_framed),
        cmocka_unit_test(e15_every_three_bytes_are_a_length_or_refused),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(e13_a_message_cut_off_at_each_byte_is_logged),
        cmocka_unit_test(lengths_with_a_nul_are_in_the_log_too),
        cmocka_unit_test(answers_wait_for_a_slow_reader),
        cmocka_unit_test(a_datagram_is_one_message_or_dropped),
        cmocka_unit_test(check_says_what_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
