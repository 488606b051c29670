/*
 * usherctl, and a daemon that says anything: packets, with a new line between them, then
 * the end. What usherctl shows is printable, line by line, whoever wrote what stands in
 * the records; as JSON it is one object that jansson reads back. An answer without its
 * end is none.
 */
#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/mem.h"
#include "ctl/answer.h"
#include "ctl/client.h"
#include "ctl/json.h"
#include "ctl/print.h"
#include "fuzz.h"
#include "oracle.h"

#define PACKETS 32

/* ---- the daemon
 * ------------------------------------------------------------------------ */

struct server {
    int fd;
    char path[64];
    const char *bytes;
    size_t count;
};

static void open_server(struct server *server)
{
    struct usher_address at;

    if (server->fd != -1)
        return;
    snprintf(server->path, sizeof(server->path), "@usher-answer-%ld", (long)getpid());
    must(addr_parse_unix(server->path, &at, NULL) == 0);
    server->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    must(bind(server->fd, (struct sockaddr *)&at.storage, at.length) == 0);
    must(listen(server->fd, 1) == 0);
}

static void *serve(void *context)
{
    struct server *server = context;
    const char *text = server->bytes, *last = text + server->count;
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
    char request[64];
    ssize_t got = recv(fd, request, sizeof(request), 0);

    must(got == 4 && memcmp(request, "list", 4) == 0);
    for (int left = PACKETS; left > 0 && text <= last; left--) {
        const char *end = memchr(text, '\n', (size_t)(last - text));

        end = end != NULL ? end : last;
        if (send(fd, text, (size_t)(end - text), MSG_NOSIGNAL) == -1)
            break; /* usherctl has heard enough */
        text = end + 1;
    }
    close(fd);
    return NULL;
}

/* ---- what is shown
 * --------------------------------------------------------------------- */

struct capture {
    FILE *out, *err;
    char *out_text, *err_text;
    size_t out_count, err_count;
};

static void begin_capture(struct capture *capture)
{
    capture->out = stdout;
    capture->err = stderr;
    stdout = open_memstream(&capture->out_text, &capture->out_count);
    stderr = open_memstream(&capture->err_text, &capture->err_count);
}

static void end_capture(struct capture *capture)
{
    fclose(stdout);
    fclose(stderr);
    stdout = capture->out;
    stderr = capture->err;
}

static void free_capture(struct capture *capture)
{
    free(capture->out_text);
    free(capture->err_text);
}

static bool is_shown(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text[i] != '\n' && (text[i] < 0x20 || text[i] > 0x7e))
            return false;
    return count == 0 || text[count - 1] == '\n';
}

static void look_at_text(void (*print)(const struct answer *),
                         const struct answer *answer)
{
    struct capture capture = { 0 };

    begin_capture(&capture);
    print(answer);
    end_capture(&capture);
    must(is_shown(capture.out_text, capture.out_count));
    must(is_shown(capture.err_text, capture.err_count));
    free_capture(&capture);
}

static void look_at_json(int (*print)(const struct answer *, struct err *),
                         const struct answer *answer)
{
    struct capture capture = { 0 };
    struct err err = ERR_EMPTY;
    json_t *json;
    int result;

    begin_capture(&capture);
    result = print(answer, &err);
    end_capture(&capture);
    must(result == 0);
    must(is_shown(capture.out_text, capture.out_count));
    json = json_loads(capture.out_text, JSON_REJECT_DUPLICATES, NULL);
    must(json_is_object(json));
    json_decref(json);
    free_capture(&capture);
}

/* ---- the two together
 * ------------------------------------------------------------------ */

static void take(struct record *record, void *context)
{
    if (!print_line(record))
        answer_take(context, record);
}

static int ask(struct client_call *call)
{
    struct capture capture = { 0 };
    struct err err = ERR_EMPTY;
    int result;

    begin_capture(&capture);
    result = client_ask(call, &err);
    end_capture(&capture);
    must(is_shown(capture.out_text, capture.out_count));
    must(is_shown(capture.err_text, capture.err_count));
    must(result == 0 || err.text[0] != '\0');
    must(result == -1 || (call->status >= 0 && call->status <= 3));
    free_capture(&capture);
    return result;
}

static bool has_end(const uint8_t *bytes, size_t count)
{
    return memmem(bytes, count, "end", 3) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct server server = { .fd = -1 };
    struct answer answer = ANSWER_EMPTY;
    struct client_call call = {.path = server.path,
                               .request = RECORD_OUT_EMPTY,
                               .each = take,
                               .context = &answer};
    pthread_t thread;
    int result;

    open_server(&server);
    server.bytes = (const char *)bytes;
    server.count = count;
    must(pthread_create(&thread, NULL, serve, &server) == 0);
    record_begin(&call.request, "list");
    record_end(&call.request);
    result = ask(&call);
    must(pthread_join(thread, NULL) == 0);
    must(result == -1 || has_end(bytes, count));
    look_at_text(print_list, &answer);
    look_at_text(print_status, &answer);
    look_at_json(json_print_list, &answer);
    look_at_json(json_print_status, &answer);
    answer_free(&answer);
    return 0;
}
