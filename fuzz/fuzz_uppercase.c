/*
 * Capitals of UTF-8: any bytes, in any two parts, give the same. What is ASCII is
 * compared with arithmetic, what is no character passes as it is, and the result has no
 * more than its room; what is in capitals already stays so.
 */
#include <string.h>

#include "../services/uppercase/utf_8.h"
#include "fuzz.h"
#include "oracle.h"

#define COUNT_MAX 256
#define ROOM      (UTF_8_GROWTH * COUNT_MAX)

struct result {
    char at[ROOM];
    size_t made, used;
};

static void add(struct result *result, const char *bytes, size_t count)
{
    size_t made;
    char *exact = malloc(UTF_8_GROWTH * count + 1);
    size_t used = utf_8_capitals(exact, &made, bytes, count);

    must(used <= count && count - used < UTF_8_CHARACTER);
    must(made <= UTF_8_GROWTH * used);
    memcpy(result->at + result->made, exact, made);
    result->made += made;
    result->used += used;
    free(exact);
}

/* The second call goes on where the first one stopped, as a connection does. */
static void try_cut(const char *text, size_t count, size_t cut, const struct result *want)
{
    struct result got = { .made = 0 };

    add(&got, text, cut);
    add(&got, text + got.used, count - got.used);
    must(got.used == want->used && got.made == want->made);
    must(memcmp(got.at, want->at, got.made) == 0);
}

static void look_at_ascii(const char *text, size_t count, const struct result *result)
{
    for (size_t i = 0; i < count; i++)
        if ((text[i] & 0x80) != 0)
            return;
    must(result->made == count);
    for (size_t i = 0; i < count; i++)
        must(result->at[i] ==
             (text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const char *text = (const char *)bytes;
    struct result whole = { .made = 0 }, again = { .made = 0 };

    if (count > COUNT_MAX)
        return 0;
    add(&whole, text, count);
    look_at_ascii(text, count, &whole);
    for (size_t cut = 0; cut <= count; cut++)
        try_cut(text, count, cut, &whole);
    if (whole.made <=
        COUNT_MAX) { /* a lone byte at the end may look like a beginning now */
        add(&again, whole.at, whole.made);
        must(again.made == again.used && whole.made - again.made < UTF_8_CHARACTER);
        must(memcmp(again.at, whole.at, again.made) == 0);
    }
    return 0;
}
