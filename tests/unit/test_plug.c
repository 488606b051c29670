#include "plug/plug.h"

#include <fcntl.h>
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
#include "wire/descriptor.h"

struct conf {
    unsigned size;
    const char *text;
    struct usher_list names;
};

static const struct usher_option options[] = {
    USHER_OPTION_UINT(struct conf, size, "512", 1, 65507, "bytes", "Longest."),
    USHER_OPTION_TEXT(struct conf, text, "", 0, 9, NULL),
    USHER_OPTION_LIST(struct conf, names, NULL, 0, 3, "Names."), USHER_OPTION_END};

static size_t use_all(struct usher_conn *conn, const void *bytes, size_t count)
{
    (void)conn;
    (void)bytes;
    return count;
}

static int serve(struct usher_run *run)
{
    (void)run;
    return 0;
}

static void answer(struct usher_dgram *dgram)
{
    (void)dgram;
}

static const struct usher_service good = {
    USHER_SERVICE_HEADER, .name = "good",     .shapes = USHER_STREAM | USHER_DATAGRAM,
    .sentence = "Good.",  .options = options, .conf_size = sizeof(struct conf),
    .conn_size = 8,       .data = use_all,    .datagram = answer,
};

static void a_good_one_is_copied(void **state)
{
    struct plug plug;
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(plug_adopt(&plug, &good, "/usr/lib/usher/good.so", &err), 0);
    assert_string_equal(plug.path, "/usr/lib/usher/good.so");
    assert_string_equal(plug.service.name, "good");
    assert_int_equal(plug.service.max_input, PLUG_INPUT_PRESET);
    assert_ptr_equal(plug.service.options, plug.options);
    assert_ptr_not_equal(plug.options, options);
    assert_string_equal(plug.options[1].help, ""); /* was NULL */
    assert_null(plug.options[3].key);
    plug_free(&plug);
}

static void one_without_options_has_an_empty_table(void **state)
{
    struct usher_service service = good;
    struct plug plug;
    struct err err = ERR_EMPTY;
    void *conf;

    (void)state;
    service.options = NULL;
    service.conf_size = 0;
    service.shapes = USHER_STREAM;
    service.data = NULL;
    service.run = serve;
    assert_int_equal(plug_adopt(&plug, &service, "built-in", &err), 0);
    assert_null(plug.options[0].key);
    conf = plug_conf(&plug, NULL, NULL, 0, &err);
    assert_non_null(conf);
    plug_conf_free(&plug, conf);
    plug_free(&plug);
}

/* ---- wrong ones ------------------------------------------------------------------- */

static const struct usher_option bad_preset[] = {
    USHER_OPTION_UINT(struct conf, size, "70000", 1, 65507, "bytes", ""),
    USHER_OPTION_END};
static const struct usher_option bad_key[] = {
    {"no-dash", USHER_TYPE_UINT, 0, NULL, 0, 1, NULL, NULL, ""}, USHER_OPTION_END};
static const struct usher_option bad_type[] = {
    {"what", (enum usher_type)99, 0, NULL, 0, 1, NULL, NULL, ""}, USHER_OPTION_END};
static const struct usher_option bad_offset[] = {
    {"far", USHER_TYPE_UINT, sizeof(struct conf) - 3, NULL, 0, 1, NULL, NULL, ""},
    USHER_OPTION_END};
static const struct usher_option bad_offset_wrap[] = {
    {"far", USHER_TYPE_UINT, SIZE_MAX - 1, NULL, 0, 1, NULL, NULL, ""}, USHER_OPTION_END};
static const struct usher_option unaligned[] = {
    {"odd", USHER_TYPE_UINT, 1, NULL, 0, 1, NULL, NULL, ""}, USHER_OPTION_END};
static const struct usher_option overlapping[] = {
    {"one", USHER_TYPE_SIZE, 0, NULL, 0, 1, NULL, NULL, ""},
    {"two", USHER_TYPE_UINT, 4, NULL, 0, 1, NULL, NULL, ""},
    USHER_OPTION_END};
static const struct usher_option twice[] = {
    {"one", USHER_TYPE_UINT, 0, NULL, 0, 1, NULL, NULL, ""},
    {"one", USHER_TYPE_UINT, 4, NULL, 0, 1, NULL, NULL, ""},
    USHER_OPTION_END};

