#include "master/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

#define WORDS 8

static int parse(struct options *options, const char *const *words, struct err *err)
{
    char *argv[WORDS + 2] = { (char *)(uintptr_t)"usherd" };
    int argc = 1;

    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    return options_parse(options, argc, argv, err);
}

static const struct {
    const char *words[WORDS];
    enum options_task task;
    const char *config, *pid_file, *plugin_dir;
    bool to_background;
    int ready_fd;
    size_t override_count;
} taken[] = {
    { { NULL }, OPTIONS_SERVE, NULL, NULL, NULL, false, -1, 0 },
    { { "-c", "x.conf" }, OPTIONS_SERVE, "x.conf", NULL, NULL, false, -1, 0 },
    { { "--config=x.conf", "-t" }, OPTIONS_CHECK, "x.conf", NULL, NULL, false, -1, 0 },
    { { "-t", "--check" }, OPTIONS_CHECK, NULL, NULL, NULL, false, -1, 0 },
    { { "--table" }, OPTIONS_TABLE, NULL, NULL, NULL, false, -1, 0 },
    { { "-d", "--pid-file", "/run/p" },
      OPTIONS_SERVE,
      NULL,
      "/run/p",
      NULL,
      true,
      -1,
      0 },
    { { "-o", "a=1", "--set", "b=", "-oc=x=y" },
      OPTIONS_SERVE,
      NULL,
      NULL,
      NULL,
      false,
      -1,
      3 },
    { { "--plugin-dir", "/p", "--ready-fd", "7" },
      OPTIONS_SERVE,
      NULL,
      NULL,
      "/p",
      false,
      7,
      0 },
    { { "-v" }, OPTIONS_VERSION, NULL, NULL, NULL, false, -1, 0 },
    { { "--help" }, OPTIONS_HELP, NULL, NULL, NULL, false, -1, 0 },
    { { "--list-keys" }, OPTIONS_KEYS, NULL, NULL, NULL, false, -1, 0 },
};

static void assert_same_text(const char *got, const char *want)
{
    if (want == NULL)
        assert_null(got);
    else
        assert_string_equal(got, want);
}

static void every_option_finds_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        const char *config = taken[i].config;
        struct options options;
        struct err err = ERR_EMPTY;

        if (parse(&options, taken[i].words, &err) == -1)
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(options.task, taken[i].task);
        assert_same_text(options.config,
                         config == NULL ? USHER_SYSCONFDIR "/usher/usher.conf" : config);
        assert_same_text(options.pid_file, taken[i].pid_file);
        assert_same_text(options.plugin_dir, taken[i].plugin_dir);
        assert_int_equal(options.to_background, taken[i].to_background);
        assert_int_equal(options.ready_fd, taken[i].ready_fd);
        assert_int_equal(options_overrides(&options).count, taken[i].override_count);
        options_free(&options);
        assert_int_equal(options.override_count, 0);
    }
}

static void overrides_keep_their_order(void **state)
{
    static const char *const words[] = { "-o", "a=1", "-o", "b=2", NULL };
    struct options options;

    (void)state;
    assert_int_equal(parse(&options, words, NULL), 0);
    assert_string_equal(options.overrides[0], "a=1");
    assert_string_equal(options.overrides[1], "b=2");
    options_free(&options);
}

static const struct {
    const char *words[WORDS];
    const char *want;
} refused[] = {
    { { "-x" }, "-x: unknown option" },
    { { "-tx" }, "-x: unknown option" },
    { { "--nosuch" }, "--nosuch: unknown option" },
    { { "--check=1" }, "--check=1: takes no value" },
    { { "-c" }, "-c: needs a value" },
    { { "--config" }, "--config: needs a value" },
    { { "stray" }, "stray: not an option" },
    { { "-t", "--", "stray" }, "stray: not an option" },
    { { "-t", "-T" }, "only one of --check, --table, --version and --help" },
    { { "-o", "x" }, "-o x: not of the form KEY=VALUE" },
    { { "-o", "=x" }, "-o =x: not of the form KEY=VALUE" },
    { { "--ready-fd", "no" }, "--ready-fd no: not a descriptor" },
    { { "--ready-fd", "0" }, "--ready-fd 0: not a descriptor" },
    { { "--ready-fd", "07" }, "--ready-fd 07: not a descriptor" },
    { { "--ready-fd", "99999999999999999999" },
      "--ready-fd 99999999999999999999: not a descriptor" },
    { { "--plugin-dir", "here" }, "--plugin-dir here: not an absolute path" },
};

static void wrong_usage_is_said_in_one_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct options options;
        struct err err = ERR_EMPTY;

        assert_int_equal(parse(&options, refused[i].words, &err), -1);
        assert_string_equal(err.text, refused[i].want);
        options_free(&options);
    }
}

static void the_usage_names_every_option(void **state)
{
    static const char *const names[] = { "-c, --config", "-t, --check", "-T, --table",
                                         "-d, --daemon", "--pid-file", "-o, --set",
                                         "--plugin-dir", "--ready-fd", "-v, --version",
                                         "-h, --help" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_non_null(strstr(options_usage(), names[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_finds_its_place),
        cmocka_unit_test(overrides_keep_their_order),
        cmocka_unit_test(wrong_usage_is_said_in_one_sentence),
        cmocka_unit_test(the_usage_names_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
