/*
 * The ident query parser, and the replies: whatever the line and the owner's name are,
 * the reply is one printable line that fits.
 */
#include <stdint.h>
#include <string.h>

#include "../services/ident/query.h"
#include "fuzz.h"
#include "oracle.h"

static void check_reply(const char *reply, size_t length)
{
    must(length >= 2 && length < IDENT_REPLY_MAX && strlen(reply) == length);
    must(strcmp(reply + length - 2, "\r\n") == 0);
    for (size_t i = 0; i < length - 2; i++)
        must(reply[i] >= ' ' && reply[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char reply[IDENT_REPLY_MAX];
    struct ident_query query;
    char *name = malloc(count + 1);

    if (name == NULL)
        return 0;
    if (count > 0)
        memcpy(name, bytes, count);
    name[count] = '\0';
    ident_query_parse(name, count, &query);
    if (query.is_good)
        must(query.here >= 1 && query.here <= 65535 && query.there >= 1 &&
             query.there <= 65535);
    must(query.here <= 999999999 && query.there <= 999999999);
    check_reply(reply, ident_error(&query, "INVALID-PORT", reply));
    check_reply(reply, ident_user(&query, "UNIX", name, reply));
    free(name);
    return 0;
}