#define P "/lib/good.so: "

static const struct wrong {
    const char *want;
    struct usher_service service; /* what is 0 or NULL here is taken from the good one */
    bool without_data, without_datagram;
} wrongs[] = {
    {P "built for plugin interface 2, this daemon has 1", .service.abi = 2},
    {P "its descriptor says it has 16 bytes, at least ", .service.size = 16},
    {P "its descriptor says it has 1000000 bytes, at least ", .service.size = 1000000},
    {P "its option rows say they have 8 bytes, at least ", .service.option_size = 8},
    {P "it calls itself \"other\"", .service.name = "other"},
    {P "it calls itself \"goo\"", .service.name = "goo"},
    {P "its name is missing, or not of [a-z0-9_-]", .service.name = "../good"},
    {P "conf_size 1048577 is above 1048576", .service.conf_size = 1048577},
    {P "conn_size 65537 is above 65536", .service.conn_size = 65537},
    {P "max_input 16777217 is above 16777216", .service.max_input = 16777217},
    {P "shapes 0x4: neither stream nor datagram, or something unknown",
     .service.shapes = 4},
    {P "needs 0x200: something this daemon does not know", .service.needs = 512},
    {P "it serves streams, but has no opened, data, finished or run",
     .without_data = true},
    {P "it serves datagrams, but has no datagram", .without_datagram = true},
    {P "the default of size: 70000 is above 65507", .service.options = bad_preset},
    {P "option 1: its key is not of [a-z0-9_]", .service.options = bad_key},
    {P "option what: its type 99 is unknown", .service.options = bad_type},
    {P "option far: its field ends beyond conf_size", .service.options = bad_offset},
    {P "option far: its field ends beyond conf_size", .service.options = bad_offset_wrap},
    {P "option odd: its field is not aligned", .service.options = unaligned},
    {P "option two: its field overlaps that of one", .service.options = overlapping},
    {P "option one: it is there twice", .service.options = twice},
};

#define OVERRIDE(field)                                                                  \
    if (wrong->service.field)                                                            \
    service.field = wrong->service.field

static struct usher_service made_wrong(const struct wrong *wrong)
{
    struct usher_service service = good;

    OVERRIDE(abi);
    OVERRIDE(size);
    OVERRIDE(option_size);
    OVERRIDE(name);
    OVERRIDE(conf_size);
    OVERRIDE(conn_size);
    OVERRIDE(max_input);
    OVERRIDE(shapes);
    OVERRIDE(needs);
    OVERRIDE(options);
    if (wrong->without_data)
        service.data = NULL;
    if (wrong->without_datagram)
        service.datagram = NULL;
    return service;
}

static void wrong_ones_are_refused_with_file_and_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        struct usher_service service = made_wrong(&wrongs[i]);
        struct plug plug;
        struct err err = ERR_EMPTY;

        assert_int_equal(plug_adopt(&plug, &service, "/lib/good.so", &err), -1);
        if (strncmp(err.text, wrongs[i].want, strlen(wrongs[i].want)) != 0)
            fail_msg("want \"%s\", got \"%s\"", wrongs[i].want, err.text);
        assert_null(plug.path);
        assert_null(plug.options);
    }
}

static void a_table_without_an_end_is_refused(void **state)
{
    struct usher_option *rows = mem_array(DESCRIPTOR_OPTIONS + 1, sizeof(*rows));
    struct usher_service service = good;
    struct plug plug;
    struct err err = ERR_EMPTY;

    (void)state;
    for (size_t i = 0; i <= DESCRIPTOR_OPTIONS; i++)
        rows[i].key = "a";
    service.options = rows;
    assert_int_equal(plug_adopt(&plug, &service, "good.so", &err), -1);
    assert_string_equal(err.text,
                        "good.so: more than 100 options, or no USHER_OPTION_END");
    mem_free(&rows);
}

