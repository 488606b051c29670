/* check() refuses every configuration but one. */
#include <stdio.h>

#include <usher/service.h>

struct refusing_conf {
    bool please;
};

static const struct usher_option options[] = {
    USHER_OPTION_BOOL(struct refusing_conf, please, "false", "The word to say."),
    USHER_OPTION_END
};

static int refuse(const void *conf, char *error, size_t room)
{
    const struct refusing_conf *refusing = conf;

    if (refusing->please)
        return 0;
    snprintf(error, room, "please: must be said");
    return -1;
}

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

USHER_SERVICE(check_refuses) = {
    USHER_SERVICE_HEADER,   .name = "check_refuses",
    .shapes = USHER_STREAM, .sentence = "Wants to be asked politely.",
    .options = options,     .conf_size = sizeof(struct refusing_conf),
    .check = refuse,
    .data = echo,
};
