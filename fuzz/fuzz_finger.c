/*
 * The finger query parser: any bytes, in any two parts. What it lets through as a name is
 * one, and the bytes that come later never change what came before.
 */
#include <stdint.h>
#include <string.h>

#include "../services/finger/query.h"
#include "fuzz.h"
#include "oracle.h"

static bool is_same(const struct finger_query *a, const struct finger_query *b)
{
    return a->kind == b->kind && a->is_long == b->is_long &&
           strcmp(a->name, b->name) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    const char *text = (const char *)bytes;
    struct finger_query whole, part;
    bool is_whole;

    if (count == 0)
        return 0;
    is_whole = finger_query_parse(text, count, &whole);
    must(is_whole || count < FINGER_QUERY_MAX);
    for (size_t cut = 1; cut < count && cut <= FINGER_QUERY_MAX; cut++)
        if (finger_query_parse(text, cut, &part))
            must(is_whole && is_same(&whole, &part));
    if (!is_whole)
        return 0;
    must((whole.kind == FINGER_PERSON) == (whole.name[0] != '\0'));
    must(strspn(whole.name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "0123456789_-.") == strlen(whole.name));
    must(whole.name[0] != '-' && whole.name[0] != '.');
    return 0;
}
