#include "support/some_plugins.h"

#include <string.h>

#include "base/mem.h"

struct echo_conf {
    const char *prefix;
};

struct all_conf {
    bool flag;
    unsigned count;
    int level;
    uint64_t size;
    int64_t delay;
    int colour;
    struct usher_list names;
    struct usher_address to;
};

static struct usher_option echo_options[] = {
    USHER_OPTION_TEXT(struct echo_conf, prefix, "", 0, 255, "Text before each datagram."),
    USHER_OPTION_END};

static struct usher_option all_options[] = {
    USHER_OPTION_BOOL(struct all_conf, flag, "false", "A flag."),
    USHER_OPTION_UINT(struct all_conf, count, NULL, 1, 4096, "bytes", "A count."),
    USHER_OPTION_INT(struct all_conf, level, "0", -5, 5, NULL, "A level."),
    USHER_OPTION_SIZE(struct all_conf, size, "64k", 512, 1 << 20, "A size."),
    USHER_OPTION_DURATION(struct all_conf, delay, "1s", 10, 60000, "A time."),
    USHER_OPTION_ENUM(struct all_conf, colour, "red", "red|green|blue", "A choice."),
    USHER_OPTION_LIST(struct all_conf, names, NULL, 0, 3, "Names."),
    USHER_OPTION_ADDRESS(struct all_conf, to, NULL, "Where to."),
    USHER_OPTION_END};

static struct usher_option no_options[] = { USHER_OPTION_END };

static char words[][16] = {"echo",  "daytime", "all",   "finger", "stream",
                           "dgram", "mux",     "asker", "holder", "sender"};
static char folder[] = "/plugins";
static char sentence[] = "A test.";

static const struct descriptor plugins[] = {
    {words[0], folder, sentence, USHER_STREAM | USHER_DATAGRAM, 0, true, false,
     echo_options},
    {words[1], folder, sentence, USHER_STREAM | USHER_DATAGRAM, 0, true, false,
     no_options},
    {words[2], folder, sentence, USHER_STREAM | USHER_DATAGRAM, USHER_NEEDS_FILES, true,
     false, all_options},
    {words[3], folder, sentence, USHER_STREAM, USHER_NEEDS_PASSWD, false, true,
     no_options},
    {words[4], folder, sentence, USHER_STREAM, 0, true, false, no_options},
    {words[5], folder, sentence, USHER_DATAGRAM, 0, false, false, no_options},
    {words[6], folder, sentence, USHER_STREAM, USHER_NEEDS_HAND_OVER, true, false,
     no_options},
    {words[7], folder, sentence, USHER_STREAM, USHER_NEEDS_PASSWD, true, false,
     no_options},
    {words[8], folder, sentence, USHER_STREAM, USHER_NEEDS_STREAM_LOOP, true, false,
     no_options},
    {words[9], folder, sentence, USHER_DATAGRAM, USHER_NEEDS_DATAGRAM_LOOP, true, false,
     no_options},
};

static const struct descriptor *describe(void *context, const char *dir,
                                         const char *plugin, struct err *err)
{
    (void)context;
    for (size_t i = 0; i < ARRAY_LEN(plugins); i++)
        if (strcmp(plugins[i].name, plugin) == 0)
            return &plugins[i];
    err_set(err, "%s/%s.so: No such file or directory", dir, plugin);
    return NULL;
}

static int check(void *context, const struct plan_service *service, struct err *err)
{
    (void)context;
    for (size_t i = 0; i < service->option_count; i++)
        if (strcmp(service->options[i].value, "refuse me") == 0)
            return err_set(err, "the plugin does not like it");
    return 0;
}

const struct check_catalogue some_plugins = { NULL, describe, check };
