#include "wire/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"

/* Room for exactly one descriptor: the kernel drops what does not fit. */
union one_fd {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_LEN(sizeof(int))];
};

/* ---- sending --------------------------------------------------------------------------
 */

static void attach(struct msghdr *message, union one_fd *control, int passed)
{
    struct cmsghdr *header;

    memset(control, 0, sizeof *control);
    message->msg_control = control;
    message->msg_controllen = CMSG_LEN(sizeof passed);
    header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
}

static int send_line(int fd, char *line, size_t count, int passed, struct err *err)
{
    struct iovec bytes = { .iov_base = line, .iov_len = count };
    struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };
    union one_fd control;
    ssize_t sent;

    if (count > RECORD_MAX) {
        errno = EMSGSIZE;
        return err_sys(err, "send");
    }
    if (passed != -1)
        attach(&message, &control, passed);
    do {
        sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent == -1 && errno == EINTR);
    return sent == -1 ? err_sys(err, "send") : 0;
}

/* Sends line by line; *sent_out gets how many bytes of out are done with. */
static int send_lines(int fd, const struct record_out *out, int passed, size_t *sent_out,
                      struct err *err)
{
    for (*sent_out = 0; *sent_out < out->length;) {
        char *at = out->bytes + *sent_out;
        size_t left = out->length - *sent_out;
        char *stop = memchr(at, '\n', left);
        size_t count = stop == NULL ? left : (size_t)(stop - at);

        if (send_line(fd, at, count, passed, err) == -1)
            return -1;
        passed = -1; /* it went with the first */
        *sent_out += count + (stop != NULL);
    }
    return 0;
}

static void drop(struct record_out *out, size_t count)
{
    if (count == 0)
        return;
    out->length -= count;
    memmove(out->bytes, out->bytes + count, out->length + 1); /* its NUL too */
}

int channel_send_fd(int fd, struct record_out *out, int passed, struct err *err)
{
    size_t sent;
    int result = send_lines(fd, out, passed, &sent, err);

    drop(out, out->length);
    return result;
}

int channel_send_some(int fd, struct record_out *out, struct err *err)
{
    struct err own = ERR_EMPTY;
    struct err *why = err != NULL ? err : &own;
    size_t sent;
    bool is_full = send_lines(fd, out, -1, &sent, why) == -1 && why->code == EAGAIN;

    drop(out, sent);
    if (out->length == 0)
        return 0;
    if (is_full)
        return 1;
    drop(out, out->length);
    return -1;
}

int channel_send(int fd, struct record_out *out, struct err *err)
{
    return channel_send_fd(fd, out, -1, err);
}

/* ---- receiving ----------------------------------------------------------------------
 */

static int detach(struct msghdr *message)
{
    int passed = -1;

    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL;
         at = CMSG_NXTHDR(message, at))
        if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS &&
            at->cmsg_len == CMSG_LEN(sizeof passed))
            memcpy(&passed, CMSG_DATA(at), sizeof passed);
    return passed;
}

static int refuse(struct err *err, const char *why)
{
    err_set(err, "receive: %s", why);
    if (err != NULL)
        err->code = EBADMSG;
    return -1;
}

/* How many bytes came; 0: nothing there now; -1: end of file or error. */
static ssize_t receive_some(int fd, struct msghdr *message)
{
    ssize_t count;

    do {
        count = recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (count == -1 && errno == EINTR);
    return count;
}

/* The kernel looks for a packet and, when there is none, whether the other side is gone:
 * one that was sent between the two looks, by somebody who then went, is there still. */
static ssize_t receive_last(int fd, struct msghdr *message, size_t control_room)
{
    ssize_t count;

    if (message->msg_controllen > 0) /* an empty packet that brings a descriptor */
        return 0;
    message->msg_controllen = control_room;
    count = receive_some(fd, message);
    if (count == -1)
        message->msg_controllen = 0;
    return count > 0 ? count : 0;
}

static ssize_t receive_packet(int fd, struct msghdr *message, struct err *err)
{
    size_t control_room = message->msg_controllen;
    ssize_t count = receive_some(fd, message);

    if (count == 0)
        count = receive_last(fd, message, control_room);
    if (count > 0)
        return count;
    if (count == 0)
        return err_set(err, "receive: the other side is gone");
    message->msg_controllen = 0; /* left as it was */
    return errno == EAGAIN ? 0 : err_sys(err, "receive");
}

static int parse_packet(const struct msghdr *message, size_t count, struct record *record,
                        struct err *err)
{
    if ((message->msg_flags & MSG_TRUNC) != 0)
        return refuse(err, "the packet is too long");
    /* Too many descriptors, or no place for one: whoever asked must not go on without
     * it. */
    if (message->msg_control != NULL && (message->msg_flags & MSG_CTRUNC) != 0)
        return refuse(err, "a descriptor was lost");
    if (record_parse(record, message->msg_iov->iov_base, count, err) == 0)
        return 0;
    err_prefix(err, "receive");
    if (err != NULL)
        err->code = EBADMSG;
    return -1;
}

int channel_receive_fd(int fd, struct record *record, int *passed_out, struct err *err)
{
    char buffer[RECORD_MAX];
    struct iovec bytes = { .iov_base = buffer, .iov_len = sizeof buffer };
    struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };
    union one_fd control;
    int passed;
    ssize_t count;

    *record = (struct record)RECORD_EMPTY;
    /* Without room for descriptors the kernel lets go of those that come. */
    if (passed_out != NULL) {
        *passed_out = -1;
        message.msg_control = &control;
        message.msg_controllen = CMSG_LEN(sizeof passed);
    }
    count = receive_packet(fd, &message, err);
    if (count == 0)
        return 0;
    /* An empty packet may bring one too, and is the end of file otherwise. */
    passed = passed_out == NULL ? -1 : detach(&message);
    if (count == -1 || parse_packet(&message, (size_t)count, record, err) == -1) {
        fd_close(&passed);
        return -1;
    }
    if (passed_out != NULL)
        *passed_out = passed;
    return 1;
}

int channel_receive(int fd, struct record *record, struct err *err)
{
    return channel_receive_fd(fd, record, NULL, err);
}
