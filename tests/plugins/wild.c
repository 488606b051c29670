/* Echo, until a letter comes that makes it do what a plugin must not; each is a fault of
 * its own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <usher/service.h>

#define FIRST_FD 3
#define LAST_FD  20
#define LAST_CHANNEL 255
#define PASSED   253 /* the most that one message takes */
#define MESSAGES 200
#define FLOOD    2000
#define CHUNK    (1u << 20)

struct wild_conf {
    const char *open; /* a file: as long as it is there, open() crashes */
};

static const struct usher_option options[] = {
    USHER_OPTION_TEXT(struct wild_conf, open, "", 0, 200,
                      "open() crashes where this file is."),
    USHER_OPTION_END
};

static void crash(void)
{
    volatile char *volatile nowhere = NULL;

    *nowhere = 1;
}

/* Without the memory it wants it goes on without it, as badly written code does. */
static void leak(void)
{
    for (;;)
        memset(malloc(CHUNK), 1, CHUNK);
}

static void close_all(void)
{
    for (int fd = FIRST_FD; fd <= LAST_FD; fd++)
        close(fd);
}

/* ---- to the master ---- */

static void send_message(int fd, const void *bytes, size_t count, int passed)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(PASSED * sizeof(int))];
    } control;
    struct iovec part = { (void *)(size_t)bytes, count };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    if (passed != -1) {
        memset(&control, 0, sizeof(control));
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(PASSED * sizeof(int));
        for (int i = 0; i < PASSED; i++)
            memcpy(CMSG_DATA(&control.header) + i * (int)sizeof(int), &passed,
                   sizeof(passed));
    }
    (void)sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool is_channel(int fd)
{
    int type = 0;
    socklen_t length = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == SOCK_SEQPACKET;
}

/* Noise, records that are none, and records that are somebody else's business. */
static void lie(int fd)
{
    static const char *const lies[] = {
        "ready",
        "drained",
        "failed text=lies",
        "busy",
        "child pid=1",
        "child service=x pid=2147483647",
        "child pid=-1",
        "child pid=99999999999999999999",
        "log level=0",
        "log level=77 text=x subject=y",
        "log level=3 subject=wild text=\\x0a\\x1b",
        "stop",
        "drain timeout_ms=0",
        "=",
        " ",
        "a=b",
        "log dropped=-5 level=0 subject=a text=b",
        "ready ready",
        "child pid=1 pid=1",
    };
    char noise[512];

    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
        send_message(fd, lies[i], strlen(lies[i]), -1);
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)rand();
    send_message(fd, noise, sizeof(noise), -1);
    send_message(fd, "busy", 4, fd);
}

static void send_huge(int fd)
{
    static char huge[180000];

    memset(huge, 'a', sizeof(huge));
    send_message(fd, huge, sizeof(huge), -1);
}

static void lie_to_master(void)
{
    for (int fd = FIRST_FD; fd <= LAST_CHANNEL; fd++)
        if (is_channel(fd)) {
            send_huge(fd);
            for (int i = 0; i < MESSAGES; i++)
                lie(fd);
        }
}

/* Lines as a worker sends them, faster than anybody could read. */
static void flood_the_log(void)
{
    static const char line[] = "log level=0 subject=wild text=flood";

    for (int i = 0; i < FLOOD; i++)
        for (int fd = FIRST_FD; fd <= LAST_CHANNEL; fd++)
            if (is_channel(fd))
                send_message(fd, line, sizeof(line) - 1, -1);
}

/* Not a hang yet, but long enough to be met in it. */
static void work(void)
{
    clock_t end = clock() + CLOCKS_PER_SEC / 10;

    while (clock() < end)
        continue;
}

/* ---- what every plugin does ---- */

static void behave(char letter)
{
    switch (letter) {
    case 'X': crash(); return;
    case 'A': abort();
    case 'E': exit(0);
    case 'L': leak(); return;
    case 'C': close_all(); return;
    case 'G': lie_to_master(); return;
    case 'V': flood_the_log(); return;
    case 'W': work(); return;
    case 'H':
        for (;;)
            pause();
    case 'S':
        for (;;)
            (void)getppid();
    default: return;
    }
}

static int wild_open(const struct usher_instance *service, void **state)
{
    const struct wild_conf *conf = service->conf;

    (void)state;
    if (conf->open[0] != '\0' && access(conf->open, F_OK) == 0)
        crash();
    return 0;
}

struct wild_conn {
    bool fills;
};

static void fill(struct usher_conn *conn)
{
    static const char line[4096] = "more";
    struct wild_conn *own = conn->mine;

    while (own->fills && usher_room(conn) >= sizeof(line))
        usher_write(conn, line, sizeof(line));
}

static size_t wild_data(struct usher_conn *conn, const void *bytes, size_t count)
{
    struct wild_conn *own = conn->mine;
    const char *text = bytes;

    for (size_t i = 0; i < count; i++)
        behave(text[i]);
    if (count > 0 && memchr(bytes, 'F', count) != NULL)
        own->fills = true;
    usher_write(conn, bytes, count);
    fill(conn);
    return count;
}

static void wild_datagram(struct usher_dgram *dgram)
{
    const char *text = dgram->bytes;

    for (size_t i = 0; i < dgram->count; i++)
        behave(text[i]);
    usher_reply(dgram, dgram->bytes, dgram->count);
}

USHER_SERVICE(wild) = {
    USHER_SERVICE_HEADER,
    .name = "wild",
    .sentence = "Echo with every fault there is.",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .options = options,
    .conf_size = sizeof(struct wild_conf),
    .conn_size = sizeof(struct wild_conn),
    .open = wild_open,
    .data = wild_data,
    .drained = fill,
    .datagram = wild_datagram,
};
