/* An option outside the configuration struct it says it fills: refused when it is
 * read. */
#include <usher/service.h>

struct bad_conf {
    unsigned size;
    unsigned outside;
};

static const struct usher_option options[] = {
    USHER_OPTION_UINT(struct bad_conf, outside, "1", 0, 9, NULL, "Is not there."),
    USHER_OPTION_END
};

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(bad_offset) = {
    USHER_SERVICE_HEADER,   .name = "bad_offset",
    .shapes = USHER_STREAM, .sentence = "Points past its own end.",
    .options = options,     .conf_size = offsetof(struct bad_conf, outside),
    .data = echo,
};
