#include "plug/catalogue_ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "plug/catalogue_child.h"
#include "wire/channel.h"

static int start(struct catalogue *catalogue, struct err *err)
{
    struct catalogue_child child = { .enter = catalogue->enter };
    int pair[2];

    if (catalogue->fd != -1)
        return 0;
    if (fd_pair(pair, err) == -1)
        return -1;
    child.fd = pair[1];
    catalogue->pid = catalogue->start(catalogue_child_run, &child, err);
    fd_close(&pair[1]);
    if (catalogue->pid == -1) {
        fd_close(&pair[0]);
        catalogue->pid = 0;
        return -1;
    }
    catalogue->fd = pair[0];
    return 0;
}

int catalogue_ask_stop(struct catalogue *catalogue)
{
    int status = 0;

    fd_close(&catalogue->fd); /* ends it as well, should the signal fail */
    if (catalogue->pid > 0) {
        kill(catalogue->pid, SIGKILL);
        while (waitpid(catalogue->pid, &status, 0) == -1 && errno == EINTR)
            ;
    }
    catalogue->pid = 0;
    return status;
}

static int say_how_it_ended(int status, const char *when, struct err *err)
{
    if (WIFSIGNALED(status))
        return err_set(err, "it crashed %s: signal=%d (%s)", when, WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    return err_set(err, "it ended the process %s: exit=%d", when, WEXITSTATUS(status));
}

enum outcome { ANSWERED, TOO_LATE, GONE, FAILED /* err says which call of ours */ };

static enum outcome outcome_of(const struct err *err)
{
    if (err->code == EBADMSG)
        return ANSWERED;
    return err->code == 0 || err->code == ECONNRESET ? GONE : FAILED;
}

/* Waits for one packet. Nonsense is an answer too: an empty record. */
static enum outcome receive(struct catalogue *catalogue, struct record *out,
                            struct err *err)
{
    int64_t deadline = clock_ms() + catalogue->timeout_ms;
    struct pollfd ready = { .fd = catalogue->fd, .events = POLLIN };
    bool was_reset = false;

    *out = (struct record)RECORD_EMPTY;
    for (;;) {
        int64_t left = deadline - clock_ms();
        int got;

        if (left <= 0)
            return TOO_LATE;
        if (poll(&ready, 1, (int)left) == -1 && errno != EINTR) {
            err_sys(err, "poll");
            return FAILED;
        }
        got = channel_receive(catalogue->fd, out, err);
        /* It ended with our question unread: its last words are behind that error. */
        if (got == -1 && err->code == ECONNRESET && !was_reset)
            was_reset = true;
        else if (got != 0)
            return got == 1 ? ANSWERED : outcome_of(err);
    }
}

/* What was sent without being asked for would be taken for the next answer. */
static bool has_spoken(const struct catalogue *catalogue)
{
    struct pollfd ready = { .fd = catalogue->fd, .events = POLLIN };

    return catalogue->fd != -1 && poll(&ready, 1, 0) == 1;
}

/* Ours, or the kernel's: nothing to do with the plugin. */
static int give_up(struct catalogue *catalogue, struct err *err)
{
    catalogue->has_failed = true;
    catalogue_ask_stop(catalogue);
    return err_prefix(err, "the catalogue");
}

static int take_failed(struct catalogue *catalogue, const struct record *answer,
                       struct err *err)
{
    const char *text = record_get(answer, "text");
    char printable[ERR_TEXT];

    text = text != NULL ? text : "?";
    err_set(err, "%s", log_escape(printable, sizeof(printable), text, strlen(text)));
    return give_up(catalogue, err);
}

int catalogue_ask_nonsense(struct catalogue *catalogue, const char *when, struct err *err)
{
    catalogue_ask_stop(catalogue);
    return err_set(err, "it wrote nonsense where the catalogue answers %s", when);
}

int catalogue_ask(struct catalogue *catalogue, struct record_out *request,
                  struct record *out, const char *when, struct err *err)
{
    *out = (struct record)RECORD_EMPTY;
    if (has_spoken(catalogue))
        catalogue_ask_stop(catalogue);
    if (start(catalogue, err) == -1)
        return give_up(catalogue, err);
    /* EPIPE: it is gone, and its last words or its status, which follow, say why. */
    if (channel_send(catalogue->fd, request, err) == -1 && err->code != EPIPE)
        return give_up(catalogue, err);
    switch (receive(catalogue, out, err)) {
    case FAILED:
        return give_up(catalogue, err);
    case GONE:
        return say_how_it_ended(catalogue_ask_stop(catalogue), when, err);
    case TOO_LATE:
        catalogue_ask_stop(catalogue);
        return err_set(err, "it hung %s: no answer for %d ms", when,
                       catalogue->timeout_ms);
    case ANSWERED:
        break;
    }
    if (out->line != NULL && record_is(out, "failed"))
        return take_failed(catalogue, out, err);
    return out->line != NULL ? 0 : catalogue_ask_nonsense(catalogue, when, err);
}
