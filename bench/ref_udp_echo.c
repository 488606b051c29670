/*
 * The bare UDP echo: a batch in with recvmmsg, the same batch out with sendmmsg. No
 * packet info: the socket has one address. The receive buffer is raised as everyone who
 * must not lose datagrams does it: 256 small ones fill the default one to the brim.
 */
#include "ref.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define BATCH 64
#define DATAGRAM 2048
#define RECEIVE_BUFFER (1024 * 1024)

static char bytes[BATCH][DATAGRAM];
static struct sockaddr_in peers[BATCH];
static struct iovec parts[BATCH];
static struct mmsghdr messages[BATCH];

static void prepare(unsigned i)
{
    parts[i] = (struct iovec){ .iov_base = bytes[i], .iov_len = DATAGRAM };
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &peers[i], .msg_namelen = sizeof(peers[i]),
        .msg_iov = &parts[i], .msg_iovlen = 1 };
}

static void answer(int fd, unsigned count)
{
    for (unsigned at = 0; at < count;) {
        int sent = sendmmsg(fd, messages + at, count - at, 0);

        if (sent == -1 && errno == EINTR)
            continue;
        at += sent == -1 ? 1 : (unsigned)sent; /* that one failed: go on behind it */
    }
}

int main(void)
{
    const int size = RECEIVE_BUFFER;
    int fd = ref_open(SOCK_DGRAM);

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == -1)
        ref_die("receive buffer");
    for (unsigned i = 0; i < BATCH; i++)
        prepare(i);
    for (;;) {
        int got = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

        if (got == -1 && errno != EINTR && errno != ECONNREFUSED)
            ref_die("recvmmsg");
        if (got <= 0)
            continue;
        for (int i = 0; i < got; i++)
            parts[i].iov_len = messages[i].msg_len;
        answer(fd, (unsigned)got);
        for (unsigned i = 0; i < (unsigned)got; i++)
            prepare(i);
    }
}
