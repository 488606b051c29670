/*
 * Requests reach us through others, proxies that may share one connection between several
 * people. Where they and we could differ on where a request ends, one person's bytes
 * would be another's request: so what RFC 9112 has refused is refused, as far as the
 * library does not do it.
 *
 * The library leaves a head where it read it, and puts a NUL where a name, a value or a
 * line ends. What it left out (a continued line, what follows a NUL, a field without a
 * name) shows as a gap between what it tells of that has more in it than the ends.
 */
#include "head.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define FAR (16 * HEAD_MAX) /* more than the library keeps of one */

struct look {
    const char *at; /* where the last thing ended that the library told of */
    unsigned fields, lengths, hosts;
    bool has_body, is_odd;
    bool is_loose; /* a line ends with LF, or CR, alone */
};

/* How many bytes between the two end something; UINT_MAX: there is more, or no such
 * place. */
static unsigned ends_between(const char *from, const char *to)
{
    unsigned ends = 0;

    if ((uintptr_t)from > (uintptr_t)to || (uintptr_t)to - (uintptr_t)from > FAR)
        return UINT_MAX;
    for (; from < to; from++) {
        if (*from == '\0' || *from == '\r' || *from == '\n')
            ends++;
        else if (*from != ' ' && *from != '\t')
            return UINT_MAX;
    }
    return ends;
}

static void end_lines(struct look *look, const char *next, unsigned lines)
{
    unsigned ends = ends_between(look->at, next);

    if (ends < lines || ends > 2 * lines)
        look->is_odd = true;
    else if (ends < 2 * lines)
        look->is_loose = true;
}

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

/* Of a host and a port, or nothing. */
static bool is_host(const char *value, size_t count)
{
    while (count > 0 && (value[count - 1] == ' ' || value[count - 1] == '\t'))
        count--;
    for (size_t i = 0; i < count; i++)
        if (value[i] == ' ' || value[i] == '\t' ||
            strchr("\"#/<>?@\\^`{|}", value[i]) != NULL)
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
    look->fields++;
    end_lines(look, name, 1);
    if (ends_between(name + name_count, value) != 1)
        look->is_odd = true;
    look->at = value + count;
    if (!is_token(name, name_count) || !is_printable(value, count))
        look->is_odd = true;
    if (is_named(name, name_count, MHD_HTTP_HEADER_HOST)) {
        look->hosts++;
        look->is_odd = look->is_odd || !is_host(value, count);
    }
    if (is_named(name, name_count, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        look->has_body = true;
    if (is_named(name, name_count, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        look->lengths++;
        look->has_body = look->has_body || count != 1 || value[0] != '0';
    }
    return MHD_YES;
}

static bool is_split_well(const struct head_line *line)
{
    return line->method + strlen(line->method) + 1 == line->target &&
           line->target_end != NULL && line->target_end + 1 == line->version;
}

static size_t size_of_head(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info->header_size;
}

static unsigned count_cookies(struct MHD_Connection *connection)
{
    return (unsigned)MHD_get_connection_values(connection, MHD_COOKIE_KIND, NULL, NULL);
}

enum head head_look(struct MHD_Connection *connection, const struct head_line *line)
{
    struct look look = { .at = line->version + strlen(line->version) };
    size_t size = size_of_head(connection);

    look.is_odd = !is_split_well(line);
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, look_at, &look);
    end_lines(&look, line->method + size, 2);
    if (look.hosts == 0 && strcmp(line->version, MHD_HTTP_VERSION_1_1) == 0)
        look.is_odd = true;
    if (look.is_odd || look.lengths > 1 || look.hosts > 1)
        return HEAD_UNSURE;
    if (size > HEAD_MAX || look.fields + count_cookies(connection) > HEAD_FIELDS)
        return HEAD_LONG;
    return look.has_body || look.is_loose ? HEAD_BODY : HEAD_PLAIN;
}