static void a_newer_one_is_cut_to_what_we_know(void **state)
{
    struct later_option {
        struct usher_option known;
        const char *since;
    } rows[] = {{options[0], "2"}, {options[1], "2"}, {{0}, NULL}};
    struct {
        struct usher_service known;
        void *later[4];
    } service = { .known = good };
    struct plug plug;
    struct err err = ERR_EMPTY;

    (void)state;
    service.known.size = sizeof(service);
    service.known.option_size = sizeof(rows[0]);
    service.known.options = &rows[0].known;
    memset(service.later, 0xff, sizeof(service.later));
    assert_int_equal(plug_adopt(&plug, &service.known, "good.so", &err), 0);
    assert_string_equal(plug.options[1].key, "text");
    assert_null(plug.options[2].key);
    plug_free(&plug);
}

/* ---- configuration ---------------------------------------------------------------- */

static void conf_is_presets_and_then_pairs(void **state)
{
    static const char *const keys[] = {"names", "text", "names"};
    static const char *const values[] = {"x", "hello", "y"};
    struct plug plug;
    struct err err = ERR_EMPTY;
    struct conf *conf;

    (void)state;
    assert_int_equal(plug_adopt(&plug, &good, "good.so", &err), 0);
    conf = plug_conf(&plug, keys, values, 3, &err);
    assert_non_null(conf);
    assert_int_equal(conf->size, 512);
    assert_string_equal(conf->text, "hello");
    assert_int_equal(conf->names.count, 2);
    assert_string_equal(conf->names.at[1], "y");
    plug_conf_free(&plug, conf);
    plug_free(&plug);
}

