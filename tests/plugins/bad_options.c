/* An option whose preset is outside its own range: refused when the plugin is read. */
#include <usher/service.h>

struct bad_conf {
    unsigned size;
};

static const struct usher_option options[] = {
    USHER_OPTION_UINT(struct bad_conf, size, "70000", 1, 65535, "bytes", "Can not be."),
    USHER_OPTION_END
};

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(bad_options) = {
    USHER_SERVICE_HEADER,   .name = "bad_options",
    .shapes = USHER_STREAM, .sentence = "Contradicts itself.",
    .options = options,     .conf_size = sizeof(struct bad_conf),
    .data = echo,
};
