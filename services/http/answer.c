#include "answer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "head.h"
#include "path.h"
#include "range.h"
#include "reply.h"

static const char *field(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Files have no tags here, so that none matches, and "*" always does. */
static bool is_unchanged(struct MHD_Connection *connection, const struct file *file)
{
    const char *tags = field(connection, MHD_HTTP_HEADER_IF_NONE_MATCH);
    const char *since = field(connection, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
    time_t at;

    if (tags != NULL)
        return strcmp(tags, "*") == 0;
    return since != NULL && http_date_read(since, &at) && file->changed <= at;
}

/* The client wants the file as it knows it, or none. */
static bool is_another(struct MHD_Connection *connection, const struct file *file)
{
    const char *tags = field(connection, MHD_HTTP_HEADER_IF_MATCH);
    const char *since = field(connection, MHD_HTTP_HEADER_IF_UNMODIFIED_SINCE);
    time_t at;

    if (tags != NULL)
        return strcmp(tags, "*") != 0;
    return since != NULL && http_date_read(since, &at) && file->changed > at;
}

/* A range belongs to the file as the client saw it: If-Range says when that was. */
static enum range_kind find_range(struct MHD_Connection *connection,
                                  const struct file *file, uint64_t *first,
                                  uint64_t *count)
{
    const char *range = field(connection, MHD_HTTP_HEADER_RANGE);
    const char *seen = field(connection, MHD_HTTP_HEADER_IF_RANGE);
    time_t at;

    if (range == NULL ||
        (seen != NULL && (!http_date_read(seen, &at) || at != file->changed)))
        return RANGE_NONE;
    return http_range(range, file->size, first, count);
}

static void add_file_fields(struct MHD_Response *response, const struct file *file)
{
    char date[HTTP_DATE];

    http_date(file->changed, date);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, file->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_LAST_MODIFIED, date);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
}

/* The library sends no body with it, but how long it is. */
static enum MHD_Result send_unchanged(struct MHD_Connection *connection,
                                      const struct file *file)
{
    struct MHD_Response *response = MHD_create_response_from_fd64(file->size, file->fd);

    if (response == NULL) {
        close(file->fd);
        return MHD_NO;
    }
    add_file_fields(response, file);
    return reply_send(connection, MHD_HTTP_NOT_MODIFIED, response);
}

static enum MHD_Result send_refusal(struct MHD_Connection *connection,
                                    const struct file *file)
{
    close(file->fd);
    return reply_status(connection, MHD_HTTP_PRECONDITION_FAILED, NULL, NULL);
}

static enum MHD_Result send_beyond(struct MHD_Connection *connection,
                                   const struct file *file)
{
    char text[64];

    close(file->fd);
    snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)file->size);
    return reply_status(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE,
                       MHD_HTTP_HEADER_CONTENT_RANGE, text);
}

static enum MHD_Result send_part(struct MHD_Connection *connection,
                                 const struct file *file, uint64_t first, uint64_t count)
{
    bool is_whole = first == 0 && count == file->size;
    struct MHD_Response *response =
        MHD_create_response_from_fd_at_offset64(count, file->fd, first);
    char text[96];

    if (response == NULL) {
        close(file->fd);
        return MHD_NO;
    }
    add_file_fields(response, file);
    snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)first,
             (unsigned long long)(first + count - 1), (unsigned long long)file->size);
    if (!is_whole)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
    return reply_send(connection, is_whole ? MHD_HTTP_OK : MHD_HTTP_PARTIAL_CONTENT,
                         response);
}

static enum MHD_Result send_file(struct MHD_Connection *connection, const char *method,
                                 const struct file *file)
{
    uint64_t first = 0, count = file->size;

    if (is_another(connection, file))
        return send_refusal(connection, file);
    if (is_unchanged(connection, file))
        return send_unchanged(connection, file);
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0) {
        switch (find_range(connection, file, &first, &count)) {
        case RANGE_BEYOND:
            return send_beyond(connection, file);
        case RANGE_NONE:
            first = 0;
            count = file->size;
            break;
        case RANGE_PART:
            break;
        }
    }
    return send_part(connection, file, first, count);
}

struct place {
    char text[HEAD_MAX]; /* no target is longer */
    size_t count;
    bool is_too_long;
};

static void add_text(struct place *to, const char *text)
{
    size_t count = strlen(text);

    if (count >= sizeof(to->text) - to->count) {
        to->is_too_long = true;
        return;
    }
    memcpy(to->text + to->count, text, count + 1);
    to->count += count;
}

/* To the same place with a slash behind it, so that links in the folder's page work. The
 * path is encoded as it came, and begins with one slash: it cannot name another host. */
static enum MHD_Result send_slash(struct MHD_Connection *connection,
                                  const struct request *request)
{
    struct place to = { .count = 0 };
    const char *target = http_origin(request->target);

    add_text(&to, target);
    add_text(&to, "/");
    if (request->query != NULL) {
        add_text(&to, "?");
        add_text(&to, request->query);
    }
    if (target[0] != '/' || to.is_too_long)
        return reply_status(connection, MHD_HTTP_NOT_FOUND, NULL, NULL);
    return reply_status(connection, MHD_HTTP_MOVED_PERMANENTLY, MHD_HTTP_HEADER_LOCATION,
                        to.text);
}

static enum MHD_Result answer_file(const struct site *site,
                                   struct MHD_Connection *connection,
                                   const struct request *request)
{
    struct file file;
    char path[HTTP_PATH_MAX];

    if (!http_path(request->target, path, sizeof(path)))
        return reply_status(connection, MHD_HTTP_NOT_FOUND, NULL, NULL);
    if (site->root == -1 && path[0] == '\0')
        return reply_page(connection, site->name);
    switch (site->root != -1 ? file_open(site->root, path, site->index, &file)
                             : FILE_MISSING) {
    case FILE_FOUND:
        return send_file(connection, request->method, &file);
    case FILE_IS_FOLDER:
        return send_slash(connection, request);
    case FILE_DENIED:
        return reply_status(connection, MHD_HTTP_FORBIDDEN, NULL, NULL);
    case FILE_BUSY:
        return reply_status(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                           MHD_HTTP_HEADER_RETRY_AFTER, "1");
    case FILE_MISSING:
        break;
    }
    return reply_status(connection, MHD_HTTP_NOT_FOUND, NULL, NULL);
}

enum MHD_Result answer(const struct site *site, struct MHD_Connection *connection,
                       const struct request *request)
{
    if (strcmp(request->method, MHD_HTTP_METHOD_GET) != 0 &&
        strcmp(request->method, MHD_HTTP_METHOD_HEAD) != 0)
        return reply_status(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                            MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    return answer_file(site, connection, request);
}
