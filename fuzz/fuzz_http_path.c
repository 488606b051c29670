/*
 * The http service's parsers of what a client sends: a request's target, a range, a date.
 * Whatever comes: a path that is let through stays below its folder, byte for byte as
 * checked here, and a range lies within its file.
 */
#include <stdint.h>
#include <string.h>

#include "../services/http/path.h"
#include "../services/http/range.h"
#include "fuzz.h"
#include "oracle.h"

/* Relative, no segment empty but the last, none that begins with a dot, no control
 * byte. */
static void judge_path(const char *path)
{
    bool at_start = true;

    for (const char *at = path; *at != '\0'; at++) {
        must((unsigned char)*at >= ' ' && *at != 0x7f);
        must(!at_start || (*at != '/' && *at != '.'));
        at_start = *at == '/';
    }
}

static void try_path(const char *text)
{
    char small[16], path[HTTP_PATH_MAX];

    memset(path, 'x', sizeof(path));
    if (!http_path(text, path, sizeof(path)))
        return;
    must(memchr(path, '\0', sizeof(path)) != NULL);
    judge_path(path);
    if (http_path(text, small, sizeof(small)))
        must(strcmp(small, path) == 0);
    else
        must(strlen(path) + 1 >= sizeof(small));
}

static void try_range(const char *text)
{
    static const uint64_t sizes[] = { 0, 1, 10, UINT32_MAX, INT64_MAX };
    uint64_t first, count;
    time_t at;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (http_range(text, sizes[i], &first, &count) == RANGE_PART)
            must(count > 0 && first < sizes[i] && count <= sizes[i] - first);
    http_date_read(text, &at);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char *text = malloc(count + 1);

    must(text != NULL);
    memcpy(text, bytes, count);
    text[count] = '\0';
    try_path(text);
    try_range(text);
    free(text);
    return 0;
}
