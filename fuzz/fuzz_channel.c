/*
 * A channel between two processes, one of which says anything: packets of any bytes, with
 * up to three descriptors. A packet is a record or refused, one descriptor comes through
 * where it was asked for, and none stays open otherwise. In the input each packet is two
 * bytes, descriptors and length, and its bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "fuzz.h"
#include "oracle.h"
#include "wire/channel.h"

#define PASSED_MAX 3
#define FD_MAX     64

struct packet {
    unsigned passed; /* how many descriptors */
    bool is_asked_for;
    const uint8_t *bytes;
    size_t count;
};

/* One bit per descriptor that is open. */
static uint64_t open_fds(void)
{
    uint64_t open = 0;

    for (int fd = 0; fd < FD_MAX; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            open |= UINT64_C(1) << fd;
    return open;
}

static void send_packet(int fd, const struct packet *packet)
{
    struct iovec bytes = {(void *)(uintptr_t)packet->bytes, packet->count};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(PASSED_MAX * sizeof(int))];
    } control = {.room = { 0 }};
    struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };
    int passed[PASSED_MAX] = { fd, fd, fd };

    if (packet->passed > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(packet->passed * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(packet->passed * sizeof(int));
        memcpy(CMSG_DATA(&control.header), passed, packet->passed * sizeof(int));
    }
    must(sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)packet->count);
}

static void look_at(const struct packet *packet, int got, int passed,
                    const struct err *err)
{
    struct record record = RECORD_EMPTY;
    bool is_record =
        record_parse(&record, (const char *)packet->bytes, packet->count, NULL) == 0;
    bool is_good = is_record && (!packet->is_asked_for || packet->passed <= 1);

    record_free(&record);
    must(got == (is_good ? 1 : -1));
    must((passed != -1) == (is_good && packet->is_asked_for && packet->passed == 1));
    must(passed == -1 || fcntl(passed, F_GETFD) == FD_CLOEXEC);
    must(got == 1 || err->code == (packet->count == 0 ? 0 : EBADMSG));
}

static void pass(const int ends[2], const struct packet *packet)
{
    struct record record = RECORD_EMPTY;
    struct err err = ERR_EMPTY;
    uint64_t before = open_fds();
    int passed = -1, got;

    send_packet(ends[0], packet);
    got = packet->is_asked_for ? channel_receive_fd(ends[1], &record, &passed, &err)
                               : channel_receive(ends[1], &record, &err);
    look_at(packet, got, passed, &err);
    record_free(&record);
    if (passed != -1)
        close(passed);
    must(open_fds() == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    int ends[2];

    must(fd_pair(ends, NULL) == 0);
    while (count >= 2) {
        struct packet packet = {.passed = bytes[0] & PASSED_MAX,
                                .is_asked_for = (bytes[0] & 4) != 0,
                                .bytes = bytes + 2,
                                .count = bytes[1] < count - 2 ? bytes[1] : count - 2};

        pass(ends, &packet);
        bytes += 2 + packet.count;
        count -= 2 + packet.count;
    }
    close(ends[0]);
    close(ends[1]);
    return 0;
}
