/*
 * redirect: what comes goes on to another address, and what that says comes back. The
 * address is resolved by the reader; here no name is ever looked up.
 */
#include "redirect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peers.h"

static const struct usher_option redirect_options[] = {
    USHER_OPTION_ADDRESS(
        struct redirect_conf, target, NULL,
        "Where everything goes, HOST:PORT; a name is resolved when the table "
        "is read."),
    USHER_OPTION_DURATION(struct redirect_conf, connect_timeout, "10s", 100, 300000,
                          "How long a connection to the target may take to come about."),
    USHER_OPTION_DURATION(struct redirect_conf, idle, "30s", 100, 3600000,
                          "UDP: how long a silent peer keeps its socket."),
    USHER_OPTION_UINT(
        struct redirect_conf, max_peers, "256", 1, 4096, "peers",
        "UDP: peers at a time; one more takes the place of the longest silent."),
    USHER_OPTION_END
};

/* Where nobody listens, the port that the system draws for us may be the target's: the
 * socket would be connected with itself, and keep whoever is to listen there from it. */
static bool is_itself(int fd, const struct usher_address *to)
{
    struct sockaddr_storage own;
    socklen_t length = sizeof(own);

    return getsockname(fd, (struct sockaddr *)&own, &length) == 0 &&
           length == to->length && memcmp(&own, &to->storage, length) == 0;
}

int redirect_connect(const struct redirect_conf *conf, int type)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    const struct usher_address *to = &conf->target;
    int fd = socket(to->storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int code;

    if (fd == -1)
        return -1;
    if (connect(fd, (const struct sockaddr *)&to->storage, to->length) == 0 ||
        errno == EINPROGRESS) {
        if (!is_itself(fd, to))
            return fd;
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        errno = ECONNREFUSED;
    }
    code = errno;
    close(fd);
    errno = code;
    return -1;
}

static unsigned port_of(const struct usher_address *address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;

    if (address->storage.ss_family == AF_INET) {
        memcpy(&ipv4, &address->storage, sizeof(ipv4));
        return ntohs(ipv4.sin_port);
    }
    memcpy(&ipv6, &address->storage, sizeof(ipv6));
    return ntohs(ipv6.sin6_port);
}

static int redirect_check(const void *conf, char *error, size_t room)
{
    const struct redirect_conf *redirect = conf;

    if (redirect->target.length == 0)
        snprintf(error, room, "target: must be given");
    else if (port_of(&redirect->target) == 0)
        snprintf(error, room, "target: there is no port 0");
    else
        return 0;
    return -1;
}

static int redirect_open(const struct usher_instance *service, void **state)
{
    *state = peers_new(service);
    if (*state != NULL)
        return 0;
    usher_log(service, USHER_ERROR, "no memory");
    return -1;
}

static void redirect_close(void *state)
{
    peers_free(state);
}

USHER_SERVICE(redirect) = {
    USHER_SERVICE_HEADER,
    .name = "redirect",
    .shapes = USHER_STREAM | USHER_DATAGRAM,
    .needs = USHER_NEEDS_CONNECT | USHER_NEEDS_DATAGRAM_LOOP,
    .sentence = "Relays connections and datagrams to another address.",
    .options = redirect_options,
    .conf_size = sizeof(struct redirect_conf),
    .conn_size = sizeof(struct stream),
    .max_input = REDIRECT_READ,
    .check = redirect_check,
    .open = redirect_open,
    .close = redirect_close,
    .opened = stream_opened,
    .data = stream_data,
    .finished = stream_finished,
    .drained = stream_drained,
    .gone = stream_gone,
    .datagram = datagram_came,
};
