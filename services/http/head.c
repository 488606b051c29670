/*
 * Requests reach us through others, proxies that may share one connection between several people. Where
 * they and we could differ on where a request ends, one person's bytes would be another's request: so
 * what RFC 9112 has refused is refused, as far as the library does not do it.
 */
#include "head.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct look {
    unsigned lengths, hosts;
    bool has_body, is_odd;
};

static bool is_token(const char *name, size_t count)
{
    static const char signs[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (size_t i = 0; i < count; i++)
        if (name[i] == '\0' || strchr(signs, name[i]) == NULL)
            return false;
    return count > 0;
}

static bool is_printable(const char *value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
            return false;
    return true;
}

static bool is_named(const char *name, size_t count, const char *wanted)
{
    return count == strlen(wanted) && strncasecmp(name, wanted, count) == 0;
}

static enum MHD_Result look_at(void *context, enum MHD_ValueKind kind, const char *name,
                               size_t name_count, const char *value, size_t count)
{
    struct look *look = context;

    (void)kind;
    if (!is_token(name, name_count) || !is_printable(value, count))
        look->is_odd = true;
    if (is_named(name, name_count, MHD_HTTP_HEADER_HOST))
        look->hosts++;
    if (is_named(name, name_count, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        look->has_body = true;
    if (is_named(name, name_count, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        look->lengths++;
        look->has_body = look->has_body || count != 1 || value[0] != '0';
    }
    return MHD_YES;
}

enum head head_look(struct MHD_Connection *connection)
{
    struct look look = {0};

    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, look_at, &look);
    if (look.is_odd || look.lengths > 1 || look.hosts > 1)
        return HEAD_UNSURE;
    return look.has_body ? HEAD_BODY : HEAD_PLAIN;
}
