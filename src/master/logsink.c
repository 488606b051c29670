#include "master/logsink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define LINE_ROOM (2 * LOG_LINE + 256)

enum sink_kind { SINK_STDERR, SINK_FILE, SINK_SYSLOG };

static struct {
    enum sink_kind kind;
    int fd;      /* -1 for syslog while nobody is there, and for a standard error of
                    which we have no open file of our own */
    char *path;  /* SINK_FILE */
    bool as_json;
    unsigned long dropped, told;
} sink = { .fd = -1 };

static void add_time(struct str *s)
{
    struct timespec now;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    str_add(s, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
            tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(now.tv_nsec / 1000000));
}

/* Lines are printable already (log_escape); JSON needs only its two own characters
 * escaped. */
static void add_json_text(struct str *s, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            str_add(s, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            str_add(s, "\\u%04x", (unsigned)c);
        else
            str_add_bytes(s, text, 1);
    }
}

static void format_json(struct str *s, enum log_level level, const char *subject,
                        const char *line, long pid)
{
    str_add(s, "{\"time\":\"");
    add_time(s);
    str_add(s, "\",\"level\":\"%s\",\"subject\":\"", log_level_name(level));
    add_json_text(s, subject);
    str_add(s, "\",\"pid\":%ld,\"text\":\"", pid);
    add_json_text(s, line);
    str_add(s, "\"}");
}

static void format_text(struct str *s, enum log_level level, const char *subject,
                        const char *line, long pid)
{
    add_time(s);
    str_add(s, " %s %s[%ld]: %s", log_level_name(level), subject, pid, line);
}

static void format_syslog(struct str *s, enum log_level level, const char *subject,
                          const char *line, long pid)
{
    static const int priorities[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
    time_t now = time(NULL);
    struct tm tm;
    char when[32];

    localtime_r(&now, &tm);
    strftime(when, sizeof(when), "%b %e %H:%M:%S", &tm); /* RFC 3164, as /dev/log wants
                                                            it */
    str_add(s, "<%d>%s usherd[%ld]: %s: %s", LOG_DAEMON | priorities[level], when, pid,
            subject, line);
}

static int connect_syslog(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd != -1 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1)
        fd_close(&fd);
    return fd;
}

/* A terminal or pipe is shared with others, so its O_NONBLOCK is not ours to set. One
 * that we open ourselves is: asking before each line is not enough, since a terminal says
 * that it has room when a line does not fit, and a pipe may be filled by somebody else
 * after the question. A file's end is in the open file that was passed to us. */
static int open_standard_error(void)
{
    struct stat st;

    if (fstat(STDERR_FILENO, &st) == -1 ||
        !(S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
        return -1;
    return open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool has_room(int fd)
{
    struct pollfd ready = { .fd = fd, .events = POLLOUT };

    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0;
}

static bool put_line(struct str *s)
{
    int fd = sink.fd == -1 ? STDERR_FILENO : sink.fd;

    if (s->length > LINE_ROOM - 2)
        s->length = LINE_ROOM - 2;
    s->at[s->length] = '\n';
    return has_room(fd) && write(fd, s->at, s->length + 1) == (ssize_t)s->length + 1;
}

static bool put_syslog(const struct str *s)
{
    for (int tries = 0; tries < 2; tries++) {
        if (sink.fd == -1)
            sink.fd = connect_syslog();
        if (sink.fd == -1)
            return false;
        if (send(sink.fd, s->at, s->length, MSG_NOSIGNAL | MSG_DONTWAIT) != -1)
            return true;
        if (errno == EAGAIN || errno == ENOBUFS)
            return false;
        fd_close(&sink.fd); /* the log daemon was started again */
    }
    return false;
}

static bool put(enum log_level level, const char *subject, const char *line, long pid)
{
    char buffer[LINE_ROOM];
    struct str s;

    str_init(&s, buffer, sizeof(buffer));
    if (sink.kind == SINK_SYSLOG) {
        format_syslog(&s, level, subject, line, pid);
        return put_syslog(&s);
    }
    if (sink.as_json)
        format_json(&s, level, subject, line, pid);
    else
        format_text(&s, level, subject, line, pid);
    return put_line(&s);
}

static void tell_dropped(void)
{
    char text[80];
    unsigned long count = sink.dropped - sink.told;

    snprintf(text, sizeof(text), "fail dropped=%lu reason=\"the log did not take lines\"",
             count);
    if (put(LOG_WARNING_, "log", text, (long)getpid()))
        sink.told += count;
}

void logsink_write(enum log_level level, const char *subject, const char *line, long pid)
{
    int saved = errno;

    if (sink.dropped != sink.told)
        tell_dropped();
    if (!put(level, subject, line, pid))
        sink.dropped++;
    errno = saved;
}

static void write_own(enum log_level level, const char *subject, const char *line)
{
    logsink_write(level, subject, line, (long)getpid());
}

static int open_file(const char *path, struct err *err)
{
    struct stat st;
    int fd = open(
        path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);

    if (fd == -1)
        return err_sys(err, "open log %s", path);
    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
        fd_close(&fd);
        return err_set(err, "log %s: is not a regular file", path);
    }
    return fd;
}

static enum sink_kind kind_of(const char *to)
{
    return strcmp(to, "stderr") == 0   ? SINK_STDERR
           : strcmp(to, "syslog") == 0 ? SINK_SYSLOG
                                       : SINK_FILE;
}

int logsink_try(const char *to, struct err *err)
{
    int fd;

    if (kind_of(to) != SINK_FILE)
        return 0;
    fd = open_file(to, err);
    if (fd == -1)
        return -1;
    fd_close(&fd);
    return 0;
}

int logsink_open(const char *to, bool as_json, struct err *err)
{
    enum sink_kind kind = kind_of(to);
    int fd = -1;

    if (kind == SINK_FILE && (fd = open_file(to, err)) == -1)
        return -1;
    if (kind == SINK_STDERR)
        fd = open_standard_error();
    fd_close(&sink.fd);
    mem_free(&sink.path);
    sink.kind = kind;
    sink.fd = fd;
    sink.as_json = as_json;
    sink.path = kind == SINK_FILE ? mem_text(to) : NULL;
    log_to(write_own);
    return 0;
}

int logsink_reopen(struct err *err)
{
    int fd;

    if (sink.kind != SINK_FILE)
        return 0;
    if ((fd = open_file(sink.path, err)) == -1)
        return -1;
    fd_close(&sink.fd);
    sink.fd = fd;
    return 0;
}

void logsink_close(void)
{
    log_to(NULL);
    fd_close(&sink.fd);
    mem_free(&sink.path);
    sink.kind = SINK_STDERR;
}

bool logsink_is_stderr(void)
{
    return sink.kind == SINK_STDERR;
}

unsigned long logsink_dropped(void)
{
    return sink.dropped;
}

void logsink_add_dropped(unsigned long count)
{
    sink.dropped += count;
}
