#include "tables.h"

#include <locale.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/check.h"
#include "oracle.h"
#include "support/some_plugins.h"

static double seconds_used(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* As the C library decodes it. */
static bool is_readable(const char *text)
{
    mbstate_t state = { 0 };
    size_t length;
    wchar_t c;

    for (; *text != '\0'; text += length) {
        length = mbrtowc(&c, text, MB_CUR_MAX, &state);
        if (length == (size_t)-1 || length == (size_t)-2 || c < 0x20 ||
            (c >= 0x7f && c < 0xa0))
            return false;
    }
    return true;
}

/* libconfig's own words would be a gap in conf/syntax: what that lets through must be
 * right. */
static bool is_of_libconfig(const char *text)
{
    return str_starts(text, "t.conf:") &&
           strcmp(text + 7 + strspn(text + 7, "0123456789"), ": syntax error") == 0;
}

/* Bytes of the table that a mistake shows are escaped, or they could look like another
 * one. */
static void look_at(const struct mistakes *mistakes)
{
    must(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
    for (size_t i = 0; i < mistakes->count; i++) {
        must(is_readable(mistakes->at[i]));
        must(!is_of_libconfig(mistakes->at[i]));
    }
    for (size_t i = 0; i < mistakes->warning_count; i++)
        must(is_readable(mistakes->warnings[i]));
}

struct plan *tables_read(const char *text, size_t count, struct mistakes *mistakes)
{
    struct check_input input = {.main_file = "t.conf",
                                .uid = 4242,
                                .gid = 4242,
                                .plugin_dir = "/plugins",
                                .catalogue = &some_plugins};
    struct source source = { .is_lax = true, .file_count = 1 };
    double begin = seconds_used();
    struct plan *plan;

    source.files = mem_new(sizeof(*source.files));
    source.files[0].name = mem_text("t.conf");
    source.files[0].bytes = mem_bytes(text, count);
    source.files[0].length = count;
    input.is_root = str_starts(source.files[0].bytes, "# run: root");
    source_scan(&source.files[0], mistakes);
    source.dir = check_services_dir(&source, &input); /* as if it were empty */
    plan = check_build(&input, &source, mistakes);
    must((plan == NULL) == (mistakes->count > 0));
    look_at(mistakes);
    source_free(&source);
    must(seconds_used() - begin < 1);
    return plan;
}
