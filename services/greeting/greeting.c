/*
 * greeting: says one text to whoever connects, and closes. The caller need not send
 * anything; what it does send is not looked at.
 */
#include <string.h>

#include <usher/service.h>

#define TEXT_MAX 4096

struct greeting_conf {
    const char *text;
};

static const struct usher_option greeting_options[] = {
    USHER_OPTION_TEXT(struct greeting_conf, text, "Hello World!", 1, TEXT_MAX,
                      "What is said, exactly: no line end is added."),
    USHER_OPTION_END
};

static void greeting_opened(struct usher_conn *conn)
{
    const struct greeting_conf *conf = conn->service->conf;

    usher_write(conn, conf->text, strlen(conf->text));
    usher_end(conn);
}

USHER_SERVICE(greeting) = {
    USHER_SERVICE_HEADER,
    .name = "greeting",
    .shapes = USHER_STREAM,
    .sentence = "Says one text to whoever connects.",
    .options = greeting_options,
    .conf_size = sizeof(struct greeting_conf),
    .opened = greeting_opened,
};