static void wrong_pairs_are_refused(void **state)
{
    static const struct {
        const char *key, *value, *want;
    } refused[] = {
        {"size", "70000", "size: 70000 is above 65507"},
        {"sizes", "1", "sizes: unknown option, did you mean size?"},
        {"zzzzzzzz", "1", "zzzzzzzz: unknown option"},
    };
    struct plug plug;
    struct err err = ERR_EMPTY;

    (void)state;
    assert_int_equal(plug_adopt(&plug, &good, "good.so", &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        assert_null(plug_conf(&plug, &refused[i].key, &refused[i].value, 1, &err));
        assert_string_equal(err.text, refused[i].want);
    }
    plug_free(&plug);
}

/* ---- files ------------------------------------------------------------------------ */

struct place {
    char dir[64], file[96];
};

static int make_place(void **state)
{
    struct place *place = mem_new(sizeof(*place));

    snprintf(place->dir, sizeof(place->dir), "/tmp/usher-plug-XXXXXX");
    if (mkdtemp(place->dir) == NULL)
        return -1;
    snprintf(place->file, sizeof(place->file), "%s/x.so", place->dir);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;

    unlink(place->file);
    rmdir(place->file);
    rmdir(place->dir);
    mem_free(state);
    return 0;
}

static void write_file(const struct place *place, mode_t mode)
{
    int fd = open(place->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, "not an object\n", 14), 14);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void assert_refused(const struct place *place, const char *want)
{
    struct plug plug;
    struct err err = ERR_EMPTY;

    assert_int_equal(plug_load(&plug, place->dir, "x", &err), -1);
    if (strncmp(err.text, place->dir, strlen(place->dir)) != 0 ||
        strstr(err.text, want) == NULL)
        fail_msg("want \"%s\", got \"%s\"", want, err.text);
}

static void what_is_no_object_is_refused(void **state)
{
    const struct place *place = *state;

    assert_refused(place, "/x.so: cannot open it: No such file or directory");
    write_file(place, 0644);
    assert_refused(place, "/x.so: does not load: ");
    unlink(place->file);
    assert_int_equal(symlink("/bin/true", place->file), 0);
    assert_refused(place, "/x.so: a symbolic link, not a file");
    unlink(place->file);
    assert_int_equal(mkfifo(place->file, 0600), 0);
    assert_refused(place, "/x.so: not a regular file");
    unlink(place->file);
    assert_int_equal(mkdir(place->file, 0700), 0);
    assert_refused(place, "/x.so: not a regular file");
}

static void c21_what_others_may_write_is_refused(void **state)
{
    const struct place *place = *state;
    struct plug plug;
    struct err err = ERR_EMPTY;

    write_file(place, 0646);
    assert_refused(place, "/x.so: others than its owner may write it (mode 0646)");
    write_file(place, 0664);
    assert_int_equal(plug_load_safe(&plug, place->dir, "x", true, &err), -1);
    assert_non_null(
        strstr(err.text, geteuid() == 0 ? "may write it (mode 0664)" : "not by root"));
    write_file(place, 0644);
    assert_int_equal(chmod(place->dir, 0777), 0);
    assert_refused(place, ": others than its owner may write it (mode 0777)");
}

static void another_owner_is_refused_by_root(void **state)
{
    const struct place *place = *state;

    if (geteuid() != 0)
        skip();
    write_file(place, 0644);
    assert_int_equal(chown(place->file, 65534, 65534), 0);
    assert_refused(place, "/x.so: owned by user 65534, not by root");
}

static void c22_names_and_folders_must_be_plain(void **state)
{
    static const struct {
        const char *dir, *name, *want;
    } refused[] = {
        {"/usr/lib", "../x", "\"../x\" is not a plugin's name"},
        {"/usr/lib", "/bin/x", "\"/bin/x\" is not a plugin's name"},
        {"/usr/lib", "", "\"\" is not a plugin's name"},
        {"lib", "x", "lib: the plugin directory must be an absolute path"},
        {"", "x", ": the plugin directory must be an absolute path"},
        {"/nowhere", "x", "/nowhere: cannot open the plugin directory: No such file"},
        {"/etc/passwd", "x", "/etc/passwd: cannot open the plugin directory: Not a dir"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct plug plug;
        struct err err = ERR_EMPTY;

        assert_int_equal(plug_load(&plug, refused[i].dir, refused[i].name, &err), -1);
        if (strncmp(err.text, refused[i].want, strlen(refused[i].want)) != 0)
            fail_msg("want \"%s\", got \"%s\"", refused[i].want, err.text);
    }
}

/* The plugins that `make check` builds; elsewhere there are none to load. */
static void built_plugins_are_loaded_or_refused(void **state)
{
    static const struct {
        const char *name, *want; /* NULL: loads */
    } plugins[] = {
        {"newer", NULL},
        {"blocking_run", NULL},
        {"reads_nothing", NULL},
        {"old_abi", "/old_abi.so: built for plugin interface 0, this daemon has 1"},
        {"no_symbol", "/no_symbol.so: no symbol usher_service: not a plugin"},
        {"null_hooks", "/null_hooks.so: shapes 0x0: neither stream nor datagram"},
        {"no_datagram", "/no_datagram.so: it serves datagrams, but has no datagram"},
        {"bad_offset", "/bad_offset.so: "},
        {"bad_options", "/bad_options.so: the default of size: 70000 is above 65535"},
    };
    char dir[512];

    (void)state;
    snprintf(dir, sizeof(dir), "%s/tests/plugins/.libs",
             getenv("top_builddir") != NULL ? getenv("top_builddir") : "");
    if (access(dir, R_OK) == -1)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(plugins); i++) {
        struct plug plug;
        struct err err = ERR_EMPTY;
        int result = plug_load(&plug, dir, plugins[i].name, &err);

        if (result != (plugins[i].want == NULL ? 0 : -1) ||
            (result == -1 && strstr(err.text, plugins[i].want) == NULL))
            fail_msg("%s: %s", plugins[i].name, err.text);
        plug_free(&plug);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_one_is_copied),
        cmocka_unit_test(one_without_options_has_an_empty_table),
        cmocka_unit_test(wrong_ones_are_refused_with_file_and_reason),
        cmocka_unit_test(a_table_without_an_end_is_refused),
        cmocka_unit_test(a_newer_one_is_cut_to_what_we_know),
        cmocka_unit_test(conf_is_presets_and_then_pairs),
        cmocka_unit_test(wrong_pairs_are_refused),
        cmocka_unit_test_setup_teardown(what_is_no_object_is_refused, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(c21_what_others_may_write_is_refused, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(another_owner_is_refused_by_root, make_place,
                                        remove_place),
        cmocka_unit_test(c22_names_and_folders_must_be_plain),
        cmocka_unit_test(built_plugins_are_loaded_or_refused),
        cmocka_unit_test(no_descriptor_is_left),
    };

    return cmocka_run_group_tests(tests, descriptors_at_start, NULL);
}
