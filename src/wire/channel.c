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
    struct iovec bytes = {.iov_base = line, .iov_len = count};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
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

int channel_send_fd(int fd, struct record_out *out, int passed, struct err *err)
{
    char *end;
    int result = 0;

    if (out->length == 0)
        return 0;
    end = out->bytes + out->length;
    for (char *at = out->bytes; result == 0 && at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));

        if (stop == NULL)
            stop = end;
        result = send_line(fd, at, (size_t)(stop - at), passed, err);
        passed = -1; /* it went with the first */
        at = stop + 1;
    }
    out->length = 0;
    out->bytes[0] = '\0';
    return result;
}

int channel_send_some(int fd, struct record_out *out, struct err *err)
{
    char *stop;

    while (out->length > 0) {
        stop = memchr(out->bytes, '\n', out->length);
        if (stop == NULL)
            stop = out->bytes + out->length - 1;
        if (send_line(fd, out->bytes, (size_t)(stop - out->bytes), -1, err) == -1)
            return err->code == EAGAIN ? 1 : -1;
        out->length -= (size_t)(stop + 1 - out->bytes);
        memmove(out->bytes, stop + 1, out->length + 1); /* its NUL too */
    }
    return 0;
}

int channel_send(int fd, struct record_out *out, struct err *err)
{
    return channel_send_fd(fd, out, -1, err);
}

/* ---- receiving ------------------------------------------------------------------------
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
static ssize_t receive_packet(int fd, struct msghdr *message, struct err *err)
{
    ssize_t count;

    do {
        count = recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (count == -1 && errno == EINTR);
    if (count > 0)
        return count;
    if (count == 0)
        return err_set(err, "receive: the other side is gone");
    return errno == EAGAIN ? 0 : err_sys(err, "receive");
}

static int parse_packet(const struct msghdr *message, size_t count, struct record *record,
                        struct err *err)
{
    if ((message->msg_flags & MSG_TRUNC) != 0)
        return refuse(err, "the packet is too long");
    /* Too many descriptors, or no place for one: whoever asked must not go on without it.
     */
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
    struct iovec bytes = {.iov_base = buffer, .iov_len = sizeof buffer};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
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
    if (count <= 0)
        return (int)count;
    passed = passed_out == NULL ? -1 : detach(&message);
    if (parse_packet(&message, (size_t)count, record, err) == -1) {
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
