/* Built against a later header: longer structs, unknown fields behind. It works. */
#include <usher/service.h>

static size_t echo(struct usher_conn *conn, const void *bytes, size_t count)
{
    usher_write(conn, bytes, count);
    return count;
}

struct newer_option {
    struct usher_option known;
    const char *since;
};

struct newer_service {
    struct usher_service known;
    void (*later)(void);
    uint64_t more[8];
};

struct newer_conf {
    unsigned first;
    bool second;
};

static const struct newer_option options[] = {
    { USHER_OPTION_UINT(struct newer_conf, first, "1", 0, 9, "things", "One."), "2.0" },
    { USHER_OPTION_BOOL(struct newer_conf, second, "true", "Two."), "2.0" },
    { USHER_OPTION_END, NULL },
};

extern const struct newer_service usher_service __attribute__((visibility("default")));
const struct newer_service usher_service = {
    .known = {
        .abi = USHER_ABI,
        .size = (uint32_t)sizeof(struct newer_service),
        .option_size = (uint32_t)sizeof(struct newer_option),
        .name = "newer",
        .shapes = USHER_STREAM,
        .sentence = "Echo, from the future.",
        .options = &options[0].known,
        .conf_size = sizeof(struct newer_conf),
        .data = echo,
    },
    .more = { 1, 2, 3 },
};
