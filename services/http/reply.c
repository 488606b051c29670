#include "reply.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char page[] =
    "<!doctype html>\n"
    "<html lang=\"en\"><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>usher</title>\n"
    "<style>body { font: 1.1em/1.5 system-ui, sans-serif; max-width: 34em; margin: 4em "
    "auto;\n"
    "padding: 0 1em; color-scheme: light dark }</style>\n"
    "<h1>usher</h1>\n"
    "<p>This is the internet super-server usher. Its service <b>%s</b> has no folder of "
    "files\n"
    "to show yet: the option <code>root</code> in the table names one.</p>\n"
    "<p>How the services of this machine are doing, <code>usherctl list</code> "
    "tells.</p>\n"
    "</html>\n";

enum MHD_Result reply_send(struct MHD_Connection *connection, unsigned status,
                                     struct MHD_Response *response)
{
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static struct MHD_Response *of_text(const char *text, const char *type)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

    if (response != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return response;
}

enum MHD_Result reply_status(struct MHD_Connection *connection, unsigned status,
                                   const char *name, const char *value)
{
    struct MHD_Response *response;
    char text[128];

    snprintf(text, sizeof(text), "%u %s\n", status, MHD_get_reason_phrase_for(status));
    response = of_text(text, "text/plain; charset=utf-8");
    if (response != NULL && name != NULL)
        MHD_add_response_header(response, name, value);
    return reply_send(connection, status, response);
}

/* A service's name has no characters that mean something in HTML. */
enum MHD_Result reply_page(struct MHD_Connection *connection, const char *service)
{
    char text[sizeof(page) + 256];

    snprintf(text, sizeof(text), page, service);
    return reply_send(connection, MHD_HTTP_OK, of_text(text, "text/html; charset=utf-8"));
}
